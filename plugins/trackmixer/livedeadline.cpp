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

UpstreamLatency ask_upstream_latency (GstElement *element) noexcept
{
  UpstreamLatency all;
  const auto ask = [] (GstElement *, GstPad *pad, gpointer result) -> gboolean {
    auto &longest = *static_cast<UpstreamLatency *> (result);
    GstQuery *query = gst_query_new_latency ();
    gboolean live = FALSE;
    GstClockTime min = 0;
    GstClockTime max = GST_CLOCK_TIME_NONE;
    if (gst_pad_is_linked (pad)) {
      if (gst_pad_peer_query (pad, query))
        gst_query_parse_latency (query, &live, &min, &max);
      else
        longest.complete = false;
    }
    gst_query_unref (query);
    if (live) {
      longest.live = true;
      longest.min = std::max (longest.min, min);
      longest.max = std::min (longest.max, max); // none is the largest number
    }
    return TRUE;
  };
  gst_element_foreach_sink_pad (element, ask, &all);
  return all;
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
