// SPDX-License-Identifier: LGPL-2.1-or-later
// The cost model of the convolver and the search for the cheapest partition.
#include "dsp/partition.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "dsp/spectrum.hpp"

namespace mt::dsp {
namespace {

constexpr std::size_t kMinBlock = 16;
constexpr std::size_t kMaxBlock = 65536;
constexpr std::size_t kMaxHeads = 16; // into which a chunk is cut

// Measured in the engine, on one core of an AMD EPYC: docs/decisions/0009-partitions.md. Zen 4, but
// for what is about 4096 and about blocks together, which is Zen 5 in proportion.

/// ns a bin of one FFT of 2^i bins, i = 4 …, with what is done to its samples before or after.
constexpr std::array kTransformNs {
    1.6, 1.2, 1.05, 1.0, 0.98, 1.0, 1.1, 1.25, 1.6, 2.0, 2.4, 2.7, 3.0};
/// Other lengths between 288 and 3839 take that much more a bin than powers of two.
constexpr double kOddFactor = 1.35;
/// And 4096 that much less than those around it.
constexpr double k4096Factor = 0.87;
/// And lengths that FFTW is not done with timing in what a start may take for it, so it guesses.
constexpr double kGuessedFactor = 1.7;
constexpr double kTransformFixedNs = 25.0;

constexpr std::size_t kUsualPartitions = 20; // of a stage; for what must be chosen before them

constexpr double kAheadNs = 0.05;    // a product and bin of the passes over several blocks
constexpr double kSingleNs = 0.16;   // a product and bin of a pass over one block
constexpr double kNewestNs = 0.17;   // the same of the newest blocks
constexpr double kAgainNs = 0.13;    // the same of one block in a tile that is near already
constexpr double kTogetherNs = 0.15; // a bin of each of the blocks that are worked on together
constexpr double kLeftNs = 0.3;      // to write and read what a pass has left, a bin
constexpr double kSumsFixedNs = 60.0;
/// What reading a byte costs more when all stages together have touched so many since it was read
/// the last time.
struct Cache {
  double from_bytes, to_bytes; // it holds all below, nothing above
  double byte_ns;
};
constexpr std::array kCaches {Cache {1.0e6, 3.0e6, 0.0082}, Cache {10.0e6, 33.0e6, 0.052}};
constexpr std::size_t kBinBytes = 8;
constexpr double kFrameNs = 0.5; // in and out of one channel, whatever the partition

/// What a bin takes by what it takes at powers of two.
double odd_factor (std::size_t length) noexcept
{
  const std::size_t odd = length >> std::countr_zero (length);
  if ((length > 23040 && odd > 15) || (length > 32768 && odd > 9))
    return kGuessedFactor; // docs/decisions/0004-fftw.md has the seconds
  if (length == 4096)
    return k4096Factor;
  const bool is_quick = odd == 1 || length < 288 || length >= 3840 || (length <= 1280 && odd <= 5);
  return is_quick ? 1.0 : kOddFactor;
}

double transform_ns (std::size_t length) noexcept
{
  const double exponent = std::log2 (static_cast<double> (length)) - 4.0;
  const auto low = static_cast<std::size_t> (
      std::clamp (exponent, 0.0, static_cast<double> (kTransformNs.size () - 2)));
  const double part = exponent - static_cast<double> (low);
  const double bin_ns = kTransformNs[low] + part * (kTransformNs[low + 1] - kTransformNs[low]);
  return kTransformFixedNs + static_cast<double> (length) * bin_ns * odd_factor (length);
}

std::size_t padded_bins (std::size_t length) noexcept
{
  return tiles_of (length) * kTileBins;
}

/// Of one path, with all that it reads in the second-level cache.
double sums_ns (std::size_t length, std::size_t partitions, std::size_t blocks_at_once) noexcept
{
  const auto bins = static_cast<double> (padded_bins (length));
  const auto count = static_cast<double> (partitions);
  const auto blocks = static_cast<double> (blocks_at_once);
  if (blocks_at_once == 1)
    return kSumsFixedNs + bins * count * kSingleNs;
  // The blocks between two passes add 1, 2, 3 newest blocks, or a small pass at half-time all four
  // to all that are left. A pass reads zeros past the last partition.
  const double half_time = blocks_at_once > kSumsInRegisters ? blocks - 2.0 : 0.0; // fitted
  const double near = static_cast<double> (kSumsInRegisters - 1) / 2.0;
  return kSumsFixedNs * blocks / 4.0 +
      bins *
      ((count + blocks / 2.0 + half_time / 2.0) * kAheadNs + near * kNewestNs +
          (blocks + half_time) / 4.0 * kLeftNs);
}

/// The same of one of `together` blocks whose sums are made in one pass.
double sums_together_ns (std::size_t length, std::size_t partitions, std::size_t together) noexcept
{
  const auto count = static_cast<double> (partitions);
  const auto fours = static_cast<double> (together / kSumsInRegisters);
  const auto ones = static_cast<double> (together % kSumsInRegisters);
  const double rows = static_cast<double> (kSumsInRegisters) * fours;
  return kSumsFixedNs +
      static_cast<double> (padded_bins (length)) *
      (kTogetherNs + (rows * (count + 3.0) * kAheadNs + ones * count * kAgainNs) / (rows + ones));
}

double least_sums_ns (std::size_t length, std::size_t partitions) noexcept
{
  return sums_ns (length, partitions, best_blocks_at_once (length, partitions));
}

/// The spectra and sums of a stage: how much there is, and how much of it one frame reads.
struct Memory {
  double bytes;
  double bytes_a_frame;
};

Memory memory_of (const StageShape &stage, const PartitionRequest &request) noexcept
{
  const auto spectrum_bytes =
      static_cast<double> (padded_bins (stage.transform_length) * kBinBytes);
  const auto inputs = static_cast<double> (request.inputs);
  const auto outputs = static_cast<double> (request.outputs);
  const auto paths = static_cast<double> (request.paths);
  const auto count = static_cast<double> (stage.partitions);
  if (stage.blocks_together > 1) {
    const auto together = static_cast<double> (stage.blocks_together);
    const double held = (inputs + paths) * count + (inputs + 1.0) * together;
    const double read = paths * 2.0 * count + (inputs + outputs) * together;
    return {
        held * spectrum_bytes, read * spectrum_bytes / static_cast<double> (stage.span_frames ())};
  }
  const auto blocks = static_cast<double> (stage.blocks_at_once);
  // Histories and responses, what of both is kept once more for the newest blocks, what is left. A
  // small pass at half-time reads 4 blocks, 7 partitions and 4 sums, and writes 3.
  const bool half_time = stage.blocks_at_once > kSumsInRegisters;
  const auto nearest = static_cast<double> (std::min (stage.blocks_at_once, kSumsInRegisters) - 1);
  const double kept = nearest + (half_time ? 1.0 : 0.0);
  const double held =
      inputs * (count + kept) + paths * (count + 2.0 * blocks - 2.0) + outputs * (blocks + 1.0);
  const double read =
      paths * ((2.0 * count + blocks - 1.0 + (half_time ? 11.0 : 0.0)) / blocks + nearest) +
      outputs * ((2.0 * blocks - 2.0 + (half_time ? 6.0 : 0.0)) / blocks + 1.0) + inputs;
  return {held * spectrum_bytes, read * spectrum_bytes / static_cast<double> (stage.block_frames)};
}

/// What waiting for memory costs a frame. A pass reads a stage's spectra again after K blocks, and
/// finds them where all that was read meanwhile has left them.
double waiting_ns (const Partition &partition, const PartitionRequest &request) noexcept
{
  double sum = 0.0;
  for (const StageShape &stage : partition) {
    const std::size_t blocks =
        stage.blocks_together > 1 ? stage.blocks_together : stage.blocks_at_once;
    const auto frames = static_cast<double> (blocks * stage.block_frames);
    double between = 0.0;
    for (const StageShape &other : partition) {
      const Memory memory = memory_of (other, request);
      between += std::min (memory.bytes, memory.bytes_a_frame * frames);
    }
    for (const Cache &cache : kCaches) {
      const double missed = (between - cache.from_bytes) / (cache.to_bytes - cache.from_bytes);
      sum +=
          memory_of (stage, request).bytes_a_frame * cache.byte_ns * std::clamp (missed, 0.0, 1.0);
    }
  }
  return sum;
}

/// Blocks of the head, and how many of them the calls bring together.
struct HeadBlocks {
  std::size_t frames;
  std::size_t together;
  std::size_t span () const noexcept { return frames * together; }
};

/// Blocks and their FFT lengths that a stage may have, with what depends on nothing else.
struct Block {
  std::size_t frames;
  std::size_t length;
};

/// Of the multiples of the head, the one with the cheapest transforms in each half octave.
std::vector<Block> tail_blocks (std::size_t head, std::size_t most)
{
  std::vector<Block> blocks;
  const auto cost = [] (const Block &block) {
    // The bins that are there for the transform only cost in the sums of some ten partitions too.
    return (2.0 * transform_ns (block.length) + least_sums_ns (block.length, kUsualPartitions)) /
        static_cast<double> (block.frames);
  };
  for (std::size_t octave = 2; octave * head <= most; octave *= 2) {
    const std::size_t step = std::max<std::size_t> (1, octave / 16);
    for (const std::size_t half : {2, 3}) {
      Block best {0, 0};
      for (std::size_t k = octave * half / 2; k < octave * (half + 1) / 2; k += step) {
        const Block block {k * head, transform_length (k * head, kUsualPartitions)};
        if (block.frames <= most && (best.frames == 0 || cost (block) < cost (best)))
          best = block;
      }
      if (best.frames > 0)
        blocks.push_back (best);
    }
  }
  return blocks;
}

std::size_t ceil_div (std::size_t a, std::size_t b) noexcept
{
  return (a + b - 1) / b;
}

/// Hands on every partition with its cost.
template <class Take>
class Offers {
public:
  Offers (const PartitionRequest &request, Take take) : request_ {request}, take_ {take} {}

  /// A partition with these blocks, each tail as early as it may be.
  void offer (const HeadBlocks &head, std::span<const Block> tails)
  {
    offer (head, tails, 0);
    // Or later, so that the last stage has no partition that is mostly empty.
    if (!tails.empty () && !last_.empty ()) {
      const StageShape &last = last_.back ();
      const std::size_t over = (request_.ir_frames - last.offset_frames) % last.block_frames;
      if (over > 0)
        offer (head, tails, ceil_div (over, head.span ()) * head.span ());
    }
  }

private:
  void offer (const HeadBlocks &head, std::span<const Block> tails, std::size_t later)
  {
    last_.clear ();
    std::size_t offset = 0;
    std::size_t block = head.frames, length = 0;
    for (std::size_t i = 0; i <= tails.size (); ++i) {
      std::size_t end = request_.ir_frames;
      if (i < tails.size ()) {
        const std::size_t next = tails[i].frames;
        end = (request_.schedule == Schedule::spread ? 2 * next - head.span () : next) +
            (i + 1 == tails.size () ? later : 0);
        if (end >= request_.ir_frames || end <= offset)
          return last_.clear ();
      }
      const std::size_t partitions = ceil_div (end - offset, block);
      if (i == 0)
        length = transform_length (block, partitions);
      const std::size_t together = i == 0 ? head.together : 1;
      const std::size_t at_once = together > 1 ? 1 : best_blocks_at_once (length, partitions);
      last_.push_back ({block, partitions, offset, length, at_once, together});
      offset += partitions * block;
      if (i < tails.size ()) {
        if (offset >= request_.ir_frames)
          return last_.clear ();
        block = tails[i].frames;
        length = tails[i].length;
      }
    }
    take_ (last_, predicted_ns (last_, request_));
    // More blocks at once read less of the memory that is furthest away.
    if (last_.back ().blocks_at_once == kSumsInRegisters) {
      last_.back ().blocks_at_once = kMaxBlocksAtOnce;
      take_ (last_, predicted_ns (last_, request_));
    }
  }

  const PartitionRequest &request_;
  Partition last_; // that was offered; empty when it was none
  Take take_;
};

/// Calls take (partition, predicted ns) with all that are worth a look.
template <class Take>
void search (const PartitionRequest &request, Take take)
{
  // A batch: N chunks of which all but one are covered by the latency.
  const std::size_t chunks = request.latency_frames / request.chunk_frames + 1;
  const std::size_t whole = chunks * request.chunk_frames;
  Offers offers {request, take};
  std::map<std::size_t, std::vector<Block>> blocks_for; // spans, of which many heads have the same
  for (std::size_t parts = 1; parts <= std::max (kMaxHeads, chunks); ++parts) {
    if (whole % parts != 0)
      continue;
    const std::size_t block = std::max (whole / parts, kMinBlock);
    for (std::size_t together = 1; together <= std::min (kMaxBlocksTogether, parts); ++together) {
      if (parts % together != 0)
        continue;
      const HeadBlocks head {block, together};
      offers.offer (head, {});
      const auto [found, is_new] = blocks_for.try_emplace (head.span ());
      std::vector<Block> &blocks = found->second;
      if (is_new)
        blocks = tail_blocks (head.span (), std::min (kMaxBlock, request.ir_frames));
      for (std::size_t first = 0; first < blocks.size (); ++first) {
        offers.offer (head, std::span {&blocks[first], 1});
        for (std::size_t second = first + 1; second < blocks.size (); ++second)
          if (blocks[second].frames >= 2 * blocks[first].frames)
            offers.offer (head, std::array {blocks[first], blocks[second]});
      }
    }
    if (whole / (parts + 1) < kMinBlock)
      break;
  }
}

} // namespace

bool may_spread (const StageShape &stage, std::size_t span_frames) noexcept
{
  return stage.offset_frames + span_frames >= 2 * stage.block_frames;
}

StageCosts stage_costs (const StageShape &stage) noexcept
{
  return {transform_ns (stage.transform_length),
      stage.blocks_together > 1
          ? sums_together_ns (stage.transform_length, stage.partitions, stage.blocks_together)
          : sums_ns (stage.transform_length, stage.partitions, stage.blocks_at_once)};
}

double predicted_ns (const Partition &partition, const PartitionRequest &request) noexcept
{
  const auto channels = static_cast<double> (request.inputs + request.outputs);
  double sum = kFrameNs * channels / 2.0 + waiting_ns (partition, request);
  for (const StageShape &stage : partition) {
    const StageCosts costs = stage_costs (stage);
    sum += (channels * costs.transform_ns + static_cast<double> (request.paths) * costs.sums_ns) /
        static_cast<double> (stage.block_frames);
  }
  return sum;
}

std::size_t best_blocks_at_once (std::size_t transform_length, std::size_t partitions) noexcept
{
  return sums_ns (transform_length, partitions, kSumsInRegisters) <
          sums_ns (transform_length, partitions, 1)
      ? kSumsInRegisters
      : 1;
}

std::size_t transform_length (std::size_t block_frames, std::size_t partitions) noexcept
{
  const auto cost = [partitions] (std::size_t length) {
    return 2.0 * transform_ns (length) + least_sums_ns (length, partitions);
  };
  std::size_t best = std::max (kMinBlock, std::bit_ceil (block_frames));
  for (std::size_t fives = 1; 16 * fives < best; fives *= 5) {
    for (std::size_t odd = fives; 16 * odd < best; odd *= 3) {
      std::size_t length = 16 * odd;
      while (length < block_frames)
        length *= 2;
      if (cost (length) < cost (best))
        best = length;
    }
  }
  return best;
}

Partition choose_partition (const PartitionRequest &request)
{
  Partition best;
  double best_ns = std::numeric_limits<double>::infinity ();
  search (request, [&] (const Partition &partition, double ns) {
    if (ns < best_ns) {
      best_ns = ns;
      best = partition;
    }
  });
  return best;
}

std::vector<Partition> partitions_near (const PartitionRequest &request, double factor)
{
  const double most_ns = factor * predicted_ns (choose_partition (request), request);
  std::vector<std::pair<double, Partition>> near;
  search (request, [&] (const Partition &partition, double ns) {
    if (ns <= most_ns)
      near.emplace_back (ns, partition);
  });
  std::stable_sort (
      near.begin (), near.end (), [] (const auto &a, const auto &b) { return a.first < b.first; });
  std::vector<Partition> partitions;
  for (auto &each : near)
    partitions.push_back (std::move (each.second));
  return partitions;
}

} // namespace mt::dsp
