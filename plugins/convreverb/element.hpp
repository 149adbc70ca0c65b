// SPDX-License-Identifier: LGPL-2.1-or-later
// The C++ side of an instance of convreverb: what the user asked for, and what runs.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "gstconvreverb.hpp"
#include "impulsesource.hpp"
#include "reverbstream.hpp"

namespace mt::convreverb {

inline constexpr double kDefaultDry = 0.7; // with the wet, a full-scale mix stays under full scale
inline constexpr double kDefaultWet = 0.25;

/// What the user asked for. `mutex` guards all of it; it is taken in property calls and at setup,
/// never while a buffer is processed.
struct Settings {
  ImpulseSettings impulse;
  GstClockTime batch_ns {0};
  dsp::Schedule schedule {dsp::Schedule::spread};
};

struct Element {
  explicit Element (GstBaseTransform *transform) noexcept : stream {transform, gains} {}

  std::mutex mutex;
  Settings settings;
  Gains gains {kDefaultDry, kDefaultWet};
  std::atomic<bool> tail {true};

  std::shared_ptr<const ImpulseSource> source; // from READY → PAUSED to PAUSED → READY
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
