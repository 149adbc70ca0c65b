// SPDX-License-Identifier: LGPL-2.1-or-later
// Many spectra in tiles, and the multiply-accumulate of the frequency-domain delay line over them.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsp/aligned.hpp"

namespace mt::dsp {

/// Bins that stand together. All slots of a tile are read in a row while its sums stay in
/// registers.
inline constexpr std::size_t kTileBins = 32;

/// `slots` spectra of `bins` values, laid out as [tile of kTileBins][slot][real parts | imaginary
/// parts], 64-byte aligned, padded with zeros to whole tiles. All zero when made.
class TiledSpectra {
public:
  TiledSpectra (std::size_t bins, std::size_t slots)
      : tiles_ {(bins + kTileBins - 1) / kTileBins}, slots_ {slots},
        values_ (tiles_ * slots * 2 * kTileBins)
  {}

  std::size_t tiles () const noexcept { return tiles_; }
  std::size_t slots () const noexcept { return slots_; }
  std::size_t padded_bins () const noexcept { return tiles_ * kTileBins; }

  /// All slots of one tile.
  const float *tile (std::size_t index) const noexcept
  {
    return values_.data () + index * slots_ * 2 * kTileBins;
  }

  /// Stores `gain` times a spectrum of padded_bins() values.
  void store (
      std::size_t slot, std::span<const std::complex<float>> spectrum, float gain = 1.0f) noexcept;

private:
  std::size_t tiles_;
  std::size_t slots_;
  AlignedVector<float> values_;
};

/// Slots ir_slot + i and history_slot + i, i = 0 … count-1, are multiplied with each other.
struct SlotRun {
  std::uint32_t ir_slot;
  std::uint32_t history_slot;
  std::uint32_t count;
};

/// out = start + sum over all runs of ir x history, bin by bin. An empty `start` means zero; else
/// it is as long as `out`, padded_bins(), and may be the same memory. Both 64-byte aligned.
void multiply_accumulate (const TiledSpectra &ir, const TiledSpectra &history,
    std::span<const SlotRun> runs, std::span<const std::complex<float>> start,
    std::span<std::complex<float>> out) noexcept;

} // namespace mt::dsp
