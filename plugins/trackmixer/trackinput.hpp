// SPDX-License-Identifier: LGPL-2.1-or-later
// What the feeder of a track brings: caps, segments, gaps and buffers, checked and queued.
#pragma once

#include "gsttrackmixer.hpp"

namespace mt::trackmixer {

// Threads  the feeder, with the pad's stream lock.
// Errors   what can't be mixed is told by a warning on the bus and concerns its own track alone.

void accept_stream_start (Track &track);
/// False: the track can't have these caps.
bool accept_caps (Element &state, GstObject *parent, Track &track, GstCaps *caps);
void accept_segment (Element &state, GstObject *parent, Track &track, GstEvent *event);
void accept_gap (Element &state, Track &track, GstEvent *event);
void accept_eos (Track &track);
void accept_segment_done (Element &state, Track &track, GstEvent *event);
/// Takes the buffer.
GstFlowReturn accept_buffer (Element &state, GstObject *parent, Track &track, GstBuffer *buffer);

} // namespace mt::trackmixer
