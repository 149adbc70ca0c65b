// SPDX-License-Identifier: LGPL-2.1-or-later
// OUT: how many frames have really left within the last second.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

namespace mt::dsp {

/// A sliding window of one second in fifteen slots. Any clock will do; the caller gives the time.
///
/// Threads  add(), reset(): one. ksps(): any; a read beside a write may miss the slot in progress,
///          which it leaves out anyway.
class OutputRate {
public:
  void add (std::uint64_t now_ns, std::uint64_t frames) noexcept
  {
    const std::uint64_t number = now_ns / kSlotNs + 1; // 0 is no slot
    if (first_.load (std::memory_order_relaxed) == 0)
      first_.store (number, std::memory_order_relaxed);
    Slot &slot = slots_[number % kSlots];
    std::uint64_t before = slot.frames.load (std::memory_order_relaxed);
    if (slot.number.load (std::memory_order_relaxed) != number) {
      slot.number.store (0, std::memory_order_relaxed);
      before = 0;
    }
    slot.frames.store (before + frames, std::memory_order_release);
    slot.number.store (number, std::memory_order_release);
  }

  /// Thousand frames a second over the whole slots before now, one second of them or as many as
  /// there have been since the first add().
  [[nodiscard]] double ksps (std::uint64_t now_ns) const noexcept
  {
    const std::uint64_t now = now_ns / kSlotNs + 1;
    const std::uint64_t first = first_.load (std::memory_order_relaxed);
    if (first == 0 || now <= first)
      return 0.0;
    const std::uint64_t whole = std::min<std::uint64_t> (now - first, kSlots - 1);
    std::uint64_t frames = 0;
    for (std::uint64_t number = now - whole; number < now; ++number) {
      const Slot &slot = slots_[number % kSlots];
      if (slot.number.load (std::memory_order_acquire) == number)
        frames += slot.frames.load (std::memory_order_acquire);
    }
    return static_cast<double> (frames) * 1e6 /
        (static_cast<double> (whole) * static_cast<double> (kSlotNs));
  }

  void reset () noexcept
  {
    first_.store (0, std::memory_order_relaxed);
    for (auto &slot : slots_)
      slot.number.store (0, std::memory_order_relaxed);
  }

private:
  struct Slot {
    std::atomic<std::uint64_t> number {0};
    std::atomic<std::uint64_t> frames {0};
  };
  static constexpr std::uint64_t kSlots = 16; // fifteen whole ones and the one in progress
  static constexpr std::uint64_t kSlotNs = 1'000'000'000 / (kSlots - 1);
  std::array<Slot, kSlots> slots_ {};
  std::atomic<std::uint64_t> first_ {0};
};

} // namespace mt::dsp
