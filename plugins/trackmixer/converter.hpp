// SPDX-License-Identifier: LGPL-2.1-or-later
// How this plugin makes its GstAudioConverters.
#pragma once

#include <gst/audio/audio.h>

namespace mt::trackmixer {

inline constexpr int kMaxChannels = 63; // GstAudioConverter of GStreamer 1.22 crashes from 64 on

/// So that `converter-config` can name the values of the converter's enumerations by their types.
void register_converter_enums () noexcept;

/// Makes plain words for a value of an enumeration ("nearest") that value: GstAudioConverter leaves
/// out what is a string. Returns the name of a field whose word is none of its values, or at whose
/// value GstAudioConverter crashes or complains of a mistake of ours; null: there is none.
const char *normalize_converter_config (GstStructure *config) noexcept;

/// Name of a field that is no option of GstAudioConverter's or GstAudioResampler's, by how it
/// begins: which others there are is for their version to know. Null: there is none.
const char *unknown_converter_option (const GstStructure *config) noexcept;

/// Null: there is none between these formats. `config` (or null) comes first. Where it says nothing
/// of resampling it is done as by `audioresample`, and where it says nothing of dither there is
/// none, because dither would make two runs differ.
GstAudioConverter *make_converter (
    const GstAudioInfo &from, const GstAudioInfo &to, const GstStructure *config);

} // namespace mt::trackmixer
