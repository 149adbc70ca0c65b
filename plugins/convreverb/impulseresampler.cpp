// SPDX-License-Identifier: LGPL-2.1-or-later
// Another rate for an impulse response, through GstAudioConverter.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gst/audio/audio.h>

#include "impulseloader.hpp"

namespace mt::convreverb {

namespace {

constexpr gsize kPieces = 100;
constexpr gsize kLeastPieceFrames = 4096; // of which some come out at any rate
constexpr int kMostTimesLower = 1000; // the filter gets longer in proportion, and minutes to make

} // namespace

dsp::Impulse resample_impulse (const LoadedImpulse &loaded, int to_hz, const Cancelled &cancelled)
{
  if (loaded.rate_hz == to_hz)
    return loaded.impulse;
  if (loaded.rate_hz / kMostTimesLower >= to_hz)
    throw LoadError ("The impulse response has " + std::to_string (loaded.rate_hz) +
        " Hz and the stream has " + std::to_string (to_hz) + ", which is " +
        std::to_string (kMostTimesLower) +
        " times lower or more. Put audioresample in front of convreverb, for a higher rate.");
  const std::size_t channels = loaded.impulse.channels;
  std::vector<GstAudioChannelPosition> positions (64, GST_AUDIO_CHANNEL_POSITION_NONE);
  GstAudioInfo in, out;
  gst_audio_info_set_format (
      &in, GST_AUDIO_FORMAT_F32, loaded.rate_hz, static_cast<gint> (channels), positions.data ());
  gst_audio_info_set_format (
      &out, GST_AUDIO_FORMAT_F32, to_hz, static_cast<gint> (channels), positions.data ());
  GstStructure *const options =
      gst_structure_new ("options", GST_AUDIO_CONVERTER_OPT_RESAMPLER_METHOD,
          GST_TYPE_AUDIO_RESAMPLER_METHOD, GST_AUDIO_RESAMPLER_METHOD_KAISER, nullptr);
  gst_audio_resampler_options_set_quality (GST_AUDIO_RESAMPLER_METHOD_KAISER,
      GST_AUDIO_RESAMPLER_QUALITY_MAX, loaded.rate_hz, to_hz, options);
  struct Free {
    void operator() (GstAudioConverter *converter) const noexcept
    {
      gst_audio_converter_free (converter);
    }
  };
  const std::unique_ptr<GstAudioConverter, Free> converter {
      gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, options)};
  if (!converter)
    throw LoadError ("No converter from " + std::to_string (loaded.rate_hz) + " to " +
        std::to_string (to_hz) + " Hz for " + std::to_string (channels) +
        " channels of the impulse response.");

  // The converter starts with half of its filter full of zeros, so that its first frame out stands
  // for the first frame in; the zeros after the end push out what is then still inside.
  // Some more, because the number of frames that come out is rounded down.
  std::vector<float> padded = loaded.impulse.samples;
  const std::size_t delay = gst_audio_converter_get_max_latency (converter.get ());
  const std::size_t more = delay + 2 + static_cast<std::size_t> (2 * loaded.rate_hz / to_hz);
  padded.resize (padded.size () + more * channels, 0.0f);
  const gsize in_frames = padded.size () / channels;
  const gsize out_frames = gst_audio_converter_get_out_frames (converter.get (), in_frames);
  dsp::Impulse result {std::vector<float> (out_frames * channels), channels};
  // In pieces, for somebody may have lost patience.
  const gsize piece = std::max (in_frames / kPieces, kLeastPieceFrames);
  for (gsize taken = 0, given = 0; taken < in_frames;) {
    if (cancelled ())
      return {};
    const gsize now = in_frames - taken < 2 * piece ? in_frames - taken : piece;
    const gsize then =
        std::min (gst_audio_converter_get_out_frames (converter.get (), now), out_frames - given);
    gpointer from[] = {padded.data () + taken * channels};
    gpointer to[] = {result.samples.data () + given * channels};
    if (!gst_audio_converter_samples (
            converter.get (), GST_AUDIO_CONVERTER_FLAG_NONE, from, now, to, then))
      throw LoadError ("The impulse response cannot be resampled from " +
          std::to_string (loaded.rate_hz) + " to " + std::to_string (to_hz) + " Hz.");
    taken += now;
    given += then;
  }
  const double ratio = static_cast<double> (to_hz) / loaded.rate_hz;
  const auto frames =
      static_cast<std::size_t> (std::ceil (static_cast<double> (loaded.impulse.frames ()) * ratio));
  result.samples.resize (std::max<std::size_t> (std::min (frames, out_frames), 1) * channels);
  for (float &x : result.samples)
    x = static_cast<float> (static_cast<double> (x) / ratio);
  return result;
}

} // namespace mt::convreverb
