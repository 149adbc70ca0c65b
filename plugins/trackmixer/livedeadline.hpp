// SPDX-License-Identifier: LGPL-2.1-or-later
// Live mixing: when a chunk has to go out, whoever is missing.
#pragma once

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
};

[[nodiscard]] UpstreamLatency ask_upstream_latency (GstElement *element) noexcept;

/// Tells when the element's clock has passed a time, and wakes the mix task at it: through the
/// clock itself, so that a test clock counts too.
///
/// Threads  passed(), cancel(): mix task. set_playing(): any.
class LiveDeadline {
public:
  explicit LiveDeadline (std::shared_ptr<MixerShared> shared) : shared_ {std::move (shared)} {}
  ~LiveDeadline () { cancel (); }
  LiveDeadline (const LiveDeadline &) = delete;
  LiveDeadline &operator= (const LiveDeadline &) = delete;

  /// Without PLAYING there is no deadline: a live source gives nothing in PAUSED.
  void set_playing (bool playing) noexcept
  {
    playing_.store (playing, std::memory_order_release);
    shared_->readiness.recheck ();
  }

  [[nodiscard]] bool playing () const noexcept { return playing_.load (std::memory_order_acquire); }

  /// False: not yet, and the task is woken when it is time to ask again.
  [[nodiscard]] bool passed (GstElement *element, GstClockTime running_time) noexcept;
  void cancel () noexcept;

private:
  const std::shared_ptr<MixerShared> shared_;
  std::atomic<bool> playing_ {false};
  GstClockID alarm_ {nullptr}; // none: not set
  GstClockTime alarm_time_ {0};
};

} // namespace mt::trackmixer
