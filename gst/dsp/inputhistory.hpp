// SPDX-License-Identifier: LGPL-2.1-or-later
// The last seconds of a stream, for a convolver that comes later to have heard them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dsp/aligned.hpp"

namespace mt::dsp {

/// Keeps the newest frames of a stream; one thread writes, one other may read meanwhile.
///
/// The frames lie in segments. Only whole segments are shown to the reader, which pins the one that
/// it copies; a segment that is pinned when its turn comes to be overwritten is spared, and a spare
/// one takes its place. So neither thread waits, and no memory is read while it is written.
///
/// Shapes  [frames][channels], interleaved.
/// Units   positions count frames since the constructor and never go back.
/// Threads append(), forget(), read(): the writer's; no lock, no allocation. read_shared(): one
///         reader's. begin(), shared_end(), oldest_shared(): any.
/// Errors  the constructor: std::bad_alloc.
class InputHistory {
public:
  static constexpr std::size_t kSegmentFrames = 2048;

  /// Keeps at least the newest `frames` frames.
  InputHistory (std::size_t channels, std::size_t frames);

  void append (std::span<const float> frames) noexcept;
  void append_silence (std::size_t frames) noexcept;
  /// What was before does not count any more: begin() is now.
  void forget () noexcept { begin_.store (end_, std::memory_order_release); }

  /// The first frame that counts; what is before is silence.
  std::uint64_t begin () const noexcept { return begin_.load (std::memory_order_acquire); }
  /// Where the next frame goes. Writer's thread.
  std::uint64_t end () const noexcept { return end_; }
  /// The oldest frame that read() can give.
  std::uint64_t oldest () const noexcept;
  /// Copies out.size() / channels frames from `from` on; false when not all of them are kept.
  bool read (std::uint64_t from, std::span<float> out) const noexcept;

  /// The end of what read_shared() can give: at most kSegmentFrames before end().
  std::uint64_t shared_end () const noexcept
  {
    return shared_end_.load (std::memory_order_acquire);
  }
  /// The oldest frame that it can give, if it comes before the writer does.
  std::uint64_t oldest_shared () const noexcept;
  /// As read(), beside the writer. False as well when the writer was there first.
  bool read_shared (std::uint64_t from, std::span<float> out) noexcept;

  std::size_t channels () const noexcept { return channels_; }
  /// More than this is never kept.
  std::size_t capacity_frames () const noexcept { return places_.size () * kSegmentFrames; }

private:
  static constexpr std::uint64_t kNone = ~std::uint64_t {0};

  struct Segment {
    AlignedVector<float> samples;
    std::atomic<std::uint64_t> number {kNone}; // which one it holds, when it is whole
    std::atomic<int> pins {0};
  };

  void put (const float *samples, std::size_t frames) noexcept;
  void open_segment (std::uint64_t number) noexcept;
  Segment &segment_of (std::uint64_t number) const noexcept
  {
    return segments_[places_[number % places_.size ()].load (std::memory_order_acquire)];
  }

  std::size_t channels_;
  std::unique_ptr<Segment[]> segments_;            // one more than there are places
  std::vector<std::atomic<std::uint32_t>> places_; // segment n is segments_[places_[n % size]]
  std::uint32_t spare_;
  std::uint64_t end_ {0};
  std::atomic<std::uint64_t> begin_ {0};
  std::atomic<std::uint64_t> shared_end_ {0};
};

} // namespace mt::dsp
