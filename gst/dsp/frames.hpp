// SPDX-License-Identifier: LGPL-2.1-or-later
// The edges of the convolver: interleaved frames in and out of planar channels.
#pragma once

#include <cstddef>
#include <span>

namespace mt::dsp {

/// A linear gain on its way over one call: frame i of n gets from + (to - from) (i + 1) / n.
struct GainRange {
  float from {1.0f};
  float to {1.0f};
};

/// A GainRange at some frame of its call.
struct GainLine {
  float start; // what frame 0 gets
  float step;  // added from frame to frame

  /// `range` over `frames` frames, from `position` on.
  static GainLine at (GainRange range, std::size_t frames, std::size_t position) noexcept
  {
    const float step = (range.to - range.from) / static_cast<float> (frames);
    return {range.from + step * static_cast<float> (position + 1), step};
  }
};

/// 200 dB above full scale. What is larger counts as not finite: with taps up to kMaxImpulseSample,
/// and less than kMaxImpulseSamples of them, neither spectra nor their sums reach the end of a
/// float.
inline constexpr float kMaxStreamSample = 1e10f;

/// How many channels take_channels() and put_channels() move at once.
inline constexpr std::size_t kChannelsAtOnce = 4;

/// What take_channels() found in one of them.
struct Taken {
  bool audible;           // a sample that is neither zero nor denormal
  std::size_t not_finite; // NaN, infinite or beyond kMaxStreamSample: stored as 0
};

/// Copies some channels that are next to each other out of interleaved frames, 1 to kChannelsAtOnce
/// of them: out[c] gets what io[c] is the first sample of, for frames of `stride` samples.
void take_channels (const float *io, std::size_t stride, std::size_t frames,
    std::span<float *const> out, std::span<Taken> taken) noexcept;

/// What one channel is mixed from.
struct Mixed {
  const float *dry, *wet;
};

/// The reverse: io[frame x stride + c] = dry x mixed[c].dry[frame] + wet x mixed[c].wet[frame].
void put_channels (float *io, std::size_t stride, std::size_t frames, std::span<const Mixed> mixed,
    GainLine dry, GainLine wet) noexcept;

/// sum += samples; as long as each other.
void add_samples (std::span<const float> samples, std::span<float> sum) noexcept;

} // namespace mt::dsp
