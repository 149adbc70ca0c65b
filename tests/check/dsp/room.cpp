// SPDX-License-Identifier: LGPL-2.1-or-later
// What makes a synthetic room a room: reflections, decay by octaves, channels of their own.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <random>
#include <vector>

#include "dsp/impulse.hpp"
#include "dsp/lappednoise.hpp"
#include "roomacoustics.hpp"
#include "roomfigures.hpp"
#include "run.hpp"
#include "../sanitized.hpp"

#include <check.h>

using namespace mt::dsp;
using namespace mt::test;

namespace {

constexpr double kRate = 48000.0;
constexpr Room kRooms[] = {Room::small_room, Room::hall, Room::plate, Room::cathedral};

/// What the documentation says of a room.
struct Documented {
  double decay_s;
  double first_ms; // first reflection
  double mix_ms;   // nothing but noise from here on
};
constexpr Documented kDocumented[] = {
    {0.5, 5.0, 30.0}, {2.0, 18.0, 100.0}, {1.8, 0.0, 1.0}, {5.5, 32.0, 220.0}};

std::size_t frames_of (double ms)
{
  return static_cast<std::size_t> (ms * 1e-3 * kRate);
}

/// Checks all octaves that the documentation promises for one room.
void check_decays (std::size_t room, RoomSettings settings, double rate_hz)
{
  struct Octave {
    double hz, part;
  };
  constexpr Octave octaves[] = {{62.5, 1.2}, {125.0, 1.2}, {250.0, 1.1}, {500.0, 1.0},
      {1000.0, 1.0}, {2000.0, 0.85}, {4000.0, 0.7}, {8000.0, 0.5}};
  const Impulse ir = synthesize_room (kRooms[room], settings, rate_hz, 2);
  const double decay_s =
      settings.decay_time_s > 0.0 ? settings.decay_time_s : kDocumented[room].decay_s;
  for (const auto &octave : octaves) {
    if (octave.hz * std::sqrt (2.0) > 0.45 * rate_hz)
      continue;
    const double asked = decay_s * (1.0 + settings.damping * (octave.part - 1.0));
    for (std::size_t c = 0; c < 2; ++c) {
      const double got =
          reverberation_s (octave_band (channel_of (ir, c), octave.hz, rate_hz), rate_hz);
      ck_assert_msg (std::fabs (got / asked - 1.0) < 0.05,
          "room %zu, %g Hz, decay %g s, damping %g, octave of %g Hz, channel %zu: %g s, not %g",
          room, rate_hz, settings.decay_time_s, settings.damping, octave.hz, c, got, asked);
    }
  }
}

} // namespace

START_TEST (test_octave_filter_is_one)
  {
    // The oracle itself: unity in the middle, 3 dB at the edges, 18 dB an octave (and the double of
    // that, less what is in between) outside; and a decay through it is the decay.
    for (const auto &[hz, least, most] : {std::array {1000.0, -0.01, 0.01}, {1414.2, -3.1, -2.9},
             {707.1, -3.1, -2.9}, {500.0, -21.0, -19.0}, {4000.0, -60.0, -33.0}}) {
      std::vector<double> tone (48000);
      for (std::size_t n = 0; n < tone.size (); ++n)
        tone[n] = std::sin (2.0 * std::numbers::pi * hz * static_cast<double> (n) / kRate);
      const auto filtered = octave_band (tone, 1000.0, kRate);
      const double gain_db =
          10.0 * std::log10 (energy_of ({filtered.begin () + 24000, filtered.end ()}) / 12000.0);
      ck_assert_double_ge (gain_db, least);
      ck_assert_double_le (gain_db, most);
    }
    std::vector<double> falling (48000);
    for (std::size_t n = 0; n < falling.size (); ++n) {
      const double t = static_cast<double> (n) / kRate;
      falling[n] = std::pow (10.0, -3.0 * t / 0.7) * std::sin (2.0 * std::numbers::pi * 1000.0 * t);
    }
    ck_assert_double_eq_tol (
        reverberation_s (octave_band (falling, 1000.0, kRate), kRate), 0.7, 0.005);
  }
END_TEST

START_TEST (test_lapped_noise_is_its_definition)
  {
    // Against sums of cosines, at the shortest hop and at a usual one.
    for (const double rate_hz : {400.0, 8000.0}) {
      LappedNoise noise {rate_hz};
      const std::size_t hop = noise.hop_frames ();
      std::vector<double> height (hop), step (hop);
      for (std::size_t k = 0; k < hop; ++k) {
        height[k] = 1.0 / (1.0 + static_cast<double> (k));
        step[k] = 1.0 - 0.5 * static_cast<double> (k) / static_cast<double> (hop);
      }
      std::vector<double> got (3 * hop + 5, 0.25), expected = got;
      noise.add (got, height, step, 7);

      std::mt19937_64 random {7};
      for (std::size_t m = 0; m * hop < expected.size () + hop; ++m) {
        std::uint64_t signs = 0;
        for (std::size_t k = 0; k < hop; ++k) {
          if (k % 64 == 0)
            signs = random ();
          const bool negative = (signs >> (k % 64) & 1) != 0;
          const double tile =
              (negative ? -1.0 : 1.0) * height[k] * std::pow (step[k], static_cast<double> (m));
          for (std::size_t i = 0; i < 2 * hop; ++i) {
            const std::size_t n = m * hop + i;
            if (n < hop || n - hop >= expected.size ())
              continue;
            const auto M = static_cast<double> (hop), at = static_cast<double> (i) + 0.5;
            expected[n - hop] += tile * std::sqrt (2.0 / M) *
                std::sin (std::numbers::pi * at / (2.0 * M)) *
                std::cos (std::numbers::pi / M * (at + 0.5 * M) * (static_cast<double> (k) + 0.5));
          }
        }
      }
      for (std::size_t n = 0; n < got.size (); ++n)
        ck_assert_double_eq_tol (got[n], expected[n], 1e-11);
    }
  }
END_TEST

START_TEST (test_each_octave_decays_as_documented)
  {
    for (std::size_t room = 0; room < 4; ++room) {
      check_decays (room, {0.0, 0.5}, kRate);
      check_decays (room, {0.5, 1.0}, 16000.0);
      if (kSanitized)
        continue;
      for (const double damping : {0.0, 0.5, 1.0}) {
        for (const double decay_s : {0.0, 0.5, 0.7, 3.0})
          check_decays (room, {decay_s, damping}, kRate);
        check_decays (room, {1.0, damping}, 44100.0);
      }
      check_decays (room, {1.0, 0.5}, 96000.0);
    }
  }
END_TEST

START_TEST (test_low_octaves_of_the_shortest_rooms_keep_their_energy)
  {
    // Where the octave filter rings longer than the room, what T30 measures is the filter; a decay
    // moved by that would take energy away: 1.1 dB on average, of many channels because chance
    // alone moves one by more. Without that it is 0.3 dB.
    const auto share = [] (Room room, double decay_s) {
      constexpr std::size_t kChannels = 16;
      const Impulse ir = synthesize_room (room, {decay_s, 0.0}, kRate, kChannels);
      double octave = 0.0, whole = 0.0;
      for (std::size_t c = 0; c < kChannels; ++c) {
        auto samples = channel_of (ir, c);
        whole += energy_of (samples);
        samples.resize (samples.size () + 9600); // the filter rings out
        octave += energy_of (octave_band (samples, 62.5, kRate));
      }
      return 10.0 * std::log10 (octave / whole);
    };
    double lost_db = 0.0, count = 0.0;
    for (const Room room : kRooms) {
      const double long_db = share (room, kSanitized ? 1.0 : 2.0);
      for (const double decay_s : {0.09, 0.1})
        lost_db += long_db - share (room, decay_s), count += 1.0;
    }
    ck_assert_double_lt (std::fabs (lost_db / count), 0.6);
  }
END_TEST

START_TEST (test_decays_are_told)
  {
    const auto told = octave_decays_s (Room::hall, {3.0, 0.5});
    ck_assert_double_eq_tol (told[1], 3.3, 1e-9); // 125 Hz
    ck_assert_double_eq_tol (told[4], 3.0, 1e-9); // 1 kHz
    ck_assert_double_eq_tol (told[7], 2.25, 1e-9);
    for (std::size_t room = 0; room < 4; ++room) {
      ck_assert_double_eq (default_decay_time_s (kRooms[room]), kDocumented[room].decay_s);
      ck_assert_double_eq (
          octave_decays_s (kRooms[room], {0.0, 1.0})[7], 0.5 * kDocumented[room].decay_s);
      // 90 dB of the slowest octave.
      ck_assert_uint_eq (room_frames (kRooms[room], {1.0, 1.0}, kRate), 86400);
    }
  }
END_TEST

START_TEST (test_reflections_are_sparse_and_then_dense)
  {
    for (std::size_t room = 0; room < 4; ++room) {
      const Impulse ir = synthesize_room (kRooms[room], {}, kRate, 2);
      const auto &documented = kDocumented[room];
      for (std::size_t c = 0; c < 2; ++c) {
        const auto samples = channel_of (ir, c);
        const auto first = static_cast<std::size_t> (
            std::find_if (samples.begin (), samples.end (), [] (double x) { return x != 0.0; }) -
            samples.begin ());
        if (documented.first_ms > 0.0) {
          ck_assert_uint_ge (first, frames_of (0.8 * documented.first_ms));
          ck_assert_uint_le (first, frames_of (1.2 * documented.first_ms) + 1);
          // Single echoes, then more, then nothing but noise.
          const double mix = documented.mix_ms;
          const double early = echo_density (samples, first, frames_of (0.4 * mix));
          const double middle =
              echo_density (samples, frames_of (0.4 * mix), frames_of (0.65 * mix));
          const double late = echo_density (samples, frames_of (mix), frames_of (2.0 * mix));
          ck_assert_double_lt (early, 0.55);
          ck_assert_double_gt (middle, early + 0.1);
          ck_assert_double_gt (late, middle + 0.05);
        } else {
          ck_assert_uint_lt (first, 2);
          ck_assert_double_gt (echo_density (samples, frames_of (2.0), frames_of (12.0)), 0.85);
        }
        for (std::size_t at = frames_of (1.1 * documented.mix_ms); at + 960 < samples.size () / 2;
             at += 960) {
          const double density = echo_density (samples, at, at + 960);
          ck_assert_double_gt (density, 0.8);
          ck_assert_double_lt (density, 1.2);
        }
      }
    }
  }
END_TEST

START_TEST (test_figures_are_what_their_names_say)
  {
    // The oracles themselves, where the answer is known.
    std::vector<double> falling (96000), noise (96000), echo (96000);
    std::mt19937_64 random {3};
    std::normal_distribution<double> normal;
    for (std::size_t n = 0; n < noise.size (); ++n) {
      const double fall = std::pow (10.0, -3.0 * static_cast<double> (n) / kRate);
      falling[n] = fall; // an RT60 of 1 s
      noise[n] = normal (random) * fall;
      echo[n] = noise[n] + (n >= 480 ? 0.5 * noise[n - 480] : 0.0);
    }
    const double early = 1.0 - std::exp (-6.0 * std::log (10.0) * 0.08);
    ck_assert_double_eq_tol (
        clarity_db (falling, kRate, 80.0), 10.0 * std::log10 (early / (1.0 - early)), 0.01);
    ck_assert_double_eq_tol (definition (falling, kRate), 1.0 - std::pow (10.0, -0.3), 0.001);
    const std::vector<double> &same = noise;
    ck_assert_double_eq_tol (likeness (noise, same, 0, 9600, kRate), 1.0, 1e-9);
    std::vector<double> late (noise.size (), 0.0);
    std::copy (noise.begin (), noise.end () - 40, late.begin () + 40);
    ck_assert_double_gt (likeness (noise, late, 0, 9600, kRate), 0.98);
    std::generate (late.begin (), late.end (), [&] { return normal (random); });
    ck_assert_double_lt (likeness (noise, late, 0, 9600, kRate), 0.1);
    ck_assert_double_eq_tol (comb (echo, kRate), 0.4, 0.05); // 0.5 / (1 + 0.5 ^ 2)
    ck_assert_double_lt (comb (noise, kRate), 0.08);
    ck_assert_double_lt (mixing_time_s (noise, kRate), 0.02);
  }
END_TEST

START_TEST (test_rooms_measure_as_rooms_do)
  {
    std::mt19937_64 random {5};
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto &[decay_s, first_ms, mix_ms] = kDocumented[i];
      const Impulse ir = synthesize_room (kRooms[i], {}, kRate, 2);
      const auto left = channel_of (ir, 0), right = channel_of (ir, 1);
      // Energy that decays without a break from the first reflection on, in every octave.
      for (const double hz : {500.0, 1000.0, 2000.0}) {
        const auto band = octave_band (left, hz, kRate);
        const double t30 = reverberation_s (band, kRate);
        const double edt = reverberation_s (band, kRate, 0.0, -10.0);
        ck_assert_msg (
            std::fabs (edt / t30 - 1.0) < 0.1, "room %zu, %g Hz: EDT %g s of %g", i, hz, edt, t30);
        const double late = std::exp (-6.0 * std::log (10.0) * (0.08 - first_ms * 1e-3) / t30);
        const double expected_db = 10.0 * std::log10 ((1.0 - late) / late);
        const double got_db = clarity_db (band, kRate, 80.0);
        ck_assert_msg (std::fabs (got_db - expected_db) < 1.5, "room %zu, %g Hz: C80 %g dB, not %g",
            i, hz, got_db, expected_db);
      }
      const double mixed_s = mixing_time_s (left, kRate);
      ck_assert_double_gt (mixed_s, 0.5e-3 * mix_ms);
      ck_assert_double_lt (mixed_s, 1.5e-3 * mix_ms + 0.01);
      // No more of a comb than noise has by chance that decays as fast.
      const auto from = static_cast<std::ptrdiff_t> (frames_of (1.2 * mix_ms));
      const std::vector<double> late {left.begin () + from,
          left.begin () + from + static_cast<std::ptrdiff_t> (24000 * decay_s)};
      std::vector<double> noise (late.size ());
      for (std::size_t n = 0; n < noise.size (); ++n)
        noise[n] =
            normal (random) * std::pow (10.0, -3.0 * static_cast<double> (n) / (kRate * decay_s));
      ck_assert_double_lt (comb (late, kRate), 1.5 * comb (noise, kRate));
      // Channels as microphones that are far apart have them.
      for (const double hz : {500.0, 1000.0, 2000.0}) {
        const auto a = octave_band (left, hz, kRate), b = octave_band (right, hz, kRate);
        ck_assert_double_lt (likeness (a, b, 0, 3840, kRate), 0.35);
        ck_assert_double_lt (likeness (a, b, 3840, a.size (), kRate), 0.25);
      }
    }
  }
END_TEST

START_TEST (test_a_shorter_decay_is_a_smaller_room)
  {
    const auto arrival = [] (double decay_s, double rate_hz) {
      const auto samples = channel_of (synthesize_room (Room::hall, {decay_s, 0.5}, rate_hz, 1), 0);
      const auto first =
          std::find_if (samples.begin (), samples.end (), [] (double x) { return x != 0.0; });
      return static_cast<double> (first - samples.begin ()) / rate_hz;
    };
    ck_assert_double_eq_tol (arrival (1.0, kRate), 0.5 * arrival (2.0, kRate), 1e-4);
    ck_assert_double_eq_tol (arrival (4.0, kRate), arrival (2.0, kRate), 1e-9);
    // The same room at any rate.
    ck_assert_double_eq_tol (arrival (2.0, 96000.0), arrival (2.0, kRate), 1e-4);
    ck_assert_double_eq_tol (arrival (2.0, 44100.0), arrival (2.0, kRate), 1e-4);
  }
END_TEST

START_TEST (test_no_offset_and_bright_enough)
  {
    for (const Room room : kRooms)
      for (const double decay_s : {0.0, 0.3}) {
        const auto samples = channel_of (synthesize_room (room, {decay_s, 0.5}, kRate, 1), 0);
        double sum = 0.0;
        for (const double x : samples)
          sum += x;
        ck_assert_double_lt (std::fabs (sum), 1e-3); // gain at 0 Hz; energy is 1
        // Octaves against that of 1 kHz, which has less width than those above: neither dull nor
        // a hiss.
        const double middle = energy_of (octave_band (samples, 1000.0, kRate));
        const double high = energy_of (octave_band (samples, 8000.0, kRate));
        ck_assert_double_gt (high, 0.5 * middle);
        ck_assert_double_lt (high, 5.0 * middle);
      }
  }
END_TEST

START_TEST (test_the_end_does_not_click)
  {
    for (const Room room : kRooms) {
      const auto samples = channel_of (synthesize_room (room, {}, kRate, 1), 0);
      const auto loudest = [&] (std::size_t from, std::size_t to) {
        double peak = 0.0;
        for (std::size_t n = from; n < to; ++n)
          peak = std::max (peak, std::fabs (samples[n]));
        return peak;
      };
      const std::size_t end = samples.size ();
      ck_assert_double_eq (samples[end - 1], 0.0);
      // 90 dB down, with a margin for the room's own peaks, before the fade; then gone.
      ck_assert_double_lt (loudest (end - end / 20, end), loudest (0, end) * 1e-3);
      ck_assert_double_lt (loudest (end - 48, end), 0.1 * loudest (end - end / 20, end));
      ck_assert_double_gt (loudest (end - end / 20, end - end / 40), 0.0);
    }
  }
END_TEST

START_TEST (test_channels_are_decorrelated_and_balanced)
  {
    constexpr std::size_t kChannels = kSanitized ? 3 : 6;
    for (const Room room : kRooms) {
      const Impulse ir = synthesize_room (room, {}, kRate, kChannels);
      std::vector<std::vector<double>> samples;
      double whole = 0.0;
      for (std::size_t c = 0; c < kChannels; ++c) {
        samples.push_back (channel_of (ir, c));
        whole += energy_of (samples[c]);
        ck_assert_double_eq_tol (10.0 * std::log10 (energy_of (samples[c])), 0.0, 0.5);
      }
      ck_assert_double_eq_tol (whole / kChannels, 1.0, 1e-5);
      for (std::size_t a = 0; a < kChannels; ++a)
        for (std::size_t b = 0; b < a; ++b)
          // Up to 1 ms to both sides, as far as ears are apart (IACC of ISO 3382-1, annex B).
          for (int lag = -48; lag <= 48; lag += 4) {
            double cross = 0.0;
            const std::size_t last = std::min<std::size_t> (samples[a].size (), 96000) - 48;
            for (std::size_t n = 48; n < last; ++n)
              cross +=
                  samples[a][n] * samples[b][static_cast<std::size_t> (static_cast<int> (n) + lag)];
            ck_assert_double_lt (std::fabs (cross), 0.15);
          }
    }
  }
END_TEST

START_TEST (test_the_same_everywhere)
  {
    // FNV-1a over the bytes. These were written down on x86-64; any machine has to give them.
    const std::uint64_t expected[] = {
        0x73e623b0265c1abdu, 0xb11a058ec1b85521u, 0x3240044666cf86f6u, 0xd8ee53db28689530u};
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

START_TEST (test_extremes)
  {
    for (const Room room : kRooms) {
      for (const double asked : {1e-9, 0.05, 20.0, 1e9}) {
        const Impulse ir = synthesize_room (room, {asked, 1.0}, 8000.0, 1);
        ck_assert (find_fault (ir, 8000.0).empty ());
      }
      const Impulse odd = synthesize_room (room, {0.2, 7.0}, 1000.0, 64);
      ck_assert (find_fault (odd, 1000.0).empty ());
      ck_assert (find_fault (synthesize_room (room, {0.05, -3.0}, 100.0, 1), 100.0).empty ());
    }
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("room");
  TCase *oracles = tcase_create ("oracles");
  tcase_add_test (oracles, test_octave_filter_is_one);
  tcase_add_test (oracles, test_figures_are_what_their_names_say);
  suite_add_tcase (suite, oracles);
  TCase *rooms = tcase_create ("rooms");
  tcase_add_test (rooms, test_lapped_noise_is_its_definition);
  tcase_add_test (rooms, test_each_octave_decays_as_documented);
  tcase_add_test (rooms, test_low_octaves_of_the_shortest_rooms_keep_their_energy);
  tcase_add_test (rooms, test_decays_are_told);
  tcase_add_test (rooms, test_reflections_are_sparse_and_then_dense);
  tcase_add_test (rooms, test_rooms_measure_as_rooms_do);
  tcase_add_test (rooms, test_a_shorter_decay_is_a_smaller_room);
  tcase_add_test (rooms, test_no_offset_and_bright_enough);
  tcase_add_test (rooms, test_the_end_does_not_click);
  tcase_add_test (rooms, test_channels_are_decorrelated_and_balanced);
  tcase_add_test (rooms, test_the_same_everywhere);
  tcase_add_test (rooms, test_extremes);
  suite_add_tcase (suite, rooms);
  return run_all (suite);
}
