// SPDX-License-Identifier: LGPL-2.1-or-later
// Live mixing by a test clock: a chunk goes out when it is complete, and at its deadline at the
// latest, whoever is late or dead.
#include "livebed.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = LiveBed::kChunk;
constexpr GstClockTime kUpstream = LiveMix::kUpstream;
constexpr std::size_t kFrames = LiveBed::kFrames;

bool answer_live (GstQuery *query, GstClockTime min, bool live = true)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return false;
  gst_query_set_latency (query, live, min, GST_CLOCK_TIME_NONE);
  return true;
}

} // namespace

GST_START_TEST (test_complete_chunks_do_not_wait_for_the_clock)
{
  LiveMix mix;
  mix.bed.play ();
  mix.a.begin ();
  mix.b.begin ();
  for (int n = 0; n < 5; ++n) {
    mix.push (mix.a, n, 0.25f);
    mix.push (mix.b, n, 0.5f);
    fail_unless (mix.bed.sink.wait_for_chunks (static_cast<std::size_t> (n) + 1));
    fail_unless (mix.heard (static_cast<std::size_t> (n)) == 0.75f);
  }
  fail_unless_equals_uint64 (count_in_stats (mix.bed.element, "deadline-misses"), 0);
}
GST_END_TEST;

GST_START_TEST (test_the_deadline_is_exact_to_the_nanosecond)
{
  // The end of the chunk, what upstream needs, and the property.
  for (const GstClockTime extra : std::initializer_list<GstClockTime> {0, 1, 3 * GST_MSECOND}) {
    LiveMix mix;
    g_object_set (mix.bed.element, "latency", extra, nullptr);
    mix.bed.play ();
    mix.a.begin ();
    mix.b.begin ();
    for (unsigned n = 0; n < 4; ++n) {
      mix.push (mix.a, n, 0.25f);
      const GstClockTime deadline = (n + 1) * kChunk + kUpstream + extra;
      fail_unless_equals_uint64 (mix.next_deadline (), deadline);
      mix.set_time (deadline - 1);
      fail_unless_equals_uint64 (mix.bed.sink.chunk_count (), n);
      mix.pass (deadline);
      fail_unless (mix.bed.sink.wait_for_chunks (n + 1));
      fail_unless (mix.heard (n) == 0.25f);
      fail_unless_equals_uint64 (count_in_stats (mix.bed.element, "deadline-misses"), n + 1);
    }
    fail_if (mix.bed.has_message (
        static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
  }
}
GST_END_TEST;

GST_START_TEST (test_a_late_track_is_counted_and_comes_back)
{
  LiveMix mix;
  g_object_set (mix.b.sink, "qos-messages", TRUE, nullptr);
  mix.bed.play ();
  mix.a.begin ();
  mix.b.begin ();
  for (unsigned n = 0; n < 3; ++n) {
    mix.push (mix.a, n, 0.25f);
    mix.pass (mix.next_deadline ());
    fail_unless (mix.bed.sink.wait_for_chunks (n + 1));
  }
  for (unsigned n = 0; n < 4; ++n) // three chunks too late, one in time
    mix.push (mix.b, n, 0.5f);
  mix.push (mix.a, 3, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (4));
  fail_unless (mix.heard (2) == 0.25f);
  fail_unless (mix.heard (3) == 0.75f);
  fail_unless (eventually ([&] { return mix.b.count ("late-frames") == 3 * kFrames; }));
  fail_unless_equals_uint64 (mix.b.count ("mixed-frames"), kFrames);
  fail_unless_equals_uint64 (mix.a.count ("late-frames"), 0);
  GstMessage *message = gst_bus_timed_pop_filtered (mix.bed.bus, 10 * GST_SECOND, GST_MESSAGE_QOS);
  fail_unless (message != nullptr, "no QoS message tells of it");
  gboolean live = FALSE;
  gst_message_parse_qos (message, &live, nullptr, nullptr, nullptr, nullptr);
  GstFormat format = GST_FORMAT_UNDEFINED;
  guint64 processed = 0;
  guint64 dropped = 0;
  gst_message_parse_qos_stats (message, &format, &processed, &dropped);
  fail_unless_equals_uint64 (dropped, kFrames); // one for each buffer
  fail_unless (live);
  fail_unless (GST_MESSAGE_SRC (message) == GST_OBJECT (mix.b.sink));
  fail_unless_equals_int (format, GST_FORMAT_DEFAULT);
  gst_message_unref (message);
  fail_if (mix.bed.has_message (GST_MESSAGE_WARNING));
}
GST_END_TEST;

GST_START_TEST (test_a_dead_track_from_the_start)
{
  LiveMix mix; // b never brings anything, not even caps
  mix.bed.play ();
  mix.a.begin ();
  for (unsigned n = 0; n < 3; ++n) {
    mix.push (mix.a, n, 0.5f);
    mix.pass (mix.next_deadline ());
    fail_unless (mix.bed.sink.wait_for_chunks (n + 1));
    fail_unless (mix.heard (n) == 0.5f);
  }
}
GST_END_TEST;

/// The longest is what every queue can hold back, whichever limit is the nearest.
GST_START_TEST (test_the_longest_latency_is_what_the_queues_hold)
{
  LiveMix mix;
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->upstream_query = [] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
        return false;
      gst_query_set_latency (query, TRUE, LiveMix::kUpstream, 2 * LiveMix::kUpstream);
      return true;
    };
  mix.bed.play ();
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->begin ();
  const auto longest = [&] {
    GstQuery *query = gst_query_new_latency ();
    fail_unless (gst_pad_peer_query (mix.bed.sink.pad (), query));
    GstClockTime max = 0;
    gst_query_parse_latency (query, nullptr, nullptr, &max);
    gst_query_unref (query);
    return max - 2 * LiveMix::kUpstream;
  };
  fail_unless_equals_uint64 (longest (), GST_SECOND);
  g_object_set (mix.a.sink, "max-size-time", 300 * GST_MSECOND, nullptr);
  fail_unless_equals_uint64 (longest (), 300 * GST_MSECOND);
  g_object_set (mix.a.sink, "max-size-time", 5 * GST_SECOND, nullptr);
  fail_unless_equals_uint64 (longest (), GST_SECOND); // of the other
  constexpr guint64 kBytes = 48000 / 10 * 2 * sizeof (float);
  g_object_set (mix.b.sink, "max-size-bytes", kBytes, nullptr);
  fail_unless_equals_uint64 (longest (), 100 * GST_MSECOND);
  g_object_set (mix.bed.element, "max-size-bytes", kBytes / 2, nullptr);
  fail_unless_equals_uint64 (longest (), 50 * GST_MSECOND);
}
GST_END_TEST;

GST_START_TEST (test_latency_is_reported)
{
  LiveMix mix;
  g_object_set (mix.bed.element, "latency", 5 * GST_MSECOND, nullptr);
  GstQuery *query = gst_query_new_latency ();
  GstPad *src = gst_element_get_static_pad (mix.bed.element, "src");
  const auto ask = [&] (GstClockTime wanted, bool wanted_live = true) {
    gboolean live = FALSE;
    GstClockTime min = 0;
    fail_unless (gst_pad_query (src, query));
    gst_query_parse_latency (query, &live, &min, nullptr);
    fail_unless_equals_int (live, wanted_live);
    fail_unless_equals_uint64 (min, wanted);
  };
  ask (kUpstream + kChunk + 5 * GST_MSECOND);
  mix.b.upstream_query = [] (GstQuery *asked) { return answer_live (asked, 70 * GST_MSECOND); };
  ask (85 * GST_MSECOND);
  g_object_set (mix.bed.element, "min-upstream-latency", 100 * GST_MSECOND, nullptr);
  ask (115 * GST_MSECOND);
  g_object_set (mix.bed.element, "min-upstream-latency", G_MAXUINT64, nullptr);
  ask (GST_CLOCK_TIME_NONE - 1); // and not none, which is no latency
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->upstream_query = [] (GstQuery *asked) {
      return answer_live (asked, 70 * GST_MSECOND, false);
    };
  ask (15 * GST_MSECOND, false);
  gst_object_unref (src);
  gst_query_unref (query);
}
GST_END_TEST;

GST_START_TEST (test_no_deadline_before_playing)
{
  LiveMix mix;
  mix.set_time (GST_SECOND);
  gst_element_set_state (mix.bed.element, GST_STATE_PAUSED);
  mix.a.begin ();
  mix.b.begin ();
  mix.push (mix.a, 0, 0.5f);
  fail_unless (settles ());
  fail_unless_equals_uint64 (mix.bed.sink.chunk_count (), 0);
  gst_element_set_state (mix.bed.element, GST_STATE_PLAYING);
  fail_unless (mix.bed.sink.wait_for_chunks (1));
}
GST_END_TEST;

GST_START_TEST (test_a_stop_ends_the_wait_for_the_clock)
{
  for (int n = 0; n < 20; ++n) {
    LiveMix mix;
    mix.bed.play ();
    mix.a.begin ();
    mix.b.begin ();
    mix.push (mix.a, 0, 0.5f);
    if (n % 2)
      mix.next_deadline ();
    const auto begin = Clock::now ();
    mix.bed.stop ();
    fail_unless (Clock::now () - begin < kHung);
  }
}
GST_END_TEST;

GST_START_TEST (test_upstream_is_not_asked_for_every_wait)
{
  // Pitfall 30: also where it does not answer.
  LiveMix mix;
  std::atomic<int> asked {0};
  mix.b.upstream_query = [&asked] (GstQuery *query) {
    asked += GST_QUERY_TYPE (query) == GST_QUERY_LATENCY;
    return false;
  };
  mix.bed.play ();
  mix.a.begin ();
  mix.b.begin ();
  for (unsigned n = 0; n < 50; ++n) {
    mix.push (mix.a, n, 0.25f);
    mix.pass (mix.next_deadline ());
    fail_unless (mix.bed.sink.wait_for_chunks (n + 1));
  }
  fail_unless (asked < 10, "asked %d times", asked.load ());
}
GST_END_TEST;

GST_START_TEST (test_a_source_that_answers_when_it_has_caps)
{
  // As audiotestsrc: it does not answer before.
  LiveMix mix;
  std::atomic<bool> has_caps {false};
  std::atomic<int> asked {0};
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->upstream_query = [&] (GstQuery *query) {
      asked += GST_QUERY_TYPE (query) == GST_QUERY_LATENCY;
      return has_caps && answer_live (query, kUpstream);
    };
  mix.bed.play ();
  fail_unless (eventually ([&] { return asked > 0; }));
  mix.a.begin (); // which still has no answer
  has_caps = true;
  mix.b.begin (); // and nothing else comes to wake the mix
  mix.check_chunk_at (0, kChunk + kUpstream);
  fail_unless (mix.heard (0) == 0.0f);
}
GST_END_TEST;

GST_START_TEST (test_a_start_that_is_set_is_not_where_the_clock_is)
{
  // The rate becomes known within a look of the mix, and not between two of them: while it asks
  // whether upstream is live. The clock has gone on by then.
  for (const bool set : {false, true}) {
    std::thread source; // these live longer than the mix, which may ask to its end
    std::atomic<bool> asked {false}, came {false}, answered {false};
    LiveMix mix;
    g_object_set (mix.bed.element, "latency", GST_SECOND, nullptr);
    if (set) {
      gst_util_set_object_arg (G_OBJECT (mix.bed.element), "start-time-selection", "set");
      g_object_set (mix.bed.element, "start-time", kChunk, nullptr);
    }
    mix.a.upstream_query = [&] (GstQuery *query) {
      if (!answer_live (query, kUpstream))
        return false;
      if (!asked.exchange (true)) {
        source = std::thread {[&] {
          mix.a.begin ();
          for (int n = 0; n < 4; ++n)
            mix.push (mix.a, n, 0.25f);
          came = true;
        }};
        fail_unless (eventually ([&] { return came.load (); }));
        answered = true; // and so `source` is what it is
      }
      return true;
    };
    mix.set_time (22 * GST_MSECOND);
    mix.bed.play ();
    fail_unless (eventually ([&] { return answered.load (); }));
    source.join ();
    mix.b.begin ();
    for (int n = 0; n < 4; ++n)
      mix.push (mix.b, n, 0.5f);
    const std::size_t chunks = set ? 3 : 4;
    fail_unless (mix.bed.sink.wait_for_chunks (chunks));
    for (std::size_t n = 0; n < chunks; ++n)
      fail_unless (mix.heard (n) == 0.75f);
    fail_unless_equals_uint64 (mix.a.count ("dropped-frames"), set ? kFrames : 0);
  }
}
GST_END_TEST;

static Suite *trackmixer_live_suite ()
{
  Suite *suite = suite_create ("trackmixer-live");
  TCase *tests = tcase_create ("live");
  tcase_add_test (tests, test_complete_chunks_do_not_wait_for_the_clock);
  tcase_add_test (tests, test_the_deadline_is_exact_to_the_nanosecond);
  tcase_add_test (tests, test_a_late_track_is_counted_and_comes_back);
  tcase_add_test (tests, test_a_dead_track_from_the_start);
  tcase_add_test (tests, test_the_longest_latency_is_what_the_queues_hold);
  tcase_add_test (tests, test_latency_is_reported);
  tcase_add_test (tests, test_no_deadline_before_playing);
  tcase_add_test (tests, test_a_stop_ends_the_wait_for_the_clock);
  tcase_add_test (tests, test_upstream_is_not_asked_for_every_wait);
  tcase_add_test (tests, test_a_source_that_answers_when_it_has_caps);
  tcase_add_test (tests, test_a_start_that_is_set_is_not_where_the_clock_is);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (trackmixer_live);
