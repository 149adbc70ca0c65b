// SPDX-License-Identifier: LGPL-2.1-or-later
// What every element must stand: changes of state in any order, properties at their limits, and a
// description that is complete.
#include <random>
#include <string>

#include <gst/gst.h>

#include <gst/check/gstcheck.h>

namespace {

constexpr const char *kFactories[] = {"trackmixer", "convreverb"};

GstElement *make (int index)
{
  GstElement *element = gst_element_factory_make (kFactories[index], nullptr);
  fail_unless (element != nullptr, "no element %s", kFactories[index]);
  return GST_ELEMENT (gst_object_ref_sink (element));
}

void drop (GstElement *element)
{
  gst_element_set_state (element, GST_STATE_NULL);
  ASSERT_OBJECT_REFCOUNT (element, "element", 1);
  gst_object_unref (element);
}

GST_START_TEST (test_up_and_down)
{
  GstElement *element = make (__i__);
  const GstState way[] = {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED,
      GST_STATE_READY, GST_STATE_NULL};
  for (int round = 0; round < 20; ++round)
    for (GstState state : way)
      fail_unless_equals_int (gst_element_set_state (element, state), GST_STATE_CHANGE_SUCCESS);
  drop (element);
}
GST_END_TEST;

GST_START_TEST (test_ready_paused_100_times)
{
  GstElement *element = make (__i__);
  for (int round = 0; round < 100; ++round)
    for (GstState state : {GST_STATE_READY, GST_STATE_PAUSED})
      fail_unless_equals_int (gst_element_set_state (element, state), GST_STATE_CHANGE_SUCCESS);
  drop (element);
}
GST_END_TEST;

GST_START_TEST (test_states_in_any_order)
{
  GstElement *element = make (__i__);
  std::mt19937 random {7};
  for (int step = 0; step < 300; ++step) {
    const auto state = static_cast<GstState> (GST_STATE_NULL + random () % 4);
    fail_unless_equals_int (gst_element_set_state (element, state), GST_STATE_CHANGE_SUCCESS);
  }
  drop (element);
}
GST_END_TEST;

/// In a pipeline that is stopped before, while and after it prerolls.
GST_START_TEST (test_states_in_a_pipeline)
{
  const std::string line = std::string ("audiotestsrc num-buffers=50 ! ") + kFactories[__i__] +
      " ! audioconvert ! fakesink sync=true";
  GstElement *pipeline = gst_parse_launch (line.c_str (), nullptr);
  fail_unless (pipeline != nullptr);
  std::mt19937 random {11};
  for (int step = 0; step < 100; ++step) {
    const auto state = static_cast<GstState> (GST_STATE_NULL + random () % 4);
    fail_if (gst_element_set_state (pipeline, state) == GST_STATE_CHANGE_FAILURE);
    g_usleep (random () % 3000); // any moment: there is nothing to wait for
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST;

// --- properties

template <class Spec, class Set, class Get>
void check_number (GObject *object, GParamSpec *spec, Set set, Get get)
{
  auto *number = reinterpret_cast<Spec *> (spec);
  for (auto value : {number->minimum, number->maximum, number->default_value}) {
    GValue in = G_VALUE_INIT, out = G_VALUE_INIT;
    g_value_init (&in, spec->value_type);
    g_value_init (&out, spec->value_type);
    set (&in, value);
    g_object_set_property (object, spec->name, &in);
    g_object_get_property (object, spec->name, &out);
    fail_unless (get (&out) == value, "%s does not keep its limits", spec->name);
    g_value_unset (&in);
    g_value_unset (&out);
  }
}

void check_enum (GObject *object, GParamSpec *spec)
{
  const GEnumClass *values = G_PARAM_SPEC_ENUM (spec)->enum_class;
  for (guint i = 0; i < values->n_values; ++i) {
    g_object_set (object, spec->name, values->values[i].value, nullptr);
    gint got = -1;
    g_object_get (object, spec->name, &got, nullptr);
    fail_unless_equals_int (got, values->values[i].value);
  }
}

void check_property (GObject *object, GParamSpec *spec)
{
  fail_unless (g_param_spec_get_nick (spec) && *g_param_spec_get_nick (spec), "%s", spec->name);
  fail_unless (g_param_spec_get_blurb (spec) && *g_param_spec_get_blurb (spec), "%s", spec->name);
  GValue value = G_VALUE_INIT;
  g_value_init (&value, spec->value_type);
  if (spec->flags & G_PARAM_READABLE)
    g_object_get_property (object, spec->name, &value);
  g_value_unset (&value);
  if (!(spec->flags & G_PARAM_WRITABLE) || !(spec->flags & G_PARAM_READABLE) ||
      (spec->flags & G_PARAM_CONSTRUCT_ONLY))
    return;
  if (G_IS_PARAM_SPEC_DOUBLE (spec))
    check_number<GParamSpecDouble> (object, spec, g_value_set_double, g_value_get_double);
  else if (G_IS_PARAM_SPEC_FLOAT (spec))
    check_number<GParamSpecFloat> (object, spec, g_value_set_float, g_value_get_float);
  else if (G_IS_PARAM_SPEC_UINT64 (spec))
    check_number<GParamSpecUInt64> (object, spec, g_value_set_uint64, g_value_get_uint64);
  else if (G_IS_PARAM_SPEC_INT64 (spec))
    check_number<GParamSpecInt64> (object, spec, g_value_set_int64, g_value_get_int64);
  else if (G_IS_PARAM_SPEC_UINT (spec))
    check_number<GParamSpecUInt> (object, spec, g_value_set_uint, g_value_get_uint);
  else if (G_IS_PARAM_SPEC_INT (spec))
    check_number<GParamSpecInt> (object, spec, g_value_set_int, g_value_get_int);
  else if (G_IS_PARAM_SPEC_ENUM (spec))
    check_enum (object, spec);
  else if (G_IS_PARAM_SPEC_BOOLEAN (spec))
    for (gboolean on : {gboolean {TRUE}, gboolean {FALSE}}) {
      gboolean got = !on;
      g_object_set (object, spec->name, on, nullptr);
      g_object_get (object, spec->name, &got, nullptr);
      fail_unless_equals_int (got, on);
    }
}

/// All properties that the type or a parent below GstElement brings. Returns how many.
unsigned check_properties (GObject *object)
{
  guint count = 0;
  GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &count);
  unsigned own = 0;
  for (guint i = 0; i < count; ++i) {
    if (specs[i]->owner_type == GST_TYPE_OBJECT || specs[i]->owner_type == GST_TYPE_PAD)
      continue;
    check_property (object, specs[i]);
    ++own;
  }
  g_free (specs);
  return own;
}

GST_START_TEST (test_properties_at_their_limits)
{
  GstElement *element = make (__i__);
  fail_unless (check_properties (G_OBJECT (element)) > 3);
  drop (element);
}
GST_END_TEST;

GST_START_TEST (test_pad_properties_at_their_limits)
{
  GstElement *element = gst_element_factory_make ("trackmixer", nullptr);
  GstPad *pad = gst_element_request_pad_simple (element, "sink_%u");
  fail_unless (check_properties (G_OBJECT (pad)) >= 2);
  gst_element_release_request_pad (element, pad);
  gst_object_unref (pad);
  gst_object_unref (element);
}
GST_END_TEST;

/// What gst-inspect-1.0 shows.
GST_START_TEST (test_description)
{
  GstElementFactory *factory = gst_element_factory_find (kFactories[__i__]);
  fail_unless (factory != nullptr);
  for (const char *key : {GST_ELEMENT_METADATA_LONGNAME, GST_ELEMENT_METADATA_KLASS,
           GST_ELEMENT_METADATA_DESCRIPTION, GST_ELEMENT_METADATA_AUTHOR}) {
    const gchar *text = gst_element_factory_get_metadata (factory, key);
    fail_unless (text && *text, "%s has no %s", kFactories[__i__], key);
  }
  fail_unless (gst_element_factory_get_num_pad_templates (factory) == 2);
  gst_object_unref (factory);
}
GST_END_TEST;

Suite *elements_suite ()
{
  Suite *suite = suite_create ("all elements");
  const int count = static_cast<int> (std::size (kFactories));
  TCase *states = tcase_create ("states");
  suite_add_tcase (suite, states);
  tcase_add_loop_test (states, test_up_and_down, 0, count);
  tcase_add_loop_test (states, test_ready_paused_100_times, 0, count);
  tcase_add_loop_test (states, test_states_in_any_order, 0, count);
  tcase_add_loop_test (states, test_states_in_a_pipeline, 0, count);
  TCase *properties = tcase_create ("properties");
  suite_add_tcase (suite, properties);
  tcase_add_loop_test (properties, test_properties_at_their_limits, 0, count);
  tcase_add_test (properties, test_pad_properties_at_their_limits);
  tcase_add_loop_test (properties, test_description, 0, count);
  return suite;
}

} // namespace

GST_CHECK_MAIN (elements);
