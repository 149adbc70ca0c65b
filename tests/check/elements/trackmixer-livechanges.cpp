// SPDX-License-Identifier: LGPL-2.1-or-later
// What may change while a live mix runs: latencies, tracks, clock, state, sources that go and come
// back. By a test clock, and side by side with audiomixer where both can be asked.
#include "livebed.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = LiveBed::kChunk;
constexpr GstClockTime kUpstream = LiveMix::kUpstream;
constexpr std::size_t kFrames = LiveBed::kFrames;

/// Asks as a pipeline does when it hears that the latency has changed.
GstClockTime ask_latency (GstElement *element)
{
  GstPad *src = gst_element_get_static_pad (element, "src");
  GstQuery *query = gst_query_new_latency ();
  fail_unless (gst_pad_query (src, query));
  GstClockTime min = 0;
  gst_query_parse_latency (query, nullptr, &min, nullptr);
  gst_query_unref (query);
  gst_object_unref (src);
  return min;
}

int count_messages (MixerBed &bed, GstMessageType type)
{
  int count = 0;
  while (bed.has_message (type))
    ++count;
  return count;
}

/// Both tracks have brought the first chunk, and one of them the second.
void begin_with_one_missing (LiveMix &mix)
{
  mix.bed.play ();
  for (Feeder *feeder : {&mix.a, &mix.b}) {
    feeder->begin ();
    mix.push (*feeder, 0, 0.25f);
  }
  fail_unless (mix.bed.sink.wait_for_chunks (1));
  mix.push (mix.a, 1, 0.25f);
}

} // namespace

GST_START_TEST (test_latency_properties_move_the_deadline_at_once)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  begin_with_one_missing (mix);
  mix.check_deadline (2 * kChunk + kUpstream);
  count_messages (mix.bed, GST_MESSAGE_LATENCY);
  g_object_set (mix.bed.element, "latency", 7 * GST_MSECOND + 1, nullptr);
  fail_unless (count_messages (mix.bed, GST_MESSAGE_LATENCY) == 1);
  mix.check_deadline (2 * kChunk + kUpstream + 7 * GST_MSECOND + 1);
  g_object_set (mix.bed.element, "latency", guint64 {3}, nullptr);
  mix.check_deadline (2 * kChunk + kUpstream + 3);
  // Counts where it is more than what upstream says.
  g_object_set (mix.bed.element, "min-upstream-latency", kUpstream - 1, nullptr);
  ask_latency (mix.bed.element);
  mix.check_deadline (2 * kChunk + kUpstream + 3);
  g_object_set (mix.bed.element, "min-upstream-latency", 2 * kUpstream, nullptr);
  fail_unless (ask_latency (mix.bed.element) == kChunk + 2 * kUpstream + 3);
  mix.check_chunk_at (1, 2 * kChunk + 2 * kUpstream + 3);
  fail_unless (mix.heard (1) == 0.25f);
}
GST_END_TEST;

GST_START_TEST (test_another_latency_of_upstream_counts_once_it_is_asked_for)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  begin_with_one_missing (mix);
  mix.check_deadline (2 * kChunk + kUpstream);
  LiveBed::set_latency (mix.b, kUpstream + 9 * GST_MSECOND);
  fail_unless (ask_latency (mix.bed.element) == kChunk + kUpstream + 9 * GST_MSECOND);
  mix.check_chunk_at (1, 2 * kChunk + kUpstream + 9 * GST_MSECOND);
}
GST_END_TEST;

GST_START_TEST (test_a_track_that_comes_and_goes_changes_the_latency)
{
  LiveMix mix;
  begin_with_one_missing (mix);
  mix.check_deadline (2 * kChunk + kUpstream);
  count_messages (mix.bed, GST_MESSAGE_LATENCY);
  Feeder late {mix.bed};
  LiveBed::set_latency (
      late, kUpstream + 5 * GST_MSECOND); // it is asked when it is linked, or here
  late.begin ();
  mix.push (late, 2, 0.125f);
  ask_latency (mix.bed.element);
  mix.check_chunk_at (1, 2 * kChunk + kUpstream + 5 * GST_MSECOND);
  fail_unless (mix.heard (1) == 0.25f);
  mix.push (mix.a, 2, 0.25f);
  mix.check_chunk_at (2, 3 * kChunk + kUpstream + 5 * GST_MSECOND);
  fail_unless (mix.heard (2) == 0.375f);
  count_messages (mix.bed, GST_MESSAGE_LATENCY);
  gst_element_release_request_pad (mix.bed.element, late.sink);
  mix.push (mix.a, 3, 0.25f);
  mix.check_chunk_at (3, 4 * kChunk + kUpstream);
  fail_unless (count_messages (mix.bed, GST_MESSAGE_LATENCY) == 1, "nobody was told");
  fail_unless (ask_latency (mix.bed.element) == kChunk + kUpstream);
}
GST_END_TEST;

GST_START_TEST (test_the_first_live_track_makes_the_mix_live)
{
  LiveMix mix;
  for (Feeder *feeder : {&mix.a, &mix.b})
    LiveBed::set_latency (*feeder, 0, false);
  begin_with_one_missing (mix);
  count_messages (mix.bed, GST_MESSAGE_LATENCY);
  std::atomic<bool> asked {false};
  GstPad *live = gst_pad_new ("live", GST_PAD_SRC);
  gst_pad_set_element_private (live, &asked);
  gst_pad_set_query_function (
      live, [] (GstPad *pad, GstObject *, GstQuery *query) noexcept -> gboolean {
        if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
          return FALSE;
        gst_query_set_latency (query, TRUE, 5 * GST_MSECOND, GST_CLOCK_TIME_NONE);
        *static_cast<std::atomic<bool> *> (gst_pad_get_element_private (pad)) = true;
        return TRUE;
      });
  gst_pad_set_active (live, TRUE);
  GstPad *sink = gst_element_request_pad_simple (mix.bed.element, "sink_%u");
  fail_unless (gst_pad_link (live, sink) == GST_PAD_LINK_OK);
  mix.check_deadline (2 * kChunk + 5 * GST_MSECOND);
  fail_unless (asked.load ());
  fail_unless (count_messages (mix.bed, GST_MESSAGE_LATENCY) == 1, "nobody was told");
  mix.check_chunk_at (1, 2 * kChunk + 5 * GST_MSECOND);
  mix.bed.stop ();
  gst_object_unref (sink);
  gst_object_unref (live);
}
GST_END_TEST;

GST_START_TEST (test_another_clock)
{
  LiveMix mix;
  begin_with_one_missing (mix);
  mix.check_deadline (2 * kChunk + kUpstream);
  auto *other = GST_TEST_CLOCK (gst_test_clock_new_with_start_time (LiveBed::kBaseTime));
  gst_element_set_clock (mix.bed.element, GST_CLOCK (other));
  fail_unless (eventually ([&] { return gst_test_clock_peek_id_count (mix.clock) == 0; }),
      "still waits for the old clock");
  std::swap (mix.clock, other);
  mix.check_chunk_at (1, 2 * kChunk + kUpstream);
  gst_element_set_clock (mix.bed.element, nullptr); // as a pipeline without one
  fail_unless (eventually ([&] { return gst_test_clock_peek_id_count (mix.clock) == 0; }));
  mix.push (mix.a, 2, 0.25f);
  mix.push (mix.b, 2, 0.25f); // complete, with or without a clock
  fail_unless (mix.bed.sink.wait_for_chunks (3));
  gst_object_unref (other);
}
GST_END_TEST;

GST_START_TEST (test_a_pause_takes_no_running_time)
{
  LiveMix mix;
  begin_with_one_missing (mix);
  mix.check_deadline (2 * kChunk + kUpstream);
  mix.set_time (kChunk);
  gst_element_set_state (mix.bed.element, GST_STATE_PAUSED);
  fail_unless (eventually ([&] { return gst_test_clock_peek_id_count (mix.clock) == 0; }),
      "waits for the clock in PAUSED");
  // An hour later: running time is where it was.
  constexpr GstClockTime kPause = 3600 * GST_SECOND + 3;
  gst_test_clock_set_time (mix.clock, mix.base_time + kChunk + kPause);
  fail_unless (settles ());
  fail_unless_equals_int (static_cast<int> (mix.bed.sink.chunk_count ()), 1);
  mix.base_time += kPause;
  gst_element_set_base_time (mix.bed.element, mix.base_time);
  gst_element_set_state (mix.bed.element, GST_STATE_PLAYING);
  mix.check_chunk_at (1, 2 * kChunk + kUpstream);
  mix.push (mix.a, 2, 0.25f);
  mix.push (mix.b, 2, 0.5f);
  fail_unless (mix.bed.sink.wait_for_chunks (3));
  fail_unless (mix.heard (2) == 0.75f);
  fail_unless_equals_uint64 (mix.b.count ("late-frames"), 0);
}
GST_END_TEST;

GST_START_TEST (test_live_tracks_end_one_by_one)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  begin_with_one_missing (mix);
  mix.b.end (); // now nothing is missing
  fail_unless (mix.bed.sink.wait_for_chunks (2));
  mix.push (mix.a, 2, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (3));
  mix.a.push (Samples (2 * kFrames / 2, 0.25f), 3 * kFrames); // half a chunk
  mix.a.end ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless_equals_int (mix.bed.sink.samples ().size (), 2 * kFrames * 7 / 2);
}
GST_END_TEST;

GST_START_TEST (test_a_source_that_was_dead_for_long_comes_back_in_place)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  begin_with_one_missing (mix);
  for (std::size_t n = 1; n < 30; ++n) {
    mix.check_chunk_at (n, (n + 1) * kChunk + kUpstream);
    mix.push (mix.a, static_cast<std::int64_t> (n) + 1, 0.25f);
  }
  mix.push (mix.b, 30, 0.5f);
  fail_unless (mix.bed.sink.wait_for_chunks (31));
  for (std::size_t n = 1; n < 30; ++n)
    fail_unless (mix.heard (n) == 0.25f);
  fail_unless (mix.heard (30) == 0.75f);
  fail_if (
      mix.bed.has_message (static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
}
GST_END_TEST;

GST_START_TEST (test_the_longest_latencies_never_overflow)
{
  LiveMix mix;
  g_object_set (mix.bed.element, "latency", GST_CLOCK_TIME_NONE - 5, nullptr);
  mix.set_time (3600 * GST_SECOND); // a sum that wraps around has passed
  begin_with_one_missing (mix);
  fail_unless (settles ());
  fail_unless_equals_int (static_cast<int> (mix.bed.sink.chunk_count ()), 1);
  mix.push (mix.b, 1, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (2));
}
GST_END_TEST;

// --- QoS

namespace {

struct Qos {
  bool live;
  guint64 running_time, stream_time, timestamp, duration;
  GstFormat format;
  guint64 processed, dropped;
  bool operator== (const Qos &) const = default;
};

std::vector<Qos> qos_of (LiveMix &mix)
{
  std::vector<Qos> all;
  while (GstMessage *message = gst_bus_pop_filtered (mix.bed.bus, GST_MESSAGE_QOS)) {
    gboolean live = FALSE;
    Qos qos {};
    gst_message_parse_qos (
        message, &live, &qos.running_time, &qos.stream_time, &qos.timestamp, &qos.duration);
    gst_message_parse_qos_stats (message, &qos.format, &qos.processed, &qos.dropped);
    qos.live = live != FALSE;
    fail_unless (GST_MESSAGE_SRC (message) == GST_OBJECT (mix.b.sink));
    all.push_back (qos);
    gst_message_unref (message);
  }
  return all;
}

/// One track comes too late twice, in buffers that end apart from chunks, in a segment of its own.
std::vector<Qos> late_twice (const char *factory)
{
  LiveMix mix {kUpstream, factory};
  g_object_set (mix.b.sink, "qos-messages", TRUE, nullptr);
  mix.bed.play ();
  mix.a.begin ();
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.position = 5 * GST_SECOND;
  segment.time = 2 * GST_SECOND;
  mix.b.begin (&segment);
  const auto bring = [&mix] (std::int64_t from, std::int64_t to) { // frames of running time
    fail_unless_equals_int (
        mix.b.push (Samples (2 * static_cast<std::size_t> (to - from), 0.5f), 5 * 48000 + from),
        GST_FLOW_OK);
  };
  // One chunk ahead: audiomixer wants the next buffer of each track before it ends a chunk.
  const auto go_on = [&mix] (std::size_t from, std::size_t to) {
    for (std::size_t n = from; n < to; ++n) {
      mix.push (mix.a, static_cast<std::int64_t> (n) + 1, 0.25f);
      mix.check_chunk_at (n, (n + 1) * kChunk + kUpstream);
    }
  };
  mix.push (mix.a, 0, 0.25f);
  mix.check_deadline (kChunk + kUpstream); // before it knows that it is live it queues one buffer
  go_on (0, 3);
  bring (0, 300); // on a whole nanosecond: audiomixer is a frame off elsewhere
  bring (300, 1800);
  bring (1800, 4 * kFrames);
  mix.push (mix.a, 4, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (4));
  go_on (4, 6);
  bring (4 * kFrames, 2700);
  bring (2700, 3000);
  bring (3000, 7 * kFrames);
  mix.push (mix.a, 7, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (7));
  std::vector<Qos> all;
  fail_unless (eventually ([&] {
    const auto more = qos_of (mix);
    all.insert (all.end (), more.begin (), more.end ());
    return all.size () >= 4;
  }));
  return all;
}

} // namespace

GST_START_TEST (test_qos_messages_are_those_of_audiomixer)
{
  const auto ours = late_twice ("trackmixer");
  const auto ns = [] (std::int64_t frame) { return time_of (frame, 48000); };
  const auto late = [&] (std::int64_t from, std::int64_t to, guint64 processed, guint64 dropped) {
    return Qos {true, ns (from), 2 * GST_SECOND + ns (from), 5 * GST_SECOND + ns (from),
        ns (to - from), GST_FORMAT_DEFAULT, processed, dropped};
  };
  const std::vector<Qos> wanted {late (0, 300, 0, 300), late (300, 1440, 0, 1440),
      late (1920, 2700, 480, 1440 + 780), late (2700, 2880, 480, 1440 + 960)};
  fail_unless_equals_int (static_cast<int> (ours.size ()), 4);
  for (std::size_t n = 0; n < ours.size (); ++n)
    fail_unless (ours[n] == wanted[n],
        "message %zu: %" G_GUINT64_FORMAT " and not %" G_GUINT64_FORMAT
        ", dropped %" G_GUINT64_FORMAT,
        n, ours[n].running_time, wanted[n].running_time, ours[n].dropped);
  if (kMixers > 1)
    fail_unless (late_twice ("audiomixer") == ours);
}
GST_END_TEST;

GST_START_TEST (test_no_qos_message_that_nobody_asked_for)
{
  LiveMix mix;
  mix.bed.play ();
  mix.a.begin ();
  mix.b.begin ();
  mix.push (mix.a, 0, 0.25f);
  mix.check_chunk_at (0, kChunk + kUpstream);
  mix.push (mix.b, 0, 0.25f);
  for (Feeder *feeder : {&mix.a, &mix.b})
    mix.push (*feeder, 1, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (2));
  fail_unless (eventually ([&] { return mix.b.count ("late-frames") == kFrames; }));
  fail_if (mix.bed.has_message (GST_MESSAGE_QOS));
}
GST_END_TEST;

static Suite *trackmixer_livechanges_suite ()
{
  Suite *suite = suite_create ("trackmixer-livechanges");
  TCase *changes = tcase_create ("changes");
  tcase_add_loop_test (changes, test_latency_properties_move_the_deadline_at_once, 0, kMixers);
  tcase_add_loop_test (
      changes, test_another_latency_of_upstream_counts_once_it_is_asked_for, 0, kMixers);
  tcase_add_test (changes, test_a_track_that_comes_and_goes_changes_the_latency);
  tcase_add_test (changes, test_the_first_live_track_makes_the_mix_live);
  tcase_add_test (changes, test_another_clock);
  tcase_add_test (changes, test_a_pause_takes_no_running_time);
  tcase_add_loop_test (changes, test_live_tracks_end_one_by_one, 0, kMixers);
  tcase_add_loop_test (
      changes, test_a_source_that_was_dead_for_long_comes_back_in_place, 0, kMixers);
  tcase_add_test (changes, test_the_longest_latencies_never_overflow);
  suite_add_tcase (suite, changes);
  TCase *qos = tcase_create ("qos");
  tcase_add_test (qos, test_qos_messages_are_those_of_audiomixer);
  tcase_add_test (qos, test_no_qos_message_that_nobody_asked_for);
  suite_add_tcase (suite, qos);
  return suite;
}

GST_CHECK_MAIN (trackmixer_livechanges)
