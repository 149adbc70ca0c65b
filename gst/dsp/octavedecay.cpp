// SPDX-License-Identifier: LGPL-2.1-or-later
// An octave filter, and the slope of what comes through it.
#include "dsp/octavedecay.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "dsp/portablemath.hpp"

namespace mt::dsp {

namespace {

/// s / (s^2 + a s + b) by the bilinear transform, without its gain.
class Resonance {
public:
  Resonance (double a, double b) noexcept
      : a1_ {(2.0 * b - 2.0) / (1.0 + a + b)}, a2_ {(1.0 - a + b) / (1.0 + a + b)}
  {}
  double operator() (double x) noexcept
  {
    const double y = x - x2_ - a1_ * y1_ - a2_ * y2_;
    x2_ = x1_;
    x1_ = x;
    y2_ = y1_;
    y1_ = y;
    return y;
  }

private:
  double a1_, a2_;
  double x1_ {0.0}, x2_ {0.0}, y1_ {0.0}, y2_ {0.0};
};

double tan_pi (double x) noexcept
{
  return portable_sin_pi (x) / portable_cos_pi (x);
}

/// Three resonances: the band-pass of the Butterworth low-pass of three poles.
std::array<Resonance, 3> octave_filter (double centre_hz, double rate_hz) noexcept
{
  const double root2 = std::sqrt (2.0);
  const double low = tan_pi (centre_hz / root2 / rate_hz);
  const double high = tan_pi (centre_hz * root2 / rate_hz);
  const double middle = low * high, width = high - low;
  // The pole p = (-1 + i sqrt 3) / 2 becomes the two roots of s^2 - p width s + middle; -1 gives
  // one resonance as it is.
  const double half_re = -0.25 * width, half_im = 0.25 * std::sqrt (3.0) * width;
  const double q_re = half_re * half_re - half_im * half_im - middle;
  const double q_im = 2.0 * half_re * half_im;
  const double size = std::sqrt (q_re * q_re + q_im * q_im);
  const double root_re = std::sqrt (std::max (0.5 * (size + q_re), 0.0));
  const double root_im = -std::sqrt (std::max (0.5 * (size - q_re), 0.0)); // as q_im, which is < 0
  const auto resonance = [] (double re, double im) {
    return Resonance {-2.0 * re, re * re + im * im};
  };
  return {Resonance {width, middle}, resonance (half_re + root_re, half_im + root_im),
      resonance (half_re - root_re, half_im - root_im)};
}

} // namespace

double line_through_decay_s (std::span<const double> time_s, double step_db) noexcept
{
  double w = 0.0, wt = 0.0, wl = 0.0, wtt = 0.0, wtl = 0.0;
  for (std::size_t i = 0; i < time_s.size (); ++i) {
    const double level = -5.0 - step_db * static_cast<double> (i);
    const double weight = time_s[std::min (i + 1, time_s.size () - 1)] - time_s[i ? i - 1 : 0];
    w += weight;
    wt += weight * time_s[i];
    wl += weight * level;
    wtt += weight * time_s[i] * time_s[i];
    wtl += weight * time_s[i] * level;
  }
  return -60.0 * (w * wtt - wt * wt) / (w * wtl - wt * wl);
}

double octave_t30_s (std::span<const double> samples, double centre_hz, double rate_hz)
{
  if (centre_hz * std::sqrt (2.0) >= 0.45 * rate_hz)
    return 0.0;
  auto filter = octave_filter (centre_hz, rate_hz);
  std::vector<double> energy (samples.size ());
  double whole = 0.0;
  for (std::size_t n = 0; n < samples.size (); ++n) {
    const double y = filter[2](filter[1](filter[0](samples[n])));
    energy[n] = y * y;
    whole += energy[n];
  }
  if (!(whole > 0.0))
    return 0.0;
  constexpr double kStepDb = 0.5;
  std::array<double, 61> time_s {};
  const double step = portable_exp (-0.1 * kLn10 * kStepDb);
  double goal = whole * portable_exp (-0.5 * kLn10); // 5 dB down
  double left = whole;
  std::size_t next = 0;
  for (std::size_t n = 0; n < energy.size () && next < time_s.size (); ++n) {
    for (; next < time_s.size () && left <= goal; goal *= step)
      time_s[next++] = static_cast<double> (n) / rate_hz;
    left -= energy[n];
  }
  return next == time_s.size () ? line_through_decay_s (time_s, kStepDb) : 0.0;
}

} // namespace mt::dsp
