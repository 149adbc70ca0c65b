#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The player from outside: length of the rendered file, Ctrl-C, and what it says about bad input.
# usage: player.sh MULTITRACK-PLAY
. "$(dirname "$0")/playersupport.sh"

# Three seconds; the lead comes after two, the choir leaves after one.
# shellcheck disable=SC2086
launch matroskamux name=mux ! filesink location=song.mka \
  $tone wave=pink-noise num-buffers=300 ! $stereo ! taginject tags=title=Piano ! flacenc ! mux. \
  $tone freq=220 num-buffers=100 ! $mono ! taginject tags=title=Choir ! opusenc ! mux. \
  $tone freq=880 num-buffers=50 timestamp-offset=2000000000 ! $mono ! taginject tags=title=Lead ! flacenc ! mux.

# An impulse response of known length, that no trimming shortens.
# shellcheck disable=SC2086
launch audiotestsrc wave=white-noise num-buffers=1 samplesperbuffer=4801 ! $mono ! wavenc ! filesink location=ir.wav
plays song.mka --ir ir.wav --render 'out put.flac'
check 'a title is printed' says 'Piano'
check 'the real-time factor is printed' says 'times real time'
check 'no control characters when the output is no terminal' test "$(tr -d '\r\033' <log | wc -c)" = "$(wc -c <log)"
check 'a whole file is not called cut off' is_silent_on 'cut off'
check 'what fits is not called clipped' is_silent_on 'full scale'
check 'the length with the tail is printed' says '3.0 s mixed (3.1 s with the reverb'"'"'s tail)'
check 'song and tail: 144000 + 4800 frames' test "$(soxi -s 'out put.flac')" = 148800
check 'the mix is heard' test "$(sox 'out put.flac' -n stat 2>&1 | awk '/Maximum amp/ { print ($3 > 0.1 && $3 < 1) }')" = 1

# Cut off half way, before the lead. Its decoder fails while the pipeline starts.
head -c "$(($(wc -c <song.mka) / 2))" song.mka >cut.mka
plays cut.mka --ir ir.wav --render cut.flac
check 'the track that is not reached is named' grep -q 'track [1-3] "Lead" is left out of the mix' log
check 'the cut is told' says '"cut.mka" should last 0:03, but its sound ends at 0:0'
frames=$(soxi -s cut.flac)
check 'the rest is played' test "${frames:-0}" -gt 48000 -a "${frames:-0}" -lt 144000

# Long against the queues: its mix waits for tracks now and then, as every render does.
# shellcheck disable=SC2086
launch matroskamux name=mux ! filesink location=long.mka \
  $tone wave=pink-noise num-buffers=2000 ! $stereo ! flacenc ! mux. \
  $tone freq=220 num-buffers=2000 ! $stereo ! flacenc ! mux. \
  $tone freq=880 num-buffers=2000 ! $stereo ! flacenc ! mux.
plays long.mka --ir ir.wav --render long.flac
check 'a render that has lost nothing says nothing of waiting' is_silent_on 'wait'
check 'nor of the figures behind that' is_silent_on 'starved'

# Twice the same tone adds up to more than full scale.
# shellcheck disable=SC2086
launch matroskamux name=mux ! filesink location=loud.mka \
  audiotestsrc volume=0.9 num-buffers=20 ! $mono ! tee name=twice ! queue ! flacenc ! mux. twice. ! queue ! flacenc ! mux.
plays loud.mka --ir ir.wav --render loud.wav
check 'WAV too loud is told' says 'clip where the WAV file is played'
launch filesrc location=loud.wav ! wavparse ! filesink location=loud.raw
count=$(od -An -v -t f4 loud.raw | awk '{ for (i = 1; i <= NF; i++) n += $i > 1 || $i < -1 } END { print n }')
check 'as many samples as are too loud' test "$count" -gt 0 -a "$count" = "$(sed -n 's/.*Warning: \([0-9]*\) samples.*/\1/p' log)"
plays loud.mka --ir ir.wav --render loud.flac
check 'FLAC as long as WAV' test "$(soxi -s loud.flac)" = "$(soxi -s loud.wav)"
check 'FLAC that is clipped is told' says "$count samples are louder than full scale"
# shellcheck disable=SC2046
plays loud.mka --ir ir.wav --render fits.flac $(grep -o -e '--dry [^ ]* --wet [^ ]*' log)
check 'the advice about levels is right' is_silent_on 'full scale'

# What the mixer does not take: 8 bits and another rate.
# shellcheck disable=SC2086
launch audiotestsrc num-buffers=10 ! audio/x-raw,format=U8,rate=44100 ! wavenc ! filesink location=8bit.wav
plays 8bit.wav --ir ir.wav --render 8bit.flac
check '8 bits are converted' test "$(soxi -r 8bit.flac)" = 44100
# shellcheck disable=SC2086
launch matroskamux name=mux ! filesink location=rates.mka \
  $tone num-buffers=100 ! audio/x-raw,format=S16LE,rate=44100 ! flacenc ! mux. $tone num-buffers=100 ! $stereo ! flacenc ! mux.
plays rates.mka --ir ir.wav --render rates.flac
check 'the rate of the first track, the channels of the widest' test "$(soxi -r rates.flac) $(soxi -c rates.flac)" = '44100 2'

# From a pipe that never ends.
mkfifo endless.mka
# shellcheck disable=SC2086
gst-launch-1.0 -q audiotestsrc ! $mono ! flacenc ! matroskamux streamable=true ! filesink location=endless.mka >/dev/null 2>&1 &
starts endless.mka --ir ir.wav --render stopped.flac
kill -INT $pid
wait $pid
check 'Ctrl-C exits with 130' test $? = 130
frames=$(soxi -s stopped.flac)
check 'Ctrl-C leaves a complete file' test "${frames:-0}" -gt 0
check 'the stopped file can be read to its end' sox stopped.flac -n stat 2>/dev/null

# A sink that waits for an hour before its first sound.
starts song.mka --ir ir.wav --audiosink 'fakesink sync=true ts-offset=3600000000000'
kill -INT $pid
wait_for Ending
kill -INT $pid
wait $pid
check 'Ctrl-C twice leaves at once' test $? = 130

echo 'not audio' >text.txt
mkdir folder
launch videotestsrc num-buffers=3 ! theoraenc ! matroskamux ! filesink location=video.mkv
head -c 2000 song.mka >head.mka # all tracks are known, none has sound
# A pipe that somebody holds open and that brings nothing.
mkfifo silent.mka
sleep 60 >silent.mka &
holder=$!
refuses '"silent.mka" has brought no audio track' silent.mka --patience 1 --render out.flac
kill $holder
mkfifo alone.mka # and one that nobody opens
refuses '"alone.mka" has brought no audio track' alone.mka --patience 1 --render out.flac
refuses 'there is no file "none.mka"' none.mka --render out.flac
refuses '"folder" is a folder' folder --render out.flac
refuses '"text.txt" has no audio track' text.txt --render out.flac
refuses '"video.mkv" has no audio track' video.mkv --render out.flac
refuses '"head.mka" has no audio track' head.mka --render out.flac
refuses 'cannot write "none/out.flac"' song.mka --render none/out.flac
refuses "'none.wav' cannot be used" song.mka --ir none.wav --render out.flac
refuses_option 'name it .flac or .wav' song.mka --render out.mp3
refuses_option '--render takes the name' song.mka --render=
for option in --ir --room --dry --wet --audiosink; do
  refuses_option "$option is given without a value" song.mka "$option" '' --render out.flac
done
refuses_option 'small-room' song.mka --room bath --render out.flac
refuses_option 'give one of them' song.mka --room hall --ir ir.wav --render out.flac
refuses_option 'a number from 0 to 10' song.mka --dry 11 --render out.flac
refuses_option '--audiosink "nosuchsink"' song.mka --audiosink nosuchsink
refuses_option 'Unknown option --nonsense' song.mka --nonsense
cp song.mka same.flac
timeout 60 "$player" same.flac --render same.flac >log 2>&1
check 'the input is not overwritten' cmp -s song.mka same.flac

# Where no sink for sound may be chosen, the fallback is told once there is something to render.
no_card=alsasink:NONE,pulsesink:NONE,openalsink:NONE,osssink:NONE,oss4sink:NONE,jackaudiosink:NONE,pipewiresink:NONE
GST_PLUGIN_FEATURE_RANK=$no_card plays song.mka --ir ir.wav --fallback instead.flac
check 'the fallback is told' says 'no sound card, so the mix goes to instead.flac'
check 'the fallback is made' test -s instead.flac
GST_PLUGIN_FEATURE_RANK=$no_card refuses '"text.txt" has no audio track' text.txt --fallback out.flac
check 'a fault is not told behind a file that is never made' is_silent_on 'no sound card'

GST_PLUGIN_FEATURE_RANK=opusdec:NONE,avdec_opus:NONE plays song.mka --ir ir.wav --render two.flac
check 'the track without a decoder is named' grep -q 'track [1-3] "Choir" is left out of the mix: no decoder for Opus' log

tally
