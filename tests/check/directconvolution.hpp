// SPDX-License-Identifier: LGPL-2.1-or-later
// Convolution in double for the tests: by its definition, and the same through a plain FFT of its
// own where the definition would take too long.
#pragma once

#include <bit>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <utility>
#include <vector>

namespace mt::test {

/// y[n] = sum_k h[k] x[n - k], x.size () + h.size () - 1 values.
inline std::vector<double> convolve_by_definition (
    const std::vector<double> &x, const std::vector<double> &h)
{
  std::vector<double> y (x.size () + h.size () - 1, 0.0);
  for (std::size_t n = 0; n < x.size (); ++n)
    for (std::size_t k = 0; k < h.size (); ++k)
      y[n + k] += h[k] * x[n];
  return y;
}

/// Radix 2, decimation in time, in place; `sign` -1 is forward. Unscaled.
inline void plain_fft (std::vector<std::complex<double>> &values, int sign)
{
  const std::size_t size = values.size ();
  for (std::size_t i = 1, j = 0; i < size; ++i) { // bit reversal
    std::size_t bit = size / 2;
    for (; j & bit; bit /= 2)
      j ^= bit;
    j ^= bit;
    if (i < j)
      std::swap (values[i], values[j]);
  }
  std::vector<std::complex<double>> turns (size / 2);
  for (std::size_t i = 0; i < turns.size (); ++i)
    turns[i] = std::polar (
        1.0, sign * 2.0 * std::numbers::pi * static_cast<double> (i) / static_cast<double> (size));
  for (std::size_t half = 1; half < size; half *= 2)
    for (std::size_t start = 0; start < size; start += 2 * half)
      for (std::size_t i = 0; i < half; ++i) {
        auto &a = values[start + i], &b = values[start + half + i];
        // By hand: the operator of std::complex looks for NaN in every product.
        const auto &turn = turns[i * (size / 2 / half)];
        const std::complex<double> turned {b.real () * turn.real () - b.imag () * turn.imag (),
            b.real () * turn.imag () + b.imag () * turn.real ()};
        b = a - turned;
        a += turned;
      }
}

/// The same as convolve_by_definition(), to about 1e-14 of the largest value.
inline std::vector<double> convolve_by_fft (
    const std::vector<double> &x, const std::vector<double> &h)
{
  // Both real, so one complex transform serves: the square of x + i h has 2 x * h as imaginary
  // part.
  const std::size_t frames = x.size () + h.size () - 1;
  std::vector<std::complex<double>> values (std::bit_ceil (frames));
  for (std::size_t n = 0; n < x.size (); ++n)
    values[n].real (x[n]);
  for (std::size_t n = 0; n < h.size (); ++n)
    values[n].imag (h[n]);
  plain_fft (values, -1);
  for (auto &value : values)
    value = {value.real () * value.real () - value.imag () * value.imag (),
        2.0 * value.real () * value.imag ()};
  plain_fft (values, 1);
  std::vector<double> y (frames);
  for (std::size_t n = 0; n < frames; ++n)
    y[n] = values[n].imag () / (2.0 * static_cast<double> (values.size ()));
  return y;
}

/// The faster of the two.
inline std::vector<double> convolve (const std::vector<double> &x, const std::vector<double> &h)
{
  return x.size () < 64 || h.size () < 64 ? convolve_by_definition (x, h) : convolve_by_fft (x, h);
}

} // namespace mt::test
