// SPDX-License-Identifier: LGPL-2.1-or-later
// Memory on cache line borders, for the loads of the vector kernels and of FFTW.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace mt::dsp {

inline constexpr std::size_t kAlignment = 64;

template <class T>
struct AlignedAllocator {
  using value_type = T;

  AlignedAllocator () noexcept = default;
  template <class U>
  AlignedAllocator (const AlignedAllocator<U> &) noexcept
  {}

  T *allocate (std::size_t n)
  {
    if (n > static_cast<std::size_t> (-1) / sizeof (T))
      throw std::bad_array_new_length {};
    return static_cast<T *> (::operator new (n * sizeof (T), std::align_val_t {kAlignment}));
  }
  void deallocate (T *memory, std::size_t) noexcept
  {
    ::operator delete (memory, std::align_val_t {kAlignment});
  }
  bool operator== (const AlignedAllocator &) const noexcept = default;
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

} // namespace mt::dsp
