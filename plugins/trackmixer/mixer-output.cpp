// SPDX-License-Identifier: LGPL-2.1-or-later
// The chunk: negotiated, mixed into pooled memory, stamped and pushed.
#include "mixer.hpp"

#include <algorithm>
#include <utility>

#include "converter.hpp"
#include "dsp/mix.hpp"
#include "glue/buffermap.hpp"
#include "glue/mapaudio.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {

/// A chunk larger than this is a mistake in output-buffer-duration.
constexpr std::size_t kMaxChunkBytes = 64U << 20;
constexpr int kMaxChannels = 63;  // GstAudioConverter crashes from 64 on
constexpr guint kPoolBuffers = 4; // what a sink and an effect hold between them, at the start

/// The format of the sum: that of a float holds 24 bits.
GstAudioFormat mix_format_for (const GstAudioInfo &out) noexcept
{
  const bool is_wide = GST_AUDIO_INFO_FORMAT (&out) == GST_AUDIO_FORMAT_F64 ||
      (GST_AUDIO_FORMAT_INFO_IS_INTEGER (out.finfo) && GST_AUDIO_INFO_DEPTH (&out) > 24);
  return is_wide ? GST_AUDIO_FORMAT_F64 : GST_AUDIO_FORMAT_F32;
}

bool same_samples (const GstAudioInfo &a, const GstAudioInfo &b) noexcept
{
  if (GST_AUDIO_INFO_FORMAT (&a) != GST_AUDIO_INFO_FORMAT (&b) ||
      GST_AUDIO_INFO_LAYOUT (&a) != GST_AUDIO_INFO_LAYOUT (&b) ||
      GST_AUDIO_INFO_CHANNELS (&a) != GST_AUDIO_INFO_CHANNELS (&b))
    return false;
  // More channels than kMaxPositions are never positioned.
  return GST_AUDIO_INFO_IS_UNPOSITIONED (&a) || GST_AUDIO_INFO_IS_UNPOSITIONED (&b) ||
      std::equal (a.position, a.position + GST_AUDIO_INFO_CHANNELS (&a), b.position);
}

} // namespace

void Mixer::iterate () noexcept
{
  const std::lock_guard lock {task_};
  switch (wait_for_chunk ()) {
  case Verdict::chunk:
    produce ();
    break;
  case Verdict::end:
    count_leftovers (false);
    if (segment_done_tracks_ > 0)
      push_segment_done ();
    else
      push_eos ();
    break;
  case Verdict::segment:
    enter_segment ();
    break;
  case Verdict::impossible:
    give_up ();
    break;
  default:
    gst_pad_pause_task (src_);
  }
}

// --- negotiation

void Mixer::push_stream_start ()
{
  if (stream_started_)
    return;
  stream_started_ = true;
  // The stream is new, not one of the tracks'; with many sink pads GStreamer derives no name for
  // it.
  gchar *id = g_strdup_printf ("%s-%08x", GST_ELEMENT_NAME (element_), g_random_int ());
  GstEvent *event = gst_event_new_stream_start (id);
  g_free (id);
  gst_event_set_group_id (event, gst_util_group_id_next ());
  gst_pad_push_event (src_, event);
}

void Mixer::push_segment ()
{
  if (!segment_pending_)
    return;
  segment_pending_ = false;
  GstEvent *event = gst_event_new_segment (&segment_);
  if (seqnum_ != GST_SEQNUM_INVALID)
    gst_event_set_seqnum (event, seqnum_);
  gst_pad_push_event (src_, event);
}

/// The output's caps: what downstream takes, as near as can be to the widest track. Empty: nothing.
GstCaps *Mixer::choose_caps () const
{
  GstAudioInfo widest {};
  for (const auto &track : tracks ()) {
    const std::lock_guard lock {control_};
    const GstAudioInfo &info = track->latest_info;
    if (info.finfo && (!widest.finfo || info.channels > widest.channels))
      widest = info;
  }
  GstCaps *allowed = gst_pad_get_allowed_caps (src_);
  if (!allowed)
    allowed = gst_pad_get_pad_template_caps (src_);
  GstCaps *at_rate = gst_caps_new_simple ("audio/x-raw", "rate", G_TYPE_INT, rate_hz (), nullptr);
  GstCaps *caps = gst_caps_intersect_full (allowed, at_rate, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (at_rate);
  gst_caps_unref (allowed);
  caps = gst_caps_make_writable (caps);
  for (guint i = 0; i < gst_caps_get_size (caps); ++i) {
    GstStructure *s = gst_caps_get_structure (caps, i);
    gst_structure_fixate_field_string (s, "format", GST_AUDIO_NE (F32));
    gst_structure_fixate_field_nearest_int (s, "channels", widest.finfo ? widest.channels : 2);
  }
  if (!gst_caps_is_empty (caps)) {
    caps = gst_caps_truncate (caps);
    GstStructure *s = gst_caps_get_structure (caps, 0);
    gint channels = 2;
    gst_structure_get_int (s, "channels", &channels);
    if (!gst_structure_has_field (s, "channel-mask") && channels > 1) {
      guint64 mask = gst_audio_channel_get_fallback_mask (channels);
      if (widest.finfo && widest.channels == channels) {
        mask = 0; // unpositioned, unless the track says otherwise
        if (!GST_AUDIO_INFO_IS_UNPOSITIONED (&widest))
          gst_audio_channel_positions_to_mask (widest.position, channels, FALSE, &mask);
      }
      gst_structure_set (s, "channel-mask", GST_TYPE_BITMASK, mask, nullptr);
    }
    caps = gst_caps_fixate (caps);
  }
  return caps;
}

/// Whether a chunk of these caps is of a size that anybody can have meant; says why not.
bool Mixer::chunk_fits (GstCaps *caps) const
{
  GstAudioInfo info;
  if (gst_caps_is_empty (caps) || !gst_audio_info_from_caps (&info, caps))
    return true; // there will be no chunk at all, for another reason
  // The sum is made of floats or doubles, also where what goes out is smaller.
  const auto *sum = gst_audio_format_get_info (mix_format_for (info));
  const auto frame_bytes = static_cast<guint64> (
      std::max (info.bpf, info.channels * GST_AUDIO_FORMAT_INFO_WIDTH (sum) / 8));
  const guint64 bytes = frame_bytes * chunk_length_.frames_rounded_up (rate_hz ());
  if (bytes <= kMaxChunkBytes)
    return true;
  GST_ELEMENT_ERROR (element_, LIBRARY, SETTINGS,
      ("output-buffer-duration is too long: a chunk of %" GST_TIME_FORMAT " with %d channels at %d "
       "Hz has %" G_GUINT64_FORMAT " bytes; the limit is %" G_GUINT64_FORMAT ".",
          GST_TIME_ARGS (chunk_length_.time ()), info.channels, rate_hz (), bytes,
          static_cast<guint64> (kMaxChunkBytes)),
      ("Set it to %" G_GUINT64_FORMAT " ns at the most, or mix fewer channels.",
          gst_util_uint64_scale (
              kMaxChunkBytes / frame_bytes, GST_SECOND, static_cast<guint64> (rate_hz ()))));
  return false;
}

bool Mixer::negotiate ()
{
  push_stream_start ();
  GstCaps *caps = choose_caps ();
  GstAudioInfo info;
  const bool usable = !gst_caps_is_empty (caps) && gst_audio_info_from_caps (&info, caps) &&
      GST_AUDIO_INFO_RATE (&info) == rate_hz () && GST_AUDIO_INFO_CHANNELS (&info) <= kMaxChannels;
  if (!usable) {
    GstCaps *peer = gst_pad_peer_query_caps (src_, nullptr);
    gchar *wanted = gst_caps_to_string (peer);
    GST_ELEMENT_ERROR (element_, CORE, NEGOTIATION,
        ("The mix of %d Hz can't go out: what follows does not take it.", rate_hz ()),
        ("It takes %s; the mix has at most %d channels. Put 'audioconvert ! audioresample' behind "
         "the mixer, or before each of its tracks.",
            wanted, kMaxChannels));
    g_free (wanted);
    gst_caps_unref (peer);
    gst_caps_unref (caps);
    return false;
  }
  if (!chunk_fits (caps)) {
    gst_caps_unref (caps);
    return false;
  }

  const bool changed = !negotiated_ || !gst_audio_info_is_equal (&info, &out_info_);
  bool decided = true;
  if (changed) {
    GST_INFO_OBJECT (element_, "mixing to %" GST_PTR_FORMAT, caps);
    out_info_ = info;
    mix_info_ = info;
    gst_audio_info_set_format (&mix_info_, mix_format_for (info), info.rate, info.channels,
        GST_AUDIO_INFO_IS_UNPOSITIONED (&info) ? nullptr : info.position);
    if (out_converter_)
      gst_audio_converter_free (out_converter_);
    out_converter_ = same_samples (mix_info_, out_info_)
        ? nullptr
        : make_converter (mix_info_, out_info_, nullptr);
    sides_ = sides_of (mix_info_);
    for (const auto &track : snapshot_)
      track->mix.gain.forget ();
    for (const auto &track : snapshot_) { // their converters lead to the old format
      auto &mix = track->mix;
      if (mix.format.info.finfo)
        mix.format = prepare_format (*track, mix.format.info);
      for (TrackFormat &format : mix.prepared)
        format = prepare_format (*track, format.info);
    }
    gst_pad_push_event (src_, gst_event_new_caps (caps));
  }
  push_segment ();
  decided = decide_pool (caps);
  gst_caps_unref (caps);
  negotiated_ = decided;
  return decided;
}

/// Takes downstream's pool or makes one, so that a chunk costs no allocation.
bool Mixer::decide_pool (GstCaps *caps)
{
  // Chunks of a duration that is no whole number of frames are of this size or one less.
  pool_frames_ =
      std::max<Frames> (1, static_cast<Frames> (chunk_length_.frames_rounded_up (rate_hz ())));
  const auto size = static_cast<guint> (pool_frames_ * GST_AUDIO_INFO_BPF (&out_info_));

  GstBufferPool *pool = nullptr;
  GstAllocator *allocator = nullptr;
  GstAllocationParams params;
  gst_allocation_params_init (&params);
  guint offered = size;
  guint min = kPoolBuffers;
  guint max = 0;
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  if (gst_pad_peer_query (src_, query)) {
    if (gst_query_get_n_allocation_params (query) > 0)
      gst_query_parse_nth_allocation_param (query, 0, &allocator, &params);
    if (gst_query_get_n_allocation_pools (query) > 0)
      gst_query_parse_nth_allocation_pool (query, 0, &pool, &offered, &min, &max);
  }
  gst_query_unref (query);
  params.align = std::max<gsize> (params.align, 63); // whole cache lines for the mixing kernels
  if (!pool)
    pool = gst_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, caps, std::max (size, offered), min, max);
  gst_buffer_pool_config_set_allocator (config, allocator, &params);
  if (!gst_buffer_pool_set_config (pool, config)) {
    // It may have changed what we asked for; what it offers is taken as long as a chunk fits.
    config = gst_buffer_pool_get_config (pool);
    if (!gst_buffer_pool_config_validate_params (config, caps, size, min, max)) {
      gst_structure_free (config);
      gst_object_unref (pool);
      pool = gst_buffer_pool_new ();
      config = gst_buffer_pool_get_config (pool);
      gst_buffer_pool_config_set_params (config, caps, size, kPoolBuffers, 0);
    }
    gst_buffer_pool_set_config (pool, config);
  }
  if (allocator)
    gst_object_unref (allocator);
  if (pool_) {
    gst_buffer_pool_set_active (pool_, FALSE);
    gst_object_unref (pool_);
  }
  pool_ = pool;
  if (!gst_buffer_pool_set_active (pool_, TRUE)) {
    GST_ELEMENT_ERROR (
        element_, RESOURCE, NO_SPACE_LEFT, ("No memory for chunks of %u bytes.", size), (nullptr));
    return false;
  }
  const auto bytes = static_cast<std::size_t> (pool_frames_) *
      static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&mix_info_));
  convert_memory_.resize (bytes);
  mix_memory_.resize (out_converter_ ? bytes : 0);
  return true;
}

// --- a chunk

void Mixer::produce ()
{
  if (std::exchange (segment_done_sent_, false))
    finished_ = false;
  if (!started_) {
    started_ = true;
    gst_element_post_message (element_, gst_message_new_latency (GST_OBJECT (element_)));
  }
  const bool renegotiate = gst_pad_check_reconfigure (src_);
  if (!negotiated_ || renegotiate || pool_frames_ < planned_end_ - position_) {
    if (!negotiate ()) { // which has said why
      give_up ();
      return;
    }
  }
  push_segment ();

  const Frames begin = position_;
  Frames end = planned_end_;
  if (segment_end_is_known ()) // another one may begin within the chunk
    end = std::clamp (segment_end_, begin + 1, planned_end_);
  else if (may_be_last ())
    end = std::clamp (last_audio_end_, begin + 1, planned_end_);
  if (settings.emit_signals.load (std::memory_order_relaxed)) {
    tell_selected (begin, end);
    if (shared.readiness.stopped () || !planned_)
      return; // a flush meanwhile, which a handler may have made itself
  }

  GstBuffer *buffer = nullptr;
  // A pool with a limit may be empty while a sink holds what it has; waiting for it could not be
  // ended.
  GstBufferPoolAcquireParams params {};
  params.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT;
  GstFlowReturn flow = gst_buffer_pool_acquire_buffer (pool_, &buffer, &params);
  if (flow == GST_FLOW_EOS) {
    buffer = gst_buffer_new_allocate (
        nullptr, static_cast<gsize> (pool_frames_) * static_cast<gsize> (out_info_.bpf), nullptr);
    flow = buffer ? GST_FLOW_OK : GST_FLOW_ERROR;
  }
  if (flow != GST_FLOW_OK) {
    stop_with (flow);
    return;
  }

  const Frames next_end = end < planned_end_ ? planned_end_ : chunk_end (chunk_ + 1);
  const auto frames = static_cast<std::size_t> (end - begin);
  const std::size_t bytes = frames * static_cast<std::size_t> (out_info_.bpf);
  gst_buffer_set_size (buffer, static_cast<gssize> (bytes));

  const auto since = monotonic_ns ();
  shared.chunks_begun.fetch_add (1);
  collect (begin, end, next_end);
  const bool audible = GST_AUDIO_INFO_FORMAT (&mix_info_) == GST_AUDIO_FORMAT_F64
      ? mix_chunk<double> (buffer, begin, end)
      : mix_chunk<float> (buffer, begin, end);
  let_go ();
  const auto mixed = monotonic_ns ();
  chunk_time_.add (mixed - since);

  GST_BUFFER_PTS (buffer) = segment_time_of (begin);
  GST_BUFFER_DURATION (buffer) = time_of (end) - time_of (begin);
  GST_BUFFER_OFFSET (buffer) = static_cast<guint64> (begin);
  GST_BUFFER_OFFSET_END (buffer) = static_cast<guint64> (end);
  if (!audible)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  if (discont_)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  discont_ = false;

  position_ = end;
  if (end == planned_end_) {
    ++chunk_;
    planned_end_ = next_end;
  }
  position_ns_.store (segment_time_of (end), std::memory_order_relaxed);
  bump (chunks_, 1);
  bump (frames_out_, frames);
  out_rate_.add (mixed, frames);
  report_stats (mixed);

  push_pending_events ();
  flow = gst_pad_push (src_, buffer);
  pending_events_.swap (events_after_);
  if (flow == GST_FLOW_OK)
    push_pending_events ();
  shared.chunks_out.store (shared.chunks_begun.load ());
  if (shared.drains.load () > 0)
    for (const auto &track : tracks ()) // also those that came after the last recount
      track->queue.notify_drain ();
  if (flow != GST_FLOW_OK)
    stop_with (flow);
  report_late ();
  for (const auto &[track, used] : consumed_) {
    tell_consumed (*track, used);
    gst_buffer_unref (used);
  }
  consumed_.clear ();
}

/// Before anything of the chunk is taken, so that what a handler sets holds for it.
void Mixer::tell_selected (Frames begin, Frames end) const
{
  GstSegment segment = segment_;
  segment.position = segment_time_of (begin);
  // The name and fields of GstAudioAggregator's, which programs look for.
  GstStructure *info = gst_structure_new ("GstAudioAggregatorSelectedSamplesInfo", "offset",
      G_TYPE_UINT64, static_cast<guint64> (begin), "frames", G_TYPE_UINT,
      static_cast<guint> (end - begin), nullptr);
  g_signal_emit_by_name (element_, "samples-selected", &segment, segment.position,
      GST_CLOCK_TIME_NONE, time_of (end) - time_of (begin), info);
  gst_structure_free (info);
}

void Mixer::tell_consumed (const Track &track, GstBuffer *buffer) const
{
  if (GstPad *pad = ref_pad (track); pad) {
    g_signal_emit_by_name (pad, "buffer-consumed", buffer);
    gst_object_unref (pad);
  }
}

/// What is queued when a track has ended lies before the end of the mix: it came too late. Of all
/// tracks, or of those that come to the next segment.
void Mixer::count_leftovers (bool before_segment)
{
  constexpr Frames kEverything = INT64_MAX / 4;
  for (const auto &track : snapshot_) {
    auto &mix = track->mix;
    if (before_segment && track->queue.judge ().segment != next_segment_)
      continue; // it goes on
    if (track->queue.take (kEverything, planned_end_, mix.held, mix.flushed))
      track->queue.notify ();
    mix.forget (mix.flushed);
    mix.unmap ();
    for (auto &item : mix.held) {
      if (item.occupies_time ()) {
        const Frames unwanted = std::clamp<Frames> (mix_begin_ - item.start, 0, item.frames);
        const auto late = static_cast<std::uint64_t> (item.frames - unwanted);
        bump (mix.frames_dropped, static_cast<std::uint64_t> (unwanted));
        bump (mix.frames_late, late);
        mix.late_untold += late;
        late_untold_ = late_untold_ || late > 0;
        if (late > 0 && track->settings.qos_messages.load (std::memory_order_relaxed))
          note_late (*track, item.start + unwanted, item.frames - unwanted);
        if (item.kind == QueueItem::Kind::audio && track->settings.emit_signals.load ())
          tell_consumed (*track, GST_BUFFER (item.object));
      } else if (GstAudioInfo info; item.kind == QueueItem::Kind::format && negotiated_ &&
                 gst_audio_info_from_caps (&info, GST_CAPS (item.object)))
        mix.format = prepare_format (*track, info);
      else if (item.kind == QueueItem::Kind::event)
        pending_events_.push_back (GST_EVENT (std::exchange (item.object, nullptr)));
      item.drop ();
    }
    mix.held.clear ();
  }
  report_late ();
}

void Mixer::push_pending_events ()
{
  for (auto *event : pending_events_)
    gst_pad_push_event (src_, event);
  pending_events_.clear ();
}

void Mixer::push_eos ()
{
  push_end (gst_event_new_eos ());
}

/// Every track has ended, one of them at the end of its segment only: another one may follow, for
/// which downstream must not see EOS.
void Mixer::push_segment_done ()
{
  segment_done_sent_ = true;
  GstClockTime end = segment_time_of (position_);
  // The end of the segment itself, where the last frame is the one nearest to it.
  if (const auto rate = static_cast<guint64> (std::max (rate_hz (), 1));
      GST_CLOCK_TIME_IS_VALID (segment_.stop) &&
      std::max (end, segment_.stop) - std::min (end, segment_.stop) <= GST_SECOND / rate)
    end = segment_.stop;
  push_end (gst_event_new_segment_done (GST_FORMAT_TIME, static_cast<gint64> (end)));
}

/// All of the segment before is out: the tracks that were sought go on with the next one, from
/// where the mix is, wherever that is in the time of each.
void Mixer::enter_segment ()
{
  count_leftovers (true);
  if (segment_done_tracks_ > 0 && !segment_done_sent_)
    push_segment_done ();
  finished_ = segment_done_sent_ = false;
  {
    const std::lock_guard lock {control_};
    for (const Seek &seek : seeks_) {
      if (seek.number != next_segment_)
        continue;
      segment_ = seek.segment;
      segment_.base = time_of (position_);
      segment_begin_ = position_;
      seqnum_ = seek.seqnum;
      segment_pending_ = true;
    }
    std::erase_if (seeks_, [this] (const Seek &seek) { return seek.number <= next_segment_; });
  }
  for (const auto &track : snapshot_)
    track->queue.enter_segment (next_segment_, position_);
  position_ns_.store (segment_time_of (position_), std::memory_order_relaxed);
  planned_ = false; // whole chunks from here on
  shared.readiness.flag_recheck ();
}

/// Running time, truncated to a nanosecond.
GstClockTime Mixer::time_of (Frames at) const noexcept
{
  return gst_util_uint64_scale (
      static_cast<guint64> (at), GST_SECOND, static_cast<guint64> (std::max (rate_hz (), 1)));
}

/// The position in the output's segment, also of a frame just before it.
GstClockTime Mixer::segment_time_of (Frames at) const noexcept
{
  return segment_.start + (time_of (std::max (at, segment_begin_)) - segment_.base);
}

void Mixer::push_end (GstEvent *event)
{
  finished_ = true;
  push_stream_start ();
  push_segment ();
  push_pending_events ();
  if (seqnum_ != GST_SEQNUM_INVALID)
    gst_event_set_seqnum (event, seqnum_);
  gst_pad_push_event (src_, event);
}

/// Downstream takes no more: every feeder hears it, and the task rests until a flush.
void Mixer::stop_with (GstFlowReturn flow)
{
  // Our own flush or shutdown, which says to each feeder itself when it may go on: a track that has
  // its flush behind it must not hear of one that still has it before it.
  if (flow == GST_FLOW_FLUSHING && shared.readiness.stopped ())
    return;
  refuse (flow);
  if (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS) {
    GST_ELEMENT_FLOW_ERROR (element_, flow);
    push_eos ();
  } else if (flow == GST_FLOW_EOS && !finished_) {
    push_eos (); // downstream wants no more, and says the end of the stream once it hears of it
  }
}

/// There can be no chunk, and it has been said why.
void Mixer::give_up ()
{
  gst_pad_mark_reconfigure (src_);
  planned_ = false; // judged again after a flush
  refuse (GST_FLOW_NOT_NEGOTIATED);
  push_eos ();
}

void Mixer::refuse (GstFlowReturn flow)
{
  GST_INFO_OBJECT (element_, "stops: %s", gst_flow_get_name (flow));
  shared.readiness.stop ();
  const std::lock_guard lock {control_};
  flow_ = flow;
  for (const auto &track : tracks_)
    track->queue.set_flow (flow);
  gst_pad_pause_task (src_);
}

/// Takes what the chunk needs of every track. All that locks, allocates or reports is done here,
/// before the chunk is mapped.
void Mixer::collect (Frames begin, Frames end, Frames next_end)
{
  aim_gains (begin);
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
}

/// Returns whether there is anything but silence in it.
template <class Sample>
bool Mixer::mix_chunk (GstBuffer *buffer, Frames begin, Frames end)
{
  const auto frames = static_cast<std::size_t> (end - begin);
  const std::size_t samples = frames * static_cast<std::size_t> (mix_info_.channels);
  const glue::BufferMap<GST_MAP_READWRITE> map {buffer};
  if (!map)
    return false;
  const std::span<Sample> sum {out_converter_ ? reinterpret_cast<Sample *> (mix_memory_.data ())
                                              : map.template as<Sample> ().data (),
      samples};
  std::fill (sum.begin (), sum.end (), Sample {0});
  const bool audible = mix_tracks (sum, begin, end);
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
  for (const auto &track : snapshot_)
    audible = mix_track (*track, acc, begin, end) || audible;
  return audible;
}

/// Gives up what was needed for the chunk only, once it is unmapped.
void Mixer::let_go () noexcept
{
  for (const auto &track : snapshot_) {
    gst_clear_object (&track->mix.automated);
    track->mix.retired.clear ();
  }
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
  if (mix.format.unconvertible) {
    bump (mix.frames_dropped, count);
    return false;
  }
  if ((!mix.automated && mix.gain.is_silent (item.start)) ||
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
  const auto bpf = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&mix.format.info));
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
  if (mix.automated)
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

TrackFormat Mixer::prepare_format (const Track &track, const GstAudioInfo &info)
{
  TrackFormat format;
  format.info = info;
  format.unconvertible = GST_AUDIO_INFO_LAYOUT (&info) == GST_AUDIO_LAYOUT_NON_INTERLEAVED &&
      info.channels > kMaxChannels;
  if (!format.unconvertible && !same_samples (info, mix_info_)) {
    GstStructure *config = track.copy_converter_config ();
    format.converter.reset (make_converter (info, mix_info_, config));
    if (config)
      gst_structure_free (config);
    format.unconvertible = !format.converter;
  }
  if (format.unconvertible)
    report_unconvertible (track, info);
  return format;
}

void Mixer::report_unconvertible (const Track &track, const GstAudioInfo &info)
{
  GstAudioInfo from_info = info;
  GstAudioInfo to_info = mix_info_;
  GstCaps *from = gst_audio_info_to_caps (&from_info);
  GstCaps *to = gst_audio_info_to_caps (&to_info);
  const auto without = [] (const GstAudioInfo &i) {
    return GST_AUDIO_INFO_IS_UNPOSITIONED (&i) ? " without positions" : "";
  };
  GST_ELEMENT_WARNING (element_, STREAM, FORMAT,
      ("Track %s is left out: its %d channels%s can't be converted to the mix's %d%s.",
          track.name.c_str (), info.channels, without (info), mix_info_.channels,
          without (mix_info_)),
      ("%" GST_PTR_FORMAT " to %" GST_PTR_FORMAT ". Nothing says where channels without positions "
       "belong. Fix a channel-mask with caps behind "
       "the mixer, or put 'audioconvert mix-matrix=...' before %s.",
          from, to, track.name.c_str ()));
  gst_caps_unref (from);
  gst_caps_unref (to);
}

} // namespace mt::trackmixer
