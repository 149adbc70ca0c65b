// SPDX-License-Identifier: LGPL-2.1-or-later
// Passes of the transform, and the tables for them.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/widetransform.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dsp/widetransform.hpp"

#ifndef MT_DSP_WIDE_KERNELS
#define MT_DSP_WIDE_KERNELS
namespace mt::dsp {

inline constexpr std::size_t kWideLanes = 16;
/// Left over for the DFT across the lanes.
inline constexpr std::size_t kAcrossBins = kWideLanes * kWideLanes;

/// A transform as the kernels see it.
struct WideData {
  std::span<const WidePass> passes;
  const float *odd;
  float *re;
  float *im;
  std::size_t length;
};

struct WideKernels {
  void (*forward) (const WideData &data, TileColumn to, TileColumn also);
  void (*inverse) (const WideData &data, const float *tiles); // result in data.re
};

} // namespace mt::dsp
#endif

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::FixedTag<float, kWideLanes>;
using Vec = hn::Vec<Tag>;

struct Complex {
  Vec re, im;
};

HWY_INLINE Complex operator+ (Complex a, Complex b)
{
  return {hn::Add (a.re, b.re), hn::Add (a.im, b.im)};
}

HWY_INLINE Complex operator- (Complex a, Complex b)
{
  return {hn::Sub (a.re, b.re), hn::Sub (a.im, b.im)};
}

HWY_INLINE Complex operator* (Complex a, Complex b)
{
  return {
      hn::MulSub (a.re, b.re, hn::Mul (a.im, b.im)), hn::MulAdd (a.re, b.im, hn::Mul (a.im, b.re))};
}

/// a + i b
HWY_INLINE Complex add_i (Complex a, Complex b)
{
  return {hn::Sub (a.re, b.im), hn::Add (a.im, b.re)};
}

/// a - i b
HWY_INLINE Complex sub_i (Complex a, Complex b)
{
  return {hn::Add (a.re, b.im), hn::Sub (a.im, b.re)};
}

/// a + f b, f real
HWY_INLINE Complex add_times (Complex a, Vec f, Complex b)
{
  return {hn::MulAdd (f, b.re, a.re), hn::MulAdd (f, b.im, a.im)};
}

HWY_INLINE Complex constant (float re, float im)
{
  const Tag d;
  return {hn::Set (d, re), hn::Set (d, im)};
}

HWY_INLINE Complex load (const float *re, const float *im)
{
  const Tag d;
  return {hn::Load (d, re), hn::Load (d, im)};
}

HWY_INLINE void store (Complex z, float *re, float *im)
{
  const Tag d;
  hn::Store (z.re, d, re);
  hn::Store (z.im, d, im);
}

HWY_INLINE Complex twiddle (const float *table, std::size_t output)
{
  const float *const at = table + output * 2 * kWideLanes;
  return load (at, at + kWideLanes);
}

// DFTs in place, z[k] = sum_q z[q] e^(-2 pi i k q / radix).

HWY_INLINE void dft4 (Complex &z0, Complex &z1, Complex &z2, Complex &z3)
{
  const Complex a = z0 + z2, b = z0 - z2, c = z1 + z3, d = z1 - z3;
  z0 = a + c;
  z1 = sub_i (b, d);
  z2 = a - c;
  z3 = add_i (b, d);
}

template <std::size_t kRadix>
HWY_INLINE void dft (Complex *z)
{
  const Tag d;
  if constexpr (kRadix == 3) {
    const auto minus_half = hn::Set (d, -0.5f), sine = hn::Set (d, 0.866025404f);
    const Complex sum = z[1] + z[2], difference = z[1] - z[2];
    const Complex middle = add_times (z[0], minus_half, sum);
    const Complex turned {hn::Mul (sine, difference.re), hn::Mul (sine, difference.im)};
    z[0] = z[0] + sum;
    z[1] = sub_i (middle, turned);
    z[2] = add_i (middle, turned);
  } else if constexpr (kRadix == 4) {
    dft4 (z[0], z[1], z[2], z[3]);
  } else if constexpr (kRadix == 5) {
    const auto cos1 = hn::Set (d, 0.309016994f), cos2 = hn::Set (d, -0.809016994f);
    const auto sin1 = hn::Set (d, 0.951056516f), sin2 = hn::Set (d, 0.587785252f);
    const Complex sum1 = z[1] + z[4], difference1 = z[1] - z[4];
    const Complex sum2 = z[2] + z[3], difference2 = z[2] - z[3];
    const Complex even1 = add_times (add_times (z[0], cos2, sum2), cos1, sum1);
    const Complex even2 = add_times (add_times (z[0], cos1, sum2), cos2, sum1);
    const Complex odd1 = add_times (
        {hn::Mul (sin2, difference2.re), hn::Mul (sin2, difference2.im)}, sin1, difference1);
    const Complex odd2 {hn::MulSub (sin2, difference1.re, hn::Mul (sin1, difference2.re)),
        hn::MulSub (sin2, difference1.im, hn::Mul (sin1, difference2.im))};
    z[0] = z[0] + sum1 + sum2;
    z[1] = sub_i (even1, odd1);
    z[2] = sub_i (even2, odd2);
    z[3] = add_i (even2, odd2);
    z[4] = add_i (even1, odd1);
  } else {
    static_assert (kRadix == 8);
    const auto half = hn::Set (d, 0.707106781f), minus_half = hn::Set (d, -0.707106781f);
    Complex a0 = z[0] + z[4], a1 = z[1] + z[5], a2 = z[2] + z[6], a3 = z[3] + z[7];
    const Complex b0 = z[0] - z[4], b1 = z[1] - z[5], b2 = z[2] - z[6], b3 = z[3] - z[7];
    dft4 (a0, a1, a2, a3);
    // b1 and b3 turned by an eighth and three, up to the factor sqrt (1/2).
    const Complex c1 {hn::Add (b1.re, b1.im), hn::Sub (b1.im, b1.re)};
    const Complex c3 {hn::Sub (b3.im, b3.re), hn::Neg (hn::Add (b3.re, b3.im))};
    const Complex even = sub_i (b0, b2), odd = add_i (b0, b2);
    const Complex sum = c1 + c3, difference = c1 - c3;
    const Complex turned {difference.im, hn::Neg (difference.re)}; // by -i
    z[0] = a0;
    z[1] = add_times (even, half, sum);
    z[2] = a1;
    z[3] = add_times (odd, half, turned);
    z[4] = a2;
    z[5] = add_times (even, minus_half, sum);
    z[6] = a3;
    z[7] = add_times (odd, minus_half, turned);
  }
}

/// Sixteen values, of which bin k1 + 4 k2 comes to z[4 k1 + k2].
HWY_INLINE void dft16 (Complex *z)
{
  constexpr float kCos1 = 0.923879533f, kSin1 = 0.382683432f, kHalf = 0.707106781f;
  dft4 (z[0], z[4], z[8], z[12]);
  dft4 (z[1], z[5], z[9], z[13]);
  dft4 (z[2], z[6], z[10], z[14]);
  dft4 (z[3], z[7], z[11], z[15]);
  z[5] = z[5] * constant (kCos1, -kSin1);
  z[6] = z[6] * constant (kHalf, -kHalf);
  z[7] = z[7] * constant (kSin1, -kCos1);
  z[9] = z[9] * constant (kHalf, -kHalf);
  z[10] = {z[10].im, hn::Neg (z[10].re)};
  z[11] = z[11] * constant (-kHalf, -kHalf);
  z[13] = z[13] * constant (kSin1, -kCos1);
  z[14] = z[14] * constant (-kHalf, -kHalf);
  z[15] = z[15] * constant (-kCos1, kSin1);
  dft4 (z[0], z[1], z[2], z[3]);
  dft4 (z[4], z[5], z[6], z[7]);
  dft4 (z[8], z[9], z[10], z[11]);
  dft4 (z[12], z[13], z[14], z[15]);
}

/// Value j of vector i comes to value i of vector j.
HWY_INLINE void transpose (Vec *v)
{
  const Tag d;
  const hn::RepartitionToWide<Tag> pairs;
  const auto lower = [&] (Vec a, Vec b) HWY_ATTR {
    return hn::BitCast (
        d, hn::InterleaveLower (pairs, hn::BitCast (pairs, a), hn::BitCast (pairs, b)));
  };
  const auto upper = [&] (Vec a, Vec b) HWY_ATTR {
    return hn::BitCast (
        d, hn::InterleaveUpper (pairs, hn::BitCast (pairs, a), hn::BitCast (pairs, b)));
  };
  // Four times four in the quarters of four vectors.
  Vec u[16];
  for (std::size_t r = 0; r < 16; r += 4) {
    const Vec a = hn::InterleaveLower (d, v[r], v[r + 1]);
    const Vec b = hn::InterleaveUpper (d, v[r], v[r + 1]);
    const Vec c = hn::InterleaveLower (d, v[r + 2], v[r + 3]);
    const Vec e = hn::InterleaveUpper (d, v[r + 2], v[r + 3]);
    u[r] = lower (a, c);
    u[r + 1] = upper (a, c);
    u[r + 2] = lower (b, e);
    u[r + 3] = upper (b, e);
  }
  // Then the quarters. Highway has no name for this shuffle of two vectors.
  for (std::size_t i = 0; i < 4; ++i) {
    const __m512 a = _mm512_shuffle_f32x4 (u[i].raw, u[4 + i].raw, 0x44);
    const __m512 b = _mm512_shuffle_f32x4 (u[i].raw, u[4 + i].raw, 0xee);
    const __m512 c = _mm512_shuffle_f32x4 (u[8 + i].raw, u[12 + i].raw, 0x44);
    const __m512 e = _mm512_shuffle_f32x4 (u[8 + i].raw, u[12 + i].raw, 0xee);
    v[i] = Vec {_mm512_shuffle_f32x4 (a, c, 0x88)};
    v[4 + i] = Vec {_mm512_shuffle_f32x4 (a, c, 0xdd)};
    v[8 + i] = Vec {_mm512_shuffle_f32x4 (b, e, 0x88)};
    v[12 + i] = Vec {_mm512_shuffle_f32x4 (b, e, 0xdd)};
  }
}

/// Vector i of a spectrum of which the first tile is at `tile`.
HWY_INLINE std::size_t vector_at (std::size_t i, std::size_t tile_floats)
{
  constexpr std::size_t kInTile = kTileBins / kWideLanes;
  return i / kInTile * tile_floats + i % kInTile * kWideLanes;
}

/// The last pass of forward: DFTs of sixteen neighbours each.
HWY_INLINE void across_forward (const WideData &data, TileColumn to, TileColumn also)
{
  const Tag d;
  constexpr std::size_t kTiles = kAcrossBins / kTileBins;
  for (std::size_t at = 0; at < data.length; at += kAcrossBins) {
    Vec re[16], im[16];
    for (std::size_t i = 0; i < 16; ++i)
      re[i] = hn::Load (d, data.re + at + i * kWideLanes);
    transpose (re);
    for (std::size_t i = 0; i < 16; ++i)
      im[i] = hn::Load (d, data.im + at + i * kWideLanes);
    transpose (im);
    Complex z[16];
    for (std::size_t i = 0; i < 16; ++i)
      z[i] = {re[i], im[i]};
    dft16 (z);
    const auto put = [&] (TileColumn &column) HWY_ATTR {
      for (std::size_t i = 0; i < 16; ++i) {
        float *const out = column.first + vector_at (i, column.tile_floats);
        store (z[i], out, out + kTileBins);
      }
      column.first += kTiles * column.tile_floats;
    };
    put (to);
    if (also.first)
      put (also);
  }
}

/// The first pass of inverse, with real and imaginary parts exchanged.
HWY_INLINE void across_inverse (const WideData &data, const float *tiles)
{
  const Tag d;
  for (std::size_t at = 0; at < data.length; at += kAcrossBins, tiles += 2 * kAcrossBins) {
    Complex z[16];
    const auto swapped = [] (std::size_t i) { return i % 4 * 4 + i / 4; }; // see dft16()
    for (std::size_t i = 0; i < 16; ++i) {
      const float *const in = tiles + vector_at (swapped (i), 2 * kTileBins);
      z[i] = load (in + kTileBins, in);
    }
    dft16 (z);
    Vec v[16];
    for (std::size_t i = 0; i < 16; ++i)
      v[i] = z[swapped (i)].re;
    transpose (v);
    for (std::size_t i = 0; i < 16; ++i)
      hn::Store (v[i], d, data.re + at + i * kWideLanes);
    for (std::size_t i = 0; i < 16; ++i)
      v[i] = z[swapped (i)].im;
    transpose (v);
    for (std::size_t i = 0; i < 16; ++i)
      hn::Store (v[i], d, data.im + at + i * kWideLanes);
  }
}

/// One block of a pass. kOdd: of the first one, whose frequencies are odd: input q has the factor
/// e^(-i pi q / 2 radix), and also output 0 a twiddle factor; and what is in place of the imaginary
/// parts is the newer half of the window, which counts with -i.
template <std::size_t kRadix, bool kOdd>
HWY_INLINE void block_forward (const WidePass &pass, const float *odd, float *re, float *im)
{
  const Tag d;
  const float *table = pass.twiddles.data ();
  constexpr std::size_t kFirst = kOdd ? 0 : 1; // output that has a twiddle factor
  for (std::size_t j = 0; j < pass.stride; j += kWideLanes) {
    Complex z[kRadix];
    for (std::size_t q = 0; q < kRadix; ++q) {
      z[q] = load (re + q * pass.stride + j, im + q * pass.stride + j);
      if constexpr (kOdd) {
        const auto c = hn::Set (d, odd[2 * q]), s = hn::Set (d, odd[2 * q + 1]);
        z[q] = q == 0 ? Complex {z[q].re, hn::Neg (z[q].im)}
                      : Complex {hn::MulAdd (z[q].re, c, hn::Mul (z[q].im, s)),
                            hn::MulSub (z[q].re, s, hn::Mul (z[q].im, c))};
      }
    }
    dft<kRadix> (z);
    for (std::size_t k = 0; k < kRadix; ++k) {
      if (k >= kFirst)
        z[k] = z[k] * twiddle (table, k - kFirst);
      store (z[k], re + k * pass.stride + j, im + k * pass.stride + j);
    }
    table += 2 * kWideLanes * (kRadix - kFirst);
  }
}

/// The way back, with real and imaginary parts exchanged. kOdd: only -Im is wanted, in `re`.
template <std::size_t kRadix, bool kOdd>
HWY_INLINE void block_inverse (const WidePass &pass, const float *odd, float *re, float *im)
{
  const Tag d;
  const float *table = pass.twiddles.data ();
  constexpr std::size_t kFirst = kOdd ? 0 : 1;
  for (std::size_t j = 0; j < pass.stride; j += kWideLanes) {
    Complex z[kRadix];
    for (std::size_t k = 0; k < kRadix; ++k) {
      z[k] = load (re + k * pass.stride + j, im + k * pass.stride + j);
      if (k >= kFirst)
        z[k] = z[k] * twiddle (table, k - kFirst);
    }
    table += 2 * kWideLanes * (kRadix - kFirst);
    dft<kRadix> (z);
    for (std::size_t q = 0; q < kRadix; ++q) {
      if constexpr (kOdd) {
        const auto c = hn::Set (d, odd[2 * q]), s = hn::Set (d, odd[2 * q + 1]);
        hn::Store (q == 0 ? hn::Neg (z[q].re) : hn::MulSub (z[q].im, s, hn::Mul (z[q].re, c)), d,
            re + q * pass.stride + j);
      } else {
        store (z[q], re + q * pass.stride + j, im + q * pass.stride + j);
      }
    }
  }
}

HWY_NOINLINE void pass_forward (
    const WideData &data, const WidePass &pass, bool odd, std::size_t at)
{
  float *const re = data.re + at, *const im = data.im + at;
  switch (pass.radix) {
  case 3:
    return block_forward<3, false> (pass, data.odd, re, im);
  case 5:
    return block_forward<5, false> (pass, data.odd, re, im);
  case 4:
    return odd ? block_forward<4, true> (pass, data.odd, re, im)
               : block_forward<4, false> (pass, data.odd, re, im);
  default:
    return odd ? block_forward<8, true> (pass, data.odd, re, im)
               : block_forward<8, false> (pass, data.odd, re, im);
  }
}

HWY_NOINLINE void pass_inverse (
    const WideData &data, const WidePass &pass, bool odd, std::size_t at)
{
  float *const re = data.re + at, *const im = data.im + at;
  switch (pass.radix) {
  case 3:
    return block_inverse<3, false> (pass, data.odd, re, im);
  case 5:
    return block_inverse<5, false> (pass, data.odd, re, im);
  case 4:
    return odd ? block_inverse<4, true> (pass, data.odd, re, im)
               : block_inverse<4, false> (pass, data.odd, re, im);
  default:
    return odd ? block_inverse<8, true> (pass, data.odd, re, im)
               : block_inverse<8, false> (pass, data.odd, re, im);
  }
}

/// Block by block to the end, so that a block stays in the first-level cache when it fits there.
void passes_forward (const WideData &data, std::size_t first, std::size_t at)
{
  const WidePass &pass = data.passes[first];
  pass_forward (data, pass, first == 0, at);
  if (first + 1 < data.passes.size ())
    for (std::size_t k = 0; k < pass.radix; ++k)
      passes_forward (data, first + 1, at + k * pass.stride);
}

void passes_inverse (const WideData &data, std::size_t first, std::size_t at)
{
  const WidePass &pass = data.passes[first];
  if (first + 1 < data.passes.size ())
    for (std::size_t k = 0; k < pass.radix; ++k)
      passes_inverse (data, first + 1, at + k * pass.stride);
  pass_inverse (data, pass, first == 0, at);
}

void forward (const WideData &data, TileColumn to, TileColumn also)
{
  passes_forward (data, 0, 0);
  across_forward (data, to, also);
}

void inverse (const WideData &data, const float *tiles)
{
  across_inverse (data, tiles);
  passes_inverse (data, 0, 0);
}

const WideKernels *wide_kernels ()
{
  static constexpr WideKernels kKernels {forward, inverse};
  return &kKernels;
}

#else

const WideKernels *wide_kernels ()
{
  return nullptr;
}

#endif

} // namespace
} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();

#if HWY_ONCE

#include <cassert>
#include <cmath>
#include <complex>
#include <numbers>

namespace mt::dsp {
namespace {

HWY_EXPORT (wide_kernels);

/// Between the real and the imaginary parts: else both are in the same sets of the first-level
/// cache.
constexpr std::size_t kGapFloats = 17 * kAlignment / sizeof (float);

/// Radices whose product is `count`, 16 times 2^a 3^b 5^c; empty when there are none. The first is
/// 4 or 8.
std::vector<std::size_t> radices_of (std::size_t count)
{
  std::size_t twos = 0;
  std::vector<std::size_t> rest;
  for (; count % 2 == 0; count /= 2)
    ++twos;
  for (const std::size_t radix : {std::size_t {3}, std::size_t {5}})
    for (; count % radix == 0; count /= radix)
      rest.push_back (radix);
  if (count != 1 || twos < 4)
    return {};
  std::vector<std::size_t> radices (twos % 3 == 0 ? 0 : 3 - twos % 3, 4);
  radices.resize (radices.size () + (twos - 2 * radices.size ()) / 3, 8);
  radices.insert (radices.end (), rest.begin (), rest.end ());
  return radices;
}

/// e^(-2 pi i turns)
std::complex<float> turned (double turns)
{
  return std::complex<float> {std::polar (1.0, -2.0 * std::numbers::pi * turns)};
}

WidePass make_pass (std::size_t block, std::size_t radix, bool odd)
{
  const std::size_t stride = block / radix, first = odd ? 0 : 1;
  WidePass pass {radix, stride, AlignedVector<float> (2 * (radix - first) * stride)};
  float *out = pass.twiddles.data ();
  for (std::size_t j = 0; j < stride; j += kWideLanes) {
    for (std::size_t k = first; k < radix; ++k, out += 2 * kWideLanes) {
      for (std::size_t i = 0; i < kWideLanes; ++i) {
        const double frequency = static_cast<double> (k) + (odd ? 0.25 : 0.0);
        const auto factor =
            turned (static_cast<double> (j + i) * frequency / static_cast<double> (block));
        out[i] = factor.real ();
        out[kWideLanes + i] = factor.imag ();
      }
    }
  }
  return pass;
}

} // namespace

bool WideTransform::can_do (std::size_t length) noexcept
{
  if (HWY_DYNAMIC_DISPATCH (wide_kernels) () == nullptr || length % kAcrossBins != 0)
    return false;
  for (const std::size_t prime : {2, 3, 5})
    while (length > 0 && length % prime == 0)
      length /= prime;
  return length == 1;
}

WideTransform::WideTransform (std::size_t length)
    : length_ {length}, imaginary_at_ {length + kGapFloats}, odd_ {},
      work_ (imaginary_at_ + length), kernels_ {HWY_DYNAMIC_DISPATCH (wide_kernels) ()}
{
  assert (can_do (length));
  std::size_t block = length;
  for (const std::size_t radix : radices_of (length / kWideLanes)) {
    passes_.push_back (make_pass (block, radix, passes_.empty ()));
    block /= radix;
  }
  const std::size_t radix = passes_.front ().radix;
  for (std::size_t q = 0; q < radix; ++q) {
    const auto factor = turned (static_cast<double> (q) / static_cast<double> (4 * radix));
    odd_[2 * q] = factor.real ();
    odd_[2 * q + 1] = factor.imag ();
  }
}

void WideTransform::forward (TileColumn to, TileColumn also) noexcept
{
  kernels_->forward (
      {passes_, odd_.data (), work_.data (), work_.data () + imaginary_at_, length_}, to, also);
}

std::span<const float> WideTransform::inverse (std::span<const float> tiles) noexcept
{
  assert (tiles.size () == 2 * length_);
  kernels_->inverse ({passes_, odd_.data (), work_.data (), work_.data () + imaginary_at_, length_},
      tiles.data ());
  return {work_.data (), length_};
}

} // namespace mt::dsp
#endif
