// SPDX-License-Identifier: LGPL-2.1-or-later
// A stage whose output is due later: when its work is done, and where its output waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsp/aligned.hpp"
#include "dsp/stage.hpp"

namespace mt::dsp {

/// A stage of blocks of B frames, a multiple of the head's span C, whose response starts at offset
/// D: block b, complete at time (b + 1) B, is due at b B + D. So D >= B.
///
/// Its work for a block is a list: a transform for each input, then for each output the
/// multiply-accumulate and the inverse. With D >= 2 B - C there are B / C ends of spans in
/// which it may be done, and when it is to be spread, the list is cut into as many slices of about
/// the same cost, a multiply-accumulate between any two tiles. What is done when does not depend on
/// the signal, and the output not on when it is done.
///
/// Threads as Stage.
class Tail {
public:
  Tail (const StageShape &shape, std::size_t span_frames, Schedule schedule, const Impulse &ir,
      const Routing &routing, std::size_t channels, Planning planning, WorkCounts &counts);

  const Stage &stage () const noexcept { return stage_; }
  bool is_spread () const noexcept { return slice_ends_.size () > 1; }

  /// A span of the head is complete: at `time` frames, before `ring_end` in the rings.
  void end_span (const InputRings &inputs, std::uint64_t time, std::size_t ring_end) noexcept;

  /// What this stage gives to the current span of an output; empty when it is silent.
  std::span<const float> output (std::size_t channel) const noexcept;

  /// Forgets all sound; time goes on.
  void forget () noexcept;
  /// As new.
  void reset () noexcept;

private:
  /// A place in the list of work.
  struct Place {
    std::size_t task; // inputs, then two for each output: its sums, its inverse
    std::size_t tile; // of the sums
  };
  struct Output {
    AlignedVector<float> samples;      // a ring of blocks
    std::vector<std::uint8_t> audible; // of each of its blocks
  };

  std::vector<Place> cut (std::size_t slices) const;
  std::size_t task_count () const noexcept;
  void begin_block (const InputRings &inputs, std::uint64_t time, std::size_t ring_end) noexcept;
  void work_until (const InputRings &inputs, const Place &end) noexcept;

  Stage stage_;
  std::size_t span_frames_;
  std::size_t blocks_held_; // by each output
  std::vector<Output> outputs_;
  std::vector<Place> slice_ends_;
  Place place_;
  std::size_t slice_;       // the next one; slice_ends_.size () when all is done
  std::size_t gathered_;    // frames of the block that is being filled
  std::size_t write_block_; // where the current block's output goes
  std::size_t read_position_;
};

} // namespace mt::dsp
