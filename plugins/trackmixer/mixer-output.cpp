// SPDX-License-Identifier: LGPL-2.1-or-later
// What goes out: chunks, stamped and pushed, and the events around them.
#include "mixer.hpp"

#include <algorithm>
#include <utility>

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

void Mixer::iterate () noexcept
{
  const std::lock_guard lock {task_};
  mixing_thread_.store (std::this_thread::get_id ());
  switch (wait_for_chunk ()) {
  case Verdict::chunk:
    produce ();
    break;
  case Verdict::end:
    count_leftovers (false);
    // Also without any audio downstream hears what it would have been: some write a header for it.
    if (const auto before = restarts_; !negotiated_ && rate_hz () != 0 && !negotiate ())
      give_up ();
    else if (restarts_ != before)
      break; // a seek from downstream at the CAPS: there is more to come
    else if (segment_done_tracks_ > 0)
      push_segment_done ();
    else
      push_eos ();
    break;
  case Verdict::end_early:
    end_early ();
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
  mixing_thread_.store ({});
}

// --- before the first chunk

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

/// As what it follows from.
void Mixer::number (GstEvent *event) const noexcept
{
  const std::uint32_t seqnum = seqnum_ != GST_SEQNUM_INVALID ? seqnum_ : track_seqnum_.load ();
  if (seqnum != GST_SEQNUM_INVALID)
    gst_event_set_seqnum (event, seqnum);
}

void Mixer::push_segment ()
{
  if (!segment_pending_)
    return;
  segment_pending_ = false;
  settle_rate ();
  GstEvent *event = gst_event_new_segment (&segment_);
  number (event);
  gst_pad_push_event (src_, event);
}

// --- a chunk

void Mixer::produce ()
{
  // What downstream is sent may make it flush in this very thread, which sets the time line anew.
  const auto restarts = restarts_;
  if (std::exchange (segment_done_sent_, false))
    finished_ = false;
  if (!started_) {
    started_ = true;
    gst_element_post_message (element_, gst_message_new_latency (GST_OBJECT (element_)));
  }
  const bool renegotiate = gst_pad_check_reconfigure (src_);
  if (!negotiated_ || renegotiate || pool_frames_ < planned_end_ - position_) {
    if (!negotiate ()) { // which has said why
      if (restarts == restarts_)
        give_up ();
      return;
    }
    if (!planned_)
      return; // the rate is another one, and so is what the chunk needs of each track
  }
  push_segment ();
  if (restarts != restarts_)
    return;

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
  const auto audible = GST_AUDIO_INFO_FORMAT (&mix_info_) == GST_AUDIO_FORMAT_F64
      ? mix_chunk<double> (buffer, begin, end)
      : mix_chunk<float> (buffer, begin, end);
  let_go ();
  if (!audible) {
    shared.chunks_out.store (
        shared.chunks_begun.load ()); // or a drain of the next run waits for it
    gst_buffer_unref (buffer);
    report_unwritable ();
    return;
  }
  const auto mixed = monotonic_ns ();
  chunk_time_.add (mixed - since);

  GST_BUFFER_PTS (buffer) = segment_time_of (begin);
  GST_BUFFER_DURATION (buffer) = length_of (end) - length_of (begin);
  GST_BUFFER_OFFSET (buffer) = static_cast<guint64> (begin);
  GST_BUFFER_OFFSET_END (buffer) = static_cast<guint64> (end);
  if (!*audible)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  if (discont_)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  discont_ = false;

  position_ = end;
  if (end == planned_end_) {
    ++chunk_;
    planned_end_ = next_end;
  }
  note_position (end);
  mixed_ns_.store (length_of (end), std::memory_order_relaxed);
  bump (chunks_, 1);
  bump (frames_out_, frames);
  out_rate_.add (mixed, frames);
  report_stats (mixed);

  push_pending_events ();
  if (restarts == restarts_) {
    flow = gst_pad_push (src_, buffer);
    pending_events_.swap (events_after_);
  } else {
    gst_buffer_unref (buffer);
  }
  if (restarts != restarts_)
    flow = GST_FLOW_OK; // what it said is of before the flush
  else if (flow == GST_FLOW_OK)
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
      GST_CLOCK_TIME_NONE, length_of (end) - length_of (begin), info);
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
      } else if (GstAudioInfo info; item.kind == QueueItem::Kind::format &&
                 gst_audio_info_from_caps (&info, GST_CAPS (item.object))) {
        if (negotiated_)
          mix.format = prepare_format (*track, info);
        else
          mix.format.info = info; // its converter is made with the output's caps
      } else if (item.kind == QueueItem::Kind::event)
        pending_events_.push_back (GST_EVENT (std::exchange (item.object, nullptr)));
      item.drop ();
    }
    mix.held.clear ();
    mix.prepared.clear (); // the last of them is the format now
  }
  report_late ();
}

void Mixer::push_pending_events ()
{
  const auto restarts = restarts_;
  events_out_.swap (pending_events_); // or a flush in the midst of them would drop them under us
  for (auto *event : events_out_) {
    if (restarts == restarts_)
      gst_pad_push_event (src_, event);
    else
      gst_event_unref (event);
  }
  events_out_.clear ();
}

void Mixer::push_eos ()
{
  segment_done_sent_ = false; // that was not the end
  push_end (gst_event_new_eos ());
}

/// As the application has asked for. What is queued stays where it is.
void Mixer::end_early ()
{
  const auto seqnum = end_asked_.exchange (GST_SEQNUM_INVALID);
  if (seqnum == GST_SEQNUM_INVALID || shared.readiness.stopped ())
    return; // a flush has taken it back
  refuse (GST_FLOW_EOS);
  segment_done_sent_ = false;
  push_end (gst_event_new_eos (), seqnum);
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
    for (const AnnouncedSeek &seek : seeks_) {
      if (seek.number != next_segment_)
        continue;
      const GstClockTime base = time_of (position_);
      if (seek.segment.rate != segment_.rate) {
        rate_begin_ = position_;
        rate_base_ = base;
      }
      segment_ = seek.segment;
      segment_.base = base;
      segment_begin_ = position_;
      seqnum_ = rate_seqnum_ = seek.seqnum;
      agreed_rate_ = seek.rate != 0.0 ? seek.rate : segment_.rate;
      segment_pending_ = true;
    }
    std::erase_if (seeks_, [this] (const auto &seek) { return seek.number <= next_segment_; });
  }
  for (const auto &track : snapshot_)
    track->queue.enter_segment (next_segment_, position_);
  note_position (position_);
  planned_ = false; // whole chunks from here on
  shared.readiness.flag_recheck ();
}

/// The rate that the tracks of this segment have agreed on, before downstream hears of it.
void Mixer::settle_rate () noexcept
{
  double rate = segment_.rate;
  {
    const std::lock_guard lock {control_};
    if (rate_seqnum_ == seqnum_)
      rate = agreed_rate_;
    rate_seqnum_ = seqnum_;
    agreed_rate_ = rate; // who comes later has to keep to it
  }
  if (rate != segment_.rate)
    set_rate (rate);
}

/// The segment takes as long as before, with audio that is sped up already.
void Mixer::set_rate (double rate) noexcept
{
  const double part = rate / segment_.rate;
  segment_.applied_rate /= part;
  if (GST_CLOCK_TIME_IS_VALID (segment_.stop))
    segment_.stop = segment_.start +
        static_cast<guint64> (static_cast<double> (segment_.stop - segment_.start) * part);
  segment_.rate = rate;
  rate_begin_ = segment_begin_;
  rate_base_ = segment_.base;
}

/// Of so much audio at its own speed, truncated to a nanosecond.
GstClockTime Mixer::length_of (Frames frames) const noexcept
{
  for (const ExactFrame &known : exact_frames_)
    if (known.frame == frames)
      return known.length;
  return gst_util_uint64_scale (
      static_cast<guint64> (frames), GST_SECOND, static_cast<guint64> (std::max (rate_hz (), 1)));
}

/// Running time, truncated to a nanosecond.
GstClockTime Mixer::time_of (Frames at) const noexcept
{
  const GstClockTime length = length_of (std::max (at, rate_begin_)) - length_of (rate_begin_);
  return rate_base_ +
      (segment_.rate == 1.0
              ? length
              : static_cast<GstClockTime> (static_cast<double> (length) / segment_.rate));
}

/// The position in the output's segment, also of a frame just before it.
GstClockTime Mixer::segment_time_of (Frames at) const noexcept
{
  return segment_.start + (length_of (std::max (at, segment_begin_)) - length_of (segment_begin_));
}

/// Also behind the segment's stop, where a chunk may end.
GstClockTime Mixer::stream_time_of (Frames at) const noexcept
{
  const GstClockTime since = segment_time_of (at) - segment_.start;
  return segment_.time +
      (segment_.applied_rate == 1.0
              ? since
              : static_cast<GstClockTime> (static_cast<double> (since) * segment_.applied_rate));
}

/// What a POSITION query hears.
void Mixer::note_position (Frames at) noexcept
{
  position_ns_.store (stream_time_of (at), std::memory_order_relaxed);
}

/// Without a seqnum of its own it follows from what the mix follows from.
void Mixer::push_end (GstEvent *event, std::uint32_t seqnum)
{
  const auto restarts = restarts_;
  finished_ = true;
  push_stream_start ();
  push_segment ();
  push_pending_events ();
  if (restarts != restarts_) {
    gst_event_unref (event);
    return;
  }
  if (seqnum != GST_SEQNUM_INVALID)
    gst_event_set_seqnum (event, seqnum);
  else
    number (event);
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

void Mixer::report_unwritable ()
{
  GST_ELEMENT_ERROR (element_, RESOURCE, WRITE, ("The memory for a chunk can't be written."),
      ("%d bytes a frame of %s. Where it comes from another element's allocator, put "
       "'audioconvert' "
       "or a queue with a copy behind the mixer, or another sink.",
          GST_AUDIO_INFO_BPF (&out_info_), pool_ ? GST_OBJECT_NAME (pool_) : "no pool"));
  refuse (GST_FLOW_ERROR);
  push_eos ();
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

} // namespace mt::trackmixer
