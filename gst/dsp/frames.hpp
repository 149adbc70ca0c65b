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

/// What take_channel() found.
struct Taken {
  bool audible;           // a sample that is neither zero nor denormal
  std::size_t not_finite; // NaN, infinite or beyond kMaxStreamSample: stored as 0
};

/// Copies one channel out of interleaved frames; `out.size()` frames.
Taken take_channel (
    const float *io, std::size_t channels, std::size_t channel, std::span<float> out) noexcept;

/// Both channels of stereo frames at once, else as take_channel().
void take_stereo (const float *io, std::span<float> left, std::span<float> right, Taken &left_taken,
    Taken &right_taken) noexcept;

/// io[frame][channel] = dry x dry_samples + wet x wet_samples; dry_samples.size() frames.
void put_channel (float *io, std::size_t channels, std::size_t channel,
    std::span<const float> dry_samples, std::span<const float> wet_samples, GainLine dry,
    GainLine wet) noexcept;

/// Both channels of stereo frames at once, else as put_channel().
void put_stereo (float *io, std::span<const float> left_dry, std::span<const float> left_wet,
    std::span<const float> right_dry, std::span<const float> right_wet, GainLine dry,
    GainLine wet) noexcept;

/// sum += samples; as long as each other.
void add_samples (std::span<const float> samples, std::span<float> sum) noexcept;

} // namespace mt::dsp
