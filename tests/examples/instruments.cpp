// SPDX-License-Identifier: LGPL-2.1-or-later
// Subtractive, FM and additive synthesis of the demo song's instruments.
#include "instruments.hpp"

#include <array>

namespace mt::demo {
namespace {

/// Calls `voice(seconds)` for every frame of a sound of `seconds` and adds what it returns.
/// `pan` from -1 (left) to 1 (right), equal power, unity in the middle. A mono canvas ignores it.
template <class Voice>
void sound (Canvas &canvas, std::size_t frame, double seconds, double pan, Voice &&voice)
{
  const auto frames = static_cast<std::size_t> (seconds * kRateHz);
  const double angle = (pan + 1.0) * std::numbers::pi / 4.0;
  const double left = std::numbers::sqrt2 * std::cos (angle);
  const double right = std::numbers::sqrt2 * std::sin (angle);
  for (std::size_t n = 0; n < frames; ++n) {
    const double value = voice (static_cast<double> (n) / kRateHz);
    if (canvas.channels () == 1)
      canvas.add_mono (frame + n, value);
    else
      canvas.add_stereo (frame + n, left * value, right * value);
  }
}

/// An exponential decay that starts and ends at exactly 0.
double strike (double t, double attack, double decay, double length)
{
  return ease (t / attack) * std::exp (-t / decay) *
      (1.0 - ease ((t - 0.8 * length) / (0.2 * length)));
}

} // namespace

void play_kick (Canvas &canvas, std::size_t frame, double velocity)
{
  constexpr double kLength = 0.45, kLow = 47.0, kSweep = 120.0, kFall = 0.028;
  sound (canvas, frame, kLength, 0.0, [&] (double t) {
    // The phase is the integral of kLow + kSweep * exp(-t / kFall).
    const double turns = kLow * t + kSweep * kFall * (1.0 - std::exp (-t / kFall));
    const double body = std::tanh (1.6 * sine (turns)) * strike (t, 0.0015, 0.16, kLength);
    const double knock =
        sine (1100.0 * t) * strike (t, 0.001, 0.006, 0.05) * (t < 0.05 ? 0.18 : 0.0);
    return velocity * (body + knock);
  });
}

void play_snare (Canvas &canvas, std::size_t frame, double velocity, Noise &noise)
{
  constexpr double kLength = 0.35;
  Filter band {2100.0, 1.1};
  Filter rumble {500.0, 1.0};
  sound (canvas, frame, kLength, 0.08, [&] (double t) {
    const double skin =
        sine (184.0 * t + 0.9 * (1.0 - std::exp (-t / 0.012))) * strike (t, 0.001, 0.07, kLength);
    const double wires = rumble (band (noise ()).band).high * strike (t, 0.002, 0.085, kLength);
    return velocity * (0.55 * skin + 1.1 * wires);
  });
}

void play_hat (
    Canvas &canvas, std::size_t frame, double velocity, double decay_seconds, Noise &noise)
{
  Filter high {7200.0, 0.9};
  Filter peak {9800.0, 0.5};
  const double length = 6.0 * decay_seconds;
  sound (canvas, frame, length, 0.3, [&] (double t) {
    const double hiss = high (noise ()).high;
    return velocity * (0.6 * hiss + 0.5 * peak (hiss).band) *
        strike (t, 0.001, decay_seconds, length);
  });
}

void play_shaker (Canvas &canvas, std::size_t frame, double velocity, Noise &noise)
{
  constexpr double kLength = 0.14;
  Filter band {5600.0, 0.7};
  sound (canvas, frame, kLength, 0.45, [&] (double t) {
    // Beads need time to get going: the attack is slower than a drum's.
    return velocity * band (noise ()).band * strike (t, 0.022, 0.03, kLength);
  });
}

void play_rim (Canvas &canvas, std::size_t frame, double velocity)
{
  constexpr double kLength = 0.09;
  sound (canvas, frame, kLength, -0.2, [&] (double t) {
    return velocity * (sine (1720.0 * t) + 0.6 * sine (2630.0 * t)) *
        strike (t, 0.0008, 0.012, kLength);
  });
}

void play_conga (Canvas &canvas, std::size_t frame, double velocity, double hz, double pan)
{
  constexpr double kLength = 0.5;
  sound (canvas, frame, kLength, pan, [&] (double t) {
    const double turns = hz * (t + 0.1 * 0.02 * (1.0 - std::exp (-t / 0.02)));
    return velocity *
        (sine (turns) * strike (t, 0.0015, 0.11, kLength) +
            0.35 * sine (1.59 * turns) * strike (t, 0.001, 0.035, kLength));
  });
}

void play_bass (Canvas &canvas, const Note &note)
{
  constexpr Envelope kEnvelope {0.006, 0.5, 0.55, 0.07};
  const double hz = note_hz (note.midi);
  Saw saw {0.5}; // starts where the wave crosses zero
  Filter low {300.0, 0.9};
  Filter no_dc {22.0, 1.4}; // tanh of a lopsided wave has some
  sound (canvas, note.frame, note.seconds + kEnvelope.release, 0.0, [&] (double t) {
    low.tune (180.0 + note.velocity * 900.0 * std::exp (-t / 0.12), 0.9);
    const double tone = 0.8 * sine (hz * t) + 0.55 * low (saw (hz)).low;
    return note.velocity * no_dc (std::tanh (1.2 * tone)).high * kEnvelope (t, note.seconds);
  });
}

void play_electric_piano (Canvas &canvas, const Note &note, double pan)
{
  // Two FM pairs: 1:1 is the body, 1:14 the tine that rings for a moment.
  // Source  J. Chowning, J. Audio Eng. Soc. 21(7), 1973.
  constexpr Envelope kEnvelope {0.004, 1.5, 0.0, 0.25};
  const double hz = note_hz (note.midi);
  sound (canvas, note.frame, note.seconds + kEnvelope.release, pan, [&] (double t) {
    const double body = sine (hz * t + 0.22 * note.velocity * std::exp (-t / 0.8) * sine (hz * t));
    const double tine =
        sine (hz * t + 0.05 * note.velocity * std::exp (-t / 0.1) * sine (14.0 * hz * t));
    return note.velocity * (0.65 * body + 0.35 * tine) * kEnvelope (t, note.seconds);
  });
}

void play_kalimba (Canvas &canvas, const Note &note, double pan)
{
  // A clamped bar: its overtones are far from harmonic and die first.
  constexpr double kLength = 1.1;
  const double hz = note_hz (note.midi);
  sound (canvas, note.frame, kLength, pan, [&] (double t) {
    return note.velocity *
        (sine (hz * t) * strike (t, 0.002, 0.28, kLength) +
            0.22 * sine (2.76 * hz * t) * strike (t, 0.0015, 0.09, kLength) +
            0.12 * sine (5.4 * hz * t) * strike (t, 0.001, 0.03, kLength));
  });
}

void play_choir (Canvas &canvas, const Note &note, double pan, Noise &noise)
{
  // Formants of a sung "oo" and "ah", Hz. Source  G. Peterson, H. Barney, J. Acoust. Soc. Am.
  // 24(2), 1952.
  constexpr std::array<double, 3> kOo {320.0, 870.0, 2240.0};
  constexpr std::array<double, 3> kAh {730.0, 1090.0, 2440.0};
  constexpr std::array<double, 3> kLevel {1.0, 0.5, 0.18};
  constexpr Envelope kEnvelope {0.55, 1.0, 1.0, 0.9};
  for (int singer = 0; singer < 2; ++singer) {
    const double hz = note_hz (note.midi + 0.05 * (singer == 0 ? -1.0 : 1.0));
    const double vibrato_hz = 4.9 + 0.4 * noise ();
    const double vibrato_phase = noise ();
    Saw saw {0.5 + 0.5 * noise ()};
    std::array<Filter, 3> formants {
        Filter {kOo[0], 0.25}, Filter {kOo[1], 0.16}, Filter {kOo[2], 0.12}};
    Filter air {3800.0, 1.4};
    std::size_t n = 0;
    sound (canvas, note.frame, note.seconds + kEnvelope.release,
        pan + 0.25 * (singer == 0 ? -1.0 : 1.0), [&] (double t) {
          if (n++ % 64 == 0) {
            const double open =
                0.5 - 0.5 * std::cos (2.0 * std::numbers::pi * t / (note.seconds + 0.9));
            for (std::size_t k = 0; k < formants.size (); ++k)
              formants[k].tune (kOo[k] + 0.85 * open * (kAh[k] - kOo[k]), k == 0 ? 0.25 : 0.14);
          }
          const double vibrato = 0.004 * ease (t / 0.9) * sine (vibrato_hz * t + vibrato_phase);
          const double voice = saw (hz * (1.0 + vibrato)) + 0.05 * noise ();
          double out = 0.0;
          for (std::size_t k = 0; k < formants.size (); ++k)
            out += kLevel[k] * formants[k](voice).band;
          return note.velocity * air (out).low * kEnvelope (t, note.seconds);
        });
  }
}

void play_lead (Canvas &canvas, const Note &note, Noise &noise)
{
  constexpr Envelope kEnvelope {0.045, 0.4, 0.75, 0.16};
  const double hz = note_hz (note.midi);
  Filter breath {2.0 * hz, 0.6};
  sound (canvas, note.frame, note.seconds + kEnvelope.release, -0.12, [&] (double t) {
    // 0.01 turns of phase at 5 Hz are what a flute's vibrato is at this pitch: a few cents.
    const double turns = hz * t + 0.0018 * hz / 5.2 * ease ((t - 0.25) / 0.4) * sine (5.2 * t);
    const double tone = sine (turns) + 0.28 * sine (2.0 * turns) + 0.11 * sine (3.0 * turns) +
        0.03 * sine (4.0 * turns);
    const double wind = breath (noise ()).band * (0.05 + 0.25 * std::exp (-t / 0.04));
    return note.velocity * (tone + wind) * kEnvelope (t, note.seconds);
  });
}

void play_rain (Canvas &canvas, double fade_in_seconds, double fade_out_seconds, Noise &noise)
{
  const double length = static_cast<double> (canvas.frames ()) / kRateHz;
  const auto fade = [&] (double t) {
    return ease (t / fade_in_seconds) *
        (1.0 - ease ((t - length + fade_out_seconds) / fade_out_seconds));
  };
  std::array<Filter, 2> low {Filter {3200.0, 1.4}, Filter {3200.0, 1.4}};
  std::array<Filter, 2> high {Filter {350.0, 1.4}, Filter {350.0, 1.4}};
  for (std::size_t n = 0; n < canvas.frames (); ++n) {
    const double t = static_cast<double> (n) / kRateHz;
    const double gust = 0.75 + 0.25 * sine (0.11 * t) * sine (0.047 * t + 0.2);
    const double level = 0.5 * gust * fade (t);
    const double left = high[0](low[0](noise ()).low).high;
    const double right = high[1](low[1](noise ()).low).high;
    canvas.add_stereo (n, level * left, level * right);
  }
  for (double t = 0.4; t < length - 0.3; t += 0.055 + 0.05 * noise ()) {
    const double hz = 2600.0 + 1500.0 * noise ();
    const double velocity = (0.10 + 0.09 * noise ()) * fade (t);
    sound (canvas, static_cast<std::size_t> (t * kRateHz), 0.03, 0.9 * noise (), [&] (double u) {
      return velocity * sine (hz * u * (1.0 + 3.0 * u)) * strike (u, 0.0012, 0.004, 0.03);
    });
  }
}

void add_echo (Canvas &canvas, std::size_t delay_frames, double feedback, double level)
{
  auto &samples = canvas.samples ();
  std::vector<double> line (samples.size ());
  std::array<Filter, 2> dark {Filter {2600.0, 1.4}, Filter {2600.0, 1.4}};
  for (std::size_t n = delay_frames; n < canvas.frames (); ++n) {
    const std::size_t past = 2 * (n - delay_frames);
    // The input enters on the left; each repeat crosses to the other side.
    const double mono =
        0.5 * (static_cast<double> (samples[past]) + static_cast<double> (samples[past + 1]));
    line[2 * n] = dark[0](mono + feedback * line[past + 1]).low;
    line[2 * n + 1] = dark[1](feedback * line[past]).low;
  }
  for (std::size_t i = 0; i < samples.size (); ++i)
    samples[i] += static_cast<float> (level * line[i]);
}

void add_tremolo (Canvas &canvas, double hz, double depth)
{
  auto &samples = canvas.samples ();
  for (std::size_t n = 0; n < canvas.frames (); ++n) {
    const double swing = depth * sine (hz * static_cast<double> (n) / kRateHz);
    samples[2 * n] *= static_cast<float> (1.0 + swing);
    samples[2 * n + 1] *= static_cast<float> (1.0 - swing);
  }
}

void scale (std::span<float> samples, double gain)
{
  for (float &sample : samples)
    sample *= static_cast<float> (gain);
}

} // namespace mt::demo
