// SPDX-License-Identifier: LGPL-2.1-or-later
// What convreverb costs between two buffers, and what it says about it.
#include "../dsp/allocationcount.hpp"

#include "reverbbed.hpp"

using namespace mt::test;

#ifdef MT_COUNTS_MALLOC // or what the plug-in allocates is not counted
GST_START_TEST (test_no_allocation_for_a_buffer)
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
    allocations = 0;
    const int before = reverb.buffers;
    for (int i = 0; i < 200; ++i) {
      const Samples x = random.samples (random.upto (700) * 2);
      g_object_set (reverb.element, "wet", 0.01 * (i % 50), nullptr);
      reverb.push (x.data (), x.size () / 2);
    }
    fail_unless_equals_int (reverb.buffers - before, 200);
    fail_unless_equals_int (allocations, 0);
    gst_object_unref (sink);
    gst_object_unref (src);
  }
}
GST_END_TEST;
#endif

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
}
GST_END_TEST;

static Suite *convreverb_cost_suite ()
{
  Suite *const suite = suite_create ("convreverb-cost");
  TCase *const cost = add_group (suite, "cost");
#ifdef MT_COUNTS_MALLOC
  tcase_add_test (cost, test_no_allocation_for_a_buffer);
#endif
  tcase_add_test (cost, test_stats);
  return suite;
}

GST_CHECK_MAIN (convreverb_cost);
