// SPDX-License-Identifier: LGPL-2.1-or-later
// Denormal numbers are taken as zero for a scope: a decaying tail would make them, at a high cost.
#pragma once

#include <cstdint>

#if defined(__SSE__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace mt::dsp {

/// Sets flush-to-zero and denormals-are-zero on this thread, and puts back what was there.
class DenormalsOff {
public:
#if defined(__SSE__) || defined(_M_X64)
  DenormalsOff () noexcept : before_ {_mm_getcsr ()}
  {
    _mm_setcsr (before_ | 0x8040u);
  }
  ~DenormalsOff ()
  {
    _mm_setcsr (before_);
  }
#elif defined(__aarch64__)
  DenormalsOff () noexcept
  {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(before_ | (std::uint64_t {1} << 24)));
  }
  ~DenormalsOff ()
  {
    asm volatile("msr fpcr, %0" : : "r"(before_));
  }
#else
  DenormalsOff () noexcept = default;
#endif
  DenormalsOff (const DenormalsOff &) = delete;
  DenormalsOff &operator= (const DenormalsOff &) = delete;

private:
#if defined(__SSE__) || defined(_M_X64)
  unsigned before_;
#elif defined(__aarch64__)
  std::uint64_t before_;
#endif
};

} // namespace mt::dsp
