// SPDX-License-Identifier: LGPL-2.1-or-later
// A stage as the head, and a head of several blocks that are complete at once.
#include "dsp/head.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <vector>

#include "dsp/floatpool.hpp"
#include "dsp/spectrum.hpp"

namespace mt::dsp {
namespace {

class SingleHead final : public Head {
public:
  SingleHead (const StageShape &shape, const Impulse &ir, const Routing &routing,
      std::size_t channels, Planning planning, WorkCounts &counts)
      : stage_ {shape, ir, routing, channels, planning, counts}
  {}

  const StageShape &shape () const noexcept override { return stage_.shape (); }
  PlanSource plan_source () const noexcept override { return stage_.plan_source (); }
  std::span<const std::size_t> inputs () const noexcept override { return stage_.inputs (); }
  std::span<const std::size_t> outputs () const noexcept override { return stage_.outputs (); }
  void advance (std::size_t ring_begin) noexcept override
  {
    stage_.advance (ring_begin + shape ().block_frames);
  }

  void transform (const InputRings &inputs, std::uint64_t time, BlockRange blocks) noexcept override
  {
    const std::uint64_t window_begin = time - std::min<std::uint64_t> (time, shape ().block_frames);
    for (const std::size_t c : stage_.inputs ())
      stage_.hear (c, inputs.audible_until[c] > window_begin);
    if (!blocks.open)
      stage_.prepare ();
    for (const std::size_t c : stage_.inputs ())
      stage_.transform (c, inputs.samples[c]);
  }

  bool render (std::size_t output, BlockRange blocks, std::span<float> out,
      std::span<const float> addend) noexcept override
  {
    if (blocks.open)
      stage_.accumulate_partial (output);
    else
      stage_.accumulate (output, 0, stage_.tiles ());
    return stage_.render (output, out, addend);
  }

  void forget () noexcept override { stage_.forget (); }
  void reset () noexcept override { stage_.reset (); }

private:
  Stage stage_;
};

/// Rows of sums that multiply_accumulate_blocks() makes together.
constexpr std::size_t kRows = kSumsInRegisters;

/// Several blocks a span. Row j of a pass is the sum of block j: partition p with the block p
/// before it. With H[s] partition s - (kRows - 1) of the response and X[0] the newest block of four
/// rows, row r is the sum over s of H[s + r] X[s], which is what the kernels add up.
class BatchHead final : public Head {
public:
  BatchHead (const StageShape &shape, const Impulse &ir, const Routing &routing,
      std::size_t channels, Planning planning, WorkCounts &counts);

  const StageShape &shape () const noexcept override { return shape_; }
  PlanSource plan_source () const noexcept override { return transform_.plan_source (); }
  std::span<const std::size_t> inputs () const noexcept override { return used_inputs_; }
  std::span<const std::size_t> outputs () const noexcept override { return used_outputs_; }
  void advance (std::size_t ring_begin) noexcept override;
  void transform (
      const InputRings &inputs, std::uint64_t time, BlockRange blocks) noexcept override;
  bool render (std::size_t output, BlockRange blocks, std::span<float> out,
      std::span<const float> addend) noexcept override;
  void forget () noexcept override;
  void reset () noexcept override;

private:
  struct Response {
    TiledSpectra spectra;              // partition p in slot kRows - 1 + p, zeros before and behind
    std::vector<std::uint8_t> audible; // of each partition
    bool dense;                        // all audible
  };
  struct Input {
    TiledSpectra history;              // block j of the span in slot slot_of (j), older ones behind
    std::vector<std::uint8_t> audible; // of each slot
    bool dense;                        // all audible
  };
  struct Output {
    std::vector<Path> paths;
    AlignedVector<float> older; // what an open block gets from those before it; in tiles
    bool older_ready, older_silent;
    std::array<std::vector<Product>, kMaxBlocksTogether> products; // of the rows that begin there
  };

  std::size_t pool_floats () const noexcept;
  Response make_response (const Impulse &ir, std::size_t channel);
  std::size_t slots () const noexcept;
  std::size_t most_runs () const noexcept { return slots () + 1; } // of one path in one pass
  std::size_t slot_of (std::size_t block) const noexcept
  {
    return newest_ + shape_.blocks_together - 1 - block;
  }
  std::size_t collect (const Path &path, std::size_t block, std::size_t rows,
      std::size_t first_step, std::span<SlotRun> runs) const noexcept;
  bool set_products (
      Output &output, std::size_t block, std::size_t rows, std::size_t first_step) noexcept;
  bool accumulate_open (Output &output, std::size_t block) noexcept;

  StageShape shape_;
  std::size_t tiles_;
  OddTransform transform_;
  WorkCounts &counts_;
  std::vector<std::size_t> used_responses_, used_inputs_, used_outputs_;
  FloatPool pool_;
  Reach reach_;
  std::vector<Response> responses_; // by channel of the impulse response
  std::vector<Input> inputs_;       // by channel of the stream
  std::vector<Output> outputs_;
  std::vector<std::span<std::complex<float>>> spectra_; // of the blocks of one output
  std::vector<SlotRun> runs_;                           // of one output, by first row and path
  std::size_t newest_ {0};                              // slot of the span's last block
  std::size_t ring_begin_ {0};
};

BatchHead::BatchHead (const StageShape &shape, const Impulse &ir, const Routing &routing,
    std::size_t channels, Planning planning, WorkCounts &counts)
    : shape_ {shape}, tiles_ {tiles_of (shape.transform_length)},
      transform_ {shape.transform_length, tiles_ * kTileBins, planning}, counts_ {counts},
      used_responses_ {used_channels (routing, &Path::ir)}, used_inputs_ {used_channels (
                                                                routing, &Path::input)},
      used_outputs_ {used_channels (routing, &Path::output)}, pool_ {pool_floats ()},
      reach_ {reach_of (pool_floats ())}
{
  assert (shape.blocks_together <= kMaxBlocksTogether && shape.offset_frames == 0);
  const std::size_t bins = tiles_ * kTileBins;
  responses_.reserve (ir.channels);
  for (std::size_t c = 0; c < ir.channels; ++c)
    responses_.push_back (make_response (ir, c));
  inputs_.reserve (channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const bool used = std::binary_search (used_inputs_.begin (), used_inputs_.end (), c);
    inputs_.push_back (
        {{used ? bins : 0, slots (), pool_}, std::vector<std::uint8_t> (slots ()), false});
  }
  outputs_.resize (channels);
  for (const Path &path : routing) {
    Output &output = outputs_[path.output];
    output.paths.push_back (path);
    for (std::size_t block = 0; block < shape.blocks_together; ++block) {
      output.products[block].push_back (
          {&responses_[path.ir].spectra, &inputs_[path.input].history, {}});
    }
  }
  std::size_t most_paths = 0;
  for (const Output &output : outputs_)
    most_paths = std::max (most_paths, output.paths.size ());
  for (const std::size_t o : used_outputs_)
    outputs_[o].older.resize (2 * bins);
  runs_.resize (shape.blocks_together * most_paths * most_runs ());
  for (std::size_t block = 0; block < shape.blocks_together; ++block) {
    const std::span<float> floats = pool_.take (2 * bins);
    spectra_.push_back ({reinterpret_cast<std::complex<float> *> (floats.data ()), bins});
  }
}

/// Of a history: a whole number of spans, so that none wraps.
std::size_t BatchHead::slots () const noexcept
{
  const std::size_t blocks = shape_.blocks_together;
  return (shape_.partitions + 2 * blocks - 2) / blocks * blocks;
}

std::size_t BatchHead::pool_floats () const noexcept
{
  const std::size_t bins = tiles_ * kTileBins;
  return used_responses_.size () * TiledSpectra::floats (bins, shape_.partitions + 2 * kRows - 2) +
      used_inputs_.size () * TiledSpectra::floats (bins, slots ()) +
      shape_.blocks_together * 2 * bins;
}

BatchHead::Response BatchHead::make_response (const Impulse &ir, std::size_t channel)
{
  const bool used = std::binary_search (used_responses_.begin (), used_responses_.end (), channel);
  Response response {{used ? tiles_ * kTileBins : 0, shape_.partitions + 2 * kRows - 2, pool_},
      std::vector<std::uint8_t> (shape_.partitions), true};
  if (!used)
    return response;
  AlignedVector<float> taps (2 * shape_.transform_length);
  for (std::size_t p = 0; p < shape_.partitions; ++p) {
    response.audible[p] = transform_part (
        transform_, ir, channel, p * shape_.block_frames, shape_.block_frames, taps);
    response.dense = response.dense && response.audible[p];
    if (response.audible[p])
      response.spectra.store (kRows - 1 + p, transform_.spectrum ());
  }
  return response;
}

void BatchHead::advance (std::size_t ring_begin) noexcept
{
  ring_begin_ = ring_begin;
  newest_ = (newest_ == 0 ? slots () : newest_) - shape_.blocks_together;
  for (const std::size_t c : used_inputs_)
    std::fill_n (inputs_[c].audible.begin () + static_cast<std::ptrdiff_t> (newest_),
        shape_.blocks_together, std::uint8_t {0});
  for (Output &output : outputs_)
    output.older_ready = false;
}

void BatchHead::transform (const InputRings &inputs, std::uint64_t time, BlockRange blocks) noexcept
{
  const std::uint64_t window_begin = time - std::min<std::uint64_t> (time, shape_.block_frames);
  for (const std::size_t c : used_inputs_) {
    Input &input = inputs_[c];
    const bool audible = inputs.audible_until[c] > window_begin;
    for (std::size_t block = blocks.first; block < blocks.last; ++block) {
      input.audible[slot_of (block)] = audible;
      if (!audible)
        continue;
      const std::size_t end = ring_begin_ + (block + 1) * shape_.block_frames;
      transform_.forward (RingWindow {inputs.samples[c], end, 2 * shape_.block_frames});
      input.history.store (slot_of (block), transform_.spectrum ());
      counts_.forward.add (1);
    }
    input.dense = std::all_of (input.audible.begin (), input.audible.end (),
        [] (std::uint8_t sounds) { return sounds != 0; });
  }
}

/// The products of a path that go into the sums of `rows` blocks from `block` on, and are not zero
/// for all of them; the newest block that any of these takes is step 0. Returns how many runs they
/// are.
std::size_t BatchHead::collect (const Path &path, std::size_t block, std::size_t rows,
    std::size_t first_step, std::span<SlotRun> runs) const noexcept
{
  const Response &response = responses_[path.ir];
  const Input &input = inputs_[path.input];
  // Step 0 goes with partition 0 in the last row, and with what is before it, zeros, in the others.
  const std::size_t newest = slot_of (block + rows - 1);
  const std::size_t count = shape_.partitions + rows - 1;
  const std::size_t to_wrap = slots () - newest;
  const auto run = [&] (std::size_t step, std::size_t length) {
    return SlotRun {static_cast<std::uint32_t> (kRows - rows + step),
        static_cast<std::uint32_t> (step < to_wrap ? newest + step : step - to_wrap),
        static_cast<std::uint32_t> (length)};
  };
  std::size_t found = 0;
  if (response.dense && input.dense) {
    if (first_step < std::min (count, to_wrap))
      runs[found++] = run (first_step, std::min (count, to_wrap) - first_step);
    if (count > to_wrap)
      runs[found++] = run (std::max (first_step, to_wrap), count - std::max (first_step, to_wrap));
    return found;
  }
  bool open = false; // the last run may grow
  for (std::size_t step = first_step; step < count; ++step) {
    // Rows take the partitions step - (rows - 1) to step there.
    bool wanted = false;
    for (std::size_t r = 0; r < rows; ++r)
      wanted =
          wanted || (step >= r && step - r < shape_.partitions && response.audible[step - r] != 0);
    const std::size_t slot = step < to_wrap ? newest + step : step - to_wrap;
    if (!wanted || !input.audible[slot]) {
      open = false;
    } else if (open && step != to_wrap) {
      ++runs[found - 1].count;
    } else {
      runs[found++] = run (step, 1);
      open = true;
    }
  }
  return found;
}

/// Of all paths, in output.products[block]. False when there are none.
bool BatchHead::set_products (
    Output &output, std::size_t block, std::size_t rows, std::size_t first_step) noexcept
{
  bool any = false;
  for (std::size_t i = 0; i < output.paths.size (); ++i) {
    const auto runs =
        std::span {runs_}.subspan ((block * output.paths.size () + i) * most_runs (), most_runs ());
    const std::size_t found = collect (output.paths[i], block, rows, first_step, runs);
    output.products[block][i].runs = runs.first (found);
    any = any || found > 0;
  }
  return any;
}

/// The sum of a block that is not complete: what the blocks before it give is worked out once, and
/// then what it gives itself is added as often as it changes.
bool BatchHead::accumulate_open (Output &output, std::size_t block) noexcept
{
  const TileRange all {0, tiles_};
  if (!output.older_ready) {
    output.older_ready = true;
    output.older_silent = !set_products (output, block, 1, 1);
    if (!output.older_silent) {
      multiply_accumulate (output.products[block], all, {}, std::span {output.older});
      counts_.sums.add (1);
    }
  }
  bool sounds = !output.older_silent;
  for (std::size_t i = 0; i < output.paths.size (); ++i) {
    const Path &path = output.paths[i];
    const auto runs =
        std::span {runs_}.subspan ((block * output.paths.size () + i) * most_runs (), 1);
    runs[0] = {kRows - 1, static_cast<std::uint32_t> (slot_of (block)), 1};
    const bool own = inputs_[path.input].audible[slot_of (block)] && responses_[path.ir].audible[0];
    output.products[block][i].runs = runs.first (own ? 1 : 0);
    sounds = sounds || own;
  }
  if (sounds) {
    const std::span<const float> older {
        output.older.data (), output.older_silent ? 0 : output.older.size ()};
    multiply_accumulate (output.products[block], all, older, spectra_[block]);
  }
  return sounds;
}

bool BatchHead::render (std::size_t index, BlockRange blocks, std::span<float> out,
    std::span<const float> addend) noexcept
{
  Output &output = outputs_[index];
  std::array<BlockSums, kMaxBlocksTogether> sums;
  std::array<std::complex<float> *, kMaxBlocksTogether> where;
  std::array<bool, kMaxBlocksTogether> sounds {};
  for (std::size_t block = blocks.first; block < blocks.last; ++block)
    where[block] = spectra_[block].data ();
  const std::size_t complete = blocks.last - (blocks.open ? 1 : 0);
  std::size_t count = 0;
  for (std::size_t block = blocks.first, rows = 0; block < complete; block += rows) {
    rows = complete - block < kRows ? 1 : kRows;
    if (!set_products (output, block, rows, 0))
      continue;
    sums[count++] = {output.products[block], std::span {where}.subspan (block, rows)};
    std::fill_n (sounds.begin () + static_cast<std::ptrdiff_t> (block), rows, true);
    counts_.sums.add (rows);
  }
  if (count > 0)
    multiply_accumulate_blocks (std::span {sums}.first (count), tiles_, reach_);
  if (complete > blocks.first)
    output.older_ready = false; // another block will be open
  if (blocks.open)
    sounds[complete] = accumulate_open (output, complete);
  if (std::none_of (sounds.begin (), sounds.end (), [] (bool each) { return each; }))
    return false;
  for (std::size_t block = blocks.first; block < blocks.last; ++block) {
    const std::size_t at = (block - blocks.first) * shape_.block_frames;
    const auto block_out = out.subspan (at, shape_.block_frames);
    const auto block_addend = addend.empty () ? addend : addend.subspan (at, shape_.block_frames);
    if (sounds[block]) {
      transform_.inverse (spectra_[block], block_out, block_addend);
      counts_.inverse.add (1);
    } else if (addend.empty ()) {
      std::fill (block_out.begin (), block_out.end (), 0.0f);
    } else {
      std::copy (block_addend.begin (), block_addend.end (), block_out.begin ());
    }
  }
  return true;
}

void BatchHead::forget () noexcept
{
  // Spectra that are marked as silent are never read.
  for (Input &input : inputs_) {
    std::fill (input.audible.begin (), input.audible.end (), std::uint8_t {0});
    input.dense = false;
  }
  for (Output &output : outputs_)
    output.older_ready = false;
}

void BatchHead::reset () noexcept
{
  forget ();
  newest_ = ring_begin_ = 0;
}

} // namespace

std::unique_ptr<Head> make_head (const StageShape &shape, const Impulse &ir, const Routing &routing,
    std::size_t channels, Planning planning, WorkCounts &counts)
{
  if (shape.blocks_together > 1)
    return std::make_unique<BatchHead> (shape, ir, routing, channels, planning, counts);
  return std::make_unique<SingleHead> (shape, ir, routing, channels, planning, counts);
}

} // namespace mt::dsp
