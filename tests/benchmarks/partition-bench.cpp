// SPDX-License-Identifier: LGPL-2.1-or-later
// What the cost model of the convolver predicts against what is measured, for the partition that it
// chooses and for others.
#include "dsp/convolver.hpp"
#include "dsp/planner.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <sstream>
#include <stdexcept>

#include <glib.h>
#include <hwy/highway.h>

namespace mt::bench {
namespace {

struct Options {
  std::vector<std::size_t> chunks {480};
  std::vector<std::size_t> batches {1};
  std::vector<double> ir_seconds {0.5, 2.0, 6.0, 10.0};
  std::vector<std::size_t> channels {2};
  std::size_t repeats {5};
  double window_s {40.0};
  bool others {false};
  std::string stages; // partitions of one's own choice
};

/// "10x480 5x960*8, 30x480, 25x960@5": partitions x block, with as many blocks at once as the model
/// likes or as it says, or for the head with so many together.
std::vector<dsp::Partition> parse_partitions (const std::string &text, std::size_t ir_frames)
{
  std::vector<dsp::Partition> partitions;
  std::istringstream list {text};
  for (std::string stages; std::getline (list, stages, ',');) {
    dsp::Partition partition;
    std::size_t offset = 0;
    std::istringstream words {stages};
    for (std::string word; words >> word;) {
      std::size_t count = 0, block = 0, number = 0, together = 1;
      char times = 0, star = 0;
      std::istringstream stage {word};
      stage >> count >> times >> block;
      if (!stage || times != 'x' || count == 0 || block == 0)
        throw std::invalid_argument ("'" + word + "' is not PARTITIONSxBLOCK");
      const std::size_t head = partition.empty () ? block : partition.front ().span_frames ();
      if (block % head != 0 || (!partition.empty () && offset < block))
        throw std::invalid_argument (
            "'" + word + "' begins before its block, or is no multiple of the head");
      const std::size_t length = dsp::transform_length (block, count);
      std::size_t at_once = dsp::best_blocks_at_once (length, count);
      if (stage >> star >> number)
        (star == '@' ? together : at_once) = number;
      if (star != 0 && star != '@' && star != '*')
        throw std::invalid_argument ("'" + word + "' has neither * nor @ behind the block");
      if (offset % head != 0)
        throw std::invalid_argument ("'" + word + "' begins inside a span of the head");
      const std::size_t most = partition.empty () ? dsp::kMaxBlocksTogether : 1;
      if (together == 0 || together > most)
        throw std::invalid_argument (
            "'" + word + "' must have 1 to " + std::to_string (most) + " blocks together");
      partition.push_back ({block, count, offset, length, at_once, together});
      offset += count * block;
    }
    if (offset < ir_frames)
      throw std::invalid_argument ("'" + stages + "' is shorter than the response");
    partitions.push_back (partition);
  }
  return partitions;
}

std::vector<float> make_noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> amplitude {-0.5f, 0.5f};
  std::vector<float> out (samples);
  std::generate (out.begin (), out.end (), [&] { return amplitude (random); });
  return out;
}

/// As on a CPU that has no more than that.
void use_target (const std::string &name)
{
  for (const auto target : hwy::SupportedAndGeneratedTargets ()) {
    if (name == hwy::TargetName (target)) {
      hwy::SetSupportedTargetsForTest (target);
      hwy::GetChosenTarget ().Update (target);
      return;
    }
  }
  throw std::invalid_argument (name + " is no instruction set that this CPU has");
}

/// As parse_partitions() takes them, and the length of the FFT, "s" for spread, "!" for guessed.
std::string text (const dsp::Partition &partition, const dsp::ConvolverPlan &plan)
{
  std::string out;
  for (std::size_t i = 0; i < partition.size (); ++i) {
    const dsp::StageShape &stage = partition[i];
    const bool together = stage.blocks_together > 1;
    out += format ("%s%zux%zu%c%zu/%zu%s%s", out.empty () ? "" : " ", stage.partitions,
        stage.block_frames, together ? '@' : '*',
        together ? stage.blocks_together : stage.blocks_at_once, stage.transform_length,
        plan.stages[i].spread ? "s" : "",
        plan.stages[i].plan_source == dsp::PlanSource::estimated ? "!" : "");
  }
  return out;
}

/// One convolver, fed with noise.
class Case {
public:
  Case (const dsp::ConvolverConfig &config, const dsp::Impulse &ir, const dsp::Partition &partition)
      : chunk_ {config.chunk_frames * config.channels}, convolver_ {config, ir, partition},
        partition_ {partition}, noise_ {make_noise (97 * chunk_, 2)}, io_ (chunk_)
  {}

  void run (std::size_t chunks, bool each)
  {
    for (std::size_t i = 0; i < chunks; ++i) {
      std::copy_n (
          noise_.begin () + static_cast<std::ptrdiff_t> (position_ * chunk_), chunk_, io_.begin ());
      position_ = (position_ + 1) % 97;
      const auto start = each ? thread_cpu_ns () : 0;
      convolver_.process (io_, {1.0f, 1.0f}, {1.0f, 1.0f});
      if (each)
        chunk_us.add (static_cast<double> (thread_cpu_ns () - start) / 1000.0);
    }
  }

  /// CPU time for a frame and channel.
  void measure (std::size_t chunks)
  {
    const auto start = thread_cpu_ns ();
    run (chunks, false);
    ns.add (static_cast<double> (thread_cpu_ns () - start) / static_cast<double> (chunks * chunk_));
  }

  const dsp::Convolver &convolver () const noexcept { return convolver_; }
  const dsp::Partition &partition () const noexcept { return partition_; }
  double predicted_ns {0.0};
  Series ns, chunk_us;

private:
  std::size_t chunk_;
  dsp::Convolver convolver_;
  dsp::Partition partition_;
  std::vector<float> noise_, io_;
  std::size_t position_ {0};
};

void compare (const dsp::ConvolverConfig &config, double seconds, const Options &options)
{
  const auto frames = static_cast<std::size_t> (std::lround (seconds * 48000.0));
  const std::size_t channels = config.channels;
  dsp::Impulse ir {make_noise (frames * channels, 1), channels};
  for (float &sample : ir.samples)
    sample /= std::sqrt (static_cast<float> (frames) / 12.0f);
  const dsp::PartitionRequest request {frames, config.chunk_frames, config.latency_frames,
      config.schedule, channels, channels, channels};
  std::vector<dsp::Partition> partitions {dsp::choose_partition (request)};
  if (options.others) {
    const auto others = dsp::partitions_near (request, 1.25);
    const std::size_t step = std::max<std::size_t> (1, others.size () / 16);
    for (std::size_t i = 0; i < others.size (); i += step)
      partitions.push_back (others[i]);
  }
  if (!options.stages.empty ())
    partitions = parse_partitions (options.stages, frames);

  std::vector<std::unique_ptr<Case>> cases;
  for (const auto &partition : partitions) {
    cases.push_back (std::make_unique<Case> (config, ir, partition));
    cases.back ()->predicted_ns =
        dsp::predicted_ns (partition, request) / static_cast<double> (channels);
    cases.back ()->run (frames / config.chunk_frames + 100, false);
  }
  const auto chunks = static_cast<std::size_t> (
                          options.window_s * 48000.0 / static_cast<double> (config.chunk_frames)) +
      1;
  for (std::size_t repeat = 0; repeat < options.repeats; ++repeat)
    for (auto &each : cases)
      each->measure (chunks);
  for (auto &each : cases) {
    each->run (std::max<std::size_t> (chunks, 2000), true);
    std::printf ("| %zu | %zu | %zu | %g | %s | %s | %.2f | %.2f | %.2f | %.2f | %.1f | %.1f |\n",
        config.chunk_frames, config.latency_frames / config.chunk_frames + 1, channels, seconds,
        config.schedule == dsp::Schedule::spread ? "spread" : "spike",
        text (each->partition (), each->convolver ().plan ()).c_str (), each->predicted_ns,
        each->ns.min (), each->ns.median (), each->predicted_ns / each->ns.min (),
        each->chunk_us.quantile (0.999), each->chunk_us.max ());
    std::fflush (stdout);
  }
}

int run (int argc, char **argv)
{
  g_autofree char *chunks = nullptr, *batches = nullptr, *seconds = nullptr, *channels = nullptr,
                  *target = nullptr, *stages = nullptr;
  gboolean others = FALSE, spike = FALSE, spread = FALSE;
  int core = -1, repeats = 0;
  double window_s = 0.0;
  const GOptionEntry entries[] = {
      {"chunks", 0, 0, G_OPTION_ARG_STRING, &chunks, "Frames of a chunk (480)", "N,..."},
      {"batches", 0, 0, G_OPTION_ARG_STRING, &batches, "Chunks of a batch (1)", "N,..."},
      {"ir", 'i', 0, G_OPTION_ARG_STRING, &seconds, "Lengths of the response (0.5,2,6,10)",
          "SECONDS,..."},
      {"channels", 0, 0, G_OPTION_ARG_STRING, &channels, "Channels (2)", "N,..."},
      {"others", 0, 0, G_OPTION_ARG_NONE, &others, "Measure partitions that cost about the same",
          nullptr},
      {"spike", 0, 0, G_OPTION_ARG_NONE, &spike, "Only this schedule", nullptr},
      {"spread", 0, 0, G_OPTION_ARG_NONE, &spread, "Only this schedule", nullptr},
      {"stages", 0, 0, G_OPTION_ARG_STRING, &stages,
          "Only these, with the head first: \"31x480 36x7680, 25x960@5 …\"; *8 behind a "
          "stage: blocks at once, @5 behind the head: together",
          "LIST"},
      {"window", 0, 0, G_OPTION_ARG_DOUBLE, &window_s, "Seconds of sound in a repeat (40)", "S"},
      {"repeats", 'r', 0, G_OPTION_ARG_INT, &repeats, "Repeats of each case (5)", "N"},
      {"target", 0, 0, G_OPTION_ARG_STRING, &target,
          "AVX3, AVX2, SSE4 or SSSE3 (the best there is)", "NAME"},
      {"core", 'c', 0, G_OPTION_ARG_INT, &core, "Core to run on (the last one)", "N"}, {}};
  program::parse_options (argc, argv, entries, "Predicted and measured cost of partitions.");
  Options options;
  if (chunks)
    options.chunks = parse_counts (chunks);
  if (batches)
    options.batches = parse_counts (batches);
  if (seconds)
    options.ir_seconds = parse_seconds (seconds);
  if (channels)
    options.channels = parse_counts (channels);
  if (repeats > 0)
    options.repeats = static_cast<std::size_t> (repeats);
  if (window_s > 0.0)
    options.window_s = window_s;
  if (stages)
    options.stages = stages;
  options.others = others;
  if (target)
    use_target (target);
  pin_to_core (core);
  dsp::restart_planner (3600.0); // every length is to be as fast as it can be

  std::printf (
      "| chunk | batch | channels | IR s | schedule | partitions x block / FFT | predicted "
      "ns | least | median | ratio | p99.9 µs | max |\n"
      "|--:|--:|--:|--:|---|---|--:|--:|--:|--:|--:|--:|\n");
  for (const auto schedule : {dsp::Schedule::spread, dsp::Schedule::spike}) {
    if (schedule == dsp::Schedule::spread ? spike : spread)
      continue;
    for (const std::size_t count : options.channels)
      for (const std::size_t chunk : options.chunks)
        for (const std::size_t batch : options.batches)
          for (const double length : options.ir_seconds)
            compare ({.channels = count,
                         .chunk_frames = chunk,
                         .latency_frames = (batch - 1) * chunk,
                         .schedule = schedule},
                length, options);
  }
  return 0;
}

} // namespace
} // namespace mt::bench

int main (int argc, char **argv)
{
  return mt::program::run ("partition-bench", [&] { return mt::bench::run (argc, argv); });
}
