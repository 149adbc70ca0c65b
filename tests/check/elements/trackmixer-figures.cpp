// SPDX-License-Identifier: LGPL-2.1-or-later
// OUT and BUF of the whole element, to the figure: time is in the hands of the test, for the
// element's statistics as for its deadlines.
#include "livebed.hpp"

using namespace mt::test;

namespace {

/// What std::chrono::steady_clock says in this program, in the plugin too. It begins with the real
/// time, so that waits with a limit have their length, and goes on when the test says so.
std::atomic<std::int64_t> steady_ns {0};

void pass_time (GstClockTime time)
{
  steady_ns += static_cast<std::int64_t> (time);
}

} // namespace

// In place of the standard library's own: this program exports it.
std::chrono::steady_clock::time_point std::chrono::steady_clock::now () noexcept
{
  std::int64_t now = steady_ns.load ();
  if (now == 0) {
    timespec real {};
    clock_gettime (CLOCK_MONOTONIC, &real);
    const std::int64_t begin = real.tv_sec * 1'000'000'000LL + real.tv_nsec;
    if (steady_ns.compare_exchange_strong (now, begin))
      now = begin;
  }
  return time_point {duration {now}};
}

namespace {

constexpr GstClockTime kChunk = LiveBed::kChunk;
constexpr std::size_t kFrames = LiveBed::kFrames;

/// One live track of so many channels, whose chunks come one by one with the clock.
class Player {
public:
  explicit Player (int channels) : feeder {live.bed, {48000, channels}}
  {
    live.bed.sink.keep_bytes = false;
    LiveBed::set_latency (feeder, kChunk); // or the chunk would be due before it comes
    live.bed.play ();
    feeder.begin ();
  }
  /// So many chunks, one in each `interval`.
  void play (std::size_t chunks, GstClockTime interval = kChunk)
  {
    const Samples silence (kFrames * static_cast<std::size_t> (feeder.format.channels));
    for (std::size_t n = 0; n < chunks; ++n) {
      pass_time (interval);
      time_ += interval;
      live.set_time (time_);
      fail_unless_equals_int (
          feeder.push (silence, static_cast<std::int64_t> (played_ * kFrames)), GST_FLOW_OK);
      fail_unless (live.bed.sink.wait_for_chunks (++played_));
    }
  }
  double figure (const char *field) { return figure_in_stats (live.bed.element, field); }
  void check_out (double wanted)
  {
    // A second holds one chunk more or less, as its slots begin.
    constexpr double kOneChunk = kFrames / 1000.0 + 1e-4;
    const double out = figure ("out-ksps");
    fail_unless (std::abs (out - wanted) <= kOneChunk, "%g and not %g", out, wanted);
    fail_unless (figure ("target-ksps") == 48.0);
    fail_unless (figure ("realtime-factor") == out / 48.0);
  }

  LiveBed live;
  Feeder feeder;

private:
  std::size_t played_ {0};
  GstClockTime time_ {0};
};

} // namespace

GST_START_TEST (test_out_is_the_rate_whatever_the_channels)
{
  for (const int channels : {1, 2, 6}) {
    Player player {channels};
    fail_unless (player.figure ("out-ksps") == 0.0);
    player.play (200);
    player.check_out (48.0);
    fail_unless_equals_int (player.live.bed.sink.info.channels, channels);
    player.play (170);
    player.check_out (48.0);
    fail_unless_equals_uint64 (count_in_stats (player.live.bed.element, "deadline-misses"), 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_out_follows_the_speed)
{
  Player player {2};
  player.play (400, kChunk / 2);
  player.check_out (96.0);
  fail_unless (std::abs (player.figure ("realtime-factor") - 2.0) < 0.03);
  player.play (100, 2 * kChunk);
  player.check_out (24.0);
  pass_time (GST_SECOND / 2); // in slots of a fifteenth of a second
  // The last chunk counts once the mix task is back from its push, perhaps only now.
  fail_unless (std::abs (player.figure ("out-ksps") - 12.0) <= 24.0 / 15 + kFrames / 1000.0);
  pass_time (GST_SECOND);
  fail_unless (player.figure ("out-ksps") == 0.0);
}
GST_END_TEST;

GST_START_TEST (test_buf_is_the_part_of_the_limit_that_is_filled)
{
  const int channels = __i__ == 0 ? 1 : 6;
  const Format format {48000, channels};
  MixerBed bed; // queues of a second
  Feeder a {bed, format};
  Feeder b {bed, format};
  Feeder empty {bed, format};
  bed.play ();
  const auto check = [&bed] (double min, double mean) {
    fail_unless (std::abs (figure_in_stats (bed.element, "buf-min") - min) < 1e-9, "min %g",
        figure_in_stats (bed.element, "buf-min"));
    fail_unless (std::abs (figure_in_stats (bed.element, "buf-mean") - mean) < 1e-9, "mean %g",
        figure_in_stats (bed.element, "buf-mean"));
  };
  const auto push = [channels] (Feeder &feeder, std::size_t frames) {
    feeder.push (Samples (frames * static_cast<std::size_t> (channels)), 0);
  };
  for (Feeder *feeder : {&a, &b, &empty})
    feeder->begin ();
  check (0.0, 0.0);
  push (a, 12000);
  check (0.0, 0.25 / 3);
  push (b, 24000);
  check (0.0, 0.75 / 3);
  push (empty, 10 * kFrames); // ten chunks go out
  fail_unless (bed.sink.wait_for_chunks (10));
  check (0.0, (0.15 + 0.4) / 3);
  empty.end (); // counts no more, and the others are mixed as far as they go
  fail_unless (bed.sink.wait_for_chunks (25));
  check (0.0, 0.25 / 2);
  a.end ();
  b.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check (0.0, 0.0); // nobody to wait for
}
GST_END_TEST;

GST_START_TEST (test_buf_is_near_one_where_the_sink_takes_nothing)
{
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, nullptr);
  Feeder track {bed};
  bed.sink.close ();
  bed.play ();
  track.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (Samples (2 * 48000), 1, kFrames);
  });
  // All but the chunk that it may have taken after the queue was full.
  fail_unless (eventually (
      [&bed] { return figure_in_stats (bed.element, "buf-min") >= 1.0 - 480.0 / 9600 - 1e-9; }));
  bed.stop ();
}
GST_END_TEST;

GST_START_TEST (test_a_message_in_each_interval)
{
  Player player {1};
  g_object_set (player.live.bed.element, "stats-interval", 100 * GST_MSECOND, nullptr);
  const auto messages = [&] {
    int count = 0;
    while (player.live.bed.has_message (GST_MESSAGE_ELEMENT))
      ++count;
    return count;
  };
  player.play (1);
  fail_unless_equals_int (messages (), 1);
  player.play (9);
  fail_unless_equals_int (messages (), 0);
  player.play (1);
  fail_unless_equals_int (messages (), 1);
  player.play (100);
  fail_unless_equals_int (messages (), 10);
}
GST_END_TEST;

static Suite *trackmixer_figures_suite ()
{
  Suite *suite = suite_create ("trackmixer-figures");
  TCase *figures = tcase_create ("figures");
  tcase_add_test (figures, test_out_is_the_rate_whatever_the_channels);
  tcase_add_test (figures, test_out_follows_the_speed);
  tcase_add_loop_test (figures, test_buf_is_the_part_of_the_limit_that_is_filled, 0, 2);
  tcase_add_test (figures, test_buf_is_near_one_where_the_sink_takes_nothing);
  tcase_add_test (figures, test_a_message_in_each_interval);
  suite_add_tcase (suite, figures);
  return suite;
}

GST_CHECK_MAIN (trackmixer_figures)
