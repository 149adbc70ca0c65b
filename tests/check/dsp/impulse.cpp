// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses: trimming, normalising, faults, and what makes a synthetic room a room.
#include "dsp/impulse.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

constexpr double kRate = 48000.0;
constexpr Room kRooms[] = {Room::small_room, Room::hall, Room::plate, Room::cathedral};

double energy_of (const Impulse &ir, std::size_t channel)
{
  double sum = 0.0;
  for (std::size_t n = 0; n < ir.frames (); ++n) {
    const auto x = static_cast<double> (ir.samples[n * ir.channels + channel]);
    sum += x * x;
  }
  return sum;
}

/// T30 of one channel, seconds: line through the backward integrated energy from −5 to −35 dB.
double t30_of (const Impulse &ir, std::size_t channel, double rate)
{
  std::vector<double> left (ir.frames () + 1, 0.0);
  for (std::size_t n = ir.frames (); n-- > 0;) {
    const auto x = static_cast<double> (ir.samples[n * ir.channels + channel]);
    left[n] = left[n + 1] + x * x;
  }
  double count = 0.0, st = 0.0, sl = 0.0, stt = 0.0, stl = 0.0;
  for (std::size_t n = 0; n < ir.frames (); ++n) {
    const double level = 10.0 * std::log10 (left[n] / left[0]);
    if (level > -5.0)
      continue;
    if (level < -35.0)
      break;
    const double t = static_cast<double> (n) / rate;
    count += 1.0, st += t, sl += level, stt += t * t, stl += t * level;
  }
  return -60.0 / ((count * stl - st * sl) / (count * stt - st * st));
}

/// Energy of one channel above `hz` (first-order high-pass) in frames [from, to).
double high_energy (const Impulse &ir, double hz, std::size_t from, std::size_t to)
{
  const double gain = 1.0 - std::exp (-2.0 * 3.141592653589793 * hz / kRate);
  double low = 0.0, sum = 0.0;
  for (std::size_t n = 0; n < std::min (to, ir.frames ()); ++n) {
    const auto x = static_cast<double> (ir.samples[n * ir.channels]);
    low += gain * (x - low);
    if (n >= from)
      sum += (x - low) * (x - low);
  }
  return sum;
}

} // namespace

START_TEST (test_trim_cuts_after_the_last_loud_frame)
  {
    // Peak 1; −60 dB is 0.001. The last frame that reaches it is frame 3, by its second channel.
    const std::vector<float> samples {
        0.5f, 0.0f, -1.0f, 0.1f, 0.0f, 0.0f, 0.0005f, 0.0011f, 0.0009f, -0.0009f, 0.0f, 0.0f};
    Impulse ir {samples, 2};
    trim (ir, -60.0);
    ck_assert_uint_eq (ir.frames (), 4);
    ck_assert (std::equal (ir.samples.begin (), ir.samples.end (), samples.begin ()));
    trim (ir, -10.0);
    ck_assert_uint_eq (ir.frames (), 2);
    trim (ir, 0.0); // the peak stays
    ck_assert_uint_eq (ir.frames (), 2);

    Impulse all {samples, 2};
    trim (all, -std::numeric_limits<double>::infinity ());
    ck_assert_uint_eq (all.frames (), 6);

    Impulse silent {{0.0f, 0.0f, 0.0f}, 1};
    trim (silent, -90.0);
    ck_assert_uint_eq (silent.frames (), 3);
  }
END_TEST

START_TEST (test_normalize)
  {
    const Impulse original {{3.0f, 0.0f, 0.0f, -4.0f, 0.0f, 1.0f}, 2};
    Impulse energy = original;
    normalize (energy, Normalize::energy);
    ck_assert_double_eq_tol ((energy_of (energy, 0) + energy_of (energy, 1)) / 2.0, 1.0, 1e-6);
    // One factor for all channels: left : right stays 9 : 17.
    ck_assert_double_eq_tol (energy_of (energy, 0) / energy_of (energy, 1), 9.0 / 17.0, 1e-6);
    Impulse peak = original;
    normalize (peak, Normalize::peak);
    ck_assert_float_eq (peak.samples[3], -1.0f);
    ck_assert_float_eq (peak.samples[0], 0.75f);
    Impulse none = original;
    normalize (none, Normalize::none);
    ck_assert (none.samples == original.samples);
    Impulse silent {{0.0f, 0.0f}, 2};
    normalize (silent, Normalize::energy);
    ck_assert_float_eq (silent.samples[0], 0.0f);
  }
END_TEST

START_TEST (test_faults)
  {
    const auto fault = [] (std::vector<float> samples, std::size_t channels, double rate) {
      return find_fault ({std::move (samples), channels}, rate);
    };
    const auto ones = [] (std::size_t count) { return std::vector<float> (count, 1.0f); };
    ck_assert (fault ({1.0f, 0.5f}, 2, kRate).empty ());
    ck_assert (fault ({}, 2, kRate) == "it has no samples");
    ck_assert (fault ({1.0f}, 0, kRate) == "it has no samples");
    ck_assert (fault ({0.0f, 0.0f}, 1, kRate) == "it is silent, every sample is zero");
    ck_assert (fault ({1.0f, 1.0f, 1.0f, NAN}, 2, kRate) ==
        "frame 1 has a sample that is not a finite number");
    ck_assert (
        fault ({INFINITY, 1.0f}, 2, kRate) == "frame 0 has a sample that is not a finite number");
    ck_assert (fault (ones (64), 64, kRate).empty ());
    ck_assert (fault (ones (65), 65, kRate) == "it has 65 channels, the limit is 64");
    ck_assert (fault (ones (600), 1, 10.0).empty ());
    ck_assert (fault (ones (601), 1, 10.0) == "it is longer than 60 seconds");
  }
END_TEST

START_TEST (test_room_decays_as_asked)
  {
    for (const Room room : kRooms)
      for (const double rate : {44100.0, 48000.0, 96000.0})
        for (const double damping : {0.0, 0.5, 1.0})
          for (const double asked : {1.0, 3.0}) {
            const Impulse ir = synthesize_room (room, {asked, damping}, rate, 2);
            for (std::size_t c = 0; c < 2; ++c)
              ck_assert_double_eq_tol (t30_of (ir, c, rate) / asked, 1.0, 0.05);
          }
    // Left to itself, a room has its own decay.
    for (const Room room : kRooms)
      ck_assert_double_eq_tol (
          t30_of (synthesize_room (room, {}, kRate, 1), 0, kRate) / default_decay_time_s (room),
          1.0, 0.05);
  }
END_TEST

START_TEST (test_room_damping_shortens_the_highs)
  {
    // Highs from 0.5 to 1 s against those from 0 to 0.5 s, at the same broadband decay.
    double before = INFINITY;
    for (const double damping : {0.0, 0.5, 1.0}) {
      const Impulse ir = synthesize_room (Room::plate, {1.5, damping}, kRate, 1);
      const double ratio =
          high_energy (ir, 6000.0, 24000, 48000) / high_energy (ir, 6000.0, 0, 24000);
      ck_assert_double_lt (ratio, 0.7 * before);
      before = ratio;
    }
  }
END_TEST

START_TEST (test_room_is_dense_bright_enough_and_without_offset)
  {
    for (const Room room : kRooms) {
      const Impulse ir = synthesize_room (room, {}, kRate, 1);
      // Echo density (Abel & Huang 2006): of Gaussian noise 32 % of the samples lie outside one
      // standard deviation; sparse echoes have less. 20 ms windows from 150 ms on.
      for (std::size_t at = 7200; at + 960 < ir.frames () / 2; at += 960) {
        double square = 0.0;
        for (std::size_t n = at; n < at + 960; ++n)
          square += std::pow (static_cast<double> (ir.samples[n]), 2.0);
        const double deviation = std::sqrt (square / 960.0);
        const auto outside = std::count_if (ir.samples.begin () + static_cast<long> (at),
            ir.samples.begin () + static_cast<long> (at + 960),
            [&] (float x) { return std::fabs (static_cast<double> (x)) > deviation; });
        ck_assert_int_gt (outside, 960 * 20 / 100);
      }
      double sum = 0.0;
      for (const float x : ir.samples)
        sum += static_cast<double> (x);
      ck_assert_double_lt (std::fabs (sum), 0.2); // gain at 0 Hz: no rumble, energy is 1
      const double high = high_energy (ir, 2000.0, 0, ir.frames ());
      ck_assert_double_gt (high, 0.2);
      ck_assert_double_lt (high, 0.9);
    }
  }
END_TEST

START_TEST (test_room_channels_are_decorrelated_and_balanced)
  {
    for (const Room room : kRooms) {
      const Impulse ir = synthesize_room (room, {}, kRate, 6);
      double whole = 0.0;
      for (std::size_t a = 0; a < 6; ++a) {
        whole += energy_of (ir, a);
        // Within 0.6 dB of each other.
        ck_assert_double_eq_tol (10.0 * std::log10 (energy_of (ir, a)), 0.0, 0.6);
        for (std::size_t b = 0; b < a; ++b) {
          double cross = 0.0;
          for (std::size_t n = 0; n < ir.frames (); ++n)
            cross += static_cast<double> (ir.samples[n * 6 + a]) *
                static_cast<double> (ir.samples[n * 6 + b]);
          ck_assert_double_lt (std::fabs (cross), 0.15);
        }
      }
      ck_assert_double_eq_tol (whole / 6.0, 1.0, 1e-5);
    }
  }
END_TEST

START_TEST (test_room_is_the_same_everywhere)
  {
    // FNV-1a over the bytes. These were written down on x86-64; any machine has to give them.
    const std::uint64_t expected[] = {
        0x02da567b4de9c8a1u, 0xcb6a5f8448fb2470u, 0xc779279eb5b43d69u, 0xef5aea698537ffaeu};
    for (std::size_t i = 0; i < 4; ++i) {
      const Impulse ir = synthesize_room (kRooms[i], {}, kRate, 2);
      std::uint64_t hash = 0xcbf29ce484222325u;
      for (const float x : ir.samples) {
        std::uint32_t bits;
        std::memcpy (&bits, &x, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
      }
      ck_assert_msg (hash == expected[i], "room %zu has hash 0x%016llx", i,
          static_cast<unsigned long long> (hash));
      // A channel sounds the same in a wider room but for the common level.
      const Impulse wide = synthesize_room (kRooms[i], {}, kRate, 3);
      const double ratio =
          static_cast<double> (wide.samples[3 * 9600]) / static_cast<double> (ir.samples[2 * 9600]);
      ck_assert_double_eq_tol (static_cast<double> (wide.samples[3 * 4800 + 1]) /
              static_cast<double> (ir.samples[2 * 4800 + 1]),
          ratio, 1e-4);
    }
  }
END_TEST

START_TEST (test_room_extremes)
  {
    for (const Room room : kRooms) {
      for (const double asked : {1e-9, 0.05, 20.0, 1e9}) {
        const Impulse ir = synthesize_room (room, {asked, 0.5}, 8000.0, 1);
        ck_assert (find_fault (ir, 8000.0).empty ());
      }
      const Impulse odd = synthesize_room (room, {0.2, 7.0}, 1000.0, 64);
      ck_assert (find_fault (odd, 1000.0).empty ());
    }
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("impulse");
  TCase *shape = tcase_create ("shape");
  tcase_add_test (shape, test_trim_cuts_after_the_last_loud_frame);
  tcase_add_test (shape, test_normalize);
  tcase_add_test (shape, test_faults);
  suite_add_tcase (suite, shape);
  TCase *rooms = tcase_create ("rooms");
  tcase_add_test (rooms, test_room_decays_as_asked);
  tcase_add_test (rooms, test_room_damping_shortens_the_highs);
  tcase_add_test (rooms, test_room_is_dense_bright_enough_and_without_offset);
  tcase_add_test (rooms, test_room_channels_are_decorrelated_and_balanced);
  tcase_add_test (rooms, test_room_is_the_same_everywhere);
  tcase_add_test (rooms, test_room_extremes);
  suite_add_tcase (suite, rooms);
  return mt::test::run_all (suite);
}
