// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livedeadline.hpp"

#include <algorithm>

namespace mt::trackmixer {

namespace {

using SharedOwner = std::shared_ptr<MixerShared>;

gboolean wake_at_deadline (GstClock *, GstClockTime, GstClockID, gpointer owner) noexcept
{
  (*static_cast<SharedOwner *> (owner))->readiness.recheck ();
  return TRUE;
}

void forget_owner (gpointer owner) noexcept
{
  delete static_cast<SharedOwner *> (owner);
}

} // namespace

void UpstreamLatency::ask (GstPad *pad) noexcept
{
  if (!gst_pad_is_linked (pad))
    return;
  GstQuery *query = gst_query_new_latency ();
  gboolean is_live = FALSE;
  GstClockTime its_min = 0;
  GstClockTime its_max = GST_CLOCK_TIME_NONE;
  if (gst_pad_peer_query (pad, query))
    gst_query_parse_latency (query, &is_live, &its_min, &its_max);
  else
    complete = false;
  gst_query_unref (query);
  if (!is_live)
    return;
  live = true;
  min = std::max (min, its_min);
  max = std::min (max, its_max); // none is the largest number
}

bool LiveDeadline::passed (GstElement *element, GstClockTime running_time) noexcept
{
  GstClock *clock = nullptr;
  if (playing_.load (std::memory_order_acquire))
    clock = gst_element_get_clock (element);
  if (!clock) {
    cancel ();
    return false;
  }
  const GstClockTime time = saturating_sum (gst_element_get_base_time (element), running_time);
  const bool is_passed = gst_clock_get_time (clock) >= time;
  if (is_passed) {
    cancel ();
  } else if (!alarm_ || alarm_time_ != time || !gst_clock_id_uses_clock (alarm_, clock)) {
    cancel ();
    // An id for each time: one that is set anew may still be calling back for the last time.
    alarm_ = gst_clock_new_single_shot_id (clock, time);
    alarm_time_ = time;
    gst_clock_id_wait_async (alarm_, wake_at_deadline, new SharedOwner {shared_}, forget_owner);
  }
  gst_object_unref (clock);
  return is_passed;
}

void LiveDeadline::cancel () noexcept
{
  if (!alarm_)
    return;
  gst_clock_id_unschedule (alarm_);
  gst_clock_id_unref (alarm_);
  alarm_ = nullptr;
}

} // namespace mt::trackmixer
