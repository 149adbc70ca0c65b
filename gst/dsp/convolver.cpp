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

/// Checks before anything is built from it.
const ConvolverConfig &checked (const ConvolverConfig &config, const Impulse &ir)
{
  check_range ("number of channels", config.channels, 1, Convolver::kMaxChannels);
  check_range (
      "block", config.block_frames, Convolver::kMinBlockFrames, Convolver::kMaxBlockFrames);
  check_range ("latency in frames", config.latency_frames, 0, config.block_frames - 1);
  if (ir.channels != 1 && ir.channels != config.channels) {
    throw std::invalid_argument ("impulse response has " + std::to_string (ir.channels) +
        " channels, must have 1 or " + std::to_string (config.channels));
  }
  if (ir.samples.size () % ir.channels != 0)
    throw std::invalid_argument ("impulse response ends inside a frame");
  check_range ("impulse response in frames", ir.frames (), 1, Convolver::kMaxImpulseFrames);
  for (std::size_t i = 0; i < ir.samples.size (); ++i) {
    if (!std::isfinite (ir.samples[i])) {
      throw std::invalid_argument ("impulse response has a sample that is not a finite number, in "
                                   "frame " +
          std::to_string (i / ir.channels));
    }
  }
  return config;
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
    : config_ {checked (config, ir)}, ir_frames_ {ir.frames ()},
      partitions_ {(ir_frames_ + config.block_frames - 1) / config.block_frames},
      ring_mask_ {std::bit_ceil (partitions_) - 1}, bins_ {transform_length (
                                                        config.block_frames, partitions_)},
      padded_bins_ {pad_bins (bins_)}, transform_ {bins_, padded_bins_, config.planning}
{
  responses_.reserve (ir.channels);
  for (std::size_t c = 0; c < ir.channels; ++c)
    responses_.push_back (make_response (ir, c));
  channels_.reserve (config.channels);
  for (std::size_t c = 0; c < config.channels; ++c) {
    channels_.emplace_back (
        2 * transform_.length (), config.block_frames, padded_bins_, ring_mask_ + 1);
  }
  runs_.resize (partitions_ + 1);
}

Convolver::Response Convolver::make_response (const Impulse &ir, std::size_t channel)
{
  const std::size_t block = config_.block_frames;
  Response response {{padded_bins_, partitions_}, std::vector<std::uint8_t> (partitions_), true};
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
    response.dense = response.dense && audible;
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
    const std::size_t step = std::min (frames - done, config_.block_frames - filled_);
    float *const part = io.data () + done * config_.channels;
    take (part, step);
    filled_ += step;

    // Output up to here is due, the first latency_frames of it from the block before.
    const bool finished = filled_ == config_.block_frames;
    if (finished || filled_ > covered_ + config_.latency_frames) {
      for (std::size_t c = 0; c < channels_.size (); ++c)
        render (channels_[c], responses_[c % responses_.size ()], finished);
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
  const std::size_t block = config_.block_frames;
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
void Convolver::render (Channel &channel, const Response &response, bool finished) noexcept
{
  const std::size_t block = config_.block_frames;
  const std::span wet {channel.wet.data () + block, block};
  const bool audible = channel.current_audible || channel.before_audible;

  channel.audible[slot_] = audible;
  if (audible) {
    // What the window still holds after filled_ reaches only output after filled_.
    transform_.forward (channel.window);
    channel.history.store (slot_, transform_.spectrum ());
    forward_count_.add (1);
  }

  bool silent = false;
  const std::span<std::complex<float>> sum = transform_.spectrum ();
  if (finished && !channel.older_ready) {
    const auto runs = collect_runs (channel, response, 0);
    silent = runs.empty ();
    if (!silent) {
      multiply_accumulate (response.spectra, channel.history, runs, {}, sum);
      pass_count_.add (1);
    }
  } else {
    if (!channel.older_ready)
      sum_older (channel, response);
    const std::span<const std::complex<float>> older {
        channel.older.data (), channel.older_silent ? 0 : channel.older.size ()};
    const auto head = static_cast<std::uint32_t> (partitions_ - 1);
    const bool with_head = audible && response.audible[head];
    silent = channel.older_silent && !with_head;
    if (!silent) {
      const SlotRun run {head, static_cast<std::uint32_t> (slot_), 1};
      multiply_accumulate (
          response.spectra, channel.history, {&run, with_head ? 1u : 0u}, older, sum);
    }
  }

  if (silent) {
    std::fill (wet.begin (), wet.end (), 0.0f);
  } else {
    transform_.inverse (wet);
    inverse_count_.add (1);
  }
}

/// The part of the current block's spectrum that only older blocks give, once a block.
void Convolver::sum_older (Channel &channel, const Response &response) noexcept
{
  const auto runs = collect_runs (channel, response, 1);
  channel.older_ready = true;
  channel.older_silent = runs.empty ();
  if (!channel.older_silent) {
    multiply_accumulate (response.spectra, channel.history, runs, {}, channel.older);
    pass_count_.add (1);
  }
}

/// The products of partitions >= first_partition that are not zero, the ring's end between runs.
std::span<const SlotRun> Convolver::collect_runs (
    const Channel &channel, const Response &response, std::size_t first_partition) noexcept
{
  const std::size_t slots = partitions_ - first_partition;
  const std::size_t oldest = (slot_ - (partitions_ - 1)) & ring_mask_;
  std::size_t count = 0;
  const auto add = [&] (std::size_t ir_slot, std::size_t history_slot, std::size_t length) {
    runs_[count++] = {static_cast<std::uint32_t> (ir_slot),
        static_cast<std::uint32_t> (history_slot), static_cast<std::uint32_t> (length)};
  };

  const bool all_audible = response.dense && channel.audible_streak >= partitions_ - 1 &&
      (first_partition > 0 || channel.audible[slot_]);
  if (all_audible) {
    const std::size_t before_wrap = std::min (slots, ring_mask_ + 1 - oldest);
    if (before_wrap > 0)
      add (0, oldest, before_wrap);
    if (before_wrap < slots)
      add (before_wrap, 0, slots - before_wrap);
    return {runs_.data (), count};
  }

  bool open = false; // the last run may grow
  for (std::size_t i = 0; i < slots; ++i) {
    const std::size_t slot = (oldest + i) & ring_mask_;
    if (!response.audible[i] || !channel.audible[slot]) {
      open = false;
    } else if (open && slot != 0) {
      ++runs_[count - 1].count;
    } else {
      add (i, slot, 1);
      open = true;
    }
  }
  return {runs_.data (), count};
}

void Convolver::next_block () noexcept
{
  const std::size_t block = config_.block_frames;
  for (Channel &channel : channels_) {
    std::copy_n (current (channel), block, current (channel) - block);
    if (config_.latency_frames > 0)
      std::copy_n (channel.wet.data () + block, block, channel.wet.data ());
    channel.audible_streak = channel.audible[slot_] ? channel.audible_streak + 1 : 0;
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
    channel.audible_streak = 0;
    channel.older_ready = false;
    channel.older_silent = false;
    channel.current_audible = false;
    channel.before_audible = false;
  }
  slot_ = 0;
  filled_ = 0;
  covered_ = 0;
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
