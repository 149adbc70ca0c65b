// SPDX-License-Identifier: LGPL-2.1-or-later
// One stage of the convolver: partitions of one length, from the spectra of the inputs to the
// output blocks.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsp/aligned.hpp"
#include "dsp/fft.hpp"
#include "dsp/impulse.hpp"
#include "dsp/partition.hpp"
#include "dsp/routing.hpp"
#include "dsp/spectrum.hpp"

namespace mt::dsp {

/// A count that the processing thread alone writes and any thread reads.
class WorkCount {
public:
  void add (std::uint64_t n) noexcept
  {
    value_.store (value_.load (std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t read () const noexcept { return value_.load (std::memory_order_relaxed); }

private:
  std::atomic<std::uint64_t> value_ {};
};
struct WorkCounts {
  WorkCount forward, inverse, sums, blocks, silent_blocks, not_finite;
};

/// The samples of the stream's inputs that the stages still need.
struct InputRings {
  std::vector<AlignedVector<float>> samples; // by channel; all of one size
  std::vector<std::uint64_t> audible_until;  // by channel: frames before this time may be audible
};

/// What a response's frames from `first` on, `count` at the most, do to a block: their spectrum is
/// in transform.spectrum (), scaled so that a product goes back to samples. False, and no spectrum,
/// when all of them are zero. `taps`: room for 2M samples, zero from `count` on.
bool transform_part (OddTransform &transform, const Impulse &ir, std::size_t channel,
    std::size_t first, std::size_t count, AlignedVector<float> &taps);

/// Convolves blocks of B frames with the part of the response that the shape says.
///
/// For each block: advance() once, hear() each input, prepare(), transform() each input,
/// accumulate() all tiles of an output and render() it, output by output. Every part may be done at
/// another time as long as the order is kept, and gives the same bits whenever it is done.
///
/// Partitions are worked out for K = blocks_at_once blocks at a time, in one pass over the response
/// with the history as far as it is known. One in K tiles does so in each block, so that all blocks
/// cost the same: group g of the tiles in the blocks b with b - g divisible by K, see TileRange.
/// The other tiles add to what that pass has left them the up to 3 newest blocks. With K = 8 all
/// that have come since would be up to 7: after 4 blocks a small pass over these adds them to what
/// is left for the last four.
///
/// A block that is not complete yet can be rendered as far as it is there: advance() and hear()
/// what is known, transform(), accumulate_partial() and render(); sum_older() is done in the first
/// accumulate_partial() of a block. hear(), prepare() and so on at its end are the same as ever.
///
/// Threads constructor: may block on FFTW's planner. The rest: one thread, no lock, no allocation.
class Stage {
public:
  /// `routing` and `ir` have been checked. Throws as OddTransform.
  Stage (const StageShape &shape, const Impulse &ir, const Routing &routing, std::size_t channels,
      Planning planning, WorkCounts &counts);

  const StageShape &shape () const noexcept { return shape_; }
  PlanSource plan_source () const noexcept { return transform_.plan_source (); }
  std::size_t tiles () const noexcept { return tiles_; }

  /// Channels that a path starts from or leads to, in rising order.
  std::span<const std::size_t> inputs () const noexcept { return used_inputs_; }
  std::span<const std::size_t> outputs () const noexcept { return used_outputs_; }
  std::size_t paths_to (std::size_t output) const noexcept
  {
    return outputs_[output].paths.size ();
  }

  /// The next block begins; in the rings it ends before position `ring_end`.
  void advance (std::size_t ring_end) noexcept;
  /// Whether there is sound in this block of an input or in the block before.
  void hear (std::size_t input, bool audible) noexcept;
  /// Everything about this block is heard.
  void prepare () noexcept;
  /// `ring`: of the input's samples, with the two newest blocks.
  void transform (std::size_t input, std::span<const float> ring) noexcept;
  /// Sums up the tiles first to before end of one output.
  void accumulate (std::size_t output, std::size_t first, std::size_t end) noexcept;
  void accumulate_partial (std::size_t output) noexcept;
  /// Writes the block of an output plus `addend`. False, and nothing written, when it is silent.
  bool render (
      std::size_t output, std::span<float> out, std::span<const float> addend = {}) noexcept;

  /// Forgets all sound, of the block in work too; the blocks go on.
  void forget () noexcept;
  /// As new.
  void reset () noexcept;

private:
  static constexpr std::size_t kNearest = kSumsInRegisters; // blocks that are kept twice, at most

  struct Response {
    TiledSpectra spectra;                    // partition p in slot p, then zeros
    TiledSpectra nearest;                    // the first of them again, close to each other
    std::vector<std::uint8_t> audible;       // of each partition
    std::vector<std::uint8_t> audible_ahead; // any of the next blocks_at_once
    bool dense;                              // all audible
  };
  struct Input {
    TiledSpectra history; // block b - q in slot (newest_ + q) mod partitions
    TiledSpectra nearest; // and in slot (newest_near_ + q) mod near_blocks ()
    std::vector<std::uint8_t> audible;
    std::size_t audible_streak; // how many of the newest slots are audible, or
    std::size_t silent_streak;  // silent; both at most partitions
  };
  struct PathState {
    Path path;
    std::vector<SlotRun> runs;                                         // over all partitions
    std::array<std::array<SlotRun, kNearest>, kNearest + 1> near_runs; // over the newest
  };
  struct Output {
    std::vector<PathState> paths;
    std::vector<Product> all;                               // with the runs of every path
    std::array<std::vector<Product>, kNearest + 1> nearest; // [n]: the n newest blocks
    std::array<float *, kMaxBlocksAtOnce - 1> ahead;        // [n - 1]: n blocks later, in tiles
    std::array<bool, kMaxBlocksAtOnce> ahead_silent; // by group of tiles, before the current block
    AlignedVector<float> older; // all but the newest block, for partial ones; in tiles
    bool audible;
    bool older_ready;
    bool older_silent;
  };
  struct Collected {
    std::size_t runs;
    bool audible; // some of the products are of sound with sound
  };

  /// All that passes read and write.
  std::size_t pool_floats () const noexcept;
  Response make_response (const Impulse &ir, std::size_t channel);
  enum class In { all, all_ahead, nearest, nearest_ahead }; // where the products are taken from
  Collected collect (const Path &path, std::size_t first, std::size_t last, In in,
      std::span<SlotRun> runs) const noexcept;
  bool in_groups () const noexcept { return shape_.blocks_at_once > 1; }
  /// For how many blocks a pass leaves sums.
  std::size_t blocks_left () const noexcept { return shape_.blocks_at_once - 1; }
  /// How many of the newest blocks are kept twice.
  std::size_t near_blocks () const noexcept { return std::min (blocks_left (), kNearest); }
  /// How many blocks ago the tiles of this group had their pass.
  std::size_t age (std::size_t group) const noexcept
  {
    return (block_ - group) % shape_.blocks_at_once;
  }
  /// So many of the newest blocks are not in what has been left for the block of this age, 1 or
  /// more. With eight blocks at once the sums for the last four are completed at half-time.
  static std::size_t newest_left_out (std::size_t age) noexcept { return (age - 1) % kNearest + 1; }
  void note_what_is_left (Output &output) noexcept;
  std::span<const float> left (const Output &output, std::size_t group) const noexcept;
  void sum_older (std::size_t output) noexcept;
  std::span<std::complex<float>> spectrum () noexcept { return transform_.spectrum (); }

  StageShape shape_;
  std::size_t tiles_;
  std::size_t run_; // tiles of a group next to each other
  OddTransform transform_;
  WorkCounts &counts_;
  std::vector<std::size_t> used_responses_, used_inputs_, used_outputs_;
  FloatPool pool_;
  Reach reach_;
  std::vector<Response> responses_; // by channel of the impulse response
  std::vector<Input> inputs_;       // by channel of the stream
  std::vector<Output> outputs_;
  std::size_t newest_ {0};
  std::size_t newest_near_ {0};
  std::size_t block_ {0}; // modulo blocks_at_once is all that counts
  std::size_t ring_end_ {0};
};

} // namespace mt::dsp
