// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolution engine: an impulse response on a stream of any buffer sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dsp/aligned.hpp"
#include "dsp/frames.hpp"
#include "dsp/head.hpp"
#include "dsp/impulse.hpp"
#include "dsp/partition.hpp"
#include "dsp/planner.hpp"
#include "dsp/routing.hpp"
#include "dsp/tail.hpp"

namespace mt::dsp {

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
  std::size_t blocks_together;  ///< worked on at once, see StageShape; 1 for all but the head
  bool spread;                  ///< its work is done in slices
  PlanSource plan_source;       ///< of its FFT
};
/// How the work is laid out: the head first, then longer blocks.
struct ConvolverPlan {
  std::vector<StagePlan> stages;
};

/// How much of it was done.
struct ConvolverWork {
  std::uint64_t forward_transforms; ///< over all inputs and stages
  std::uint64_t inverse_transforms; ///< over all outputs and stages
  std::uint64_t sums;               ///< multiply-accumulates of a stage's block of one output
  std::uint64_t blocks;             ///< finished blocks of the head x channels
  std::uint64_t silent_blocks;      ///< of these, without any work for their output
  std::uint64_t not_finite;         ///< NaN and infinite input samples, taken as 0
};

/// Convolves a stream with an impulse response in uniform partitions.
///
///   y[o][n] = dry x[o][n - L] + wet sum_(paths i -> o by r) sum_k h[r][k] x[i][n - L - k]
///   x = 0 before the stream
///
/// The response is cut into stages (plan ()), each in partitions of one length: the head as short
/// as the calls are, then longer ones, whose work is cheaper and due later. A finished block is
/// transformed once for each input and stage; its product with the spectra of the response is
/// summed up over the newest blocks and all paths, and transformed back once for each output.
/// Where calls (or batches) are long, the head is a span of several blocks that are worked on
/// together when the span is complete.
///
/// A call that ends inside a block of the head and needs output from it transforms that block as
/// far as it is there and adds the first partition's product to the sum of all older blocks, which
/// is worked out once a block. So the latency is L for any buffer sizes.
///
/// Blocks that are known to be silent are left out of transforms and sums, and after the last
/// sound has rung out nothing is done at all until there is sound again.
///
/// Shapes  io: [frames][channels] interleaved, any number of frames, in place.
/// Units   amplitude linear; h at the stream's rate; everything else in frames.
/// Errors  only the constructor. Input that is NaN or infinite counts as 0.
/// Bits    the same for the same configuration, FFTW plans, IR and buffer sizes, and for any
///         schedule of the same partition; within -120 dBFS of the sum above for any.
/// Threads constructor and destructor: any, may block on FFTW's planner. process(), reset(): one
///         thread at a time, no lock, no allocation. work(): any thread.
/// Source  T. G. Stockham 1966 (overlap-save); W. G. Gardner, J. Audio Eng. Soc. 43(3), 1995
///         (stages); F. Wefers, Partitioned Convolution Algorithms for
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
  /// With a partition of the caller's choice, for tests and benchmarks: see Partition for what it
  /// must be like; it covers the response, and its head is not longer than chunk and latency allow.
  Convolver (const ConvolverConfig &config, const Impulse &ir, const Partition &partition);
  Convolver (const Convolver &) = delete;
  Convolver &operator= (const Convolver &) = delete;

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

  /// True as long as an input of zeros would still give an output that is not. It turns false when
  /// the last sound has rung out and a span of the head is complete, and true with audible input.
  /// Asked between two calls, by the thread that calls process().
  bool is_ringing () const noexcept { return ringing_; }

  /// Does not change. Any thread.
  const ConvolverPlan &plan () const noexcept { return plan_; }
  ConvolverWork work () const noexcept;
  std::uint64_t nonfinite_samples () const noexcept { return work ().not_finite; }

private:
  /// Rings of samples, of whole spans of the head each; `begin` is where the current one does.
  struct Rings {
    std::size_t frames;
    std::size_t begin;
    void advance (std::size_t span) noexcept { begin = begin + span == frames ? 0 : begin + span; }
  };

  void take (const float *io, std::size_t frames) noexcept;
  void put (float *io, std::size_t frames, GainLine dry, GainLine wet) noexcept;
  void put_part (
      float *io, std::size_t frames, std::size_t back, GainLine dry, GainLine wet) noexcept;
  void render (bool finished) noexcept;
  bool render_output (std::size_t output, BlockRange blocks) noexcept;
  void end_span () noexcept;
  void fall_silent () noexcept;

  ConvolverConfig config_;
  std::size_t ir_frames_;
  WorkCounts counts_;
  std::unique_ptr<Head> head_;
  std::vector<std::unique_ptr<Tail>> tails_;
  ConvolverPlan plan_;

  InputRings inputs_;
  std::vector<AlignedVector<float>> wet_; // by channel, rings of the output
  Rings in_;
  Rings out_;

  std::uint64_t time_ {};          // frames taken
  std::uint64_t audible_until_ {}; // frames before this time may be audible
  std::size_t filled_ {};          // frames of the head's current span that are there
  std::size_t covered_ {};         // frames of it whose wet output is there
  bool begun_ {};                  // the head knows the span
  bool ringing_ {};
};

} // namespace mt::dsp
