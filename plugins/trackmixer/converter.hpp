// SPDX-License-Identifier: LGPL-2.1-or-later
// How this plugin makes its GstAudioConverters.
#pragma once

#include <numeric>

#include <gst/audio/audio.h>

namespace mt::trackmixer {

inline constexpr int kMaxChannels = 63; // GstAudioConverter of GStreamer 1.22 crashes from 64 on

inline constexpr int kMaxPhases = 8192; // of 48 taps, 1.6 MB

/// The filter of each of the ratio's phases as it is. By default GstAudioResampler interpolates it
/// from a table and takes the neighbour of the right entry (seen with GStreamer 1.22): all comes an
/// eighth of a frame of the input late, or more. Where there are more phases than that, it does.
inline void ask_for_exact_phases (GstStructure *options, int from_hz, int to_hz)
{
  if (from_hz == to_hz || to_hz / std::gcd (from_hz, to_hz) > kMaxPhases ||
      gst_structure_has_field (options, GST_AUDIO_RESAMPLER_OPT_FILTER_MODE) ||
      gst_structure_has_field (options, GST_AUDIO_RESAMPLER_OPT_FILTER_INTERPOLATION))
    return;
  gst_structure_set (options, GST_AUDIO_RESAMPLER_OPT_FILTER_MODE,
      GST_TYPE_AUDIO_RESAMPLER_FILTER_MODE, GST_AUDIO_RESAMPLER_FILTER_MODE_FULL,
      GST_AUDIO_RESAMPLER_OPT_FILTER_INTERPOLATION, GST_TYPE_AUDIO_RESAMPLER_FILTER_INTERPOLATION,
      GST_AUDIO_RESAMPLER_FILTER_INTERPOLATION_NONE, nullptr);
}

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
  ask_for_exact_phases (options, from.rate, to.rate);
  GstAudioInfo in = from;
  GstAudioInfo out = to;
  return gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, options);
}

} // namespace mt::trackmixer
