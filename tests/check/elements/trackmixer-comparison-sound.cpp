// SPDX-License-Identifier: LGPL-2.1-or-later
// audiomixer and trackmixer next to each other: gains, formats, and what they tell of themselves.
#include "comparison.hpp"

using namespace mt::test;

namespace {

constexpr GstAudioFormat kF32 = GST_AUDIO_FORMAT_F32;
constexpr GstAudioFormat kS16 = GST_AUDIO_FORMAT_S16;

/// What downstream takes.
void accept (Scene &scene, const char *caps)
{
  gst_clear_caps (&scene.bed.sink.accepts);
  scene.bed.sink.accepts = gst_caps_from_string (caps);
}

void accept (Scene &scene, const Format &format)
{
  scene.bed.sink.accepts = caps_of (format);
}

// --- gains

struct Gains {
  GstAudioFormat out;
  double volumes[2];
  bool mute {false}; // the second
};

template <int N>
void play_gains (Scene &scene)
{
  constexpr Gains all[] {
      {kF32, {0.5, 1.0}}, {kF32, {0.0, 0.75}}, {kF32, {0.0, 0.0}}, {kF32, {1.0, 1.0}, true},
      {kF32, {10.0, 10.0}}, {kS16, {1.0, 1.0}},
      {kS16, {2.0, 1.0}}, // (a half is truncated there, and rounded here)
      {kS16, {0.0, 1.0}, true}, {kS16, {10.0, 0.0}}, // clipped
  };
  const Gains &gains = all[N];
  accept (scene, {48000, 2, gains.out});
  Feeder *tracks[] {&scene.track ({48000, 2, gains.out}), &scene.track ({48000, 2, gains.out})};
  for (int n = 0; n < 2; ++n)
    g_object_set (tracks[n]->sink, "volume", gains.volumes[n], nullptr);
  g_object_set (tracks[1]->sink, "mute", gains.mute, nullptr);
  scene.bed.play ();
  for (Feeder *track : tracks)
    scene.feed (*track, {{0, 999}, {999, 2001}});
  scene.finish ();
}

/// Tracks that are loud together, in integers: a sum that leaves the range and comes back.
template <int N>
void play_clipping (Scene &scene)
{
  constexpr float kLoud = 7.0f; // times noise of an eighth of full scale
  accept (scene, {48000, 2, kS16});
  std::vector<float> signs {kLoud, kLoud};
  if (N == 1)
    signs.push_back (-kLoud);
  if (N == 1 && scene.differs ("the sum is saturated once, and not with each track"))
    std::swap (signs[1], signs[2]); // so that no part of it leaves the range
  Samples audio = noise (2 * 3001, 1);
  scene.bed.play ();
  std::vector<std::pair<Feeder *, Samples>> tracks;
  for (const float sign : signs) {
    Samples own = audio;
    for (float &sample : own)
      sample *= sign;
    tracks.emplace_back (&scene.track ({48000, 2, kS16}), own);
  }
  for (auto &[track, own] : tracks)
    track->run ([&own] (Feeder &self) {
      self.begin ();
      self.push (std::span {own}.first (2 * 1200), 0);
      self.push (std::span {own}.subspan (2 * 1200), 1200);
      self.end ();
    });
  scene.finish ();
}

/// At a chunk that both know.
template <int N>
void play_a_change_of_gain (Scene &scene)
{
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  if (scene.is_ours ()) // a change is a ramp by default
    g_object_set (scene.bed.element, "ramp-time", static_cast<guint64> (0), nullptr);
  scene.bed.play ();
  for (Feeder *track : {&a, &b})
    scene.begin_with_chunks (*track, 4);
  scene.wait_for_chunks (4);
  if (N == 0)
    g_object_set (b.sink, "volume", 0.25, nullptr);
  else
    g_object_set (b.sink, "mute", TRUE, nullptr);
  for (Feeder *track : {&a, &b})
    scene.push (*track, {4 * kChunkFrames, 3 * kChunkFrames});
  scene.wait_for_chunks (7);
  if (N == 1)
    g_object_set (b.sink, "mute", FALSE, nullptr);
  for (Feeder *track : {&a, &b}) {
    scene.push (*track, {7 * kChunkFrames, 999});
    track->end ();
  }
  scene.finish ();
}

// --- formats

struct Formats {
  Format in[2];
  const char *out;
};

template <int N>
void play_formats (Scene &scene)
{
  const Formats all[] {
      {{{48000, 2, kS16}, {48000, 2, kF32}}, "audio/x-raw,format=F32LE"},
      {{{48000, 1, kF32}, {48000, 1, kS16}}, "audio/x-raw,format=F32LE"},
      {{{48000, 1, kF32}, {48000, 1, kF32}}, "audio/x-raw,format=F32LE,channels=2"},
      {{{48000, 2, kF32}, {48000, 1, kF32}}, "audio/x-raw,format=F32LE"},
      {{{48000, 2, kF32}, {48000, 2, kF32}}, "audio/x-raw,format=F32LE,channels=1"},
      {{{48000, 6, kF32}, {48000, 2, kF32}}, "audio/x-raw,format=F32LE,channels=2"},
      {{{48000, 6, kF32}, {48000, 2, kF32}}, "audio/x-raw,format=F32LE"},
      {{{48000, 2, kS16}, {48000, 2, GST_AUDIO_FORMAT_S32}}, "audio/x-raw,format=F64LE"},
      {{{48000, 2, kS16}, {48000, 2, kS16}}, "audio/x-raw,format=S16LE"},
      {{{48000, 2, kF32}, {48000, 2, kF32}}, "audio/x-raw,format={S16LE,F32LE,U8}"},
      {{{48000, 2, kF32}, {48000, 2, kF32}}, "audio/x-raw,format=F32LE,channels=[1,8]"},
      {{{44100, 2, kF32}, {44100, 2, kF32}}, "audio/x-raw,format=F32LE,rate={48000,44100}"},
      {{{44100, 2, kF32}, {44100, 2, kF32}},
          "audio/x-raw,format=F32LE,rate=[8000,192000],channels=2,channel-mask=(bitmask)3"},
      {{{48000, 2, kF32}, {48000, 2, kF32}},
          "audio/x-raw,format=S16LE,channels=1; audio/x-raw,format=F32LE,channels=2"},
  };
  accept (scene, all[N].out);
  if (N == 13 && scene.differs ("the channels are those of the widest track, whatever comes first"))
    accept (scene, "audio/x-raw,format=F32LE,channels=2");
  Feeder *tracks[] {&scene.track (all[N].in[0]), &scene.track (all[N].in[1])};
  scene.bed.play ();
  // The first decides what audiomixer negotiates.
  for (Feeder *track : tracks) {
    track->begin ();
    scene.push (*track, {0, 1200});
    track->end ();
  }
  scene.finish ();
}

/// Downstream takes nothing that the mix could be: who says it, and what do the feeders hear?
template <int N>
void play_no_common_caps (Scene &scene)
{
  constexpr const char *caps[] {"video/x-raw", "audio/x-raw,format=S16BE"};
  Feeder &track = scene.track (); // linked before that is known
  accept (scene, caps[N]);
  scene.bed.play ();
  track.run ([&scene] (Feeder &self) {
    self.begin ();
    GstFlowReturn flow = GST_FLOW_OK;
    for (std::int64_t at = 0; flow == GST_FLOW_OK && at < 480000; at += 480)
      flow = scene.push (self, {at, 480});
    scene.note_flow ("the feeder hears", flow);
  });
  fail_unless (track.finishes ());
  fail_unless (settles ());
  if (!scene.differs ("the mixer says so, and ends; there only the caps of the tracks are refused"))
    return;
  scene.edit ([] (Lines &lines) {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    lines = {"stream-start", "segment " + segment_text (segment) + " seqnum: a track's segment",
        "eos seqnum: a track's segment"};
  });
  scene.add ("message error of the mixer");
}

/// A track of another rate beside one, which says nothing.
void play_another_rate (Scene &scene)
{
  accept (scene, Format {});
  Feeder &a = scene.track ();
  Feeder &b = scene.track ({44100, 2});
  scene.bed.play ();
  scene.begin_with_chunks (a, 4);
  if (scene.differs ("tracks of another rate are resampled, and not refused")) {
    gst_element_release_request_pad (scene.bed.element, b.sink);
    scene.note ("its caps are taken: yes");
    scene.note_flow ("its audio", GST_FLOW_OK);
  } else {
    gst_pad_push_event (b.src, gst_event_new_stream_start ("of another rate"));
    scene.note (std::string {"its caps are taken: "} + (b.begin_caps () ? "yes" : "no"));
    b.begin_segment ();
    scene.note_flow (
        "its audio", b.push (Samples (std::size_t {2} * 8820), 0, GST_BUFFER_FLAG_GAP));
    b.end ();
  }
  scene.wait_for_chunks (4);
  scene.go_on (a, 4 * kChunkFrames, 7680 + 999);
  scene.finish ();
}

/// Of the second track, which is not asked for what goes out.
template <int N>
void play_a_change_of_caps (Scene &scene)
{
  constexpr Format changes[] {{48000, 2, kS16}, {48000, 1, kF32}, {48000, 1, GST_AUDIO_FORMAT_S32}};
  accept (scene, Format {});
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  scene.bed.play ();
  scene.begin_with_chunks (a, 8);
  scene.begin_with_chunks (b, 4);
  scene.wait_for_chunks (4);
  b.format = changes[N];
  b.begin_caps ();
  scene.push (b, {4 * kChunkFrames, 4 * kChunkFrames});
  scene.wait_for_chunks (8);
  b.format = {};
  b.begin_caps ();
  scene.push (b, {8 * kChunkFrames, 999});
  b.end ();
  a.end ();
  scene.finish ();
}

/// Downstream wants another format from the fifth chunk on, in the middle of a buffer.
void play_a_change_downstream (Scene &scene)
{
  accept (scene, Format {});
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  CollectingSink &sink = scene.bed.sink;
  sink.keep_bytes = false;
  sink.flow = [&sink] (std::size_t chunk) {
    if (chunk == 4 || chunk == 8) {
      GstCaps *caps = caps_of ({48000, 2, chunk == 4 ? kS16 : kF32});
      gst_caps_replace (&sink.accepts, caps);
      gst_caps_unref (caps);
      gst_pad_push_event (sink.pad (), gst_event_new_reconfigure ());
    }
    return GST_FLOW_OK;
  };
  scene.bed.play ();
  for (Feeder *track : {&a, &b})
    scene.feed (*track, {{0, 6000}});
  scene.finish ();
}

/// Which of some caps the pads can have, before any came and while the mix runs.
void play_caps_queries (Scene &scene)
{
  accept (scene, "audio/x-raw,format={S16LE,F32LE},channels=[1,2]");
  Feeder &track = scene.track ();
  GstPad *src = gst_element_get_static_pad (scene.bed.element, "src");
  const auto ask = [&] (const char *when) {
    for (GstPad *pad : {src, track.sink})
      for (const char *text : {"audio/x-raw,format=F32LE,rate=48000,channels=2",
               "audio/x-raw,format=S16LE,rate=48000,channels=1", "audio/x-raw,format=U8",
               "video/x-raw", "audio/x-raw,channels=6"}) {
        GstCaps *filter = gst_caps_from_string (text);
        GstCaps *caps = gst_pad_query_caps (pad, filter);
        scene.note (std::string {when} + " " + GST_PAD_NAME (pad) + " " + text +
            (gst_caps_is_empty (caps) ? ": no" : ": yes"));
        gst_caps_unref (caps);
        gst_caps_unref (filter);
      }
  };
  ask ("before");
  scene.bed.play ();
  scene.begin_with_chunks (track, 4);
  scene.wait_for_chunks (4);
  ask ("then");
  track.end ();
  scene.finish ();
  gst_object_unref (src);
}

const Comparison comparisons[] {
    {"gains: one half", play_gains<0>},
    {"gains: one is 0", play_gains<1>},
    {"gains: both are 0", play_gains<2>},
    {"gains: mute", play_gains<3>},
    {"gains: 10", play_gains<4>},
    {"gains: S16", play_gains<5>},
    {"gains: S16, twice", play_gains<6>},
    {"gains: S16, 0 and mute", play_gains<7>},
    {"gains: S16, clipped", play_gains<8>},
    {"gains: S16, clipped together", play_clipping<0>},
    {"gains: S16, clipped on the way", play_clipping<1>},
    {"gains: volume changes", play_a_change_of_gain<0>},
    {"gains: mute and back", play_a_change_of_gain<1>},
    {"formats: S16 and F32", play_formats<0>},
    {"formats: mono", play_formats<1>},
    {"formats: mono to stereo", play_formats<2>},
    {"formats: stereo and mono", play_formats<3>},
    {"formats: stereo to mono", play_formats<4>},
    {"formats: 5.1 and stereo to stereo", play_formats<5>},
    {"formats: 5.1 and stereo", play_formats<6>},
    {"formats: to doubles", play_formats<7>},
    {"formats: S16 to S16", play_formats<8>},
    {"formats: a list of formats", play_formats<9>},
    {"formats: a range of channels", play_formats<10>},
    {"formats: a list of rates", play_formats<11>},
    {"formats: ranges and a mask", play_formats<12>},
    {"formats: another number of channels first", play_formats<13>},
    {"formats: nothing in common", play_no_common_caps<0>},
    {"formats: no format in common", play_no_common_caps<1>},
    {"formats: another rate", play_another_rate},
    {"caps: to S16 and back", play_a_change_of_caps<0>},
    {"caps: to mono and back", play_a_change_of_caps<1>},
    {"caps: to mono S32 and back", play_a_change_of_caps<2>},
    {"caps: downstream", play_a_change_downstream},
    {"caps: queries", play_caps_queries},
};

} // namespace

GST_START_TEST (test_compare)
{
  compare (comparisons[__i__]);
}
GST_END_TEST;

static Suite *trackmixer_comparison_sound_suite ()
{
  Suite *suite = suite_create ("trackmixer-comparison-sound");
  TCase *both = tcase_create ("both");
  tcase_add_loop_test (both, test_compare, 0, static_cast<int> (std::size (comparisons)));
  suite_add_tcase (suite, both);
  return suite;
}

GST_CHECK_MAIN (trackmixer_comparison_sound)
