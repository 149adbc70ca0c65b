// SPDX-License-Identifier: LGPL-2.1-or-later
// A convolver with what the element has to know of it, from its making to its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <gst/audio/audio.h>

#include "dsp/convolver.hpp"
#include "dsp/inputhistory.hpp"
#include "impulsesource.hpp"

namespace mt::convreverb {

/// Lets one thread wait for others that have something for it, and these never wait. Signals are
/// not lost: wait() returns at once when there was one after `seen`.
class Wakeup {
public:
  std::uint32_t now () const noexcept { return count_.load (std::memory_order_acquire); }
  void wait (std::uint32_t seen) const noexcept { count_.wait (seen, std::memory_order_acquire); }
  void signal () noexcept
  {
    count_.fetch_add (1, std::memory_order_release);
    count_.notify_one ();
  }

private:
  std::atomic<std::uint32_t> count_ {0};
};

/// What a convolver has to fit.
struct StreamTarget {
  std::uint64_t id {0}; // of this format and layout of the stream; 0: there is none
  GstAudioInfo info {};
  dsp::ConvolverConfig config; // but the routing, which comes with the response
  std::shared_ptr<dsp::InputHistory> history;
  std::shared_ptr<const ImpulseSource> source; // that it has, or has been offered
};

/// A convolver, and up to where it has heard the stream.
struct Convolution {
  Convolution (const dsp::ConvolverConfig &config, const dsp::Impulse &impulse)
      : convolver {config, impulse}, ir_channels {impulse.channels}
  {}

  dsp::Convolver convolver;
  std::size_t ir_channels;
  std::uint64_t target_id {0};
  std::uint64_t heard_from {0}; // positions in the history
  std::uint64_t heard_to {0};
  Convolution *next_retired {nullptr}; // dsp::Handoff's
};

/// Waits for FFTW when it has not seen these lengths before. Throws what dsp::Convolver throws.
std::unique_ptr<Convolution> make_convolution (
    dsp::ConvolverConfig config, const StreamImpulse &impulse);

/// Where in a stream that counts from `begin` on, and is kept from `oldest` on, a convolver begins
/// that is to have heard it up to `end`: as far back as its response reaches, and at the border of
/// a span (what it works on in one go) counted from `begin` on, for then it is done with the end of
/// a batch. Silence that was passed unheard counts, too. Before `oldest` only where no span begins
/// between that and `end`; what is lost there is silence.
std::uint64_t hearing_start (const dsp::Convolver &convolver, std::uint64_t begin,
    std::uint64_t oldest, std::uint64_t end) noexcept;

/// Lets `convolution` hear the last seconds, as far as its response reaches back, while the stream
/// goes on; what has come meanwhile is left for the streaming thread, which is never so far ahead
/// that it could not catch up. Nobody else may use `convolution` meanwhile. False when `cancelled`.
bool prime (Convolution &convolution, dsp::InputHistory &history, const Cancelled &cancelled);

/// All convolvers of an element that have not been freed, for those who ask what they do. Any
/// thread but one in a hurry: all of it takes a lock.
class ConvolutionList {
public:
  void add (const Convolution *convolution);
  /// Frees it. Null is let pass.
  void drop (std::unique_ptr<Convolution> convolution) noexcept;
  /// Calls `describe (const Convolution &)` when `convolution` has not been freed.
  template <class Describe>
  void look (const Convolution *convolution, Describe &&describe) const
  {
    const std::lock_guard lock {mutex_};
    for (const Convolution *const one : all_)
      if (one == convolution)
        describe (*one);
  }
  /// The work of all of them since forget_work(), and of those that were freed.
  dsp::ConvolverWork work () const noexcept;
  void forget_work () noexcept;

private:
  mutable std::mutex mutex_;
  std::vector<const Convolution *> all_;
  dsp::ConvolverWork done_ {};
};

} // namespace mt::convreverb
