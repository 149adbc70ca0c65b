// SPDX-License-Identifier: LGPL-2.1-or-later
// From one impulse response to the next, in the streaming thread.
#include "crossfade.hpp"

#include <algorithm>

#include "gainramp.hpp"

namespace mt::convreverb {

namespace {

constexpr std::size_t kScratchFrames = 1024;
constexpr dsp::GainRange kSilent {0.0f, 0.0f};

bool is_silent (std::span<const float> io) noexcept
{
  return std::all_of (io.begin (), io.end (), [] (float x) { return x == 0.0f; });
}

} // namespace

void Crossfade::start (std::unique_ptr<Convolution> first)
{
  stop ();
  list_.add (first.get ());
  current_ = std::move (first);
  scratch_.resize (kScratchFrames * channels ());
  active_.store (current_.get (), std::memory_order_relaxed);
}

void Crossfade::listen (const StreamTarget &target)
{
  fade_frames_ = std::max<std::size_t> (
      static_cast<std::size_t> (kFadeSeconds * GST_AUDIO_INFO_RATE (&target.info)), 1);
  history_ = target.history;
  target_id_ = target.id;
}

void Crossfade::stop () noexcept
{
  active_.store (nullptr, std::memory_order_relaxed);
  list_.drop (std::move (current_));
  list_.drop (std::move (next_));
  list_.drop (handoff_.adopt ());
  collect ();
  history_.reset ();
  target_id_ = 0;
  not_finite_before_ = 0;
}

void Crossfade::offer (std::unique_ptr<Convolution> next)
{
  list_.add (next.get ());
  list_.drop (handoff_.publish (std::move (next)));
}

void Crossfade::collect () noexcept
{
  handoff_.collect ([this] (std::unique_ptr<Convolution> done) { list_.drop (std::move (done)); });
}

std::size_t Crossfade::tail_frames () const noexcept
{
  const std::size_t now = current_->convolver.tail_frames ();
  return next_ ? std::max (now, next_->convolver.tail_frames ()) : now;
}

bool Crossfade::process (std::span<float> io, dsp::GainRange dry, dsp::GainRange wet) noexcept
{
  const std::size_t frames = io.size () / channels ();
  if (!next_)
    adopt (frames);
  if (!is_ringing () && is_silent (io)) {
    history_->append_silence (frames);
    return false;
  }
  history_->append (io); // before it is overwritten
  if (!next_) {
    current_->convolver.process (io, dry, wet);
    return true;
  }
  // With the frames of this buffer still to come, it is as far as the old one.
  if (next_->heard_to + frames < history_->end ()) {
    current_->convolver.process (io, dry, wet);
    catch_up (frames);
    return true;
  }
  fade (io, dry, wet);
  return true;
}

void Crossfade::pass_silence (std::uint64_t frames) noexcept
{
  if (frames >= history_->capacity_frames ())
    history_->forget ();
  else
    history_->append_silence (static_cast<std::size_t> (frames));
}

void Crossfade::adopt (std::size_t frames) noexcept
{
  auto next = handoff_.adopt ();
  if (!next)
    return;
  if (next->target_id != target_id_) { // for a format that is no more
    handoff_.retire (std::move (next));
    wakeup_.signal ();
    return;
  }
  const std::uint64_t begin = history_->begin ();
  std::uint64_t oldest = history_->oldest ();
  if (begin > next->heard_from || oldest > next->heard_to) {
    // Sound was forgotten since, or so much has come that it is lost: from here on, then.
    next->convolver.reset ();
    if (oldest > begin) // the frames of this buffer may overwrite as many old ones
      oldest += frames + dsp::InputHistory::kSegmentFrames;
    next->heard_from = next->heard_to =
        hearing_start (next->convolver, begin, oldest, history_->end ());
  }
  next_ = std::move (next);
  faded_frames_ = 0;
}

/// Lets the new one hear some of what it has missed, faster than more of it comes.
void Crossfade::catch_up (std::size_t frames) noexcept
{
  std::uint64_t left =
      std::min<std::uint64_t> (kCatchUp * frames, history_->end () - next_->heard_to);
  while (left > 0) {
    const auto now = static_cast<std::size_t> (std::min<std::uint64_t> (left, kScratchFrames));
    const std::span piece {scratch_.data (), now * channels ()};
    if (!history_->read (next_->heard_to, piece))
      std::fill (piece.begin (), piece.end (), 0.0f); // a buffer longer than the history
    next_->convolver.process (piece, kSilent, kSilent);
    next_->heard_to += now;
    left -= now;
  }
}

/// The dry sound is the same of both; it stays with the old one until the end.
void Crossfade::fade (std::span<float> io, dsp::GainRange dry, dsp::GainRange wet) noexcept
{
  const std::size_t frames = io.size () / channels ();
  std::size_t done = 0;
  while (done < frames && faded_frames_ < fade_frames_) {
    const std::size_t now =
        std::min ({frames - done, kScratchFrames, fade_frames_ - faded_frames_});
    const std::span old_part = io.subspan (done * channels (), now * channels ());
    const std::span new_part {scratch_.data (), old_part.size ()};
    std::copy (old_part.begin (), old_part.end (), new_part.begin ());
    const dsp::GainRange dry_part = part_of (dry, done, done + now, frames);
    const dsp::GainRange wet_part = part_of (wet, done, done + now, frames);
    const dsp::GainRange share =
        part_of ({0.0f, 1.0f}, faded_frames_, faded_frames_ + now, fade_frames_);
    current_->convolver.process (
        old_part, dry_part, {wet_part.from * (1.0f - share.from), wet_part.to * (1.0f - share.to)});
    next_->convolver.process (
        new_part, kSilent, {wet_part.from * share.from, wet_part.to * share.to});
    for (std::size_t i = 0; i < old_part.size (); ++i)
      old_part[i] += new_part[i];
    next_->heard_to += now;
    faded_frames_ += now;
    done += now;
  }
  if (faded_frames_ < fade_frames_)
    return;
  change_over ();
  if (done < frames)
    current_->convolver.process (io.subspan (done * channels ()),
        part_of (dry, done, frames, frames), part_of (wet, done, frames, frames));
}

void Crossfade::change_over () noexcept
{
  not_finite_before_ +=
      current_->convolver.nonfinite_samples () - next_->convolver.nonfinite_samples ();
  handoff_.retire (std::move (current_));
  current_ = std::move (next_);
  active_.store (current_.get (), std::memory_order_relaxed);
  changes_.store (changes_.load (std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  wakeup_.signal ();
}

void Crossfade::reset () noexcept
{
  if (!current_)
    return;
  if (history_)
    history_->forget ();
  if (next_)
    change_over ();
  current_->convolver.reset ();
}

} // namespace mt::convreverb
