// SPDX-License-Identifier: LGPL-2.1-or-later
// Segments of the tracks, those of seeks without flush above all: which audio follows which, and
// what downstream is told.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;
constexpr std::int64_t kChunkFrames = 480;
constexpr Format kMono {kRate, 1};
constexpr auto kLoop = static_cast<GstSeekFlags> (GST_SEEK_FLAG_SEGMENT);
constexpr auto kPlain = static_cast<GstSeekFlags> (0);

/// A track whose source takes every seek and leaves the rest to the test.
struct Source {
  explicit Source (MixerBed &bed, const Format &format = kMono) : feeder {bed, format}
  {
    feeder.upstream_event = [this] (GstEvent *event) {
      if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
        return false;
      seqnum = gst_event_get_seqnum (event);
      ++seeks;
      return answer;
    };
  }
  /// The segment that a source brings after a seek.
  void segment (std::int64_t from, std::int64_t to, std::int64_t base, bool keeps_seqnum = true)
  {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.time = segment.position = time_of (from, feeder.format.rate_hz);
    if (to >= 0)
      segment.stop = time_of (to, feeder.format.rate_hz);
    segment.base = time_of (base, feeder.format.rate_hz);
    GstEvent *event = gst_event_new_segment (&segment);
    if (keeps_seqnum && seqnum != GST_SEQNUM_INVALID)
      gst_event_set_seqnum (event, seqnum);
    fail_unless (gst_pad_push_event (feeder.src, event));
  }
  void done (std::int64_t at)
  {
    fail_unless (gst_pad_push_event (feeder.src,
        gst_event_new_segment_done (
            GST_FORMAT_TIME, static_cast<gint64> (time_of (at, feeder.format.rate_hz)))));
  }
  void push (const Samples &samples, std::int64_t frame)
  {
    fail_unless_equals_int (feeder.push (samples, frame), GST_FLOW_OK);
  }

  Feeder feeder;
  std::uint32_t seqnum {0};
  int seeks {0};
  bool answer {true};
};

bool seek (MixerBed &bed, GstSeekFlags flags, std::int64_t from, std::int64_t to)
{
  return gst_pad_push_event (bed.sink.pad (),
      gst_event_new_seek (1.0, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
          static_cast<gint64> (time_of (from, kRate)), GST_SEEK_TYPE_SET,
          to < 0 ? -1 : static_cast<gint64> (time_of (to, kRate))));
}

std::vector<GstSegment> segments_of (CollectingSink &sink)
{
  const std::lock_guard lock {sink.mutex};
  std::vector<GstSegment> segments;
  for (const SeenEvent &event : sink.events)
    if (event.type == GST_EVENT_SEGMENT)
      segments.push_back (event.segment);
  return segments;
}

gint64 position_of (MixerBed &bed)
{
  gint64 position = -1;
  fail_unless (gst_pad_peer_query_position (bed.sink.pad (), GST_FORMAT_TIME, &position));
  return position;
}

} // namespace

GST_START_TEST (test_a_segment_longer_than_its_audio_ends_in_silence)
{
  MixerBed bed;
  Source a {bed};
  const Samples one = noise (1000, 1);
  const Samples two = noise (700, 2);
  constexpr std::int64_t kStop = 1537;
  bed.play ();
  a.feeder.begin ();
  a.segment (0, kStop, 0);
  a.push (one, 0);
  a.done (kStop);
  fail_unless (eventually ([&] { return bed.sink.count_of (GST_EVENT_SEGMENT_DONE) == 1; }));
  fail_unless (seek (bed, kPlain, 0, kStop));
  a.segment (0, kStop, 1000); // as one that counts the audio only
  a.push (two, 0);
  a.feeder.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = one;
  add_to (sum, two, kStop);
  check_equal (bed.sink.samples (), sum);
  const auto segments = segments_of (bed.sink);
  fail_unless_equals_int (segments.size (), 2);
  fail_unless_equals_uint64 (segments[1].base, time_of (kStop, kRate));
}
GST_END_TEST;

GST_START_TEST (test_an_end_that_rounds_up_leaves_no_hole)
{
  // The source says a frame more than it has: both were rounded, to no frame of silence.
  MixerBed bed;
  Source a {bed};
  const Samples one = noise (1000, 1);
  const Samples two = noise (1000, 2);
  bed.sink.close ();
  bed.play ();
  a.feeder.begin ();
  a.segment (0, 1001, 0);
  a.push (one, 0);
  a.done (1001);
  fail_unless (seek (bed, kPlain, 0, 1001));
  a.segment (0, 1001, 1001);
  a.push (two, 0);
  a.feeder.end ();
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = one;
  add_to (sum, two, 1000);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_rounds_queue_up)
{
  // Three rounds of both tracks come before the first is out; what each calls its base differs.
  // Without time stamps a round begins where its segment does.
  for (const auto &[keeps_seqnum, at] :
      {std::pair {true, std::int64_t {0}}, {false, 0}, {true, -1}}) {
    MixerBed bed;
    Source a {bed};
    Source b {bed};
    constexpr std::int64_t kShort = 300;
    constexpr std::int64_t kLong = 1111;
    constexpr int kRounds = 4;
    bed.sink.close ();
    bed.play ();
    a.feeder.begin ();
    b.feeder.begin ();
    Samples sum;
    for (int round = 0; round < kRounds; ++round) {
      if (round > 0)
        fail_unless (seek (bed, round + 1 < kRounds ? kLoop : kPlain, 0, -1));
      const Samples in_a = noise (kShort, 10u + static_cast<unsigned> (round));
      const Samples in_b = noise (kLong, 20u + static_cast<unsigned> (round));
      if (round > 0) {
        a.segment (0, -1, round * kShort, keeps_seqnum);
        b.segment (0, -1, round * kLong, keeps_seqnum);
      }
      a.push (in_a, at);
      b.push (in_b, at);
      if (round + 1 < kRounds) {
        a.done (kShort);
        b.done (kLong);
      } else {
        a.feeder.end ();
        b.feeder.end ();
      }
      add_to (sum, in_a, static_cast<std::size_t> (round * kLong));
      add_to (sum, in_b, static_cast<std::size_t> (round * kLong));
    }
    bed.sink.open ();
    fail_unless (bed.sink.wait_for_eos ());
    check_equal (bed.sink.samples (), sum);
    const auto segments = segments_of (bed.sink);
    fail_unless_equals_int (segments.size (), kRounds);
    for (int round = 0; round < kRounds; ++round)
      fail_unless_equals_uint64 (
          segments[static_cast<std::size_t> (round)].base, time_of (round * kLong, kRate));
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_SEGMENT_DONE), kRounds - 1);
    // Whole chunks but for the end of each round; running times without a gap.
    const std::lock_guard lock {bed.sink.mutex};
    guint64 frame = 0;
    for (const Chunk &chunk : bed.sink.chunks) {
      fail_unless_equals_uint64 (chunk.offset, frame);
      const auto round = frame / kLong;
      const GstClockTime base = time_of (static_cast<std::int64_t> (round) * kLong, kRate);
      fail_unless_equals_uint64 (
          chunk.pts + base, time_of (static_cast<std::int64_t> (frame), kRate));
      frame = std::min (frame + kChunkFrames, (round + 1) * kLong);
      fail_unless_equals_uint64 (chunk.offset_end, frame);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_without_segment_what_is_queued_comes_first)
{
  MixerBed bed;
  Source a {bed};
  Source b {bed};
  const Samples a_before = noise (3000, 1);
  const Samples b_before = noise (2000, 2);
  const Samples a_after = noise (1500, 3);
  const Samples b_after = noise (1600, 4);
  bed.play ();
  a.feeder.begin ();
  b.feeder.begin ();
  a.push (a_before, 0);
  b.push (b_before, 0);
  fail_unless (seek (bed, kPlain, 10000, -1));
  fail_unless_equals_int (a.seeks, 1);
  fail_unless_equals_int (b.seeks, 1);
  a.segment (10000, -1, 3000);
  a.push (a_after, 10000);
  b.segment (10000, -1, 2000);
  b.push (b_after, 10000);
  a.feeder.end ();
  b.feeder.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = a_before;
  add_to (sum, b_before);
  add_to (sum, a_after, 3000); // together, when the longer one is done
  add_to (sum, b_after, 3000);
  check_equal (bed.sink.samples (), sum);
  const auto segments = segments_of (bed.sink);
  fail_unless_equals_int (segments.size (), 2);
  fail_unless_equals_uint64 (segments[1].start, time_of (10000, kRate));
  fail_unless_equals_uint64 (segments[1].base, time_of (3000, kRate));
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_SEGMENT_DONE), 0);
  fail_unless_equals_uint64 (static_cast<guint64> (position_of (bed)),
      time_of (10000, kRate) + time_of (4600, kRate) - time_of (3000, kRate));
}
GST_END_TEST;

GST_START_TEST (test_a_track_that_can_not_seek_goes_on_beside_a_loop)
{
  MixerBed bed;
  Source a {bed};
  Source b {bed};
  b.answer = false;
  const Samples loop = noise (1000, 1);
  const Samples steady = noise (5000, 2);
  bed.sink.close (); // the mix does not wait for a seek that may come
  bed.play ();
  a.feeder.begin ();
  b.feeder.begin ();
  b.push (steady, 0);
  Samples sum = steady;
  for (int round = 0; round < 3; ++round) {
    if (round > 0) {
      fail_unless (seek (bed, kLoop, 0, -1));
      a.segment (0, -1, round * 1000);
    }
    a.push (loop, 0);
    a.done (1000);
    add_to (sum, loop, static_cast<std::size_t> (round * 1000));
  }
  b.feeder.end ();
  bed.sink.open ();
  fail_unless (eventually ([&] { return bed.sink.count_of (GST_EVENT_SEGMENT_DONE) == 3; }));
  check_equal (bed.sink.samples (), sum);
  fail_unless_equals_int (segments_of (bed.sink).size (), 3);
  const std::lock_guard lock {bed.sink.mutex};
  for (const guint64 edge : {1000U, 2000U})
    fail_unless (std::any_of (bed.sink.chunks.begin (), bed.sink.chunks.end (),
        [edge] (const Chunk &chunk) { return chunk.offset == edge; }));
}
GST_END_TEST;

GST_START_TEST (test_a_seek_without_flush_that_no_track_can_do)
{
  MixerBed bed;
  Source a {bed};
  a.answer = false;
  const Samples audio = noise (5000, 2);
  bed.play ();
  a.feeder.begin ();
  fail_if (seek (bed, kLoop, 100, -1));
  a.push (audio, 0);
  a.feeder.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), audio);
  fail_unless_equals_int (segments_of (bed.sink).size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_segment_on_its_way_is_not_the_one_of_the_seek)
{
  MixerBed bed;
  Source a {bed};
  const Samples one = noise (960, 1);
  const Samples more = noise (480, 2);
  const Samples two = noise (700, 3);
  bed.play ();
  a.feeder.begin ();
  a.push (one, 0);
  fail_unless (seek (bed, kPlain, 10000, -1));
  a.segment (960, -1, 960, false); // sent before its source heard of the seek
  a.push (more, 960);
  a.segment (10000, -1, 1440);
  a.segment (10000, -1, 1440); // said twice
  a.push (two, 10000);
  a.feeder.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = one;
  add_to (sum, more, 960);
  add_to (sum, two, 1440);
  check_equal (bed.sink.samples (), sum);
  const auto segments = segments_of (bed.sink);
  fail_unless_equals_int (segments.size (), 2);
  fail_unless_equals_uint64 (segments[1].base, time_of (1440, kRate));
  fail_unless_equals_uint64 (segments[1].start, time_of (10000, kRate));
}
GST_END_TEST;

GST_START_TEST (test_a_flush_throws_rounds_away)
{
  MixerBed bed;
  Source a {bed};
  bed.sink.close ();
  bed.play ();
  a.feeder.begin ();
  a.push (noise (5000, 1), 0);
  a.done (5000);
  fail_unless (seek (bed, kLoop, 0, -1));
  a.segment (0, -1, 5000);
  a.push (noise (5000, 2), 0);
  // Now with flush.
  const Samples audio = noise (1000, 3);
  a.feeder.upstream_event = [&a] (GstEvent *event) {
    if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
      return false;
    for (const bool start : {true, false}) {
      GstEvent *flush = start ? gst_event_new_flush_start () : gst_event_new_flush_stop (TRUE);
      gst_event_set_seqnum (flush, gst_event_get_seqnum (event));
      gst_pad_push_event (a.feeder.src, flush);
    }
    return true;
  };
  fail_unless (seek (bed, GST_SEEK_FLAG_FLUSH, 7000, -1));
  bed.sink.open ();
  a.segment (7000, -1, 0);
  a.push (audio, 7000);
  a.feeder.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), audio);
  check_accounts (a.feeder);
  const std::lock_guard lock {bed.sink.mutex};
  fail_unless_equals_uint64 (bed.sink.chunks.front ().pts, time_of (7000, kRate));
  fail_unless_equals_uint64 (bed.sink.chunks.front ().offset, 0);
}
GST_END_TEST;

GST_START_TEST (test_a_resampled_track_loops)
{
  // As one that is as it should be, to the frame; the resampler's own edges are left out.
  constexpr std::int64_t kIn = 2205; // 50 ms
  constexpr std::int64_t kOut = 2400;
  constexpr int kRounds = 3;
  MixerBed bed;
  Source steady {bed};
  Source track {bed, {44100, 1}};
  Samples ones (kIn, 0.25f);
  bed.play ();
  steady.feeder.begin ();
  track.feeder.begin ();
  for (int round = 0; round < kRounds; ++round) {
    if (round > 0) {
      fail_unless (seek (bed, kLoop, 0, kOut));
      steady.segment (0, kOut, round * kOut);
      track.segment (0, kIn, round * kIn);
    } else {
      steady.segment (0, kOut, 0);
      track.segment (0, kIn, 0);
    }
    steady.push (Samples (kOut), 0);
    track.push (ones, 0);
    steady.done (kOut);
    track.done (kIn);
  }
  fail_unless (eventually ([&] { return bed.sink.count_of (GST_EVENT_SEGMENT_DONE) == kRounds; }));
  const Samples got = bed.sink.samples ();
  fail_unless_equals_int (got.size (), kRounds * kOut);
  for (std::int64_t n = 0; n < kRounds * kOut; ++n) {
    const auto in_round = n % kOut;
    if (in_round > 64 && in_round < kOut - 64)
      CHECK_SAMPLE (std::abs (got[static_cast<std::size_t> (n)] - 0.25f) < 1e-3f, "frame %d is %g",
          static_cast<int> (n), static_cast<double> (got[static_cast<std::size_t> (n)]));
    else // and no hole where the rounds meet
      CHECK_SAMPLE (got[static_cast<std::size_t> (n)] > 0.05f, "frame %d is %g",
          static_cast<int> (n), static_cast<double> (got[static_cast<std::size_t> (n)]));
  }
}
GST_END_TEST;

GST_START_TEST (test_a_segment_does_not_outlive_ready)
{
  MixerBed bed;
  Feeder a {bed, kMono};
  bed.play ();
  a.begin ();
  fail_unless_equals_int (a.push (noise (1000, 1), 0), GST_FLOW_OK);
  gst_element_set_state (bed.element, GST_STATE_READY);
  bed.play ();
  // Another source, because GStreamer repeats what the first has said.
  gst_pad_unlink (a.src, a.sink);
  GstPad *other = gst_pad_new ("other", GST_PAD_SRC);
  gst_pad_set_active (other, TRUE);
  fail_unless_equals_int (gst_pad_link (other, a.sink), GST_PAD_LINK_OK);
  gst_pad_push_event (other, gst_event_new_stream_start ("other"));
  GstCaps *caps = caps_of (a.format);
  fail_unless (gst_pad_push_event (other, gst_event_new_caps (caps)));
  gst_caps_unref (caps);
  GstFlowReturn flow = GST_FLOW_OK;
  ASSERT_WARNING (flow = gst_pad_push (other, a.make (noise (1000, 2), 0))); // GStreamer's own
  fail_unless_equals_int (flow, GST_FLOW_EOS);
  gst_pad_unlink (other, a.sink);
  gst_object_unref (other);
  fail_unless_equals_int (gst_pad_link (a.src, a.sink), GST_PAD_LINK_OK);
  const std::string warning = bed.message (GST_MESSAGE_WARNING);
  fail_unless (warning.find ("before a segment") != std::string::npos, "%s", warning.c_str ());
  // And what has been left out is back after another READY.
  gst_element_set_state (bed.element, GST_STATE_READY);
  bed.sink.forget ();
  for (const bool active : {false, true}) // as a sink in READY, it forgets its segment
    gst_pad_set_active (bed.sink.pad (), active);
  bed.play ();
  a.begin ();
  const Samples audio = noise (1000, 3);
  fail_unless_equals_int (a.push (audio, 0), GST_FLOW_OK);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), audio);
}
GST_END_TEST;

static Suite *trackmixer_segments_suite ()
{
  Suite *suite = suite_create ("trackmixer-segments");
  TCase *segments = tcase_create ("segments");
  suite_add_tcase (suite, segments);
  tcase_add_test (segments, test_a_segment_longer_than_its_audio_ends_in_silence);
  tcase_add_test (segments, test_an_end_that_rounds_up_leaves_no_hole);
  tcase_add_test (segments, test_rounds_queue_up);
  tcase_add_test (segments, test_without_segment_what_is_queued_comes_first);
  tcase_add_test (segments, test_a_track_that_can_not_seek_goes_on_beside_a_loop);
  tcase_add_test (segments, test_a_seek_without_flush_that_no_track_can_do);
  tcase_add_test (segments, test_a_segment_on_its_way_is_not_the_one_of_the_seek);
  tcase_add_test (segments, test_a_flush_throws_rounds_away);
  tcase_add_test (segments, test_a_resampled_track_loops);
  tcase_add_test (segments, test_a_segment_does_not_outlive_ready);
  return suite;
}

GST_CHECK_MAIN (trackmixer_segments);
