// SPDX-License-Identifier: LGPL-2.1-or-later
// The arithmetic of the mix, compiled for each SIMD width by Highway and chosen once at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/mix.cpp"
#include <hwy/foreach_target.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "dsp/mix.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_HAVE_FLOAT64
template <class Sample>
using Tag = hn::ScalableTag<Sample>;
#else // 32-bit ARM has no vectors of doubles
template <class Sample>
using Tag = std::conditional_t<std::is_same_v<Sample, float>, hn::ScalableTag<float>, void>;
#endif

/// One at a time, for what does not fill a vector: the same operation as there, so that how a chunk
/// is cut into pieces never shows in the sum, with or without fused multiply-add.
template <class Sample>
HWY_INLINE void add_one (Sample *acc, const Sample *in, Sample gain)
{
  if constexpr (std::is_void_v<Tag<Sample>>) {
    *acc += *in * gain;
  } else {
    const hn::CappedTag<Sample, 1> one;
    hn::StoreU (
        hn::MulAdd (hn::LoadU (one, in), hn::Set (one, gain), hn::LoadU (one, acc)), one, acc);
  }
}

template <class Sample>
HWY_INLINE void accumulate (Sample *acc, const Sample *in, std::size_t samples, Sample gain)
{
  std::size_t n = 0;
  if constexpr (!std::is_void_v<Tag<Sample>>) {
    const Tag<Sample> d;
    const std::size_t lanes = hn::Lanes (d);
    const auto g = hn::Set (d, gain);
    for (; n + 2 * lanes <= samples; n += 2 * lanes) {
      const auto a = hn::MulAdd (hn::LoadU (d, in + n), g, hn::LoadU (d, acc + n));
      const auto b = hn::MulAdd (hn::LoadU (d, in + n + lanes), g, hn::LoadU (d, acc + n + lanes));
      hn::StoreU (a, d, acc + n);
      hn::StoreU (b, d, acc + n + lanes);
    }
  }
  for (; n < samples; ++n)
    add_one (acc + n, in + n, gain);
}

template <class Sample>
HWY_INLINE void accumulate_channels (
    Sample *acc, const Sample *in, std::size_t samples, const Sample *gains, std::size_t channels)
{
  std::size_t n = 0;
  if constexpr (!std::is_void_v<Tag<Sample>>) {
    const Tag<Sample> d;
    const std::size_t lanes = hn::Lanes (d);
    // `channels` vectors hold whole frames, and the gains in them repeat.
    constexpr std::size_t kFewChannels = 8;
    if (channels <= kFewChannels && samples >= lanes * channels) {
      HWY_ALIGN Sample pattern[kFewChannels * HWY_MAX_BYTES / sizeof (Sample)];
      for (std::size_t i = 0; i < lanes * channels; ++i)
        pattern[i] = gains[i % channels];
      for (; n + lanes * channels <= samples;)
        for (std::size_t v = 0; v < channels; ++v, n += lanes)
          hn::StoreU (hn::MulAdd (hn::LoadU (d, in + n), hn::Load (d, pattern + v * lanes),
                          hn::LoadU (d, acc + n)),
              d, acc + n);
    }
  }
  for (; n < samples; ++n)
    add_one (acc + n, in + n, gains[n % channels]);
}

/// One sample at a time: the same operations as in accumulate_ramp().
template <class Sample>
HWY_INLINE void add_one_of_ramp (Sample *acc, const Sample *in, const GainRamp<Sample> &ramp,
    std::size_t frame, std::size_t length)
{
  if constexpr (std::is_void_v<Tag<Sample>>) {
    *acc += *in * ramp.at (frame, length);
  } else {
    const hn::CappedTag<Sample, 1> one;
    const auto place = hn::Div (
        hn::Set (one, static_cast<Sample> (frame)), hn::Set (one, static_cast<Sample> (length)));
    const auto gain =
        hn::MulAdd (hn::Set (one, ramp.to - ramp.from), place, hn::Set (one, ramp.from));
    hn::StoreU (hn::MulAdd (gain, hn::LoadU (one, in), hn::LoadU (one, acc)), one, acc);
  }
}

/// The gains of as many frames as a vector has lanes, in as many vectors as there are channels.
template <class Sample>
struct RampPattern {
  static constexpr std::size_t kFewChannels = 8;
  static constexpr std::size_t kMost = kFewChannels * HWY_MAX_BYTES / sizeof (Sample);
  HWY_ALIGN Sample from[kMost];
  HWY_ALIGN Sample change[kMost];
  HWY_ALIGN Sample offset[kMost]; // in frames
};

template <class Sample>
HWY_INLINE void accumulate_ramp (Sample *acc, const Sample *in, std::size_t samples,
    const GainRamp<Sample> *ramps, std::size_t channels, std::size_t first, std::size_t length)
{
  std::size_t n = 0;
  if constexpr (!std::is_void_v<Tag<Sample>>) {
    const Tag<Sample> d;
    const std::size_t lanes = hn::Lanes (d);
    const auto whole = hn::Set (d, static_cast<Sample> (length));
    const auto add = [&] (auto from, auto change, auto frame) HWY_ATTR {
      const auto gain = hn::MulAdd (change, hn::Div (frame, whole), from);
      hn::StoreU (hn::MulAdd (gain, hn::LoadU (d, in + n), hn::LoadU (d, acc + n)), d, acc + n);
      n += lanes;
    };
    constexpr std::size_t kExact = std::size_t {1} << 24; // above, a frame may be no float
    const bool exact = first + samples / channels <= kExact;
    if (exact && channels <= 2 && lanes >= 2) {
      // In mono both channels of what follows are the same one.
      const GainRamp<Sample> &other = ramps[channels - 1];
      const auto from = hn::OddEven (hn::Set (d, other.from), hn::Set (d, ramps->from));
      const auto change =
          hn::OddEven (hn::Set (d, other.to - other.from), hn::Set (d, ramps->to - ramps->from));
      const auto half = hn::Set (d, Sample {0.5});
      const auto offset = channels == 1
          ? hn::Iota (d, Sample {0})
          : hn::Mul (hn::OddEven (hn::Iota (d, Sample {-1}), hn::Iota (d, Sample {0})), half);
      for (std::size_t frame = first; n + lanes <= samples; frame += lanes / channels)
        add (from, change, hn::Add (hn::Set (d, static_cast<Sample> (frame)), offset));
    } else if (exact && channels <= RampPattern<Sample>::kFewChannels &&
        samples >= lanes * channels) {
      RampPattern<Sample> pattern;
      for (std::size_t i = 0; i < lanes * channels; ++i) {
        const GainRamp<Sample> &ramp = ramps[i % channels];
        pattern.from[i] = ramp.from;
        pattern.change[i] = ramp.to - ramp.from;
        pattern.offset[i] = static_cast<Sample> (i / channels);
      }
      for (std::size_t frame = first; n + lanes * channels <= samples; frame += lanes) {
        const auto begin = hn::Set (d, static_cast<Sample> (frame));
        for (std::size_t v = 0; v < lanes * channels; v += lanes)
          add (hn::Load (d, pattern.from + v), hn::Load (d, pattern.change + v),
              hn::Add (begin, hn::Load (d, pattern.offset + v)));
      }
    }
  }
  for (; n < samples; ++n)
    add_one_of_ramp (acc + n, in + n, ramps[n % channels], first + n / channels, length);
}

template <class Sample>
HWY_INLINE std::size_t count_clipped (const Sample *samples, std::size_t count)
{
  std::size_t clipped = 0;
  std::size_t n = 0;
  if constexpr (!std::is_void_v<Tag<Sample>>) {
    const Tag<Sample> d;
    const std::size_t lanes = hn::Lanes (d);
    const auto full_scale = hn::Set (d, Sample {1});
    for (; n + lanes <= count; n += lanes)
      clipped += hn::CountTrue (d, hn::Gt (hn::Abs (hn::LoadU (d, samples + n)), full_scale));
  }
  for (; n < count; ++n)
    clipped += samples[n] > 1 || samples[n] < -1;
  return clipped;
}

// Highway's tables hold functions, not templates.

void accumulate_float (float *acc, const float *in, std::size_t samples, float gain)
{
  accumulate (acc, in, samples, gain);
}

void accumulate_double (double *acc, const double *in, std::size_t samples, double gain)
{
  accumulate (acc, in, samples, gain);
}

void accumulate_channels_float (
    float *acc, const float *in, std::size_t samples, const float *gains, std::size_t channels)
{
  accumulate_channels (acc, in, samples, gains, channels);
}

void accumulate_channels_double (
    double *acc, const double *in, std::size_t samples, const double *gains, std::size_t channels)
{
  accumulate_channels (acc, in, samples, gains, channels);
}

void accumulate_ramp_float (float *acc, const float *in, std::size_t samples,
    const GainRamp<float> *ramps, std::size_t channels, std::size_t first, std::size_t length)
{
  accumulate_ramp (acc, in, samples, ramps, channels, first, length);
}

void accumulate_ramp_double (double *acc, const double *in, std::size_t samples,
    const GainRamp<double> *ramps, std::size_t channels, std::size_t first, std::size_t length)
{
  accumulate_ramp (acc, in, samples, ramps, channels, first, length);
}

std::size_t count_clipped_float (const float *samples, std::size_t count)
{
  return count_clipped (samples, count);
}

std::size_t count_clipped_double (const double *samples, std::size_t count)
{
  return count_clipped (samples, count);
}

} // namespace
} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();

#if HWY_ONCE
namespace mt::dsp {
namespace {

HWY_EXPORT (accumulate_float);
HWY_EXPORT (accumulate_double);
HWY_EXPORT (accumulate_channels_float);
HWY_EXPORT (accumulate_channels_double);
HWY_EXPORT (accumulate_ramp_float);
HWY_EXPORT (accumulate_ramp_double);
HWY_EXPORT (count_clipped_float);
HWY_EXPORT (count_clipped_double);

} // namespace

void prefetch (const void *memory, std::size_t bytes) noexcept
{
  constexpr std::size_t kLine = 64;
  const auto begin = reinterpret_cast<std::uintptr_t> (memory); // no pointer: it may lie anywhere
  for (std::size_t n = 0; n < bytes; n += kLine)
    hwy::Prefetch (reinterpret_cast<const std::uint8_t *> (begin + n));
}

void accumulate (std::span<float> acc, std::span<const float> in, float gain) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_float) (acc.data (), in.data (), in.size (), gain);
}

void accumulate (std::span<double> acc, std::span<const double> in, double gain) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_double) (acc.data (), in.data (), in.size (), gain);
}

void accumulate (
    std::span<float> acc, std::span<const float> in, std::span<const float> gains) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_channels_float)
  (acc.data (), in.data (), in.size (), gains.data (), gains.size ());
}

void accumulate (
    std::span<double> acc, std::span<const double> in, std::span<const double> gains) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_channels_double)
  (acc.data (), in.data (), in.size (), gains.data (), gains.size ());
}

void accumulate_ramp (std::span<float> acc, std::span<const float> in,
    std::span<const GainRamp<float>> ramps, std::size_t first, std::size_t length) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_ramp_float)
  (acc.data (), in.data (), in.size (), ramps.data (), ramps.size (), first, length);
}

void accumulate_ramp (std::span<double> acc, std::span<const double> in,
    std::span<const GainRamp<double>> ramps, std::size_t first, std::size_t length) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_ramp_double)
  (acc.data (), in.data (), in.size (), ramps.data (), ramps.size (), first, length);
}

std::size_t count_clipped (std::span<const float> samples) noexcept
{
  return HWY_DYNAMIC_DISPATCH (count_clipped_float) (samples.data (), samples.size ());
}

std::size_t count_clipped (std::span<const double> samples) noexcept
{
  return HWY_DYNAMIC_DISPATCH (count_clipped_double) (samples.data (), samples.size ());
}

} // namespace mt::dsp
#endif
