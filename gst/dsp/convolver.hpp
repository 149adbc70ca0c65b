// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolution engine: an impulse response on a stream of any buffer sizes.
#pragma once

#include <atomic>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dsp/aligned.hpp"
#include "dsp/fft.hpp"
#include "dsp/frames.hpp"
#include "dsp/impulse.hpp"
#include "dsp/spectrum.hpp"

namespace mt::dsp {

struct ConvolverConfig {
  std::size_t channels {2};       ///< of the stream, 1 to Convolver::kMaxChannels
  std::size_t block_frames {480}; ///< of one partition, kMinBlockFrames to kMaxBlockFrames
  /// Delay of the output, 0 to block_frames - 1. A batch of N chunks of c frames is block N c,
  /// latency (N - 1) c: then N - 1 of N chunks do no transform.
  std::size_t latency_frames {0};
  Planning planning {Planning::measure};
};

/// How the work is laid out, and how much of it was done.
struct ConvolverPlan {
  std::size_t block_frames;
  std::size_t partitions;       ///< blocks of the impulse response
  std::size_t transform_length; ///< complex values of one FFT
  PlanSource plan_source;       ///< of the FFT
};
struct ConvolverWork {
  std::uint64_t forward_transforms; ///< over all channels
  std::uint64_t inverse_transforms;
  std::uint64_t passes;     ///< multiply-accumulates over the whole response or all but its head
  std::uint64_t blocks;     ///< finished blocks x channels
  std::uint64_t not_finite; ///< NaN and infinite input samples, taken as 0
};

/// Convolves a stream with an impulse response in uniform partitions.
///
///   y[c][n] = dry x[c][n - L] + wet sum_k h[c][k] x[c][n - L - k],  x = 0 before the stream
///
/// Frames are gathered into blocks of B. A finished block is transformed once, its spectrum goes
/// into a ring, and one pass over the ring and the partitions of h gives the block's spectrum of
/// the output. A call that ends inside a block and needs output from it transforms the block as far
/// as it is there and adds the first partition's product to the sum of all older blocks, which is
/// worked out once a block. So the latency is L for any buffer sizes.
///
/// Shapes  io: [frames][channels] interleaved, any number of frames, in place.
/// Units   amplitude linear; h at the stream's rate; everything else in frames.
/// Errors  only the constructor. Input that is NaN or infinite counts as 0.
/// Bits    the same for the same configuration, FFTW plan, IR and buffer sizes; within -120 dBFS of
///         the sum above for any.
/// Threads constructor and destructor: any, may block on FFTW's planner. process(), reset(): one
///         thread at a time, no lock, no allocation. work(): any thread.
/// Source  T. G. Stockham 1966 (overlap-save); F. Wefers, Partitioned Convolution Algorithms for
///         Real-Time Auralization, RWTH Aachen, 2015 (frequency-domain delay line).
class Convolver {
public:
  static constexpr std::size_t kMaxChannels = 64;
  static constexpr std::size_t kMinBlockFrames = 16;
  static constexpr std::size_t kMaxBlockFrames = 65536;
  static constexpr std::size_t kMaxImpulseFrames = kMaxImpulseSamples;

  /// `ir` has 1 channel, then used for every channel of the stream, or as many as the stream.
  /// Throws std::invalid_argument, which says the value and the limit, or std::bad_alloc.
  Convolver (const ConvolverConfig &config, const Impulse &ir);

  /// Takes io.size() / channels frames in and gives as many out. The gains move linearly over the
  /// call; equal ends are a constant.
  void process (std::span<float> io, GainRange dry, GainRange wet) noexcept;

  /// Forgets the signal, keeps the configuration; the work counts go on.
  void reset () noexcept;

  std::size_t channels () const noexcept { return config_.channels; }
  std::size_t latency_frames () const noexcept { return config_.latency_frames; }
  std::size_t ir_frames () const noexcept { return ir_frames_; }
  /// How many frames of zeros must follow the input until all of its sound is out.
  std::size_t tail_frames () const noexcept { return config_.latency_frames + ir_frames_ - 1; }

  ConvolverPlan plan () const noexcept
  {
    return {config_.block_frames, partitions_, transform_.length (), transform_.plan_source ()};
  }
  ConvolverWork work () const noexcept;
  std::uint64_t nonfinite_samples () const noexcept { return work ().not_finite; }

private:
  /// Spectra of one channel's response; partition p is in slot partitions - 1 - p, so that the pass
  /// walks forward in both the response and the ring.
  struct Response {
    TiledSpectra spectra;
    std::vector<std::uint8_t> audible; // by slot
    bool dense;                        // all audible
  };

  /// Signal state of one channel.
  struct Channel {
    Channel (std::size_t window, std::size_t block, std::size_t bins, std::size_t ring);

    /// 2M samples: zeros, the block before, the current block up to the end. What the zeros could
    /// reach is only what overlap-save throws away.
    AlignedVector<float> window;
    AlignedVector<float> wet;                 // the block before, the current block
    TiledSpectra history;                     // ring of spectra, block b in slot b & (ring - 1)
    std::vector<std::uint8_t> audible;        // of each slot
    AlignedVector<std::complex<float>> older; // sum over all blocks but the current one
    std::size_t audible_streak {};            // how many of the newest finished slots are audible
    bool older_ready {};
    bool older_silent {};
    bool current_audible {};
    bool before_audible {};
  };

  /// The work counts: written by the processing thread alone, read by any.
  struct Count {
    std::atomic<std::uint64_t> value {};
    void add (std::uint64_t n) noexcept
    {
      value.store (value.load (std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
  };

  Response make_response (const Impulse &ir, std::size_t channel);
  void take (const float *io, std::size_t frames) noexcept;
  void put (float *io, std::size_t frames, GainLine dry, GainLine wet) noexcept;
  void render (Channel &channel, const Response &response, bool finished) noexcept;
  void sum_older (Channel &channel, const Response &response) noexcept;
  std::span<const SlotRun> collect_runs (
      const Channel &channel, const Response &response, std::size_t first_partition) noexcept;
  void next_block () noexcept;

  float *current (Channel &channel) const noexcept
  {
    return channel.window.data () + channel.window.size () - config_.block_frames;
  }

  ConvolverConfig config_;
  std::size_t ir_frames_;
  std::size_t partitions_;
  std::size_t ring_mask_;
  std::size_t bins_; // M, of one transform
  std::size_t padded_bins_;
  OddTransform transform_;
  std::vector<Response> responses_;
  std::vector<Channel> channels_;
  std::vector<SlotRun> runs_;
  std::size_t slot_ {};    // of the current block
  std::size_t filled_ {};  // frames of the current block that are there
  std::size_t covered_ {}; // frames of the current block whose wet output is there
  Count forward_count_, inverse_count_, pass_count_, block_count_, not_finite_count_;
};

} // namespace mt::dsp
