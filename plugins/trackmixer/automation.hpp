// SPDX-License-Identifier: LGPL-2.1-or-later
// What the control bindings of a pad ask for in a chunk.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <gst/gst.h>

#include "trackgain.hpp"

namespace mt::trackmixer {

struct TrackSettings;

/// An automated loudness is read at every whole multiple of this many frames, whatever the chunk,
/// and lies on a straight line in between. At 48 kHz: 1.3 ms. Such a place is a point here, and
/// counted from running time 0.
constexpr Frames kAutomationStep = 64;

/// Points whose times are one after the other as GstController counts them.
struct PointRun {
  GstClockTime time;
  std::size_t first; // as counted from the chunk's first
  std::size_t count;
};

/// The points that a chunk needs: the one at or before its begin, to the one at or behind its end.
struct AutomationPoints {
  Frames first {0};
  std::size_t count {0};
  GstClockTime now {0}; // the chunk's begin, in stream time as all times here
  GstClockTime interval {0};
  std::vector<PointRun> runs;
};

/// The loudness of one track at each point of a chunk.
///
/// GstController locks and allocates, so all that the chunk needs is read at once and before it is
/// mapped, each property by one call for each run of points. Nothing is allocated here but where a
/// chunk has more points than any before.
///
/// Threads  mix task.
class Automation {
public:
  /// There is none in this chunk.
  void end () noexcept { active_ = solo_controlled_ = false; }
  /// Sets the pad's properties to what its bindings say for the chunk's begin, for whoever reads
  /// them, and reads the points. Without `sounds` the track has no audio in the chunk, and only
  /// what the other tracks have to know is read. Returns whether there is any binding that is not
  /// disabled.
  bool read (
      GstPad *pad, const AutomationPoints &points, const TrackSettings &settings, bool sounds);
  /// As if each property had a binding that says what is set.
  void hold (const AutomationPoints &points, const TrackSettings &settings);
  /// What is heard while any track of the mix is soloed, where this one is not or muted, is zero.
  void apply_solo (std::span<const gboolean> soloed) noexcept;

  [[nodiscard]] bool active () const noexcept { return active_; }
  [[nodiscard]] bool solo_controlled () const noexcept { return solo_controlled_; }
  [[nodiscard]] std::span<const gboolean> solo () const noexcept { return solo_; }
  [[nodiscard]] Loudness at (Frames point) const noexcept
  {
    const auto n = static_cast<std::size_t> (point - first_);
    return {volume_[n], pan_[n]};
  }

private:
  bool active_ {false};
  bool solo_controlled_ {false};
  Frames first_ {0};
  GstClockTime last_sync_ {GST_CLOCK_TIME_NONE};
  std::vector<gdouble> volume_;
  std::vector<gdouble> pan_;
  std::vector<gboolean> mute_;
  std::vector<gboolean> solo_;
};

} // namespace mt::trackmixer
