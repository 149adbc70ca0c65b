// SPDX-License-Identifier: LGPL-2.1-or-later
// convreverb against direct convolution in double, and its promises about frames, time and errors.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <malloc.h>
#include <unistd.h>

#include <gst/audio/audio.h>
#include <gst/check/gstharness.h>

#include "glue/buffermap.hpp"

#include <gst/check/gstcheck.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;

// Counts the allocations of a thread while `counting` is set on it.
static thread_local bool counting = false;
static std::atomic<int> allocations {0};

extern "C" {
void *__libc_malloc (size_t);
void *__libc_calloc (size_t, size_t);
void *__libc_realloc (void *, size_t);
void *__libc_memalign (size_t, size_t);
#define HOOK __attribute__ ((visibility ("default")))
HOOK void *malloc (size_t size)
{
  allocations += counting;
  return __libc_malloc (size);
}
HOOK void *calloc (size_t count, size_t size)
{
  allocations += counting;
  return __libc_calloc (count, size);
}
HOOK void *realloc (void *before, size_t size)
{
  allocations += counting;
  return __libc_realloc (before, size);
}
HOOK void *memalign (size_t alignment, size_t size)
{
  allocations += counting;
  return __libc_memalign (alignment, size);
}
HOOK void *aligned_alloc (size_t alignment, size_t size)
{
  allocations += counting;
  return __libc_memalign (alignment, size);
}
HOOK int posix_memalign (void **result, size_t alignment, size_t size)
{
  allocations += counting;
  *result = __libc_memalign (alignment, size);
  return *result ? 0 : 12;
}
}
#endif

namespace {

using Samples = std::vector<float>; // interleaved

constexpr int kRate = 48000;
constexpr GstClockTime kMillisecond = GST_MSECOND;

/// A folder of its own for the files of one test.
class Folder {
public:
  Folder ()
  {
    char name[] = "/tmp/convreverb-XXXXXX";
    fail_unless (mkdtemp (name) != nullptr);
    path_ = name;
  }
  ~Folder () { std::filesystem::remove_all (path_); }
  Folder (const Folder &) = delete;
  Folder &operator= (const Folder &) = delete;
  std::string file (const std::string &name) const { return path_ + "/" + name; }
  std::string write (const std::string &name, const std::string &bytes) const
  {
    std::ofstream (file (name), std::ios::binary) << bytes;
    return file (name);
  }

private:
  std::string path_;
};

template <class T>
void put (std::string &bytes, T value)
{
  bytes.append (reinterpret_cast<const char *> (&value), sizeof value); // little endian
}

/// A WAV file: 32-bit float, or unsigned 8-bit.
std::string wav (const Samples &samples, int channels, int rate = kRate, int bits = 32)
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

class Random {
public:
  explicit Random (std::uint32_t seed) : engine_ {seed} {}
  float sample () { return static_cast<float> (static_cast<std::int32_t> (engine_ ())) * 0x1p-31f; }
  std::size_t upto (std::size_t most) { return 1 + engine_ () % most; }
  Samples samples (std::size_t count, float level = 0.5f)
  {
    Samples result (count);
    for (float &x : result)
      x = level * sample ();
    return result;
  }

private:
  std::mt19937 engine_;
};

/// Noise that decays by `decay_db` over its length, with a gain near 1.
Samples decaying (Random &random, std::size_t frames, int channels, double decay_db = 30.0)
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

/// dry x + wet (h * x), as long as the ringing, in double.
std::vector<double> convolve (const Samples &x, std::size_t channels, const Samples &h,
    std::size_t h_channels, double dry, double wet)
{
  const std::size_t n = x.size () / channels, k = h.size () / h_channels;
  std::vector<double> y ((n + k - 1) * channels, 0.0);
  for (std::size_t c = 0; c < channels; ++c) {
    std::vector<double> hc (k);
    for (std::size_t j = 0; j < k; ++j)
      hc[j] = wet * static_cast<double> (h[j * h_channels + c % h_channels]);
    for (std::size_t i = 0; i < n; ++i) {
      const auto xi = static_cast<double> (x[i * channels + c]);
      y[i * channels + c] += dry * xi;
      if (xi != 0.0)
        for (std::size_t j = 0; j < k; ++j)
          y[(i + j) * channels + c] += hc[j] * xi;
    }
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

constexpr double kMinus120Db = 1e-6;

/// T30 in seconds of one channel: least squares from −5 to −35 dB of the backward energy.
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

/// An element in a harness, what it gave out, and the checks that hold for all of it.
class Reverb {
public:
  template <class... Properties>
  explicit Reverb (int channels, int rate, Properties... properties)
      : channels_ {static_cast<std::size_t> (channels)}, rate_ {rate}
  {
    element = gst_element_factory_make ("convreverb", nullptr);
    fail_unless (element != nullptr);
    g_object_set (element, properties..., nullptr);
    bus = gst_bus_new ();
    gst_element_set_bus (element, bus);
    harness = gst_harness_new_with_element (element, "sink", "src");
    set_format (channels, rate);
  }
  ~Reverb ()
  {
    gst_element_set_bus (element, nullptr);
    gst_harness_teardown (harness);
    gst_object_unref (element);
    gst_bus_set_flushing (bus, TRUE);
    gst_object_unref (bus);
  }
  Reverb (const Reverb &) = delete;
  Reverb &operator= (const Reverb &) = delete;

  void set_format (int channels, int rate)
  {
    channels_ = static_cast<std::size_t> (channels);
    rate_ = rate;
    gst_harness_set_src_caps (harness,
        gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, GST_AUDIO_NE (F32), "rate",
            G_TYPE_INT, rate, "channels", G_TYPE_INT, channels, "layout", G_TYPE_STRING,
            "interleaved", "channel-mask", GST_TYPE_BITMASK,
            channels == 2 ? guint64 {3} : guint64 {0}, nullptr));
  }
  GstClockTime time_of (std::uint64_t frame) const
  {
    return gst_util_uint64_scale_int (frame, GST_SECOND, rate_);
  }
  GstBuffer *make (const float *samples, std::size_t frames)
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
  GstFlowReturn push (const float *samples, std::size_t frames, bool gap = false)
  {
    GstBuffer *const buffer = make (samples, frames);
    if (gap)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
    const GstFlowReturn result = gst_harness_push (harness, buffer);
    pull ();
    return result;
  }
  /// All of `samples`, in buffers of 1 to `most` frames when `random` is given, else of `most`.
  void push_all (const Samples &samples, std::size_t most, Random *random = nullptr)
  {
    const std::size_t frames = samples.size () / channels_;
    for (std::size_t done = 0; done < frames;) {
      const std::size_t now = std::min (random ? random->upto (most) : most, frames - done);
      fail_unless_equals_int (push (samples.data () + done * channels_, now), GST_FLOW_OK);
      done += now;
    }
  }
  void end ()
  {
    fail_unless (gst_harness_push_event (harness, gst_event_new_eos ()));
    pull ();
  }
  /// Takes what came out; each buffer has to follow the one before, to the nanosecond.
  void pull ()
  {
    while (GstBuffer *const buffer = gst_harness_try_pull (harness)) {
      take (buffer);
      gst_buffer_unref (buffer);
    }
  }
  void take (GstBuffer *buffer)
  {
    const mt::glue::BufferMap<GST_MAP_READ> map {buffer};
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
    out.insert (out.end (), samples.begin (), samples.end ());
    ++buffers;
  }
  std::size_t frames_out () const { return out.size () / channels_; }
  GstClockTime latency ()
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
  std::uint64_t stat (const char *name)
  {
    GstStructure *stats = nullptr;
    guint64 value = ~guint64 {0};
    g_object_get (element, "stats", &stats, nullptr);
    gst_structure_get_uint64 (stats, name, &value);
    gst_structure_free (stats);
    return value;
  }
  int count_messages (GstMessageType type)
  {
    int count = 0;
    while (GstMessage *const message = gst_bus_pop_filtered (bus, type)) {
      gst_message_unref (message);
      ++count;
    }
    return count;
  }
  int count_events (GstEventType type)
  {
    int count = 0;
    while (GstEvent *const event = gst_harness_try_pull_event (harness)) {
      count += GST_EVENT_TYPE (event) == type;
      gst_event_unref (event);
    }
    return count;
  }

  GstElement *element;
  GstHarness *harness;
  GstBus *bus;
  Samples out;
  std::uint64_t position {0}; // of the next frame in
  bool discont {true};
  bool contiguous {true};
  GstClockTime first_pts {GST_CLOCK_TIME_NONE}, next_pts {GST_CLOCK_TIME_NONE};
  std::uint64_t next_offset {0};
  int buffers {0};

private:
  std::size_t channels_;
  int rate_;
};

constexpr double kAll = -std::numeric_limits<double>::infinity (); // ir-trim

#define RAW_IR(path) "ir-location", (path).c_str (), "normalize", 2, "ir-trim", kAll

/// READY → PAUSED with this file has to fail; the text of the error.
std::string error_for (const std::string &path)
{
  GstElement *const element = gst_element_factory_make ("convreverb", nullptr);
  GstBus *const bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  g_object_set (element, "ir-location", path.c_str (), nullptr);
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

} // namespace

// Sound

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

// Rooms and rates

GST_START_TEST (test_rooms_without_a_file)
{
  // Every room sounds in every format, is normalised, and rings as long as asked.
  for (int room = 0; room < 4; ++room)
    for (const int channels : {1, 2, 6}) {
      Reverb reverb (
          channels, kRate, "preset-room", room, "decay-time", 1.0, "dry", 0.0, "wet", 1.0);
      Samples x (static_cast<std::size_t> (480 * channels), 0.0f);
      std::fill_n (x.begin (), channels, 1.0f);
      reverb.push_all (x, 480);
      reverb.end ();
      double energy = 0.0;
      Samples left;
      for (std::size_t i = 0; i < reverb.out.size (); ++i) {
        energy += static_cast<double> (reverb.out[i]) * static_cast<double> (reverb.out[i]);
        if (i % static_cast<std::size_t> (channels) == 0)
          left.push_back (reverb.out[i]);
      }
      fail_unless (std::fabs (energy / channels - 1.0) < 1e-3);
      fail_unless (std::fabs (t30 (left, kRate) - 1.0) < 0.06);
      fail_unless_equals_uint64 (reverb.stat ("ir-frames") + 479, reverb.frames_out ());
    }
}
GST_END_TEST;

GST_START_TEST (test_file_at_another_rate)
{
  const Folder folder;
  Random random {11};
  for (const int from : {44100, 96000, 8000}) {
    // 60 dB in one second.
    const Samples h = decaying (random, static_cast<std::size_t> (from * 3 / 2), 1, 90.0);
    const std::string path = folder.write ("ir.wav", wav (h, 1, from));
    Reverb reverb (1, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0);
    Samples x (480, 0.0f);
    x[0] = 1.0f;
    reverb.push_all (x, 480);
    reverb.end ();
    const double asked = t30 (h, from), got = t30 (reverb.out, kRate);
    fail_unless (std::fabs (got / asked - 1.0) < 0.01, "from %d: %g s, not %g", from, got, asked);
    fail_unless_equals_uint64 (
        reverb.stat ("ir-frames"), gst_util_uint64_scale_int_ceil (h.size (), kRate, from));

    // A click 0.1 s in stays there, and its gain at low frequencies stays 1.
    Samples click (static_cast<std::size_t> (from / 5), 0.0f);
    click[static_cast<std::size_t> (from / 10)] = 1.0f;
    Reverb second (1, kRate, RAW_IR (folder.write ("click.wav", wav (click, 1, from))), "dry", 0.0,
        "wet", 1.0);
    second.push_all (x, 480);
    second.end ();
    const auto peak =
        std::max_element (second.out.begin (), second.out.end ()) - second.out.begin ();
    fail_unless_equals_int (peak, kRate / 10);
    double sum = 0.0;
    for (const float y : second.out)
      sum += static_cast<double> (y);
    fail_unless (std::fabs (sum - 1.0) < 1e-3, "from %d: gain %g", from, sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_trim_and_normalize)
{
  const Folder folder;
  Samples h (10000, 0.0f);
  h[0] = 0.5f;
  h[100] = -0.25f;
  h[9000] = 0.5e-5f; // −100 dB
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  const Samples x {1.0f, 0.0f};
  struct Case {
    int normalize;
    double trim, first;
    std::size_t frames;
  };
  for (const Case &c : {Case {0, -90.0, 0.5 / std::hypot (0.5, 0.25), 101},
           Case {1, -110.0, 1.0, 9001}, Case {2, -3.0, 0.5, 1}, Case {2, kAll, 0.5, 10000}}) {
    Reverb reverb (1, kRate, "ir-location", path.c_str (), "normalize", c.normalize, "ir-trim",
        c.trim, "dry", 0.0, "wet", 1.0);
    reverb.push_all (x, 2);
    reverb.end ();
    fail_unless_equals_int (reverb.frames_out (), c.frames + 1);
    fail_unless (std::fabs (static_cast<double> (reverb.out[0]) - c.first) < 1e-5);
  }
}
GST_END_TEST;

// Frames and time

GST_START_TEST (test_frame_counts)
{
  const Folder folder;
  Random random {13};
  for (const std::size_t ir_frames : {1, 479, 96000})
    for (const std::size_t frames : {1, 480, 5003})
      for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond})
        for (const bool tail : {true, false}) {
          const std::string path =
              folder.write ("ir.wav", wav (decaying (random, ir_frames, 2), 2));
          Reverb reverb (2, kRate, RAW_IR (path), "batch-duration", batch, "tail", tail);
          reverb.position = 12345; // the stream need not start at 0
          const GstClockTime start = reverb.time_of (reverb.position);
          reverb.push_all (random.samples (frames * 2), 480);
          reverb.end ();
          fail_unless_equals_int (reverb.frames_out (), tail ? frames + ir_frames - 1 : frames);
          fail_unless_equals_uint64 (reverb.first_pts, start);
          fail_unless (std::llabs (GST_CLOCK_DIFF (
                           reverb.next_pts, reverb.time_of (12345 + reverb.frames_out ()))) <= 2);
          fail_unless_equals_uint64 (reverb.next_offset, 12345 + reverb.frames_out ());
          fail_unless_equals_int (reverb.count_events (GST_EVENT_EOS), 1);
          fail_unless (gst_harness_try_pull (reverb.harness) == nullptr);
        }
}
GST_END_TEST;

GST_START_TEST (test_tail_with_a_silent_second)
{
  const Folder folder;
  Samples h (kRate + 4801, 0.0f);
  h.front () = 0.5f;
  h.back () = 0.25f;
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    Reverb reverb (1, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0, "batch-duration", batch);
    Random random {1};
    const Samples x = random.samples (1000);
    reverb.push_all (x, 480);
    reverb.end ();
    fail_unless (largest_difference (reverb.out, convolve (x, 1, h, 1, 0.0, 1.0)) < kMinus120Db);
  }
}
GST_END_TEST;

GST_START_TEST (test_latency_is_the_delay_to_the_frame)
{
  struct Case {
    GstClockTime batch;
    std::size_t chunk, latency;
  };
  for (const Case &c :
      {Case {0, 480, 0}, Case {10 * GST_MSECOND, 480, 0}, Case {100 * GST_MSECOND, 480, 4320},
          Case {20 * GST_MSECOND, 441, 441}, Case {50 * GST_MSECOND, 1024, 1024},
          Case {GST_MSECOND, 1, 47}, Case {GST_SECOND, 480, 47520}}) {
    Reverb reverb (1, kRate, "preset-room", 0, "decay-time", 0.05, "dry", 1.0, "wet", 0.0,
        "batch-duration", c.batch);
    Samples x (c.latency + 5000, 0.0f);
    for (std::size_t i = 0; i < x.size (); ++i)
      x[i] = static_cast<float> (i + 1);
    std::size_t in = 0;
    while (in + c.chunk <= x.size ()) {
      reverb.push (x.data () + in, c.chunk);
      in += c.chunk;
      fail_unless_equals_int (reverb.frames_out (), in > c.latency ? in - c.latency : 0);
    }
    fail_unless (std::equal (reverb.out.begin (), reverb.out.end (), x.begin ()));
    if (reverb.frames_out () > 0)
      fail_unless_equals_uint64 (reverb.first_pts, 0);
    fail_unless_equals_uint64 (
        reverb.latency (), gst_util_uint64_scale_int_ceil (c.latency, GST_SECOND, kRate));
    fail_unless_equals_uint64 (reverb.stat ("latency-frames"), c.latency);
    if (c.latency > 0)
      fail_unless (reverb.count_messages (GST_MESSAGE_LATENCY) >= 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_flush_forgets)
{
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    Reverb reverb (2, kRate, "batch-duration", batch);
    Random random {17};
    reverb.push_all (random.samples (kRate * 2), 480);
    fail_unless (!reverb.out.empty ());
    gst_harness_push_event (reverb.harness, gst_event_new_flush_start ());
    gst_harness_push_event (reverb.harness, gst_event_new_flush_stop (TRUE));
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
    reverb.out.clear ();
    reverb.next_pts = GST_CLOCK_TIME_NONE;
    reverb.position = 0;
    reverb.push_all (Samples (kRate * 2, 0.0f), 480);
    reverb.end ();
    fail_unless_equals_uint64 (reverb.first_pts, 0);
    fail_unless_equals_uint64 (reverb.frames_out (), kRate + reverb.stat ("ir-frames") - 1);
    fail_unless (
        std::all_of (reverb.out.begin (), reverb.out.end (), [] (float y) { return y == 0.0f; }));
  }
}
GST_END_TEST;

GST_START_TEST (test_segment_done_rings_out)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  Random random {1};
  reverb.push_all (random.samples (1000), 480);
  gst_harness_push_event (reverb.harness, gst_event_new_segment_done (GST_FORMAT_TIME, 0));
  reverb.pull ();
  const std::size_t all = 1000 + reverb.stat ("ir-frames") - 1;
  fail_unless_equals_int (reverb.frames_out (), all);
  reverb.end (); // and not again
  fail_unless_equals_int (reverb.frames_out (), all);
}
GST_END_TEST;

GST_START_TEST (test_tail_moves_the_end_of_the_segment)
{
  // Sinks throw away what lies after the segment's end.
  Reverb reverb (1, kRate, "preset-room", 0);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.stop = reverb.time_of (960);
  gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
  Random random {1};
  reverb.push_all (random.samples (1440), 480); // the last 480 are outside
  reverb.end ();
  fail_unless_equals_int (reverb.frames_out (), 960 + reverb.stat ("ir-frames") - 1);
  GstClockTime stop = 0;
  while (GstEvent *const event = gst_harness_try_pull_event (reverb.harness)) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
      const GstSegment *now = nullptr;
      gst_event_parse_segment (event, &now);
      fail_unless_equals_uint64 (now->start, 0);
      fail_unless_equals_uint64 (now->base, 0);
      stop = now->stop;
    }
    gst_event_unref (event);
  }
  fail_unless (stop >= reverb.next_pts);
}
GST_END_TEST;

GST_START_TEST (test_holes_sound_on)
{
  const Folder folder;
  Random random {19};
  const Samples h = decaying (random, 2000, 1);
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  const Samples x = random.samples (960);
  enum class How { discont, unflagged, gap_buffer, gap_event };
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond})
    for (const How how : {How::discont, How::unflagged, How::gap_buffer, How::gap_event})
      for (const std::size_t hole : {2400, 1501, 100000}) {
        if (how == How::unflagged && hole < 1920)
          continue; // 40 ms: the jitter of live sources
        Reverb reverb (1, kRate, RAW_IR (path), "dry", 1.0, "wet", 1.0, "batch-duration", batch);
        const std::size_t latency = batch ? 960 : 0;
        reverb.push_all (x, 480);
        if (how == How::gap_buffer) {
          reverb.push (Samples (hole, NAN).data (), hole, true); // what is in it does not count
        } else {
          if (how == How::gap_event) {
            gst_harness_push_event (
                reverb.harness, gst_event_new_gap (reverb.time_of (960), reverb.time_of (hole)));
            reverb.pull ();
          }
          reverb.position += hole;
        }
        // Here the ringing is over after 1999 frames and the stream goes on without filling up.
        const bool skips = hole > 2000 + latency && how != How::gap_buffer;
        if (skips) {
          reverb.contiguous = false;
        }
        reverb.discont = how == How::discont;
        reverb.push_all (x, 480);
        reverb.end ();
        Samples whole = x;
        whole.resize (960 + hole, 0.0f);
        whole.insert (whole.end (), x.begin (), x.end ());
        auto expected = convolve (whole, 1, h, 1, 1.0, 1.0);
        if (skips)
          expected.erase (expected.begin () + 960 + 1999,
              expected.begin () + static_cast<std::ptrdiff_t> (960 + hole));
        const double difference = largest_difference (reverb.out, expected);
        fail_unless (difference < kMinus120Db, "kind %d, hole %zu, batch %d: off by %g",
            static_cast<int> (how), hole, batch != 0, difference);
        fail_unless (std::llabs (GST_CLOCK_DIFF (
                         reverb.next_pts, reverb.time_of (960 + hole + 960 + 1999))) <= 3);
        if (how == How::gap_event)
          fail_unless_equals_int (reverb.count_events (GST_EVENT_GAP), skips ? 1 : 0);
      }
}
GST_END_TEST;

GST_START_TEST (test_step_back_starts_anew)
{
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Reverb reverb (1, kRate, "preset-room", 0, "batch-duration", batch);
    Random random {23};
    reverb.push_all (random.samples (4800), 480);
    reverb.contiguous = false;
    reverb.position = 480;
    reverb.discont = true;
    reverb.push_all (Samples (4800, 0.0f), 480);
    // Nothing of the first part is missing, nothing of it rings in the second.
    fail_unless_equals_int (reverb.frames_out (), 9600 - (batch ? 960 : 0));
    fail_unless (reverb.out[4799] != 0.0f);
    fail_unless (std::all_of (
        reverb.out.begin () + 4800, reverb.out.end (), [] (float y) { return y == 0.0f; }));
  }
}
GST_END_TEST;

GST_START_TEST (test_next_segment_without_a_hole_rings_on)
{
  // As `concat` makes them: the timestamps start again, the running time goes on.
  const Folder folder;
  Random random {29};
  const Samples h = decaying (random, 3000, 1);
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  Reverb reverb (1, kRate, RAW_IR (path), "dry", 1.0, "wet", 1.0);
  Samples x = random.samples (960);
  reverb.push_all (x, 480);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = reverb.time_of (960);
  gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
  reverb.contiguous = false;
  reverb.position = 0;
  reverb.discont = true;
  const Samples more = random.samples (960);
  reverb.push_all (more, 480);
  reverb.end ();
  x.insert (x.end (), more.begin (), more.end ());
  fail_unless (largest_difference (reverb.out, convolve (x, 1, h, 1, 1.0, 1.0)) < kMinus120Db);
}
GST_END_TEST;

GST_START_TEST (test_change_of_format)
{
  for (const GstClockTime batch : {GstClockTime {0}, 30 * kMillisecond}) {
    Reverb reverb (2, kRate, "preset-room", 0, "batch-duration", batch);
    Random random {31};
    reverb.push_all (random.samples (4800 * 2), 480);
    reverb.set_format (1, 44100);
    // The delayed frames came out before the new caps, in the old format.
    std::size_t bytes = reverb.out.size () * sizeof (float);
    while (GstBuffer *const buffer = gst_harness_try_pull (reverb.harness)) {
      bytes += gst_buffer_get_size (buffer);
      gst_buffer_unref (buffer);
    }
    fail_unless_equals_int (bytes, 4800 * 2 * sizeof (float));
    reverb.out.clear ();
    reverb.contiguous = false;
    reverb.position = 4410;
    reverb.push_all (random.samples (4410), 441);
    reverb.end ();
    fail_unless_equals_int (reverb.frames_out (), 4410 + reverb.stat ("ir-frames") - 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_restart)
{
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav (Samples (64, 0.5f), 1));
  Reverb reverb (1, kRate, RAW_IR (path));
  Random random {1};
  for (const std::size_t taps : {64, 8, 64}) {
    gst_element_set_state (reverb.element, GST_STATE_READY);
    folder.write ("ir.wav", wav (Samples (taps, 0.5f), 1));
    gst_harness_play (reverb.harness);
    gst_element_set_state (reverb.element, GST_STATE_PLAYING);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (reverb.harness, gst_event_new_stream_start ("again"));
    reverb.set_format (1, kRate);
    gst_harness_push_event (reverb.harness, gst_event_new_segment (&segment));
    reverb.contiguous = false;
    reverb.position = 0;
    reverb.out.clear ();
    reverb.push_all (random.samples (960), 480);
    fail_unless_equals_uint64 (reverb.stat ("ir-frames"), taps);
    reverb.end ();
    fail_unless_equals_int (reverb.frames_out (), 960 + taps - 1);
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

// What is wrong

GST_START_TEST (test_files_that_cannot_be_used)
{
  const Folder folder;
  Random random {43};
  const Samples h = decaying (random, 5000, 2);
  const std::string good = wav (h, 2);
  fail_unless (error_for (folder.write ("good.wav", good)).empty ());

  assert_error (folder.file ("none.wav"), "no such file");
  std::filesystem::create_directory (folder.file ("folder"));
  assert_error (folder.file ("folder"), "is a folder");
  assert_error (folder.write ("empty.wav", ""), "is empty");
  assert_error (folder.write ("text.wav", std::string (500, 'a') + " is a text\n"), "text file");
  assert_error (folder.write ("cut.wav", good.substr (0, 10000)), "cut short");
  assert_error (folder.write ("cut-in-head.wav", good.substr (0, 30)), "cut short");
  assert_error (folder.write ("silent.wav", wav (Samples (2000, 0.0f), 2)), "silent");
  assert_error (folder.write ("no-samples.wav", wav ({}, 2)), "no samples");
  assert_error (folder.write ("nan.wav", wav ({1.0f, 0.5f, NAN, 0.0f}, 2)), "frame 1 has a sample");
  assert_error (folder.write ("inf.wav", wav ({INFINITY}, 1)), "not a finite number");
  assert_error (
      folder.write ("long.wav", wav (Samples (8000 * 60 + 1, 0.1f), 1, 8000)), "longer than 60");
  fail_unless (
      error_for (folder.write ("60.wav", wav (Samples (8000 * 60, 0.1f), 1, 8000))).empty ());
  assert_error (folder.write ("65.wav", wav (Samples (65 * 10, 0.1f), 65)), "65 channels");
  assert_error (folder.write ("64.wav", wav (Samples (64 * 10, 0.1f), 64)), "64 channels");
  std::string noise;
  for (int i = 0; i < 20000; ++i)
    noise += static_cast<char> (random.upto (256));
  const std::string text = error_for (folder.write ("noise.bin", noise));
  fail_unless (text.find ("noise.bin") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_file_without_permission)
{
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav ({1.0f, 0.5f}, 1));
  fail_unless (error_for (path).empty ()); // and the plug-ins are loaded
  std::filesystem::permissions (path, std::filesystem::perms::none);
  std::filesystem::permissions (folder.file (""), std::filesystem::perms {0755});
  const bool root = geteuid () == 0; // who may read all
  if (root)
    fail_unless_equals_int (seteuid (65534), 0);
  assert_error (path, "Permission denied");
  if (root)
    fail_unless_equals_int (seteuid (0), 0);
}
GST_END_TEST;

GST_START_TEST (test_channels_that_do_not_fit)
{
  const Folder folder;
  const std::string path = folder.write ("ir3.wav", wav (Samples (30, 0.1f), 3));
  Reverb reverb (2, kRate, "ir-location", path.c_str ());
  const Samples x (960, 0.1f);
  for (int i = 0; i < 3; ++i)
    fail_unless (reverb.push (x.data (), 480) != GST_FLOW_OK);
  GstMessage *const message = gst_bus_pop_filtered (reverb.bus, GST_MESSAGE_ERROR);
  fail_unless (message != nullptr);
  GError *error = nullptr;
  gst_message_parse_error (message, &error, nullptr);
  fail_unless (strstr (error->message, path.c_str ()) != nullptr);
  fail_unless (strstr (error->message, "has 3 channels and the stream has 2") != nullptr);
  g_error_free (error);
  gst_message_unref (message);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0); // once
  reverb.set_format (3, kRate);
  reverb.push_all (Samples (960 * 3, 0.1f), 480); // this fits
}
GST_END_TEST;

GST_START_TEST (test_bad_samples_in_the_stream)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  Random random {47};
  Samples x = random.samples (kRate * 4);
  for (const std::size_t bad : {100, 101, 5000, 20000, 3 * kRate})
    x[bad] = bad % 2 ? NAN : -INFINITY;
  Samples clean = x;
  for (float &y : clean)
    y = std::isfinite (y) ? y : 0.0f;
  reverb.push_all (x, 480);
  fail_unless (std::all_of (
      reverb.out.begin (), reverb.out.end (), [] (float y) { return std::isfinite (y); }));
  // Two runs, more than a second apart: two warnings.
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 2);
  fail_unless_equals_uint64 (reverb.stat ("not-finite-samples"), 5);
  Reverb other (1, kRate, "preset-room", 0);
  other.push_all (clean, 480);
  fail_unless (
      largest_difference (reverb.out, {other.out.begin (), other.out.end ()}) < kMinus120Db);
}
GST_END_TEST;

GST_START_TEST (test_property_set_too_late)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
  g_object_set (reverb.element, "wet", 0.5, "dry", 0.1, "tail", FALSE, nullptr);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
  g_object_set (reverb.element, "ir-location", "/nowhere.wav", nullptr);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 1);
  reverb.push_all (Samples (960, 0.1f), 480); // and goes on as before
}
GST_END_TEST;

// Cost

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
GST_START_TEST (test_no_allocation_for_a_buffer)
{
  for (const GstClockTime batch : {GstClockTime {0}, 100 * kMillisecond}) {
    Reverb reverb (2, kRate, "batch-duration", batch);
    GstPad *const sink = gst_element_get_static_pad (reverb.element, "sink");
    GstPad *const src = gst_element_get_static_pad (reverb.element, "src");
    const auto start = [] (GstPad *, GstPadProbeInfo *, gpointer) {
      counting = true;
      return GST_PAD_PROBE_OK;
    };
    const auto stop = [] (GstPad *, GstPadProbeInfo *, gpointer) {
      counting = false;
      return GST_PAD_PROBE_OK;
    };
    Random random {53};
    reverb.push_all (random.samples (kRate * 2), 480);
    gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, +start, nullptr, nullptr);
    gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, +stop, nullptr, nullptr);
    allocations = 0;
    const int before = reverb.buffers;
    for (int i = 0; i < 200; ++i) {
      const Samples x = random.samples (random.upto (700) * 2);
      g_object_set (reverb.element, "wet", 0.01 * (i % 50), nullptr);
      reverb.push (x.data (), x.size () / 2);
    }
    fail_unless_equals_int (reverb.buffers - before, 200);
    fail_unless_equals_int (allocations, 0);
    // The hook does count.
    counting = true;
    free (malloc (1));
    counting = false;
    fail_unless (allocations >= 1);
    gst_object_unref (sink);
    gst_object_unref (src);
  }
}
GST_END_TEST;
#endif

GST_START_TEST (test_stats)
{
  Reverb reverb (2, kRate, "decay-time", 1.0, "batch-duration", 40 * GST_MSECOND);
  Random random {59};
  reverb.push_all (random.samples (9600 * 2), 480);
  fail_unless_equals_uint64 (reverb.stat ("block-frames"), 1920);
  fail_unless_equals_uint64 (reverb.stat ("latency-frames"), 1440);
  const std::uint64_t ir = reverb.stat ("ir-frames");
  fail_unless_equals_uint64 (reverb.stat ("partitions"), (ir + 1919) / 1920);
  fail_unless_equals_uint64 (reverb.stat ("tail-frames"), ir + 1439);
  fail_unless_equals_uint64 (reverb.stat ("ir-channels"), 2);
  fail_unless_equals_uint64 (reverb.stat ("frames"), 9600);
  fail_unless (reverb.stat ("worst-buffer-ns") > 0);
}
GST_END_TEST;

static TCase *add_group (Suite *suite, const char *name)
{
  TCase *const group = tcase_create (name);
  tcase_set_timeout (group, kSanitized ? 240 : 60);
  suite_add_tcase (suite, group);
  return group;
}

static Suite *convreverb_suite ()
{
  Suite *const suite = suite_create ("convreverb");
  TCase *const sound = add_group (suite, "sound");
  tcase_add_test (sound, test_equals_direct_convolution);
  tcase_add_test (sound, test_single_taps_land_where_they_should);
  tcase_add_test (sound, test_one_sample_is_a_gain);
  tcase_add_test (sound, test_eight_bit_and_many_channels);
  TCase *const impulse = add_group (suite, "impulse");
  tcase_add_test (impulse, test_rooms_without_a_file);
  tcase_add_test (impulse, test_file_at_another_rate);
  tcase_add_test (impulse, test_trim_and_normalize);
  TCase *const time = add_group (suite, "time");
  tcase_add_test (time, test_frame_counts);
  tcase_add_test (time, test_tail_with_a_silent_second);
  tcase_add_test (time, test_latency_is_the_delay_to_the_frame);
  tcase_add_test (time, test_flush_forgets);
  tcase_add_test (time, test_segment_done_rings_out);
  tcase_add_test (time, test_tail_moves_the_end_of_the_segment);
  tcase_add_test (time, test_holes_sound_on);
  tcase_add_test (time, test_step_back_starts_anew);
  tcase_add_test (time, test_next_segment_without_a_hole_rings_on);
  tcase_add_test (time, test_change_of_format);
  tcase_add_test (time, test_restart);
  TCase *const gains = add_group (suite, "gains");
  tcase_add_test (gains, test_wet_zero_keeps_listening);
  tcase_add_test (gains, test_gains_do_not_click);
  tcase_add_test (gains, test_defaults_do_not_clip);
  TCase *const faults = add_group (suite, "faults");
  tcase_add_test (faults, test_files_that_cannot_be_used);
  tcase_add_test (faults, test_file_without_permission);
  tcase_add_test (faults, test_channels_that_do_not_fit);
  tcase_add_test (faults, test_bad_samples_in_the_stream);
  tcase_add_test (faults, test_property_set_too_late);
  TCase *const cost = add_group (suite, "cost");
  tcase_add_test (cost, test_stats);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  TCase *const memory = add_group (suite, "memory");
  tcase_add_test (memory, test_no_allocation_for_a_buffer);
#endif
  return suite;
}

GST_CHECK_MAIN (convreverb);
