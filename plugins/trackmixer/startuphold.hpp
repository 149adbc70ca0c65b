// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether more tracks are still on their way when a pipeline starts.
#pragma once

#include <gst/gst.h>

namespace mt::trackmixer {

/// True while an element at any level of the pipeline is still going to PAUSED and can add pads of
/// raw audio that may be linked to `element`: a decodebin that has not seen its data.
///
/// Such a pad does not exist yet, so nothing tells where it will lead; but an element without a
/// source pad «sometimes» for raw audio can't bring a track, nor can what is downstream of
/// `element`.
/// Threads any. Takes the object locks of the bins one after the other; not for the hot path.
bool tracks_are_on_their_way (GstElement *element) noexcept;

} // namespace mt::trackmixer
