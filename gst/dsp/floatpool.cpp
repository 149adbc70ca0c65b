// SPDX-License-Identifier: LGPL-2.1-or-later
// Asks the system for huge pages where a pool is large enough.
#include "dsp/floatpool.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mt::dsp {

FloatPool::FloatPool (std::size_t floats) : floats_ {floats}, alignment_ {kAlignment}
{
  if (floats > static_cast<std::size_t> (-1) / sizeof (float) - kHugePageBytes)
    throw std::bad_array_new_length {};
  std::size_t bytes = floats * sizeof (float);
  if (bytes >= kHugePageBytes / 2) {
    alignment_ = kHugePageBytes;
    bytes = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  }
  memory_ = static_cast<float *> (::operator new (bytes, std::align_val_t {alignment_}));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  // Before the first touch, which is what gives a page. Small ones will do where this fails.
  if (alignment_ == kHugePageBytes)
    madvise (memory_, bytes, MADV_HUGEPAGE);
#endif
  std::fill_n (memory_, floats, 0.0f);
}

FloatPool::~FloatPool ()
{
  ::operator delete (memory_, std::align_val_t {alignment_});
}

std::span<float> FloatPool::take (std::size_t floats)
{
  const std::size_t left = floats_ - taken_;
  if (floats > left || room_for (floats) > left) { // the room for nearly all there is wraps
    throw std::length_error ("a pool has " + std::to_string (left) + " floats left, wanted are " +
        std::to_string (floats));
  }
  float *const first = memory_ + taken_;
  taken_ += room_for (floats);
  return {first, floats};
}

} // namespace mt::dsp
