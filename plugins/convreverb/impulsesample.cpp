// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses that an application hands over as a GstSample.
#include <memory>
#include <string>
#include <vector>

#include "glue/mapaudio.hpp"
#include "impulsesource.hpp"

namespace mt::convreverb {

namespace {

constexpr std::size_t kMaxSampleChannels = dsp::kMaxImpulseChannels - 1; // see impulseloader.cpp

[[noreturn]] void fail (const std::string &reason)
{
  throw LoadError ("The impulse response in 'ir' cannot be used: " + reason + ".");
}

GstAudioInfo info_of (GstSample *sample)
{
  GstAudioInfo info;
  GstCaps *const caps = gst_sample_get_caps (sample);
  if (!caps)
    fail ("the sample has no caps");
  if (!gst_caps_is_fixed (caps) || !gst_audio_info_from_caps (&info, caps) ||
      GST_AUDIO_INFO_FORMAT (&info) == GST_AUDIO_FORMAT_ENCODED) {
    const std::unique_ptr<gchar, decltype (&g_free)> text {gst_caps_to_string (caps), g_free};
    fail ("it is not raw audio but " + std::string (text.get ()));
  }
  if (static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info)) > kMaxSampleChannels)
    fail ("it has " + std::to_string (GST_AUDIO_INFO_CHANNELS (&info)) +
        " channels, the limit is " + std::to_string (kMaxSampleChannels));
  return info;
}

/// The same without places of loudspeakers, which would make the converter mix channels.
GstAudioInfo without_positions (const GstAudioInfo &info, GstAudioFormat format)
{
  const std::vector<GstAudioChannelPosition> nowhere (64, GST_AUDIO_CHANNEL_POSITION_NONE);
  GstAudioInfo plain;
  gst_audio_info_set_format (&plain, format, GST_AUDIO_INFO_RATE (&info),
      GST_AUDIO_INFO_CHANNELS (&info), nowhere.data ());
  return plain;
}

class Map {
public:
  Map (const GstAudioInfo &info, GstBuffer *buffer) noexcept
      : mapped_ {glue::map_audio (audio_, info, buffer)}
  {}
  ~Map ()
  {
    if (mapped_)
      gst_audio_buffer_unmap (&audio_);
  }
  Map (const Map &) = delete;
  Map &operator= (const Map &) = delete;
  explicit operator bool () const noexcept { return mapped_; }
  std::size_t frames () const noexcept { return audio_.n_samples; }
  gpointer *planes () const noexcept { return audio_.planes; }

private:
  GstAudioBuffer audio_ {};
  bool mapped_;
};

} // namespace

LoadedImpulse read_sample (GstSample *sample)
{
  GstBuffer *const buffer = gst_sample_get_buffer (sample);
  if (!buffer || gst_buffer_get_size (buffer) == 0)
    fail ("it has no samples");
  const GstAudioInfo info = info_of (sample);
  const GstAudioMeta *const meta = gst_buffer_get_audio_meta (buffer);
  if (meta &&
      (GST_AUDIO_INFO_FORMAT (&meta->info) != GST_AUDIO_INFO_FORMAT (&info) ||
          GST_AUDIO_INFO_CHANNELS (&meta->info) != GST_AUDIO_INFO_CHANNELS (&info) ||
          GST_AUDIO_INFO_LAYOUT (&meta->info) != GST_AUDIO_INFO_LAYOUT (&info)))
    fail ("its buffer's meta tells of another format than its caps");
  const Map map {info, buffer};
  if (!map)
    fail ("its buffer cannot be mapped as its caps say");

  const auto channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info));
  GstAudioInfo in = without_positions (info, GST_AUDIO_INFO_FORMAT (&info));
  in.layout = GST_AUDIO_INFO_LAYOUT (&info);
  GstAudioInfo out = without_positions (info, GST_AUDIO_FORMAT_F32);
  struct Free {
    void operator() (GstAudioConverter *converter) const noexcept
    {
      gst_audio_converter_free (converter);
    }
  };
  const std::unique_ptr<GstAudioConverter, Free> converter {
      gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, nullptr)};
  if (!converter)
    fail (std::string ("there is no converter from ") +
        gst_audio_format_to_string (GST_AUDIO_INFO_FORMAT (&info)));
  LoadedImpulse result {
      {std::vector<float> (map.frames () * channels), channels}, GST_AUDIO_INFO_RATE (&info)};
  gpointer to[] = {result.impulse.samples.data ()};
  if (!gst_audio_converter_samples (converter.get (), GST_AUDIO_CONVERTER_FLAG_NONE, map.planes (),
          map.frames (), to, map.frames ()))
    fail ("it cannot be converted to 32-bit float");
  const std::string fault = dsp::find_fault (result.impulse, result.rate_hz);
  if (!fault.empty ())
    fail (fault);
  return result;
}

} // namespace mt::convreverb
