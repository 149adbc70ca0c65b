// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the impulse response comes from, and how it gets ready for a stream.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include "dsp/impulse.hpp"
#include "dsp/routing.hpp"
#include "impulseloader.hpp"

namespace mt::convreverb {

inline constexpr double kDefaultTrimDb = -90.0;
inline constexpr double kDefaultDamping = 0.5;

/// Which channel of the response leads from an input (column) to an output (row); -1 is no way.
using RoutingMatrix = std::vector<std::vector<int>>;

/// What the user asked for. At most one of `location`, `sample` and `kernel` is set; without one,
/// it is a synthetic room. Cheap to copy: what is large is shared and never changes.
struct ImpulseSettings {
  std::string location;
  std::string
      location_stamp; // when the file was last changed, as it was set; empty: it is not there
  std::shared_ptr<GstSample> sample;
  std::shared_ptr<const dsp::Impulse> kernel; // at the stream's rate, whatever that is
  std::string kernel_fault;                   // what is wrong with one that was set since
  dsp::Room room {dsp::Room::hall};
  double decay_time_s {0.0};
  double damping {kDefaultDamping};
  dsp::Normalize normalize {dsp::Normalize::energy};
  double trim_db {kDefaultTrimDb};
  double gain_db {0.0};
  GstClockTime pre_delay_ns {0};
  RoutingMatrix routing; // empty: by the number of channels
  std::string routing_fault;

  bool operator== (const ImpulseSettings &) const = default;
  /// The room is left.
  void clear_source () noexcept
  {
    location.clear ();
    location_stamp.clear ();
    sample.reset ();
    kernel.reset ();
    kernel_fault.clear ();
  }
};

/// Settings and what their file or sample holds: all that a stream of any format needs. Never
/// changes, so any number of threads may use it.
struct ImpulseSource {
  ImpulseSettings settings;
  std::shared_ptr<const LoadedImpulse> loaded; // none for a synthetic room
};

/// Reads the file, or converts the sample; takes over what `known` has, if that is of the same
/// source. May take long; null when `cancelled`. Throws LoadError.
std::shared_ptr<const ImpulseSource> load_source (
    const ImpulseSettings &settings, const ImpulseSource *known, const Cancelled &cancelled);

/// A response for one stream, and the paths that its channels serve.
struct StreamImpulse {
  dsp::Impulse impulse;
  dsp::Routing routing;
};

/// The response at the stream's rate: resampled, trimmed, normalised, with its gain, and moved by
/// the pre-delay. May take long; nothing when `cancelled`, which is asked before and
/// after the noise of each round of a room's channel and 100 times while one is resampled. Throws
/// LoadError, which says what does not fit the stream and what to do, or std::bad_alloc.
std::optional<StreamImpulse> make_impulse (
    const ImpulseSource &source, const GstAudioInfo &stream, const Cancelled &cancelled);

/// In impulsesample.cpp: raw audio of any format as a response at its own rate. Throws LoadError.
LoadedImpulse read_sample (GstSample *sample);

} // namespace mt::convreverb
