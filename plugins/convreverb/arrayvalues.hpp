// SPDX-License-Identifier: LGPL-2.1-or-later
// Properties that are arrays of numbers, as gst-launch-1.0 writes them: <1, 0.5> or <<0, 1>, <2,
// 3>>.
#pragma once

#include <memory>
#include <optional>

#include <gst/gst.h>

#include "dsp/impulse.hpp"
#include "impulsesource.hpp"

namespace mt::convreverb {

/// An array of numbers is one channel; an array of such arrays is one array for each channel,
/// filled with zeros up to the longest. Null for an empty one. Throws std::invalid_argument, also
/// for more than kMaxImpulseChannels or kMaxImpulseSamples, and std::bad_alloc.
std::shared_ptr<const dsp::Impulse> kernel_from (const GValue *array);
/// The reverse, into an empty GST_TYPE_ARRAY. `kernel` may be null.
void kernel_to (GValue *array, const dsp::Impulse *kernel) noexcept;

/// Rows of integers. Throws std::invalid_argument and std::bad_alloc.
RoutingMatrix routing_from (const GValue *array);
void routing_to (GValue *array, const RoutingMatrix &matrix) noexcept;

} // namespace mt::convreverb
