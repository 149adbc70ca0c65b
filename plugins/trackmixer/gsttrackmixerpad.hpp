// SPDX-License-Identifier: LGPL-2.1-or-later
// The sink pad of trackmixer: one track, with its level.
#pragma once

#include <memory>

#include <gst/gst.h>

#include "track.hpp"

G_BEGIN_DECLS

#define GST_TYPE_TRACK_MIXER_PAD (gst_track_mixer_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstTrackMixerPad, gst_track_mixer_pad, GST, TRACK_MIXER_PAD, GstPad)

struct _GstTrackMixerPad {
  GstPad parent;
  std::shared_ptr<mt::trackmixer::Track> *track; // made in init, deleted in finalize
};

G_END_DECLS

/// The track of a pad; it lives as long as the pad does.
inline mt::trackmixer::Track &track_of (GstPad *pad) noexcept
{
  return **reinterpret_cast<GstTrackMixerPad *> (pad)->track;
}
