// SPDX-License-Identifier: LGPL-2.1-or-later
// Long impulse responses change while a live pipeline plays: how long is convreverb busy with a
// chunk, at its worst?
//
//   audiotestsrc is-live=true ! convreverb ! fakesink sync=true
//
// by the system clock, with all that a user has: planning, files, another thread that loads.
#include "chunkwatch.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <stdexcept>

namespace mt::bench {
namespace {

struct Options {
  int swaps {100};
  double ir_s {10.0};
  int channels {2};
  int frames {480};
  int rate_hz {48000};
  std::vector<std::string> ways {"none", "location", "sample"};
};

struct Unref {
  void operator() (gpointer object) const noexcept { gst_object_unref (object); }
  void operator() (GstSample *sample) const noexcept { gst_sample_unref (sample); }
};
template <class T>
using Ref = std::unique_ptr<T, Unref>;

/// Noise that decays by 60 dB over its length, as samples of the property `ir`.
Ref<GstSample> make_response (const Options &options, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> uniform {-1.0f, 1.0f};
  const auto frames = static_cast<std::size_t> (options.ir_s * options.rate_hz);
  const auto channels = static_cast<std::size_t> (options.channels);
  std::vector<float> samples (frames * channels);
  for (std::size_t i = 0; i < samples.size (); ++i)
    samples[i] = uniform (random) *
        std::pow (10.0f, -3.0f * static_cast<float> (i / channels) / static_cast<float> (frames));
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING,
      G_BYTE_ORDER == G_LITTLE_ENDIAN ? "F32LE" : "F32BE", "rate", G_TYPE_INT, options.rate_hz,
      "channels", G_TYPE_INT, options.channels, "layout", G_TYPE_STRING, "interleaved",
      "channel-mask", GST_TYPE_BITMASK, options.channels == 2 ? guint64 {3} : guint64 {0}, nullptr);
  g_autoptr (GstBuffer) buffer =
      gst_buffer_new_memdup (samples.data (), samples.size () * sizeof (float));
  return Ref<GstSample> {gst_sample_new (buffer, caps, nullptr, nullptr)};
}

/// Throws std::runtime_error with what an error or warning says; null is none.
void throw_fault (GstMessage *message)
{
  g_autoptr (GError) fault = nullptr;
  if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &fault, nullptr);
  else if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &fault, nullptr);
  if (fault)
    throw std::runtime_error (fault->message);
}

/// Runs a pipeline to its end. Throws std::runtime_error with what it says.
void run_to_end (GstElement *pipeline)
{
  const Ref<GstBus> bus {gst_element_get_bus (pipeline)};
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus.get (), GST_CLOCK_TIME_NONE,
      static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  throw_fault (message);
}

/// Two responses, as samples and as WAV files in a folder of its own.
class Responses {
public:
  explicit Responses (const Options &options)
  {
    g_autoptr (GError) error = nullptr;
    g_autofree gchar *name = g_dir_make_tmp ("swap-bench-XXXXXX", &error);
    if (!name)
      throw std::runtime_error (error->message);
    folder_ = name;
    for (unsigned i = 0; i < 2; ++i) {
      samples_[i] = make_response (options, i + 1);
      paths_[i] = folder_ + (i ? "/b.wav" : "/a.wav");
      const Ref<GstElement> pipeline {
          gst_parse_launch ("appsrc name=in format=time ! wavenc ! filesink name=out", nullptr)};
      const Ref<GstElement> in {gst_bin_get_by_name (GST_BIN (pipeline.get ()), "in")};
      const Ref<GstElement> out {gst_bin_get_by_name (GST_BIN (pipeline.get ()), "out")};
      g_object_set (out.get (), "location", paths_[i].c_str (), nullptr);
      gst_element_set_state (pipeline.get (), GST_STATE_PAUSED);
      GstFlowReturn flow = GST_FLOW_OK;
      g_signal_emit_by_name (in.get (), "push-sample", samples_[i].get (), &flow);
      g_signal_emit_by_name (in.get (), "end-of-stream", &flow);
      run_to_end (pipeline.get ());
    }
  }
  ~Responses () { std::filesystem::remove_all (folder_); }
  Responses (const Responses &) = delete;
  Responses &operator= (const Responses &) = delete;

  /// Always another one than before, also where it is the same sound.
  void set (GstElement *reverb, const std::string &way, int number) const
  {
    const auto which = static_cast<std::size_t> (number % 2);
    if (way == "location") {
      g_object_set (reverb, "ir-location", paths_[which].c_str (), nullptr);
      return;
    }
    GstSample *const one = samples_[which].get ();
    const Ref<GstSample> copy {
        gst_sample_new (gst_sample_get_buffer (one), gst_sample_get_caps (one), nullptr, nullptr)};
    g_object_set (reverb, "ir", copy.get (), nullptr);
  }

private:
  std::string folder_;
  Ref<GstSample> samples_[2];
  std::string paths_[2];
};

/// Plays, and brings one response after the other as soon as the last is heard. Without swaps, as
/// long as `chunks` take.
std::vector<test::ChunkWatch::Time> play (
    const Options &options, const Responses &responses, const std::string &way, std::size_t chunks)
{
  const std::string line =
      format ("audiotestsrc is-live=true wave=pink-noise samplesperbuffer=%d ! "
              "audio/x-raw,rate=%d,channels=%d,channel-mask=(bitmask)%d ! "
              "convreverb name=reverb ! fakesink sync=true",
          options.frames, options.rate_hz, options.channels, options.channels == 2 ? 3 : 0);
  g_autoptr (GError) error = nullptr;
  const Ref<GstElement> pipeline {gst_parse_launch (line.c_str (), &error)};
  if (error)
    throw std::runtime_error (error->message);
  const Ref<GstElement> reverb {gst_bin_get_by_name (GST_BIN (pipeline.get ()), "reverb")};
  responses.set (reverb.get (), way == "none" ? "location" : way, 0);
  test::ChunkWatch watch {reverb.get ()};
  // However play() ends, before the watch is gone.
  const auto stop = [] (GstElement *element) { gst_element_set_state (element, GST_STATE_NULL); };
  const std::unique_ptr<GstElement, decltype (stop)> playing {pipeline.get (), stop};
  const Ref<GstBus> bus {gst_element_get_bus (pipeline.get ())};
  gst_element_set_state (pipeline.get (), GST_STATE_PLAYING);
  const auto wait = [&] {
    // A change that fails leaves the sound as it was, and would be waited for without end.
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (
        bus.get (), static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
    throw_fault (message);
    if (!watch.wait ())
      throw std::runtime_error ("nothing comes out of convreverb");
  };
  wait ();
  if (way == "none")
    while (watch.times ().size () < chunks)
      wait ();
  for (int swap = 1; way != "none" && swap <= options.swaps; ++swap) {
    progress (format ("%s: swap %d", way.c_str (), swap));
    responses.set (reverb.get (), way, swap);
    while (test::changes_of (reverb.get ()) < static_cast<std::uint64_t> (swap))
      wait ();
  }
  progress ("");
  gst_element_set_state (pipeline.get (), GST_STATE_NULL);
  return watch.times ();
}

void measure (const Options &options)
{
  const Responses responses {options};
  const double chunk_us = 1e6 * options.frames / options.rate_hz;
  std::printf (
      "### Swaps\n\nResponses of %g s, %d channels, chunks of %d frames (%.0f us); %d swaps "
      "each, all cores.\n\n"
      "| swapped | chunks | CPU us: p50 | p99.9 | max | clock us: p50 | p99.9 | max | "
      "beyond the chunk's time |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
      options.ir_s, options.channels, options.frames, chunk_us, options.swaps);
  for (const std::string &way : options.ways) {
    Series cpu_us, wall_us;
    std::size_t late = 0;
    for (const auto &time : play (options, responses, way, 2000)) {
      cpu_us.add (static_cast<double> (time.cpu_ns) * 1e-3);
      wall_us.add (static_cast<double> (time.wall_ns) * 1e-3);
      late += static_cast<double> (time.wall_ns) * 1e-3 > chunk_us;
    }
    std::printf ("| %s | %zu | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | %zu |\n", way.c_str (),
        cpu_us.count (), cpu_us.median (), cpu_us.quantile (0.999), cpu_us.max (),
        wall_us.median (), wall_us.quantile (0.999), wall_us.max (), late);
    std::fflush (stdout);
  }
  std::printf ("\n");
}

int main (int argc, char **argv)
{
  Options options;
  g_autofree gchar *ways = nullptr;
  const GOptionEntry entries[] = {
      {"swaps", 0, 0, G_OPTION_ARG_INT, &options.swaps, "Changes of the response (100)", "N"},
      {"ir", 0, 0, G_OPTION_ARG_DOUBLE, &options.ir_s, "Seconds of the response (10)", "SECONDS"},
      {"channels", 0, 0, G_OPTION_ARG_INT, &options.channels, "Channels (2)", "N"},
      {"frames", 0, 0, G_OPTION_ARG_INT, &options.frames, "Frames of a chunk (480)", "N"},
      {"ways", 0, 0, G_OPTION_ARG_STRING, &ways, "In this order", "none,location,sample"},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  program::parse_options (
      argc, argv, entries, "What a chunk costs at its worst while long responses change.");
  if (options.swaps < 1 || !(options.ir_s * options.rate_hz >= 1.0 && options.ir_s <= 60.0) ||
      options.channels < 1 || options.channels > 63 || options.frames < 1)
    throw std::invalid_argument ("a number is out of its range");
  if (ways)
    options.ways = split (ways);
  for (const std::string &way : options.ways)
    if (way != "none" && way != "location" && way != "sample")
      throw std::invalid_argument (format ("'%s' is no way to swap", way.c_str ()));
  measure (options);
  return 0;
}

} // namespace
} // namespace mt::bench

int main (int argc, char **argv)
{
  return mt::program::run ("swap-bench", [&] { return mt::bench::main (argc, argv); });
}
