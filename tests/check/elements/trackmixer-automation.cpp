// SPDX-License-Identifier: LGPL-2.1-or-later
// Volume, mute, pan and solo by GstController: they follow their curves, whatever the chunk.
#include <cmath>

#include <gst/controller/controller.h>

#include "steps.hpp"
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;

struct Point {
  GstClockTime time;
  double value;
};

void automate (GstPad *pad, const char *property, const std::vector<Point> &points,
    GstInterpolationMode mode = GST_INTERPOLATION_MODE_LINEAR)
{
  GstControlSource *source = gst_interpolation_control_source_new ();
  g_object_set (source, "mode", mode, nullptr);
  fail_unless (gst_object_add_control_binding (GST_OBJECT (pad),
      gst_direct_control_binding_new_absolute (GST_OBJECT (pad), property, source)));
  for (const Point &point : points)
    gst_timed_value_control_source_set (
        GST_TIMED_VALUE_CONTROL_SOURCE (source), point.time, point.value);
  gst_object_unref (source);
}

Samples play_automated (GstClockTime chunk, const std::function<void (GstPad *)> &set_up)
{
  MixerBed bed {chunk};
  Feeder feeder {bed, {kRate, 2}};
  set_up (feeder.sink);
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    // A hole in the middle, at frames that are no edge of anything.
    self.push_all (fine_noise (2 * 20011, 3), 1);
    self.push_all (fine_noise (2 * 20011, 4), 2, 3000, 23017);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  return bed.sink.samples ();
}

} // namespace

GST_START_TEST (test_automation_is_the_same_for_every_chunk_size)
{
  const auto fade = [] (GstPad *pad) {
    automate (pad, "volume",
        {{0, 1.0}, {100 * GST_MSECOND, 0.0}, {333 * GST_MSECOND, 2.0}, {600 * GST_MSECOND, 0.1},
            {GST_SECOND, 1.0}});
    automate (pad, "pan", {{50 * GST_MSECOND, -1.0}, {700 * GST_MSECOND, 1.0}});
  };
  const Samples reference = play_automated (10 * GST_MSECOND, fade);
  for (const GstClockTime chunk : std::initializer_list<GstClockTime> {
           GST_MSECOND, 7 * GST_MSECOND, 1333333, 50 * GST_MSECOND, GST_SECOND}) {
    const Samples out = play_automated (chunk, fade);
    fail_unless (out == reference, "chunks of %" GST_TIME_FORMAT " differ", GST_TIME_ARGS (chunk));
  }
}
GST_END_TEST;

GST_START_TEST (test_automated_volume_follows_its_curve)
{
  MixerBed bed;
  Feeder feeder {bed, {kRate, 2}};
  automate (feeder.sink, "volume", {{0, 0.0}, {GST_SECOND, 1.0}});
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (constant (kRate, 2), 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  const Samples out = bed.sink.samples ();
  for (std::size_t frame = 0; frame < kRate; ++frame) {
    const double exact = 0.5 * static_cast<double> (frame) / kRate;
    CHECK_SAMPLE (std::abs (static_cast<double> (out[2 * frame]) - exact) < 1e-6,
        "frame %zu: %.9g, not %.9g", frame, static_cast<double> (out[2 * frame]), exact);
  }
  double seen = 0.0;
  g_object_get (feeder.sink, "volume", &seen, nullptr);
  fail_unless (seen > 0.97 && seen <= 1.0); // the property follows, once a chunk
}
GST_END_TEST;

GST_START_TEST (test_automated_steps_do_not_click)
{
  MixerBed bed;
  Feeder feeder {bed, {kRate, 2}};
  automate (feeder.sink, "volume", {{0, 1.0}, {101 * GST_MSECOND, 0.0}, {203 * GST_MSECOND, 1.0}},
      GST_INTERPOLATION_MODE_NONE);
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (constant (kRate / 2, 2), 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  const Samples out = bed.sink.samples ();
  fail_unless (largest_step (out, 2) <= 0.5 / 240.0 * 1.01); // 5 ms
  fail_unless (std::count (out.begin (), out.end (), 0.0f) > 2 * 4000);
  fail_unless (out.back () == 0.5f);
}
GST_END_TEST;

/// One that is disabled leaves its property to whoever sets it, while another one is obeyed.
GST_START_TEST (test_a_disabled_control_binding_is_not_obeyed)
{
  MixerBed bed;
  Feeder feeder {bed, Format {48000, 1}};
  automate (feeder.sink, "volume", {{0, 0.25}, {10 * GST_SECOND, 0.25}});
  automate (feeder.sink, "mute", {{0, 0.0}, {10 * GST_SECOND, 0.0}}, GST_INTERPOLATION_MODE_NONE);
  gst_object_set_control_binding_disabled (GST_OBJECT (feeder.sink), "volume", TRUE);
  g_object_set (feeder.sink, "volume", 0.5, nullptr);
  const Samples track = noise (4800, 1);
  bed.play ();
  feeder.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (track, 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  Samples wanted;
  add_to (wanted, track, 0, 0.5f);
  check_equal (bed.sink.samples (), wanted);
}
GST_END_TEST;

namespace {

/// Two tracks of constants, of which the one or the other is heard alone by turns.
Samples play_automated_solo (GstClockTime chunk, bool both)
{
  MixerBed bed {chunk};
  Feeders feeders;
  for (int n = 0; n < 3; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
  automate (feeders[0]->sink, "solo",
      {{0, 0.0}, {103 * GST_MSECOND, 1.0}, {207 * GST_MSECOND, 0.0}}, GST_INTERPOLATION_MODE_NONE);
  if (both)
    automate (feeders[1]->sink, "solo", {{0, 0.0}, {151 * GST_MSECOND, 1.0}},
        GST_INTERPOLATION_MODE_NONE);
  feed_to_end (bed, feeders,
      {constant (kRate / 2, 1, 0.5f), constant (kRate / 2, 1, 0.25f),
          constant (kRate / 2, 1, 0.125f)},
      5);
  return bed.sink.samples ();
}

} // namespace

/// A solo that comes and goes silences the tracks that have no automation, too.
GST_START_TEST (test_automated_solo_is_the_same_for_every_chunk_size)
{
  const bool both = __i__ == 1;
  const Samples reference = play_automated_solo (10 * GST_MSECOND, both);
  const auto at = [&] (unsigned ms) { return reference[kRate / 1000 * ms]; };
  const float all = 0.875f;
  fail_unless (at (100) == all && at (140) == 0.5f); // 5 ms later each
  fail_unless (at (190) == (both ? 0.75f : 0.5f));
  fail_unless (at (240) == (both ? 0.25f : all));
  for (const GstClockTime chunk : {GST_MSECOND, 7 * GST_MSECOND, 50 * GST_MSECOND, GST_SECOND})
    fail_unless (play_automated_solo (chunk, both) == reference,
        "chunks of %" GST_TIME_FORMAT " differ", GST_TIME_ARGS (chunk));
}
GST_END_TEST;

/// The line from the last point before a segment's stop leads to one behind it.
GST_START_TEST (test_automation_up_to_the_stop_of_a_segment)
{
  constexpr GstClockTime kStart = 3 * GST_SECOND;
  constexpr std::int64_t kFrames = 4801; // ends within a line
  const GstClockTime stop = kStart + time_of (kFrames, kRate);
  MixerBed bed;
  Feeder feeder {bed, {kRate, 1}};
  automate (feeder.sink, "volume", {{0, 0.0}, {4 * GST_SECOND, 1.0}});
  (void)gst_element_send_event (bed.element,
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
          static_cast<gint64> (kStart), GST_SEEK_TYPE_SET, static_cast<gint64> (stop)));
  bed.play ();
  feeder.run ([&] (Feeder &self) {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.time = kStart;
    segment.stop = stop;
    self.begin (&segment);
    self.push_all (constant (kFrames, 1), 1, 3000, kStart / GST_SECOND * kRate);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  const Samples out = bed.sink.samples ();
  fail_unless_equals_int (out.size (), kFrames);
  for (std::size_t frame = 0; frame < out.size (); ++frame) {
    const double exact = 0.5 * (0.75 + static_cast<double> (frame) / kRate / 4.0);
    CHECK_SAMPLE (std::abs (static_cast<double> (out[frame]) - exact) < 1e-6,
        "frame %zu: %.9g, not %.9g", frame, static_cast<double> (out[frame]), exact);
  }
}
GST_END_TEST;

/// Before its first point a curve says nothing.
GST_START_TEST (test_what_is_set_holds_until_the_curve_begins)
{
  MixerBed bed;
  g_object_set (bed.element, "ramp-time", GstClockTime {0}, nullptr);
  Feeder feeder {bed, {kRate, 1}};
  g_object_set (feeder.sink, "volume", 0.25, nullptr);
  automate (feeder.sink, "volume", {{64 * GST_MSECOND, 0.5}}, GST_INTERPOLATION_MODE_NONE);
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (constant (4800, 1, 1.0f), 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  const Samples out = bed.sink.samples ();
  // The line to the first point's value begins 64 frames before it.
  fail_unless (std::count (out.begin (), out.end (), 0.25f) == 64 * 48 - 64 + 1);
  fail_unless (std::count (out.begin (), out.end (), 0.5f) == 36 * 48);
}
GST_END_TEST;

/// What a track's settings were in the chunks before its first sound was never heard.
/// Set or on a curve; a ramp of a second would show.
GST_START_TEST (test_settings_before_the_first_sound_leave_no_ramp)
{
  const bool automated = __i__ == 1;
  MixerBed bed;
  g_object_set (bed.element, "ramp-time", GST_SECOND, "max-size-time", 100 * GST_MSECOND, nullptr);
  Feeder other {bed, {kRate, 2}};
  Feeder late {bed, {kRate, 2}};
  constexpr std::int64_t kFirst = 30 * 480 + 100;
  bed.sink.close ();
  bed.play ();
  late.begin ();
  late.push (constant (4800, 2), kFirst);
  late.end ();
  other.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (Samples (std::size_t {48000} * 2), 1);
    self.end ();
  });
  bed.sink.let_through (20);
  fail_unless (bed.sink.wait_for_chunks (20));
  g_object_set (late.sink, "volume", 0.5, nullptr);
  if (automated)
    automate (late.sink, "pan", {{0, 1.0}, {GST_SECOND, 1.0}});
  else
    g_object_set (late.sink, "pan", 1.0, nullptr);
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
  other.join ();
  const Samples out = bed.sink.samples ();
  for (std::size_t n = 0; n < out.size (); n += 2) {
    const auto frame = static_cast<std::int64_t> (n / 2);
    const float right = frame >= kFirst && frame < kFirst + 4800 ? 0.25f : 0.0f;
    CHECK_SAMPLE (out[n] == 0.0f && out[n + 1] == right, "frame %zu: %f and %f", n / 2,
        static_cast<double> (out[n]), static_cast<double> (out[n + 1]));
  }
}
GST_END_TEST;

/// Bindings come and go while the mix reads them: each value is one that was set, and nothing is
/// used that is no more. Most of this can only be seen under AddressSanitizer or ThreadSanitizer.
GST_START_TEST (test_bindings_come_and_go_while_it_plays)
{
  MixerBed bed {GST_MSECOND};
  bed.sink.keep_bytes = false;
  std::atomic<int> wrong {0};
  bed.sink.look = [&wrong] (GstBuffer *buffer) {
    GstMapInfo map;
    if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
      return;
    for (const float sample :
        std::span {reinterpret_cast<const float *> (map.data), map.size / sizeof (float)})
      wrong += sample < 0.25f || sample > 0.5f;
    gst_buffer_unmap (buffer, &map);
  };
  Feeder feeder {bed, {kRate, 1}};
  bed.play ();
  std::atomic<bool> over {false};
  feeder.run ([&over] (Feeder &self) {
    self.begin ();
    const Samples samples = constant (480, 1);
    for (std::int64_t at = 0; !over && self.push (samples, at) == GST_FLOW_OK; at += 480)
      ;
    self.end ();
  });
  const auto pad = GST_OBJECT (feeder.sink);
  for (int n = 0; n < (kSanitized ? 500 : 5000); ++n) {
    automate (feeder.sink, "volume", {{0, 0.5 + n % 3 * 0.25}, {GST_SECOND, 1.0}});
    automate (feeder.sink, "pan", {{0, -1.0}, {GST_SECOND, 1.0}}); // means nothing for mono
    if (n % 2 == 0)
      continue; // which replaces the one before
    for (const char *property : {"volume", "pan"}) {
      GstControlBinding *binding = gst_object_get_control_binding (pad, property);
      fail_unless (gst_object_remove_control_binding (pad, binding));
      gst_object_unref (binding);
    }
  }
  over = true;
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (wrong, 0);
}
GST_END_TEST;

static Suite *trackmixer_automation_suite ()
{
  Suite *suite = suite_create ("trackmixer-automation");
  TCase *tests = tcase_create ("automation");
  tcase_add_test (tests, test_automation_is_the_same_for_every_chunk_size);
  tcase_add_test (tests, test_automated_volume_follows_its_curve);
  tcase_add_test (tests, test_automated_steps_do_not_click);
  tcase_add_test (tests, test_a_disabled_control_binding_is_not_obeyed);
  tcase_add_loop_test (tests, test_automated_solo_is_the_same_for_every_chunk_size, 0, 2);
  tcase_add_test (tests, test_automation_up_to_the_stop_of_a_segment);
  tcase_add_test (tests, test_what_is_set_holds_until_the_curve_begins);
  tcase_add_loop_test (tests, test_settings_before_the_first_sound_leave_no_ramp, 0, 2);
  tcase_add_test (tests, test_bindings_come_and_go_while_it_plays);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (trackmixer_automation)
