// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames, timestamps, latency, ringing, seeks and segments of convreverb.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "reverbbed.hpp"

using namespace mt::test;

// Frames and time

GST_START_TEST (test_frame_counts)
{
  const Folder folder;
  Random random {13};
  for (const std::size_t ir_frames : {1, 479, 96000})
    for (const std::size_t frames : {1, 480, 5003})
      for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond})
        for (const bool tail : {true, false}) {
          const std::string path =
              folder.write ("ir.wav", wav (decaying (random, ir_frames, 2), 2));
          Reverb reverb (2, kRate, RAW_IR (path), "batch-duration", batch, "tail", tail);
          reverb.position = 12345; // the stream need not start at 0
          const GstClockTime start = reverb.time_of (reverb.position);
          reverb.push_all (random.samples (frames * 2), 480);
          reverb.end ();
          fail_unless_equals_int (reverb.frames_out (), tail ? frames + ir_frames - 1 : frames);
          fail_unless_equals_uint64 (reverb.first_pts, start);
          fail_unless (std::llabs (GST_CLOCK_DIFF (
                           reverb.next_pts, reverb.time_of (12345 + reverb.frames_out ()))) <= 2);
          fail_unless_equals_uint64 (reverb.next_offset, 12345 + reverb.frames_out ());
          // A first buffer of one frame does not make the tail come in such.
          fail_unless (static_cast<std::size_t> (reverb.buffers) <= 3 + reverb.frames_out () / 256);
          fail_unless_equals_int (reverb.count_events (GST_EVENT_EOS), 1);
          fail_unless (gst_harness_try_pull (reverb.harness) == nullptr);
        }
}
GST_END_TEST;

GST_START_TEST (test_discont_only_where_the_sound_jumps)
{
  Random random {61};
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Reverb reverb (1, kRate, "preset-room", 0, "decay-time", 0.1, "batch-duration", batch);
    reverb.push_all (random.samples (4800), 480);
    reverb.end ();
    fail_unless (reverb.disconts == std::vector<int> {0}); // and the tail goes on without

    // A jump back, and one to where all has rung out, with nobody upstream who says so.
    Reverb jumping (1, kRate, "preset-room", 0, "decay-time", 0.1, "batch-duration", batch);
    jumping.contiguous = false;
    jumping.push_all (random.samples (4800), 480);
    jumping.position = 0;
    jumping.push_all (random.samples (4800), 480);
    fail_unless_equals_int (jumping.disconts.size (), 2);
    jumping.position += 10 * kRate;
    jumping.push_all (random.samples (4800), 480);
    fail_unless_equals_int (jumping.disconts.size (), 3);
    jumping.end ();
    fail_unless_equals_int (jumping.disconts.size (), 3);
    fail_unless_equals_int (jumping.disconts[0], 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_tail_with_a_silent_second)
{
  const Folder folder;
  Samples h (kRate + 4801, 0.0f);
  h.front () = 0.5f;
  h.back () = 0.25f;
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    Reverb reverb (1, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0, "batch-duration", batch);
    Random random {1};
    const Samples x = random.samples (1000);
    reverb.push_all (x, 480);
    reverb.end ();
    fail_unless (largest_difference (reverb.out, convolve (x, 1, h, 1, 0.0, 1.0)) < kMinus120Db);
  }
}
GST_END_TEST;

GST_START_TEST (test_latency_is_the_delay_to_the_frame)
{
  struct Case {
    GstClockTime batch;
    std::size_t chunk, latency;
  };
  for (const Case &c :
      {Case {0, 480, 0}, Case {10 * GST_MSECOND, 480, 0}, Case {100 * GST_MSECOND, 480, 4320},
          Case {20 * GST_MSECOND, 441, 441}, Case {50 * GST_MSECOND, 1024, 1024},
          Case {GST_MSECOND, 1, 47}, Case {GST_SECOND, 480, 47520}}) {
    Reverb reverb (1, kRate, "preset-room", 0, "decay-time", 0.05, "dry", 1.0, "wet", 0.0,
        "batch-duration", c.batch);
    Samples x (c.latency + 5000, 0.0f);
    for (std::size_t i = 0; i < x.size (); ++i)
      x[i] = static_cast<float> (i + 1);
    std::size_t in = 0;
    while (in + c.chunk <= x.size ()) {
      reverb.push (x.data () + in, c.chunk);
      in += c.chunk;
      fail_unless_equals_int (reverb.frames_out (), in > c.latency ? in - c.latency : 0);
    }
    fail_unless (std::equal (reverb.out.begin (), reverb.out.end (), x.begin ()));
    if (reverb.frames_out () > 0)
      fail_unless_equals_uint64 (reverb.first_pts, 0);
    fail_unless_equals_uint64 (
        reverb.latency (), gst_util_uint64_scale_int_ceil (c.latency, GST_SECOND, kRate));
    fail_unless_equals_uint64 (reverb.stat ("latency-frames"), c.latency);
    if (c.latency > 0)
      fail_unless (reverb.count_messages (GST_MESSAGE_LATENCY) >= 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_flush_forgets)
{
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    Reverb reverb (2, kRate, "batch-duration", batch);
    Random random {17};
    reverb.push_all (random.samples (kRate * 2), 480);
    fail_unless (!reverb.out.empty ());
    gst_harness_push_event (reverb.harness, gst_event_new_flush_start ());
    gst_harness_push_event (reverb.harness, gst_event_new_flush_stop (TRUE));
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
    reverb.out.clear ();
    reverb.next_pts = GST_CLOCK_TIME_NONE;
    reverb.position = 0;
    reverb.push_all (Samples (kRate * 2, 0.0f), 480);
    reverb.end ();
    fail_unless_equals_uint64 (reverb.first_pts, 0);
    fail_unless_equals_uint64 (reverb.frames_out (), kRate + reverb.stat ("ir-frames") - 1);
    fail_unless (
        std::all_of (reverb.out.begin (), reverb.out.end (), [] (float y) { return y == 0.0f; }));
  }
}
GST_END_TEST;

GST_START_TEST (test_segment_done_rings_out)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  Random random {1};
  reverb.push_all (random.samples (1000), 480);
  gst_harness_push_event (reverb.harness, gst_event_new_segment_done (GST_FORMAT_TIME, 0));
  reverb.pull ();
  const std::size_t all = 1000 + reverb.stat ("ir-frames") - 1;
  fail_unless_equals_int (reverb.frames_out (), all);
  reverb.end (); // and not again
  fail_unless_equals_int (reverb.frames_out (), all);
}
GST_END_TEST;

GST_START_TEST (test_tail_moves_the_end_of_the_segment)
{
  // Sinks throw away what lies after the segment's end.
  Reverb reverb (1, kRate, "preset-room", 0);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.stop = reverb.time_of (960);
  gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
  Random random {1};
  reverb.push_all (random.samples (1440), 480); // the last 480 are outside
  reverb.end ();
  fail_unless_equals_int (reverb.frames_out (), 960 + reverb.stat ("ir-frames") - 1);
  GstClockTime stop = 0;
  while (GstEvent *const event = gst_harness_try_pull_event (reverb.harness)) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
      const GstSegment *now = nullptr;
      gst_event_parse_segment (event, &now);
      fail_unless_equals_uint64 (now->start, 0);
      fail_unless_equals_uint64 (now->base, 0);
      stop = now->stop;
    }
    gst_event_unref (event);
  }
  fail_unless (stop >= reverb.next_pts);
}
GST_END_TEST;

GST_START_TEST (test_holes_sound_on)
{
  const Folder folder;
  Random random {19};
  const Samples h = decaying (random, 2000, 1);
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  const Samples x = random.samples (960);
  enum class How { discont, unflagged, gap_buffer, gap_event };
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond})
    for (const How how : {How::discont, How::unflagged, How::gap_buffer, How::gap_event})
      for (const std::size_t hole : {2400, 1501, 100000}) {
        if (how == How::unflagged && hole < 1920)
          continue; // 40 ms: the jitter of live sources
        Reverb reverb (1, kRate, RAW_IR (path), "dry", 1.0, "wet", 1.0, "batch-duration", batch);
        const std::size_t latency = batch ? 960 : 0;
        reverb.push_all (x, 480);
        if (how == How::gap_buffer) {
          reverb.push (Samples (hole, NAN).data (), hole, true); // what is in it does not count
        } else {
          if (how == How::gap_event) {
            gst_harness_push_event (
                reverb.harness, gst_event_new_gap (reverb.time_of (960), reverb.time_of (hole)));
            reverb.pull ();
          }
          reverb.position += hole;
        }
        // Here the ringing is over after 1999 frames and the stream goes on without filling up.
        const bool skips = hole > 2000 + latency && how != How::gap_buffer;
        if (skips) {
          reverb.contiguous = false;
        }
        reverb.discont = how == How::discont;
        reverb.push_all (x, 480);
        reverb.end ();
        Samples whole = x;
        whole.resize (960 + hole, 0.0f);
        whole.insert (whole.end (), x.begin (), x.end ());
        auto expected = convolve (whole, 1, h, 1, 1.0, 1.0);
        if (skips)
          expected.erase (expected.begin () + 960 + 1999,
              expected.begin () + static_cast<std::ptrdiff_t> (960 + hole));
        const double difference = largest_difference (reverb.out, expected);
        fail_unless (difference < kMinus120Db, "kind %d, hole %zu, batch %d: off by %g",
            static_cast<int> (how), hole, batch != 0, difference);
        fail_unless (std::llabs (GST_CLOCK_DIFF (
                         reverb.next_pts, reverb.time_of (960 + hole + 960 + 1999))) <= 3);
        if (how == How::gap_event)
          fail_unless_equals_int (reverb.count_events (GST_EVENT_GAP), skips ? 1 : 0);
      }
}
GST_END_TEST;

GST_START_TEST (test_many_short_gaps_are_one_long_one)
{
  // 1 ms is 44.1 frames: what each is rounded by must not add up.
  constexpr int kCdRate = 44100;
  constexpr std::size_t kGaps = 2000;
  const Folder folder;
  Random random {37};
  const std::string path =
      folder.write ("ir.wav", wav (decaying (random, 3 * kCdRate, 1), 1, kCdRate));
  const Samples x = random.samples (4410);
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Samples heard[2];
    for (const bool many : {false, true}) {
      Reverb reverb (1, kCdRate, RAW_IR (path), "batch-duration", batch);
      reverb.contiguous = false; // it is, up to a part of a frame
      reverb.push_all (x, 441);
      const std::size_t gaps = many ? kGaps : 1;
      const GstClockTime start = reverb.time_of (reverb.position);
      for (std::size_t i = 0; i < gaps; ++i)
        gst_harness_push_event (reverb.harness,
            gst_event_new_gap (
                start + i * (kGaps / gaps) * kMillisecond, kGaps / gaps * kMillisecond));
      reverb.pull ();
      const GstClockTime end = reverb.next_pts;
      const std::uint64_t offset = reverb.next_offset;
      reverb.position += kGaps / 1000 * kCdRate;
      // The next one follows, without a hole and without one flagged.
      GstBuffer *const buffer = reverb.make (x.data (), 441);
      const GstClockTime delay = batch ? reverb.time_of (reverb.stat ("latency-frames")) : 0;
      const GstClockTimeDiff apart = GST_CLOCK_DIFF (end, GST_BUFFER_PTS (buffer) - delay);
      fail_unless (std::llabs (apart) <= static_cast<GstClockTimeDiff> (reverb.time_of (1)),
          "%zu gaps: %d ns apart", gaps, static_cast<int> (apart));
      fail_unless_equals_uint64 (offset + reverb.stat ("latency-frames"), reverb.position - 441);
      gst_harness_push (reverb.harness, buffer);
      reverb.pull ();
      fail_unless_equals_int (reverb.disconts.size (), 1);
      fail_unless_equals_int (reverb.count_events (GST_EVENT_GAP), 0);
      heard[many] = reverb.out;
    }
    fail_unless_equals_int (heard[0].size (), heard[1].size ());
    for (std::size_t i = 0; i < heard[0].size (); ++i)
      fail_unless (std::fabs (heard[0][i] - heard[1][i]) < 1e-6f, "frame %zu", i);
  }
}
GST_END_TEST;

GST_START_TEST (test_gap_event_without_timestamps_goes_on)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  Random random {3};
  reverb.contiguous = false;
  GstBuffer *const buffer = reverb.make (random.samples (480).data (), 480);
  GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
  fail_unless_equals_int (gst_harness_push (reverb.harness, buffer), GST_FLOW_OK);
  gst_harness_push_event (reverb.harness, gst_event_new_gap (GST_SECOND, GST_SECOND));
  fail_unless_equals_int (reverb.count_events (GST_EVENT_GAP), 1);
}
GST_END_TEST;

GST_START_TEST (test_step_back_starts_anew)
{
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Reverb reverb (1, kRate, "preset-room", 0, "batch-duration", batch);
    Random random {23};
    reverb.push_all (random.samples (4800), 480);
    reverb.contiguous = false;
    reverb.position = 480;
    reverb.discont = true;
    reverb.push_all (Samples (4800, 0.0f), 480);
    // Nothing of the first part is missing, nothing of it rings in the second.
    fail_unless_equals_int (reverb.frames_out (), 9600 - (batch ? 960 : 0));
    fail_unless (reverb.out[4799] != 0.0f);
    fail_unless (std::all_of (
        reverb.out.begin () + 4800, reverb.out.end (), [] (float y) { return y == 0.0f; }));
  }
}
GST_END_TEST;

GST_START_TEST (test_first_buffer_cut_by_the_segment_counts_whole)
{
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    std::uint64_t work[2], latency[2];
    for (const bool cut : {false, true}) {
      Reverb reverb (1, kRate, "preset-room", 0, "batch-duration", batch);
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      segment.start = segment.time = reverb.time_of (cut ? 1017 : 0);
      gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
      Random random {1};
      reverb.contiguous = false;
      reverb.push_all (random.samples (102400), 1024); // the first one is 7 frames
      work[cut] = reverb.stat ("forward-transforms");
      latency[cut] = reverb.stat ("latency-frames");
    }
    fail_unless_equals_uint64 (latency[1], latency[0]);
    // Every buffer after the 7 frames is in two blocks.
    fail_unless (work[1] <= 2 * work[0], "%u transforms, not %u",
        static_cast<unsigned> (work[1]), static_cast<unsigned> (work[0]));
  }
}
GST_END_TEST;

GST_START_TEST (test_next_segment_without_a_hole_rings_on)
{
  // As `concat` makes them: the timestamps start again, the running time goes on.
  const Folder folder;
  Random random {29};
  const Samples h = decaying (random, 3000, 1);
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  Reverb reverb (1, kRate, RAW_IR (path), "dry", 1.0, "wet", 1.0);
  Samples x = random.samples (960);
  reverb.push_all (x, 480);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = reverb.time_of (960);
  gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
  reverb.contiguous = false;
  reverb.position = 0;
  reverb.discont = true;
  const Samples more = random.samples (960);
  reverb.push_all (more, 480);
  reverb.end ();
  x.insert (x.end (), more.begin (), more.end ());
  fail_unless (largest_difference (reverb.out, convolve (x, 1, h, 1, 1.0, 1.0)) < kMinus120Db);
}
GST_END_TEST;

GST_START_TEST (test_change_of_format)
{
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Reverb reverb (2, kRate, "preset-room", 0, "batch-duration", batch);
    Random random {31};
    reverb.push_all (random.samples (4800 * 2), 480);
    reverb.set_format (1, 44100);
    // The delayed frames came out before the new caps, in the old format.
    fail_unless_equals_int (reverb.out.size (), 4800 * 2);
    reverb.out.clear ();
    reverb.contiguous = false;
    reverb.position = 4410;
    reverb.push_all (random.samples (4410), 441);
    reverb.end ();
    fail_unless_equals_int (reverb.frames_out (), 4410 + reverb.stat ("ir-frames") - 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_restart)
{
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav (Samples (64, 0.5f), 1));
  Reverb reverb (1, kRate, RAW_IR (path));
  Random random {1};
  for (const std::size_t taps : {64, 8, 64}) {
    gst_element_set_state (reverb.element, GST_STATE_READY);
    folder.write ("ir.wav", wav (Samples (taps, 0.5f), 1));
    gst_harness_play (reverb.harness);
    gst_element_set_state (reverb.element, GST_STATE_PLAYING);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (reverb.harness, gst_event_new_stream_start ("again"));
    reverb.set_format (1, kRate);
    gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
    reverb.contiguous = false;
    reverb.position = 0;
    reverb.out.clear ();
    reverb.push_all (random.samples (960), 480);
    fail_unless_equals_uint64 (reverb.stat ("ir-frames"), taps);
    reverb.end ();
    fail_unless_equals_int (reverb.frames_out (), 960 + taps - 1);
  }
}
GST_END_TEST;

static Suite *convreverb_time_suite ()
{
  Suite *const suite = suite_create ("convreverb-time");
  TCase *const time = add_group (suite, "time");
  tcase_add_test (time, test_frame_counts);
  tcase_add_test (time, test_discont_only_where_the_sound_jumps);
  tcase_add_test (time, test_tail_with_a_silent_second);
  tcase_add_test (time, test_latency_is_the_delay_to_the_frame);
  tcase_add_test (time, test_flush_forgets);
  tcase_add_test (time, test_segment_done_rings_out);
  tcase_add_test (time, test_tail_moves_the_end_of_the_segment);
  tcase_add_test (time, test_holes_sound_on);
  tcase_add_test (time, test_many_short_gaps_are_one_long_one);
  tcase_add_test (time, test_gap_event_without_timestamps_goes_on);
  tcase_add_test (time, test_step_back_starts_anew);
  tcase_add_test (time, test_first_buffer_cut_by_the_segment_counts_whole);
  tcase_add_test (time, test_next_segment_without_a_hole_rings_on);
  tcase_add_test (time, test_change_of_format);
  tcase_add_test (time, test_restart);
  return suite;
}

GST_CHECK_MAIN (convreverb_time);
