// SPDX-License-Identifier: LGPL-2.1-or-later
// The two convolution libraries: our engine and zita-convolver.
#include "convolvers.hpp"

#include "dsp/convolver.hpp"
#include "dsp/planner.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <sched.h>
#include <stdexcept>

#include <zita-convolver.h>

namespace mt::bench {
namespace {

class Engine final : public Subject {
public:
  Engine (const Shape &shape, const dsp::Impulse &ir, const Manner &manner)
      : convolver_ {{.channels = shape.channels,
                        .chunk_frames = shape.frames,
                        .latency_frames = (manner.batch_chunks - 1) * shape.frames,
                        .schedule = manner.schedule,
                        .planning = dsp::Planning::measure_most}, // as the element
            ir},
        io_ (shape.samples ())
  {}

  void process (const float *chunk) override
  {
    std::copy_n (chunk, io_.size (), io_.begin ());
    convolver_.process (io_, {1.0f, 1.0f}, {1.0f, 1.0f});
    collect (io_.data (), io_.size ());
  }

private:
  dsp::Convolver convolver_;
  std::vector<float> io_;
};

class Zita final : public Subject {
public:
  Zita (const Shape &shape, const dsp::Impulse &ir)
      : shape_ {shape}, quantum_ {zita_quantum (shape.frames)},
        // The least that never runs dry.
        queued_ {quantum_ - std::gcd (quantum_, shape.frames)},
        fifo_ ((queued_ + 2 * quantum_ + shape.frames) * shape.channels)
  {
    const auto frames = static_cast<std::uint32_t> (ir.frames ());
    const auto channels = static_cast<unsigned> (shape.channels);
    const auto quantum = static_cast<unsigned> (quantum_);
    // Before configure(), which hands the options on.
    process_.set_options (Convproc::OPT_FFTW_MEASURE | Convproc::OPT_VECTOR_MODE);
    check (
        process_.configure (channels, channels, frames, quantum, quantum, Convproc::MAXPART, 0.0f));
    auto samples = ir.samples; // impdata_create() takes no const
    for (unsigned channel = 0; channel < channels; ++channel)
      check (process_.impdata_create (channel, channel, static_cast<std::int32_t> (channels),
          samples.data () + channel, 0, static_cast<std::int32_t> (frames)));
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
    for (std::size_t done = 0; done < shape_.frames;) {
      const auto count = std::min (shape_.frames - done, quantum_ - filled_);
      for (std::size_t channel = 0; channel < shape_.channels; ++channel) {
        float *in = process_.inpdata (static_cast<unsigned> (channel)) + filled_;
        for (std::size_t i = 0; i < count; ++i)
          in[i] = chunk[(done + i) * shape_.channels + channel];
      }
      done += count;
      filled_ += count;
      if (filled_ == quantum_) {
        check (process_.process (true));
        filled_ = 0;
        take_quantum ();
      }
    }
    collect (fifo_.data (), shape_.samples ());
    std::copy (fifo_.begin () + static_cast<std::ptrdiff_t> (shape_.samples ()),
        fifo_.begin () + static_cast<std::ptrdiff_t> (queued_ * shape_.channels), fifo_.begin ());
    queued_ -= shape_.frames;
  }

private:
  static void check (int result)
  {
    if (result != 0)
      throw std::runtime_error ("zita-convolver answers " + std::to_string (result));
  }

  void take_quantum ()
  {
    for (std::size_t channel = 0; channel < shape_.channels; ++channel) {
      const float *out = process_.outdata (static_cast<unsigned> (channel));
      for (std::size_t i = 0; i < quantum_; ++i)
        fifo_[(queued_ + i) * shape_.channels + channel] = out[i];
    }
    queued_ += quantum_;
  }

  Convproc process_;
  Shape shape_;
  std::size_t quantum_;
  std::size_t filled_ {0};
  std::size_t queued_; // in the FIFO
  std::vector<float> fifo_;
};

} // namespace

std::size_t zita_quantum (std::size_t frames) noexcept
{
  return std::clamp (
      std::bit_ceil (frames), std::size_t {Convproc::MINPART}, std::size_t {Convproc::MAXQUANT});
}

std::unique_ptr<Subject> make_engine (
    const Shape &shape, const dsp::Impulse &ir, const Manner &manner)
{
  dsp::restart_planner (dsp::kPlanningLimitSeconds); // as when a process starts
  return std::make_unique<Engine> (shape, ir, manner);
}

std::unique_ptr<Subject> make_zita (const Shape &shape, const dsp::Impulse &ir)
{
  return std::make_unique<Zita> (shape, ir);
}

} // namespace mt::bench
