// SPDX-License-Identifier: LGPL-2.1-or-later
// Uniformly partitioned overlap-save with a frequency-domain delay line, several blocks at a time.
#include "dsp/stage.hpp"

#include <algorithm>

namespace mt::dsp {
namespace {

/// Tiles next to each other are read faster. With more of them the slices of a stage would differ
/// in how many of their tiles have their pass.
constexpr std::size_t kTilesInRun = 32;

bool any_run (const std::vector<Product> &products)
{
  return std::any_of (products.begin (), products.end (),
      [] (const Product &product) { return !product.runs.empty (); });
}

bool contains (const std::vector<std::size_t> &sorted, std::size_t value)
{
  return std::binary_search (sorted.begin (), sorted.end (), value);
}

} // namespace

bool transform_part (OddTransform &transform, const Impulse &ir, std::size_t channel,
    std::size_t first, std::size_t count, AlignedVector<float> &taps)
{
  // Forward and inverse together give M times the signal.
  const float gain = 1.0f / static_cast<float> (transform.length ());
  const std::size_t end = std::min (first + count, ir.frames ());
  bool audible = false;
  for (std::size_t i = 0; i < count; ++i) {
    taps[i] = first + i < end ? gain * ir.samples[(first + i) * ir.channels + channel] : 0.0f;
    audible = audible || taps[i] != 0.0f;
  }
  if (audible)
    transform.forward (taps);
  return audible;
}

Stage::Stage (const StageShape &shape, const Impulse &ir, const Routing &routing,
    std::size_t channels, Planning planning, WorkCounts &counts)
    : shape_ {shape}, tiles_ {tiles_of (shape.transform_length)}, run_ {even_run (tiles_,
                                                                      shape.blocks_at_once,
                                                                      kTilesInRun)},
      transform_ {shape.transform_length, tiles_ * kTileBins, planning}, counts_ {counts},
      used_responses_ {used_channels (routing, &Path::ir)}, used_inputs_ {used_channels (
                                                                routing, &Path::input)},
      used_outputs_ {used_channels (routing, &Path::output)}, pool_ {pool_floats ()},
      reach_ {reach_of (pool_floats ())}
{
  const std::size_t partitions = shape_.partitions, bins = tiles_ * kTileBins;
  responses_.reserve (ir.channels);
  for (std::size_t c = 0; c < ir.channels; ++c)
    responses_.push_back (make_response (ir, c));
  outputs_.resize (channels);
  for (const Path &path : routing)
    outputs_[path.output].paths.push_back ({path, std::vector<SlotRun> (partitions + 1), {}});
  inputs_.reserve (channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const std::size_t own_bins = contains (used_inputs_, c) ? bins : 0;
    inputs_.push_back ({{own_bins, partitions, pool_}, {own_bins, near_blocks (), pool_},
        std::vector<std::uint8_t> (partitions), 0, 0});
  }
  for (const std::size_t o : used_outputs_) {
    Output &output = outputs_[o];
    for (const PathState &state : output.paths) {
      const Product product {
          &responses_[state.path.ir].spectra, &inputs_[state.path.input].history, {}};
      output.all.push_back (product);
      // Partial blocks use the first of these in any case.
      const Product near = in_groups ()
          ? Product {&responses_[state.path.ir].nearest, &inputs_[state.path.input].nearest, {}}
          : product;
      for (std::size_t n = 1; n <= kNearest; ++n)
        output.nearest[n].push_back (near);
    }
    for (std::size_t n = 0; n < blocks_left (); ++n)
      output.ahead[n] = pool_.take (2 * bins).data ();
    output.older.resize (2 * bins);
  }
  forget ();
}

std::size_t Stage::pool_floats () const noexcept
{
  const std::size_t bins = tiles_ * kTileBins;
  const std::size_t response = TiledSpectra::floats (bins, shape_.partitions + blocks_left ()) +
      TiledSpectra::floats (bins, blocks_left ());
  const std::size_t input =
      TiledSpectra::floats (bins, shape_.partitions) + TiledSpectra::floats (bins, near_blocks ());
  return used_responses_.size () * response + used_inputs_.size () * input +
      used_outputs_.size () * blocks_left () * 2 * bins;
}

Stage::Response Stage::make_response (const Impulse &ir, std::size_t channel)
{
  const std::size_t partitions = shape_.partitions, block = shape_.block_frames;
  const std::size_t bins = contains (used_responses_, channel) ? tiles_ * kTileBins : 0;
  Response response {{bins, partitions + blocks_left (), pool_}, {bins, blocks_left (), pool_},
      std::vector<std::uint8_t> (partitions), std::vector<std::uint8_t> (partitions), true};
  if (bins == 0)
    return response;
  AlignedVector<float> taps (2 * shape_.transform_length);
  for (std::size_t p = 0; p < partitions; ++p) {
    const bool audible =
        transform_part (transform_, ir, channel, shape_.offset_frames + p * block, block, taps);
    response.audible[p] = audible;
    response.dense = response.dense && audible;
    if (audible) {
      response.spectra.store (p, transform_.spectrum ());
      if (p + 1 < shape_.blocks_at_once)
        response.nearest.store (p, transform_.spectrum ());
    }
  }
  for (std::size_t p = 0; p < partitions; ++p) {
    const std::size_t end = std::min (p + shape_.blocks_at_once, partitions);
    for (std::size_t i = p; i < end; ++i)
      response.audible_ahead[p] |= response.audible[i];
  }
  return response;
}

void Stage::advance (std::size_t ring_end) noexcept
{
  for (const std::size_t o : used_outputs_)
    note_what_is_left (outputs_[o]);
  ring_end_ = ring_end;
  ++block_;
  newest_ = newest_ == 0 ? shape_.partitions - 1 : newest_ - 1;
  if (in_groups ())
    newest_near_ = newest_near_ == 0 ? near_blocks () - 1 : newest_near_ - 1;
  for (const std::size_t c : used_inputs_)
    inputs_[c].audible[newest_] = false;
  for (const std::size_t o : used_outputs_)
    outputs_[o].older_ready = false;
}

/// After a block whose passes may have been done in several slices.
void Stage::note_what_is_left (Output &output) noexcept
{
  for (std::size_t group = 0; group < shape_.blocks_at_once; ++group) {
    if (age (group) == 0)
      output.ahead_silent[group] = !any_run (output.all);
    else if (newest_left_out (age (group)) == kNearest && any_run (output.nearest[kNearest]))
      output.ahead_silent[group] = false;
  }
}

void Stage::hear (std::size_t input, bool audible) noexcept
{
  inputs_[input].audible[newest_] = audible;
}

void Stage::prepare () noexcept
{
  const std::size_t partitions = shape_.partitions;
  for (const std::size_t c : used_inputs_) {
    Input &input = inputs_[c];
    const bool audible = input.audible[newest_];
    input.audible_streak = audible ? std::min (input.audible_streak + 1, partitions) : 0;
    input.silent_streak = audible ? 0 : std::min (input.silent_streak + 1, partitions);
  }
  for (const std::size_t o : used_outputs_) {
    Output &output = outputs_[o];
    output.audible = false;
    for (std::size_t i = 0; i < output.paths.size (); ++i) {
      PathState &state = output.paths[i];
      const Collected found =
          collect (state.path, 0, partitions, in_groups () ? In::all_ahead : In::all, state.runs);
      output.all[i].runs = {state.runs.data (), found.runs};
      output.audible = output.audible || found.audible;
      for (std::size_t n = 1; n <= near_blocks (); ++n) {
        const In in = n == kNearest ? In::nearest_ahead : In::nearest;
        const std::size_t runs = collect (state.path, 0, n, in, state.near_runs[n]).runs;
        output.nearest[n][i].runs = {state.near_runs[n].data (), runs};
      }
    }
    if (output.audible)
      counts_.sums.add (1);
  }
}

/// The products of partitions first to before last that are not zero, the ring's end between runs.
/// In::all_ahead, In::nearest_ahead: those too that count for one of the next blocks only.
Stage::Collected Stage::collect (const Path &path, std::size_t first, std::size_t last, In in,
    std::span<SlotRun> runs) const noexcept
{
  const Input &input = inputs_[path.input];
  const Response &response = responses_[path.ir];
  const std::size_t partitions = shape_.partitions;
  last = std::min (last, partitions);
  if (input.silent_streak == partitions || first >= last)
    return {0, false};

  // The ring's slots from that of the newest block to its end.
  const bool near = in == In::nearest || in == In::nearest_ahead;
  const std::size_t to_wrap = near ? near_blocks () - newest_near_ : partitions - newest_;
  std::size_t count = 0;
  const auto add = [&] (std::size_t partition, std::size_t length) {
    const std::size_t slot =
        partition < to_wrap ? (near ? newest_near_ : newest_) + partition : partition - to_wrap;
    runs[count++] = {static_cast<std::uint32_t> (partition), static_cast<std::uint32_t> (slot),
        static_cast<std::uint32_t> (length)};
  };
  if (response.dense && input.audible_streak >= last) {
    if (first < to_wrap)
      add (first, std::min (last, to_wrap) - first);
    if (last > to_wrap)
      add (std::max (first, to_wrap), last - std::max (first, to_wrap));
    return {count, true};
  }

  const bool ahead = in == In::all_ahead || in == In::nearest_ahead;
  const auto &wanted = ahead ? response.audible_ahead : response.audible;
  bool open = false, audible = false; // open: the last run may grow
  for (std::size_t p = first; p < last; ++p) {
    const bool sounds = input.audible[(newest_ + p) % partitions];
    audible = audible || (sounds && response.audible[p]);
    if (!sounds || !wanted[p]) {
      open = false;
    } else if (open && p != to_wrap) {
      ++runs[count - 1].count;
    } else {
      add (p, 1);
      open = true;
    }
  }
  return {count, audible};
}

void Stage::transform (std::size_t input, std::span<const float> ring) noexcept
{
  if (!inputs_[input].audible[newest_])
    return;
  transform_.forward (RingWindow {ring, ring_end_, 2 * shape_.block_frames});
  Input &self = inputs_[input];
  if (in_groups ())
    self.history.store_here_and (newest_, self.nearest, newest_near_, spectrum ());
  else
    self.history.store (newest_, spectrum ());
  counts_.forward.add (1);
}

void Stage::accumulate (std::size_t index, std::size_t first, std::size_t end) noexcept
{
  Output &output = outputs_[index];
  if (!in_groups ()) {
    if (output.audible)
      multiply_accumulate (output.all, {first, end}, {}, spectrum ());
    return;
  }
  const std::span<float *const> ahead = std::span {output.ahead}.first (blocks_left ());
  for (std::size_t group = 0; group < shape_.blocks_at_once; ++group) {
    const TileRange tiles {first, end, group, shape_.blocks_at_once, run_};
    const std::size_t blocks = age (group);
    if (blocks == 0) {
      if (any_run (output.all))
        multiply_accumulate_ahead (output.all, tiles, {}, spectrum (), ahead, reach_);
      continue;
    }
    const std::size_t newest = newest_left_out (blocks);
    if (newest == kNearest && any_run (output.nearest[newest])) {
      // Half-time: what has come since the pass goes into the sums of all blocks that are left.
      const auto rows = ahead.subspan (blocks - 1);
      multiply_accumulate_ahead (output.nearest[newest], tiles,
          output.ahead_silent[group] ? std::span<float *const> {} : rows, spectrum (),
          rows.subspan (1), Reach::near);
    } else if (output.audible) {
      multiply_accumulate (output.nearest[newest], tiles, left (output, group), spectrum ());
    }
  }
}

/// What the passes over a group's tiles have left for this block.
std::span<const float> Stage::left (const Output &output, std::size_t group) const noexcept
{
  if (output.ahead_silent[group])
    return {};
  return {output.ahead[age (group) - 1], 2 * tiles_ * kTileBins};
}

/// What the blocks before this one give to it.
void Stage::sum_older (std::size_t index) noexcept
{
  Output &output = outputs_[index];
  output.older_ready = true;
  output.older_silent = true; // unless the group that has its pass now finds otherwise
  const auto sum = [&] (std::vector<Product> &products, std::size_t last, auto &&runs_of, In in,
                       TileRange tiles, std::span<const float> start) {
    for (std::size_t i = 0; i < output.paths.size (); ++i) {
      const std::span<SlotRun> runs = runs_of (output.paths[i]);
      const Collected found = collect (output.paths[i].path, 1, last, in, runs);
      products[i].runs = runs.first (found.runs);
      output.older_silent = output.older_silent && !found.audible;
    }
    multiply_accumulate (products, tiles, start, std::span {output.older});
  };
  const auto all_runs = [] (PathState &state) { return std::span {state.runs}; };
  if (!in_groups ()) {
    sum (output.all, shape_.partitions, all_runs, In::all, {0, tiles_}, {});
    return;
  }
  for (std::size_t group = 0; group < shape_.blocks_at_once; ++group) {
    const TileRange tiles {0, tiles_, group, shape_.blocks_at_once, run_};
    if (age (group) == 0) {
      sum (output.all, shape_.partitions, all_runs, In::all, tiles, {});
    } else {
      const std::size_t newest = newest_left_out (age (group));
      sum (
          output.nearest[newest], newest,
          [newest] (PathState &state) { return std::span<SlotRun> {state.near_runs[newest]}; },
          In::nearest, tiles, left (output, group));
    }
  }
}

void Stage::accumulate_partial (std::size_t index) noexcept
{
  Output &output = outputs_[index];
  if (!output.older_ready) {
    sum_older (index);
    if (!output.older_silent)
      counts_.sums.add (1);
  }
  output.audible = !output.older_silent;
  for (std::size_t i = 0; i < output.paths.size (); ++i) {
    PathState &state = output.paths[i];
    const auto slot = static_cast<std::uint32_t> (in_groups () ? newest_near_ : newest_);
    const bool sounds =
        inputs_[state.path.input].audible[newest_] && responses_[state.path.ir].audible[0];
    state.near_runs[1][0] = {0, slot, 1};
    output.nearest[1][i].runs = {state.near_runs[1].data (), sounds ? 1u : 0u};
    output.audible = output.audible || sounds;
  }
  if (output.audible) {
    const std::size_t older = output.older_silent ? 0 : output.older.size ();
    multiply_accumulate (output.nearest[1], {0, tiles_},
        std::span<const float> {output.older.data (), older}, spectrum ());
  }
}

bool Stage::render (
    std::size_t output, std::span<float> out, std::span<const float> addend) noexcept
{
  if (!outputs_[output].audible)
    return false;
  transform_.inverse (out, addend);
  counts_.inverse.add (1);
  return true;
}

void Stage::forget () noexcept
{
  // Spectra that are marked as silent are never read.
  for (Input &input : inputs_) {
    std::fill (input.audible.begin (), input.audible.end (), std::uint8_t {0});
    input.audible_streak = 0;
    input.silent_streak = shape_.partitions;
  }
  for (Output &output : outputs_) {
    for (Product &product : output.all)
      product.runs = {};
    for (std::vector<Product> &products : output.nearest)
      for (Product &product : products)
        product.runs = {};
    output.ahead_silent.fill (true);
    output.audible = false;
    output.older_ready = false;
    output.older_silent = true;
  }
}

void Stage::reset () noexcept
{
  forget ();
  newest_ = newest_near_ = block_ = ring_end_ = 0;
}

} // namespace mt::dsp
