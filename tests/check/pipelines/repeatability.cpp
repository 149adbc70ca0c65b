// SPDX-License-Identifier: LGPL-2.1-or-later
// The mix does not depend on when threads run: the same bytes under load, and nothing lost when the
// sink is slow.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

/// Threads that do nothing but keep the processors busy.
class Load {
public:
  Load ()
  {
    for (std::thread &thread : threads_)
      thread = std::thread {[this] {
        while (!stop_.load (std::memory_order_relaxed)) {
        }
      }};
  }
  ~Load ()
  {
    stop_ = true;
    for (std::thread &thread : threads_)
      thread.join ();
  }
  Load (const Load &) = delete;
  Load &operator= (const Load &) = delete;

private:
  std::atomic<bool> stop_ {false};
  std::array<std::thread, 4> threads_;
};

/// Eight tracks whose sum shows in its last bits in which order they were added.
FileSpec eight_tracks (std::uint64_t frames)
{
  FileSpec out {"eight tracks of any float", 40, {}};
  for (unsigned i = 0; i < 8; ++i)
    out.tracks.push_back ({Codec::f32_any, frames - 997 * i, 10 * i});
  return out;
}

std::vector<float> mix_once (const Container &container, Topology topology)
{
  Pipeline pipeline {launch_line (container, topology, "max-size-time=200000000") + tail_line ()};
  link_decodebin (pipeline);
  const End end = pipeline.run ();
  fail_unless (end == End::eos, "%s: %s", name_of (topology),
      end == End::hung ? "hangs" : pipeline.error ().c_str ());
  return pipeline.capture ().samples;
}

bool same_bytes (const std::vector<float> &a, const std::vector<float> &b)
{
  return a.size () == b.size () &&
      std::memcmp (a.data (), b.data (), a.size () * sizeof (float)) == 0;
}

constexpr int kRuns = 20;

GST_START_TEST (test_same_bytes_under_load)
{
  const Topology topology = kTopologies[__i__];
  const Container container {eight_tracks (kRateHz)};
  const std::vector<float> first = mix_once (container, topology);
  const std::string off = difference (first, container.mix (), 1e-6);
  fail_unless (off.empty (), "%s: %s", name_of (topology), off.c_str ());

  const Load load;
  for (int run = 1; run < kRuns; ++run) {
    const std::vector<float> again = mix_once (container, topology);
    fail_unless (same_bytes (again, first), "%s, run %d: %s", name_of (topology), run,
        difference (again, first, 0.0).c_str ());
  }
}
GST_END_TEST;

/// Stops the sink's thread at some chunks for longer than a queue lasts, so that every feeder comes
/// to wait.
GstPadProbeReturn hold_up (GstPad *, GstPadProbeInfo *, gpointer count) noexcept
{
  constexpr int chunks_between_stops = 37;
  constexpr gulong stop_us = 50'000;
  if ((*static_cast<int *> (count))++ % chunks_between_stops == 0)
    g_usleep (stop_us); // this is what makes the sink slow
  return GST_PAD_PROBE_OK;
}

GST_START_TEST (test_slow_sink)
{
  const Topology topology = kTopologies[__i__];
  const Container container {eight_tracks (3 * kRateHz)};
  Pipeline pipeline {launch_line (container, topology, "max-size-time=100000000") + tail_line ()};
  link_decodebin (pipeline);
  int chunks = 0;
  GstPad *pad = gst_element_get_static_pad (pipeline.find ("out"), "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, hold_up, &chunks, nullptr);
  gst_object_unref (pad);

  fail_unless (pipeline.run () == End::eos, "%s: no end", name_of (topology));
  const std::string off = difference (pipeline.capture ().samples, container.mix (), 1e-6);
  fail_unless (off.empty (), "%s: %s", name_of (topology), off.c_str ());
  if (mixer_factory () == "trackmixer") {
    fail_unless_equals_uint64 (pipeline.mixer_stat ("dropped-frames"), 0);
    fail_unless_equals_uint64 (pipeline.mixer_stat ("late-frames"), 0);
  }
}
GST_END_TEST;

Suite *repeatability_suite ()
{
  Suite *suite = suite_create ("repeatability");
  TCase *timing = tcase_create ("timing");
  suite_add_tcase (suite, timing);
  const int topologies = static_cast<int> (std::size (kTopologies));
  tcase_add_loop_test (timing, test_same_bytes_under_load, 0, topologies);
  tcase_add_loop_test (timing, test_slow_sink, 0, topologies);
  return suite;
}

} // namespace

GST_CHECK_MAIN (repeatability);
