// SPDX-License-Identifier: LGPL-2.1-or-later
// Which channel of the impulse response leads from which input to which output.
#pragma once

#include <cstddef>
#include <vector>

namespace mt::dsp {

/// One convolution of a matrix: `input` convolved with channel `ir` of the response is added to
/// `output`. All count from 0.
struct Path {
  std::size_t input;
  std::size_t output;
  std::size_t ir;
  bool operator== (const Path &) const noexcept = default;
};
using Routing = std::vector<Path>;

/// What a response means when nobody says otherwise: 1 channel serves every channel of the stream;
/// as many as the stream go channel by channel; 4 on stereo are left to left, left to right, right
/// to left, right to right ("true stereo").
/// Throws std::invalid_argument for any other count, with both counts.
Routing default_routing (std::size_t channels, std::size_t ir_channels);

/// Throws std::invalid_argument, with the path, the value and the limit, when a path leads from or
/// to a channel that is not there, or when there are no paths or the same one twice.
void check_routing (const Routing &routing, std::size_t channels, std::size_t ir_channels);

/// The inputs, outputs or channels of the response (`channel`) that some path has, in rising order.
std::vector<std::size_t> used_channels (const Routing &routing, std::size_t Path::*channel);

} // namespace mt::dsp
