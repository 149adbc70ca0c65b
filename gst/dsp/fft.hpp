// SPDX-License-Identifier: LGPL-2.1-or-later
// The transform of the convolver: real samples at odd frequencies.
#pragma once

#include <complex>
#include <cstddef>
#include <optional>
#include <span>

#include "dsp/aligned.hpp"
#include "dsp/planner.hpp"
#include "dsp/spectrum.hpp"
#include "dsp/widetransform.hpp"

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
/// the work, with no DC or Nyquist bin and no packing: a WideTransform where there is one, else
/// FFTW's.
///
/// Shapes  window: 2M samples. Spectra are in tiles, padded with zeros to whole ones; the order of
///         the bins depends on M and on the CPU.
/// Units   unscaled: inverse (forward (x)) gives M x.
/// Errors  constructor: std::invalid_argument, std::bad_alloc, std::runtime_error (no plan).
/// Threads constructor and destructor: any, may block on FFTW's planner. The rest: one thread, no
///         lock, no allocation; different objects do not disturb each other.
/// Source  H. J. Nussbaumer, Fast Fourier Transform and Convolution Algorithms, 1981 (odd DFT);
///         Bernstein, The tangent FFT, 2007 (right-angle convolution).
class OddTransform {
public:
  /// `length` is M, a multiple of 16.
  OddTransform (std::size_t length, Planning planning);
  ~OddTransform ();
  OddTransform (const OddTransform &) = delete;
  OddTransform &operator= (const OddTransform &) = delete;

  std::size_t length () const noexcept { return length_; }
  PlanSource plan_source () const noexcept { return plans_.source; }

  /// window (2M samples) → a spectrum, and a second time if `also` is somewhere.
  void forward (std::span<const float> window, TileColumn to, TileColumn also = {}) noexcept;

  /// The same of a window that ends with `newest`, M to 2M frames, and has zeros before.
  void forward (const RingWindow &newest, TileColumn to, TileColumn also = {}) noexcept;

  /// Where inverse() takes its input: tiles in a row.
  std::span<float> spectrum () noexcept { return spectrum_; }

  /// spectrum() → the last out.size() of the 2M samples, and `addend` (as long; empty: nothing)
  /// added to them. 16 <= out.size() <= M.
  void inverse (std::span<float> out, std::span<const float> addend = {}) noexcept;

private:
  void take_window (const RingWindow &newest) noexcept;
  void twist_window (const RingWindow &newest) noexcept;

  std::size_t length_;
  AlignedVector<float> spectrum_;
  std::optional<WideTransform> wide_;
  // For FFTW.
  AlignedVector<float> cos_, sin_; // of pi n / 2M
  AlignedVector<std::complex<float>> time_, bins_;
  TransformPlans plans_ {nullptr, nullptr, PlanSource::built_in};
};

} // namespace mt::dsp
