// SPDX-License-Identifier: LGPL-2.1-or-later
// The sink pad of trackmixer: one track, with its level.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <gst/gst.h>

#include "track.hpp"

G_BEGIN_DECLS

#define GST_TYPE_TRACK_MIXER_PAD (gst_track_mixer_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstTrackMixerPad, gst_track_mixer_pad, GST, TRACK_MIXER_PAD, GstPad)

struct _GstTrackMixerPad {
  GstPad parent;
  std::shared_ptr<mt::trackmixer::Track> *owner; // made in init, deleted in finalize
  std::atomic<mt::trackmixer::Track *> track;    // what it owns: see adopt_track()
};

G_END_DECLS

/// Once, before the pad is added. Whatever thread then finds the track through the pad sees it
/// whole.
inline void adopt_track (
    GstTrackMixerPad *pad, std::shared_ptr<mt::trackmixer::Track> track) noexcept
{
  pad->track.store (track.get (), std::memory_order_release);
  *pad->owner = std::move (track);
}

/// The track of a pad; it lives as long as the pad does.
inline mt::trackmixer::Track &track_of (GstPad *pad) noexcept
{
  return *reinterpret_cast<GstTrackMixerPad *> (pad)->track.load (std::memory_order_acquire);
}
