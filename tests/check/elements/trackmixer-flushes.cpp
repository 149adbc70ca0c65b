// SPDX-License-Identifier: LGPL-2.1-or-later
// Flushes of one track and of all, alone, for a seek, and within one another.
#include <utility>

#include "seekablesource.hpp"

using namespace mt::test;

namespace {

/// Of a nothing has come before, and what b had is flushed.
void check_rest (MixerBed &bed, Feeder &a, Feeder &b)
{
  const Samples after = noise (5000, 3);
  fail_unless_equals_int (b.push (after, 0), GST_FLOW_OK);
  b.end ();
  Samples sum = noise (20000, 1);
  a.push_all (sum, 1);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  add_to (sum, after);
  check_equal (bed.sink.samples (), sum);
}

} // namespace

GST_START_TEST (test_flush_of_one_track_stays_its_own)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  bed.play ();
  a.begin ();
  b.begin ();
  fail_unless_equals_int (b.push (noise (300, 2), 0), GST_FLOW_OK); // waits for a
  gst_pad_push_event (b.src, gst_event_new_flush_start ());
  gst_pad_push_event (b.src, gst_event_new_flush_stop (TRUE));
  b.begin_segment ();
  check_rest (bed, a, b);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_START), 0);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 0);
  fail_unless_equals_uint64 (b.count ("dropped-frames"), 300);
  check_accounts (b);
}
GST_END_TEST;

GST_START_TEST (test_caps_that_wait_in_the_queue_survive_a_flush)
{
  // Caps are sticky: upstream does not send them again after a flush.
  for (const bool whole : {false, true}) {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    Feeder b {bed, {kRate, 1, GST_AUDIO_FORMAT_S16}};
    bed.play ();
    a.begin ();
    b.begin ();
    fail_unless_equals_int (b.push (noise (300, 2), 0), GST_FLOW_OK);
    b.format.format = GST_AUDIO_FORMAT_S32; // also behind audio
    fail_unless (b.begin_caps ());
    for (auto *feeder : {&b, &a})
      if (whole || feeder == &b)
        send_flush (*feeder, true, 4711);
    for (auto *feeder : {&b, &a})
      if (whole || feeder == &b) {
        send_flush (*feeder, false, 4711);
        feeder->begin_segment ();
      }
    check_rest (bed, a, b);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), whole ? 1 : 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_caps_that_came_while_downstream_was_at_its_end)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  std::atomic<bool> full {true};
  bed.sink.flow = [&full] (std::size_t) { return full ? GST_FLOW_EOS : GST_FLOW_OK; };
  bed.play ();
  a.begin ();
  fail_unless (eventually ([&] { return a.push (noise (4410, 2), 0) == GST_FLOW_EOS; }));
  a.format.format = GST_AUDIO_FORMAT_S16;
  a.begin_caps ();
  full = false;
  gst_pad_push_event (a.src, gst_event_new_flush_start ());
  gst_pad_push_event (a.src, gst_event_new_flush_stop (TRUE));
  a.begin_segment ();
  const Samples after = noise (5000, 3);
  fail_unless_equals_int (a.push (after, 0), GST_FLOW_OK);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), after);
}
GST_END_TEST;

GST_START_TEST (test_flush_of_all_tracks_goes_downstream_once)
{
  MixerBed bed {kChunk};
  Feeders feeders;
  for (int n = 0; n < 5; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
  bed.play ();
  for (auto &feeder : feeders) {
    feeder->begin ();
    feeder->push (noise (1000, 1), 0);
  }
  fail_unless (bed.sink.wait_for_chunks (2));
  for (int round = 0; round < 3; ++round) {
    const guint32 seqnum = gst_util_seqnum_next ();
    const gboolean resets_time = round != 1;
    for (auto &feeder : feeders) {
      GstEvent *flush = gst_event_new_flush_start ();
      gst_event_set_seqnum (flush, seqnum);
      gst_pad_push_event (feeder->src, flush);
    }
    for (auto &feeder : feeders) {
      GstEvent *flush = gst_event_new_flush_stop (resets_time);
      gst_event_set_seqnum (flush, seqnum);
      gst_pad_push_event (feeder->src, flush);
    }
    fail_unless_equals_int (
        bed.sink.count_of (GST_EVENT_FLUSH_START), static_cast<std::size_t> (round + 1));
    fail_unless_equals_int (
        bed.sink.count_of (GST_EVENT_FLUSH_STOP), static_cast<std::size_t> (round + 1));
    {
      const std::lock_guard lock {bed.sink.mutex};
      const auto stop = std::find_if (bed.sink.events.rbegin (), bed.sink.events.rend (),
          [] (const SeenEvent &seen) { return seen.type == GST_EVENT_FLUSH_STOP; });
      fail_unless_equals_int (stop->resets_time, resets_time);
    }
    Samples sum;
    for (unsigned n = 0; n < feeders.size (); ++n) {
      const Samples track = noise (5000, n);
      feeders[n]->begin_segment ();
      feeders[n]->push (track, 0);
      add_to (sum, std::span {track}.first (441));
    }
    fail_unless (bed.sink.wait_for_chunks (1));
    Samples got = bed.sink.samples ();
    got.resize (441);
    check_equal (got, sum);
  }
}
GST_END_TEST;

namespace {

/// Two tracks whose second flush begins, in a thread of its own, while the stop of the first one is
/// on its way downstream.
struct OverlappingFlushes {
  explicit OverlappingFlushes (bool hold) : hold_second {hold}
  {
    bed.play ();
    for (auto *feeder : {&a, &b}) {
      feeder->begin ();
      feeder->push (noise (1000, 1), 0);
    }
  }
  ~OverlappingFlushes ()
  {
    if (other.joinable ())
      other.join ();
  }

  void flush (guint32 seqnum, std::atomic<bool> &begun, std::atomic<bool> &done)
  {
    for (auto *feeder : {&a, &b})
      send_flush (*feeder, true, seqnum);
    begun = true;
    for (auto *feeder : {&a, &b})
      send_flush (*feeder, false, seqnum);
    done = true;
  }

  GstPadProbeReturn look (GstPad *pad, const GstEvent *event)
  {
    if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP && !stop_seen.exchange (true)) {
      other = std::thread {[this] { flush (2222, second_begun, second_done); }};
      // The second start is on its way, or is told to wait for this stop.
      eventually ([this] { return second_begun || second_start_seen; });
      if (!hold_second) // let it arrive before this stop, if it can
        eventually (
            [this] { return second_begun || bed.sink.count_of (GST_EVENT_FLUSH_START) == 2; });
    } else if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_START &&
        gst_event_get_seqnum (const_cast<GstEvent *> (event)) == 2222) {
      second_start_seen = true;
      if (hold_second) // until the first flush is through, if it goes on
        eventually ([this] { return second_begun || first_done; });
      task_ran_in_flush = gst_pad_get_task_state (pad) == GST_TASK_STARTED;
    }
    return GST_PAD_PROBE_OK;
  }

  const bool hold_second;
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  std::thread other;
  std::atomic<bool> stop_seen {false};
  std::atomic<bool> first_begun {false}, first_done {false};
  std::atomic<bool> second_begun {false}, second_done {false};
  std::atomic<bool> second_start_seen {false}, task_ran_in_flush {false};
};

} // namespace

/// One track has flushed for the seek, the other is still at it, when the first flushes once more
/// for itself: before the other's flush ends, or around that.
GST_START_TEST (test_a_flush_of_a_track_within_that_of_a_seek)
{
  for (const bool ends_last : {false, true}) {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    Feeder b {bed, {kRate, 1}};
    guint32 seek = 0;
    a.upstream_event = [&] (GstEvent *event) {
      seek = gst_event_get_seqnum (event);
      send_flush (a, true, seek);
      return true;
    };
    b.upstream_event = [&] (GstEvent *event) {
      send_flush (b, true, gst_event_get_seqnum (event));
      send_flush (b, false, gst_event_get_seqnum (event));
      return true;
    };
    bed.play ();
    for (Feeder *feeder : {&a, &b})
      feeder->begin ();
    constexpr std::int64_t kTarget = 5000;
    fail_unless (send_upstream (bed, seek_event (kTarget)));
    const guint32 own = gst_util_seqnum_next ();
    send_flush (b, true, own);
    if (!ends_last)
      send_flush (b, false, own);
    send_flush (a, false, seek);
    if (ends_last)
      send_flush (b, false, own);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.position = segment.time = time_of (kTarget, kRate);
    const Samples after = noise (5000, 3);
    for (Feeder *feeder : {&a, &b}) {
      feeder->begin_segment (&segment);
      fail_unless_equals_int (feeder->push (after, kTarget), GST_FLOW_OK);
      feeder->end ();
    }
    fail_unless (bed.sink.wait_for_eos (), "downstream flushes for ever");
    Samples sum = after;
    add_to (sum, after);
    check_equal (bed.sink.samples (), sum);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
    const std::lock_guard lock {bed.sink.mutex};
    for (const auto &seen : bed.sink.events) {
      if (seen.type == GST_EVENT_FLUSH_STOP)
        fail_unless_equals_int (seen.seqnum, seek);
      if (seen.type == GST_EVENT_SEGMENT)
        fail_unless_equals_uint64 (seen.segment.start, segment.start);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_that_begins_while_another_stops)
{
  for (const bool hold_second : {false, true}) {
    OverlappingFlushes mix {hold_second};
    fail_unless (mix.bed.sink.wait_for_chunks (2));
    GstPad *pad = gst_element_get_static_pad (mix.bed.element, "src");
    const gulong probe = gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH,
        [] (GstPad *at, GstPadProbeInfo *info, gpointer scene) {
          return static_cast<OverlappingFlushes *> (scene)->look (
              at, GST_PAD_PROBE_INFO_EVENT (info));
        },
        &mix, nullptr);
    mix.flush (1111, mix.first_begun, mix.first_done);
    fail_unless (eventually ([&] { return mix.second_done.load (); }), "the second flush hangs");
    gst_pad_remove_probe (pad, probe);
    gst_object_unref (pad);
    fail_if (mix.task_ran_in_flush, "the mix goes on within the second flush");
    std::vector<std::pair<GstEventType, guint32>> flushes;
    {
      const std::lock_guard lock {mix.bed.sink.mutex};
      for (const auto &seen : mix.bed.sink.events)
        if (seen.type == GST_EVENT_FLUSH_START || seen.type == GST_EVENT_FLUSH_STOP)
          flushes.emplace_back (seen.type, seen.seqnum);
    }
    const decltype (flushes) wanted {{GST_EVENT_FLUSH_START, 1111}, {GST_EVENT_FLUSH_STOP, 1111},
        {GST_EVENT_FLUSH_START, 2222}, {GST_EVENT_FLUSH_STOP, 2222}};
    fail_unless (flushes == wanted, "%zu flush events, or in another order", flushes.size ());
    const Samples after = noise (5000, 3);
    for (auto *feeder : {&mix.a, &mix.b}) {
      feeder->begin_segment ();
      fail_unless_equals_int (feeder->push (after, 0), GST_FLOW_OK);
      feeder->end ();
    }
    fail_unless (mix.bed.sink.wait_for_eos ());
    Samples sum = after;
    add_to (sum, after);
    check_equal (mix.bed.sink.samples (), sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_ends_without_a_track_that_goes)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  bed.play ();
  a.begin ();
  b.begin ();
  for (auto *feeder : {&a, &b})
    send_flush (*feeder, true, 4711);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
  send_flush (a, false, 4711);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 0);
  if (__i__ == 0)
    gst_element_release_request_pad (bed.element, b.sink);
  else
    fail_unless (gst_pad_unlink (b.src, b.sink));
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  const Samples after = noise (5000, 3);
  a.begin_segment ();
  fail_unless_equals_int (a.push (after, 0), GST_FLOW_OK);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), after);
}
GST_END_TEST;

static Suite *trackmixer_flushes_suite ()
{
  Suite *suite = suite_create ("trackmixer-flushes");
  TCase *flushes = tcase_create ("flushes");
  tcase_add_test (flushes, test_flush_of_one_track_stays_its_own);
  tcase_add_test (flushes, test_caps_that_wait_in_the_queue_survive_a_flush);
  tcase_add_test (flushes, test_caps_that_came_while_downstream_was_at_its_end);
  tcase_add_test (flushes, test_flush_of_all_tracks_goes_downstream_once);
  tcase_add_test (flushes, test_a_flush_of_a_track_within_that_of_a_seek);
  tcase_add_test (flushes, test_a_flush_that_begins_while_another_stops);
  tcase_add_loop_test (flushes, test_a_flush_ends_without_a_track_that_goes, 0, 2);
  suite_add_tcase (suite, flushes);
  return suite;
}

GST_CHECK_MAIN (trackmixer_flushes)
