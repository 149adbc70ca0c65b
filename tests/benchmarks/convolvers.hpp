// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolvers that are measured, ours and the peers, behind one small interface.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace mt::bench {

constexpr std::size_t kBlockFrames = 480; // 10 ms at 48 kHz: what the mixer sends
constexpr std::size_t kStereo = 2;

/// One way to convolve a stereo stream, one chunk of kBlockFrames at a time.
class Subject {
public:
  virtual ~Subject () = default;
  /// Takes one chunk, interleaved. Every subject copies it once into memory of its own.
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

/// A stereo impulse response at 48 kHz, interleaved, and the same in a WAV file.
struct Response {
  std::vector<float> samples;
  std::string wav_path;
  std::size_t frames () const noexcept { return samples.size () / kStereo; }
};

/// mt::dsp::Convolver by itself. `chunks` > 1 batches that many for (chunks - 1) of latency.
std::unique_ptr<Subject> make_engine (const Response &ir, std::size_t chunks);
/// zita-convolver at a quantum of 512 behind a FIFO, FFTW_MEASURE and vector mode; adds 480 frames.
/// Its larger partitions run in threads of its own, which process() waits for when they are due.
std::unique_ptr<Subject> make_zita (const Response &ir);
/// The element convreverb; `chunks` as above.
std::unique_ptr<Subject> make_convreverb (const Response &ir, std::size_t chunks);
/// The element audiofirfilter with FFT. It has one kernel for all channels: the response's left.
std::unique_ptr<Subject> make_audiofirfilter (const Response &ir);

/// Makes `wav_path` from raw interleaved stereo floats. Throws std::runtime_error.
void write_wav (const std::vector<float> &samples, const std::string &wav_path);

} // namespace mt::bench
