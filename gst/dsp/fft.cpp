// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs FFTW for the odd-frequency transform.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/fft.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dsp/interleave-inl.hpp"

#include "dsp/fft.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>; // lengths are multiples of 16

/// z[n] = (a[n] - i b[n]) (cos - i sin), interleaved.
void twist (const float *HWY_RESTRICT a, const float *HWY_RESTRICT b,
    const float *HWY_RESTRICT cosine, const float *HWY_RESTRICT sine, float *HWY_RESTRICT z,
    std::size_t count)
{
  const Tag d;
  std::size_t n = 0;
  for (; n + hn::Lanes (d) <= count; n += hn::Lanes (d)) {
    const auto x = hn::LoadU (d, a + n);
    const auto y = hn::LoadU (d, b + n);
    const auto c = hn::LoadU (d, cosine + n);
    const auto s = hn::LoadU (d, sine + n);
    const auto re = hn::MulSub (x, c, hn::Mul (y, s));
    const auto im = hn::NegMulSub (x, s, hn::Mul (y, c));
    store_interleaved (d, re, im, z + 2 * n);
  }
  for (; n < count; ++n) {
    z[2 * n] = a[n] * cosine[n] - b[n] * sine[n];
    z[2 * n + 1] = -a[n] * sine[n] - b[n] * cosine[n];
  }
}

/// The same where all a[n] are zero.
void twist_half (const float *HWY_RESTRICT b, const float *HWY_RESTRICT cosine,
    const float *HWY_RESTRICT sine, float *HWY_RESTRICT z, std::size_t count)
{
  const Tag d;
  std::size_t n = 0;
  for (; n + hn::Lanes (d) <= count; n += hn::Lanes (d)) {
    const auto y = hn::Neg (hn::LoadU (d, b + n));
    const auto re = hn::Mul (y, hn::LoadU (d, sine + n));
    const auto im = hn::Mul (y, hn::LoadU (d, cosine + n));
    store_interleaved (d, re, im, z + 2 * n);
  }
  for (; n < count; ++n) {
    z[2 * n] = -b[n] * sine[n];
    z[2 * n + 1] = -b[n] * cosine[n];
  }
}

/// y[n + M] = -Im (w[n] (cos + i sin)), where v is w with its parts exchanged, for the last `count`
/// of the n, and `addend` where there is one.
void untwist (const float *HWY_RESTRICT v, const float *HWY_RESTRICT cosine,
    const float *HWY_RESTRICT sine, const float *addend, float *HWY_RESTRICT y, std::size_t length,
    std::size_t count)
{
  const Tag d;
  const std::size_t lanes = hn::Lanes (d);
  const std::size_t first = length - count;
  const auto step = [&] (std::size_t n) HWY_ATTR {
    hn::Vec<Tag> re, im;
    hn::LoadInterleaved2 (d, v + 2 * n, im, re);
    const auto c = hn::LoadU (d, cosine + n);
    const auto s = hn::LoadU (d, sine + n);
    auto out = hn::NegMulSub (re, s, hn::Mul (im, c));
    if (addend)
      out = hn::Add (out, hn::LoadU (d, addend + n - first));
    hn::StoreU (out, d, y + n - first);
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
#include <cassert>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include <fftw3.h>

namespace mt::dsp {
namespace {

HWY_EXPORT (twist);
HWY_EXPORT (twist_half);
HWY_EXPORT (untwist);

} // namespace

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
  plan_ = plan_transform (length, time_.data (), spectrum_.data (), planning);
}

OddTransform::~OddTransform ()
{
  destroy_plan (plan_);
}

void OddTransform::forward (std::span<const float> window) noexcept
{
  assert (window.size () == 2 * length_);
  forward (RingWindow {window, window.size (), window.size ()});
}

void OddTransform::forward (const RingWindow &newest) noexcept
{
  assert (newest.frames >= length_ && newest.frames <= 2 * length_);
  assert (newest.frames <= newest.ring.size () && newest.end <= newest.ring.size ());
  // Where in the ring the two halves of the window are; what lies before it is not read.
  const std::size_t size = newest.ring.size ();
  const auto position = [&] (std::size_t back) { return (newest.end + size - back) % size; };
  const std::size_t zeros = 2 * length_ - newest.frames;
  std::size_t late = position (length_);
  auto *const z = reinterpret_cast<float *> (time_.data ());
  for (std::size_t n = 0; n < length_;) {
    const float *const b = newest.ring.data () + late;
    std::size_t count = std::min (length_ - n, size - late);
    if (n < zeros) {
      count = std::min (count, zeros - n);
      HWY_DYNAMIC_DISPATCH (twist_half)
      (b, cos_.data () + n, sin_.data () + n, z + 2 * n, count);
    } else {
      const std::size_t early = position (2 * length_ - n);
      count = std::min (count, size - early);
      HWY_DYNAMIC_DISPATCH (twist)
      (newest.ring.data () + early, b, cos_.data () + n, sin_.data () + n, z + 2 * n, count);
    }
    n += count;
    late = late + count == size ? 0 : late + count;
  }
  run (time_, spectrum_);
}

void OddTransform::run (
    std::span<std::complex<float>> in, std::span<std::complex<float>> out) noexcept
{
  fftwf_execute_dft (plan_.plan, reinterpret_cast<fftwf_complex *> (in.data ()),
      reinterpret_cast<fftwf_complex *> (out.data ()));
}

void OddTransform::inverse (std::span<std::complex<float>> spectrum, std::span<float> out,
    std::span<const float> addend) noexcept
{
  assert (spectrum.size () == spectrum_.size ());
  assert (out.size () >= 16 && out.size () <= length_);
  assert (addend.empty () || addend.size () == out.size ());
  run (spectrum, time_);
  HWY_DYNAMIC_DISPATCH (untwist)
  (reinterpret_cast<const float *> (time_.data ()), cos_.data (), sin_.data (),
      addend.empty () ? nullptr : addend.data (), out.data (), length_, out.size ());
}

} // namespace mt::dsp
#endif
