// SPDX-License-Identifier: LGPL-2.1-or-later
// Slices of a stage's work, and the ring of its output blocks.
#include "dsp/tail.hpp"

#include <algorithm>
#include <cassert>

namespace mt::dsp {

Tail::Tail (const StageShape &shape, std::size_t span_frames, Schedule schedule, const Impulse &ir,
    const Routing &routing, std::size_t channels, Planning planning, WorkCounts &counts)
    : stage_ {shape, ir, routing, channels, planning, counts}, span_frames_ {span_frames},
      blocks_held_ {(shape.offset_frames + shape.block_frames - 1) / shape.block_frames},
      outputs_ (channels)
{
  assert (shape.block_frames % span_frames == 0 && shape.offset_frames % span_frames == 0);
  assert (shape.offset_frames >= shape.block_frames);
  const std::size_t held_frames = blocks_held_ * shape.block_frames;
  for (const std::size_t o : stage_.outputs ())
    outputs_[o] = {AlignedVector<float> (held_frames), std::vector<std::uint8_t> (blocks_held_)};
  const bool spread = schedule == Schedule::spread && may_spread (shape, span_frames);
  slice_ends_ = cut (spread ? shape.block_frames / span_frames : 1);
  reset ();
}

std::size_t Tail::task_count () const noexcept
{
  return stage_.inputs ().size () + 2 * stage_.outputs ().size ();
}

/// Ends of slices that cost about the same. The last one is the end of the list.
std::vector<Tail::Place> Tail::cut (std::size_t slices) const
{
  const StageCosts costs = stage_costs (stage_.shape ());
  const std::size_t inputs = stage_.inputs ().size ();
  const auto tile_cost = [&] (std::size_t task) {
    const std::size_t output = stage_.outputs ()[(task - inputs) / 2];
    return costs.sums_ns * static_cast<double> (stage_.paths_to (output)) /
        static_cast<double> (stage_.tiles ());
  };
  const auto is_sum = [&] (std::size_t task) { return task >= inputs && (task - inputs) % 2 == 0; };

  double total = 0.0;
  for (std::size_t task = 0; task < task_count (); ++task) {
    total += is_sum (task) ? tile_cost (task) * static_cast<double> (stage_.tiles ())
                           : costs.transform_ns;
  }
  std::vector<Place> ends;
  Place place {0, 0};
  double done = 0.0;
  for (std::size_t slice = 0; slice + 1 < slices; ++slice) {
    const double due = total * static_cast<double> (slice + 1) / static_cast<double> (slices);
    while (place.task < task_count ()) {
      const double step = is_sum (place.task) ? tile_cost (place.task) : costs.transform_ns;
      if (done + step / 2.0 > due)
        break;
      done += step;
      if (!is_sum (place.task) || ++place.tile == stage_.tiles ())
        place = {place.task + 1, 0};
    }
    ends.push_back (place);
  }
  ends.push_back ({task_count (), 0});
  return ends;
}

void Tail::end_span (const InputRings &inputs, std::uint64_t time, std::size_t ring_end) noexcept
{
  const std::size_t block = stage_.shape ().block_frames;
  read_position_ += span_frames_;
  if (read_position_ == blocks_held_ * block)
    read_position_ = 0;
  gathered_ += span_frames_;
  if (gathered_ == block) {
    gathered_ = 0;
    begin_block (inputs, time, ring_end);
  }
  if (slice_ < slice_ends_.size ()) {
    work_until (inputs, slice_ends_[slice_]);
    if (++slice_ == slice_ends_.size ())
      write_block_ = write_block_ + 1 == blocks_held_ ? 0 : write_block_ + 1;
  }
}

void Tail::begin_block (const InputRings &inputs, std::uint64_t time, std::size_t ring_end) noexcept
{
  assert (slice_ == slice_ends_.size ());
  const std::uint64_t begin =
      time - std::min<std::uint64_t> (time, 2 * stage_.shape ().block_frames);
  stage_.advance (ring_end);
  for (const std::size_t c : stage_.inputs ())
    stage_.hear (c, inputs.audible_until[c] > begin);
  stage_.prepare ();
  place_ = {0, 0};
  slice_ = 0;
}

void Tail::work_until (const InputRings &inputs, const Place &end) noexcept
{
  const std::size_t input_count = stage_.inputs ().size ();
  const std::size_t block = stage_.shape ().block_frames;
  while (place_.task < end.task || (place_.task == end.task && place_.tile < end.tile)) {
    if (place_.task < input_count) {
      const std::size_t c = stage_.inputs ()[place_.task];
      stage_.transform (c, inputs.samples[c]);
      ++place_.task;
      continue;
    }
    const std::size_t o = stage_.outputs ()[(place_.task - input_count) / 2];
    if ((place_.task - input_count) % 2 == 0) {
      const std::size_t last = place_.task < end.task ? stage_.tiles () : end.tile;
      stage_.accumulate (o, place_.tile, last);
      place_.tile = last;
      if (last < stage_.tiles ())
        continue;
    } else {
      Output &output = outputs_[o];
      output.audible[write_block_] =
          stage_.render (o, {output.samples.data () + write_block_ * block, block});
    }
    place_ = {place_.task + 1, 0};
  }
}

std::span<const float> Tail::output (std::size_t channel) const noexcept
{
  const Output &output = outputs_[channel];
  const std::size_t block = read_position_ / stage_.shape ().block_frames;
  if (output.samples.empty () || !output.audible[block])
    return {};
  return {output.samples.data () + read_position_, span_frames_};
}

void Tail::forget () noexcept
{
  stage_.forget ();
  for (Output &output : outputs_)
    std::fill (output.audible.begin (), output.audible.end (), std::uint8_t {0});
}

void Tail::reset () noexcept
{
  forget ();
  stage_.reset ();
  slice_ = slice_ends_.size ();
  gathered_ = 0;
  write_block_ = 0;
  read_position_ = blocks_held_ * stage_.shape ().block_frames - stage_.shape ().offset_frames;
}

} // namespace mt::dsp
