// SPDX-License-Identifier: LGPL-2.1-or-later
// Where trackmixer puts what it gets: time stamps, holes, segments, gaps and ends.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = 10 * GST_MSECOND;
constexpr int kRates[] {44100, 48000};

/// One track beside a steady one of 40000 frames, mono. `feed` pushes it after begin().
Samples beside_a_steady_track (int rate_hz, const Samples &steady,
    const std::function<void (Feeder &)> &feed,
    const std::function<void (MixerBed &, Feeder &)> &prepare = {},
    const std::function<void (Feeder &)> &look = {})
{
  MixerBed bed {kChunk};
  Feeder base {bed, {rate_hz, 1}};
  Feeder track {bed, {rate_hz, 1}};
  if (prepare)
    prepare (bed, track);
  bed.play ();
  base.run ([&steady] (Feeder &self) {
    self.begin ();
    self.push_all (steady, 1);
    self.end ();
  });
  track.run ([&feed] (Feeder &self) {
    feed (self);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos (), "the mix does not end");
  base.join ();
  track.join ();
  check_chunks (bed.sink, kChunk);
  check_accounts (base);
  check_accounts (track);
  if (look)
    look (track);
  return bed.sink.samples ();
}

std::span<const float> part (const Samples &samples, std::size_t begin, std::size_t end)
{
  return std::span {samples}.subspan (begin, end - begin);
}

} // namespace

GST_START_TEST (test_start_at_odd_frames)
{
  const Samples steady = noise (40000, 1);
  const Samples late = noise (5000, 2);
  for (const int rate : kRates)
    for (const std::size_t start : {1U, 2U, 7U, 441U, 12345U, 34567U, 38001U}) {
      const Samples got = beside_a_steady_track (rate, steady, [&] (Feeder &self) {
        self.begin ();
        self.push_all (late, 3, 900, static_cast<std::int64_t> (start));
      });
      Samples sum = steady;
      add_to (sum, late, start);
      check_equal (got, sum);
    }
}
GST_END_TEST;

GST_START_TEST (test_every_frame_number_survives_its_time_stamp)
{
  // The time stamp of a frame is truncated to a nanosecond: at 44.1 kHz nearly all are.
  const Samples steady = noise (3000, 1);
  const Samples blip {0.5f};
  for (const int rate : {11025, 44100, 48000, 96000}) {
    const Samples got = beside_a_steady_track (rate, steady, [&] (Feeder &self) {
      self.begin ();
      for (std::int64_t frame = 1; frame < 2000; frame += 3)
        self.push (blip, frame, GST_BUFFER_FLAG_DISCONT);
    });
    Samples sum = steady;
    for (std::size_t frame = 1; frame < 2000; frame += 3)
      sum[frame] += 0.5f;
    check_equal (got, sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_flagged_holes_and_overlaps_at_odd_frames)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (30000, 2);
  for (const int rate : kRates)
    for (const std::size_t hole : {1U, 3U, 441U, 7777U}) {
      const Samples got = beside_a_steady_track (
          rate, steady,
          [&] (Feeder &self) {
            self.begin ();
            self.push (part (track, 0, 1001), 0);
            self.push (part (track, 1001 + hole, 20001), static_cast<std::int64_t> (1001 + hole),
                GST_BUFFER_FLAG_DISCONT);
            // 333 frames once more: what was there first stays.
            self.push (part (track, 20001 - 333, 30000), 20001 - 333, GST_BUFFER_FLAG_DISCONT);
          },
          {}, [] (Feeder &self) { fail_unless_equals_uint64 (self.count ("late-frames"), 333); });
      Samples sum = steady;
      add_to (sum, part (track, 0, 1001));
      add_to (sum, part (track, 1001 + hole, 30000), 1001 + hole);
      check_equal (got, sum);
    }
}
GST_END_TEST;

GST_START_TEST (test_a_lost_buffer_without_discont_wait)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (40000, 2);
  for (const int rate : kRates) {
    const Samples got = beside_a_steady_track (
        rate, steady,
        [&] (Feeder &self) {
          self.begin ();
          self.push (part (track, 0, 4001), 0);
          self.push (part (track, 8003, 40000), 8003); // and no flag
        },
        [] (MixerBed &bed, Feeder &) {
          g_object_set (bed.element, "discont-wait", G_GUINT64_CONSTANT (0), nullptr);
        });
    Samples sum = steady;
    add_to (sum, part (track, 0, 4001));
    add_to (sum, part (track, 8003, 40000), 8003);
    check_equal (got, sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_lost_buffer_is_believed_after_the_default_wait)
{
  // Buffers of 4410 frames, one of them lost: the sound stays early for a second, then is in place.
  const std::size_t block = 4410;
  const Samples steady (30 * block, 0.0f);
  const Samples track = noise (30 * block, 2);
  const Samples got = beside_a_steady_track (44100, steady, [&] (Feeder &self) {
    self.begin ();
    for (std::size_t n = 0; n < 30; ++n)
      if (n != 3)
        self.push (part (track, n * block, (n + 1) * block), static_cast<std::int64_t> (n * block));
  });
  Samples sum = steady;
  add_to (sum, part (track, 0, 3 * block));
  add_to (sum, part (track, 4 * block, 14 * block), 3 * block);   // for one second
  add_to (sum, part (track, 14 * block, 30 * block), 14 * block); // then in place
  check_equal (got, sum);
}
GST_END_TEST;

GST_START_TEST (test_discont_wait_without_end)
{
  const Samples steady (40000, 0.0f);
  const Samples track = noise (30000, 2);
  const Samples got = beside_a_steady_track (
      48000, steady,
      [&] (Feeder &self) {
        self.begin ();
        self.push (part (track, 0, 1000), 0);
        self.push (part (track, 1000, 2000), 5000);
        self.push (part (track, 2000, 3000), 6000);
      },
      [] (MixerBed &bed, Feeder &) {
        g_object_set (bed.element, "discont-wait", G_MAXUINT64, nullptr);
      });
  Samples sum = steady;
  add_to (sum, part (track, 0, 3000));
  check_equal (got, sum);
}
GST_END_TEST;

GST_START_TEST (test_jitter_under_the_threshold_is_none)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (40000, 2);
  for (const int rate : kRates) {
    const Samples got = beside_a_steady_track (rate, steady, [&] (Feeder &self) {
      self.begin ();
      std::mt19937 random {3};
      std::uniform_int_distribution<int> jitter {-1700, 1700}; // under 40 ms
      for (std::size_t at = 0; at < 40000; at += 500)
        self.push (part (track, at, at + 500),
            std::max<std::int64_t> (
                0, static_cast<std::int64_t> (at) + (at == 0 ? 0 : jitter (random))));
    });
    Samples sum = steady;
    add_to (sum, track);
    check_equal (got, sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_alignment_threshold_can_be_set)
{
  const Samples steady (8000, 0.0f);
  const Samples track = noise (4000, 2);
  const Samples got = beside_a_steady_track (
      48000, steady,
      [&] (Feeder &self) {
        self.begin ();
        self.push (part (track, 0, 1000), 0);
        self.push (part (track, 1000, 2000), 1001); // 21 µs
        self.push (part (track, 2000, 3000), 2101); // 2.08 ms
      },
      [] (MixerBed &bed, Feeder &) {
        g_object_set (bed.element, "alignment-threshold", guint64 {GST_MSECOND}, "discont-wait",
            G_GUINT64_CONSTANT (0), nullptr);
      });
  Samples sum = steady;
  add_to (sum, part (track, 0, 2000));
  add_to (sum, part (track, 2000, 3000), 2101);
  check_equal (got, sum);
}
GST_END_TEST;

GST_START_TEST (test_buffers_without_time_stamps_follow_each_other)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (10000, 2);
  const Samples got = beside_a_steady_track (44100, steady, [&] (Feeder &self) {
    self.begin ();
    self.push (part (track, 0, 777), -1);
    self.push (part (track, 777, 5000), -1);
    self.push (part (track, 5000, 10000), -1);
  });
  Samples sum = steady;
  add_to (sum, track);
  check_equal (got, sum);
}
GST_END_TEST;

GST_START_TEST (test_running_time_from_base_and_start)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (10000, 2);
  for (const int rate : kRates)
    for (const std::int64_t base : {0, 1, 12347}) {
      const Samples got = beside_a_steady_track (rate, steady, [&] (Feeder &self) {
        GstSegment segment;
        gst_segment_init (&segment, GST_FORMAT_TIME);
        segment.start = segment.time = time_of (5555555, rate); // begins late
        segment.base = time_of (base, rate);
        self.begin (&segment);
        self.push_all (track, 5, 700, 5555555);
      });
      Samples sum = steady;
      add_to (sum, track, static_cast<std::size_t> (base));
      check_equal (got, sum);
    }
}
GST_END_TEST;

/// A pad's negative offset leaves no running time to the first of its audio.
GST_START_TEST (test_what_lies_before_the_offset_of_a_segment_is_cut)
{
  constexpr std::size_t kCut = 1000;
  for (const int rate : kRates)
    for (const bool begins_with_gap : {false, true}) {
      const Samples steady = noise (40000, 1);
      const Samples track = noise (20000, 2);
      const Samples got = beside_a_steady_track (
          rate, steady,
          [&] (Feeder &self) {
            self.begin ();
            const std::size_t gap = begins_with_gap ? 600 : 0;
            if (begins_with_gap)
              self.gap (0, 600);
            self.push_all (
                std::span {track}.subspan (gap), 3, 1500, static_cast<std::int64_t> (gap));
          },
          [rate] (MixerBed &, Feeder &self) {
            gst_pad_set_offset (self.sink, -static_cast<gint64> (time_of (kCut, rate)));
          });
      Samples sum = steady;
      add_to (sum, std::span {track}.subspan (kCut));
      check_equal (got, sum);
    }
}
GST_END_TEST;

GST_START_TEST (test_without_time_stamps_audio_goes_on_at_another_rate)
{
  MixerBed bed {kChunk};
  Feeder track {bed, {48000, 1}};
  constexpr std::size_t kFrames = 4800, kEdge = 100; // that the resampler rounds off
  constexpr float kLevel = 0.25f;
  bed.play ();
  track.begin ();
  fail_unless_equals_int (track.push (Samples (kFrames, kLevel), -1), GST_FLOW_OK);
  track.format.rate_hz = 24000;
  fail_unless (track.begin_caps ());
  fail_unless_equals_int (track.push (Samples (kFrames, kLevel), -1), GST_FLOW_OK);
  track.end ();
  fail_unless (bed.sink.wait_for_eos ());
  const Samples got = bed.sink.samples ();
  fail_unless_equals_int (got.size (), 3 * kFrames);
  for (std::size_t n = 0; n < got.size () - kEdge; ++n)
    if (n < kFrames || n > kFrames + kEdge)
      CHECK_SAMPLE (
          std::abs (got[n] - kLevel) < 1e-3f, "frame %zu is %g", n, static_cast<double> (got[n]));
}
GST_END_TEST;

GST_START_TEST (test_segment_clips_both_ends_to_the_frame)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (30000, 2);
  for (const int rate : kRates)
    for (const std::size_t start : {1000U, 1001U, 1501U, 4411U, 7777U})
      // The length of the buffers must not matter: the same piece is cut out of all of them.
      for (const std::size_t longest : {1U, 10U, 999U, 4000U}) {
        const std::size_t stop = 9001;
        const Samples got = beside_a_steady_track (rate, steady, [&] (Feeder &self) {
          GstSegment segment;
          gst_segment_init (&segment, GST_FORMAT_TIME);
          segment.start = segment.time = time_of (static_cast<std::int64_t> (start), rate);
          segment.stop = time_of (static_cast<std::int64_t> (stop), rate);
          self.begin (&segment);
          self.push_all (std::span {track}.first (12000), 5, longest, 0);
        });
        Samples sum = steady;
        add_to (sum, part (track, start, stop));
        check_equal (got, sum);
      }
}
GST_END_TEST;

GST_START_TEST (test_gap_events_are_silence)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (30000, 2);
  for (const int rate : kRates) {
    const Samples got = beside_a_steady_track (rate, steady, [&] (Feeder &self) {
      self.begin ();
      self.push (part (track, 0, 1003), 0);
      fail_unless (self.gap (1003, 5001));
      self.push (part (track, 6004, 9000), 6004);
      fail_unless (self.gap (9000, 11111));
    });
    Samples sum = steady;
    add_to (sum, part (track, 0, 1003));
    add_to (sum, part (track, 6004, 9000), 6004);
    check_equal (got, sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_many_gap_events_do_not_drift)
{
  // A millisecond at 44.1 kHz is 44.1 frames: rounded one by one they would lose 0.1 each.
  const Samples steady = noise (40000, 1);
  const Samples track = noise (1000, 2);
  const Samples got = beside_a_steady_track (44100, steady, [&] (Feeder &self) {
    self.begin ();
    for (std::uint64_t ms = 0; ms < 350; ++ms)
      gst_pad_push_event (self.src, gst_event_new_gap (ms * GST_MSECOND, GST_MSECOND));
    const std::int64_t frame = 350 * 441 / 10; // 15435, without a rest
    self.push (track, frame);
  });
  Samples sum = steady;
  add_to (sum, track, 350 * 441 / 10);
  check_equal (got, sum);
}
GST_END_TEST;

GST_START_TEST (test_a_gap_longer_than_the_queue_blocks_nobody)
{
  const Samples steady = noise (400000, 1);
  const Samples got = beside_a_steady_track (48000, steady, [&] (Feeder &self) {
    self.begin ();
    fail_unless (self.gap (0, 399000));
    self.push (part (steady, 0, 100), 399000);
  });
  Samples sum = steady;
  add_to (sum, part (steady, 0, 100), 399000);
  check_equal (got, sum);
}
GST_END_TEST;

GST_START_TEST (test_gap_flagged_buffers_are_not_heard)
{
  const Samples steady = noise (20000, 1);
  const Samples track = noise (3000, 2);
  const Samples got = beside_a_steady_track (48000, steady, [&] (Feeder &self) {
    self.begin ();
    self.push (part (track, 0, 1000), 0);
    self.push (part (track, 1000, 2000), 1000, GST_BUFFER_FLAG_GAP);
    self.push (part (track, 2000, 3000), 2000);
  });
  Samples sum = steady;
  add_to (sum, part (track, 0, 1000));
  add_to (sum, part (track, 2000, 3000), 2000);
  check_equal (got, sum);
}
GST_END_TEST;

GST_START_TEST (test_chunks_with_nothing_audible_say_so)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {48000, 1}};
  Feeder b {bed, {48000, 1}};
  const Samples sound = noise (480, 1);
  g_object_set (b.sink, "mute", TRUE, nullptr);
  bed.play ();
  a.run ([&] (Feeder &self) {
    self.begin ();
    self.push (sound, 0);                                   // chunk 0
    self.gap (480, 960);                                    // 1 and 2
    self.push (sound, 1440, GST_BUFFER_FLAG_GAP);           // 3
    self.push (sound, 1920 + 479, GST_BUFFER_FLAG_DISCONT); // one frame of 4, the rest in 5
    self.push (sound, 4800, GST_BUFFER_FLAG_DISCONT);       // a hole: 6 … 9
    self.end ();
  });
  b.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (noise (5280, 2), 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  const bool silent[] {false, true, true, true, false, false, true, true, true, true, false};
  fail_unless_equals_int (bed.sink.chunks.size (), std::size (silent));
  const Samples got = bed.sink.samples ();
  for (std::size_t n = 0; n < std::size (silent); ++n) {
    fail_unless_equals_int ((bed.sink.chunks[n].flags & GST_BUFFER_FLAG_GAP) != 0, silent[n]);
    if (silent[n])
      for (std::size_t i = 0; i < 480; ++i)
        CHECK_SAMPLE (got[480 * n + i] == 0.0f, "frame %zu", 480 * n + i);
  }
}
GST_END_TEST;

GST_START_TEST (test_short_and_empty_tracks)
{
  for (const std::size_t frames : {0U, 1U, 2U, 479U, 480U, 481U}) {
    MixerBed bed {kChunk};
    Feeders feeders;
    feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 1}));
    const Samples track = noise (frames, 3);
    feed_to_end (bed, feeders, {track}, 1);
    if (frames > 0)
      check_equal (bed.sink.samples (), track);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_EOS), 1);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_STREAM_START), 1);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_SEGMENT), 1);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_CAPS), 1); // of a track without audio too
  }
}
GST_END_TEST;

GST_START_TEST (test_no_tracks_at_all)
{
  check_prompt ([] {
    MixerBed bed {kChunk};
    bed.play ();
    fail_unless (!bed.sink.wait_for_eos (std::chrono::milliseconds {50}));
    const auto took = time_for ([&] { bed.stop (); });
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_all_tracks_end_without_caps)
{
  MixerBed bed {kChunk};
  Feeder a {bed};
  Feeder b {bed};
  bed.play ();
  for (auto *feeder : {&a, &b}) {
    gst_pad_push_event (feeder->src, gst_event_new_stream_start ("x"));
    feeder->end ();
  }
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (bed.sink.chunk_count (), 0);
}
GST_END_TEST;

GST_START_TEST (test_a_track_that_never_begins_ends_by_itself)
{
  MixerBed bed {kChunk};
  Feeder a {bed};
  Feeder b {bed};
  const Samples track = noise (2 * 10000, 1);
  bed.play ();
  a.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (track, 1);
    self.end ();
  });
  fail_unless (!bed.sink.wait_for_eos (std::chrono::milliseconds {20}));
  gst_pad_push_event (b.src, gst_event_new_stream_start ("x"));
  b.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), track);
}
GST_END_TEST;

GST_START_TEST (test_stream_start_after_the_end_of_a_track_plays_again)
{
  const Samples steady = noise (40000, 1);
  const Samples track = noise (20000, 2);
  MixerBed bed {kChunk};
  Feeder base {bed, {48000, 1}};
  Feeder again {bed, {48000, 1}};
  bed.play ();
  again.begin ();
  fail_unless_equals_int (again.push (part (track, 0, 5000), 0), GST_FLOW_OK);
  again.end ();
  base.begin ();
  base.push_all (std::span {steady}.first (8000), 1);
  fail_unless (eventually ([&] { return bed.sink.chunk_count () >= 15; }));
  again.begin ();
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = time_of (10001, 48000);
  again.begin_segment (&segment);
  fail_unless_equals_int (again.push (part (track, 5000, 20000), 0), GST_FLOW_OK);
  base.push_all (std::span {steady}.subspan (8000), 2, 3000, 8000);
  again.end ();
  base.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = steady;
  add_to (sum, part (track, 0, 5000));
  add_to (sum, part (track, 5000, 20000), 10001);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_late_start_of_twenty_seconds)
{
  const Samples steady = noise (20 * 8000 + 3000, 1);
  const Samples track = noise (2000, 2);
  const Samples got = beside_a_steady_track (8000, steady, [&] (Feeder &self) {
    self.begin ();
    self.push (track, 20 * 8000 + 1);
  });
  Samples sum = steady;
  add_to (sum, track, 20 * 8000 + 1);
  check_equal (got, sum);
}
GST_END_TEST;

static Suite *trackmixer_alignment_suite ()
{
  Suite *suite = suite_create ("trackmixer-alignment");
  TCase *stamps = tcase_create ("time stamps");
  tcase_add_test (stamps, test_start_at_odd_frames);
  tcase_add_test (stamps, test_every_frame_number_survives_its_time_stamp);
  tcase_add_test (stamps, test_flagged_holes_and_overlaps_at_odd_frames);
  tcase_add_test (stamps, test_a_lost_buffer_without_discont_wait);
  tcase_add_test (stamps, test_a_lost_buffer_is_believed_after_the_default_wait);
  tcase_add_test (stamps, test_discont_wait_without_end);
  tcase_add_test (stamps, test_jitter_under_the_threshold_is_none);
  tcase_add_test (stamps, test_alignment_threshold_can_be_set);
  tcase_add_test (stamps, test_buffers_without_time_stamps_follow_each_other);
  tcase_add_test (stamps, test_running_time_from_base_and_start);
  tcase_add_test (stamps, test_what_lies_before_the_offset_of_a_segment_is_cut);
  tcase_add_test (stamps, test_without_time_stamps_audio_goes_on_at_another_rate);
  tcase_add_test (stamps, test_segment_clips_both_ends_to_the_frame);
  tcase_add_test (stamps, test_late_start_of_twenty_seconds);
  suite_add_tcase (suite, stamps);
  TCase *gaps = tcase_create ("gaps");
  tcase_add_test (gaps, test_gap_events_are_silence);
  tcase_add_test (gaps, test_many_gap_events_do_not_drift);
  tcase_add_test (gaps, test_a_gap_longer_than_the_queue_blocks_nobody);
  tcase_add_test (gaps, test_gap_flagged_buffers_are_not_heard);
  tcase_add_test (gaps, test_chunks_with_nothing_audible_say_so);
  suite_add_tcase (suite, gaps);
  TCase *ends = tcase_create ("ends");
  tcase_add_test (ends, test_short_and_empty_tracks);
  tcase_add_test (ends, test_no_tracks_at_all);
  tcase_add_test (ends, test_all_tracks_end_without_caps);
  tcase_add_test (ends, test_a_track_that_never_begins_ends_by_itself);
  tcase_add_test (ends, test_stream_start_after_the_end_of_a_track_plays_again);
  suite_add_tcase (suite, ends);
  return suite;
}

GST_CHECK_MAIN (trackmixer_alignment)
