// SPDX-License-Identifier: LGPL-2.1-or-later
// The harness of convreverb's tests.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../directconvolution.hpp"
#include "glue/buffermap.hpp"

#include "reverbbed.hpp"

namespace mt::test {

namespace {

template <class T>
void put (std::string &bytes, T value)
{
  bytes.append (reinterpret_cast<const char *> (&value), sizeof value); // little endian
}

} // namespace

Folder::Folder ()
{
  char name[] = "/tmp/convreverb-XXXXXX";
  fail_unless (mkdtemp (name) != nullptr);
  path_ = name;
}

Folder::~Folder ()
{
  std::filesystem::remove_all (path_);
}

std::string Folder::write (const std::string &name, const std::string &bytes) const
{
  std::ofstream (file (name), std::ios::binary) << bytes;
  return file (name);
}

std::string wav (const Samples &samples, int channels, int rate, int bits)
{
  std::string data;
  for (const float x : samples) {
    if (bits == 32)
      put (data, x);
    else
      put (data, static_cast<std::uint8_t> (std::lround (128.0f + 127.0f * x)));
  }
  std::string bytes = "RIFF";
  put (bytes, static_cast<std::uint32_t> (36 + data.size ()));
  bytes += "WAVEfmt ";
  put (bytes, std::uint32_t {16});
  put (bytes, static_cast<std::uint16_t> (bits == 32 ? 3 : 1));
  put (bytes, static_cast<std::uint16_t> (channels));
  put (bytes, static_cast<std::uint32_t> (rate));
  put (bytes, static_cast<std::uint32_t> (rate * channels * bits / 8));
  put (bytes, static_cast<std::uint16_t> (channels * bits / 8));
  put (bytes, static_cast<std::uint16_t> (bits));
  bytes += "data";
  put (bytes, static_cast<std::uint32_t> (data.size ()));
  return bytes + data;
}

Samples Random::samples (std::size_t count, float level)
{
  Samples result (count);
  for (float &x : result)
    x = level * sample ();
  return result;
}

Samples decaying (Random &random, std::size_t frames, int channels, double decay_db)
{
  Samples result = random.samples (frames * static_cast<std::size_t> (channels), 1.0f);
  const double level = 1.0 / std::sqrt (static_cast<double> (frames) + 4.0);
  for (std::size_t i = 0; i < result.size (); ++i) {
    const double t = static_cast<double> (i / static_cast<std::size_t> (channels)) /
        static_cast<double> (frames);
    result[i] = static_cast<float> (
        static_cast<double> (result[i]) * level * std::pow (10.0, -decay_db / 20.0 * t));
  }
  return result;
}

std::vector<double> convolve (const Samples &x, std::size_t channels, const Samples &h,
    std::size_t h_channels, double dry, double wet)
{
  const std::size_t n = x.size () / channels, k = h.size () / h_channels;
  std::vector<double> y ((n + k - 1) * channels);
  std::vector<double> xc (n), hc (k);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < n; ++i)
      xc[i] = static_cast<double> (x[i * channels + c]);
    for (std::size_t j = 0; j < k; ++j)
      hc[j] = static_cast<double> (h[j * h_channels + c % h_channels]);
    const std::vector<double> yc = convolve (xc, hc);
    for (std::size_t i = 0; i < yc.size (); ++i)
      y[i * channels + c] = wet * yc[i] + (i < n ? dry * xc[i] : 0.0);
  }
  return y;
}

double largest_difference (const Samples &got, const std::vector<double> &expected)
{
  fail_unless_equals_int (got.size (), expected.size ());
  double largest = 0.0;
  for (std::size_t i = 0; i < got.size (); ++i) {
    const double difference = std::fabs (static_cast<double> (got[i]) - expected[i]);
    largest = std::isfinite (difference) ? std::max (largest, difference)
                                         : static_cast<double> (INFINITY);
  }
  return largest;
}

double t30 (const Samples &h, double rate)
{
  std::vector<double> left (h.size () + 1, 0.0);
  for (std::size_t n = h.size (); n-- > 0;)
    left[n] = left[n + 1] + static_cast<double> (h[n]) * static_cast<double> (h[n]);
  double count = 0.0, st = 0.0, sl = 0.0, stt = 0.0, stl = 0.0;
  for (std::size_t n = 0; n < h.size (); ++n) {
    const double level = 10.0 * std::log10 (left[n] / left[0]);
    if (level > -5.0)
      continue;
    if (level < -35.0)
      break;
    const double t = static_cast<double> (n) / rate;
    count += 1.0, st += t, sl += level, stt += t * t, stl += t * level;
  }
  return -60.0 / ((count * stl - st * sl) / (count * stt - st * st));
}

Reverb::Reverb () : element {gst_element_factory_make ("convreverb", nullptr)}, bus {gst_bus_new ()}
{
  fail_unless (element != nullptr);
  gst_element_set_bus (element, bus);
}

void Reverb::start (int channels, int rate)
{
  harness = gst_harness_new_with_element (element, "sink", "src");
  set_format (channels, rate);
}

Reverb::~Reverb ()
{
  gst_element_set_bus (element, nullptr);
  gst_harness_teardown (harness);
  gst_object_unref (element);
  gst_bus_set_flushing (bus, TRUE);
  gst_object_unref (bus);
}

void Reverb::set_format (int channels, int rate)
{
  gst_harness_set_src_caps (harness,
      gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, GST_AUDIO_NE (F32), "rate",
          G_TYPE_INT, rate, "channels", G_TYPE_INT, channels, "layout", G_TYPE_STRING,
          "interleaved", "channel-mask", GST_TYPE_BITMASK,
          channels == 2 ? guint64 {3} : guint64 {0}, nullptr));
  if (channels_ != 0)
    pull (); // what was delayed came before the caps
  channels_ = static_cast<std::size_t> (channels);
  rate_ = rate;
}

void Reverb::again (int channels)
{
  gst_harness_play (harness);
  gst_harness_push_event (harness, gst_event_new_stream_start ("again"));
  set_format (channels, kRate);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (harness, gst_event_new_segment (&segment));
  next_pts = GST_CLOCK_TIME_NONE;
  position = 0;
  out.clear ();
  pieces.clear ();
}

GstBuffer *Reverb::make (const float *samples, std::size_t frames)
{
  const std::size_t bytes = frames * channels_ * sizeof (float);
  GstBuffer *const buffer = gst_buffer_new_allocate (nullptr, bytes, nullptr);
  gst_buffer_fill (buffer, 0, samples, bytes);
  GST_BUFFER_PTS (buffer) = time_of (position);
  GST_BUFFER_DURATION (buffer) = time_of (position + frames) - time_of (position);
  GST_BUFFER_OFFSET (buffer) = position;
  GST_BUFFER_OFFSET_END (buffer) = position + frames;
  if (discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  discont = false;
  position += frames;
  return buffer;
}

GstFlowReturn Reverb::push (const float *samples, std::size_t frames, bool gap)
{
  GstBuffer *const buffer = make (samples, frames);
  if (gap)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  const GstFlowReturn result = gst_harness_push (harness, buffer);
  pull ();
  return result;
}

void Reverb::push_all (const Samples &samples, std::size_t most, Random *random)
{
  const std::size_t frames = samples.size () / channels_;
  for (std::size_t done = 0; done < frames;) {
    const std::size_t now = std::min (random ? random->upto (most) : most, frames - done);
    fail_unless_equals_int (push (samples.data () + done * channels_, now), GST_FLOW_OK);
    done += now;
  }
}

void Reverb::end ()
{
  fail_unless (gst_harness_push_event (harness, gst_event_new_eos ()));
  pull ();
}

void Reverb::pull ()
{
  while (GstBuffer *const buffer = gst_harness_try_pull (harness)) {
    take (buffer);
    gst_buffer_unref (buffer);
  }
}

void Reverb::take (GstBuffer *buffer)
{
  const glue::BufferMap<GST_MAP_READ> map {buffer};
  const auto samples = map.as<const float> ();
  const std::size_t frames = samples.size () / channels_;
  fail_unless (frames > 0);
  if (contiguous && GST_CLOCK_TIME_IS_VALID (next_pts)) {
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), next_pts);
    fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), next_offset);
  }
  if (out.empty ())
    first_pts = GST_BUFFER_PTS (buffer);
  next_pts = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
  next_offset = GST_BUFFER_OFFSET_END (buffer);
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer) + frames, GST_BUFFER_OFFSET_END (buffer));
  pieces.push_back ({GST_BUFFER_OFFSET (buffer), GST_BUFFER_PTS (buffer), frames_out (),
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) != 0,
      GST_BUFFER_IS_DISCONT (buffer) != 0});
  out.insert (out.end (), samples.begin (), samples.end ());
  if (GST_BUFFER_IS_DISCONT (buffer))
    disconts.push_back (buffers);
  ++buffers;
}

GstClockTime Reverb::latency ()
{
  GstPad *const pad = gst_element_get_static_pad (element, "src");
  GstQuery *const query = gst_query_new_latency ();
  GstClockTime min = 0, max = 0;
  gst_harness_set_upstream_latency (harness, 0);
  fail_unless (gst_pad_query (pad, query));
  gst_query_parse_latency (query, nullptr, &min, &max);
  gst_query_unref (query);
  gst_object_unref (pad);
  fail_unless (max == GST_CLOCK_TIME_NONE || max >= min);
  return min;
}

std::uint64_t Reverb::stat (const char *name)
{
  GstStructure *stats = nullptr;
  guint64 value = ~guint64 {0};
  g_object_get (element, "stats", &stats, nullptr);
  gst_structure_get_uint64 (stats, name, &value);
  gst_structure_free (stats);
  return value;
}

int Reverb::count_messages (GstMessageType type)
{
  int count = 0;
  while (GstMessage *const message = gst_bus_pop_filtered (bus, type)) {
    gst_message_unref (message);
    ++count;
  }
  return count;
}

int Reverb::count_events (GstEventType type)
{
  int count = 0;
  while (GstEvent *const event = gst_harness_try_pull_event (harness)) {
    count += GST_EVENT_TYPE (event) == type;
    gst_event_unref (event);
  }
  return count;
}

std::string Reverb::message (GstMessageType type)
{
  GstMessage *const message = gst_bus_pop_filtered (bus, type);
  fail_unless (message != nullptr);
  GError *error = nullptr;
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, nullptr);
  else
    gst_message_parse_warning (message, &error, nullptr);
  std::string text = error->message;
  g_error_free (error);
  gst_message_unref (message);
  return text;
}

std::string error_for (const std::string &path)
{
  return error_for (
      [&] (GstElement *element) { g_object_set (element, "ir-location", path.c_str (), nullptr); });
}

std::string error_for (const std::function<void (GstElement *)> &set)
{
  GstElement *const element = gst_element_factory_make ("convreverb", nullptr);
  GstBus *const bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  set (element);
  const GstStateChangeReturn result = gst_element_set_state (element, GST_STATE_PAUSED);
  std::string text;
  if (GstMessage *const message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR)) {
    GError *error = nullptr;
    gst_message_parse_error (message, &error, nullptr);
    text = error->message;
    g_error_free (error);
    gst_message_unref (message);
  }
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, nullptr);
  gst_object_unref (element);
  gst_object_unref (bus);
  fail_unless_equals_int (result == GST_STATE_CHANGE_FAILURE, !text.empty ());
  return text;
}

void assert_error (const std::string &path, const char *reason)
{
  const std::string text = error_for (path);
  fail_unless (text.find (path) != std::string::npos && text.find (reason) != std::string::npos,
      "'%s' should name '%s' and say '%s'", text.c_str (), path.c_str (), reason);
}

GstSample *sample_of (const Samples &h, int channels, int rate)
{
  GstCaps *const caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING,
      GST_AUDIO_NE (F32), "rate", G_TYPE_INT, rate, "channels", G_TYPE_INT, channels, "layout",
      G_TYPE_STRING, "interleaved", "channel-mask", GST_TYPE_BITMASK,
      channels == 2 ? guint64 {3} : guint64 {0}, nullptr);
  GstBuffer *const buffer = gst_buffer_new_memdup (h.data (), h.size () * sizeof (float));
  GstSample *const sample = gst_sample_new (buffer, caps, nullptr, nullptr);
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  return sample;
}

void set_response (GstElement *element, const Samples &h, int channels, int rate)
{
  GstSample *const sample = sample_of (h, channels, rate);
  g_object_set (element, "ir", sample, nullptr);
  gst_sample_unref (sample);
}

void set_array (GstElement *element, const char *name, const std::string &text)
{
  gst_util_set_object_arg (G_OBJECT (element), name, text.c_str ());
}

void let_worker_run ()
{
  g_usleep (200);
}

void push_noise (
    Reverb &reverb, Samples &x, Random &random, std::size_t frames, std::size_t channels)
{
  const Samples now = random.samples (frames * channels);
  x.insert (x.end (), now.begin (), now.end ());
  reverb.push_all (now, 480);
}

void push_until_changed (
    Reverb &reverb, std::uint64_t changes, Samples &x, Random &random, std::size_t channels)
{
  for (int i = 0; reverb.stat ("ir-changes") < changes; ++i) {
    fail_unless (i < 20000, "no change");
    push_noise (reverb, x, random, 480, channels);
    let_worker_run ();
  }
}

TCase *add_group (Suite *suite, const char *name)
{
  TCase *const group = tcase_create (name);
  tcase_set_timeout (group, kSanitized ? 240 : 60);
  suite_add_tcase (suite, group);
  return group;
}

} // namespace mt::test
