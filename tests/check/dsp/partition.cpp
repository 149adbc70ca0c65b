// SPDX-License-Identifier: LGPL-2.1-or-later
// What every chosen partition must be like, whatever the costs of the model are.
#include "dsp/partition.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <iterator>

#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kStep = 7.0; // from one length of the response to the next
#else
constexpr double kStep = 1.9;
#endif

constexpr std::size_t kChunks[] = {1, 7, 16, 17, 64, 100, 128, 147, 256, 441, 480, 512, 882, 960,
    997, 1024, 2048, 4096, 4800, 9600, 20011, 65536};

/// One check for all: Check writes each one into a pipe.
void check_shape (const PartitionRequest &request, const Partition &partition)
{
  const std::size_t head = partition.at (0).span_frames ();
  const std::size_t batch =
      (request.latency_frames / request.chunk_frames + 1) * request.chunk_frames;
  bool good = partition.size () <= 3;
  // No call of the usual size ends inside a block that it needs output of.
  if (batch >= 16)
    good = good && batch % head == 0 &&
        (head == batch || head <= request.latency_frames || batch == request.chunk_frames);
  std::size_t offset = 0;
  for (const StageShape &stage : partition) {
    good = good && stage.offset_frames == offset && stage.partitions >= 1 &&
        offset < request.ir_frames && // none is there for nothing
        stage.transform_length >= stage.block_frames &&
        stage.transform_length <= std::bit_ceil (stage.block_frames) &&
        stage.transform_length % 16 == 0;
    good = good && stage.blocks_together >= 1 && stage.blocks_together <= kMaxBlocksTogether;
    if (offset > 0)
      good = good && stage.block_frames % head == 0 && stage.blocks_together == 1 &&
          offset % head == 0 && offset >= stage.block_frames &&
          (request.schedule == Schedule::spike || may_spread (stage, head));
    offset += stage.partitions * stage.block_frames;
  }
  good = good && offset >= request.ir_frames &&
      offset - request.ir_frames < partition.back ().block_frames; // the last one is needed
  ck_assert_msg (good, "chunk %zu, latency %zu, response of %zu: head %zu, %zu stages",
      request.chunk_frames, request.latency_frames, request.ir_frames, head, partition.size ());
}

} // namespace

START_TEST (test_shapes)
  {
    const std::size_t chunk = kChunks[_i];
    for (const std::size_t batch : {1, 2, 3, 10, 41}) {
      if (chunk * batch > 65536)
        continue;
      for (const Schedule schedule : {Schedule::spread, Schedule::spike}) {
        for (double frames = 1.0; frames < 3e6; frames *= kStep) {
          const PartitionRequest request {
              static_cast<std::size_t> (frames), chunk, (batch - 1) * chunk, schedule, 2, 2, 2};
          check_shape (request, choose_partition (request));
        }
      }
    }
  }
END_TEST

START_TEST (test_longer_costs_more)
  {
    for (const Schedule schedule : {Schedule::spread, Schedule::spike}) {
      double before_ns = 0.0;
      for (double frames = 100.0; frames < 3e6; frames *= 2.0) {
        const PartitionRequest request {
            static_cast<std::size_t> (frames), 480, 0, schedule, 2, 2, 2};
        const double ns = predicted_ns (choose_partition (request), request);
        ck_assert_double_ge (ns, before_ns);
        before_ns = ns;
      }
    }
  }
END_TEST

START_TEST (test_channels_share_the_caches)
  {
    // A channel never gets cheaper by others beside it, and does get dearer once all of them
    // together fit into no cache. When all fit into the nearest one, nothing changes.
    const auto ns_a_channel = [] (std::size_t frames, std::size_t channels) {
      const PartitionRequest request {
          frames, 480, 0, Schedule::spread, channels, channels, channels};
      return predicted_ns (choose_partition (request), request) / static_cast<double> (channels);
    };
    for (const std::size_t frames : {4800, 96000, 480000}) {
      double before_ns = 0.0;
      for (const std::size_t channels : {1, 2, 3, 6, 8, 16, 64}) {
        const double ns = ns_a_channel (frames, channels);
        ck_assert_double_ge (ns, 0.999999 * before_ns);
        before_ns = ns;
      }
    }
    ck_assert_double_eq_tol (ns_a_channel (4800, 2), ns_a_channel (4800, 1), 1e-9);
    ck_assert_double_ge (ns_a_channel (96000, 8), 1.2 * ns_a_channel (96000, 1));
    ck_assert_double_ge (ns_a_channel (480000, 8), 1.5 * ns_a_channel (480000, 1));
  }
END_TEST

START_TEST (test_choice_is_the_cheapest)
  {
    for (const std::size_t chunk : {64, 441, 480}) {
      const PartitionRequest request {96000, chunk, 0, Schedule::spread, 2, 2, 2};
      const Partition chosen = choose_partition (request);
      const auto near = partitions_near (request, 1.2);
      ck_assert_uint_ge (near.size (), 3);
      ck_assert (near.front () == chosen);
      const double ns = predicted_ns (chosen, request);
      // Stages are worth it: not by a little.
      const Partition uniform {
          {chunk, (96000 + chunk - 1) / chunk, 0, transform_length (chunk, 96000 / chunk), 4}};
      ck_assert_double_lt (1.5 * ns, predicted_ns (uniform, request));
      bool in_range = true;
      for (const Partition &each : near) {
        check_shape (request, each);
        const double each_ns = predicted_ns (each, request);
        in_range = in_range && each_ns >= ns && each_ns <= 1.2 * ns;
      }
      ck_assert (in_range);
    }
  }
END_TEST

START_TEST (test_latency_makes_it_cheaper)
  {
    double before_ns = 1e9;
    for (const std::size_t batch : {1, 2, 5, 10}) {
      const PartitionRequest request {96000, 480, (batch - 1) * 480, Schedule::spread, 2, 2, 2};
      const double ns = predicted_ns (choose_partition (request), request);
      ck_assert_double_lt (ns, before_ns);
      before_ns = ns;
    }
  }
END_TEST

START_TEST (test_transform_length)
  {
    bool good = true;
    for (std::size_t block = 16; block < 70000; block += block / 7 + 1) {
      for (const std::size_t partitions : {1, 20, 500}) {
        const std::size_t length = transform_length (block, partitions);
        std::size_t rest = length;
        for (const std::size_t prime : {2, 3, 5})
          while (rest % prime == 0)
            rest /= prime;
        good = good && length >= block && length <= std::bit_ceil (block) && length % 16 == 0 &&
            rest == 1;
      }
    }
    ck_assert (good);
    ck_assert_uint_eq (transform_length (1, 10), 16);
    ck_assert_uint_eq (transform_length (512, 10), 512);
    ck_assert_uint_eq (transform_length (480, 10), 512);
    ck_assert_uint_eq (transform_length (480, 500), 480);
    ck_assert_uint_eq (transform_length (4800, 20), 4800);
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("partition");
  TCase *test_case = tcase_create ("partition");
  tcase_add_loop_test (test_case, test_shapes, 0, std::size (kChunks));
  tcase_add_test (test_case, test_longer_costs_more);
  tcase_add_test (test_case, test_channels_share_the_caches);
  tcase_add_test (test_case, test_choice_is_the_cheapest);
  tcase_add_test (test_case, test_latency_makes_it_cheaper);
  tcase_add_test (test_case, test_transform_length);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
