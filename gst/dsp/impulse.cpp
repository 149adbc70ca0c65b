// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses: faults, trimming, normalising.
#include "dsp/impulse.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace mt::dsp {

std::string find_fault (const Impulse &ir, double rate_hz)
{
  if (ir.channels == 0 || ir.frames () == 0)
    return "it has no samples";
  if (ir.channels > kMaxImpulseChannels)
    return "it has " + std::to_string (ir.channels) + " channels, the limit is " +
        std::to_string (kMaxImpulseChannels);
  if (static_cast<double> (ir.frames ()) > kMaxImpulseSeconds * rate_hz)
    return "it is longer than " + std::to_string (static_cast<int> (kMaxImpulseSeconds)) +
        " seconds";
  const auto bad = std::find_if (
      ir.samples.begin (), ir.samples.end (), [] (float x) { return !std::isfinite (x); });
  if (bad != ir.samples.end ())
    return "frame " +
        std::to_string (static_cast<std::size_t> (bad - ir.samples.begin ()) / ir.channels) +
        " has a sample that is not a finite number";
  if (std::all_of (ir.samples.begin (), ir.samples.end (), [] (float x) { return x == 0.0f; }))
    return "it is silent, every sample is zero";
  return {};
}

std::string find_too_large (const Impulse &ir)
{
  const auto bad = std::find_if (ir.samples.begin (), ir.samples.end (),
      [] (float x) { return !(std::fabs (x) <= kMaxImpulseSample); });
  if (bad == ir.samples.end ())
    return {};
  char text[96];
  std::snprintf (text, sizeof text, "frame %zu has a sample of %g, the limit is %g",
      static_cast<std::size_t> (bad - ir.samples.begin ()) / ir.channels,
      static_cast<double> (*bad), static_cast<double> (kMaxImpulseSample));
  return text;
}

void trim (Impulse &ir, double db)
{
  float peak = 0.0f;
  for (const float x : ir.samples)
    peak = std::max (peak, std::fabs (x));
  const double floor = static_cast<double> (peak) * std::pow (10.0, std::min (db, 0.0) / 20.0);
  if (!(floor > 0.0)) // minus infinity, or nothing but zeros
    return;
  std::size_t end = ir.samples.size ();
  while (end > 0 && static_cast<double> (std::fabs (ir.samples[end - 1])) < floor)
    --end;
  ir.samples.resize ((end + ir.channels - 1) / ir.channels * ir.channels);
}

void normalize (Impulse &ir, Normalize mode)
{
  double sum = 0.0;
  double peak = 0.0;
  for (const float x : ir.samples) {
    const double y = static_cast<double> (x);
    sum += y * y;
    peak = std::max (peak, std::fabs (y));
  }
  double scale = 1.0;
  if (mode == Normalize::energy)
    scale = std::sqrt (static_cast<double> (ir.channels) / sum);
  else if (mode == Normalize::peak)
    scale = 1.0 / peak;
  if (!(peak > 0.0) || scale == 1.0)
    return;
  for (float &x : ir.samples)
    x = static_cast<float> (static_cast<double> (x) * scale);
}

} // namespace mt::dsp
