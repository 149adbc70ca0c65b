// SPDX-License-Identifier: LGPL-2.1-or-later
// One piece of memory for many arrays that are read together.
#pragma once

#include <cstddef>
#include <span>

#include "dsp/aligned.hpp"

namespace mt::dsp {

/// Pages that a system may have besides its small ones; on x86 and most ARM.
inline constexpr std::size_t kHugePageBytes = std::size_t {2} << 20;

/// Floats for arrays that are made one after the other and go together. From half a huge page on
/// they lie in whole ones if the system has some to give: one entry of the processor's table of
/// pages does for 512 small ones then, and passes over many MB do not wait for that table.
///
/// Threads as any container. take() is for setup.
class FloatPool {
public:
  /// All are zero. Throws std::bad_alloc.
  explicit FloatPool (std::size_t floats);
  ~FloatPool ();
  FloatPool (const FloatPool &) = delete;
  FloatPool &operator= (const FloatPool &) = delete;

  /// What an array takes: it begins on a cache line border, and so does the next one.
  static constexpr std::size_t room_for (std::size_t floats) noexcept
  {
    constexpr std::size_t kLine = kAlignment / sizeof (float);
    return (floats + kLine - 1) / kLine * kLine;
  }

  /// The next array, 64-byte aligned. Throws std::length_error when there is not enough left.
  std::span<float> take (std::size_t floats);

private:
  std::size_t floats_;
  std::size_t alignment_;
  float *memory_;
  std::size_t taken_ {0};
};

} // namespace mt::dsp
