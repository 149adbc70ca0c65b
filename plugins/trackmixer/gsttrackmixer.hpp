// SPDX-License-Identifier: LGPL-2.1-or-later
// The trackmixer element: N tracks of raw audio in, one stream of chunks of one size out.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include <gst/gst.h>

#include "mixer.hpp"

G_BEGIN_DECLS

#define GST_TYPE_TRACK_MIXER (gst_track_mixer_get_type ())
G_DECLARE_FINAL_TYPE (GstTrackMixer, gst_track_mixer, GST, TRACK_MIXER, GstElement)

#define GST_TYPE_TRACK_MIXER_START_TIME_SELECTION (gst_track_mixer_start_time_selection_get_type ())
GType gst_track_mixer_start_time_selection_get_type ();

G_END_DECLS

namespace mt::trackmixer {

/// What the GObject points to.
struct Element {
  Element (GstElement *element, GstPad *src) : src_pad {src}, mixer {element, src} {}

  GstPad *const src_pad; // the element's, which owns it
  Mixer mixer;

  std::mutex pads;                   // guards next_index
  unsigned next_index {0};           // of the next sink pad whose number nobody asked for
  std::atomic<bool> running {false}; // PAUSED or PLAYING: new pads are active

  // A flush goes downstream once: see flush_start().
  std::mutex flush;                    // guards what follows; never held while an event is sent
  std::condition_variable flush_begun; // on a track, or the element stops
  bool src_active {false};
  bool src_flushing {false};          // from a flush that is due or downstream to its stop
  bool forwarding {false};            // a thread sends what is due
  bool start_due {false};             // of flush_seqnum, behind what is being sent
  std::uint32_t stop_due_seqnum {0};  // 0: no stop is due
  bool stop_resets_time {true};       // as the last one of a track has said
  std::uint32_t seeking_seqnum {0};   // of a seek that is on its way to the tracks
  std::uint32_t flush_seqnum {0};     // of the flush that src_flushing is about, or the last one
  std::uint32_t last_seek_seqnum {0}; // of the last seek that came through the source pad
  bool last_seek_failed {false};
  std::uint32_t seek_seqnum {0};    // of the last one with a flush
  bool seek_flushed {false};        // its flush has been downstream
  GstSegment seek_segment {};       // the one that follows from it
  GstSegment segment {};            // that downstream has, as the last seek wants it,
  std::uint32_t segment_seqnum {0}; // and the seqnum of that seek or flush
  // A seek sent to the element before PAUSED: see keep_seek(). Also under the state lock.
  bool seek_kept {false};
  GstSegment kept_segment {};
  std::uint32_t kept_seqnum {0};
};

} // namespace mt::trackmixer

struct _GstTrackMixer {
  GstElement parent;
  mt::trackmixer::Element *state; // made in init, deleted in finalize
};

namespace mt::trackmixer {

[[nodiscard]] inline Element &state_of (gpointer element) noexcept
{
  return *static_cast<GstTrackMixer *> (element)->state;
}

/// With the functions that read and set them; in elementproperties.cpp.
void install_properties (GObjectClass *object_class) noexcept;

// --- the pads' functions, in padfunctions.cpp; their contracts are those of GstPad

GstFlowReturn sink_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer) noexcept;
gboolean sink_event (GstPad *pad, GstObject *parent, GstEvent *event) noexcept;
gboolean sink_query (GstPad *pad, GstObject *parent, GstQuery *query) noexcept;
gboolean sink_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active) noexcept;
/// A track has gone or lost its link that a flush may have waited for; in seeking.cpp.
void track_released (Element &state);
gboolean src_event (GstPad *pad, GstObject *parent, GstEvent *event) noexcept;
gboolean src_query (GstPad *pad, GstObject *parent, GstQuery *query) noexcept;
gboolean src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active) noexcept;

} // namespace mt::trackmixer
