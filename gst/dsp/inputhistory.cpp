// SPDX-License-Identifier: LGPL-2.1-or-later
// Segments of the last seconds, and who may touch which.
#include "dsp/inputhistory.hpp"

#include <algorithm>
#include <utility>

namespace mt::dsp {

InputHistory::InputHistory (std::size_t channels, std::size_t frames)
    : channels_ {channels},
      // The one that is being written holds nothing at first.
      places_ ((frames + kSegmentFrames - 1) / kSegmentFrames + 1), spare_ {
                                                                        static_cast<std::uint32_t> (
                                                                            places_.size ())}
{
  segments_ = std::make_unique<Segment[]> (places_.size () + 1);
  for (std::size_t i = 0; i <= places_.size (); ++i)
    segments_[i].samples.resize (kSegmentFrames * channels); // touched, so that no page is missing
  for (std::size_t i = 0; i < places_.size (); ++i)
    places_[i].store (static_cast<std::uint32_t> (i), std::memory_order_relaxed);
}

void InputHistory::append (std::span<const float> frames) noexcept
{
  put (frames.data (), frames.size () / channels_);
}

void InputHistory::append_silence (std::size_t frames) noexcept
{
  put (nullptr, frames);
}

/// Null stands for silence.
void InputHistory::put (const float *samples, std::size_t frames) noexcept
{
  while (frames > 0) {
    const std::uint64_t number = end_ / kSegmentFrames;
    const std::size_t at = end_ % kSegmentFrames;
    if (at == 0)
      open_segment (number);
    Segment &segment = segment_of (number);
    const std::size_t now = std::min (frames, kSegmentFrames - at);
    float *const to = segment.samples.data () + at * channels_;
    if (samples) {
      std::copy_n (samples, now * channels_, to);
      samples += now * channels_;
    } else {
      std::fill_n (to, now * channels_, 0.0f);
    }
    end_ += now;
    frames -= now;
    if (at + now == kSegmentFrames) {
      segment.number.store (number, std::memory_order_seq_cst);
      shared_end_.store (end_, std::memory_order_release);
    }
  }
}

/// Takes the place of the oldest segment. The reader pins first and looks at the number after; here
/// the number goes first and the pins are looked at after. All four are sequentially consistent, so
/// one of the two sees the other.
void InputHistory::open_segment (std::uint64_t number) noexcept
{
  auto &place = places_[number % places_.size ()];
  const std::uint32_t oldest = place.load (std::memory_order_relaxed);
  segments_[oldest].number.store (kNone, std::memory_order_seq_cst);
  if (segments_[oldest].pins.load (std::memory_order_seq_cst) == 0)
    return;
  // There is one reader with one pin, so the spare one is free.
  place.store (std::exchange (spare_, oldest), std::memory_order_release);
  segments_[place.load (std::memory_order_relaxed)].pins.load (std::memory_order_acquire);
}

std::uint64_t InputHistory::oldest () const noexcept
{
  const std::uint64_t opened = (end_ + kSegmentFrames - 1) / kSegmentFrames;
  const std::uint64_t first = opened - std::min<std::uint64_t> (opened, places_.size ());
  return std::max (first * kSegmentFrames, begin_.load (std::memory_order_relaxed));
}

bool InputHistory::read (std::uint64_t from, std::span<float> out) const noexcept
{
  const std::size_t frames = out.size () / channels_;
  if (from < oldest () || from + frames > end_)
    return false;
  for (std::size_t done = 0; done < frames;) {
    const std::size_t at = (from + done) % kSegmentFrames;
    const std::size_t now = std::min (frames - done, kSegmentFrames - at);
    std::copy_n (segment_of ((from + done) / kSegmentFrames).samples.data () + at * channels_,
        now * channels_, out.data () + done * channels_);
    done += now;
  }
  return true;
}

std::uint64_t InputHistory::oldest_shared () const noexcept
{
  // The writer may be opening the next one already.
  const std::uint64_t whole = shared_end () / kSegmentFrames;
  const std::uint64_t kept = places_.size () - 1;
  return std::max ((whole - std::min (whole, kept)) * kSegmentFrames, begin ());
}

bool InputHistory::read_shared (std::uint64_t from, std::span<float> out) noexcept
{
  const std::size_t frames = out.size () / channels_;
  if (from < begin () || from + frames > shared_end ())
    return false;
  for (std::size_t done = 0; done < frames;) {
    const std::uint64_t number = (from + done) / kSegmentFrames;
    const std::size_t at = (from + done) % kSegmentFrames;
    const std::size_t now = std::min (frames - done, kSegmentFrames - at);
    Segment &segment = segment_of (number);
    segment.pins.fetch_add (1, std::memory_order_seq_cst);
    const bool there = segment.number.load (std::memory_order_seq_cst) == number;
    if (there)
      std::copy_n (segment.samples.data () + at * channels_, now * channels_,
          out.data () + done * channels_);
    segment.pins.fetch_sub (1, std::memory_order_release);
    if (!there)
      return false;
    done += now;
  }
  return true;
}

} // namespace mt::dsp
