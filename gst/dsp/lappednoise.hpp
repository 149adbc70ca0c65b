// SPDX-License-Identifier: LGPL-2.1-or-later
// Noise whose energy is given for every small tile of time and frequency, not left to chance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mt::dsp {

/// Makes noise out of the functions of a lapped orthonormal transform (MDCT), each of one height
/// and a random sign. Because they are orthonormal, what a tile carries is its height squared: the
/// noise decays as it is told, where filtered Gaussian noise swings by decibels around that.
///
/// Shapes  hop_frames() bins, a power of two, 16 to 32 ms. Tile m of each bin is centred on frame
///         m hop_frames() and spans one hop before and after.
/// Units   a height of 1 in all bins is white noise with a variance of 1.
/// Bits    the same on every machine (portablemath.hpp).
/// Threads one at a time.
/// Source  J. P. Princen, A. W. Johnson, A. B. Bradley, ICASSP 1987, for the transform.
class LappedNoise {
public:
  explicit LappedNoise (double rate_hz);

  std::size_t hop_frames () const noexcept { return hop_; }
  /// Frequency in the middle of a bin.
  double bin_hz (std::size_t bin) const noexcept
  {
    return (static_cast<double> (bin) + 0.5) * bin_width_hz_;
  }

  /// Adds noise to `out`. `height` and `step` have a value a bin: the tile m of bin k has the
  /// height height[k] step[k]^m.
  void add (std::span<double> out, std::vector<double> height, std::span<const double> step,
      std::uint64_t seed);

private:
  void transform () noexcept;
  void transform_halves () noexcept;

  std::size_t hop_;
  double bin_width_hz_;
  std::vector<double> window_;                  // [2 hop], with the transform's scale
  std::vector<double> tile_;                    // [hop], in place: heights, then samples
  std::vector<double> re_, im_;                 // [hop / 2]
  std::vector<double> cosine_, sine_;           // of pi k / hop, k < hop: the turns of the halves
  std::vector<double> turn_cosine_, turn_sine_; // of pi (8 k + 1) / (8 hop), k < hop / 2
  std::vector<std::size_t> reversed_;           // bits of an index, from the other end
};

} // namespace mt::dsp
