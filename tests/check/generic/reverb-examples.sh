#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the Python examples of convreverb, and looks at what they say.
#
# usage: reverb-examples.sh SOURCE_FOLDER
examples=$1/tests/examples
ran=0
failures=0

# says STATUS PATTERN COMMAND …: it ends with that status and its output has the pattern
says () {
  expected=$1
  pattern=$2
  shift 2
  ran=$((ran + 1))
  said=$(timeout 60 "$@" 2>&1)
  status=$?
  if [ $status != "$expected" ] || ! printf '%s\n' "$said" | grep -q -e "$pattern"; then
    failures=$((failures + 1))
    echo "$*: exit status $status, should be $expected and say «$pattern»:"
    printf '%s\n' "$said"
  fi
}

says 0 '^wet at the end: 0$' "$examples/reverb-automation.py" - fakesink
# The one of the start and four more, each given the time it needs.
says 0 '^rooms heard: 5$' "$examples/reverb-swap.py" 'fakesink sync=true'

# After a file that is not there the room before it is what sounds, and setting that one changes nothing.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
gst-launch-1.0 -q audiotestsrc num-buffers=1 ! wavenc ! filesink location="$folder/a.wav"
says 1 '^rooms heard: 2$' "$examples/reverb-swap.py" 'fakesink sync=true' "$folder/a.wav" "$folder/a.wav" \
  "$folder/nosuch.wav" "$folder/a.wav"

# An empty name is no file: it says so, and waits for nothing.
says 1 'IR_FILE is empty' "$examples/reverb-swap.py" 'fakesink sync=true' '' "$folder/a.wav"
says 1 'IR_FILE is empty' "$examples/reverb-swap.py" 'fakesink sync=true' "$folder/a.wav" ''

# As Check says it.
echo "$((100 * (ran - failures) / ran))%: Checks: $ran, Failures: $failures, Errors: 0"
[ $failures = 0 ]
