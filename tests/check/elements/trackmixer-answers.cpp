// SPDX-License-Identifier: LGPL-2.1-or-later
// What trackmixer answers: flows of downstream to its feeders, and queries from both sides.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = 10 * GST_MSECOND;
constexpr int kRate = 44100;

} // namespace

GST_START_TEST (test_what_downstream_answers_reaches_the_feeders)
{
  for (const GstFlowReturn answer : {GST_FLOW_EOS, GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED,
           GST_FLOW_NOT_LINKED, GST_FLOW_CUSTOM_ERROR}) {
    MixerBed bed {kChunk};
    Feeders feeders;
    for (int n = 0; n < 3; ++n)
      feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
    bed.sink.flow = [answer] (std::size_t chunk) { return chunk < 3 ? GST_FLOW_OK : answer; };
    bed.play ();
    std::atomic<int> told {0};
    for (auto &feeder : feeders)
      feeder->run ([&told, answer] (Feeder &self) {
        self.begin ();
        const Samples track = noise (100000, 1);
        GstFlowReturn flow = GST_FLOW_OK;
        for (std::int64_t at = 0; flow == GST_FLOW_OK; at += 100000)
          flow = self.push_all (track, 3, 3000, at);
        told += flow == answer;
      });
    for (auto &feeder : feeders)
      fail_unless (feeder->finishes (), "a feeder does not hear of %s", gst_flow_get_name (answer));
    fail_unless_equals_int (told, 3);
    fail_unless_equals_int (bed.sink.chunk_count (), 3);
    if (answer == GST_FLOW_EOS)
      fail_if (bed.has_message (GST_MESSAGE_ERROR));
    else // posted behind what the feeders hear
      fail_if (bed.message (GST_MESSAGE_ERROR).empty ());
  }
}
GST_END_TEST;

GST_START_TEST (test_nothing_linked_behind)
{
  MixerBed bed {kChunk, false};
  Feeder a {bed, {kRate, 1}};
  bed.play ();
  a.run ([] (Feeder &self) {
    self.begin ();
    const Samples track = noise (100000, 1);
    GstFlowReturn flow = GST_FLOW_OK;
    while (flow == GST_FLOW_OK)
      flow = self.push_all (track, 3);
    fail_unless_equals_int (flow, GST_FLOW_NOT_LINKED);
  });
  fail_unless (a.finishes ());
  fail_if (bed.message (GST_MESSAGE_ERROR).empty ());
}
GST_END_TEST;

GST_START_TEST (test_drain_never_hangs)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  bed.play ();
  const auto drain = [] (Feeder &feeder) {
    GstQuery *query = gst_query_new_drain ();
    const bool ok = gst_pad_peer_query (feeder.src, query);
    gst_query_unref (query);
    return ok;
  };
  // Nothing queued; then one thread feeds both, and the other has nothing.
  a.run ([&] (Feeder &self) {
    self.begin ();
    b.begin ();
    drain (self);
    drain (b);
    self.push (noise (5000, 1), 0);
    drain (self); // b has to go on first
    b.push (noise (5000, 2), 0);
    drain (b);
    self.end ();
    drain (self);
    b.end ();
  });
  fail_unless (a.finishes (), "a drain hangs");
  fail_unless (bed.sink.wait_for_eos ());
  check_accounts (a);
}
GST_END_TEST;

GST_START_TEST (test_a_flush_ends_a_drain)
{
  check_prompt ([] {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    bed.play ();
    bed.sink.close ();
    a.run ([] (Feeder &self) {
      self.begin ();
      self.push (noise (20000, 1), 0);
      GstQuery *query = gst_query_new_drain ();
      gst_pad_peer_query (self.src, query);
      gst_query_unref (query);
    });
    fail_unless (eventually ([&] { return a.count ("in-frames") == 20000; }));
    fail_unless (settles ());
    fail_if (a.done);
    const auto took = time_for ([&] {
      gst_pad_push_event (a.src, gst_event_new_flush_start ());
      fail_unless (a.finishes ());
    });
    gst_pad_push_event (a.src, gst_event_new_flush_stop (TRUE));
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_allocation_is_answered_at_once)
{
  check_prompt ([] {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    Feeder b {bed, {kRate, 1}};
    bed.play ();
    bed.sink.close ();
    a.begin ();
    a.push (noise (30000, 1), 0); // b has nothing
    GstCaps *caps = caps_of (a.format);
    GstQuery *query = gst_query_new_allocation (caps, TRUE);
    const auto took = time_for ([&] { fail_unless (gst_pad_peer_query (a.src, query)); });
    gst_query_unref (query);
    gst_caps_unref (caps);
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_a_bounded_pool_of_downstream_never_blocks_the_end)
{
  check_prompt ([] {
    // A sink that keeps all that its pool has: the mix must not wait in the pool for ever.
    MixerBed bed {kChunk};
    std::vector<GstBuffer *> kept;
    bed.sink.allocation = [] (GstQuery *query) {
      GstCaps *caps = nullptr;
      gst_query_parse_allocation (query, &caps, nullptr);
      GstBufferPool *pool = gst_buffer_pool_new ();
      gst_query_add_allocation_pool (query, pool, 4096, 2, 2);
      gst_object_unref (pool);
    };
    bed.sink.look = [&kept] (GstBuffer *buffer) { kept.push_back (gst_buffer_ref (buffer)); };
    Feeder a {bed, {kRate, 1}};
    bed.play ();
    a.run ([] (Feeder &self) {
      self.begin ();
      self.push_all (noise (30000, 1), 1);
    });
    fail_unless (bed.sink.wait_for_chunks (2));
    fail_unless (settles ());
    const auto took = time_for ([&] { bed.stop (); });
    a.join ();
    for (auto *buffer : kept)
      gst_buffer_unref (buffer);
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_queries_upwards)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  std::atomic<int> latency_queries {0};
  std::atomic<gint64> b_duration {7 * GST_SECOND};
  a.upstream_query = [&] (GstQuery *query) {
    switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      ++latency_queries;
      gst_query_set_latency (query, TRUE, 20 * GST_MSECOND, 90 * GST_MSECOND);
      return true;
    case GST_QUERY_DURATION:
      gst_query_set_duration (query, GST_FORMAT_TIME, 5 * GST_SECOND);
      return true;
    case GST_QUERY_SEEKING:
      gst_query_set_seeking (query, GST_FORMAT_TIME, TRUE, 0, 5 * GST_SECOND);
      return true;
    default:
      return false;
    }
  };
  b.upstream_query = [&] (GstQuery *query) {
    if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY) {
      ++latency_queries;
      gst_query_set_latency (query, TRUE, 30 * GST_MSECOND, GST_CLOCK_TIME_NONE);
      return true;
    }
    if (GST_QUERY_TYPE (query) != GST_QUERY_DURATION || b_duration < 0)
      return false;
    gst_query_set_duration (query, GST_FORMAT_TIME, b_duration);
    return true;
  };
  bed.play ();
  const Samples track = noise (44100, 1);
  a.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (track, 1);
    self.end ();
  });
  b.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (track, 2);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  // The mix has asked whether they are live when the tracks changed, not for each of its chunks.
  fail_unless (latency_queries <= 12, "asked %d times", latency_queries.load ());
  latency_queries = 0;

  GstQuery *query = gst_query_new_latency ();
  fail_unless (gst_pad_peer_query (bed.sink.pad (), query));
  gboolean live = FALSE;
  GstClockTime min = 0;
  GstClockTime max = 0;
  gst_query_parse_latency (query, &live, &min, &max);
  gst_query_unref (query);
  fail_unless (live);
  fail_unless_equals_uint64 (min, 30 * GST_MSECOND + kChunk);
  fail_unless (max >= min && max != GST_CLOCK_TIME_NONE);
  fail_unless_equals_int (latency_queries, 2);

  gint64 value = 0;
  fail_unless (gst_pad_peer_query_duration (bed.sink.pad (), GST_FORMAT_TIME, &value));
  fail_unless_equals_uint64 (static_cast<guint64> (value), 7 * GST_SECOND);
  fail_if (gst_pad_peer_query_duration (bed.sink.pad (), GST_FORMAT_BYTES, &value));
  b_duration = -1; // unknown wins
  fail_if (gst_pad_peer_query_duration (bed.sink.pad (), GST_FORMAT_TIME, &value));
  fail_unless (gst_pad_peer_query_position (bed.sink.pad (), GST_FORMAT_TIME, &value));
  fail_unless_equals_uint64 (static_cast<guint64> (value), GST_SECOND);

  query = gst_query_new_seeking (GST_FORMAT_TIME);
  fail_unless (gst_pad_peer_query (bed.sink.pad (), query));
  gboolean seekable = FALSE;
  gst_query_parse_seeking (query, nullptr, &seekable, nullptr, &value);
  fail_unless (seekable);
  fail_unless_equals_uint64 (static_cast<guint64> (value), 5 * GST_SECOND);
  gst_query_unref (query);
}
GST_END_TEST;

static Suite *trackmixer_answers_suite ()
{
  Suite *suite = suite_create ("trackmixer-answers");
  TCase *flow = tcase_create ("flow");
  tcase_add_test (flow, test_what_downstream_answers_reaches_the_feeders);
  tcase_add_test (flow, test_nothing_linked_behind);
  suite_add_tcase (suite, flow);
  TCase *queries = tcase_create ("queries");
  tcase_add_test (queries, test_drain_never_hangs);
  tcase_add_test (queries, test_a_flush_ends_a_drain);
  tcase_add_test (queries, test_allocation_is_answered_at_once);
  tcase_add_test (queries, test_a_bounded_pool_of_downstream_never_blocks_the_end);
  tcase_add_test (queries, test_queries_upwards);
  suite_add_tcase (suite, queries);
  return suite;
}

GST_CHECK_MAIN (trackmixer_answers)
