// SPDX-License-Identifier: LGPL-2.1-or-later
// One buffer: gains, convolution, timestamps.
#include "reverbstream.hpp"

#include <algorithm>
#include <chrono>

#include "glue/buffermap.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

namespace {

constexpr double kCleanSecondsBetweenWarnings = 1.0;

} // namespace

void ReverbStream::reset () noexcept
{
  if (convolver_)
    convolver_->reset ();
  started_ = false;
  preroll_frames_ = convolver_ ? convolver_->latency_frames () : 0;
  next_in_ = next_out_ = GST_CLOCK_TIME_NONE;
  next_offset_ = GST_BUFFER_OFFSET_NONE;
  gains_known_ = false;
}

GstClockTime ReverbStream::to_ns (std::uint64_t frames) const noexcept
{
  return gst_util_uint64_scale_int (frames, GST_SECOND, GST_AUDIO_INFO_RATE (&info_));
}

std::uint64_t ReverbStream::to_frames (GstClockTime time) const noexcept
{
  return gst_util_uint64_scale_int_round (time, GST_AUDIO_INFO_RATE (&info_), GST_SECOND);
}

GstClockTime ReverbStream::end_of (GstBuffer *buffer, std::size_t frames) const noexcept
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const GstClockTime duration = GST_BUFFER_DURATION (buffer);
  const GstClockTime counted = to_ns (frames);
  // The stream's own rounding, where that is all that it differs by.
  if (GST_CLOCK_TIME_IS_VALID (duration) && duration + 1 >= counted && duration <= counted + 1)
    return pts + duration;
  return pts + counted;
}

/// Where the gains go over the next frames, of which the last comes out at `out_end`. Reading a
/// control binding takes locks, so no buffer may be mapped meanwhile.
ReverbStream::GainRanges ReverbStream::advance_gains (
    std::size_t frames, GstClockTime out_end) noexcept
{
  // Read without the object lock, as gst_object_sync_values() does.
  const bool automated = GST_OBJECT_CAST (transform_)->control_bindings != nullptr;
  if (automated && GST_CLOCK_TIME_IS_VALID (out_end)) {
    const auto sync = [&] (GstClockTime pts) {
      const GstClockTime time =
          gst_segment_to_stream_time (&transform_->segment, GST_FORMAT_TIME, pts);
      if (GST_CLOCK_TIME_IS_VALID (time))
        gst_object_sync_values (GST_OBJECT (transform_), time);
    };
    if (!gains_known_) {
      sync (out_end - std::min (out_end, to_ns (frames)));
      dry_.jump (gains_.dry.load (std::memory_order_relaxed));
      wet_.jump (gains_.wet.load (std::memory_order_relaxed));
    }
    sync (out_end);
  }
  const double dry = gains_.dry.load (std::memory_order_relaxed);
  const double wet = gains_.wet.load (std::memory_order_relaxed);
  if (!gains_known_ && !automated) {
    dry_.jump (dry);
    wet_.jump (wet);
  }
  gains_known_ = true;
  if (automated)
    return {dry_.follow (dry), wet_.follow (wet)};
  const double rate_hz = GST_AUDIO_INFO_RATE (&info_);
  return {dry_.advance (dry, frames, rate_hz), wet_.advance (wet, frames, rate_hz)};
}

/// Convolves a mapped buffer in place.
void ReverbStream::convolve (std::span<float> io, const GainRanges &gains) noexcept
{
  const auto start = std::chrono::steady_clock::now ();
  convolver_->process (io, gains.dry, gains.wet);
  const auto busy =
      static_cast<std::uint64_t> (std::chrono::duration_cast<std::chrono::nanoseconds> (
          std::chrono::steady_clock::now () - start)
                                      .count ());
  // The only writer: plain loads and stores will do.
  frames_done_.store (
      frames_done_.load (std::memory_order_relaxed) + io.size () / convolver_->channels (),
      std::memory_order_relaxed);
  busy_ns_.store (busy_ns_.load (std::memory_order_relaxed) + busy, std::memory_order_relaxed);
  if (busy > worst_ns_.load (std::memory_order_relaxed))
    worst_ns_.store (busy, std::memory_order_relaxed);
}

/// One warning for each run of bad samples; a clean second ends a run.
void ReverbStream::watch_not_finite (std::size_t frames) noexcept
{
  const std::uint64_t count = convolver_->nonfinite_samples ();
  if (count == not_finite_) {
    clean_frames_ += frames;
    if (complained_ &&
        static_cast<double> (clean_frames_) >
            kCleanSecondsBetweenWarnings * GST_AUDIO_INFO_RATE (&info_))
      complained_ = false;
    return;
  }
  const std::uint64_t added = count - not_finite_;
  not_finite_ = count;
  clean_frames_ = 0;
  if (complained_)
    return;
  complained_ = true;
  GST_ELEMENT_WARNING (transform_, STREAM, FORMAT,
      ("The input has samples that are not finite numbers; they are taken as silence."),
      ("%" G_GUINT64_FORMAT " in this buffer; 'not-finite-samples' in 'stats' counts them", added));
}

GstFlowReturn ReverbStream::process (GstBuffer *buffer) noexcept
{
  const auto frame_bytes = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&info_));
  const std::size_t frames = gst_buffer_get_size (buffer) / frame_bytes;
  if (frames == 0)
    return GST_FLOW_OK;
  if (ring_frames_ == 0 && !settle (frames))
    return GST_FLOW_ERROR;
  follow_jump (buffer);

  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  if (!started_) {
    started_ = true;
    next_out_ = pts;
    next_offset_ = GST_BUFFER_OFFSET (buffer);
    discont_ = discont_ || GST_BUFFER_IS_DISCONT (buffer);
  }
  if (GST_CLOCK_TIME_IS_VALID (pts))
    next_in_ = end_of (buffer, frames);
  else if (GST_CLOCK_TIME_IS_VALID (next_in_))
    next_in_ += to_ns (frames);

  const std::size_t latency = convolver_->latency_frames ();
  const GstClockTime delay = to_ns (latency);
  const GstClockTime out_end = GST_CLOCK_TIME_IS_VALID (next_in_)
      ? next_in_ - std::min (next_in_, delay)
      : GST_CLOCK_TIME_NONE;
  const GainRanges gains = advance_gains (frames, out_end);
  {
    const glue::BufferMap<GST_MAP_READWRITE> map {buffer};
    if (!map) {
      GST_ELEMENT_ERROR (transform_, RESOURCE, WRITE, ("A buffer cannot be mapped."), (nullptr));
      return GST_FLOW_ERROR;
    }
    const auto io = map.as<float> ();
    if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP))
      std::fill (io.begin (), io.end (), 0.0f);
    convolve (io.first (frames * convolver_->channels ()), gains);
  }
  GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_GAP);
  watch_not_finite (frames);
  if (latency == 0) {
    next_out_ = next_in_;
    if (discont_)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    discont_ = false;
    if (GST_BUFFER_OFFSET_IS_VALID (buffer))
      next_offset_ = GST_BUFFER_OFFSET (buffer) + frames;
    return GST_FLOW_OK;
  }

  const auto dropped = static_cast<std::size_t> (std::min<std::uint64_t> (preroll_frames_, frames));
  preroll_frames_ -= dropped;
  if (dropped == frames)
    return GST_BASE_TRANSFORM_FLOW_DROPPED;
  if (dropped > 0)
    gst_buffer_resize (buffer, static_cast<gssize> (dropped * frame_bytes), -1);
  const std::size_t left = frames - dropped;
  const bool timed = GST_CLOCK_TIME_IS_VALID (next_out_) && GST_CLOCK_TIME_IS_VALID (out_end);
  GST_BUFFER_PTS (buffer) = next_out_;
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = timed && out_end > next_out_ ? out_end - next_out_ : to_ns (left);
  if (GST_CLOCK_TIME_IS_VALID (next_out_))
    next_out_ += GST_BUFFER_DURATION (buffer);
  GST_BUFFER_OFFSET (buffer) = next_offset_;
  if (next_offset_ != GST_BUFFER_OFFSET_NONE)
    next_offset_ += left;
  GST_BUFFER_OFFSET_END (buffer) = next_offset_;
  if (discont_)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  else
    GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_DISCONT);
  discont_ = false;
  return GST_FLOW_OK;
}

} // namespace mt::convreverb
