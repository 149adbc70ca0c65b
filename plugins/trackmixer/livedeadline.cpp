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

/// No clock holds it any more: nobody but us has a reference.
bool is_free (GstClockID id) noexcept
{
  auto *entry = static_cast<GstClockEntry *> (id);
  return g_atomic_int_get (&entry->refcount) == 1 &&
      GST_CLOCK_ENTRY_STATUS (entry) != GST_CLOCK_BUSY;
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
  } else if (!alarm_ || alarm_time_ != time || !gst_clock_id_uses_clock (alarm_->id, clock)) {
    cancel ();
    alarm_ = &free_alarm (clock, time);
    alarm_time_ = time;
    gst_clock_id_wait_async (alarm_->id, wake_at_deadline, alarm_->owner, forget_owner);
  }
  gst_object_unref (clock);
  return is_passed;
}

/// One that is set for that time. Allocates where the clock is another one, or late.
LiveDeadline::Alarm &LiveDeadline::free_alarm (GstClock *clock, GstClockTime time) noexcept
{
  for (Alarm &alarm : alarms_) {
    if (!alarm.id || !is_free (alarm.id))
      continue;
    if (!gst_clock_id_uses_clock (alarm.id, clock) ||
        !gst_clock_single_shot_id_reinit (clock, alarm.id, time))
      set_up (alarm, clock, time);
    return alarm;
  }
  const auto empty = std::find_if (
      alarms_.begin (), alarms_.end (), [] (const Alarm &alarm) { return !alarm.id; });
  Alarm &alarm = empty != alarms_.end () ? *empty : alarms_.front ();
  set_up (alarm, clock, time);
  return alarm;
}

void LiveDeadline::set_up (Alarm &alarm, GstClock *clock, GstClockTime time) noexcept
{
  if (alarm.id)
    gst_clock_id_unref (alarm.id);
  alarm = {gst_clock_new_single_shot_id (clock, time), new Owner {shared_}};
}

void LiveDeadline::cancel () noexcept
{
  if (alarm_)
    gst_clock_id_unschedule (alarm_->id);
  alarm_ = nullptr;
}

LiveDeadline::~LiveDeadline ()
{
  cancel ();
  for (const Alarm &alarm : alarms_)
    if (alarm.id)
      gst_clock_id_unref (alarm.id);
}

} // namespace mt::trackmixer
