// SPDX-License-Identifier: LGPL-2.1-or-later
// Paths between channels: true stereo, matrices, and how often what they share is transformed.
#include "convolversupport.hpp"

#include <stdexcept>
#include <string>

using namespace mt::test;

namespace {

std::string refusal (const ConvolverConfig &wanted, const Impulse &ir)
{
  try {
    Convolver convolver {wanted, ir};
  } catch (const std::invalid_argument &error) {
    return error.what ();
  }
  return {};
}

} // namespace

START_TEST (test_default_routing)
  {
    ck_assert (default_routing (3, 1) == (Routing {{0, 0, 0}, {1, 1, 0}, {2, 2, 0}}));
    ck_assert (default_routing (3, 3) == (Routing {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}}));
    ck_assert (default_routing (1, 1) == (Routing {{0, 0, 0}}));
    ck_assert (default_routing (4, 4) == (Routing {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}}));
    ck_assert (default_routing (2, 4) == (Routing {{0, 0, 0}, {0, 1, 1}, {1, 0, 2}, {1, 1, 3}}));
    for (const std::size_t channels : {2, 3, 6}) {
      const Impulse ir {Frames (5 * 10, 1.0f), 5};
      const std::string said = refusal (config (channels, 480), ir);
      ck_assert_msg (said.find ("5 channels") != std::string::npos &&
              said.find (std::to_string (channels)) != std::string::npos,
          "%s", said.c_str ());
    }
  }
END_TEST

START_TEST (test_true_stereo)
  {
    const auto ir = noise_impulse (700, 4, 1);
    const auto x = noise (2 * 4000, 2);
    for (const std::size_t latency : {0, 90}) {
      Convolver convolver {config (2, 100, latency), ir};
      for (const Sizes &sizes : {Sizes {100}, Sizes {3, 300}}) {
        Frames y = x;
        convolver.reset ();
        run (convolver, y, sizes);
        ck_close (y,
            direct_matrix (x, ir, 2, latency, {{0, 0, 0}, {0, 1, 1}, {1, 0, 2}, {1, 1, 3}}),
            2 * kMinus120Db);
      }
    }
  }
END_TEST

START_TEST (test_matrices)
  {
    struct Case {
      std::size_t channels, ir_channels;
      Routing routing;
    };
    const Case cases[] = {
        {1, 3, {{0, 0, 2}}},            // one of several
        {2, 1, {{0, 1, 0}, {1, 0, 0}}}, // crossed
        {2, 2, {{1, 0, 0}, {1, 0, 1}}}, // two on one path
        {3, 2, {{0, 2, 1}, {1, 2, 0}}}, // outputs without a path
        {5, 6, {{4, 0, 0}, {3, 0, 1}, {2, 0, 2}, {1, 0, 3}, {0, 0, 4}, {0, 4, 5}}}, // 5 to 1
        {3, 9,
            {{0, 0, 0}, {0, 1, 1}, {0, 2, 2}, {1, 0, 3}, {1, 1, 4}, {1, 2, 5}, {2, 0, 6}, {2, 1, 7},
                {2, 2, 8}}},
    };
    for (const Case &each : cases) {
      const auto ir = noise_impulse (333, each.ir_channels, 1);
      const auto x = noise (each.channels * 2000, 2);
      auto wanted = config (each.channels, 48, 20);
      wanted.routing = each.routing;
      Convolver convolver {wanted, ir};
      Frames y = x;
      run (convolver, y, Sizes {4, 150});
      ck_close (y, direct_matrix (x, ir, each.channels, 20, each.routing), 3 * kMinus120Db);
    }
  }
END_TEST

START_TEST (test_paths_share_transforms)
  {
    constexpr std::size_t kBlock = 64, kBlocks = 40;
    const auto ir = noise_impulse (kBlock, 9, 1);
    auto wanted = config (3, kBlock);
    for (std::size_t i = 0; i < 9; ++i)
      wanted.routing.push_back ({i / 3, i % 3, i});
    Convolver convolver {wanted, ir};
    Frames y = noise (3 * kBlock * kBlocks, 2);
    run (convolver, y, Sizes {kBlock});
    ck_assert_uint_eq (convolver.work ().forward_transforms, 3 * kBlocks);
    ck_assert_uint_eq (convolver.work ().inverse_transforms, 3 * kBlocks);
  }
END_TEST

START_TEST (test_bad_routings_are_refused)
  {
    const auto ir = noise_impulse (10, 2, 1);
    const auto says = [&] (const Routing &routing, const char *what, const char *limit) {
      auto wanted = config (3, 480);
      wanted.routing = routing;
      const std::string said = refusal (wanted, ir);
      ck_assert_msg (
          said.find (what) != std::string::npos && said.find (limit) != std::string::npos,
          "'%s' does not say %s and %s", said.c_str (), what, limit);
    };
    says ({{0, 0, 0}, {3, 0, 0}}, "path 1 has input channel 3", "0 to 2");
    says ({{0, 7, 0}}, "path 0 has output channel 7", "0 to 2");
    says ({{0, 0, 2}}, "impulse response channel 2", "0 to 1");
    says ({{0, 1, 0}, {0, 0, 1}, {0, 1, 0}}, "from input channel 0 to output channel 1", "twice");
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("convolver-routing");
  TCase *test_case = tcase_create ("convolver-routing");
  tcase_add_test (test_case, test_default_routing);
  tcase_add_test (test_case, test_true_stereo);
  tcase_add_test (test_case, test_matrices);
  tcase_add_test (test_case, test_paths_share_transforms);
  tcase_add_test (test_case, test_bad_routings_are_refused);
  suite_add_tcase (suite, test_case);
  return run_all (suite);
}
