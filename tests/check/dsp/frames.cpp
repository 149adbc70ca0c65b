// SPDX-License-Identifier: LGPL-2.1-or-later
// Interleaved frames in and out of planar channels, for every length around the vector width.
#include "dsp/frames.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>
#include <vector>

#include "everytarget.hpp"
#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

constexpr std::size_t kMaxFrames = 70;
constexpr float kGuard = 77.0f;

/// A value that no other frame and channel has.
float value_at (std::size_t frame, std::size_t channel)
{
  return 1.0f + static_cast<float> (frame) + static_cast<float> (channel) / 64.0f;
}

std::vector<float> planar (std::size_t channel, std::size_t frames, float gain)
{
  std::vector<float> samples (frames);
  for (std::size_t i = 0; i < frames; ++i)
    samples[i] = gain * value_at (i, channel);
  return samples;
}

} // namespace

START_TEST (test_take)
  {
    const auto channels = static_cast<std::size_t> (_i);
    mt::test::on_every_target ([&] (const char *) {
      for (std::size_t frames = 0; frames <= kMaxFrames; ++frames) {
        std::vector<float> io (frames * channels);
        for (std::size_t i = 0; i < io.size (); ++i)
          io[i] = value_at (i / channels, i % channels);
        std::vector<std::vector<float>> out (channels, std::vector<float> (frames + 1, kGuard));
        std::vector<Taken> taken (channels);
        for (std::size_t c = 0; c < channels; c += kChannelsAtOnce) {
          std::vector<float *> some;
          for (std::size_t i = c; i < std::min (channels, c + kChannelsAtOnce); ++i)
            some.push_back (out[i].data ());
          take_channels (
              io.data () + c, channels, frames, some, std::span {taken}.subspan (c, some.size ()));
        }
        for (std::size_t c = 0; c < channels; ++c) {
          for (std::size_t i = 0; i < frames; ++i)
            ck_assert_float_eq (out[c][i], value_at (i, c));
          ck_assert_float_eq (out[c][frames], kGuard);
          ck_assert (taken[c].audible == (frames > 0));
          ck_assert_uint_eq (taken[c].not_finite, 0);
        }
      }
    });
  }
END_TEST

START_TEST (test_one_sample_anywhere_is_found)
  {
    using Limits = std::numeric_limits<float>;
    struct Case {
      float sample;
      bool audible;
      std::size_t not_finite;
    };
    const Case cases[] = {{Limits::min (), true, 0}, {-Limits::min (), true, 0},
        {kMaxStreamSample, true, 0}, {-kMaxStreamSample, true, 0},
        {std::nextafter (kMaxStreamSample, Limits::max ()), false, 1}, {Limits::max (), false, 1},
        {-Limits::max (), false, 1}, {-0.0f, false, 0}, {Limits::denorm_min (), false, 0},
        {-Limits::denorm_min (), false, 0}, {Limits::infinity (), false, 1},
        {-Limits::infinity (), false, 1}, {Limits::quiet_NaN (), false, 1},
        {-Limits::quiet_NaN (), false, 1}};
    mt::test::on_every_target ([&] (const char *) {
      for (const Case &test : cases) {
        for (std::size_t at = 0; at < kMaxFrames; ++at) {
          std::vector<float> io (2 * kMaxFrames), left (kMaxFrames), right (kMaxFrames);
          io[2 * at + 1] = test.sample;
          Taken taken[2];
          float *const out[] = {left.data (), right.data ()};
          take_channels (io.data (), 2, kMaxFrames, out, taken);
          ck_assert (!taken[0].audible && taken[0].not_finite == 0);
          ck_assert (taken[1].audible == test.audible);
          ck_assert_uint_eq (taken[1].not_finite, test.not_finite);
          ck_assert_float_eq (right[at], test.not_finite ? 0.0f : test.sample);
        }
      }
    });
  }
END_TEST

START_TEST (test_put)
  {
    const auto channels = static_cast<std::size_t> (_i);
    constexpr float kWet = 3.0f;
    const GainRange dry {0.25f, 0.75f}, wet {1.0f, -0.5f};
    mt::test::on_every_target ([&] (const char *target) {
      for (std::size_t frames = 1; frames <= kMaxFrames; ++frames) {
        // The call began 5 frames before and ends 2 after.
        const std::size_t total = frames + 7;
        const auto dry_line = GainLine::at (dry, total, 5), wet_line = GainLine::at (wet, total, 5);
        std::vector<float> io (frames * channels + 1, kGuard);
        std::vector<std::vector<float>> x, w;
        for (std::size_t c = 0; c < channels; ++c) {
          x.push_back (planar (c, frames, 1.0f));
          w.push_back (planar (c, frames, kWet));
        }
        for (std::size_t c = 0; c < channels; c += kChannelsAtOnce) {
          std::vector<Mixed> some;
          for (std::size_t i = c; i < std::min (channels, c + kChannelsAtOnce); ++i)
            some.push_back ({x[i].data (), w[i].data ()});
          put_channels (io.data () + c, channels, frames, some, dry_line, wet_line);
        }
        for (std::size_t i = 0; i < frames; ++i) {
          const double way = static_cast<double> (i + 6) / static_cast<double> (total);
          for (std::size_t c = 0; c < channels; ++c) {
            const double gain = 0.25 + 0.5 * way + static_cast<double> (kWet) * (1.0 - 1.5 * way);
            const double want = gain * static_cast<double> (value_at (i, c));
            ck_assert_msg (std::abs (static_cast<double> (io[i * channels + c]) - want) < 1e-4,
                "%s, frame %zu of %zu", target, i, frames);
          }
        }
        ck_assert_float_eq (io.back (), kGuard);
      }
    });
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("frames");
  TCase *test_case = tcase_create ("frames");
  tcase_add_loop_test (test_case, test_take, 1, 9);
  tcase_add_test (test_case, test_one_sample_anywhere_is_found);
  tcase_add_loop_test (test_case, test_put, 1, 9);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
