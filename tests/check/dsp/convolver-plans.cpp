// SPDX-License-Identifier: LGPL-2.1-or-later
// Every plan that the cost model chooses, for responses up to 10 s and up to 64 paths, against the
// convolution in double.
//
// The model is asked over a grid of chunks, batches, lengths of the response and numbers of paths;
// what it answers is run, each different partition once. MT_TEST_CASES=all has a much finer grid.
#include "convolversupport.hpp"

#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "everytarget.hpp"
#include "../sanitized.hpp"

using namespace mt::test;

namespace {

bool all_cases ()
{
  const char *const cases = std::getenv ("MT_TEST_CASES");
  return cases && std::strcmp (cases, "all") == 0;
}

constexpr std::size_t kLongest = 480000; // 10 s at 48 kHz
constexpr std::size_t kLongestBlock = 65536;
constexpr std::size_t kMore = 1000; // input after every partition has met two blocks of it

/// One length of the response, and what comes out.
struct Answer {
  Impulse ir;
  std::vector<double> wet; // of input
};
Frames input;
std::map<std::size_t, Answer> answers; // by frames of the response

/// From a few taps to 10 s, no round numbers but the last.
std::vector<std::size_t> lengths ()
{
  std::vector<std::size_t> out;
  const double longest = kSanitized ? 20000.0 : static_cast<double> (kLongest);
  for (double frames = longest; frames >= 40.0; frames /= all_cases () ? 1.38 : 2.17)
    out.push_back (static_cast<std::size_t> (frames));
  return out;
}

double worst = 0.0; // difference of all

/// Once for all tests of the program. The loudest sample that comes out is full scale: what sets
/// the rounding noise is the level inside, so louder would be beyond what the promise is about, and
/// softer less than that.
void make_answers ()
{
  input = noise (kLongest + 2 * kLongestBlock + kMore, 2);
  for (const std::size_t frames : lengths ()) {
    Answer &answer = answers[frames];
    answer.ir = noise_impulse (frames, 1, static_cast<unsigned> (frames));
    const auto heard = static_cast<std::ptrdiff_t> (frames + 2 * kLongestBlock + kMore);
    const std::vector<double> x {input.begin (), input.begin () + heard};
    const auto peak_of = [] (const std::vector<double> &y) {
      return *std::max_element (
          y.begin (), y.end (), [] (double a, double b) { return std::abs (a) < std::abs (b); });
    };
    answer.wet = convolve (x, {answer.ir.samples.begin (), answer.ir.samples.end ()});
    const auto gain = static_cast<float> (1.0 / std::abs (peak_of (answer.wet)));
    for (float &tap : answer.ir.samples)
      tap *= gain;
    answer.wet = convolve (x, {answer.ir.samples.begin (), answer.ir.samples.end ()});
  }
}

std::string text (const Partition &partition)
{
  std::string out;
  for (const StageShape &stage : partition) {
    for (const std::size_t value : {stage.partitions, stage.block_frames, stage.transform_length,
             stage.blocks_at_once, stage.blocks_together})
      out += std::to_string (value) + ' ';
  }
  return out;
}

/// In calls of the usual size, and for the last third of any size.
void check_plan (const PartitionRequest &request, const Partition &partition)
{
  const Answer &answer = answers.at (request.ir_frames);
  const std::size_t latency = request.latency_frames;
  auto wanted = config (1, request.chunk_frames, latency);
  wanted.schedule = request.schedule;
  Convolver convolver {wanted, answer.ir, partition};
  const std::size_t frames = request.ir_frames + 2 * partition.back ().block_frames + kMore;
  Frames y {input.begin (), input.begin () + static_cast<std::ptrdiff_t> (frames)};
  Frames usual {y.begin (), y.begin () + static_cast<std::ptrdiff_t> (frames * 2 / 3)};
  Frames any {y.begin () + static_cast<std::ptrdiff_t> (usual.size ()), y.end ()};
  run (convolver, usual, Sizes {request.chunk_frames});
  run (convolver, any, Sizes {static_cast<unsigned> (frames), 3 * request.chunk_frames});
  std::copy (usual.begin (), usual.end (), y.begin ());
  std::copy (any.begin (), any.end (), y.begin () + static_cast<std::ptrdiff_t> (usual.size ()));
  std::vector<double> want (frames);
  if (latency < frames)
    std::copy_n (answer.wet.begin (), frames - latency,
        want.begin () + static_cast<std::ptrdiff_t> (latency));
  for (std::size_t n = 0; n < frames; ++n)
    worst = std::max (worst, std::abs (static_cast<double> (y[n]) - want[n]));
  ck_close (y, want, kMinus120Db,
      (std::to_string (request.chunk_frames) + " frames, latency " + std::to_string (latency) +
          ": " + text (partition))
          .c_str ());
}

constexpr std::size_t kChunks[] = {1, 16, 17, 32, 64, 100, 128, 147, 256, 441, 480, 512, 960, 1024,
    2048, 4096, 4800, 9600, 19200, 65536};

/// What a stream of so many channels asks for: one path for each, or all to all.
std::vector<std::pair<std::size_t, std::size_t>> channels_and_paths ()
{
  if (!all_cases ())
    return {{1, 1}, {2, 2}, {2, 4}, {8, 8}, {8, 64}};
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t channels = 1; channels <= 8; ++channels)
    for (const std::size_t paths : {channels, channels * channels})
      out.emplace_back (channels, paths);
  return out;
}

std::vector<std::size_t> batches ()
{
  if (!all_cases ())
    return {1, 2, 10, 41};
  return {1, 2, 3, 5, 10, 20, 41, 100};
}

} // namespace

START_TEST (test_every_plan_of_the_model)
  {
    const std::size_t chunk = kChunks[_i];
    std::set<std::string> seen;
    std::size_t requests = 0;
    for (const std::size_t batch : batches ()) {
      if (batch > 1 && chunk * batch > Convolver::kMaxChunkFrames)
        continue;
      for (const Schedule schedule : {Schedule::spread, Schedule::spike}) {
        for (const auto &[frames, answer] : answers) {
          for (const auto &[channels, paths] : channels_and_paths ()) {
            const PartitionRequest request {
                frames, chunk, (batch - 1) * chunk, schedule, channels, channels, paths};
            const auto check = [&] {
              ++requests;
              const Partition partition = choose_partition (request);
              std::string key = text (partition) + (batch > 1 ? "late " : "");
              for (const StageShape &stage : partition)
                key += schedule == Schedule::spread &&
                        may_spread (stage, partition.front ().span_frames ())
                    ? 's'
                    : '-';
              if (seen.insert (key).second)
                check_plan (request, partition);
            };
            if (all_cases ())
              on_every_target ([&] (const char *) { check (); });
            else
              check ();
          }
        }
      }
    }
    std::printf ("chunks of %zu frames: %zu plans of %zu requests, to %.1f dBFS\n", chunk,
        seen.size (), requests, 20.0 * std::log10 (worst));
    std::fflush (stdout);
    ck_assert_uint_ge (seen.size (), kSanitized ? 4 : 12);
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver-plans");
  TCase *test_case = tcase_create ("convolver-plans");
  if (all_cases ())
    tcase_set_timeout (test_case, 1200);
  tcase_add_unchecked_fixture (test_case, make_answers, nullptr);
  tcase_add_loop_test (test_case, test_every_plan_of_the_model, 0, std::size (kChunks));
  suite_add_tcase (suite, test_case);
  return run_all (suite);
}
