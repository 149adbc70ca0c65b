// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolver against direct convolution in double, for any block, latency and buffer sizes.
#include "convolversupport.hpp"

#include <iterator>

#include "everytarget.hpp"

using namespace mt::test;

struct Layout {
  std::size_t channels, ir_channels, block, latency, ir_frames;
};
constexpr Layout kLayouts[] = {
    {1, 1, 16, 0, 1},
    {2, 2, 16, 15, 16},
    {3, 1, 17, 3, 18},
    {2, 1, 33, 0, 32},
    {1, 1, 64, 63, 65},
    {6, 6, 100, 40, 399},
    {2, 2, 128, 0, 3000},
    {8, 1, 256, 255, 511},
    {8, 8, 300, 0, 901},
    {3, 3, 441, 100, 1322},
    {2, 2, 480, 0, 4800},
    {2, 2, 480, 479, 481},
    {1, 1, 480, 240, 5000},
    {2, 1, 512, 0, 2048},
    {2, 2, 882, 441, 2000},
    {6, 1, 960, 0, 959},
    {2, 2, 1024, 1, 1025},
    {2, 2, 4800, 4320, 5000},
    {1, 1, 4800, 4799, 9601},
    {2, 2, 9600, 8640, 700},
    {1, 1, 20000, 0, 300},
};

START_TEST (test_the_fast_sum_is_the_slow_sum)
  {
    for (const std::size_t n : {1, 64, 65, 1000}) {
      for (const std::size_t k : {1, 64, 333}) {
        const auto x = noise (n, 1), h = noise (k, 2);
        const std::vector<double> a (x.begin (), x.end ()), b (h.begin (), h.end ());
        const auto slow = convolve_by_definition (a, b), fast = convolve_by_fft (a, b);
        ck_assert_uint_eq (slow.size (), n + k - 1);
        ck_assert_uint_eq (fast.size (), n + k - 1);
        double apart = 0.0;
        for (std::size_t i = 0; i < slow.size (); ++i)
          apart = std::max (apart, std::abs (slow[i] - fast[i]));
        ck_assert_double_le (apart, 1e-11);
      }
    }
  }
END_TEST

START_TEST (test_noise_in_buffers_of_any_size)
  {
    const Layout &layout = kLayouts[_i];
    const auto ir = noise_impulse (layout.ir_frames, layout.ir_channels, 1);
    const std::size_t frames = std::max<std::size_t> (6000, 2 * layout.block + 3000);
    const auto x = noise (frames * layout.channels, 2);
    const auto want = direct (x, ir, layout.channels, layout.latency);
    Convolver convolver {config (layout.channels, layout.block, layout.latency), ir};
    ck_assert_uint_eq (convolver.latency_frames (), layout.latency);
    ck_assert_uint_eq (convolver.ir_frames (), layout.ir_frames);
    ck_assert_uint_eq (convolver.tail_frames (), layout.latency + layout.ir_frames - 1);
    unsigned seed = 3;
    const Sizes all_sizes[] = {Sizes {seed++, 10007}, Sizes {seed++, 3 * layout.block},
        Sizes {seed++, 2 * layout.block}, Sizes {seed++, 50}, Sizes {layout.block},
        Sizes {layout.block - 1}, Sizes {layout.block + 1}, Sizes {20000}};
    for (const Sizes &sizes : all_sizes) {
      Frames y = x;
      convolver.reset ();
      run (convolver, y, sizes);
      ck_close (y, want.wet, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_one_frame_at_a_time)
  {
    const auto ir = noise_impulse (100, 2, 1);
    const auto x = noise (2 * 500, 2);
    for (const std::size_t latency : {0, 1, 20, 47}) {
      Convolver convolver {config (2, 48, latency), ir};
      Frames y = x;
      run (convolver, y, Sizes {1});
      ck_close (y, direct (x, ir, 2, latency).wet, kMinus120Db);
      convolver.process ({}, kOn, kOn); // no frames is no work and no harm
    }
  }
END_TEST

START_TEST (test_every_instruction_set)
  {
    const auto ir = noise_impulse (1000, 2, 1);
    const auto x = noise (2 * 3000, 2);
    const auto want = direct (x, ir, 2, 0);
    mt::test::on_every_target ([&] (const char *target) {
      Convolver convolver {config (2, 240), ir};
      Frames y = x;
      run (convolver, y, Sizes {3, 700});
      ck_close (y, want.wet, kMinus120Db, target);
    });
  }
END_TEST

START_TEST (test_impulses_around_block_edges)
  {
    constexpr std::size_t kBlock = 48, kBlocks = 7;
    const auto ir = noise_impulse (3 * kBlock + 5, 1, 1);
    for (const std::size_t latency : {std::size_t {0}, std::size_t {1}, kBlock / 2, kBlock - 1}) {
      Convolver convolver {config (1, kBlock, latency), ir};
      for (std::size_t edge = 1; edge < 5; ++edge) {
        for (const std::size_t at : {edge * kBlock - 1, edge * kBlock, edge * kBlock + 1}) {
          Frames y (2 * kBlocks * kBlock);
          y[at] = 1.0f;
          const auto want = direct (y, ir, 1, latency);
          convolver.reset ();
          run (convolver, y, Sizes {static_cast<unsigned> (at), 2 * kBlock});
          ck_close (y, want.wet, kMinus120Db);
        }
      }
    }
  }
END_TEST

START_TEST (test_single_tap_at_every_position)
  {
    const std::size_t block = _i % 2 ? 17 : 16, latency = _i < 2 ? 0 : 9;
    const std::size_t length = 4 * block + 3;
    const auto x = noise (700, 1);
    for (std::size_t at = 0; at < length; ++at) {
      Impulse ir {Frames (length), 1};
      ir.samples[at] = -1.0f;
      Convolver convolver {config (1, block, latency), ir};
      Frames y = x;
      run (convolver, y, Sizes {static_cast<unsigned> (at), 60});
      std::vector<double> want (x.size ());
      for (std::size_t n = latency + at; n < x.size (); ++n)
        want[n] = -static_cast<double> (x[n - latency - at]);
      ck_close (y, want, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_tail_ends_after_the_last_tap)
  {
    // A hole of many blocks, then one last tap.
    constexpr std::size_t kBlock = 64, kLength = 50 * kBlock + 11;
    for (const std::size_t latency : {std::size_t {0}, std::size_t {10}, kBlock - 1}) {
      Impulse ir {Frames (kLength), 1};
      ir.samples.front () = 0.5f;
      ir.samples.back () = 0.25f;
      Convolver convolver {config (1, kBlock, latency), ir};
      for (const std::size_t frames : {1, 63, 64, 65, 1000}) {
        Frames y = with_zeros (noise (frames - 1, 1), 1, 1);
        y.back () = 1.0f;
        y = with_zeros (y, convolver.tail_frames () + 10 * kBlock, 1);
        convolver.reset ();
        run (convolver, y, Sizes {7, 3 * kBlock});
        const std::size_t last = frames - 1 + convolver.tail_frames ();
        ck_assert_float_eq_tol (y[last], 0.25f, kMinus120Db);
        const std::span after = std::span {y}.subspan (last + 1);
        ck_assert (peak (after) <= kMinus140Db);
        ck_assert (peak (after.subspan (2 * kBlock)) == 0.0f);
      }
    }
  }
END_TEST

START_TEST (test_impulse_in_the_last_frame)
  {
    constexpr std::size_t kFrames = 1001;
    for (const std::size_t channels : {1, 2, 3, 6}) {
      const auto ir = noise_impulse (200, channels, 1);
      Convolver convolver {config (channels, 96, 5), ir};
      Frames y (kFrames * channels);
      for (std::size_t c = 0; c < channels; ++c)
        y[(kFrames - 1) * channels + c] = 1.0f / static_cast<float> (c + 1);
      y = with_zeros (y, convolver.tail_frames (), channels);
      run (convolver, y, Sizes {3, 500});
      constexpr std::size_t kFirst = kFrames - 1 + 5;
      std::vector<double> want (y.size ());
      for (std::size_t i = kFirst * channels; i < y.size (); ++i)
        want[i] = static_cast<double> (ir.samples[i - kFirst * channels]) /
            static_cast<double> (i % channels + 1);
      ck_close (y, want, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_mono_response_serves_every_channel)
  {
    const auto mono = noise_impulse (700, 1, 1);
    Impulse all {Frames (3 * 700), 3};
    for (std::size_t i = 0; i < all.samples.size (); ++i)
      all.samples[i] = mono.samples[i / 3];
    Convolver a {config (3, 128), mono}, b {config (3, 128), all};
    Frames y = noise (3 * 3000, 2), z = y;
    run (a, y, Sizes {3, 300});
    run (b, z, Sizes {3, 300});
    ck_assert (same_bits (y, z));
  }
END_TEST

START_TEST (test_sparse_signals)
  {
    // Blocks with sound and without, in any pattern, against a response with holes of its own.
    constexpr std::size_t kBlock = 32;
    auto ir = noise_impulse (20 * kBlock, 2, 1);
    std::mt19937 random {2};
    const auto punch = [&random] (Frames &samples, std::size_t channels) {
      const std::size_t blocks = samples.size () / channels / kBlock;
      for (std::size_t b = 0; b < blocks; ++b) {
        for (std::size_t c = 0; c < channels; ++c) {
          if (random () % 3 == 0) {
            for (std::size_t i = 0; i < kBlock; ++i)
              samples[(b * kBlock + i) * channels + c] = 0.0f;
          }
        }
      }
    };
    punch (ir.samples, 2);
    for (const std::size_t latency : {0, 31}) {
      auto x = noise (2 * 100 * kBlock, 3);
      punch (x, 2);
      const auto want = direct (x, ir, 2, latency);
      Convolver convolver {config (2, kBlock, latency), ir};
      for (const Sizes &sizes : {Sizes {kBlock}, Sizes {4, 100}, Sizes {5, 10}}) {
        convolver.reset ();
        Frames y = x;
        run (convolver, y, sizes);
        ck_close (y, want.wet, kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_sound_that_stops)
  {
    // Long enough that the ring has gone round, so that every slot holds an old spectrum.
    constexpr std::size_t kBlock = 32, kBlocks = 20;
    for (const std::size_t partitions : {1, 2, 3, 4, 5, 8}) {
      const auto ir = noise_impulse (partitions * kBlock, 1, 1);
      const auto x = with_zeros (noise (kBlocks * kBlock, 2), (partitions + 4) * kBlock, 1);
      const auto want = direct (x, ir, 1, 0);
      Convolver convolver {config (1, kBlock), ir};
      for (const Sizes &sizes : {Sizes {kBlock}, Sizes {7}, Sizes {5 * kBlock}}) {
        convolver.reset ();
        Frames y = x;
        run (convolver, y, sizes);
        ck_close (y, want.wet, kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_response_lengths_in_any_sequence)
  {
    const auto x = noise (1000, 1);
    std::mt19937 random {2};
    std::vector<std::size_t> lengths {64, 8, 64, 1, 64, 1000, 8};
    for (int i = 0; i < 20; ++i)
      lengths.push_back (1 + random () % 500);
    for (const std::size_t length : lengths) {
      const auto ir = noise_impulse (length, 1, 3);
      Convolver convolver {config (1, 16 + random () % 100), ir};
      Frames y = x;
      run (convolver, y, Sizes {4, 300});
      ck_close (y, direct (x, ir, 1, 0).wet, kMinus120Db);
    }
  }
END_TEST

START_TEST (test_all_zero_response)
  {
    const auto x = noise (2 * 1000, 1);
    Convolver convolver {config (2, 100, 30), {Frames (300), 1}};
    Frames y = x;
    run (convolver, y, Sizes {2, 300}, kOn, kOn);
    std::vector<double> want (x.size ());
    std::copy (x.begin (), x.end () - 60, want.begin () + 60);
    ck_close (y, want, 0.0f);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, 0);
  }
END_TEST

START_TEST (test_one_sample_response)
  {
    const auto x = noise (2 * 1000, 1);
    Convolver convolver {config (2, 100), {{-0.5f, 2.0f}, 2}};
    ck_assert_uint_eq (convolver.tail_frames (), 0);
    Frames y = x;
    run (convolver, y, Sizes {2, 300});
    std::vector<double> want (x.begin (), x.end ());
    for (std::size_t i = 0; i < x.size (); ++i)
      want[i] *= i % 2 ? 2.0 : -0.5;
    ck_close (y, want, kMinus120Db);
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver");
  TCase *test_case = tcase_create ("convolver");
  tcase_add_test (test_case, test_the_fast_sum_is_the_slow_sum);
  tcase_add_loop_test (test_case, test_noise_in_buffers_of_any_size, 0, std::size (kLayouts));
  tcase_add_test (test_case, test_one_frame_at_a_time);
  tcase_add_test (test_case, test_every_instruction_set);
  tcase_add_test (test_case, test_impulses_around_block_edges);
  tcase_add_loop_test (test_case, test_single_tap_at_every_position, 0, 4);
  tcase_add_test (test_case, test_tail_ends_after_the_last_tap);
  tcase_add_test (test_case, test_impulse_in_the_last_frame);
  tcase_add_test (test_case, test_mono_response_serves_every_channel);
  tcase_add_test (test_case, test_sparse_signals);
  tcase_add_test (test_case, test_sound_that_stops);
  tcase_add_test (test_case, test_response_lengths_in_any_sequence);
  tcase_add_test (test_case, test_all_zero_response);
  tcase_add_test (test_case, test_one_sample_response);
  suite_add_tcase (suite, test_case);
  return run_all (suite);
}
