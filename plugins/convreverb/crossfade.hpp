// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolver that sounds, and during a change the one that comes.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "convolution.hpp"
#include "dsp/handoff.hpp"

namespace mt::convreverb {

/// Convolves, and changes over to another convolver without a click or a hole.
///
/// What is offered is taken up with the next buffer. First it hears what it has missed since it was
/// made, kCatchUp times as much for each buffer as the buffer is long; then the wet sound of the
/// old one goes over to that of the new one in kFadeSeconds, linearly, so that nothing is heard of
/// a change to the same response. From then on all is as if the new one had been there always, as
/// far as the history reaches back. At most five convolvers' work is done for a buffer, most often
/// one's.
///
/// Threads start(), listen(), stop(): with the streaming thread out of process(), most often it
///         itself. offer() and collect() may be called meanwhile; what is offered around a stop()
///         waits for the next process(), which throws away what is for another target, or for the
///         next stop(). process(), reset() and the rest: the streaming thread; no lock, no
///         allocation. offer(), collect(): one other thread. active(), changes(): any.
class Crossfade {
public:
  static constexpr double kFadeSeconds = 0.05;
  static constexpr std::size_t kCatchUp = 4;

  Crossfade (ConvolutionList &list, Wakeup &wakeup) noexcept : list_ {list}, wakeup_ {wakeup} {}

  void start (std::unique_ptr<Convolution> first);
  /// From now on the stream is kept in `target.history`, and what is offered must be for `target`.
  void listen (const StreamTarget &target);
  /// Frees all there is.
  void stop () noexcept;
  explicit operator bool () const noexcept { return current_ != nullptr; }

  /// Convolves in place. False when there was nothing to do: `io` is silence, and nothing rings.
  bool process (std::span<float> io, dsp::GainRange dry, dsp::GainRange wet) noexcept;
  /// False when silence would give silence, now and later.
  bool is_ringing () const noexcept { return next_ || current_->convolver.is_ringing (); }
  /// When nothing rings: `frames` of silence that nobody has to hear. Any number of them.
  void pass_silence (std::uint64_t frames) noexcept;
  /// Forgets all sound. A change that has begun is over.
  void reset () noexcept;

  std::size_t channels () const noexcept { return current_->convolver.channels (); }
  std::size_t latency_frames () const noexcept { return current_->convolver.latency_frames (); }
  /// Of the longer one during a change.
  std::size_t tail_frames () const noexcept;
  /// Bad samples in the stream since start().
  std::uint64_t not_finite () const noexcept
  {
    return not_finite_before_ + current_->convolver.nonfinite_samples ();
  }

  void offer (std::unique_ptr<Convolution> next);
  void collect () noexcept;

  /// The one that sounds. Not to be used but through the ConvolutionList.
  const Convolution *active () const noexcept { return active_.load (std::memory_order_relaxed); }
  std::uint64_t changes () const noexcept { return changes_.load (std::memory_order_relaxed); }

private:
  void adopt (std::size_t frames) noexcept;
  void catch_up (std::size_t frames) noexcept;
  void fade (std::span<float> io, dsp::GainRange dry, dsp::GainRange wet) noexcept;
  void change_over () noexcept;

  ConvolutionList &list_;
  Wakeup &wakeup_;
  dsp::Handoff<Convolution> handoff_;
  std::uint64_t target_id_ {0};
  std::shared_ptr<dsp::InputHistory> history_;
  std::unique_ptr<Convolution> current_;
  std::unique_ptr<Convolution> next_;
  std::size_t fade_frames_ {0};
  std::size_t faded_frames_ {0};
  std::vector<float> scratch_;
  std::uint64_t not_finite_before_ {
      0}; // of the convolvers before current_, less what it heard twice
  std::atomic<const Convolution *> active_ {nullptr};
  std::atomic<std::uint64_t> changes_ {0};
};

} // namespace mt::convreverb
