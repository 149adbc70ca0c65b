// SPDX-License-Identifier: LGPL-2.1-or-later
// The arithmetic of the mix: add a track to the sum, count what clips.
#pragma once

#include <cstddef>
#include <span>

namespace mt::dsp {

/// Adds `in` times `gain` to `acc`.
///
///   acc[n] += gain in[n]
///
/// Shapes  both the same number of samples, in any channel order, not overlapping.
/// Units   amplitude linear, full scale 1.0. A gain of exactly 1 adds the samples unchanged, so
/// that
///         a sum of tracks at unity gain is the float sum in the order of the calls.
/// Threads any; no state, no lock, no allocation.
void accumulate (std::span<float> acc, std::span<const float> in, float gain) noexcept;

/// The number of samples outside -1 … 1, which an integer format cannot hold. NaN does not count.
std::size_t count_clipped (std::span<const float> samples) noexcept;

} // namespace mt::dsp
