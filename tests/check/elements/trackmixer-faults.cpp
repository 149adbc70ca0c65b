// SPDX-License-Identifier: LGPL-2.1-or-later
// What one track does wrong concerns that track alone: the others are mixed to the end.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;
const Format kMono {kRate, 1};

bool contains (const std::string &text, const std::string &part)
{
  return text.find (part) != std::string::npos;
}

/// There is one warning, and it names the pad and has that in it.
void check_warning (
    const std::vector<std::string> &warnings, const Feeder &feeder, const std::string &part)
{
  fail_unless_equals_int (warnings.size (), 1);
  const std::string &text = warnings.front ();
  fail_unless (contains (text, GST_PAD_NAME (feeder.sink)), "%s", text.c_str ());
  fail_unless (contains (text, part), "no %s in %s", part.c_str (), text.c_str ());
}

/// A track that does everything right, and the one that a fault happens on.
struct GoodAndBad {
  GoodAndBad () { bed.play (); }
  /// The good track's audio and the end of both; returns what came out.
  Samples finish ()
  {
    good.run ([this] (Feeder &self) {
      self.begin ();
      fail_unless_equals_int (self.push_all (steady, 1), GST_FLOW_OK);
      self.end ();
    });
    fail_unless (bed.sink.wait_for_eos (), "the mix does not end");
    good.join ();
    take_messages ();
    check_accounts (good);
    check_accounts (bad);
    return bed.sink.samples ();
  }

  void take_messages ()
  {
    while (GstMessage *message = gst_bus_pop_filtered (
               bed.bus, static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
      fail_if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR, "one track ends all");
      GError *error = nullptr;
      gchar *details = nullptr;
      gst_message_parse_warning (message, &error, &details);
      warnings.push_back (std::string {error->message} + " " + (details ? details : ""));
      g_error_free (error);
      g_free (details);
      gst_message_unref (message);
    }
  }

  MixerBed bed;
  Feeder good {bed, kMono};
  Feeder bad {bed, kMono};
  const Samples steady = noise (30000, 1);
  std::vector<std::string> warnings; // until the end
};

/// Runs a pipeline with a bus of its own to EOS (true) or an error (false).
bool runs_to_the_end (const char *line)
{
  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launch (line, &error);
  fail_unless (pipeline && !error, "%s", error ? error->message : "no pipeline");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus,
      static_cast<GstClockTime> (std::chrono::nanoseconds (kHung).count ()),
      static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless (message != nullptr, "hangs");
  const bool ended = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  return ended;
}

} // namespace

// --- segments

GST_START_TEST (test_a_bad_segment_ends_its_own_track_only)
{
  for (const bool in_bytes : {false, true}) {
    GoodAndBad mix;
    GstSegment segment;
    gst_segment_init (&segment, in_bytes ? GST_FORMAT_BYTES : GST_FORMAT_TIME);
    segment.rate = in_bytes ? 1.0 : 2.0;
    mix.bad.begin (&segment);
    for (int n = 0; n < 3; ++n)
      fail_unless_equals_int (mix.bad.push (noise (300, 2), 300 * n), GST_FLOW_EOS);
    check_equal (mix.finish (), mix.steady);
    check_warning (mix.warnings, mix.bad, in_bytes ? "bytes" : "rate 2");
  }
}
GST_END_TEST;

GST_START_TEST (test_a_good_segment_brings_the_track_back)
{
  GoodAndBad mix;
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  mix.bad.begin (&segment);
  const Samples before = noise (1000, 2);
  fail_unless_equals_int (mix.bad.push (before, 0), GST_FLOW_OK);
  segment.rate = -1.0;
  mix.bad.begin_segment (&segment);
  fail_unless_equals_int (mix.bad.push (noise (1000, 3), 1000), GST_FLOW_EOS);
  mix.bad.begin_segment ();
  const Samples after = noise (5000, 4);
  fail_unless_equals_int (mix.bad.push (after, 2000), GST_FLOW_OK);
  mix.bad.end ();
  Samples sum = mix.steady;
  add_to (sum, before);
  add_to (sum, after, 2000);
  check_equal (mix.finish (), sum);
}
GST_END_TEST;

GST_START_TEST (test_a_flush_brings_the_track_back)
{
  GoodAndBad mix;
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  mix.bad.begin (&segment);
  fail_unless_equals_int (mix.bad.push (noise (1000, 3), 0), GST_FLOW_EOS);
  gst_pad_push_event (mix.bad.src, gst_event_new_flush_start ());
  gst_pad_push_event (mix.bad.src, gst_event_new_flush_stop (TRUE));
  mix.bad.begin_segment ();
  const Samples after = noise (5000, 4);
  fail_unless_equals_int (mix.bad.push (after, 0), GST_FLOW_OK);
  mix.bad.end ();
  Samples sum = mix.steady;
  add_to (sum, after);
  check_equal (mix.finish (), sum);
}
GST_END_TEST;

GST_START_TEST (test_a_buffer_before_caps_ends_its_own_track_only)
{
  GoodAndBad mix;
  gst_pad_push_event (mix.bad.src, gst_event_new_stream_start ("without caps"));
  mix.bad.begin_segment ();
  for (int n = 0; n < 2; ++n)
    fail_unless_equals_int (mix.bad.push (noise (300, 2), 300 * n), GST_FLOW_EOS);
  check_equal (mix.finish (), mix.steady);
  check_warning (mix.warnings, mix.bad, "caps");
}
GST_END_TEST;

GST_START_TEST (test_sources_go_on_beside_a_bad_one)
{
  // fakesrc has a segment in bytes and no caps. It is a source by itself, behind a queue, and one
  // of two branches of one thread.
  const char *const good = "audiotestsrc num-buffers=50 ! m. trackmixer name=m ! fakesink ";
  for (const char *bad : {"fakesrc sizetype=2 ! m.", "fakesrc sizetype=2 ! queue ! m.",
           "fakesrc sizetype=2 num-buffers=100 ! tee name=t t. ! identity ! m. t. ! fakesink "
           "async=false"})
    fail_unless (runs_to_the_end ((std::string {good} + bad).c_str ()), "%s", bad);
}
GST_END_TEST;

// --- buffers

GST_START_TEST (test_a_buffer_of_an_odd_size_is_silence)
{
  GoodAndBad mix;
  mix.bad.begin ();
  const Samples before = noise (1000, 2);
  fail_unless_equals_int (mix.bad.push (before, 0), GST_FLOW_OK);
  for (const int frame : {1000, 1500}) {
    auto bytes = encode (noise (500, 3), GST_AUDIO_FORMAT_F32);
    bytes.resize (bytes.size () + 3);
    fail_unless_equals_int (
        gst_pad_push (mix.bad.src, buffer_of (bytes, time_of (frame, kRate))), GST_FLOW_OK);
  }
  const Samples after = noise (5000, 4);
  fail_unless_equals_int (mix.bad.push (after, 2000), GST_FLOW_OK);
  mix.bad.end ();
  Samples sum = mix.steady;
  add_to (sum, before);
  add_to (sum, after, 2000);
  check_equal (mix.finish (), sum);
  fail_unless_equals_uint64 (mix.bad.count ("in-frames"), 7000);
  fail_unless_equals_uint64 (mix.bad.count ("dropped-frames"), 1000);
  check_warning (mix.warnings, mix.bad, "2003 bytes");
}
GST_END_TEST;

GST_START_TEST (test_a_track_of_bad_buffers_only_hangs_nobody)
{
  GoodAndBad mix;
  mix.bad.run ([] (Feeder &self) {
    self.begin ();
    auto bytes = encode (noise (480, 3), GST_AUDIO_FORMAT_F32);
    bytes.push_back (0);
    for (std::int64_t at = 0; at < 30000; at += 480)
      fail_unless_equals_int (
          gst_pad_push (self.src, buffer_of (bytes, time_of (at, kRate))), GST_FLOW_OK);
    fail_unless_equals_int (gst_pad_push (self.src, buffer_of ({}, 0)), GST_FLOW_OK);
    bytes.resize (3); // less than a frame
    fail_unless_equals_int (gst_pad_push (self.src, buffer_of (bytes, 0)), GST_FLOW_OK);
    self.end ();
  });
  Samples got = mix.finish ();
  mix.bad.join ();
  got.resize (mix.steady.size ()); // 63 times 480 frames are a little longer
  check_equal (got, mix.steady);
  check_accounts (mix.bad);
}
GST_END_TEST;

/// Buffers whose GstAudioMeta and caps and bytes contradict each other. Under ASan a byte too many
/// ends the test.
GST_START_TEST (test_a_meta_that_lies_is_not_believed)
{
  struct Lie {
    bool in_planes; // the caps
    bool with_meta;
    bool meta_in_planes;
    int meta_channels;
    gsize meta_frames; // of 1000
    gsize cut_bytes;   // taken off afterwards
    const char *says;  // in the warning; null: it is all right
  };
  const Lie lies[] {
      {false, true, false, 2, 1000, 0, nullptr},
      {false, true, false, 2, 900, 0, nullptr}, // bytes that are not used
      {true, true, true, 2, 1000, 0, nullptr},
      {false, true, false, 2, 1001, 0, "1001"},
      {false, true, false, 2, G_MAXSIZE / 4, 0, "frames"},
      {false, true, false, 1, 1000, 0, "1 channels"},
      {false, true, true, 2, 1000, 0, "layout"},
      {true, true, false, 2, 1000, 0, "layout"},
      {true, false, false, 2, 1000, 0, "no GstAudioMeta"},
      {true, true, true, 2, 1000, 4, "7996"},
      {true, true, true, 2, 1000, 6000, "2000"},
  };
  const Lie &lie = lies[__i__];
  GoodAndBad mix;
  GstAudioInfo info;
  gst_audio_info_set_format (&info, GST_AUDIO_FORMAT_F32, kRate, 2, nullptr);
  const auto set_layout = [&info] (bool in_planes) {
    info.layout = in_planes ? GST_AUDIO_LAYOUT_NON_INTERLEAVED : GST_AUDIO_LAYOUT_INTERLEAVED;
  };
  set_layout (lie.in_planes);
  gst_pad_push_event (mix.bad.src, gst_event_new_stream_start ("liar"));
  GstCaps *caps = gst_audio_info_to_caps (&info);
  fail_unless (gst_pad_push_event (mix.bad.src, gst_event_new_caps (caps)));
  gst_caps_unref (caps);
  mix.bad.begin_segment ();

  const std::vector<std::uint8_t> zeros (8000);
  GstBuffer *buffer = buffer_of (zeros, 0);
  if (lie.with_meta) {
    GstAudioInfo said;
    gst_audio_info_set_format (&said, GST_AUDIO_FORMAT_F32, kRate, lie.meta_channels, nullptr);
    said.layout =
        lie.meta_in_planes ? GST_AUDIO_LAYOUT_NON_INTERLEAVED : GST_AUDIO_LAYOUT_INTERLEAVED;
    GstAudioMeta *meta = gst_buffer_add_audio_meta (buffer, &said, 1000, nullptr);
    meta->samples = lie.meta_frames;
    gst_buffer_set_size (buffer, static_cast<gssize> (zeros.size () - lie.cut_bytes));
  }
  fail_unless_equals_int (gst_pad_push (mix.bad.src, buffer), GST_FLOW_OK);
  mix.bad.end ();
  const Samples out = mix.finish ();
  fail_unless (out.size () >= mix.steady.size ());
  fail_unless_equals_uint64 (mix.bad.count ("mixed-frames"), lie.says ? 0 : lie.meta_frames);
  if (lie.says) {
    check_warning (mix.warnings, mix.bad, lie.says);
    fail_unless (mix.bad.count ("dropped-frames") > 0);
  } else {
    fail_unless_equals_int (mix.warnings.size (), 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_positions_into_a_mix_without_any)
{
  MixerBed bed;
  Feeder six {bed, {kRate, 6, GST_AUDIO_FORMAT_F32, false}};
  Feeder stereo {bed, {kRate, 2, GST_AUDIO_FORMAT_S16}};
  bed.play ();
  stereo.begin ();
  stereo.push (noise (2000, 2), 0);
  stereo.end ();
  const Samples track = noise (6 * 3000, 1);
  six.begin ();
  six.push (track, 0);
  six.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), track);
  const auto text = bed.message (GST_MESSAGE_WARNING);
  for (const char *part : {static_cast<const char *> (GST_PAD_NAME (stereo.sink)),
           "format=(string)S16LE", "channels=(int)2", "channels=(int)6",
           "channel-mask=(bitmask)0x0000000000000000", "Fix a channel-mask"})
    fail_unless (contains (text, part), "no %s in %s", part, text.c_str ());
  fail_unless_equals_uint64 (stereo.count ("dropped-frames"), 1000);
  check_accounts (stereo);
}
GST_END_TEST;

/// A seek that only the other track follows, when the mix already holds this one's next format: the
/// audio of that format comes after the flush, and nobody brings the caps again.
GST_START_TEST (test_a_format_outlives_the_flush_of_another_track)
{
  const Format stereo {kRate, 2};
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 5 * GST_SECOND, nullptr);
  Feeder sought {bed, stereo};
  Feeder other {bed, stereo};
  sought.upstream_event = [&sought] (GstEvent *event) {
    if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
      return false;
    for (GstEvent *flush : {gst_event_new_flush_start (), gst_event_new_flush_stop (TRUE)}) {
      gst_event_set_seqnum (flush, gst_event_get_seqnum (event));
      gst_pad_push_event (sought.src, flush);
    }
    return true;
  };
  other.upstream_event = [] (GstEvent *) { return false; };
  const Samples track = noise (2 * 2 * kRate, 1);
  const Samples mono = noise (kRate, 2);
  bed.sink.close ();
  bed.play ();
  other.begin ();
  other.push (noise (2 * kRate, 3), 0);
  other.format = {kRate, 1, GST_AUDIO_FORMAT_S16};
  other.begin_caps ();
  other.push (mono, kRate);
  sought
      .begin (); // now the first chunk is complete, and takes the next format with the long buffer
  sought.push (std::span {track}.first (2 * kRate), 0);
  const auto left = [&other] {
    guint64 count = 0;
    g_object_get (other.sink, "current-level-buffers", &count, nullptr);
    return count;
  };
  fail_unless (eventually ([&] { return left () == 1; }), "the first buffer is not taken");
  fail_unless (gst_pad_push_event (bed.sink.pad (),
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
          GST_SEEK_TYPE_NONE, -1)));
  bed.sink.open ();
  sought.begin_segment ();
  sought.push (track, 0);
  sought.end ();
  other.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples wanted = track;
  for (std::size_t n = 0; n < mono.size (); ++n)
    for (const std::size_t channel : {0U, 1U})
      wanted[2 * (kRate + n) + channel] += mono[n];
  check_equal (bed.sink.samples (), wanted);
  check_accounts (other);
}
GST_END_TEST;

// --- late

GST_START_TEST (test_late_audio_is_told_once_an_episode)
{
  GoodAndBad mix;
  const Samples second (kRate, 0.0f);
  mix.good.begin ();
  mix.bad.begin ();
  std::int64_t at = 0;
  const auto both = [&] (int seconds) {
    for (int n = 0; n < seconds; ++n, at += kRate)
      for (auto *feeder : {&mix.good, &mix.bad})
        fail_unless_equals_int (feeder->push (second, at, GST_BUFFER_FLAG_DISCONT), GST_FLOW_OK);
    GstQuery *query = gst_query_new_drain (); // the mix has passed it
    fail_unless (gst_pad_peer_query (mix.good.src, query));
    gst_query_unref (query);
  };
  const auto late = [&] (std::int64_t frame) {
    fail_unless_equals_int (
        mix.bad.push (std::span {second}.first (1000), frame, GST_BUFFER_FLAG_DISCONT),
        GST_FLOW_OK);
  };
  both (1);
  late (4800);
  late (9600); // told together
  both (2);
  late (0); // the same episode
  both (9);
  late (kRate); // 9 s later
  both (12);
  late (kRate); // 12 s later
  both (1);
  for (auto *feeder : {&mix.good, &mix.bad})
    feeder->end ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  mix.take_messages ();
  fail_unless_equals_uint64 (mix.bad.count ("late-frames"), 5000);
  fail_unless_equals_int (mix.warnings.size (), 2);
  for (const std::string &text : mix.warnings)
    for (const char *part :
        {static_cast<const char *> (GST_PAD_NAME (mix.bad.sink)), "max-total-bytes (268435456)"})
      fail_unless (contains (text, part), "no %s in %s", part, text.c_str ());
  fail_unless (contains (mix.warnings[0], " 2000 frames"), "%s", mix.warnings[0].c_str ());
  fail_unless (contains (mix.warnings[1], " 1000 frames"), "%s", mix.warnings[1].c_str ());
  check_accounts (mix.bad);
}
GST_END_TEST;

// --- channels

GST_START_TEST (test_too_many_channels_are_not_offered)
{
  GoodAndBad mix;
  const auto answer = [&] (GstPad *pad, int channels) {
    GstCaps *filter =
        gst_caps_new_simple ("audio/x-raw", "channels", G_TYPE_INT, channels, nullptr);
    GstCaps *caps = gst_pad_query_caps (pad, filter);
    const bool can = !gst_caps_is_empty (caps);
    gst_caps_unref (caps);
    gst_caps_unref (filter);
    return can;
  };
  GstPad *src = gst_element_get_static_pad (mix.bed.element, "src");
  for (GstPad *pad : {src, mix.bad.sink}) {
    fail_unless (answer (pad, 63));
    fail_if (answer (pad, 64));
    fail_if (answer (pad, 64)); // asked again, and told once
  }
  gst_object_unref (src);
  GstCaps *many = gst_caps_from_string ("audio/x-raw,format=F32LE,rate=48000,layout=interleaved,"
                                        "channels=64,channel-mask=(bitmask)0");
  fail_if (gst_pad_query_accept_caps (mix.bad.sink, many));
  gst_caps_unref (many);
  mix.bad.begin ();
  mix.bad.end ();
  check_equal (mix.finish (), mix.steady);
  check_warning (mix.warnings, mix.bad, "64 channels; the limit is 63");
}
GST_END_TEST;

// --- rates

GST_START_TEST (test_resamplers_that_start_at_once)
{
  for (int run = 0; run < (kSanitized ? 5 : 20); ++run)
    fail_unless (runs_to_the_end ("trackmixer name=m ! fakesink "
                                  "audiotestsrc num-buffers=5 ! audio/x-raw,rate=44100,channels=1 "
                                  "! audioconvert ! audioresample ! m. "
                                  "audiotestsrc num-buffers=5 ! audio/x-raw,rate=48000 "
                                  "! audioconvert ! audioresample ! m. "
                                  "audiotestsrc num-buffers=5 ! audio/x-raw,rate=22050 "
                                  "! audioconvert ! audioresample ! m."),
        "run %d", run);
}
GST_END_TEST;

// --- settings

GST_START_TEST (test_a_chunk_has_a_longest_duration)
{
  MixerBed bed;
  auto *spec = reinterpret_cast<GParamSpecUInt64 *> (
      g_object_class_find_property (G_OBJECT_GET_CLASS (bed.element), "output-buffer-duration"));
  fail_unless_equals_uint64 (spec->minimum, 1);
  fail_unless_equals_uint64 (spec->maximum, 10 * GST_SECOND);
  g_object_set (bed.element, "output-buffer-duration", spec->maximum, nullptr);
  Feeder a {bed, {4000, 1}};
  bed.play ();
  const Samples track = noise (15 * 4000, 1);
  a.run ([&track] (Feeder &self) {
    self.begin ();
    self.push_all (track, 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), track);
  fail_unless_equals_int (bed.sink.chunk_count (), 2);
}
GST_END_TEST;

GST_START_TEST (test_a_chunk_too_large_is_told_with_the_first_caps)
{
  MixerBed bed {10 * GST_SECOND};
  Feeder a {bed, {192000, 16}};
  bed.play ();
  a.begin (); // no audio: nothing has to be queued first
  const auto text = bed.message (GST_MESSAGE_ERROR);
  for (const char *part : {"output-buffer-duration", "0:00:10", "16 channels", "192000 Hz",
           "122880000", "67108864", "5461333333"}) // 2^26 / 64 frames, in nanoseconds
    fail_unless (contains (text, part), "no %s in %s", part, text.c_str ());
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless (eventually ([&] { return a.push (noise (1600, 1), 0) == GST_FLOW_NOT_NEGOTIATED; }));
}
GST_END_TEST;

GST_START_TEST (test_latency_does_not_overflow)
{
  constexpr GstClockTime kMost = GST_CLOCK_TIME_NONE - 1; // that is not «none»
  struct Case {
    GstClockTime min, max, queue;
    GstClockTime min_wanted, max_wanted;
  };
  constexpr GstClockTime kChunk = 10 * GST_SECOND;
  for (const Case &c : {
           Case {0, 5, GST_SECOND, kChunk, kChunk + 5},
           Case {kMost - 3, kMost - 2, GST_SECOND, kMost, kMost},
           Case {7, 9, G_MAXUINT64, kChunk + 7, kMost},
           Case {7, GST_CLOCK_TIME_NONE, G_MAXUINT64, kChunk + 7, GST_CLOCK_TIME_NONE},
       }) {
    MixerBed bed {kChunk};
    g_object_set (bed.element, "max-size-time", c.queue, nullptr);
    Feeder a {bed, kMono};
    a.upstream_query = [&c] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
        gst_query_set_latency (query, TRUE, c.min, c.max);
      return GST_QUERY_TYPE (query) == GST_QUERY_LATENCY;
    };
    GstQuery *query = gst_query_new_latency ();
    fail_unless (gst_pad_peer_query (bed.sink.pad (), query));
    GstClockTime min = 0;
    GstClockTime max = 0;
    gst_query_parse_latency (query, nullptr, &min, &max);
    gst_query_unref (query);
    fail_unless_equals_uint64 (min, c.min_wanted);
    fail_unless_equals_uint64 (max, c.max_wanted);
  }
}
GST_END_TEST;

static Suite *trackmixer_faults_suite ()
{
  Suite *suite = suite_create ("trackmixer-faults");
  TCase *segments = tcase_create ("segments");
  tcase_add_test (segments, test_a_bad_segment_ends_its_own_track_only);
  tcase_add_test (segments, test_a_good_segment_brings_the_track_back);
  tcase_add_test (segments, test_a_flush_brings_the_track_back);
  tcase_add_test (segments, test_a_buffer_before_caps_ends_its_own_track_only);
  tcase_add_test (segments, test_sources_go_on_beside_a_bad_one);
  suite_add_tcase (suite, segments);
  TCase *contents = tcase_create ("buffers");
  tcase_add_test (contents, test_a_buffer_of_an_odd_size_is_silence);
  tcase_add_test (contents, test_a_track_of_bad_buffers_only_hangs_nobody);
  tcase_add_loop_test (contents, test_a_meta_that_lies_is_not_believed, 0, 11);
  suite_add_tcase (suite, contents);
  tcase_add_test (contents, test_positions_into_a_mix_without_any);
  tcase_add_test (contents, test_a_format_outlives_the_flush_of_another_track);
  TCase *late = tcase_create ("late");
  tcase_add_test (late, test_late_audio_is_told_once_an_episode);
  suite_add_tcase (suite, late);
  TCase *memory = tcase_create ("memory");
  suite_add_tcase (suite, memory);
  TCase *channels = tcase_create ("channels");
  tcase_add_test (channels, test_too_many_channels_are_not_offered);
  suite_add_tcase (suite, channels);
  TCase *rates = tcase_create ("rates");
  tcase_add_test (rates, test_resamplers_that_start_at_once);
  suite_add_tcase (suite, rates);
  TCase *settings = tcase_create ("settings");
  tcase_add_test (settings, test_a_chunk_has_a_longest_duration);
  tcase_add_test (settings, test_a_chunk_too_large_is_told_with_the_first_caps);
  tcase_add_test (settings, test_latency_does_not_overflow);
  suite_add_tcase (suite, settings);
  return suite;
}

GST_CHECK_MAIN (trackmixer_faults)
