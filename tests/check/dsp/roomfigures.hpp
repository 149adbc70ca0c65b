// SPDX-License-Identifier: LGPL-2.1-or-later
// Figures of a room beyond its decay, in double: clarity, likeness of two channels, combs.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

#include "../directconvolution.hpp"
#include "roomacoustics.hpp"

namespace mt::test {

/// Energy up to `ms` by that after it, dB: C50 and C80 of ISO 3382-1.
inline double clarity_db (const std::vector<double> &samples, double rate_hz, double ms)
{
  const auto at = std::min (samples.size (), static_cast<std::size_t> (ms * 1e-3 * rate_hz));
  const auto middle = samples.begin () + static_cast<std::ptrdiff_t> (at);
  return 10.0 *
      std::log10 (energy_of ({samples.begin (), middle}) / energy_of ({middle, samples.end ()}));
}

/// Share of the energy up to 50 ms: D50 of ISO 3382-1.
inline double definition (const std::vector<double> &samples, double rate_hz)
{
  const double ratio = std::pow (10.0, 0.1 * clarity_db (samples, rate_hz, 50.0));
  return ratio / (1.0 + ratio);
}

/// Largest correlation of two channels within [from, to) frames, up to 1 ms to both sides: IACC of
/// ISO 3382-1, annex B, if the channels were ears.
inline double likeness (const std::vector<double> &left, const std::vector<double> &right,
    std::size_t from, std::size_t to, double rate_hz)
{
  const auto most = static_cast<std::ptrdiff_t> (1e-3 * rate_hz);
  double left_energy = 0.0, right_energy = 0.0, largest = 0.0;
  for (std::size_t n = from; n < to; ++n)
    left_energy += left[n] * left[n], right_energy += right[n] * right[n];
  for (std::ptrdiff_t lag = -most; lag <= most; ++lag) {
    double cross = 0.0;
    const auto begin = static_cast<std::ptrdiff_t> (from), end = static_cast<std::ptrdiff_t> (to);
    for (auto n = std::max (begin, begin - lag); n < std::min (end, end - lag); ++n)
      cross += left[static_cast<std::size_t> (n)] * right[static_cast<std::size_t> (n + lag)];
    largest = std::max (largest, std::fabs (cross));
  }
  return largest / std::sqrt (left_energy * right_energy);
}

/// What an echo or a resonance would leave in noise of any colour, from 0.5 to 50 ms: the largest
/// autocorrelation once every third of an octave between 100 Hz and 10 kHz has the same power. An
/// echo of gain g comes out as g / (1 + g^2); chance leaves something too, the more the shorter the
/// noise is.
inline double comb (const std::vector<double> &samples, double rate_hz)
{
  const std::size_t size = 2 * std::bit_ceil (samples.size ());
  std::vector<std::complex<double>> values (size);
  std::copy (samples.begin (), samples.end (), values.begin ());
  plain_fft (values, -1);
  std::vector<double> before (size / 2 + 1, 0.0); // power below each bin
  for (std::size_t k = 0; k < size / 2; ++k)
    before[k + 1] = before[k] + std::norm (values[k]);
  const double bin_hz = rate_hz / static_cast<double> (size);
  for (std::size_t k = 0; k < size / 2; ++k) {
    const double hz = static_cast<double> (k) * bin_hz;
    const auto low =
        static_cast<std::size_t> (static_cast<double> (k) * std::pow (2.0, -1.0 / 6.0));
    const auto high = std::min (size / 2,
        static_cast<std::size_t> (static_cast<double> (k) * std::pow (2.0, 1.0 / 6.0)) + 1);
    const bool counts = hz >= 100.0 && hz <= 10'000.0;
    const double power = counts
        ? std::norm (values[k]) * static_cast<double> (high - low) / (before[high] - before[low])
        : 0.0;
    values[k] = power;
    values[(size - k) % size] = power;
  }
  values[size / 2] = 0.0;
  plain_fft (values, 1);
  double largest = 0.0;
  const auto last = static_cast<std::size_t> (0.05 * rate_hz);
  for (auto n = static_cast<std::size_t> (0.0005 * rate_hz); n <= last; ++n)
    largest = std::max (largest, std::fabs (values[n].real ()));
  return largest / values[0].real ();
}

/// When the echo density (20 ms around each moment) first reaches 1, seconds.
inline double mixing_time_s (const std::vector<double> &samples, double rate_hz)
{
  const auto half = static_cast<std::size_t> (0.01 * rate_hz);
  for (std::size_t at = 0; at + half < samples.size (); at += half / 10)
    if (echo_density (samples, at > half ? at - half : 0, at + half) >= 1.0)
      return static_cast<double> (at) / rate_hz;
  return static_cast<double> (samples.size ()) / rate_hz;
}

} // namespace mt::test
