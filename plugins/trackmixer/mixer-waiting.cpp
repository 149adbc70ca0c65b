// SPDX-License-Identifier: LGPL-2.1-or-later
// What the mix task waits for, and what it does meanwhile so that nobody waits for ever.
#include "mixer.hpp"

#include <algorithm>

#include "startuphold.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {
/// How long a track that another thread feeds, or nobody yet, may bring nothing before the full
/// ones grow.
constexpr std::chrono::milliseconds kPatience {100};
/// How long nothing at all may arrive before GAP events are believed at once.
constexpr std::chrono::milliseconds kGapIdle {500};
/// How often the start looks again for tracks that are on their way.
constexpr std::chrono::milliseconds kHoldInterval {5};
/// How long the start waits for tracks that are on their way.
constexpr std::chrono::seconds kLongestHold {10};

/// The shorter of two waits; zero is one without end.
std::chrono::milliseconds shorter_wait (
    std::chrono::milliseconds a, std::chrono::milliseconds b) noexcept
{
  if (a.count () == 0 || b.count () == 0)
    return std::max (a, b);
  return std::min (a, b);
}
} // namespace

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
  // The only track has ended since the last recount, without caps: another one is due.
  return rate_hz () != 0 ? Verdict::chunk : Verdict::wait;
}

Mixer::Verdict Mixer::wait_for_chunk ()
{
  bool waited_for_track = false;
  for (;;) {
    if (shared.readiness.stopped ())
      return Verdict::stopped; // also where a track has starved and that is an error
    if (end_asked_.load () != GST_SEQNUM_INVALID && (!finished_ || segment_done_sent_))
      return Verdict::end_early;
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
    // With nothing missing there is a reason to wait all the same. Not asked again further down:
    // what becomes complete meanwhile has nobody who says so, for the guard is held.
    bool idle = by_clock;
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
      idle = true;
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
    }
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
  std::size_t begun = 0; // have brought something at any time
  for (const auto &track : snapshot_) {
    const auto track_is = track->queue.judge ();
    begun += track_is.received > 0;
    if (track_is.missing)
      starving_.push_back (track_is.feeder);
  }
  // The threads of sources start one after another; as long as they do, there is no need to queue
  // more.
  const bool more_begin = begun > begun_before_;
  begun_before_ = begun;
  if (more_begin)
    patience_ends_.reset ();
  const bool in_vain = !hold && patience_ends_ && starved_in_vain ();
  bool unknown = hold;
  for (const auto &track : snapshot_) {
    const auto track_is = track->queue.judge ();
    bool &waited_for = track->mix.waited_for_unheard;
    waited_for = track_is.feeder == std::thread::id {} &&
        ((waited_for && !more_begin) || (in_vain && track_is.missing));
    unknown = unknown || (waited_for && track_is.missing);
  }
  shared.readiness.announce_starving (starving_, unknown);

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
  bool any_blocked = false; // no idleness: when its queue has grown, more will come
  std::uint64_t received = 0;
  for (const auto &track : snapshot_) {
    const auto track_is = track->queue.judge ();
    all_in_gaps = all_in_gaps && (!track_is.missing || track_is.in_gap);
    any_blocked = any_blocked || (track_is.blocked && !track_is.missing);
    received += track_is.received;
  }
  if (!all_in_gaps || any_blocked) {
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
    const bool held_back = track->mix.waited_for_unheard ||
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

} // namespace mt::trackmixer
