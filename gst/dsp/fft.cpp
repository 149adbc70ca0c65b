// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs FFTW for the odd-frequency transform.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/fft.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dsp/fft.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>; // lengths are multiples of 16

/// z[n] = (x[n] - i x[n + M]) (cos - i sin), interleaved.
void twist (const float *HWY_RESTRICT x, const float *HWY_RESTRICT cosine,
    const float *HWY_RESTRICT sine, float *HWY_RESTRICT z, std::size_t length)
{
  const Tag d;
  for (std::size_t n = 0; n < length; n += hn::Lanes (d)) {
    const auto a = hn::Load (d, x + n);
    const auto b = hn::Load (d, x + length + n);
    const auto c = hn::Load (d, cosine + n);
    const auto s = hn::Load (d, sine + n);
    const auto re = hn::MulSub (a, c, hn::Mul (b, s));
    const auto im = hn::NegMulSub (a, s, hn::Mul (b, c));
    hn::StoreInterleaved2 (re, im, d, z + 2 * n);
  }
}

/// y[n + M] = -Im (v[n] (cos + i sin)) for the last `count` of the n.
void untwist (const float *HWY_RESTRICT v, const float *HWY_RESTRICT cosine,
    const float *HWY_RESTRICT sine, float *HWY_RESTRICT y, std::size_t length, std::size_t count)
{
  const Tag d;
  const std::size_t lanes = hn::Lanes (d);
  const std::size_t first = length - count;
  const auto step = [&] (std::size_t n) HWY_ATTR {
    hn::Vec<Tag> re, im;
    hn::LoadInterleaved2 (d, v + 2 * n, re, im);
    const auto c = hn::LoadU (d, cosine + n);
    const auto s = hn::LoadU (d, sine + n);
    hn::StoreU (hn::NegMulSub (re, s, hn::Mul (im, c)), d, y + n - first);
  };
  std::size_t n = first;
  for (; n + lanes <= length; n += lanes)
    step (n);
  if (n < length)
    step (length - lanes); // overlaps what is already written, with the same values
}

} // namespace
} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();

#if HWY_ONCE

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include <fftw3.h>

namespace mt::dsp {
namespace {

HWY_EXPORT (twist);
HWY_EXPORT (untwist);

} // namespace

std::size_t transform_length (std::size_t block_frames, std::size_t partitions) noexcept
{
  // Two transforms cost log2 (n) a bin, times what the length's factors add; one partition's
  // multiply-accumulate costs 1.
  const auto cost = [partitions] (std::size_t length) {
    const std::size_t odd = length >> std::countr_zero (length);
    const bool quick = odd == 1 || length > 4096 || (length <= 1280 && odd <= 5);
    const auto n = static_cast<double> (length);
    return n * (std::log2 (n) * (quick ? 1.0 : 1.3) + static_cast<double> (partitions));
  };
  std::size_t best = std::max<std::size_t> (16, std::bit_ceil (block_frames));
  for (std::size_t fives = 1; 16 * fives < best; fives *= 5) {
    for (std::size_t odd = fives; 16 * odd < best; odd *= 3) {
      std::size_t length = 16 * odd;
      while (length < block_frames)
        length *= 2;
      if (cost (length) < cost (best))
        best = length;
    }
  }
  return best;
}

OddTransform::OddTransform (std::size_t length, std::size_t padded_bins, Planning planning)
    : length_ {length}
{
  if (length == 0 || length % 16 != 0 || padded_bins < length)
    throw std::invalid_argument (
        "transform length " + std::to_string (length) + " is not a multiple of 16");
  cos_.resize (length);
  sin_.resize (length);
  time_.resize (length);
  spectrum_.resize (padded_bins);
  for (std::size_t n = 0; n < length; ++n) {
    const double angle =
        std::numbers::pi * static_cast<double> (n) / static_cast<double> (2 * length);
    cos_[n] = static_cast<float> (std::cos (angle));
    sin_[n] = static_cast<float> (std::sin (angle));
  }
  plans_ = plan_transforms (length, time_.data (), spectrum_.data (), planning);
}

OddTransform::~OddTransform ()
{
  destroy_plans (plans_);
}

void OddTransform::forward (std::span<const float> window) noexcept
{
  assert (window.size () == 2 * length_);
  HWY_DYNAMIC_DISPATCH (twist)
  (window.data (), cos_.data (), sin_.data (), reinterpret_cast<float *> (time_.data ()), length_);
  fftwf_execute (plans_.forward);
}

void OddTransform::inverse (std::span<float> out) noexcept
{
  assert (out.size () >= 16 && out.size () <= length_);
  fftwf_execute (plans_.inverse);
  HWY_DYNAMIC_DISPATCH (untwist)
  (reinterpret_cast<const float *> (time_.data ()), cos_.data (), sin_.data (), out.data (),
      length_, out.size ());
}

} // namespace mt::dsp
#endif
