#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the player says of damaged and odd files, of its own options, and while it ends.
# usage: player-talk.sh MULTITRACK-PLAY
. "$(dirname "$0")/playersupport.sh"

launch audiotestsrc wave=white-noise num-buffers=1 samplesperbuffer=4801 ! "$mono" ! wavenc ! filesink location=ir.wav

# Nine channels without positions are the mix's, and stereo can't be converted to them.
# shellcheck disable=SC2086
launch matroskamux name=mux ! filesink location=odd.mka \
  $tone num-buffers=100 ! 'audio/x-raw,format=S16LE,rate=48000,channels=9,channel-mask=(bitmask)0' ! mux. \
  $tone num-buffers=100 ! $stereo ! taginject tags=title=Piano ! flacenc ! mux.
plays odd.mka --ir ir.wav --render odd.wav
number=$(sed -n 's/^ *\([0-9]*\)  Piano .*/\1/p' log)
check 'the mixer'"'"'s warning names the track as the list does' says "Track $number \"Piano\" is left out: its 2 channels"
check 'and not by its pad' is_silent_on sink_

# A WAV file that was cut.
# shellcheck disable=SC2086
launch $tone num-buffers=200 ! $stereo ! wavenc ! filesink location=whole.wav
head -c 200000 whole.wav >cut.wav
plays cut.wav --ir ir.wav --render cut.flac
check 'a WAV file that was cut is told' says \
  "\"cut.wav\" may be cut off: it is cut short, its header tells of $(wc -c <whole.wav) bytes and it has 200000"
plays whole.wav --ir ir.wav --render whole.flac
check 'a whole one is not' is_silent_on 'cut off'

# An MP4 file has its index at its end.
# shellcheck disable=SC2086
launch $tone num-buffers=200 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! mp4mux ! filesink location=whole.mp4
head -c "$(($(wc -c <whole.mp4) / 2))" whole.mp4 >cut.mp4
refuses '"cut.mp4" has no audio track that can be played: it is incomplete, its index ("moov") is missing' \
  cut.mp4 --ir ir.wav --patience 2 --render out.flac
plays whole.mp4 --ir ir.wav --render mp4.flac
# Rendered and played it is the same song, and while the reverb rings out there is no more to tell of the mix.
plays whole.wav --ir ir.wav --render same.flac
rendered=$(grep -o '^[0-9.]* s mixed ([0-9.]* s' log)
check 'and no speed is told that was not measured' test "$(grep -c 'OUT 0\.0' log)" = 0
plays whole.wav --ir ir.wav --audiosink fakesink
check 'nobody has heard it wait' test "$(grep -c 'had to wait' log)" = 0
plays whole.wav --ir ir.wav --audiosink 'fakesink sync=true'
check 'as much is mixed when it is played' test "$(grep -o '^[0-9.]* s mixed ([0-9.]* s' log)" = "$rendered"
check 'which is what it is' test "$rendered" = '2.0 s mixed (2.1 s'
launch audiotestsrc wave=white-noise num-buffers=30 samplesperbuffer=4800 ! "$mono" ! wavenc ! filesink location=long.wav
plays whole.wav --ir long.wav --audiosink 'fakesink sync=true'
check 'the tail is told' says 'the reverb rings out'
check 'the figures are those of the mix' test "$(grep -c 'OUT 0\.0' log)" = 0
check 'and are told at the end' test "$(grep -E 'OUT|rings out' log | tail -n 1 | grep -c 'OUT [1-9]')" = 1

# Damaged data that the decoder gives up at: which track, and where.
launch audiotestsrc wave=pink-noise volume=0.1 num-buffers=300 ! "$stereo" ! flacenc ! \
  breakmydata skip=300000 probability=0.001 seed=7 ! matroskamux ! filesink location=bad.mka
timeout 60 "$player" bad.mka --ir ir.wav --render bad.flac >log 2>&1
check 'a damaged track is named, and the time' grep -q '^Warning: "bad.mka", track 1 "Audio" at 0:0[1-6]: .* The mix goes on\.$' log

# Ctrl-C before there is any sound: nothing is completed.
mkfifo silent.mka
sleep 60 >silent.mka &
holder=$!
listens () { # SIGINT is caught; the kernel's masks are in hexadecimal, so its bit is in the last digit
  [ "$(readlink "/proc/$1/exe")" = "$player" ] || return 1 # still the shell, which catches it, too
  sed -n 's/^SigCgt:.*\(.\)$/\1/p' "/proc/$1/status" | grep -q '[2367abef]'
}
interrupts () { # interrupts NAME: as soon as it listens
  "$player" silent.mka --render "$1" >log 2>&1 &
  pid=$!
  tries=0
  until listens $pid || [ $tries = 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -INT $pid
  wait $pid
}
echo before >there.flac
interrupts none.flac
check 'Ctrl-C says that there is no file' says '"none.flac" is not written, no file is left'
check 'and there is none' test ! -e none.flac -a ! -e none.flac.part
interrupts there.flac
check 'or that the one that was there is as it was' says '"there.flac" is not written, and what was there is as it was'
check 'which it is' test "$(cat there.flac)" = before
kill $holder

# A folder that nobody may write to; root may, so a test that runs as root gives that up.
mkdir locked
chmod 555 locked
drop=
[ "$(id -u)" != 0 ] || drop='setpriv --bounding-set=-dac_override,-dac_read_search'
# shellcheck disable=SC2086
$drop timeout 60 "$player" whole.wav --render locked/out.flac >log 2>&1
check 'a folder without permission exits with 1' test $? = 1
check 'it is named, and a way out' says "no permission to make a file in \"$PWD/locked\"; --render takes one in another folder"

"$player" --help >log 2>&1
check '--help has the defaults' test "$(grep -c -e 'linear, 0 to 10 (0.7)' -e 'linear, 0 to 10 (0.25)' -e 'cathedral (hall)' log)" = 3
# They are the element's. With a sanitizer in it gst-inspect-1.0 can't load the plug-in, and need not say so.
gst-inspect-1.0 convreverb >inspected 2>/dev/null
if grep -q '^Element Properties' inspected; then
  for default in 'dry 0.7' 'wet 0.25'; do
    value=$(grep -A 3 "^  ${default% *} " inspected | sed -n 's/.*Default: *\([0-9.]*\).*/\1/p')
    check "the default of $default" test "$value" = "${default#* }"
  done
fi
"$player" --version >log 2>&1
check '--version exits with 0' test $? = 0
check '--version says which' grep -q '^multitrack-play [0-9.]*, GStreamer 1\.' log

tally
