#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs every gst-launch-1.0 line of the documentation, so that none is there that does not work.
#
# usage: launch-lines.sh SOURCE_FOLDER
# Lines are what stands in ```sh blocks of README.md and docs/, with their continuations, and begins with gst-launch-1.0 or
# «meson devenv … gst-launch-1.0». A block that can't be run here has «<!-- not run: WHY -->» on the line before it; one whose
# output on the terminal matters has «<!-- shows: WORD -->».
#
# What is replaced: autoaudiosink by fakesink (no sound card, and no waiting for the clock); autoaudiosrc by a second of a
# live test tone; «meson devenv -C …» by nothing, the caller's environment has the elements; file:///path/ by this test's folder, in which each line runs. Every file that
# a line reads is made there from test tones, by its ending, before it runs. A line may take a minute and must end with EOS.
# An audio file that it writes must be there in the end, be decodable, and not be silent.
set -u
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# tracks NAME: a Matroska file of six FLAC tracks of different length, the last one late
tracks () {
  gst-launch-1.0 -q matroskamux name=x ! filesink location="$1" \
    audiotestsrc freq=220 volume=0.1 num-buffers=150 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x. \
    audiotestsrc freq=330 volume=0.1 num-buffers=100 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x. \
    audiotestsrc freq=440 volume=0.1 num-buffers=50 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x. \
    audiotestsrc freq=660 volume=0.1 num-buffers=70 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x. \
    audiotestsrc freq=770 volume=0.1 num-buffers=90 ! audio/x-raw,rate=44100,channels=1 ! flacenc ! x. \
    audiotestsrc freq=550 volume=0.1 num-buffers=50 timestamp-offset=1000000000 ! audio/x-raw,rate=48000,channels=2 ! flacenc ! x.
}

# screen NAME: a picture and two AAC tracks of 8 and 4 s
screen () {
  gst-launch-1.0 -q mp4mux name=x ! filesink location="$1" \
    videotestsrc num-buffers=200 ! video/x-raw,width=160,height=120,framerate=25/1 ! openh264enc ! h264parse ! x. \
    audiotestsrc freq=220 volume=0.1 num-buffers=375 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! x. \
    audiotestsrc freq=330 volume=0.1 num-buffers=188 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! x. 2>/dev/null
}

# tone NAME RATE ENCODER [CHANNELS]
tone () {
  gst-launch-1.0 -q audiotestsrc freq=440 volume=0.1 num-buffers=100 ! \
    "audio/x-raw,rate=$2,channels=${4:-2}" ! "$3" ! filesink location="$1"
}

# written LINE: the audio files that it writes
written () {
  sink=
  for word in $1; do
    case $sink$word in
    filesink) sink=filesink: ;;
    filesink:location=*.wav | filesink:location=*.flac | filesink:location=*.ogg | filesink:location=*.mka | \
      filesink:location=*.mkv)
      echo "${word#location=}"
      sink= ;;
    *!) sink= ;;
    esac
  done
}

# sounds FILE: says what is wrong when it is no audio, or silence
sounds () {
  if ! timeout 20 gst-launch-1.0 -q filesrc location="$1" ! decodebin ! audioconvert ! audio/x-raw,format=S16LE ! wavenc ! \
    filesink location=decoded >sounds.out 2>&1 </dev/null; then
    echo "  $1 can't be decoded"
    return 1
  fi
  loudness=$(sox -t wav decoded -n stat 2>&1 | awk '/^RMS.*amplitude/ { print $3 }')
  if [ -z "$loudness" ] || ! awk "BEGIN { exit !($loudness > 0.001) }"; then
    echo "  $1 is silent (RMS «$loudness»)"
    return 1
  fi
}

# make_inputs LINE
make_inputs () {
  outputs=" $(written "$1" | tr '\n' ' ')"
  for word in $1; do
    case $word in
    location=* | ir-location=*) file=${word#*=} ;;
    uri=file://*) file=${word#uri=file://"$work"/} ;;
    *) continue ;;
    esac
    case $outputs in *" $file "*) continue ;; esac
    [ -e "$file" ] && continue
    case $file in
    */*) ;; # no file of ours: the line says what it thinks of it
    *.mka | *.mkv) tracks "$file" ;;
    *.mp4) screen "$file" ;;
    true-stereo*.wav) tone "$file" 48000 wavenc '4,channel-mask=(bitmask)0x33' ;;
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
    /^<!-- shows: .* -->/ { shows = $0; gsub (/^<!-- shows: | -->$/, "", shows) }
    inside {
      sub (/^[ \t]+/, "")
      line = line $0
      if (sub (/\\$/, "", line)) next
      if (line ~ /^(meson devenv [^;|&]*)?gst-launch-1\.0 /) print shows "|" line
      line = shows = ""
    }' "$@"
}

ran=0
failed=0

# The look at what a line writes sees silence, an empty file, one without samples and none, and takes a tone.
control () {
  ran=$((ran + 1))
  if [ "$(sounds "$2" >/dev/null && echo yes || echo no)" != "$1" ]; then
    failed=$((failed + 1))
    echo "a file's sound is not seen: $2 should be «$1»"
  fi
}
tone tone.flac 48000 flacenc
gst-launch-1.0 -q audiotestsrc wave=silence num-buffers=20 ! wavenc ! filesink location=silence.wav
: >empty.wav
head -c 44 silence.wav >header.wav
control yes tone.flac
control no silence.wav
control no empty.wav
control no header.wav
control no none.wav

find "$source/README.md" "$source/docs" -name '*.md' | sort >documents
while read -r document; do
  extract "$document" >lines
  while IFS='|' read -r shows line; do
    runnable=$(printf '%s\n' "$line" | sed -e 's/^meson devenv .*gst-launch-1\.0 /gst-launch-1.0 /' \
      -e 's/autoaudiosink/fakesink/g' -e 's/autoaudiosrc/audiotestsrc is-live=true num-buffers=50/g' -e "s|file:///path/|file://$work/|g")
    outputs=$(written "$runnable")
    # shellcheck disable=SC2086
    rm -f $outputs
    make_inputs "$runnable"
    ran=$((ran + 1))
    timeout 60 sh -c "$runnable" >out 2>&1 </dev/null
    status=$?
    wrong=
    for file in $outputs; do
      wrong=$wrong$(sounds "$file")
    done
    [ -z "$shows" ] || grep -q -e "$shows" out || wrong="$wrong  does not show $shows"
    if [ $status != 0 ] || [ -n "$wrong" ] || grep -q -e '^ERROR' -e '^WARNING' -e CRITICAL out; then
      failed=$((failed + 1))
      echo "${document#"$source"/}: $line"
      [ $status = 124 ] && echo "  has not ended after a minute"
      [ -z "$wrong" ] || printf '%s\n' "$wrong"
      sed 's/^/  /' out
    fi
  done <lines
done <documents

# As Check says it.
[ "$ran" -gt 0 ] || { echo "no launch line found"; ran=1; failed=1; }
echo "$((100 * (ran - failed) / ran))%: Checks: $ran, Failures: $failed, Errors: 0"
[ "$failed" = 0 ]
