// SPDX-License-Identifier: LGPL-2.1-or-later
// How loud each channel of a track is, frame by frame.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include <gst/audio/audio.h>

#include "dsp/mix.hpp"
#include "trackqueue.hpp"

namespace mt::trackmixer {

constexpr std::size_t kMaxPositions = 64; // that a GstAudioInfo gives positions to

/// What the settings of a track ask for.
struct Loudness {
  double volume {1.0}; // linear; 0 for a track that is muted or not among the soloed ones
  double pan {0.0};    // -1 (left) to 1 (right)

  bool operator== (const Loudness &) const noexcept = default;
};

/// Where the channels of the mix lie: -1 left, 0 in the middle, 1 right.
struct ChannelSides {
  std::array<signed char, kMaxPositions> side {};
  std::size_t channels {0};
};

ChannelSides sides_of (const GstAudioInfo &info) noexcept;

/// The gains of one track, and the way from one setting to the next.
///
/// A gain is a function of the frame on the mix's time line alone, so chunks and buffers of any
/// size give the same bits. Pan is a balance: a channel on the side it turns away from gets
/// 1 − |pan|, every other one 1. There 0 changes nothing and no channel gets louder.
///
/// Threads  mix task.
class TrackGain {
public:
  /// There was no sound before: until there is, each setting is taken at once.
  void forget () noexcept { known_ = sounded_ = false; }

  /// Before the settings of a chunk are taken, in which the track may be heard.
  void begin_chunk (bool audible) noexcept
  {
    known_ = known_ && sounded_;
    sounded_ = sounded_ || audible;
  }

  /// Frame `at` is frame `becomes` from now on, at another rate; a line that has begun goes on.
  void change_rate (Frames at, Frames becomes, const RateChange &change) noexcept;

  /// From frame `at` on moves to the loudness, in a straight line over `ramp` frames.
  void aim (const Loudness &loudness, Frames at, Frames ramp, const ChannelSides &sides) noexcept;

  /// An automated loudness: a straight line to what it will be `length` frames after `at`, as far
  /// as it may move by then: a gain changes by 1 within `ramp` frames at most.
  /// `here` is the loudness at `at`, for where no sound has led there.
  void follow (const Loudness &here, const Loudness &there, Frames at, Frames length, Frames ramp,
      const ChannelSides &sides) noexcept;
  /// True if follow() has led to this frame's place.
  [[nodiscard]] bool leads_over (Frames at) const noexcept
  {
    return known_ && at >= begin_ && at < begin_ + length_;
  }

  /// Nothing is heard from frame `at` on until the next change.
  [[nodiscard]] bool is_silent (Frames at) const noexcept;

  /// Adds the samples that begin at frame `at`, of float or of double.
  template <class Sample>
  void add (std::span<Sample> acc, std::span<const Sample> in, Frames at) const noexcept;

private:
  void set_target (const Loudness &loudness, const ChannelSides &sides) noexcept;
  [[nodiscard]] double gain (std::size_t channel, Frames at) const noexcept;

  std::array<dsp::GainRamp<double>, kMaxPositions> ramps_ {}; // from `begin_`; their ends hold then
  std::array<double, kMaxPositions> target_ {};
  std::size_t channels_ {0};
  Frames begin_ {0};
  Frames length_ {0}; // 0: no line, the target holds
  Loudness loudness_;
  bool known_ {false};
  bool sounded_ {false};  // since forget()
  bool followed_ {false}; // the last line is of follow()
  bool uniform_ {true};   // the same target in every channel
};

} // namespace mt::trackmixer
