// SPDX-License-Identifier: LGPL-2.1-or-later
// The C++ side of an instance of convreverb: what the user asked for, and what runs.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "gstconvreverb.hpp"
#include "impulseparts.hpp"
#include "impulsesource.hpp"
#include "impulseworker.hpp"
#include "reverbstream.hpp"

namespace mt::convreverb {

inline constexpr double kDefaultDry = 0.7; // with the wet, a full-scale mix stays under full scale
inline constexpr double kDefaultWet = 0.25;

/// What the user asked for. `mutex` guards all of it; it is taken in property calls and at setup,
/// never while a buffer is processed.
struct Settings {
  ImpulseSettings impulse;
  Revisions revisions {}; // of `impulse`
  GstClockTime batch_ns {0};
  dsp::Schedule schedule {dsp::Schedule::spread};
};

struct Element {
  explicit Element (GstBaseTransform *owner) noexcept
      : transform {owner}, stream {owner, gains, wakeup}, worker {*this}
  {}

  GstBaseTransform *const transform;
  std::mutex mutex;
  Settings settings;
  bool running {false}; // from READY → PAUSED to PAUSED → READY; the mutex guards it, too
  unsigned held {0};    // presets that are being loaded: all of it is one change. The mutex too
  std::shared_ptr<const ImpulseSource> source; // while running: what was loaded last. The mutex too
  Gains gains {kDefaultDry, kDefaultWet};
  std::atomic<bool> tail {true};
  std::atomic<bool> stopping {false}; // PAUSED → READY has begun: who makes a response gives up

  std::optional<GstAudioInfo> refused; // and said so; the same caps come again with each buffer
  Wakeup wakeup;                       // of the worker
  ReverbStream stream;
  ImpulseWorker worker;

  Settings copy_settings ()
  {
    const std::lock_guard lock {mutex};
    return settings;
  }
  std::shared_ptr<const ImpulseSource> copy_source ()
  {
    const std::lock_guard lock {mutex};
    return source;
  }
};

inline Element &element_of (gpointer object) noexcept
{
  return *GST_CONV_REVERB (object)->element;
}

/// Which sources are set: ir-location, ir, kernel.
using Sources = std::array<bool, 3>;

inline Sources sources_of (const ImpulseSettings &impulse) noexcept
{
  return {!impulse.location.empty (), impulse.sample != nullptr, impulse.kernel != nullptr};
}

/// Tells who listens of the sources that were set and are no longer. Without the mutex.
void notify_cleared (GObject *object, const Sources &before, const Sources &after) noexcept;

/// Properties and their types: the class gets set_property, get_property and all specs.
void install_properties (GObjectClass *object_class) noexcept;

} // namespace mt::convreverb
