// SPDX-License-Identifier: LGPL-2.1-or-later
// The demo song: the same samples every time, under full scale, and the tracks that the muxed file
// promises.
#include "song.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/check/gstcheck.h>

using mt::demo::Track;

namespace {

const std::vector<Track> &song ()
{
  static const std::vector<Track> tracks = mt::demo::render_song ();
  return tracks;
}

const Track &named (const std::string &title)
{
  const auto found = std::find_if (
      song ().begin (), song ().end (), [&] (const Track &track) { return track.title == title; });
  fail_unless (found != song ().end (), "no track %s", title.c_str ());
  return *found;
}

std::string write_song ()
{
  gchar *path = nullptr;
  const int fd = g_file_open_tmp ("demo-song-XXXXXX.mka", &path, nullptr);
  fail_unless (fd >= 0);
  g_close (fd, nullptr);
  gchar *argv[] {g_strdup (RENDER_DEMO_SONG), path, nullptr};
  gint status = -1;
  fail_unless (g_spawn_sync (nullptr, argv, nullptr, G_SPAWN_DEFAULT, nullptr, nullptr, nullptr,
      nullptr, &status, nullptr));
  fail_unless_equals_int (status, 0);
  std::string out = path;
  g_free (argv[0]);
  g_free (path);
  return out;
}

struct Decoded {
  std::string title;
  GstClockTime first_pts;
  std::vector<float> samples;
};

/// Decodes one track of a file with stock elements. `number` counts from 0.
Decoded decode (const std::string &path, std::size_t number)
{
  gchar *line =
      g_strdup_printf ("filesrc location=%s ! matroskademux name=d d.audio_%zu ! queue "
                       "max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! decodebin ! "
                       "audioconvert ! audio/x-raw,format=F32LE ! appsink name=s sync=false",
          path.c_str (), number);
  GstElement *pipeline = gst_parse_launch (line, nullptr);
  g_free (line);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  Decoded out {{}, GST_CLOCK_TIME_NONE, {}};
  while (GstSample *sample = gst_app_sink_pull_sample (GST_APP_SINK (sink))) {
    GstBuffer *buffer = gst_sample_get_buffer (sample);
    if (out.samples.empty ())
      out.first_pts = GST_BUFFER_PTS (buffer);
    const gsize at = out.samples.size (), bytes = gst_buffer_get_size (buffer);
    out.samples.resize (at + bytes / sizeof (float));
    gst_buffer_extract (buffer, 0, out.samples.data () + at, bytes);
    gst_sample_unref (sample);
  }
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  for (guint i = 0; GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_TAG, i); ++i) {
    GstTagList *tags = nullptr;
    gst_event_parse_tag (event, &tags);
    gchar *title = nullptr;
    if (gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_STREAM &&
        gst_tag_list_get_string (tags, GST_TAG_TITLE, &title))
      out.title = title;
    g_free (title);
    gst_event_unref (event);
  }
  gst_object_unref (pad);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return out;
}

} // namespace

GST_START_TEST (test_same_samples_every_time)
{
  const std::vector<Track> again = mt::demo::render_song ();
  fail_unless_equals_int (again.size (), song ().size ());
  for (std::size_t i = 0; i < again.size (); ++i) {
    fail_unless_equals_int (again[i].samples.size (), song ()[i].samples.size ());
    fail_unless (std::memcmp (again[i].samples.data (), song ()[i].samples.data (),
                     again[i].samples.size () * sizeof (float)) == 0,
        "%s differs", again[i].title.c_str ());
  }
}
GST_END_TEST

GST_START_TEST (test_levels_leave_headroom)
{
  std::vector<double> sum (2 * mt::demo::song_frames ());
  for (const Track &track : song ()) {
    double energy = 0.0;
    for (std::size_t n = 0; n < track.frames (); ++n)
      for (int c = 0; c < 2; ++c) {
        const double sample =
            static_cast<double> (track.samples[n * track.channels + (track.channels == 2 ? c : 0)]);
        energy += sample * sample;
        sum[2 * (track.start_frame + n) + c] += sample;
      }
    const double rms_db = 10.0 * std::log10 (energy / static_cast<double> (2 * track.frames ()));
    // Also refuses what is not a number.
    fail_unless (rms_db > -45.0 && rms_db < -20.0, "%s: %f dB", track.title.c_str (), rms_db);
  }
  double peak = 0.0;
  for (double sample : sum)
    peak = std::max (peak, std::abs (sample));
  fail_unless (peak > 0.3 && peak < 0.7, "the sum's peak is %f", peak);
}
GST_END_TEST

GST_START_TEST (test_tracks_start_and_end_without_a_click)
{
  for (const Track &track : song ())
    for (int c = 0; c < track.channels; ++c) {
      fail_unless (std::abs (track.samples[c]) < 1e-3f, "%s starts", track.title.c_str ());
      fail_unless (std::abs (track.samples[track.samples.size () - 1 - c]) < 1e-3f, "%s ends",
          track.title.c_str ());
    }
}
GST_END_TEST

GST_START_TEST (test_one_starts_late_and_one_ends_early)
{
  for (const Track &track : song ()) {
    const bool late = track.title == "Lead", early = track.title == "Rain";
    fail_unless_equals_int (track.start_frame != 0, late);
    fail_unless_equals_int (track.end_frame () != mt::demo::song_frames (), early);
  }
  fail_unless (named ("Lead").start_frame > 10u * mt::demo::kRateHz);
  fail_unless (named ("Rain").end_frame () + 20u * mt::demo::kRateHz < mt::demo::song_frames ());
}
GST_END_TEST

GST_START_TEST (test_file_has_what_the_song_has)
{
  const std::string path = write_song ();
  for (std::size_t i = 0; i < song ().size (); ++i) {
    const Track &track = song ()[i];
    const Decoded decoded = decode (path, i);
    fail_unless_equals_string (decoded.title.c_str (), track.title.c_str ());
    const GstClockTime start =
        gst_util_uint64_scale (track.start_frame, GST_SECOND, mt::demo::kRateHz);
    const GstClockTimeDiff off = GST_CLOCK_DIFF (start, decoded.first_pts);
    fail_unless (std::abs (off) <= 10 * GST_MSECOND, "%s starts %" G_GINT64_FORMAT " ns off",
        track.title.c_str (), off);
    if (track.encoder != "flacenc")
      continue;
    // 16 bits and dither: two steps at most from what was rendered.
    fail_unless_equals_int (decoded.samples.size (), track.samples.size ());
    float worst = 0.0f;
    for (std::size_t n = 0; n < track.samples.size (); ++n)
      worst = std::max (worst, std::abs (decoded.samples[n] - track.samples[n]));
    fail_unless (worst <= 2.0f / 32768.0f, "%s is %g off", track.title.c_str (),
        static_cast<double> (worst));
  }
  remove (path.c_str ());
}
GST_END_TEST

GST_START_TEST (test_same_file_every_time)
{
  const std::string first = write_song (), second = write_song ();
  gchar *a = nullptr, *b = nullptr;
  gsize a_bytes = 0, b_bytes = 0;
  fail_unless (g_file_get_contents (first.c_str (), &a, &a_bytes, nullptr));
  fail_unless (g_file_get_contents (second.c_str (), &b, &b_bytes, nullptr));
  fail_unless (a_bytes > 1000000);
  fail_unless_equals_int (a_bytes, b_bytes);
  fail_unless (std::memcmp (a, b, a_bytes) == 0);
  g_free (a);
  g_free (b);
  remove (first.c_str ());
  remove (second.c_str ());
}
GST_END_TEST

namespace {

Suite *demo_song_suite ()
{
  song (); // once, before Check forks a process for each test
  Suite *suite = suite_create ("demo-song");
  TCase *tests = tcase_create ("song");
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_same_samples_every_time);
  tcase_add_test (tests, test_levels_leave_headroom);
  tcase_add_test (tests, test_tracks_start_and_end_without_a_click);
  tcase_add_test (tests, test_one_starts_late_and_one_ends_early);
  tcase_add_test (tests, test_file_has_what_the_song_has);
  tcase_add_test (tests, test_same_file_every_time);
  return suite;
}

} // namespace

GST_CHECK_MAIN (demo_song)
