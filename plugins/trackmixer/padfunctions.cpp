// SPDX-License-Identifier: LGPL-2.1-or-later
// What arrives at the pads of trackmixer: events and queries. What a track brings is in
// trackinput.cpp, flushes and seeks are in seeking.cpp.
#include <algorithm>
#include <optional>

#include "converter.hpp"
#include "gsttrackmixer.hpp"
#include "gsttrackmixerpad.hpp"
#include "seeking.hpp"
#include "trackinput.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {

// --- queries

/// Caps that a pad can have: all that the template says, whatever it has now.
GstCaps *possible_caps (GstPad *pad, GstCaps *filter)
{
  GstCaps *all = gst_pad_get_pad_template_caps (pad);
  GstCaps *mixable =
      gst_caps_new_simple ("audio/x-raw", "channels", GST_TYPE_INT_RANGE, 1, kMaxChannels, nullptr);
  GstCaps *caps = gst_caps_intersect (all, mixable);
  gst_caps_unref (mixable);
  gst_caps_unref (all);
  if (filter) {
    GstCaps *filtered = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (caps);
    caps = filtered;
  }
  return caps;
}

void answer_caps (GstPad *pad, GstQuery *query)
{
  GstCaps *filter = nullptr;
  gst_query_parse_caps (query, &filter);
  GstCaps *caps = possible_caps (pad, filter);
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
}

/// Upstream has nothing but too many channels, and will only say that it could not negotiate.
void warn_of_channels (GstObject *parent, Track &track, const GstCaps *wanted)
{
  gint channels = 0;
  if (!wanted || gst_caps_is_empty (wanted) ||
      !gst_structure_get_int (gst_caps_get_structure (wanted, 0), "channels", &channels) ||
      channels <= kMaxChannels || track.channels_warned.exchange (true))
    return;
  GST_ELEMENT_WARNING (GST_ELEMENT (parent), STREAM, FORMAT,
      ("Track %s: upstream has %d channels; the limit is %d.", track.name.c_str (), channels,
          kMaxChannels),
      ("Put 'audioconvert mix-matrix=...' before %s.", track.name.c_str ()));
}

bool answer_latency (Element &state, GstQuery *query)
{
  auto upstream = state.mixer.ask_upstream ();
  const auto &settings = state.mixer.settings;
  upstream.live = upstream.live || settings.force_live.load ();
  const GstClockTime chunk = settings.output_buffer_duration.load ();
  const GstClockTime extra = settings.latency.load ();
  GstClockTime min = saturating_sum (chunk, extra);
  if (upstream.live) {
    // Of a source that comes later nobody knows more than that. None is no latency.
    const GstClockTime least =
        std::min (settings.min_upstream_latency.load (), GST_CLOCK_TIME_NONE - 1);
    if (least > upstream.min)
      upstream.max = saturating_sum (upstream.max, least - upstream.min);
    min = saturating_sum (std::max (upstream.min, least), min);
  }
  const GstClockTime max = saturating_sum (
      saturating_sum (upstream.max, std::max (chunk, state.mixer.least_queue_time ())), extra);
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
  // A demuxer sends them for all tracks before the first data of any. (An INSTANT_RATE_CHANGE is
  // sticky, but comes on the thread that asks for it.)
  if (GST_EVENT_IS_STICKY (event) && GST_EVENT_IS_SERIALIZED (event))
    track.queue.note_feeder ();
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_FLUSH_START:
    flush_start (state, track, gst_event_get_seqnum (event));
    break;
  case GST_EVENT_FLUSH_STOP: {
    gboolean resets_time = TRUE;
    gst_event_parse_flush_stop (event, &resets_time);
    flush_stop (state, track, gst_event_get_seqnum (event), resets_time);
    break;
  }
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
    accept_segment (state, parent, track, event);
    break;
  case GST_EVENT_GAP:
    accept_gap (state, track, event);
    break;
  case GST_EVENT_EOS:
    accept_eos (track);
    break;
  case GST_EVENT_TAG: // of one track; the mix is another recording
  case GST_EVENT_TOC:
  case GST_EVENT_STREAM_COLLECTION:
  case GST_EVENT_STREAM_GROUP_DONE:
  case GST_EVENT_INSTANT_RATE_CHANGE:
    break;
  case GST_EVENT_SEGMENT_DONE: // the mix sends its own when every track is there
    accept_segment_done (state, track, event);
    break;
  default:
    if (!GST_EVENT_IS_SERIALIZED (event))
      return gst_pad_event_default (pad, parent, event);
    QueueItem item; // goes out in its place between the chunks
    item.kind = QueueItem::Kind::event;
    item.object = GST_MINI_OBJECT_CAST (event);
    const std::lock_guard lock {track.rate_mutex};
    return track.queue.push (item) == GST_FLOW_OK;
  }
  gst_event_unref (event);
  return ok;
}

gboolean sink_query (GstPad *pad, GstObject *parent, GstQuery *query) noexcept
{
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    answer_caps (pad, query);
    {
      GstCaps *wanted = nullptr, *possible = nullptr;
      gst_query_parse_caps (query, &wanted);
      gst_query_parse_caps_result (query, &possible);
      if (gst_caps_is_empty (possible))
        warn_of_channels (parent, track_of (pad), wanted);
    }
    return TRUE;
  case GST_QUERY_ACCEPT_CAPS: {
    GstCaps *asked = nullptr;
    gst_query_parse_accept_caps (query, &asked);
    GstCaps *all = possible_caps (pad, nullptr);
    const bool accepted = gst_caps_is_subset (asked, all);
    gst_query_set_accept_caps_result (query, accepted);
    gst_caps_unref (all);
    if (!accepted)
      warn_of_channels (parent, track_of (pad), asked);
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
      state.flush_begun.notify_all ();
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
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_SEEK:
    return seek (state_of (parent), parent, event);
  case GST_EVENT_QOS: // of the mix: no track is to answer for that
  case GST_EVENT_NAVIGATION:
    gst_event_unref (event);
    return FALSE;
  case GST_EVENT_RECONFIGURE: // the next chunk looks at it; the tracks are converted
    gst_event_unref (event);
    return TRUE;
  default:
    return gst_pad_event_default (pad, parent, event);
  }
}

namespace {

/// In TIME always, in frames and bytes once there are caps.
gboolean answer_position (Element &state, GstPad *pad, GstQuery *query)
{
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_position (query, &format, nullptr);
  auto position = static_cast<gint64> (state.mixer.position ());
  if (format != GST_FORMAT_TIME) {
    GstCaps *caps = gst_pad_get_current_caps (pad);
    GstAudioInfo info;
    const bool known = caps && gst_audio_info_from_caps (&info, caps) &&
        gst_audio_info_convert (&info, GST_FORMAT_TIME, position, format, &position);
    gst_clear_caps (&caps);
    if (!known)
      return FALSE;
  }
  gst_query_set_position (query, format, position);
  return TRUE;
}

} // namespace

gboolean src_query (GstPad *pad, GstObject *parent, GstQuery *query) noexcept
{
  Element &state = state_of (parent);
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    answer_caps (pad, query);
    return TRUE;
  case GST_QUERY_LATENCY:
    return answer_latency (state, query);
  case GST_QUERY_DURATION:
    return answer_duration (state, query);
  case GST_QUERY_SEEKING:
    return answer_seeking (state, query);
  case GST_QUERY_POSITION:
    return answer_position (state, pad, query);
  default:
    return gst_pad_query_default (pad, parent, query);
  }
}

} // namespace mt::trackmixer
