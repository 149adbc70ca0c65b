// SPDX-License-Identifier: LGPL-2.1-or-later
// What the first chunk waits for: elements that can still bring a track, and nothing else.
#include "support.hpp"

using namespace mt::test;

namespace {

/// Far below the 10 s that the mix waits at the longest.
constexpr std::chrono::seconds kAtOnce {5};

/// An element that never comes to PAUSED by itself.
struct Straggler {
  GstElement parent;
};
struct StragglerClass {
  GstElementClass parent;
};

GstStateChangeReturn straggle (GstElement *element, GstStateChange transition) noexcept
{
  auto *parent = GST_ELEMENT_CLASS (g_type_class_peek (g_type_parent (G_OBJECT_TYPE (element))));
  const auto result = parent->change_state (element, transition);
  return transition == GST_STATE_CHANGE_READY_TO_PAUSED ? GST_STATE_CHANGE_ASYNC : result;
}

/// With pads «sometimes» of these caps; null: with none.
GstElement *straggler (const char *type_name, const char *caps)
{
  GType type = g_type_from_name (type_name);
  if (type == 0) {
    GTypeInfo info {};
    info.class_size = sizeof (StragglerClass);
    info.instance_size = sizeof (Straggler);
    info.class_data = caps;
    info.class_init = [] (gpointer klass, gpointer data) {
      GST_ELEMENT_CLASS (klass)->change_state = straggle;
      gst_element_class_set_static_metadata (
          GST_ELEMENT_CLASS (klass), "Straggler", "Source", "Never gets there", "The tests");
      if (!data)
        return;
      GstCaps *all = gst_caps_from_string (static_cast<const char *> (data));
      gst_element_class_add_pad_template (GST_ELEMENT_CLASS (klass),
          gst_pad_template_new ("src_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, all));
      gst_caps_unref (all);
    };
    type = g_type_register_static (GST_TYPE_ELEMENT, type_name, &info, static_cast<GTypeFlags> (0));
  }
  return GST_ELEMENT (g_object_new (type, nullptr));
}

struct Start {
  explicit Start (const char *source)
  {
    const std::string line =
        std::string {source} + " ! trackmixer name=m max-size-time=100000000 ! fakesink sync=false";
    pipeline = gst_parse_launch (line.c_str (), nullptr);
    fail_unless (pipeline != nullptr);
    mixer = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  }
  ~Start ()
  {
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (mixer);
    gst_object_unref (pipeline);
  }
  void add (GstElement *element) { gst_bin_add (GST_BIN (pipeline), element); }
  void play () { gst_element_set_state (pipeline, GST_STATE_PLAYING); }
  bool has_begun () const { return count_in_stats (mixer, "chunks") > 0; }
  bool begins_at_once () const
  {
    return eventually ([this] { return has_begun (); }, kAtOnce);
  }
  bool waits () const // and looks for room meanwhile
  {
    return eventually ([this] { return count_in_stats (mixer, "growths") > 2; }, kAtOnce) &&
        !has_begun ();
  }

  GstElement *pipeline;
  GstElement *mixer;
};

constexpr const char *kSource = "audiotestsrc num-buffers=1000";

} // namespace

GST_START_TEST (test_an_element_that_brings_no_track_is_not_waited_for)
{
  Start without_pads {kSource};
  without_pads.add (straggler ("NoPads", nullptr));
  without_pads.play ();
  fail_unless (without_pads.begins_at_once ());

  Start video {kSource};
  video.add (straggler ("VideoPads", "video/x-raw; video/x-h264"));
  video.play ();
  fail_unless (video.begins_at_once ());

  Start in_a_bin {kSource};
  GstElement *bin = gst_bin_new (nullptr);
  gst_bin_add (GST_BIN (bin), straggler ("NoPads", nullptr));
  in_a_bin.add (bin);
  in_a_bin.play ();
  fail_unless (in_a_bin.begins_at_once ());
}
GST_END_TEST;

GST_START_TEST (test_an_element_that_can_bring_a_track_is_waited_for)
{
  const bool in_a_bin = __i__ == 1;
  Start start {kSource};
  GstElement *late = straggler ("AudioPads", "ANY");
  GstElement *added = late;
  if (in_a_bin) {
    added = gst_bin_new (nullptr);
    // A bin with a sink in it counts as a sink, and may bring a track all the same.
    gst_bin_add_many (
        GST_BIN (added), late, gst_element_factory_make ("fakesink", nullptr), nullptr);
  }
  start.add (added);
  start.play ();
  fail_unless (start.waits ());
  gst_object_ref (added);
  gst_bin_remove (GST_BIN (start.pipeline), added);
  gst_element_set_state (added, GST_STATE_NULL);
  gst_object_unref (added);
  fail_unless (start.begins_at_once ());
}
GST_END_TEST;

GST_START_TEST (test_what_comes_behind_the_mixer_is_not_waited_for)
{
  Start start {kSource};
  GstElement *late = straggler ("AudioPads", "ANY");
  GstPad *src = gst_element_get_static_pad (start.mixer, "src");
  GstPad *peer = gst_pad_get_peer (src);
  gst_pad_unlink (src, peer);
  gst_object_unref (peer);
  GstPad *sink = gst_pad_new ("sink", GST_PAD_SINK);
  gst_pad_set_chain_function (sink, [] (GstPad *, GstObject *, GstBuffer *buffer) noexcept {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  });
  gst_element_add_pad (late, sink);
  start.add (late);
  fail_unless (gst_pad_link (src, sink) == GST_PAD_LINK_OK);
  gst_object_unref (src);
  start.play ();
  fail_unless (start.begins_at_once ());
}
GST_END_TEST;

GST_START_TEST (test_a_live_track_waits_for_nothing)
{
  Start start {"audiotestsrc is-live=true num-buffers=1000"};
  start.add (straggler ("AudioPads", "ANY"));
  start.play ();
  fail_unless (start.begins_at_once ());
}
GST_END_TEST;

static Suite *trackmixer_start_suite ()
{
  Suite *suite = suite_create ("trackmixer-start");
  TCase *hold = tcase_create ("hold");
  tcase_add_test (hold, test_an_element_that_brings_no_track_is_not_waited_for);
  tcase_add_loop_test (hold, test_an_element_that_can_bring_a_track_is_waited_for, 0, 2);
  tcase_add_test (hold, test_what_comes_behind_the_mixer_is_not_waited_for);
  tcase_add_test (hold, test_a_live_track_waits_for_nothing);
  suite_add_tcase (suite, hold);
  return suite;
}

GST_CHECK_MAIN (trackmixer_start)
