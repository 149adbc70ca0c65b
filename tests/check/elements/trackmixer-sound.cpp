// SPDX-License-Identifier: LGPL-2.1-or-later
// Volume, mute, pan, solo: what they come to, and that they never click.
#include <cmath>

#include "steps.hpp"
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;

/// Plays one track of constant 0.5 and does something to its pad once `at_chunk` chunks are out.
Samples play_and (std::function<void (MixerBed &, GstPad *)> change, GstClockTime ramp_time,
    std::size_t at_chunk = 20, int channels = 2)
{
  MixerBed bed;
  g_object_set (bed.element, "ramp-time", ramp_time, "max-size-time", 100 * GST_MSECOND, nullptr);
  Feeder feeder {bed, {kRate, channels}};
  bed.sink.close ();
  bed.play ();
  feeder.run ([channels] (Feeder &self) {
    self.begin ();
    self.push_all (constant (kRate / 2, static_cast<std::size_t> (channels)), 1);
    self.end ();
  });
  bed.sink.let_through (static_cast<int> (at_chunk));
  fail_unless (bed.sink.wait_for_chunks (at_chunk));
  change (bed, feeder.sink);
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
  feeder.join ();
  return bed.sink.samples ();
}

} // namespace

GST_START_TEST (test_every_change_is_a_ramp_of_ramp_time)
{
  const struct {
    const char *name;
    std::function<void (GstPad *)> change;
    float left;
    float right;
  } changes[] {
      {"volume", [] (GstPad *pad) { g_object_set (pad, "volume", 2.0, nullptr); }, 1.0f, 1.0f},
      {"mute", [] (GstPad *pad) { g_object_set (pad, "mute", TRUE, nullptr); }, 0.0f, 0.0f},
      {"pan", [] (GstPad *pad) { g_object_set (pad, "pan", 0.5, nullptr); }, 0.25f, 0.5f},
      {"pan", [] (GstPad *pad) { g_object_set (pad, "pan", -1.0, nullptr); }, 0.5f, 0.0f},
  };
  for (const auto &one : changes) {
    // 1 ms, 5 ms and one of more than a chunk.
    for (const std::size_t ramp_frames : {48U, 240U, 1200U}) {
      const auto ramp_time = gst_util_uint64_scale (ramp_frames, GST_SECOND, kRate);
      const Samples out = play_and ([&] (MixerBed &, GstPad *pad) { one.change (pad); }, ramp_time);
      fail_unless_equals_uint64 (out.size (), kRate);
      std::size_t first = 0;
      while (first < out.size () / 2 && out[2 * first] == 0.5f && out[2 * first + 1] == 0.5f)
        ++first;
      fail_unless (first >= 20 * 480 && first < out.size () / 2, "%s changes nothing", one.name);
      // A ramp begins at the edge of a chunk, where its first frame still has the old gain.
      const std::size_t begin = first - 1;
      fail_unless_equals_uint64 (begin % 480, 0);
      const float wanted[] {one.left, one.right};
      for (std::size_t frame = begin; frame < out.size () / 2; ++frame)
        for (std::size_t c = 0; c < 2; ++c) {
          const double t = std::min (
              1.0, static_cast<double> (frame - begin) / static_cast<double> (ramp_frames));
          const double exact = 0.5 + (static_cast<double> (wanted[c]) - 0.5) * t;
          CHECK_SAMPLE (std::abs (static_cast<double> (out[2 * frame + c]) - exact) < 1e-6,
              "%s: frame %zu of the ramp, channel %zu: %f, not %f", one.name, frame - begin, c,
              static_cast<double> (out[2 * frame + c]), exact);
        }
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_ramp_time_0_is_one_step)
{
  const Samples out =
      play_and ([] (MixerBed &, GstPad *pad) { g_object_set (pad, "volume", 0.5, nullptr); }, 0);
  std::size_t steps = 0;
  for (std::size_t n = 2; n < out.size (); n += 2)
    steps += out[n] != out[n - 2];
  fail_unless_equals_uint64 (steps, 1);
  fail_unless (out.back () == 0.25f);
}
GST_END_TEST;

GST_START_TEST (test_a_change_within_a_ramp_does_not_jump)
{
  const Samples out = play_and (
      [] (MixerBed &bed, GstPad *pad) {
        for (const double volume : {0.0, 1.0, 0.3, 0.9}) {
          g_object_set (pad, "volume", volume, nullptr);
          const auto seen = bed.sink.chunk_count ();
          bed.sink.let_through (1);
          fail_unless (bed.sink.wait_for_chunks (seen + 1));
        }
      },
      25 * GST_MSECOND);
  // 0.5 over 25 ms is 0.0004 a frame.
  fail_unless (largest_step (out, 2) <= 0.5 / 1200.0 * 1.01);
  fail_unless (largest_step (out, 2) > 0.0);
  fail_unless (std::abs (static_cast<double> (out.back ()) - 0.45) < 1e-6);
}
GST_END_TEST;

GST_START_TEST (test_the_first_sound_has_its_volume_at_once)
{
  MixerBed bed;
  g_object_set (bed.element, "ramp-time", GST_SECOND, nullptr);
  Feeder feeder {bed, {kRate, 2}};
  g_object_set (feeder.sink, "volume", 0.5, "pan", 1.0, nullptr);
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (constant (4800, 2), 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  const Samples out = bed.sink.samples ();
  for (std::size_t n = 0; n < out.size (); n += 2)
    CHECK_SAMPLE (out[n] == 0.0f && out[n + 1] == 0.25f, "sample %zu", n);
}
GST_END_TEST;

GST_START_TEST (test_pan_of_every_layout)
{
  // The channels of the middle and the other side stay as they are; mono has no sides.
  for (const int channels : {1, 2, 6, 8})
    for (const double pan : {-1.0, -0.25, 0.0, 0.75}) {
      MixerBed bed;
      Feeder feeder {bed, {kRate, channels}};
      g_object_set (feeder.sink, "pan", pan, nullptr);
      bed.play ();
      feeder.run ([channels] (Feeder &self) {
        self.begin ();
        self.push_all (constant (2400, static_cast<std::size_t> (channels)), 1);
        self.end ();
      });
      fail_unless (bed.sink.wait_for_eos ());
      const Samples out = bed.sink.samples ();
      // FL FR FC LFE RL RR SL SR
      constexpr int kSides[] {-1, 1, 0, 0, -1, 1, -1, 1};
      for (std::size_t n = 0; n < out.size (); ++n) {
        const int side = channels == 1 ? 0 : kSides[n % static_cast<std::size_t> (channels)];
        const double gain = side * pan < 0.0 ? 1.0 - std::abs (pan) : 1.0;
        CHECK_SAMPLE (std::abs (static_cast<double> (out[n]) - 0.5 * gain) < 1e-6,
            "%d channels, pan %g, channel %zu: %g", channels, pan,
            n % static_cast<std::size_t> (channels), static_cast<double> (out[n]));
      }
    }
}
GST_END_TEST;

GST_START_TEST (test_solo)
{
  for (unsigned soloed = 0; soloed < 8; ++soloed) {
    MixerBed bed;
    Feeders feeders;
    std::vector<Samples> data;
    Samples wanted (2 * 9600, 0.0f);
    for (unsigned n = 0; n < 3; ++n) {
      feeders.push_back (std::make_unique<Feeder> (bed, Format {}));
      data.push_back (noise (2 * 9600, n));
      const bool solo = soloed >> n & 1U;
      g_object_set (feeders[n]->sink, "solo", solo ? TRUE : FALSE, "mute", n == 2, nullptr);
      if ((soloed == 0 || solo) && n != 2) // a soloed track that is muted is muted
        add_to (wanted, data.back ());
    }
    feed_to_end (bed, feeders, data, 1);
    check_equal (bed.sink.samples (), wanted);
  }
}
GST_END_TEST;

GST_START_TEST (test_solo_of_a_released_pad_is_over)
{
  MixerBed bed;
  Feeder feeder {bed, Format {}};
  GstPad *gone = gst_element_request_pad_simple (bed.element, "sink_%u");
  g_object_set (gone, "solo", TRUE, nullptr);
  gst_element_release_request_pad (bed.element, gone);
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (constant (4800, 2), 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  gst_object_unref (gone);
  check_equal (bed.sink.samples (), constant (4800, 2));
}
GST_END_TEST;

GST_START_TEST (test_not_a_number_is_refused)
{
  MixerBed bed {10 * GST_MSECOND, false};
  GstPad *pad = gst_element_request_pad_simple (bed.element, "sink_%u");
  for (const char *property : {"volume", "pan"}) {
    double before = 0.0;
    double after = -7.0;
    g_object_get (pad, property, &before, nullptr);
    ASSERT_WARNING (g_object_set (pad, property, std::nan (""), nullptr)); // says GObject
    g_object_get (pad, property, &after, nullptr);
    fail_unless (after == before);
  }
  gst_element_release_request_pad (bed.element, pad);
  gst_object_unref (pad);
}
GST_END_TEST;

static Suite *trackmixer_sound_suite ()
{
  Suite *suite = suite_create ("trackmixer-sound");
  TCase *tests = tcase_create ("sound");
  tcase_add_test (tests, test_every_change_is_a_ramp_of_ramp_time);
  tcase_add_test (tests, test_ramp_time_0_is_one_step);
  tcase_add_test (tests, test_a_change_within_a_ramp_does_not_jump);
  tcase_add_test (tests, test_the_first_sound_has_its_volume_at_once);
  tcase_add_test (tests, test_pan_of_every_layout);
  tcase_add_test (tests, test_solo);
  tcase_add_test (tests, test_solo_of_a_released_pad_is_over);
  tcase_add_test (tests, test_not_a_number_is_refused);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (trackmixer_sound);
