// SPDX-License-Identifier: LGPL-2.1-or-later
// Vector kernels over tiled spectra.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dsp/spectrum.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dsp/spectrum.hpp"

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Two vectors a group, and never more than half a tile in one.
using Tag = hn::CappedTag<float, kTileBins / 2>;
constexpr std::size_t kSlotFloats = 2 * kTileBins;

void store_tiled (const float *HWY_RESTRICT spectrum, float gain, float *HWY_RESTRICT slot,
    std::size_t tiles, std::size_t tile_stride)
{
  const Tag d;
  const auto g = hn::Set (d, gain);
  for (std::size_t t = 0; t < tiles; ++t) {
    for (std::size_t i = 0; i < kTileBins; i += hn::Lanes (d)) {
      hn::Vec<Tag> re, im;
      hn::LoadInterleaved2 (d, spectrum + 2 * i, re, im);
      hn::Store (hn::Mul (re, g), d, slot + i);
      hn::Store (hn::Mul (im, g), d, slot + kTileBins + i);
    }
    spectrum += kSlotFloats;
    slot += tile_stride;
  }
}

/// One tile. Every product has its own sum, so that no multiply-add waits for the one before it:
/// eight chains hide a latency of four cycles at two a cycle.
void accumulate_tile (const float *HWY_RESTRICT ir, const float *HWY_RESTRICT history,
    const SlotRun *HWY_RESTRICT runs, std::size_t run_count, const float *start, float *out)
{
  const Tag d;
  const std::size_t lanes = hn::Lanes (d);
  for (std::size_t i = 0; i < kTileBins; i += 2 * lanes) {
    auto rr0 = hn::Zero (d), rr1 = rr0, ii0 = rr0, ii1 = rr0;
    auto ri0 = rr0, ri1 = rr0, ir0 = rr0, ir1 = rr0;
    if (start) {
      hn::LoadInterleaved2 (d, start + 2 * i, rr0, ri0);
      hn::LoadInterleaved2 (d, start + 2 * (i + lanes), rr1, ri1);
    }
    for (std::size_t r = 0; r < run_count; ++r) {
      const float *h = ir + runs[r].ir_slot * kSlotFloats + i;
      const float *x = history + runs[r].history_slot * kSlotFloats + i;
      for (const float *end = h + runs[r].count * kSlotFloats; h != end;
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
    hn::StoreInterleaved2 (hn::Sub (rr0, ii0), hn::Add (ri0, ir0), d, out + 2 * i);
    hn::StoreInterleaved2 (hn::Sub (rr1, ii1), hn::Add (ri1, ir1), d, out + 2 * (i + lanes));
  }
}

void accumulate (const TiledSpectra &ir, const TiledSpectra &history, std::span<const SlotRun> runs,
    const float *start, float *out)
{
  for (std::size_t t = 0; t < ir.tiles (); ++t) {
    accumulate_tile (ir.tile (t), history.tile (t), runs.data (), runs.size (),
        start ? start + t * kSlotFloats : nullptr, out + t * kSlotFloats);
  }
}

} // namespace
} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();

#if HWY_ONCE

#include <cassert>

namespace mt::dsp {
namespace {
HWY_EXPORT (store_tiled);
HWY_EXPORT (accumulate);
} // namespace

void TiledSpectra::store (
    std::size_t slot, std::span<const std::complex<float>> spectrum, float gain) noexcept
{
  assert (slot < slots_ && spectrum.size () == padded_bins ());
  HWY_DYNAMIC_DISPATCH (store_tiled)
  (reinterpret_cast<const float *> (spectrum.data ()), gain, values_.data () + slot * 2 * kTileBins,
      tiles_, slots_ * 2 * kTileBins);
}

void multiply_accumulate (const TiledSpectra &ir, const TiledSpectra &history,
    std::span<const SlotRun> runs, std::span<const std::complex<float>> start,
    std::span<std::complex<float>> out) noexcept
{
  assert (ir.tiles () == history.tiles () && out.size () == ir.padded_bins ());
  assert (start.empty () || start.size () == out.size ());
  HWY_DYNAMIC_DISPATCH (accumulate)
  (ir, history, runs, start.empty () ? nullptr : reinterpret_cast<const float *> (start.data ()),
      reinterpret_cast<float *> (out.data ()));
}

} // namespace mt::dsp
#endif
