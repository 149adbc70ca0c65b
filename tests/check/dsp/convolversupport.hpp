// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of the convolver share: noise, buffer sizes, and the sum in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <span>
#include <vector>

#include "../directconvolution.hpp"
#include "dsp/convolver.hpp"
#include "run.hpp"

#include <check.h>

namespace mt::test {

using namespace mt::dsp;

inline constexpr float kMinus120Db = 1e-6f;
inline constexpr float kMinus140Db = 1e-7f;
inline constexpr GainRange kOn {1.0f, 1.0f}, kOff {0.0f, 0.0f};

using Frames = std::vector<float>; // interleaved

inline Frames noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> uniform {-1.0f, 1.0f};
  Frames out (samples);
  std::generate (out.begin (), out.end (), [&] { return uniform (random); });
  return out;
}

/// Noise that keeps the level of noise: the squares of a channel sum up to 1.
inline Impulse noise_impulse (std::size_t frames, std::size_t channels, unsigned seed)
{
  Impulse ir {noise (frames * channels, seed), channels};
  for (std::size_t c = 0; c < channels; ++c) {
    double energy = 0.0;
    for (std::size_t n = 0; n < frames; ++n) {
      const auto tap = static_cast<double> (ir.samples[n * channels + c]);
      energy += tap * tap;
    }
    for (std::size_t n = 0; n < frames; ++n)
      ir.samples[n * channels + c] /= static_cast<float> (std::sqrt (energy));
  }
  return ir;
}

/// The oracle: wet and dry in double, latency included.
struct Reference {
  std::vector<double> dry, wet;
};
inline Reference direct (
    const Frames &x, const Impulse &ir, std::size_t channels, std::size_t latency)
{
  Reference out {std::vector<double> (x.size ()), std::vector<double> (x.size ())};
  const std::size_t frames = x.size () / channels;
  std::vector<double> h (ir.frames ()), in (frames);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t k = 0; k < h.size (); ++k)
      h[k] = static_cast<double> (ir.samples[k * ir.channels + c % ir.channels]);
    for (std::size_t n = 0; n < frames; ++n)
      in[n] = static_cast<double> (x[n * channels + c]);
    const std::vector<double> wet = convolve (in, h);
    for (std::size_t n = latency; n < frames; ++n) {
      out.wet[n * channels + c] = wet[n - latency];
      out.dry[n * channels + c] = in[n - latency];
    }
  }
  return out;
}

/// The sum over all paths, each in double by itself.
inline std::vector<double> direct_matrix (const Frames &x, const Impulse &ir, std::size_t channels,
    std::size_t latency, const Routing &routing)
{
  std::vector<double> want (x.size ());
  const std::size_t frames = x.size () / channels;
  for (const Path &path : routing) {
    Frames in (frames);
    for (std::size_t n = 0; n < frames; ++n)
      in[n] = x[n * channels + path.input];
    Impulse one {Frames (ir.frames ()), 1};
    for (std::size_t k = 0; k < ir.frames (); ++k)
      one.samples[k] = ir.samples[k * ir.channels + path.ir];
    const auto wet = direct (in, one, 1, latency).wet;
    for (std::size_t n = 0; n < frames; ++n)
      want[n * channels + path.output] += wet[n];
  }
  return want;
}

/// Zeros where there was sound, for up to `longest` frames at a time.
inline void punch (Frames &samples, std::size_t channels, std::size_t longest, std::mt19937 &random)
{
  const std::size_t frames = samples.size () / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t n = 0; n < frames;) {
      const std::size_t end = std::min (frames, n + 1 + random () % longest);
      for (const bool quiet = random () % 2 == 0; n < end; ++n)
        if (quiet)
          samples[n * channels + c] = 0.0f;
    }
  }
}

/// From sample `from` on. One check for all: Check writes each one into a pipe.
inline void ck_close (const Frames &got, const std::vector<double> &want, float tolerance,
    const char *where = "", std::size_t from = 0)
{
  ck_assert_uint_eq (got.size (), want.size ());
  const auto close = [&] (std::size_t i) { // false for NaN
    return std::abs (static_cast<double> (got[i]) - want[i]) <= static_cast<double> (tolerance);
  };
  std::size_t i = from;
  while (i < got.size () && close (i))
    ++i;
  if (i < got.size ())
    ck_abort_msg ("%s: sample %zu of %zu is %g, not %g", where, i, got.size (),
        static_cast<double> (got[i]), want[i]);
}

/// Sizes of calls, one after the other.
class Sizes {
public:
  Sizes (unsigned seed, std::size_t largest) : random_ {seed}, uniform_ {1, largest} {}
  explicit Sizes (std::size_t constant) : random_ {0}, uniform_ {constant, constant} {}
  std::size_t next () { return uniform_ (random_); }

private:
  std::mt19937 random_;
  std::uniform_int_distribution<std::size_t> uniform_;
};

/// Runs `io` through in calls of these sizes.
inline void run (
    Convolver &convolver, Frames &io, Sizes sizes, GainRange dry = kOff, GainRange wet = kOn)
{
  const std::size_t channels = convolver.channels ();
  const std::size_t frames = io.size () / channels;
  for (std::size_t done = 0; done < frames;) {
    const std::size_t count = std::min (sizes.next (), frames - done);
    convolver.process ({io.data () + done * channels, count * channels}, dry, wet);
    done += count;
  }
}

inline Frames with_zeros (Frames x, std::size_t frames, std::size_t channels)
{
  x.insert (x.end (), frames * channels, 0.0f);
  return x;
}

inline ConvolverConfig config (std::size_t channels, std::size_t block, std::size_t latency = 0)
{
  return {.channels = channels,
      .chunk_frames = block,
      .latency_frames = latency,
      .planning = Planning::estimate};
}

inline bool same_bits (const Frames &a, const Frames &b)
{
  return a.size () == b.size () &&
      std::equal (a.begin (), a.end (), b.begin (),
          [] (float p, float q) { return p == q && std::signbit (p) == std::signbit (q); });
}

inline float peak (std::span<const float> samples)
{
  float out = 0.0f;
  for (const float sample : samples)
    out = std::max (out, std::abs (sample));
  return out;
}

} // namespace mt::test
