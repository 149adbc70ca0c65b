// SPDX-License-Identifier: LGPL-2.1-or-later
// What a mixed chunk costs: trackmixer against audiomixer, as it is and as users have to build it.
//
// F32 stereo 48 kHz, one feeder thread a track, the whole process on one core. CPU time and thread
// switches are those of the process between two chunks that the sink counts, the feeders' own cost
// included; the feeders alone are a row of their own. Systems take turns in every repeat.
#include "feed.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include <gst/controller/controller.h>

namespace mt::bench {
namespace {

constexpr std::size_t kChunkFrames = kRateHz / 100;
constexpr GstClockTime kChunkDuration = 10 * GST_MSECOND;

struct Case {
  std::size_t tracks;
  std::size_t buffer_frames;
  Samples samples;
  TrackFormat format;
};

/// What makes tracks of any format and rate fit audiomixer.
constexpr const char *kConverting = "audioconvert ! audioresample ! audiomixer";

struct Options {
  std::vector<std::size_t> tracks {8, 32, 128};
  std::vector<std::size_t> buffer_frames {480, 1024, 4096};
  std::vector<std::string> systems {"trackmixer", "audiomixer", "multiqueue ! audiomixer"};
  std::size_t repeats {5};
  std::size_t track_chunks {200'000}; // tracks × chunks of one window
  std::vector<Samples> samples {Samples::shared, Samples::own};
  TrackFormat format;
  GstClockTime queue_time {GST_SECOND / 2};
  bool automated {false}; // the volume of every track
};

struct Figures {
  Series ns;       // CPU time a track and frame
  Series switches; // a chunk
};

/// Mixer and queues in a bin, with a pad for each feeder to link to.
class System {
public:
  System (const std::string &name, std::size_t tracks, GstClockTime queue_time);
  ~System ();
  System (const System &) = delete;
  System &operator= (const System &) = delete;

  void link (std::size_t track, GstPad *feeder);
  void link_sink (GstPad *sink);
  /// Each track's volume goes up and down by a control source for so many chunks.
  void automate (std::size_t chunks);
  void set_state (GstState state);
  std::string last_error ();

private:
  GstElement *add (const char *factory);

  GstElement *pipeline_ {gst_pipeline_new (nullptr)};
  GstElement *mixer_ {nullptr};
  GstElement *queues_ {nullptr};
  std::vector<GstElement *> converters_; // the first element of each track's chain
};

GstElement *System::add (const char *factory)
{
  GstElement *element = make_element (factory);
  gst_bin_add (GST_BIN (pipeline_), element);
  return element;
}

System::System (const std::string &name, std::size_t tracks, GstClockTime queue_time)
{
  const bool ours = name == "trackmixer";
  mixer_ = add (ours ? "trackmixer" : "audiomixer");
  g_object_set (mixer_, "output-buffer-duration", kChunkDuration, nullptr);
  if (ours)
    g_object_set (mixer_, "max-size-time", queue_time, nullptr);
  if (name == "multiqueue ! audiomixer") {
    queues_ = add ("multiqueue");
    g_object_set (queues_, "max-size-time", queue_time, "max-size-buffers", 0U, "max-size-bytes",
        0U, nullptr);
  } else if (!ours && name != "audiomixer" && name != kConverting) {
    throw std::invalid_argument ("'" + name + "' is no system that this benchmark knows");
  }
  for (std::size_t track = 0; track < tracks; ++track) {
    GstPad *pad = gst_element_request_pad_simple (mixer_, "sink_%u");
    if (queues_ != nullptr) {
      GstPad *in = gst_element_request_pad_simple (queues_, format ("sink_%zu", track).c_str ());
      GstPad *out = gst_element_get_static_pad (queues_, format ("src_%zu", track).c_str ());
      gst_pad_link (out, pad);
      gst_object_unref (out);
      gst_object_unref (in);
    }
    if (name == kConverting) {
      converters_.push_back (add ("audioconvert"));
      GstElement *resampler = add ("audioresample");
      gst_element_link (converters_.back (), resampler);
      gst_element_link_pads (resampler, "src", mixer_, GST_PAD_NAME (pad));
    }
    gst_object_unref (pad);
  }
}

System::~System ()
{
  gst_element_set_state (pipeline_, GST_STATE_NULL);
  gst_object_unref (pipeline_);
}

void System::link (std::size_t track, GstPad *feeder)
{
  GstElement *first = queues_ != nullptr ? queues_ : mixer_;
  GstPad *pad = converters_.empty ()
      ? gst_element_get_static_pad (first, format ("sink_%zu", track).c_str ())
      : gst_element_get_static_pad (converters_[track], "sink");
  const auto result = pad != nullptr ? gst_pad_link (feeder, pad) : GST_PAD_LINK_WRONG_HIERARCHY;
  if (pad != nullptr)
    gst_object_unref (pad);
  if (result != GST_PAD_LINK_OK)
    throw std::runtime_error (format ("linking track %zu failed", track));
}

void System::link_sink (GstPad *sink)
{
  GstPad *src = gst_element_get_static_pad (mixer_, "src");
  const auto result = gst_pad_link (src, sink);
  gst_object_unref (src);
  if (result != GST_PAD_LINK_OK)
    throw std::runtime_error ("linking the sink failed");
}

/// By little, so that the sum still shows a track that is missing.
constexpr double kAutomatedDip = 1e-3;

void System::automate (std::size_t chunks)
{
  for (GList *item = mixer_->sinkpads; item != nullptr; item = item->next) {
    auto *pad = GST_OBJECT (item->data);
    g_autoptr (GstControlSource) source = gst_interpolation_control_source_new ();
    g_object_set (source, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
    for (std::size_t chunk = 0; chunk <= chunks; chunk += 10)
      gst_timed_value_control_source_set (GST_TIMED_VALUE_CONTROL_SOURCE (source),
          chunk * kChunkDuration, chunk % 20 == 0 ? 1.0 : 1.0 - kAutomatedDip);
    gst_object_add_control_binding (
        pad, gst_direct_control_binding_new_absolute (pad, "volume", source));
  }
}

void System::set_state (GstState state)
{
  if (gst_element_set_state (pipeline_, state) == GST_STATE_CHANGE_FAILURE)
    throw std::runtime_error ("the state change failed: " + last_error ());
}

std::string System::last_error ()
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_);
  return pop_error (bus);
}

/// Track values whose sum is exact in float and shows a missing or doubled track.
float track_value (std::size_t track)
{
  return static_cast<float> (track % 7 + 1) / 8192.0f;
}

float expected_sum (std::size_t tracks)
{
  float sum = 0.0f;
  for (std::size_t track = 0; track < tracks; ++track)
    sum += track_value (track);
  return sum;
}

std::vector<std::unique_ptr<TrackFeeder>> make_feeders (const Case &c)
{
  std::vector<std::unique_ptr<TrackFeeder>> feeders;
  for (std::size_t track = 0; track < c.tracks; ++track)
    feeders.push_back (std::make_unique<TrackFeeder> (
        format ("track-%zu", track), c.buffer_frames, track_value (track), c.samples, c.format));
  return feeders;
}

/// Long against a queue, which may be full at one end of the window and half full at the other.
std::size_t window_chunks (const Case &c, const Options &options)
{
  const auto queue_chunks = static_cast<std::size_t> (options.queue_time / kChunkDuration);
  return std::max (options.track_chunks / c.tracks, 20 * queue_chunks);
}

void measure_system (
    const std::string &name, const Case &c, const Options &options, Figures &figures)
{
  const auto window = window_chunks (c, options);
  // Long enough for every queue to have been full and half empty a few times.
  const auto warmup = std::max<std::size_t> (4 * options.queue_time / kChunkDuration, 100);
  CountingSink sink {warmup, window, kChunkFrames};
  auto feeders = make_feeders (c);
  {
    System system {name, c.tracks, options.queue_time};
    for (std::size_t track = 0; track < c.tracks; ++track)
      system.link (track, feeders[track]->pad ());
    system.link_sink (sink.pad ());
    if (options.automated)
      system.automate (warmup + window);
    system.set_state (GST_STATE_PLAYING);
    for (auto &feeder : feeders)
      feeder->start ();
    const bool complete = sink.wait (300);
    const auto error = complete ? std::string {} : system.last_error ();
    system.set_state (GST_STATE_NULL);
    for (auto &feeder : feeders)
      feeder->join ();
    if (!complete)
      throw std::runtime_error (name + " did not finish within 300 s: " + error);
  }
  if (sink.odd_chunks () != 0)
    throw std::runtime_error (format (
        "%s: %zu chunks are not %zu frames long", name.c_str (), sink.odd_chunks (), kChunkFrames));
  // A resampler's filter gives a constant back to within its own ripple.
  const float tolerance =
      c.format.rate_hz == kRateHz && !options.automated ? 1e-5f : 1e-3f * expected_sum (c.tracks);
  if (std::abs (sink.last_value () - expected_sum (c.tracks)) > tolerance)
    throw std::runtime_error (format ("%s: the mix is %g where the tracks sum up to %g",
        name.c_str (), static_cast<double> (sink.last_value ()),
        static_cast<double> (expected_sum (c.tracks))));
  const auto used = sink.used ();
  figures.ns.add (
      static_cast<double> (used.cpu_ns) / static_cast<double> (c.tracks * window * kChunkFrames));
  figures.switches.add (static_cast<double> (used.switches) / static_cast<double> (window));
}

/// Every feeder pushes into a pad that does nothing. Starting the threads and making the first
/// buffers is in the figure, so it takes ten times the frames of a window.
void measure_feeders (const Case &c, const Options &options, Figures &figures)
{
  const auto frames = 10 * window_chunks (c, options) * kChunkFrames;
  const auto window = std::max<std::size_t> (frames / c.buffer_frames, 1);
  std::vector<std::unique_ptr<CountingSink>> sinks;
  auto feeders = make_feeders (c);
  for (auto &feeder : feeders) {
    sinks.push_back (std::make_unique<CountingSink> (1, window, c.buffer_frames, c.format));
    gst_pad_link (feeder->pad (), sinks.back ()->pad ());
  }
  const auto begin = Usage::now ();
  for (auto &feeder : feeders)
    feeder->start ();
  for (auto &feeder : feeders)
    feeder->join ();
  const auto used = Usage::now () - begin;
  figures.ns.add (static_cast<double> (used.cpu_ns) /
      static_cast<double> (c.tracks * (window + 1) * c.buffer_frames));
  const auto chunks = static_cast<double> (frames) / static_cast<double> (kChunkFrames);
  figures.switches.add (static_cast<double> (used.switches) / chunks);
}

/// The sum itself in the least code: chunks of `tracks` queues, one after the other, added up.
void measure_summing (const Case &c, const Options &options, Figures &figures)
{
  const auto queue_chunks = static_cast<std::size_t> (options.queue_time / kChunkDuration);
  const auto places = c.samples == Samples::own ? queue_chunks : 1;
  constexpr std::size_t kChunkSamples = kChunkFrames * kChannels;
  std::vector<std::vector<float>> queues;
  for (std::size_t track = 0; track < c.tracks; ++track)
    queues.emplace_back (places * kChunkSamples, track_value (track));
  std::vector<float> mix (kChunkSamples);

  const auto window = window_chunks (c, options);
  const auto begin = Usage::now ();
  for (std::size_t chunk = 0; chunk < window; ++chunk) {
    std::fill (mix.begin (), mix.end (), 0.0f);
    for (const auto &queue : queues) {
      const float *in = queue.data () + chunk % places * kChunkSamples;
      for (std::size_t i = 0; i < kChunkSamples; ++i)
        mix[i] += in[i];
    }
  }
  const auto used = Usage::now () - begin;
  if (std::abs (mix.back () - expected_sum (c.tracks)) > 1e-5f)
    throw std::logic_error ("the plain sum is wrong");
  figures.ns.add (
      static_cast<double> (used.cpu_ns) / static_cast<double> (c.tracks * window * kChunkFrames));
}

void run_case (const Case &c, const Options &options, Summary &summary)
{
  std::vector<Figures> figures (options.systems.size ());
  Figures feeders, summing;
  const char *samples = c.samples == Samples::own ? "own" : "shared";
  for (std::size_t repeat = 0; repeat < options.repeats; ++repeat) {
    progress (format ("mixer: %zu tracks, %zu frames, %s samples, repeat %zu of %zu", c.tracks,
        c.buffer_frames, samples, repeat + 1, options.repeats));
    for (std::size_t i = 0; i < options.systems.size (); ++i)
      measure_system (options.systems[i], c, options, figures[i]);
    measure_feeders (c, options, feeders);
    measure_summing (c, options, summing);
  }
  progress ("");

  const auto head = format ("| %zu | %zu | %s |", c.tracks, c.buffer_frames, samples);
  for (std::size_t i = 0; i < figures.size (); ++i) {
    std::printf ("%s `%s` | %s | %s | %.1f |\n", head.c_str (), options.systems[i].c_str (),
        figures[i].ns.text (2).c_str (), figures[i].switches.text (2).c_str (),
        figures[i].ns.median () / figures[0].ns.median ());
    if (i > 0 && options.systems[0] == "trackmixer")
      summary.add (
          format ("mix of %zu tracks%s, inputs of %zu frames, %s samples", c.tracks,
              c.format.rate_hz == kRateHz ? "" : format (" at %zu Hz", c.format.rate_hz).c_str (),
              c.buffer_frames, samples),
          "ns", figures[0].ns, '`' + options.systems[i] + '`', figures[i].ns);
  }
  std::printf ("%s feeders alone | %s | | |\n", head.c_str (), feeders.ns.text (2).c_str ());
  std::printf ("%s summing alone | %s | | |\n", head.c_str (), summing.ns.text (2).c_str ());
  std::fflush (stdout);
}

std::vector<Samples> parse_samples (const std::string &list)
{
  std::vector<Samples> values;
  for (const auto &part : split (list)) {
    if (part != "shared" && part != "own")
      throw std::invalid_argument ("'" + part + "' is neither 'shared' nor 'own'");
    values.push_back (part == "own" ? Samples::own : Samples::shared);
  }
  return values;
}

int run (int argc, char **argv)
{
  gboolean quick = FALSE;
  gboolean s16 = FALSE, automated = FALSE;
  int core = -1, repeats = 0, queue_ms = 500, rate_hz = kRateHz;
  g_autofree char *tracks = nullptr, *frames = nullptr, *systems = nullptr, *samples = nullptr,
                  *summary_path = nullptr;
  const GOptionEntry entries[] = {
      {"quick", 'q', 0, G_OPTION_ARG_NONE, &quick, "Fewer repeats and cases", nullptr},
      {"tracks", 't', 0, G_OPTION_ARG_STRING, &tracks, "Numbers of tracks (8,32,128)", "LIST"},
      {"frames", 'f', 0, G_OPTION_ARG_STRING, &frames, "Frames an input buffer (480,1024,4096)",
          "LIST"},
      {"systems", 's', 0, G_OPTION_ARG_STRING, &systems,
          "trackmixer,audiomixer,multiqueue ! audiomixer,audioconvert ! audioresample ! "
          "audiomixer; "
          "the first is what the others are related to",
          "LIST"},
      {"s16", 0, 0, G_OPTION_ARG_NONE, &s16, "Tracks of 16-bit integers instead of F32", nullptr},
      {"automated", 0, 0, G_OPTION_ARG_NONE, &automated,
          "The volume of every track follows a control source", nullptr},
      {"rate", 0, 0, G_OPTION_ARG_INT, &rate_hz, "Rate of the tracks; the mix has 48000 Hz", "HZ"},
      {"queue-ms", 0, 0, G_OPTION_ARG_INT, &queue_ms, "Length of the queues (500)", "MS"},
      {"samples", 0, 0, G_OPTION_ARG_STRING, &samples,
          "shared (by all buffers of a track: all peers read from the cache) or own (each "
          "buffer's: "
          "what was queued comes from memory); default both",
          "LIST"},
      {"repeats", 'r', 0, G_OPTION_ARG_INT, &repeats, "Repeats of each case (5)", "N"},
      {"core", 'c', 0, G_OPTION_ARG_INT, &core, "Core to run on (the last one)", "N"},
      {"summary", 0, 0, G_OPTION_ARG_FILENAME, &summary_path, "Append ratios to FILE", "FILE"}, {}};
  program::parse_options (argc, argv, entries, "What a mixed chunk costs.");

  Options options;
  if (quick) {
    options.repeats = 3;
    options.track_chunks = 60'000;
    options.buffer_frames = {1024};
  }
  if (tracks != nullptr)
    options.tracks = parse_counts (tracks);
  if (frames != nullptr)
    options.buffer_frames = parse_counts (frames);
  if (systems != nullptr)
    options.systems = split (systems);
  if (samples != nullptr)
    options.samples = parse_samples (samples);
  if (repeats > 0)
    options.repeats = static_cast<std::size_t> (repeats);
  if (queue_ms <= 0)
    throw std::invalid_argument ("--queue-ms must be more than 0");
  options.queue_time = static_cast<GstClockTime> (queue_ms) * GST_MSECOND;
  if (rate_hz < 1000 || rate_hz > 768000)
    throw std::invalid_argument ("--rate must be 1000 to 768000");
  options.format = {s16 != FALSE, static_cast<std::size_t> (rate_hz)};
  if ((s16 || rate_hz != static_cast<int> (kRateHz)) && systems == nullptr)
    options.systems = {"trackmixer", kConverting};
  options.automated = automated != FALSE;
  core = pin_to_core (core);
  Summary summary {summary_path};

  std::printf (
      "### Mixer%s%s\n\nTracks in %s stereo %d Hz, the mix in F32 at 48 kHz, chunks of 10 ms, "
      "queues "
      "of %d ms, one feeder thread a track, all on core %d; median (min..max) of %zu repeats.\n\n",
      options.format.is_s16 || rate_hz != static_cast<int> (kRateHz) ? ", converting" : "",
      automated ? ", volumes automated" : "", s16 ? "S16" : "F32", rate_hz, queue_ms, core,
      options.repeats);
  std::printf ("| tracks | frames an input | samples | system | CPU ns a track and frame | "
               "thread switches a chunk | × %s |\n|--:|--:|---|---|--:|--:|--:|\n",
      options.systems[0].c_str ());
  for (std::size_t track_count : options.tracks)
    for (std::size_t buffer_frames : options.buffer_frames)
      for (Samples whose : options.samples)
        run_case ({track_count, buffer_frames, whose, options.format}, options, summary);
  std::printf ("\n");
  return 0;
}

} // namespace
} // namespace mt::bench

int main (int argc, char **argv)
{
  return mt::program::run ("mixer-bench", [&] { return mt::bench::run (argc, argv); });
}
