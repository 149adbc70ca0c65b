// SPDX-License-Identifier: LGPL-2.1-or-later
// What has failed in one run does not reach into the next.
#include "support.hpp"

using namespace mt::test;

namespace {

const Format kMono {48000, 1};

/// Ends a run; another one can follow.
void end_run (MixerBed &bed)
{
  bed.stop ();
  gst_bus_set_flushing (bed.bus, FALSE);
  bed.sink.forget ();
}

} // namespace

namespace {

/// Hands out memory that nobody can map.
GstAllocator *new_unmappable_allocator ()
{
  struct Class {
    static void init (gpointer klass, gpointer) noexcept
    {
      auto *allocator = static_cast<GstAllocatorClass *> (klass);
      allocator->alloc = [] (GstAllocator *self, gsize size, GstAllocationParams *) noexcept {
        auto *memory = g_new0 (GstMemory, 1);
        gst_memory_init (memory, static_cast<GstMemoryFlags> (0), self, nullptr, size, 0, 0, size);
        return memory;
      };
      allocator->free = [] (GstAllocator *, GstMemory *memory) noexcept { g_free (memory); };
    }
    static void init_instance (GTypeInstance *instance, gpointer) noexcept
    {
      GST_ALLOCATOR (instance)->mem_type = "unmappable";
      GST_ALLOCATOR (instance)->mem_map = [] (GstMemory *, gsize,
                                              GstMapFlags) noexcept -> gpointer { return nullptr; };
      GST_ALLOCATOR (instance)->mem_unmap = [] (GstMemory *) noexcept {};
    }
  };
  static const GType type = g_type_register_static_simple (GST_TYPE_ALLOCATOR,
      "UnmappableAllocator", sizeof (GstAllocatorClass), Class::init, sizeof (GstAllocator),
      Class::init_instance, static_cast<GTypeFlags> (0));
  return GST_ALLOCATOR (gst_object_ref_sink (g_object_new (type, nullptr)));
}

} // namespace

namespace {

void offer_unmappable (GstQuery *query)
{
  GstAllocator *allocator = new_unmappable_allocator ();
  gst_query_add_allocation_param (query, allocator, nullptr);
  gst_object_unref (allocator);
}

bool contains (const std::string &text, const std::string &part)
{
  return text.find (part) != std::string::npos;
}

} // namespace

GST_START_TEST (test_memory_that_can_not_be_written_is_an_error)
{
  MixerBed bed;
  bed.sink.allocation = offer_unmappable;
  Feeder track {bed, kMono};
  bed.play ();
  track.run ([] (Feeder &self) {
    self.begin ();
    GstFlowReturn flow = GST_FLOW_OK;
    for (std::int64_t at = 0; flow == GST_FLOW_OK; at += 480)
      flow = self.push (Samples (480, 0.5F), at);
    fail_unless_equals_int (flow, GST_FLOW_ERROR);
  });
  const std::string error = bed.message (GST_MESSAGE_ERROR);
  fail_unless (contains (error, "can't be written"), "%s", error.c_str ());
  fail_unless (track.finishes ());
  fail_unless_equals_int (bed.sink.chunk_count (), 0); // what is in it nobody knows
}
GST_END_TEST;

/// The chunk that could not be written is not on its way any more.
GST_START_TEST (test_a_drain_after_memory_that_can_not_be_written)
{
  MixerBed bed;
  bed.sink.allocation = offer_unmappable;
  Feeder track {bed, kMono};
  bed.play ();
  track.begin ();
  fail_unless_equals_int (track.push (Samples (960, 0.5F), 0), GST_FLOW_OK);
  fail_if (bed.message (GST_MESSAGE_ERROR).empty ());
  end_run (bed);
  bed.sink.allocation = nullptr;
  bed.play ();
  track.run ([] (Feeder &self) {
    self.begin ();
    GstQuery *query = gst_query_new_drain ();
    fail_unless (gst_pad_peer_query (self.src, query));
    gst_query_unref (query);
    self.push (Samples (960, 0.25F), 0);
    self.end ();
  });
  fail_unless (track.finishes (), "a drain waits for the chunk of the run before");
  fail_unless (bed.sink.wait_for_eos ());
}
GST_END_TEST;

/// A track that has been left out is told of again.
GST_START_TEST (test_a_track_that_was_left_out_is_another_one_in_the_next_run)
{
  MixerBed bed;
  Feeder track {bed, kMono};
  for (int run = 0; run < 2; ++run) {
    bed.play ();
    // Straight to the pad: a stream's start, which a peer repeats, would make it new in any case.
    ASSERT_WARNING (fail_unless_equals_int (
        gst_pad_chain (track.sink, track.make (noise (480, 1), 0)), GST_FLOW_EOS));
    const std::string warning = bed.message (GST_MESSAGE_WARNING);
    fail_unless (
        contains (warning, "a buffer came before caps"), "run %d: %s", run, warning.c_str ());
    end_run (bed);
  }
}
GST_END_TEST;

static Suite *recovery_suite ()
{
  Suite *suite = suite_create ("trackmixer-recovery");
  TCase *runs = tcase_create ("runs");
  suite_add_tcase (suite, runs);
  tcase_add_test (runs, test_memory_that_can_not_be_written_is_an_error);
  tcase_add_test (runs, test_a_drain_after_memory_that_can_not_be_written);
  tcase_add_test (runs, test_a_track_that_was_left_out_is_another_one_in_the_next_run);
  return suite;
}

GST_CHECK_MAIN (recovery);
