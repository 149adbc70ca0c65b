// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes what docs/tools/draw-rooms draws of a room: its samples, and how its octaves decay.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "dsp/impulse.hpp"
#include "roomacoustics.hpp"

namespace {

constexpr double kRateHz = 48'000.0;
constexpr std::size_t kStepFrames = 240; // between two points of a decay curve

struct Named {
  const char *name;
  mt::dsp::Room room;
};
constexpr Named kRooms[] = {{"small-room", mt::dsp::Room::small_room},
    {"hall", mt::dsp::Room::hall}, {"plate", mt::dsp::Room::plate},
    {"cathedral", mt::dsp::Room::cathedral}};

/// `path`.f32: left and right in turn. `path`.csv: seconds, then dB left in each octave of the left
/// channel; the first line has the octaves with the RT60 asked for and that measured.
void write_room (const mt::dsp::Room room, const std::string &path)
{
  const mt::dsp::RoomSettings settings;
  const auto ir = mt::dsp::synthesize_room (room, settings, kRateHz, 2);
  std::ofstream samples {path + ".f32", std::ios::binary};
  samples.write (reinterpret_cast<const char *> (ir.samples.data ()),
      static_cast<std::streamsize> (ir.samples.size () * sizeof (float)));

  const auto left = mt::test::channel_of (ir, 0);
  const auto asked_s = mt::dsp::octave_decays_s (room, settings);
  std::vector<std::vector<double>> curves;
  std::ofstream csv {path + ".csv"};
  csv << "s";
  for (std::size_t octave = 1; octave <= 7; ++octave) {
    const double hz = mt::dsp::kOctaveHz[octave];
    const auto band = mt::test::octave_band (left, hz, kRateHz);
    curves.push_back (mt::test::decay_curve_db (band));
    csv << ',' << hz << ' ' << asked_s[octave] << ' ' << mt::test::reverberation_s (band, kRateHz);
  }
  csv << '\n';
  for (std::size_t n = 0; n < left.size (); n += kStepFrames) {
    csv << static_cast<double> (n) / kRateHz;
    for (const auto &curve : curves)
      csv << ',' << std::max (curve[n], -200.0);
    csv << '\n';
  }
  samples.close ();
  csv.close ();
  if (!samples || !csv)
    throw std::runtime_error ("cannot write " + path + ".f32 and .csv");
}

} // namespace

int main (int argc, char **argv)
{
  if (argc != 2) {
    std::fprintf (stderr, "usage: room-data FOLDER\n");
    return 2;
  }
  try {
    for (const auto &[name, room] : kRooms)
      write_room (room, std::string {argv[1]} + "/" + name);
  } catch (const std::exception &problem) {
    std::fprintf (stderr, "room-data: %s\n", problem.what ());
    return 1;
  }
  return 0;
}
