#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# GStreamer Editing Services, which make their mixer by the name audiomixer, render the same file to the last bit with
# trackmixer under that name.
#
# usage: editing-services.sh STAND-IN-PLUGIN TRACKMIXER-PLUGIN
set -u
ours=--gst-plugin-load=$(realpath "$1"),$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
fail () {
  echo "$*"
  failed=1
}

# Noise of 16 bits in the rate that Editing Services mix with, so that nothing of the way there rounds.
for n in 1 2; do
  gst-launch-1.0 -q audiotestsrc wave=white-noise volume=0.2 num-buffers=100 ! \
    audio/x-raw,format=S16LE,rate=44100,channels=2 ! wavenc ! filesink location=$n.wav
done

# render OUT OPTION ...: two layers that overlap, one at half its volume, and a third clip later
render () {
  out=$1
  shift
  # Raw audio in a WAV file.
  GST_DEBUG='trackmixer:5' GST_DEBUG_NO_COLOR=1 GST_DEBUG_FILE="$out.log" timeout -k 5 60 \
    ges-launch-1.0 "$@" --track-types audio -o "file://$work/$out" -f audio/x-wav:audio/x-raw \
    +clip 1.wav duration=1.5 start=0 layer=0 set-volume 0.5 \
    +clip 2.wav inpoint="${second_from:-0.25}" duration=1.5 start=0.7 layer=1 \
    +clip 1.wav inpoint=1 duration=0.5 start=2.0 layer=2 >"$out.out" 2>&1 </dev/null || {
    tr '\r' '\n' <"$out.out" | grep -v position: | tail -n 20
    fail "ges-launch-1.0 $*: no $out"
  }
}

# The way takes the mixer that it says.
gst-inspect-1.0 "$ours" audiomixer | grep -q 'Track mixer' || fail 'audiomixer is not trackmixer'
gst-inspect-1.0 audiomixer | grep -q 'Track mixer' && fail 'audiomixer is trackmixer without being told so'

render stock.wav
render ours.wav "$ours"
grep -q 'smart-adder' ours.wav.log || fail 'Editing Services have not mixed with trackmixer'
grep -q 'smart-adder' stock.wav.log && fail 'Editing Services mix with trackmixer without being told so'
frames=$(soxi -s ours.wav)
[ "$frames" = 110250 ] || fail "$frames frames instead of 110250"
cmp stock.wav ours.wav || fail 'trackmixer gives another file than audiomixer'

# And a comparison that can fail: one frame further in the second clip.
second_from=0.250022676 render other.wav "$ours"
[ "$(soxi -s other.wav)" = 110250 ] || fail 'the other file has another length'
cmp -s ours.wav other.wav && fail 'the comparison sees no difference of a frame'

# As Check says it.
echo "$((100 - 100 * failed))%: Checks: 1, Failures: $failed, Errors: 0"
[ "$failed" = 0 ]
