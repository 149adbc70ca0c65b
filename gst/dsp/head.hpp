// SPDX-License-Identifier: LGPL-2.1-or-later
// The first stage: the one whose output is due at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dsp/impulse.hpp"
#include "dsp/partition.hpp"
#include "dsp/planner.hpp"
#include "dsp/routing.hpp"
#include "dsp/stage.hpp"

namespace mt::dsp {

/// Blocks of a span, from `first` to before `last`.
struct BlockRange {
  std::size_t first;
  std::size_t last;
  bool open; // the last of them is not complete yet
};

/// Convolves spans of C = StageShape::span_frames () frames, one or several blocks of B, with the
/// head of the response. For each span: advance(), then as often as output of it is due transform()
/// and render() each output. A range of blocks begins with the first one that was not complete the
/// last time, so all before it have been transformed.
///
/// Threads as Stage.
class Head {
public:
  virtual ~Head () = default;
  virtual const StageShape &shape () const noexcept = 0;
  virtual PlanSource plan_source () const noexcept = 0;

  /// Channels that a path starts from or leads to, in rising order.
  virtual std::span<const std::size_t> inputs () const noexcept = 0;
  virtual std::span<const std::size_t> outputs () const noexcept = 0;

  /// The next span begins, at position `ring_begin` of the rings.
  virtual void advance (std::size_t ring_begin) noexcept = 0;
  /// The span began at `time`. What is not there yet is zero in the rings.
  virtual void transform (
      const InputRings &inputs, std::uint64_t time, BlockRange blocks) noexcept = 0;
  /// Writes these blocks of an output plus `addend` (as long; empty: nothing). False, and nothing
  /// written, when all are silent.
  virtual bool render (std::size_t output, BlockRange blocks, std::span<float> out,
      std::span<const float> addend) noexcept = 0;

  /// Forgets all sound; time goes on.
  virtual void forget () noexcept = 0;
  /// As new.
  virtual void reset () noexcept = 0;
};

/// With one block a span, a Stage. With more, all sums of a span are made in one pass over response
/// and history, four blocks at a time, and none is left for later ones: that takes no more memory
/// traffic than one long block would, and the FFTs of short ones are cheaper.
///
/// `routing` and `ir` have been checked. Throws as OddTransform.
std::unique_ptr<Head> make_head (const StageShape &shape, const Impulse &ir, const Routing &routing,
    std::size_t channels, Planning planning, WorkCounts &counts);

} // namespace mt::dsp
