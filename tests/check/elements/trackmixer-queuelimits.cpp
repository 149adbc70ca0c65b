// SPDX-License-Identifier: LGPL-2.1-or-later
// Limits of a queue in bytes, and of its growth: who waits at which level, what is said at the cap,
// and that nothing is lost on the way.
#include <future>

#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;
constexpr std::size_t kSecond = kRate;
constexpr std::size_t kPushed = 480; // frames at a time: a level may exceed its limit by this
constexpr Format kMono {kRate, 1};
constexpr std::size_t kFrameBytes = 4;

guint64 bytes_of (std::size_t milliseconds)
{
  return milliseconds * kSecond / 1000 * kFrameBytes;
}

guint64 level_bytes (Feeder &feeder)
{
  guint64 level = 0;
  g_object_get (feeder.sink, "current-level-bytes", &level, nullptr);
  return level;
}

/// Two tracks with more than they can get rid of: the sink takes nothing.
struct StuckTracks {
  StuckTracks ()
  {
    bed.sink.close ();
    bed.play ();
    for (Feeder *feeder : {&a, &b}) {
      feeder->begin ();
      feeder->push (std::span {samples}.first (2 * kPushed), 0);
    }
    // The second chunk waits in its push: no queue grows because another one is empty.
    bed.sink.let_through (1);
    fail_unless (bed.sink.wait_for_chunks (1));
    fail_unless (eventually ([&] { return level_bytes (a) == 0 && level_bytes (b) == 0; }));
  }
  ~StuckTracks () { bed.stop (); } // or the feeders' pads could not be deactivated
  void feed ()
  {
    for (Feeder *feeder : {&a, &b})
      feeder->run ([this] (Feeder &self) {
        for (std::size_t at = 2 * kPushed; at < samples.size (); at += kPushed)
          if (self.push (std::span {samples}.subspan (at, kPushed),
                  static_cast<std::int64_t> (at)) != GST_FLOW_OK)
            return;
        self.end ();
      });
  }
  static bool settles_at (Feeder &feeder, guint64 limit)
  {
    return eventually ([&] { return level_bytes (feeder) >= limit; }) &&
        level_bytes (feeder) < limit + kPushed * kFrameBytes;
  }

  const Samples samples {noise (4 * kSecond, 1)};
  MixerBed bed;
  Feeder a {bed, kMono};
  Feeder b {bed, kMono};
};

/// One thread that brings all of one track first, then all of another.
struct OneAfterTheOther {
  void feed (std::size_t frames_a, std::size_t frames_b)
  {
    early = noise (frames_a, 1);
    late = noise (frames_b, 2);
    bed.play ();
    a.run ([this] (Feeder &) {
      a.begin ();
      b.begin ();
      push (a, early);
      push (b, late);
      a.end ();
      b.end ();
    });
  }
  void push (Feeder &feeder, const Samples &audio)
  {
    for (std::size_t at = 0; at < audio.size () && flow == GST_FLOW_OK; at += kPushed) {
      const auto now = std::min (kPushed, audio.size () - at);
      flow = feeder.push (std::span {audio}.subspan (at, now), static_cast<std::int64_t> (at));
      if (&feeder == &a) // the other one comes late, and what is behind the mix is never full
        highest = std::max (highest, static_cast<std::size_t> (a.count ("queued-frames")));
    }
  }
  void check_exact ()
  {
    fail_unless (bed.sink.wait_for_eos (), "hangs");
    a.join ();
    Samples sum;
    add_to (sum, early);
    add_to (sum, late);
    check_equal (bed.sink.samples (), sum);
    fail_if (
        bed.has_message (static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
  }

  MixerBed bed;
  Feeder b {bed, kMono};
  Feeder a {bed, kMono};
  Samples early;
  Samples late;
  std::size_t highest {0}; // level of a's queue after a push
  std::atomic<GstFlowReturn> flow {GST_FLOW_OK};
};

} // namespace

GST_START_TEST (test_a_limit_in_bytes_of_all_and_of_one)
{
  StuckTracks mix;
  g_object_set (mix.bed.element, "max-size-bytes", bytes_of (200), nullptr);
  g_object_set (mix.b.sink, "max-size-bytes", bytes_of (700), nullptr);
  mix.feed ();
  fail_unless (StuckTracks::settles_at (mix.a, bytes_of (200)));
  fail_unless (StuckTracks::settles_at (mix.b, bytes_of (700)));
  // While they wait: more for the one, the element's for the other.
  g_object_set (mix.bed.element, "max-size-bytes", bytes_of (400), nullptr);
  fail_unless (StuckTracks::settles_at (mix.a, bytes_of (400)));
  fail_unless (StuckTracks::settles_at (mix.b, bytes_of (700)));
  g_object_set (mix.bed.element, "max-size-bytes", bytes_of (800), nullptr);
  g_object_set (mix.b.sink, "max-size-bytes", G_MAXUINT64, nullptr);
  fail_unless (StuckTracks::settles_at (mix.b, bytes_of (800)));
  // What a chunk has taken of a buffer counts in time and not in bytes.
  g_object_set (mix.b.sink, "max-size-bytes", guint64 {0}, nullptr);
  const auto in_time = [&] { return mix.b.count ("queued-frames") >= kSecond; };
  fail_unless (eventually (in_time), "no limit in bytes, and not as far as max-size-time");
  fail_unless (StuckTracks::settles_at (mix.a, bytes_of (800)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  Samples sum = mix.samples;
  add_to (sum, mix.samples);
  check_equal (mix.bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_the_nearer_limit_counts)
{
  StuckTracks mix;
  g_object_set (mix.bed.element, "max-size-bytes", bytes_of (500), "max-size-time",
      300 * GST_MSECOND, nullptr);
  mix.feed ();
  // The closed sink has let the mix take a chunk or two of what the feeder filled, which waits now.
  fail_unless (eventually ([&] { return mix.a.count ("queued-frames") >= 28 * kSecond / 100; }));
  g_object_set (mix.bed.element, "max-size-time", GST_SECOND, nullptr);
  fail_unless (StuckTracks::settles_at (mix.a, bytes_of (500)));
  fail_unless (eventually ([&] { return figure_in_stats (mix.bed.element, "buf-min") > 0.95; }));
}
GST_END_TEST;

GST_START_TEST (test_a_feeder_goes_on_at_half_the_bytes)
{
  StuckTracks mix;
  g_object_set (mix.bed.element, "max-size-bytes", bytes_of (200), nullptr);
  mix.feed ();
  fail_unless (StuckTracks::settles_at (mix.a, bytes_of (200)));
  fail_unless (StuckTracks::settles_at (mix.b, bytes_of (200))); // or a would grow for its sake
  const auto in = mix.a.count ("in-frames");
  mix.bed.sink.let_through (8); // 80 of 200 ms: more than half is left
  fail_unless (mix.bed.sink.wait_for_chunks (9));
  fail_unless (settles ());
  fail_unless_equals_uint64 (mix.a.count ("in-frames"), in);
  mix.bed.sink.let_through (6);
  fail_unless (eventually ([&] { return mix.a.count ("in-frames") > in; }));
}
GST_END_TEST;

GST_START_TEST (test_the_smallest_limits_neither_hang_nor_drop)
{
  const struct {
    guint64 bytes;
    GstClockTime time;
  } limits[] = {{1, GST_SECOND}, {1, 1}, {bytes_of (50), GST_SECOND}};
  for (const auto &limit : limits) {
    OneAfterTheOther mix;
    g_object_set (
        mix.bed.element, "max-size-bytes", limit.bytes, "max-size-time", limit.time, nullptr);
    mix.feed (2 * kSecond, 2 * kSecond);
    mix.check_exact ();
    fail_unless (count_in_stats (mix.bed.element, "growths") > 0);
  }
}
GST_END_TEST;

// --- max-growth-time

namespace {

/// How a queue of 200 ms is made.
void limit_to_200_ms (GstElement *element, bool in_bytes)
{
  if (in_bytes)
    g_object_set (element, "max-size-bytes", bytes_of (200), nullptr);
  else
    g_object_set (element, "max-size-time", 200 * GST_MSECOND, nullptr);
}

} // namespace

GST_START_TEST (test_growth_within_its_cap_loses_nothing)
{
  OneAfterTheOther mix;
  limit_to_200_ms (mix.bed.element, __i__ == 1);
  g_object_set (mix.bed.element, "max-growth-time", 2 * GST_SECOND, nullptr);
  mix.feed (2 * kSecond, 2 * kSecond);
  mix.check_exact ();
  fail_unless (mix.highest > kSecond);
  check_accounts (mix.a);
  check_accounts (mix.b);
}
GST_END_TEST;

GST_START_TEST (test_at_its_cap_of_growth_a_queue_waits_and_a_warning_says_why)
{
  const bool in_bytes = __i__ % 2 == 1;
  const GstClockTime growth = __i__ < 2 ? GST_SECOND : 0;
  const std::size_t cap = kSecond / 5 + growth * kSecond / GST_SECOND;
  OneAfterTheOther mix;
  limit_to_200_ms (mix.bed.element, in_bytes);
  g_object_set (mix.bed.element, "max-growth-time", growth, nullptr);
  mix.feed (4 * kSecond, 4 * kSecond);
  const auto text = mix.bed.message (GST_MESSAGE_WARNING);
  const auto has = [&text] (const std::string &part) {
    fail_unless (
        text.find (part) != std::string::npos, "no «%s» in: %s", part.c_str (), text.c_str ());
  };
  has (std::string {"Track "} + GST_PAD_NAME (mix.b.sink) + " is mixed as silence");
  has (std::string {"track "} + GST_PAD_NAME (mix.a.sink) + " has queued");
  has (growth > 0 ? "max-growth-time (0:00:01.000000000)" : "max-growth-time (0:00:00.000000000)");
  has (growth > 0 ? " 0:00:01.2" : " 0:00:00.2"); // the level
  fail_unless (mix.bed.sink.wait_for_eos (), "hangs");
  mix.a.join ();
  fail_unless (mix.highest >= cap && mix.highest < cap + kPushed, "%zu of %zu", mix.highest, cap);
  // The first track is all there, the other one is late where its time has passed, and counted.
  fail_unless_equals_uint64 (mix.a.count ("mixed-frames"), mix.early.size ());
  fail_unless (mix.b.count ("late-frames") > 0);
  fail_unless_equals_uint64 (
      mix.b.count ("late-frames") + mix.b.count ("mixed-frames"), mix.late.size ());
  check_accounts (mix.a);
  check_accounts (mix.b);
  const auto late = mix.bed.message (GST_MESSAGE_WARNING);
  fail_unless (late.find ("too late") != std::string::npos, "%s", late.c_str ());
  fail_if (mix.bed.has_message (GST_MESSAGE_WARNING), "more than one for the episode");
}
GST_END_TEST;

GST_START_TEST (test_at_its_cap_of_growth_starvation_can_be_an_error)
{
  OneAfterTheOther mix;
  limit_to_200_ms (mix.bed.element, false);
  g_object_set (mix.bed.element, "max-growth-time", GST_SECOND, nullptr);
  gst_util_set_object_arg (G_OBJECT (mix.bed.element), "starvation", "error");
  mix.feed (4 * kSecond, 4 * kSecond);
  const auto text = mix.bed.message (GST_MESSAGE_ERROR);
  const std::string parts[] {
      GST_PAD_NAME (mix.b.sink), GST_PAD_NAME (mix.a.sink), "max-growth-time"};
  for (const std::string &part : parts)
    fail_unless (
        text.find (part) != std::string::npos, "no «%s» in: %s", part.c_str (), text.c_str ());
  fail_unless (mix.bed.sink.wait_for_eos ());
  mix.a.join ();
  fail_unless_equals_int (mix.flow.load (), GST_FLOW_ERROR);
}
GST_END_TEST;

GST_START_TEST (test_the_total_is_named_where_it_is_met_first)
{
  OneAfterTheOther mix;
  limit_to_200_ms (mix.bed.element, false);
  g_object_set (mix.bed.element, "max-growth-time", 3 * GST_SECOND, "max-total-bytes",
      bytes_of (1000), nullptr);
  mix.feed (2 * kSecond, 2 * kSecond);
  const auto text = mix.bed.message (GST_MESSAGE_WARNING);
  fail_unless (text.find ("max-total-bytes (192000)") != std::string::npos, "%s", text.c_str ());
  fail_unless (mix.bed.sink.wait_for_eos (), "hangs");
}
GST_END_TEST;

/// As of other elements, and not a mix that waits for nobody.
GST_START_TEST (test_a_total_of_0_is_none)
{
  OneAfterTheOther mix;
  limit_to_200_ms (mix.bed.element, false);
  g_object_set (mix.bed.element, "max-total-bytes", guint64 {0}, nullptr);
  mix.feed (2 * kSecond, 2 * kSecond);
  fail_unless (mix.bed.sink.wait_for_eos (), "hangs");
  mix.a.join ();
  fail_unless_equals_uint64 (mix.a.count ("mixed-frames"), mix.early.size ());
  fail_unless_equals_uint64 (mix.b.count ("mixed-frames"), mix.late.size ());
  fail_if (mix.bed.has_message (GST_MESSAGE_WARNING));
}
GST_END_TEST;

GST_START_TEST (test_at_its_cap_of_growth_not_every_chunk_waits)
{
  // Two threads, and one brings nothing: the mix waits for it when the other queue is half empty,
  // and not for every chunk. Each wait is one of 100 ms.
  MixerBed bed;
  limit_to_200_ms (bed.element, __i__ == 1);
  g_object_set (bed.element, "max-growth-time", guint64 {0}, nullptr);
  Feeder b {bed, kMono};
  Feeder a {bed, kMono};
  bed.play ();
  b.begin ();
  b.push (noise (10, 3), 0); // its thread is known, and another one
  a.run ([] (Feeder &self) {
    self.begin ();
    const Samples audio = noise (kSecond, 1);
    for (std::size_t at = 0; at < audio.size (); at += kPushed)
      self.push (std::span {audio}.subspan (at, kPushed), static_cast<std::int64_t> (at));
    self.end ();
  });
  fail_unless (a.finishes ());
  b.end ();
  fail_unless (bed.sink.wait_for_eos ());
  const auto waits = count_in_stats (bed.element, "starved-chunks");
  fail_unless (waits > 3 && waits < 40, "%d of 100 chunks waited", static_cast<int> (waits));
  fail_unless_equals_uint64 (a.count ("mixed-frames"), kSecond);
}
GST_END_TEST;

GST_START_TEST (test_more_growth_while_a_feeder_waits)
{
  // Two threads. The mix goes on without b until the sink takes no more, then a may grow.
  MixerBed bed;
  limit_to_200_ms (bed.element, false);
  g_object_set (bed.element, "max-growth-time", guint64 {0}, nullptr);
  Feeder b {bed, kMono};
  Feeder a {bed, kMono};
  bed.sink.close ();
  bed.play ();
  b.begin ();
  b.push (noise (10, 3), 0); // its thread is known, and another one
  a.run ([] (Feeder &self) {
    self.begin ();
    const Samples audio = noise (3 * kSecond, 1);
    for (std::size_t at = 0; at < audio.size (); at += kPushed)
      if (self.push (std::span {audio}.subspan (at, kPushed), static_cast<std::int64_t> (at)) !=
          GST_FLOW_OK)
        return;
    self.end ();
  });
  const auto text = bed.message (GST_MESSAGE_WARNING);
  fail_unless (text.find ("max-growth-time") != std::string::npos, "%s", text.c_str ());
  // The mix now waits in its push, and the feeder of a for half of its queue.
  fail_unless (eventually ([&] { return count_in_stats (bed.element, "chunks") == 1; }));
  const auto in = a.count ("in-frames");
  fail_unless (in < 3 * kSecond / 10);
  g_object_set (bed.element, "max-growth-time", GST_CLOCK_TIME_NONE, nullptr);
  bed.sink.let_through (2); // then b is waited for again, and a grows meanwhile
  fail_unless (eventually ([&] { return a.count ("in-frames") == 3 * kSecond; }));
  fail_unless (count_in_stats (bed.element, "chunks") < 10);
  b.end ();
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_uint64 (a.count ("mixed-frames"), 3 * kSecond);
}
GST_END_TEST;

GST_START_TEST (test_a_limit_lowered_below_what_is_queued)
{
  // Two threads. A queue that holds more than twice its new limit may grow as any other.
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", GST_SECOND, nullptr);
  Feeder b {bed, kMono};
  Feeder a {bed, kMono};
  bed.play ();
  b.begin ();
  b.push (noise (10, 3), 0); // its thread is known, and another one
  std::promise<void> lowered;
  a.run ([is_lowered = lowered.get_future ().share ()] (Feeder &self) {
    self.begin ();
    const Samples audio = noise (3 * kSecond, 1);
    for (std::size_t at = 0; at < audio.size (); at += kPushed) {
      if (at == kSecond / 2)
        is_lowered.wait ();
      self.push (std::span {audio}.subspan (at, kPushed), static_cast<std::int64_t> (at));
    }
    self.end ();
  });
  fail_unless (eventually ([&] { return a.count ("in-frames") == kSecond / 2; }));
  g_object_set (bed.element, "max-size-time", 100 * GST_MSECOND, nullptr);
  lowered.set_value ();
  fail_unless (eventually ([&] { return a.count ("in-frames") == 3 * kSecond; }));
  b.push (noise (kSecond, 4), 10);
  b.end ();
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_uint64 (a.count ("mixed-frames"), 3 * kSecond);
  fail_unless_equals_uint64 (b.count ("mixed-frames"), kSecond + 10);
  fail_unless (gst_bus_pop_filtered (bed.bus, GST_MESSAGE_WARNING) == nullptr);
}
GST_END_TEST;

static Suite *trackmixer_queuelimits_suite ()
{
  Suite *suite = suite_create ("trackmixer-queuelimits");
  TCase *bytes = tcase_create ("max-size-bytes");
  tcase_add_test (bytes, test_a_limit_in_bytes_of_all_and_of_one);
  tcase_add_test (bytes, test_the_nearer_limit_counts);
  tcase_add_test (bytes, test_a_feeder_goes_on_at_half_the_bytes);
  tcase_add_test (bytes, test_the_smallest_limits_neither_hang_nor_drop);
  suite_add_tcase (suite, bytes);
  TCase *growth = tcase_create ("max-growth-time");
  tcase_add_loop_test (growth, test_growth_within_its_cap_loses_nothing, 0, 2);
  tcase_add_loop_test (
      growth, test_at_its_cap_of_growth_a_queue_waits_and_a_warning_says_why, 0, 4);
  tcase_add_test (growth, test_at_its_cap_of_growth_starvation_can_be_an_error);
  tcase_add_test (growth, test_the_total_is_named_where_it_is_met_first);
  tcase_add_test (growth, test_a_total_of_0_is_none);
  tcase_add_loop_test (growth, test_at_its_cap_of_growth_not_every_chunk_waits, 0, 2);
  tcase_add_test (growth, test_more_growth_while_a_feeder_waits);
  tcase_add_test (growth, test_a_limit_lowered_below_what_is_queued);
  suite_add_tcase (suite, growth);
  return suite;
}

GST_CHECK_MAIN (trackmixer_queuelimits)
