// SPDX-License-Identifier: LGPL-2.1-or-later
// What convreverb sounds like, against direct convolution in double.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "../directconvolution.hpp"

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>

#include "glue/buffermap.hpp"

#include "reverbbed.hpp"

using namespace mt::test;

// Sound

GST_START_TEST (test_the_fast_sum_is_the_slow_sum)
{
  std::mt19937 random {1};
  std::uniform_real_distribution<double> uniform {-1.0, 1.0};
  for (const auto &[n, k] : {std::pair {1, 1}, {1000, 1}, {1, 77}, {65, 64}, {1000, 333}}) {
    std::vector<double> x (static_cast<std::size_t> (n)), h (static_cast<std::size_t> (k));
    for (double &value : x)
      value = uniform (random);
    for (double &value : h)
      value = uniform (random);
    const auto slow = convolve_by_definition (x, h), fast = convolve_by_fft (x, h);
    fail_unless_equals_int (slow.size (), n + k - 1);
    fail_unless_equals_int (fast.size (), n + k - 1);
    for (std::size_t i = 0; i < slow.size (); ++i)
      fail_unless (std::fabs (slow[i] - fast[i]) < 1e-11);
  }
}
GST_END_TEST;

GST_START_TEST (test_equals_direct_convolution)
{
  const Folder folder;
  Random random {7};
  struct Case {
    int channels, ir_channels;
    std::size_t ir_frames, most;
    GstClockTime batch;
  };
  for (const Case &c : {Case {2, 2, 3000, 10007, 0}, Case {2, 1, 1, 700, 0},
           Case {1, 1, 5000, 100, 0}, Case {3, 3, 1000, 480, 0}, Case {6, 6, 300, 64, 0},
           Case {2, 2, 2500, 10007, 50 * GST_MSECOND}, Case {2, 1, 4000, 480, 100 * GST_MSECOND},
           Case {1, 1, 100, 333, GST_SECOND}}) {
    const std::size_t frames = 20011;
    const Samples h = decaying (random, c.ir_frames, c.ir_channels);
    const Samples x = random.samples (frames * static_cast<std::size_t> (c.channels));
    const std::string path = folder.write ("ir.wav", wav (h, c.ir_channels));
    Reverb reverb (
        c.channels, kRate, RAW_IR (path), "dry", 0.5, "wet", 0.8, "batch-duration", c.batch);
    reverb.push_all (x, c.most, &random);
    reverb.end ();
    const auto expected = convolve (x, static_cast<std::size_t> (c.channels), h,
        static_cast<std::size_t> (c.ir_channels), 0.5, 0.8);
    const double difference = largest_difference (reverb.out, expected);
    fail_unless (difference < kMinus120Db, "%d channels, IR of %zu: off by %g", c.channels,
        c.ir_frames, difference);
  }
}
GST_END_TEST;

GST_START_TEST (test_single_taps_land_where_they_should)
{
  // Impulses in the first frame, around the edges of the block of 256, and in the very last frame.
  const Folder folder;
  for (const std::size_t tap : {0, 1, 255, 256, 257, 511, 512, 513, 2047, 2999}) {
    Samples h (3000 * 2, 0.0f);
    h[tap * 2] = 1.0f;
    h[tap * 2 + 1] = -0.5f;
    const std::string path = folder.write ("ir.wav", wav (h, 2));
    Reverb reverb (2, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0);
    Samples x (1001 * 2, 0.0f);
    for (const std::size_t at : {0, 255, 256, 511, 1000})
      x[at * 2] = x[at * 2 + 1] = 1.0f;
    reverb.push_all (x, 77);
    reverb.end ();
    fail_unless (largest_difference (reverb.out, convolve (x, 2, h, 2, 0.0, 1.0)) < kMinus120Db);
  }
}
GST_END_TEST;

GST_START_TEST (test_one_sample_is_a_gain)
{
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav ({0.25f}, 1));
  Random random {3};
  const Samples x = random.samples (4800 * 2);
  {
    Reverb reverb (2, kRate, RAW_IR (path), "dry", 0.0, "wet", 2.0);
    reverb.push_all (x, 480);
    reverb.end ();
    fail_unless_equals_int (reverb.frames_out (), 4800);
    fail_unless (
        largest_difference (reverb.out, convolve (x, 2, {0.25f}, 1, 0.0, 2.0)) < kMinus120Db);
  }
  Reverb reverb (2, kRate, "ir-location", path.c_str (), "dry", 0.0, "wet", 1.0); // energy: 1
  reverb.push_all (x, 480);
  fail_unless (largest_difference (reverb.out, {x.begin (), x.end ()}) < kMinus120Db);
}
GST_END_TEST;

GST_START_TEST (test_eight_bit_and_many_channels)
{
  const Folder folder;
  Random random {5};
  {
    const Samples h {1.0f, -64.0f / 127.0f, 10.0f / 127.0f}; // whole steps of 8 bits
    const std::string path = folder.write ("8.wav", wav (h, 1, kRate, 8));
    Reverb reverb (2, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0);
    const Samples x = random.samples (1000 * 2);
    reverb.push_all (x, 480);
    reverb.end ();
    Samples scaled = h; // GStreamer's full scale is 128 steps
    for (float &y : scaled)
      y *= 127.0f / 128.0f;
    fail_unless (
        largest_difference (reverb.out, convolve (x, 2, scaled, 1, 0.0, 1.0)) < kMinus120Db);
  }
  for (const int ir_channels : {1, 32}) {
    const Samples h = decaying (random, 600, ir_channels);
    const std::string path = folder.write ("32.wav", wav (h, ir_channels));
    Reverb reverb (32, kRate, RAW_IR (path), "dry", 0.3, "wet", 1.0);
    const Samples x = random.samples (1501 * 32);
    reverb.push_all (x, 333);
    reverb.end ();
    fail_unless (
        largest_difference (reverb.out,
            convolve (x, 32, h, static_cast<std::size_t> (ir_channels), 0.3, 1.0)) < kMinus120Db);
  }
}
GST_END_TEST;

// Gains

GST_START_TEST (test_wet_zero_keeps_listening)
{
  Random random {37};
  const Samples x = random.samples (9600);
  Reverb off (1, kRate, "dry", 0.0, "wet", 0.0, "batch-duration", 30 * GST_MSECOND);
  Reverb on (1, kRate, "dry", 0.0, "wet", 1.0, "batch-duration", 30 * GST_MSECOND);
  off.push_all (x, 480);
  on.push_all (x, 480);
  fail_unless_equals_int (off.frames_out (), on.frames_out ());
  fail_unless_equals_uint64 (off.latency (), on.latency ());
  fail_unless (std::all_of (off.out.begin (), off.out.end (), [] (float y) { return y == 0.0f; }));
  g_object_set (off.element, "wet", 1.0, nullptr);
  off.push_all (Samples (4800, 0.0f), 480);
  on.push_all (Samples (4800, 0.0f), 480);
  // 10 ms later the ramp is over and both ring alike.
  fail_unless (on.out[9600] != 0.0f);
  float apart = 0.0f;
  for (std::size_t i = 9600 - 960 + 480; i < on.out.size (); ++i)
    apart = std::max (apart, std::fabs (on.out[i] - off.out[i]));
  fail_unless (apart < 1e-6f);
}
GST_END_TEST;

GST_START_TEST (test_gains_do_not_click)
{
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav ({1.0f}, 1));
  for (const char *const name : {"dry", "wet"})
    for (const std::size_t chunk : {1, 64, 480, 4096}) {
      Reverb reverb (1, kRate, RAW_IR (path), "dry", 0.0, "wet", 0.0);
      const double step = 2.0 * 3.141592653589793 * 200.0 / kRate;
      std::size_t n = 0;
      const auto sine = [&] {
        Samples x (8192);
        for (float &y : x)
          y = static_cast<float> (std::sin (step * static_cast<double> (n++)));
        return x;
      };
      if (kSanitized && chunk == 1)
        continue; // 40960 buffers
      for (const double gain : {0.0, 1.0, 0.0, 1.0, 0.3}) {
        g_object_set (reverb.element, name, gain, nullptr);
        reverb.push_all (sine (), chunk);
      }
      // The steepest sine, and a gain that goes from 0 to 1 in 10 ms (480 frames).
      const double bound = step + 1.0 / 480.0 + 1e-5;
      float largest = 0.0f;
      float steepest = 0.0f;
      for (std::size_t i = 1; i < reverb.out.size (); ++i) {
        steepest = std::max (steepest, std::fabs (reverb.out[i] - reverb.out[i - 1]));
        largest = std::max (largest, std::fabs (reverb.out[i]));
      }
      fail_unless (static_cast<double> (steepest) <= bound, "%s, chunk %zu: step of %g", name,
          chunk, static_cast<double> (steepest));
      fail_unless (largest > 0.99f);
      const auto last = reverb.out.end () - 2000;
      fail_unless (std::fabs (*std::max_element (last, reverb.out.end ()) - 0.3f) < 1e-4f);
    }
}
GST_END_TEST;

GST_START_TEST (test_only_the_automated_gain_follows)
{
  // A curve on one gain takes the ramp from no other; one on `mix` is on both, one that is off on
  // none.
  for (const char *const bound : {"wet", "mix", "off"}) {
    Reverb reverb (1, [] (GstElement *element) {
      g_object_set (element, "normalize", 2, "ir-trim", kAll, "dry", 0.0, "wet", 0.0, nullptr);
      set_response (element, {3.0f}, 1);
    });
    const bool off = std::string {bound} == "off";
    GstObject *const object = GST_OBJECT (reverb.element);
    GstControlSource *const curve = gst_interpolation_control_source_new ();
    g_object_set (curve, "mode", GST_INTERPOLATION_MODE_NONE, nullptr);
    auto *const points = GST_TIMED_VALUE_CONTROL_SOURCE (curve);
    // In the third buffer of one frame the curve steps from 0 to 1.
    gst_timed_value_control_source_set (points, 0, 0.0);
    gst_timed_value_control_source_set (points, reverb.time_of (3), 1.0);
    gst_object_add_control_binding (
        object, gst_direct_control_binding_new_absolute (object, off ? "wet" : bound, curve));
    if (off)
      gst_object_set_control_binding_disabled (object, "wet", TRUE);
    const float one = 1.0f;
    for (int i = 0; i < 10; ++i) {
      if (i == 5)
        g_object_set (reverb.element, off ? "wet" : "dry", 1.0, nullptr);
      reverb.push (&one, 1);
    }
    const auto at = [&] (std::size_t i) { return static_cast<double> (reverb.out[i]); };
    if (!off) {
      const double before = std::string {bound} == "mix" ? 1.0 : 0.0; // the dry sound of 'mix'
      fail_unless (std::fabs (at (1) - before) < 1e-6, "%s: %g before", bound, at (1));
      fail_unless (std::fabs (at (4) - 3.0) < 1e-6, "%s: %g after", bound, at (4));
    }
    const double most = (off ? 3.0 : 1.0) * 6.0 / 480.0; // five frames of the ramp
    if (std::string {bound} != "mix")
      fail_unless (
          at (9) > at (4) && at (9) - at (4) < most, "%s: a step of %g", bound, at (9) - at (4));
    gst_object_unref (curve);
  }
}
GST_END_TEST;

/// Bindings come and go while the gains are read: each value is one that was set, and nothing is
/// used that is no more. Most of this can only be seen under AddressSanitizer or ThreadSanitizer.
GST_START_TEST (test_bindings_come_and_go_while_it_plays)
{
  Reverb reverb (1, [] (GstElement *element) {
    g_object_set (element, "normalize", 2, "ir-trim", kAll, "dry", 0.0, "wet", 0.5, nullptr);
    set_response (element, {1.0f}, 1);
  });
  std::atomic<bool> over {false};
  std::atomic<int> played {0};
  std::thread player {[&] {
    for (const Samples samples (48, 1.0f); !over; ++played)
      reverb.push (samples.data (), samples.size ());
  }};
  GstObject *const object = GST_OBJECT (reverb.element);
  for (int n = 0; n < (kSanitized ? 500 : 5000) || played < 100; ++n) {
    GstControlSource *const curve = gst_interpolation_control_source_new ();
    g_object_set (curve, "mode", GST_INTERPOLATION_MODE_NONE, nullptr);
    gst_timed_value_control_source_set (
        GST_TIMED_VALUE_CONTROL_SOURCE (curve), 0, 0.25 + n % 3 * 0.125);
    gst_object_add_control_binding (
        object, gst_direct_control_binding_new_absolute (object, "wet", curve));
    gst_object_unref (curve);
    if (n % 2 == 0)
      continue; // which replaces the one before
    GstControlBinding *const binding = gst_object_get_control_binding (object, "wet");
    gst_object_remove_control_binding (object, binding);
    gst_object_unref (binding);
  }
  over = true;
  player.join ();
  const auto [least, most] = std::minmax_element (reverb.out.begin (), reverb.out.end ());
  fail_unless (*least > 0.25f - 1e-4f && *most < 0.5f + 1e-4f, "%g to %g",
      static_cast<double> (*least), static_cast<double> (*most));
}
GST_END_TEST;

GST_START_TEST (test_defaults_do_not_clip)
{
  // Full-scale pink noise, as a loud mix has it, through every room.
  Random random {41};
  for (int room = 0; room < 4; ++room) {
    Reverb reverb (2, kRate, "preset-room", room);
    Samples x (kRate * 2 * (kSanitized ? 1 : 4) / 2);
    double slow[2] {}, fast[2] {};
    float peak = 0.0f;
    for (std::size_t i = 0; i < x.size (); ++i) {
      const auto white = static_cast<double> (random.sample ());
      slow[i % 2] += 0.005 * (white - slow[i % 2]);
      fast[i % 2] += 0.08 * (white - fast[i % 2]);
      x[i] = static_cast<float> (4.0 * slow[i % 2] + 1.5 * fast[i % 2] + 0.3 * white);
      peak = std::max (peak, std::fabs (x[i]));
    }
    for (float &y : x)
      y /= peak;
    reverb.push_all (x, 480);
    reverb.end ();
    float loudest = 0.0f;
    for (const float y : reverb.out)
      loudest = std::max (loudest, std::fabs (y));
    fail_unless (loudest < 1.0f, "room %d reaches %g", room, static_cast<double> (loudest));
  }
}
GST_END_TEST;

/// Three seconds as fast as they can be, with the room set before and its level on a curve.
static std::string render ()
{
  GstElement *const pipeline = gst_parse_launch (
      "audiotestsrc wave=saw freq=97 num-buffers=300 samplesperbuffer=480 ! "
      "audio/x-raw,rate=48000,channels=2 ! convreverb name=reverb preset-room=plate ! "
      "fakesink name=sink signal-handoffs=true",
      nullptr);
  GstElement *const reverb = gst_bin_get_by_name (GST_BIN (pipeline), "reverb");
  GstElement *const sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GstControlSource *const curve = gst_interpolation_control_source_new ();
  g_object_set (curve, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  auto *const points = GST_TIMED_VALUE_CONTROL_SOURCE (curve);
  gst_timed_value_control_source_set (points, 0, 0.0);
  gst_timed_value_control_source_set (points, GST_SECOND, 1.0);
  gst_timed_value_control_source_set (points, 2 * GST_SECOND, 0.1);
  gst_object_add_control_binding (GST_OBJECT (reverb),
      gst_direct_control_binding_new_absolute (GST_OBJECT (reverb), "wet", curve));
  std::string bytes;
  const auto keep = [] (GstElement *, GstBuffer *buffer, GstPad *, gpointer to) {
    const mt::glue::BufferMap<GST_MAP_READ> map {buffer};
    const auto part = map.as<const char> ();
    static_cast<std::string *> (to)->append (part.begin (), part.end ());
  };
  g_signal_connect (sink, "handoff",
      G_CALLBACK (static_cast<void (*) (GstElement *, GstBuffer *, GstPad *, gpointer)> (keep)),
      &bytes);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstBus *const bus = gst_element_get_bus (pipeline);
  GstMessage *const end = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless (end && GST_MESSAGE_TYPE (end) == GST_MESSAGE_EOS);
  gst_message_unref (end);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (curve);
  gst_object_unref (reverb);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return bytes;
}

GST_START_TEST (test_a_render_is_the_same_each_time)
{
  const std::string first = render ();
  fail_unless (first.size () > 3 * kRate * 2 * sizeof (float)); // with what rings out
  for (int run = 1; run < (kSanitized ? 3 : 10); ++run)
    fail_unless (render () == first, "run %d differs", run);
}
GST_END_TEST;

static Suite *convreverb_sound_suite ()
{
  Suite *const suite = suite_create ("convreverb-sound");
  TCase *const sound = add_group (suite, "sound");
  tcase_add_test (sound, test_the_fast_sum_is_the_slow_sum);
  tcase_add_test (sound, test_equals_direct_convolution);
  tcase_add_test (sound, test_single_taps_land_where_they_should);
  tcase_add_test (sound, test_one_sample_is_a_gain);
  tcase_add_test (sound, test_eight_bit_and_many_channels);
  TCase *const gains = add_group (suite, "gains");
  tcase_add_test (gains, test_wet_zero_keeps_listening);
  tcase_add_test (gains, test_gains_do_not_click);
  tcase_add_test (gains, test_only_the_automated_gain_follows);
  tcase_add_test (gains, test_bindings_come_and_go_while_it_plays);
  tcase_add_test (gains, test_defaults_do_not_clip);
  tcase_add_test (gains, test_a_render_is_the_same_each_time);
  return suite;
}

GST_CHECK_MAIN (convreverb_sound);
