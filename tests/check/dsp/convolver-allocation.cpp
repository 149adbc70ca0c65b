// SPDX-License-Identifier: LGPL-2.1-or-later
// process() and reset() never allocate. A program of its own, because it replaces malloc.
#include "dsp/convolver.hpp"

#include <cstdlib>
#include <limits>
#include <algorithm>
#include <random>
#include <span>
#include <vector>

#include "allocationcount.hpp"
#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

START_TEST (test_the_count_counts)
  {
    ck_assert_uint_gt (mt::test::allocations_in ([] {
      const std::vector<float> some (1000);
      ck_assert (some.data () != nullptr);
    }),
        0);
    ck_assert_uint_gt (
        mt::test::allocations_in ([] { ck_assert (AlignedVector<float> (1000).size () == 1000); }),
        0);
#ifdef MT_COUNTS_MALLOC
    ck_assert_uint_gt (mt::test::allocations_in ([] {
      void *volatile memory = std::malloc (1000);
      std::free (memory);
    }),
        0);
#endif
    ck_assert_uint_eq (mt::test::allocations_in ([] {}), 0);
  }
END_TEST

/// Calls of the usual size and of any other, with sound and without, the first one as well: nothing
/// is left for it to set up.
static void check_calls (Convolver &convolver, std::size_t usual, std::size_t longest)
{
  std::mt19937 random {1};
  std::uniform_real_distribution<float> uniform {-1.0f, 1.0f};
  const std::size_t channels = convolver.channels ();
  std::vector<float> io (longest * channels);
  for (int call = 0; call < 80; ++call) {
    for (float &sample : io)
      sample = call / 20 == 2 ? 0.0f : uniform (random);
    if (call % 10 == 5)
      io[channels * 3] = std::numeric_limits<float>::infinity ();
    const std::size_t frames = call % 2 ? 1 + random () % longest : usual;
    const auto part = std::span {io}.first (frames * channels);
    ck_assert_uint_eq (mt::test::allocations_in ([&] {
      convolver.process (part, {1.0f, 0.5f}, {0.5f, 1.0f});
      if (call % 20 == 19)
        convolver.reset ();
    }),
        0);
  }
}

static Impulse random_impulse (std::size_t frames, std::size_t channels)
{
  std::mt19937 random {2};
  std::uniform_real_distribution<float> uniform {-1.0f, 1.0f};
  Impulse ir {std::vector<float> (frames * channels), channels};
  std::generate (ir.samples.begin (), ir.samples.end (), [&] { return uniform (random); });
  return ir;
}

START_TEST (test_process_does_not_allocate)
  {
    const auto channels = static_cast<std::size_t> (_i);
    const Impulse ir = random_impulse (40000, channels);
    for (const std::size_t latency : {0, 200, 239}) {
      Convolver convolver {{.channels = channels,
                               .chunk_frames = 240,
                               .latency_frames = latency,
                               .planning = Planning::estimate},
          ir};
      ck_assert_uint_gt (convolver.plan ().stages.size (), 1);
      check_calls (convolver, 240, 10007);
    }
  }
END_TEST

START_TEST (test_blocks_together_do_not_allocate)
  {
    const auto channels = static_cast<std::size_t> (_i);
    const Impulse ir = random_impulse (6000, channels);
    // Six blocks of 80 in a span, then two stages.
    const Partition partition {
        {80, 12, 0, 80, 1, 6}, {480, 4, 960, 480, 4}, {960, 4, 2880, 960, 8}};
    for (const std::size_t latency : {0, 400, 479}) {
      Convolver convolver {{.channels = channels,
                               .chunk_frames = 480,
                               .latency_frames = latency,
                               .planning = Planning::estimate},
          ir, partition};
      check_calls (convolver, 480, 1500);
    }
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver-allocation");
  TCase *test_case = tcase_create ("allocation");
  tcase_add_test (test_case, test_the_count_counts);
  tcase_add_loop_test (test_case, test_process_does_not_allocate, 1, 4);
  tcase_add_loop_test (test_case, test_blocks_together_do_not_allocate, 1, 4);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
