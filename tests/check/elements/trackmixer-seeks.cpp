// SPDX-License-Identifier: LGPL-2.1-or-later
// Seeks of trackmixer, whatever the sources make of them.
#include "seekablesource.hpp"

using namespace mt::test;

GST_START_TEST (test_seek_plays_the_same_as_straight_on_from_the_target)
{
  for (const std::int64_t target : {0, 1, 4410, 12345, 59999}) {
    TwoSources mix;
    mix.bed.sink.close (); // stays in the middle of the first chunk
    mix.start ();
    mix.bed.sink.let_through (2);
    fail_unless (mix.bed.sink.wait_for_chunks (2));
    GstEvent *event = seek_event (target);
    const guint32 seqnum = gst_event_get_seqnum (event);
    fail_unless (send_upstream (mix.bed, event));
    mix.bed.sink.open ();
    fail_unless (mix.bed.sink.wait_for_eos ());
    check_equal (mix.bed.sink.samples (), mix.from (static_cast<std::size_t> (target)));
    check_chunks (mix.bed.sink, kChunk, time_of (target, kRate));
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
    fail_unless_equals_int (mix.a.seeks, 1);
    fail_unless_equals_int (mix.b.seeks, 1);
    bool flushed = false;
    for (const auto &seen : mix.bed.sink.events) {
      flushed = flushed || seen.type == GST_EVENT_FLUSH_START;
      if (!flushed)
        continue;
      if (seen.type == GST_EVENT_SEGMENT || seen.type == GST_EVENT_EOS ||
          seen.type == GST_EVENT_FLUSH_START || seen.type == GST_EVENT_FLUSH_STOP)
        fail_unless_equals_uint64 (seen.seqnum, seqnum);
      if (seen.type == GST_EVENT_SEGMENT) {
        fail_unless_equals_uint64 (seen.segment.start, time_of (target, kRate));
        fail_unless_equals_uint64 (seen.segment.time, time_of (target, kRate));
        fail_unless_equals_uint64 (seen.segment.base, 0);
        fail_unless (seen.segment.rate == 1.0);
      }
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_many_seeks_in_a_row)
{
  TwoSources mix;
  mix.start ();
  std::mt19937 random {5};
  std::uniform_int_distribution<int> where {0, 59000};
  for (int n = 0; n < (kSanitized ? 60 : 200); ++n) {
    const int target = where (random);
    fail_unless (send_upstream (mix.bed, seek_event (target)));
    if (n % 4 == 0) {
      fail_unless (mix.bed.sink.wait_for_eos (), "no end after seek %d", n);
      check_equal (mix.bed.sink.samples (), mix.from (static_cast<std::size_t> (target)));
    } else if (n % 4 == 1) {
      const auto chunks = static_cast<std::size_t> (60000 - target) / 441;
      fail_unless (mix.bed.sink.wait_for_chunks (random () % (chunks + 1)));
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_without_the_seqnum_of_its_seek)
{
  for (const int which : {1, 2, 3}) {
    TwoSources mix;
    mix.a.keeps_seqnum = (which & 1) == 0;
    mix.b.keeps_seqnum = (which & 2) == 0;
    mix.start_until (2);
    fail_unless (send_upstream (mix.bed, seek_event (12345)));
    mix.bed.sink.open ();
    fail_unless (mix.bed.sink.wait_for_eos (), "the flush does not end");
    check_equal (mix.bed.sink.samples (), mix.from (12345));
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_seeks_that_fail_after_their_flush)
{
  TwoSources mix;
  mix.a.fails_at_last = mix.b.fails_at_last = true;
  mix.start_until (2);
  fail_if (send_upstream (mix.bed, seek_event (12345)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos (), "the flush does not end");
  check_equal (mix.bed.sink.samples (), mix.from (12345));
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_seek_to_before_the_last_change_of_volume)
{
  TwoSources mix;
  g_object_set (mix.a.feeder.sink, "volume", 0.25, nullptr);
  mix.start_until (50);
  g_object_set (mix.a.feeder.sink, "volume", 1.0, nullptr); // a ramp
  mix.bed.sink.let_through (3);
  fail_unless (mix.bed.sink.wait_for_chunks (53));
  fail_unless (send_upstream (mix.bed, seek_event (100)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (100));
}
GST_END_TEST;

GST_START_TEST (test_seek_after_the_end)
{
  TwoSources mix;
  mix.start ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless (send_upstream (mix.bed, seek_event (30000)));
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (30000));
}
GST_END_TEST;

GST_START_TEST (test_seek_to_where_the_mix_is)
{
  // Each source is somewhere else by then, ahead of the mix by what is queued.
  TwoSources mix;
  mix.bed.sink.close ();
  mix.start ();
  mix.bed.sink.let_through (2);
  fail_unless (eventually ([&] { return count_in_stats (mix.bed.element, "frames-out") == 1323; }));
  fail_unless (send_upstream (mix.bed,
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_NONE, 0,
          GST_SEEK_TYPE_NONE, -1)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (1323));
  check_chunks (mix.bed.sink, kChunk, time_of (1323, kRate));
}
GST_END_TEST;

GST_START_TEST (test_seek_from_the_end)
{
  const auto back = [] (TwoSources &mix, GstSeekType stop_type, gint64 stop) {
    return send_upstream (mix.bed,
        gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_END,
            -static_cast<gint64> (time_of (10000, kRate)), stop_type, stop));
  };
  TwoSources mix;
  const auto duration_of = [] (std::int64_t frames) {
    return [frames] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) == GST_QUERY_DURATION)
        gst_query_set_duration (
            query, GST_FORMAT_TIME, static_cast<gint64> (time_of (frames, kRate)));
      return GST_QUERY_TYPE (query) == GST_QUERY_DURATION;
    };
  };
  mix.a.feeder.upstream_query = duration_of (60000);
  mix.start ();
  fail_if (back (mix, GST_SEEK_TYPE_NONE, -1), "b does not know where the end is");
  fail_unless (mix.bed.sink.wait_for_eos ());
  // The same place for both: the end of the longer one.
  mix.b.feeder.upstream_query = duration_of (59000);
  fail_unless (back (mix, GST_SEEK_TYPE_NONE, -1));
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (50000));
  // And a stop there.
  fail_unless (back (mix, GST_SEEK_TYPE_END, -static_cast<gint64> (GST_MSECOND)));
  fail_unless (mix.bed.sink.wait_for_eos ());
  for (const auto &seen : mix.bed.sink.events)
    if (seen.type == GST_EVENT_SEGMENT && seen.segment.stop != GST_CLOCK_TIME_NONE)
      fail_unless_equals_uint64 (seen.segment.stop, time_of (60000, kRate) - GST_MSECOND);
  fail_unless (mix.bed.sink.events.size () > 0);
}
GST_END_TEST;

GST_START_TEST (test_the_same_seek_from_two_sinks_is_one)
{
  TwoSources mix;
  mix.start ();
  GstEvent *event = seek_event (1000);
  fail_unless (send_upstream (mix.bed, gst_event_ref (event)));
  fail_unless (send_upstream (mix.bed, event));
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless_equals_int (mix.a.seeks, 1);
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_track_that_cannot_seek_does_not_stop_the_others)
{
  TwoSources mix;
  mix.b.can_seek = false;
  mix.start_until (1);
  fail_unless (send_upstream (mix.bed, seek_event (50000)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_source_that_never_flushes_does_not_hold_the_flush)
{
  for (const bool first : {false, true}) { // whichever is asked first
    TwoSources mix;
    SeekableSource &idle = first ? mix.a : mix.b;
    SeekableSource &good = first ? mix.b : mix.a;
    idle.flushes = false;
    mix.bed.sink.close ();
    mix.bed.play ();
    good.start ();
    idle.feeder.begin ();
    idle.feeder.end ();
    mix.bed.sink.let_through (1);
    fail_unless (mix.bed.sink.wait_for_chunks (1));
    GstEvent *event = seek_event (50000);
    const guint32 seqnum = gst_event_get_seqnum (event);
    fail_unless (send_upstream (mix.bed, event));
    mix.bed.sink.open ();
    fail_unless (mix.bed.sink.wait_for_eos (), "downstream waits for a flush that never comes");
    const Samples wanted = first ? mix.tail_of_two (50000) : mix.tail_of_one (50000);
    check_equal (mix.bed.sink.samples (), wanted);
    // It comes after all: nobody else hears of it.
    idle.flush_late (seqnum);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_late_flush_beside_one_that_never_comes)
{
  for (const bool first : {false, true}) { // whichever is asked first
    TwoSources mix;
    SeekableSource &late = first ? mix.a : mix.b;
    SeekableSource &idle = first ? mix.b : mix.a;
    late.flushes = idle.flushes = false;
    mix.bed.play ();
    for (SeekableSource *source : {&late, &idle}) {
      source->feeder.begin ();
      const auto channels = static_cast<std::size_t> (source->feeder.format.channels);
      fail_unless_equals_int (source->feeder.push (Samples (441 * channels), 0), GST_FLOW_OK);
    }
    fail_unless (mix.bed.sink.wait_for_chunks (1));
    GstEvent *event = seek_event (0);
    const guint32 seqnum = gst_event_get_seqnum (event);
    fail_unless (send_upstream (mix.bed, event));
    late.flush_late (seqnum);
    late.feeder.begin_segment ();
    late.feeder.end ();
    idle.feeder.end ();
    fail_unless (mix.bed.sink.wait_for_eos (), "downstream waits for a flush that never comes");
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_seek_that_no_track_can_do)
{
  TwoSources mix;
  mix.a.can_seek = mix.b.can_seek = false;
  mix.start ();
  fail_if (send_upstream (mix.bed, seek_event (5000)));
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (0));
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 0);
}
GST_END_TEST;

GST_START_TEST (test_the_same_seek_fails_by_every_way)
{
  for (const int flags : {int {GST_SEEK_FLAG_FLUSH}, 0}) {
    TwoSources mix;
    mix.a.can_seek = mix.b.can_seek = false;
    mix.start ();
    GstEvent *event = seek_event (5000, 1.0, flags);
    fail_if (send_upstream (mix.bed, gst_event_ref (event)));
    fail_if (send_upstream (mix.bed, event));
    fail_unless_equals_int (mix.a.seeks, 1);
    fail_unless (mix.bed.sink.wait_for_eos ());
  }
}
GST_END_TEST;

/// As a bin sends it when its children change meanwhile. One track has come, another seek was
/// refused.
GST_START_TEST (test_the_same_seek_once_more_behind_another)
{
  TwoSources mix;
  mix.start_until (2);
  GstEvent *event = seek_event (12345);
  fail_unless (send_upstream (mix.bed, gst_event_ref (event)));
  SeekableSource late {mix.bed, {kRate, 2}, Samples (std::size_t {2} * 60000), 13};
  late.start ();
  for (SeekableSource *source : {&mix.a, &mix.b, &late})
    source->can_seek = false;
  fail_if (send_upstream (mix.bed, seek_event (100, 1.0, 0)));
  for (SeekableSource *source : {&mix.a, &mix.b, &late})
    source->can_seek = true;
  fail_unless (send_upstream (mix.bed, event));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos (), "downstream flushes for ever");
  check_equal (mix.bed.sink.samples (), mix.from (12345));
  fail_unless_equals_int (mix.a.seeks, 3);
  fail_unless_equals_int (late.seeks, 2);
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 2);
}
GST_END_TEST;

GST_START_TEST (test_seeks_that_are_refused)
{
  TwoSources mix;
  mix.start ();
  fail_if (send_upstream (mix.bed, seek_event (5000, -1.0)));
  fail_if (send_upstream (mix.bed,
      gst_event_new_seek (2.0, GST_FORMAT_TIME, GST_SEEK_FLAG_INSTANT_RATE_CHANGE,
          GST_SEEK_TYPE_NONE, 0, GST_SEEK_TYPE_NONE, 0)));
  fail_if (send_upstream (mix.bed,
      gst_event_new_seek (1.0, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
          GST_SEEK_TYPE_NONE, -1)));
  fail_if (send_upstream (mix.bed,
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, GST_SECOND,
          GST_SEEK_TYPE_SET, GST_SECOND - 1))); // ends before it starts
  fail_unless_equals_int (mix.a.seeks, 0);
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (0));
}
GST_END_TEST;

static Suite *trackmixer_seeks_suite ()
{
  Suite *suite = suite_create ("trackmixer-seeks");
  TCase *seeks = tcase_create ("seeks");
  tcase_add_test (seeks, test_seek_plays_the_same_as_straight_on_from_the_target);
  tcase_add_test (seeks, test_many_seeks_in_a_row);
  tcase_add_test (seeks, test_a_flush_without_the_seqnum_of_its_seek);
  tcase_add_test (seeks, test_seeks_that_fail_after_their_flush);
  tcase_add_test (seeks, test_a_seek_to_before_the_last_change_of_volume);
  tcase_add_test (seeks, test_seek_after_the_end);
  tcase_add_test (seeks, test_seek_to_where_the_mix_is);
  tcase_add_test (seeks, test_seek_from_the_end);
  tcase_add_test (seeks, test_the_same_seek_from_two_sinks_is_one);
  tcase_add_test (seeks, test_a_track_that_cannot_seek_does_not_stop_the_others);
  tcase_add_test (seeks, test_a_source_that_never_flushes_does_not_hold_the_flush);
  tcase_add_test (seeks, test_a_late_flush_beside_one_that_never_comes);
  tcase_add_test (seeks, test_seek_that_no_track_can_do);
  tcase_add_test (seeks, test_the_same_seek_fails_by_every_way);
  tcase_add_test (seeks, test_the_same_seek_once_more_behind_another);
  tcase_add_test (seeks, test_seeks_that_are_refused);
  suite_add_tcase (suite, seeks);
  return suite;
}

GST_CHECK_MAIN (trackmixer_seeks)
