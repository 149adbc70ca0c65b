// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether more tracks are still on their way when a pipeline starts.
#pragma once

#include <gst/gst.h>

namespace mt::trackmixer {

/// True while an element beside `element`, at any level of the pipeline, is still going to PAUSED
/// and may yet link a track to it: a decodebin that has not seen its data.
///
/// Sinks do not count, for they wait for us; nor does what lies downstream of `element`.
/// Threads any. Takes the object locks of the bins one after the other; not for the hot path.
bool tracks_are_on_their_way (GstElement *element) noexcept;

} // namespace mt::trackmixer
