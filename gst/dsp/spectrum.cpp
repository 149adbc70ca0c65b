// SPDX-License-Identifier: LGPL-2.1-or-later
// Vector kernels over tiled spectra.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/spectrum.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstddef>

#include "dsp/spectrum.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Two vectors a group, and never more than half a tile in one.
using Tag = hn::CappedTag<float, kTileBins / 2>;
using Vec = hn::Vec<Tag>;
constexpr std::size_t kSlotFloats = 2 * kTileBins;

void store_tiled (const float *HWY_RESTRICT spectrum, float gain, float *HWY_RESTRICT slot,
    std::size_t tiles, std::size_t tile_stride)
{
  const Tag d;
  const auto g = hn::Set (d, gain);
  for (std::size_t t = 0; t < tiles; ++t) {
    for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
      Vec re, im;
      hn::LoadInterleaved2 (d, spectrum + 2 * i, re, im);
      hn::Store (hn::Mul (re, g), d, slot + i);
      hn::Store (hn::Mul (im, g), d, slot + kTileBins + i);
    }
    spectrum += kSlotFloats;
    slot += tile_stride;
  }
}

void store_tiled_twice (const float *HWY_RESTRICT spectrum, float *HWY_RESTRICT slot,
    std::size_t tile_stride, float *HWY_RESTRICT other, std::size_t other_stride, std::size_t tiles)
{
  const Tag d;
  for (std::size_t t = 0; t < tiles; ++t) {
    for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
      Vec re, im;
      hn::LoadInterleaved2 (d, spectrum + 2 * i, re, im);
      hn::Store (re, d, slot + i);
      hn::Store (im, d, slot + kTileBins + i);
      hn::Store (re, d, other + i);
      hn::Store (im, d, other + kTileBins + i);
    }
    spectrum += kSlotFloats;
    slot += tile_stride;
    other += other_stride;
  }
}

/// One tile. Every product has its own sum, so that no multiply-add waits for the one before it:
/// eight chains hide a latency of four cycles at two a cycle.
template <bool kTiled>
void accumulate_tile (
    std::span<const Product> products, std::size_t tile, const float *start, float *out)
{
  const Tag d;
  const std::size_t lanes = hn::Lanes (d);
  for (std::size_t i = 0; i < kTileBins; i += 2 * lanes) {
    auto rr0 = hn::Zero (d), rr1 = rr0, ii0 = rr0, ii1 = rr0;
    auto ri0 = rr0, ri1 = rr0, ir0 = rr0, ir1 = rr0;
    if (start) {
      rr0 = hn::Load (d, start + i);
      rr1 = hn::Load (d, start + i + lanes);
      ri0 = hn::Load (d, start + kTileBins + i);
      ri1 = hn::Load (d, start + kTileBins + i + lanes);
    }
    for (const Product &product : products) {
      const float *HWY_RESTRICT ir = product.ir->tile (tile) + i;
      const float *HWY_RESTRICT history = product.history->tile (tile) + i;
      for (const SlotRun &run : product.runs) {
        const float *h = ir + run.ir_slot * kSlotFloats;
        const float *x = history + run.history_slot * kSlotFloats;
        for (const float *end = h + run.count * kSlotFloats; h != end;
             h += kSlotFloats, x += kSlotFloats) {
          const auto hr0 = hn::Load (d, h), hr1 = hn::Load (d, h + lanes);
          const auto hi0 = hn::Load (d, h + kTileBins), hi1 = hn::Load (d, h + kTileBins + lanes);
          const auto xr0 = hn::Load (d, x), xr1 = hn::Load (d, x + lanes);
          const auto xi0 = hn::Load (d, x + kTileBins), xi1 = hn::Load (d, x + kTileBins + lanes);
          rr0 = hn::MulAdd (hr0, xr0, rr0);
          rr1 = hn::MulAdd (hr1, xr1, rr1);
          ii0 = hn::MulAdd (hi0, xi0, ii0);
          ii1 = hn::MulAdd (hi1, xi1, ii1);
          ri0 = hn::MulAdd (hr0, xi0, ri0);
          ri1 = hn::MulAdd (hr1, xi1, ri1);
          ir0 = hn::MulAdd (hi0, xr0, ir0);
          ir1 = hn::MulAdd (hi1, xr1, ir1);
        }
      }
    }
    const auto put = [&] (std::size_t at, Vec re, Vec im) HWY_ATTR {
      if constexpr (kTiled) {
        hn::Store (re, d, out + at);
        hn::Store (im, d, out + kTileBins + at);
      } else {
        hn::StoreInterleaved2 (re, im, d, out + 2 * at);
      }
    };
    put (i, hn::Sub (rr0, ii0), hn::Add (ri0, ir0));
    put (i + lanes, hn::Sub (rr1, ii1), hn::Add (ri1, ir1));
  }
}

template <bool kTiled>
void accumulate_tiles (
    std::span<const Product> products, TileRange tiles, const float *start, float *out)
{
  for (std::size_t t = tiles.from (tiles.first); t < tiles.end; t = tiles.from (t + 1)) {
    accumulate_tile<kTiled> (
        products, t, start ? start + t * kSlotFloats : nullptr, out + t * kSlotFloats);
  }
}

void accumulate (std::span<const Product> products, TileRange tiles, const float *start, float *out)
{
  accumulate_tiles<false> (products, tiles, start, out);
}

void accumulate_tiled (
    std::span<const Product> products, TileRange tiles, const float *start, float *out)
{
  accumulate_tiles<true> (products, tiles, start, out);
}

/// Where the sums of a pass go: the first as a spectrum, the others in tiles.
struct Sums {
  float *out;
  std::span<float *const> later;

  void put (std::size_t tile, std::size_t row, std::size_t i, Vec re, Vec im) const
  {
    const Tag d;
    const std::size_t at = tile * kSlotFloats;
    if (row == 0) {
      hn::StoreInterleaved2 (re, im, d, out + at + 2 * i);
    } else {
      hn::Store (re, d, later[row - 1] + at + i);
      hn::Store (im, d, later[row - 1] + at + kTileBins + i);
    }
  }
};

/// Into the first-level cache, also where a tile of a long response and that of its history are
/// more than it holds: what it loses again is in the second then.
HWY_INLINE void prefetch_slot (const float *at)
{
  __builtin_prefetch (at, 0, 3);
  __builtin_prefetch (at + kTileBins, 0, 3);
}

/// From a tile to the one that the same pass comes to next.
struct NextTile {
  std::ptrdiff_t ir, history;

  NextTile (const Product &product, std::size_t tile, std::size_t next)
      : ir {product.ir->tile (next) - product.ir->tile (tile)}, history {
                                                                    product.history->tile (next) -
                                                                    product.history->tile (tile)}
  {}
};

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

/// A value of the response as the three factors of a complex product with three multiplications:
///   a = r (xr + xi), b = (i - r) xr, c = (r + i) xi: real part a - c, imaginary part a + b.
struct Factors {
  Vec r, i_minus_r, r_plus_i;
};

HWY_INLINE Factors load_factors (const float *at)
{
  const Tag d;
  const auto r = hn::Load (d, at), i = hn::Load (d, at + kTileBins);
  return {r, hn::Sub (i, r), hn::Add (r, i)};
}

/// One tile of the sums from `first` on, with three multiplications for a product: the additions
/// have units of their own, and 32 registers hold twelve sums and the factors of four slots, so
/// that each slot is loaded once.
template <bool kPrefetch>
void accumulate_tile_ahead (std::span<const Product> products, std::size_t tile, std::size_t next,
    std::size_t first, const Sums &sums)
{
  static_assert (kSumsInRegisters == 4);
  const Tag d;
  for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
    auto a0 = hn::Zero (d), a1 = a0, a2 = a0, a3 = a0;
    auto b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    auto c0 = a0, c1 = a0, c2 = a0, c3 = a0;
    for (const Product &product : products) {
      const float *HWY_RESTRICT ir = product.ir->tile (tile) + i;
      const float *HWY_RESTRICT history = product.history->tile (tile) + i;
      const NextTile ahead {product, tile, next};
      for (const SlotRun &run : product.runs) {
        const float *h = ir + (run.ir_slot + first) * kSlotFloats;
        const float *x = history + run.history_slot * kSlotFloats;
        Factors f0 = load_factors (h), f1 = load_factors (h + kSlotFloats);
        Factors f2 = load_factors (h + 2 * kSlotFloats), f3;
        h += 3 * kSlotFloats;
        const auto step = [&] (const Factors &p0, const Factors &p1, const Factors &p2,
                              Factors &p3) HWY_ATTR {
          p3 = load_factors (h);
          const auto xr = hn::Load (d, x), xi = hn::Load (d, x + kTileBins);
          if constexpr (kPrefetch) {
            prefetch_slot (h + ahead.ir);
            prefetch_slot (x + ahead.history);
          }
          const auto sum = hn::Add (xr, xi);
          h += kSlotFloats;
          x += kSlotFloats;
          const auto add = [&] (const Factors &f, Vec &a, Vec &b, Vec &c) HWY_ATTR {
            a = hn::MulAdd (f.r, sum, a);
            b = hn::MulAdd (f.i_minus_r, xr, b);
            c = hn::MulAdd (f.r_plus_i, xi, c);
          };
          add (p0, a0, b0, c0);
          add (p1, a1, b1, c1);
          add (p2, a2, b2, c2);
          add (p3, a3, b3, c3);
        };
        std::uint32_t left = run.count;
        for (; left >= 4; left -= 4) {
          step (f0, f1, f2, f3);
          step (f1, f2, f3, f0);
          step (f2, f3, f0, f1);
          step (f3, f0, f1, f2);
        }
        if (left > 0)
          step (f0, f1, f2, f3);
        if (left > 1)
          step (f1, f2, f3, f0);
        if (left > 2)
          step (f2, f3, f0, f1);
      }
    }
    const auto put = [&] (std::size_t row, Vec a, Vec b, Vec c) HWY_ATTR {
      sums.put (tile, first + row, i, hn::Sub (a, c), hn::Add (a, b));
    };
    put (0, a0, b0, c0);
    put (1, a1, b1, c1);
    put (2, a2, b2, c2);
    put (3, a3, b3, c3);
  }
}

#else

/// One tile of four sums from `first` on. The loads of the response hit the first-level cache in
/// three of four sums, and half as many loads as multiply-adds keep both busy.
template <bool kPrefetch>
void accumulate_tile_ahead (std::span<const Product> products, std::size_t tile, std::size_t next,
    std::size_t first, const Sums &sums)
{
  static_assert (kSumsInRegisters == 4);
  const Tag d;
  for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
    auto re0 = hn::Zero (d), re1 = re0, re2 = re0, re3 = re0;
    auto im0 = re0, im1 = re0, im2 = re0, im3 = re0;
    for (const Product &product : products) {
      const float *HWY_RESTRICT ir = product.ir->tile (tile) + i;
      const float *HWY_RESTRICT history = product.history->tile (tile) + i;
      const NextTile ahead {product, tile, next};
      for (const SlotRun &run : product.runs) {
        const float *h = ir + (run.ir_slot + first) * kSlotFloats;
        const float *x = history + run.history_slot * kSlotFloats;
        for (const float *end = h + run.count * kSlotFloats; h != end;
             h += kSlotFloats, x += kSlotFloats) {
          const auto xr = hn::Load (d, x), xi = hn::Load (d, x + kTileBins);
          if constexpr (kPrefetch) {
            prefetch_slot (h + ahead.ir);
            prefetch_slot (x + ahead.history);
          }
          const auto add = [&] (const float *at, Vec &re, Vec &im) HWY_ATTR {
            const auto hr = hn::Load (d, at), hi = hn::Load (d, at + kTileBins);
            re = hn::MulAdd (hr, xr, re);
            im = hn::MulAdd (hr, xi, im);
            re = hn::NegMulAdd (hi, xi, re);
            im = hn::MulAdd (hi, xr, im);
          };
          add (h, re0, im0);
          add (h + kSlotFloats, re1, im1);
          add (h + 2 * kSlotFloats, re2, im2);
          add (h + 3 * kSlotFloats, re3, im3);
        }
      }
    }
    sums.put (tile, first, i, re0, im0);
    sums.put (tile, first + 1, i, re1, im1);
    sums.put (tile, first + 2, i, re2, im2);
    sums.put (tile, first + 3, i, re3, im3);
  }
}

#endif

template <bool kPrefetch>
void accumulate_tiles_ahead (
    std::span<const Product> products, TileRange tiles, float *out, std::span<float *const> later)
{
  // The hardware follows no stream from one run of tiles to the next. The rows after the first four
  // find their tile in the caches.
  const Sums sums {out, later};
  std::size_t next = tiles.from (tiles.first);
  for (std::size_t t = next; t < tiles.end; t = next) {
    next = tiles.from (t + 1);
    accumulate_tile_ahead<kPrefetch> (products, t, next < tiles.end ? next : t, 0, sums);
    for (std::size_t first = kSumsInRegisters; first <= later.size (); first += kSumsInRegisters)
      accumulate_tile_ahead<false> (products, t, t, first, sums);
  }
}

void accumulate_ahead (std::span<const Product> products, TileRange tiles, float *out,
    std::span<float *const> later, Reach reach)
{
  if (reach == Reach::far)
    accumulate_tiles_ahead<true> (products, tiles, out, later);
  else
    accumulate_tiles_ahead<false> (products, tiles, out, later);
}

} // namespace
} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();

#if HWY_ONCE

#include <cassert>

namespace mt::dsp {
namespace {
HWY_EXPORT (store_tiled);
HWY_EXPORT (store_tiled_twice);
HWY_EXPORT (accumulate);
HWY_EXPORT (accumulate_tiled);
HWY_EXPORT (accumulate_ahead);
} // namespace

void TiledSpectra::store (
    std::size_t slot, std::span<const std::complex<float>> spectrum, float gain) noexcept
{
  assert (slot < slots_ && spectrum.size () == padded_bins ());
  HWY_DYNAMIC_DISPATCH (store_tiled)
  (reinterpret_cast<const float *> (spectrum.data ()), gain, values_ + slot * 2 * kTileBins, tiles_,
      tile_floats_);
}

void TiledSpectra::store_here_and (std::size_t slot, TiledSpectra &other, std::size_t other_slot,
    std::span<const std::complex<float>> spectrum) noexcept
{
  assert (slot < slots_ && other_slot < other.slots_ && tiles_ == other.tiles_);
  assert (spectrum.size () == padded_bins ());
  HWY_DYNAMIC_DISPATCH (store_tiled_twice)
  (reinterpret_cast<const float *> (spectrum.data ()), values_ + slot * 2 * kTileBins, tile_floats_,
      other.values_ + other_slot * 2 * kTileBins, other.tile_floats_, tiles_);
}

void multiply_accumulate (std::span<const Product> products, TileRange tiles,
    std::span<const float> start, std::span<std::complex<float>> out) noexcept
{
  assert (tiles.end * kTileBins <= out.size ());
  assert (start.empty () || start.size () == 2 * out.size ());
  HWY_DYNAMIC_DISPATCH (accumulate)
  (products, tiles, start.empty () ? nullptr : start.data (),
      reinterpret_cast<float *> (out.data ()));
}

void multiply_accumulate (std::span<const Product> products, TileRange tiles,
    std::span<const float> start, std::span<float> out) noexcept
{
  assert (tiles.end * 2 * kTileBins <= out.size ());
  assert (start.empty () || start.size () == out.size ());
  HWY_DYNAMIC_DISPATCH (accumulate_tiled)
  (products, tiles, start.empty () ? nullptr : start.data (), out.data ());
}

void multiply_accumulate_ahead (std::span<const Product> products, TileRange tiles,
    std::span<std::complex<float>> out, std::span<float *const> later, Reach reach) noexcept
{
  assert ((later.size () + 1) % kSumsInRegisters == 0);
  HWY_DYNAMIC_DISPATCH (accumulate_ahead)
  (products, tiles, reinterpret_cast<float *> (out.data ()), later, reach);
}

} // namespace mt::dsp
#endif
