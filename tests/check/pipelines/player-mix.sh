#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The player and its impulse response: what is not written over, and the channels of the mix.
# usage: player-mix.sh MULTITRACK-PLAY
. "$(dirname "$0")/playersupport.sh"

# response NAME CHANNELS
response () {
  launch audiotestsrc wave=white-noise num-buffers=1 samplesperbuffer=4801 ! \
    "audio/x-raw,format=S16LE,rate=48000,channels=$2,channel-mask=(bitmask)0x$(printf %x $(((1 << $2) - 1)))" ! \
    wavenc ! filesink location="$1"
}
# shellcheck disable=SC2086
{
  launch $tone num-buffers=100 ! $mono ! flacenc ! filesink location=mono.flac
  launch $tone num-buffers=100 ! $stereo ! flacenc ! filesink location=stereo.flac
  launch matroskamux name=mux ! filesink location=wide.mka \
    $tone num-buffers=100 ! audio/x-raw,rate=48000,channels=6 ! flacenc ! mux. \
    $tone freq=660 num-buffers=100 ! $stereo ! flacenc ! mux.
}
launch audiotestsrc wave=white-noise num-buffers=1 samplesperbuffer=4801 ! "$mono" ! wavenc ! filesink location=ir1.wav
response ir2.wav 2
response ir4.wav 4
response ir3.wav 3
response ir16.wav 16

# is FILE RATE CHANNELS
is () { test "$(soxi -r "$1") $(soxi -c "$1")" = "$2 $3"; }

# Neither the song nor the response is written over, whatever it is called, nor by the file that is not complete yet.
cp ir2.wav kept.wav
ln -s ir2.wav link.wav
ln ir2.wav hard.wav
mkdir -p sub
for name in ir2.wav link.wav hard.wav ./ir2.wav sub/../ir2.wav "$PWD/ir2.wav"; do
  refuses 'it is the impulse response' stereo.flac --ir ir2.wav --render "$name"
done
refuses 'it is the impulse response' stereo.flac --ir link.wav --render ir2.wav
cp ir2.wav mix.wav.part
refuses '"mix.wav.part", which it is until it is complete, is the impulse response' \
  stereo.flac --ir mix.wav.part --render mix.wav
check 'the file that stands where the mix would grow is as it was' cmp -s mix.wav.part kept.wav
check 'the response is as it was' cmp -s ir2.wav kept.wav
cp stereo.flac kept.flac
refuses 'it is the file to be mixed' "file://$PWD/stereo.flac" --render stereo.flac
check 'the song is as it was' cmp -s stereo.flac kept.flac

# Which channels the mix has.
plays mono.flac --ir ir2.wav --render m2.wav
check 'a mono song becomes stereo for a stereo response' is m2.wav 48000 2
check 'the mix is told' says 'mix  stereo, 48000 Hz'
check 'what is written is told' says 'm2.wav (stereo, 48000 Hz)'
plays mono.flac --ir ir4.wav --render m4.wav
check 'and for one of true stereo' is m4.wav 48000 2
plays mono.flac --ir ir1.wav --render m1.wav
check 'and stays mono for a mono one' is m1.wav 48000 1
check 'which is told' says 'mix  mono, 48000 Hz'
plays wide.mka --ir ir1.wav --render w1.wav
check 'the mix has the channels of its widest track' is w1.wav 48000 6
check 'which is told' says 'mix  6 channels, 48000 Hz, as its widest track has; --channels 2 makes it stereo'
refuses 'the impulse response "ir2.wav" has 2 channels and the mix has 6; --channels 2 makes the mix fit' \
  wide.mka --ir ir2.wav --render out.flac
refuses '"ir4.wav" has 4 channels and the mix has 6; --channels 2 makes the mix fit' \
  wide.mka --ir ir4.wav --render out.flac
refuses '"ir3.wav" has 3 channels and the mix has 2; --channels 3 makes the mix fit' \
  stereo.flac --ir ir3.wav --render out.flac
refuses '"ir16.wav" has 16 channels and the mix has 2; take one with a single channel' \
  stereo.flac --ir ir16.wav --render out.flac
plays wide.mka --ir ir2.wav --channels 2 --render w2.wav
check '--channels 2 makes it stereo' is w2.wav 48000 2
check 'so no more advice is needed' is_silent_on 'as its widest'
plays stereo.flac --ir ir3.wav --channels 3 --render s3.wav
check '--channels 3 makes it three' is s3.wav 48000 3
plays stereo.flac --ir ir1.wav --channels 1 --render s1.wav
check '--channels 1 makes it mono' is s1.wav 48000 1
plays stereo.flac --ir ir1.wav --channels 8 --render s8.flac
check '--channels 8 makes it eight' is s8.flac 48000 8
refuses_option '--channels 9: it takes a number from 1 to 8' stereo.flac --channels 9 --render out.flac
refuses_option '--channels -1: it takes' stereo.flac --channels=-1 --render out.flac
refuses_option '--channels 0: it takes' stereo.flac --channels 0 --render out.flac
refuses 'the impulse response "wide.mka" has 2 audio tracks' stereo.flac --ir wide.mka --render out.flac

tally
