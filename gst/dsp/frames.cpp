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

void split_stereo (const float *HWY_RESTRICT io, float *HWY_RESTRICT left,
    float *HWY_RESTRICT right, std::size_t frames)
{
  const Tag d;
  std::size_t i = 0;
  for (; i + hn::Lanes (d) <= frames; i += hn::Lanes (d)) {
    hn::Vec<Tag> l, r;
    hn::LoadInterleaved2 (d, io + 2 * i, l, r);
    hn::StoreU (l, d, left + i);
    hn::StoreU (r, d, right + i);
  }
  for (; i < frames; ++i) {
    left[i] = io[2 * i];
    right[i] = io[2 * i + 1];
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

void join_mono (float *HWY_RESTRICT io, const float *HWY_RESTRICT dry_samples,
    const float *HWY_RESTRICT wet_samples, std::size_t frames, GainLine dry, GainLine wet)
{
  const Tag d;
  const auto dry_start = hn::Set (d, dry.start), dry_step = hn::Set (d, dry.step);
  const auto wet_start = hn::Set (d, wet.start), wet_step = hn::Set (d, wet.step);
  std::size_t i = 0;
  for (; i + hn::Lanes (d) <= frames; i += hn::Lanes (d)) {
    const auto index = hn::Iota (d, static_cast<float> (i));
    const auto a = hn::MulAdd (dry_step, index, dry_start);
    const auto b = hn::MulAdd (wet_step, index, wet_start);
    const auto w = hn::Mul (b, hn::LoadU (d, wet_samples + i));
    hn::StoreU (hn::MulAdd (a, hn::LoadU (d, dry_samples + i), w), d, io + i);
  }
  for (; i < frames; ++i)
    io[i] = gain_at (dry, i) * dry_samples[i] + gain_at (wet, i) * wet_samples[i];
}

void join_stereo (float *HWY_RESTRICT io, const float *HWY_RESTRICT left_dry,
    const float *HWY_RESTRICT left_wet, const float *HWY_RESTRICT right_dry,
    const float *HWY_RESTRICT right_wet, std::size_t frames, GainLine dry, GainLine wet)
{
  const Tag d;
  const auto dry_start = hn::Set (d, dry.start), dry_step = hn::Set (d, dry.step);
  const auto wet_start = hn::Set (d, wet.start), wet_step = hn::Set (d, wet.step);
  std::size_t i = 0;
  for (; i + hn::Lanes (d) <= frames; i += hn::Lanes (d)) {
    const auto index = hn::Iota (d, static_cast<float> (i));
    const auto a = hn::MulAdd (dry_step, index, dry_start);
    const auto b = hn::MulAdd (wet_step, index, wet_start);
    const auto l =
        hn::MulAdd (a, hn::LoadU (d, left_dry + i), hn::Mul (b, hn::LoadU (d, left_wet + i)));
    const auto r =
        hn::MulAdd (a, hn::LoadU (d, right_dry + i), hn::Mul (b, hn::LoadU (d, right_wet + i)));
    hn::StoreInterleaved2 (l, r, d, io + 2 * i);
  }
  for (; i < frames; ++i) {
    const float a = gain_at (dry, i), b = gain_at (wet, i);
    io[2 * i] = a * left_dry[i] + b * left_wet[i];
    io[2 * i + 1] = a * right_dry[i] + b * right_wet[i];
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
HWY_EXPORT (split_stereo);
HWY_EXPORT (add);
HWY_EXPORT (join_mono);
HWY_EXPORT (join_stereo);

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

Taken take_channel (
    const float *io, std::size_t channels, std::size_t channel, std::span<float> out) noexcept
{
  if (channels == 1) {
    std::copy_n (io, out.size (), out.data ());
  } else {
    for (std::size_t i = 0; i < out.size (); ++i)
      out[i] = io[i * channels + channel];
  }
  return inspect (out);
}

void take_stereo (const float *io, std::span<float> left, std::span<float> right, Taken &left_taken,
    Taken &right_taken) noexcept
{
  assert (left.size () == right.size ());
  HWY_DYNAMIC_DISPATCH (split_stereo) (io, left.data (), right.data (), left.size ());
  left_taken = inspect (left);
  right_taken = inspect (right);
}

void put_channel (float *io, std::size_t channels, std::size_t channel,
    std::span<const float> dry_samples, std::span<const float> wet_samples, GainLine dry,
    GainLine wet) noexcept
{
  assert (dry_samples.size () == wet_samples.size ());
  const std::size_t frames = dry_samples.size ();
  if (channels == 1) {
    HWY_DYNAMIC_DISPATCH (join_mono)
    (io, dry_samples.data (), wet_samples.data (), frames, dry, wet);
    return;
  }
  for (std::size_t i = 0; i < frames; ++i) {
    const auto at = static_cast<float> (i);
    io[i * channels + channel] =
        (dry.start + dry.step * at) * dry_samples[i] + (wet.start + wet.step * at) * wet_samples[i];
  }
}

void put_stereo (float *io, std::span<const float> left_dry, std::span<const float> left_wet,
    std::span<const float> right_dry, std::span<const float> right_wet, GainLine dry,
    GainLine wet) noexcept
{
  HWY_DYNAMIC_DISPATCH (join_stereo)
  (io, left_dry.data (), left_wet.data (), right_dry.data (), right_wet.data (), left_dry.size (),
      dry, wet);
}

void add_samples (std::span<const float> samples, std::span<float> sum) noexcept
{
  assert (samples.size () == sum.size ());
  HWY_DYNAMIC_DISPATCH (add) (samples.data (), sum.data (), sum.size ());
}

} // namespace mt::dsp
#endif
