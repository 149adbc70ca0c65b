#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# gst-inspect-1.0 shows an element, with its plugin, pads and properties.
#
# usage: inspect.sh ELEMENT
failures=0
shown=$(gst-inspect-1.0 "$1") || failures=1
for part in 'Factory Details' 'Plugin Details' 'Pad Templates' 'Element Properties'; do
  case $shown in
  *"$part"*) ;;
  *)
    echo "gst-inspect-1.0 $1 shows no «$part»"
    failures=1
    ;;
  esac
done
# As Check says it.
echo "$((100 - 100 * failures))%: Checks: 1, Failures: $failures, Errors: 0"
[ $failures = 0 ]
