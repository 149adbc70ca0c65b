// SPDX-License-Identifier: LGPL-2.1-or-later
// Segment by segment what a sink sees: fields, samples, running times.
#pragma once

#include "containers.hpp"
#include "pipelinerun.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <vector>

#include <gst/check/gstcheck.h>

namespace mt::test {

#if defined(__SANITIZE_THREAD__)
// The locks of GStreamer's own elements are GLib's, futexes that TSan does not see.
inline constexpr const char *kBothMixers[] = {"trackmixer"};
#else
inline constexpr const char *kBothMixers[] = {"audiomixer", "trackmixer"};
#endif
inline constexpr std::size_t kMixerCount = std::size (kBothMixers);

/// Of a frame, truncated to a nanosecond.
inline GstClockTime time_of (std::int64_t frame)
{
  return gst_util_uint64_scale (static_cast<guint64> (frame), GST_SECOND, kRateHz);
}

/// What a sink has seen between two SEGMENT events.
struct Round {
  GstClockTime start, stop, base, time;
  gdouble rate, applied_rate;
  bool is_loop;
  std::vector<float> samples;
  GstClockTime first_running_time {GST_CLOCK_TIME_NONE};
  GstClockTime end_running_time {GST_CLOCK_TIME_NONE};
  std::size_t broken {0};
  gint64 segment_done {-1};
  int segment_dones {0};
};

/// Listens at the sink named `out`.
class Listener {
public:
  explicit Listener (const Pipeline &pipeline)
      : pad_ {gst_element_get_static_pad (pipeline.find ("out"), "sink")}
  {
    probe_ = gst_pad_add_probe (
        pad_,
        static_cast<GstPadProbeType> (GST_PAD_PROBE_TYPE_BUFFER |
            GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH),
        [] (GstPad *, GstPadProbeInfo *info, gpointer self) noexcept {
          static_cast<Listener *> (self)->hear (info);
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~Listener ()
  {
    gst_pad_remove_probe (pad_, probe_);
    gst_object_unref (pad_);
  }
  Listener (const Listener &) = delete;
  Listener &operator= (const Listener &) = delete;

  std::vector<Round> rounds ()
  {
    const std::lock_guard lock {mutex_};
    return rounds_;
  }

  /// Until so many SEGMENT_DONE have come since the last flush; false: they do not.
  bool wait_for_segment_dones (std::size_t count)
  {
    for (int tries = 0; tries < 60'000; ++tries) {
      std::size_t dones = 0;
      for (const Round &round : rounds ())
        dones += static_cast<std::size_t> (round.segment_dones);
      if (dones >= count)
        return true;
      g_usleep (1000);
    }
    return false;
  }

private:
  void hear (GstPadProbeInfo *info)
  {
    const std::lock_guard lock {mutex_};
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
      take (GST_PAD_PROBE_INFO_BUFFER (info));
    else
      note (GST_PAD_PROBE_INFO_EVENT (info));
  }
  void note (GstEvent *event)
  {
    if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP) {
      rounds_.clear ();
    } else if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
      gst_event_copy_segment (event, &segment_);
      rounds_.push_back (
          {segment_.start, segment_.stop, segment_.base, segment_.time, segment_.rate,
              segment_.applied_rate, (segment_.flags & GST_SEGMENT_FLAG_SEGMENT) != 0, {}});
    } else if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT_DONE) {
      gst_event_parse_segment_done (event, nullptr, &rounds_.back ().segment_done);
      ++rounds_.back ().segment_dones;
    }
  }
  void take (GstBuffer *buffer)
  {
    Round &round = rounds_.back ();
    const auto running_time =
        gst_segment_to_running_time (&segment_, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
    // Each is a time that was truncated once, and is longer the slower it is played.
    const auto rounding = static_cast<GstClockTime> (std::max (1.0, 2.0 / segment_.rate));
    if (!GST_CLOCK_TIME_IS_VALID (round.first_running_time))
      round.first_running_time = running_time;
    else if (std::max (running_time, round.end_running_time) -
            std::min (running_time, round.end_running_time) >
        rounding)
      ++round.broken;
    round.end_running_time = running_time +
        static_cast<GstClockTime> (
            static_cast<double> (GST_BUFFER_DURATION (buffer)) / segment_.rate);
    GstMapInfo map;
    fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
    const auto *data = reinterpret_cast<const float *> (map.data);
    round.samples.insert (round.samples.end (), data, data + map.size / sizeof (float));
    gst_buffer_unmap (buffer, &map);
  }

  GstPad *pad_;
  gulong probe_;
  std::mutex mutex_;
  GstSegment segment_ {};
  std::vector<Round> rounds_;
};

} // namespace mt::test
