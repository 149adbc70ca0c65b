// SPDX-License-Identifier: LGPL-2.1-or-later
// Synthetic rooms: early reflections that grow into noise, which decays by octaves as asked.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "dsp/impulse.hpp"
#include "dsp/lappednoise.hpp"
#include "dsp/octavedecay.hpp"
#include "dsp/portablemath.hpp"

namespace mt::dsp {

namespace {

constexpr double kRumbleHz = 20.0; // below this, twice 6 dB an octave are taken away
constexpr double kDecayDb = 90.0;  // length of a room: down to 90 dB under its start
constexpr double kFadePart = 0.03; // of the length, at its end
constexpr std::size_t kOctaves = kOctaveHz.size ();

using Octaves = std::array<double, kOctaves>;

/// What makes one room differ from another.
struct RoomModel {
  double decay_s;   // default RT60
  double first_ms;  // when the first reflection arrives
  double mix_ms;    // from when on there is nothing but noise
  double spread_ms; // how far apart one reflection is in different channels
  double bright_hz; // low-pass of everything: walls, air
};

RoomModel own_model_of (Room room) noexcept
{
  switch (room) {
  case Room::small_room:
    return {0.5, 5.0, 30.0, 0.8, 8000.0};
  case Room::hall:
    break;
  case Room::plate:
    return {1.8, 0.0, 1.0, 0.0, 10000.0};
  case Room::cathedral:
    return {5.5, 32.0, 220.0, 4.0, 4000.0};
  }
  return {2.0, 18.0, 100.0, 2.0, 6000.0};
}

double decay_time_s (Room room, const RoomSettings &settings) noexcept
{
  const double own = own_model_of (room).decay_s;
  return std::clamp (settings.decay_time_s > 0.0 ? settings.decay_time_s : own, 0.05, 20.0);
}

/// A room that decays faster than its own is smaller in the same measure. Otherwise its reflections
/// would still come one by one when the decay has all but ended.
RoomModel model_of (Room room, const RoomSettings &settings) noexcept
{
  RoomModel model = own_model_of (room);
  const double size = std::min (decay_time_s (room, settings) / model.decay_s, 1.0);
  model.first_ms *= size;
  model.mix_ms *= size;
  model.spread_ms *= size;
  return model;
}

/// Uniform in −1..1 by a fixed mapping; std::uniform_real_distribution differs between libraries.
class Random {
public:
  explicit Random (std::uint64_t seed) : engine_ {seed} {}
  double operator() () noexcept
  {
    return static_cast<double> (static_cast<std::int32_t> (engine_ () >> 32)) * 0x1p-31;
  }
  double unit () noexcept { return ((*this) () + 1.0) * 0.5; }

private:
  std::mt19937_64 engine_;
};

/// First-order low-pass.
class OnePole {
public:
  OnePole (double hz, double rate_hz) noexcept
      : gain_ {1.0 - portable_exp (-2.0 * kPi * std::min (hz, 0.5 * rate_hz) / rate_hz)}
  {}
  double operator() (double x) noexcept { return state_ += gain_ * (x - state_); }

private:
  double gain_;
  double state_ {0.0};
};

double squared (double x) noexcept
{
  return x * x;
}

/// Power of the low-pass of the walls at `hz`.
double brightness (const RoomModel &model, double hz) noexcept
{
  return 1.0 / (1.0 + squared (hz / model.bright_hz));
}

/// Nepers a second of the amplitude for an RT60.
double rate_of (double decay_s) noexcept
{
  return 3.0 * kLn10 / decay_s;
}

/// The decay at `hz` between those of the octaves, which are those of their middles.
double decay_at (const Octaves &decay_s, double hz) noexcept
{
  if (hz <= kOctaveHz.front ())
    return decay_s.front ();
  for (std::size_t i = 1; i < kOctaves; ++i)
    if (hz < kOctaveHz[i]) {
      const double part = (hz - kOctaveHz[i - 1]) / (kOctaveHz[i] - kOctaveHz[i - 1]);
      return decay_s[i - 1] + part * (decay_s[i] - decay_s[i - 1]);
    }
  return decay_s.back ();
}

/// What an octave filter lets through, as energies that decay each at its own rate.
class OctaveDecay {
public:
  OctaveDecay (const RoomModel &model, const Octaves &decay_s, double centre_hz) noexcept
  {
    // Two octaves to both sides in quarters of an octave.
    double hz = 0.25 * centre_hz;
    for (std::size_t i = 0; i < kPoints; ++i, hz *= 1.189207115002721) {
      // Six poles (Butterworth), 3 dB down where octaves meet.
      const double off = (hz / centre_hz - centre_hz / hz) * 1.4142135623730951;
      const double filter = 1.0 / (1.0 + squared (off * off * off));
      const double rumble = squared (hz * hz / (hz * hz + kRumbleHz * kRumbleHz));
      rate_[i] = 2.0 * rate_of (decay_at (decay_s, hz));
      energy_[i] = filter * rumble * brightness (model, hz) * hz / rate_[i];
    }
  }

  /// T30: the line of least squares through the backward integrated energy (Schroeder 1965) from −5
  /// to −35 dB, as ISO 3382-1 measures it.
  double t30 () const noexcept
  {
    const double whole = left_at (0.0).energy;
    std::array<double, 7> time_s {}; // when −5, −10 … −35 dB are left
    double t = 0.0;
    for (std::size_t i = 0; i < time_s.size (); ++i) {
      const double goal = whole * portable_exp (-0.5 * kLn10 * static_cast<double> (1 + i));
      // Newton's method; the curve is convex, so it comes from the left.
      for (int step = 0; step < 12; ++step) {
        const Left left = left_at (t);
        t += (left.energy - goal) / left.power;
      }
      time_s[i] = t;
    }
    return line_through_decay_s (time_s, 5.0);
  }

private:
  static constexpr std::size_t kPoints = 17;
  struct Left {
    double energy, power;
  };
  Left left_at (double t) const noexcept
  {
    Left left {};
    for (std::size_t i = 0; i < kPoints; ++i) {
      const double energy = energy_[i] * portable_exp (-rate_[i] * t);
      left.energy += energy;
      left.power += rate_[i] * energy;
    }
    return left;
  }

  std::array<double, kPoints> rate_ {};
  std::array<double, kPoints> energy_ {};
};

/// Decays in the middle of the octaves with which each octave as a whole decays as asked, although
/// an octave filter also lets through some of its neighbours, which may ring longer.
Octaves inner_decays_s (const RoomModel &model, const Octaves &asked_s) noexcept
{
  Octaves decay_s = asked_s;
  for (int round = 0; round < 6; ++round)
    for (std::size_t i = 0; i < kOctaves; ++i) {
      const double measured_s = OctaveDecay {model, decay_s, kOctaveHz[i]}.t30 ();
      decay_s[i] *= std::clamp (asked_s[i] / measured_s, 0.8, 1.25);
    }
  return decay_s;
}

/// Share of the energy that the noise carries `ms` after the direct sound; the rest is left to the
/// reflections. 0 before the first of them.
double noise_share (const RoomModel &model, double ms) noexcept
{
  const auto cubed = [] (double x) { return x * x * x; };
  const double first = cubed (model.first_ms);
  return std::clamp ((cubed (ms) - first) / (cubed (model.mix_ms) - first), 0.0, 1.0);
}

/// Adds the reflections of one channel to its sound, which has a power of 1 a frame.
void add_reflections (std::vector<double> &sound, const RoomModel &model, double rate_hz,
    double mid_rate, std::uint64_t seed, std::size_t channel)
{
  if (!(model.first_ms > 0.0))
    return;
  Random walls {seed}; // the same for all channels: one room
  Random ear {seed + 1 + channel};
  const double ratio = model.mix_ms / model.first_ms;
  const auto count = static_cast<std::size_t> (ratio * ratio * ratio);
  std::vector<double> taps (std::min (sound.size (),
      static_cast<std::size_t> ((model.mix_ms + model.spread_ms) * 1e-3 * rate_hz) + 1));
  // The k-th arrives when k of `count` mirror images lie within a sphere around the listener, which
  // grows with the speed of sound.
  for (std::size_t k = 1; k < count; ++k) {
    const double part =
        (static_cast<double> (k) + 0.8 * walls.unit () - 0.4) / static_cast<double> (count);
    const double when = portable_cbrt (part);
    const double arrival_ms = model.mix_ms * when;
    const double per_frame =
        3.0 * static_cast<double> (count) * when * when * 1e3 / (model.mix_ms * rate_hz);
    const double gain = std::sqrt ((1.0 - noise_share (model, arrival_ms)) / per_frame);
    const double ms = arrival_ms + model.spread_ms * ear.unit ();
    const bool negative = ear () < 0.0;
    const auto frame = static_cast<std::size_t> (ms * 1e-3 * rate_hz);
    if (frame < taps.size ())
      taps[frame] += (negative ? -gain : gain) * portable_exp (-mid_rate * ms * 1e-3);
  }
  OnePole low_pass {model.bright_hz, rate_hz};
  for (std::size_t n = 0; n < taps.size (); ++n)
    sound[n] += low_pass (taps[n]);
}

/// All that the channels of a room have in common, and the making of one.
class Synthesis {
public:
  Synthesis (Room room, const RoomSettings &settings, double rate_hz, std::size_t frames)
      : model_ {model_of (room, settings)}, asked_s_ {octave_decays_s (room, settings)},
        inner_s_ {inner_decays_s (model_, asked_s_)}, rate_hz_ {rate_hz}, noise_ {rate_hz},
        seed_ {0x6d756c7469000000u + (static_cast<std::uint64_t> (room) << 16)}, sound_ (frames)
  {}

  /// Where chance would show in an octave, its decay is measured and the channel made anew. False
  /// when cancelled.
  bool make (std::size_t channel, const std::function<bool ()> &cancelled)
  {
    Octaves decay_s = inner_s_;
    for (int round = 0;; ++round) {
      if (cancelled ())
        return false;
      make_noise (channel, decay_s);
      if (cancelled ())
        return false;
      finish (channel, decay_s);
      if (round == kRounds || !correct (decay_s))
        return true;
    }
  }
  const std::vector<double> &sound () const noexcept { return sound_; }

private:
  static constexpr int kRounds = 4;
  static constexpr double kClose = 0.01;
  /// An octave has so few independent values in so short a time.
  static constexpr double kFewPeriods = 250.0;
  /// In so short a time the octave filter's own ringing is what would be measured.
  static constexpr double kTooFewPeriods = 12.0;

  void make_noise (std::size_t channel, const Octaves &decay_s)
  {
    // The slowest decay is put on frame by frame, and what goes faster on the tiles of the noise.
    slowest_ = rate_of (*std::max_element (decay_s.begin (), decay_s.end ()));
    std::vector<double> height (noise_.hop_frames ()), step (noise_.hop_frames ());
    const double hop_s = static_cast<double> (noise_.hop_frames ()) / rate_hz_;
    for (std::size_t k = 0; k < height.size (); ++k) {
      const double hz = noise_.bin_hz (k);
      height[k] = std::sqrt (brightness (model_, hz));
      step[k] = portable_exp (-hop_s * (rate_of (decay_at (decay_s, hz)) - slowest_));
    }
    std::fill (sound_.begin (), sound_.end (), 0.0);
    noise_.add (sound_, height, step, seed_ + 0x8000 + channel);
  }

  /// Reflections, decay, high-pass and end.
  void finish (std::size_t channel, const Octaves &decay_s)
  {
    const double mix_frames = model_.mix_ms * 1e-3 * rate_hz_;
    for (std::size_t n = 0; n < sound_.size () && static_cast<double> (n) < mix_frames; ++n)
      sound_[n] *= std::sqrt (noise_share (model_, static_cast<double> (n) * 1e3 / rate_hz_));
    const double mid_rate = rate_of (decay_at (decay_s, 1000.0)) - slowest_;
    add_reflections (sound_, model_, rate_hz_, mid_rate, seed_, channel);
    OnePole rumble[2] {{kRumbleHz, rate_hz_}, {kRumbleHz, rate_hz_}};
    const double fade_frames = std::max (kFadePart * static_cast<double> (sound_.size ()), 1.0);
    const double frame_step = portable_exp (-slowest_ / rate_hz_);
    double gain = 1.0;
    for (std::size_t n = 0; n < sound_.size (); ++n) {
      const double x = gain * sound_[n];
      const double y = x - rumble[0](x);
      const double end = std::min (static_cast<double> (sound_.size () - 1 - n) / fade_frames, 1.0);
      sound_[n] = (y - rumble[1](y)) * end * end * (3.0 - 2.0 * end);
      gain *= frame_step;
    }
  }

  /// Moves the decays of octaves that are not as asked. False when all are.
  bool correct (Octaves &decay_s) const
  {
    bool moved = false;
    for (std::size_t i = 0; i < kOctaves && asked_s_[i] * kOctaveHz[i] < kFewPeriods; ++i) {
      if (asked_s_[i] * kOctaveHz[i] < kTooFewPeriods)
        continue;
      const double measured_s = octave_t30_s (sound_, kOctaveHz[i], rate_hz_);
      if (!(measured_s > 0.0))
        continue;
      const double ratio = asked_s_[i] / measured_s;
      moved = moved || std::fabs (ratio - 1.0) > kClose;
      decay_s[i] *= std::clamp (ratio, 0.8, 1.25);
    }
    return moved;
  }

  RoomModel model_;
  Octaves asked_s_, inner_s_; // of octaves, and in their middle
  double rate_hz_;
  LappedNoise noise_;
  std::uint64_t seed_;
  double slowest_ {0.0}; // of the sound that is being made
  std::vector<double> sound_;
};

} // namespace

double default_decay_time_s (Room room) noexcept
{
  return own_model_of (room).decay_s;
}

std::array<double, 9> octave_decays_s (Room room, const RoomSettings &settings) noexcept
{
  Octaves decay_s {};
  for (std::size_t i = 0; i < kOctaves; ++i)
    decay_s[i] = decay_time_s (room, settings) *
        (1.0 + std::clamp (settings.damping, 0.0, 1.0) * (kOctaveDamping[i] - 1.0));
  return decay_s;
}

std::size_t room_frames (Room room, const RoomSettings &settings, double rate_hz)
{
  const Octaves decay_s = octave_decays_s (room, settings);
  const double longest_s = *std::max_element (decay_s.begin (), decay_s.end ());
  const double seconds = std::min (longest_s * kDecayDb / 60.0, kMaxImpulseSeconds);
  return std::max<std::size_t> (static_cast<std::size_t> (seconds * rate_hz), 1);
}

Impulse synthesize_room (Room room, const RoomSettings &settings, double rate_hz,
    std::size_t channels, const std::function<bool ()> &cancelled)
{
  Impulse ir {std::vector<float> (room_frames (room, settings, rate_hz) * channels), channels};
  Synthesis synthesis {room, settings, rate_hz, ir.frames ()};
  for (std::size_t c = 0; c < channels; ++c) {
    if (!synthesis.make (c, cancelled))
      return {};
    for (std::size_t n = 0; n < ir.frames (); ++n)
      ir.samples[n * channels + c] = static_cast<float> (synthesis.sound ()[n]);
  }
  normalize (ir, Normalize::energy);
  return ir;
}

} // namespace mt::dsp
