// SPDX-License-Identifier: LGPL-2.1-or-later
// The building blocks that the demo song's instruments are made of: noise, filter, saw, envelope,
// pan.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

namespace mt::demo {

inline constexpr int kRateHz = 48000;

/// Uniform noise in [-1, 1). The same numbers on every machine, unlike the distributions of
/// <random>. Source  G. Marsaglia, "Xorshift RNGs", J. Statistical Software 8(14), 2003.
class Noise {
public:
  explicit Noise (std::uint32_t seed) noexcept : state_ {seed} {} // not 0
  double operator() () noexcept
  {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return static_cast<double> (state_) / 2147483648.0 - 1.0;
  }

private:
  std::uint32_t state_;
};

/// Two-pole state-variable filter; `damping` is 1/Q.
/// Source  V. Zavalishin, "The Art of VA Filter Design", 2012 (the topology-preserving form).
class Filter {
public:
  struct Out {
    double low, band, high;
  };
  Filter (double cutoff_hz, double damping) noexcept { tune (cutoff_hz, damping); }
  void tune (double cutoff_hz, double damping) noexcept
  {
    g_ = std::tan (std::numbers::pi * std::min (cutoff_hz, 0.45 * kRateHz) / kRateHz);
    damping_ = damping;
    scale_ = 1.0 / (1.0 + g_ * (g_ + damping_));
  }
  /// `band` has unity gain at the cutoff.
  Out operator() (double in) noexcept
  {
    const double high = (in - (g_ + damping_) * band_ - low_) * scale_;
    const double band = g_ * high + band_;
    const double low = g_ * band + low_;
    band_ = g_ * high + band;
    low_ = g_ * band + low;
    return {low, band * damping_, high};
  }

private:
  double g_ {0.0}, damping_ {1.0}, scale_ {1.0}, low_ {0.0}, band_ {0.0};
};

/// Sawtooth without the worst of its aliases.
/// Source  V. Välimäki, A. Huovilainen, IEEE Signal Processing Magazine 24(2), 2007 (polyBLEP).
class Saw {
public:
  explicit Saw (double phase) noexcept : phase_ {phase} {} // in turns, [0, 1)
  double operator() (double hz) noexcept
  {
    const double step = hz / kRateHz;
    double out = 2.0 * phase_ - 1.0;
    if (phase_ < step) {
      const double t = phase_ / step;
      out -= t + t - t * t - 1.0;
    } else if (phase_ > 1.0 - step) {
      const double t = (phase_ - 1.0) / step;
      out -= t * t + t + t + 1.0;
    }
    phase_ += step;
    phase_ -= std::floor (phase_);
    return out;
  }

private:
  double phase_;
};

inline double sine (double turns) noexcept
{
  return std::sin (2.0 * std::numbers::pi * turns);
}

inline double note_hz (double midi) noexcept
{
  return 440.0 * std::exp2 ((midi - 69.0) / 12.0);
}

/// From 0 at x = 0 to 1 at x = 1 with flat ends, so that nothing that uses it clicks.
inline double ease (double x) noexcept
{
  x = std::clamp (x, 0.0, 1.0);
  return x * x * (3.0 - 2.0 * x);
}

/// Level of a note `t` seconds after it began; it is held for `gate` and is silent after `gate +
/// release`.
struct Envelope {
  double attack, decay, sustain, release; // seconds, seconds, level, seconds
  double operator() (double t, double gate) const noexcept
  {
    return ease (t / attack) * (sustain + (1.0 - sustain) * std::exp (-t / decay)) *
        (1.0 - ease ((t - gate) / release));
  }
};

/// What an instrument plays into: interleaved, in stereo or mono; frames past the end are dropped.
class Canvas {
public:
  Canvas (std::size_t frames, int channels) : channels_ {channels}, samples_ (frames * channels) {}
  std::size_t frames () const noexcept { return samples_.size () / channels_; }
  int channels () const noexcept { return channels_; }
  void add_mono (std::size_t frame, double value) noexcept
  {
    if (frame < frames ())
      samples_[frame] += static_cast<float> (value);
  }
  void add_stereo (std::size_t frame, double left, double right) noexcept
  {
    if (frame >= frames ())
      return;
    samples_[2 * frame] += static_cast<float> (left);
    samples_[2 * frame + 1] += static_cast<float> (right);
  }
  std::vector<float> &samples () noexcept { return samples_; }

private:
  int channels_;
  std::vector<float> samples_;
};

} // namespace mt::demo
