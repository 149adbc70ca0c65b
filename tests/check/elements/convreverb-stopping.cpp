// SPDX-License-Identifier: LGPL-2.1-or-later
// Stopping while a long response is being made, which nobody waits for any more.
#include <atomic>
#include <ctime>
#include <limits>
#include <string>
#include <thread>

#include "reverbbed.hpp"

using namespace mt::test;

namespace {

// So large a room that it takes a while.
constexpr int kChannels = kSanitized ? 8 : 32;
constexpr double kDecaySeconds = 10.0;

/// Of all threads: what is not done any more costs nothing, however long others keep us waiting.
double cpu_s ()
{
  timespec time {};
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double> (time.tv_sec) + 1e-9 * static_cast<double> (time.tv_nsec);
}

void ask_for_room (GstElement *element)
{
  g_object_set (element, "decay-time", kDecaySeconds, "preset-room", 3, nullptr);
  set_array (element, "kernel", "<>");
}

/// What the whole of it costs.
double whole_s ()
{
  const double before = cpu_s ();
  Reverb reverb (kChannels, ask_for_room);
  const Samples x (480 * kChannels, 0.1f);
  fail_unless_equals_int (reverb.push (x.data (), 480), GST_FLOW_OK);
  return cpu_s () - before;
}

/// Waits until the room is being made, and then takes the element to READY.
void stop_in_the_middle (Reverb &reverb, double begun_at, double whole)
{
  while (cpu_s () < begun_at + 0.05 * whole)
    g_usleep (100); // the worker says nothing before it is done
  const double before = cpu_s ();
  fail_unless_equals_int (
      gst_element_set_state (reverb.element, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  const double cost = cpu_s () - before;
  fail_unless (cost < 0.25 * whole, "%g s of %g", cost, whole);
}

/// Keeps a state change of `element` from taking its pads until `over`.
struct Hold {
  GstElement *element;
  std::atomic<bool> over {false};
  bool held {false};
  GstFlowReturn flow {GST_FLOW_OK}; // of the thread that sets `over`
};

void hold_pads (GstDebugCategory *, GstDebugLevel, const gchar *, const gchar *function, gint,
    GObject *object, GstDebugMessage *, gpointer data) noexcept
{
  auto *const hold = static_cast<Hold *> (data);
  if (object != G_OBJECT (hold->element) || hold->held ||
      std::string {function} != "gst_element_pads_activate")
    return;
  hold->held = true;
  while (!hold->over)
    g_usleep (100);
}

} // namespace

GST_START_TEST (test_stop_while_another_room_is_made)
{
  const double whole = whole_s ();
  Reverb reverb (kChannels, [] (GstElement *element) { set_array (element, "kernel", "<1>"); });
  const Samples x (480 * kChannels, 0.1f);
  fail_unless_equals_int (reverb.push (x.data (), 480), GST_FLOW_OK);
  const double begun_at = cpu_s ();
  ask_for_room (reverb.element);
  stop_in_the_middle (reverb, begun_at, whole);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
}
GST_END_TEST;

GST_START_TEST (test_stop_while_the_first_room_is_made)
{
  // With the caps, in the streaming thread.
  const double whole = whole_s ();
  Reverb reverb (1, [] (GstElement *element) { set_array (element, "kernel", "<1>"); });
  gst_element_set_state (reverb.element, GST_STATE_READY);
  ask_for_room (reverb.element);
  gst_element_set_state (reverb.element, GST_STATE_PLAYING);
  const double begun_at = cpu_s ();
  GstFlowReturn flow = GST_FLOW_OK;
  std::thread stream {[&] {
    reverb.again (kChannels);
    const Samples x (480 * kChannels, 0.1f);
    flow = reverb.push (x.data (), 480);
  }};
  stop_in_the_middle (reverb, begun_at, whole);
  stream.join ();
  fail_unless_equals_int (flow, GST_FLOW_FLUSHING);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0);

  // It starts anew as if nothing had been.
  set_array (reverb.element, "kernel", "<1>");
  gst_element_set_state (reverb.element, GST_STATE_PLAYING);
  reverb.again (1);
  const Samples x (480, 0.1f);
  fail_unless_equals_int (reverb.push (x.data (), 480), GST_FLOW_OK);
}
GST_END_TEST;

GST_START_TEST (test_nothing_is_heard_in_the_format_of_before)
{
  // Stopped while the response for another format is made: the buffer that came with it is not for
  // the convolver of the old one. PAUSED → READY is held where the pads are still active, for only
  // there can such a buffer come.
  const double whole = whole_s ();
  Reverb reverb (1, [] (GstElement *element) {
    set_array (element, "kernel", "<1>");
    ask_for_room (element);
  });
  reverb.push_all (Samples (480, 0.1f), 480);
  Hold hold {reverb.element};
  gst_debug_add_log_function (hold_pads, &hold, nullptr);
  gst_debug_set_threshold_from_string ("GST_ELEMENT_PADS:5", FALSE);
  const double begun_at = cpu_s ();
  std::thread stream {[&] {
    reverb.set_format (kChannels, kRate);
    const Samples x (480 * kChannels, std::numeric_limits<float>::quiet_NaN ());
    hold.flow = reverb.push (x.data (), 480);
    hold.over = true;
  }};
  stop_in_the_middle (reverb, begun_at, whole);
  stream.join ();
  gst_debug_remove_log_function (hold_pads);
  fail_unless (hold.held);
  fail_unless_equals_int (hold.flow, GST_FLOW_FLUSHING);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0);
}
GST_END_TEST;

static Suite *convreverb_stopping_suite ()
{
  Suite *const suite = suite_create ("convreverb-stopping");
  TCase *const stopping = add_group (suite, "stopping");
  tcase_add_test (stopping, test_stop_while_another_room_is_made);
  tcase_add_test (stopping, test_stop_while_the_first_room_is_made);
  // GStreamer leaves its old lists of log functions behind, for who may still be reading them.
  if (!kSanitized)
    tcase_add_test (stopping, test_nothing_is_heard_in_the_format_of_before);
  return suite;
}

GST_CHECK_MAIN (convreverb_stopping);
