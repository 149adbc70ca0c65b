// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackresampler.hpp"

#include <algorithm>
#include <utility>

#include "converter.hpp"
#include "glue/mapaudio.hpp"

namespace mt::trackmixer {

namespace {
constexpr std::size_t kMaxPlanes = 64;
} // namespace

bool TrackResampler::set_up (const GstAudioInfo &from, int rate_hz, const GstStructure *config)
{
  off ();
  used_ = false;
  from_ = from;
  const auto *positions = GST_AUDIO_INFO_IS_UNPOSITIONED (&from) ? nullptr : from.position;
  gst_audio_info_set_format (&to_, GST_AUDIO_FORMAT_F32, rate_hz, from.channels, positions);
  float_ = from;
  if (GST_AUDIO_INFO_FORMAT (&from) != GST_AUDIO_FORMAT_F32) {
    gst_audio_info_set_format (&float_, GST_AUDIO_FORMAT_F32, from.rate, from.channels, positions);
    to_float_ = make_converter (from_, float_, nullptr);
    if (!to_float_)
      return false;
  }
  config_ = config ? gst_structure_copy (config) : nullptr;
  converter_ = make_resampler ();
  return converter_ != nullptr;
}

GstAudioConverter *TrackResampler::make_resampler () const noexcept
{
  return make_converter (float_, to_, config_);
}

void TrackResampler::off () noexcept
{
  g_clear_pointer (&to_float_, gst_audio_converter_free);
  g_clear_pointer (&converter_, gst_audio_converter_free);
  g_clear_pointer (&config_, gst_structure_free);
  running_ = false;
}

Frames TrackResampler::to_mix (Frames frame) const noexcept
{
  // Frames before running time 0 are negative, which GStreamer's functions do not scale.
  const auto scaled =
      static_cast<Frames> (gst_util_uint64_scale_round (static_cast<guint64> (std::abs (frame)),
          static_cast<guint64> (to_.rate), static_cast<guint64> (from_.rate)));
  return frame < 0 ? -scaled : scaled;
}

void TrackResampler::begin_run (Frames start) noexcept
{
  // gst_audio_converter_reset() keeps the fraction of a frame at which the last run ended (seen
  // with GStreamer 1.22), so a new run would lie up to a frame off.
  if (std::exchange (used_, true)) {
    gst_audio_converter_free (converter_);
    converter_ = make_resampler (); // which was possible before
  }
  running_ = true;
  run_begin_in_ = start;
  run_begin_out_ = to_mix (start);
  frames_in_ = frames_out_ = silent_in_ = 0;
}

void TrackResampler::forget () noexcept
{
  running_ = false;
}

QueueItem TrackResampler::convert (gpointer *in, Frames frames, Frames most) noexcept
{
  const auto count = static_cast<gsize> (frames);
  const gsize made = gst_audio_converter_get_out_frames (converter_, count);
  QueueItem item;
  item.kind = QueueItem::Kind::audio;
  item.start = run_begin_out_ + frames_out_;
  item.frames = std::min (static_cast<Frames> (made), most);
  const auto bpf = static_cast<gsize> (to_.bpf);
  GstBuffer *buffer = gst_buffer_new_allocate (nullptr, std::max<gsize> (made, 1) * bpf, nullptr);
  GstMapInfo map;
  gst_buffer_map (buffer, &map, GST_MAP_WRITE); // memory of our own
  gpointer out[] {map.data};
  gst_audio_converter_samples (converter_, GST_AUDIO_CONVERTER_FLAG_NONE, in, count, out, made);
  gst_buffer_unmap (buffer, &map);
  if (item.frames <= 0) {
    gst_buffer_unref (buffer);
    item.frames = 0;
    return item;
  }
  item.bytes = static_cast<std::size_t> (item.frames) * bpf;
  gst_buffer_set_size (buffer, static_cast<gssize> (item.bytes));
  // What has left the filter is silence once only silence has been in it.
  const auto in_filter =
      2 * static_cast<Frames> (gst_audio_converter_get_max_latency (converter_)) + frames;
  if (silent_in_ >= in_filter)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  item.object = GST_MINI_OBJECT_CAST (buffer);
  frames_out_ += item.frames;
  return item;
}

QueueItem TrackResampler::resample (GstBuffer *buffer, Frames frames) noexcept
{
  QueueItem item;
  GstAudioBuffer map;
  if (glue::map_audio (map, from_, buffer)) {
    silent_in_ = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) ? silent_in_ + frames : 0;
    frames_in_ += frames;
    gpointer *planes = map.planes;
    gpointer floats[1];
    if (to_float_) {
      float_memory_.resize (static_cast<std::size_t> (frames * from_.channels));
      floats[0] = float_memory_.data ();
      gst_audio_converter_samples (to_float_, GST_AUDIO_CONVERTER_FLAG_NONE, planes,
          static_cast<gsize> (frames), floats, static_cast<gsize> (frames));
      planes = floats;
    }
    item = convert (planes, frames, G_MAXINT64);
    gst_audio_buffer_unmap (&map);
  } else {
    item.kind = QueueItem::Kind::lost;
    item.start = run_begin_out_ + frames_out_;
    item.frames = to_mix (run_begin_in_ + frames_in_ + frames) - item.start;
    running_ = false;
  }
  gst_buffer_unref (buffer);
  return item;
}

QueueItem TrackResampler::drain () noexcept
{
  if (!running_)
    return {};
  running_ = false;
  // Every frame of the mix that lies before the end of the run.
  const auto all =
      static_cast<Frames> (gst_util_uint64_scale_ceil (static_cast<guint64> (frames_in_),
          static_cast<guint64> (to_.rate), static_cast<guint64> (from_.rate)));
  // Two more than it says: the last frames of the mix lie behind the middle of its filter.
  const auto held = static_cast<Frames> (gst_audio_converter_get_max_latency (converter_)) + 2;
  silent_in_ = 0;
  // Silence of our own: where GstAudioConverter is to make it, some of it is memory as it comes.
  float_memory_.assign (static_cast<std::size_t> (held * from_.channels), 0.0f);
  gpointer in[kMaxPlanes];
  std::fill (std::begin (in), std::end (in), float_memory_.data ());
  return convert (in, held, all - frames_out_);
}

} // namespace mt::trackmixer
