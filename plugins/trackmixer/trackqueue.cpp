// SPDX-License-Identifier: LGPL-2.1-or-later
// The queue of one track, as its feeder and others use it. The mix task's part is in
// trackqueue-mixtask.cpp.
#include "trackqueue.hpp"

#include <algorithm>
#include <utility>

namespace mt::trackmixer {

namespace {
constexpr std::size_t kFirstCapacity = 64; // items; about 1 s of small buffers
/// Audio that ends this close to the end of its segment ends there: both are rounded to a frame.
constexpr Frames kEndRounding = 2;
constexpr std::chrono::milliseconds kLongestHold {500};
} // namespace

/// Called by the feeder, who has just had the buffer's header in hand; when it is mixed, that may
/// have left the cache.
void QueueItem::note_place () noexcept
{
  if (kind != Kind::audio)
    return;
  auto *buffer = GST_BUFFER (object);
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) || gst_buffer_n_memory (buffer) == 0)
    return;
  GstMemory *first = gst_buffer_peek_memory (buffer, 0);
  // Of other kinds mapping may be work.
  GstMapInfo map;
  if (!gst_memory_is_type (first, GST_ALLOCATOR_SYSMEM) ||
      !gst_memory_map (first, &map, GST_MAP_READ))
    return;
  memory = first;
  samples = reinterpret_cast<const std::byte *> (map.data);
  gst_memory_unmap (first, &map);
}

TrackQueue::~TrackQueue ()
{
  clear ();
}

void TrackQueue::append (const QueueItem &item)
{
  if (count_ == ring_.size ()) {
    std::vector<QueueItem> larger (std::max (kFirstCapacity, 2 * ring_.size ()));
    for (std::size_t i = 0; i < count_; ++i)
      larger[i] = ring_[(head_ + i) & (ring_.size () - 1)];
    ring_ = std::move (larger);
    head_ = 0;
  }
  ring_[(head_ + count_++) & (ring_.size () - 1)] = item;
  queued_frames_ += item.frames;
  queued_bytes_ += item.bytes;
  queued_buffers_ += item.kind == QueueItem::Kind::audio;
  if (item.bytes)
    shared_.queued_bytes.fetch_add (item.bytes, std::memory_order_relaxed);
}

QueueItem TrackQueue::pop_front () noexcept
{
  const QueueItem item = ring_[head_];
  head_ = (head_ + 1) & (ring_.size () - 1);
  --count_;
  queued_frames_ -= item.frames;
  queued_bytes_ -= item.bytes;
  queued_buffers_ -= item.kind == QueueItem::Kind::audio;
  if (item.bytes)
    shared_.queued_bytes.fetch_sub (item.bytes, std::memory_order_relaxed);
  return item;
}

bool TrackQueue::is_ready () const noexcept
{
  return retired_ || eos_ || starved_ || inactive_ || !linked_ || !marks_.empty () ||
      end_ >= need_end_ || believed_gap_ >= need_end_;
}

bool TrackQueue::is_full () noexcept
{
  full_in_total_ = false;
  if (!is_ready () || shared_.unbounded.load (std::memory_order_relaxed))
    return false;
  if (grown_limit_ > 0 ? queued_frames_ + held_frames_ >= grown_limit_ : !within_limits ())
    return true;
  full_in_total_ = shared_.queued_bytes.load (std::memory_order_relaxed) >= shared_.total_cap ();
  return full_in_total_;
}

bool TrackQueue::within_limits () const noexcept
{
  return queued_frames_ + held_frames_ < limit_ &&
      (limit_bytes_ == 0 || queued_bytes_ < limit_bytes_);
}

void TrackQueue::set_grown_out (bool grown_out) noexcept
{
  if (grown_out != grown_out_)
    shared_.grown_out.fetch_add (grown_out ? 1 : -1, std::memory_order_relaxed);
  grown_out_ = grown_out;
}

/// Brings this track's share of the readiness count up to date. True: wake the mix task.
bool TrackQueue::update_missing () noexcept
{
  const bool missing = !is_ready ();
  if (missing == counted_missing_)
    return false;
  counted_missing_ = missing;
  if (!missing)
    return shared_.readiness.remove_missing ();
  shared_.readiness.add_missing ();
  if (drain_waiting_) // every whole chunk has been taken
    release_feeder ();
  return false;
}

void TrackQueue::release_feeder () noexcept
{
  feeder_waiting_ = false;
  drain_waiting_ = false;
  set_grown_out (false);
  cond_.notify_all ();
}

void TrackQueue::note_feeder () noexcept
{
  const std::lock_guard lock {mutex_};
  feeder_ = std::this_thread::get_id ();
}

GstFlowReturn TrackQueue::wait_for_room () noexcept
{
  std::unique_lock lock {mutex_};
  feeder_ = std::this_thread::get_id ();
  ++received_; // it has come, also if it has to wait
  while (!flushing_ && flow_ == GST_FLOW_OK && is_full ()) {
    feeder_waiting_ = true;
    const auto since = std::chrono::steady_clock::now ();
    lock.unlock ();
    shared_.readiness.feeder_blocks (std::this_thread::get_id ());
    lock.lock ();
    cond_.wait (lock, [this] { return !feeder_waiting_ || flushing_ || flow_ != GST_FLOW_OK; });
    feeder_waiting_ = false;
    counts_.feeder_wait_ns += static_cast<std::uint64_t> (
        std::chrono::nanoseconds (std::chrono::steady_clock::now () - since).count ());
  }
  return flushing_ ? GST_FLOW_FLUSHING : flow_;
}

GstFlowReturn TrackQueue::push (QueueItem item) noexcept
{
  bool wake = false;
  bool unused = false;
  bool appeared = false;
  item.note_place ();
  {
    std::unique_lock lock {mutex_};
    feeder_ = std::this_thread::get_id ();
    ++received_;
    if (flushing_ || flow_ != GST_FLOW_OK) {
      const GstFlowReturn flow = flushing_ ? GST_FLOW_FLUSHING : flow_;
      lock.unlock ();
      item.drop ();
      return flow;
    }
    if (marks_.empty ())
      item.start += shift_;
    const bool too_early = item.occupies_time () && marks_.empty () && item.end () <= mix_begin_;
    if (too_early) {
      counts_.frames_flushed += static_cast<std::uint64_t> (item.frames);
    } else {
      append (item);
    }
    if (item.occupies_time ()) {
      counts_.frames_in += static_cast<std::uint64_t> (item.frames);
      end_ = std::max (end_, item.end ());
      starved_ = false; // the mix waits for it again, also where it is late
      appeared = std::exchange (inactive_, false);
      if (item.start < gap_end_)
        gap_end_ = believed_gap_ = kNever;
    }
    if (!linked_) // data can come before the pad's signal that it is linked
      shared_.readiness.flag_recheck ();
    linked_ = true;
    wake = update_missing ();
    unused = too_early;
  }
  if (unused)
    item.drop ();
  if (wake)
    shared_.readiness.wake_ready ();
  if (appeared)
    shared_.readiness.recheck ();
  return GST_FLOW_OK;
}

void TrackQueue::note_gap (Frames end, Frames patience) noexcept
{
  bool wake = false;
  bool look = false;
  {
    const std::lock_guard lock {mutex_};
    if (flushing_)
      return;
    feeder_ = std::this_thread::get_id ();
    ++received_;
    if (!linked_)
      shared_.readiness.flag_recheck ();
    linked_ = true;
    if (marks_.empty ())
      end += shift_;
    look = counted_missing_ && gap_end_ < need_end_ && end >= need_end_;
    look = std::exchange (inactive_, false) || look;
    gap_end_ = end;
    believed_gap_ = std::max (believed_gap_, end - patience);
    wake = update_missing ();
  }
  if (wake)
    shared_.readiness.wake_ready ();
  if (look)
    shared_.readiness.recheck ();
}

void TrackQueue::set_eos (bool segment_done, Frames end) noexcept
{
  {
    const std::lock_guard lock {mutex_};
    feeder_ = std::this_thread::get_id ();
    eos_ = true;
    segment_done_ = segment_done;
    end_ = std::max (end_, gap_end_); // silence at the end belongs to the track
    if (end != kNever && marks_.empty ())
      end += shift_;
    if (end - end_ > kEndRounding)
      end_ = end;
    shared_.readiness.flag_recheck (); // the mix may end here
    (void)update_missing ();
  }
  shared_.readiness.wake ();
}

bool TrackQueue::restart () noexcept
{
  const std::lock_guard lock {mutex_};
  const bool ended = eos_;
  eos_ = segment_done_ = false;
  shared_.readiness.flag_recheck ();
  return ended;
}

void TrackQueue::begin_segment (std::uint64_t seek, Frames begin) noexcept
{
  {
    const std::lock_guard lock {mutex_};
    if (flushing_)
      return;
    ++received_;
    QueueItem item;
    item.kind = QueueItem::Kind::mark;
    append (item);
    marks_.push_back ({seek, end_, begin, segment_done_});
    last_seek_ = std::max (last_seek_, seek);
    end_ = gap_end_ = believed_gap_ = kNever;
    shift_ = 0;
    eos_ = segment_done_ = starved_ = inactive_ = false;
    shared_.readiness.flag_recheck ();
    (void)update_missing ();
  }
  shared_.readiness.wake ();
}

std::uint64_t TrackQueue::expected_segment () const noexcept
{
  const std::lock_guard lock {mutex_};
  return expected_seek_ > last_seek_ ? expected_seek_ : 0;
}

void TrackQueue::expect_segment (std::uint64_t seek) noexcept
{
  const std::lock_guard lock {mutex_};
  expected_seek_ = seek;
  shared_.readiness.flag_recheck ();
}

void TrackQueue::hold (bool held) noexcept
{
  const std::lock_guard lock {mutex_};
  held_ = held;
  cond_.notify_all ();
}

void TrackQueue::wait_while_held () noexcept
{
  std::unique_lock lock {mutex_};
  cond_.wait_for (lock, kLongestHold, [this] { return !held_ || flushing_ || retired_; });
}

void TrackQueue::give_up_segment () noexcept
{
  {
    const std::lock_guard lock {mutex_};
    last_seek_ = expected_seek_;
    shared_.readiness.flag_recheck ();
  }
  shared_.readiness.wake ();
}

bool TrackQueue::wait_drained () noexcept
{
  std::unique_lock lock {mutex_};
  feeder_ = std::this_thread::get_id ();
  drain_refused_ = false;
  while (!flushing_ && flow_ == GST_FLOW_OK && is_ready () && end_ != kNever && !eos_ &&
      !shared_.unbounded.load ()) {
    drain_waiting_ = true;
    lock.unlock ();
    shared_.readiness.feeder_blocks (std::this_thread::get_id ());
    lock.lock ();
    cond_.wait (lock, [this] { return !drain_waiting_ || flushing_ || flow_ != GST_FLOW_OK; });
    drain_waiting_ = false;
    if (drain_refused_)
      return false;
  }
  // What has been taken may still be on its way downstream.
  const auto begun = shared_.chunks_begun.load ();
  shared_.drains.fetch_add (1);
  cond_.wait (lock, [this, begun] {
    return flushing_ || flow_ != GST_FLOW_OK || shared_.chunks_out.load () >= begun ||
        shared_.unbounded.load ();
  });
  shared_.drains.fetch_sub (1);
  return !flushing_ && flow_ == GST_FLOW_OK && !shared_.unbounded.load ();
}

void TrackQueue::notify_drain () noexcept
{
  {
    const std::lock_guard lock {mutex_}; // or the drain could miss it on its way into its wait
  }
  cond_.notify_all ();
}

void TrackQueue::set_flushing (bool flushing) noexcept
{
  const std::lock_guard lock {mutex_};
  flushing_ = flushing;
  cond_.notify_all ();
}

void TrackQueue::clear () noexcept
{
  std::vector<QueueItem> thrown_away;
  {
    const std::lock_guard lock {mutex_};
    while (count_ > 0) {
      thrown_away.push_back (pop_front ());
      if (thrown_away.back ().occupies_time ())
        counts_.frames_flushed += static_cast<std::uint64_t> (thrown_away.back ().frames);
    }
    held_frames_ = 0;
    cleared_ = true;
    marks_.clear ();
    shift_ = 0;
    last_seek_ = expected_seek_;
    end_ = taken_end_ = gap_end_ = believed_gap_ = kNever;
    last_taken_frames_ = 0;
    grown_limit_ = 0;
    set_grown_out (false);
    mix_begin_ = 0;
    eos_ = segment_done_ = false;
    starved_ = inactive_ = false;
    feeder_ = {};
    shared_.readiness.flag_recheck ();
    (void)update_missing ();
  }
  for (auto &item : thrown_away)
    item.drop ();
  shared_.readiness.wake ();
}

void TrackQueue::set_linked (bool linked) noexcept
{
  {
    const std::lock_guard lock {mutex_};
    linked_ = linked;
    shared_.readiness.flag_recheck ();
    (void)update_missing ();
  }
  shared_.readiness.wake ();
}

void TrackQueue::retire () noexcept
{
  {
    const std::lock_guard lock {mutex_};
    retired_ = true;
    shared_.readiness.flag_recheck ();
    flushing_ = true;
    set_grown_out (false);
    (void)update_missing ();
    cond_.notify_all ();
  }
  shared_.readiness.wake ();
}

void TrackQueue::set_limit (const QueueLimit &limit) noexcept
{
  const std::lock_guard lock {mutex_};
  limit_ = limit.frames;
  limit_bytes_ = limit.bytes;
  growth_ = limit.growth;
  if (within_limits ())
    grown_limit_ = 0;
  if (feeder_waiting_)
    release_feeder ();
}

void TrackQueue::let_through () noexcept
{
  const std::lock_guard lock {mutex_};
  if (feeder_waiting_ || drain_waiting_)
    release_feeder ();
  cond_.notify_all (); // also a drain that waits for a push
}

void TrackQueue::set_flow (GstFlowReturn flow) noexcept
{
  const std::lock_guard lock {mutex_};
  flow_ = flow;
  cond_.notify_all ();
}

TrackLevel TrackQueue::level () const noexcept
{
  const std::lock_guard lock {mutex_};
  return {queued_frames_ + held_frames_, limit_, queued_bytes_, queued_buffers_, limit_bytes_};
}

QueueCounts TrackQueue::counts () const noexcept
{
  const std::lock_guard lock {mutex_};
  return counts_;
}

bool TrackQueue::linked () const noexcept
{
  const std::lock_guard lock {mutex_};
  return linked_;
}

} // namespace mt::trackmixer
