// SPDX-License-Identifier: LGPL-2.1-or-later
// The demo song's instruments: each plays one note or stroke into a canvas.
#pragma once

#include "synth.hpp"

#include <span>

namespace mt::demo {

/// A note: where it starts, how long it is held, its pitch (MIDI number) and loudness (0 to 1).
struct Note {
  std::size_t frame;
  double seconds;
  double midi;
  double velocity;
};

void play_kick (Canvas &, std::size_t frame, double velocity);
void play_snare (Canvas &, std::size_t frame, double velocity, Noise &);
void play_hat (Canvas &, std::size_t frame, double velocity, double decay_seconds, Noise &);
void play_shaker (Canvas &, std::size_t frame, double velocity, Noise &);
void play_rim (Canvas &, std::size_t frame, double velocity);
void play_conga (Canvas &, std::size_t frame, double velocity, double hz, double pan);
void play_bass (Canvas &, const Note &);
void play_electric_piano (Canvas &, const Note &, double pan);
void play_kalimba (Canvas &, const Note &, double pan);
/// Two singers a note, slightly out of tune with each other; the vowel goes from "oo" to "ah" and
/// back.
void play_choir (Canvas &, const Note &, double pan, Noise &);
void play_lead (Canvas &, const Note &, Noise &);
/// Rain over the whole canvas: a bed of filtered noise and single drops, faded in and out.
void play_rain (Canvas &, double fade_in_seconds, double fade_out_seconds, Noise &);
/// Echoes that alternate between left and right and get darker.
void add_echo (Canvas &, std::size_t delay_frames, double feedback, double level);
void add_tremolo (Canvas &, double hz, double depth);
void scale (std::span<float> samples, double gain);

} // namespace mt::demo
