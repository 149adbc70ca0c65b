// SPDX-License-Identifier: LGPL-2.1-or-later
// Presets: those that come with the element, one's own, and what they take the place of.
#include <algorithm>
#include <cmath>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "reverbbed.hpp"

using namespace mt::test;

namespace {

/// What a run that failed may have left.
void forget_own (GstPreset *preset)
{
  for (const char *const name : {"mine", "file", "no file"})
    gst_preset_delete_preset (preset, name);
}

} // namespace

GST_START_TEST (test_presets)
{
  Reverb reverb (2, kRate, "preset-room", 0);
  GstPreset *const preset = GST_PRESET (reverb.element);
  forget_own (preset);
  gchar **const names = gst_preset_get_preset_names (preset);
  fail_unless (names && g_strv_length (names) >= 9);
  fail_unless (g_strv_contains (names, "concert hall"));
  Random random {23};
  const Samples x = random.samples (4800 * 2, 0.2f);
  for (int i = 0; names[i]; ++i) {
    // Whatever was set before: a room that can be heard.
    gst_element_set_state (reverb.element, GST_STATE_READY);
    set_array (reverb.element, "ir-routing", "<<5>>");
    g_object_set (
        reverb.element, "ir-location", "/nowhere.wav", "ir-gain", 20.0, "wet", 0.0, nullptr);
    fail_unless (gst_preset_load_preset (preset, names[i]), "%s", names[i]);
    fail_unless_equals_int (
        gst_element_set_state (reverb.element, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    reverb.again (2);
    reverb.push_all (x, 480);
    reverb.push_all (Samples (480 * 2, 0.0f), 480);
    fail_unless (reverb.out.size () >= 480);
    fail_unless (std::any_of (reverb.out.end () - 480, reverb.out.end (),
                     [] (float y) { return std::fabs (y) > 1e-5f; }),
        "nothing to be heard of %s", names[i]);
    gchar *comment = nullptr;
    fail_unless (gst_preset_get_meta (preset, names[i], "comment", &comment) && *comment);
    g_free (comment);
  }
  g_strfreev (names);
}
GST_END_TEST;

GST_START_TEST (test_a_preset_of_ones_own)
{
  // It comes back as it was kept.
  Reverb reverb (2, kRate, "preset-room", 0);
  GstPreset *const preset = GST_PRESET (reverb.element);
  set_array (reverb.element, "kernel", "<<1, 0.5>, <-0.25>>");
  set_array (reverb.element, "ir-routing", "<<0, 1>, <-1, 0>>");
  g_object_set (reverb.element, "pre-delay", guint64 {12345678}, "damping", 0.125, nullptr);
  fail_unless (gst_preset_save_preset (preset, "mine"));
  const auto text = [&] (const char *name) {
    GValue value = G_VALUE_INIT;
    g_object_get_property (G_OBJECT (reverb.element), name, &value);
    gchar *const bytes = gst_value_serialize (&value);
    std::string result = bytes ? bytes : "";
    g_free (bytes);
    g_value_unset (&value);
    return result;
  };
  const char *const kept[] = {"kernel", "ir-routing", "pre-delay", "damping", "wet", "preset-room"};
  std::vector<std::string> before;
  for (const char *const name : kept)
    before.push_back (text (name));
  fail_unless (gst_preset_load_preset (preset, "cathedral"));
  fail_unless (text ("kernel") != before[0]);
  fail_unless (gst_preset_load_preset (preset, "mine"));
  for (std::size_t i = 0; i < std::size (kept); ++i)
    fail_unless (text (kept[i]) == before[i], "%s: %s, not %s", kept[i], text (kept[i]).c_str (),
        before[i].c_str ());
  fail_unless (gst_preset_delete_preset (preset, "mine"));
}
GST_END_TEST;

GST_START_TEST (test_a_preset_takes_the_place_of_any_response)
{
  // A preset that was kept without a file has no line for one, and none has a sample.
  GstElement *const element = gst_element_factory_make ("convreverb", nullptr);
  GstPreset *const preset = GST_PRESET (element);
  forget_own (preset);
  g_object_set (element, "preset-room", 2, "decay-time", 0.75, nullptr);
  fail_unless (gst_preset_save_preset (preset, "no file"));
  const auto is_room = [&] {
    gchar *location = nullptr;
    GstSample *sample = nullptr;
    int room = -1;
    double decay = 0.0;
    GValue kernel = G_VALUE_INIT;
    g_object_get (element, "ir-location", &location, "ir", &sample, "preset-room", &room,
        "decay-time", &decay, nullptr);
    g_object_get_property (G_OBJECT (element), "kernel", &kernel);
    const bool none = !location && !sample && gst_value_array_get_size (&kernel) == 0;
    g_value_unset (&kernel);
    g_free (location);
    if (sample)
      gst_sample_unref (sample);
    return none && room == 2 && decay == 0.75;
  };
  const auto set = [&] (int which) {
    g_object_set (element, "preset-room", 0, "decay-time", 2.0, nullptr);
    if (which == 0)
      g_object_set (element, "ir-location", "/nowhere.wav", nullptr);
    else if (which == 1)
      set_response (element, {1.0f, 0.5f}, 1);
    else
      set_array (element, "kernel", "<1, 0.25>");
  };
  for (int which = 0; which < 3; ++which) {
    set (which);
    fail_unless (!is_room ());
    fail_unless (gst_preset_load_preset (preset, "no file"));
    fail_unless (is_room (), "%d", which);
  }
  // One that is not there changes nothing.
  set (0);
  fail_unless (!gst_preset_load_preset (preset, "no such preset"));
  gchar *location = nullptr;
  g_object_get (element, "ir-location", &location, nullptr);
  fail_unless_equals_string (location, "/nowhere.wav");
  g_free (location);
  fail_unless (gst_preset_delete_preset (preset, "no file"));

  // And one that was kept with a file brings it back.
  fail_unless (gst_preset_save_preset (preset, "file"));
  set (1);
  fail_unless (gst_preset_load_preset (preset, "file"));
  g_object_get (element, "ir-location", &location, nullptr);
  fail_unless_equals_string (location, "/nowhere.wav");
  g_free (location);
  fail_unless (gst_preset_delete_preset (preset, "file"));
  gst_object_unref (element);
}
GST_END_TEST;

GST_START_TEST (test_a_preset_is_one_change)
{
  Random random {61};
  Reverb reverb (2, kRate, "preset-room", 0);
  Samples x;
  reverb.push_all (random.samples (4800 * 2), 480);
  std::uint64_t changes = 0;
  for (const char *const name : {"cathedral", "vocal plate", "drum room", "chamber"}) {
    fail_unless (gst_preset_load_preset (GST_PRESET (reverb.element), name));
    push_until_changed (reverb, ++changes, x, random, 2);
    fail_unless_equals_uint64 (reverb.stat ("ir-changes"), changes);
  }
  // Whatever was still to come would have come by the time of one more.
  g_object_set (reverb.element, "ir-gain", -7.0, nullptr);
  push_until_changed (reverb, ++changes, x, random, 2);
  reverb.push_all (random.samples (9600 * 2), 480);
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), changes);
}
GST_END_TEST;

GST_START_TEST (test_half_a_preset_is_not_heard)
{
  // The worker comes back from a fault, with another change asked for, while one preset is loaded
  // within another.
  struct Scene {
    Random random {62};
    Reverb reverb {2, kRate, "preset-room", 0};
    Samples x;
    std::promise<void> at_fault, go_on;
    bool entered {false};
  } scene;
  Reverb &reverb = scene.reverb;
  reverb.push_all (scene.random.samples (4800 * 2), 480);
  GstBus *const bus = gst_element_get_bus (reverb.element);
  const auto hold_worker = +[] (GstBus *, GstMessage *message, gpointer data) {
    auto &s = *static_cast<Scene *> (data);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
      s.at_fault.set_value ();
      s.go_on.get_future ().wait ();
    }
    return GST_BUS_PASS;
  };
  gst_bus_set_sync_handler (bus, hold_worker, &scene, nullptr);
  g_object_set (reverb.element, "ir-location", "/nowhere.wav", nullptr);
  scene.at_fault.get_future ().wait ();
  g_object_set (reverb.element, "pre-delay", guint64 {1000000}, nullptr);

  const auto within = +[] (GObject *object, GParamSpec *, gpointer data) {
    auto &s = *static_cast<Scene *> (data);
    if (std::exchange (s.entered, true))
      return;
    fail_unless (gst_preset_load_preset (GST_PRESET (object), "drum room"));
    s.go_on.set_value ();
    // Time for it to take what it must not.
    for (int i = 0; i < 200 && s.reverb.stat ("ir-changes") == 0; ++i) {
      s.reverb.push_all (s.random.samples (480 * 2), 480);
      let_worker_run ();
    }
    fail_unless_equals_uint64 (s.reverb.stat ("ir-changes"), 0);
  };
  g_signal_connect (reverb.element, "notify::preset-room", G_CALLBACK (within), &scene);
  fail_unless (gst_preset_load_preset (GST_PRESET (reverb.element), "cathedral"));
  fail_unless (scene.entered);
  push_until_changed (reverb, 1, scene.x, scene.random, 2);
  // Whatever was still to come would have come by the time of one more.
  g_object_set (reverb.element, "ir-gain", -7.0, nullptr);
  push_until_changed (reverb, 2, scene.x, scene.random, 2);
  reverb.push_all (scene.random.samples (9600 * 2), 480);
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 2);
  gst_bus_set_sync_handler (bus, nullptr, nullptr, nullptr);
  gst_object_unref (bus);
}
GST_END_TEST;

GST_START_TEST (test_what_is_cleared_is_notified)
{
  GstElement *const element = gst_element_factory_make ("convreverb", nullptr);
  std::vector<std::string> told;
  const auto note = +[] (GObject *, GParamSpec *spec, gpointer list) {
    static_cast<std::vector<std::string> *> (list)->emplace_back (spec->name);
  };
  for (const char *const name : {"notify::ir-location", "notify::ir", "notify::kernel"})
    g_signal_connect (element, name, G_CALLBACK (note), &told);
  const auto expect = [&] (std::vector<std::string> names) {
    std::sort (told.begin (), told.end ());
    fail_unless (told == names, "%zu told, not %zu", told.size (), names.size ());
    told.clear ();
  };
  g_object_set (element, "ir-location", "/nowhere.wav", nullptr);
  expect ({"ir-location"});
  set_response (element, {1.0f, 0.5f}, 1);
  expect ({"ir", "ir-location"});
  set_array (element, "kernel", "<1, 0.25>");
  expect ({"ir", "kernel"});
  g_object_set (element, "ir-location", "/nowhere.wav", nullptr);
  expect ({"ir-location", "kernel"});
  set_response (element, {1.0f, 0.5f}, 1);
  told.clear ();
  // A preset has no sample, so nothing else tells of it.
  fail_unless (gst_preset_load_preset (GST_PRESET (element), "cathedral"));
  fail_unless (std::count (told.begin (), told.end (), "ir") == 1);
  gst_object_unref (element);
}
GST_END_TEST;

static Suite *convreverb_presets_suite ()
{
  Suite *const suite = suite_create ("convreverb-presets");
  TCase *const presets = add_group (suite, "presets");
  tcase_add_test (presets, test_presets);
  tcase_add_test (presets, test_a_preset_of_ones_own);
  tcase_add_test (presets, test_a_preset_takes_the_place_of_any_response);
  tcase_add_test (presets, test_a_preset_is_one_change);
  tcase_add_test (presets, test_half_a_preset_is_not_heard);
  tcase_add_test (presets, test_what_is_cleared_is_notified);
  return suite;
}

GST_CHECK_MAIN (convreverb_presets);
