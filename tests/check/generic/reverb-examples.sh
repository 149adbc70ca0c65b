#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the Python examples of convreverb, and looks at what they say.
#
# usage: reverb-examples.sh SOURCE_FOLDER
examples=$1/tests/examples
ran=0
failures=0

# says PATTERN COMMAND …: it ends well and its output has the pattern
says () {
  pattern=$1
  shift
  ran=$((ran + 1))
  said=$(timeout 100 "$@" 2>&1)
  status=$?
  if [ $status != 0 ] || ! printf '%s\n' "$said" | grep -q -e "$pattern"; then
    failures=$((failures + 1))
    echo "$*: exit status $status, should say «$pattern»:"
    printf '%s\n' "$said"
  fi
}

says '^wet at the end: 0$' "$examples/reverb-automation.py" - fakesink
# The one of the start and four more, each given the time it needs.
says '^rooms heard: 5$' "$examples/reverb-swap.py" 'fakesink sync=true'

# As Check says it.
echo "$((100 * (ran - failures) / ran))%: Checks: $ran, Failures: $failures, Errors: 0"
[ $failures = 0 ]
