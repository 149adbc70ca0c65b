// SPDX-License-Identifier: LGPL-2.1-or-later
// The arithmetic of the mix, for every SIMD width this processor has.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "run.hpp"

#include <check.h>

#include "dsp/mix.hpp"
#include "everytarget.hpp"

namespace {

template <class Sample>
using Samples = std::vector<Sample>;

template <class Sample>
Samples<Sample> noise (std::size_t count, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<Sample> value {-1, 1};
  Samples<Sample> out (count);
  for (Sample &sample : out)
    sample = value (random);
  return out;
}

/// Runs a check for each width of the mix, on every target.
template <class Check>
void for_both_widths (Check check)
{
  mt::test::on_every_target ([&] (const char *) {
    check (float {});
    check (double {});
  });
}

const std::vector<std::size_t> kLengths {
    0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 480, 961};

} // namespace

START_TEST (test_unity_gain_is_the_plain_sum)
  {
    for_both_widths ([]<class Sample> (Sample) {
      for (const std::size_t length : kLengths) {
        Samples<Sample> acc = noise<Sample> (length, 1);
        Samples<Sample> wanted = acc;
        for (unsigned track = 2; track < 10; ++track) {
          const Samples<Sample> in = noise<Sample> (length, track);
          mt::dsp::accumulate (acc, in, 1.0f);
          for (std::size_t n = 0; n < length; ++n)
            wanted[n] += in[n];
        }
        for (std::size_t n = 0; n < length; ++n)
          ck_assert (acc[n] == wanted[n]);
      }
    });
  }
END_TEST

START_TEST (test_gain)
  {
    for_both_widths ([]<class Sample> (Sample) {
      for (const Sample gain :
          {Sample {0}, Sample {1} / 2, Sample {1} / 3, Sample {10}, Sample {-1}})
        for (const std::size_t length : kLengths) {
          const Samples<Sample> before = noise<Sample> (length, 3);
          const Samples<Sample> in = noise<Sample> (length, 4);
          Samples<Sample> acc = before;
          mt::dsp::accumulate (acc, in, gain);
          for (std::size_t n = 0; n < length; ++n) {
            // With or without fused multiply-add: the exact value within a rounding of each step.
            using Exact = long double;
            const Exact product = static_cast<Exact> (in[n]) * static_cast<Exact> (gain);
            const Exact exact = static_cast<Exact> (before[n]) + product;
            const Exact step = (std::abs (product) + std::abs (exact)) *
                static_cast<Exact> (std::numeric_limits<Sample>::epsilon ()) / 2;
            ck_assert (std::abs (static_cast<Exact> (acc[n]) - exact) <= step);
          }
        }
    });
  }
END_TEST

START_TEST (test_any_split_gives_the_same_bits)
  {
    for_both_widths ([]<class Sample> (Sample) {
      constexpr std::size_t kLength = 150;
      const auto gain =
          Sample {7} / 10; // not exact: a multiply-add that is not the same everywhere shows
      const Samples<Sample> before = noise<Sample> (kLength, 5);
      const Samples<Sample> in = noise<Sample> (kLength, 6);
      Samples<Sample> whole = before;
      mt::dsp::accumulate (whole, in, gain);
      ck_assert (whole != before);
      for (std::size_t split = 0; split <= kLength; ++split) {
        Samples<Sample> parts = before;
        mt::dsp::accumulate (std::span {parts}.first (split), std::span {in}.first (split), gain);
        mt::dsp::accumulate (
            std::span {parts}.subspan (split), std::span {in}.subspan (split), gain);
        ck_assert (parts == whole);
      }
    });
  }
END_TEST

START_TEST (test_nothing_beyond_the_span_is_touched)
  {
    for_both_widths ([]<class Sample> (Sample) {
      for (const std::size_t length : kLengths) {
        Samples<Sample> acc (length + 64, Sample {0.25f});
        const Samples<Sample> in (length + 64, Sample {1});
        mt::dsp::accumulate (
            std::span {acc}.subspan (32, length), std::span {in}.subspan (32, length), 1.0f);
        for (std::size_t n = 0; n < acc.size (); ++n)
          ck_assert (acc[n] == (n >= 32 && n < 32 + length ? Sample {1.25f} : Sample {0.25f}));
      }
    });
  }
END_TEST

START_TEST (test_not_a_number_stays_where_it_is)
  {
    for_both_widths ([]<class Sample> (Sample) {
      Samples<Sample> acc (100, 0.5f);
      Samples<Sample> in (100, 0.25f);
      in[41] = std::numeric_limits<Sample>::quiet_NaN ();
      in[42] = std::numeric_limits<Sample>::infinity ();
      mt::dsp::accumulate (acc, in, 1.0f);
      for (std::size_t n = 0; n < acc.size (); ++n)
        if (n == 41)
          ck_assert (std::isnan (acc[n]));
        else if (n == 42)
          ck_assert (std::isinf (acc[n]));
        else
          ck_assert (acc[n] == Sample {0.75f});
    });
  }
END_TEST

START_TEST (test_gains_of_channels)
  {
    for_both_widths ([]<class Sample> (Sample) {
      for (const std::size_t channels : {1U, 2U, 3U, 5U, 6U, 8U, 9U, 64U}) {
        const Samples<Sample> gains = noise<Sample> (channels, 7);
        for (const std::size_t frames : {0U, 1U, 2U, 7U, 16U, 17U, 33U, 480U}) {
          const Samples<Sample> before = noise<Sample> (frames * channels, 8);
          const Samples<Sample> in = noise<Sample> (frames * channels, 9);
          Samples<Sample> acc = before;
          mt::dsp::accumulate (acc, in, gains);
          // Each channel alone takes its own gain to the same bits as a track of that gain does.
          for (std::size_t c = 0; c < channels; ++c) {
            Samples<Sample> wanted = before;
            mt::dsp::accumulate (wanted, in, gains[c]);
            for (std::size_t n = c; n < acc.size (); n += channels)
              ck_assert (acc[n] == wanted[n]);
          }
        }
      }
    });
  }
END_TEST

START_TEST (test_ramp_is_a_straight_line_however_it_is_cut)
  {
    for_both_widths ([]<class Sample> (Sample) {
      constexpr std::size_t kFrames = 240;
      for (const std::size_t channels : {1U, 2U, 3U, 6U, 8U, 9U}) {
        std::vector<mt::dsp::GainRamp<Sample>> lines;
        for (std::size_t c = 0; c < channels; ++c)
          lines.push_back ({static_cast<Sample> (c) / 4, 1 - static_cast<Sample> (c) / 2});
        const Samples<Sample> in = noise<Sample> (kFrames * channels, 10);
        Samples<Sample> whole (in.size (), 0.0f);
        mt::dsp::accumulate_ramp (whole, in, lines, 0, kFrames);
        for (std::size_t n = 0; n < in.size (); ++n) {
          const auto &line = lines[n % channels];
          constexpr double tolerance =
              8 * static_cast<double> (std::numeric_limits<Sample>::epsilon ());
          const double t = static_cast<double> (n / channels) / static_cast<double> (kFrames);
          const double gain =
              static_cast<double> (line.from) * (1.0 - t) + static_cast<double> (line.to) * t;
          ck_assert_double_eq_tol (
              static_cast<double> (whole[n]), gain * static_cast<double> (in[n]), tolerance);
        }
        for (std::size_t split = 0; split <= kFrames; ++split) {
          Samples<Sample> parts (in.size (), 0.0f);
          const std::size_t at = split * channels;
          mt::dsp::accumulate_ramp (
              std::span {parts}.first (at), std::span {in}.first (at), lines, 0, kFrames);
          mt::dsp::accumulate_ramp (
              std::span {parts}.subspan (at), std::span {in}.subspan (at), lines, split, kFrames);
          ck_assert (parts == whole);
        }
      }
    });
  }
END_TEST

START_TEST (test_ramp_of_more_frames_than_a_float_counts)
  {
    for_both_widths ([]<class Sample> (Sample) {
      constexpr std::size_t kFirst = (std::size_t {1} << 24) - 100;
      constexpr std::size_t kLength = std::size_t {1} << 25;
      constexpr std::size_t kFrames = 200;
      for (const std::size_t channels : {1U, 2U, 5U}) {
        const std::vector<mt::dsp::GainRamp<Sample>> lines (channels, {0, 1});
        const Samples<Sample> in (kFrames * channels, Sample {1});
        Samples<Sample> whole (in.size (), Sample {0});
        mt::dsp::accumulate_ramp (whole, in, lines, kFirst, kLength);
        for (std::size_t n = 0; n < in.size (); ++n)
          ck_assert_double_eq_tol (static_cast<double> (whole[n]),
              static_cast<double> (lines[0].at (kFirst + n / channels, kLength)), 1e-7);
        for (std::size_t split = 1; split < kFrames; ++split) {
          Samples<Sample> parts (in.size (), Sample {0});
          const std::size_t at = split * channels;
          mt::dsp::accumulate_ramp (
              std::span {parts}.first (at), std::span {in}.first (at), lines, kFirst, kLength);
          mt::dsp::accumulate_ramp (std::span {parts}.subspan (at), std::span {in}.subspan (at),
              lines, kFirst + split, kLength);
          ck_assert (parts == whole);
        }
      }
    });
  }
END_TEST

START_TEST (test_memory_that_is_no_more_can_be_prefetched)
  {
    // A buffer that has been freed meanwhile, or whose memory never was where it seemed to be.
    mt::dsp::prefetch (nullptr, 4096);
    mt::dsp::prefetch (reinterpret_cast<const void *> (UINTPTR_MAX - 1000), 4096);
    const Samples<float> some (16, 0.25f);
    mt::dsp::prefetch (some.data (), std::size_t {1} << 20);
    for (const float sample : some)
      ck_assert (sample == 0.25f);
  }
END_TEST

START_TEST (test_count_clipped)
  {
    for_both_widths ([]<class Sample> (Sample) {
      const Sample inf = std::numeric_limits<Sample>::infinity ();
      const Sample above = std::nextafter (Sample {1}, Sample {2});
      const struct {
        Sample value;
        bool clips;
      } cases[] {{0, false}, {1, false}, {-1, false}, {above, true}, {-above, true},
          {Sample {1e30f}, true}, {Sample {-1e30f}, true}, {inf, true}, {-inf, true},
          {std::numeric_limits<Sample>::quiet_NaN (), false}, {-Sample {0}, false},
          {std::numeric_limits<Sample>::denorm_min (), false}};
      for (const auto &one : cases)
        for (const std::size_t length : {1U, 5U, 16U, 67U})
          for (std::size_t at = 0; at < length; ++at) {
            Samples<Sample> samples (length, Sample {0.5f});
            samples[at] = one.value;
            ck_assert_uint_eq (mt::dsp::count_clipped (samples), one.clips ? 1 : 0);
          }
      for (const std::size_t length : kLengths) {
        ck_assert_uint_eq (mt::dsp::count_clipped (Samples<Sample> (length, Sample {2})), length);
        ck_assert_uint_eq (mt::dsp::count_clipped (Samples<Sample> (length, Sample {1})), 0);
      }
    });
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("mix");
  TCase *tests = tcase_create ("mix");
  tcase_add_test (tests, test_unity_gain_is_the_plain_sum);
  tcase_add_test (tests, test_gain);
  tcase_add_test (tests, test_any_split_gives_the_same_bits);
  tcase_add_test (tests, test_nothing_beyond_the_span_is_touched);
  tcase_add_test (tests, test_not_a_number_stays_where_it_is);
  tcase_add_test (tests, test_gains_of_channels);
  tcase_add_test (tests, test_ramp_is_a_straight_line_however_it_is_cut);
  tcase_add_test (tests, test_ramp_of_more_frames_than_a_float_counts);
  tcase_add_test (tests, test_memory_that_is_no_more_can_be_prefetched);
  tcase_add_test (tests, test_count_clipped);
  suite_add_tcase (suite, tests);
  return mt::test::run_all (suite);
}
