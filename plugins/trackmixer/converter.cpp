// SPDX-License-Identifier: LGPL-2.1-or-later
#include "converter.hpp"

#include <numeric>

namespace mt::trackmixer {
namespace {

constexpr int kMaxPhases = 8192; // of 64 taps, 2 MB

/// The filter of each of the ratio's phases as it is. By default GstAudioResampler interpolates it
/// from a table and takes the neighbour of the right entry (seen with GStreamer 1.22): all comes an
/// eighth of a frame of the input late, or more. Where there are more phases than that, or `config`
/// has a say in it, it may.
void ask_for_exact_phases (
    GstStructure *options, const GstStructure *config, int from_hz, int to_hz)
{
  if (to_hz / std::gcd (from_hz, to_hz) > kMaxPhases)
    return;
  if (config &&
      (gst_structure_has_field (config, GST_AUDIO_RESAMPLER_OPT_FILTER_MODE) ||
          gst_structure_has_field (config, GST_AUDIO_RESAMPLER_OPT_FILTER_INTERPOLATION)))
    return;
  gst_structure_set (options, GST_AUDIO_RESAMPLER_OPT_FILTER_MODE,
      GST_TYPE_AUDIO_RESAMPLER_FILTER_MODE, GST_AUDIO_RESAMPLER_FILTER_MODE_FULL,
      GST_AUDIO_RESAMPLER_OPT_FILTER_INTERPOLATION, GST_TYPE_AUDIO_RESAMPLER_FILTER_INTERPOLATION,
      GST_AUDIO_RESAMPLER_FILTER_INTERPOLATION_NONE, nullptr);
}

/// By itself GstAudioConverter takes a shorter filter than `audioresample`, which is 8 dB down at
/// 19 kHz from 44.1 to 48 kHz. Kaiser's taps follow from its attenuation, so whoever sets `n-taps`
/// gets the converter's own.
void ask_for_the_filter_of_audioresample (
    GstStructure *options, const GstStructure *config, int from_hz, int to_hz)
{
  int method = config && gst_structure_has_field (config, GST_AUDIO_RESAMPLER_OPT_N_TAPS)
      ? GST_AUDIO_RESAMPLER_METHOD_BLACKMAN_NUTTALL
      : GST_AUDIO_RESAMPLER_METHOD_KAISER;
  if (config)
    gst_structure_get_enum (
        config, GST_AUDIO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_AUDIO_RESAMPLER_METHOD, &method);
  gst_structure_set (options, GST_AUDIO_CONVERTER_OPT_RESAMPLER_METHOD,
      GST_TYPE_AUDIO_RESAMPLER_METHOD, method, nullptr);
  gst_audio_resampler_options_set_quality (static_cast<GstAudioResamplerMethod> (method),
      GST_AUDIO_RESAMPLER_QUALITY_DEFAULT, from_hz, to_hz, options);
}

struct EnumOption {
  const char *name;
  GType (*type) ();
};

constexpr EnumOption kEnumOptions[] {
    {GST_AUDIO_CONVERTER_OPT_RESAMPLER_METHOD, gst_audio_resampler_method_get_type},
    {GST_AUDIO_CONVERTER_OPT_DITHER_METHOD, gst_audio_dither_method_get_type},
    {GST_AUDIO_CONVERTER_OPT_NOISE_SHAPING_METHOD, gst_audio_noise_shaping_method_get_type},
    {GST_AUDIO_RESAMPLER_OPT_FILTER_MODE, gst_audio_resampler_filter_mode_get_type},
    {GST_AUDIO_RESAMPLER_OPT_FILTER_INTERPOLATION,
        gst_audio_resampler_filter_interpolation_get_type},
};

} // namespace

void register_converter_enums () noexcept
{
  for (const EnumOption &option : kEnumOptions)
    option.type ();
}

const char *normalize_converter_config (GstStructure *config) noexcept
{
  for (const EnumOption &option : kEnumOptions) {
    const char *word = gst_structure_get_string (config, option.name);
    if (!word)
      continue;
    GValue value = G_VALUE_INIT;
    g_value_init (&value, option.type ());
    if (!gst_value_deserialize (&value, word)) {
      g_value_unset (&value);
      return option.name;
    }
    gst_structure_take_value (config, option.name, &value);
  }
  gint taps = 1;
  if (gst_structure_get_int (config, GST_AUDIO_RESAMPLER_OPT_N_TAPS, &taps) && taps < 1)
    return GST_AUDIO_RESAMPLER_OPT_N_TAPS;
  const GValue *matrix = gst_structure_get_value (config, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX);
  return matrix && !GST_VALUE_HOLDS_ARRAY (matrix) ? GST_AUDIO_CONVERTER_OPT_MIX_MATRIX : nullptr;
}

const char *unknown_converter_option (const GstStructure *config) noexcept
{
  for (gint i = 0; i < gst_structure_n_fields (config); ++i) {
    const char *name = gst_structure_nth_field_name (config, static_cast<guint> (i));
    if (!g_str_has_prefix (name, "GstAudioConverter.") &&
        !g_str_has_prefix (name, "GstAudioResampler."))
      return name;
  }
  return nullptr;
}

GstAudioConverter *make_converter (
    const GstAudioInfo &from, const GstAudioInfo &to, const GstStructure *config)
{
  GstStructure *options =
      gst_structure_new ("GstAudioConverter", GST_AUDIO_CONVERTER_OPT_DITHER_METHOD,
          GST_TYPE_AUDIO_DITHER_METHOD, GST_AUDIO_DITHER_NONE, nullptr);
  if (from.rate != to.rate) {
    ask_for_exact_phases (options, config, from.rate, to.rate);
    ask_for_the_filter_of_audioresample (options, config, from.rate, to.rate);
  }
  if (config) {
    const auto set = [] (GQuark field, const GValue *value, gpointer into) -> gboolean {
      gst_structure_set_value (
          static_cast<GstStructure *> (into), g_quark_to_string (field), value);
      return TRUE;
    };
    gst_structure_foreach (config, set, options);
  }
  GstAudioInfo in = from;
  GstAudioInfo out = to;
  return gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, options);
}

} // namespace mt::trackmixer
