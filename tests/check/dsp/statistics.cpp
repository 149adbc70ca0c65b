// SPDX-License-Identifier: LGPL-2.1-or-later
// The figures: OUT under simulated time, and the percentile of durations.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "run.hpp"

#include <check.h>

#include "dsp/durationhistogram.hpp"
#include "dsp/outputrate.hpp"

using mt::dsp::DurationHistogram;
using mt::dsp::OutputRate;

namespace {
constexpr std::uint64_t kSecond = 1'000'000'000;
}

START_TEST (test_one_times_speed_gives_the_rate)
  {
    for (const std::uint64_t rate_hz : {8000U, 44100U, 48000U, 96000U})
      for (const std::uint64_t chunk_ns : {1'000'000U, 10'000'000U, 50'000'000U}) {
        OutputRate out;
        std::uint64_t frames = 0;
        const std::uint64_t begin = 123'456'789'012;
        for (std::uint64_t chunk = 1; chunk * chunk_ns <= 10 * kSecond; ++chunk) {
          const std::uint64_t now = begin + chunk * chunk_ns;
          const std::uint64_t due = chunk * chunk_ns * rate_hz / kSecond;
          out.add (now, due - frames);
          frames = due;
          if (chunk * chunk_ns > 2 * kSecond) {
            // One chunk more or less falls into the second.
            const double error = out.ksps (now) * 1000.0 - static_cast<double> (rate_hz);
            ck_assert_double_le (
                std::abs (error), static_cast<double> (rate_hz * chunk_ns) / 1e9 + 1.0);
          }
        }
      }
  }
END_TEST

START_TEST (test_twice_the_speed_is_twice_the_figure)
  {
    OutputRate out;
    for (std::uint64_t now = kSecond; now < 4 * kSecond; now += 5'000'000)
      out.add (now, 480);
    ck_assert_double_eq_tol (out.ksps (4 * kSecond), 96.0, 1.0);
  }
END_TEST

START_TEST (test_the_first_second_is_not_too_low)
  {
    OutputRate out;
    ck_assert_double_eq (out.ksps (kSecond), 0.0); // nothing at all yet
    for (std::uint64_t now = 10 * kSecond; now < 10 * kSecond + kSecond / 2; now += 1'000'000)
      out.add (now, 48);
    // As many whole slots as there have been; the first one may have begun before the first chunk.
    ck_assert_double_eq_tol (out.ksps (10 * kSecond + kSecond / 2), 48.0, 48.0 / 7.0);
  }
END_TEST

START_TEST (test_idle_falls_to_zero_within_about_a_second)
  {
    OutputRate out;
    for (std::uint64_t now = kSecond; now < 3 * kSecond; now += 10'000'000)
      out.add (now, 480);
    ck_assert_double_gt (out.ksps (3 * kSecond), 40.0);
    ck_assert_double_eq_tol (out.ksps (3 * kSecond + kSecond / 2), 24.0, 4.0);
    ck_assert_double_eq (out.ksps (4 * kSecond + kSecond / 10), 0.0);
    // An hour later the slots are of another time, whatever their place in the window.
    for (std::uint64_t late = 0; late < 40; ++late)
      ck_assert_double_eq (out.ksps (3600 * kSecond + late * kSecond / 33), 0.0);
  }
END_TEST

START_TEST (test_reset_forgets)
  {
    OutputRate out;
    for (std::uint64_t now = kSecond; now < 3 * kSecond; now += 10'000'000)
      out.add (now, 480);
    out.reset ();
    ck_assert_double_eq (out.ksps (3 * kSecond), 0.0);
  }
END_TEST

START_TEST (test_percentile_is_within_an_eighth)
  {
    std::mt19937_64 random {7};
    for (int distribution = 0; distribution < 3; ++distribution) {
      const auto histogram = std::make_unique<DurationHistogram> ();
      std::vector<std::uint64_t> all;
      double sum = 0.0;
      for (int n = 0; n < 20'000; ++n) {
        std::uint64_t ns = 0;
        switch (distribution) {
        case 0:
          ns = std::uniform_int_distribution<std::uint64_t> {0, 100'000}(random);
          break;
        case 1:
          ns = static_cast<std::uint64_t> (
              std::exp (std::uniform_real_distribution<double> {0.0, 30.0}(random)));
          break;
        default:
          ns = n % 100 == 0 ? 5'000'000 : 1000; // a spike in each hundred
        }
        all.push_back (ns);
        sum += static_cast<double> (ns);
        histogram->add (ns);
      }
      std::sort (all.begin (), all.end ());
      for (const double p : {0.0, 0.01, 0.5, 0.9, 0.985, 0.99, 0.999}) {
        const std::uint64_t exact =
            all[static_cast<std::size_t> (p * static_cast<double> (all.size ()))];
        const std::uint64_t got = histogram->percentile_ns (p);
        ck_assert_uint_ge (got, exact);
        ck_assert_uint_le (got, exact + exact / 8);
      }
      ck_assert_uint_eq (histogram->max_ns (), all.back ());
      ck_assert_uint_eq (histogram->percentile_ns (1.0), all.back ());
      ck_assert_double_eq_tol (
          histogram->mean_ns (), sum / static_cast<double> (all.size ()), 1e-9 * sum);
    }
  }
END_TEST

START_TEST (test_extreme_durations)
  {
    const auto histogram = std::make_unique<DurationHistogram> ();
    ck_assert_uint_eq (histogram->percentile_ns (0.5), 0);
    ck_assert_uint_eq (histogram->max_ns (), 0);
    ck_assert_double_eq (histogram->mean_ns (), 0.0);
    histogram->add (0);
    ck_assert_uint_eq (histogram->percentile_ns (0.5), 0);
    histogram->add (UINT64_MAX);
    ck_assert_uint_eq (histogram->max_ns (), UINT64_MAX);
    ck_assert_uint_eq (histogram->percentile_ns (0.5), UINT64_MAX);
    // Every power of two and its neighbours have a bin of their own reach.
    for (int bit = 1; bit < 64; ++bit)
      for (const std::uint64_t ns : {(1ULL << bit) - 1, 1ULL << bit, (1ULL << bit) + 1}) {
        const auto one = std::make_unique<DurationHistogram> ();
        one->add (ns);
        ck_assert_uint_ge (one->percentile_ns (0.5), ns);
        ck_assert_uint_le (one->percentile_ns (0.5), ns + ns / 8);
      }
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("statistics");
  TCase *rate = tcase_create ("OutputRate");
  tcase_add_test (rate, test_one_times_speed_gives_the_rate);
  tcase_add_test (rate, test_twice_the_speed_is_twice_the_figure);
  tcase_add_test (rate, test_the_first_second_is_not_too_low);
  tcase_add_test (rate, test_idle_falls_to_zero_within_about_a_second);
  tcase_add_test (rate, test_reset_forgets);
  suite_add_tcase (suite, rate);
  TCase *durations = tcase_create ("DurationHistogram");
  tcase_add_test (durations, test_percentile_is_within_an_eighth);
  tcase_add_test (durations, test_extreme_durations);
  suite_add_tcase (suite, durations);
  return mt::test::run_all (suite);
}
