// SPDX-License-Identifier: LGPL-2.1-or-later
// The arithmetic of the mix, for every SIMD width this processor has.
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "run.hpp"

#include <check.h>

#include "dsp/mix.hpp"
#include "everytarget.hpp"

namespace {

using Samples = std::vector<float>;

Samples noise (std::size_t count, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> value {-1.0f, 1.0f};
  Samples out (count);
  for (float &sample : out)
    sample = value (random);
  return out;
}

const std::vector<std::size_t> kLengths {
    0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 480, 961};

} // namespace

START_TEST (test_unity_gain_is_the_plain_sum)
  {
    mt::test::on_every_target ([] (const char *) {
      for (const std::size_t length : kLengths) {
        Samples acc = noise (length, 1);
        Samples wanted = acc;
        for (unsigned track = 2; track < 10; ++track) {
          const Samples in = noise (length, track);
          mt::dsp::accumulate (acc, in, 1.0f);
          for (std::size_t n = 0; n < length; ++n)
            wanted[n] += in[n];
        }
        for (std::size_t n = 0; n < length; ++n)
          ck_assert (acc[n] == wanted[n]);
      }
    });
  }
END_TEST

START_TEST (test_gain)
  {
    mt::test::on_every_target ([] (const char *) {
      for (const float gain : {0.0f, 0.5f, 1.0f / 3.0f, 10.0f, -1.0f})
        for (const std::size_t length : kLengths) {
          const Samples before = noise (length, 3);
          const Samples in = noise (length, 4);
          Samples acc = before;
          mt::dsp::accumulate (acc, in, gain);
          for (std::size_t n = 0; n < length; ++n) {
            // With or without fused multiply-add: the exact value within a rounding of each step.
            const double exact = static_cast<double> (before[n]) +
                static_cast<double> (in[n]) * static_cast<double> (gain);
            const double step =
                std::ldexp (std::abs (static_cast<double> (in[n]) * static_cast<double> (gain)) +
                        std::abs (exact),
                    -24);
            ck_assert_double_le (std::abs (static_cast<double> (acc[n]) - exact), step);
          }
        }
    });
  }
END_TEST

START_TEST (test_any_split_gives_the_same_bits)
  {
    mt::test::on_every_target ([] (const char *) {
      constexpr std::size_t kLength = 150;
      const float gain = 0.7f; // not exact: a multiply-add that is not the same everywhere shows
      const Samples before = noise (kLength, 5);
      const Samples in = noise (kLength, 6);
      Samples whole = before;
      mt::dsp::accumulate (whole, in, gain);
      ck_assert (whole != before);
      for (std::size_t split = 0; split <= kLength; ++split) {
        Samples parts = before;
        mt::dsp::accumulate (std::span {parts}.first (split), std::span {in}.first (split), gain);
        mt::dsp::accumulate (
            std::span {parts}.subspan (split), std::span {in}.subspan (split), gain);
        ck_assert (parts == whole);
      }
    });
  }
END_TEST

START_TEST (test_nothing_beyond_the_span_is_touched)
  {
    mt::test::on_every_target ([] (const char *) {
      for (const std::size_t length : kLengths) {
        Samples acc (length + 64, 0.25f);
        const Samples in (length + 64, 1.0f);
        mt::dsp::accumulate (
            std::span {acc}.subspan (32, length), std::span {in}.subspan (32, length), 1.0f);
        for (std::size_t n = 0; n < acc.size (); ++n)
          ck_assert (acc[n] == (n >= 32 && n < 32 + length ? 1.25f : 0.25f));
      }
    });
  }
END_TEST

START_TEST (test_not_a_number_stays_where_it_is)
  {
    mt::test::on_every_target ([] (const char *) {
      Samples acc (100, 0.5f);
      Samples in (100, 0.25f);
      in[41] = std::numeric_limits<float>::quiet_NaN ();
      in[42] = std::numeric_limits<float>::infinity ();
      mt::dsp::accumulate (acc, in, 1.0f);
      for (std::size_t n = 0; n < acc.size (); ++n)
        if (n == 41)
          ck_assert (std::isnan (acc[n]));
        else if (n == 42)
          ck_assert (std::isinf (acc[n]));
        else
          ck_assert (acc[n] == 0.75f);
    });
  }
END_TEST

START_TEST (test_gains_of_channels)
  {
    mt::test::on_every_target ([] (const char *) {
      for (const std::size_t channels : {1U, 2U, 3U, 5U, 6U, 8U, 9U, 64U}) {
        const Samples gains = noise (channels, 7);
        for (const std::size_t frames : {0U, 1U, 2U, 7U, 16U, 17U, 33U, 480U}) {
          const Samples before = noise (frames * channels, 8);
          const Samples in = noise (frames * channels, 9);
          Samples acc = before;
          mt::dsp::accumulate (acc, in, gains);
          // Each channel alone takes its own gain to the same bits as a track of that gain does.
          for (std::size_t c = 0; c < channels; ++c) {
            Samples wanted = before;
            mt::dsp::accumulate (wanted, in, gains[c]);
            for (std::size_t n = c; n < acc.size (); n += channels)
              ck_assert (acc[n] == wanted[n]);
          }
        }
      }
    });
  }
END_TEST

START_TEST (test_ramp_is_a_straight_line_however_it_is_cut)
  {
    constexpr std::size_t kFrames = 240;
    for (const std::size_t channels : {1U, 2U, 6U}) {
      std::vector<mt::dsp::GainLine> lines;
      for (std::size_t c = 0; c < channels; ++c)
        lines.push_back ({0.25f * static_cast<float> (c), 1.0f - 0.5f * static_cast<float> (c)});
      const Samples in = noise (kFrames * channels, 10);
      Samples whole (in.size (), 0.0f);
      mt::dsp::accumulate_ramp (whole, in, lines, 0, kFrames);
      for (std::size_t n = 0; n < in.size (); ++n) {
        const auto &line = lines[n % channels];
        const double t = static_cast<double> (n / channels) / static_cast<double> (kFrames);
        const double gain =
            static_cast<double> (line.from) * (1.0 - t) + static_cast<double> (line.to) * t;
        ck_assert_double_eq_tol (
            static_cast<double> (whole[n]), gain * static_cast<double> (in[n]), 1e-6);
      }
      for (std::size_t split = 0; split <= kFrames; ++split) {
        Samples parts (in.size (), 0.0f);
        const std::size_t at = split * channels;
        mt::dsp::accumulate_ramp (
            std::span {parts}.first (at), std::span {in}.first (at), lines, 0, kFrames);
        mt::dsp::accumulate_ramp (
            std::span {parts}.subspan (at), std::span {in}.subspan (at), lines, split, kFrames);
        ck_assert (parts == whole);
      }
    }
  }
END_TEST

START_TEST (test_count_clipped)
  {
    mt::test::on_every_target ([] (const char *) {
      const float inf = std::numeric_limits<float>::infinity ();
      const float above = std::nextafter (1.0f, 2.0f);
      const struct {
        float value;
        bool clips;
      } cases[] {{0.0f, false}, {1.0f, false}, {-1.0f, false}, {above, true}, {-above, true},
          {1e30f, true}, {-1e30f, true}, {inf, true}, {-inf, true},
          {std::numeric_limits<float>::quiet_NaN (), false}, {-0.0f, false},
          {std::numeric_limits<float>::denorm_min (), false}};
      for (const auto &one : cases)
        for (const std::size_t length : {1U, 5U, 16U, 67U})
          for (std::size_t at = 0; at < length; ++at) {
            Samples samples (length, 0.5f);
            samples[at] = one.value;
            ck_assert_uint_eq (mt::dsp::count_clipped (samples), one.clips ? 1 : 0);
          }
      for (const std::size_t length : kLengths) {
        ck_assert_uint_eq (mt::dsp::count_clipped (Samples (length, 2.0f)), length);
        ck_assert_uint_eq (mt::dsp::count_clipped (Samples (length, 1.0f)), 0);
      }
    });
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("mix");
  TCase *tests = tcase_create ("mix");
  tcase_add_test (tests, test_unity_gain_is_the_plain_sum);
  tcase_add_test (tests, test_gain);
  tcase_add_test (tests, test_any_split_gives_the_same_bits);
  tcase_add_test (tests, test_nothing_beyond_the_span_is_touched);
  tcase_add_test (tests, test_not_a_number_stays_where_it_is);
  tcase_add_test (tests, test_gains_of_channels);
  tcase_add_test (tests, test_ramp_is_a_straight_line_however_it_is_cut);
  tcase_add_test (tests, test_count_clipped);
  suite_add_tcase (suite, tests);
  return mt::test::run_all (suite);
}
