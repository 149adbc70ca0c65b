// SPDX-License-Identifier: LGPL-2.1-or-later
// What arrives at the pads of trackmixer: events, queries, flushes and seeks. What a track brings
// is in trackinput.cpp.
#include <algorithm>
#include <optional>

#include "gsttrackmixer.hpp"
#include "gsttrackmixerpad.hpp"
#include "trackinput.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {

// --- flushes

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

/// Whether it has left every track that it has reached or will reach.
bool all_flushed (Element &state, std::uint32_t seqnum)
{
  for (const auto &track : state.mixer.tracks ()) {
    if (!track->queue.linked ())
      continue;
    if (track->flush_seqnum == seqnum ? !track->flush_stopped : track->unseekable_seqnum != seqnum)
      return false;
  }
  return true;
}

/// A flush goes downstream once: with the first track for a seek of ours, because its new audio
/// must not meet the old time line; for any other flush when it has reached every track.
void forward_flush_start (Element &state, std::uint32_t seqnum)
{
  {
    const std::lock_guard lock {state.flush};
    if (state.src_flushing || !state.src_active)
      return;
    if (seqnum != state.seek_seqnum && !all_flushing (state, seqnum))
      return;
    state.src_flushing = true;
    state.flush_seqnum = seqnum;
  }
  state.mixer.interrupt ();
  GstEvent *event = gst_event_new_flush_start ();
  gst_event_set_seqnum (event, seqnum);
  gst_pad_push_event (state.src_pad, event);
  // Or the chunk in progress could take audio that belongs behind the flush.
  state.mixer.wait_for_chunk_in_progress ();
}

void start_task (Element &state)
{
  gst_pad_start_task (
      state.src_pad, [] (gpointer mixer) noexcept { static_cast<Mixer *> (mixer)->iterate (); },
      &state.mixer, nullptr);
}

void forward_flush_stop (Element &state, std::uint32_t seqnum)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  {
    const std::lock_guard lock {state.flush};
    if (!state.src_flushing || !all_flushed (state, seqnum))
      return;
    state.src_flushing = false;
    if (seqnum == state.seek_seqnum)
      segment = state.seek_segment;
    state.segment = segment;
  }
  gst_pad_pause_task (state.src_pad);
  state.mixer.restart_timeline (&segment, seqnum);
  GstEvent *event = gst_event_new_flush_stop (TRUE);
  gst_event_set_seqnum (event, seqnum);
  gst_pad_push_event (state.src_pad, event);
  const std::lock_guard lock {state.flush};
  if (!state.src_active)
    return; // shut down meanwhile
  state.mixer.resume ();
  start_task (state);
}

void flush_start (Element &state, Track &track, std::uint32_t seqnum)
{
  track.queue.set_flushing (true);
  {
    const std::lock_guard lock {state.flush};
    if (state.seeking_seqnum != 0)
      seqnum = state.seeking_seqnum; // not everyone gives his flush the seek's
    track.flush_seqnum = seqnum;
    track.flush_stopped = false;
  }
  forward_flush_start (state, seqnum);
}

void flush_stop (Element &state, Track &track, std::uint32_t seqnum)
{
  track.queue.clear ();
  track.timeline.reset ();
  track.resampler.forget ();
  track.left_out = track.segment_done = track.lost_warned = false;
  track.format_pending = track.feeder_caps != nullptr;
  track.queue.set_flushing (false);
  {
    const std::lock_guard lock {state.flush};
    track.flush_stopped = true;
    if (track.flush_seqnum != 0)
      seqnum = track.flush_seqnum; // some send another one with the stop than with the start
  }
  forward_flush_stop (state, seqnum);
}

// --- seeks

template <class Use>
void for_each_peer (Element &state, Use use)
{
  for (const auto &track : state.mixer.tracks ()) {
    if (GstPad *pad = state.mixer.ref_pad (*track)) {
      if (gst_pad_is_linked (pad))
        use (pad);
      gst_object_unref (pad);
    }
  }
}

/// Of all tracks, in nanoseconds; none if one of them does not know.
std::optional<gint64> longest_duration (Element &state)
{
  gint64 longest = -1;
  bool unknown = false;
  for_each_peer (state, [&] (GstPad *pad) {
    gint64 duration = -1;
    if (gst_pad_peer_query_duration (pad, GST_FORMAT_TIME, &duration) && duration >= 0)
      longest = std::max (longest, duration);
    else
      unknown = true;
  });
  if (unknown || longest < 0)
    return {};
  return longest;
}

/// The segment that a seek leads to from where the mix is, and the seek in places that are the same
/// for every track: «where you are» is another place for each, ahead of the mix by what it has
/// queued, and so is «the end». Takes the event. Null: there is no such segment.
GstEvent *resolve_seek (Element &state, GstObject *parent, GstEvent *event, GstSegment &segment)
{
  gdouble rate = 1.0;
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  GstSeekType start_type = GST_SEEK_TYPE_NONE;
  GstSeekType stop_type = GST_SEEK_TYPE_NONE;
  gint64 start = 0;
  gint64 stop = 0;
  gst_event_parse_seek (event, &rate, nullptr, &flags, &start_type, &start, &stop_type, &stop);
  const bool is_absolute = start_type == GST_SEEK_TYPE_SET && stop_type != GST_SEEK_TYPE_END;
  if (start_type == GST_SEEK_TYPE_END || stop_type == GST_SEEK_TYPE_END) {
    const auto duration = longest_duration (state);
    if (!duration) {
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

/// Takes the event.
bool seek (Element &state, GstObject *parent, GstEvent *event)
{
  gdouble rate = 1.0;
  GstFormat format = GST_FORMAT_UNDEFINED;
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  gst_event_parse_seek (event, &rate, &format, &flags, nullptr, nullptr, nullptr, nullptr);
  if (format != GST_FORMAT_TIME || rate != 1.0 || !(flags & GST_SEEK_FLAG_FLUSH) ||
      (flags & GST_SEEK_FLAG_SEGMENT)) {
    GST_WARNING_OBJECT (
        parent, "refuses %" GST_PTR_FORMAT ": only flushing seeks in time at rate 1", event);
    gst_event_unref (event);
    return false;
  }
  const std::uint32_t seqnum = gst_event_get_seqnum (event);
  GstSegment segment;
  {
    const std::lock_guard lock {state.flush};
    segment = state.segment;
  }
  event = resolve_seek (state, parent, event, segment);
  if (!event)
    return false;
  const auto tracks = state.mixer.tracks ();
  {
    const std::lock_guard lock {state.flush};
    if (state.seek_seqnum == seqnum) {
      gst_event_unref (event);
      return true; // the same seek by another way, from an application with several sinks
    }
    state.seek_seqnum = state.seeking_seqnum = seqnum;
    state.seek_segment = segment;
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
  {
    const std::lock_guard lock {state.flush};
    state.seeking_seqnum = 0;
    flushed =
        flushed || state.flush_seqnum == seqnum; // some flush before they find that they can't
  }
  if (flushed) // the last track to answer may have been one that can't
    forward_flush_stop (state, seqnum);
  return sought;
}

// --- queries

/// Caps that a pad can have: the template's, and at the source the rate of the mix once it is
/// known.
GstCaps *possible_caps (Element &state, GstPad *pad, GstCaps *filter)
{
  GstCaps *caps = gst_pad_get_pad_template_caps (pad);
  if (const int rate = state.mixer.rate_hz (); rate != 0 && GST_PAD_IS_SRC (pad)) {
    caps = gst_caps_make_writable (caps);
    gst_caps_set_simple (caps, "rate", G_TYPE_INT, rate, nullptr);
  }
  if (filter) {
    GstCaps *filtered = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (caps);
    caps = filtered;
  }
  return caps;
}

void answer_caps (Element &state, GstPad *pad, GstQuery *query)
{
  GstCaps *filter = nullptr;
  gst_query_parse_caps (query, &filter);
  GstCaps *caps = possible_caps (state, pad, filter);
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
}

bool answer_latency (Element &state, GstObject *parent, GstQuery *query)
{
  auto upstream = ask_upstream_latency (GST_ELEMENT (parent));
  state.mixer.note_latency (upstream);
  const auto &settings = state.mixer.settings;
  upstream.live = upstream.live || settings.force_live.load ();
  const GstClockTime chunk = settings.output_buffer_duration.load ();
  const GstClockTime extra = settings.latency.load ();
  GstClockTime min = saturating_sum (chunk, extra);
  if (upstream.live)
    min = saturating_sum (std::max (upstream.min, settings.min_upstream_latency.load ()), min);
  const GstClockTime max = saturating_sum (
      saturating_sum (upstream.max, std::max (chunk, settings.max_size_time.load ())), extra);
  gst_query_set_latency (query, upstream.live, min, max);
  return true;
}

bool answer_duration (Element &state, GstQuery *query)
{
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_duration (query, &format, nullptr);
  const auto longest = format == GST_FORMAT_TIME ? longest_duration (state) : std::nullopt;
  if (longest)
    gst_query_set_duration (query, GST_FORMAT_TIME, *longest);
  return longest.has_value ();
}

bool answer_seeking (Element &state, GstQuery *query)
{
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_seeking (query, &format, nullptr, nullptr, nullptr);
  if (format != GST_FORMAT_TIME)
    return false;
  bool seekable = false;
  gint64 end = -1;
  for_each_peer (state, [&] (GstPad *pad) {
    GstQuery *upstream = gst_query_new_seeking (GST_FORMAT_TIME);
    gboolean peer_seekable = FALSE;
    gint64 peer_end = -1;
    if (gst_pad_peer_query (pad, upstream))
      gst_query_parse_seeking (upstream, nullptr, &peer_seekable, nullptr, &peer_end);
    seekable = seekable || peer_seekable;
    end = std::max (end, peer_end);
    gst_query_unref (upstream);
  });
  gst_query_set_seeking (query, GST_FORMAT_TIME, seekable, 0, end);
  return true;
}

} // namespace

GstFlowReturn sink_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer) noexcept
{
  return accept_buffer (state_of (parent), parent, track_of (pad), buffer);
}

gboolean sink_event (GstPad *pad, GstObject *parent, GstEvent *event) noexcept
{
  Element &state = state_of (parent);
  Track &track = track_of (pad);
  bool ok = true;
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_FLUSH_START:
    flush_start (state, track, gst_event_get_seqnum (event));
    break;
  case GST_EVENT_FLUSH_STOP:
    flush_stop (state, track, gst_event_get_seqnum (event));
    break;
  case GST_EVENT_STREAM_START:
    accept_stream_start (track);
    break;
  case GST_EVENT_CAPS: {
    GstCaps *caps = nullptr;
    gst_event_parse_caps (event, &caps);
    ok = accept_caps (state, parent, track, caps);
    break;
  }
  case GST_EVENT_SEGMENT:
    accept_segment (parent, track, event);
    break;
  case GST_EVENT_GAP:
    accept_gap (state, track, event);
    break;
  case GST_EVENT_EOS:
    accept_end (state, track, false);
    break;
  case GST_EVENT_TAG: // of one track; the mix is another recording
  case GST_EVENT_TOC:
  case GST_EVENT_STREAM_COLLECTION:
  case GST_EVENT_STREAM_GROUP_DONE:
  case GST_EVENT_INSTANT_RATE_CHANGE:
    break;
  case GST_EVENT_SEGMENT_DONE: // the mix sends its own when every track is there
    accept_end (state, track, true);
    break;
  default:
    if (!GST_EVENT_IS_SERIALIZED (event))
      return gst_pad_event_default (pad, parent, event);
    QueueItem item; // goes out in its place between the chunks
    item.kind = QueueItem::Kind::event;
    item.object = GST_MINI_OBJECT_CAST (event);
    return track.queue.push (item, Mixer::queue_limit (track)) == GST_FLOW_OK;
  }
  gst_event_unref (event);
  return ok;
}

gboolean sink_query (GstPad *pad, GstObject *parent, GstQuery *query) noexcept
{
  Element &state = state_of (parent);
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    answer_caps (state, pad, query);
    return TRUE;
  case GST_QUERY_ACCEPT_CAPS: {
    GstCaps *asked = nullptr;
    gst_query_parse_accept_caps (query, &asked);
    GstCaps *all = gst_pad_get_pad_template_caps (pad);
    gst_query_set_accept_caps_result (query, gst_caps_is_subset (asked, all));
    gst_caps_unref (all);
    return TRUE;
  }
  case GST_QUERY_ALLOCATION: // any memory will do: buffers are queued by reference
    return TRUE;
  case GST_QUERY_DRAIN:
    return track_of (pad).queue.wait_drained ();
  default:
    // Behind every whole chunk of what came before it. The rest waits for audio that this very
    // thread would have to bring.
    if (GST_QUERY_IS_SERIALIZED (query) && !track_of (pad).queue.wait_drained ())
      return FALSE;
    return gst_pad_query_default (pad, parent, query);
  }
}

gboolean sink_activate_mode (GstPad *pad, GstObject *, GstPadMode mode, gboolean active) noexcept
{
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  Track &track = track_of (pad);
  track.queue.set_flushing (!active);
  return TRUE;
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

gboolean src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active) noexcept
{
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  Element &state = state_of (parent);
  if (!active) {
    {
      const std::lock_guard lock {state.flush};
      state.src_active = false;
    }
    state.mixer.interrupt ();
    return gst_pad_stop_task (pad);
  }
  const std::lock_guard lock {state.flush};
  state.src_active = true;
  state.mixer.resume ();
  start_task (state);
  return TRUE;
}

gboolean src_event (GstPad *pad, GstObject *parent, GstEvent *event) noexcept
{
  if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
    return gst_pad_event_default (pad, parent, event);
  return seek (state_of (parent), parent, event);
}

gboolean src_query (GstPad *pad, GstObject *parent, GstQuery *query) noexcept
{
  Element &state = state_of (parent);
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    answer_caps (state, pad, query);
    return TRUE;
  case GST_QUERY_LATENCY:
    return answer_latency (state, parent, query);
  case GST_QUERY_DURATION:
    return answer_duration (state, query);
  case GST_QUERY_SEEKING:
    return answer_seeking (state, query);
  case GST_QUERY_POSITION: {
    GstFormat format = GST_FORMAT_UNDEFINED;
    gst_query_parse_position (query, &format, nullptr);
    if (format != GST_FORMAT_TIME)
      return FALSE;
    gst_query_set_position (query, GST_FORMAT_TIME, static_cast<gint64> (state.mixer.position ()));
    return TRUE;
  }
  default:
    return gst_pad_query_default (pad, parent, query);
  }
}

} // namespace mt::trackmixer
