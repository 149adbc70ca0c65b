// SPDX-License-Identifier: LGPL-2.1-or-later
// How this plugin makes its GstAudioConverters.
#pragma once

#include <gst/audio/audio.h>

namespace mt::trackmixer {

inline constexpr int kMaxChannels = 63; // GstAudioConverter of GStreamer 1.22 crashes from 64 on

/// Null: there is none between these formats. `config` (or null) comes first; where it says nothing
/// of dither there is none, because dither would make two runs differ.
inline GstAudioConverter *make_converter (
    const GstAudioInfo &from, const GstAudioInfo &to, const GstStructure *config)
{
  GstStructure *options =
      config ? gst_structure_copy (config) : gst_structure_new_empty ("GstAudioConverter");
  if (!gst_structure_has_field (options, GST_AUDIO_CONVERTER_OPT_DITHER_METHOD))
    gst_structure_set (options, GST_AUDIO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_AUDIO_DITHER_METHOD,
        GST_AUDIO_DITHER_NONE, nullptr);
  GstAudioInfo in = from;
  GstAudioInfo out = to;
  return gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, options);
}

} // namespace mt::trackmixer
