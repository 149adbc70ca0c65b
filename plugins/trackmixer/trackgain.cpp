// SPDX-License-Identifier: LGPL-2.1-or-later
// Ramps, pan and automation of one track.
#include "trackgain.hpp"

#include <algorithm>
#include <cmath>

namespace mt::trackmixer {

namespace {

double gain_of (const Loudness &loudness, int side) noexcept
{
  const double away = side * loudness.pan; // negative: turned away from it
  return loudness.volume * (away < 0.0 ? 1.0 + away : 1.0);
}

} // namespace

void TrackGain::set_target (const Loudness &loudness, const ChannelSides &sides) noexcept
{
  channels_ = sides.channels;
  for (std::size_t c = 0; c < channels_; ++c)
    target_[c] = gain_of (loudness, sides.side[c]);
  uniform_ =
      std::all_of (target_.begin (), target_.begin () + static_cast<std::ptrdiff_t> (channels_),
          [this] (double gain) { return gain == target_[0]; });
  loudness_ = loudness;
}

double TrackGain::gain (std::size_t channel, Frames at) const noexcept
{
  if (at >= begin_ + length_)
    return target_[channel];
  return ramps_[channel].at (
      static_cast<std::size_t> (at - begin_), static_cast<std::size_t> (length_));
}

void TrackGain::change_rate (Frames at, Frames becomes, const RateChange &change) noexcept
{
  const Frames rest = begin_ + length_ - at;
  for (std::size_t c = 0; rest > 0 && c < channels_; ++c)
    ramps_[c].from = gain (c, at);
  begin_ = becomes;
  length_ = std::max<Frames> (0, change (rest));
}

void TrackGain::aim (
    const Loudness &loudness, Frames at, Frames ramp, const ChannelSides &sides) noexcept
{
  if (known_ && loudness == loudness_ && channels_ == sides.channels)
    return;
  if (!known_ || ramp == 0 || channels_ != sides.channels) {
    set_target (loudness, sides);
    begin_ = at; // the last line may lie far ahead, before a flush
    length_ = 0;
    known_ = true;
    followed_ = false;
    return;
  }
  for (std::size_t c = 0; c < channels_; ++c)
    ramps_[c].from = gain (c, at);
  set_target (loudness, sides);
  for (std::size_t c = 0; c < channels_; ++c)
    ramps_[c].to = target_[c];
  begin_ = at;
  length_ = ramp;
  followed_ = false;
}

void TrackGain::follow (const Loudness &here, const Loudness &there, Frames at, Frames length,
    Frames ramp, const ChannelSides &sides) noexcept
{
  const bool led_here =
      known_ && channels_ == sides.channels && (!followed_ || at == begin_ + length_);
  std::array<double, kMaxPositions> from;
  for (std::size_t c = 0; c < sides.channels; ++c)
    from[c] = led_here ? gain (c, at) : gain_of (here, sides.side[c]);
  set_target (there, sides);
  const double furthest =
      ramp > 0 ? static_cast<double> (length) / static_cast<double> (ramp) : HUGE_VAL;
  for (std::size_t c = 0; c < channels_; ++c) {
    target_[c] = std::clamp (target_[c], from[c] - furthest, from[c] + furthest);
    ramps_[c] = {from[c], target_[c]};
  }
  uniform_ = false;
  loudness_.volume = NAN; // equals nothing: aim() has to move on from what was reached
  begin_ = at;
  length_ = length;
  known_ = followed_ = true;
}

bool TrackGain::is_silent (Frames at) const noexcept
{
  return at >= begin_ + length_ && uniform_ && target_[0] == 0.0;
}

template <class Sample>
void TrackGain::add (std::span<Sample> acc, std::span<const Sample> in, Frames at) const noexcept
{
  if (at < begin_ + length_) {
    const auto first = static_cast<std::size_t> (at - begin_);
    const auto length = static_cast<std::size_t> (length_);
    const std::size_t samples = std::min (in.size (), (length - first) * channels_);
    std::array<dsp::GainRamp<Sample>, kMaxPositions> ramps;
    for (std::size_t c = 0; c < channels_; ++c)
      ramps[c] = {static_cast<Sample> (ramps_[c].from), static_cast<Sample> (ramps_[c].to)};
    dsp::accumulate_ramp (acc, in.first (samples),
        std::span<const dsp::GainRamp<Sample>> {ramps.data (), channels_}, first, length);
    acc = acc.subspan (samples);
    in = in.subspan (samples);
  }
  if (uniform_) {
    dsp::accumulate (acc, in, static_cast<Sample> (target_[0]));
    return;
  }
  std::array<Sample, kMaxPositions> gains;
  for (std::size_t c = 0; c < channels_; ++c)
    gains[c] = static_cast<Sample> (target_[c]);
  dsp::accumulate (acc, in, std::span<const Sample> {gains.data (), channels_});
}

template void TrackGain::add (std::span<float>, std::span<const float>, Frames) const noexcept;
template void TrackGain::add (std::span<double>, std::span<const double>, Frames) const noexcept;

} // namespace mt::trackmixer
