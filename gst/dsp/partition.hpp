// SPDX-License-Identifier: LGPL-2.1-or-later
// Which partitions for this impulse response, chunk and latency: a cost model and its choice.
#pragma once

#include <cstddef>
#include <vector>

namespace mt::dsp {

/// When the work of a stage is done whose output is not due yet.
enum class Schedule {
  spread, ///< in slices over the blocks until it is due: the worst call is short
  spike,  ///< at once: the mean is a little lower
};

inline constexpr std::size_t kMaxBlocksAtOnce = 8;
inline constexpr std::size_t kMaxBlocksTogether = 16;

/// `partitions` blocks of the impulse response from `offset_frames` on.
struct StageShape {
  std::size_t block_frames;
  std::size_t partitions;
  std::size_t offset_frames;
  std::size_t transform_length; ///< M >= block_frames, see OddTransform
  /// Blocks whose sums are made in one pass over the response: 1, 4 or kMaxBlocksAtOnce.
  std::size_t blocks_at_once;
  /// Of the head: blocks that are worked on together, when the last of them is complete; the calls
  /// (or the batches) are that long. At most kMaxBlocksTogether; more than 1: blocks_at_once says
  /// nothing. 1 for all other stages.
  std::size_t blocks_together {1};

  /// Frames that are worked on at once.
  std::size_t span_frames () const noexcept { return block_frames * blocks_together; }
  bool operator== (const StageShape &) const noexcept = default;
};

/// The head first: blocks of span C, offset 0. Then rising blocks B, multiples of C, each from
/// where the one before ends; offset D >= B, also a multiple of C.
using Partition = std::vector<StageShape>;

/// There is time until a block's output is due to do its work in B / C slices: D >= 2 B - C.
bool may_spread (const StageShape &stage, std::size_t span_frames) noexcept;

/// What the choice depends on.
struct PartitionRequest {
  std::size_t ir_frames;
  std::size_t chunk_frames;   ///< usual size of a call
  std::size_t latency_frames; ///< of the output
  Schedule schedule;
  std::size_t inputs, outputs, paths; ///< that there is work for
};

/// Of one stage and one block, as predicted for one core, when all that it reads is near.
struct StageCosts {
  double transform_ns; ///< of one input or one output
  double sums_ns;      ///< of one path
};
StageCosts stage_costs (const StageShape &stage) noexcept;

/// Predicted time for one frame, over all channels: what the stages cost, and what it costs that
/// they take the caches from each other.
double predicted_ns (const Partition &partition, const PartitionRequest &request) noexcept;

/// The FFT length for blocks of `block_frames` in `partitions`: at least as long as the block, at
/// most the next power of two, 2^a 3^b 5^c, a multiple of 16; the cheapest by stage_costs().
/// docs/decisions/0003-fft-length.md.
std::size_t transform_length (std::size_t block_frames, std::size_t partitions) noexcept;

/// The cheaper StageShape::blocks_at_once by stage_costs(), 1 or 4. More blocks save reading the
/// response and the history, and cost more additions of the newest blocks to what a pass has left.
std::size_t best_blocks_at_once (std::size_t transform_length, std::size_t partitions) noexcept;

/// The partition with the lowest predicted_ns() of those with up to three stages in which no call
/// of the usual size ends inside a block that it needs output of. For Schedule::spread all stages
/// but the head can be spread.
///
/// Source  W. G. Gardner, Efficient Convolution without Input-Output Delay, J. Audio Eng. Soc.
///         43(3), 1995; G. García, Optimal Filter Partition for Efficient Convolution with Short
///         Input/Output Delay, AES 113, 2002 (choice by cost).
Partition choose_partition (const PartitionRequest &request);

/// All partitions of that search that are predicted to cost at most `factor` times the cheapest,
/// which comes first. For benchmarks and tests: what the choice could be if the model were another.
std::vector<Partition> partitions_near (const PartitionRequest &request, double factor);

} // namespace mt::dsp
