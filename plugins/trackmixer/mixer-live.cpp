// SPDX-License-Identifier: LGPL-2.1-or-later
// Live mixing: whether upstream is live, and what goes out by the clock, whoever is missing.
#include "mixer.hpp"

#include <algorithm>
#include <cstdlib>

namespace mt::trackmixer {

namespace {
/// Of silence that goes out before any track has caps, if downstream takes it; as audiomixer's.
constexpr int kFallbackRate = GST_AUDIO_DEF_RATE;
} // namespace

void Mixer::note_latency (const UpstreamLatency &upstream) noexcept
{
  const bool live = upstream.live || settings.force_live.load ();
  const bool same = live_.exchange (live) == live;
  if (upstream_latency_.exchange (upstream.min) != upstream.min || !same)
    shared.readiness.recheck (); // the deadline is another one
  latency_unknown_.store (!upstream.complete);
}

/// Of the tracks and not of the element's pads: one that is being released still is one of those.
UpstreamLatency Mixer::ask_upstream () noexcept
{
  UpstreamLatency upstream;
  for (const auto &track : tracks ())
    if (GstPad *pad = ref_pad (*track); pad) {
      upstream.ask (pad);
      gst_object_unref (pad);
    }
  note_latency (upstream);
  return upstream;
}

/// Upstream is asked anew only when the tracks have changed, or one that had no answer has caps,
/// and not on every look.
bool Mixer::is_live ()
{
  const auto came = caps_came_.load ();
  const auto caps = latency_unknown_.load () ? came : asked_if_live_[2];
  if (const std::array now {snapshot_generation_, std::uint64_t {open_tracks_}, caps};
      now != asked_if_live_) {
    asked_if_live_ = now;
    const auto before = upstream_latency_.load (std::memory_order_relaxed);
    const bool was_live = live_.load (std::memory_order_relaxed);
    (void)ask_upstream ();
    if (latency_unknown_.load () && caps_came_.load () != came)
      shared.readiness.flag_recheck (); // they came while the question was on its way
    if (was_live != live_ || before != upstream_latency_)
      gst_element_post_message (element_, gst_message_new_latency (GST_OBJECT (element_)));
  }
  return live_.load (std::memory_order_relaxed);
}

/// The running time at which a chunk that ends at this one goes out.
GstClockTime Mixer::deadline_for (GstClockTime chunk_end) const noexcept
{
  const GstClockTime upstream = std::max (upstream_latency_.load (std::memory_order_relaxed),
      settings.min_upstream_latency.load (std::memory_order_relaxed));
  return saturating_sum (
      chunk_end, saturating_sum (upstream, settings.latency.load (std::memory_order_relaxed)));
}

/// Live, the chunk goes out when the last of its audio can have come, whoever is missing.
bool Mixer::past_deadline ()
{
  if (!planned_ || !is_live ())
    return false;
  return deadline_.passed (element_, deadline_for (time_of (planned_end_)));
}

/// Live, there is a rate when the first chunk is due, also where no track has said one. True: it
/// has just been fixed.
bool Mixer::fix_rate_in_time ()
{
  if (rate_hz () != 0 || !deadline_.playing () || !is_live ())
    return false;
  const auto selection = settings.start_time_selection.load (std::memory_order_relaxed);
  if (start_open_ && selection == StartTimeSelection::first)
    return false; // audio makes the start, and its caps come before it
  if (!start_open_ || selection != StartTimeSelection::now) {
    GstClockTime start = 0;
    if (start_open_ && selection == StartTimeSelection::set)
      start = settings.start_time.load (std::memory_order_relaxed);
    const GstClockTime end = saturating_sum (
        GST_CLOCK_TIME_IS_VALID (start) ? start : 0, settings.chunk_length ().time ());
    if (!deadline_.passed (element_, deadline_for (end)))
      return false;
  }
  const int rate = nearest_rate (kFallbackRate);
  {
    const std::lock_guard lock {control_};
    if (rate_hz_.load (std::memory_order_relaxed) != 0)
      return true;
    rate_hz_.store (rate, std::memory_order_release);
  }
  update_limits ();
  shared.readiness.flag_recheck ();
  return true;
}

/// Live, and no track is there to wait for: silence goes out at the deadlines.
bool Mixer::goes_by_clock ()
{
  if (open_tracks_ > 0 || rate_hz () == 0 || last_audio_end_ > position_)
    return false;
  const bool only_inactive = inactive_tracks_ > 0 && ended_tracks_ == 0;
  return (settings.force_live.load (std::memory_order_relaxed) || only_inactive) && is_live ();
}

/// Every track may have ended with this chunk, which is then as short as they want it.
bool Mixer::may_be_last () const noexcept
{
  return open_tracks_ == 0 && !settings.force_live.load (std::memory_order_relaxed) &&
      (inactive_tracks_ == 0 || ended_tracks_ > 0);
}

/// The chunk goes out without the tracks that are missing.
void Mixer::miss_deadline ()
{
  bump (deadline_misses_, 1);
  const bool ignore = settings.ignore_inactive_pads.load (std::memory_order_relaxed);
  for (const auto &track : snapshot_) {
    if (!track->queue.judge ().missing)
      continue;
    track->resync.store (true, std::memory_order_relaxed);
    if (!ignore || !track->queue.ignore ())
      track->queue.starve (false);
  }
}

void Mixer::end_now (std::uint32_t seqnum) noexcept
{
  end_asked_.store (seqnum);
  shared.readiness.recheck ();
}

void Mixer::set_ignore_inactive (bool ignore) noexcept
{
  settings.ignore_inactive_pads.store (ignore);
  if (ignore)
    return; // from the next deadline on
  for (const auto &track : tracks ())
    track->queue.heed ();
  shared.readiness.wake ();
}

/// Within the room that collect() has reserved, or between two chunks.
void Mixer::note_late (const Track &track, Frames start, Frames frames)
{
  late_pieces_.push_back (
      {&track, start, frames, track.mix.frames_mixed.load (std::memory_order_relaxed),
          track.mix.frames_late.load (std::memory_order_relaxed)});
}

/// As GstAudioAggregator's: the times of the audio that is left out, and its length.
void Mixer::post_qos (const LatePiece &piece) const
{
  GstPad *pad = ref_pad (*piece.track);
  if (!pad)
    return;
  const GstClockTime running_time = time_of (piece.start);
  GstClockTime timestamp = GST_CLOCK_TIME_NONE;
  GstClockTime stream_time = GST_CLOCK_TIME_NONE;
  if (GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0); event) {
    const GstSegment *segment = nullptr;
    gst_event_parse_segment (event, &segment);
    if (segment->format == GST_FORMAT_TIME) {
      timestamp = gst_segment_position_from_running_time (segment, GST_FORMAT_TIME, running_time);
      stream_time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, timestamp);
    }
    gst_event_unref (event);
  }
  GstMessage *message =
      gst_message_new_qos (GST_OBJECT (pad), live_.load (std::memory_order_relaxed), running_time,
          stream_time, timestamp, length_of (piece.frames));
  gst_message_set_qos_stats (message, GST_FORMAT_DEFAULT, piece.frames_mixed, piece.frames_late);
  gst_element_post_message (element_, message);
  gst_object_unref (pad);
}

int Mixer::nearest_rate (int rate_hz) const noexcept
{
  GstCaps *allowed = gst_pad_get_allowed_caps (src_);
  int nearest = 0;
  for (guint i = 0; allowed && i < gst_caps_get_size (allowed); ++i) {
    GstStructure *s = gst_structure_copy (gst_caps_get_structure (allowed, i));
    int rate = 0;
    gst_structure_fixate_field_nearest_int (s, "rate", rate_hz);
    if (gst_structure_get_int (s, "rate", &rate) && rate > 0 &&
        (nearest == 0 || std::abs (rate - rate_hz) < std::abs (nearest - rate_hz)))
      nearest = rate;
    gst_structure_free (s);
  }
  gst_clear_caps (&allowed);
  return nearest != 0 ? nearest : rate_hz;
}

} // namespace mt::trackmixer
