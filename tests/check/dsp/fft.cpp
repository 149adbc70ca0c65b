// SPDX-License-Identifier: LGPL-2.1-or-later
// The odd-frequency transform against its definition, in double.
#include "dsp/fft.hpp"

#include <algorithm>
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

/// As inverse() takes them.
void exchange_parts (std::span<std::complex<float>> values)
{
  for (auto &value : values)
    value = {value.imag (), value.real ()};
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
        exchange_parts (transform.spectrum ());
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
    exchange_parts (transform.spectrum ());
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
    constexpr std::size_t kLength = 480;
    const auto x = noise (2 * kLength, 5);
    OddTransform guessed {kLength, kLength, Planning::estimate};
    OddTransform measured {kLength, kLength + 32, Planning::measure};
    for (std::size_t k = kLength; k < kLength + 32; ++k)
      ck_assert (measured.spectrum ()[k] == std::complex<float> {});
    guessed.forward (x);
    measured.forward (x);
    for (std::size_t k = 0; k < kLength; ++k)
      ck_assert (std::abs (guessed.spectrum ()[k] - measured.spectrum ()[k]) < 1e-4f);
    // The same plan, from the other array to the one.
    exchange_parts (measured.spectrum ());
    std::vector<float> out (kLength);
    measured.inverse (out);
    for (std::size_t n = 0; n < kLength; ++n)
      ck_assert (std::abs (out[n] / static_cast<float> (kLength) - x[kLength + n]) < 1e-6f);
  }
END_TEST

START_TEST (test_window_in_a_ring)
  {
    // Wherever the ring ends, and with zeros where there is nothing: as of a plain window. Ring
    // sizes and block that are no multiple of a vector.
    constexpr std::size_t kLength = 96, kRing = 250;
    mt::test::on_every_target ([&] (const char *target) {
      OddTransform transform {kLength, kLength, Planning::estimate};
      const auto ring = noise (kRing, 1);
      for (const std::size_t frames : {96, 100, 147, 191, 192}) {
        for (std::size_t end = 1; end <= kRing; ++end) {
          AlignedVector<float> plain (2 * kLength);
          for (std::size_t i = 0; i < frames; ++i)
            plain[2 * kLength - 1 - i] = ring[(end + kRing - 1 - i) % kRing];
          transform.forward (plain);
          const AlignedVector<std::complex<float>> want (
              transform.spectrum ().begin (), transform.spectrum ().end ());
          transform.forward (RingWindow {ring, end, frames});
          const bool same = std::equal (want.begin (), want.end (), transform.spectrum ().begin (),
              [] (auto p, auto q) { return std::abs (p - q) < 2e-5f; });
          ck_assert_msg (same, "%s: %zu frames before %zu", target, frames, end);
        }
      }
    });
  }
END_TEST

START_TEST (test_inverse_adds)
  {
    constexpr std::size_t kLength = 96;
    mt::test::on_every_target ([&] (const char *) {
      OddTransform transform {kLength, kLength, Planning::estimate};
      const auto window = noise (2 * kLength, 1), addend = noise (kLength, 2);
      for (const std::size_t count : {16, 17, 95, 96}) {
        AlignedVector<float> plain (count), sum (count);
        transform.forward (window);
        exchange_parts (transform.spectrum ());
        transform.inverse (plain);
        transform.forward (window);
        exchange_parts (transform.spectrum ());
        transform.inverse (sum, std::span<const float> {addend}.first (count));
        for (std::size_t i = 0; i < count; ++i)
          ck_assert_float_eq (sum[i], plain[i] + addend[i]);
      }
    });
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
  tcase_add_test (test_case, test_window_in_a_ring);
  tcase_add_test (test_case, test_inverse_adds);
  tcase_add_test (test_case, test_bad_lengths_are_refused);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
