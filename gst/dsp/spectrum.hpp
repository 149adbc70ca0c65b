// SPDX-License-Identifier: LGPL-2.1-or-later
// Many spectra in tiles, and the multiply-accumulate of the frequency-domain delay line over them.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsp/floatpool.hpp"

namespace mt::dsp {

/// Bins that stand together: as many as the widest vector holds, so that a tile, all slots of which
/// are read while its sums stay in registers, is read from its begin to its end.
inline constexpr std::size_t kTileBins = 16;

/// Sums that one pass of multiply_accumulate_ahead() and multiply_accumulate_blocks() keeps in
/// registers.
inline constexpr std::size_t kSumsInRegisters = 4;

/// How many tiles a spectrum takes; the last one may be padded.
constexpr std::size_t tiles_of (std::size_t bins) noexcept
{
  return (bins + kTileBins - 1) / kTileBins;
}

/// `slots` spectra of `bins` values, laid out as [tile of kTileBins][slot][real parts | imaginary
/// parts], 64-byte aligned, padded with zeros to whole tiles. All zero when made.
class TiledSpectra {
public:
  /// In a pool, which lives longer.
  TiledSpectra (std::size_t bins, std::size_t slots, FloatPool &pool)
      : tiles_ {tiles_of (bins)}, slots_ {slots},
        tile_floats_ {floats_of_tile (slots)}, values_ {pool.take (floats (bins, slots)).data ()}
  {}
  /// What they take of it.
  static constexpr std::size_t floats (std::size_t bins, std::size_t slots) noexcept
  {
    return tiles_of (bins) * floats_of_tile (slots);
  }

  std::size_t tiles () const noexcept { return tiles_; }
  std::size_t slots () const noexcept { return slots_; }
  std::size_t padded_bins () const noexcept { return tiles_ * kTileBins; }

  /// All slots of one tile.
  const float *tile (std::size_t index) const noexcept { return values_ + index * tile_floats_; }

  /// Stores a spectrum of padded_bins() values.
  void store (std::size_t slot, std::span<const std::complex<float>> spectrum) noexcept;

  /// Stores a spectrum here and in a slot of another of as many bins.
  void store_here_and (std::size_t slot, TiledSpectra &other, std::size_t other_slot,
      std::span<const std::complex<float>> spectrum) noexcept;

private:
  /// For an odd number of slots, so that one slot's tiles differ in cache sets.
  static constexpr std::size_t floats_of_tile (std::size_t slots) noexcept
  {
    return slots == 0 ? 0 : 2 * kTileBins * (slots | 1);
  }

  std::size_t tiles_;
  std::size_t slots_;
  std::size_t tile_floats_;
  float *values_;
};

/// Slots ir_slot + i and history_slot + i, i = 0 … count-1, are multiplied with each other.
struct SlotRun {
  std::uint32_t ir_slot;
  std::uint32_t history_slot;
  std::uint32_t count;
};

/// What one path adds: the runs of a response with a history.
struct Product {
  const TiledSpectra *ir;
  const TiledSpectra *history;
  std::span<const SlotRun> runs;
};

/// Tiles next to each other.
struct TileRun {
  std::size_t begin;
  std::size_t end;
};

/// Tiles from first to before end, of them those of one group: runs of `run` tiles are dealt out to
/// `groups` in turn. Fewer than 2^32.
///
///   for (TileRun run = tiles.first_run (); run.begin < tiles.end; run = tiles.next_run (run))
struct TileRange {
  std::size_t first;
  std::size_t end;
  std::size_t group {0};
  std::size_t groups {1};
  std::size_t run {1};

  /// Or one that begins behind the end, when there is none.
  constexpr TileRun first_run () const noexcept
  {
    if (groups == 1)
      return {first, end};
    // The one division, and a short one: a range of few tiles takes less time than several would.
    const auto round = static_cast<std::uint32_t> (groups * run);
    std::size_t begin = static_cast<std::uint32_t> (first) / round * round + group * run;
    if (begin + run <= first)
      begin += round;
    const std::size_t run_end = begin + run;
    return {begin < first ? first : begin, run_end < end ? run_end : end};
  }
  constexpr TileRun next_run (const TileRun &last) const noexcept
  {
    const std::size_t begin = last.end + (groups - 1) * run; // a run that was cut was the last
    return {begin, begin + run < end ? begin + run : end};
  }
};

/// The run for this many tiles (1 at the least): as long as `most` allows, and so that no group has
/// more than its share and one tile for each time that it gets a run.
constexpr std::size_t even_run (std::size_t tiles, std::size_t groups, std::size_t most) noexcept
{
  const std::size_t rounds = (tiles + groups * most - 1) / (groups * most);
  return (tiles + groups * rounds - 1) / (groups * rounds);
}

/// out = start + sum over all products and runs of ir x history, bin by bin, in the tiles of the
/// range. `start`: a spectrum in tiles ([tile][real parts | imaginary parts]); empty means zero.
/// `out`: padded_bins() values with their real and imaginary parts exchanged, as the inverse
/// transform takes them, or twice as many floats in tiles. All 64-byte aligned.
void multiply_accumulate (std::span<const Product> products, TileRange tiles,
    std::span<const float> start, std::span<std::complex<float>> out) noexcept;
void multiply_accumulate (std::span<const Product> products, TileRange tiles,
    std::span<const float> start, std::span<float> out) noexcept;

/// Where a pass finds the spectra that it reads: in the second-level cache, or further away.
enum class Reach { near, far };

/// Where a stage does that reads so many floats again and again.
Reach reach_of (std::size_t floats) noexcept;

/// The sums of several blocks in one go over response and history, tile by tile, so that only the
/// first kSumsInRegisters of them read a tile from further away than the first-level cache: sum 0
/// is `out`, as above; sum r is later[r - 1], in tiles, and takes the response r slots later. Its
/// runs are as long as those of sum 0; ir slots up to the last of a run and later.size () more must
/// be there. later.size () + 1 is a multiple of kSumsInRegisters. starts[r], in tiles, is what sum
/// r starts from and may be where it goes; empty means zero for all. Far spectra are prefetched;
/// near ones lose by it.
///
/// Source  F. Wefers, Partitioned Convolution Algorithms for Real-Time Auralization, RWTH Aachen,
///         2015 (block-wise frequency-domain delay lines).
void multiply_accumulate_ahead (std::span<const Product> products, TileRange tiles,
    std::span<float *const> starts, std::span<std::complex<float>> out,
    std::span<float *const> later, Reach reach) noexcept;

/// The sums of neighbouring blocks, each into a spectrum of its own: sum r of out.size (), 1 or
/// kSumsInRegisters, takes the response r slots later.
struct BlockSums {
  std::span<const Product> products;
  std::span<std::complex<float> *const> out; // of each row
};

/// All of them tile by tile, so that only the first ones read a tile from further away than the
/// first-level cache. Products as for multiply_accumulate_ahead(), outputs as `out` there.
void multiply_accumulate_blocks (
    std::span<const BlockSums> blocks, std::size_t tiles, Reach reach) noexcept;

} // namespace mt::dsp
