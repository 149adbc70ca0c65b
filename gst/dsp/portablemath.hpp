// SPDX-License-Identifier: LGPL-2.1-or-later
// Functions whose results are the same on every machine: sums, products and square roots alone.
#pragma once

namespace mt::dsp {

inline constexpr double kPi = 3.14159265358979323846;
inline constexpr double kLn10 = 2.302585092994045684;

/// exp(x). The standard fixes the rounding of sums and products, that of std::exp it does not.
/// Taylor series of x / 2^12, then 12 squarings; good to 1e-12 for |x| < 100.
inline double portable_exp (double x) noexcept
{
  const double z = x / 4096.0;
  double term = 1.0;
  double sum = 1.0;
  for (int i = 1; i < 8; ++i) {
    term *= z / i;
    sum += term;
  }
  for (int i = 0; i < 12; ++i)
    sum *= sum;
  return sum;
}

/// cos(pi x) for 0 <= x <= 2, good to 1e-15. Taylor series on an eighth of the circle.
inline double portable_cos_pi (double x) noexcept
{
  if (x > 1.0)
    x = 2.0 - x;
  const double sign = x > 0.5 ? -1.0 : 1.0;
  if (x > 0.5)
    x = 1.0 - x;
  const bool by_sine = x > 0.25;
  const double y = kPi * (by_sine ? 0.5 - x : x);
  double term = by_sine ? y : 1.0;
  double sum = term;
  for (int i = by_sine ? 2 : 1; i < 20; i += 2) {
    term *= -y * y / (i * (i + 1));
    sum += term;
  }
  return sign * sum;
}

/// sin(pi x) for 0 <= x <= 1.
inline double portable_sin_pi (double x) noexcept
{
  return portable_cos_pi (x < 0.5 ? 0.5 - x : x - 0.5);
}

/// The cube root of 0 < x <= 1, by Newton's method.
inline double portable_cbrt (double x) noexcept
{
  double root = 1.0;
  for (int i = 0; i < 60; ++i)
    root -= (root - x / (root * root)) / 3.0;
  return root;
}

} // namespace mt::dsp
