// SPDX-License-Identifier: LGPL-2.1-or-later
// A pipeline can be stopped at any moment, whoever waits in it.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include "../settling.hpp"

#include <algorithm>
#include <random>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

constexpr int kStops = 50;
// A thread that waits is woken at once; a second is for a loaded machine. What hangs, hangs for
// ever.
constexpr gint64 kMostUs = 1'000'000;

const FileSpec &file ()
{
  using enum Codec;
  static const FileSpec out {
      "for stopping", 1000, {{s16, 5 * kRateHz}, {flac, kRateHz}, {f32, 3 * kRateHz, 1500}}};
  return out;
}

/// Stops 50 pipelines, each after another time: early ones while they preroll, later ones while
/// feeders wait for a mixer that waits for the sink's clock. Every other one goes through READY, or
/// PAUSED, and on again.
GST_START_TEST (test_stop_at_any_moment)
{
  const Topology topology = kTopologies[__i__];
  const Container container {file ()};
  std::mt19937 random {static_cast<std::uint32_t> (__i__ + 1)};
  const char *sinks[] = {"sync=true", "sync=false"};
  const GstState states[] = {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED};
  const int stops = kStops / static_cast<int> (std::size (kTopologies));
  for (int stop = 0; stop < stops; ++stop) {
    Pipeline pipeline {launch_line (container, topology, "max-size-time=100000000") +
        tail_line ("", sinks[random () % 2])};
    link_decodebin (pipeline);
    pipeline.set_state (GST_STATE_PLAYING);
    g_usleep (random () % 40'000); // any moment: there is nothing to wait for
    const GstState first = states[random () % 3];
    gint64 begin_us = g_get_monotonic_time ();
    pipeline.set_state (first);
    gint64 took_us = g_get_monotonic_time () - begin_us;
    fail_unless (took_us < kMostUs, "%s: %d ms to state %s", name_of (topology),
        static_cast<int> (took_us / 1000), gst_element_state_get_name (first));
    if (random () % 2) {
      pipeline.set_state (GST_STATE_PLAYING);
      g_usleep (random () % 10'000);
    }
    begin_us = g_get_monotonic_time ();
    pipeline.set_state (GST_STATE_NULL);
    took_us = g_get_monotonic_time () - begin_us;
    fail_unless (took_us < kMostUs, "%s: %d ms to NULL", name_of (topology),
        static_cast<int> (took_us / 1000));
  }
}
GST_END_TEST;

/// With the sink waiting for its clock, the mixer for the sink and every feeder for the mixer, a
/// pipeline goes to NULL within 100 ms. The best of some tries counts: a loaded machine is late now
/// and then, a thread that nobody wakes is late each time.
GST_START_TEST (test_stop_within_100_ms)
{
  constexpr gint64 prompt_us = 100'000;
  const Topology topology = kTopologies[__i__];
  const Container container {file ()};
  gint64 best_us = G_MAXINT64;
  for (int n = 0; n < 10 && best_us >= prompt_us; ++n) {
    Pipeline pipeline {
        launch_line (container, topology, "max-size-time=100000000") + tail_line ("", "sync=true")};
    link_decodebin (pipeline);
    fail_unless (pipeline.reach (GST_STATE_PLAYING));
    fail_unless (mt::test::settles ()); // until the sink's next chunk
    const gint64 begin_us = g_get_monotonic_time ();
    pipeline.set_state (GST_STATE_NULL);
    best_us = std::min (best_us, g_get_monotonic_time () - begin_us);
  }
  fail_unless (
      best_us < prompt_us, "%s: %d ms", name_of (topology), static_cast<int> (best_us / 1000));
}
GST_END_TEST;

/// What was stopped half way plays from its start to its end the next time. From WAV files: the
/// links that a launch line makes to a demuxer's pads are not made a second time.
GST_START_TEST (test_plays_again_after_stop)
{
  const TwoWavFiles files;
  Pipeline pipeline {files.launch_line ()};
  for (GstState rest : {GST_STATE_READY, GST_STATE_NULL, GST_STATE_READY}) {
    g_object_set (pipeline.find ("out"), "sync", TRUE, nullptr);
    fail_unless (pipeline.reach (GST_STATE_PLAYING));
    gint64 position = 0;
    while (position < static_cast<gint64> (20 * GST_MSECOND)) { // by the pipeline's clock
      g_usleep (1000);
      gst_element_query_position (pipeline.element (), GST_FORMAT_TIME, &position);
    }
    pipeline.set_state (rest);
    g_object_set (pipeline.find ("out"), "sync", FALSE, nullptr);
    pipeline.forget ();
    fail_unless (pipeline.run () == End::eos, "%s", pipeline.error ().c_str ());
    const std::string off = difference (pipeline.capture ().samples, files.mix (), 0.0);
    fail_unless (off.empty (), "%s", off.c_str ());
    pipeline.set_state (rest);
    pipeline.forget ();
  }
}
GST_END_TEST;

Suite *teardown_suite ()
{
  Suite *suite = suite_create ("teardown");
  TCase *stops = tcase_create ("stops");
  suite_add_tcase (suite, stops);
  tcase_add_loop_test (
      stops, test_stop_at_any_moment, 0, static_cast<int> (std::size (kTopologies)));
  tcase_add_loop_test (
      stops, test_stop_within_100_ms, 0, static_cast<int> (std::size (kTopologies)));
  tcase_add_test (stops, test_plays_again_after_stop);
  return suite;
}

} // namespace

GST_CHECK_MAIN (teardown);
