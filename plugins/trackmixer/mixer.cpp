// SPDX-License-Identifier: LGPL-2.1-or-later
// Settings, tracks, limits and the time line. Waiting, mixing and pushing are in mixer-*.cpp.
#include "mixer.hpp"

#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {
/// Times that nobody can mean are cut so that no count of frames overflows.
constexpr GstClockTime kLatestStart = G_MAXINT64 / 8;
} // namespace

void MixerSettings::set_chunk_duration (GstClockTime duration) noexcept
{
  output_buffer_fraction.store (0);
  output_buffer_duration.store (duration);
}

void MixerSettings::set_chunk_fraction (guint64 numerator, guint64 denominator) noexcept
{
  const ChunkLength length {numerator, denominator};
  output_buffer_duration.store (std::max<GstClockTime> (length.time (), 1));
  output_buffer_fraction.store (numerator << 32 | denominator);
}

ChunkLength MixerSettings::chunk_length () const noexcept
{
  const auto fraction = output_buffer_fraction.load (std::memory_order_relaxed);
  if (fraction != 0)
    return {fraction >> 32, fraction & G_MAXUINT32};
  return {output_buffer_duration.load (std::memory_order_relaxed), GST_SECOND};
}

Mixer::~Mixer ()
{
  for (const auto *events : {&pending_events_, &events_after_})
    for (auto *event : *events)
      gst_event_unref (event);
  if (out_converter_)
    gst_audio_converter_free (out_converter_);
  if (pool_) {
    gst_buffer_pool_set_active (pool_, FALSE);
    gst_object_unref (pool_);
  }
}

// --- tracks

std::shared_ptr<Track> Mixer::add_track (GstPad *pad, unsigned index)
{
  auto track = std::make_shared<Track> (shared_owner, GST_PAD_NAME (pad), index);
  track->pad = pad;
  {
    const std::lock_guard lock {control_};
    // In the order of their indices, so that the float sum does not depend on the order in which
    // the pads were asked for.
    const auto at = std::upper_bound (tracks_.begin (), tracks_.end (), track,
        [] (const auto &a, const auto &b) { return a->index < b->index; });
    tracks_.insert (at, track);
    track->queue.set_flow (flow_);
    generation_.fetch_add (1, std::memory_order_release);
  }
  update_limits ();
  shared.readiness.recheck ();
  return track;
}

void Mixer::remove_track (const std::shared_ptr<Track> &track) noexcept
{
  {
    const std::lock_guard lock {control_};
    track->pad = nullptr;
    std::erase (tracks_, track);
    generation_.fetch_add (1, std::memory_order_release);
  }
  track->queue.retire ();
}

std::vector<std::shared_ptr<Track>> Mixer::tracks () const
{
  const std::lock_guard lock {control_};
  return tracks_;
}

GstPad *Mixer::ref_pad (const Track &track) const noexcept
{
  const std::lock_guard lock {control_};
  return track.pad ? GST_PAD (gst_object_ref (track.pad)) : nullptr;
}

GstClockTime Mixer::least_queue_time () const noexcept
{
  const std::lock_guard lock {control_};
  GstClockTime least = tracks_.empty () ? settings.max_size_time.load () : GST_CLOCK_TIME_NONE;
  for (const auto &track : tracks_) {
    GstClockTime time = track->settings.max_size_time.load ();
    if (!GST_CLOCK_TIME_IS_VALID (time))
      time = settings.max_size_time.load ();
    auto bytes = track->settings.max_size_bytes.load ();
    if (bytes == UINT64_MAX)
      bytes = settings.max_size_bytes.load ();
    if (const GstAudioInfo &info = track->latest_info; bytes != 0 && info.finfo) {
      const bool resampled = rate_hz () != info.rate; // to F32
      const auto frame_bytes = static_cast<guint64> (
          resampled ? info.channels * static_cast<int> (sizeof (float)) : info.bpf);
      const auto second_bytes =
          frame_bytes * static_cast<guint64> (resampled ? rate_hz () : info.rate);
      time = std::min (time, gst_util_uint64_scale (bytes, GST_SECOND, second_bytes));
    }
    least = std::min (least, time);
  }
  return least;
}

void Mixer::update_limits () noexcept
{
  const auto rate = static_cast<guint64> (rate_hz ());
  const auto frames_in = [rate] (GstClockTime time) {
    return static_cast<Frames> (gst_util_uint64_scale_ceil (
        std::min<GstClockTime> (time, G_MAXINT64 / 4), rate, GST_SECOND));
  };
  // Two chunks at the least: one being mixed, and the next one complete.
  const auto least =
      2 * static_cast<Frames> (settings.chunk_length ().frames_rounded_up (rate_hz ()));
  for (const auto &track : tracks ()) {
    GstClockTime time = track->settings.max_size_time.load ();
    if (!GST_CLOCK_TIME_IS_VALID (time))
      time = settings.max_size_time.load ();
    QueueLimit limit;
    limit.frames = std::max (frames_in (time), least);
    limit.bytes = track->settings.max_size_bytes.load ();
    if (limit.bytes == UINT64_MAX)
      limit.bytes = settings.max_size_bytes.load ();
    if (rate != 0) // or none could grow
      limit.growth =
          std::min (frames_in (settings.max_growth_time.load ()), QueueLimit::kUnlimitedGrowth);
    track->queue.set_limit (limit);
  }
}

int Mixer::offer_format (Track &track, const GstAudioInfo &info, int rate_hz) noexcept
{
  {
    const std::lock_guard lock {control_};
    track.latest_info = info; // before the rate: with it the mix is planned
    caps_came_.fetch_add (1);
    if (const int fixed = rate_hz_.load (std::memory_order_relaxed); fixed != 0) {
      if (latency_unknown_.load ())
        shared.readiness.recheck ();
      return fixed;
    }
    rate_hz_.store (rate_hz, std::memory_order_release);
  }
  update_limits ();
  shared.readiness.recheck (); // live, the first chunk has a deadline from now on
  return rate_hz;
}

// --- flow

void Mixer::set_unbounded (bool unbounded) noexcept
{
  shared.unbounded.store (unbounded);
  if (unbounded)
    for (const auto &track : tracks ())
      track->queue.let_through ();
}

void Mixer::interrupt () noexcept
{
  shared.readiness.stop ();
  end_asked_.store (GST_SEQNUM_INVALID);
}

std::uint64_t Mixer::announce_seek (const GstSegment &segment, std::uint32_t seqnum) noexcept
{
  const std::lock_guard lock {control_};
  seeks_.push_back ({++last_seek_, seqnum, segment, 0.0});
  return last_seek_;
}

void Mixer::withdraw_seek (std::uint64_t number) noexcept
{
  const std::lock_guard lock {control_};
  std::erase_if (seeks_, [number] (const auto &seek) { return seek.number == number; });
}

std::optional<AnnouncedSeek> Mixer::announced_seek (std::uint64_t number) const noexcept
{
  const std::lock_guard lock {control_};
  for (const AnnouncedSeek &seek : seeks_)
    if (seek.number == number)
      return seek;
  return {};
}

std::optional<AnnouncedSeek> Mixer::announced_seek_of (std::uint32_t seqnum) const noexcept
{
  const std::lock_guard lock {control_};
  for (const AnnouncedSeek &seek : seeks_)
    if (seek.seqnum == seqnum)
      return seek;
  return {};
}

bool Mixer::agree_on_rate (std::uint32_t seqnum, double rate) noexcept
{
  const std::lock_guard lock {control_};
  for (AnnouncedSeek &seek : seeks_)
    if (seek.seqnum == seqnum) {
      if (seek.rate == 0.0)
        seek.rate = rate;
      return seek.rate == rate;
    }
  if (rate_seqnum_ != seqnum) {
    rate_seqnum_ = seqnum;
    agreed_rate_ = rate;
  }
  return agreed_rate_ == rate;
}

void Mixer::restart_timeline (const GstSegment *segment, std::uint32_t seqnum) noexcept
{
  const std::lock_guard lock {task_};
  ++restarts_;
  segment_ = *segment;
  segment_begin_ = rate_begin_ = 0;
  rate_base_ = 0;
  seqnum_ = seqnum;
  position_ = anchor_ = planned_end_ = mix_begin_ = 0;
  exact_frames_ = {};
  std::fill (past_.begin (), past_.end (), std::byte {0});
  ringing_at_ = ringing_.size ();
  chunk_ = 0;
  planned_ = false;
  finished_ = segment_done_sent_ = false;
  discont_ = true;
  segment_pending_ = true;
  patience_ends_.reset ();
  gap_idle_ends_.reset ();
  begun_before_ = 0;
  position_ns_.store (segment->start, std::memory_order_relaxed);
  mixed_ns_.store (0, std::memory_order_relaxed);
  for (auto *events : {&pending_events_, &events_after_}) {
    for (auto *event : *events)
      gst_event_unref (event);
    events->clear ();
  }
  const std::lock_guard control_lock {control_};
  flow_ = GST_FLOW_OK;
  seeks_.clear ();
  for (const auto &track : tracks_) {
    track->queue.give_up_segment ();
    track->mix.forget (track->mix.held);
    track->mix.gain.forget ();
    track->mix.warned = false;
    track->mix.waited_for_unheard = false;
    track->mix.late_untold = 0;
    track->mix.last_late = INT64_MIN / 2;
    track->queue.set_flow (GST_FLOW_OK);
  }
  shared.readiness.flag_recheck ();
}

void Mixer::reset () noexcept
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  restart_timeline (&segment, GST_SEQNUM_INVALID);
  const std::lock_guard lock {task_};
  for (const auto &track : tracks ()) {
    const std::lock_guard rate_lock {track->rate_mutex};
    track->feeder_info = {};
    gst_clear_caps (&track->feeder_caps);
    track->conversion.off ();
    track->rate_hz.store (0);
  }
  const std::lock_guard control_lock {control_};
  for (const auto &track : tracks_) {
    track->latest_info = {};
    track->format_pending = false;
    track->timeline.reset ();
    track->wanted = {};
    track->off_rate.store (false);
    track->resync.store (false);
    track->left_out = track->segment_done = track->lost_warned = track->lost_before = false;
    track->mix.format = {};
  }
  rate_seqnum_ = seqnum_;
  agreed_rate_ = segment_.rate;
  rate_hz_.store (0, std::memory_order_release);
  track_seqnum_.store (GST_SEQNUM_INVALID);
  hold_ends_.reset ();
  asked_if_live_ = {};
  note_latency ({});
  deadline_.cancel ();
  end_asked_.store (GST_SEQNUM_INVALID);
  started_ = stream_started_ = negotiated_ = false;
  start_open_ = true; // and not after a flush: as audiomixer
  if (settings.start_time_selection.load () == StartTimeSelection::set)
    if (const auto set = settings.start_time.load (); GST_CLOCK_TIME_IS_VALID (set))
      mixed_ns_.store (
          std::min<GstClockTime> (set, kLatestStart)); // for who comes before it is due
}

void Mixer::begin_with (const GstSegment &segment, std::uint32_t seqnum) noexcept
{
  restart_timeline (&segment, seqnum);
  const std::lock_guard lock {task_};
  start_open_ = false;
}

// --- the time line

Frames Mixer::chunk_end (std::uint64_t chunk) const noexcept
{
  // From the anchor each time, so that a duration which is no whole number of frames never drifts.
  const auto end =
      static_cast<Frames> (gst_util_uint64_scale ((chunk + 1) * chunk_length_.numerator,
          static_cast<guint64> (rate_hz ()), chunk_length_.denominator));
  return anchor_ + std::max (end, static_cast<Frames> (chunk + 1)); // one frame at the least
}

/// False: there can be no such chunk, and it has been said why.
bool Mixer::plan_chunk ()
{
  const ChunkLength length = settings.chunk_length ();
  if (planned_ && length == chunk_length_)
    return true;
  if (rate_hz () == 0 ||
      !start_is_known (settings.start_time_selection.load (std::memory_order_relaxed)))
    return true;
  chunk_length_ = length;
  anchor_ = position_;
  chunk_ = 0;
  planned_end_ = chunk_end (0);
  planned_ = true;
  shared.readiness.flag_recheck ();
  // Now, and not when every track has queued so much. With what is known now: a wider track that
  // comes later is judged when the chunk is negotiated.
  GstCaps *caps = choose_caps ();
  const bool fits = chunk_fits (caps);
  gst_caps_unref (caps);
  return fits;
}

/// False: the tracks or the clock say it, once there is audio.
bool Mixer::start_is_known (StartTimeSelection selection)
{
  if (!start_open_)
    return true;
  if (selection == StartTimeSelection::first || selection == StartTimeSelection::now)
    return false;
  const auto set = settings.start_time.load (std::memory_order_relaxed);
  const bool is_set = selection == StartTimeSelection::set && GST_CLOCK_TIME_IS_VALID (set);
  begin_at (is_set ? frame_at (std::min<GstClockTime> (set, kLatestStart), rate_hz ()) : 0);
  return true;
}

void Mixer::begin_at (Frames start) noexcept
{
  start_open_ = false;
  position_ = mix_begin_ = start;
  note_position (start);
  mixed_ns_.store (length_of (start), std::memory_order_relaxed);
  GST_INFO_OBJECT (element_, "the mix begins at frame %" G_GINT64_FORMAT, start);
}

/// The earliest frame in any queue.
std::optional<Frames> Mixer::first_audio () const noexcept
{
  std::optional<Frames> first;
  for (const auto &track : snapshot_)
    if (const auto start = track->queue.first_audio (); start && (!first || *start < *first))
      first = start;
  return first;
}

/// With every track that counts there. Returns whether the mix begins by that.
bool Mixer::choose_start ()
{
  if (!start_open_ || rate_hz () == 0)
    return false;
  const auto selection = settings.start_time_selection.load (std::memory_order_relaxed);
  if (start_is_known (selection))
    return true; // the rate became known after plan_chunk() had looked
  Frames start = 0;
  if (selection == StartTimeSelection::first)
    start = first_audio ().value_or (0);
  else if (deadline_.playing ())
    if (GstClock *clock = gst_element_get_clock (element_); clock) {
      const auto now =
          GST_CLOCK_DIFF (gst_element_get_base_time (element_), gst_clock_get_time (clock));
      start =
          frame_at (static_cast<GstClockTime> (std::max<GstClockTimeDiff> (now, 0)), rate_hz ());
      gst_object_unref (clock);
    }
  begin_at (std::max<Frames> (start, 0));
  return true;
}

} // namespace mt::trackmixer
