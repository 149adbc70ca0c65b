// SPDX-License-Identifier: LGPL-2.1-or-later
// Uniformly partitioned overlap-save with a frequency-domain delay line.

#include "dsp/convolver.hpp"

#include <algorithm>
#include <bit>
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

/// The longest block of which no call of the usual size needs output before its end.
std::size_t block_of (const ConvolverConfig &config)
{
  const std::size_t chunks = config.latency_frames / config.chunk_frames + 1;
  return std::max (Convolver::kMinBlockFrames, chunks * config.chunk_frames);
}

std::size_t pad_bins (std::size_t bins)
{
  return (bins + kTileBins - 1) / kTileBins * kTileBins;
}

} // namespace

Convolver::Channel::Channel (
    std::size_t window_samples, std::size_t block, std::size_t bins, std::size_t ring)
    : window (window_samples), wet (2 * block), history {bins, ring}, audible (ring), older (bins)
{}

Convolver::Convolver (const ConvolverConfig &config, const Impulse &ir)
    : config_ {checked (config, ir)}, block_frames_ {block_of (config_)}, ir_frames_ {ir.frames ()},
      partitions_ {(ir_frames_ + block_frames_ - 1) / block_frames_},
      ring_mask_ {std::bit_ceil (partitions_) - 1}, bins_ {transform_length (
                                                        block_frames_, partitions_)},
      padded_bins_ {pad_bins (bins_)}, transform_ {bins_, padded_bins_, config.planning}
{
  responses_.reserve (ir.channels);
  for (std::size_t c = 0; c < ir.channels; ++c)
    responses_.push_back (make_response (ir, c));
  channels_.reserve (config.channels);
  for (std::size_t c = 0; c < config.channels; ++c) {
    channels_.emplace_back (2 * transform_.length (), block_frames_, padded_bins_, ring_mask_ + 1);
  }
  runs_.resize (partitions_ + 1);
  paths_.resize (config.channels);
  for (const Path &path : config_.routing)
    paths_[path.output].push_back (path);
  plan_.stages.push_back (
      {block_frames_, partitions_, 0, transform_.length (), false, transform_.plan_source ()});
  // The last block that hears it is the one after, and a block late by the latency.
  rings_for_frames_ = (partitions_ + 2) * block_frames_ + config_.latency_frames;
  silent_frames_ = rings_for_frames_;
}

Convolver::Response Convolver::make_response (const Impulse &ir, std::size_t channel)
{
  const std::size_t block = block_frames_;
  Response response {{padded_bins_, partitions_}, std::vector<std::uint8_t> (partitions_)};
  AlignedVector<float> taps (2 * transform_.length ());
  // Forward and inverse together give M times the signal.
  const float gain = 1.0f / static_cast<float> (transform_.length ());
  for (std::size_t p = 0; p < partitions_; ++p) {
    const std::size_t first = p * block;
    const std::size_t count = std::min (block, ir_frames_ - first);
    bool audible = false;
    for (std::size_t i = 0; i < block; ++i) {
      taps[i] = i < count ? ir.samples[(first + i) * ir.channels + channel] : 0.0f;
      audible = audible || taps[i] != 0.0f;
    }
    const std::size_t slot = partitions_ - 1 - p;
    response.audible[slot] = audible;
    if (audible) {
      transform_.forward (taps);
      response.spectra.store (slot, transform_.spectrum (), gain);
    }
  }
  return response;
}

void Convolver::process (std::span<float> io, GainRange dry, GainRange wet) noexcept
{
  const DenormalsOff denormals_off;
  const std::size_t frames = io.size () / config_.channels;
  for (std::size_t done = 0; done < frames;) {
    const std::size_t step = std::min (frames - done, block_frames_ - filled_);
    float *const part = io.data () + done * config_.channels;
    take (part, step);
    filled_ += step;
    silent_frames_ = std::min (silent_frames_ + step, rings_for_frames_);

    // Output up to here is due, the first latency_frames of it from the block before.
    const bool finished = filled_ == block_frames_;
    if (finished || filled_ > covered_ + config_.latency_frames) {
      render (finished);
      covered_ = filled_;
    }
    put (part, step, GainLine::at (dry, frames, done), GainLine::at (wet, frames, done));
    done += step;
    if (finished)
      next_block ();
  }
}

/// Appends `frames` frames to every channel's current block.
void Convolver::take (const float *io, std::size_t frames) noexcept
{
  const auto note = [this] (Channel &channel, Taken taken) {
    channel.current_audible = channel.current_audible || taken.audible;
    if (taken.audible)
      silent_frames_ = 0;
    if (taken.not_finite > 0)
      not_finite_count_.add (taken.not_finite);
  };
  const auto target = [&] (Channel &channel) {
    return std::span {current (channel) + filled_, frames};
  };
  if (channels_.size () == 2) {
    Taken left, right;
    take_stereo (io, target (channels_[0]), target (channels_[1]), left, right);
    note (channels_[0], left);
    note (channels_[1], right);
    return;
  }
  for (std::size_t c = 0; c < channels_.size (); ++c)
    note (channels_[c], take_channel (io, channels_.size (), c, target (channels_[c])));
}

/// Writes the `frames` frames that are due; the newest of them is latency_frames before filled_.
void Convolver::put (float *io, std::size_t frames, GainLine dry, GainLine wet) noexcept
{
  const std::size_t block = block_frames_;
  const std::size_t back = frames + config_.latency_frames;
  const auto dry_of = [&] (Channel &channel) -> std::span<const float> {
    return {current (channel) + filled_ - back, frames};
  };
  const auto wet_of = [&] (Channel &channel) -> std::span<const float> {
    return {channel.wet.data () + block + filled_ - back, frames};
  };
  if (channels_.size () == 2) {
    put_stereo (io, dry_of (channels_[0]), wet_of (channels_[0]), dry_of (channels_[1]),
        wet_of (channels_[1]), dry, wet);
    return;
  }
  for (std::size_t c = 0; c < channels_.size (); ++c) {
    put_channel (io, channels_.size (), c, dry_of (channels_[c]), wet_of (channels_[c]), dry, wet);
  }
}

/// Makes the wet output of the current block, as far as its frames are there.
void Convolver::render (bool finished) noexcept
{
  for (Channel &channel : channels_)
    transform_input (channel);
  for (std::size_t output = 0; output < channels_.size (); ++output)
    render_output (output, finished);
}

void Convolver::transform_input (Channel &channel) noexcept
{
  channel.audible[slot_] = channel.current_audible || channel.before_audible;
  if (channel.audible[slot_]) {
    // What the window still holds after filled_ reaches only output after filled_.
    transform_.forward (channel.window);
    channel.history.store (slot_, transform_.spectrum ());
    forward_count_.add (1);
  }
}

void Convolver::render_output (std::size_t output, bool finished) noexcept
{
  Channel &channel = channels_[output];
  const std::span<std::complex<float>> sum = transform_.spectrum ();
  bool audible = false;
  if (finished && !channel.older_ready) {
    audible = accumulate (output, 0, partitions_, false, sum);
    pass_count_.add (audible);
  } else {
    if (!channel.older_ready)
      sum_older (output);
    if (!channel.older_silent)
      std::copy (channel.older.begin (), channel.older.end (), sum.begin ());
    audible = accumulate (output, 0, 1, !channel.older_silent, sum);
  }

  const std::span wet {channel.wet.data () + block_frames_, block_frames_};
  if (audible) {
    transform_.inverse (wet);
    inverse_count_.add (1);
  } else {
    std::fill (wet.begin (), wet.end (), 0.0f);
  }
}

/// The part of the current block's spectrum that only older blocks give, once a block.
void Convolver::sum_older (std::size_t output) noexcept
{
  Channel &channel = channels_[output];
  channel.older_ready = true;
  channel.older_silent = !accumulate (output, 1, partitions_, false, channel.older);
  pass_count_.add (!channel.older_silent);
}

/// Adds the partitions from first to before last of every path to an output. `started`: there is
/// something in `sum` already. False when there still is nothing.
bool Convolver::accumulate (std::size_t output, std::size_t first_partition,
    std::size_t last_partition, bool started, std::span<std::complex<float>> sum) noexcept
{
  for (const Path &path : paths_[output]) {
    const Channel &input = channels_[path.input];
    const Response &response = responses_[path.ir];
    const auto runs = collect_runs (input, response, first_partition, last_partition);
    if (runs.empty ())
      continue;
    const std::span<const std::complex<float>> start {sum.data (), started ? sum.size () : 0};
    multiply_accumulate (response.spectra, input.history, runs, start, sum);
    started = true;
  }
  return started;
}

/// The products of these partitions that are not zero, the ring's end between runs.
std::span<const SlotRun> Convolver::collect_runs (const Channel &channel, const Response &response,
    std::size_t first_partition, std::size_t last_partition) noexcept
{
  const std::size_t begin = partitions_ - last_partition, end = partitions_ - first_partition;
  const std::size_t oldest = (slot_ - (partitions_ - 1)) & ring_mask_;
  std::size_t count = 0;
  bool open = false; // the last run may grow
  for (std::size_t i = begin; i < end; ++i) {
    const std::size_t slot = (oldest + i) & ring_mask_;
    if (!response.audible[i] || !channel.audible[slot]) {
      open = false;
    } else if (open && slot != 0) {
      ++runs_[count - 1].count;
    } else {
      runs_[count++] = {static_cast<std::uint32_t> (i), static_cast<std::uint32_t> (slot), 1};
      open = true;
    }
  }
  return {runs_.data (), count};
}

void Convolver::next_block () noexcept
{
  const std::size_t block = block_frames_;
  for (Channel &channel : channels_) {
    std::copy_n (current (channel), block, current (channel) - block);
    if (config_.latency_frames > 0)
      std::copy_n (channel.wet.data () + block, block, channel.wet.data ());
    channel.before_audible = channel.current_audible;
    channel.current_audible = false;
    channel.older_ready = false;
  }
  block_count_.add (channels_.size ());
  slot_ = (slot_ + 1) & ring_mask_;
  filled_ = 0;
  covered_ = 0;
}

void Convolver::reset () noexcept
{
  // Spectra of slots that are marked as not audible are never read.
  for (Channel &channel : channels_) {
    std::fill (channel.window.begin (), channel.window.end (), 0.0f);
    std::fill (channel.wet.begin (), channel.wet.end (), 0.0f);
    std::fill (channel.audible.begin (), channel.audible.end (), std::uint8_t {0});
    channel.older_ready = false;
    channel.older_silent = false;
    channel.current_audible = false;
    channel.before_audible = false;
  }
  slot_ = 0;
  filled_ = 0;
  covered_ = 0;
  silent_frames_ = rings_for_frames_;
}

ConvolverWork Convolver::work () const noexcept
{
  const auto read = [] (const Count &count) {
    return count.value.load (std::memory_order_relaxed);
  };
  return {read (forward_count_), read (inverse_count_), read (pass_count_), read (block_count_),
      read (not_finite_count_)};
}

} // namespace mt::dsp
