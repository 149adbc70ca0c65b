// SPDX-License-Identifier: LGPL-2.1-or-later
// The two convolution libraries: our engine and zita-convolver.
#include "convolvers.hpp"

#include "dsp/convolver.hpp"

#include <algorithm>
#include <sched.h>
#include <stdexcept>

#include <zita-convolver.h>

namespace mt::bench {
namespace {

class Engine final : public Subject {
public:
  Engine (const Response &ir, std::size_t chunks)
      : convolver_ {{.channels = kStereo,
                        .chunk_frames = kBlockFrames,
                        .latency_frames = (chunks - 1) * kBlockFrames},
            dsp::Impulse {ir.samples, kStereo}}
  {}

  void process (const float *chunk) override
  {
    std::copy_n (chunk, io_.size (), io_.begin ());
    convolver_.process (io_, {1.0f, 1.0f}, {1.0f, 1.0f});
    collect (io_.data (), io_.size ());
  }

private:
  dsp::Convolver convolver_;
  std::vector<float> io_ = std::vector<float> (kBlockFrames * kStereo);
};

class Zita final : public Subject {
public:
  explicit Zita (const Response &ir)
  {
    const auto frames = static_cast<std::uint32_t> (ir.frames ());
    // Before configure(), which hands the options on.
    process_.set_options (Convproc::OPT_FFTW_MEASURE | Convproc::OPT_VECTOR_MODE);
    check (
        process_.configure (kStereo, kStereo, frames, kQuantum, kQuantum, Convproc::MAXPART, 0.0f));
    auto samples = ir.samples; // impdata_create() takes no const
    for (unsigned channel = 0; channel < kStereo; ++channel)
      check (process_.impdata_create (channel, channel, kStereo, samples.data () + channel, 0,
          static_cast<std::int32_t> (frames)));
    check (process_.start_process (0, SCHED_OTHER));
  }

  ~Zita () override
  {
    process_.stop_process ();
    while (!process_.check_stop ())
      sched_yield ();
    process_.cleanup ();
  }

  void process (const float *chunk) override
  {
    for (std::size_t done = 0; done < kBlockFrames;) {
      const auto count = std::min (kBlockFrames - done, std::size_t {kQuantum} - filled_);
      for (unsigned channel = 0; channel < kStereo; ++channel) {
        float *in = process_.inpdata (channel) + filled_;
        for (std::size_t i = 0; i < count; ++i)
          in[i] = chunk[(done + i) * kStereo + channel];
      }
      done += count;
      filled_ += count;
      if (filled_ == kQuantum) {
        check (process_.process (true));
        filled_ = 0;
        take_quantum ();
      }
    }
    collect (fifo_.data (), kBlockFrames * kStereo);
    std::copy (fifo_.begin () + kBlockFrames * kStereo,
        fifo_.begin () + static_cast<std::ptrdiff_t> (queued_ * kStereo), fifo_.begin ());
    queued_ -= kBlockFrames;
  }

private:
  static constexpr unsigned kQuantum = 512;
  // The least that never runs dry: the quantum less what divides both (32).
  static constexpr std::size_t kDelayFrames = 480;

  static void check (int result)
  {
    if (result != 0)
      throw std::runtime_error ("zita-convolver answers " + std::to_string (result));
  }

  void take_quantum ()
  {
    for (unsigned channel = 0; channel < kStereo; ++channel) {
      const float *out = process_.outdata (channel);
      for (std::size_t i = 0; i < kQuantum; ++i)
        fifo_[(queued_ + i) * kStereo + channel] = out[i];
    }
    queued_ += kQuantum;
  }

  Convproc process_;
  std::size_t filled_ {0};
  std::vector<float> fifo_ = std::vector<float> ((kDelayFrames + 2 * kQuantum) * kStereo);
  std::size_t queued_ {kDelayFrames};
};

} // namespace

std::unique_ptr<Subject> make_engine (const Response &ir, std::size_t chunks)
{
  return std::make_unique<Engine> (ir, chunks);
}

std::unique_ptr<Subject> make_zita (const Response &ir)
{
  return std::make_unique<Zita> (ir);
}

} // namespace mt::bench
