// SPDX-License-Identifier: LGPL-2.1-or-later
// What convreverb costs between two buffers, and what it says about it.
#include "../dsp/allocationcount.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <sstream>
#include <string>

#include <dlfcn.h>
#include <pthread.h>

#include "reverbbed.hpp"

using namespace mt::test;

#ifdef MT_COUNTS_MALLOC // or what the plug-in allocates is not counted

// GLib's locks, which are those of GstBaseTransform, are none of pthread's: what is counted here is
// ours, FFTW's and the C++ library's.
static std::atomic<int> locks {0};
extern "C" __attribute__ ((visibility ("default"))) int pthread_mutex_lock (
    pthread_mutex_t *lock) noexcept
{
  locks += counts_here ();
  using Lock = int (pthread_mutex_t *);
  static Lock *const real = reinterpret_cast<Lock *> (dlsym (RTLD_NEXT, "pthread_mutex_lock"));
  return real (lock);
}

GST_START_TEST (test_no_allocation_and_no_lock_for_a_buffer)
{
  fail_unless (allocations_in ([] { // it does count
    void *volatile memory = malloc (1);
    free (memory);
  }) == 1);
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    Reverb reverb (2, kRate, "batch-duration", batch);
    GstPad *const sink = gst_element_get_static_pad (reverb.element, "sink");
    GstPad *const src = gst_element_get_static_pad (reverb.element, "src");
    const auto start = [] (GstPad *, GstPadProbeInfo *, gpointer) {
      counting_allocations = true;
      return GST_PAD_PROBE_OK;
    };
    const auto stop = [] (GstPad *, GstPadProbeInfo *, gpointer) {
      counting_allocations = false;
      return GST_PAD_PROBE_OK;
    };
    Random random {53};
    reverb.push_all (random.samples (kRate * 2), 480);
    gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, +start, nullptr, nullptr);
    gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, +stop, nullptr, nullptr);
    counting_allocations = true; // reading the statistics does take a lock
    reverb.stat ("frames");
    counting_allocations = false;
    fail_unless (locks > 0);
    allocations = 0;
    locks = 0;
    const int before = reverb.buffers;
    for (int i = 0; i < 200; ++i) {
      const Samples x = random.samples (random.upto (700) * 2);
      g_object_set (reverb.element, "wet", 0.01 * (i % 50), nullptr);
      reverb.push (x.data (), x.size () / 2);
    }
    fail_unless_equals_int (reverb.buffers - before, 200);
    fail_unless_equals_int (allocations, 0);
    fail_unless_equals_int (locks, 0);
    gst_object_unref (sink);
    gst_object_unref (src);
  }
}
GST_END_TEST;

GST_START_TEST (test_no_allocation_and_no_lock_around_a_change)
{
  // Of every buffer from before the first change to after the last, those of the crossfades among
  // them; the thread that loads allocates all the time.
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    Reverb reverb (2, kRate, "preset-room", 0, "batch-duration", batch);
    GstPad *const sink = gst_element_get_static_pad (reverb.element, "sink");
    GstPad *const src = gst_element_get_static_pad (reverb.element, "src");
    const auto start = [] (GstPad *, GstPadProbeInfo *, gpointer) {
      counting_allocations = true;
      return GST_PAD_PROBE_OK;
    };
    const auto stop = [] (GstPad *, GstPadProbeInfo *, gpointer) {
      counting_allocations = false;
      return GST_PAD_PROBE_OK;
    };
    Random random {53};
    reverb.push_all (random.samples (kRate * 2), 480);
    gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, +start, nullptr, nullptr);
    gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, +stop, nullptr, nullptr);
    thread_is_marked = only_marked_threads = true;
    allocations = 0;
    locks = 0;
    for (std::uint64_t change = 1; change <= 10; ++change) {
      g_object_set (reverb.element, "decay-time", change % 2 ? 2.0 : 0.3, nullptr);
      for (int i = 0; reverb.stat ("ir-changes") < change; ++i) {
        fail_unless (i < 20000, "no change");
        const Samples x = random.samples (480 * 2);
        reverb.push (x.data (), 480);
        g_usleep (200);
      }
    }
    reverb.push_all (random.samples (kRate), 480);
    only_marked_threads = false;
    fail_unless_equals_int (allocations, 0);
    fail_unless_equals_int (locks, 0);
    gst_object_unref (sink);
    gst_object_unref (src);
  }
}
GST_END_TEST;
#endif

// What the streaming thread works for one buffer, and not how long it has to wait for a processor.

static gint64 cpu_ns ()
{
  timespec time {};
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<gint64> (time.tv_sec) * 1000000000 + time.tv_nsec;
}

struct ChunkTimes {
  gint64 start_ns;
  gint64 worst_ns;
};

GST_START_TEST (test_ten_seconds_swapped_100_times)
{
  const int swaps = kSanitized ? 3 : 100;
  Reverb reverb (1, kRate, "preset-room", 0);
  Random random {59};
  reverb.push_all (random.samples (kRate), 480); // and memory is there
  GstPad *const sink = gst_element_get_static_pad (reverb.element, "sink");
  GstPad *const src = gst_element_get_static_pad (reverb.element, "src");
  ChunkTimes times {};
  const auto start = [] (GstPad *, GstPadProbeInfo *, gpointer data) {
    static_cast<ChunkTimes *> (data)->start_ns = cpu_ns ();
    return GST_PAD_PROBE_OK;
  };
  const auto stop = [] (GstPad *, GstPadProbeInfo *, gpointer data) {
    auto *const chunk = static_cast<ChunkTimes *> (data);
    chunk->worst_ns = std::max (chunk->worst_ns, cpu_ns () - chunk->start_ns);
    return GST_PAD_PROBE_OK;
  };
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, +start, &times, nullptr);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, +stop, &times, nullptr);

  const Samples long_response = decaying (random, 10 * kRate, 1);
  GstCaps *const caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING,
      GST_AUDIO_NE (F32), "rate", G_TYPE_INT, kRate, "channels", G_TYPE_INT, 1, "layout",
      G_TYPE_STRING, "interleaved", nullptr);
  GstBuffer *const buffer =
      gst_buffer_new_memdup (long_response.data (), long_response.size () * sizeof (float));
  const Samples x = random.samples (480);
  std::size_t after_first = 0; // bytes
  for (int swap = 1; swap <= swaps; ++swap) {
    GstSample *const sample = gst_sample_new (buffer, caps, nullptr, nullptr); // another each time
    g_object_set (reverb.element, "ir", sample, nullptr);
    gst_sample_unref (sample);
    for (int i = 0; reverb.stat ("ir-changes") < static_cast<std::uint64_t> (swap); ++i) {
      fail_unless (i < 100000, "no change");
      reverb.push (x.data (), 480);
      g_usleep (1000);
    }
    reverb.out.clear ();
#ifdef MT_COUNTS_MALLOC
    const struct mallinfo2 memory = mallinfo2 ();
    const std::size_t used = memory.uordblks + memory.hblkhd;
    if (swap == 3)
      after_first = used;
    // What a response is done with is freed: each takes some 10 MB.
    fail_unless (swap <= 3 || used < after_first + (std::size_t {100} << 20),
        "%d MB more after %d swaps", static_cast<int> ((used - after_first) >> 20), swap);
#endif
  }
  (void)after_first;
  fail_unless_equals_uint64 (reverb.stat ("ir-frames"), 10 * kRate);
  // With a sanitizer in it, a buffer may well take longer.
  fail_unless (kSanitized || times.worst_ns < 10 * G_GINT64_CONSTANT (1000000),
      "a buffer of 10 ms took %d us of processor time", static_cast<int> (times.worst_ns / 1000));
  g_print ("worst buffer of %d swaps: %d us of processor time\n", swaps,
      static_cast<int> (times.worst_ns / 1000));
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  gst_object_unref (sink);
  gst_object_unref (src);
}
GST_END_TEST;

GST_START_TEST (test_stats)
{
  Reverb reverb (2, kRate, "decay-time", 1.0, "batch-duration", 40 * GST_MSECOND);
  Random random {59};
  reverb.push_all (random.samples (9600 * 2), 480);
  fail_unless_equals_uint64 (reverb.stat ("block-frames"), 1920);
  fail_unless_equals_uint64 (reverb.stat ("latency-frames"), 1440);
  const std::uint64_t ir = reverb.stat ("ir-frames");
  fail_unless_equals_uint64 (reverb.stat ("partitions"), (ir + 1919) / 1920);
  fail_unless_equals_uint64 (reverb.stat ("tail-frames"), ir + 1439);
  fail_unless_equals_uint64 (reverb.stat ("ir-channels"), 2);
  fail_unless_equals_uint64 (reverb.stat ("frames"), 9600);
  fail_unless (reverb.stat ("worst-buffer-ns") > 0);
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 0);

  // The plan as text covers the response, and no more than its last blocks are empty.
  GstStructure *stats = nullptr;
  g_object_get (reverb.element, "stats", &stats, nullptr);
  const std::string plan = gst_structure_get_string (stats, "plan");
  gst_structure_free (stats);
  std::istringstream words {plan};
  std::uint64_t frames = 0, partitions = 0, block = 0;
  std::string times, word;
  while (words >> partitions >> times >> block) {
    fail_unless (times == "x" && partitions > 0 && block > 0, "'%s'", plan.c_str ());
    frames += partitions * block;
    while (words >> word && word != "+")
      fail_unless (word == "spread", "'%s'", plan.c_str ());
  }
  fail_unless (frames >= ir && frames < ir + block, "'%s' for %d frames", plan.c_str (),
      static_cast<int> (ir));
}
GST_END_TEST;

// A control binding that looks whether the buffer is mapped, and memory that knows.

static int maps = 0;  // of the memory below, now
static int syncs = 0; // of the binding
static int mapped_syncs = 0;

struct _WatchingBinding {
  GstControlBinding parent;
};
G_DECLARE_FINAL_TYPE (WatchingBinding, watching_binding, MT, WATCHING_BINDING, GstControlBinding)
G_DEFINE_FINAL_TYPE (WatchingBinding, watching_binding, GST_TYPE_CONTROL_BINDING)

static gboolean watch (GstControlBinding *, GstObject *object, GstClockTime, GstClockTime)
{
  ++syncs;
  mapped_syncs += maps > 0;
  g_object_set (object, "wet", 0.5, nullptr);
  return TRUE;
}

static void watching_binding_init (WatchingBinding *) {}

static void watching_binding_class_init (WatchingBindingClass *klass)
{
  GST_CONTROL_BINDING_CLASS (klass)->sync_values = watch;
}

struct _CountingAllocator {
  GstAllocator parent;
};
G_DECLARE_FINAL_TYPE (CountingAllocator, counting_allocator, MT, COUNTING_ALLOCATOR, GstAllocator)
G_DEFINE_FINAL_TYPE (CountingAllocator, counting_allocator, GST_TYPE_ALLOCATOR)

struct CountingMemory {
  GstMemory parent;
  float samples[480];
};

static void counting_allocator_init (CountingAllocator *self)
{
  GST_ALLOCATOR (self)->mem_map = [] (GstMemory *memory, gsize, GstMapFlags) -> gpointer {
    ++maps;
    return reinterpret_cast<CountingMemory *> (memory)->samples;
  };
  GST_ALLOCATOR (self)->mem_unmap = [] (GstMemory *) { --maps; };
}

static void counting_allocator_class_init (CountingAllocatorClass *klass)
{
  GST_ALLOCATOR_CLASS (klass)->free = [] (GstAllocator *, GstMemory *memory) {
    delete reinterpret_cast<CountingMemory *> (memory);
  };
}

GST_START_TEST (test_gains_are_read_before_the_buffer_is_mapped)
{
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Reverb reverb (1, kRate, "preset-room", 0, "batch-duration", batch);
    gst_object_add_control_binding (GST_OBJECT (reverb.element),
        GST_CONTROL_BINDING (g_object_new (
            watching_binding_get_type (), "object", reverb.element, "name", "wet", nullptr)));
    auto *const allocator = GST_ALLOCATOR (g_object_new (counting_allocator_get_type (), nullptr));
    syncs = mapped_syncs = 0;
    for (int i = 0; i < 10; ++i) {
      auto *const memory = new CountingMemory {};
      gst_memory_init (GST_MEMORY_CAST (memory), static_cast<GstMemoryFlags> (0), allocator,
          nullptr, sizeof memory->samples, 0, 0, sizeof memory->samples);
      GstBuffer *const buffer = gst_buffer_new ();
      gst_buffer_append_memory (buffer, GST_MEMORY_CAST (memory));
      GST_BUFFER_PTS (buffer) = static_cast<GstClockTime> (i) * 10 * kMillisecond;
      fail_unless_equals_int (gst_harness_push (reverb.harness, buffer), GST_FLOW_OK);
      fail_unless_equals_int (maps, 0);
    }
    fail_unless (syncs >= 10 - (batch ? 3 : 0));
    fail_unless_equals_int (mapped_syncs, 0);
    while (GstBuffer *const buffer = gst_harness_try_pull (reverb.harness))
      gst_buffer_unref (buffer);
    gst_object_unref (allocator);
  }
}
GST_END_TEST;

static Suite *convreverb_cost_suite ()
{
  Suite *const suite = suite_create ("convreverb-cost");
  TCase *const cost = add_group (suite, "cost");
#ifdef MT_COUNTS_MALLOC
  tcase_add_test (cost, test_no_allocation_and_no_lock_for_a_buffer);
  tcase_add_test (cost, test_no_allocation_and_no_lock_around_a_change);
#endif
  tcase_add_test (cost, test_gains_are_read_before_the_buffer_is_mapped);
  tcase_add_test (cost, test_stats);
  TCase *const swaps = add_group (suite, "swaps");
  tcase_set_timeout (swaps, 240); // on a loaded machine
  tcase_add_test (swaps, test_ten_seconds_swapped_100_times);
  return suite;
}

GST_CHECK_MAIN (convreverb_cost);
