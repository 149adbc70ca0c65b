// SPDX-License-Identifier: LGPL-2.1-or-later
// Live mixing: when a chunk has to go out, whoever is missing.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include <gst/gst.h>

#include "trackqueue.hpp"

namespace mt::trackmixer {

/// What the peers of the sink pads say of their latency.
struct UpstreamLatency {
  bool live {false};
  GstClockTime min {0};                   // the longest of the live ones
  GstClockTime max {GST_CLOCK_TIME_NONE}; // the shortest of the live ones
  bool complete {true};                   // everyone has answered: some can't before they have caps

  /// Adds what the peer of this sink pad says.
  void ask (GstPad *pad) noexcept;
};

/// GST_CLOCK_TIME_NONE, the largest number, means «no end» and is never reached by adding.
inline GstClockTime saturating_sum (GstClockTime a, GstClockTime b) noexcept
{
  if (!GST_CLOCK_TIME_IS_VALID (a))
    return a;
  return a + std::min (b, GST_CLOCK_TIME_NONE - 1 - a);
}

/// Tells when the element's clock has passed a time, and wakes the mix task at it: through the
/// clock itself, so that a test clock counts too.
///
/// Threads  passed(), cancel(): mix task. set_playing(): any.
class LiveDeadline {
public:
  explicit LiveDeadline (std::shared_ptr<MixerShared> shared) : shared_ {std::move (shared)} {}
  ~LiveDeadline ();
  LiveDeadline (const LiveDeadline &) = delete;
  LiveDeadline &operator= (const LiveDeadline &) = delete;

  /// Without PLAYING there is no deadline: a live source gives nothing in PAUSED.
  void set_playing (bool playing) noexcept
  {
    playing_.store (playing, std::memory_order_release);
    shared_->readiness.recheck ();
  }

  [[nodiscard]] bool playing () const noexcept { return playing_.load (std::memory_order_acquire); }

  /// False: not yet, and the task is woken when it is time to ask again, or when the clock, the
  /// base time or the state have changed.
  [[nodiscard]] bool passed (GstElement *element, GstClockTime running_time) noexcept;
  void cancel () noexcept;

private:
  using Owner = std::shared_ptr<MixerShared>;
  struct Alarm {
    GstClockID id;
    Owner *owner; // what its callback wakes; goes with the id
  };

  [[nodiscard]] Alarm &free_alarm (GstClock *clock, GstClockTime time) noexcept;
  void set_up (Alarm &alarm, GstClock *clock, GstClockTime time) noexcept;

  const Owner shared_;
  std::atomic<bool> playing_ {false};
  // For chunk after chunk the same ones: one can be set anew once the clock has let go of it, and
  // the callback for the time before may take a moment longer.
  std::array<Alarm, 8> alarms_ {};
  Alarm *alarm_ {nullptr}; // none: not set
  GstClockTime alarm_time_ {0};
};

} // namespace mt::trackmixer
