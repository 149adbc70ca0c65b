// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses from files, through stock GStreamer decoding and resampling.
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "dsp/impulse.hpp"

namespace mt::convreverb {

/// A file cannot be used; what() says which one, why, and what to do where that is known.
struct LoadError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct LoadedImpulse {
  dsp::Impulse impulse; ///< at the file's own rate
  int rate_hz {0};      ///< 0: it is at the stream's, whatever that is
};

/// True when nobody waits for the result any more.
using Cancelled = std::function<bool ()>;

/// Decodes the first audio stream of a file, all of it; nothing when `cancelled`, which is asked
/// about 20 times a second.
///
/// Runs `filesrc ! decodebin ! audioconvert ! appsink` and waits for its end; a pipeline that gives
/// nothing new for 10 seconds counts as failed. Any thread but one of a pipeline that must not
/// block. Throws LoadError: no such file, a folder, not readable, empty, cut short, not audio, a
/// plug-in is missing, longer than 60 s, more than 63 channels, a sample that is not finite,
/// silent.
std::optional<LoadedImpulse> load_impulse (const std::string &path, const Cancelled &cancelled);

/// The same response at another rate: delay of the resampler taken out, samples scaled by
/// rate_hz / to_hz so that the gain at every frequency stays what it was.
/// Something else when `cancelled`. Throws LoadError when GstAudioConverter cannot be made, or would
/// take minutes because the other rate is 1000 times lower or more.
dsp::Impulse resample_impulse (const LoadedImpulse &loaded, int to_hz, const Cancelled &cancelled);

} // namespace mt::convreverb
