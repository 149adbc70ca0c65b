// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes convolvers, and lets them hear what was before them.
#include "convolution.hpp"

#include <algorithm>

#include "planmemory.hpp"

namespace mt::convreverb {

namespace {

constexpr std::size_t kPieceFrames = 4096; // heard in one go
constexpr int kTries = 3;                  // to be faster than the stream

/// From `from` on, until the stream is reached or all has been heard twice over. False when the
/// writer was faster, or `cancelled`.
bool hear (Convolution &convolution, dsp::InputHistory &history, const Cancelled &cancelled)
{
  dsp::Convolver &convolver = convolution.convolver;
  const std::size_t channels = history.channels ();
  std::vector<float> piece (kPieceFrames * channels);
  // A stream that does not wait for a clock may be as fast as this; it can't be followed for ever.
  const std::uint64_t enough =
      convolution.heard_from + 2 * convolver.tail_frames () + 16 * kPieceFrames;
  while (convolution.heard_to < enough) {
    const std::uint64_t end = history.shared_end ();
    if (end <= convolution.heard_to)
      return true;
    const auto frames = static_cast<std::size_t> (
        std::min<std::uint64_t> (end - convolution.heard_to, kPieceFrames));
    const std::span now {piece.data (), frames * channels};
    if (cancelled () || !history.read_shared (convolution.heard_to, now))
      return false;
    convolver.process (now, {0.0f, 0.0f}, {0.0f, 0.0f});
    convolution.heard_to += frames;
  }
  return true;
}

dsp::ConvolverWork operator+ (const dsp::ConvolverWork &a, const dsp::ConvolverWork &b) noexcept
{
  return {a.forward_transforms + b.forward_transforms, a.inverse_transforms + b.inverse_transforms,
      a.sums + b.sums, a.blocks + b.blocks, a.silent_blocks + b.silent_blocks,
      a.not_finite + b.not_finite};
}

} // namespace

std::unique_ptr<Convolution> make_convolution (
    dsp::ConvolverConfig config, const StreamImpulse &impulse)
{
  config.routing = impulse.routing;
  if (planning_wanted () == dsp::Planning::estimate)
    config.planning = dsp::Planning::estimate;
  auto made = std::make_unique<Convolution> (config, impulse.impulse);
  keep_plans ();
  return made;
}

std::uint64_t hearing_start (const dsp::Convolver &convolver, std::uint64_t begin,
    std::uint64_t oldest, std::uint64_t end) noexcept
{
  const std::uint64_t back = std::min<std::uint64_t> (end - begin, convolver.tail_frames ());
  const dsp::StagePlan &head = convolver.plan ().stages.front ();
  const std::uint64_t span = head.block_frames * head.blocks_together;
  const std::uint64_t wanted = begin + (end - back - begin) / span * span;
  if (wanted >= oldest)
    return wanted;
  const std::uint64_t kept = begin + (oldest - begin + span - 1) / span * span;
  return kept <= end ? kept : begin + (end - begin) / span * span;
}

bool prime (Convolution &convolution, dsp::InputHistory &history, const Cancelled &cancelled)
{
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t begin = history.begin ();
    const std::uint64_t end = history.shared_end ();
    if (end <= begin)
      break; // all that counts is newer
    std::uint64_t oldest = history.oldest_shared ();
    if (oldest > begin) // and about to be overwritten: some room for being late
      oldest += 4 * dsp::InputHistory::kSegmentFrames;
    convolution.heard_from = convolution.heard_to =
        hearing_start (convolution.convolver, begin, oldest, end);
    if (hear (convolution, history, cancelled))
      return !cancelled ();
    if (cancelled ())
      return false;
    convolution.convolver.reset ();
  }
  convolution.heard_from = convolution.heard_to = history.begin ();
  return !cancelled ();
}

void ConvolutionList::add (const Convolution *convolution)
{
  const std::lock_guard lock {mutex_};
  all_.push_back (convolution);
}

void ConvolutionList::drop (std::unique_ptr<Convolution> convolution) noexcept
{
  if (!convolution)
    return;
  {
    const std::lock_guard lock {mutex_};
    std::erase (all_, convolution.get ());
    done_ = done_ + convolution->convolver.work ();
  }
  convolution.reset (); // without the lock: it may wait for FFTW
}

dsp::ConvolverWork ConvolutionList::work () const noexcept
{
  const std::lock_guard lock {mutex_};
  dsp::ConvolverWork sum = done_;
  for (const Convolution *const one : all_)
    sum = sum + one->convolver.work ();
  return sum;
}

void ConvolutionList::forget_work () noexcept
{
  const std::lock_guard lock {mutex_};
  done_ = {};
}

} // namespace mt::convreverb
