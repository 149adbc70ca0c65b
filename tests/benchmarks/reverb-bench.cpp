// SPDX-License-Identifier: LGPL-2.1-or-later
// What convolving a chunk costs: our engine and element against zita-convolver and audiofirfilter.
//
// Stereo 48 kHz in chunks of 480 frames, the whole process on one core. The mean is CPU time of the
// process, threads of the peer included; the times of single chunks are CPU time of the thread that
// calls. Every subject is first held against a direct convolution, so that none is fast because it
// does something else. Subjects take turns in every repeat.
#include "convolvers.hpp"
#include "dsp/planner.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <stdexcept>
#include <unistd.h>

#include <gst/gst.h>

namespace mt::bench {
namespace {

constexpr double kRate = 48'000.0;
constexpr std::size_t kBatchChunks = 10;
constexpr std::size_t kRingChunks = 97; // of noise that is fed again and again
constexpr std::size_t kWarmupChunks = 200;

struct Options {
  std::vector<std::string> systems {
      "convreverb", "convreverb-batch", "engine", "engine-batch", "zita", "audiofirfilter"};
  std::vector<double> ir_seconds {0.1, 0.5, 2.0, 6.0};
  std::size_t repeats {7};
  std::size_t window_chunks {10'800}; // a multiple of audiofirfilter's block at 2 and 6 s
};

struct Entry {
  std::string key;           // on the command line
  std::string name;          // in the table
  std::string added_latency; // as text, for the table
  bool has_dry {false};      // the input is in the output as well, at gain 1
  bool left_only {false};    // both channels are convolved with the left response
  std::unique_ptr<Subject> subject;
  Series ns;       // CPU time of the process a sample and channel
  Series chunk_us; // CPU time of the caller, each chunk
};

/// A folder that goes with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder ()
      : path_ {std::filesystem::temp_directory_path () /
            format ("reverb-bench-%d", static_cast<int> (getpid ()))}
  {
    std::filesystem::create_directories (path_);
  }
  ~TemporaryFolder ()
  {
    std::error_code ignored;
    std::filesystem::remove_all (path_, ignored);
  }
  TemporaryFolder (const TemporaryFolder &) = delete;
  TemporaryFolder &operator= (const TemporaryFolder &) = delete;
  const std::filesystem::path &path () const noexcept { return path_; }

private:
  std::filesystem::path path_;
};

std::vector<float> make_noise (std::size_t frames, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> amplitude {-0.5f, 0.5f};
  std::vector<float> samples (frames * kStereo);
  std::generate (samples.begin (), samples.end (), [&] { return amplitude (random); });
  return samples;
}

/// Noise that falls by 60 dB to its end, at an energy of 1.
Response make_response (double seconds, const std::filesystem::path &folder)
{
  const auto frames = static_cast<std::size_t> (std::lround (seconds * kRate));
  Response ir {make_noise (frames, 1), (folder / format ("ir-%g.wav", seconds)).string ()};
  double energy = 0.0;
  for (std::size_t i = 0; i < ir.samples.size (); ++i) {
    const auto position = static_cast<double> (i / kStereo) / static_cast<double> (frames);
    ir.samples[i] *= static_cast<float> (std::pow (10.0, -3.0 * position));
    energy += static_cast<double> (ir.samples[i]) * static_cast<double> (ir.samples[i]);
  }
  for (auto &sample : ir.samples)
    sample /= static_cast<float> (std::sqrt (energy / kStereo));
  write_wav (ir.samples, ir.wav_path);
  return ir;
}

/// One output sample by the definition, in double.
double direct (const Entry &entry, const Response &ir, const std::vector<float> &in,
    std::size_t frame, std::size_t channel)
{
  const auto taps = std::min (ir.frames (), frame + 1);
  const auto ir_channel = entry.left_only ? 0 : channel;
  double sum = entry.has_dry ? static_cast<double> (in[frame * kStereo + channel]) : 0.0;
  for (std::size_t k = 0; k < taps; ++k)
    sum += static_cast<double> (ir.samples[k * kStereo + ir_channel]) *
        static_cast<double> (in[(frame - k) * kStereo + channel]);
  return sum;
}

/// Throws unless the subject's output is a convolution, whatever its delay is of those known here.
void verify (Entry &entry, const Response &ir)
{
  // audiofirfilter says nothing before it has about four times the kernel.
  const auto chunks = 5 * ir.frames () / kBlockFrames + 200;
  const auto in = make_noise (chunks * kBlockFrames, 2);
  std::vector<float> out;
  out.reserve (in.size () + 10 * kBlockFrames * kStereo);
  entry.subject->collect_into (&out);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk)
    entry.subject->process (in.data () + chunk * kBlockFrames * kStereo);
  entry.subject->collect_into (nullptr);

  const auto frames = out.size () / kStereo;
  constexpr std::size_t kLongestDelay = (kBatchChunks - 1) * kBlockFrames;
  if (frames < ir.frames () + kLongestDelay)
    throw std::runtime_error (format ("%s: only %zu frames came out", entry.name.c_str (), frames));
  double best = 1e9;
  for (const std::size_t delay : {std::size_t {0}, kBlockFrames, kLongestDelay}) {
    std::mt19937 random {3};
    std::uniform_int_distribution<std::size_t> place {kLongestDelay, frames - 1};
    double error = 0.0, energy = 0.0;
    for (int probe = 0; probe < 24; ++probe) {
      const auto frame = place (random);
      const std::size_t channel = probe % kStereo;
      const auto expected = direct (entry, ir, in, frame - delay, channel);
      error += std::pow (static_cast<double> (out[frame * kStereo + channel]) - expected, 2.0);
      energy += expected * expected;
    }
    best = std::min (best, 10.0 * std::log10 (error / energy + 1e-30));
  }
  if (best > -90.0)
    throw std::runtime_error (format (
        "%s is no convolution: %.1f dB away from the direct one", entry.name.c_str (), best));
}

void measure (Entry &entry, const std::vector<float> &noise, std::size_t window)
{
  std::size_t position = 0;
  const auto next = [&] {
    const auto *chunk = noise.data () + position * kBlockFrames * kStereo;
    position = (position + 1) % kRingChunks;
    return chunk;
  };
  for (std::size_t i = 0; i < kWarmupChunks; ++i)
    entry.subject->process (next ());

  const auto begin = Usage::now ();
  for (std::size_t i = 0; i < window; ++i)
    entry.subject->process (next ());
  const auto used = Usage::now () - begin;
  entry.ns.add (
      static_cast<double> (used.cpu_ns) / static_cast<double> (window * kBlockFrames * kStereo));

  for (std::size_t i = 0; i < window; ++i) {
    const auto *chunk = next ();
    const auto start = thread_cpu_ns ();
    entry.subject->process (chunk);
    entry.chunk_us.add (static_cast<double> (thread_cpu_ns () - start) / 1000.0);
  }
}

Entry make_entry (const std::string &key, const Response &ir)
{
  const auto batch = format ("%zu", (kBatchChunks - 1) * kBlockFrames);
  if (key == "convreverb")
    return {key, "`convreverb`", "0", true, false, make_convreverb (ir, 1)};
  if (key == "convreverb-batch")
    return {
        key, "`convreverb`, batch of 10", batch, true, false, make_convreverb (ir, kBatchChunks)};
  if (key == "engine")
    return {key, "engine alone", "0", true, false, make_engine (ir, 1)};
  if (key == "engine-batch")
    return {key, "engine alone, batch of 10", batch, true, false, make_engine (ir, kBatchChunks)};
  if (key == "zita")
    return {key, "zita-convolver", "480", false, false, make_zita (ir)};
  if (key == "audiofirfilter")
    return {key, "`audiofirfilter`", format ("%zu", 3 * ir.frames ()), false, true,
        make_audiofirfilter (ir)};
  throw std::invalid_argument ("'" + key + "' is no system that this benchmark knows");
}

void run_length (
    double seconds, const Options &options, const std::filesystem::path &folder, Summary &summary)
{
  progress (format ("reverb: %g s, planning", seconds));
  const auto ir = make_response (seconds, folder);
  std::vector<Entry> entries;
  for (const auto &key : options.systems) {
    entries.push_back (make_entry (key, ir));
    verify (entries.back (), ir);
  }
  const auto noise = make_noise (kRingChunks * kBlockFrames, 4);
  for (std::size_t repeat = 0; repeat < options.repeats; ++repeat) {
    progress (format ("reverb: %g s, repeat %zu of %zu", seconds, repeat + 1, options.repeats));
    for (auto &entry : entries)
      measure (entry, noise, options.window_chunks);
  }
  progress ("");

  for (const auto &entry : entries)
    std::printf ("| %g | %s | %s | %s | %.1f | %.1f | %.1f | %.1f | %.2f |\n", seconds,
        entry.name.c_str (), entry.added_latency.c_str (), entry.ns.text (2).c_str (),
        entry.chunk_us.mean (), entry.chunk_us.median (), entry.chunk_us.quantile (0.999),
        entry.chunk_us.max (), entry.ns.median () / entries[0].ns.median ());
  std::fflush (stdout);

  const auto compare = [&] (const char *ours, const char *peer) {
    const auto find = [&] (const char *key) {
      return std::find_if (
          entries.begin (), entries.end (), [&] (const Entry &entry) { return entry.key == key; });
    };
    const auto a = find (ours), b = find (peer);
    if (a != entries.end () && b != entries.end ())
      summary.add (
          format ("reverb of %g s, %s", seconds, a->name.c_str ()), "ns", a->ns, b->name, b->ns);
  };
  compare ("convreverb", "zita");
  compare ("convreverb", "audiofirfilter");
  compare ("engine", "zita");
  compare ("convreverb-batch", "convreverb");
  compare ("engine-batch", "engine");
}

int run (int argc, char **argv)
{
  gboolean quick = FALSE;
  int core = -1, repeats = 0;
  g_autofree char *seconds = nullptr, *systems = nullptr, *summary_path = nullptr;
  const GOptionEntry entries[] = {
      {"quick", 'q', 0, G_OPTION_ARG_NONE, &quick, "Fewer repeats and cases", nullptr},
      {"ir", 'i', 0, G_OPTION_ARG_STRING, &seconds, "Lengths of the response (0.1,0.5,2,6)",
          "SECONDS,..."},
      {"systems", 's', 0, G_OPTION_ARG_STRING, &systems,
          "convreverb,convreverb-batch,engine,engine-batch,zita,audiofirfilter; the first is what "
          "the "
          "others are related to",
          "LIST"},
      {"repeats", 'r', 0, G_OPTION_ARG_INT, &repeats, "Repeats of each case (7)", "N"},
      {"core", 'c', 0, G_OPTION_ARG_INT, &core, "Core to run on (the last one)", "N"},
      {"summary", 0, 0, G_OPTION_ARG_FILENAME, &summary_path, "Append ratios to FILE", "FILE"}, {}};
  program::parse_options (argc, argv, entries, "What convolving a chunk costs.");

  Options options;
  if (quick) {
    options.repeats = 3;
    options.window_chunks = 3'600;
    options.ir_seconds = {0.5, 2.0};
  }
  if (seconds != nullptr)
    options.ir_seconds = parse_seconds (seconds);
  if (systems != nullptr)
    options.systems = split (systems);
  if (repeats > 0)
    options.repeats = static_cast<std::size_t> (repeats);
  core = pin_to_core (core);
  Summary summary {summary_path};
  const TemporaryFolder folder;

  std::printf (
      "### Reverb\n\nStereo 48 kHz in chunks of 480 frames (10 ms), all on core %d; median "
      "(min..max) of %zu repeats.\n\n",
      core, options.repeats);
  std::printf ("| IR s | system | added latency, frames | CPU ns a sample and channel | chunk µs: "
               "mean | p50 | p99.9 | max | × %s |\n"
               "|--:|---|--:|--:|--:|--:|--:|--:|--:|\n",
      options.systems[0].c_str ());
  for (double length : options.ir_seconds)
    run_length (length, options, folder.path (), summary);
  std::printf ("\n");
  return 0;
}

} // namespace
} // namespace mt::bench

int main (int argc, char **argv)
{
  return mt::program::run ("reverb-bench", [&] { return mt::bench::run (argc, argv); });
}
