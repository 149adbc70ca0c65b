// SPDX-License-Identifier: LGPL-2.1-or-later
// What sounds on after the input: at the end, in holes, over segments.
#include "reverbstream.hpp"

#include <algorithm>
#include <cstdlib>

#include "glue/buffermap.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

namespace {

constexpr GstClockTime kJumpNs = 40 * GST_MSECOND; // an unflagged jump, as audio sinks

} // namespace

/// Follows the input's place in time: a hole sounds on as long as it rings, a step back starts
/// anew.
void ReverbStream::follow_jump (GstBuffer *buffer) noexcept
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  if (!started_ || !GST_CLOCK_TIME_IS_VALID (pts) || !GST_CLOCK_TIME_IS_VALID (next_in_))
    return;
  const GstClockTimeDiff jump = GST_CLOCK_DIFF (next_in_, pts);
  const std::uint64_t hole = to_frames (static_cast<GstClockTime> (std::abs (jump)));
  // Without the flag it takes more: timestamps of live sources are never quite regular.
  const bool real = GST_BUFFER_IS_DISCONT (buffer)
      ? hole > 0
      : std::abs (jump) > static_cast<GstClockTimeDiff> (kJumpNs);
  if (!real)
    return;
  GST_INFO_OBJECT (transform_, "input jumps by %" GST_STIME_FORMAT, GST_STIME_ARGS (jump));
  if (jump < 0) {
    finish (false);
    discont_ = true;
  } else {
    pass_gap (pts);
  }
}

/// Sinks throw away what lies after the end of the segment, so the end moves when sound rings past
/// it.
void ReverbStream::open_segment_end (std::uint64_t frames) noexcept
{
  GstSegment segment = transform_->segment;
  if (segment.format != GST_FORMAT_TIME || segment.rate < 0.0 ||
      !GST_CLOCK_TIME_IS_VALID (segment.stop) || !GST_CLOCK_TIME_IS_VALID (next_out_))
    return;
  const GstClockTime end = next_out_ + to_ns (frames) + 1;
  if (end <= segment.stop)
    return;
  segment.stop = end;
  segment.position = next_out_;
  GstPad *const pad = GST_BASE_TRANSFORM_SRC_PAD (transform_);
  GstEvent *const event = gst_event_new_segment (&segment);
  if (GstEvent *const before = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0)) {
    gst_event_set_seqnum (event, gst_event_get_seqnum (before));
    gst_event_unref (before);
  }
  gst_pad_push_event (pad, event);
}

/// Feeds `frames` frames of silence and pushes what sounds meanwhile, in buffers of about the usual
/// size. False when downstream wants no more.
bool ReverbStream::push_silence (std::uint64_t frames) noexcept
{
  const auto frame_bytes = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&info_));
  const GstClockTime base = next_out_;
  std::uint64_t pushed = 0;
  while (frames > 0) {
    auto now = static_cast<std::size_t> (std::min<std::uint64_t> (frames, ring_frames_));
    if (preroll_frames_ > 0)
      now = static_cast<std::size_t> (std::min<std::uint64_t> (now, preroll_frames_));
    const GstClockTime end =
        GST_CLOCK_TIME_IS_VALID (base) ? base + to_ns (pushed + now) : GST_CLOCK_TIME_NONE;
    const GainRanges gains = advance_gains (now, end);
    GstBuffer *const buffer = gst_buffer_new_allocate (nullptr, now * frame_bytes, nullptr);
    bool mapped = false, audible = false;
    if (buffer) {
      const glue::BufferMap<GST_MAP_READWRITE> map {buffer};
      if (map) {
        const auto io = map.as<std::byte> ();
        std::fill (io.begin (), io.end (), std::byte {0});
        audible = convolve (io, gains);
        mapped = true;
      }
    }
    if (!mapped) {
      gst_clear_buffer (const_cast<GstBuffer **> (&buffer));
      GST_ELEMENT_ERROR (
          transform_, RESOURCE, NO_SPACE_LEFT, ("No memory for the ringing."), (nullptr));
      return false;
    }
    frames -= now;
    if (preroll_frames_ > 0) {
      preroll_frames_ -= now;
      gst_buffer_unref (buffer);
      continue;
    }
    pushed += now;
    if (!audible)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
    GST_BUFFER_PTS (buffer) = next_out_;
    GST_BUFFER_DURATION (buffer) =
        GST_CLOCK_TIME_IS_VALID (end) ? end - next_out_ : GST_CLOCK_TIME_NONE;
    next_out_ = end;
    GST_BUFFER_OFFSET (buffer) = next_offset_;
    if (next_offset_ != GST_BUFFER_OFFSET_NONE)
      next_offset_ += now;
    GST_BUFFER_OFFSET_END (buffer) = next_offset_;
    if (discont_)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    discont_ = false;
    if (gst_pad_push (GST_BASE_TRANSFORM_SRC_PAD (transform_), buffer) != GST_FLOW_OK)
      return false;
  }
  return true;
}

void ReverbStream::finish (bool ring) noexcept
{
  if (started_) {
    const std::uint64_t frames = ring ? crossfade_.tail_frames () : crossfade_.latency_frames ();
    if (frames > 0) {
      open_segment_end (frames);
      push_silence (frames);
    }
  }
  reset ();
}

GstClockTime ReverbStream::pass_gap (GstClockTime end) noexcept
{
  if (!GST_CLOCK_TIME_IS_VALID (next_in_) || end <= next_in_)
    return GST_CLOCK_TIME_NONE;
  // In frames since what the output has come to: what one hole is rounded by the next makes good.
  const std::uint64_t latency = crossfade_.latency_frames ();
  const GstClockTime heard_to = GST_CLOCK_TIME_IS_VALID (next_out_)
      ? next_out_ + to_ns (latency - std::min (latency, preroll_frames_))
      : next_in_;
  const std::uint64_t hole = end > heard_to ? to_frames (end - heard_to) : 0;
  const std::uint64_t tail = crossfade_.tail_frames ();
  if (latency == 0 && !crossfade_.is_ringing ()) {
    crossfade_.pass_silence (hole);
    if (next_offset_ != GST_BUFFER_OFFSET_NONE)
      next_offset_ += hole;
    discont_ = true;
    const GstClockTime silent_from = next_out_;
    next_in_ = next_out_ = end;
    return silent_from;
  }
  push_silence (std::min (hole, tail));
  if (hole <= tail) {
    next_in_ = end;
    return GST_CLOCK_TIME_NONE;
  }
  // All has rung out; what comes next starts anew.
  const GstClockTime silent_from = next_out_;
  reset ();
  discont_ = true;
  return silent_from;
}

void ReverbStream::enter_segment (const GstSegment &next) noexcept
{
  const GstSegment &now = transform_->segment;
  const bool moved = now.format != next.format || now.rate != next.rate || now.base != next.base ||
      now.start != next.start || now.offset != next.offset || now.time != next.time;
  if (!started_ || !moved)
    return;
  // Without latency nothing is owed to the old segment. If the running time goes on, so does the
  // ringing: where does the next buffer have to start in the new segment?
  guint64 running = 0, position = 0;
  const bool continues = crossfade_.latency_frames () == 0 && now.format == GST_FORMAT_TIME &&
      next.format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID (next_in_) &&
      gst_segment_to_running_time_full (&now, GST_FORMAT_TIME, next_in_, &running) > 0 &&
      gst_segment_position_from_running_time_full (&next, GST_FORMAT_TIME, running, &position) > 0;
  if (continues)
    next_in_ = next_out_ = position;
  else
    finish (false);
}

} // namespace mt::convreverb
