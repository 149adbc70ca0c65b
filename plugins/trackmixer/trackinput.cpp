// SPDX-License-Identifier: LGPL-2.1-or-later
// What the feeder of a track brings: caps, segments, gaps and buffers, checked and queued.
#include "trackinput.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "converter.hpp"
#include "seeking.hpp"
#include "track.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {

/// matroskademux announces a gap for every track that is 3 s behind in the file, and again before
/// each of its buffers until it has caught up. So a gap is not believed before the others are this
/// far ahead: files with clusters of several seconds would lose what their later tracks hold.
constexpr GstClockTime kGapPatience = 10 * GST_SECOND;

GstElement *element_of (GstObject *parent) noexcept
{
  return GST_ELEMENT (parent);
}

bool can_be_mixed (const Track &track) noexcept
{
  return track.feeder_info.finfo && track.timeline.segment.format == GST_FORMAT_TIME;
}

/// Ends the track until something better comes: other caps, a segment, a flush or a new stream.
///
/// Its feeder hears EOS from here on, as from a sink that wants no more: a demuxer then goes on
/// with its other tracks (GstFlowCombiner), and a queue or a source ends without a word. At ERROR,
/// NOT_NEGOTIATED or NOT_LINKED one of them would post an error of its own, at which applications
/// stop the whole pipeline. The mix goes on with what the track has queued, and with the others.
void leave_out (Track &track)
{
  track.left_out = true;
  track.queue.set_eos ();
}

void readmit (Track &track)
{
  if (track.left_out && can_be_mixed (track)) {
    track.left_out = false;
    (void)track.queue.restart ();
  }
}

/// Puts the format before the audio that has it. Not done by the CAPS event itself: a flush empties
/// the queue, and caps are sticky, so they would not come again.
GstFlowReturn push_pending_format (Element &state, Track &track)
{
  QueueItem item;
  item.kind = QueueItem::Kind::format;
  if (track.conversion.active ()) {
    GstAudioInfo info = track.conversion.output ();
    item.object = GST_MINI_OBJECT_CAST (gst_audio_info_to_caps (&info));
  } else {
    item.object = GST_MINI_OBJECT_CAST (gst_caps_ref (track.feeder_caps));
  }
  const GstFlowReturn flow = track.queue.push (item);
  track.format_pending = flow != GST_FLOW_OK;
  return flow;
}

/// Where in the mix a time of a segment is: its running time, of which each second holds as much
/// audio as the segment's rate says. None: outside of the segment.
GstClockTime time_in_mix (const GstSegment &segment, GstClockTime time)
{
  const auto running_time = gst_segment_to_running_time (&segment, GST_FORMAT_TIME, time);
  if (!GST_CLOCK_TIME_IS_VALID (running_time) || segment.rate == 1.0)
    return running_time;
  // Not of the running time, which is rounded at a rate that may be high.
  const auto base =
      static_cast<GstClockTime> (static_cast<long double> (segment.base) * segment.rate);
  return base + (time - segment.start - segment.offset);
}

/// From here on a segment has running times: that of a track whose pad has a negative offset may
/// begin with a part that is over already.
GstClockTime start_of (const GstSegment &segment) noexcept
{
  return saturating_sum (segment.start, segment.offset);
}

/// That of it which is neither over nor behind its stop.
GstSegment without_offset (const GstSegment &segment) noexcept
{
  GstSegment rest = segment;
  rest.start = start_of (segment);
  rest.offset = 0;
  return rest;
}

/// At the track's own rate.
Frames place (Element &state, Track &track, GstClockTime time, Frames frames, bool discont)
{
  const GstClockTime time_of_mix = GST_CLOCK_TIME_IS_VALID (time)
      ? time_in_mix (track.timeline.segment, time)
      : GST_CLOCK_TIME_NONE;
  const int rate = GST_AUDIO_INFO_RATE (&track.feeder_info);
  // Its first audio, and nothing says when it is to be heard: now.
  if (!track.timeline.has_end () && !GST_CLOCK_TIME_IS_VALID (time_of_mix))
    track.timeline.begin_at (frame_at (state.mixer.time_mixed (), rate));
  return track.timeline.place (time_of_mix, frames, rate, discont,
      state.mixer.settings.alignment_threshold.load (std::memory_order_relaxed),
      state.mixer.settings.discont_wait.load (std::memory_order_relaxed));
}

/// The rate of what is queued. Until the mix task has changed that, the one before still holds.
int queue_rate (Element &state, Track &track) noexcept
{
  if (track.rate_hz.load () == 0)
    track.rate_hz.store (state.mixer.rate_hz ());
  return track.rate_hz.load ();
}

/// The frame, in this track's share of the mix's time, of a time in a segment of the track.
Frames frame_of_segment (Element &state, Track &track, const GstSegment &segment, GstClockTime time)
{
  const auto time_of_mix = time_in_mix (segment, time);
  if (!GST_CLOCK_TIME_IS_VALID (time_of_mix))
    return TrackQueue::kNever;
  if (!track.feeder_info.finfo)
    return frame_at (time_of_mix, queue_rate (state, track));
  // As audio at that time would be placed, or it would lie a frame off.
  const Frames frame = frame_at (time_of_mix, GST_AUDIO_INFO_RATE (&track.feeder_info));
  return track.conversion.active () ? track.conversion.to_mix (frame) : frame;
}

GstFlowReturn push_converted (Track &track)
{
  GstFlowReturn flow = GST_FLOW_OK;
  for (const QueueItem &item : track.converted)
    if (const GstFlowReturn its = track.queue.push (item); its != GST_FLOW_OK)
      flow = its;
  track.converted.clear ();
  return flow;
}

/// What the resampler still holds goes out before what follows.
GstFlowReturn push_rest (Track &track)
{
  track.conversion.drain (track.converted);
  return push_converted (track);
}

/// The seek without flush that has brought this segment. None: it is one of the track's own.
std::optional<AnnouncedSeek> seek_behind (
    Element &state, const Track &track, const GstSegment &segment, std::uint32_t seqnum)
{
  const auto expected = track.queue.expected_segment ();
  if (expected == 0)
    return {};
  if (const auto seek = state.mixer.announced_seek_of (seqnum); seek)
    return seek;
  // Not everyone keeps the seek's seqnum. But the segment may have been on its way before its
  // source heard of the seek: only behind a SEGMENT_DONE there is nothing more of that.
  const auto seek = state.mixer.announced_seek (expected);
  const bool is_there = seek && segment.format == GST_FORMAT_TIME &&
      (track.segment_done || segment.time == seek->segment.time);
  return is_there ? seek : std::nullopt;
}

/// It begins when the mix has done with what was before it on every track.
void begin_sought_segment (
    Element &state, Track &track, const GstSegment &segment, std::uint64_t seek)
{
  const std::lock_guard lock {track.rate_mutex};
  (void)push_rest (track);
  const GstClockTime start = start_of (segment);
  const Frames begin = frame_of_segment (state, track, segment, start);
  track.queue.begin_segment (seek, begin == TrackQueue::kNever ? 0 : begin);
  if (begin != TrackQueue::kNever && track.feeder_info.finfo)
    track.timeline.begin_at (
        frame_at (time_in_mix (segment, start), GST_AUDIO_INFO_RATE (&track.feeder_info)));
  track.segment_done = false;
}

/// Whether the mix plays at the rate of this segment: as the seek wants it, or with the rest of the
/// speed applied.
bool keeps_rate (Element &state, const Track &track, const GstSegment &segment)
{
  constexpr double kRounding = 1e-9;
  if (segment.rate <= 0.0)
    return false;
  const double wanted = track.wanted.rate;
  const double speed = segment.rate * std::abs (segment.applied_rate);
  return (segment.rate == wanted || std::abs (speed - wanted) <= kRounding * wanted) &&
      state.mixer.agree_on_rate (track.wanted.seqnum, segment.rate);
}

// --- the size of a buffer

template <class... Arguments>
std::string printed (const char *format, Arguments... arguments)
{
  gchar *text = g_strdup_printf (format, arguments...);
  std::string result {text};
  g_free (text);
  return result;
}

/// What is wrong with the meta of a buffer of `size` bytes; empty: nothing. Only then may the
/// buffer be mapped, for GstAudioBuffer takes the meta's word for where the samples lie.
std::string contradiction (const GstAudioMeta &meta, const GstAudioInfo &info, gsize size)
{
  if (!meta.info.finfo || GST_AUDIO_INFO_FORMAT (&meta.info) != GST_AUDIO_INFO_FORMAT (&info) ||
      GST_AUDIO_INFO_LAYOUT (&meta.info) != GST_AUDIO_INFO_LAYOUT (&info) ||
      GST_AUDIO_INFO_CHANNELS (&meta.info) != GST_AUDIO_INFO_CHANNELS (&info))
    return printed ("its GstAudioMeta says %s with %d channels, the caps %s with %d%s",
        meta.info.finfo ? GST_AUDIO_INFO_NAME (&meta.info) : "nothing",
        GST_AUDIO_INFO_CHANNELS (&meta.info), GST_AUDIO_INFO_NAME (&info),
        GST_AUDIO_INFO_CHANNELS (&info),
        GST_AUDIO_INFO_LAYOUT (&meta.info) != GST_AUDIO_INFO_LAYOUT (&info) ? ", in another layout"
                                                                            : "");
  const bool in_planes = GST_AUDIO_INFO_LAYOUT (&info) == GST_AUDIO_LAYOUT_NON_INTERLEAVED;
  const auto step =
      static_cast<gsize> (in_planes ? GST_AUDIO_INFO_BPS (&info) : GST_AUDIO_INFO_BPF (&info));
  const int planes = in_planes ? GST_AUDIO_INFO_CHANNELS (&info) : 1;
  for (int n = 0; n < planes; ++n) {
    const gsize offset = in_planes ? meta.offsets[n] : 0;
    if (offset > size || meta.samples > (size - offset) / step)
      return printed ("its GstAudioMeta says %" G_GSIZE_FORMAT " frames of %" G_GSIZE_FORMAT
                      " bytes from byte %" G_GSIZE_FORMAT
                      " on, and it ends at byte %" G_GSIZE_FORMAT,
          meta.samples, step, offset, size);
  }
  return {};
}

/// How many frames a buffer holds. None: its size, its meta and the caps disagree, see `why`.
std::optional<Frames> frames_in (GstBuffer *buffer, const GstAudioInfo &info, std::string &why)
{
  const gsize size = gst_buffer_get_size (buffer);
  if (const GstAudioMeta *meta = gst_buffer_get_audio_meta (buffer)) {
    why = contradiction (*meta, info, size);
    if (!why.empty ())
      return {};
    // Where the samples lie in planes, a clipped buffer keeps its size.
    return static_cast<Frames> (meta->samples);
  }
  const auto bpf = static_cast<gsize> (GST_AUDIO_INFO_BPF (&info));
  if (GST_AUDIO_INFO_LAYOUT (&info) == GST_AUDIO_LAYOUT_NON_INTERLEAVED) {
    why = "it has no GstAudioMeta to say where its planes lie";
    return {};
  }
  if (size % bpf != 0) {
    why = printed ("its %" G_GSIZE_FORMAT " bytes are no whole number of frames of %" G_GSIZE_FORMAT
                   " bytes",
        size, bpf);
    return {};
  }
  return static_cast<Frames> (size / bpf);
}

/// The part of a buffer that lies in its segment.
struct Part {
  Frames skipped;
  Frames frames;
  GstClockTime time;
};

/// Cuts to the nearest frames; gst_audio_buffer_clip() truncates times that are truncated already,
/// and is one frame off.
Part clip (const GstSegment &segment, GstClockTime time, Frames frames, int rate_hz) noexcept
{
  // Without a time stamp nobody can say; with a segment that is open at its end, the usual case.
  if (!GST_CLOCK_TIME_IS_VALID (time) ||
      (time >= start_of (segment) && !GST_CLOCK_TIME_IS_VALID (segment.stop) && time <= G_MAXINT64))
    return {0, frames, time};
  const GstClockTime length = gst_util_uint64_scale (
      static_cast<guint64> (frames), GST_SECOND, static_cast<guint64> (rate_hz));
  const GstSegment rest = without_offset (segment);
  guint64 from = 0;
  guint64 to = 0;
  if (time > G_MAXINT64 ||
      !gst_segment_clip (&rest, GST_FORMAT_TIME, time, time + length, &from, &to))
    return {0, 0, time};
  const Frames skipped = std::min (frames, frame_at (from - time, rate_hz));
  const Frames end = std::min (frames, frame_at (to - time, rate_hz));
  return {skipped, std::max<Frames> (0, end - skipped), from};
}

/// Told once until caps, segment or a flush bring something new, however many buffers follow.
void warn_of_lost (GstObject *parent, Track &track, const std::string &why)
{
  if (std::exchange (track.lost_warned, true))
    return;
  GST_ELEMENT_WARNING (element_of (parent), STREAM, FORMAT,
      ("Track %s: a buffer can't be mixed and is left out: %s.", track.name.c_str (), why.c_str ()),
      ("Silence takes its place, and it counts in dropped-frames. Mend what comes before %s; more "
       "such buffers are not told of before it brings caps, a segment or a flush.",
          track.name.c_str ()));
}

/// If the mix has gone on at another rate than this track, that is said and ends it.
void end_if_off_rate (GstObject *parent, Track &track)
{
  if (!track.off_rate.exchange (false) || track.left_out)
    return;
  GST_ELEMENT_WARNING (element_of (parent), STREAM, FORMAT,
      ("Track %s is left out: it could not follow a seek that has changed the mix's rate from "
       "%g.",
          track.name.c_str (), track.timeline.segment.rate),
      ("It counts as ended until another segment comes. Put something before %s that can seek, "
       "or "
       "play at rate 1.",
          track.name.c_str ()));
  leave_out (track);
}

} // namespace

void accept_stream_start (Track &track)
{
  const bool had_ended = track.queue.restart ();
  track.left_out = track.segment_done = false;
  if (had_ended)
    track.timeline.expect_discontinuity ();
}

bool accept_caps (Element &state, GstObject *parent, Track &track, GstCaps *caps)
{
  GstAudioInfo info;
  if (!gst_audio_info_from_caps (&info, caps)) {
    GST_ELEMENT_WARNING (element_of (parent), STREAM, FORMAT,
        ("Track %s: these are no caps of raw audio.", track.name.c_str ()),
        ("%" GST_PTR_FORMAT, caps));
    return false;
  }
  if (GST_AUDIO_INFO_CHANNELS (&info) > kMaxChannels) {
    GST_ELEMENT_WARNING (element_of (parent), STREAM, FORMAT,
        ("Track %s has %d channels; the limit is %d.", track.name.c_str (),
            GST_AUDIO_INFO_CHANNELS (&info), kMaxChannels),
        (nullptr));
    return false;
  }
  int rate = state.mixer.rate_hz ();
  if (rate == 0)
    rate = state.mixer.nearest_rate (GST_AUDIO_INFO_RATE (&info));
  std::unique_lock lock {track.rate_mutex};
  (void)push_rest (track);
  rate = state.mixer.offer_format (track, info, rate);
  if (const int queued = track.rate_hz.load (); queued != 0)
    rate = queued;
  if (rate == GST_AUDIO_INFO_RATE (&info)) {
    track.conversion.off ();
  } else {
    GstStructure *config = track.copy_converter_config ();
    const bool possible = track.conversion.set_up (info, rate, config);
    if (config)
      gst_structure_free (config);
    if (!possible) {
      lock.unlock (); // who hears of it may flush at once
      GST_ELEMENT_WARNING (element_of (parent), STREAM, FORMAT,
          ("Track %s: %s with %d channels at %d Hz can't be resampled to the mix's %d Hz.",
              track.name.c_str (), GST_AUDIO_INFO_NAME (&info), GST_AUDIO_INFO_CHANNELS (&info),
              GST_AUDIO_INFO_RATE (&info), rate),
          ("Put 'audioconvert ! audioresample' before %s.", track.name.c_str ()));
      return false;
    }
  }
  if (track.feeder_info.finfo &&
      GST_AUDIO_INFO_RATE (&info) != GST_AUDIO_INFO_RATE (&track.feeder_info))
    track.timeline.change_rate (
        GST_AUDIO_INFO_RATE (&track.feeder_info), GST_AUDIO_INFO_RATE (&info));
  track.feeder_info = info;
  track.rate_hz.store (rate);
  gst_caps_replace (&track.feeder_caps, caps);
  track.format_pending = true;
  track.lost_warned = false;
  readmit (track);
  return true;
}

void accept_segment (Element &state, GstObject *parent, Track &track, GstEvent *event)
{
  const GstSegment *segment = nullptr;
  gst_event_parse_segment (event, &segment);
  const auto sought = seek_behind (state, track, *segment, gst_event_get_seqnum (event));
  if (sought)
    track.wanted = {sought->seqnum, sought->segment.rate};
  else if (track.queue.expected_segment () == 0) // or it is one from before that seek
    track.wanted = wanted_rate (state, track);
  const bool fits = segment->format == GST_FORMAT_TIME && keeps_rate (state, track, *segment);
  if (sought && fits)
    begin_sought_segment (state, track, *segment, sought->number);
  else if (sought)
    track.queue.give_up_segment ();
  state.mixer.note_segment_seqnum (gst_event_get_seqnum (event));
  track.timeline.expect_discontinuity ();
  track.lost_warned = false;
  track.off_rate.store (false);
  if (!fits) {
    GST_ELEMENT_WARNING (element_of (parent), STREAM, FORMAT,
        ("Track %s is left out: its segment is in %s at rate %g; only one in time at the mix's "
         "rate "
         "%g can be mixed.",
            track.name.c_str (), gst_format_get_name (segment->format), segment->rate,
            track.wanted.rate),
        ("It counts as ended until another segment comes. Put a parser or decoder before %s that "
         "gives time, and seek all tracks at once, through the mixer.",
            track.name.c_str ()));
    gst_segment_init (&track.timeline.segment, GST_FORMAT_UNDEFINED);
    leave_out (track);
    return; // and not FALSE, at which the next push would fail with ERROR: see leave_out()
  }
  gst_segment_copy_into (segment, &track.timeline.segment);
  readmit (track);
  if (std::exchange (track.segment_done, false))
    (void)track.queue.restart ();
  track.queue.wait_while_held ();
}

void accept_gap (Element &state, Track &track, GstEvent *event)
{
  GstClockTime start = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  gst_event_parse_gap (event, &start, &duration);
  if (!GST_CLOCK_TIME_IS_VALID (start) || !GST_CLOCK_TIME_IS_VALID (duration) || duration == 0 ||
      !track.feeder_info.finfo || track.timeline.segment.format != GST_FORMAT_TIME)
    return; // says nothing about how much of the track is silent
  guint64 from = start;
  guint64 to = saturating_sum (start, duration);
  const GstSegment rest = without_offset (track.timeline.segment);
  if (!gst_segment_clip (&rest, GST_FORMAT_TIME, from, to, &from, &to))
    return;
  // The end from its own time: lengths in frames are rounded, and many short gaps would add that
  // up.
  const auto end = time_in_mix (track.timeline.segment, to);
  const Frames place = track.timeline.place_gap (end, GST_AUDIO_INFO_RATE (&track.feeder_info));
  const std::lock_guard lock {track.rate_mutex};
  track.queue.note_gap (track.conversion.active () ? track.conversion.to_mix (place) : place,
      frame_at (kGapPatience, queue_rate (state, track)));
}

void accept_eos (Track &track)
{
  const std::lock_guard lock {track.rate_mutex};
  (void)push_rest (track);
  track.queue.set_eos ();
}

void accept_segment_done (Element &state, Track &track, GstEvent *event)
{
  const std::lock_guard lock {track.rate_mutex};
  (void)push_rest (track);
  track.segment_done = true;
  // A loop is as long as its segment, also where a track has no audio up to the end of it.
  const GstSegment &segment = track.timeline.segment;
  GstFormat format = GST_FORMAT_UNDEFINED;
  gint64 end = -1;
  gst_event_parse_segment_done (event, &format, &end);
  const bool known = format == GST_FORMAT_TIME && segment.format == GST_FORMAT_TIME && end >= 0 &&
      GST_CLOCK_TIME_IS_VALID (segment.stop) && static_cast<guint64> (end) == segment.stop;
  track.queue.set_eos (
      true, known ? frame_of_segment (state, track, segment, segment.stop) : TrackQueue::kNever);
}

GstFlowReturn accept_buffer (Element &state, GstObject *parent, Track &track, GstBuffer *buffer)
{
  if (!track.left_out && !can_be_mixed (track)) {
    GST_ELEMENT_WARNING (element_of (parent), STREAM, FORMAT,
        ("Track %s is left out: a buffer came before %s.", track.name.c_str (),
            track.feeder_info.finfo ? "a segment" : "caps"),
        ("It counts as ended until both have come. Put a parser or decoder before %s.",
            track.name.c_str ()));
    leave_out (track);
  }
  end_if_off_rate (parent, track);
  if (track.left_out || track.segment_done) { // the mix does not wait for it, so it must not wait
    gst_buffer_unref (buffer);
    return GST_FLOW_EOS;
  }
  const GstAudioInfo &info = track.feeder_info;
  const auto bpf = static_cast<gsize> (GST_AUDIO_INFO_BPF (&info));
  // After a deadline that it missed a live source may have lost anything, and a time stamp that is
  // off by as much is no jitter.
  const bool resync = track.resync.exchange (false, std::memory_order_relaxed);
  const bool discont = GST_BUFFER_IS_DISCONT (buffer) ||
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_RESYNC) || track.lost_before || resync;
  std::string why;
  const auto held = frames_in (buffer, info, why);
  // About as long as it was meant to be, for its time to pass in silence.
  const auto came = held.value_or (static_cast<Frames> (gst_buffer_get_size (buffer) / bpf));
  track.lost_before = !held;
  const Part part =
      clip (track.timeline.segment, GST_BUFFER_PTS (buffer), came, GST_AUDIO_INFO_RATE (&info));
  QueueItem item;
  item.frames = part.frames;
  if (!held) {
    // Queued as silence and not refused: at ERROR a demuxer would end its other tracks too.
    warn_of_lost (parent, track, why);
    gst_clear_buffer (&buffer);
    item.kind = QueueItem::Kind::lost;
  } else if (part.frames < came && part.frames > 0) {
    buffer = gst_audio_buffer_truncate (buffer, static_cast<gint> (bpf),
        static_cast<gsize> (part.skipped), static_cast<gsize> (part.frames));
    if (!buffer)
      item.kind = QueueItem::Kind::lost;
  }
  if (part.frames == 0) { // empty, or outside the segment
    gst_clear_buffer (&buffer);
    return GST_FLOW_OK;
  }
  if (const GstFlowReturn flow = track.queue.wait_for_room (); flow != GST_FLOW_OK) {
    gst_clear_buffer (&buffer);
    return flow;
  }
  std::unique_lock lock {track.rate_mutex};
  if (track.off_rate.load ()) { // while it waited
    lock.unlock ();
    end_if_off_rate (parent, track);
    gst_clear_buffer (&buffer);
    return GST_FLOW_EOS;
  }
  if (buffer && track.conversion.is_needless ()) {
    if (const GstFlowReturn flow = push_rest (track); flow != GST_FLOW_OK) {
      gst_buffer_unref (buffer);
      return flow;
    }
    track.conversion.off ();
    track.format_pending = true;
  }
  if (buffer && track.format_pending) {
    if (const GstFlowReturn flow = push_pending_format (state, track); flow != GST_FLOW_OK) {
      gst_buffer_unref (buffer);
      return flow;
    }
  }
  if (buffer) {
    item.object = GST_MINI_OBJECT_CAST (buffer);
    item.bytes = static_cast<std::size_t> (item.frames) * bpf;
  }
  item.start = place (state, track, part.time, item.frames, discont);
  if (track.conversion.active ()) {
    if (buffer) {
      track.conversion.resample (buffer, item.start, item.frames, track.converted);
      return push_converted (track);
    }
    if (const GstFlowReturn flow = push_rest (track); flow != GST_FLOW_OK)
      return flow;
    const Frames end = track.conversion.to_mix (item.start + item.frames);
    item.start = track.conversion.to_mix (item.start);
    item.frames = end - item.start;
  }
  return track.queue.push (item);
}

} // namespace mt::trackmixer
