// SPDX-License-Identifier: LGPL-2.1-or-later
// The demo song's score: 18 bars at 90 beats a minute around C major, in eight tracks.
#include "song.hpp"

#include "instruments.hpp"

#include <array>
#include <utility>

namespace mt::demo {
namespace {

constexpr std::size_t kStep = 8000; // a sixteenth at 90 beats a minute and 48 kHz
constexpr std::size_t kStepsPerBar = 16;
constexpr std::size_t kBar = kStep * kStepsPerBar;
constexpr std::size_t kBars = 18;
constexpr std::size_t kSwing = 950; // every second sixteenth comes this many frames late
constexpr std::size_t kRainBars = 10;
// On a whole millisecond, the unit in which Matroska tells time; the first lead note is in bar 4.
constexpr std::size_t kLeadStart = 504000;

constexpr std::size_t at (std::size_t bar, std::size_t step)
{
  return bar * kBar + step * kStep + (step % 2 == 1 ? kSwing : 0);
}

constexpr double seconds (double steps)
{
  return steps * static_cast<double> (kStep) / kRateHz;
}

struct Chord {
  double bass;                  // MIDI numbers
  std::array<double, 4> voices; // low to high
};

constexpr Chord kDm9 {38, {53, 57, 60, 64}}, kG13 {43, {53, 57, 59, 64}},
    kCmaj9 {36, {52, 55, 59, 62}}, kAm9 {33, {52, 55, 59, 60}}, kC9 {36, {52, 55, 58, 62}},
    kFmaj9 {41, {52, 55, 57, 60}}, kEm7 {40, {50, 55, 59, 62}}, kG9sus {43, {53, 57, 60, 64}},
    kA7b9 {45, {49, 55, 58, 64}};

/// Two chords a bar, for most bars the same one.
constexpr std::array<std::array<Chord, 2>, kBars> kChords {{
    {kDm9, kDm9}, {kG13, kG13}, {kCmaj9, kCmaj9}, {kAm9, kAm9},   // alone with the rain
    {kDm9, kDm9}, {kG13, kG13}, {kCmaj9, kCmaj9}, {kC9, kC9},     // the lead enters
    {kFmaj9, kFmaj9}, {kEm7, kEm7}, {kDm9, kDm9}, {kG9sus, kG13}, // the rain stops
    {kDm9, kDm9}, {kG13, kG13}, {kEm7, kEm7}, {kA7b9, kA7b9},     //
    {kDm9, kG13}, {kCmaj9, kCmaj9},                               // home
}};

struct Melody {
  std::size_t bar, step;
  double steps, midi;
};

constexpr Melody kLead[] {
    {4, 2, 2, 69},
    {4, 4, 3, 72},
    {4, 7, 5, 76},
    {4, 12, 4, 74},
    {5, 2, 6, 71},
    {5, 8, 2, 69},
    {5, 10, 2, 71},
    {5, 12, 4, 74},
    {6, 0, 6, 76},
    {6, 6, 2, 74},
    {6, 8, 4, 71},
    {6, 12, 4, 67},
    {7, 2, 4, 70},
    {7, 6, 2, 72},
    {7, 8, 2, 74},
    {7, 10, 2, 76},
    {7, 12, 4, 79},
    {8, 0, 8, 81},
    {8, 8, 4, 79},
    {8, 12, 4, 76},
    {9, 0, 6, 79},
    {9, 6, 2, 76},
    {9, 8, 4, 74},
    {9, 12, 4, 71},
    {10, 0, 3, 72},
    {10, 3, 3, 74},
    {10, 6, 2, 76},
    {10, 8, 4, 77},
    {10, 12, 4, 81},
    {11, 0, 10, 79},
    {11, 12, 2, 77},
    {11, 14, 2, 76},
    {12, 0, 3, 74},
    {12, 4, 2, 77},
    {12, 6, 4, 69},
    {12, 10, 2, 72},
    {12, 12, 4, 76},
    {13, 0, 6, 74},
    {13, 6, 2, 71},
    {13, 8, 4, 67},
    {13, 12, 2, 69},
    {13, 14, 2, 71},
    {14, 0, 4, 74},
    {14, 4, 6, 79},
    {14, 10, 2, 76},
    {14, 12, 4, 74},
    {15, 0, 4, 73},
    {15, 4, 2, 76},
    {15, 6, 4, 79},
    {15, 10, 2, 77},
    {15, 12, 4, 76},
    {16, 0, 4, 77},
    {16, 4, 2, 76},
    {16, 6, 2, 72},
    {16, 8, 4, 71},
    {16, 12, 2, 74},
    {16, 14, 2, 71},
    {17, 0, 12, 76},
};

// Raises all tracks together.
constexpr double kMixGain = 1.5;

/// `peak` is the track's highest sample before kMixGain; the peaks together are the balance of the
/// mix.
Track finish (const char *title, const char *encoder, int channels, std::size_t start_frame,
    Canvas &canvas, double peak)
{
  float highest = 0.0f;
  for (float sample : canvas.samples ())
    highest = std::max (highest, std::abs (sample));
  scale (canvas.samples (), kMixGain * peak / static_cast<double> (highest));
  return {title, encoder, channels, start_frame, std::move (canvas.samples ())};
}

Track drums ()
{
  Canvas canvas {kBars * kBar, 2};
  Noise noise {0x1d2u};
  for (std::size_t bar = 0; bar + 1 < kBars; ++bar) {
    const bool full = bar >= 2;
    play_kick (canvas, at (bar, 0), 1.0);
    if (full) {
      play_kick (canvas, at (bar, 7), 0.7);
      play_kick (canvas, at (bar, 10), 0.9);
      play_snare (canvas, at (bar, 4), 0.75, noise);
      play_snare (canvas, at (bar, 12), 0.8, noise);
      play_snare (canvas, at (bar, 9), 0.14, noise);
    }
    for (std::size_t step = 0; step < kStepsPerBar; step += full ? 1 : 2) {
      const double accent = step % 4 == 2 ? 0.6 : step % 2 == 0 ? 0.4 : 0.18;
      play_hat (canvas, at (bar, step), accent * (1.0 + 0.15 * noise ()), 0.03, noise);
    }
    if (bar % 4 == 3) {
      play_hat (canvas, at (bar, 14), 0.35, 0.12, noise);
      play_snare (canvas, at (bar, 14), 0.3, noise);
      play_snare (canvas, at (bar, 15), 0.45, noise);
    }
  }
  play_kick (canvas, at (kBars - 1, 0), 1.0);
  play_hat (canvas, at (kBars - 1, 0), 0.5, 0.3, noise);
  return finish ("Drums", "flacenc", 2, 0, canvas, 0.22);
}

Track percussion ()
{
  Canvas canvas {kBars * kBar, 2};
  Noise noise {0x9e1u};
  for (std::size_t bar = 1; bar + 1 < kBars; ++bar) {
    for (std::size_t step = 0; step < kStepsPerBar; ++step)
      play_shaker (
          canvas, at (bar, step), (step % 4 == 0 ? 0.5 : 0.28) * (1.0 + 0.2 * noise ()), noise);
    if (bar < 4)
      continue;
    for (std::size_t step : {3u, 6u, 14u})
      play_rim (canvas, at (bar, step), 0.2);
    play_conga (canvas, at (bar, 5), 0.45, 208.0, -0.55);
    play_conga (canvas, at (bar, 8), 0.3, 208.0, -0.55);
    play_conga (canvas, at (bar, 11), 0.5, 156.0, -0.35);
    if (bar % 2 == 1)
      play_conga (canvas, at (bar, 13), 0.4, 208.0, -0.55);
  }
  return finish ("Percussion", "flacenc", 2, 0, canvas, 0.13);
}

Track bass ()
{
  Canvas canvas {kBars * kBar, 1};
  for (std::size_t bar = 0; bar + 1 < kBars; ++bar) {
    const double first = kChords[bar][0].bass, second = kChords[bar][1].bass;
    const double next = kChords[bar + 1][0].bass;
    play_bass (canvas, {at (bar, 0), seconds (bar < 2 ? 12.0 : 5.5), first, 0.9});
    if (bar < 2)
      continue;
    play_bass (canvas, {at (bar, 7), seconds (0.8), first + 12.0, 0.5});
    play_bass (canvas, {at (bar, 8), seconds (1.8), second, 0.6});
    play_bass (canvas, {at (bar, 10), seconds (3.0), second + (bar % 2 == 0 ? 7.0 : 0.0), 0.8});
    // A half step from above or below leads into the next root.
    play_bass (canvas, {at (bar, 14), seconds (1.7), next + (next < second ? 1.0 : -1.0), 0.6});
  }
  play_bass (canvas, {at (kBars - 1, 0), seconds (11.0), kChords.back ()[0].bass, 0.9});
  return finish ("Bass", "flacenc", 1, 0, canvas, 0.13);
}

Track electric_piano ()
{
  Canvas canvas {kBars * kBar, 2};
  Noise touch {0x77fu};
  const auto strum = [&] (std::size_t frame, double steps, const Chord &chord, double velocity) {
    for (std::size_t k = 0; k < chord.voices.size (); ++k)
      play_electric_piano (canvas,
          {frame + 260 * k, seconds (steps), chord.voices[k], velocity * (1.0 + 0.1 * touch ())},
          -0.3 + 0.2 * static_cast<double> (k));
  };
  for (std::size_t bar = 0; bar + 1 < kBars; ++bar) {
    const auto &[first, second] = kChords[bar];
    strum (at (bar, 0), 6.5, first, 0.8);
    strum (at (bar, 7), 1.0, first, 0.5);
    strum (at (bar, 8), bar % 2 == 0 ? 7.5 : 4.5, second, 0.65);
    if (bar % 2 == 1)
      strum (at (bar, 13), 2.0, second, 0.55);
  }
  strum (at (kBars - 1, 0), 11.0, kChords.back ()[0], 0.8);
  add_tremolo (canvas, 4.5, 0.18);
  return finish ("Electric piano", "flacenc", 2, 0, canvas, 0.15);
}

Track kalimba ()
{
  Canvas canvas {kBars * kBar, 2};
  Noise touch {0x4c3u};
  constexpr std::array<int, kStepsPerBar> kPattern {
      0, -1, 2, 1, -1, 3, -1, 2, 0, -1, 3, -1, 1, 2, -1, 3};
  for (std::size_t bar = 2; bar + 1 < kBars; ++bar) {
    for (std::size_t step = 0; step < kStepsPerBar; ++step) {
      if (kPattern[step] < 0)
        continue;
      const auto voice = static_cast<std::size_t> (kPattern[step]);
      const double midi = kChords[bar][step / 8].voices[voice] + 12.0;
      play_kalimba (canvas, {at (bar, step), 0.0, midi, 0.5 * (1.0 + 0.3 * touch ())},
          step % 2 == 0 ? -0.55 : 0.55);
    }
  }
  for (std::size_t k = 0; k < 4; ++k)
    play_kalimba (canvas, {at (kBars - 1, 2 * k), 0.0, kChords.back ()[0].voices[k] + 24.0, 0.4},
        -0.45 + 0.3 * static_cast<double> (k));
  add_echo (canvas, 3 * kStep, 0.4, 0.4);
  return finish ("Kalimba", "flacenc", 2, 0, canvas, 0.065);
}

Track choir ()
{
  Canvas canvas {kBars * kBar, 2};
  Noise noise {0x2b5u};
  for (std::size_t bar = 2; bar < kBars; ++bar) {
    const Chord &chord = kChords[bar][0];
    const double steps = bar + 1 == kBars ? 10.5 : bar + 2 == kBars ? 8.0 : 15.0;
    for (std::size_t k = 0; k < chord.voices.size (); ++k)
      play_choir (canvas,
          {at (bar, 0), seconds (steps), chord.voices[k] + (k == 0 ? 12.0 : 0.0), 0.5},
          -0.5 + static_cast<double> (k) / 3.0, noise);
  }
  return finish ("Choir", "opusenc", 2, 0, canvas, 0.085);
}

Track lead ()
{
  Canvas canvas {kBars * kBar - kLeadStart, 2};
  Noise noise {0x6a9u};
  for (const Melody &note : kLead)
    play_lead (canvas,
        {at (note.bar, note.step) - kLeadStart, seconds (note.steps) * 0.94, note.midi,
            note.step % 4 == 0 ? 0.8 : 0.68},
        noise);
  add_echo (canvas, 3 * kStep, 0.45, 0.3);
  // The last echo would outlast the song.
  const std::size_t frames = canvas.frames (), fade = kRateHz / 2;
  for (std::size_t n = 0; n < fade; ++n) {
    const auto gain = static_cast<float> (1.0 - ease (static_cast<double> (n + 1) / fade));
    canvas.samples ()[2 * (frames - fade + n)] *= gain;
    canvas.samples ()[2 * (frames - fade + n) + 1] *= gain;
  }
  return finish ("Lead", "flacenc", 2, kLeadStart, canvas, 0.10);
}

Track rain ()
{
  Canvas canvas {kRainBars * kBar, 2};
  Noise noise {0xe0fu};
  play_rain (canvas, 1.5, 2.5 * seconds (kStepsPerBar), noise);
  return finish ("Rain", "vorbisenc", 2, 0, canvas, 0.06);
}

} // namespace

std::size_t song_frames () noexcept
{
  return kBars * kBar;
}

std::vector<Track> render_song ()
{
  std::vector<Track> tracks;
  for (const auto make : {drums, bass, electric_piano, kalimba, choir, lead, percussion, rain})
    tracks.push_back (make ());
  return tracks;
}

} // namespace mt::demo
