// SPDX-License-Identifier: LGPL-2.1-or-later
// A gain on its way.
#pragma once

#include <algorithm>
#include <cstddef>

#include "dsp/frames.hpp"

namespace mt::convreverb {

/// The part of `range` over frames `from` to `to` of `frames`.
inline dsp::GainRange part_of (
    dsp::GainRange range, std::size_t from, std::size_t to, std::size_t frames) noexcept
{
  const auto at = [&] (std::size_t frame) {
    return range.from +
        (range.to - range.from) * static_cast<float> (frame) / static_cast<float> (frames);
  };
  return {at (from), to == frames ? range.to : at (to)};
}

/// A gain on its way to where it was last sent, over at least kRampSeconds, however short buffers
/// are.
class GainRamp {
public:
  static constexpr double kRampSeconds = 0.01;

  void jump (double value) noexcept
  {
    now_ = target_ = value;
    left_ = 0;
  }
  /// The range over the next `frames` frames.
  dsp::GainRange advance (double target, std::size_t frames, double rate_hz) noexcept;
  /// The range that ends at `target` with the buffer.
  dsp::GainRange follow (double target) noexcept;

private:
  double now_ {0.0};
  double target_ {0.0};
  std::size_t left_ {0}; // frames of the ramp
};

inline dsp::GainRange GainRamp::advance (double target, std::size_t frames, double rate_hz) noexcept
{
  if (target != target_) {
    target_ = target;
    left_ = std::max<std::size_t> (static_cast<std::size_t> (kRampSeconds * rate_hz), frames);
  }
  const double from = now_;
  if (left_ <= frames) {
    now_ = target_;
    left_ = 0;
  } else {
    now_ += (target_ - now_) * static_cast<double> (frames) / static_cast<double> (left_);
    left_ -= frames;
  }
  return {static_cast<float> (from), static_cast<float> (now_)};
}

inline dsp::GainRange GainRamp::follow (double target) noexcept
{
  const double from = now_;
  jump (target);
  return {static_cast<float> (from), static_cast<float> (now_)};
}

} // namespace mt::convreverb
