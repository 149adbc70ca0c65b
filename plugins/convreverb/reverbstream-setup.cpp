// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes the convolver of a stream, and tells about it.
#include "reverbstream.hpp"

#include <algorithm>
#include <exception>
#include <string>

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

namespace {

// The least that the convolver is laid out for without added latency. A first buffer may be smaller
// than those after it.
constexpr std::size_t kMinChunkFrames = 64;
// Buffers in which a stream rings out: its own in this range.
constexpr std::size_t kMinRingFrames = 256;
constexpr std::size_t kMaxRingFrames = 4096;

constexpr std::size_t kPieceFrames = 1024; // of doubles that are made floats in one go

// Of input that is kept for responses to come; a longer one has not heard more than this.
constexpr std::size_t kHistorySeconds = 15;
constexpr std::size_t kHistoryBytes = std::size_t {64} << 20;

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

void ReverbStream::configure (const GstAudioInfo &info, std::shared_ptr<const ImpulseSource> source,
    StreamImpulse impulse, GstClockTime batch_ns, dsp::Schedule schedule)
{
  clear ();
  info_ = info;
  batch_ns_ = batch_ns;
  schedule_ = schedule;
  source_ = std::move (source);
  impulse_ = std::move (impulse);
  try {
    build (layout_for (std::max<std::uint64_t> (to_frames (chunk_ns_), 1)),
        dsp::Planning::measure_most);
    make_history ();
  } catch (...) {
    clear ();
    throw;
  }
}

void ReverbStream::clear () noexcept
{
  {
    const std::lock_guard lock {target_mutex_};
    target_ = {};
  }
  crossfade_.stop ();
  list_.forget_work ();
  impulse_.reset ();
  source_.reset ();
  history_.reset ();
  layout_ = {};
  ring_frames_ = 0;
  clean_frames_ = 0;
  complained_ = false;
  not_finite_ = frames_done_ = buffers_ = skipped_buffers_ = busy_ns_ = worst_ns_ = 0;
  reset ();
}

ReverbStream::Layout ReverbStream::layout_for (std::size_t chunk) const noexcept
{
  using dsp::Convolver;
  if (batch_ns_ == 0 || chunk > Convolver::kMaxChunkFrames)
    return {std::clamp (chunk, kMinChunkFrames, Convolver::kMaxChunkFrames), 0};
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

dsp::ConvolverConfig ReverbStream::config_for (
    const Layout &layout, dsp::Planning planning) const noexcept
{
  return {.channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info_)),
      .chunk_frames = layout.chunk_frames,
      .latency_frames = layout.latency_frames,
      .schedule = schedule_,
      .planning = planning};
}

/// Makes the convolver; waits for FFTW when it has not seen this length before.
void ReverbStream::build (const Layout &layout, dsp::Planning planning)
{
  crossfade_.stop (); // two of them might be more than there is memory for
  auto made = make_convolution (config_for (layout, planning), *impulse_);
  for (const dsp::StagePlan &stage : made->convolver.plan ().stages) {
    GST_INFO_OBJECT (transform_,
        "from frame %zu on %zu partitions of %zu frames, %zu at a time, FFT of %zu %s",
        stage.offset_frames, stage.partitions, stage.block_frames, stage.blocks_together,
        stage.transform_length, name_of (stage.plan_source));
  }
  crossfade_.start (std::move (made));
  layout_ = layout;
  preroll_frames_ = layout.latency_frames;
  set_latency (layout.latency_frames);
}

/// Where the input is kept. With the caps, because it takes a while to be made.
void ReverbStream::make_history ()
{
  // So much that a response as long as the one there is, or of the usual length, has heard it all.
  const auto rate = static_cast<std::size_t> (GST_AUDIO_INFO_RATE (&info_));
  const auto channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info_));
  const std::size_t usual =
      std::min (kHistorySeconds * rate, kHistoryBytes / (channels * sizeof (float)));
  const std::size_t longest = impulse_->impulse.frames () + dsp::Convolver::kMaxChunkFrames;
  history_ = std::make_shared<dsp::InputHistory> (channels, std::max (usual, longest) + rate);
  if (GST_AUDIO_INFO_FORMAT (&info_) == GST_AUDIO_FORMAT_F64)
    piece_.resize (kPieceFrames * channels);
}

/// From now on the input is kept, and another convolver may come.
void ReverbStream::listen ()
{
  StreamTarget target {
      ++targets_, info_, config_for (layout_, dsp::Planning::measure), history_, source_};
  crossfade_.listen (target);
  {
    const std::lock_guard lock {target_mutex_};
    target_ = std::move (target);
  }
  wakeup_.signal ();
}

StreamTarget ReverbStream::target () const
{
  const std::lock_guard lock {target_mutex_};
  return target_;
}

void ReverbStream::offer (std::unique_ptr<Convolution> next, const StreamTarget &target,
    std::shared_ptr<const ImpulseSource> source)
{
  next->target_id = target.id;
  crossfade_.offer (std::move (next));
  const std::lock_guard lock {target_mutex_};
  if (target_.id == target.id)
    target_.source = std::move (source);
}

/// The stream comes in buffers of `chunk` frames. Posts an error when there is no convolver for
/// that.
bool ReverbStream::settle (std::size_t chunk) noexcept
{
  const Layout layout = layout_for (chunk);
  try {
    if (layout != layout_)
      build (layout, dsp::Planning::measure);
    listen ();
  } catch (const std::exception &error) {
    GST_ELEMENT_ERROR (transform_, LIBRARY, INIT,
        ("The convolution cannot be set up: %s.", error.what ()),
        ("chunk %zu, latency %zu, %zu frames of impulse response", layout.chunk_frames,
            layout.latency_frames, impulse_->impulse.frames ()));
    return false;
  }
  impulse_->impulse.samples = {}; // its spectra are all that is needed now
  chunk_ns_ = to_ns (std::min (chunk, dsp::Convolver::kMaxChunkFrames));
  ring_frames_ = std::clamp (chunk, kMinRingFrames, kMaxRingFrames);
  return true;
}

void ReverbStream::describe (GstStructure *stats) const
{
  const auto field = [&] (const char *name, std::uint64_t value) {
    gst_structure_set (stats, name, G_TYPE_UINT64, static_cast<guint64> (value), nullptr);
  };
  const auto read = [] (const std::atomic<std::uint64_t> &value) {
    return value.load (std::memory_order_relaxed);
  };
  list_.look (crossfade_.active (), [&] (const Convolution &active) {
    const dsp::Convolver &convolver = active.convolver;
    const std::vector<dsp::StagePlan> &stages = convolver.plan ().stages;
    std::string plan;
    for (const dsp::StagePlan &stage : stages) {
      plan += (plan.empty () ? "" : " + ") + std::to_string (stage.partitions) + " x " +
          std::to_string (stage.block_frames) + (stage.spread ? " spread" : "");
      if (stage.blocks_together > 1)
        plan.append (" ").append (std::to_string (stage.blocks_together)).append (" together");
    }
    gst_structure_set (stats, "plan", G_TYPE_STRING, plan.c_str (), nullptr);
    field ("block-frames", stages.front ().block_frames);
    field ("partitions", stages.front ().partitions);
    field ("transform-length", stages.front ().transform_length);
    gst_structure_set (
        stats, "transform-plan", G_TYPE_STRING, name_of (stages.front ().plan_source), nullptr);
    field ("latency-frames", convolver.latency_frames ());
    field ("ir-frames", convolver.ir_frames ());
    field ("ir-channels", active.ir_channels);
    field ("tail-frames", convolver.tail_frames ());
  });
  const dsp::ConvolverWork work = list_.work ();
  field ("forward-transforms", work.forward_transforms);
  field ("inverse-transforms", work.inverse_transforms);
  field ("multiply-passes", work.sums);
  field ("not-finite-samples", read (not_finite_));
  field ("ir-changes", crossfade_.changes ());
  const std::uint64_t frames = read (frames_done_), buffers = read (buffers_);
  field ("frames", frames);
  field ("worst-buffer-ns", read (worst_ns_));
  const auto share = [&] (const char *name, std::uint64_t part, std::uint64_t whole) {
    gst_structure_set (stats, name, G_TYPE_DOUBLE,
        whole ? static_cast<double> (part) / static_cast<double> (whole) : 0.0, nullptr);
  };
  share ("mean-ns-per-frame", read (busy_ns_), frames);
  share ("skipped-share", read (skipped_buffers_), buffers);
}

} // namespace mt::convreverb
