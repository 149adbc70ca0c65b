// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolver's front: samples in and out, the head's span, what is due when.

#include "dsp/convolver.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

#include "dsp/denormals.hpp"

namespace mt::dsp {
namespace {

void check_range (const char *what, std::size_t value, std::size_t low, std::size_t high)
{
  if (value < low || value > high) {
    throw std::invalid_argument (std::string {what} + " is " + std::to_string (value) +
        ", must be " + std::to_string (low) + " to " + std::to_string (high));
  }
}

/// Checks before anything is built from it, and fills in what was left out.
ConvolverConfig checked (ConvolverConfig config, const Impulse &ir)
{
  constexpr std::size_t kMaxChunk = Convolver::kMaxChunkFrames;
  check_range ("number of channels", config.channels, 1, Convolver::kMaxChannels);
  check_range ("chunk in frames", config.chunk_frames, 1, kMaxChunk);
  check_range ("latency in frames", config.latency_frames, 0, kMaxChunk - config.chunk_frames);
  if (ir.channels == 0 || ir.samples.size () % ir.channels != 0)
    throw std::invalid_argument ("impulse response ends inside a frame");
  check_range ("impulse response in frames", ir.frames (), 1, Convolver::kMaxImpulseFrames);
  if (config.routing.empty ())
    config.routing = default_routing (config.channels, ir.channels);
  check_routing (config.routing, config.channels, ir.channels);
  for (std::size_t i = 0; i < ir.samples.size (); ++i) {
    if (!std::isfinite (ir.samples[i])) {
      throw std::invalid_argument ("impulse response has a sample that is not a finite number, in "
                                   "frame " +
          std::to_string (i / ir.channels));
    }
  }
  return config;
}

Partition choose (const ConvolverConfig &config, const Impulse &ir)
{
  const ConvolverConfig full = checked (config, ir);
  const auto distinct = [&full] (std::size_t Path::*channel) {
    return used_channels (full.routing, channel).size ();
  };
  return choose_partition ({ir.frames (), full.chunk_frames, full.latency_frames, full.schedule,
      distinct (&Path::input), distinct (&Path::output), full.routing.size ()});
}

/// The longest time, in frames of whole spans of the head, for which a stage reads an input sample.
std::size_t frames_needed (const Partition &partition, std::size_t latency_frames)
{
  const std::size_t head = partition.front ().span_frames ();
  std::size_t needed = 2 * head;
  for (const StageShape &stage : partition)
    needed = std::max (needed, 3 * stage.block_frames); // two for the window, one to do the work in
  needed = std::max (needed, latency_frames + head) + head;
  return (needed + head - 1) / head * head;
}

} // namespace

Convolver::Convolver (const ConvolverConfig &config, const Impulse &ir)
    : Convolver {config, ir, choose (config, ir)}
{}

Convolver::Convolver (const ConvolverConfig &config, const Impulse &ir, const Partition &partition)
    : config_ {checked (config, ir)}, ir_frames_ {ir.frames ()}, head_ {make_head (partition.at (0),
                                                                     ir, config_.routing,
                                                                     config_.channels,
                                                                     config_.planning, counts_)},
      inputs_ {std::vector<AlignedVector<float>> (config_.channels),
          std::vector<std::uint64_t> (config_.channels)},
      wet_ (config_.channels)
{
  const std::size_t span = head_->shape ().span_frames ();
  tails_.reserve (partition.size () - 1);
  for (std::size_t i = 1; i < partition.size (); ++i) {
    tails_.push_back (std::make_unique<Tail> (partition[i], span, config_.schedule, ir,
        config_.routing, config_.channels, config_.planning, counts_));
  }
  const auto describe = [this] (const StageShape &shape, bool spread, PlanSource source) {
    plan_.stages.push_back ({shape.block_frames, shape.partitions, shape.offset_frames,
        shape.transform_length, shape.blocks_together, spread, source});
  };
  describe (head_->shape (), false, head_->plan_source ());
  for (const auto &tail : tails_)
    describe (tail->stage ().shape (), tail->is_spread (), tail->stage ().plan_source ());

  in_ = {frames_needed (partition, config_.latency_frames), 0};
  out_ = {(config_.latency_frames + 2 * span - 1) / span * span, 0};
  for (std::size_t c = 0; c < config_.channels; ++c) {
    inputs_.samples[c].resize (in_.frames);
    wet_[c].resize (out_.frames);
  }
}

void Convolver::process (std::span<float> io, GainRange dry, GainRange wet) noexcept
{
  const DenormalsOff denormals_off;
  const std::size_t span = head_->shape ().span_frames ();
  const std::size_t frames = io.size () / config_.channels;
  for (std::size_t done = 0; done < frames;) {
    const std::size_t step = std::min (frames - done, span - filled_);
    float *const part = io.data () + done * config_.channels;
    take (part, step);
    filled_ += step;
    time_ += step;

    // Output up to here is due, the first latency_frames of it from the blocks before.
    const bool finished = filled_ == span;
    if (finished || filled_ > covered_ + config_.latency_frames)
      render (finished);
    put (part, step, GainLine::at (dry, frames, done), GainLine::at (wet, frames, done));
    done += step;
    if (finished)
      end_span ();
  }
}

/// Appends `frames` frames to every channel's current span.
void Convolver::take (const float *io, std::size_t frames) noexcept
{
  const auto note = [&] (std::size_t channel, Taken taken) {
    if (taken.audible) {
      inputs_.audible_until[channel] = audible_until_ = time_ + frames;
      ringing_ = true;
    }
    if (taken.not_finite > 0)
      counts_.not_finite.add (taken.not_finite);
  };
  for (std::size_t first = 0; first < config_.channels; first += kChannelsAtOnce) {
    const std::size_t count = std::min (kChannelsAtOnce, config_.channels - first);
    std::array<float *, kChannelsAtOnce> out;
    std::array<Taken, kChannelsAtOnce> taken;
    for (std::size_t c = 0; c < count; ++c)
      out[c] = inputs_.samples[first + c].data () + in_.begin + filled_;
    take_channels (io + first, config_.channels, frames, std::span {out}.first (count),
        std::span {taken}.first (count));
    for (std::size_t c = 0; c < count; ++c)
      note (first + c, taken[c]);
  }
}

/// Writes the `frames` frames that are due; the newest of them is latency_frames before filled_.
void Convolver::put (float *io, std::size_t frames, GainLine dry, GainLine wet) noexcept
{
  // Up to where the first of the two rings ends.
  const auto to_end = [this] (const Rings &rings, std::size_t back) {
    const std::size_t at = rings.begin + filled_;
    return back > at ? back - at : rings.frames - (at - back);
  };
  for (std::size_t done = 0; done < frames;) {
    const std::size_t back = frames - done + config_.latency_frames;
    const std::size_t count = std::min ({frames - done, to_end (in_, back), to_end (out_, back)});
    const auto later = [done] (GainLine line) {
      return GainLine {line.start + line.step * static_cast<float> (done), line.step};
    };
    put_part (io + done * config_.channels, count, back, later (dry), later (wet));
    done += count;
  }
}

/// Writes `frames` frames, the first of them `back` before filled_, of which no ring ends between.
void Convolver::put_part (
    float *io, std::size_t frames, std::size_t back, GainLine dry, GainLine wet) noexcept
{
  const auto part = [&] (const AlignedVector<float> &ring, const Rings &rings) {
    const std::size_t at = rings.begin + filled_;
    return ring.data () + (back > at ? at + rings.frames - back : at - back);
  };
  for (std::size_t first = 0; first < config_.channels; first += kChannelsAtOnce) {
    const std::size_t count = std::min (kChannelsAtOnce, config_.channels - first);
    std::array<Mixed, kChannelsAtOnce> mixed;
    for (std::size_t c = 0; c < count; ++c)
      mixed[c] = {part (inputs_.samples[first + c], in_), part (wet_[first + c], out_)};
    put_channels (io + first, config_.channels, frames, std::span {mixed}.first (count), dry, wet);
  }
}

/// Makes the wet output of the current span from covered_ on: all of it, or the blocks that output
/// is due of, as far as their frames are there.
void Convolver::render (bool finished) noexcept
{
  if (!begun_)
    head_->advance (in_.begin);
  begun_ = true;
  const std::size_t block = head_->shape ().block_frames;
  const std::size_t due = finished ? filled_ : filled_ - config_.latency_frames;
  const std::size_t last = (due + block - 1) / block, end = last * block;
  const BlockRange blocks {covered_ / block, last, end > filled_};
  if (blocks.open) {
    // What comes later must not be what was there a round of the ring ago.
    for (auto &samples : inputs_.samples)
      std::fill_n (samples.begin () + static_cast<std::ptrdiff_t> (in_.begin + filled_),
          end - filled_, 0.0f);
  }
  head_->transform (inputs_, time_ - filled_, blocks);
  const std::size_t covered = std::min (filled_, end);
  for (const std::size_t output : head_->outputs ()) {
    if (!render_output (output, blocks))
      counts_.silent_blocks.add (covered / block - covered_ / block);
  }
  covered_ = covered;
}

/// These blocks of the head and what the tails give to them. False when all are silent.
bool Convolver::render_output (std::size_t output, BlockRange blocks) noexcept
{
  const std::size_t block = head_->shape ().block_frames;
  const std::size_t begin = blocks.first * block, count = (blocks.last - blocks.first) * block;
  const std::span wet = std::span {wet_[output]}.subspan (out_.begin + begin, count);
  std::size_t next = 0;
  const auto next_tail = [&] () -> std::span<const float> {
    while (next < tails_.size ()) {
      const auto samples = tails_[next++]->output (output);
      if (!samples.empty ())
        return samples.subspan (begin, count);
    }
    return {};
  };
  const std::span<const float> first = next_tail ();
  const bool head_sounds = head_->render (output, blocks, wet, first);
  if (!head_sounds && first.empty ()) {
    std::fill (wet.begin (), wet.end (), 0.0f);
    return false;
  }
  if (!head_sounds)
    std::copy (first.begin (), first.end (), wet.begin ());
  for (auto more = next_tail (); !more.empty (); more = next_tail ())
    add_samples (more, wet);
  return true;
}

void Convolver::end_span () noexcept
{
  const std::size_t span = head_->shape ().span_frames ();
  const std::size_t ring_end = in_.begin + span;
  in_.advance (span);
  out_.advance (span);
  filled_ = 0;
  covered_ = 0;
  begun_ = false;
  for (const auto &tail : tails_)
    tail->end_span (inputs_, time_, ring_end);
  counts_.blocks.add (config_.channels * head_->shape ().blocks_together);
  if (ringing_ && time_ >= audible_until_ + tail_frames ())
    fall_silent ();
}

/// All that could sound has come out: what is left in spectra and rings is rounding.
void Convolver::fall_silent () noexcept
{
  ringing_ = false;
  head_->forget ();
  for (const auto &tail : tails_)
    tail->forget ();
  for (auto &samples : wet_)
    std::fill (samples.begin (), samples.end (), 0.0f);
}

void Convolver::reset () noexcept
{
  head_->reset ();
  for (const auto &tail : tails_)
    tail->reset ();
  for (std::size_t c = 0; c < config_.channels; ++c) {
    std::fill (inputs_.samples[c].begin (), inputs_.samples[c].end (), 0.0f);
    std::fill (wet_[c].begin (), wet_[c].end (), 0.0f);
    inputs_.audible_until[c] = 0;
  }
  in_.begin = out_.begin = 0;
  time_ = audible_until_ = 0;
  filled_ = covered_ = 0;
  begun_ = false;
  ringing_ = false;
}

ConvolverWork Convolver::work () const noexcept
{
  return {counts_.forward.read (), counts_.inverse.read (), counts_.sums.read (),
      counts_.blocks.read (), counts_.silent_blocks.read (), counts_.not_finite.read ()};
}

} // namespace mt::dsp
