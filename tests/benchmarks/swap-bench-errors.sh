#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# swap-bench says what is wrong and ends, also when a change fails while it plays.
#
# usage: swap-bench-errors.sh SWAP_BENCH
bench=$1
ran=0
failures=0
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# judge STATUS PATTERN WHAT: by $status and the output in $TMPDIR/said
judge () {
  ran=$((ran + 1))
  if [ $status != "$1" ] || ! grep -q -e "$2" "$TMPDIR/said"; then
    failures=$((failures + 1))
    echo "$3: exit status $status, should be $1 and say «$2»:"
    cat "$TMPDIR/said"
  fi
}

# says STATUS PATTERN ARGUMENT …
says () {
  expected=$1
  pattern=$2
  shift 2
  timeout 60 "$bench" "$@" >"$TMPDIR/said" 2>&1
  status=$?
  judge "$expected" "$pattern" "swap-bench $*"
}

says 2 'a number is out of its range' --swaps=0
says 2 'a number is out of its range' --ir=61
says 2 'a number is out of its range' --channels=64
says 2 "'tape' is no way to swap" --ways=none,tape
says 2 "'more' is too much" more
says 2 'a number is out of its range' --ir=0.00002
says 0 '| location |' --ir=0.00003 --swaps=2 --ways=location
says 0 '| location |' --ir=0.1 --swaps=2 --ways=location

# The file that comes second goes before it is wanted: that change fails, and would be waited for without end.
"$bench" --ir=0.1 --ways=location >"$TMPDIR/said" 2>&1 &
running=$!
tries=0
while [ $tries -lt 600 ] && ! ls "$TMPDIR"/swap-bench-*/b.wav >/dev/null 2>&1; do
  sleep 0.1
  tries=$((tries + 1))
done
rm -f "$TMPDIR"/swap-bench-*/b.wav
tries=0
while [ $tries -lt 600 ] && kill -0 $running 2>/dev/null; do
  sleep 0.1
  tries=$((tries + 1))
done
kill $running 2>/dev/null
wait $running
status=$?
judge 1 'there is no such file' 'swap-bench without its files'

# Nothing of it is left, however it ended.
ran=$((ran + 1))
if ls "$TMPDIR"/swap-bench-* >/dev/null 2>&1; then
  failures=$((failures + 1))
  echo "swap-bench leaves files behind"
fi

(TMPDIR=/nowhere timeout 60 "$bench" --ir=0.1 --swaps=2) >"$TMPDIR/said" 2>&1
status=$?
judge 1 'No such file or directory' 'swap-bench without a folder to write to'

# As Check says it.
echo "$((100 * (ran - failures) / ran))%: Checks: $ran, Failures: $failures, Errors: 0"
[ $failures = 0 ]
