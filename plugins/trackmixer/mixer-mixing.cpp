// SPDX-License-Identifier: LGPL-2.1-or-later
// Takes what a chunk needs of every track, and adds it up.
#include "mixer.hpp"

#include <algorithm>
#include <utility>

#include "dsp/mix.hpp"
#include "glue/buffermap.hpp"
#include "glue/mapaudio.hpp"

namespace mt::trackmixer {

/// Takes what the chunk needs of every track. All that locks, allocates or reports is done here,
/// before the chunk is mapped.
void Mixer::collect (Frames begin, Frames end, Frames next_end)
{
  std::size_t tellable = 0;
  std::size_t maybe_late = 0;
  for (const auto &track : snapshot_) {
    auto &mix = track->mix;
    std::size_t known = mix.held.size ();
    if (track->queue.take (end, next_end, mix.held, mix.flushed))
      to_wake_.push_back (track.get ());
    if (!mix.flushed.empty ()) {
      mix.forget (mix.flushed);
      known = 0;
    }
    for (; known < mix.held.size (); ++known) {
      const QueueItem &item = mix.held[known];
      GstAudioInfo info;
      if (item.kind != QueueItem::Kind::format ||
          !gst_audio_info_from_caps (&info, GST_CAPS (item.object)))
        continue; // the feeder has read those caps too
      mix.prepared.push_back (prepare_format (*track, info));
      mix.retired.reserve (mix.prepared.size ());
    }
    mix.tells_consumed = track->settings.emit_signals.load (std::memory_order_relaxed);
    if (mix.tells_consumed)
      consumed_.reserve (tellable += mix.held.size ());
    mix.tells_late = track->settings.qos_messages.load (std::memory_order_relaxed);
    if (mix.tells_late)
      late_pieces_.reserve (maybe_late += mix.held.size ());
  }
  aim_gains (begin, end);
}

/// Returns whether there is anything but silence in it. None: its memory can't be written.
template <class Sample>
std::optional<bool> Mixer::mix_chunk (GstBuffer *buffer, Frames begin, Frames end)
{
  const auto frames = static_cast<std::size_t> (end - begin);
  const std::size_t samples = frames * static_cast<std::size_t> (mix_info_.channels);
  const glue::BufferMap<GST_MAP_READWRITE> map {buffer};
  if (!map)
    return {};
  const std::span<Sample> sum {out_converter_ ? reinterpret_cast<Sample *> (mix_memory_.data ())
                                              : map.template as<Sample> ().data (),
      samples};
  std::fill (sum.begin (), sum.end (), Sample {0});
  const bool rings = ringing_at_ < ringing_.size () && add_ringing (sum);
  const bool audible = mix_tracks (sum, begin, end) || rings;
  keep_past (reinterpret_cast<const std::byte *> (sum.data ()), frames);
  if (out_converter_) {
    bump (clipped_samples_, dsp::count_clipped (sum));
    gpointer in[] {sum.data ()};
    gpointer out[] {map.template as<std::uint8_t> ().data ()};
    gst_audio_converter_samples (
        out_converter_, GST_AUDIO_CONVERTER_FLAG_NONE, in, frames, out, frames);
  }
  return audible;
}

/// Returns whether anything but silence went into `acc`, which lies in mapped memory.
template <class Sample>
bool Mixer::mix_tracks (std::span<Sample> acc, Frames begin, Frames end)
{
  bool audible = false;
  for (std::size_t n = 0; n < snapshot_.size (); ++n) {
    if (n + 1 < snapshot_.size ())
      fetch_ahead (*snapshot_[n + 1], begin, end);
    audible = mix_track (*snapshot_[n], acc, begin, end) || audible;
  }
  return audible;
}

/// What the track holds for the chunk, while another is being mixed. What many tracks have queued
/// is no longer in the cache, and the processor's own prefetching starts anew at each buffer and
/// page.
void Mixer::fetch_ahead (const Track &track, Frames begin, Frames end) noexcept
{
  constexpr std::size_t kBufferBytes = 5 * 64; // its private part holds memories and metas
  constexpr std::size_t kMemoryBytes = 2 * 64;
  const auto &mix = track.mix;
  const GstAudioInfo &info = mix.format.info;
  if (GST_AUDIO_INFO_LAYOUT (&info) != GST_AUDIO_LAYOUT_INTERLEAVED ||
      (!mix.automation.active () && mix.gain.is_silent (begin)))
    return;
  const auto bpf = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&info));
  for (const QueueItem &item : mix.held) {
    if (item.start >= end)
      break;
    if (!item.samples)
      continue;
    const Frames frames = std::min (item.end (), end) - item.start;
    if (item.object != GST_MINI_OBJECT_CAST (mix.mapped) || frames == item.frames) {
      dsp::prefetch (item.object, kBufferBytes);
      dsp::prefetch (item.memory, kMemoryBytes);
    }
    const std::size_t left = std::min (item.bytes, static_cast<std::size_t> (item.frames) * bpf);
    dsp::prefetch (item.samples + (item.bytes - left), static_cast<std::size_t> (frames) * bpf);
  }
}

/// Gives up what was needed for the chunk only, once it is unmapped.
void Mixer::let_go () noexcept
{
  for (const auto &track : snapshot_)
    track->mix.retired.clear ();
  // All at once and last: a feeder that wakes takes the processor from this thread.
  for (auto *track : to_wake_)
    track->queue.notify ();
  to_wake_.clear ();
}

/// Adds what the track holds for the frames from `begin` to `end`; holes stay silence.
template <class Sample>
bool Mixer::mix_track (Track &track, std::span<Sample> acc, Frames begin, Frames end)
{
  auto &held = track.mix.held;
  const auto channels = static_cast<std::size_t> (mix_info_.channels);
  bool audible = false;
  Frames mixed = 0;
  Frames at = begin;
  std::size_t used = 0;
  for (; used < held.size (); ++used) {
    QueueItem &item = held[used];
    if (item.kind == QueueItem::Kind::format) {
      if (auto &mix = track.mix; !mix.prepared.empty ()) {
        mix.retired.push_back (std::exchange (mix.format, std::move (mix.prepared.front ())));
        mix.prepared.erase (mix.prepared.begin ());
      }
      item.drop ();
      continue;
    }
    if (item.kind == QueueItem::Kind::event) {
      // It must not overtake audio of its track, which goes out with the whole chunk.
      auto &events = at > begin ? events_after_ : pending_events_;
      events.push_back (GST_EVENT (std::exchange (item.object, nullptr)));
      continue;
    }
    if (item.start < at) {
      const Frames late = std::min (item.frames, at - item.start);
      const Frames unwanted = std::clamp<Frames> (mix_begin_ - item.start, 0, late);
      bump (track.mix.frames_dropped, static_cast<std::uint64_t> (unwanted));
      bump (track.mix.frames_late, static_cast<std::uint64_t> (late - unwanted));
      if (track.mix.tells_late && unwanted < late)
        note_late (track, item.start + unwanted, late - unwanted);
      if (item.start + unwanted < begin) { // and not only an overlap with its own audio
        track.mix.late_untold +=
            static_cast<std::uint64_t> (std::min (late, begin - item.start) - unwanted);
        late_untold_ = late_untold_ || unwanted < late;
      }
      consume (track, item, late);
    }
    if (item.frames > 0 && item.start < end) {
      const Frames frames = std::min (item.end (), end) - item.start;
      const auto where = acc.subspan (static_cast<std::size_t> (item.start - begin) * channels);
      if (item.kind == QueueItem::Kind::audio) {
        audible = mix_audio (track, item, where, frames) || audible;
        mixed += frames;
      } else {
        bump (track.mix.frames_dropped, static_cast<std::uint64_t> (frames));
      }
      consume (track, item, frames);
      at = item.start;
    }
    if (item.frames > 0)
      break; // goes on in the next chunk
    track.mix.unmap ();
    if (track.mix.tells_consumed && item.kind == QueueItem::Kind::audio)
      consumed_.emplace_back (&track, GST_BUFFER (std::exchange (item.object, nullptr)));
    item.drop ();
  }
  held.erase (held.begin (), held.begin () + static_cast<std::ptrdiff_t> (used));
  if (mixed > 0)
    track.mix.warned = false;
  bump (track.mix.frames_silence, static_cast<std::uint64_t> (end - begin - mixed));
  return audible;
}

/// Adds `frames` frames of the item. The counts say «mixed» also where the gain is zero: the audio
/// was in time and took its place.
template <class Sample>
bool Mixer::mix_audio (Track &track, QueueItem &item, std::span<Sample> acc, Frames frames)
{
  auto &mix = track.mix;
  auto *buffer = GST_BUFFER (item.object);
  const auto count = static_cast<std::size_t> (frames);
  const std::size_t samples = count * static_cast<std::size_t> (mix_info_.channels);
  const auto bpf = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&mix.format.info));
  // The second can't be: but a format that got lost must never become a look outside the buffer.
  if (mix.format.unconvertible || bpf == 0 ||
      item.bytes / bpf < static_cast<std::size_t> (item.frames)) {
    bump (mix.frames_dropped, count);
    return false;
  }
  if ((!mix.automation.active () && mix.gain.is_silent (item.start)) ||
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP)) {
    bump (mix.frames_mixed, count);
    return false;
  }
  if (!mix.mapped) {
    if (!glue::map_audio (mix.map, mix.format.info, buffer)) {
      bump (mix.frames_dropped, count);
      return false;
    }
    mix.mapped = buffer;
  }
  const auto used = item.bytes / bpf - static_cast<std::size_t> (item.frames);
  const bool in_planes =
      GST_AUDIO_INFO_LAYOUT (&mix.format.info) == GST_AUDIO_LAYOUT_NON_INTERLEAVED;
  const auto step = in_planes ? bpf / static_cast<std::size_t> (mix.format.info.channels) : bpf;
  gpointer in[kMaxPositions];
  const auto planes = static_cast<std::size_t> (GST_AUDIO_BUFFER_N_PLANES (&mix.map));
  for (std::size_t i = 0; i < planes; ++i)
    in[i] = static_cast<guint8 *> (GST_AUDIO_BUFFER_PLANE_DATA (&mix.map, i)) + used * step;
  auto *data = static_cast<const Sample *> (in[0]);
  if (mix.format.converter) {
    gpointer out[] {convert_memory_.data ()};
    gst_audio_converter_samples (
        mix.format.converter.get (), GST_AUDIO_CONVERTER_FLAG_NONE, in, count, out, count);
    data = reinterpret_cast<const Sample *> (convert_memory_.data ());
  }
  const std::span<const Sample> audio {data, samples};
  if (mix.automation.active ())
    add_automated (track, acc, audio, item.start);
  else
    mix.gain.add (acc, audio, item.start);
  bump (mix.frames_mixed, count);
  return true;
}

void Mixer::consume (Track &track, QueueItem &item, Frames frames) noexcept
{
  item.start += frames;
  item.frames -= frames;
}

template std::optional<bool> Mixer::mix_chunk<float> (GstBuffer *, Frames, Frames);
template std::optional<bool> Mixer::mix_chunk<double> (GstBuffer *, Frames, Frames);

} // namespace mt::trackmixer
