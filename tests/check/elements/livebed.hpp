// SPDX-License-Identifier: LGPL-2.1-or-later
// Live mixers under test, with a clock in the hands of the test.
#pragma once

#include <iterator>

#include "support.hpp"

#include <gst/check/gsttestclock.h>

namespace mt::test {

#if defined(__SANITIZE_THREAD__)
// The locks of GStreamer's own elements are GLib's, futexes that TSan does not see.
inline constexpr const char *kBoth[] = {"trackmixer"};
#else
inline constexpr const char *kBoth[] = {"audiomixer", "trackmixer"};
#endif
inline constexpr int kMixers = static_cast<int> (std::size (kBoth));

/// A mixer, ours or audiomixer, that waits for a test clock. It plays from running time 0 on.
class LiveBed {
public:
  static constexpr GstClockTime kChunk = 10 * GST_MSECOND;
  static constexpr std::size_t kFrames = 480;                   // of a chunk, at 48 kHz
  static constexpr GstClockTime kBaseTime = 7 * GST_SECOND + 1; // no round number of anything

  explicit LiveBed (const char *factory = "trackmixer", bool force_live = false)
      : bed {kChunk, true, factory, force_live}
  {
    gst_element_set_clock (bed.element, GST_CLOCK (clock));
    gst_element_set_base_time (bed.element, kBaseTime);
    gst_element_set_start_time (bed.element, GST_CLOCK_TIME_NONE);
  }
  ~LiveBed ()
  {
    bed.stop ();
    gst_element_set_clock (bed.element, nullptr);
    gst_object_unref (clock);
  }
  LiveBed (const LiveBed &) = delete;
  LiveBed &operator= (const LiveBed &) = delete;

  /// From now on the feeder's answer to LATENCY queries.
  static void set_latency (Feeder &feeder, GstClockTime min, bool live = true)
  {
    feeder.upstream_query = [min, live] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
        return false;
      gst_query_set_latency (query, live, min, GST_CLOCK_TIME_NONE);
      return true;
    };
  }

  /// Running time.
  void set_time (GstClockTime time) { gst_test_clock_set_time (clock, base_time + time); }
  /// The running time that the mixer waits for; none if it waits for no time.
  [[nodiscard]] GstClockTime deadline_now () const
  {
    GstClockID id = nullptr;
    if (!gst_test_clock_peek_next_pending_id (clock, &id))
      return GST_CLOCK_TIME_NONE;
    const GstClockTime time = gst_clock_id_get_time (id);
    gst_clock_id_unref (id);
    return time - base_time;
  }
  /// Waits until the mixer waits for the clock, and says for which running time.
  GstClockTime next_deadline ()
  {
    GstClockTime time = GST_CLOCK_TIME_NONE;
    fail_unless (eventually ([&] {
      time = deadline_now ();
      return GST_CLOCK_TIME_IS_VALID (time);
    }));
    return time;
  }
  /// Waits until the mixer waits for this running time: it may wait for another one before it has
  /// taken notice of all that has been done.
  void check_deadline (GstClockTime wanted)
  {
    fail_unless (eventually ([&] { return deadline_now () == wanted; }),
        "waits for %" GST_TIME_FORMAT " and not for %" GST_TIME_FORMAT,
        GST_TIME_ARGS (deadline_now ()), GST_TIME_ARGS (wanted));
  }
  /// Moves the clock to a deadline that is waited for, and lets whoever waits go on.
  void pass (GstClockTime deadline)
  {
    set_time (deadline);
    GstClockID id = gst_test_clock_process_next_clock_id (clock);
    fail_unless (id != nullptr);
    gst_clock_id_unref (id);
  }
  /// The next chunk, number `chunk`, goes out at that running time and not a nanosecond before.
  void check_chunk_at (std::size_t chunk, GstClockTime deadline)
  {
    check_deadline (deadline);
    set_time (deadline - 1);
    fail_unless_equals_int (static_cast<int> (bed.sink.chunk_count ()), static_cast<int> (chunk));
    pass (deadline);
    fail_unless (bed.sink.wait_for_chunks (chunk + 1));
  }
  /// A chunk of a constant.
  void push (Feeder &feeder, std::int64_t chunk, float value)
  {
    fail_unless_equals_int (
        feeder.push (Samples (2 * kFrames, value), chunk * static_cast<std::int64_t> (kFrames)),
        GST_FLOW_OK);
  }
  /// The constant that came out.
  float heard (std::size_t chunk)
  {
    const Samples out = bed.sink.samples ();
    fail_unless (out.size () >= 2 * kFrames * (chunk + 1));
    const float first = out[2 * kFrames * chunk];
    for (std::size_t n = 0; n < 2 * kFrames; ++n)
      CHECK_SAMPLE (out[2 * kFrames * chunk + n] == first, "sample %zu of chunk %zu", n, chunk);
    return first;
  }

  MixerBed bed;
  GstTestClock *clock {GST_TEST_CLOCK (gst_test_clock_new_with_start_time (kBaseTime))};
  GstClockTime base_time {kBaseTime};
};

/// With two live tracks.
class LiveMix : public LiveBed {
public:
  static constexpr GstClockTime kUpstream = 20 * GST_MSECOND;

  explicit LiveMix (GstClockTime upstream = kUpstream, const char *factory = "trackmixer",
      bool force_live = false)
      : LiveBed {factory, force_live}
  {
    for (Feeder *feeder : {&a, &b})
      set_latency (*feeder, upstream);
  }
  ~LiveMix () { bed.stop (); } // before its feeders go

  Feeder a {bed};
  Feeder b {bed};
};

} // namespace mt::test
