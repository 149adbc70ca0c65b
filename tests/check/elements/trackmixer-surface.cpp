// SPDX-License-Identifier: LGPL-2.1-or-later
// What other elements and programs see of trackmixer, next to what they see of audiomixer:
// templates, names of children, answers to queries, events that come through.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = 10 * GST_MSECOND;
constexpr const char *kBoth[] {"audiomixer", "trackmixer"};
using Lines = std::vector<std::string>;

void check_same (const Lines &theirs, const Lines &ours)
{
  for (std::size_t i = 0; i < std::min (theirs.size (), ours.size ()); ++i)
    fail_unless_equals_string (ours[i].c_str (), theirs[i].c_str ());
  fail_unless_equals_int (static_cast<int> (ours.size ()), static_cast<int> (theirs.size ()));
  fail_unless (!ours.empty ());
}

// --- queries

std::string answer_to (GstPad *pad, GstQuery *query)
{
  const bool ok = gst_pad_query (pad, query);
  std::string out = std::string {GST_QUERY_TYPE_NAME (query)} + (ok ? " yes" : " no");
  gint64 first = 0, second = 0;
  GstFormat format = GST_FORMAT_UNDEFINED;
  gboolean flag = FALSE;
  switch (ok ? GST_QUERY_TYPE (query) : GST_QUERY_UNKNOWN) {
  case GST_QUERY_POSITION:
    gst_query_parse_position (query, &format, &first);
    break;
  case GST_QUERY_DURATION:
    gst_query_parse_duration (query, &format, &first);
    break;
  case GST_QUERY_ACCEPT_CAPS:
    gst_query_parse_accept_caps_result (query, &flag);
    break;
  case GST_QUERY_LATENCY: {
    GstClockTime min = 0, max = 0;
    gst_query_parse_latency (query, &flag, &min, &max);
    first = static_cast<gint64> (min);
    second = static_cast<gint64> (max);
    break;
  }
  default:
    break;
  }
  gst_query_unref (query);
  return out + ' ' + std::to_string (static_cast<int> (format)) + ' ' + std::to_string (first) +
      ' ' + std::to_string (second) + (flag ? " true" : " false");
}

bool answer_upstream (GstQuery *query)
{
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_DURATION: {
    GstFormat format;
    gst_query_parse_duration (query, &format, nullptr);
    if (format == GST_FORMAT_TIME)
      gst_query_set_duration (query, format, 5 * GST_SECOND);
    return format == GST_FORMAT_TIME;
  }
  case GST_QUERY_LATENCY:
    gst_query_set_latency (query, FALSE, 3 * GST_MSECOND, GST_CLOCK_TIME_NONE);
    return true;
  default:
    return false;
  }
}

Lines answers_of (const char *factory)
{
  MixerBed bed {kChunk, true, factory};
  Feeder feeder {bed};
  feeder.upstream_query = answer_upstream;
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push (noise (2 * 960, 1), 0);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  feeder.join ();
  GstPad *src = gst_element_get_static_pad (bed.element, "src");
  Lines out;
  // SEEKING is not among them: here it says what the tracks can do, there always «no».
  for (const GstFormat format : {GST_FORMAT_TIME, GST_FORMAT_DEFAULT, GST_FORMAT_BYTES,
           GST_FORMAT_BUFFERS, GST_FORMAT_PERCENT}) {
    out.push_back (answer_to (src, gst_query_new_position (format)));
    out.push_back (answer_to (src, gst_query_new_duration (format)));
  }
  out.push_back (answer_to (src, gst_query_new_latency ()));
  for (GstPad *pad : {src, feeder.sink}) {
    for (const Format &format : {Format {}, Format {48000, 1, GST_AUDIO_FORMAT_S16},
             Format {48000, 6, GST_AUDIO_FORMAT_F32}}) {
      GstCaps *caps = caps_of (format);
      out.push_back (answer_to (pad, gst_query_new_accept_caps (caps)));
      gst_caps_unref (caps);
    }
    GstCaps *video = gst_caps_new_empty_simple ("video/x-raw");
    out.push_back (answer_to (pad, gst_query_new_accept_caps (video)));
    gst_caps_unref (video);
    out.push_back (answer_to (pad, gst_query_new_uri ()));
    out.push_back (answer_to (pad, gst_query_new_context ("a.context")));
  }
  gst_object_unref (src);
  return out;
}

// --- events

/// Types of what a sink gets, in their order, and what the tracks hear of what it sends.
Lines events_of (const char *factory)
{
  MixerBed bed {kChunk, true, factory};
  Feeder feeders[] {Feeder {bed}, Feeder {bed}};
  std::mutex mutex;
  Lines up;
  int number = 0;
  for (Feeder &feeder : feeders)
    feeder.upstream_event = [&mutex, &up, n = number++] (GstEvent *event) {
      const std::lock_guard lock {mutex};
      up.push_back (std::string {GST_EVENT_TYPE_NAME (event)} + " at " + std::to_string (n));
      return true;
    };
  bed.play ();
  int part = 0;
  for (Feeder &feeder : feeders)
    feeder.run ([n = part++] (Feeder &self) {
      self.begin ();
      gst_pad_push_event (self.src,
          gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, n == 0 ? "a" : "b", nullptr)));
      self.push (noise (2 * 960, 1), 0);
      self.end ();
    });
  fail_unless (bed.sink.wait_for_eos ());
  for (Feeder &feeder : feeders)
    feeder.join ();
  for (GstEvent *event : {gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.0, 0, 0),
           gst_event_new_navigation (gst_structure_new_empty ("n")),
           gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty ("u"))}) {
    const std::string name = GST_EVENT_TYPE_NAME (event);
    const bool taken = gst_pad_push_event (bed.sink.pad (), event);
    const std::lock_guard up_lock {mutex};
    up.push_back (name + (taken ? " yes" : " no"));
  }
  std::sort (up.begin (), up.end ());
  const std::lock_guard lock {bed.sink.mutex};
  Lines out;
  for (const SeenEvent &seen : bed.sink.events)
    out.emplace_back (gst_event_type_get_name (seen.type));
  out.insert (out.end (), up.begin (), up.end ());
  return out;
}

} // namespace

GST_START_TEST (test_pad_templates)
{
  MixerBed theirs {kChunk, false, kBoth[0]};
  MixerBed ours {kChunk, false, kBoth[1]};
  int count = 0;
  for (GList *at = gst_element_get_pad_template_list (theirs.element); at; at = at->next, ++count) {
    auto *one = GST_PAD_TEMPLATE (at->data);
    GstPadTemplate *same = gst_element_get_pad_template (ours.element, one->name_template);
    fail_unless (same != nullptr, "no %s", one->name_template);
    fail_unless_equals_int (same->direction, one->direction);
    fail_unless_equals_int (same->presence, one->presence);
    fail_unless (gst_caps_is_subset (one->caps, same->caps), "caps of %s", one->name_template);
  }
  fail_unless_equals_int (count, 2);
}
GST_END_TEST;

GST_START_TEST (test_children)
{
  Lines names[2];
  for (int n = 0; n < 2; ++n) {
    MixerBed bed {kChunk, true, kBoth[n]};
    for (const char *name : {"sink_%u", "sink_4", "sink_%u", "sink_1"}) {
      GstPad *pad = gst_element_request_pad_simple (bed.element, name);
      gst_object_unref (pad);
    }
    auto *proxy = GST_CHILD_PROXY (bed.element);
    for (guint i = 0; i < gst_child_proxy_get_children_count (proxy); ++i) {
      GObject *child = gst_child_proxy_get_child_by_index (proxy, i);
      names[n].emplace_back (GST_OBJECT_NAME (child));
      g_object_unref (child);
    }
    for (const char *name : {"sink_4", "src", "sink_9"}) {
      GObject *child = gst_child_proxy_get_child_by_name (proxy, name);
      names[n].push_back (std::string {name} + (child ? " is a child" : " is none"));
      g_clear_object (&child);
    }
  }
  check_same (names[0], names[1]);
}
GST_END_TEST;

GST_START_TEST (test_queries_have_the_same_answers)
{
  check_same (answers_of (kBoth[0]), answers_of (kBoth[1]));
}
GST_END_TEST;

GST_START_TEST (test_the_same_events_come_through)
{
  check_same (events_of (kBoth[0]), events_of (kBoth[1]));
}
GST_END_TEST;

static Suite *trackmixer_surface_suite ()
{
  Suite *suite = suite_create ("trackmixer-surface");
  TCase *both = tcase_create ("both");
  tcase_add_test (both, test_pad_templates);
  tcase_add_test (both, test_children);
  tcase_add_test (both, test_queries_have_the_same_answers);
  tcase_add_test (both, test_the_same_events_come_through);
  suite_add_tcase (suite, both);
  return suite;
}

GST_CHECK_MAIN (trackmixer_surface)
