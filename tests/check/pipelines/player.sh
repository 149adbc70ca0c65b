#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The player from outside: length of the rendered file, Ctrl-C, and what it says about bad input.
# usage: player.sh MULTITRACK-PLAY RENDER-DEMO-SONG
set -u
player=$(realpath "$1")
render_song=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0
failures=0

check () { # check WHAT COMMAND ...
  what=$1
  shift
  checks=$((checks + 1))
  "$@" && return
  failures=$((failures + 1))
  echo "FAILED: $what"
  [ ! -f log ] || tail -n 5 log
}
says () { grep -qF -- "$1" log; }

# refuses WORDS ARGUMENT ...: exit status 1, the words are said, and nothing is left behind
refuses () {
  words=$1
  shift
  timeout 60 "$player" "$@" >log 2>&1
  check "$* exits with 1" test $? = 1
  check "$* says: $words" says "$words"
  check "$* leaves no file" test ! -e out.flac -a ! -e out.flac.part
}

"$render_song" song.mka || exit 1

# An impulse response of known length, that no trimming shortens.
gst-launch-1.0 -q audiotestsrc wave=white-noise num-buffers=1 samplesperbuffer=4801 ! \
  audio/x-raw,format=S16LE,rate=48000,channels=1 ! wavenc ! filesink location=ir.wav || exit 1
timeout 120 "$player" song.mka --ir ir.wav --render 'out put.flac' >log 2>&1
check 'rendering ends with 0' test $? = 0
check 'a title is printed' says 'Electric piano'
check 'the real-time factor is printed' says 'times real time'
check 'no control characters when the output is no terminal' test "$(tr -d '\r\033' <log | wc -c)" = "$(wc -c <log)"
check 'song and tail: 2304000 + 4800 frames' test "$(soxi -s 'out put.flac')" = 2308800
check 'the mix is heard' test "$(sox 'out put.flac' -n stat 2>&1 | awk '/Maximum amp/ { print ($3 > 0.1 && $3 < 1) }')" = 1

timeout 120 "$player" song.mka --ir ir.wav --render out.wav >log 2>&1
check 'WAV as long as FLAC' test "$(soxi -s out.wav 2>/dev/null)" = 2308800

# Long enough that it still renders when the first line of progress is out.
gst-launch-1.0 -q audiotestsrc wave=silence num-buffers=36000 samplesperbuffer=4800 ! \
  audio/x-raw,rate=48000,channels=2 ! flacenc ! matroskamux ! filesink location=hour.mka || exit 1
"$player" hour.mka --render stopped.flac >log 2>&1 &
pid=$!
tries=0
until says OUT || [ $tries = 300 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
kill -INT $pid
wait $pid
check 'Ctrl-C exits with 130' test $? = 130
frames=$(soxi -s stopped.flac)
check 'Ctrl-C leaves a complete file, shorter than the song' test "${frames:-0}" -gt 0 -a "${frames:-0}" -lt 172800000
check 'the stopped file can be read to its end' sox stopped.flac -n stat 2>/dev/null

echo 'not audio' >text.txt
mkdir folder
gst-launch-1.0 -q videotestsrc num-buffers=3 ! theoraenc ! matroskamux ! filesink location=video.mkv
refuses 'there is no file "none.mka"' none.mka --render out.flac
refuses '"folder" is a folder' folder --render out.flac
refuses '"text.txt" has no audio track' text.txt --render out.flac
refuses '"video.mkv" has no audio track' video.mkv --render out.flac
refuses 'name it .flac or .wav' song.mka --render out.mp3
refuses 'cannot write "none/out.flac"' song.mka --render none/out.flac
refuses "'none.wav' cannot be used" song.mka --ir none.wav --render out.flac
refuses 'small-room' song.mka --room bath --render out.flac
cp song.mka same.flac
timeout 60 "$player" same.flac --render same.flac >log 2>&1
check 'the input is not overwritten' cmp -s song.mka same.flac

GST_PLUGIN_FEATURE_RANK=opusdec:NONE,avdec_opus:NONE timeout 120 "$player" song.mka --render seven.flac >log 2>&1
check 'seven of eight tracks play' test $? = 0
check 'the track without a decoder is named' says 'no decoder for "Choir"'

echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
