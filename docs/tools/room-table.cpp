// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes the table of figures in docs/elements/convreverb.md: what acousticians measure in a room.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <vector>

#include "dsp/impulse.hpp"
#include "roomfigures.hpp"

namespace {

using namespace mt;
using Channel = std::vector<double>;

constexpr double kRateHz = 48'000.0;
constexpr double kEarlyMs = 80.0;

/// One room at its defaults, in stereo.
struct Measured {
  dsp::Room room;
  std::vector<Channel> channels;
};

/// Mean of `figure` over both channels and the octaves given.
double mean (const Measured &room, const std::vector<double> &octaves_hz,
    const std::function<double (const Channel &)> &figure, double direct = 0.0)
{
  double sum = 0.0;
  for (Channel samples : room.channels) {
    samples[0] += direct;
    for (const double hz : octaves_hz)
      sum += figure (test::octave_band (samples, hz, kRateHz));
  }
  return sum / static_cast<double> (room.channels.size () * octaves_hz.size ());
}

const std::vector<double> kMiddle {500.0, 1000.0};
const std::vector<double> kLow {125.0, 250.0};

double t30 (const Channel &band)
{
  return test::reverberation_s (band, kRateHz);
}

double likeness (const Measured &room, bool early)
{
  const auto edge = static_cast<std::size_t> (kEarlyMs * 1e-3 * kRateHz);
  double sum = 0.0;
  for (const double hz : {500.0, 1000.0, 2000.0}) {
    const Channel left = test::octave_band (room.channels[0], hz, kRateHz);
    const Channel right = test::octave_band (room.channels[1], hz, kRateHz);
    sum += test::likeness (left, right, early ? 0 : edge, early ? edge : left.size (), kRateHz);
  }
  return sum / 3.0;
}

/// Of the first sample that is not zero, ms.
double first_ms (const Measured &room)
{
  const Channel &samples = room.channels[0];
  const auto first =
      std::find_if (samples.begin (), samples.end (), [] (double x) { return x != 0.0; });
  return static_cast<double> (first - samples.begin ()) / kRateHz * 1e3;
}

double loudest_db (const Measured &room)
{
  double peak = 0.0;
  for (const Channel &samples : room.channels)
    for (const double x : samples)
      peak = std::max (peak, std::fabs (x));
  return 20.0 * std::log10 (peak);
}

double mixing_ms (const Measured &room)
{
  double sum = 0.0;
  for (const Channel &samples : room.channels)
    sum += test::mixing_time_s (samples, kRateHz) * 1e3;
  return sum / static_cast<double> (room.channels.size ());
}

/// The part that is nothing but noise, as long as it takes to fall by 30 dB.
double comb (const Measured &room)
{
  double most = 0.0;
  for (const Channel &samples : room.channels) {
    const auto from = static_cast<std::ptrdiff_t> (mixing_ms (room) * 1.2e-3 * kRateHz);
    const auto frames =
        static_cast<std::ptrdiff_t> (0.5 * dsp::default_decay_time_s (room.room) * kRateHz);
    const auto begin = samples.begin () + from;
    most = std::max (most, test::comb ({begin, begin + frames}, kRateHz));
  }
  return most;
}

void row (const std::vector<Measured> &rooms, const char *name, const char *format,
    const std::function<double (const Measured &)> &figure)
{
  std::printf ("| %s |", name);
  for (const Measured &room : rooms) {
    std::putchar (' ');
    std::printf (format, figure (room));
    std::fputs (" |", stdout);
  }
  std::putchar ('\n');
}

} // namespace

int main ()
{
  std::vector<Measured> rooms;
  for (const dsp::Room room :
      {dsp::Room::small_room, dsp::Room::hall, dsp::Room::plate, dsp::Room::cathedral}) {
    const auto ir = dsp::synthesize_room (room, {}, kRateHz, 2);
    rooms.push_back ({room, {test::channel_of (ir, 0), test::channel_of (ir, 1)}});
  }
  const auto clarity = [] (double ms) {
    return [ms] (const Channel &band) { return test::clarity_db (band, kRateHz, ms); };
  };
  std::puts ("| | `small-room` | `hall` | `plate` | `cathedral` |\n|---|--:|--:|--:|--:|");
  row (rooms, "T30, s", "%.2f", [] (const Measured &room) { return mean (room, kMiddle, t30); });
  row (rooms, "EDT, s", "%.2f", [] (const Measured &room) {
    return mean (room, kMiddle,
        [] (const Channel &band) { return test::reverberation_s (band, kRateHz, 0.0, -10.0); });
  });
  row (rooms, "T30 at 125 and 250 Hz by that (bass ratio)", "%.2f",
      [] (const Measured &room) { return mean (room, kLow, t30) / mean (room, kMiddle, t30); });
  row (rooms, "C80, dB", "%.1f",
      [&] (const Measured &room) { return mean (room, kMiddle, clarity (80.0)); });
  row (rooms, "C80 with `dry` half of `wet`, dB", "%.1f",
      [&] (const Measured &room) { return mean (room, kMiddle, clarity (80.0), 0.5); });
  row (rooms, "C50, dB", "%.1f",
      [&] (const Measured &room) { return mean (room, kMiddle, clarity (50.0)); });
  row (rooms, "D50", "%.2f", [] (const Measured &room) {
    return mean (
        room, kMiddle, [] (const Channel &band) { return test::definition (band, kRateHz); });
  });
  row (rooms, "first sound, ms", "%.1f", first_ms);
  row (rooms, "loudest sample, dB", "%.1f", loudest_db);
  row (rooms, "echo density reaches 1 at, ms", "%.0f", mixing_ms);
  row (rooms, "likeness of left and right to 80 ms", "%.2f",
      [] (const Measured &room) { return likeness (room, true); });
  row (rooms, "the same after 80 ms", "%.2f",
      [] (const Measured &room) { return likeness (room, false); });
  row (rooms, "comb of what is only noise", "%.3f", comb);
  return std::ferror (stdout) ? 1 : 0;
}
