// SPDX-License-Identifier: LGPL-2.1-or-later
// Between two chunks trackmixer allocates nothing.
#include "../dsp/allocationcount.hpp"

#include <dlfcn.h>

#include <gst/controller/controller.h>

#include "support.hpp"

using namespace mt::test;

namespace {

/// Feeds the same buffers again and again, so that what allocates is not the test.
struct Case {
  int tracks;
  GstAudioFormat format;
  bool rate_changes {false};
};
constexpr Case kCases[] {{8, GST_AUDIO_FORMAT_F32}, {64, GST_AUDIO_FORMAT_F32},
    {8, GST_AUDIO_FORMAT_S16}, {64, GST_AUDIO_FORMAT_S16}, {8, GST_AUDIO_FORMAT_S16, true}};
constexpr int kBuffer = 1024;
constexpr std::size_t kWarmUp = 200;
constexpr std::size_t kMeasured = 200;

/// Allocations in the chunks after the warm-up, all on the mix task: the feeders wait behind full
/// queues by then, and the sink, which counts, keeps nothing.
std::size_t allocations_of_the_mix (const Case &c)
{
  MixerBed bed;
  bed.sink.keep_bytes = false;
  bed.sink.chunks.reserve (4 * kWarmUp);
  g_object_set (bed.element, "max-size-time", 12 * GST_SECOND, nullptr);
  Feeders feeders;
  const auto samples = noise (2 * kBuffer, 1);
  for (int n = 0; n < c.tracks; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 2, c.format}));
  if (c.rate_changes)
    bed.sink.flow = [&bed] (std::size_t chunk) {
      if (chunk == kWarmUp / 2) {
        gst_caps_take (&bed.sink.accepts, gst_caps_from_string ("audio/x-raw,rate=44100"));
        gst_pad_push_event (bed.sink.pad (), gst_event_new_reconfigure ());
      }
      return GST_FLOW_OK;
    };
  bed.sink.close ();
  bed.play ();
  for (auto &feeder : feeders)
    feeder->run ([&] (Feeder &self) {
      self.begin ();
      for (std::int64_t at = 0; at < 5 * 48000; at += kBuffer)
        if (self.push (samples, at) != GST_FLOW_OK)
          break;
    });
  for (auto &feeder : feeders)
    fail_unless (feeder->finishes ());
  bed.sink.let_through (static_cast<int> (kWarmUp));
  fail_unless (bed.sink.wait_for_chunks (kWarmUp));
  bool came = false;
  const auto count = allocations_in ([&] {
    bed.sink.let_through (static_cast<int> (kMeasured));
    came = bed.sink.wait_for_chunks (kWarmUp + kMeasured);
  });
  fail_unless (came);
  fail_unless_equals_int (bed.sink.info.rate, c.rate_changes ? 44100 : 48000);
  return count;
}

} // namespace

GST_START_TEST (test_no_allocation_between_chunks)
{
  const Case &c = kCases[__i__];
  fail_unless_equals_int (allocations_of_the_mix (c), 0);
}
GST_END_TEST;

namespace {

/// What a live chunk waits for. In each case it waits for the clock, too.
enum class Live { silence, track_that_is_missing, track_in_time };
constexpr int kLiveCases = 3;
constexpr std::size_t kLiveWarmUp = 50;
constexpr std::size_t kLiveChunks = 100;
constexpr int kChunkFrames = 240; // 5 ms

/// Allocations of the mix task in the chunks after the warm-up, by the system's clock.
std::size_t allocations_live (Live what)
{
  MixerBed bed {5 * GST_MSECOND, true, "trackmixer", true};
  std::atomic<std::size_t> chunks {0};
  bed.sink.keep_bytes = false;
  bed.sink.chunks.reserve (1 << 16);
  bed.sink.look = [&chunks] (GstBuffer *) {
    thread_is_marked = true;
    ++chunks;
  };
  g_object_set (bed.element, "latency", 20 * GST_MSECOND, nullptr);
  GstClock *clock = gst_system_clock_obtain ();
  gst_element_set_clock (bed.element, clock);
  gst_element_set_start_time (bed.element, GST_CLOCK_TIME_NONE);
  gst_element_set_base_time (bed.element, gst_clock_get_time (clock));
  std::unique_ptr<Feeder> feeder;
  if (what != Live::silence) {
    feeder = std::make_unique<Feeder> (bed);
    feeder->begin ();
  }
  std::atomic<bool> over {false};
  bed.play ();
  if (what == Live::track_that_is_missing)
    feeder->push (noise (2 * kChunkFrames, 1), 0);
  if (what == Live::track_in_time)
    feeder->run ([&] (Feeder &self) {
      self.begin ();
      const Samples samples = noise (2 * kChunkFrames, 1);
      // A chunk's worth when the one before is out: the mix waits for each.
      for (std::size_t n = 0; !over &&
           self.push (samples, static_cast<std::int64_t> (n) * kChunkFrames) == GST_FLOW_OK;
           ++n)
        (void)eventually ([&] { return chunks > n || over; });
    });
  fail_unless (bed.sink.wait_for_chunks (kLiveWarmUp));
  only_marked_threads = true;
  // A clock that had no processor to let go of an ID in time is given another one. That is rare,
  // and not one for each chunk.
  auto count = SIZE_MAX;
  for (int tries = 0; tries < 5 && count > 0; ++tries) {
    bool came = false;
    count = std::min (count, allocations_in ([&] {
      came = bed.sink.wait_for_chunks (bed.sink.chunk_count () + kLiveChunks);
    }));
    fail_unless (came);
  }
  only_marked_threads = false;
  over = true;
  bed.stop ();
  if (feeder)
    feeder->join ();
  gst_element_set_clock (bed.element, nullptr);
  gst_object_unref (clock);
  return count;
}

} // namespace

GST_START_TEST (test_no_allocation_between_live_chunks)
{
  fail_unless_equals_int (static_cast<int> (allocations_live (static_cast<Live> (__i__))), 0);
}
GST_END_TEST;

namespace {

std::atomic<std::size_t> locks {0};

} // namespace

#ifdef MT_COUNTS_MALLOC
/// In the place of GLib's, which GStreamer's objects and control sources are locked by.
extern "C" __attribute__ ((visibility ("default"))) void g_mutex_lock (GMutex *lock)
{
  static const auto real =
      reinterpret_cast<void (*) (GMutex *)> (dlsym (RTLD_NEXT, "g_mutex_lock"));
  if (counts_here ())
    ++locks;
  real (lock);
}
#endif

namespace {

/// Memory from malloc whose user is watched while it is mapped to be written.
GstAllocator *new_watched_allocator ()
{
  struct Watched {
    GstMemory memory;
    gpointer data;
  };
  struct Class {
    static void init (gpointer klass, gpointer) noexcept
    {
      auto *allocator = static_cast<GstAllocatorClass *> (klass);
      allocator->alloc = [] (GstAllocator *self, gsize size, GstAllocationParams *) noexcept {
        auto *memory = g_new0 (Watched, 1);
        memory->data = g_malloc0 (size);
        gst_memory_init (GST_MEMORY_CAST (memory), static_cast<GstMemoryFlags> (0), self, nullptr,
            size, 0, 0, size);
        return GST_MEMORY_CAST (memory);
      };
      allocator->free = [] (GstAllocator *, GstMemory *memory) noexcept {
        g_free (reinterpret_cast<Watched *> (memory)->data);
        g_free (memory);
      };
    }
    static void init_instance (GTypeInstance *instance, gpointer) noexcept
    {
      GST_ALLOCATOR (instance)->mem_type = "watched";
      GST_ALLOCATOR (instance)->mem_map_full = [] (GstMemory *memory, GstMapInfo *info,
                                                   gsize) noexcept -> gpointer {
        thread_is_marked = (info->flags & GST_MAP_WRITE) != 0;
        return reinterpret_cast<Watched *> (memory)->data;
      };
      GST_ALLOCATOR (instance)->mem_unmap = [] (GstMemory *) noexcept { thread_is_marked = false; };
      GST_OBJECT_FLAG_SET (instance, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
    }
  };
  static const GType type = g_type_register_static_simple (GST_TYPE_ALLOCATOR, "WatchedAllocator",
      sizeof (GstAllocatorClass), Class::init, sizeof (GstAllocator), Class::init_instance,
      static_cast<GTypeFlags> (0));
  return GST_ALLOCATOR (gst_object_ref_sink (g_object_new (type, nullptr)));
}

void automate (GstPad *pad, const char *property, double from, double to)
{
  GstControlSource *source = gst_interpolation_control_source_new ();
  g_object_set (source, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  auto *curve = GST_TIMED_VALUE_CONTROL_SOURCE (source);
  gst_timed_value_control_source_set (curve, 0, from);
  gst_timed_value_control_source_set (curve, 100 * GST_SECOND, to);
  fail_unless (gst_object_add_control_binding (GST_OBJECT (pad),
      gst_direct_control_binding_new_absolute (GST_OBJECT (pad), property, source)));
  gst_object_unref (source);
}

} // namespace

/// What has to be read under a lock is read before the chunk is mapped, also of automated tracks.
GST_START_TEST (test_nothing_locks_or_allocates_while_a_chunk_is_mapped)
{
  const bool automated = __i__ == 1;
  MixerBed bed;
  bed.sink.allocation = [] (GstQuery *query) {
    GstAllocator *allocator = new_watched_allocator ();
    gst_query_add_allocation_param (query, allocator, nullptr);
    gst_object_unref (allocator);
  };
  std::atomic<bool> watched {true};
  bed.sink.look = [&watched] (GstBuffer *buffer) {
    watched = watched && gst_memory_is_type (gst_buffer_peek_memory (buffer, 0), "watched");
  };
  Feeders feeders;
  std::vector<Samples> tracks;
  for (unsigned n = 0; n < 4; ++n) {
    feeders.push_back (std::make_unique<Feeder> (bed));
    tracks.push_back (noise (2 * 96000, n));
    if (!automated)
      continue;
    automate (feeders.back ()->sink, "volume", 1.0, 0.0);
    automate (feeders.back ()->sink, "pan", -1.0, 1.0);
    automate (feeders.back ()->sink, "mute", 0.0, 0.0);
    automate (feeders.back ()->sink, "solo", 0.0, 0.0);
  }
  only_marked_threads = true;
  locks = 0;
  const auto count = allocations_in ([&] { feed_to_end (bed, feeders, tracks, 1); });
  only_marked_threads = false;
  fail_unless (watched);
  fail_unless_equals_int (count, 0);
  fail_unless_equals_int (locks, 0);
}
GST_END_TEST;

GST_START_TEST (test_the_count_sees_an_allocation)
{
  MixerBed bed;
  Feeder feeder {bed};
  const auto samples = noise (2 * 480, 1);
  fail_unless (allocations_in ([&] { gst_buffer_unref (feeder.make (samples, 0)); }) > 0);
}
GST_END_TEST;

static Suite *trackmixer_allocation_suite ()
{
  Suite *suite = suite_create ("trackmixer-allocation");
  TCase *chunks = tcase_create ("chunks");
  tcase_add_loop_test (
      chunks, test_no_allocation_between_chunks, 0, static_cast<int> (std::size (kCases)));
  tcase_add_loop_test (chunks, test_no_allocation_between_live_chunks, 0, kLiveCases);
  tcase_add_loop_test (chunks, test_nothing_locks_or_allocates_while_a_chunk_is_mapped, 0, 2);
  tcase_add_test (chunks, test_the_count_sees_an_allocation);
  suite_add_tcase (suite, chunks);
  return suite;
}

GST_CHECK_MAIN (trackmixer_allocation)
