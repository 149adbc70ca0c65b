// SPDX-License-Identifier: LGPL-2.1-or-later
// Pairs of vectors to interleaved values, in as few shuffles as the target allows. Included by the
// files of vector kernels, once for each target.
#if defined(MT_DSP_INTERLEAVE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef MT_DSP_INTERLEAVE_INL_HPP
#undef MT_DSP_INTERLEAVE_INL_HPP
#else
#define MT_DSP_INTERLEAVE_INL_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE ();
namespace mt::dsp::HWY_NAMESPACE {
namespace {

/// Writes a[0], b[0], a[1], b[1] … to `out`.
template <class D, class V>
HWY_INLINE void store_interleaved (D d, V a, V b, float *HWY_RESTRICT out)
{
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // Two shuffles; Highway 1.0's StoreInterleaved2 has six.
  if constexpr (hwy::HWY_NAMESPACE::MaxLanes (d) == 16) {
    const __m512i low = _mm512_setr_epi32 (0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32 (low, _mm512_set1_epi32 (8));
    _mm512_storeu_ps (out, _mm512_permutex2var_ps (a.raw, low, b.raw));
    _mm512_storeu_ps (out + 16, _mm512_permutex2var_ps (a.raw, high, b.raw));
    return;
  }
#endif
  hwy::HWY_NAMESPACE::StoreInterleaved2 (a, b, d, out);
}

} // namespace
} // namespace mt::dsp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE ();
#endif
