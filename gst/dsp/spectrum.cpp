// SPDX-License-Identifier: LGPL-2.1-or-later
// Vector kernels over tiled spectra.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/spectrum.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dsp/interleave-inl.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "dsp/spectrum.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kTileBins>;
using Vec = hn::Vec<Tag>;
constexpr std::size_t kSlotFloats = 2 * kTileBins;

void store_tiled (const float *HWY_RESTRICT spectrum, float *HWY_RESTRICT slot, std::size_t tiles,
    std::size_t tile_stride)
{
  const Tag d;
  for (std::size_t t = 0; t < tiles; ++t) {
    for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
      Vec re, im;
      hn::LoadInterleaved2 (d, spectrum + 2 * i, re, im);
      hn::Store (re, d, slot + i);
      hn::Store (im, d, slot + kTileBins + i);
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

/// Adds a complex product to four sums of real ones, of which none waits for another.
HWY_INLINE void add_product (const float *h, const float *x, Vec &rr, Vec &ii, Vec &ri, Vec &ir)
{
  const Tag d;
  const auto hr = hn::Load (d, h), hi = hn::Load (d, h + kTileBins);
  const auto xr = hn::Load (d, x), xi = hn::Load (d, x + kTileBins);
  rr = hn::MulAdd (hr, xr, rr);
  ii = hn::MulAdd (hi, xi, ii);
  ri = hn::MulAdd (hr, xi, ri);
  ir = hn::MulAdd (hi, xr, ir);
}

/// A slot of a response and one of a history, in the tile that comes next.
struct SlotPair {
  const float *ir, *history;
  std::ptrdiff_t ir_tile, history_tile; // from a tile to the one behind it
};

/// Slots of the newest three blocks of four inputs.
constexpr std::size_t kFew = 12;

/// The slots of all products in the first tile; more than there is room for are counted only.
std::size_t collect (std::span<const Product> products, std::array<SlotPair, kFew> &pairs)
{
  std::size_t count = 0;
  for (const Product &product : products) {
    const float *const ir = product.ir->tile (0), *const history = product.history->tile (0);
    for (const SlotRun &run : product.runs) {
      for (std::size_t n = 0; n < run.count; ++n, ++count)
        if (count < pairs.size ())
          pairs[count] = {ir + (run.ir_slot + n) * kSlotFloats,
              history + (run.history_slot + n) * kSlotFloats, product.ir->tile (1) - ir,
              product.history->tile (1) - history};
    }
  }
  return count;
}

/// Neighbouring tiles of few products: all of `pairs`, or where there is room for kFew the first
/// `few`. With their number known, what points to them stays in registers.
template <std::size_t kRoom>
void accumulate_few (std::array<SlotPair, kRoom> pairs, std::size_t few, std::size_t tiles,
    const float *HWY_RESTRICT start, float *HWY_RESTRICT out)
{
  const Tag d;
  const std::size_t count = kRoom < kFew ? kRoom : few;
  for (std::size_t t = 0; t < tiles; ++t) {
    for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
      auto rr = hn::Zero (d), ii = rr, ri = rr, ir = rr;
      if (start) {
        rr = hn::Load (d, start + i);
        ri = hn::Load (d, start + kTileBins + i);
      }
      for (std::size_t n = 0; n < count; ++n)
        add_product (pairs[n].ir + i, pairs[n].history + i, rr, ii, ri, ir);
      store_interleaved (d, hn::Add (ri, ir), hn::Sub (rr, ii), out + 2 * i); // exchanged
    }
    for (std::size_t n = 0; n < count; ++n) {
      pairs[n].ir += pairs[n].ir_tile;
      pairs[n].history += pairs[n].history_tile;
    }
    start = start ? start + kSlotFloats : nullptr;
    out += kSlotFloats;
  }
}

/// One tile of any number of products.
template <bool kTiled>
void accumulate_tile (
    std::span<const Product> products, std::size_t tile, const float *start, float *out)
{
  const Tag d;
  for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
    auto rr = hn::Zero (d), ii = rr, ri = rr, ir = rr;
    auto rr2 = rr, ii2 = rr, ri2 = rr, ir2 = rr; // so that none waits for the one before
    if (start) {
      rr = hn::Load (d, start + i);
      ri = hn::Load (d, start + kTileBins + i);
    }
    for (const Product &product : products) {
      const float *HWY_RESTRICT response = product.ir->tile (tile) + i;
      const float *HWY_RESTRICT history = product.history->tile (tile) + i;
      for (const SlotRun &run : product.runs) {
        const float *h = response + run.ir_slot * kSlotFloats;
        const float *x = history + run.history_slot * kSlotFloats;
        for (std::uint32_t left = run.count; left > 1; left -= 2) {
          add_product (h, x, rr, ii, ri, ir);
          add_product (h + kSlotFloats, x + kSlotFloats, rr2, ii2, ri2, ir2);
          h += 2 * kSlotFloats;
          x += 2 * kSlotFloats;
        }
        if (run.count % 2 == 1)
          add_product (h, x, rr, ii, ri, ir);
      }
    }
    const auto re = hn::Sub (hn::Add (rr, rr2), hn::Add (ii, ii2));
    const auto im = hn::Add (hn::Add (ri, ri2), hn::Add (ir, ir2));
    if constexpr (kTiled) {
      hn::Store (re, d, out + i);
      hn::Store (im, d, out + kTileBins + i);
    } else {
      store_interleaved (d, im, re, out + 2 * i);
    }
  }
}

void accumulate (std::span<const Product> products, TileRange tiles, const float *start, float *out)
{
  std::array<SlotPair, kFew> few;
  const std::size_t count = collect (products, few);
  for (TileRun run = tiles.first_run (); run.begin < tiles.end; run = tiles.next_run (run)) {
    const auto start_of = [start] (std::size_t tile) {
      return start ? start + tile * kSlotFloats : nullptr;
    };
    const auto add = [&]<std::size_t kRoom> (std::array<SlotPair, kRoom> pairs) {
      const auto tile = static_cast<std::ptrdiff_t> (run.begin);
      for (std::size_t n = 0; n < std::min (count, kRoom); ++n)
        pairs[n] = {few[n].ir + tile * few[n].ir_tile, few[n].history + tile * few[n].history_tile,
            few[n].ir_tile, few[n].history_tile};
      accumulate_few (
          pairs, count, run.end - run.begin, start_of (run.begin), out + run.begin * kSlotFloats);
    };
    if (count == 1)
      add (std::array<SlotPair, 1> {});
    else if (count == 2)
      add (std::array<SlotPair, 2> {});
    else if (count == 3)
      add (std::array<SlotPair, 3> {});
    else if (count <= kFew)
      add (std::array<SlotPair, kFew> {});
    else
      for (std::size_t tile = run.begin; tile < run.end; ++tile)
        accumulate_tile<false> (products, tile, start_of (tile), out + tile * kSlotFloats);
  }
}

/// Once a block at the most, for a buffer that ends in it.
void accumulate_tiled (
    std::span<const Product> products, TileRange tiles, const float *start, float *out)
{
  for (TileRun run = tiles.first_run (); run.begin < tiles.end; run = tiles.next_run (run))
    for (std::size_t t = run.begin; t < run.end; ++t)
      accumulate_tile<true> (
          products, t, start ? start + t * kSlotFloats : nullptr, out + t * kSlotFloats);
}

/// Where the sums of a pass start from, and where they go: the first as an exchanged spectrum, the
/// others in tiles.
struct Sums {
  std::span<float *const> starts;
  float *out;
  std::span<float *const> later;

  /// The start of a row's real or imaginary parts.
  Vec start (std::size_t tile, std::size_t row, std::size_t i) const
  {
    const Tag d;
    return starts.empty () ? hn::Zero (d) : hn::Load (d, starts[row] + tile * kSlotFloats + i);
  }

  void put (std::size_t tile, std::size_t row, std::size_t i, Vec re, Vec im) const
  {
    const Tag d;
    const std::size_t at = tile * kSlotFloats;
    if (row == 0) {
      store_interleaved (d, im, re, out + at + 2 * i);
    } else {
      hn::Store (re, d, later[row - 1] + at + i);
      hn::Store (im, d, later[row - 1] + at + kTileBins + i);
    }
  }
};

/// The same for sums that start from zero and all go to a spectrum of their own.
struct SpectraSums {
  std::span<std::complex<float> *const> out;

  Vec start (std::size_t, std::size_t, std::size_t) const { return hn::Zero (Tag {}); }
  void put (std::size_t tile, std::size_t row, std::size_t i, Vec re, Vec im) const
  {
    store_interleaved (
        Tag {}, im, re, reinterpret_cast<float *> (out[row]) + tile * kSlotFloats + 2 * i);
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
template <bool kPrefetch, class To>
void accumulate_tile_ahead (std::span<const Product> products, std::size_t tile, std::size_t next,
    std::size_t first, const To &sums)
{
  static_assert (kSumsInRegisters == 4);
  const Tag d;
  for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
    auto a0 = sums.start (tile, first, i), a1 = sums.start (tile, first + 1, i);
    auto a2 = sums.start (tile, first + 2, i), a3 = sums.start (tile, first + 3, i);
    const auto start_b = [&] (std::size_t row, Vec re) HWY_ATTR {
      return hn::Sub (sums.start (tile, first + row, kTileBins + i), re);
    };
    auto b0 = start_b (0, a0), b1 = start_b (1, a1), b2 = start_b (2, a2), b3 = start_b (3, a3);
    auto c0 = hn::Zero (d), c1 = c0, c2 = c0, c3 = c0;
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
template <bool kPrefetch, class To>
void accumulate_tile_ahead (std::span<const Product> products, std::size_t tile, std::size_t next,
    std::size_t first, const To &sums)
{
  static_assert (kSumsInRegisters == 4);
  const Tag d;
  for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
    const auto start_re = [&] (std::size_t row)
                              HWY_ATTR { return sums.start (tile, first + row, i); };
    const auto start_im = [&] (std::size_t row)
                              HWY_ATTR { return sums.start (tile, first + row, kTileBins + i); };
    auto re0 = start_re (0), re1 = start_re (1), re2 = start_re (2), re3 = start_re (3);
    auto im0 = start_im (0), im1 = start_im (1), im2 = start_im (2), im3 = start_im (3);
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
void accumulate_tiles_ahead (std::span<const Product> products, TileRange tiles, const Sums &sums)
{
  // The hardware follows no stream from one run of tiles to the next. The rows after the first four
  // find their tile in the caches.
  TileRun run = tiles.first_run ();
  while (run.begin < tiles.end) {
    const TileRun next_run = tiles.next_run (run);
    for (std::size_t t = run.begin; t < run.end; ++t) {
      const std::size_t after = t + 1 < run.end ? t + 1 : next_run.begin;
      const std::size_t next = after < tiles.end ? after : t;
      accumulate_tile_ahead<kPrefetch> (products, t, next, 0, sums);
      for (std::size_t first = kSumsInRegisters; first <= sums.later.size ();
           first += kSumsInRegisters)
        accumulate_tile_ahead<false> (products, t, t, first, sums);
    }
    run = next_run;
  }
}

template <bool kPrefetch>
void accumulate_tiles_of_blocks (std::span<const BlockSums> blocks, std::size_t tiles)
{
  for (std::size_t t = 0; t < tiles; ++t) {
    const std::size_t next = t + 1 < tiles ? t + 1 : t;
    bool first = true; // to read this tile
    for (const BlockSums &block : blocks) {
      if (block.out.size () == 1)
        accumulate_tile<false> (
            block.products, t, nullptr, reinterpret_cast<float *> (block.out[0]) + t * kSlotFloats);
      else if (kPrefetch && first)
        accumulate_tile_ahead<true> (block.products, t, next, 0, SpectraSums {block.out});
      else
        accumulate_tile_ahead<false> (block.products, t, t, 0, SpectraSums {block.out});
      first = false;
    }
  }
}

void accumulate_blocks (std::span<const BlockSums> blocks, std::size_t tiles, Reach reach)
{
  if (reach == Reach::far)
    accumulate_tiles_of_blocks<true> (blocks, tiles);
  else
    accumulate_tiles_of_blocks<false> (blocks, tiles);
}

void accumulate_ahead (std::span<const Product> products, TileRange tiles,
    std::span<float *const> starts, float *out, std::span<float *const> later, Reach reach)
{
  const Sums sums {starts, out, later};
  if (reach == Reach::far)
    accumulate_tiles_ahead<true> (products, tiles, sums);
  else
    accumulate_tiles_ahead<false> (products, tiles, sums);
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
HWY_EXPORT (accumulate_blocks);
} // namespace

Reach reach_of (std::size_t floats) noexcept
{
  // What is no more stays in the second-level cache from pass to pass, or most of it.
  constexpr std::size_t kSecondLevelBytes = std::size_t {1} << 20;
  return floats * sizeof (float) > kSecondLevelBytes ? Reach::far : Reach::near;
}

void TiledSpectra::store (std::size_t slot, std::span<const std::complex<float>> spectrum) noexcept
{
  assert (slot < slots_ && spectrum.size () == padded_bins ());
  HWY_DYNAMIC_DISPATCH (store_tiled)
  (reinterpret_cast<const float *> (spectrum.data ()), values_ + slot * 2 * kTileBins, tiles_,
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
    std::span<float *const> starts, std::span<std::complex<float>> out,
    std::span<float *const> later, Reach reach) noexcept
{
  assert ((later.size () + 1) % kSumsInRegisters == 0);
  assert (starts.empty () || starts.size () == later.size () + 1);
  HWY_DYNAMIC_DISPATCH (accumulate_ahead)
  (products, tiles, starts, reinterpret_cast<float *> (out.data ()), later, reach);
}

void multiply_accumulate_blocks (
    std::span<const BlockSums> blocks, std::size_t tiles, Reach reach) noexcept
{
  assert (std::all_of (blocks.begin (), blocks.end (), [] (const BlockSums &block) {
    return block.out.size () == 1 || block.out.size () == kSumsInRegisters;
  }));
  HWY_DYNAMIC_DISPATCH (accumulate_blocks) (blocks, tiles, reach);
}

} // namespace mt::dsp
#endif
