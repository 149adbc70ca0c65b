#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests of the player have in common; they source it. $1 is the player.
set -u
player=$(realpath "$1")
. "$(dirname "$0")/../shellchecks.sh"

says () { grep -qF -- "$1" log; }
is_silent_on () { ! says "$1"; }

# plays ARGUMENT ...: exit status 0
plays () {
  timeout 120 "$player" "$@" >log 2>&1
  check "$* exits with 0" test $? = 0
}

# refuses WORDS ARGUMENT ...: exit status 1, the words are said, and nothing is left behind
refuses () { refuses_with 1 "$@"; }
# refuses_option WORDS ARGUMENT ...: the same with exit status 2
refuses_option () { refuses_with 2 "$@"; }
refuses_with () {
  status=$1
  words=$2
  shift 2
  timeout 60 "$player" "$@" >log 2>&1
  check "$* exits with $status" test $? = "$status"
  check "$* says: $words" says "$words"
  check "$* leaves no file" test ! -e out.flac -a ! -e out.flac.part
}

# starts ARGUMENT ...: plays in the background until the first line of progress is out
starts () {
  : >log # not what the one before has said
  "$player" "$@" >log 2>&1 &
  pid=$!
  wait_for OUT
}
wait_for () {
  tries=0
  until says "$1" || [ $tries = 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
}

launch () { gst-launch-1.0 -q "$@" || exit 1; }
tone='audiotestsrc samplesperbuffer=480 volume=0.3'
mono='audio/x-raw,format=S16LE,rate=48000,channels=1'
stereo='audio/x-raw,format=S16LE,rate=48000,channels=2'


tally () {
  echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
  [ "$failures" = 0 ]
}
