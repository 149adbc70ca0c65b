// SPDX-License-Identifier: LGPL-2.1-or-later
// Flushes and seeks: one event downstream for those of all tracks, one for each track upstream.
#include "seeking.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {

/// How long a source may take to begin a flush that it owes.
constexpr std::chrono::milliseconds kPatience {100};

/// Whether a flush with this seqnum has reached every track.
bool all_flushing (Element &state, std::uint32_t seqnum)
{
  bool any = false;
  for (const auto &track : state.mixer.tracks ()) {
    if (track->unseekable_seqnum == seqnum || !track->queue.linked ())
      continue;
    if (track->flush_seqnum != seqnum)
      return false;
    any = true;
  }
  return any;
}

/// Whether it has left every track that it has reached or will reach. One that has come since the
/// seek knows nothing of it.
bool all_flushed (Element &state, std::uint32_t seqnum)
{
  for (const auto &track : state.mixer.tracks ()) {
    if (!track->queue.linked () || track->unseekable_seqnum == seqnum)
      continue;
    if (track->sought_seqnum == seqnum || track->is_flushing ())
      return false;
  }
  return true;
}

void send_flush_start (Element &state, std::uint32_t seqnum)
{
  GST_DEBUG_OBJECT (state.src_pad, "a flush begins, seqnum %u", seqnum);
  state.mixer.interrupt ();
  GstEvent *event = gst_event_new_flush_start ();
  gst_event_set_seqnum (event, seqnum);
  gst_pad_push_event (state.src_pad, event);
  // Or the chunk in progress could take audio that belongs behind the flush.
  state.mixer.wait_for_chunk_in_progress ();
}

void send_flush_stop (
    Element &state, std::uint32_t seqnum, const GstSegment &segment, bool resets_time)
{
  GST_DEBUG_OBJECT (state.src_pad, "the flush ends, seqnum %u", seqnum);
  gst_pad_pause_task (state.src_pad);
  state.mixer.restart_timeline (&segment, seqnum);
  GstEvent *event = gst_event_new_flush_stop (resets_time);
  gst_event_set_seqnum (event, seqnum);
  gst_pad_push_event (state.src_pad, event);
}

/// Whether a source that took this seek has begun no flush.
bool flush_missing (Element &state, std::uint32_t seqnum)
{
  const auto tracks = state.mixer.tracks ();
  return std::any_of (tracks.begin (), tracks.end (), [seqnum] (const auto &track) {
    return track->queue.linked () && track->flush_seqnum != seqnum &&
        track->unseekable_seqnum != seqnum;
  });
}

/// Sources that flush in threads of their own do so when the seek has been answered; one that has
/// not begun a while after another has ended never will.
void wait_for_late_flushes (Element &state, std::uint32_t seqnum)
{
  std::unique_lock lock {state.flush};
  if (seqnum != state.seek_seqnum || state.seeking_seqnum != 0 || !state.src_flushing ||
      state.flush_seqnum != seqnum)
    return;
  state.flush_begun.wait_for (
      lock, kPatience, [&] { return !state.src_active || !flush_missing (state, seqnum); });
  for (const auto &track : state.mixer.tracks ())
    if (track->flush_seqnum != seqnum)
      track->unseekable_seqnum = seqnum;
}

/// Sends what is due, in its order. One thread does that at a time: a flush that another one brings
/// meanwhile is sent by this one behind its own, and the mix rests until none is left.
void forward_flushes (Element &state)
{
  std::unique_lock lock {state.flush};
  if (state.forwarding)
    return;
  state.forwarding = true;
  for (;;) {
    if (std::exchange (state.start_due, false) && state.src_flushing) {
      const auto seqnum = state.flush_seqnum;
      lock.unlock ();
      send_flush_start (state, seqnum);
    } else if (const auto seqnum = std::exchange (state.stop_due_seqnum, 0);
               seqnum != 0 && state.src_flushing && all_flushed (state, seqnum)) {
      state.src_flushing = false;
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      if (seqnum == state.seek_seqnum) {
        segment = state.seek_segment;
        state.seek_flushed = true;
      } else if (state.seek_kept) {
        segment = state.kept_segment; // the sources flush for the same seek
      }
      state.segment = segment;
      state.segment_seqnum = seqnum;
      const bool resets_time = state.stop_resets_time;
      lock.unlock ();
      send_flush_stop (state, seqnum, segment, resets_time);
    } else {
      break;
    }
    lock.lock ();
  }
  state.forwarding = false;
  if (state.src_flushing || !state.src_active)
    return; // another flush has begun, or shut down meanwhile
  state.mixer.resume ();
  start_task (state);
}

/// A flush goes downstream once: with the first track for a seek of ours, because its new audio
/// must not meet the old time line; for any other flush when it has reached every track.
void forward_flush_start (Element &state, std::uint32_t seqnum)
{
  {
    const std::lock_guard lock {state.flush};
    if (state.src_flushing || !state.src_active)
      return;
    const bool wanted =
        seqnum == state.seek_seqnum ? !state.seek_flushed : all_flushing (state, seqnum);
    if (!wanted)
      return;
    state.src_flushing = state.start_due = true;
    state.flush_seqnum = seqnum;
  }
  forward_flushes (state);
}

void forward_flush_stop (Element &state, std::uint32_t seqnum)
{
  {
    const std::lock_guard lock {state.flush};
    if (state.flush_seqnum == state.seek_seqnum && !state.seek_flushed)
      seqnum = state.seek_seqnum; // it ends with the last of all flushes, whosever that is
    if (!state.src_flushing || !all_flushed (state, seqnum))
      return;
    state.stop_due_seqnum = seqnum;
  }
  forward_flushes (state);
}

} // namespace

// --- flushes

void start_task (Element &state)
{
  gst_pad_start_task (
      state.src_pad, [] (gpointer mixer) noexcept { static_cast<Mixer *> (mixer)->iterate (); },
      &state.mixer, nullptr);
}

void flush_start (Element &state, Track &track, std::uint32_t seqnum)
{
  GST_DEBUG_OBJECT (state.src_pad, "%s is flushed, seqnum %u", track.name.c_str (), seqnum);
  track.queue.set_flushing (true);
  {
    const std::lock_guard lock {state.flush};
    if (state.seeking_seqnum != 0)
      seqnum = state.seeking_seqnum; // not everyone gives his flush the seek's
    track.flush_seqnum = seqnum;
    track.flush_stopped = false;
    if (track.sought_seqnum == seqnum)
      track.sought_seqnum = 0; // it has come, whatever other flush may follow
    state.flush_begun.notify_all ();
  }
  forward_flush_start (state, seqnum);
}

void flush_stop (Element &state, Track &track, std::uint32_t seqnum, bool resets_time)
{
  GST_DEBUG_OBJECT (state.src_pad, "%s has been flushed, seqnum %u", track.name.c_str (), seqnum);
  {
    const std::lock_guard lock {track.rate_mutex};
    track.queue.clear ();
    track.conversion.forget ();
  }
  track.timeline.reset ();
  track.left_out = track.segment_done = track.lost_warned = false;
  track.off_rate.store (false);
  track.format_pending = track.feeder_caps != nullptr;
  track.queue.set_flushing (false);
  {
    const std::lock_guard lock {state.flush};
    track.flush_stopped = true;
    state.stop_resets_time = resets_time;
    if (track.flush_seqnum != 0)
      seqnum = track.flush_seqnum; // some send another one with the stop than with the start
  }
  wait_for_late_flushes (state, seqnum);
  forward_flush_stop (state, seqnum);
}

SeekRate wanted_rate (Element &state, const Track &track)
{
  const std::lock_guard lock {state.flush};
  if (state.seek_seqnum != 0 && track.flush_seqnum == state.seek_seqnum)
    return {state.seek_seqnum, state.seek_segment.rate}; // which downstream may not have yet
  return {state.segment_seqnum, state.segment.rate};
}

void track_released (Element &state)
{
  std::uint32_t seqnum = 0;
  {
    const std::lock_guard lock {state.flush};
    seqnum = state.flush_seqnum;
  }
  forward_flush_stop (state, seqnum); // if it was the last one that a flush had to leave
}

// --- seeks

std::optional<gint64> longest_duration (Element &state)
{
  std::optional<gint64> longest;
  bool answered = true;
  bool unknown = false;
  for_each_peer (state, [&] (GstPad *pad) {
    gint64 duration = -1;
    answered = gst_pad_peer_query_duration (pad, GST_FORMAT_TIME, &duration) && answered;
    unknown = unknown || duration < 0;
    longest = std::max (longest.value_or (-1), duration);
  });
  if (!answered)
    return {};
  return unknown ? -1 : longest;
}

namespace {

/// The segment that a seek leads to from where the mix is, and the seek in places that are the same
/// for every track: «where you are» is another place for each, ahead of the mix by what it has
/// queued, and so is «the end»; «the end as it is» is another one for a track that has come since.
/// Takes the event. Null: there is no such segment.
GstEvent *resolve_seek (Element &state, GstObject *parent, GstEvent *event, GstSegment &segment)
{
  gdouble rate = 1.0;
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  GstSeekType start_type = GST_SEEK_TYPE_NONE;
  GstSeekType stop_type = GST_SEEK_TYPE_NONE;
  gint64 start = 0;
  gint64 stop = 0;
  gst_event_parse_seek (event, &rate, nullptr, &flags, &start_type, &start, &stop_type, &stop);
  const bool is_absolute = start_type == GST_SEEK_TYPE_SET && stop_type == GST_SEEK_TYPE_SET;
  if (start_type == GST_SEEK_TYPE_END || stop_type == GST_SEEK_TYPE_END) {
    const auto duration = longest_duration (state);
    if (duration.value_or (-1) < 0) {
      GST_WARNING_OBJECT (parent,
          "refuses %" GST_PTR_FORMAT ": a track does not know its duration, so the end is nowhere",
          event);
      gst_event_unref (event);
      return nullptr;
    }
    segment.duration = static_cast<guint64> (*duration);
  }
  segment.position = std::max (segment.start, state.mixer.position ());
  if (start_type == GST_SEEK_TYPE_NONE) {
    start_type = GST_SEEK_TYPE_SET;
    start = static_cast<gint64> (segment.position);
  }
  // Or gst_segment_do_seek() complains of a mistake of ours.
  const auto clamped = [&segment] (gint64 time) {
    time = std::max<gint64> (time, 0);
    return GST_CLOCK_TIME_IS_VALID (segment.duration)
        ? std::min (time, static_cast<gint64> (segment.duration))
        : time;
  };
  const auto length = static_cast<gint64> (segment.duration);
  const gint64 from = clamped (start_type == GST_SEEK_TYPE_END ? length + start : start);
  const gint64 to = stop_type == GST_SEEK_TYPE_END ? length + stop
      : stop_type == GST_SEEK_TYPE_SET             ? stop
                                                   : static_cast<gint64> (segment.stop);
  if ((to != -1 && clamped (to) < from) ||
      !gst_segment_do_seek (&segment, rate, GST_FORMAT_TIME, flags, start_type,
          static_cast<guint64> (start), stop_type, static_cast<guint64> (stop), nullptr)) {
    GST_WARNING_OBJECT (parent, "refuses %" GST_PTR_FORMAT ": it ends before it starts", event);
    gst_event_unref (event);
    return nullptr;
  }
  segment.duration = GST_CLOCK_TIME_NONE;
  if (is_absolute)
    return event;
  GstEvent *absolute = gst_event_new_seek (rate, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
      static_cast<gint64> (segment.start), GST_SEEK_TYPE_SET, static_cast<gint64> (segment.stop));
  gst_event_set_seqnum (absolute, gst_event_get_seqnum (event));
  gst_event_unref (event);
  return absolute;
}

/// A pipeline says SEGMENT_DONE when every source has that has begun: none of a short file must be
/// done before the last has heard of the seek. Holds the feeders at their next segment meanwhile.
class SegmentHold {
public:
  SegmentHold (std::vector<std::shared_ptr<Track>> tracks, GstSeekFlags flags)
      : tracks_ {std::move (tracks)}
  {
    if (flags & GST_SEEK_FLAG_SEGMENT)
      for (const auto &track : tracks_)
        track->queue.hold (true);
  }
  ~SegmentHold ()
  {
    for (const auto &track : tracks_)
      track->queue.hold (false);
  }
  SegmentHold (const SegmentHold &) = delete;
  SegmentHold &operator= (const SegmentHold &) = delete;
  /// The same source may feed others, and stop them before it can hear of a seek by this one.
  void let_neighbours_go (const Track &track) const
  {
    const auto feeder = track.queue.judge ().feeder;
    for (const auto &other : tracks_)
      if (other.get () != &track && other->queue.judge ().feeder == feeder)
        other->queue.hold (false);
  }

private:
  const std::vector<std::shared_ptr<Track>> tracks_;
};

/// This track goes on where it was while the mix changes its rate: what it has does not fit.
void set_off_rate (Track &track)
{
  track.off_rate.store (true); // its feeder says so, with its next buffer
  const std::lock_guard lock {track.rate_mutex};
  track.queue.clear ();
  track.conversion.forget (); // or its rest would come at its end, in the old place
}

/// Sends a seek without flush to the tracks, each of which then brings a segment. Takes the event.
bool send_without_flush (
    Element &state, GstEvent *event, const GstSegment &segment, const SegmentHold &hold)
{
  const auto seqnum = gst_event_get_seqnum (event);
  GstSegment before;
  std::uint32_t seqnum_before = 0;
  {
    const std::lock_guard lock {state.flush};
    before = std::exchange (state.segment, segment);
    seqnum_before = std::exchange (state.segment_seqnum, seqnum);
  }
  const auto number = state.mixer.announce_seek (segment, seqnum);
  const auto tracks = state.mixer.tracks ();
  // All of them first: the mix must not go on with the first one that is there.
  for (const auto &track : tracks)
    track->queue.expect_segment (number);
  bool sought = false;
  std::vector<Track *> deaf;
  for (const auto &track : tracks) {
    GstPad *pad = state.mixer.ref_pad (*track);
    hold.let_neighbours_go (*track);
    const bool reached = pad && gst_pad_push_event (pad, gst_event_ref (event));
    gst_clear_object (&pad);
    if (!reached) {
      track->queue.give_up_segment ();
      deaf.push_back (track.get ());
    }
    sought = sought || reached;
  }
  gst_event_unref (event);
  if (sought && segment.rate != before.rate)
    for (Track *track : deaf)
      set_off_rate (*track);
  if (!sought) {
    state.mixer.withdraw_seek (number);
    const std::lock_guard lock {state.flush};
    state.segment = before;
    state.segment_seqnum = seqnum_before;
  }
  return sought;
}

/// Says why not.
bool can_do (GstObject *parent, GstEvent *event)
{
  gdouble rate = 1.0;
  GstFormat format = GST_FORMAT_UNDEFINED;
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  gst_event_parse_seek (event, &rate, &format, &flags, nullptr, nullptr, nullptr, nullptr);
  const bool can =
      format == GST_FORMAT_TIME && rate > 0.0 && !(flags & GST_SEEK_FLAG_INSTANT_RATE_CHANGE);
  if (!can)
    GST_WARNING_OBJECT (parent,
        "refuses %" GST_PTR_FORMAT
        ": only seeks in time, forwards, and with a segment of their own",
        event);
  return can;
}

/// The track's flush for this seek is to come. Under the flush lock. A bin whose children change
/// while it passes a seek on sends it once more, and another seek may have come in between: what
/// the first time has left behind does not count.
void owe_flush (Track &track, std::uint32_t seqnum)
{
  if (track.flush_seqnum == seqnum && track.is_flushing ())
    return; // it is here
  track.sought_seqnum = seqnum;
  if (track.flush_seqnum == seqnum)
    track.flush_seqnum = 0;
  if (track.unseekable_seqnum == seqnum)
    track.unseekable_seqnum = 0;
}

/// For who sends the same seek again.
void note_result (Element &state, std::uint32_t seqnum, bool sought)
{
  const std::lock_guard lock {state.flush};
  if (state.last_seek_seqnum == seqnum)
    state.last_seek_failed = !sought;
}

} // namespace

void keep_seek (Element &state, GstObject *parent, GstEvent *event)
{
  if (!can_do (parent, event))
    return;
  GstSegment segment;
  if (state.seek_kept)
    segment = state.kept_segment;
  else
    gst_segment_init (&segment, GST_FORMAT_TIME);
  const auto seqnum = gst_event_get_seqnum (event);
  event = resolve_seek (state, parent, gst_event_ref (event), segment);
  if (!event)
    return;
  gst_event_unref (event);
  const std::lock_guard lock {state.flush};
  state.seek_kept = true;
  state.kept_segment = segment;
  state.kept_seqnum = seqnum;
}

void start_with_kept_seek (Element &state)
{
  if (!state.seek_kept)
    return;
  {
    const std::lock_guard lock {state.flush};
    state.segment = state.kept_segment;
    state.segment_seqnum = state.kept_seqnum;
  }
  state.mixer.begin_with (state.kept_segment, state.kept_seqnum);
}

void forget_seeks (Element &state)
{
  const std::lock_guard lock {state.flush};
  state.src_flushing = state.start_due = state.seek_flushed = false;
  state.stop_due_seqnum = state.flush_seqnum = state.seeking_seqnum = 0;
  state.last_seek_seqnum = state.seek_seqnum = state.segment_seqnum = 0;
  state.last_seek_failed = false;
  gst_segment_init (&state.segment, GST_FORMAT_TIME);
  for (const auto &track : state.mixer.tracks ()) {
    track->flush_seqnum = track->unseekable_seqnum = 0;
    track->flush_stopped = false;
  }
}

namespace {

bool seek_tracks (Element &state, GstObject *parent, GstEvent *event)
{
  gdouble rate = 1.0;
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  gst_event_parse_seek (event, &rate, nullptr, &flags, nullptr, nullptr, nullptr, nullptr);
  if (!can_do (parent, event)) {
    gst_event_unref (event);
    return false;
  }
  const std::uint32_t seqnum = gst_event_get_seqnum (event);
  GstSegment segment;
  {
    const std::lock_guard lock {state.flush};
    segment = state.segment;
  }
  const double rate_before = segment.rate;
  event = resolve_seek (state, parent, event, segment);
  if (!event)
    return false;
  const auto tracks = state.mixer.tracks ();
  {
    const std::lock_guard lock {state.flush};
    if (state.last_seek_seqnum == seqnum) {
      gst_event_unref (event);
      // The same seek by another way, from an application with several sinks.
      return !state.last_seek_failed;
    }
    state.last_seek_seqnum = seqnum;
    state.last_seek_failed = state.seek_kept = false;
    if (flags & GST_SEEK_FLAG_FLUSH) {
      state.seek_seqnum = state.seeking_seqnum = seqnum;
      state.seek_flushed = false;
      state.seek_segment = segment;
      for (const auto &track : tracks)
        owe_flush (*track, seqnum);
    }
  }
  const SegmentHold hold {tracks, flags};
  if (!(flags & GST_SEEK_FLAG_FLUSH)) {
    const bool sought = send_without_flush (state, event, segment, hold);
    note_result (state, seqnum, sought);
    return sought;
  }
  bool sought = false;
  for (const auto &track : tracks) {
    GstPad *pad = state.mixer.ref_pad (*track);
    if (!pad)
      continue;
    bool reached = false;
    {
      const std::lock_guard lock {state.flush};
      reached = track->flush_seqnum == seqnum; // by way of another track of the same demuxer
    }
    if (!reached)
      reached = gst_pad_push_event (pad, gst_event_ref (event));
    gst_object_unref (pad);
    if (!reached) {
      const std::lock_guard lock {state.flush};
      track->unseekable_seqnum = seqnum;
    }
    sought = sought || reached;
  }
  gst_event_unref (event);
  bool flushed = sought;
  std::vector<Track *> deaf;
  {
    const std::lock_guard lock {state.flush};
    state.seeking_seqnum = 0;
    flushed =
        flushed || state.flush_seqnum == seqnum; // some flush before they find that they can't
    // A source flushes before it answers. One that has not, beside others that have, never will:
    // downstream must not wait for it. If it does in the end, that is a flush of its own.
    if (state.src_flushing && state.flush_seqnum == seqnum)
      for (const auto &track : tracks)
        if (track->flush_seqnum != seqnum)
          track->unseekable_seqnum = seqnum;
    for (const auto &track : tracks)
      if (flushed && rate != rate_before && track->flush_seqnum != seqnum)
        deaf.push_back (track.get ());
  }
  for (Track *track : deaf)
    set_off_rate (*track);
  if (flushed) // the last track to answer may have been one that can't
    forward_flush_stop (state, seqnum);
  note_result (state, seqnum, sought);
  return sought;
}

} // namespace

bool seek (Element &state, GstObject *parent, GstEvent *event)
{
  if (!state.mixer.is_mixing_here ())
    return seek_tracks (state, parent, event);
  // From downstream in the task itself, which holds what a flush waits for: another thread that
  // brings one leaves it to this one, which sends them when the tracks have been told.
  bool mine = false;
  {
    const std::lock_guard lock {state.flush};
    mine = !std::exchange (state.forwarding, true);
  }
  state.mixer.set_unbounded (true);
  const bool sought = seek_tracks (state, parent, event);
  state.mixer.set_unbounded (false);
  if (mine) {
    {
      const std::lock_guard lock {state.flush};
      state.forwarding = false;
    }
    forward_flushes (state);
  }
  return sought;
}

} // namespace mt::trackmixer
