// SPDX-License-Identifier: LGPL-2.1-or-later
// The C++ side of an instance of convreverb: what the user asked for, and what runs.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "gstconvreverb.hpp"
#include "impulseloader.hpp"
#include "reverbstream.hpp"

namespace mt::convreverb {

inline constexpr double kDefaultDry = 0.7; // with the wet, a full-scale mix stays under full scale
inline constexpr double kDefaultWet = 0.25;
inline constexpr double kDefaultTrimDb = -90.0;
inline constexpr double kDefaultDamping = 0.5;

/// What the user asked for. `mutex` guards all of it; it is taken in property calls and at setup,
/// never while a buffer is processed.
struct Settings {
  std::string ir_location; // empty: a synthetic room
  dsp::Room room {dsp::Room::hall};
  double decay_time_s {0.0};
  double damping {kDefaultDamping};
  dsp::Normalize normalize {dsp::Normalize::energy};
  double ir_trim_db {kDefaultTrimDb};
  GstClockTime batch_ns {0};
};

struct Element {
  explicit Element (GstBaseTransform *transform) noexcept : stream {transform, gains} {}

  std::mutex mutex;
  Settings settings;
  Gains gains {kDefaultDry, kDefaultWet};
  std::atomic<bool> tail {true};

  std::optional<LoadedImpulse> loaded; // from READY → PAUSED to PAUSED → READY
  std::optional<GstAudioInfo> refused; // and said so; the same caps come again with each buffer
  ReverbStream stream;

  Settings copy_settings ()
  {
    const std::lock_guard lock {mutex};
    return settings;
  }
};

inline Element &element_of (gpointer object) noexcept
{
  return *GST_CONV_REVERB (object)->element;
}

/// Properties and their types: the class gets set_property, get_property and all specs.
void install_properties (GObjectClass *object_class) noexcept;

} // namespace mt::convreverb
