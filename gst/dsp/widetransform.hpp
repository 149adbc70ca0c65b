// SPDX-License-Identifier: LGPL-2.1-or-later
// The odd-frequency transform in vectors of 16 floats, for CPUs that have them.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "dsp/aligned.hpp"
#include "dsp/spectrum.hpp"

namespace mt::dsp {

struct WideKernels;

/// One pass over M values in blocks of radix x stride: DFTs of radix values, stride apart, and the
/// twiddle factors, [vector][output][real parts | imaginary parts].
struct WidePass {
  std::size_t radix;
  std::size_t stride;
  AlignedVector<float> twiddles;
};

/// What OddTransform does, without FFTW, whose builds for distributions use vectors of 8 floats and
/// no fused multiply-add. It is made for convolution, which does not mind in which order the bins
/// are: real and imaginary parts stay apart, nothing is put back into order, the odd frequencies
/// cost no pass of their own, and the last pass writes tiles.
///
/// Forward: decimation in frequency in passes of radix 4, 8, 3 and 5 over whole vectors, until
/// sixteen neighbours are left; sixteen times sixteen of these are transposed, and a DFT over
/// sixteen vectors ends it. Inverse: the same backwards, with real and imaginary parts exchanged.
///
/// Shapes  window: 2M samples, older () and newer (), which both calls overwrite. Spectra: M / 32
///         tiles, the bins in an order of their own.
/// Units   unscaled: inverse (forward (x)) gives M x.
/// Errors  constructor: std::bad_alloc.
/// Threads constructor: any. The rest: one thread, no lock, no allocation.
/// Source  Singleton 1969 (mixed radices); Swarztrauber 1984 (transposition in vector registers).
class WideTransform {
public:
  /// There are vectors of 16 floats, and M is 256 times 2^a 3^b 5^c.
  static bool can_do (std::size_t length) noexcept;

  /// `length` is M, which can_do().
  explicit WideTransform (std::size_t length);

  /// The halves of the window, 64-byte aligned.
  std::span<float> older () noexcept { return {work_.data (), length_}; }
  std::span<float> newer () noexcept { return {work_.data () + imaginary_at_, length_}; }

  /// The window → a spectrum, and a second time if `also` is somewhere.
  void forward (TileColumn to, TileColumn also) noexcept;

  /// The spectrum → the newer M of the 2M samples.
  std::span<const float> inverse (std::span<const float> tiles) noexcept;

private:
  std::size_t length_;
  std::size_t imaginary_at_;
  std::vector<WidePass> passes_;
  std::array<float, 16> odd_; // e^(-i pi q / 2r), q = 0 … r-1, of the first pass's radix r
  AlignedVector<float> work_; // real parts, imaginary parts
  const WideKernels *kernels_;
};

} // namespace mt::dsp
