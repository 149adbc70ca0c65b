// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes and checks the paths of a convolution matrix.
#include "dsp/routing.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

namespace mt::dsp {

Routing default_routing (std::size_t channels, std::size_t ir_channels)
{
  Routing routing;
  if (ir_channels == 1 || ir_channels == channels) {
    for (std::size_t c = 0; c < channels; ++c)
      routing.push_back ({c, c, ir_channels == 1 ? 0 : c});
  } else if (channels == 2 && ir_channels == 4) {
    routing = {{0, 0, 0}, {0, 1, 1}, {1, 0, 2}, {1, 1, 3}};
  } else {
    throw std::invalid_argument ("impulse response has " + std::to_string (ir_channels) +
        " channels, must have 1 or " + std::to_string (channels) + (channels == 2 ? " or 4" : "") +
        " when no routing is given");
  }
  return routing;
}

void check_routing (const Routing &routing, std::size_t channels, std::size_t ir_channels)
{
  if (routing.empty ())
    throw std::invalid_argument ("the routing has no paths");
  for (std::size_t i = 0; i < routing.size (); ++i) {
    const auto check = [i] (const char *what, std::size_t value, std::size_t count) {
      if (value >= count) {
        throw std::invalid_argument ("path " + std::to_string (i) + " has " + what + " " +
            std::to_string (value) + ", must be 0 to " + std::to_string (count - 1));
      }
    };
    check ("input channel", routing[i].input, channels);
    check ("output channel", routing[i].output, channels);
    check ("impulse response channel", routing[i].ir, ir_channels);
  }
  Routing sorted = routing;
  const auto order = [] (const Path &a, const Path &b) {
    return std::tie (a.input, a.output, a.ir) < std::tie (b.input, b.output, b.ir);
  };
  std::sort (sorted.begin (), sorted.end (), order);
  const auto twice = std::adjacent_find (sorted.begin (), sorted.end ());
  if (twice != sorted.end ()) {
    throw std::invalid_argument ("the path from input channel " + std::to_string (twice->input) +
        " to output channel " + std::to_string (twice->output) + " by impulse response channel " +
        std::to_string (twice->ir) + " is there twice");
  }
}

std::vector<std::size_t> used_channels (const Routing &routing, std::size_t Path::*channel)
{
  std::vector<std::size_t> found;
  for (const Path &path : routing)
    found.push_back (path.*channel);
  std::sort (found.begin (), found.end ());
  found.erase (std::unique (found.begin (), found.end ()), found.end ());
  return found;
}

} // namespace mt::dsp
