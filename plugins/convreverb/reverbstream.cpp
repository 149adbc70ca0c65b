// SPDX-License-Identifier: LGPL-2.1-or-later
// One buffer: gains, convolution, timestamps.
#include "reverbstream.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "glue/buffermap.hpp"
#include "glue/controlbinding.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

namespace {

constexpr double kCleanSecondsBetweenWarnings = 1.0;

} // namespace

void ReverbStream::reset () noexcept
{
  crossfade_.reset ();
  started_ = false;
  preroll_frames_ = crossfade_ ? crossfade_.latency_frames () : 0;
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
  GstObject *const object = GST_OBJECT_CAST (transform_);
  const bool automated = glue::has_bindings (object) && GST_CLOCK_TIME_IS_VALID (out_end);
  const auto binding_of = [&] (const char *property) {
    return automated ? glue::active_binding_of (object, property) : glue::ControlBinding {};
  };
  const auto mix = binding_of ("mix"), dry = binding_of ("dry"), wet = binding_of ("wet");
  const auto sync = [&] (GstClockTime pts) {
    if (!automated)
      return;
    const GstClockTime time =
        gst_segment_to_stream_time (&transform_->segment, GST_FORMAT_TIME, pts);
    if (!GST_CLOCK_TIME_IS_VALID (time))
      return;
    for (const auto *binding : {&mix, &dry, &wet}) // mix sets both of the others
      if (*binding)
        gst_control_binding_sync_values (binding->get (), object, time, last_sync_);
    last_sync_ = time;
  };
  if (!gains_known_) {
    sync (out_end - std::min (out_end, to_ns (frames)));
    dry_.jump (gains_.dry.load (std::memory_order_relaxed));
    wet_.jump (gains_.wet.load (std::memory_order_relaxed));
    gains_known_ = true;
  }
  sync (out_end);
  const double rate_hz = GST_AUDIO_INFO_RATE (&info_);
  const auto range = [&] (GainRamp &ramp, const std::atomic<double> &gain,
                         const glue::ControlBinding &binding) {
    const double target = gain.load (std::memory_order_relaxed);
    return mix || binding ? ramp.follow (target) : ramp.advance (target, frames, rate_hz);
  };
  return {range (dry_, gains_.dry, dry), range (wet_, gains_.wet, wet)};
}

/// The convolver's own numbers are floats; so is what a stream of doubles gets, piece by piece.
bool ReverbStream::convolve_doubles (std::span<double> io, const GainRanges &gains) noexcept
{
  const std::size_t channels = crossfade_.channels ();
  const std::size_t frames = io.size () / channels;
  bool audible = false;
  for (std::size_t done = 0; done < frames;) {
    const std::size_t now = std::min (frames - done, piece_.size () / channels);
    const std::span part = io.subspan (done * channels, now * channels);
    const std::span piece {piece_.data (), part.size ()};
    for (std::size_t i = 0; i < part.size (); ++i)
      piece[i] = static_cast<float> (part[i]);
    audible = crossfade_.process (piece, part_of (gains.dry, done, done + now, frames),
                  part_of (gains.wet, done, done + now, frames)) ||
        audible;
    for (std::size_t i = 0; i < part.size (); ++i)
      part[i] = static_cast<double> (piece[i]);
    done += now;
  }
  return audible;
}

/// Convolves whole frames of a mapped buffer in place. False when it is silent before and after.
bool ReverbStream::convolve (std::span<std::byte> bytes, const GainRanges &gains) noexcept
{
  const auto as = [bytes]<class T> (T) {
    return std::span {reinterpret_cast<T *> (bytes.data ()), bytes.size () / sizeof (T)};
  };
  // The only writer: plain loads and stores will do.
  const auto add = [] (std::atomic<std::uint64_t> &count, std::uint64_t n) {
    count.store (count.load (std::memory_order_relaxed) + n, std::memory_order_relaxed);
  };
  const auto start = std::chrono::steady_clock::now ();
  const bool audible = GST_AUDIO_INFO_FORMAT (&info_) == GST_AUDIO_FORMAT_F64
      ? convolve_doubles (as (double {}), gains)
      : crossfade_.process (as (float {}), gains.dry, gains.wet);
  const auto busy =
      static_cast<std::uint64_t> (std::chrono::duration_cast<std::chrono::nanoseconds> (
          std::chrono::steady_clock::now () - start)
                                      .count ());
  add (frames_done_, bytes.size () / static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&info_)));
  add (buffers_, 1);
  add (skipped_buffers_, !audible);
  add (busy_ns_, busy);
  if (busy > worst_ns_.load (std::memory_order_relaxed))
    worst_ns_.store (busy, std::memory_order_relaxed);
  return audible;
}

/// One warning for each run of bad samples; a clean second ends a run.
void ReverbStream::watch_not_finite (std::size_t frames) noexcept
{
  const std::uint64_t count = crossfade_.not_finite ();
  const std::uint64_t before = not_finite_.exchange (count, std::memory_order_relaxed);
  if (count == before) {
    clean_frames_ += frames;
    if (complained_ &&
        static_cast<double> (clean_frames_) >
            kCleanSecondsBetweenWarnings * GST_AUDIO_INFO_RATE (&info_))
      complained_ = false;
    return;
  }
  const std::uint64_t added = count - before;
  clean_frames_ = 0;
  if (complained_)
    return;
  complained_ = true;
  GST_ELEMENT_WARNING (transform_, STREAM, FORMAT,
      ("The input has samples that are not finite numbers or beyond 1e10 (200 dB above full "
       "scale); "
       "they are taken as silence."),
      ("%" G_GUINT64_FORMAT " in this buffer; 'not-finite-samples' in 'stats' counts them", added));
}

GstFlowReturn ReverbStream::process (GstBuffer *buffer) noexcept
{
  const auto frame_bytes = static_cast<std::size_t> (GST_AUDIO_INFO_BPF (&info_));
  const std::size_t frames = gst_buffer_get_size (buffer) / frame_bytes;
  if (frames == 0)
    return GST_FLOW_OK;
  const std::size_t whole = std::max (std::exchange (whole_frames_, 0), frames);
  if (ring_frames_ == 0 && !settle (whole))
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

  const std::size_t latency = crossfade_.latency_frames ();
  const GstClockTime delay = to_ns (latency);
  const GstClockTime out_end = GST_CLOCK_TIME_IS_VALID (next_in_)
      ? next_in_ - std::min (next_in_, delay)
      : GST_CLOCK_TIME_NONE;
  const GainRanges gains = advance_gains (frames, out_end);
  bool audible = false;
  {
    const glue::BufferMap<GST_MAP_READWRITE> map {buffer};
    if (!map) {
      GST_ELEMENT_ERROR (transform_, RESOURCE, WRITE, ("A buffer cannot be mapped."), (nullptr));
      return GST_FLOW_ERROR;
    }
    const auto io = map.as<std::byte> ();
    if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP))
      std::fill (io.begin (), io.end (), std::byte {0});
    audible = convolve (io.first (frames * frame_bytes), gains);
  }
  if (audible)
    GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_GAP);
  else
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
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
