// SPDX-License-Identifier: LGPL-2.1-or-later
// The convolver in several stages: every partition that the model can choose, every edge between
// partitions, any schedule, silence.
#include "convolversupport.hpp"

#include <iterator>
#include <map>
#include <string>

#include "everytarget.hpp"
#include "../sanitized.hpp"

using namespace mt::test;

namespace {

std::string text (const Partition &partition)
{
  std::string out;
  for (const StageShape &stage : partition) {
    for (const std::size_t value :
        {stage.partitions, stage.block_frames, stage.transform_length, stage.offset_frames})
      out += std::to_string (value) + ' ';
  }
  return out;
}

ConvolverConfig with (ConvolverConfig config, Schedule schedule)
{
  config.schedule = schedule;
  return config;
}

/// Stages of so many partitions and blocks, one after the other, the last up to `frames`.
struct Blocks {
  std::size_t partitions, frames, at_once;
};
Partition stages (std::size_t frames, std::initializer_list<Blocks> list)
{
  Partition out;
  std::size_t offset = 0;
  for (const Blocks &each : list) {
    out.push_back ({each.frames, each.partitions, offset,
        transform_length (each.frames, each.partitions), each.at_once});
    offset += each.partitions * each.frames;
  }
  ck_assert_uint_ge (offset, frames);
  ck_assert_uint_gt (frames, out.back ().offset_frames);
  return out;
}

// Head 16; one stage of 48 that can be spread; one of 96 that has half a block more time than it
// needs.
constexpr std::size_t kFrames = 900;
Partition three_stages ()
{
  return stages (kFrames, {{6, 16, 4}, {6, 48, 8}, {6, 96, 4}});
}
Partition short_stages () // all ways of summing up, with fewer partitions than blocks at once
{
  return stages (400, {{2, 16, 1}, {2, 32, 4}, {1, 64, 8}, {2, 128, 1}});
}

/// What the model chooses, by the blocks of the stages.
std::map<std::string, std::pair<PartitionRequest, Partition>> choices (
    std::size_t chunk, std::size_t batch, std::size_t longest)
{
  std::map<std::string, std::pair<PartitionRequest, Partition>> all;
  for (const Schedule schedule : {Schedule::spread, Schedule::spike}) {
    for (const std::size_t paths : {1, 4}) {
      for (double frames = 1.0; frames <= static_cast<double> (longest); frames *= 1.25) {
        const PartitionRequest request {static_cast<std::size_t> (frames), chunk,
            (batch - 1) * chunk, schedule, 2, 2, 2 * paths};
        const Partition partition = choose_partition (request);
        std::string key = schedule == Schedule::spread ? "spread-" : "spike-";
        for (const StageShape &stage : partition)
          key += std::to_string (stage.block_frames) + '@' +
              std::to_string (stage.blocks_together) + '-';
        all.emplace (key, std::pair {request, partition}); // the shortest response
      }
    }
  }
  return all;
}

} // namespace

struct Usual {
  std::size_t chunk, batch, longest;
};
constexpr Usual kUsual[] = {{16, 1, 40000}, {17, 1, 20000}, {24, 3, 20000}, {64, 1, 40000},
    {100, 2, 30000}, {147, 1, 30000}, {441, 1, 60000}, {480, 1, 60000}, {480, 10, 60000},
    {480, 40, 40000}, {1024, 1, 60000}, {4800, 1, 40000}};

START_TEST (test_every_partition_of_the_model)
  {
    const Usual &usual = kUsual[_i];
    const auto all = choices (usual.chunk, usual.batch, kSanitized ? 6000 : usual.longest);
    ck_assert_uint_ge (all.size (), 2);
    std::size_t with_tails = 0;
    for (const auto &[key, choice] : all) {
      const auto &[request, partition] = choice;
      with_tails += partition.size () > 1;
      const auto ir = noise_impulse (request.ir_frames, 1, 1);
      // Until every partition has met every block of the input that it can.
      const std::size_t frames = request.ir_frames + 4 * partition.back ().block_frames + 1000;
      const auto x = noise (frames, 2);
      auto wanted = config (1, usual.chunk, request.latency_frames);
      wanted.schedule = request.schedule;
      Convolver convolver {wanted, ir, partition};
      Frames y = x;
      run (convolver, y, Sizes {usual.chunk});
      const auto want = direct (x, ir, 1, request.latency_frames).wet;
      ck_close (y, want, kMinus120Db, (key + ' ' + text (partition)).c_str ());
      y = x;
      convolver.reset ();
      run (convolver, y, Sizes {3, 3 * usual.chunk});
      ck_close (y, want, kMinus120Db, (key + ' ' + text (partition)).c_str ());
    }
    if (!kSanitized && usual.chunk * usual.batch <= 1024)
      ck_assert_uint_ge (with_tails, 2);
  }
END_TEST

START_TEST (test_single_taps)
  {
    // At every position of the response, so at every edge of every partition of every stage.
    const auto schedule = _i % 2 ? Schedule::spike : Schedule::spread;
    const Partition partition = _i < 2 ? three_stages () : short_stages ();
    const std::size_t length = _i < 2 ? kFrames : 400;
    const std::size_t latency = _i % 2 ? 0 : 11;
    const auto x = noise (length + 300, 1);
    const std::size_t step = kSanitized ? 7 : 1; // no divisor of an edge
    for (std::size_t at = 0; at < length; at += step) {
      Impulse ir {Frames (length), 1};
      ir.samples[at] = -1.0f;
      Convolver convolver {with (config (1, 16, latency), schedule), ir, partition};
      Frames y = x;
      run (convolver, y, at % 3 ? Sizes {16} : Sizes {static_cast<unsigned> (at), 60});
      std::vector<double> want (x.size ());
      for (std::size_t n = latency + at; n < x.size (); ++n)
        want[n] = -static_cast<double> (x[n - latency - at]);
      ck_close (y, want, kMinus120Db, std::to_string (at).c_str ());
    }
  }
END_TEST

START_TEST (test_taps_at_the_edges_of_real_partitions)
  {
    // Before, on and after each edge, by the position of an impulse in the output.
    const Usual &usual = kUsual[_i];
    const auto all = choices (usual.chunk, usual.batch, kSanitized ? 3000 : usual.longest / 2);
    const auto &[request, partition] = all.begin ()->second;
    const auto &[longest_request, longest] = all.rbegin ()->second;
    for (const Partition *each : {&partition, &longest}) {
      const std::size_t length = each == &partition ? request.ir_frames : longest_request.ir_frames;
      const std::size_t latency = request.latency_frames;
      std::vector<std::size_t> taps {0, length - 1};
      for (const StageShape &stage : *each) {
        const std::size_t stride = std::max<std::size_t> (1, stage.partitions / 6);
        for (std::size_t p = 0; p <= stage.partitions; p += stride) {
          const std::size_t edge = stage.offset_frames + p * stage.block_frames;
          for (const std::size_t at : {edge - 1, edge, edge + 1})
            if (at < length)
              taps.push_back (at);
        }
      }
      // All of them in one response, each with its own gain: what lands elsewhere is seen.
      std::sort (taps.begin (), taps.end ());
      taps.erase (std::unique (taps.begin (), taps.end ()), taps.end ());
      Impulse ir {Frames (length), 1};
      for (std::size_t i = 0; i < taps.size (); ++i)
        ir.samples[taps[i]] = 0.5f + 0.4f * static_cast<float> (i % 7) / 7.0f;
      for (const std::size_t at : {std::size_t {0}, usual.chunk - 1, 3 * usual.chunk + 5}) {
        auto wanted = config (1, usual.chunk, latency);
        Convolver convolver {wanted, ir, *each};
        Frames y (at + latency + length + 10);
        y[at] = 1.0f;
        run (convolver, y, Sizes {usual.chunk});
        std::vector<double> want (y.size ());
        for (std::size_t n = 0; n < length; ++n)
          want[at + latency + n] = static_cast<double> (ir.samples[n]);
        ck_close (y, want, kMinus120Db, text (*each).c_str ());
      }
    }
  }
END_TEST

START_TEST (test_buffers_of_any_size)
  {
    constexpr std::size_t kChannels[] = {1, 2, 3, 5, 6, 8, 64};
    const std::size_t channels = kChannels[_i];
    const std::size_t frames = channels == 64 ? 3000 : 30000;
    const auto ir = noise_impulse (kFrames, channels, 1);
    const auto x = noise (frames * channels, 2);
    for (const std::size_t latency : {0, 32}) {
      const auto want = direct (x, ir, channels, latency);
      Convolver convolver {config (channels, 16, latency), ir, three_stages ()};
      for (const Sizes &sizes : {Sizes {3, 20000}, Sizes {4, 100}, Sizes {16}, Sizes {15}}) {
        Frames y = x;
        convolver.reset ();
        run (convolver, y, sizes);
        ck_close (y, want.wet, kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_every_instruction_set)
  {
    const auto ir = noise_impulse (kFrames, 2, 1);
    const auto x = noise (2 * 3000, 2);
    const auto want = direct (x, ir, 2, 0);
    mt::test::on_every_target ([&] (const char *target) {
      Convolver convolver {config (2, 16), ir, three_stages ()};
      Frames y = x;
      run (convolver, y, Sizes {3, 100});
      ck_close (y, want.wet, kMinus120Db, target);
    });
  }
END_TEST

START_TEST (test_the_schedule_does_not_change_a_bit)
  {
    const auto ir = noise_impulse (kFrames, 2, 1);
    auto x = noise (2 * 5000, 2);
    std::fill (x.begin () + 2000, x.begin () + 3500, 0.0f);
    for (const Sizes &sizes : {Sizes {16}, Sizes {3, 200}}) {
      Convolver spread {with (config (2, 16), Schedule::spread), ir, three_stages ()};
      Convolver spike {with (config (2, 16), Schedule::spike), ir, three_stages ()};
      ck_assert (spread.plan ().stages[1].spread && spread.plan ().stages[2].spread);
      ck_assert (!spike.plan ().stages[1].spread && !spike.plan ().stages[2].spread);
      Frames y = x, z = x;
      run (spread, y, sizes, kOn, kOn);
      run (spike, z, sizes, kOn, kOn);
      ck_assert (same_bits (y, z));
      ck_assert (peak (y) > 0.1f);
    }
  }
END_TEST

START_TEST (test_spread_work_is_spread)
  {
    // No call does more transforms than its share: 2 of the head and, of 4 for each of 3 blocks
    // of 48 or 4 for each of 6 blocks of 96, at most two and one.
    const auto ir = noise_impulse (kFrames, 2, 1);
    const auto most_in_a_call = [&] (Schedule schedule) {
      Convolver convolver {with (config (2, 16), schedule), ir, three_stages ()};
      Frames y = noise (2 * 16 * 300, 2);
      std::uint64_t most = 0, before = 0;
      for (std::size_t call = 0; call < 300; ++call) {
        convolver.process (std::span {y}.subspan (2 * 16 * call, 2 * 16), kOff, kOn);
        const ConvolverWork work = convolver.work ();
        const std::uint64_t now = work.forward_transforms + work.inverse_transforms;
        most = std::max (most, now - before);
        before = now;
      }
      return most;
    };
    ck_assert_uint_eq (most_in_a_call (Schedule::spike), 4 + 4 + 4);
    ck_assert_uint_le (most_in_a_call (Schedule::spread), 4 + 2 + 1);
  }
END_TEST

START_TEST (test_sparse_signals)
  {
    // Sound that comes and goes, from parts of a head block to several blocks of the last stage,
    // against a response with holes.
    std::mt19937 random {1};
    for (int round = 0; round < 10; ++round) {
      auto ir = noise_impulse (kFrames, 2, 1);
      punch (ir.samples, 2, 400, random);
      auto x = noise (2 * 8000, 3);
      punch (x, 2, 400, random);
      const auto want = direct (x, ir, 2, 0);
      for (const Schedule schedule : {Schedule::spread, Schedule::spike}) {
        Convolver convolver {with (config (2, 16), schedule), ir, three_stages ()};
        for (const Sizes &sizes : {Sizes {16}, Sizes {4, 100}, Sizes {5, 10}}) {
          convolver.reset ();
          Frames y = x;
          run (convolver, y, sizes);
          ck_close (y, want.wet, kMinus120Db);
        }
      }
    }
  }
END_TEST

START_TEST (test_work_follows_sound)
  {
    // One audible frame: each stage transforms the two blocks that have it in their window, and no
    // output later than the response allows.
    const auto ir = noise_impulse (kFrames, 1, 1);
    Convolver convolver {config (1, 16), ir, three_stages ()};
    Frames y (16 * 400);
    y[16 * 12 + 3] = 1.0f; // in the first head block of its block in each stage
    ck_assert (!convolver.is_ringing ());
    std::size_t silent_from = 0;
    for (std::size_t call = 0; call < 400; ++call) {
      convolver.process (std::span {y}.subspan (16 * call, 16), kOff, kOn);
      ck_assert (convolver.is_ringing () || call < 12 || call * 16 >= 16 * 12 + kFrames - 16);
      if (silent_from == 0 && call >= 12 && !convolver.is_ringing ())
        silent_from = call + 1;
    }
    const ConvolverWork work = convolver.work ();
    ck_assert_uint_eq (work.forward_transforms, 2 + 2 + 2);
    // Blocks of the output that any of its partitions reaches: one more than there are.
    ck_assert_uint_le (work.inverse_transforms, 7 + 7 + 7);
    ck_assert_uint_ge (work.inverse_transforms, 6 + 6 + 6);
    ck_assert_uint_eq (work.blocks, 400);
    ck_assert_uint_ge (work.silent_blocks, 400 - kFrames / 16 - 3);
    // Which of the frames of a call was audible is not known, nor when in a block it rings out.
    ck_assert_uint_lt (silent_from * 16, 16 * 13 + kFrames + 16);
    ck_assert (peak (std::span {y}.subspan (silent_from * 16)) == 0.0f);
    ck_assert (y[16 * 12 + 3 + kFrames - 1] != 0.0f);
  }
END_TEST

START_TEST (test_wakes_from_silence_at_any_time)
  {
    const auto ir = noise_impulse (kFrames, 1, 1);
    Convolver convolver {config (1, 16), ir, three_stages ()};
    for (std::size_t gap = 850; gap < 1400; gap += 7) { // around the end of the ringing
      Frames x = noise (400, 1);
      x.resize (400 + gap, 0.0f);
      const auto more = noise (1500, 2);
      x.insert (x.end (), more.begin (), more.end ());
      Frames y = x;
      convolver.reset ();
      run (convolver, y, gap % 2 ? Sizes {16} : Sizes {3, 90});
      ck_close (y, direct (x, ir, 1, 0).wet, kMinus120Db, std::to_string (gap).c_str ());
    }
  }
END_TEST

START_TEST (test_reset_at_any_time)
  {
    const auto ir = noise_impulse (kFrames, 2, 1);
    const auto x = noise (2 * 2500, 2);
    Convolver convolver {config (2, 16), ir, three_stages ()};
    Frames first = x;
    run (convolver, first, Sizes {3, 100}, kOn, kOn);
    for (std::size_t frames = 1; frames < 1200; frames += 37) {
      convolver.reset ();
      ck_assert (!convolver.is_ringing ());
      Frames silence (2 * 1500);
      run (convolver, silence, Sizes {4, 100}, kOn, kOn);
      ck_assert (peak (silence) == 0.0f);
      Frames part (x.begin (), x.begin () + static_cast<std::ptrdiff_t> (2 * frames));
      run (convolver, part, Sizes {50}, kOn, kOn);
      convolver.reset ();
      Frames again = x;
      run (convolver, again, Sizes {3, 100}, kOn, kOn);
      ck_assert (same_bits (first, again));
    }
  }
END_TEST

START_TEST (test_matrix)
  {
    // True stereo in three stages, and how often what the paths share is transformed.
    const auto ir = noise_impulse (kFrames, 4, 1);
    const auto x = noise (2 * 96 * 40, 2);
    Convolver convolver {config (2, 16), ir, three_stages ()};
    Frames y = x;
    run (convolver, y, Sizes {16});
    ck_close (y, direct_matrix (x, ir, 2, 0, default_routing (2, 4)), 2 * kMinus120Db);
    // Work for the last block of a spread stage may be left.
    ck_assert_uint_le (convolver.work ().forward_transforms, 2 * (240 + 80 + 40));
    ck_assert_uint_ge (convolver.work ().forward_transforms, 2 * (240 + 79 + 39));
  }
END_TEST

START_TEST (test_decay_to_zero_makes_no_denormals)
  {
    // A tail that falls through the denormal range in the last stage.
    Impulse ir {Frames (kFrames), 1};
    for (std::size_t n = 0; n < kFrames; ++n)
      ir.samples[n] = std::pow (10.0f, -static_cast<float> (n) / 20.0f);
    Convolver convolver {config (1, 16), ir, three_stages ()};
    Frames y (3000);
    y[0] = 1.0f;
    run (convolver, y, Sizes {3, 100}, kOn, kOn);
    ck_assert (std::all_of (y.begin (), y.end (), [] (float sample) {
      return sample == 0.0f || std::abs (sample) >= std::numeric_limits<float>::min ();
    }));
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver-stages");
  TCase *test_case = tcase_create ("convolver-stages");
  tcase_add_loop_test (test_case, test_every_partition_of_the_model, 0, std::size (kUsual));
  tcase_add_loop_test (test_case, test_single_taps, 0, 4);
  tcase_add_loop_test (test_case, test_taps_at_the_edges_of_real_partitions, 0, std::size (kUsual));
  tcase_add_loop_test (test_case, test_buffers_of_any_size, 0, 7);
  tcase_add_test (test_case, test_every_instruction_set);
  tcase_add_test (test_case, test_the_schedule_does_not_change_a_bit);
  tcase_add_test (test_case, test_spread_work_is_spread);
  tcase_add_test (test_case, test_sparse_signals);
  tcase_add_test (test_case, test_work_follows_sound);
  tcase_add_test (test_case, test_wakes_from_silence_at_any_time);
  tcase_add_test (test_case, test_reset_at_any_time);
  tcase_add_test (test_case, test_matrix);
  tcase_add_test (test_case, test_decay_to_zero_makes_no_denormals);
  suite_add_tcase (suite, test_case);
  return run_all (suite);
}
