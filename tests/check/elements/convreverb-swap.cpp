// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses of 10 s change all the time in a pipeline that runs by the system clock.
#include "../dsp/allocationcount.hpp"

#include <algorithm>
#include <string>

#include "chunkwatch.hpp"
#include "reverbbed.hpp"

using namespace mt::test;

namespace {

constexpr int kChannels = 2;
constexpr std::size_t kChunkFrames = 480;
constexpr std::int64_t kChunkNs = 10'000'000;

#ifdef MT_COUNTS_MALLOC
std::size_t memory_used ()
{
  const struct mallinfo2 memory = mallinfo2 ();
  return memory.uordblks + memory.hblkhd;
}
#endif

/// What comes out: how much, and whether any of it is missing. The streaming thread's, and the
/// test's once that has ended.
struct Heard {
  GstClockTime next {GST_CLOCK_TIME_NONE};
  std::uint64_t frames {0};
  int holes {0};
};

void hear (GstElement *, GstBuffer *buffer, GstPad *, gpointer data)
{
  auto *const heard = static_cast<Heard *> (data);
  heard->holes += GST_CLOCK_TIME_IS_VALID (heard->next) && GST_BUFFER_PTS (buffer) != heard->next;
  heard->next = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
  heard->frames += gst_buffer_get_size (buffer) / (kChannels * sizeof (float));
}

} // namespace

GST_START_TEST (test_ten_seconds_swapped_100_times)
{
  const int swaps = kSanitized ? 4 : 100;
  Random random {59};
  const Folder folder;
  const Samples responses[] = {
      decaying (random, 10 * kRate, kChannels), decaying (random, 10 * kRate, kChannels)};
  const std::string files[] = {folder.write ("a.wav", wav (responses[0], kChannels)),
      folder.write ("b.wav", wav (responses[1], kChannels))};
  GstElement *const pipeline = gst_parse_launch (
      "audiotestsrc is-live=true wave=white-noise volume=0.3 samplesperbuffer=480 ! "
      "audio/x-raw,rate=48000,channels=2 ! convreverb name=reverb preset-room=small-room ! "
      "fakesink name=sink sync=true signal-handoffs=true",
      nullptr);
  GstElement *const reverb = gst_bin_get_by_name (GST_BIN (pipeline), "reverb");
  GstElement *const sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  Heard heard;
  g_signal_connect (sink, "handoff", G_CALLBACK (hear), &heard);
  // The first buffer counts, too, but not what GStreamer registers once in a process. Other threads
  // may allocate meanwhile: the one that loads does all the time.
  gst_audio_meta_api_get_type ();
  allocations = 0;
  only_marked_threads = true;
  counting_allocations = true;
  ChunkWatch watch {reverb, [] { thread_is_marked = true; }, [] { thread_is_marked = false; }};
  fail_unless (gst_element_set_state (pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
  fail_unless (watch.wait ());

  std::size_t used_before = 0;
  for (int swap = 1; swap <= swaps; ++swap) {
    // Half of them by file, half by sample; always another than there is.
    const auto which = static_cast<std::size_t> (swap / 2 % 2);
    if (swap % 2)
      g_object_set (reverb, "ir-location", files[which].c_str (), nullptr);
    else
      set_response (reverb, responses[which], kChannels);
    const auto asked = watch.times ().size ();
    while (changes_of (reverb) < static_cast<std::uint64_t> (swap))
      fail_unless (watch.wait () && watch.times ().size () < asked + 6000, "no change %d", swap);
#ifdef MT_COUNTS_MALLOC
    if (swap == 3)
      used_before = memory_used ();
    // What a response is done with is freed: each takes some 20 MB.
    fail_unless (swap <= 3 || memory_used () < used_before + (std::size_t {150} << 20),
        "%d MB more after %d swaps", static_cast<int> ((memory_used () - used_before) >> 20), swap);
#endif
  }
  (void)used_before;
  counting_allocations = only_marked_threads = false;
  GstBus *const bus = gst_element_get_bus (pipeline);
  GstMessage *const trouble = gst_bus_pop_filtered (
      bus, static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
  fail_unless (trouble == nullptr);
  gst_element_set_state (pipeline, GST_STATE_NULL);

  const auto times = watch.times ();
  fail_unless_equals_int (heard.holes, 0);
  fail_unless (heard.frames >= (times.size () - 1) * kChunkFrames);
  fail_unless_equals_int (allocations, 0);
  // Processor time, for a loaded machine may keep any thread waiting; in a virtual machine what its
  // host takes counts as that, so that any chunk may be late now and then. What a swap costs the
  // thread is seen at each of them. With a sanitizer in it, a buffer may well take longer.
  const auto worst = std::max_element (times.begin (), times.end (),
      [] (const auto &a, const auto &b) { return a.cpu_ns < b.cpu_ns; });
  const auto late = std::count_if (
      times.begin (), times.end (), [] (const auto &chunk) { return chunk.cpu_ns >= kChunkNs; });
  fail_unless (kSanitized || late <= swaps / 20,
      "%d chunks of 10 ms took more, the worst, %d, %d us of processor time",
      static_cast<int> (late), static_cast<int> (worst - times.begin ()),
      static_cast<int> (worst->cpu_ns / 1000));
  g_print ("worst of %zu chunks with %d swaps: %d us of processor time\n", times.size (), swaps,
      static_cast<int> (worst->cpu_ns / 1000));
  gst_object_unref (bus);
  gst_object_unref (sink);
  gst_object_unref (reverb);
  gst_object_unref (pipeline);
}
GST_END_TEST;

static Suite *convreverb_swap_suite ()
{
  Suite *const suite = suite_create ("convreverb-swap");
  TCase *const swaps = add_group (suite, "swaps");
  tcase_set_timeout (swaps, 240); // on a loaded machine
  tcase_add_test (swaps, test_ten_seconds_swapped_100_times);
  return suite;
}

GST_CHECK_MAIN (convreverb_swap);
