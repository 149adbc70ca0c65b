// SPDX-License-Identifier: LGPL-2.1-or-later
// Oracles of room acoustics, in double: octave filters, reverberation time, echo density.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

#include "dsp/impulse.hpp"

namespace mt::test {

inline std::vector<double> channel_of (const dsp::Impulse &ir, std::size_t channel)
{
  std::vector<double> samples (ir.frames ());
  for (std::size_t n = 0; n < samples.size (); ++n)
    samples[n] = static_cast<double> (ir.samples[n * ir.channels + channel]);
  return samples;
}

inline double energy_of (const std::vector<double> &samples)
{
  double sum = 0.0;
  for (const double x : samples)
    sum += x * x;
  return sum;
}

/// Octave band around `centre_hz`: Butterworth band-pass of six poles (IEC 61260-1 class 1 asks for
/// about that), by the bilinear transform with its edges where they should be.
inline std::vector<double> octave_band (
    const std::vector<double> &in, double centre_hz, double rate_hz)
{
  constexpr double pi = 3.14159265358979323846;
  const auto warp = [&] (double hz) { return std::tan (pi * hz / rate_hz); };
  const double low = warp (centre_hz / std::sqrt (2.0)), high = warp (centre_hz * std::sqrt (2.0));
  const double middle = std::sqrt (low * high), width = high - low;
  const std::complex<double> centre = std::polar (1.0, 2.0 * std::atan (middle));

  std::vector<double> out = in;
  // Poles of the low-pass in the upper half plane or on the axis; each gives two of the band-pass.
  for (const double angle : {pi, 2.0 * pi / 3.0}) {
    const std::complex<double> half = 0.5 * width * std::polar (1.0, angle);
    const std::complex<double> root = std::sqrt (half * half - middle * middle);
    for (const auto &analogue : {half + root, half - root}) {
      if (angle == pi && analogue.imag () < 0.0)
        continue; // the conjugate of the other
      const std::complex<double> pole = (1.0 + analogue) / (1.0 - analogue);
      const double a1 = -2.0 * pole.real (), a2 = std::norm (pole);
      const auto z = 1.0 / centre;
      const double gain = std::abs ((1.0 + a1 * z + a2 * z * z) / (1.0 - z * z));
      double x1 = 0.0, x2 = 0.0, y1 = 0.0, y2 = 0.0;
      for (double &sample : out) {
        const double y = gain * (sample - x2) - a1 * y1 - a2 * y2;
        x2 = x1, x1 = sample, y2 = y1, y1 = y;
        sample = y;
      }
    }
  }
  return out;
}

/// What is left of the energy at each frame, dB under the whole (Schroeder 1965).
inline std::vector<double> decay_curve_db (const std::vector<double> &samples)
{
  std::vector<double> left (samples.size () + 1, 0.0);
  for (std::size_t n = samples.size (); n-- > 0;)
    left[n] = left[n + 1] + samples[n] * samples[n];
  const double whole = left[0];
  left.pop_back ();
  for (double &x : left)
    x = 10.0 * std::log10 (x / whole + 1e-30);
  return left;
}

/// Reverberation time from the line of least squares between two levels of the decay curve,
/// seconds: T30 of ISO 3382-1 from −5 to −35 dB.
inline double reverberation_s (
    const std::vector<double> &samples, double rate_hz, double from_db = -5.0, double to_db = -35.0)
{
  const auto curve = decay_curve_db (samples);
  double count = 0.0, st = 0.0, sl = 0.0, stt = 0.0, stl = 0.0;
  for (std::size_t n = 0; n < curve.size () && curve[n] >= to_db; ++n) {
    if (curve[n] > from_db)
      continue;
    const double t = static_cast<double> (n) / rate_hz;
    count += 1.0, st += t, sl += curve[n], stt += t * t, stl += t * curve[n];
  }
  return -60.0 / ((count * stl - st * sl) / (count * stt - st * st));
}

/// Share of the samples in [from, to) outside of one standard deviation, by what it is in Gaussian
/// noise: 1 when dense, near 0 where single echoes stand in silence (Abel & Huang, AES 2006).
inline double echo_density (const std::vector<double> &samples, std::size_t from, std::size_t to)
{
  double square = 0.0;
  for (std::size_t n = from; n < to; ++n)
    square += samples[n] * samples[n];
  const double deviation = std::sqrt (square / static_cast<double> (to - from));
  std::size_t outside = 0;
  for (std::size_t n = from; n < to; ++n)
    outside += std::fabs (samples[n]) > deviation ? 1 : 0;
  return static_cast<double> (outside) / static_cast<double> (to - from) /
      std::erfc (1.0 / std::sqrt (2.0));
}

} // namespace mt::test
