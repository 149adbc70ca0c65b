// SPDX-License-Identifier: LGPL-2.1-or-later
// Mean, percentile and maximum of many durations in constant memory.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace mt::dsp {

/// A histogram with eight bins an octave, so a percentile is known to within an eighth.
/// Threads  add(): one. The rest: any.
class DurationHistogram {
public:
  void add (std::uint64_t ns) noexcept
  {
    bump (bins_[bin_of (ns)], 1);
    bump (count_, 1);
    bump (sum_ns_, ns);
    if (ns > max_ns_.load (std::memory_order_relaxed))
      max_ns_.store (ns, std::memory_order_relaxed);
  }

  [[nodiscard]] double mean_ns () const noexcept
  {
    const auto count = count_.load (std::memory_order_relaxed);
    return count == 0 ? 0.0
                      : static_cast<double> (sum_ns_.load (std::memory_order_relaxed)) /
            static_cast<double> (count);
  }

  [[nodiscard]] std::uint64_t max_ns () const noexcept
  {
    return max_ns_.load (std::memory_order_relaxed);
  }

  /// The upper edge of the bin in which the share `p` (0 to 1) of all durations is reached.
  [[nodiscard]] std::uint64_t percentile_ns (double p) const noexcept
  {
    const auto count = count_.load (std::memory_order_relaxed);
    const auto wanted = static_cast<std::uint64_t> (p * static_cast<double> (count));
    std::uint64_t seen = 0;
    for (std::size_t bin = 0; bin < bins_.size (); ++bin) {
      seen += bins_[bin].load (std::memory_order_relaxed);
      if (seen > wanted)
        return upper_edge (bin);
    }
    return max_ns ();
  }

private:
  static void bump (std::atomic<std::uint64_t> &value, std::uint64_t by) noexcept
  {
    value.store (value.load (std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  // Below 8 ns a bin for each; above, the three bits behind the highest set one.
  static std::size_t bin_of (std::uint64_t ns) noexcept
  {
    if (ns < 8)
      return static_cast<std::size_t> (ns);
    const int octave = std::bit_width (ns) - 4;
    return static_cast<std::size_t> (8 * octave) + static_cast<std::size_t> (ns >> octave);
  }
  static std::uint64_t upper_edge (std::size_t bin) noexcept
  {
    if (bin < 16)
      return bin;
    const auto octave = bin / 8 - 1;
    return ((bin % 8 + 8 + 1) << octave) - 1;
  }

  std::array<std::atomic<std::uint64_t>, 8 * 62> bins_ {};
  std::atomic<std::uint64_t> count_ {0};
  std::atomic<std::uint64_t> sum_ns_ {0};
  std::atomic<std::uint64_t> max_ns_ {0};
};

} // namespace mt::dsp
