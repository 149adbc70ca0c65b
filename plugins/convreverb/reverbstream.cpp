// SPDX-License-Identifier: LGPL-2.1-or-later
// The streaming side of convreverb: timestamps, latency, ringing, gains.
#include "reverbstream.hpp"

#include <algorithm>
#include <chrono>
#include <exception>

#include "glue/buffermap.hpp"
#include "planmemory.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

namespace {

// Base block without added latency: the stream's own buffer in this range. Smaller blocks cost more
// partitions than they save, larger ones gain nothing for a buffer that ends inside them.
constexpr std::size_t kMinBlockFrames = 256;
constexpr std::size_t kMaxBlockFrames = 4096;
constexpr GstClockTime kJumpNs = 40 * GST_MSECOND; // an unflagged jump, as audio sinks
constexpr double kCleanSecondsBetweenWarnings = 1.0;

const char *name_of (dsp::PlanSource source) noexcept
{
  switch (source) {
  case dsp::PlanSource::measured:
    return "measured";
  case dsp::PlanSource::remembered:
    return "remembered";
  case dsp::PlanSource::estimated:
    break;
  }
  return "estimated";
}

} // namespace

dsp::GainRange GainRamp::advance (double target, std::size_t frames, double rate_hz) noexcept
{
  if (target != target_) {
    target_ = target;
    left_ = std::max<std::size_t> (static_cast<std::size_t> (kRampSeconds * rate_hz), frames);
  }
  const double from = now_;
  if (left_ <= frames) {
    now_ = target_;
    left_ = 0;
  } else {
    now_ += (target_ - now_) * static_cast<double> (frames) / static_cast<double> (left_);
    left_ -= frames;
  }
  return {static_cast<float> (from), static_cast<float> (now_)};
}

dsp::GainRange GainRamp::follow (double target) noexcept
{
  const double from = now_;
  jump (target);
  return {static_cast<float> (from), static_cast<float> (now_)};
}

void ReverbStream::configure (const GstAudioInfo &info, dsp::Impulse impulse, GstClockTime batch_ns)
{
  clear ();
  info_ = info;
  batch_ns_ = batch_ns;
  ir_channels_ = impulse.channels;
  impulse_ = std::move (impulse);
  try {
    build (layout_for (std::max<std::uint64_t> (to_frames (chunk_ns_), 1)),
        dsp::Planning::measure_half);
  } catch (...) {
    impulse_.reset ();
    throw;
  }
}

void ReverbStream::clear () noexcept
{
  drop_convolver ();
  impulse_.reset ();
  ring_frames_ = 0;
  not_finite_ = 0;
  clean_frames_ = 0;
  complained_ = false;
  frames_done_ = busy_ns_ = worst_ns_ = 0;
  reset ();
}

void ReverbStream::drop_convolver () noexcept
{
  std::unique_ptr<dsp::Convolver> old; // goes without the lock: it may wait for FFTW
  const std::lock_guard lock {convolver_mutex_};
  old.swap (convolver_);
  layout_ = {};
}

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

ReverbStream::Layout ReverbStream::layout_for (std::size_t chunk) const noexcept
{
  using dsp::Convolver;
  if (batch_ns_ == 0 || chunk > Convolver::kMaxBlockFrames)
    return {std::clamp (chunk, kMinBlockFrames, kMaxBlockFrames), 0};
  const std::size_t wanted = (to_frames (batch_ns_) + chunk / 2) / chunk;
  const std::size_t least = (Convolver::kMinBlockFrames + chunk - 1) / chunk;
  const std::size_t most = Convolver::kMaxBlockFrames / chunk;
  const std::size_t chunks = std::min (std::max ({wanted, least, std::size_t {1}}), most);
  return {chunks * chunk, (chunks - 1) * chunk};
}

void ReverbStream::set_latency (std::size_t frames) noexcept
{
  // Rounded up, so that a sink that waits this long never waits too short.
  const GstClockTime now =
      gst_util_uint64_scale_int_ceil (frames, GST_SECOND, GST_AUDIO_INFO_RATE (&info_));
  if (latency_ns_.exchange (now) != now)
    gst_element_post_message (
        GST_ELEMENT (transform_), gst_message_new_latency (GST_OBJECT (transform_)));
}

/// Makes the convolver; waits for FFTW when it has not seen this length before.
void ReverbStream::build (const Layout &layout, dsp::Planning planning)
{
  if (planning_wanted () == dsp::Planning::estimate)
    planning = dsp::Planning::estimate;
  drop_convolver (); // two of them might be more than there is memory for
  auto made = std::make_unique<dsp::Convolver> (
      dsp::ConvolverConfig {static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info_)),
          layout.block_frames, layout.latency_frames, planning},
      *impulse_);
  keep_plans ();
  {
    const std::lock_guard lock {convolver_mutex_};
    convolver_ = std::move (made);
  }
  const dsp::ConvolverPlan plan = convolver_->plan ();
  GST_INFO_OBJECT (transform_, "%zu partitions of %zu frames, FFT of %zu %s", plan.partitions,
      plan.block_frames, plan.transform_length, name_of (plan.plan_source));
  layout_ = layout;
  preroll_frames_ = layout.latency_frames;
  set_latency (layout.latency_frames);
}

/// The stream comes in buffers of `chunk` frames. Posts an error when there is no convolver for
/// that.
bool ReverbStream::settle (std::size_t chunk) noexcept
{
  const Layout layout = layout_for (chunk);
  try {
    if (layout != layout_)
      build (layout, dsp::Planning::measure);
  } catch (const std::exception &error) {
    GST_ELEMENT_ERROR (transform_, LIBRARY, INIT,
        ("The convolution cannot be set up: %s.", error.what ()),
        ("block %zu, latency %zu, %zu frames of impulse response", layout.block_frames,
            layout.latency_frames, impulse_->frames ()));
    return false;
  }
  impulse_->samples = {}; // its spectra are all that is needed now
  chunk_ns_ = to_ns (std::min (chunk, kMaxBlockFrames));
  ring_frames_ = std::clamp (chunk, kMinBlockFrames, kMaxBlockFrames);
  return true;
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
    bool mapped = false;
    if (buffer) {
      const glue::BufferMap<GST_MAP_READWRITE> map {buffer};
      if (map) {
        const auto io = map.as<float> ();
        std::fill (io.begin (), io.end (), 0.0f);
        convolve (io, gains);
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
    const std::uint64_t frames = ring ? convolver_->tail_frames () : convolver_->latency_frames ();
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
  const std::uint64_t hole = to_frames (end - next_in_);
  const std::uint64_t tail = convolver_->tail_frames ();
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
  const bool continues = convolver_->latency_frames () == 0 && now.format == GST_FORMAT_TIME &&
      next.format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID (next_in_) &&
      gst_segment_to_running_time_full (&now, GST_FORMAT_TIME, next_in_, &running) > 0 &&
      gst_segment_position_from_running_time_full (&next, GST_FORMAT_TIME, running, &position) > 0;
  if (continues)
    next_in_ = next_out_ = position;
  else
    finish (false);
}

void ReverbStream::describe (GstStructure *stats) const
{
  const std::lock_guard lock {convolver_mutex_};
  if (convolver_) {
    const dsp::ConvolverPlan plan = convolver_->plan ();
    const dsp::ConvolverWork work = convolver_->work ();
    const auto field = [&] (const char *name, std::uint64_t value) {
      gst_structure_set (stats, name, G_TYPE_UINT64, static_cast<guint64> (value), nullptr);
    };
    field ("block-frames", plan.block_frames);
    field ("partitions", plan.partitions);
    field ("transform-length", plan.transform_length);
    gst_structure_set (stats, "transform-plan", G_TYPE_STRING, name_of (plan.plan_source), nullptr);
    field ("latency-frames", convolver_->latency_frames ());
    field ("ir-frames", convolver_->ir_frames ());
    field ("ir-channels", ir_channels_);
    field ("tail-frames", convolver_->tail_frames ());
    field ("forward-transforms", work.forward_transforms);
    field ("inverse-transforms", work.inverse_transforms);
    field ("multiply-passes", work.passes);
    field ("not-finite-samples", work.not_finite);
  }
  const std::uint64_t frames = frames_done_.load (std::memory_order_relaxed);
  const std::uint64_t busy = busy_ns_.load (std::memory_order_relaxed);
  gst_structure_set (stats, "frames", G_TYPE_UINT64, static_cast<guint64> (frames),
      "mean-ns-per-frame", G_TYPE_DOUBLE,
      frames ? static_cast<double> (busy) / static_cast<double> (frames) : 0.0, "worst-buffer-ns",
      G_TYPE_UINT64, static_cast<guint64> (worst_ns_.load (std::memory_order_relaxed)), nullptr);
}

} // namespace mt::convreverb
