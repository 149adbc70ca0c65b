#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The table of room figures in the documentation is what room-table writes.
#
# usage: room-table.sh ROOM_TABLE DOCUMENT
ran=0
failures=0
table=$(mktemp)
trap 'rm -f "$table"' EXIT
"$1" >"$table" || failures=1
while read -r line; do
  ran=$((ran + 1))
  if ! grep -qxF -e "$line" "$2"; then
    failures=$((failures + 1))
    echo "not in $2: $line"
  fi
done <"$table"
[ $ran -gt 10 ] || { echo "no table but $ran lines"; ran=1; failures=1; }
# As Check says it.
echo "$((100 * (ran - failures) / ran))%: Checks: $ran, Failures: $failures, Errors: 0"
[ $failures = 0 ]
