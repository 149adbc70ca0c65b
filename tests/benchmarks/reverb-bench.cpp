// SPDX-License-Identifier: LGPL-2.1-or-later
// What convolving a chunk costs: our engine and element against zita-convolver and audiofirfilter.
//
// For each length of response, length of chunk and number of channels: every system in a process of
// its own, all on one core, taking turns in every repeat. The mean is CPU time of the process,
// threads of the peer included; the times of single chunks are CPU time of the thread that calls.
// Every system is first held against a direct convolution, so that none is fast because it does
// something else.
#include "convolverworker.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <unistd.h>

#include <gst/gst.h>

namespace mt::bench {
namespace {

constexpr double kRate = 48'000.0;

struct Options {
  std::vector<std::string> systems {"convreverb", "convreverb:1:spike", "convreverb:10",
      "convreverb:offline", "engine", "engine:10", "zita", "audiofirfilter"};
  std::vector<double> ir_seconds {0.1, 0.5, 2.0, 6.0, 10.0};
  std::vector<std::size_t> frames {480};
  std::vector<std::size_t> channels {2};
  std::size_t repeats {5};
  double seconds {108.0}; // of sound in a repeat: whole blocks of audiofirfilter at 2 and 6 s
};

struct Entry {
  System system;
  std::unique_ptr<Worker> worker;
  Series ns;       // CPU time of the process a sample and channel
  Series chunk_us; // CPU time of the caller, each chunk
};

/// FFTW's knowledge of this run, so that it does not depend on the user's earlier ones.
class TemporaryCache {
public:
  TemporaryCache ()
      : path_ {std::filesystem::temp_directory_path () /
            format ("reverb-bench-%d", static_cast<int> (getpid ()))}
  {
    std::filesystem::create_directories (path_);
    setenv ("XDG_CACHE_HOME", path_.c_str (), 1);
  }
  ~TemporaryCache ()
  {
    std::error_code ignored;
    std::filesystem::remove_all (path_, ignored);
  }
  TemporaryCache (const TemporaryCache &) = delete;
  TemporaryCache &operator= (const TemporaryCache &) = delete;

private:
  std::filesystem::path path_;
};

/// Noise that falls by 60 dB to its end, at an energy of 1.
dsp::Impulse make_response (double seconds, std::size_t channels)
{
  const auto frames = static_cast<std::size_t> (std::lround (seconds * kRate));
  std::mt19937 random {1};
  std::uniform_real_distribution<float> amplitude {-0.5f, 0.5f};
  dsp::Impulse ir {std::vector<float> (frames * channels), channels};
  for (std::size_t i = 0; i < ir.samples.size (); ++i) {
    const auto position = static_cast<double> (i / channels) / static_cast<double> (frames);
    ir.samples[i] = amplitude (random) * static_cast<float> (std::pow (10.0, -3.0 * position));
  }
  dsp::normalize (ir, dsp::Normalize::energy);
  return ir;
}

/// One line of figures for each system, for people and for programs.
class Report {
public:
  Report (const char *csv_path, std::string title) : title_ {std::move (title)}
  {
    if (csv_path == nullptr)
      return;
    const bool begun = std::filesystem::exists (csv_path);
    csv_.open (csv_path, std::ios::app);
    if (!csv_)
      throw std::runtime_error (format ("cannot write to %s", csv_path));
    if (!begun)
      csv_ << "title,ir_s,chunk_frames,channels,system,batch_chunks,schedule,added_latency_frames,"
              "difference_db,cpu_ns,cpu_ns_min,cpu_ns_max,chunk_us_mean,chunk_us_p50,"
              "chunk_us_p99_9,chunk_us_max,repeats,seconds\n";
  }

  static void head (const std::string &first)
  {
    std::printf ("| IR s | chunk | channels | system | added latency, frames | difference dB | CPU "
                 "ns a sample and channel | chunk µs: mean | p50 | p99.9 | max | × %s |\n"
                 "|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        first.c_str ());
  }

  void row (double ir_s, const Shape &shape, std::size_t ir_frames, const Entry &entry,
      const Entry &first, const Options &options)
  {
    const auto latency = entry.system.added_latency_frames (shape, ir_frames);
    const auto &us = entry.chunk_us;
    std::printf ("| %g | %zu | %zu | %s | %zu | %.0f | %s | %.1f | %.1f | %.1f | %.1f | %.2f |\n",
        ir_s, shape.frames, shape.channels, entry.system.name ().c_str (), latency,
        entry.worker->accuracy_db (), entry.ns.text (2).c_str (), us.mean (), us.median (),
        us.quantile (0.999), us.max (), entry.ns.median () / first.ns.median ());
    std::fflush (stdout);
    if (!csv_.is_open ())
      return;
    const bool spread = entry.system.manner.schedule == dsp::Schedule::spread;
    csv_ << format ("%s,%g,%zu,%zu,%s,%zu,%s,%zu,%.1f,%.4f,%.4f,%.4f,%.3f,%.3f,%.3f,%.3f,%zu,%g\n",
        title_.c_str (), ir_s, shape.frames, shape.channels, entry.system.kind.c_str (),
        entry.system.manner.batch_chunks, spread ? "spread" : "spike", latency,
        entry.worker->accuracy_db (), entry.ns.median (), entry.ns.min (), entry.ns.max (),
        us.mean (), us.median (), us.quantile (0.999), us.max (), options.repeats, options.seconds);
    csv_.flush ();
  }

private:
  std::string title_; // without a comma
  std::ofstream csv_;
};

void run_case (
    double ir_s, const Shape &shape, const Options &options, Report &report, Summary &summary)
{
  const auto what =
      format ("reverb: %g s, chunks of %zu, %zu channels", ir_s, shape.frames, shape.channels);
  const auto ir = make_response (ir_s, shape.channels);
  std::vector<Entry> entries;
  for (const auto &key : options.systems) {
    progress (what + ", planning " + key);
    auto system = System::parse (key, shape);
    // Its block is four times the response; a minute of sound would be all or nothing.
    if (system.kind == "audiofirfilter" && ir_s > 6.0)
      continue;
    const auto is_same = [&] (const Entry &entry) {
      return entry.system.kind == system.kind &&
          entry.system.manner.batch_chunks == system.manner.batch_chunks &&
          entry.system.manner.schedule == system.manner.schedule;
    };
    if (std::any_of (entries.begin (), entries.end (), is_same)) // a batch cut to a second
      continue;
    auto worker = std::make_unique<Worker> (system, shape, ir);
    entries.push_back ({std::move (system), std::move (worker), {}, {}});
  }
  const auto chunks =
      static_cast<std::size_t> (options.seconds * kRate / static_cast<double> (shape.frames) + 0.5);
  for (std::size_t repeat = 0; repeat < options.repeats; ++repeat) {
    progress (what + format (", repeat %zu of %zu", repeat + 1, options.repeats));
    for (auto &entry : entries) {
      const auto turn = entry.worker->measure (chunks);
      entry.ns.add (turn.cpu_ns);
      for (const float us : turn.chunk_us)
        entry.chunk_us.add (static_cast<double> (us));
    }
  }
  progress ("");
  for (const auto &entry : entries)
    report.row (ir_s, shape, ir.frames (), entry, entries[0], options);

  const auto compare = [&] (const char *ours, const char *peer) {
    const auto find = [&] (const char *key) {
      return std::find_if (entries.begin (), entries.end (),
          [&] (const Entry &entry) { return entry.system.key == key; });
    };
    const auto a = find (ours), b = find (peer);
    if (a != entries.end () && b != entries.end ())
      summary.add (format ("reverb of %g s, %s", ir_s, a->system.name ().c_str ()), "ns", a->ns,
          b->system.name (), b->ns);
  };
  compare ("convreverb", "zita");
  compare ("convreverb", "audiofirfilter");
  compare ("engine", "zita");
  compare ("convreverb:10", "zita");
  compare ("convreverb:10", "convreverb");
}

/// What the host adds to single chunks: the times of a loop that always does the same, for about
/// 10 µs. Interrupts, and what a host of virtual machines takes for itself, count as the thread's.
void print_host ()
{
  constexpr std::size_t kTimes = 20'000;
  constexpr double kWantedUs = 10.0;
  std::size_t additions = 2'000;
  const auto take = [&] {
    Series us;
    for (std::size_t n = 0; n < kTimes; ++n) {
      const std::int64_t begin = thread_cpu_ns ();
      volatile float sum = 0.0f;
      for (std::size_t i = 0; i < additions; ++i)
        sum = sum + 1.0f;
      us.add (static_cast<double> (thread_cpu_ns () - begin) / 1000.0);
    }
    return us;
  };
  additions = static_cast<std::size_t> (
      static_cast<double> (additions) * kWantedUs / std::max (take ().median (), 0.1));
  const Series us = take ();
  std::printf ("\nThe host alone, a loop of additions: p50 %.1f µs, p99.9 %.1f µs, max %.1f µs.\n",
      us.median (), us.quantile (0.999), us.max ());
}

int run (int argc, char **argv)
{
  gboolean quick = FALSE;
  int core = -1, repeats = 0;
  double length = 0.0;
  g_autofree char *seconds = nullptr, *frames = nullptr, *channels = nullptr, *systems = nullptr,
                  *summary_path = nullptr, *csv_path = nullptr, *title = nullptr;
  const GOptionEntry entries[] = {
      {"quick", 'q', 0, G_OPTION_ARG_NONE, &quick, "Fewer repeats and shorter", nullptr},
      {"ir", 'i', 0, G_OPTION_ARG_STRING, &seconds, "Lengths of the response (0.1,0.5,2,6,10)",
          "SECONDS,..."},
      {"frames", 'f', 0, G_OPTION_ARG_STRING, &frames, "Lengths of the chunk (480)", "N,..."},
      {"channels", 0, 0, G_OPTION_ARG_STRING, &channels, "Numbers of channels (2)", "N,..."},
      {"systems", 's', 0, G_OPTION_ARG_STRING, &systems,
          "engine, convreverb, zita, audiofirfilter; the first is what the others are related to",
          "LIST"},
      {"repeats", 'r', 0, G_OPTION_ARG_INT, &repeats, "Repeats of each case (5)", "N"},
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &length, "Sound in a repeat (108)", "SECONDS"},
      {"core", 'c', 0, G_OPTION_ARG_INT, &core, "Core to run on (the last one)", "N"},
      {"title", 't', 0, G_OPTION_ARG_STRING, &title, "Heading of the table", "TEXT"},
      {"csv", 0, 0, G_OPTION_ARG_FILENAME, &csv_path, "Append all figures to FILE", "FILE"},
      {"summary", 0, 0, G_OPTION_ARG_FILENAME, &summary_path, "Append ratios to FILE", "FILE"}, {}};
  program::parse_options (argc, argv, entries, "What convolving a chunk costs.",
      "engine:10 and convreverb:10 are batches of ten chunks, :offline of a second; :1:spike is "
      "the "
      "other schedule.");

  Options options;
  if (quick) {
    options.repeats = 3;
    options.seconds = 36.0;
  }
  if (seconds != nullptr)
    options.ir_seconds = parse_seconds (seconds);
  if (frames != nullptr)
    options.frames = parse_counts (frames);
  if (channels != nullptr)
    options.channels = parse_counts (channels);
  if (systems != nullptr)
    options.systems = split (systems);
  if (repeats > 0)
    options.repeats = static_cast<std::size_t> (repeats);
  if (length > 0.0)
    options.seconds = length;
  for (const auto &key : options.systems)
    System::parse (key, {});
  core = pin_to_core (core);
  Summary summary {summary_path};
  Report report {csv_path, title != nullptr ? title : "Reverb"};
  const TemporaryCache cache;

  std::printf ("#### %s\n\n48 kHz, %g s of noise, all on core %d; median (min..max) of %zu "
               "repeats.\n\n",
      title != nullptr ? title : "Reverb", options.seconds, core, options.repeats);
  Report::head (System::parse (options.systems.at (0), {}).name ());
  for (const double ir_s : options.ir_seconds)
    for (const std::size_t chunk : options.frames)
      for (const std::size_t count : options.channels)
        run_case (ir_s, {chunk, count}, options, report, summary);
  print_host ();
  std::printf ("\n");
  return 0;
}

} // namespace
} // namespace mt::bench

int main (int argc, char **argv)
{
  return mt::program::run ("reverb-bench", [&] { return mt::bench::run (argc, argv); });
}
