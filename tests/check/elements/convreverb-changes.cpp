// SPDX-License-Identifier: LGPL-2.1-or-later
// The impulse response changes at any point of the element's life: flushes, formats, ends, threads.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "reverbbed.hpp"

using namespace mt::test;

GST_START_TEST (test_change_through_flushes_and_formats)
{
  // At any point of a change: nothing of before a flush is heard, no format is mixed up.
  Random random {17};
  Reverb reverb (2, kRate, ALONE);
  reverb.contiguous = false;
  for (int round = 0; round < (kSanitized ? 12 : 40); ++round) {
    const int channels = 1 + round % 2;
    if (round % 4 < 2) {
      reverb.pull ();
      reverb.set_format (channels, kRate);
      while (GstBuffer *const buffer = gst_harness_try_pull (reverb.harness))
        gst_buffer_unref (buffer); // of the old format
    } else {
      gst_harness_push_event (reverb.harness, gst_event_new_flush_start ());
      gst_harness_push_event (reverb.harness, gst_event_new_flush_stop (TRUE));
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
      while (GstBuffer *const buffer = gst_harness_try_pull (reverb.harness))
        gst_buffer_unref (buffer);
      reverb.position = 0;
      reverb.out.clear ();
      reverb.push_all (Samples (static_cast<std::size_t> (480 * channels * 4), 0.0f), 480);
      fail_unless (
          std::all_of (reverb.out.begin (), reverb.out.end (), [] (float y) { return y == 0.0f; }));
    }
    set_response (reverb.element, decaying (random, random.upto (30000), 1), 1);
    reverb.push_all (
        random.samples (random.upto (30) * 480 * static_cast<std::size_t> (channels)), 480);
    g_usleep (static_cast<gulong> (random.upto (3000))); // the next comes at any point of it
  }
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
}
GST_END_TEST;

GST_START_TEST (test_change_made_for_a_format_that_is_no_more)
{
  // What is being made when the format changes is not heard; what is made for the new one is.
  Random random {29};
  Samples h (10 * kRate, 0.0f);
  h[0] = h[1] = 0.5f;
  for (int round = 0; round < (kSanitized ? 2 : 6); ++round) {
    Reverb reverb (2, [] (GstElement *element) {
      g_object_set (element, ALONE, nullptr);
      set_response (element, {1.0f}, 1);
    });
    reverb.push_all (random.samples (480 * 2), 480);
    set_response (reverb.element, h, 1);
    g_usleep (static_cast<gulong> (round * 8000)); // at any point of its some 50 ms
    reverb.set_format (1, kRate);
    reverb.out.clear ();
    reverb.contiguous = false;
    Samples x;
    for (int i = 0; i < 100 || reverb.stat ("ir-frames") != h.size (); ++i) {
      fail_unless (i < 20000, "no change");
      const Samples now = random.samples (480);
      x.insert (x.end (), now.begin (), now.end ());
      reverb.push (now.data (), 480);
      let_worker_run ();
    }
    // None when it was there before the format.
    fail_unless (reverb.stat ("ir-changes") <= 1);
    const Samples last = random.samples (4800);
    x.insert (x.end (), last.begin (), last.end ());
    reverb.push_all (last, 480);
    for (std::size_t i = x.size () - 2400; i < x.size (); ++i)
      fail_unless (std::fabs (reverb.out[i] - 0.5f * (x[i] + x[i - 1])) < 1e-5f);
  }
}
GST_END_TEST;

GST_START_TEST (test_what_never_fitted_does_not_come_back)
{
  // Set in PAUSED, where nothing says yet that it does not fit: the next format is for what sounds.
  Random random {43};
  Reverb reverb (2, [] (GstElement *element) {
    g_object_set (element, ALONE, nullptr);
    set_response (element, {0.5f}, 1);
  });
  set_response (reverb.element, decaying (random, 100, 3), 3);
  fail_unless (settles ()); // the first buffer finds it loaded
  int warnings = 0;
  for (int i = 0; warnings == 0; ++i) {
    fail_unless (i < 20000, "no warning");
    reverb.push_all (random.samples (480 * 2), 480);
    warnings = reverb.count_messages (GST_MESSAGE_WARNING);
    let_worker_run ();
  }
  reverb.pull ();
  reverb.contiguous = false;
  for (const int rate : {44100, kRate}) {
    reverb.set_format (2, rate);
    reverb.out.clear ();
    const Samples x = random.samples (480 * 2);
    reverb.push_all (x, 480);
    fail_unless_equals_int (reverb.out.size (), x.size ());
    if (rate == kRate) // what it began with
      for (std::size_t i = 0; i < x.size (); ++i)
        fail_unless (std::fabs (reverb.out[i] - 0.5f * x[i]) < 1e-5f);
  }
  fail_unless_equals_int (warnings, 1);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0);
}
GST_END_TEST;

GST_START_TEST (test_a_file_that_was_changed_is_read_again)
{
  // Its name set once more: somebody works on the response in an editor, and listens.
  const Folder folder;
  Random random {53};
  const std::string path = folder.write ("ir.wav", wav ({0.5f}, 1));
  Reverb reverb (1, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0);
  Samples x;
  const auto again = [&] { g_object_set (reverb.element, "ir-location", path.c_str (), nullptr); };
  const auto last_gain = [&] { return reverb.out.back () / x.back (); };
  x = random.samples (480);
  reverb.push_all (x, 480);
  fail_unless (std::fabs (last_gain () - 0.5f) < 1e-5f);
  folder.write ("ir.wav", wav ({0.25f, 0.0f}, 1)); // of another length
  again ();
  push_until_changed (reverb, 1, x, random, 1);
  fail_unless (std::fabs (last_gain () - 0.25f) < 1e-5f);
  g_usleep (20000);                                 // more than a tick of the file system's clock
  folder.write ("ir.wav", wav ({0.125f, 0.0f}, 1)); // of the same
  again ();
  push_until_changed (reverb, 2, x, random, 1);
  fail_unless (std::fabs (last_gain () - 0.125f) < 1e-5f);
  // As it is, it is not read.
  again ();
  for (int i = 0; i < 30; ++i) {
    reverb.push_all (random.samples (480), 480);
    g_usleep (5000);
  }
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 2);
  // One that is gone is a failure, and the response stays.
  std::filesystem::remove (path);
  again ();
  int warnings = 0;
  for (int i = 0; warnings == 0; ++i) {
    fail_unless (i < 20000, "no warning");
    x = random.samples (480);
    reverb.push_all (x, 480);
    warnings = reverb.count_messages (GST_MESSAGE_WARNING);
    let_worker_run ();
  }
  fail_unless (std::fabs (last_gain () - 0.125f) < 1e-5f);
  // At the next start it is read in any case.
  folder.write ("ir.wav", wav ({0.75f}, 1));
  gst_element_set_state (reverb.element, GST_STATE_READY);
  gst_element_set_state (reverb.element, GST_STATE_PLAYING);
  reverb.again (1);
  x = random.samples (480);
  reverb.push_all (x, 480);
  fail_unless (std::fabs (last_gain () - 0.75f) < 1e-5f);
}
GST_END_TEST;

GST_START_TEST (test_stop_while_it_loads)
{
  const Folder folder;
  Random random {19};
  const std::string path = folder.write ("ir.wav", wav (decaying (random, 10 * kRate, 2), 2));
  for (int round = 0; round < (kSanitized ? 6 : 20); ++round) {
    Reverb reverb (2, kRate, "preset-room", 0);
    reverb.push_all (random.samples (960), 480);
    g_object_set (reverb.element, "ir-location", path.c_str (), nullptr);
    g_usleep (static_cast<gulong> (random.upto (20000))); // anywhere on its way
    gst_element_set_state (reverb.element, GST_STATE_READY);
    // What was set last is what it starts with.
    gst_element_set_state (reverb.element, GST_STATE_PLAYING);
    reverb.again (2);
    reverb.contiguous = false;
    reverb.push_all (random.samples (960), 480);
    fail_unless (reverb.stat ("ir-frames") > 9 * kRate);
  }
}
GST_END_TEST;

GST_START_TEST (test_end_during_a_change)
{
  // EOS, SEGMENT_DONE, a gap and a hole at any point of a change: every frame in its place.
  Random random {31};
  for (int round = 0; round < (kSanitized ? 16 : 60); ++round) {
    Reverb reverb (1, kRate, ALONE, "decay-time", 0.1, "preset-room", 0, "batch-duration",
        round % 2 ? 30 * kMillisecond : GstClockTime {0});
    std::size_t frames = 4800;
    reverb.push_all (random.samples (frames), 480);
    set_response (reverb.element, decaying (random, random.upto (20000), 1), 1);
    for (std::size_t i = random.upto (12); i > 0; --i) {
      reverb.push_all (random.samples (480), 480);
      frames += 480;
      g_usleep (static_cast<gulong> (random.upto (2000))); // the end comes at any point of it
    }
    const std::size_t hole = random.upto (3000);
    reverb.contiguous = round % 2 != 0; // a short response has rung out before the hole is over
    switch (round % 4) {
    case 0: // a gap, shorter than the ringing
      gst_harness_push_event (
          reverb.harness, gst_event_new_gap (reverb.time_of (frames), reverb.time_of (hole)));
      reverb.pull ();
      reverb.position += hole;
      break;
    case 1:
      gst_harness_push_event (reverb.harness, gst_event_new_segment_done (GST_FORMAT_TIME, 0));
      reverb.pull ();
      break;
    case 2:
      reverb.position += hole;
      reverb.discont = true;
      break;
    default:
      break;
    }
    if (round % 4 == 0 || round % 4 == 2) {
      reverb.push_all (random.samples (480), 480);
      frames += hole + 480;
    }
    reverb.end ();
    fail_unless (reverb.next_pts + 3 >= reverb.time_of (frames));
    if (reverb.contiguous) {
      fail_unless (reverb.frames_out () >= frames);
      fail_unless (std::llabs (GST_CLOCK_DIFF (
                       reverb.next_pts, reverb.time_of (reverb.frames_out ()))) <= 3);
    }
    fail_unless_equals_int (reverb.count_events (GST_EVENT_EOS), 1);
    fail_unless (std::all_of (
        reverb.out.begin (), reverb.out.end (), [] (float y) { return std::isfinite (y); }));
  }
}
GST_END_TEST;

GST_START_TEST (test_end_in_a_crossfade)
{
  // The ringing at the end is that of the longer one, to its last sample.
  Reverb reverb (1, [] (GstElement *element) {
    g_object_set (element, ALONE, nullptr);
    set_response (element, {1.0f}, 1);
  });
  Samples h (20000, 0.0f);
  h.back () = 0.5f;
  const Samples ones (480, 1.0f);
  reverb.push_all (ones, 480);
  set_response (reverb.element, h, 1);
  std::size_t frames = 480;
  while (reverb.out.back () > 0.999f) {
    fail_unless (frames < 20000 * 480, "no change");
    reverb.push_all (ones, 480);
    frames += 480;
    let_worker_run ();
  }
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 0); // it is under way
  reverb.end ();
  fail_unless_equals_int (reverb.frames_out (), frames + h.size () - 1);
  fail_unless (std::fabs (reverb.out.back () - 0.5f) < 1e-5f);
}
GST_END_TEST;

GST_START_TEST (test_bad_samples_are_counted_once)
{
  // The new response hears them, too, and that is no news.
  Random random {37};
  Reverb reverb (1, kRate, ALONE);
  Samples bad = random.samples (4800);
  bad[100] = NAN;
  bad[4000] = INFINITY;
  reverb.push_all (bad, 480);
  fail_unless_equals_uint64 (reverb.stat ("not-finite-samples"), 2);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 1);
  Samples x;
  for (std::uint64_t change = 1; change <= 3; ++change) {
    set_response (reverb.element, decaying (random, 30000, 1), 1);
    push_until_changed (reverb, change, x, random, 1);
    reverb.push_all (random.samples (kRate * 2), 4800);
    fail_unless_equals_uint64 (reverb.stat ("not-finite-samples"), 2);
    fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
    bad[0] = NAN;
  }
  reverb.push_all (bad, 480);
  fail_unless_equals_uint64 (reverb.stat ("not-finite-samples"), 5);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 1);
}
GST_END_TEST;

GST_START_TEST (test_properties_from_many_threads)
{
  const Folder folder;
  Random random {41};
  const std::string path = folder.write ("ir.wav", wav (decaying (random, 900, 2), 2));
  Reverb reverb (2, kRate, "preset-room", 0, "decay-time", 0.1);
  reverb.push_all (random.samples (960), 480);
  std::atomic<bool> done {false};
  const auto hammer = [&] (std::uint32_t seed) {
    Random mine {seed};
    while (!done) {
      GstElement *const element = reverb.element;
      switch (mine.upto (9)) {
      case 1:
        g_object_set (
            element, "ir-location", mine.upto (2) == 1 ? path.c_str () : nullptr, nullptr);
        break;
      case 2:
        gst_util_set_object_arg (
            G_OBJECT (element), "kernel", mine.upto (2) == 1 ? "<1, 0.5>" : "<>");
        break;
      case 3:
        g_object_set (
            element, "decay-time", 0.05 + 0.01 * static_cast<double> (mine.upto (5)), nullptr);
        break;
      case 4:
        g_object_set (element, "pre-delay", guint64 {1000000} * mine.upto (9), "mix", 0.5, nullptr);
        break;
      case 5:
        set_response (element, decaying (mine, mine.upto (500), 1), 1);
        break;
      case 6:
        g_object_set (
            element, "ir-gain", -static_cast<double> (mine.upto (9)), "tail", TRUE, nullptr);
        break;
      case 7:
        gst_util_set_object_arg (
            G_OBJECT (element), "ir-routing", mine.upto (2) == 1 ? "<<0, -1>, <-1, 0>>" : "<>");
        break;
      default:
        reverb.stat ("ir-changes");
      }
      g_usleep (static_cast<gulong> (mine.upto (1000))); // at any time of the stream
    }
  };
  std::thread one {hammer, 1}, two {hammer, 2};
  for (int i = 0; i < (kSanitized ? 300 : 800); ++i) {
    if (i % 100 == 99) { // to READY and back
      gst_element_set_state (reverb.element, GST_STATE_READY);
      gst_element_set_state (reverb.element, GST_STATE_PLAYING);
      reverb.again (2);
      reverb.contiguous = false;
    }
    const Samples x = random.samples (480 * 2);
    fail_unless_equals_int (reverb.push (x.data (), 480), GST_FLOW_OK);
    let_worker_run ();
  }
  done = true;
  one.join ();
  two.join ();
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0);
}
GST_END_TEST;

static Suite *convreverb_changes_suite ()
{
  Suite *const suite = suite_create ("convreverb-changes");
  TCase *const changes = add_group (suite, "changes");
  tcase_add_test (changes, test_change_through_flushes_and_formats);
  tcase_add_test (changes, test_change_made_for_a_format_that_is_no_more);
  tcase_add_test (changes, test_what_never_fitted_does_not_come_back);
  tcase_add_test (changes, test_a_file_that_was_changed_is_read_again);
  tcase_add_test (changes, test_stop_while_it_loads);
  tcase_add_test (changes, test_end_during_a_change);
  tcase_add_test (changes, test_end_in_a_crossfade);
  tcase_add_test (changes, test_bad_samples_are_counted_once);
  tcase_add_test (changes, test_properties_from_many_threads);
  return suite;
}

GST_CHECK_MAIN (convreverb_changes);
