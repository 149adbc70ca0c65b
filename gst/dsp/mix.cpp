// SPDX-License-Identifier: LGPL-2.1-or-later
// The arithmetic of the mix, compiled for each SIMD width by Highway and chosen once at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/mix.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dsp/mix.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

static void accumulate_lanes (float *acc, const float *in, std::size_t samples, float gain)
{
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes (d);
  const auto g = hn::Set (d, gain);
  std::size_t n = 0;
  for (; n + 2 * lanes <= samples; n += 2 * lanes) {
    const auto a = hn::MulAdd (hn::LoadU (d, in + n), g, hn::LoadU (d, acc + n));
    const auto b = hn::MulAdd (hn::LoadU (d, in + n + lanes), g, hn::LoadU (d, acc + n + lanes));
    hn::StoreU (a, d, acc + n);
    hn::StoreU (b, d, acc + n + lanes);
  }
  // The rest takes the same operation, one lane at a time: how a chunk is cut into pieces then
  // never shows in the sum, with or without fused multiply-add.
  const hn::CappedTag<float, 1> one;
  for (; n < samples; ++n)
    hn::StoreU (hn::MulAdd (hn::LoadU (one, in + n), hn::Set (one, gain), hn::LoadU (one, acc + n)),
        one, acc + n);
}

static void accumulate_channels_lanes (
    float *acc, const float *in, std::size_t samples, const float *gains, std::size_t channels)
{
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes (d);
  std::size_t n = 0;
  // `channels` vectors hold whole frames, and the gains in them repeat.
  constexpr std::size_t kFewChannels = 8;
  if (channels <= kFewChannels && samples >= lanes * channels) {
    HWY_ALIGN float pattern[kFewChannels * HWY_MAX_BYTES / sizeof (float)];
    for (std::size_t i = 0; i < lanes * channels; ++i)
      pattern[i] = gains[i % channels];
    for (; n + lanes * channels <= samples;)
      for (std::size_t v = 0; v < channels; ++v, n += lanes)
        hn::StoreU (hn::MulAdd (hn::LoadU (d, in + n), hn::Load (d, pattern + v * lanes),
                        hn::LoadU (d, acc + n)),
            d, acc + n);
  }
  const hn::CappedTag<float, 1> one;
  for (; n < samples; ++n)
    hn::StoreU (hn::MulAdd (hn::LoadU (one, in + n), hn::Set (one, gains[n % channels]),
                    hn::LoadU (one, acc + n)),
        one, acc + n);
}

static std::size_t count_clipped_lanes (const float *samples, std::size_t count)
{
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes (d);
  const auto full_scale = hn::Set (d, 1.0f);
  std::size_t clipped = 0;
  std::size_t n = 0;
  for (; n + lanes <= count; n += lanes)
    clipped += hn::CountTrue (d, hn::Gt (hn::Abs (hn::LoadU (d, samples + n)), full_scale));
  for (; n < count; ++n)
    clipped += samples[n] > 1.0f || samples[n] < -1.0f;
  return clipped;
}

} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();

#if HWY_ONCE
namespace mt::dsp {

HWY_EXPORT (accumulate_lanes);
HWY_EXPORT (accumulate_channels_lanes);
HWY_EXPORT (count_clipped_lanes);

void accumulate (std::span<float> acc, std::span<const float> in, float gain) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_lanes) (acc.data (), in.data (), in.size (), gain);
}

void accumulate (
    std::span<float> acc, std::span<const float> in, std::span<const float> gains) noexcept
{
  HWY_DYNAMIC_DISPATCH (accumulate_channels_lanes)
  (acc.data (), in.data (), in.size (), gains.data (), gains.size ());
}

void accumulate_ramp (std::span<float> acc, std::span<const float> in,
    std::span<const GainLine> lines, std::size_t first, std::size_t length) noexcept
{
  const std::size_t channels = lines.size ();
  for (std::size_t n = 0, frame = first; n < in.size (); ++frame)
    for (std::size_t c = 0; c < channels; ++c, ++n)
      acc[n] += lines[c].at (frame, length) * in[n];
}

std::size_t count_clipped (std::span<const float> samples) noexcept
{
  return HWY_DYNAMIC_DISPATCH (count_clipped_lanes) (samples.data (), samples.size ());
}

} // namespace mt::dsp
#endif
