// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolvers that are measured, ours and the peers, behind one small interface.
#pragma once

#include "dsp/convolver.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace mt::bench {

/// What a stream at 48 kHz consists of: chunks of `frames`, interleaved.
struct Shape {
  std::size_t frames {480};
  std::size_t channels {2};
  std::size_t samples () const noexcept { return frames * channels; }
};

/// One way to convolve a stream, one chunk at a time.
class Subject {
public:
  virtual ~Subject () = default;
  /// Takes one chunk. Every subject copies it once into memory of its own.
  virtual void process (const float *chunk) = 0;

  /// Where output goes besides; nullptr (at first) for nowhere. Not for use while measuring.
  void collect_into (std::vector<float> *output) noexcept { collected_ = output; }

protected:
  void collect (const float *samples, std::size_t count)
  {
    if (collected_ != nullptr)
      collected_->insert (collected_->end (), samples, samples + count);
  }

private:
  std::vector<float> *collected_ {nullptr};
};

/// How one of ours works: batches of so many chunks for (batch_chunks - 1) of latency.
struct Manner {
  std::size_t batch_chunks {1};
  dsp::Schedule schedule {dsp::Schedule::spread};
};

/// zita-convolver's quantum for chunks of `frames`: the power of two that is not less, as far as
/// the library goes (64 to 8192).
std::size_t zita_quantum (std::size_t frames) noexcept;

// The impulse response has the stream's channels, and each is convolved with its own.

/// mt::dsp::Convolver by itself.
std::unique_ptr<Subject> make_engine (
    const Shape &shape, const dsp::Impulse &ir, const Manner &manner);
/// zita-convolver behind a FIFO, FFTW_MEASURE and vector mode; adds the quantum less what divides
/// both it and the chunk. Its larger partitions run in threads of its own, which process() waits
/// for when they are due.
std::unique_ptr<Subject> make_zita (const Shape &shape, const dsp::Impulse &ir);
/// The element convreverb.
std::unique_ptr<Subject> make_convreverb (
    const Shape &shape, const dsp::Impulse &ir, const Manner &manner);
/// The element audiofirfilter with FFT. It has one kernel for all channels: the response's first.
std::unique_ptr<Subject> make_audiofirfilter (const Shape &shape, const dsp::Impulse &ir);

} // namespace mt::bench
