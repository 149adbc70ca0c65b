#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs every gst-launch-1.0 line of the documentation, so that none is there that does not work.
#
# usage: launch-lines.sh SOURCE_FOLDER
# Lines are what stands in ```sh blocks of README.md and docs/, with their continuations, and begins with gst-launch-1.0 or
# «meson devenv … gst-launch-1.0». A block that can't be run here has «<!-- not run: WHY -->» on the line before it.
#
# What is replaced: autoaudiosink by fakesink (no sound card, and no waiting for the clock); «meson devenv -C …» by nothing,
# the caller's environment has the elements; file:///path/ by this test's folder, in which each line runs. Every file that
# a line reads is made there from test tones, by its ending, before it runs. A line may take a minute and must end with EOS.
set -u
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# tracks NAME: a Matroska file of four FLAC tracks of different length, the last one late
tracks () {
  gst-launch-1.0 -q matroskamux name=x ! filesink location="$1" \
    audiotestsrc freq=220 volume=0.1 num-buffers=150 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x. \
    audiotestsrc freq=330 volume=0.1 num-buffers=100 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x. \
    audiotestsrc freq=440 volume=0.1 num-buffers=50 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x. \
    audiotestsrc freq=550 volume=0.1 num-buffers=50 timestamp-offset=1000000000 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x.
}

# tone NAME RATE ENCODER
tone () {
  gst-launch-1.0 -q audiotestsrc freq=440 volume=0.1 num-buffers=100 ! \
    "audio/x-raw,rate=$2,channels=2" ! "$3" ! filesink location="$1"
}

# make_inputs LINE
make_inputs () {
  for word in $1; do
    case $word in
    location=* | ir-location=*) file=${word#*=} ;;
    uri=file://*) file=${word#uri=file://"$work"/} ;;
    *) continue ;;
    esac
    [ -e "$file" ] && continue
    case $file in
    */*) ;; # no file of ours: the line says what it thinks of it
    *.mka | *.mkv) tracks "$file" ;;
    *.wav) tone "$file" 44100 wavenc ;;
    *.flac) tone "$file" 48000 flacenc ;;
    esac
  done
}

extract () {
  awk '
    /^```/ {
      if (inside) inside = 0
      else inside = ($0 ~ /^```sh/ && before !~ /<!-- not run: .* -->/)
      before = $0
      next
    }
    { before = $0 }
    inside {
      sub (/^[ \t]+/, "")
      line = line $0
      if (sub (/\\$/, "", line)) next
      if (line ~ /^(meson devenv [^;|&]*)?gst-launch-1\.0 /) print line
      line = ""
    }' "$@"
}

ran=0
failed=0
find "$source/README.md" "$source/docs" -name '*.md' | sort >documents
while read -r document; do
  extract "$document" >lines
  while read -r line; do
    runnable=$(printf '%s\n' "$line" | sed -e 's/^meson devenv .*gst-launch-1\.0 /gst-launch-1.0 /' \
      -e 's/autoaudiosink/fakesink/g' -e "s|file:///path/|file://$work/|g")
    make_inputs "$runnable"
    ran=$((ran + 1))
    timeout 60 sh -c "$runnable" >out 2>&1 </dev/null
    status=$?
    if [ $status != 0 ] || grep -q -e '^ERROR' -e '^WARNING' -e CRITICAL out; then
      failed=$((failed + 1))
      echo "${document#"$source"/}: $line"
      [ $status = 124 ] && echo "  has not ended after a minute"
      sed 's/^/  /' out
    fi
  done <lines
done <documents

# As Check says it.
[ "$ran" -gt 0 ] || { echo "no launch line found"; ran=1; failed=1; }
echo "$((100 * (ran - failed) / ran))%: Checks: $ran, Failures: $failed, Errors: 0"
[ "$failed" = 0 ]
