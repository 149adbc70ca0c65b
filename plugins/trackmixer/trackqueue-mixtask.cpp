// SPDX-License-Identifier: LGPL-2.1-or-later
// The queue of one track, as the mix task uses it: judging, taking, growing, changes of the rate.
#include "trackqueue.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mt::trackmixer {

TrackQueue::Judgement TrackQueue::judge () const noexcept
{
  const std::lock_guard lock {mutex_};
  const Mark *mark = marks_.empty () ? nullptr : &marks_.front ();
  return {linked_, eos_ || mark, mark ? mark->segment_done : segment_done_, counted_missing_,
      inactive_, gap_end_ >= need_end_, feeder_waiting_ || drain_waiting_, mark ? mark->end : end_,
      feeder_, received_, mark ? mark->seek : 0, mark || expected_seek_ > last_seek_,
      awaits_segment ()};
}

bool TrackQueue::take (Frames end, Frames next_end, std::vector<QueueItem> &held,
    std::vector<QueueItem> &flushed) noexcept
{
  const std::lock_guard lock {mutex_};
  if (cleared_)
    flushed.swap (held);
  cleared_ = false;
  // Below the cap again: the others can grow, so there is reason to wait.
  if (starved_ && shared_.grown_out.load (std::memory_order_relaxed) == 0 &&
      shared_.queued_bytes.load (std::memory_order_relaxed) <
          shared_.total_cap () / (starved_in_vain_ ? 2 : 1))
    starved_ = false;
  while (count_ > 0 && ring_[head_].kind != QueueItem::Kind::mark &&
      (taken_end_ < end || !ring_[head_].occupies_time ())) {
    held.push_back (pop_front ());
    if (held.back ().occupies_time ()) {
      taken_end_ = std::max (taken_end_, held.back ().end ());
      last_taken_frames_ = held.back ().frames;
    }
  }
  // What is held beyond the chunk is at most the rest of the last item.
  held_frames_ = std::clamp<Frames> (taken_end_ - end, 0, last_taken_frames_);
  need_end_ = next_end;
  (void)update_missing (); // the mix task holds the guard: this is never the last

  const Frames level = queued_frames_ + held_frames_;
  if (level <= limit_ && (limit_bytes_ == 0 || queued_bytes_ <= limit_bytes_))
    grown_limit_ = 0;
  if (!feeder_waiting_)
    return false;
  const auto cap = shared_.total_cap ();
  const bool below_cap = shared_.queued_bytes.load (std::memory_order_relaxed) < cap - cap / 8;
  const bool half_empty =
      level <= limit_ / 2 && (limit_bytes_ == 0 || queued_bytes_ <= limit_bytes_ / 2);
  const bool room = full_in_total_ ? below_cap && within_limits () : half_empty;
  if (!room && is_ready ())
    return false;
  feeder_waiting_ = false;
  set_grown_out (false);
  return true;
}

void TrackQueue::enter_segment (std::uint64_t seek, Frames begin) noexcept
{
  const std::lock_guard lock {mutex_};
  if (marks_.empty () || marks_.front ().seek != seek || count_ == 0 ||
      ring_[head_].kind != QueueItem::Kind::mark)
    return;
  (void)pop_front ();
  const Frames shift = begin - marks_.front ().begin;
  marks_.erase (marks_.begin ());
  for (std::size_t i = 0; i < count_; ++i) {
    QueueItem &item = ring_[(head_ + i) & (ring_.size () - 1)];
    if (item.kind == QueueItem::Kind::mark)
      break;
    item.start += shift;
  }
  const auto move = [shift] (Frames &frame) {
    if (frame != kNever)
      frame += shift;
  };
  if (marks_.empty ()) {
    shift_ = shift;
    move (end_);
    move (gap_end_);
    move (believed_gap_);
  } else {
    move (marks_.front ().end);
  }
  taken_end_ = kNever;
  held_frames_ = last_taken_frames_ = 0;
  shared_.readiness.flag_recheck ();
  (void)update_missing ();
  if (feeder_waiting_ && !is_ready ())
    release_feeder ();
}

TrackQueue::Contents TrackQueue::take_all (
    std::vector<QueueItem> &held, std::vector<QueueItem> &flushed) noexcept
{
  const std::lock_guard lock {mutex_};
  if (std::exchange (cleared_, false))
    flushed.swap (held);
  while (count_ > 0)
    held.push_back (pop_front ());
  for (const QueueItem &item : held) // counted anew in put_back()
    counts_.frames_in -= static_cast<std::uint64_t> (item.frames);
  taken_end_ = kNever;
  held_frames_ = last_taken_frames_ = 0;
  return {eos_, !marks_.empty (), shift_};
}

void TrackQueue::put_back (std::vector<QueueItem> &items, const RateChange &change, Frames shift,
    std::optional<Frames> end) noexcept
{
  const std::lock_guard lock {mutex_};
  const auto scale = [&change] (Frames &frame) {
    if (frame != kNever)
      frame = change (frame);
  };
  for (Frames *frame : {&end_, &gap_end_, &believed_gap_, &need_end_, &mix_begin_, &limit_,
           &grown_from_, &grown_limit_})
    scale (*frame);
  if (growth_ != QueueLimit::kUnlimitedGrowth)
    scale (growth_);
  shift_ = marks_.empty () ? shift : change (shift_);
  auto mark = marks_.begin ();
  Frames last_end = kNever;
  for (const QueueItem &item : items) {
    append (item);
    counts_.frames_in += static_cast<std::uint64_t> (item.frames);
    if (item.occupies_time ()) {
      last_end = std::max (last_end, item.end ());
    } else if (item.kind == QueueItem::Kind::mark) {
      scale (mark->end);
      scale (mark->begin);
      mark->end = std::max (mark->end, last_end); // the last frame is rounded up
      last_end = kNever;
      ++mark;
    }
  }
  items.clear ();
  end_ = end ? *end : std::max (end_, last_end);
  shared_.readiness.flag_recheck ();
  (void)update_missing ();
}

std::optional<Frames> TrackQueue::first_audio () const noexcept
{
  const std::lock_guard lock {mutex_};
  for (std::size_t i = 0; i < count_; ++i)
    if (const QueueItem &item = ring_[(head_ + i) & (ring_.size () - 1)]; item.occupies_time ())
      return item.start;
  return std::nullopt;
}

void TrackQueue::update_need (Frames end, Frames mix_begin) noexcept
{
  const std::lock_guard lock {mutex_};
  need_end_ = end;
  mix_begin_ = mix_begin;
  (void)update_missing ();
  if (feeder_waiting_ && !is_ready ())
    release_feeder ();
}

/// The nearer limit, with as many bytes a frame as there are now.
Frames TrackQueue::limit_in_frames () const noexcept
{
  if (limit_bytes_ == 0 || queued_bytes_ == 0)
    return limit_;
  const double part = static_cast<double> (limit_bytes_) / static_cast<double> (queued_bytes_);
  const double frames = std::ceil (part * static_cast<double> (queued_frames_));
  return frames < static_cast<double> (limit_) ? static_cast<Frames> (frames) : limit_;
}

TrackQueue::Growth TrackQueue::grow (bool doubled) noexcept
{
  const std::lock_guard lock {mutex_};
  if (drain_waiting_) {
    drain_refused_ = true;
    release_feeder ();
    return Growth::grown;
  }
  if (!feeder_waiting_)
    return Growth::not_blocked;
  if (shared_.queued_bytes.load (std::memory_order_relaxed) >= shared_.total_cap ())
    return Growth::at_total_cap;
  const Frames level = queued_frames_ + held_frames_;
  // The limit may not have been worked out yet, with the rate just known.
  const Frames from = grown_limit_ > 0 ? grown_from_ : std::max<Frames> (limit_in_frames (), 1);
  const Frames now = std::max (from, grown_limit_);
  // More than twice the limit is there where the limit has been lowered.
  const Frames wanted = doubled && level < 2 * now ? 2 * now : std::max (level, now) + from;
  const Frames grown = std::min (wanted, from + growth_);
  if (grown <= level) {
    set_grown_out (true);
    return Growth::at_own_cap;
  }
  grown_from_ = from;
  grown_limit_ = grown;
  ++counts_.growths;
  release_feeder ();
  return Growth::grown;
}

bool TrackQueue::ignore () noexcept
{
  const std::lock_guard lock {mutex_};
  if (end_ != kNever || gap_end_ != kNever)
    return false;
  inactive_ = true;
  shared_.readiness.flag_recheck (); // it is no open track any more
  (void)update_missing ();
  return true;
}

void TrackQueue::heed () noexcept
{
  const std::lock_guard lock {mutex_};
  inactive_ = false;
  shared_.readiness.flag_recheck ();
  (void)update_missing ();
}

void TrackQueue::believe_gap () noexcept
{
  const std::lock_guard lock {mutex_};
  believed_gap_ = gap_end_;
  (void)update_missing ();
}

void TrackQueue::starve (bool in_vain) noexcept
{
  const std::lock_guard lock {mutex_};
  starved_ = true;
  starved_in_vain_ = in_vain;
  (void)update_missing ();
}

} // namespace mt::trackmixer
