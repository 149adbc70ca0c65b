// SPDX-License-Identifier: LGPL-2.1-or-later
// Placing buffers in time, and what a track holds for the mix.
#include "track.hpp"

#include <algorithm>
#include <utility>

namespace mt::trackmixer {

Frames frame_at (GstClockTime time, int rate_hz) noexcept
{
  return static_cast<Frames> (
      gst_util_uint64_scale_round (time, static_cast<guint64> (rate_hz), GST_SECOND));
}

Frames TrackTimeline::place (GstClockTime time, Frames frames, int rate_hz, bool discont,
    GstClockTime threshold, GstClockTime discont_wait) noexcept
{
  const bool after_gap = std::exchange (gap_pending_, false);
  Frames start = expected_ != kUnknown ? expected_ : end_;
  if (GST_CLOCK_TIME_IS_VALID (time)) {
    const Frames stamped = frame_at (time, rate_hz);
    if (after_gap &&
        (before_gap_ == kUnknown ||
            std::abs (stamped - before_gap_) < std::abs (stamped - expected_)))
      start = expected_ = before_gap_;
    bool resync = expected_ == kUnknown || discont;
    if (!resync) {
      const auto within_threshold = [&] {
        return std::abs (stamped - expected_) <=
            static_cast<Frames> (gst_util_uint64_scale_round (
                threshold, static_cast<guint64> (rate_hz), GST_SECOND));
      };
      if (stamped == expected_ || within_threshold ()) {
        apart_since_ = GST_CLOCK_TIME_NONE;
      } else if (!GST_CLOCK_TIME_IS_VALID (apart_since_)) {
        apart_since_ = time;
        resync = discont_wait == 0 || after_gap;
      } else {
        resync = time < apart_since_ || time - apart_since_ >= discont_wait;
      }
    }
    if (resync) {
      start = stamped;
      apart_since_ = GST_CLOCK_TIME_NONE;
    }
  }
  if (start == kUnknown)
    start = 0;
  end_ = start + frames;
  if (GST_CLOCK_TIME_IS_VALID (time) || expected_ != kUnknown)
    expected_ = end_;
  return start;
}

void TrackTimeline::change_rate (int from_hz, int to_hz) noexcept
{
  expect_discontinuity ();
  if (end_ != kUnknown)
    end_ = static_cast<Frames> (
        gst_util_uint64_scale_round (static_cast<guint64> (std::max<Frames> (end_, 0)),
            static_cast<guint64> (to_hz), static_cast<guint64> (from_hz)));
}

Frames TrackTimeline::place_gap (GstClockTime end, int rate_hz) noexcept
{
  if (!std::exchange (gap_pending_, true))
    before_gap_ = expected_;
  expected_ = frame_at (end, rate_hz);
  return expected_;
}

MixInput::~MixInput ()
{
  unmap ();
  for (auto &item : held)
    item.drop ();
}

void MixInput::forget (std::vector<QueueItem> &items) noexcept
{
  unmap ();
  // What comes next may have no format of its own before it: a flush of other tracks does not make
  // this one's feeder bring it again.
  if (!prepared.empty ())
    format = std::move (prepared.back ());
  prepared.clear ();
  for (auto &item : items) {
    if (item.occupies_time ())
      bump (frames_dropped, static_cast<std::uint64_t> (item.frames));
    item.drop ();
  }
  items.clear ();
}

void MixInput::unmap () noexcept
{
  if (mapped)
    gst_audio_buffer_unmap (&map);
  mapped = nullptr;
}

} // namespace mt::trackmixer
