// SPDX-License-Identifier: LGPL-2.1-or-later
// Flushes and seeks: one event downstream for those of all tracks, one for each track upstream.
#pragma once

#include <cstdint>
#include <optional>

#include "gsttrackmixer.hpp"

namespace mt::trackmixer {

/// A flush of one track begins, and ends; the thread that brings it.
void flush_start (Element &state, Track &track, std::uint32_t seqnum);
void flush_stop (Element &state, Track &track, std::uint32_t seqnum, bool resets_time);

/// What a segment of this track has to keep to that is of no seek without flush; its feeder.
[[nodiscard]] SeekRate wanted_rate (Element &state, const Track &track);

/// Sends a seek to every track. Takes the event. False: it is one that can't be done, or no track
/// can do it.
/// Threads  any.
bool seek (Element &state, GstObject *parent, GstEvent *event);

/// Keeps a seek that is sent to the element before PAUSED: the output begins with the segment that
/// follows from it, and no track hears of it. Whoever sends it seeks the sources himself, as
/// GStreamer Editing Services do.
/// Threads  any, with the element's state lock.
void keep_seek (Element &state, GstObject *parent, GstEvent *event);
/// Starts with the seek that was kept, if one was. Forgets all of flushes and seeks.
/// Threads  the state change, before the pads are active and after they have been.
void start_with_kept_seek (Element &state);
void forget_seeks (Element &state);

/// Of all tracks, in nanoseconds; -1: one of them does not know it; none: one does not answer.
std::optional<gint64> longest_duration (Element &state);

void start_task (Element &state);

/// Calls `use` with every sink pad that is linked.
template <class Use>
void for_each_peer (Element &state, Use use)
{
  for (const auto &track : state.mixer.tracks ()) {
    if (GstPad *pad = state.mixer.ref_pad (*track)) {
      if (gst_pad_is_linked (pad))
        use (pad);
      gst_object_unref (pad);
    }
  }
}

} // namespace mt::trackmixer
