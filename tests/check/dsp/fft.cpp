// SPDX-License-Identifier: LGPL-2.1-or-later
// The odd-frequency transform against its definition, in double.
#include "dsp/fft.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <random>
#include <stdexcept>
#include <vector>

#include "everytarget.hpp"
#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

constexpr std::size_t kLengths[] = {16, 32, 48, 80, 144, 240, 480, 512, 720};

AlignedVector<float> noise (std::size_t count, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> uniform {-1.0f, 1.0f};
  AlignedVector<float> samples (count);
  std::generate (samples.begin (), samples.end (), [&] { return uniform (random); });
  return samples;
}

/// Sum of x[n] e^(-i pi (4 k + 1) n / 2M) over all 2M samples.
std::complex<double> odd_bin (const AlignedVector<float> &x, std::size_t k)
{
  const std::size_t length = x.size () / 2;
  std::complex<double> sum;
  for (std::size_t n = 0; n < x.size (); ++n) {
    const std::size_t turn = (4 * k + 1) * n % (4 * length); // whole turns out, for accuracy
    sum += static_cast<double> (x[n]) *
        std::polar (
            1.0, -std::numbers::pi * static_cast<double> (turn) / static_cast<double> (2 * length));
  }
  return sum;
}

} // namespace

START_TEST (test_forward_is_the_dft_at_odd_frequencies)
  {
    const std::size_t length = kLengths[_i];
    const auto x = noise (2 * length, 1);
    const auto peak = std::sqrt (static_cast<double> (length));
    mt::test::on_every_target ([&] (const char *target) {
      OddTransform transform {length, length + 16, Planning::estimate};
      transform.forward (x);
      const auto spectrum = transform.spectrum ();
      for (std::size_t k = 0; k < length; ++k) {
        const std::complex<double> got {spectrum[k]};
        ck_assert_msg (std::abs (got - odd_bin (x, k)) < 1e-6 * peak, "%s, bin %zu", target, k);
      }
      for (std::size_t k = length; k < spectrum.size (); ++k)
        ck_assert (spectrum[k] == std::complex<float> {});
    });
  }
END_TEST

START_TEST (test_inverse_gives_the_end_of_the_window)
  {
    const std::size_t length = kLengths[_i];
    const auto x = noise (2 * length, 2);
    mt::test::on_every_target ([&] (const char *target) {
      OddTransform transform {length, length, Planning::estimate};
      for (std::size_t count = 16; count <= length; count += count < 48 ? 1 : 37) {
        transform.forward (x);
        std::vector<float> out (count + 1, 123.0f);
        transform.inverse (std::span {out}.first (count));
        for (std::size_t i = 0; i < count; ++i) {
          const float want = x[2 * length - count + i];
          ck_assert_msg (std::abs (out[i] / static_cast<float> (length) - want) < 1e-6f,
              "%s, sample %zu of %zu", target, i, count);
        }
        ck_assert_float_eq (out[count], 123.0f); // and not one more
      }
    });
  }
END_TEST

START_TEST (test_product_is_skew_circular_convolution)
  {
    constexpr std::size_t kLength = 48;
    const auto a = noise (2 * kLength, 3), b = noise (2 * kLength, 4);
    OddTransform transform {kLength, kLength, Planning::estimate};
    transform.forward (a);
    const std::vector<std::complex<float>> first (
        transform.spectrum ().begin (), transform.spectrum ().end ());
    transform.forward (b);
    for (std::size_t k = 0; k < kLength; ++k)
      transform.spectrum ()[k] *= first[k];
    std::vector<float> out (kLength);
    transform.inverse (out);
    for (std::size_t n = kLength; n < 2 * kLength; ++n) {
      double want = 0.0;
      for (std::size_t k = 0; k < 2 * kLength; ++k) {
        const double h = static_cast<double> (b[k]);
        want += k <= n ? h * static_cast<double> (a[n - k])
                       : -h * static_cast<double> (a[n + 2 * kLength - k]);
      }
      ck_assert_double_eq_tol (
          static_cast<double> (out[n - kLength]) / static_cast<double> (kLength), want, 1e-5);
    }
  }
END_TEST

START_TEST (test_measured_plan_gives_the_same_values)
  {
    constexpr std::size_t kLength = 160;
    const auto x = noise (2 * kLength, 5);
    OddTransform guessed {kLength, kLength, Planning::estimate};
    OddTransform measured {kLength, kLength + 32, Planning::measure};
    for (std::size_t k = kLength; k < kLength + 32; ++k)
      ck_assert (measured.spectrum ()[k] == std::complex<float> {});
    guessed.forward (x);
    measured.forward (x);
    for (std::size_t k = 0; k < kLength; ++k)
      ck_assert (std::abs (guessed.spectrum ()[k] - measured.spectrum ()[k]) < 1e-4f);
  }
END_TEST

START_TEST (test_transform_length)
  {
    for (const std::size_t partitions : {1, 10, 100, 10000}) {
      for (std::size_t block = 16; block <= 65536; block += block < 5000 ? 1 : 97) {
        const std::size_t length = transform_length (block, partitions);
        ck_assert_uint_ge (length, block);
        ck_assert_uint_le (length, std::bit_ceil (block));
        ck_assert_uint_eq (length % 16, 0);
        std::size_t rest = length;
        for (const std::size_t prime : {2, 3, 5}) {
          while (rest % prime == 0)
            rest /= prime;
        }
        ck_assert_uint_eq (rest, 1);
      }
    }
    ck_assert_uint_eq (transform_length (512, 10), 512);
    ck_assert_uint_eq (transform_length (480, 10), 512);
    ck_assert_uint_eq (transform_length (480, 200), 480);
    ck_assert_uint_eq (transform_length (4800, 20), 4800);
  }
END_TEST

START_TEST (test_bad_lengths_are_refused)
  {
    const auto refused = [] (std::size_t length, std::size_t bins) {
      try {
        OddTransform transform {length, bins, Planning::estimate};
      } catch (const std::invalid_argument &) {
        return true;
      }
      return false;
    };
    ck_assert (refused (0, 0));
    ck_assert (refused (15, 16));
    ck_assert (refused (24, 32));
    ck_assert (refused (64, 63));
    ck_assert (!refused (64, 64));
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("fft");
  TCase *test_case = tcase_create ("fft");
  tcase_add_loop_test (
      test_case, test_forward_is_the_dft_at_odd_frequencies, 0, std::size (kLengths));
  tcase_add_loop_test (
      test_case, test_inverse_gives_the_end_of_the_window, 0, std::size (kLengths));
  tcase_add_test (test_case, test_product_is_skew_circular_convolution);
  tcase_add_test (test_case, test_measured_plan_gives_the_same_values);
  tcase_add_test (test_case, test_transform_length);
  tcase_add_test (test_case, test_bad_lengths_are_refused);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
