// SPDX-License-Identifier: LGPL-2.1-or-later
// Silence costs nothing once all has rung out; and streams of doubles.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "../directconvolution.hpp"
#include "glue/buffermap.hpp"

#include "reverbbed.hpp"

using namespace mt::test;

namespace {

/// Whether each buffer that came out had the GAP flag.
struct Flags {
  explicit Flags (Reverb &reverb)
  {
    GstPad *const src = gst_element_get_static_pad (reverb.element, "src");
    const auto note = [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
      auto *const flags = static_cast<Flags *> (data);
      GstBuffer *const buffer = GST_PAD_PROBE_INFO_BUFFER (info);
      const bool gap = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP);
      flags->gaps.push_back (gap);
      const mt::glue::BufferMap<GST_MAP_READ> map {buffer};
      const auto samples = map.as<const float> ();
      flags->lies |=
          gap && std::any_of (samples.begin (), samples.end (), [] (float x) { return x != 0.0f; });
      return GST_PAD_PROBE_OK;
    };
    gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, +note, this, nullptr);
    gst_object_unref (src);
  }
  std::vector<bool> gaps;
  bool lies {false}; // a gap that sounds
};

std::uint64_t transforms (Reverb &reverb)
{
  return reverb.stat ("forward-transforms") + reverb.stat ("inverse-transforms") +
      reverb.stat ("multiply-passes");
}

double number (Reverb &reverb, const char *name)
{
  GstStructure *stats = nullptr;
  double value = -1.0;
  g_object_get (reverb.element, "stats", &stats, nullptr);
  gst_structure_get_double (stats, name, &value);
  gst_structure_free (stats);
  return value;
}

/// What comes out of stereo doubles, in buffers of 4800 frames.
std::vector<double> through (Reverb &reverb, const std::vector<double> &x)
{
  constexpr std::size_t kSamples = 4800 * 2;
  gst_harness_set_src_caps (reverb.harness,
      gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, GST_AUDIO_NE (F64), "rate",
          G_TYPE_INT, kRate, "channels", G_TYPE_INT, 2, "layout", G_TYPE_STRING, "interleaved",
          "channel-mask", GST_TYPE_BITMASK, guint64 {3}, nullptr));
  std::vector<double> out;
  for (std::size_t done = 0; done < x.size (); done += kSamples) {
    GstBuffer *const buffer = gst_buffer_new_memdup (x.data () + done, kSamples * sizeof (double));
    GST_BUFFER_PTS (buffer) = reverb.time_of (done / 2);
    GST_BUFFER_DURATION (buffer) = reverb.time_of (kSamples / 2);
    fail_unless_equals_int (gst_harness_push (reverb.harness, buffer), GST_FLOW_OK);
    while (GstBuffer *const result = gst_harness_try_pull (reverb.harness)) {
      {
        const mt::glue::BufferMap<GST_MAP_READ> map {result};
        const auto samples = map.as<const double> ();
        out.insert (out.end (), samples.begin (), samples.end ());
      }
      gst_buffer_unref (result);
    }
  }
  return out;
}

} // namespace

GST_START_TEST (test_rings_out_sleeps_and_wakes)
{
  const Folder folder;
  Random random {3};
  // With a hole of half a second, in which it must not fall asleep.
  Samples h = decaying (random, 3000, 2);
  h.resize (h.size () + kRate, 0.0f);
  h.push_back (0.25f);
  h.push_back (-0.25f);
  const std::string path = folder.write ("ir.wav", wav (h, 2));
  for (const bool flagged : {false, true})
    for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
      Reverb reverb (2, kRate, RAW_IR (path), "dry", 0.5, "wet", 1.0, "batch-duration", batch);
      Flags flags (reverb);
      const auto push = [&] (Samples &x, const Samples &now, bool gap) {
        // What is in a gap does not count.
        const Samples nonsense (now.size (), NAN);
        fail_unless_equals_int (
            reverb.push (gap ? nonsense.data () : now.data (), now.size () / 2, gap), GST_FLOW_OK);
        x.insert (x.end (), now.begin (), now.end ());
      };
      Samples x;
      const Samples nothing (480 * 2, 0.0f);
      for (int i = 0; i < 20; ++i)
        push (x, nothing, flagged); // silent from the start
      const std::size_t first = flags.gaps.size ();
      fail_unless (
          std::all_of (flags.gaps.begin (), flags.gaps.end (), [] (bool gap) { return gap; }));
      for (int i = 0; i < 10; ++i)
        push (x, random.samples (480 * 2), false);
      for (int i = 0; i < 55; ++i) // through the hole, to its end
        push (x, nothing, flagged);
      fail_unless (std::none_of (flags.gaps.begin () + static_cast<std::ptrdiff_t> (first) + 1,
          flags.gaps.end (), [] (bool gap) { return gap; }));
      for (int i = 0; i < 100; ++i)
        push (x, nothing, flagged);
      fail_unless (flags.gaps.back ());
      const std::uint64_t work = transforms (reverb);
      const std::size_t asleep = flags.gaps.size ();
      for (int i = 0; i < 100; ++i)
        push (x, nothing, flagged);
      fail_unless_equals_uint64 (transforms (reverb), work);
      fail_unless (std::all_of (flags.gaps.begin () + static_cast<std::ptrdiff_t> (asleep),
          flags.gaps.end (), [] (bool gap) { return gap; }));
      // The very last sample of a buffer wakes it.
      Samples click = nothing;
      click.back () = 1.0f;
      push (x, click, false);
      fail_unless (!flags.gaps.back ());
      for (int i = 0; i < 20; ++i)
        push (x, nothing, flagged);
      reverb.end ();
      fail_unless (!flags.lies);
      fail_unless (largest_difference (reverb.out, convolve (x, 2, h, 2, 0.5, 1.0)) < kMinus120Db);
      fail_unless (number (reverb, "skipped-share") > 0.3);
    }
}
GST_END_TEST;

GST_START_TEST (test_longer_response_wakes_it)
{
  // Asleep with a short response; a long one that comes then has heard what was before.
  Random random {5};
  const Samples x = random.samples (4800);
  Reverb reverb (1, [] (GstElement *element) {
    g_object_set (element, "normalize", 2, "ir-trim", kAll, "dry", 0.0, "wet", 1.0, nullptr);
    gst_util_set_object_arg (G_OBJECT (element), "kernel", "<0.5>");
  });
  reverb.push_all (x, 480);
  const Samples nothing (480, 0.0f);
  for (int i = 0; i < 20; ++i)
    reverb.push (nothing.data (), 480);
  Samples h (4 * kRate, 0.0f);
  h.back () = 0.25f;
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  g_object_set (reverb.element, "ir-location", path.c_str (), nullptr);
  fail_unless (settles ()); // it is loaded
  for (int i = 0; reverb.stat ("ir-changes") < 1; ++i) {
    fail_unless (i < 300, "no change while it could have been heard");
    reverb.push (nothing.data (), 480);
  }
  fail_unless (reverb.frames_out () < 4 * kRate);
  reverb.push_all (Samples (5 * kRate - reverb.frames_out (), 0.0f), 480);
  for (std::size_t i = 0; i < x.size (); ++i)
    fail_unless (std::fabs (reverb.out[h.size () - 1 + i] - 0.25f * x[i]) < 1e-6f);
}
GST_END_TEST;

GST_START_TEST (test_gap_events_while_asleep)
{
  // Nothing rings, so there is nothing to send but the gap itself; the end has its length all the
  // same.
  Random random {9};
  Reverb reverb (1, [] (GstElement *element) {
    g_object_set (element, "normalize", 2, "ir-trim", kAll, nullptr);
    gst_util_set_object_arg (G_OBJECT (element), "kernel", "<0, 0, 0, 0.5>");
  });
  Flags flags (reverb);
  reverb.push_all (random.samples (4800), 480);
  reverb.push_all (Samples (9600, 0.0f), 480);
  fail_unless (flags.gaps.back ());
  fail_unless_equals_int (reverb.count_events (GST_EVENT_GAP), 0);
  const std::size_t before = reverb.frames_out ();
  for (const std::size_t frames : {2, 100000, 10000000}) {
    gst_harness_push_event (reverb.harness,
        gst_event_new_gap (reverb.time_of (reverb.position), reverb.time_of (frames)));
    reverb.position += frames;
    reverb.pull ();
    fail_unless_equals_int (reverb.frames_out (), before);
    fail_unless_equals_int (reverb.count_events (GST_EVENT_GAP), 1);
  }
  // And goes on in its place.
  reverb.contiguous = false;
  const std::uint64_t at = reverb.position;
  const Samples x = random.samples (480);
  reverb.out.clear ();
  reverb.push_all (x, 480);
  fail_unless_equals_uint64 (reverb.first_pts, reverb.time_of (at));
  reverb.end ();
  fail_unless_equals_int (reverb.frames_out (), 483);
  fail_unless (largest_difference (reverb.out,
                   convolve (x, 1, {0.0f, 0.0f, 0.0f, 0.5f}, 1, 0.7, 0.25)) < kMinus120Db);

  Reverb silent (1, kRate, "preset-room", 0);
  Flags silent_flags (silent);
  silent.push_all (Samples (480, 0.0f), 480);
  silent.end ();
  fail_unless_equals_int (silent.frames_out (), 480 + silent.stat ("ir-frames") - 1);
  fail_unless (std::all_of (
      silent_flags.gaps.begin (), silent_flags.gaps.end (), [] (bool gap) { return gap; }));
}
GST_END_TEST;

GST_START_TEST (test_doubles)
{
  // As floats; only how the work is cut differs.
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Random random {7};
    const Samples x = random.samples (9600 * 2);
    Reverb floats (2, kRate, "preset-room", 0, "batch-duration", batch);
    floats.push_all (x, 4800); // longer than what is converted in one go

    Reverb doubles (2, kRate, "preset-room", 0, "batch-duration", batch);
    const std::vector<double> out = through (doubles, {x.begin (), x.end ()});
    fail_unless (largest_difference (floats.out, out) < 1e-6);
    fail_unless (!out.empty ());
  }
}
GST_END_TEST;

GST_START_TEST (test_doubles_that_no_float_is)
{
  // Against the sum of what really came in, with its last bits.
  Random random {11};
  std::mt19937_64 bits {13};
  std::uniform_real_distribution<double> uniform {-0.5, 0.5};
  std::vector<double> x (9600 * 2);
  std::generate (x.begin (), x.end (), [&] { return uniform (bits); });
  const Samples h = decaying (random, 3000, 1);
  Reverb reverb (2, [&] (GstElement *element) {
    g_object_set (element, ALONE, "dry", 0.75, nullptr);
    set_response (element, h, 1);
  });
  const std::vector<double> out = through (reverb, x);
  fail_unless_equals_int (out.size (), x.size ());
  const std::vector<double> taps (h.begin (), h.end ());
  for (std::size_t c = 0; c < 2; ++c) {
    std::vector<double> in;
    for (std::size_t i = c; i < x.size (); i += 2)
      in.push_back (x[i]);
    const std::vector<double> wet = mt::test::convolve (in, taps);
    for (std::size_t n = 0; n < in.size (); ++n)
      fail_unless (std::fabs (out[2 * n + c] - (wet[n] + 0.75 * in[n])) < kMinus120Db);
  }
}
GST_END_TEST;

GST_START_TEST (test_floats_are_preferred)
{
  // Who may choose takes the first: no conversion for nothing.
  GstElement *const element = gst_element_factory_make ("convreverb", nullptr);
  for (const char *const name : {"sink", "src"}) {
    GstPad *const pad = gst_element_get_static_pad (element, name);
    GstCaps *const caps = gst_pad_query_caps (pad, nullptr);
    const GstStructure *const preferred = gst_caps_get_structure (caps, 0);
    fail_unless_equals_string (gst_structure_get_string (preferred, "format"), GST_AUDIO_NE (F32));
    gst_caps_unref (caps);
    gst_object_unref (pad);
  }
  gst_object_unref (element);
}
GST_END_TEST;

static Suite *convreverb_silence_suite ()
{
  Suite *const suite = suite_create ("convreverb-silence");
  TCase *const silence = add_group (suite, "silence");
  tcase_add_test (silence, test_rings_out_sleeps_and_wakes);
  tcase_add_test (silence, test_longer_response_wakes_it);
  tcase_add_test (silence, test_gap_events_while_asleep);
  TCase *const formats = add_group (suite, "formats");
  tcase_add_test (formats, test_doubles);
  tcase_add_test (formats, test_doubles_that_no_float_is);
  tcase_add_test (formats, test_floats_are_preferred);
  return suite;
}

GST_CHECK_MAIN (convreverb_silence);
