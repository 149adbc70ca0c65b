// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses: trimming, normalising, faults.
#include "dsp/impulse.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

constexpr double kRate = 48000.0;

double energy_of (const Impulse &ir, std::size_t channel)
{
  double sum = 0.0;
  for (std::size_t n = 0; n < ir.frames (); ++n) {
    const auto x = static_cast<double> (ir.samples[n * ir.channels + channel]);
    sum += x * x;
  }
  return sum;
}

} // namespace

START_TEST (test_trim_cuts_after_the_last_loud_frame)
  {
    // Peak 1; −60 dB is 0.001. The last frame that reaches it is frame 3, by its second channel.
    const std::vector<float> samples {
        0.5f, 0.0f, -1.0f, 0.1f, 0.0f, 0.0f, 0.0005f, 0.0011f, 0.0009f, -0.0009f, 0.0f, 0.0f};
    Impulse ir {samples, 2};
    trim (ir, -60.0);
    ck_assert_uint_eq (ir.frames (), 4);
    ck_assert (std::equal (ir.samples.begin (), ir.samples.end (), samples.begin ()));
    trim (ir, -10.0);
    ck_assert_uint_eq (ir.frames (), 2);
    trim (ir, 0.0); // the peak stays
    ck_assert_uint_eq (ir.frames (), 2);

    Impulse all {samples, 2};
    trim (all, -std::numeric_limits<double>::infinity ());
    ck_assert_uint_eq (all.frames (), 6);

    Impulse silent {{0.0f, 0.0f, 0.0f}, 1};
    trim (silent, -90.0);
    ck_assert_uint_eq (silent.frames (), 3);
  }
END_TEST

START_TEST (test_normalize)
  {
    const Impulse original {{3.0f, 0.0f, 0.0f, -4.0f, 0.0f, 1.0f}, 2};
    Impulse energy = original;
    normalize (energy, Normalize::energy);
    ck_assert_double_eq_tol ((energy_of (energy, 0) + energy_of (energy, 1)) / 2.0, 1.0, 1e-6);
    // One factor for all channels: left : right stays 9 : 17.
    ck_assert_double_eq_tol (energy_of (energy, 0) / energy_of (energy, 1), 9.0 / 17.0, 1e-6);
    Impulse peak = original;
    normalize (peak, Normalize::peak);
    ck_assert_float_eq (peak.samples[3], -1.0f);
    ck_assert_float_eq (peak.samples[0], 0.75f);
    Impulse none = original;
    normalize (none, Normalize::none);
    ck_assert (none.samples == original.samples);
    Impulse silent {{0.0f, 0.0f}, 2};
    normalize (silent, Normalize::energy);
    ck_assert_float_eq (silent.samples[0], 0.0f);
  }
END_TEST

START_TEST (test_faults)
  {
    const auto fault = [] (std::vector<float> samples, std::size_t channels, double rate) {
      return find_fault ({std::move (samples), channels}, rate);
    };
    const auto ones = [] (std::size_t count) { return std::vector<float> (count, 1.0f); };
    ck_assert (fault ({1.0f, 0.5f}, 2, kRate).empty ());
    ck_assert (fault ({}, 2, kRate) == "it has no samples");
    ck_assert (fault ({1.0f}, 0, kRate) == "it has no samples");
    ck_assert (fault ({0.0f, 0.0f}, 1, kRate) == "it is silent, every sample is zero");
    ck_assert (fault ({1.0f, 1.0f, 1.0f, NAN}, 2, kRate) ==
        "frame 1 has a sample that is not a finite number");
    ck_assert (
        fault ({INFINITY, 1.0f}, 2, kRate) == "frame 0 has a sample that is not a finite number");
    ck_assert (fault (ones (64), 64, kRate).empty ());
    ck_assert (fault (ones (65), 65, kRate) == "it has 65 channels, the limit is 64");
    ck_assert (fault (ones (600), 1, 10.0).empty ());
    ck_assert (fault (ones (601), 1, 10.0) == "it is longer than 60 seconds");
  }
END_TEST

START_TEST (test_too_large)
  {
    ck_assert (find_too_large ({{1e6f, -1e6f, 0.0f, 1e-30f}, 2}).empty ());
    const auto fault = [] (float x) { return find_too_large ({{0.0f, 0.0f, 1.0f, x}, 2}); };
    ck_assert (fault (-2e6f) == "frame 1 has a sample of -2e+06, the limit is 1e+06");
    ck_assert (!fault (std::nextafter (1e6f, 2e6f)).empty ());
    ck_assert (!fault (INFINITY).empty ());
    ck_assert (!fault (NAN).empty ());
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("impulse");
  TCase *shape = tcase_create ("shape");
  tcase_add_test (shape, test_trim_cuts_after_the_last_loud_frame);
  tcase_add_test (shape, test_normalize);
  tcase_add_test (shape, test_faults);
  tcase_add_test (shape, test_too_large);
  suite_add_tcase (suite, shape);
  return mt::test::run_all (suite);
}
