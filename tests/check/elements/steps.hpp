// SPDX-License-Identifier: LGPL-2.1-or-later
// A signal that shows every step of a gain, and how large the steps are.
#pragma once

#include <algorithm>
#include <cmath>

#include "support.hpp"

namespace mt::test {

inline Samples constant (std::size_t frames, std::size_t channels, float value = 0.5f)
{
  return Samples (frames * channels, value);
}

/// The largest step from one frame to the next in any channel.
inline double largest_step (const Samples &samples, std::size_t channels)
{
  double largest = 0.0;
  for (std::size_t n = channels; n < samples.size (); ++n)
    largest =
        std::max (largest, std::abs (static_cast<double> (samples[n] - samples[n - channels])));
  return largest;
}

} // namespace mt::test
