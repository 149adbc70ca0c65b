// SPDX-License-Identifier: LGPL-2.1-or-later
// Whom the mix waits for. All but the last test are free of timing: a DRAIN query returns when all
// is mixed that can be, or is refused when the mix waits for what the same thread would bring next.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;
constexpr std::int64_t kChunkFrames = 480;
constexpr Format kMono {kRate, 1};

bool drain (Feeder &feeder)
{
  GstQuery *query = gst_query_new_drain ();
  const bool ok = gst_pad_peer_query (feeder.src, query);
  gst_query_unref (query);
  return ok;
}

/// Two tracks that this one thread feeds.
struct TwoTracks {
  TwoTracks ()
  {
    bed.play ();
    a.begin ();
    b.begin ();
  }
  /// The next frames of `a`.
  void push_a (std::int64_t frames)
  {
    const Samples now = noise (static_cast<std::size_t> (frames), ++seed);
    fail_unless_equals_int (a.push_all (now, seed, 3000, end_of_a), GST_FLOW_OK);
    add_to (sum, now, static_cast<std::size_t> (end_of_a));
    end_of_a += frames;
  }
  /// Audio of `b` that must be heard at `frame`, with the time stamp of `stamped`.
  void push_b (std::int64_t frame, std::int64_t frames, std::int64_t stamped)
  {
    const Samples now = noise (static_cast<std::size_t> (frames), ++seed);
    fail_unless_equals_int (b.push (now, stamped), GST_FLOW_OK);
    add_to (sum, now, static_cast<std::size_t> (frame));
  }
  void push_b (std::int64_t frame, std::int64_t frames) { push_b (frame, frames, frame); }
  /// Mixed are so many chunks and no more, and then the mix waits for `b`.
  void check_waits (std::size_t chunks)
  {
    fail_if (drain (a), "the mix does not wait");
    fail_unless_equals_int (bed.sink.chunk_count (), chunks);
  }
  void check_end ()
  {
    a.end ();
    b.end ();
    fail_unless (bed.sink.wait_for_eos ());
    check_equal (bed.sink.samples (), sum);
    for (const Feeder *feeder : {&a, &b}) {
      fail_unless_equals_uint64 (feeder->count ("late-frames"), 0);
      check_accounts (*feeder);
    }
  }

  MixerBed bed;
  Feeder a {bed, kMono};
  Feeder b {bed, kMono};
  Samples sum;
  std::int64_t end_of_a {0};
  unsigned seed {0};
};

} // namespace

GST_START_TEST (test_a_gap_is_a_hint_at_first)
{
  TwoTracks mix;
  mix.b.gap (0, 5 * kRate);
  mix.push_a (kRate);
  mix.check_waits (0);
  mix.push_b (0, 700);
  mix.push_a (kRate);
  mix.check_waits (1); // and again behind what contradicts the gap
  mix.push_b (700, kRate);
  mix.check_end ();
}
GST_END_TEST;

GST_START_TEST (test_audio_inside_a_gap_joins_what_was_before_it)
{
  TwoTracks mix;
  mix.push_a (kRate);
  mix.push_b (0, 1000);
  mix.b.gap (1000, 5 * kRate);
  mix.push_b (1000, 500, 1020); // jitter
  mix.push_b (1500, 500, 1490);
  mix.check_waits (4);
  mix.check_end ();
}
GST_END_TEST;

GST_START_TEST (test_audio_inside_a_believed_gap_is_waited_for_again)
{
  TwoTracks mix;
  mix.b.gap (0, 20 * kRate); // more than the patience
  mix.push_a (100 * kChunkFrames);
  fail_unless (drain (mix.a));
  fail_unless_equals_int (mix.bed.sink.chunk_count (), 100);
  mix.push_b (110 * kChunkFrames, 40 * kChunkFrames);
  mix.push_a (200 * kChunkFrames);
  mix.check_waits (150);
  mix.check_end ();
}
GST_END_TEST;

GST_START_TEST (test_a_stream_start_opens_a_track_again)
{
  TwoTracks mix;
  mix.push_b (0, 4 * kChunkFrames);
  mix.b.end ();
  mix.push_a (4 * kChunkFrames);
  fail_unless (drain (mix.a));
  fail_unless_equals_int (mix.bed.sink.chunk_count (), 4);
  mix.b.begin ();
  mix.push_a (4 * kChunkFrames);
  mix.check_waits (4);
  mix.push_b (5 * kChunkFrames, 2 * kChunkFrames);
  mix.check_waits (7);
  mix.check_end ();
}
GST_END_TEST;

GST_START_TEST (test_a_released_pad_that_is_linked_again_is_not_waited_for)
{
  TwoTracks mix;
  mix.push_a (4 * kChunkFrames);
  mix.check_waits (0);
  gst_element_release_request_pad (mix.bed.element, mix.b.sink);
  fail_unless_equals_int (gst_pad_link (mix.b.src, mix.b.sink), GST_PAD_LINK_OK);
  fail_unless (mix.bed.sink.wait_for_chunks (4), "the mix waits for a track that it does not have");
  mix.a.end ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.sum);
}
GST_END_TEST;

GST_START_TEST (test_a_starved_track_is_waited_for_again)
{
  constexpr guint64 kCap = kRate * sizeof (float); // of a second
  TwoTracks mix;
  g_object_set (
      mix.bed.element, "max-size-time", 100 * GST_MSECOND, "max-total-bytes", kCap, nullptr);
  mix.push_a (500 * kChunkFrames);
  // The cap has let them through; below it there is reason to wait.
  fail_if (drain (mix.a), "the mix does not wait");
  fail_unless (mix.bed.sink.chunk_count () > 300);
  fail_unless (mix.bed.sink.chunk_count () < 450);
  // What it brings is waited for, and what would follow it too.
  mix.push_b (500 * kChunkFrames, 10 * kChunkFrames);
  mix.push_a (40 * kChunkFrames);
  mix.check_waits (510);
  mix.check_end ();
}
GST_END_TEST;

/// What was missing comes at every point of the task's way into its wait, some nanoseconds apart:
/// the chunk goes out each time, and nobody else is there to wake the task.
GST_START_TEST (test_the_last_that_is_missing_comes_as_the_task_goes_to_wait)
{
  constexpr std::int64_t kFrames = 48;
  MixerBed bed {GST_MSECOND};
  bed.sink.keep_bytes = false;
  std::atomic<std::int64_t> out {0};
  bed.sink.look = [&out] (GstBuffer *) { ++out; };
  Feeder a {bed, kMono};
  bed.play ();
  a.begin ();
  const Samples chunk = noise (kFrames, 1);
  for (std::int64_t n = 0; n < (kSanitized ? 5000 : 30000); ++n) {
    fail_unless_equals_int (a.push (chunk, n * kFrames), GST_FLOW_OK);
    const auto since = Clock::now ();
    while (out <= n && Clock::now () - since < kHung)
      if (Clock::now () - since > std::chrono::microseconds {100})
        std::this_thread::yield (); // there may be one processor for both
    fail_unless (out == n + 1, "chunk %d does not go out", static_cast<int> (n));
    const auto until = Clock::now () + std::chrono::nanoseconds {n * 7 % 30000};
    while (Clock::now () < until)
      ;
  }
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
}
GST_END_TEST;

static Suite *trackmixer_waiting_suite ()
{
  Suite *suite = suite_create ("trackmixer-waiting");
  TCase *gaps = tcase_create ("gaps");
  tcase_add_test (gaps, test_a_gap_is_a_hint_at_first);
  tcase_add_test (gaps, test_audio_inside_a_gap_joins_what_was_before_it);
  tcase_add_test (gaps, test_audio_inside_a_believed_gap_is_waited_for_again);
  suite_add_tcase (suite, gaps);
  TCase *tracks = tcase_create ("tracks");
  tcase_add_test (tracks, test_a_stream_start_opens_a_track_again);
  tcase_add_test (tracks, test_a_released_pad_that_is_linked_again_is_not_waited_for);
  tcase_add_test (tracks, test_a_starved_track_is_waited_for_again);
  tcase_add_test (tracks, test_the_last_that_is_missing_comes_as_the_task_goes_to_wait);
  suite_add_tcase (suite, tracks);
  return suite;
}

GST_CHECK_MAIN (trackmixer_waiting)
