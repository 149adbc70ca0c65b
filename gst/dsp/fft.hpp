// SPDX-License-Identifier: LGPL-2.1-or-later
// The transform of the convolver: real samples at odd frequencies, through FFTW's complex FFT.
#pragma once

#include <complex>
#include <cstddef>
#include <span>

#include "dsp/aligned.hpp"
#include "dsp/planner.hpp"

namespace mt::dsp {

/// The newest `frames` samples of a ring, which end before position `end` (1 to its size).
struct RingWindow {
  std::span<const float> ring;
  std::size_t end;
  std::size_t frames;
};

/// Transform of 2M real samples at the frequencies (4k + 1) / 4M, k = 0 … M-1 ("right-angle"):
///
///   z[n] = (x[n] - i x[n + M]) e^(-i pi n / 2M),  n = 0 … M-1
///   Z[k] = sum_n z[n] e^(-2 pi i n k / M)
///
/// The product of two such spectra is the skew-circular convolution of length 2M: what wraps comes
/// back with the wrong sign, and overlap-save throws that away. One complex FFT of length M does
/// the work, with no DC or Nyquist bin and no packing. The inverse is the forward transform of
/// values with their real and imaginary parts exchanged, with those of the result exchanged back;
/// both cost nothing where the values are written and read anyway, and one plan does for both.
///
/// Shapes  window: 2M samples. spectrum: padded_bins() values, of which M are the transform.
/// Units   unscaled: inverse () of what forward (x) gives, parts exchanged, is M x.
/// Errors  constructor: std::invalid_argument, std::bad_alloc, std::runtime_error (no plan).
/// Threads constructor and destructor: any, may block on FFTW's planner. The rest: one thread, no
///         lock, no allocation; different objects do not disturb each other.
/// Source  H. J. Nussbaumer, Fast Fourier Transform and Convolution Algorithms, 1981 (odd DFT);
///         Bernstein, The tangent FFT, 2007 (right-angle convolution).
class OddTransform {
public:
  /// `length` is M, a multiple of 16. `padded_bins` >= M is the size of spectrum(); the values from
  /// M on stay zero as long as nobody writes there.
  OddTransform (std::size_t length, std::size_t padded_bins, Planning planning);
  ~OddTransform ();
  OddTransform (const OddTransform &) = delete;
  OddTransform &operator= (const OddTransform &) = delete;

  std::size_t length () const noexcept { return length_; }
  PlanSource plan_source () const noexcept { return plan_.source; }

  /// Where forward() puts its result, and inverse() takes its input, which it may destroy: with
  /// the real and imaginary parts of each value exchanged, as multiply_accumulate() writes it.
  std::span<std::complex<float>> spectrum () noexcept { return spectrum_; }

  /// window (2M samples, 64-byte aligned) → spectrum().
  void forward (std::span<const float> window) noexcept;

  /// The same of a window that ends with `newest`, M to 2M frames, and has zeros before.
  void forward (const RingWindow &newest) noexcept;

  /// spectrum() → the last out.size() of the 2M samples, and `addend` (as long; empty: nothing)
  /// added to them. 16 <= out.size() <= M.
  void inverse (std::span<float> out, std::span<const float> addend = {}) noexcept
  {
    inverse (spectrum_, out, addend);
  }

  /// The same of a spectrum elsewhere, 64-byte aligned and of as many values.
  void inverse (std::span<std::complex<float>> spectrum, std::span<float> out,
      std::span<const float> addend) noexcept;

private:
  void run (std::span<std::complex<float>> in, std::span<std::complex<float>> out) noexcept;

  std::size_t length_;
  AlignedVector<float> cos_, sin_; // of pi n / 2M
  AlignedVector<std::complex<float>> time_, spectrum_;
  TransformPlan plan_ {};
};

} // namespace mt::dsp
