// SPDX-License-Identifier: LGPL-2.1-or-later
// Thousands of pads of trackmixer that come, are mixed and are released in the midst of it: nothing
// shows on the tracks that stay, and nothing is left in memory.
//
// MT_TEST_CASES=all makes 200 runs of 1000 pads of what the usual run has a few of.
#include "steadymix.hpp"

#include <malloc.h>

using namespace mt::test;

namespace {

bool all_cases ()
{
  return g_strcmp0 (g_getenv ("MT_TEST_CASES"), "all") == 0;
}

/// Pads of this test's mixers that still live.
std::atomic<int> live_pads {0};

void watch (GstPad *pad)
{
  ++live_pads;
  g_object_weak_ref (
      G_OBJECT (pad), [] (gpointer, GObject *) { --live_pads; }, nullptr);
}

/// The right channel of a guest, so that it shows in `SteadyMix::heard`.
const Samples &guest_sound ()
{
  static const Samples sound = [] {
    Samples right (std::size_t {2} * 700, 0.0f);
    for (std::size_t i = 1; i < right.size (); i += 2)
      right[i] = 0.25f;
    return right;
  }();
  return sound;
}

/// A track that begins where the mix is and is released with a buffer in its queue, which the mix
/// may have in hand: nobody waits for anything here. One in four ends first, one in four has its
/// flush between, one in four is unlinked first.
void add_and_remove (SteadyMix &mix, unsigned how)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  Feeder guest {mix.bed};
  watch (guest.sink);
  segment.base = mix.position ();
  guest.begin (&segment);
  guest.push (guest_sound (), 0);
  switch (how % 4) {
  case 1:
    guest.end ();
    break;
  case 2:
    gst_pad_push_event (guest.src, gst_event_new_flush_start ());
    gst_pad_push_event (guest.src, gst_event_new_flush_stop (TRUE));
    break;
  case 3:
    gst_pad_unlink (guest.src, guest.sink);
    break;
  default:
    break;
  }
  gst_element_release_request_pad (mix.bed.element, guest.sink);
}

/// `count` guests from each of two threads.
void churn (SteadyMix &mix, int count)
{
  const auto work = [&mix, count] {
    for (int n = 0; n < count; ++n)
      add_and_remove (mix, static_cast<unsigned> (n));
  };
  std::thread other {work};
  work ();
  other.join ();
}

/// Bytes that are allocated, once the mix task has let go of the last guests, and the queues of the
/// steady tracks, which grow while the mix waits for a guest that has brought nothing yet, have
/// fallen back.
std::size_t bytes_in_use (SteadyMix &mix)
{
  constexpr std::uint64_t kUsualQueues = 2 * kSteadyTracks * SteadyMix::kQueueFrames * 8;
  fail_unless (eventually ([] { return live_pads == 0; }), "%d pads live on", live_pads.load ());
  fail_unless (eventually ([&mix] {
    return count_in_stats (mix.bed.element, "queued-bytes") < kUsualQueues;
  }),
      "the queues do not fall back");
  mix.check_messages ();
  mix.forget_chunks ();
  return mallinfo2 ().uordblks;
}

} // namespace

namespace {

/// 10,000 pads, or fewer under a sanitizer, which has its own allocator and a tenth of the speed.
/// Returns whether the steady tracks could be looked at.
bool no_trace_is_left ()
{
  constexpr int kRounds = kSanitized ? 2 : 10;
  constexpr int kRound = kSanitized ? 100 : 500; // from two threads
  // From the most of the first rounds to the least of the last ones: what the steady tracks hold,
  // and how often the queues have grown, differs from round to round, and beside a load on every core
  // what the allocator keeps for each thread does, too (591 KB have been seen once). A pad that
  // stayed of each guest would be 10 MB.
  constexpr int kFirst = 3, kLast = 3;
  constexpr std::size_t kMost = 1024 * 1024;
  SteadyMix mix;
  // Or a moment in which many buffers are queued would leave its mark: their places are kept.
  g_object_set (mix.bed.element, "max-total-bytes", guint64 {2} << 20, nullptr);
  std::size_t before = 0, after = SIZE_MAX;
  for (int n = 0; n < kRounds; ++n) {
    churn (mix, kRound);
    const std::size_t now = bytes_in_use (mix);
    if (n < kFirst)
      before = std::max (before, now);
    if (n >= kRounds - kLast)
      after = std::min (after, now);
  }
  if (!kSanitized)
    fail_unless (after < before + kMost, "%zu bytes in use, %zu before", after, before);
  fail_unless (mix.heard > 0); // the guests were in the mix
  fail_unless_equals_int (gst_child_proxy_get_children_count (GST_CHILD_PROXY (mix.bed.element)),
      static_cast<int> (kSteadyTracks));
  mix.end ();
  return !mix.steady_starved;
}

} // namespace

GST_START_TEST (test_ten_thousand_pads_leave_no_trace)
{
  live_buffers = 0;
  bool looked_at = false;
  // At the cap a track whose thread gets no processor for 100 ms is silence, by design. That is
  // rare on a loaded machine, and each time if the mix does not wait for who is on the way.
  for (int n = 0; n < 3 && !looked_at; ++n)
    looked_at = no_trace_is_left ();
  fail_unless (looked_at, "a steady track is starved for what the guests do not bring");
  fail_unless_equals_int (live_buffers, 0);
}
GST_END_TEST;

GST_START_TEST (test_runs_of_a_thousand_pads)
{
  const int runs = all_cases () ? 200 : kSanitized ? 2 : 5;
  const int pads = all_cases () || !kSanitized ? 1000 : 100;
  live_buffers = 0;
  for (int run = 0; run < runs; ++run) {
    SteadyMix mix;
    churn (mix, pads / 2);
    mix.end ();
    fail_if (mix.steady_starved);
  }
  fail_unless_equals_int (live_buffers, 0);
  fail_unless_equals_int (live_pads, 0);
}
GST_END_TEST;

static Suite *trackmixer_churn_suite ()
{
  Suite *suite = suite_create ("trackmixer-churn");
  TCase *pads = tcase_create ("pads");
  tcase_add_test (pads, test_ten_thousand_pads_leave_no_trace);
  tcase_add_test (pads, test_runs_of_a_thousand_pads);
  if (all_cases ())
    tcase_set_timeout (pads, 3000);
  suite_add_tcase (suite, pads);
  return suite;
}

GST_CHECK_MAIN (trackmixer_churn)
