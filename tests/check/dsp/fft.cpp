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

// From 256 on: all radices of the transform in wide vectors, in all orders, and what it leaves out.
constexpr std::size_t kLengths[] = {
    16, 32, 48, 80, 144, 240, 256, 480, 512, 720, 768, 1024, 1280, 2048};

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

/// Of `length` bins, in tiles.
struct Spectrum {
  explicit Spectrum (std::size_t bins)
      : length {bins}, values ((bins + kTileBins - 1) / kTileBins * 2 * kTileBins)
  {}
  TileColumn column () noexcept { return {values.data ()}; }
  std::size_t padded () const noexcept { return values.size () / 2; }
  std::complex<float> operator[] (std::size_t k) const noexcept
  {
    const float *const at = &values[k / kTileBins * 2 * kTileBins + k % kTileBins];
    return {at[0], at[kTileBins]};
  }
  void set (std::size_t k, std::complex<float> value) noexcept
  {
    float *const at = &values[k / kTileBins * 2 * kTileBins + k % kTileBins];
    at[0] = value.real ();
    at[kTileBins] = value.imag ();
  }

  std::size_t length;
  AlignedVector<float> values;
};

void use (OddTransform &transform, const Spectrum &spectrum)
{
  std::copy (spectrum.values.begin (), spectrum.values.end (), transform.spectrum ().begin ());
}

} // namespace

START_TEST (test_forward_is_the_dft_at_odd_frequencies)
  {
    const std::size_t length = kLengths[_i];
    const auto x = noise (2 * length, 1);
    const auto peak = std::sqrt (static_cast<double> (length));
    std::vector<std::complex<double>> bins (length);
    for (std::size_t k = 0; k < length; ++k)
      bins[k] = odd_bin (x, k);
    mt::test::on_every_target ([&] (const char *target) {
      OddTransform transform {length, Planning::estimate};
      Spectrum spectrum {length}, again {length};
      transform.forward (x, spectrum.column (), again.column ());
      ck_assert (spectrum.values == again.values);
      // In any order, but each of them once.
      std::vector<bool> taken (length);
      for (std::size_t k = 0; k < length; ++k) {
        std::size_t place = 0;
        while (place < length &&
            (taken[place] ||
                std::abs (std::complex<double> {spectrum[place]} - bins[k]) > 1e-6 * peak))
          ++place;
        ck_assert_msg (place < length, "%s, bin %zu is nowhere", target, k);
        taken[place] = true;
      }
      for (std::size_t k = length; k < spectrum.padded (); ++k)
        ck_assert (spectrum[k] == std::complex<float> {});
    });
  }
END_TEST

START_TEST (test_inverse_gives_the_end_of_the_window)
  {
    const std::size_t length = kLengths[_i];
    const auto x = noise (2 * length, 2);
    mt::test::on_every_target ([&] (const char *target) {
      OddTransform transform {length, Planning::estimate};
      Spectrum spectrum {length};
      transform.forward (x, spectrum.column ());
      for (std::size_t count = 16; count <= length; count += count < 48 ? 1 : 37) {
        use (transform, spectrum);
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
    const std::size_t length = kLengths[_i];
    if (length > 768) // the sum by the definition takes long
      return;
    const auto a = noise (2 * length, 3), b = noise (2 * length, 4);
    std::vector<double> want (length);
    for (std::size_t n = length; n < 2 * length; ++n) {
      for (std::size_t k = 0; k < 2 * length; ++k) {
        const double h = static_cast<double> (b[k]);
        want[n - length] += k <= n ? h * static_cast<double> (a[n - k])
                                   : -h * static_cast<double> (a[n + 2 * length - k]);
      }
    }
    mt::test::on_every_target ([&] (const char *) {
      OddTransform transform {length, Planning::estimate};
      Spectrum first {length}, second {length};
      transform.forward (a, first.column ());
      transform.forward (b, second.column ());
      for (std::size_t k = 0; k < length; ++k)
        second.set (k, second[k] * first[k]);
      use (transform, second);
      std::vector<float> out (length);
      transform.inverse (out);
      const double tolerance = 1e-6 * std::sqrt (static_cast<double> (2 * length));
      for (std::size_t n = 0; n < length; ++n)
        ck_assert_double_eq_tol (
            static_cast<double> (out[n]) / static_cast<double> (length), want[n], tolerance);
    });
  }
END_TEST

START_TEST (test_measured_plan_gives_the_same_values)
  {
    constexpr std::size_t kLength = 160;
    const auto x = noise (2 * kLength, 5);
    OddTransform guessed {kLength, Planning::estimate};
    OddTransform measured {kLength, Planning::measure};
    Spectrum one {kLength}, other {kLength};
    guessed.forward (x, one.column ());
    measured.forward (x, other.column ());
    for (std::size_t k = 0; k < kLength; ++k)
      ck_assert (std::abs (one[k] - other[k]) < 1e-4f);
  }
END_TEST

START_TEST (test_window_in_a_ring)
  {
    // Wherever the ring ends, and with zeros where there is nothing: as of a plain window. Ring
    // sizes and block that are no multiple of a vector.
    for (const std::size_t length : {96, 256}) {
      const std::size_t ring_frames = 5 * length / 2 + 10;
      mt::test::on_every_target ([&] (const char *target) {
        OddTransform transform {length, Planning::estimate};
        const auto ring = noise (ring_frames, 1);
        for (const std::size_t frames :
            {length, length + 4, 3 * length / 2 + 3, 2 * length - 1, 2 * length}) {
          for (std::size_t end = 1; end <= ring_frames; ++end) {
            AlignedVector<float> plain (2 * length);
            for (std::size_t i = 0; i < frames; ++i)
              plain[2 * length - 1 - i] = ring[(end + ring_frames - 1 - i) % ring_frames];
            Spectrum want {length}, got {length};
            transform.forward (plain, want.column ());
            transform.forward (RingWindow {ring, end, frames}, got.column ());
            const bool same = std::equal (want.values.begin (), want.values.end (),
                got.values.begin (), [] (float p, float q) { return std::abs (p - q) < 3e-5f; });
            ck_assert_msg (same, "%s: %zu frames before %zu", target, frames, end);
          }
        }
      });
    }
  }
END_TEST

START_TEST (test_inverse_adds)
  {
    for (const std::size_t length : {96, 256}) {
      mt::test::on_every_target ([&] (const char *) {
        OddTransform transform {length, Planning::estimate};
        const auto window = noise (2 * length, 1), addend = noise (length, 2);
        Spectrum spectrum {length};
        transform.forward (window, spectrum.column ());
        for (const std::size_t count : {std::size_t {16}, std::size_t {17}, length - 1, length}) {
          AlignedVector<float> plain (count), sum (count);
          use (transform, spectrum);
          transform.inverse (plain);
          use (transform, spectrum);
          transform.inverse (sum, std::span<const float> {addend}.first (count));
          for (std::size_t i = 0; i < count; ++i)
            ck_assert_float_eq (sum[i], plain[i] + addend[i]);
        }
      });
    }
  }
END_TEST

START_TEST (test_bad_lengths_are_refused)
  {
    const auto refused = [] (std::size_t length) {
      try {
        OddTransform transform {length, Planning::estimate};
      } catch (const std::invalid_argument &) {
        return true;
      }
      return false;
    };
    ck_assert (refused (0));
    ck_assert (refused (15));
    ck_assert (refused (24));
    ck_assert (refused (257));
    ck_assert (!refused (64));
    ck_assert (!refused (7 * 256)); // which the wide one cannot
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
  tcase_add_loop_test (
      test_case, test_product_is_skew_circular_convolution, 0, std::size (kLengths));
  tcase_add_test (test_case, test_measured_plan_gives_the_same_values);
  tcase_add_test (test_case, test_window_in_a_ring);
  tcase_add_test (test_case, test_inverse_adds);
  tcase_add_test (test_case, test_bad_lengths_are_refused);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
