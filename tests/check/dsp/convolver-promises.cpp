// SPDX-License-Identifier: LGPL-2.1-or-later
// What the convolver promises besides the sum: gains, work, bits, bad input, errors.
#include "convolversupport.hpp"

#include <limits>
#include <stdexcept>
#include <string>

using namespace mt::test;

START_TEST (test_reset_forgets_the_signal)
  {
    const auto ir = noise_impulse (1500, 2, 1);
    const auto x = noise (2 * 2000, 2);
    for (const std::size_t latency : {0, 200}) {
      Convolver convolver {config (2, 240, latency), ir};
      Frames first = x;
      run (convolver, first, Sizes {3, 500}, kOn, kOn);
      // At every state of the block: nothing comes out of silence, to the bit.
      for (std::size_t frames = 1; frames < 600; frames += 13) {
        Frames part (x.begin (), x.begin () + static_cast<std::ptrdiff_t> (2 * frames));
        run (convolver, part, Sizes {50}, kOn, kOn);
        convolver.reset ();
        Frames silence (2 * 3000);
        const auto before = convolver.work ().forward_transforms;
        run (convolver, silence, Sizes {4, 500}, kOn, kOn);
        ck_assert (peak (silence) == 0.0f);
        ck_assert_uint_eq (convolver.work ().forward_transforms, before);
        convolver.reset ();
      }
      Frames again = x;
      run (convolver, again, Sizes {3, 500}, kOn, kOn);
      ck_assert (same_bits (first, again));
    }
  }
END_TEST

START_TEST (test_same_bits_for_same_buffers)
  {
    const auto ir = noise_impulse (3000, 2, 1);
    const auto x = noise (2 * 9000, 2);
    Convolver a {config (2, 480, 100), ir}, b {config (2, 480, 100), ir};
    Frames y = x, z = x;
    run (a, y, Sizes {3, 1000}, {0.2f, 0.9f}, {1.0f, 0.1f});
    run (b, z, Sizes {3, 1000}, {0.2f, 0.9f}, {1.0f, 0.1f});
    ck_assert (same_bits (y, z));
    ck_assert (peak (y) > 0.1f);
  }
END_TEST

START_TEST (test_aligned_calls_do_no_work_twice)
  {
    constexpr std::size_t kChunk = 48, kChannels = 2;
    const auto ir = noise_impulse (1000, kChannels, 1);
    for (const std::size_t batch : {1, 2, 10}) {
      const std::size_t block = batch * kChunk;
      Convolver convolver {config (kChannels, block, block - kChunk), ir};
      const auto x = noise (100 * kChunk * kChannels, 2);
      Frames y = x;
      const std::size_t parts = block / convolver.plan ().stages[0].block_frames;
      std::uint64_t blocks = 0;
      for (std::size_t chunk = 0; chunk < 100; ++chunk) {
        convolver.process (
            std::span {y}.subspan (chunk * kChunk * kChannels, kChunk * kChannels), kOff, kOn);
        blocks += (chunk + 1) % batch == 0 ? kChannels * parts : 0;
        const auto work = convolver.work ();
        ck_assert_uint_eq (work.blocks, blocks);
        ck_assert_uint_eq (work.forward_transforms, blocks);
        ck_assert_uint_eq (work.sums, blocks);
        ck_assert_uint_eq (work.inverse_transforms, blocks);
      }
      ck_close (y, direct (x, ir, kChannels, block - kChunk).wet, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_partial_blocks_sum_the_past_once)
  {
    // Four calls a block: each needs its own transforms, all share one pass over the past.
    const auto ir = noise_impulse (1000, 1, 1);
    Convolver convolver {config (1, 64), ir};
    Frames y = noise (64 * 50, 2);
    run (convolver, y, Sizes {16});
    const auto work = convolver.work ();
    ck_assert_uint_eq (work.blocks, 50);
    ck_assert_uint_eq (work.forward_transforms, 200);
    ck_assert_uint_eq (work.inverse_transforms, 200);
    ck_assert_uint_eq (work.sums, 99); // 49 pasts (the first block has none), 50 whole ones

    // 20 frames late: the second call needs 12 frames of its block and gets all 32 that are there,
    // which is enough for the third.
    Convolver late {config (1, 64, 20), ir};
    y = noise (64 * 50, 2);
    run (late, y, Sizes {16});
    ck_assert_uint_eq (late.work ().forward_transforms, 100);
    ck_assert_uint_eq (late.work ().inverse_transforms, 100);
    ck_assert_uint_eq (late.work ().sums, 99);
  }
END_TEST

START_TEST (test_silence_costs_nothing)
  {
    constexpr std::size_t kBlock = 64;
    const auto ir = noise_impulse (300, 2, 1);
    Convolver convolver {config (2, kBlock), ir};
    Frames before (2 * 16 * kBlock);
    ck_assert (!convolver.is_ringing ());
    run (convolver, before, Sizes {50});
    ck_assert (!convolver.is_ringing ());
    ck_assert_uint_eq (convolver.work ().forward_transforms, 0);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, 0);

    // The right channel stays silent: it costs nothing either.
    Frames sound (2 * kBlock);
    sound[10] = 1.0f;
    run (convolver, sound, Sizes {kBlock});
    ck_assert (convolver.is_ringing ());
    ck_assert_uint_eq (convolver.work ().forward_transforms, 1);
    Frames tail (2 * (convolver.tail_frames () + 2 * kBlock));
    run (convolver, tail, Sizes {kBlock});
    const auto rung_out = convolver.work ();
    ck_assert_uint_le (rung_out.forward_transforms, 2);
    Frames after (2 * 16 * kBlock);
    run (convolver, after, Sizes {50});
    ck_assert_uint_eq (convolver.work ().forward_transforms, rung_out.forward_transforms);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, rung_out.inverse_transforms);
    ck_assert (peak (after) == 0.0f);
    ck_assert (!convolver.is_ringing ());

    // And it wakes up.
    const auto x = noise (2 * 1000, 3);
    Frames y = x;
    run (convolver, y, Sizes {50});
    ck_close (y, direct (x, ir, 2, 0).wet, kMinus120Db);
  }
END_TEST

START_TEST (test_gains)
  {
    const auto ir = noise_impulse (333, 2, 1);
    const auto x = noise (2 * 4000, 2);
    const struct {
      GainRange dry, wet;
    } cases[] = {{{0.5f, 0.5f}, {0.25f, 0.25f}}, {kOn, kOff}, {kOff, kOff},
        {{0.0f, 1.0f}, {1.0f, 0.0f}}, {{-0.3f, 0.7f}, {0.9f, -0.2f}}};
    for (const std::size_t latency : {0, 50}) {
      const auto parts = direct (x, ir, 2, latency);
      for (const auto &gains : cases) {
        for (const std::size_t call : {1, 7, 64, 100, 1000, 4000}) {
          Convolver convolver {config (2, 100, latency), ir};
          Frames y = x;
          run (convolver, y, Sizes {call}, gains.dry, gains.wet);
          const auto at = [] (GainRange gain, std::size_t i, std::size_t n) {
            const double from {gain.from}, to {gain.to};
            return from + (to - from) * static_cast<double> (i + 1) / static_cast<double> (n);
          };
          std::vector<double> want (x.size ());
          for (std::size_t i = 0; i < x.size (); ++i) {
            const std::size_t n = i / 2, first = n / call * call;
            const std::size_t length = std::min (call, 4000 - first);
            want[i] = at (gains.dry, n - first, length) * parts.dry[i] +
                at (gains.wet, n - first, length) * parts.wet[i];
          }
          ck_close (y, want, kMinus120Db);
        }
      }
    }
  }
END_TEST

START_TEST (test_wet_at_zero_keeps_the_history)
  {
    const auto ir = noise_impulse (1000, 1, 1);
    const auto x = noise (3000, 2);
    const auto want = direct (x, ir, 1, 30);
    Convolver convolver {config (1, 100, 30), ir};
    Frames y = x;
    const std::span io {y};
    convolver.process (io.first (1555), kOff, kOff);
    ck_assert (peak (io.first (1555)) == 0.0f);
    convolver.process (io.subspan (1555), kOff, kOn);
    ck_close (y, want.wet, kMinus120Db, "", 1555);
  }
END_TEST

START_TEST (test_input_that_is_not_a_number)
  {
    using Limits = std::numeric_limits<float>;
    const auto ir = noise_impulse (500, 2, 1);
    auto broken = noise (2 * 2000, 2), mended = broken;
    const float bad[] = {
        Limits::quiet_NaN (), Limits::infinity (), -Limits::infinity (), Limits::signaling_NaN ()};
    for (std::size_t i = 0; i < 40; ++i) {
      broken[i * 97] = bad[i % 4];
      mended[i * 97] = 0.0f;
    }
    Convolver a {config (2, 100, 20), ir}, b {config (2, 100, 20), ir};
    run (a, broken, Sizes {3, 300}, kOn, kOn);
    run (b, mended, Sizes {3, 300}, kOn, kOn);
    ck_assert (same_bits (broken, mended));
    ck_assert_uint_eq (a.nonfinite_samples (), 40);
    ck_assert_uint_eq (b.nonfinite_samples (), 0);
  }
END_TEST

START_TEST (test_huge_input_is_forgotten)
  {
    // It drowns what it meets, and with it the blocks of a pass, but nothing later. That the
    // samples of an incomplete block were once others is not seen either.
    constexpr std::size_t kBlock = 50;
    for (const std::size_t ir_frames : {10, 500}) {
      const auto ir = noise_impulse (ir_frames, 1, 1);
      const std::size_t partitions = (ir_frames + kBlock - 1) / kBlock;
      const Partition uniform {
          {kBlock, partitions, 0, transform_length (kBlock, partitions), partitions > 1 ? 4u : 1u}};
      Convolver convolver {config (1, kBlock), ir, uniform};
      Frames y = noise (6000, 2);
      y[1030] = kMaxStreamSample;
      y[1031] = kMaxStreamSample;
      y[1032] = -kMaxStreamSample;
      const Frames x = y;
      run (convolver, y, Sizes {7});
      const std::size_t clean = 1032 + ir_frames + (partitions > 1 ? 5 : 2) * kBlock;
      Frames rest (x);
      std::fill (rest.begin () + 1030, rest.begin () + 1033, 0.0f);
      const auto want = direct (rest, ir, 1, 0);
      ck_close (y, want.wet, kMinus120Db, "", clean);
    }
  }
END_TEST

START_TEST (test_denormals)
  {
    using Limits = std::numeric_limits<float>;
    // A decay through the denormal range: none comes out.
    Impulse ir {Frames (4000), 1};
    for (std::size_t n = 0; n < 4000; ++n)
      ir.samples[n] = std::pow (10.0f, -static_cast<float> (n) / 100.0f);
    Convolver convolver {config (1, 64), ir};
    Frames y (8000);
    y[0] = 1.0f;
    run (convolver, y, Sizes {3, 300}, kOn, kOn);
    ck_assert (std::all_of (y.begin (), y.end (),
        [] (float sample) { return sample == 0.0f || std::abs (sample) >= Limits::min (); }));
    // Denormal input counts as silence.
    const auto before = convolver.work ().forward_transforms;
    convolver.reset ();
    std::fill (y.begin (), y.end (), Limits::denorm_min ());
    run (convolver, y, Sizes {3, 300}, kOn, kOn);
    ck_assert (peak (y) == 0.0f);
    ck_assert_uint_eq (convolver.work ().forward_transforms, before);
    // The caller's own arithmetic is as before.
    volatile float small = Limits::min ();
    small = small / 2.0f;
    ck_assert (small > 0.0f);
  }
END_TEST

START_TEST (test_bad_configurations_are_refused)
  {
    const Impulse good {{1.0f, 0.5f}, 1};
    const auto text = [] (const ConvolverConfig &wanted, const Impulse &ir) -> std::string {
      try {
        Convolver convolver {wanted, ir};
      } catch (const std::invalid_argument &error) {
        return error.what ();
      }
      return {};
    };
    const auto says = [&] (const ConvolverConfig &wanted, const Impulse &ir, const char *value,
                          const char *limit) {
      const std::string got = text (wanted, ir);
      ck_assert_msg (got.find (value) != std::string::npos && got.find (limit) != std::string::npos,
          "'%s' does not say %s and %s", got.c_str (), value, limit);
    };
    ck_assert (text (config (64, 16, 15), good).empty ());
    says (config (0, 480), good, "0", "64");
    says (config (65, 480), good, "65", "64");
    says (config (2, 0), good, "0", "65536");
    says (config (2, 65537), good, "65537", "65536");
    says (config (2, 480, 65057), good, "65057", "65056");
    says (config (2, 480), {{}, 1}, "0", "1");
    says (config (2, 480), {{}, 0}, "inside", "frame");
    says (config (2, 480), {{1.0f, 2.0f, 3.0f}, 3}, "3", "2");
    says (config (2, 480), {{1.0f, 2.0f, 3.0f}, 2}, "inside", "frame");
    says (config (2, 480), {{1.0f, 0.0f, 0.0f, std::nanf ("")}, 2}, "finite", "frame 1");
    says (
        config (2, 480), {{1.0f, std::numeric_limits<float>::infinity ()}, 1}, "finite", "frame 1");
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver-promises");
  TCase *test_case = tcase_create ("convolver-promises");
  tcase_add_test (test_case, test_reset_forgets_the_signal);
  tcase_add_test (test_case, test_same_bits_for_same_buffers);
  tcase_add_test (test_case, test_aligned_calls_do_no_work_twice);
  tcase_add_test (test_case, test_partial_blocks_sum_the_past_once);
  tcase_add_test (test_case, test_silence_costs_nothing);
  tcase_add_test (test_case, test_gains);
  tcase_add_test (test_case, test_wet_at_zero_keeps_the_history);
  tcase_add_test (test_case, test_input_that_is_not_a_number);
  tcase_add_test (test_case, test_huge_input_is_forgotten);
  tcase_add_test (test_case, test_denormals);
  tcase_add_test (test_case, test_bad_configurations_are_refused);
  suite_add_tcase (suite, test_case);
  return run_all (suite);
}
