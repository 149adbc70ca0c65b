// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes the convolver of a stream, and tells about it.
#include "reverbstream.hpp"

#include <algorithm>
#include <exception>

#include "planmemory.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

namespace {

// Base block without added latency: the stream's own buffer in this range. Smaller blocks cost more
// partitions than they save, larger ones gain nothing for a buffer that ends inside them.
constexpr std::size_t kMinBlockFrames = 256;
constexpr std::size_t kMaxBlockFrames = 4096;

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

void ReverbStream::configure (
    const GstAudioInfo &info, StreamImpulse impulse, GstClockTime batch_ns, dsp::Schedule schedule)
{
  clear ();
  info_ = info;
  batch_ns_ = batch_ns;
  schedule_ = schedule;
  ir_channels_ = impulse.impulse.channels;
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

ReverbStream::Layout ReverbStream::layout_for (std::size_t chunk) const noexcept
{
  using dsp::Convolver;
  if (batch_ns_ == 0 || chunk > Convolver::kMaxChunkFrames)
    return {std::clamp (chunk, kMinBlockFrames, kMaxBlockFrames), 0};
  const std::size_t wanted = (to_frames (batch_ns_) + chunk / 2) / chunk;
  const std::size_t least = (Convolver::kMinBlockFrames + chunk - 1) / chunk;
  const std::size_t most = Convolver::kMaxChunkFrames / chunk;
  const std::size_t chunks = std::min (std::max ({wanted, least, std::size_t {1}}), most);
  return {chunk, (chunks - 1) * chunk};
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
      dsp::ConvolverConfig {.channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info_)),
          .chunk_frames = layout.chunk_frames,
          .latency_frames = layout.latency_frames,
          .schedule = schedule_,
          .routing = impulse_->routing,
          .planning = planning},
      impulse_->impulse);
  keep_plans ();
  {
    const std::lock_guard lock {convolver_mutex_};
    convolver_ = std::move (made);
  }
  for (const dsp::StagePlan &stage : convolver_->plan ().stages) {
    GST_INFO_OBJECT (transform_, "from frame %zu on %zu partitions of %zu frames, FFT of %zu %s",
        stage.offset_frames, stage.partitions, stage.block_frames, stage.transform_length,
        name_of (stage.plan_source));
  }
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
        ("chunk %zu, latency %zu, %zu frames of impulse response", layout.chunk_frames,
            layout.latency_frames, impulse_->impulse.frames ()));
    return false;
  }
  impulse_->impulse.samples = {}; // its spectra are all that is needed now
  chunk_ns_ = to_ns (std::min (chunk, kMaxBlockFrames));
  ring_frames_ = std::clamp (chunk, kMinBlockFrames, kMaxBlockFrames);
  return true;
}

void ReverbStream::describe (GstStructure *stats) const
{
  const std::lock_guard lock {convolver_mutex_};
  if (convolver_) {
    const dsp::StagePlan &head = convolver_->plan ().stages.front ();
    const dsp::ConvolverWork work = convolver_->work ();
    const auto field = [&] (const char *name, std::uint64_t value) {
      gst_structure_set (stats, name, G_TYPE_UINT64, static_cast<guint64> (value), nullptr);
    };
    field ("block-frames", head.block_frames);
    field ("partitions", head.partitions);
    field ("transform-length", head.transform_length);
    gst_structure_set (stats, "transform-plan", G_TYPE_STRING, name_of (head.plan_source), nullptr);
    field ("latency-frames", convolver_->latency_frames ());
    field ("ir-frames", convolver_->ir_frames ());
    field ("ir-channels", ir_channels_);
    field ("tail-frames", convolver_->tail_frames ());
    field ("forward-transforms", work.forward_transforms);
    field ("inverse-transforms", work.inverse_transforms);
    field ("multiply-passes", work.sums);
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
