// SPDX-License-Identifier: LGPL-2.1-or-later
// Heads of several blocks that are worked on together, with calls of any size, against the sum in
// double.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "convolversupport.hpp"
#include "everytarget.hpp"

using namespace mt::test;

namespace {

constexpr std::size_t kFrames = 900; // of the response

struct Case {
  std::size_t block, together;
  std::size_t head;        // partitions
  std::size_t tail, spans; // partitions of so many spans; 0 for none
  std::size_t at_once;     // of the tail
  std::size_t span () const { return block * together; }
  std::size_t tail_block () const { return block * together * spans; }
};
// All rows by fours, some left over, fewer than four; response of many spans and of less than one;
// tails of one span and of several, whose work is in slices.
constexpr Case kCases[] = {{16, 4, 57}, {16, 5, 57}, {32, 7, 29}, {16, 16, 57}, {48, 2, 19},
    {80, 3, 12}, {160, 8, 6}, {900, 4, 1}, {16, 4, 12, 12, 1, 4}, {16, 6, 18, 7, 1, 4},
    {24, 8, 16, 3, 1, 1}, {16, 4, 20, 5, 2, 8}, {16, 2, 10, 8, 3, 4}};
constexpr int kCount = static_cast<int> (std::size (kCases));
constexpr int kWithoutTail = 8; // the first of them, whose work is that of the head alone
static_assert (kCases[kWithoutTail - 1].tail == 0 && kCases[kWithoutTail].tail > 0);

Partition partition_of (const Case &each)
{
  const std::size_t length = transform_length (each.block, each.head);
  Partition out {{each.block, each.head, 0, length, 1, each.together}};
  const std::size_t offset = each.block * each.head;
  if (each.tail > 0)
    out.push_back ({each.tail_block (), each.tail, offset,
        transform_length (each.tail_block (), each.tail), each.at_once});
  ck_assert_uint_ge (offset + each.tail * each.tail_block (), kFrames);
  ck_assert (each.tail == 0 || may_spread (out.back (), each.span ()));
  return out;
}

std::string text (const Case &each, std::size_t latency)
{
  return std::to_string (each.head) + " x " + std::to_string (each.block) + ", " +
      std::to_string (each.together) + " together, tail " + std::to_string (each.tail) +
      ", latency " + std::to_string (latency);
}

Convolver make (const Case &each, std::size_t channels, const Impulse &ir, std::size_t latency = 0)
{
  return {config (channels, each.span (), latency), ir, partition_of (each)};
}

} // namespace

START_TEST (test_calls_of_any_size)
  {
    const Case &each = kCases[_i];
    for (const std::size_t channels : {1, 2, 3}) {
      const auto ir = noise_impulse (kFrames, channels, 1);
      const auto x = noise ((3 * kFrames + 9 * each.span ()) * channels, 2);
      for (const std::size_t latency :
          {std::size_t {0}, std::size_t {11}, each.block, each.span () - 1, 3 * each.span () + 7}) {
        const auto want = direct (x, ir, channels, latency);
        Convolver convolver = make (each, channels, ir, latency);
        for (const Sizes &sizes : {Sizes {each.span ()}, Sizes {each.block},
                 Sizes {3, 3 * each.span ()}, Sizes {4, each.block}, Sizes {each.span () - 1}}) {
          Frames y = x;
          convolver.reset ();
          run (convolver, y, sizes);
          ck_close (y, want.wet, kMinus120Db, text (each, latency).c_str ());
        }
      }
    }
  }
END_TEST

START_TEST (test_holes_in_sound_and_response)
  {
    const Case &each = kCases[_i];
    std::mt19937 random {1};
    for (unsigned seed = 0; seed < 6; ++seed) {
      const std::size_t latency = seed % 2 * (each.span () - 7);
      auto ir = noise_impulse (kFrames, 2, 1);
      punch (ir.samples, 2, seed % 2 ? 3 * each.block : 400, random);
      auto x = noise (2 * (4 * kFrames + 6 * each.span ()), 3);
      punch (x, 2, seed % 3 ? 2 * each.span () : 3 * kFrames, random);
      const auto want = direct (x, ir, 2, latency);
      Convolver convolver = make (each, 2, ir, latency);
      for (const Sizes &sizes :
          {Sizes {each.span ()}, Sizes {4, 2 * each.span ()}, Sizes {5, each.block}}) {
        convolver.reset ();
        Frames y = x;
        run (convolver, y, sizes);
        ck_close (y, want.wet, kMinus120Db, text (each, seed).c_str ());
      }
    }
  }
END_TEST

START_TEST (test_matrices)
  {
    // True stereo; and three channels of which one goes nowhere and to one nothing leads, with a
    // channel of the response that is not used.
    const Case &each = kCases[_i];
    const std::pair<std::size_t, Routing> matrices[] = {
        {2, default_routing (2, 4)}, {3, {{0, 0, 2}, {2, 0, 0}, {2, 1, 2}}}};
    for (const auto &[channels, routing] : matrices) {
      const auto ir = noise_impulse (kFrames, 4, 1);
      const auto x = noise (channels * (2 * kFrames + 5 * each.span ()), 2);
      auto wanted = config (channels, each.span ());
      wanted.routing = routing;
      Convolver convolver {wanted, ir, partition_of (each)};
      for (const Sizes &sizes : {Sizes {each.span ()}, Sizes {3, 2 * each.span ()}}) {
        convolver.reset ();
        Frames y = x;
        run (convolver, y, sizes);
        ck_close (y, direct_matrix (x, ir, channels, 0, routing), 2 * kMinus120Db,
            text (each, 0).c_str ());
      }
    }
  }
END_TEST

START_TEST (test_late_calls_do_no_work_twice)
  {
    // Output that is due late is made of blocks that are complete, whatever the calls.
    const Case &each = kCases[_i];
    const auto ir = noise_impulse (kFrames, 1, 1);
    Convolver convolver = make (each, 1, ir, each.span () - each.block);
    const std::size_t spans = 12;
    Frames y = noise (spans * each.span (), 2);
    run (convolver, y, Sizes {each.block - 1});
    ck_assert_uint_eq (convolver.work ().forward_transforms, spans * each.together);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, spans * each.together);
  }
END_TEST

START_TEST (test_short_calls_sum_the_past_once)
  {
    // Four calls a block: each transforms it, and what the blocks before it give is summed up once.
    const Case &each = kCases[_i];
    const auto ir = noise_impulse (kFrames, 1, 1);
    Convolver convolver = make (each, 1, ir);
    const std::size_t blocks = 3 * each.together;
    Frames y = noise (blocks * each.block, 2);
    run (convolver, y, Sizes {each.block / 4});
    ck_assert_uint_eq (convolver.work ().forward_transforms, 4 * blocks);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, 4 * blocks);
    // The first block has no past, and none has one where the response is no longer than a block.
    ck_assert_uint_eq (convolver.work ().sums, each.head > 1 ? 2 * blocks - 1 : blocks);
  }
END_TEST

START_TEST (test_silent_blocks_are_counted_in_parts_too)
  {
    const Case &each = kCases[_i];
    const auto ir = noise_impulse (kFrames, 1, 1);
    const std::size_t frames = 20 * each.span () + 20 * kFrames;
    for (const Sizes &sizes : {Sizes {each.span ()}, Sizes {each.block}, Sizes {3, each.span ()}}) {
      Convolver convolver = make (each, 1, ir);
      Frames y (frames);
      run (convolver, y, sizes);
      const ConvolverWork work = convolver.work ();
      ck_assert_uint_eq (work.blocks, frames / each.span () * each.together);
      ck_assert_uint_eq (work.silent_blocks, frames / each.block);
    }
  }
END_TEST

START_TEST (test_every_instruction_set)
  {
    const auto ir = noise_impulse (kFrames, 2, 1);
    const auto x = noise (2 * 3000, 2);
    const auto want = direct (x, ir, 2, 0);
    mt::test::on_every_target ([&] (const char *target) {
      for (const Case &each : kCases) {
        Convolver convolver = make (each, 2, ir);
        Frames y = x;
        run (convolver, y, Sizes {each.span ()});
        ck_close (y, want.wet, kMinus120Db, target);
      }
    });
  }
END_TEST

START_TEST (test_work_follows_sound)
  {
    // One audible frame is in the window of two blocks, and a head without tail has no other work.
    const Case &each = kCases[_i];
    const auto ir = noise_impulse (kFrames, 1, 1);
    Convolver convolver = make (each, 1, ir);
    const std::size_t at = each.span () * 3 + 3, spans = 6 + kFrames / each.span ();
    Frames y (each.span () * spans);
    y[at] = 1.0f;
    run (convolver, y, Sizes {each.span ()});
    for (std::size_t k = 0; k < kFrames; ++k)
      ck_assert_float_eq_tol (y[at + k], ir.samples[k], kMinus120Db);
    const ConvolverWork work = convolver.work ();
    // Which block of a span was audible is not known, so both spans that may hold it are.
    ck_assert_uint_ge (work.forward_transforms, each.together);
    ck_assert_uint_le (work.forward_transforms, 2 * each.together);
    ck_assert_uint_eq (work.blocks, spans * each.together);
    // Three spans before it. Rows of four are one thing.
    ck_assert_uint_ge (work.silent_blocks, 3 * each.together);
    ck_assert_uint_le (
        work.inverse_transforms, 2 * each.together + (kFrames + each.block) / each.block + 6);
    ck_assert_uint_eq (work.sums, work.inverse_transforms);
    ck_assert (!convolver.is_ringing ());

    // And from then on nothing at all, until there is sound again.
    Frames silence (each.span () * 20);
    run (convolver, silence, Sizes {each.span ()});
    ck_assert (peak (silence) == 0.0f);
    ck_assert_uint_eq (convolver.work ().forward_transforms, work.forward_transforms);
    ck_assert_uint_eq (convolver.work ().sums, work.sums);
    const auto x = noise (3 * each.span (), 3);
    Frames again = x;
    run (convolver, again, Sizes {3, each.span ()});
    ck_close (again, direct (x, ir, 1, 0).wet, kMinus120Db, text (each, 0).c_str ());
  }
END_TEST

START_TEST (test_reset_and_bits)
  {
    const Case &each = kCases[_i];
    const auto ir = noise_impulse (kFrames, 2, 1);
    const auto x = noise (2 * (kFrames + 5 * each.span ()), 2);
    Convolver convolver = make (each, 2, ir, 5);
    Frames first = x;
    run (convolver, first, Sizes {3, 2 * each.span ()}, kOn, kOn);
    for (std::size_t frames = 1; frames < 1200; frames += 97) {
      convolver.reset ();
      Frames part (x.begin (),
          x.begin () + static_cast<std::ptrdiff_t> (2 * std::min (frames, x.size () / 2)));
      run (convolver, part, Sizes {50}, kOn, kOn);
      convolver.reset ();
      Frames again = x;
      run (convolver, again, Sizes {3, 2 * each.span ()}, kOn, kOn);
      ck_assert (same_bits (first, again));
    }
  }
END_TEST

START_TEST (test_whole_calls_do_no_work_twice)
  {
    const Case &each = kCases[_i];
    const auto ir = noise_impulse (kFrames, 2, 1);
    Convolver convolver = make (each, 2, ir);
    Frames y = noise (2 * 8 * each.span (), 2);
    run (convolver, y, Sizes {each.span ()});
    const ConvolverWork work = convolver.work ();
    ck_assert_uint_eq (work.blocks, 2 * 8 * each.together);
    if (each.tail > 0)
      return;
    ck_assert_uint_eq (work.forward_transforms, work.blocks);
    ck_assert_uint_eq (work.sums, work.blocks);
    ck_assert_uint_eq (work.inverse_transforms, work.blocks);
  }
END_TEST

START_TEST (test_the_model_takes_them)
  {
    // Where a call is long and the response short.
    for (const std::size_t chunk : {4800, 19200, 48000}) {
      const Partition chosen = choose_partition ({24000, chunk, 0, Schedule::spread, 2, 2, 2});
      ck_assert_uint_gt (chosen[0].blocks_together, 1);
      ck_assert_uint_eq (chunk % chosen[0].span_frames (), 0);
    }
    for (const std::size_t chunk : {64, 480})
      ck_assert_uint_eq (
          choose_partition ({24000, chunk, 0, Schedule::spread, 2, 2, 2})[0].blocks_together, 1);
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver-batches");
  TCase *test_case = tcase_create ("convolver-batches");
  tcase_add_loop_test (test_case, test_calls_of_any_size, 0, kCount);
  tcase_add_loop_test (test_case, test_holes_in_sound_and_response, 0, kCount);
  tcase_add_loop_test (test_case, test_matrices, 0, kCount);
  tcase_add_loop_test (test_case, test_late_calls_do_no_work_twice, 0, kWithoutTail);
  tcase_add_loop_test (test_case, test_short_calls_sum_the_past_once, 0, kWithoutTail);
  tcase_add_loop_test (test_case, test_silent_blocks_are_counted_in_parts_too, 0, kCount);
  tcase_add_test (test_case, test_every_instruction_set);
  tcase_add_loop_test (test_case, test_work_follows_sound, 0, kWithoutTail);
  tcase_add_loop_test (test_case, test_reset_and_bits, 0, kCount);
  tcase_add_loop_test (test_case, test_whole_calls_do_no_work_twice, 0, kCount);
  tcase_add_test (test_case, test_the_model_takes_them);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
