// SPDX-License-Identifier: LGPL-2.1-or-later
// What convreverb costs between two buffers, and what it says about it.
#include "../dsp/allocationcount.hpp"

#include <atomic>
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

/// A stereo stream of which all is counted between a buffer's way in and its way out. What others
/// do, or this thread elsewhere, is not.
struct CountedReverb {
  template <class... Properties>
  explicit CountedReverb (GstClockTime batch, Properties... properties)
      : reverb {2, kRate, "batch-duration", batch, properties...}
  {
    reverb.push_all (random.samples (kRate * 2), 480);
    count_from ("sink", [] { thread_is_marked = true; });
    count_from ("src", [] { thread_is_marked = false; });
    only_marked_threads = counting_allocations = true;
    thread_is_marked = true; // reading the statistics does take a lock
    reverb.stat ("frames");
    thread_is_marked = false;
    fail_unless (locks > 0);
    allocations = 0;
    locks = 0;
  }
  ~CountedReverb () { only_marked_threads = counting_allocations = false; }
  CountedReverb (const CountedReverb &) = delete;
  CountedReverb &operator= (const CountedReverb &) = delete;

  void push (std::size_t frames)
  {
    const Samples x = random.samples (frames * 2);
    reverb.push (x.data (), frames);
  }
  void check () const
  {
    fail_unless_equals_int (allocations, 0);
    fail_unless_equals_int (locks, 0);
  }

  Random random {53};
  Reverb reverb;

private:
  void count_from (const char *name, void (*mark) ())
  {
    GstPad *const pad = gst_element_get_static_pad (reverb.element, name);
    gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [] (GstPad *, GstPadProbeInfo *, gpointer data) noexcept {
          reinterpret_cast<void (*) ()> (data) ();
          return GST_PAD_PROBE_OK;
        },
        reinterpret_cast<gpointer> (mark), nullptr);
    gst_object_unref (pad);
  }
};

GST_START_TEST (test_no_allocation_and_no_lock_for_a_buffer)
{
  fail_unless (allocations_in ([] { // it does count
    void *volatile memory = malloc (1);
    free (memory);
  }) == 1);
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    CountedReverb counted {batch};
    const int before = counted.reverb.buffers;
    for (int i = 0; i < 200; ++i) {
      g_object_set (counted.reverb.element, "wet", 0.01 * (i % 50), nullptr);
      counted.push (counted.random.upto (700));
    }
    fail_unless_equals_int (counted.reverb.buffers - before, 200);
    counted.check ();
  }
}
GST_END_TEST;

GST_START_TEST (test_no_allocation_and_no_lock_around_a_change)
{
  // Of every buffer from before the first change to after the last, those of the crossfades among
  // them; the thread that loads allocates all the time.
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    CountedReverb counted {batch, "preset-room", 0};
    for (std::uint64_t change = 1; change <= 10; ++change) {
      g_object_set (counted.reverb.element, "decay-time", change % 2 ? 2.0 : 0.3, nullptr);
      for (int i = 0; counted.reverb.stat ("ir-changes") < change; ++i) {
        fail_unless (i < 20000, "no change");
        counted.push (480);
        let_worker_run ();
      }
    }
    counted.reverb.push_all (counted.random.samples (kRate), 480);
    counted.check ();
  }
}
GST_END_TEST;
#endif

GST_START_TEST (test_a_change_keeps_whole_batches)
{
  // A response of half a second in batches of 100 ms: several blocks of a batch are worked on
  // together. So it is after a change in the middle of a batch, too.
  Random random {61};
  Reverb reverb (
      2, kRate, "batch-duration", 100 * GST_MSECOND, "preset-room", 0, "decay-time", 0.5);
  const std::size_t batch = kRate / 10, chunk = kRate / 100;
  constexpr std::size_t kMoreThanIsKept = std::size_t {20} * kRate;
  const auto transforms = [&] {
    return reverb.stat ("forward-transforms") + reverb.stat ("inverse-transforms");
  };
  reverb.push_all (random.samples (10 * batch * 2), chunk);
  const std::uint64_t blocks = batch / reverb.stat ("block-frames");
  fail_unless (blocks > 1);
  // A forward and an inverse one for each channel and block, all of a batch with one buffer.
  const auto check_batch = [&] {
    const std::uint64_t before = transforms ();
    int at_work = 0;
    for (std::size_t frames = 0; frames < batch; frames += chunk) {
      const std::uint64_t so_far = transforms ();
      reverb.push_all (random.samples (chunk * 2), chunk);
      at_work += transforms () != so_far;
    }
    fail_unless_equals_uint64 (transforms () - before, blocks * 4);
    fail_unless_equals_int (at_work, 1);
  };
  check_batch ();

  // It comes at each chunk of a batch once: in time, while the one before is faded in, with so long
  // a buffer behind it that all it has heard is forgotten before it is taken up, and with such a
  // buffer itself.
  std::uint64_t changes = 0;
  const auto ask = [&] {
    g_object_set (reverb.element, "decay-time", changes++ % 2 ? 0.47 : 0.4, nullptr);
    fail_unless (settles ()); // it is loaded
  };
  for (std::size_t place = 0; place < 3 * batch / chunk; ++place) {
    reverb.push_all (random.samples (place * chunk * 2), chunk);
    ask ();
    if (place % 3 == 1) {
      reverb.push_all (random.samples (chunk * 2), chunk);
      ask ();
    }
    if (place % 3 != 0)
      reverb.push_all (random.samples (kMoreThanIsKept * 2), kMoreThanIsKept);
    for (int i = 0; reverb.stat ("ir-changes") < changes; ++i) {
      fail_unless (i < 100, "no change");
      reverb.push_all (random.samples (chunk * 2), chunk);
    }
    while (reverb.stat ("frames") % batch != 0)
      reverb.push_all (random.samples (chunk * 2), chunk);
    check_batch ();
    check_batch ();
  }
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
      fail_unless (word == "spread" ||
              (word.find_first_not_of ("0123456789") == word.npos && words >> times &&
                  times == "together"),
          "'%s'", plan.c_str ());
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
  tcase_add_test (cost, test_a_change_keeps_whole_batches);
  tcase_add_test (cost, test_stats);
  return suite;
}

GST_CHECK_MAIN (convreverb_cost);
