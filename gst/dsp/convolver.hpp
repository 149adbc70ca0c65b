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
#include "dsp/routing.hpp"
#include "dsp/spectrum.hpp"

namespace mt::dsp {

/// When the work of a stage is done whose output is not due yet.
enum class Schedule {
  spread, ///< in slices over the blocks until it is due: the worst call is short
  spike,  ///< at once: the mean is a little lower
};

struct ConvolverConfig {
  std::size_t channels {2}; ///< of the stream, 1 to Convolver::kMaxChannels
  /// What a call to process() usually brings, 1 to Convolver::kMaxChunkFrames. Any other size is
  /// right as well and costs more.
  std::size_t chunk_frames {480};
  /// Delay of the output. A batch of N chunks of c frames has latency (N - 1) c: then N - 1 of N
  /// chunks do no transform of the head. At most kMaxChunkFrames with the chunk added.
  std::size_t latency_frames {0};
  Schedule schedule {Schedule::spread};
  /// Empty: default_routing() of the stream's and the response's channels.
  Routing routing {};
  Planning planning {Planning::measure};
};

/// Partitions of one size: `partitions` blocks of the impulse response from `offset_frames` on.
struct StagePlan {
  std::size_t block_frames;
  std::size_t partitions;
  std::size_t offset_frames;
  std::size_t transform_length; ///< complex values of one FFT
  bool spread;                  ///< its work is done in slices
  PlanSource plan_source;       ///< of its FFT
};
/// How the work is laid out: the head first, then longer blocks.
struct ConvolverPlan {
  std::vector<StagePlan> stages;
};

/// How much of it was done.
struct ConvolverWork {
  std::uint64_t forward_transforms; ///< over all channels
  std::uint64_t inverse_transforms;
  std::uint64_t passes;     ///< multiply-accumulates over the whole response or all but its head
  std::uint64_t blocks;     ///< finished blocks x channels
  std::uint64_t not_finite; ///< NaN and infinite input samples, taken as 0
};

/// Convolves a stream with an impulse response in uniform partitions.
///
///   y[o][n] = dry x[o][n - L] + wet sum_(paths i -> o by r) sum_k h[r][k] x[i][n - L - k]
///   x = 0 before the stream
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
  static constexpr std::size_t kMaxChunkFrames = 65536;
  static constexpr std::size_t kMaxImpulseFrames = kMaxImpulseSamples;

  /// `ir` has the channels that the routing asks for, any number of them. Throws
  /// std::invalid_argument, which says the value and the limit, or std::bad_alloc.
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

  /// True as long as an input of zeros would still give an output that is not. It never turns true
  /// without input that is audible. Asked between two calls, by the thread that calls process().
  bool is_ringing () const noexcept { return silent_frames_ < rings_for_frames_; }

  /// Does not change. Any thread.
  const ConvolverPlan &plan () const noexcept { return plan_; }
  ConvolverWork work () const noexcept;
  std::uint64_t nonfinite_samples () const noexcept { return work ().not_finite; }

private:
  /// Spectra of one channel's response; partition p is in slot partitions - 1 - p, so that the pass
  /// walks forward in both the response and the ring.
  struct Response {
    TiledSpectra spectra;
    std::vector<std::uint8_t> audible; // by slot
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
  void render (bool finished) noexcept;
  void transform_input (Channel &channel) noexcept;
  void render_output (std::size_t output, bool finished) noexcept;
  void sum_older (std::size_t output) noexcept;
  bool accumulate (std::size_t output, std::size_t first_partition, std::size_t last_partition,
      bool started, std::span<std::complex<float>> sum) noexcept;
  std::span<const SlotRun> collect_runs (const Channel &channel, const Response &response,
      std::size_t first_partition, std::size_t last_partition) noexcept;
  void next_block () noexcept;

  float *current (Channel &channel) const noexcept
  {
    return channel.window.data () + channel.window.size () - block_frames_;
  }

  ConvolverConfig config_;
  std::size_t block_frames_;
  std::size_t ir_frames_;
  std::size_t partitions_;
  std::size_t ring_mask_;
  std::size_t bins_; // M, of one transform
  std::size_t padded_bins_;
  OddTransform transform_;
  std::vector<Response> responses_;
  std::vector<Channel> channels_;
  std::vector<std::vector<Path>> paths_; // by output
  ConvolverPlan plan_;
  std::vector<SlotRun> runs_;
  std::uint64_t rings_for_frames_; // after the last audible sample
  std::uint64_t silent_frames_;    // since then
  std::size_t slot_ {};            // of the current block
  std::size_t filled_ {};          // frames of the current block that are there
  std::size_t covered_ {};         // frames of the current block whose wet output is there
  Count forward_count_, inverse_count_, pass_count_, block_count_, not_finite_count_;
};

} // namespace mt::dsp
