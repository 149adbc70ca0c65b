// SPDX-License-Identifier: LGPL-2.1-or-later
// Vector kernels between interleaved frames and planar channels.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/frames.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "dsp/frames.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Bits = hn::RebindToSigned<Tag>;

/// The largest |sample| as IEEE bits, whose order is that of the values, with NaN above infinity.
std::int32_t peak_bits (const float *samples, std::size_t count)
{
  const Tag d;
  const Bits bits;
  std::size_t i = 0;
  auto peak = hn::Zero (bits);
  for (; i + hn::Lanes (d) <= count; i += hn::Lanes (d))
    peak = hn::Max (peak, hn::BitCast (bits, hn::Abs (hn::LoadU (d, samples + i))));
  std::int32_t largest = hn::GetLane (hn::MaxOfLanes (bits, peak));
  for (; i < count; ++i) {
    std::int32_t value;
    std::memcpy (&value, samples + i, sizeof value);
    largest = std::max (largest, value & 0x7fffffff);
  }
  return largest;
}

/// `kCount` channels of frames of `stride` samples. In wider frames they are moved into frames of
/// their own first, whole vectors of which are told apart with shuffles.
template <std::size_t kCount>
void split_channels (const float *HWY_RESTRICT io, std::size_t stride, std::size_t frames,
    float *const *HWY_RESTRICT out)
{
  const Tag d;
  HWY_ALIGN float narrow[kCount * hn::MaxLanes (d)];
  std::size_t i = 0;
  for (; i + hn::Lanes (d) <= frames; i += hn::Lanes (d)) {
    const float *from = io + i * stride;
    if (stride != kCount) {
      for (std::size_t j = 0; j < hn::Lanes (d); ++j)
        std::memcpy (narrow + j * kCount, from + j * stride, kCount * sizeof (float));
      from = narrow;
    }
    hn::Vec<Tag> a, b, c, e;
    if constexpr (kCount == 1)
      a = hn::LoadU (d, from);
    else if constexpr (kCount == 2)
      hn::LoadInterleaved2 (d, from, a, b);
    else if constexpr (kCount == 3)
      hn::LoadInterleaved3 (d, from, a, b, c);
    else
      hn::LoadInterleaved4 (d, from, a, b, c, e);
    hn::StoreU (a, d, out[0] + i);
    if constexpr (kCount > 1)
      hn::StoreU (b, d, out[1] + i);
    if constexpr (kCount > 2)
      hn::StoreU (c, d, out[2] + i);
    if constexpr (kCount > 3)
      hn::StoreU (e, d, out[3] + i);
  }
  for (; i < frames; ++i)
    for (std::size_t channel = 0; channel < kCount; ++channel)
      out[channel][i] = io[i * stride + channel];
}

void split (
    const float *io, std::size_t stride, std::size_t frames, float *const *out, std::size_t count)
{
  switch (count) {
  case 1:
    return split_channels<1> (io, stride, frames, out);
  case 2:
    return split_channels<2> (io, stride, frames, out);
  case 3:
    return split_channels<3> (io, stride, frames, out);
  default:
    return split_channels<kChannelsAtOnce> (io, stride, frames, out);
  }
}

float gain_at (GainLine line, std::size_t i)
{
  return line.start + line.step * static_cast<float> (i);
}

void add (const float *HWY_RESTRICT samples, float *HWY_RESTRICT sum, std::size_t count)
{
  const Tag d;
  std::size_t i = 0;
  for (; i + hn::Lanes (d) <= count; i += hn::Lanes (d))
    hn::StoreU (hn::Add (hn::LoadU (d, samples + i), hn::LoadU (d, sum + i)), d, sum + i);
  for (; i < count; ++i)
    sum[i] += samples[i];
}

template <std::size_t kCount>
void join_channels (float *HWY_RESTRICT io, std::size_t stride, std::size_t frames,
    const Mixed *HWY_RESTRICT mixed, GainLine dry, GainLine wet)
{
  const Tag d;
  HWY_ALIGN float narrow[kCount * hn::MaxLanes (d)];
  const auto dry_start = hn::Set (d, dry.start), dry_step = hn::Set (d, dry.step);
  const auto wet_start = hn::Set (d, wet.start), wet_step = hn::Set (d, wet.step);
  std::size_t i = 0;
  for (; i + hn::Lanes (d) <= frames; i += hn::Lanes (d)) {
    const auto index = hn::Iota (d, static_cast<float> (i));
    const auto a = hn::MulAdd (dry_step, index, dry_start);
    const auto b = hn::MulAdd (wet_step, index, wet_start);
    const auto mix = [&] (std::size_t channel) HWY_ATTR {
      const auto w = hn::Mul (b, hn::LoadU (d, mixed[channel].wet + i));
      return hn::MulAdd (a, hn::LoadU (d, mixed[channel].dry + i), w);
    };
    float *const to = stride == kCount ? io + i * stride : narrow;
    if constexpr (kCount == 1)
      hn::StoreU (mix (0), d, to);
    else if constexpr (kCount == 2)
      hn::StoreInterleaved2 (mix (0), mix (1), d, to);
    else if constexpr (kCount == 3)
      hn::StoreInterleaved3 (mix (0), mix (1), mix (2), d, to);
    else
      hn::StoreInterleaved4 (mix (0), mix (1), mix (2), mix (3), d, to);
    if (stride != kCount) {
      for (std::size_t j = 0; j < hn::Lanes (d); ++j)
        std::memcpy (io + (i + j) * stride, narrow + j * kCount, kCount * sizeof (float));
    }
  }
  for (; i < frames; ++i) {
    const float a = gain_at (dry, i), b = gain_at (wet, i);
    for (std::size_t channel = 0; channel < kCount; ++channel)
      io[i * stride + channel] = a * mixed[channel].dry[i] + b * mixed[channel].wet[i];
  }
}

void join (float *io, std::size_t stride, std::size_t frames, const Mixed *mixed, std::size_t count,
    GainLine dry, GainLine wet)
{
  switch (count) {
  case 1:
    return join_channels<1> (io, stride, frames, mixed, dry, wet);
  case 2:
    return join_channels<2> (io, stride, frames, mixed, dry, wet);
  case 3:
    return join_channels<3> (io, stride, frames, mixed, dry, wet);
  default:
    return join_channels<kChannelsAtOnce> (io, stride, frames, mixed, dry, wet);
  }
}

} // namespace
} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();

#if HWY_ONCE

#include <bit>
#include <cassert>
#include <cmath>

namespace mt::dsp {
namespace {

HWY_EXPORT (peak_bits);
HWY_EXPORT (split);
HWY_EXPORT (add);
HWY_EXPORT (join);

constexpr auto kMaxStreamSampleBits = std::bit_cast<std::int32_t> (kMaxStreamSample);
constexpr std::int32_t kSmallestNormalBits = 0x00800000;

Taken inspect (std::span<float> samples) noexcept
{
  std::int32_t peak = HWY_DYNAMIC_DISPATCH (peak_bits) (samples.data (), samples.size ());
  std::size_t not_finite = 0;
  if (peak > kMaxStreamSampleBits) [[unlikely]] {
    for (float &sample : samples) {
      if (!(std::fabs (sample) <= kMaxStreamSample)) { // or NaN
        sample = 0.0f;
        ++not_finite;
      }
    }
    peak = HWY_DYNAMIC_DISPATCH (peak_bits) (samples.data (), samples.size ());
  }
  return {peak >= kSmallestNormalBits, not_finite};
}

} // namespace

void take_channels (const float *io, std::size_t stride, std::size_t frames,
    std::span<float *const> out, std::span<Taken> taken) noexcept
{
  assert (!out.empty () && out.size () <= std::min (kChannelsAtOnce, stride));
  assert (taken.size () == out.size ());
  HWY_DYNAMIC_DISPATCH (split) (io, stride, frames, out.data (), out.size ());
  for (std::size_t c = 0; c < out.size (); ++c)
    taken[c] = inspect ({out[c], frames});
}

void put_channels (float *io, std::size_t stride, std::size_t frames, std::span<const Mixed> mixed,
    GainLine dry, GainLine wet) noexcept
{
  assert (!mixed.empty () && mixed.size () <= std::min (kChannelsAtOnce, stride));
  HWY_DYNAMIC_DISPATCH (join) (io, stride, frames, mixed.data (), mixed.size (), dry, wet);
}

void add_samples (std::span<const float> samples, std::span<float> sum) noexcept
{
  assert (samples.size () == sum.size ());
  HWY_DYNAMIC_DISPATCH (add) (samples.data (), sum.data (), sum.size ());
}

} // namespace mt::dsp
#endif
