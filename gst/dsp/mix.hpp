// SPDX-License-Identifier: LGPL-2.1-or-later
// The arithmetic of the mix: add a track to the sum, count what clips. And fetching ahead for it.
#pragma once

#include <cstddef>
#include <span>

namespace mt::dsp {

// Each function stands here for both widths of the mix: `float`, and `double` where what goes out
// is wider than the 24 bits of a float.

/// Adds `in` times `gain` to `acc`.
///
///   acc[n] += gain in[n]
///
/// Shapes  both the same number of samples, in any channel order, not overlapping.
/// Units   amplitude linear, full scale 1.0. A gain of exactly 1 adds the samples unchanged, so a
///         sum of tracks at unity gain is the float sum in the order of the calls.
/// Threads any; no state, no lock, no allocation.
void accumulate (std::span<float> acc, std::span<const float> in, float gain) noexcept;
void accumulate (std::span<double> acc, std::span<const double> in, double gain) noexcept;

/// The same with a gain for each channel.
///
/// Shapes  interleaved whole frames of `gains.size ()` channels, 1 to 64.
void accumulate (
    std::span<float> acc, std::span<const float> in, std::span<const float> gains) noexcept;
void accumulate (
    std::span<double> acc, std::span<const double> in, std::span<const double> gains) noexcept;

/// A straight line from one gain to another, over `length` frames.
template <class Sample>
struct GainRamp {
  Sample from;
  Sample to;

  [[nodiscard]] Sample at (std::size_t frame, std::size_t length) const noexcept
  {
    return from + (to - from) * (static_cast<Sample> (frame) / static_cast<Sample> (length));
  }
};

/// Adds `in` with gains that change from frame to frame.
///
///   acc[f, c] += ramps[c] (first + f) in[f, c]
///
/// The gain of a frame depends on its place on the line alone, so any cut of the frames into calls
/// gives the same bits.
///
/// Shapes  interleaved whole frames of `ramps.size ()` channels, 1 to 64; the last one before or at
///         `length`.
void accumulate_ramp (std::span<float> acc, std::span<const float> in,
    std::span<const GainRamp<float>> ramps, std::size_t first, std::size_t length) noexcept;
void accumulate_ramp (std::span<double> acc, std::span<const double> in,
    std::span<const GainRamp<double>> ramps, std::size_t first, std::size_t length) noexcept;

/// Has the processor fetch memory that will be read soon.
///
/// Shapes  any address, also one where there is no memory any more: nothing is read.
void prefetch (const void *memory, std::size_t bytes) noexcept;

/// The number of samples outside -1 … 1, which an integer format cannot hold. NaN does not count.
std::size_t count_clipped (std::span<const float> samples) noexcept;
std::size_t count_clipped (std::span<const double> samples) noexcept;

} // namespace mt::dsp
