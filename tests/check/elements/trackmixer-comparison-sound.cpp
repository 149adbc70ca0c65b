// SPDX-License-Identifier: LGPL-2.1-or-later
// audiomixer and trackmixer next to each other: gains, formats, and what they tell of themselves.
#include "comparison.hpp"

using namespace mt::test;

namespace {

using Piece = Scene::Piece;
constexpr std::int64_t kChunkFrames = 480; // of 10 ms at 48 kHz
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

void begin_with_chunks (Scene &scene, Feeder &track, std::int64_t chunks)
{
  track.begin ();
  scene.push (track, {0, chunks * kChunkFrames});
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
    begin_with_chunks (scene, *track, 4);
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

/// Of the second track, which is not asked for what goes out.
template <int N>
void play_a_change_of_caps (Scene &scene)
{
  constexpr Format changes[] {{48000, 2, kS16}, {48000, 1, kF32}, {48000, 1, GST_AUDIO_FORMAT_S32}};
  accept (scene, Format {});
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  scene.bed.play ();
  begin_with_chunks (scene, a, 8);
  begin_with_chunks (scene, b, 4);
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
  begin_with_chunks (scene, track, 4);
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
