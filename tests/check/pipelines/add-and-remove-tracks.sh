#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Python example adds and removes its tracks, all of them are heard, and the track that stays is the same to the bit as
# alone.
#
# usage: add-and-remove-tracks.sh EXAMPLE
set -u
example=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
fail () {
  echo "$*"
  failed=1
}

# Into a file and, because that is as fast as it can be, into a sink that keeps to the clock.
timeout -k 5 100 "$example" --count 5 --every 0.15 --length 0.6 --sink "audioconvert ! audio/x-raw,format=F32LE ! tee name=t ! queue ! \
  wavenc ! filesink location=mix.wav t. ! queue max-size-time=50000000 max-size-buffers=0 ! fakesink sync=true" >out 2>&1 ||
  fail 'the example fails'
added=$(grep -c '  + sink_' out)
removed=$(grep -c '  - sink_[0-9]*, [1-9][0-9]* frames mixed' out)
[ "$added" = 5 ] || fail "$added tracks added instead of 5"
[ "$removed" = 5 ] || fail "$removed tracks heard and removed instead of 5"

# The left channel belongs to the track that stays, the right one to the others.
frames=$(soxi -s mix.wav)
gst-launch-1.0 -q trackmixer name=m sink_0::volume=0.5 sink_0::pan=-1 ! audio/x-raw,format=F32LE,channels=2 ! wavenc ! \
  filesink location=alone.wav audiotestsrc freq=110 num-buffers=2000 ! m.sink_0
for name in mix alone; do
  sox -V1 $name.wav -t raw $name.left remix 1 trim 0s "${frames}s"
done
[ "$(stat -c %s mix.left)" -gt 100000 ] || fail 'the mix is short'
cmp mix.left alone.left || fail 'the track that stays is another one than alone'
loudness=$(sox mix.wav -n remix 2 stat 2>&1 | awk '/^RMS.*amplitude/ { print $3 }')
awk "BEGIN { exit !($loudness > 0.01) }" || fail "the others are not heard (RMS $loudness)"
[ $failed = 0 ] || cat out

# As Check says it.
echo "$((100 - 100 * failed))%: Checks: 1, Failures: $failed, Errors: 0"
[ "$failed" = 0 ]
