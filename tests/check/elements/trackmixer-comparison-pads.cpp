// SPDX-License-Identifier: LGPL-2.1-or-later
// audiomixer and trackmixer next to each other: pads that are asked for, set, moved, and that come
// and go.
#include <future>

#include "comparison.hpp"

using namespace mt::test;

namespace {

// --- pads that are asked for

void play_names (Scene &scene)
{
  std::vector<GstPad *> pads;
  for (const char *name :
      {"sink_%u", "sink_4", "sink_%u", "sink_1", "sink_%u", "sink_100", "sink_%u"}) {
    GstPad *pad = gst_element_request_pad_simple (scene.bed.element, name);
    scene.note (std::string {name} + ": " + (pad ? GST_PAD_NAME (pad) : "none"));
    if (pad)
      pads.push_back (pad);
  }
  gst_element_release_request_pad (scene.bed.element, pads[1]);
  GstPad *again = gst_element_request_pad_simple (scene.bed.element, "sink_4");
  scene.note (again ? "sink_4 again" : "no sink_4 any more");
  pads.push_back (again);
  GST_OBJECT_LOCK (scene.bed.element);
  scene.note (std::to_string (scene.bed.element->numsinkpads) + " pads");
  GST_OBJECT_UNLOCK (scene.bed.element);
  auto *proxy = GST_CHILD_PROXY (scene.bed.element);
  for (guint n = 0; n < gst_child_proxy_get_children_count (proxy); ++n) {
    GObject *child = gst_child_proxy_get_child_by_index (proxy, n);
    scene.note (std::string {"child "} + GST_OBJECT_NAME (child));
    g_object_unref (child);
  }
  gst_child_proxy_set (GST_CHILD_PROXY (scene.bed.element), "sink_100::volume", 0.5, nullptr);
  gdouble volume = 0;
  gst_child_proxy_get (GST_CHILD_PROXY (scene.bed.element), "sink_100::volume", &volume, nullptr);
  scene.note (std::string {"volume "} + std::to_string (volume));
  for (GstPad *pad : pads)
    gst_object_unref (pad);
}

/// Of a track that has brought nothing yet.
void play_properties_before_caps (Scene &scene)
{
  Feeder *tracks[] {&scene.track (), &scene.track (), &scene.track ({48000, 1})};
  auto *proxy = GST_CHILD_PROXY (scene.bed.element);
  gst_child_proxy_set (proxy, "sink_0::volume", 0.25, "sink_1::mute", TRUE, nullptr);
  scene.bed.play ();
  gst_child_proxy_set (proxy, "sink_2::volume", 2.0, nullptr);
  for (Feeder *track : tracks)
    scene.feed (*track, {{0, 999}, {999, 2001}});
  scene.finish ();
}

/// A pad that nothing is linked to.
void play_an_unlinked_pad (Scene &scene)
{
  Feeder &track = scene.track ();
  GstPad *pad = nullptr;
  if (!scene.differs ("a pad that nothing is linked to is not waited for"))
    pad = gst_element_request_pad_simple (scene.bed.element, "sink_%u");
  scene.bed.play ();
  scene.begin_with_chunks (track, 4);
  fail_unless (settles ());
  scene.note (std::to_string (scene.bed.sink.chunk_count ()) + " chunks");
  if (pad) {
    gst_element_release_request_pad (scene.bed.element, pad);
    gst_object_unref (pad);
  }
  scene.go_on (track, 4 * kChunkFrames, 999);
  scene.finish ();
}

// --- pads that come and go

/// With audio from that chunk on; four are out.
template <std::int64_t chunk>
void play_a_pad_that_comes (Scene &scene)
{
  const auto tracks = scene.tracks_at (1, 4);
  Feeder &late = scene.track ();
  late.begin ();
  scene.go_on (late, chunk * kChunkFrames, 999);
  scene.go_on (*tracks[0], 4 * kChunkFrames, 6 * kChunkFrames);
  scene.finish ();
  if (chunk < 4 && scene.differs (kLateIsTold))
    scene.add (kWarning);
}

/// Without a time stamp: it is heard at once.
void play_a_pad_that_comes_without_stamps (Scene &scene)
{
  const auto tracks = scene.tracks_at (1, 4);
  Feeder &late = scene.track ();
  late.begin ();
  scene.go_on (late, -1, 999);
  scene.go_on (*tracks[0], 4 * kChunkFrames, 6 * kChunkFrames);
  scene.finish ();
}

/// With audio that nobody hears any more.
void play_a_pad_that_goes (Scene &scene)
{
  const auto tracks = scene.tracks_at (2, 4);
  scene.push (*tracks[1], {4 * kChunkFrames, 2 * kChunkFrames});
  gst_element_release_request_pad (scene.bed.element, tracks[1]->sink);
  scene.go_on (*tracks[0], 4 * kChunkFrames, 3 * kChunkFrames);
  scene.finish ();
}

/// In the middle of a buffer that it has brought.
void play_a_pad_that_goes_in_the_middle (Scene &scene)
{
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  scene.bed.play ();
  a.begin ();
  b.begin ();
  scene.push (b, {0, 10 * kChunkFrames});
  scene.push (a, {0, 4 * kChunkFrames});
  scene.wait_for_chunks (4);
  gst_element_release_request_pad (scene.bed.element, b.sink);
  scene.go_on (a, 4 * kChunkFrames, 3 * kChunkFrames);
  scene.finish ();
}

void play_the_last_that_goes_ends_it (Scene &scene)
{
  const auto tracks = scene.tracks_at (2, 4);
  tracks[0]->end ();
  gst_element_release_request_pad (scene.bed.element, tracks[1]->sink);
  scene.finish ();
}

/// With a feeder that waits, because nothing is taken of what it has brought.
void play_a_full_pad_that_goes (Scene &scene)
{
  if (scene.is_ours ())
    g_object_set (scene.bed.element, "max-size-time", guint64 {0}, nullptr);
  scene.bed.sink.close ();
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  scene.bed.play ();
  a.run ([&scene] (Feeder &self) {
    self.begin ();
    scene.push (self, {0, 4 * kChunkFrames});
  });
  std::promise<GstFlowReturn> answer;
  b.run ([&scene, &answer] (Feeder &self) {
    self.begin ();
    GstFlowReturn flow = GST_FLOW_OK;
    for (std::int64_t at = 0; flow == GST_FLOW_OK; at += 4 * kChunkFrames)
      flow = scene.push (self, {at, 4 * kChunkFrames});
    answer.set_value (flow);
  });
  a.join ();
  fail_unless (settles ()); // the mix in its first push, b in another one of its own
  fail_if (b.done);
  gst_element_release_request_pad (scene.bed.element, b.sink);
  scene.note_flow ("the feeder hears", answer.get_future ().get ());
  scene.bed.sink.open ();
  b.join ();
  scene.go_on (a, 4 * kChunkFrames, 999);
  scene.finish ();
}

/// Moved while it plays, before a buffer that goes on where the last one ended. A sink pad's offset
/// holds from the next segment on, a source pad's at once.
template <int N>
void play_a_change_of_offset (Scene &scene)
{
  constexpr auto kMs = static_cast<gint64> (GST_MSECOND);
  const auto tracks = scene.tracks_at (1, 4);
  GstPad *pad = N < 2 ? tracks[0]->sink : tracks[0]->src;
  gst_pad_set_offset (pad, N == 3 ? -5 * kMs : 20 * kMs);
  if (N == 1)
    tracks[0]->begin_segment ();
  scene.push (*tracks[0], {4 * kChunkFrames, 3 * kChunkFrames});
  gst_pad_set_offset (pad, N == 3 ? 20 * kMs : 40 * kMs);
  scene.go_on (*tracks[0], 7 * kChunkFrames, 999);
  scene.finish ();
  if (N == 3 && scene.differs (kLateIsTold))
    scene.add (kWarning);
}

const Comparison comparisons[] {
    {"names", play_names},
    {"properties before caps", play_properties_before_caps},
    {"unlinked", play_an_unlinked_pad},
    {"one comes", play_a_pad_that_comes<6>},
    {"one comes too late", play_a_pad_that_comes<3>},
    {"one comes without time stamps", play_a_pad_that_comes_without_stamps},
    {"one goes", play_a_pad_that_goes},
    {"one goes in the middle of a buffer", play_a_pad_that_goes_in_the_middle},
    {"one goes while it is full", play_a_full_pad_that_goes},
    {"one goes, the others have ended", play_the_last_that_goes_ends_it},
    {"offset: of the sink pad", play_a_change_of_offset<0>},
    {"offset: of the sink pad, and a segment", play_a_change_of_offset<1>},
    {"offset: later", play_a_change_of_offset<2>},
    {"offset: earlier", play_a_change_of_offset<3>},
};

} // namespace

GST_START_TEST (test_compare)
{
  compare (comparisons[__i__]);
}
GST_END_TEST;

static Suite *trackmixer_comparison_pads_suite ()
{
  Suite *suite = suite_create ("trackmixer-comparison-pads");
  TCase *both = tcase_create ("both");
  tcase_add_loop_test (both, test_compare, 0, static_cast<int> (std::size (comparisons)));
  suite_add_tcase (suite, both);
  return suite;
}

GST_CHECK_MAIN (trackmixer_comparison_pads)
