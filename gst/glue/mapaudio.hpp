// SPDX-License-Identifier: LGPL-2.1-or-later
// Maps a buffer of audio by its caps or its meta.
#pragma once

#include <gst/audio/audio.h>

namespace mt::glue {

/// As gst_audio_buffer_map(), also where the buffer's meta names another rate or other positions
/// than its caps. Format, layout and channels have to be the same in both.
inline bool map_audio (GstAudioBuffer &map, const GstAudioInfo &info, GstBuffer *buffer) noexcept
{
  const GstAudioMeta *meta = gst_buffer_get_audio_meta (buffer);
  return gst_audio_buffer_map (&map, meta ? &meta->info : &info, buffer, GST_MAP_READ);
}

} // namespace mt::glue
