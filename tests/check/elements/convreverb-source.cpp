// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses that are no file: samples, kernels; and what is done to a response: gain,
// pre-delay, paths between channels.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../directconvolution.hpp"

#include "reverbbed.hpp"

using namespace mt::test;

namespace {

using Channel = std::vector<double>;

/// One channel of interleaved samples.
Channel channel_of (const Samples &samples, std::size_t channels, std::size_t channel)
{
  Channel result;
  for (std::size_t i = channel; i < samples.size (); i += channels)
    result.push_back (static_cast<double> (samples[i]));
  return result;
}

/// What the paths of `matrix` make of `x`: rows are outputs, columns inputs, -1 is no way.
std::vector<double> convolve_matrix (const Samples &x, std::size_t channels, const Samples &h,
    std::size_t h_channels, const std::vector<std::vector<int>> &matrix)
{
  const std::size_t frames = x.size () / channels + h.size () / h_channels - 1;
  std::vector<double> y (frames * channels, 0.0);
  for (std::size_t out = 0; out < channels; ++out)
    for (std::size_t in = 0; in < channels; ++in) {
      if (matrix[out][in] < 0)
        continue;
      const Channel part = convolve (channel_of (x, channels, in),
          channel_of (h, h_channels, static_cast<std::size_t> (matrix[out][in])));
      for (std::size_t i = 0; i < part.size (); ++i)
        y[i * channels + out] += part[i];
    }
  return y;
}

std::string text_of (const Samples &taps)
{
  std::string text = "<";
  for (const float tap : taps) {
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_dtostr (number, sizeof number, static_cast<double> (tap));
    text += (text.size () > 1 ? ", " : "") + std::string (number);
  }
  return text + ">";
}

GstSample *make_sample (
    const char *format, int rate, int channels, const char *layout, const void *data, gsize bytes)
{
  GstCaps *const caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, format, "rate",
      G_TYPE_INT, rate, "channels", G_TYPE_INT, channels, "layout", G_TYPE_STRING, layout,
      "channel-mask", GST_TYPE_BITMASK, channels == 2 ? guint64 {3} : guint64 {0}, nullptr);
  GstBuffer *const buffer = gst_buffer_new_memdup (data, bytes);
  if (std::strcmp (layout, "non-interleaved") == 0) {
    GstAudioInfo info;
    fail_unless (gst_audio_info_from_caps (&info, caps));
    gst_buffer_add_audio_meta (
        buffer, &info, bytes / static_cast<gsize> (GST_AUDIO_INFO_BPS (&info) * channels), nullptr);
  }
  GstSample *const sample = gst_sample_new (buffer, caps, nullptr, nullptr);
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  return sample;
}

} // namespace

GST_START_TEST (test_kernel)
{
  Random random {3};
  const Samples x = random.samples (3001 * 2);
  const Samples taps = decaying (random, 700, 1);
  Reverb one (2, [&] (GstElement *element) {
    g_object_set (element, ALONE, nullptr);
    set_array (element, "kernel", text_of (taps));
  });
  one.push_all (x, 480);
  one.end ();
  fail_unless (largest_difference (one.out, convolve (x, 2, taps, 1, 0.0, 1.0)) < kMinus120Db);

  // One array for each channel; the shorter one is filled up.
  Reverb two (2, [&] (GstElement *element) {
    g_object_set (element, ALONE, nullptr);
    set_array (element, "kernel", "<<1, 0, 0.5>, <(double)-0.25>>");
  });
  two.push_all (x, 480);
  two.end ();
  const Samples both {1.0f, -0.25f, 0.0f, 0.0f, 0.5f, 0.0f};
  fail_unless (largest_difference (two.out, convolve (x, 2, both, 2, 0.0, 1.0)) < kMinus120Db);

  // It is read back as it was set, and is not resampled.
  GValue array = G_VALUE_INIT;
  g_value_init (&array, GST_TYPE_ARRAY);
  g_object_get_property (G_OBJECT (two.element), "kernel", &array);
  fail_unless_equals_int (gst_value_array_get_size (&array), 2);
  const GValue *const row = gst_value_array_get_value (&array, 0);
  fail_unless_equals_int (gst_value_array_get_size (row), 3);
  fail_unless (g_value_get_double (gst_value_array_get_value (row, 2)) == 0.5);
  g_value_unset (&array);
}
GST_END_TEST;

GST_START_TEST (test_sample_of_any_format)
{
  Random random {5};
  const Samples x = random.samples (2000 * 2);
  // Whole steps of 16 bits, so that every format holds the same response.
  constexpr std::size_t kFrames = 300;
  Samples h (kFrames * 2);
  std::vector<gint16> h16 (kFrames * 2);
  std::vector<double> planes (kFrames * 2);
  for (std::size_t i = 0; i < h.size (); ++i) {
    h16[i] = static_cast<gint16> (random.sample () * 3000.0f);
    h[i] = static_cast<float> (h16[i]) / 32768.0f;
    planes[i % 2 * kFrames + i / 2] = static_cast<double> (h[i]);
  }
  const auto expected = convolve (x, 2, h, 2, 0.0, 1.0);
  GstSample *const samples[] = {
      make_sample (GST_AUDIO_NE (F32), kRate, 2, "interleaved", h.data (), h.size () * 4),
      make_sample (GST_AUDIO_NE (S16), kRate, 2, "interleaved", h16.data (), h16.size () * 2),
      make_sample (
          GST_AUDIO_NE (F64), kRate, 2, "non-interleaved", planes.data (), planes.size () * 8),
  };
  for (GstSample *const sample : samples) {
    Reverb reverb (2, kRate, "ir", sample, ALONE);
    gst_sample_unref (sample); // the element has its own
    reverb.push_all (x, 480);
    reverb.end ();
    fail_unless (largest_difference (reverb.out, expected) < 2e-6);
  }
  // At another rate it is resampled, as a file is.
  Samples click (4410, 0.0f);
  click[441] = 1.0f;
  GstSample *const other =
      make_sample (GST_AUDIO_NE (F32), 44100, 1, "interleaved", click.data (), click.size () * 4);
  Reverb reverb (1, kRate, "ir", other, ALONE);
  gst_sample_unref (other);
  Samples impulse (480, 0.0f);
  impulse[0] = 1.0f;
  reverb.push_all (impulse, 480);
  reverb.end ();
  fail_unless_equals_int (
      std::max_element (reverb.out.begin (), reverb.out.end ()) - reverb.out.begin (), 480);
}
GST_END_TEST;

GST_START_TEST (test_last_source_set_is_the_one)
{
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav ({0.5f}, 1));
  const float tap = 0.25f;
  GstSample *const sample = make_sample (GST_AUDIO_NE (F32), kRate, 1, "interleaved", &tap, 4);
  const auto use = [&] (GstElement *element, int source) {
    if (source == 0)
      g_object_set (element, "ir-location", path.c_str (), nullptr);
    else if (source == 1)
      g_object_set (element, "ir", sample, nullptr);
    else
      set_array (element, "kernel", "<0.125>");
  };
  const float gains[] = {0.5f, 0.25f, 0.125f};
  const Samples x {1.0f};
  for (int before = 0; before < 3; ++before)
    for (int last = 0; last < 3; ++last) {
      Reverb reverb (1, [&] (GstElement *element) {
        g_object_set (element, ALONE, nullptr);
        use (element, before);
        use (element, last);
      });
      reverb.push_all (x, 1);
      fail_unless (std::fabs (reverb.out[0] - gains[last]) < 1e-6f);
      // And taken away again: a room.
      gst_element_set_state (reverb.element, GST_STATE_READY);
      g_object_set (reverb.element, "ir-location", nullptr, "ir", nullptr, nullptr);
      set_array (reverb.element, "kernel", "<>");
      gst_element_set_state (reverb.element, GST_STATE_PLAYING);
      reverb.again (1);
      reverb.push_all (x, 1);
      fail_unless (reverb.stat ("ir-frames") > 48000);
    }
  gst_sample_unref (sample);
}
GST_END_TEST;

GST_START_TEST (test_sources_that_cannot_be_used)
{
  struct Case {
    const char *property, *text, *reason;
  };
  for (const Case &c : {Case {"kernel", "<1, a>", "gchararray where a number belongs"},
           Case {"kernel", "<<1>, 2>", "mixes numbers and arrays"},
           Case {"kernel", "<0, 0>", "silent"}, Case {"kernel", "<1, nan>", "not a finite number"},
           Case {"kernel", "<1e300>", "not a finite number"},
           Case {"ir-routing", "<0, 1>", "mixes numbers and arrays"},
           Case {"ir-routing", "<<0.5>>", "has 0.5 where a channel"},
           Case {"ir-routing", "<<-2>>", "has -2 where a channel"}}) {
    const std::string text =
        error_for ([&] (GstElement *element) { set_array (element, c.property, c.text); });
    fail_unless (
        text.find (c.property) != std::string::npos && text.find (c.reason) != std::string::npos,
        "%s=%s: '%s'", c.property, c.text, text.c_str ());
  }
  const float one = 1.0f, nothing = 0.0f;
  const auto sample_error = [] (GstSample *sample) {
    const std::string text =
        error_for ([&] (GstElement *element) { g_object_set (element, "ir", sample, nullptr); });
    gst_sample_unref (sample);
    fail_unless (text.find ("'ir'") != std::string::npos);
    return text;
  };
  const auto has = [] (const std::string &text, const char *reason) {
    fail_unless (text.find (reason) != std::string::npos, "'%s'", text.c_str ());
  };
  has (sample_error (make_sample (GST_AUDIO_NE (F32), kRate, 1, "interleaved", &nothing, 4)),
      "silent");
  has (sample_error (make_sample ("NO", kRate, 1, "interleaved", &one, 4)), "not raw audio");
  has (sample_error (gst_sample_new (nullptr, nullptr, nullptr, nullptr)), "no samples");
  GstBuffer *const buffer = gst_buffer_new_memdup (&one, 4);
  has (sample_error (gst_sample_new (buffer, nullptr, nullptr, nullptr)), "no caps");
  gst_buffer_unref (buffer);
  const std::vector<float> many (64, 1.0f);
  has (sample_error (make_sample (GST_AUDIO_NE (F32), kRate, 64, "interleaved", many.data (), 256)),
      "64 channels, the limit is 63");
}
GST_END_TEST;

GST_START_TEST (test_kernels_of_any_size)
{
  // Rows of which only the first is long: what they are filled up to has no end.
  const auto kernel = [] (std::size_t taps, std::size_t rows) {
    GValue array = G_VALUE_INIT;
    g_value_init (&array, GST_TYPE_ARRAY);
    for (std::size_t r = 0; r < rows; ++r) {
      GValue row = G_VALUE_INIT;
      g_value_init (&row, GST_TYPE_ARRAY);
      for (std::size_t i = 0; i < (r == 0 ? taps : 1); ++i) {
        GValue tap = G_VALUE_INIT;
        g_value_init (&tap, G_TYPE_DOUBLE);
        g_value_set_double (&tap, 1.0);
        gst_value_array_append_and_take_value (&row, &tap);
      }
      gst_value_array_append_and_take_value (&array, &row);
    }
    const std::string text = error_for ([&] (GstElement *element) {
      g_object_set_property (G_OBJECT (element), "kernel", &array);
    });
    g_value_unset (&array);
    return text;
  };
  const auto has = [] (const std::string &text, const char *reason) {
    fail_unless (
        text.find ("'kernel'") != std::string::npos && text.find (reason) != std::string::npos,
        "'%s'", text.c_str ());
  };
  has (kernel (100000, 199999), "199999 channels, the limit is 64");
  has (kernel (1, 65), "65 channels, the limit is 64");
  fail_unless (kernel (2, 64).empty ());
  has (kernel ((1 << 21) + 1, 64), "2097153 frames of 64 channels, the limit is 2097152 frames");
}
GST_END_TEST;

GST_START_TEST (test_a_bad_value_changes_nothing)
{
  struct Case {
    const char *property, *good, *bad;
  };
  for (const Case &c : {Case {"kernel", "<0.5>", "<1, a>"}, Case {"kernel", "<0.5>", "<0>"},
           Case {"ir-routing", "<<0>>", "<<0.5>>"}}) {
    Reverb reverb (1, [&] (GstElement *element) {
      g_object_set (element, ALONE, nullptr);
      set_array (element, "kernel", "<0.5>");
      set_array (element, c.property, c.good);
    });
    Samples x (480, 1.0f);
    Random random {41};
    reverb.push_all (x, 480);
    fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
    // While it runs: a warning at once, and later changes are heard.
    set_array (reverb.element, c.property, c.bad);
    const std::string text = reverb.message (GST_MESSAGE_WARNING);
    fail_unless (text.find (c.property) != std::string::npos &&
            text.find ("stays as it was") != std::string::npos,
        "'%s'", text.c_str ());
    g_object_set (reverb.element, "ir-gain", -6.0, nullptr);
    push_until_changed (reverb, 1, x, random, 1);
    fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
    // It was told, so the next start has nothing to tell.
    gst_element_set_state (reverb.element, GST_STATE_READY);
    fail_unless_equals_int (
        gst_element_set_state (reverb.element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
    // In READY: an error at the start, until a good one is set.
    gst_element_set_state (reverb.element, GST_STATE_READY);
    set_array (reverb.element, c.property, c.bad);
    fail_unless_equals_int (
        gst_element_set_state (reverb.element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    fail_unless (reverb.message (GST_MESSAGE_ERROR).find (c.property) != std::string::npos);
    set_array (reverb.element, c.property, c.good);
    fail_unless_equals_int (
        gst_element_set_state (reverb.element, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  }
}
GST_END_TEST;

GST_START_TEST (test_the_same_again_changes_nothing)
{
  Reverb reverb (1, [] (GstElement *element) { set_array (element, "kernel", "<1, 0.5>"); });
  Samples x (480, 0.5f);
  Random random {43};
  reverb.push_all (x, 480);
  set_array (reverb.element, "kernel", "<1, 0.5>");
  fail_unless (settles ()); // there is nothing to be made
  reverb.push_all (random.samples (std::size_t {30} * 480), 480);
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 0);
  set_array (reverb.element, "kernel", "<1, 0.25>");
  push_until_changed (reverb, 1, x, random, 1);
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_sample_that_calls_back)
{
  // Its last reference goes with the property; what frees it may ask the element.
  GstElement *const element = gst_element_factory_make ("convreverb", nullptr);
  const auto sample = [&] {
    const auto ask = [] (gpointer asked) {
      double damping = -1.0;
      g_object_get (asked, "damping", &damping, nullptr);
      fail_unless (damping == 0.5);
    };
    float *const tap = g_new (float, 1);
    *tap = 1.0f;
    GstBuffer *const buffer = gst_buffer_new_wrapped (tap, sizeof *tap);
    gst_mini_object_set_qdata (
        GST_MINI_OBJECT (buffer), g_quark_from_static_string ("asks"), element, ask);
    GstCaps *const caps = gst_caps_new_empty_simple ("audio/x-raw");
    GstSample *const made = gst_sample_new (buffer, caps, nullptr, nullptr);
    gst_buffer_unref (buffer);
    gst_caps_unref (caps);
    g_object_set (element, "ir", made, nullptr);
    gst_sample_unref (made);
  };
  sample ();
  sample (); // instead of the first
  g_object_set (element, "ir", nullptr, nullptr);
  sample ();
  set_array (element, "kernel", "<1>");
  sample ();
  g_object_set (element, "ir-location", "/nowhere.wav", nullptr);
  gst_object_unref (element);
}
GST_END_TEST;

GST_START_TEST (test_true_stereo_and_matrices)
{
  Random random {7};
  struct Case {
    std::size_t channels, ir_channels;
    const char *text;
    std::vector<std::vector<int>> matrix;
  };
  const Case cases[] = {
      {2, 4, nullptr,
          {{0, 2}, {1, 3}}}, // left to left, left to right, right to left, right to right
      {2, 4, "<<3, -1>, <0, 1>>", {{3, -1}, {0, 1}}},
      {2, 1, "<<-1, 0>, <0, -1>>", {{-1, 0}, {0, -1}}},
      {1, 3, "<<2>>", {{2}}},
      {3, 2, "<<0, 1, 0>, <-1, 1, -1>, <-1, -1, -1>>", {{0, 1, 0}, {-1, 1, -1}, {-1, -1, -1}}},
  };
  const Folder folder;
  for (const Case &c : cases)
    for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
      const Samples h = decaying (random, 1500, static_cast<int> (c.ir_channels));
      const Samples x = random.samples (4001 * c.channels);
      const std::string path = folder.write ("ir.wav", wav (h, static_cast<int> (c.ir_channels)));
      Reverb reverb (static_cast<int> (c.channels), [&] (GstElement *element) {
        g_object_set (
            element, RAW_IR (path), "dry", 0.0, "wet", 1.0, "batch-duration", batch, nullptr);
        if (c.text)
          set_array (element, "ir-routing", c.text);
      });
      reverb.push_all (x, 480);
      reverb.end ();
      const double difference = largest_difference (
          reverb.out, convolve_matrix (x, c.channels, h, c.ir_channels, c.matrix));
      fail_unless (
          difference < kMinus120Db, "%zu by %zu: off by %g", c.channels, c.ir_channels, difference);
    }
}
GST_END_TEST;

GST_START_TEST (test_true_stereo_keeps_the_level)
{
  // White noise keeps its level with normalize=energy, whatever the number of paths.
  Random random {11};
  const Folder folder;
  const std::string path = folder.write ("4.wav", wav (decaying (random, 2000, 4), 4));
  Reverb reverb (2, kRate, "ir-location", path.c_str (), "dry", 0.0, "wet", 1.0);
  const Samples x = random.samples (kRate * 2);
  reverb.push_all (x, 480);
  const auto power = [] (const Samples &samples) {
    double sum = 0.0;
    for (const float y : samples)
      sum += static_cast<double> (y) * static_cast<double> (y);
    return sum;
  };
  const double gain = power (reverb.out) / power (x);
  fail_unless (std::fabs (gain - 1.0) < 0.1, "%g", gain);
}
GST_END_TEST;

GST_START_TEST (test_routing_that_does_not_fit)
{
  Random random {13};
  const Samples x = random.samples (960);
  const auto error = [&] (const char *kernel, const char *routing) {
    Reverb reverb (2, [&] (GstElement *element) {
      set_array (element, "kernel", kernel);
      set_array (element, "ir-routing", routing);
    });
    fail_unless (reverb.push (x.data (), 480) != GST_FLOW_OK);
    return reverb.message (GST_MESSAGE_ERROR);
  };
  const auto has = [] (const std::string &text, const char *reason) {
    fail_unless (
        text.find ("ir-routing") != std::string::npos && text.find (reason) != std::string::npos,
        "'%s'", text.c_str ());
  };
  has (error ("<1>", "<<0>>"), "has 1 row.");
  has (error ("<1>", "<<0, 0>, <0>>"), "has 1 number in row 1.");
  has (error ("<1>", "<<-1, -1>, <-1, -1>>"), "has no path");
  has (error ("<<1>, <1>>", "<<0, 1>, <2, 0>>"),
      "asks for channel 2, counted from 0. The impulse response in 'kernel' has 2.");
  has (error ("<<1>, <1>, <1>>", "<>"), "has 3 channels and the stream has 2");
  has (error ("<<1>, <0>>", "<<1, -1>, <-1, 1>>"), "only through channels");
  has (error ("<<1>, <0>>", "<<1, 1>, <1, 1>>"), "only through channels");
}
GST_END_TEST;

GST_START_TEST (test_any_routing_keeps_the_level)
{
  // Channels 20 dB apart, and as many paths as the stream has channels, or not.
  Random random {31};
  const Samples x = random.samples (kRate * 2);
  const auto power = [] (const Samples &samples) {
    double sum = 0.0;
    for (const float y : samples)
      sum += static_cast<double> (y) * static_cast<double> (y);
    return sum;
  };
  for (const char *const routing : {"<>", "<<0, -1>, <-1, 0>>", "<<1, -1>, <-1, 1>>",
           "<<-1, 1>, <0, -1>>", "<<0, 0>, <-1, -1>>", "<<0, 1>, <1, 0>>", "<<-1, -1>, <1, -1>>"}) {
    Reverb reverb (2, [&] (GstElement *element) {
      set_array (element, "kernel", "<<1.0>, <0.1>>");
      set_array (element, "ir-routing", routing);
      g_object_set (element, "mix", 1.0, nullptr);
    });
    reverb.push_all (x, 480);
    const double gain = power (reverb.out) / power (x);
    fail_unless (std::fabs (gain - 1.0) < 0.03, "%s: %g", routing, gain);
  }
}
GST_END_TEST;

GST_START_TEST (test_what_is_said_of_channels)
{
  for (const int channels : {1, 2, 6}) {
    Reverb reverb (channels, [] (GstElement *element) { set_response (element, {1, 1, 1}, 3); });
    const Samples x (480 * static_cast<std::size_t> (channels));
    fail_unless (reverb.push (x.data (), 480) != GST_FLOW_OK);
    const std::string text = reverb.message (GST_MESSAGE_ERROR);
    const auto says = [&] (const char *what) { return text.find (what) != std::string::npos; };
    fail_unless (says ("has 3 channels"));
    fail_unless (says ("true stereo") == (channels == 2), "'%s'", text.c_str ());
    fail_unless (says ("the response to 1 or ") == (channels > 1), "'%s'", text.c_str ());
    fail_unless (
        says ("every channel of the stream, or ") == (channels > 1), "'%s'", text.c_str ());
  }
}
GST_END_TEST;

GST_START_TEST (test_absurd_values)
{
  // Finite, but what is made of them would not be.
  const auto error = [] (const char *kernel, int normalize, double gain_db) {
    Reverb reverb (1, [&] (GstElement *element) {
      set_array (element, "kernel", kernel);
      g_object_set (element, "normalize", normalize, "ir-gain", gain_db, nullptr);
    });
    const Samples x (480, 0.5f);
    if (reverb.push (x.data (), 480) == GST_FLOW_OK)
      return std::string {};
    return reverb.message (GST_MESSAGE_ERROR);
  };
  const std::string text = error ("<3e38, 3e38>", 2, 0.0);
  fail_unless (text.find ("'kernel'") != std::string::npos &&
          text.find ("a sample of 3e+38, the limit is 1e+06") != std::string::npos,
      "'%s'", text.c_str ());
  fail_unless (!error ("<2000>", 2, 60.0).empty ());
  fail_unless (error ("<999>", 2, 60.0).empty ());
  fail_unless (error ("<3e38, 3e38>", 0, 0.0).empty ());

  // The largest that may be: all that comes out is a number.
  Reverb largest (1, [] (GstElement *element) {
    set_array (element, "kernel", text_of (Samples (3000, 1e6f)));
    g_object_set (element, "normalize", 2, "dry", 10.0, "wet", 10.0, nullptr);
  });
  largest.push_all (Samples (9600, 1e10f), 480);
  fail_unless_equals_uint64 (largest.stat ("not-finite-samples"), 0);
  fail_unless (std::all_of (
      largest.out.begin (), largest.out.end (), [] (float y) { return std::isfinite (y); }));

  // Beyond that it counts as the not finite does, and is as if it had been 0.
  Reverb reverb (1, kRate, "preset-room", 1);
  Random random {37};
  Samples x = random.samples (9600);
  std::fill_n (x.begin () + 1000, 10, 3e38f);
  reverb.push_all (x, 480);
  fail_unless_equals_uint64 (reverb.stat ("not-finite-samples"), 10);
  fail_unless (reverb.message (GST_MESSAGE_WARNING).find ("beyond 1e10") != std::string::npos);
  std::fill_n (x.begin () + 1000, 10, 0.0f);
  Reverb mended (1, kRate, "preset-room", 1);
  mended.push_all (x, 480);
  fail_unless (reverb.out == mended.out);
}
GST_END_TEST;

GST_START_TEST (test_pre_delay_and_gain)
{
  const Folder folder;
  Random random {17};
  const Samples h = decaying (random, 900, 1);
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  const Samples x = random.samples (2000);
  for (const std::size_t delay : {1, 480, 9601}) {
    Reverb reverb (1, kRate, RAW_IR (path), "dry", 0.5, "wet", 1.0, "ir-gain", -6.0, "pre-delay",
        gst_util_uint64_scale_int (delay, GST_SECOND, kRate));
    reverb.push_all (x, 480);
    reverb.end ();
    Samples late (delay, 0.0f);
    for (const float y : h)
      late.push_back (y);
    const auto expected = convolve (x, 1, late, 1, 0.5, std::pow (10.0, -6.0 / 20.0));
    fail_unless (largest_difference (reverb.out, expected) < kMinus120Db);
    fail_unless_equals_uint64 (reverb.stat ("latency-frames"), 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_pre_delay_costs_next_to_no_work)
{
  // A second of zeros in front: at most a quarter more, for the blocks may be others, and less than
  // as long a response that is not zero there.
  const auto work = [] (std::size_t zeros, float level) {
    Random random {19};
    Samples h = random.samples (zeros, level);
    const Samples rest = random.samples (kRate / 4);
    h.insert (h.end (), rest.begin (), rest.end ());
    GstSample *const sample =
        make_sample (GST_AUDIO_NE (F32), kRate, 1, "interleaved", h.data (), h.size () * 4);
    const bool delayed = level == 0.0f;
    GstSample *const late =
        make_sample (GST_AUDIO_NE (F32), kRate, 1, "interleaved", rest.data (), rest.size () * 4);
    Reverb reverb (1, kRate, "ir", delayed ? late : sample, "pre-delay",
        delayed ? gst_util_uint64_scale_int (zeros, GST_SECOND, kRate) : guint64 {0});
    gst_sample_unref (sample);
    gst_sample_unref (late);
    reverb.push_all (random.samples (kRate * 3), 480);
    fail_unless_equals_uint64 (reverb.stat ("ir-frames"), h.size ());
    return reverb.stat ("forward-transforms") + reverb.stat ("inverse-transforms") +
        reverb.stat ("multiply-passes");
  };
  const std::uint64_t none = work (0, 0.0f), zeros = work (kRate, 0.0f), full = work (kRate, 0.5f);
  fail_unless (
      zeros * 4 <= none * 5, "%d, not %d", static_cast<int> (zeros), static_cast<int> (none));
  fail_unless (full > zeros);
}
GST_END_TEST;

GST_START_TEST (test_mix)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  const auto get = [&] (const char *name) {
    double value = -1.0;
    g_object_get (reverb.element, name, &value, nullptr);
    return value;
  };
  fail_unless (std::fabs (get ("mix") - 0.25 / 0.95) < 1e-12);
  for (const double mix : {0.0, 0.1, 0.3, 0.5, 0.9, 1.0}) {
    g_object_set (reverb.element, "mix", mix, nullptr);
    fail_unless (get ("mix") == mix);
    fail_unless (get ("dry") == 1.0 - mix && get ("wet") == mix);
  }
  int told = 0;
  g_signal_connect_swapped (
      reverb.element, "notify::mix", G_CALLBACK (+[] (int *count) { ++*count; }), &told);
  g_object_set (reverb.element, "dry", 3.0, nullptr);
  fail_unless_equals_int (told, 1);
  g_object_set (reverb.element, "wet", 1.0, nullptr);
  fail_unless_equals_int (told, 2);
  fail_unless (get ("mix") == 0.25);
  g_object_set (reverb.element, "dry", 0.0, "wet", 0.0, nullptr);
  fail_unless (get ("mix") == 0.0);
  GParamSpec *const spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (reverb.element), "mix");
  fail_unless (spec->flags & GST_PARAM_CONTROLLABLE);
}
GST_END_TEST;

static Suite *convreverb_source_suite ()
{
  Suite *const suite = suite_create ("convreverb-source");
  TCase *const source = add_group (suite, "source");
  tcase_add_test (source, test_kernel);
  tcase_add_test (source, test_sample_of_any_format);
  tcase_add_test (source, test_last_source_set_is_the_one);
  tcase_add_test (source, test_sources_that_cannot_be_used);
  tcase_add_test (source, test_kernels_of_any_size);
  tcase_add_test (source, test_a_bad_value_changes_nothing);
  tcase_add_test (source, test_the_same_again_changes_nothing);
  tcase_add_test (source, test_a_sample_that_calls_back);
  TCase *const paths = add_group (suite, "paths");
  tcase_add_test (paths, test_true_stereo_and_matrices);
  tcase_add_test (paths, test_true_stereo_keeps_the_level);
  tcase_add_test (paths, test_any_routing_keeps_the_level);
  tcase_add_test (paths, test_routing_that_does_not_fit);
  TCase *const shape = add_group (suite, "shape");
  tcase_add_test (paths, test_what_is_said_of_channels);
  tcase_add_test (shape, test_absurd_values);
  tcase_add_test (shape, test_pre_delay_and_gain);
  tcase_add_test (shape, test_pre_delay_costs_next_to_no_work);
  tcase_add_test (shape, test_mix);
  return suite;
}

GST_CHECK_MAIN (convreverb_source);
