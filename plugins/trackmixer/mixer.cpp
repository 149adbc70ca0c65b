// SPDX-License-Identifier: LGPL-2.1-or-later
// Tracks, limits and the waiting of the mix task. Mixing and pushing are in mixer-output.cpp.
#include "mixer.hpp"

#include <algorithm>

#include "startuphold.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {
/// How long a track that another thread feeds may bring nothing before the full ones grow.
constexpr std::chrono::milliseconds kPatience {100};
/// How long nothing at all may arrive before GAP events are believed at once.
constexpr std::chrono::milliseconds kGapIdle {500};
/// How often the start looks again for tracks that are on their way.
constexpr std::chrono::milliseconds kHoldInterval {5};
/// How long the start waits for tracks that are on their way.
constexpr std::chrono::seconds kLongestHold {10};
/// How much of the mix without late audio ends an episode of it.
constexpr GstClockTime kLateEpisode = 10 * GST_SECOND;

/// The shorter of two waits; zero is one without end.
std::chrono::milliseconds shorter_wait (
    std::chrono::milliseconds a, std::chrono::milliseconds b) noexcept
{
  if (a.count () == 0 || b.count () == 0)
    return std::max (a, b);
  return std::min (a, b);
}
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

void Mixer::interrupt () noexcept
{
  shared.readiness.stop ();
}

std::uint64_t Mixer::announce_seek (const GstSegment &segment, std::uint32_t seqnum) noexcept
{
  const std::lock_guard lock {control_};
  seeks_.push_back ({++last_seek_, seqnum, segment});
  return last_seek_;
}

void Mixer::withdraw_seek (std::uint64_t number) noexcept
{
  const std::lock_guard lock {control_};
  std::erase_if (seeks_, [number] (const Seek &seek) { return seek.number == number; });
}

std::optional<std::uint64_t> Mixer::number_of_seek (std::uint32_t seqnum) const noexcept
{
  const std::lock_guard lock {control_};
  for (const Seek &seek : seeks_)
    if (seek.seqnum == seqnum)
      return seek.number;
  return {};
}

void Mixer::restart_timeline (const GstSegment *segment, std::uint32_t seqnum) noexcept
{
  const std::lock_guard lock {task_};
  segment_ = *segment;
  segment_begin_ = 0;
  seqnum_ = seqnum;
  position_ = anchor_ = planned_end_ = mix_begin_ = 0;
  chunk_ = 0;
  planned_ = false;
  finished_ = segment_done_sent_ = false;
  discont_ = true;
  segment_pending_ = true;
  patience_ends_.reset ();
  gap_idle_ends_.reset ();
  position_ns_.store (segment->start, std::memory_order_relaxed);
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
  const std::lock_guard control_lock {control_};
  for (const auto &track : tracks_) {
    track->latest_info = {};
    track->feeder_info = {};
    gst_clear_caps (&track->feeder_caps);
    track->resampler.off ();
    track->format_pending = false;
    track->flush_seqnum = 0;
    track->mix.format = {};
  }
  rate_hz_.store (0, std::memory_order_release);
  hold_ends_.reset ();
  asked_if_live_ = {};
  note_latency ({});
  deadline_.cancel ();
  started_ = stream_started_ = negotiated_ = false;
  start_open_ = true; // and not after a flush: as audiomixer
}

// --- waiting

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
  if (rate_hz () == 0 || !start_is_known ())
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
bool Mixer::start_is_known ()
{
  if (!start_open_)
    return true;
  const auto selection = settings.start_time_selection.load (std::memory_order_relaxed);
  if (selection == StartTimeSelection::first || selection == StartTimeSelection::now)
    return false;
  const auto set = settings.start_time.load (std::memory_order_relaxed);
  // Times that nobody can mean are cut so that no count of frames overflows.
  const bool is_set = selection == StartTimeSelection::set && GST_CLOCK_TIME_IS_VALID (set);
  begin_at (is_set ? frame_at (std::min<GstClockTime> (set, G_MAXINT64 / 8), rate_hz ()) : 0);
  return true;
}

void Mixer::begin_at (Frames start) noexcept
{
  start_open_ = false;
  position_ = mix_begin_ = start;
  position_ns_.store (segment_.start +
          gst_util_uint64_scale (
              static_cast<guint64> (start), GST_SECOND, static_cast<guint64> (rate_hz ())),
      std::memory_order_relaxed);
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

/// With every track that counts there. Returns whether there was anything to choose.
bool Mixer::choose_start ()
{
  if (!start_open_ || rate_hz () == 0)
    return false;
  Frames start = 0;
  if (settings.start_time_selection.load (std::memory_order_relaxed) == StartTimeSelection::first)
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

void Mixer::recount ()
{
  if (const auto generation = generation_.load (std::memory_order_acquire);
      generation != snapshot_generation_) {
    snapshot_ = tracks ();
    snapshot_generation_ = generation;
    to_wake_.reserve (snapshot_.size ());
    starving_.reserve (snapshot_.size ());
    blocked_.reserve (snapshot_.size ());
  }
  open_tracks_ = ended_tracks_ = inactive_tracks_ = segment_done_tracks_ = 0;
  next_segment_ = 0;
  segment_open_ = segment_awaited_ = false;
  last_audio_end_ = segment_end_ = position_;
  // Before the rate is known, the first frame of each track is what the start waits for.
  const Frames need = planned_ ? planned_end_ : position_ + 1;
  for (const auto &track : snapshot_) {
    track->queue.update_need (need, mix_begin_);
    const auto track_is = track->queue.judge ();
    const bool expected = track_is.linked && !track_is.ended;
    open_tracks_ += expected && !track_is.inactive;
    inactive_tracks_ += expected && track_is.inactive;
    ended_tracks_ += track_is.ended;
    segment_done_tracks_ += track_is.segment_done;
    last_audio_end_ = std::max (last_audio_end_, track_is.end);
    if (track_is.segment != 0)
      next_segment_ =
          next_segment_ == 0 ? track_is.segment : std::min (next_segment_, track_is.segment);
    segment_awaited_ = segment_awaited_ || track_is.awaited;
    // One that can't be sought goes on beside the others.
    if (track_is.ended && (track_is.sought || track_is.segment_done))
      segment_end_ = std::max (segment_end_, track_is.end);
    else if (track_is.linked && !track_is.ended)
      segment_open_ = segment_open_ || track_is.sought;
  }
}

/// The start does not wait for ever for a neighbour that gets stuck on its way.
bool Mixer::hold_is_over () noexcept
{
  const auto now = std::chrono::steady_clock::now ();
  if (!hold_ends_)
    hold_ends_ = now + kLongestHold;
  return now >= *hold_ends_;
}

/// What to do while every track that counts is ready.
Mixer::Verdict Mixer::judge (std::chrono::milliseconds &look_again)
{
  look_again = std::chrono::milliseconds::zero ();
  if (segment_end_is_known () && segment_end_ <= position_) {
    if (!segment_awaited_)
      return Verdict::segment;
    look_again = kHoldInterval;
    return Verdict::wait;
  }
  if (open_tracks_ == 0) {
    if (ended_tracks_ == 0 || (settings.force_live.load () && last_audio_end_ <= position_))
      return Verdict::wait; // nobody feeds us yet, or any more
    if (last_audio_end_ <= position_)
      return finished_ && !(segment_done_sent_ && segment_done_tracks_ == 0) ? Verdict::wait
                                                                             : Verdict::end;
  }
  if (!started_ && !hold_is_over () && tracks_are_on_their_way (element_) && !is_live ()) {
    look_again = kHoldInterval;
    return Verdict::wait;
  }
  return Verdict::chunk;
}

Mixer::Verdict Mixer::wait_for_chunk ()
{
  bool waited_for_track = false;
  for (;;) {
    if (shared.readiness.stopped ())
      return Verdict::stopped; // also where a track has starved and that is an error
    if (!plan_chunk ())
      return Verdict::impossible;
    if (shared.readiness.take_recheck ()) {
      recount ();
      continue; // a recount may have been overtaken by the next change
    }
    if (fix_rate_in_time ())
      continue;
    std::chrono::milliseconds timeout {0};
    const bool by_clock = next_segment_ == 0 && goes_by_clock ();
    if (shared.readiness.complete () && !by_clock) {
      const bool plain = started_ && open_tracks_ > 0 && next_segment_ == 0;
      const auto verdict = plain ? Verdict::chunk : judge (timeout);
      if (verdict == Verdict::chunk && choose_start ())
        continue;
      if (verdict == Verdict::chunk)
        break;
      if (verdict == Verdict::end || verdict == Verdict::segment)
        return verdict;
      if (timeout.count () != 0)
        relieve (true);
    } else if (start_open_ && rate_hz () != 0 && is_live ()) {
      // Live, the first that comes makes the start; only the last would wake us.
      const bool is_now = settings.start_time_selection.load () == StartTimeSelection::now;
      if (first_audio () || (is_now && deadline_.playing ())) {
        choose_start ();
        continue;
      }
      timeout = kHoldInterval;
    } else if (past_deadline ()) {
      if (by_clock)
        break;
      miss_deadline ();
      continue;
    } else if (!by_clock) {
      waited_for_track = started_;
      timeout = shorter_wait (relieve (false), believe_gaps_in_idle ());
      if (shared.readiness.complete ())
        continue;
    }
    const bool idle = shared.readiness.complete ();
    if (shared.readiness.release_guard () && !idle) {
      shared.readiness.take_guard ();
      continue;
    }
    shared.readiness.wait (timeout);
    shared.readiness.take_guard ();
  }
  patience_ends_.reset ();
  gap_idle_ends_.reset ();
  deadline_.cancel ();
  if (waited_for_track)
    bump (starved_chunks_, 1);
  return Verdict::chunk;
}

/// Lets feeders go on that a full queue holds back while another track has nothing. With `hold`,
/// the track that has nothing is one that does not exist yet.
/// Returns when to look again; zero: when something happens.
std::chrono::milliseconds Mixer::relieve (bool hold)
{
  starving_.clear ();
  bool unknown = hold;
  for (const auto &track : snapshot_) {
    if (const auto track_is = track->queue.judge (); track_is.missing) {
      starving_.push_back (track_is.feeder);
      unknown = unknown || track_is.feeder == std::thread::id {};
    }
  }
  shared.readiness.announce_starving (starving_, unknown);

  const bool in_vain = !hold && patience_ends_ && starved_in_vain ();
  bool others_blocked = false;
  bool at_cap = false;
  bool any_grown = false;
  const Track *grown_out = nullptr; // a track at its own cap
  blocked_.clear ();
  for (const auto &track : snapshot_) {
    const auto track_is = track->queue.judge ();
    if (!track_is.blocked || track_is.missing)
      continue;
    blocked_.push_back (track_is.feeder);
    const bool same_thread = unknown ||
        std::find (starving_.begin (), starving_.end (), track_is.feeder) != starving_.end ();
    if (!same_thread && !in_vain) {
      others_blocked = true;
      continue;
    }
    switch (track->queue.grow (!same_thread)) {
    case TrackQueue::Growth::grown:
      any_grown = true;
      GST_DEBUG_OBJECT (
          element_, "%s is full while another track has nothing: it grows", track->name.c_str ());
      break;
    case TrackQueue::Growth::at_own_cap:
      grown_out = track.get ();
      break;
    case TrackQueue::Growth::at_total_cap:
      at_cap = true;
      break;
    case TrackQueue::Growth::not_blocked:
      break;
    }
  }
  // What a queue that has grown lets through may be what is missing.
  if (at_cap || (grown_out && !any_grown)) {
    if (!hold) {
      if (starve_missing (in_vain, cap_met (at_cap ? nullptr : grown_out)))
        others_blocked = true;
    } else if (!std::exchange (started_, true)) { // what has not come by now starts late
      GST_INFO_OBJECT (element_, "the queues are full: begins with what is there");
    } else {
      for (const auto &track : snapshot_)
        if (track->queue.judge ().awaited)
          track->queue.give_up_segment ();
    }
  }
  if (!others_blocked) {
    patience_ends_.reset ();
    return std::chrono::milliseconds::zero ();
  }
  const auto now = std::chrono::steady_clock::now ();
  if (!patience_ends_ || in_vain || now >= *patience_ends_) {
    patience_ends_ = now + kPatience;
    for (const auto &track : snapshot_)
      track->mix.received_before_wait = track->queue.judge ().received;
  }
  return std::max (std::chrono::ceil<std::chrono::milliseconds> (*patience_ends_ - now),
      std::chrono::milliseconds {1});
}

/// Where all that the chunk waits for is in a gap and nothing arrives any more, believes the gaps.
/// Returns when to look again; zero: when something happens.
std::chrono::milliseconds Mixer::believe_gaps_in_idle ()
{
  bool all_in_gaps = true;
  std::uint64_t received = 0;
  for (const auto &track : snapshot_) {
    const auto track_is = track->queue.judge ();
    all_in_gaps = all_in_gaps && (!track_is.missing || track_is.in_gap);
    received += track_is.received;
  }
  if (!all_in_gaps) {
    gap_idle_ends_.reset ();
    return std::chrono::milliseconds::zero ();
  }
  const auto now = std::chrono::steady_clock::now ();
  if (!gap_idle_ends_ || received != received_before_idle_) {
    gap_idle_ends_ = now + kGapIdle;
    received_before_idle_ = received;
  } else if (now >= *gap_idle_ends_) {
    gap_idle_ends_.reset ();
    for (const auto &track : snapshot_)
      if (track->queue.judge ().missing)
        track->queue.believe_gap ();
    return std::chrono::milliseconds::zero ();
  }
  return std::max (std::chrono::ceil<std::chrono::milliseconds> (*gap_idle_ends_ - now),
      std::chrono::milliseconds {1});
}

/// True once a track that the chunk waits for has brought nothing for the whole of the patience.
bool Mixer::starved_in_vain ()
{
  if (std::chrono::steady_clock::now () < *patience_ends_)
    return false;
  return std::any_of (snapshot_.begin (), snapshot_.end (), [] (const auto &track) {
    const auto track_is = track->queue.judge ();
    return track_is.missing && track_is.received == track->mix.received_before_wait;
  });
}

/// In the words of the message: which limit keeps the queues from growing. Null: that of all.
std::string Mixer::cap_met (const Track *grown_out) const
{
  gchar *text = nullptr;
  if (!grown_out) {
    text = g_strdup_printf (
        "the other tracks have queued all that max-total-bytes (%" G_GUINT64_FORMAT ") allows",
        shared.max_total_bytes.load ());
  } else {
    const auto level = grown_out->queue.level ();
    const GstClockTime queued = gst_util_uint64_scale (static_cast<guint64> (level.frames),
        GST_SECOND, static_cast<guint64> (std::max (rate_hz (), 1)));
    text = g_strdup_printf ("track %s has queued %" GST_TIME_FORMAT " (%" G_GSIZE_FORMAT
                            " bytes), all that max-growth-time (%" GST_TIME_FORMAT
                            ") allows beyond its limit",
        grown_out->name.c_str (), GST_TIME_ARGS (queued), level.bytes,
        GST_TIME_ARGS (settings.max_growth_time.load ()));
  }
  std::string result {text};
  g_free (text);
  return result;
}

/// At a cap: the tracks that have nothing are mixed as silence until they bring something, but for
/// those whose feeder is free to go on and has had no time to. Returns whether there are such.
bool Mixer::starve_missing (bool in_vain, const std::string &why)
{
  bool patient = false;
  for (const auto &track : snapshot_) {
    const auto track_is = track->queue.judge ();
    if (!track_is.missing)
      continue;
    if (track_is.in_gap) {
      track->queue.believe_gap (); // it has been said that it has nothing
      continue;
    }
    const bool held_back = track_is.feeder == std::thread::id {} ||
        std::find (blocked_.begin (), blocked_.end (), track_is.feeder) != blocked_.end ();
    if (!held_back && !(in_vain && track_is.received == track->mix.received_before_wait)) {
      patient = true;
      continue;
    }
    track->queue.starve (in_vain);
    if (track->mix.warned)
      continue;
    track->mix.warned = true;
    if (settings.starvation.load (std::memory_order_relaxed) == Starvation::error) {
      GST_ELEMENT_ERROR (element_, STREAM, FAILED,
          ("Track %s has no data, and %s.", track->name.c_str (), why.c_str ()),
          ("at %" GST_TIME_FORMAT ", queued %" G_GUINT64_FORMAT
           " bytes. Set that limit higher if the file keeps its tracks that far apart, or "
           "starvation=silence to go on without the track.",
              GST_TIME_ARGS (position ()), shared.queued_bytes.load ()));
      refuse (GST_FLOW_ERROR);
      push_eos ();
      return false;
    }
    GST_ELEMENT_WARNING (element_, STREAM, FAILED,
        ("Track %s is mixed as silence: it has no data, and %s.", track->name.c_str (),
            why.c_str ()),
        ("at %" GST_TIME_FORMAT ", queued %" G_GUINT64_FORMAT
         " bytes. Its data that come after their time are dropped and counted. Set that limit "
         "higher if the file keeps its tracks that far apart.",
            GST_TIME_ARGS (position ()), shared.queued_bytes.load ()));
  }
  return patient;
}

/// Once for an episode, which ends when the mix has gone on for kLateEpisode without any.
void Mixer::report_late ()
{
  for (const auto &piece : late_pieces_)
    post_qos (piece);
  late_pieces_.clear ();
  if (!std::exchange (late_untold_, false))
    return;
  for (const auto &track : snapshot_) {
    auto &mix = track->mix;
    const auto frames = std::exchange (mix.late_untold, 0);
    if (frames == 0)
      continue;
    if (live_.load (std::memory_order_relaxed))
      continue; // the way of live sources; counted, and told by QoS to those who ask
    const Frames since = position_ - std::exchange (mix.last_late, position_);
    if (since < frame_at (kLateEpisode, rate_hz ()))
      continue;
    const auto ahead =
        static_cast<GstClockTime> (settings.max_size_time.load (std::memory_order_relaxed));
    GST_ELEMENT_WARNING (element_, STREAM, FAILED,
        ("Track %s came too late: %" G_GUINT64_FORMAT
         " frames, for a time that the mix had passed, are left out.",
            track->name.c_str (), frames),
        ("The mix is at %" GST_TIME_FORMAT ". What follows is counted in late-frames, and told of "
         "again after 10 s without any. If the file keeps its tracks that far apart, raise "
         "max-total-bytes (%" G_GUINT64_FORMAT ") or max-size-time (%" GST_TIME_FORMAT
         "); if a pad is added while playing, start its audio further ahead or put a queue before "
         "it.",
            GST_TIME_ARGS (position ()), shared.max_total_bytes.load (), GST_TIME_ARGS (ahead)));
  }
}

// --- what it tells

void Mixer::report_stats (std::uint64_t now_ns)
{
  const auto interval = settings.stats_interval.load (std::memory_order_relaxed);
  if (interval == 0)
    return;
  if (stats_told_ns_ != 0 && now_ns - stats_told_ns_ < interval)
    return;
  stats_told_ns_ = now_ns;
  gst_element_post_message (element_, gst_message_new_element (GST_OBJECT (element_), stats ()));
}

GstStructure *Mixer::stats () const
{
  const auto now = monotonic_ns ();
  const double target = static_cast<double> (rate_hz ()) / 1000.0;
  const double out = out_rate_.ksps (now);
  double fill_min = 1.0;
  double fill_sum = 0.0;
  std::size_t filled = 0;
  std::uint64_t growths = 0;
  std::uint64_t late = 0;
  std::uint64_t dropped = 0;
  for (const auto &track : tracks ()) {
    const auto counts = track->queue.counts ();
    growths += counts.growths;
    late += track->mix.frames_late.load (std::memory_order_relaxed);
    dropped += counts.frames_flushed + track->mix.frames_dropped.load (std::memory_order_relaxed);
    const auto track_is = track->queue.judge ();
    if (!track_is.linked || track_is.ended || track_is.inactive)
      continue; // nothing more is expected of it
    const auto level = track->queue.level ();
    const double fill = level.fill ();
    fill_min = std::min (fill_min, fill);
    fill_sum += fill;
    ++filled;
  }
  return gst_structure_new ("application/x-trackmixer-stats",            //
      "out-ksps", G_TYPE_DOUBLE, out,                                    //
      "target-ksps", G_TYPE_DOUBLE, target,                              //
      "realtime-factor", G_TYPE_DOUBLE, target > 0 ? out / target : 0.0, //
      "chunk-time-mean-ns", G_TYPE_DOUBLE, chunk_time_.mean_ns (),       //
      "chunk-time-p99-ns", G_TYPE_UINT64, chunk_time_.percentile_ns (0.99), "chunk-time-max-ns",
      G_TYPE_UINT64, chunk_time_.max_ns (),                                      //
      "chunks", G_TYPE_UINT64, chunks_.load (std::memory_order_relaxed),         //
      "frames-out", G_TYPE_UINT64, frames_out_.load (std::memory_order_relaxed), //
      "buf-min", G_TYPE_DOUBLE, filled > 0 ? fill_min : 0.0,                     //
      "buf-mean", G_TYPE_DOUBLE, filled > 0 ? fill_sum / static_cast<double> (filled) : 0.0,
      "queued-bytes", G_TYPE_UINT64, shared.queued_bytes.load (std::memory_order_relaxed),
      "deadline-misses", G_TYPE_UINT64, deadline_misses_.load (std::memory_order_relaxed), //
      "starved-chunks", G_TYPE_UINT64, starved_chunks_.load (std::memory_order_relaxed),   //
      "growths", G_TYPE_UINT64, growths,                                                   //
      "late-frames", G_TYPE_UINT64, late,                                                  //
      "dropped-frames", G_TYPE_UINT64, dropped,                                            //
      "clipped-samples", G_TYPE_UINT64, clipped_samples_.load (std::memory_order_relaxed), nullptr);
}

} // namespace mt::trackmixer
