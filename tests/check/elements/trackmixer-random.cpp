// SPDX-License-Identifier: LGPL-2.1-or-later
// Whatever is done to a pipeline that plays, in any order and from two threads at once: the mix
// goes on, whole chunks one behind the other, and every frame is accounted for.
//
// MT_TEST_SEED=N plays the operations of one seed. MT_TEST_CASES=all plays many.
#include "randompipeline.hpp"

using namespace mt::test;

namespace {

bool all_cases ()
{
  return g_strcmp0 (g_getenv ("MT_TEST_CASES"), "all") == 0;
}

constexpr int kHands = 2;
constexpr int kRounds = 3;
constexpr int kOperations = 28; // of each hand, in each round: 500 for the kinds of pipelines

void play (PipelineKind kind, unsigned seed)
{
  const auto since = Clock::now ();
  live_objects = 0;
  {
    RandomPipeline pipeline {kind, seed};
    std::vector<std::unique_ptr<Hand>> hands;
    for (unsigned n = 0; n < kHands; ++n)
      hands.push_back (std::make_unique<Hand> (pipeline, n));
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::thread> threads;
      for (auto &hand : hands) {
        hand->begin ();
        threads.emplace_back ([&hand] { hand->operate (kOperations); });
      }
      pipeline.watch (hands);
      for (auto &thread : threads)
        thread.join ();
      pipeline.check_recovery (hands);
    }
    pipeline.check_end (hands);
  }
  fail_unless_equals_int (live_objects, 0);
  g_print ("%s, seed %u: %d operations in %d ms\n", name_of (kind), seed,
      kHands * kRounds * kOperations,
      static_cast<int> (
          std::chrono::duration_cast<std::chrono::milliseconds> (Clock::now () - since).count ()));
}

} // namespace

GST_START_TEST (test_any_order_of_operations)
{
  const auto kind = static_cast<PipelineKind> (__i__);
  if (const char *seed = g_getenv ("MT_TEST_SEED")) {
    play (kind, static_cast<unsigned> (g_ascii_strtoull (seed, nullptr, 10)));
    return;
  }
  const unsigned seeds = all_cases () ? 100 : 1;
  for (unsigned seed = 1; seed <= seeds; ++seed)
    play (kind, seed);
}
GST_END_TEST;

static Suite *trackmixer_random_suite ()
{
  Suite *suite = suite_create ("trackmixer-random");
  TCase *operations = tcase_create ("operations");
  if (all_cases ())
    tcase_set_timeout (operations, 3000);
  tcase_add_loop_test (operations, test_any_order_of_operations, 0, kPipelineKinds);
  suite_add_tcase (suite, operations);
  return suite;
}

GST_CHECK_MAIN (trackmixer_random)
