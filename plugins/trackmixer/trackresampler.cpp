// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackresampler.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "converter.hpp"
#include "glue/mapaudio.hpp"

namespace mt::trackmixer {

namespace {
constexpr std::size_t kMaxPlanes = 64;
constexpr Frames kMaxLead = 4096; // frames of silence before a run

} // namespace

Frames lead_of (Frames start, int in_hz, int out_hz) noexcept
{
  const auto common = std::gcd (Frames {in_hz}, Frames {out_hz});
  const Frames in = in_hz / common;
  const Frames out = out_hz / common % in;
  Frames phase = (start % in + in) % in * out % in; // in parts of 1 / in of a frame of the mix
  Frames best = 0;
  Frames least = in;
  for (Frames lead = 0; lead < std::min (in, kMaxLead); ++lead) {
    if (const Frames off = std::min (phase, in - phase); off < least) {
      least = off;
      best = lead;
    }
    if (least == 0)
      break;
    phase = (phase + in - out) % in;
  }
  return best;
}

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
  if (config_) // the channels stay as they are here
    gst_structure_remove_field (config_, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX);
  converter_ = make_resampler ();
  return converter_ != nullptr;
}

bool TrackResampler::go_on_with (const GstAudioInfo &from)
{
  if (gst_audio_info_is_equal (&from, &from_))
    return true;
  const auto *positions = GST_AUDIO_INFO_IS_UNPOSITIONED (&from) ? nullptr : from.position;
  GstAudioInfo needed;
  gst_audio_info_set_format (&needed, GST_AUDIO_FORMAT_F32, from.rate, from.channels, positions);
  if (!gst_audio_info_is_equal (&needed, &float_))
    return false; // or it gets its samples in planes
  auto *to_float =
      gst_audio_info_is_equal (&from, &float_) ? nullptr : make_converter (from, float_, nullptr);
  if (!to_float && !gst_audio_info_is_equal (&from, &float_))
    return false;
  g_clear_pointer (&to_float_, gst_audio_converter_free);
  to_float_ = to_float;
  from_ = from;
  return true;
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
  return RateChange {from_.rate, to_.rate}(frame);
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
  const Frames lead = lead_of (start, from_.rate, to_.rate);
  skip_ = run_begin_out_ - to_mix (start - lead);
  if (lead == 0)
    return;
  float_memory_.assign (static_cast<std::size_t> (lead * from_.channels), 0.0f);
  gpointer in[kMaxPlanes];
  std::fill (std::begin (in), std::end (in), float_memory_.data ());
  const gsize made = gst_audio_converter_get_out_frames (converter_, static_cast<gsize> (lead));
  std::vector<float> unused ((made + 1) * static_cast<std::size_t> (to_.channels));
  gpointer out[] {unused.data ()};
  gst_audio_converter_samples (
      converter_, GST_AUDIO_CONVERTER_FLAG_NONE, in, static_cast<gsize> (lead), out, made);
  skip_ = std::max<Frames> (0, skip_ - static_cast<Frames> (made));
}

Frames TrackResampler::settled () const noexcept
{
  const auto half = static_cast<Frames> (gst_audio_converter_get_max_latency (converter_));
  return to_mix (run_begin_in_ + half) + 1;
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
  const Frames skipped = std::min (static_cast<Frames> (made), skip_);
  skip_ -= skipped;
  item.frames = std::min (static_cast<Frames> (made) - skipped, most);
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
  gst_buffer_resize (buffer, static_cast<gssize> (static_cast<gsize> (skipped) * bpf),
      static_cast<gssize> (item.bytes));
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
  // More than it says: the last frames of the mix lie behind the middle of its filter, by up to two
  // of them where the start of the run was rounded.
  const auto held = static_cast<Frames> (gst_audio_converter_get_max_latency (converter_)) + 2 +
      2 * from_.rate / to_.rate;
  silent_in_ = 0;
  // Silence of our own: where GstAudioConverter is to make it, some of it is memory as it comes.
  float_memory_.assign (static_cast<std::size_t> (held * from_.channels), 0.0f);
  gpointer in[kMaxPlanes];
  std::fill (std::begin (in), std::end (in), float_memory_.data ());
  return convert (in, held, all - frames_out_);
}

} // namespace mt::trackmixer
