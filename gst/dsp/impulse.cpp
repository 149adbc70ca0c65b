// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses: faults, trimming, normalising, and the noise model of the synthetic rooms.
#include "dsp/impulse.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace mt::dsp {

namespace {

constexpr std::size_t kBands = 3; // low, mid, high
constexpr double kLowHz = 250.0;
constexpr double kHighHz = 3000.0;
constexpr double kRumbleHz = 60.0;
constexpr double kLn10 = 2.302585092994045684;
constexpr double kPi = 3.14159265358979323846;
constexpr double kDecayDb = 90.0; // length of a room: down to 90 dB under its start

/// exp(x) from sums and products alone. The standard fixes their rounding, that of std::exp it does
/// not. Taylor series of x / 2^12, then 12 squarings; good to 1e-12 for |x| < 100.
double portable_exp (double x) noexcept
{
  const double z = x / 4096.0;
  double term = 1.0;
  double sum = 1.0;
  for (int i = 1; i < 8; ++i) {
    term *= z / i;
    sum += term;
  }
  for (int i = 0; i < 12; ++i)
    sum *= sum;
  return sum;
}

/// What makes one room differ from another.
struct RoomModel {
  double decay_s;      // default RT60
  double pre_delay_ms; // before the first reflection
  double early_ms;     // span of the sparse reflections
  int reflections;     // how many in that span, per channel
  double early_share;  // of the energy
  double build_up_ms;  // in which the noise grows to full density
  double bright_hz;    // low-pass of everything: walls, air
};

RoomModel model_of (Room room) noexcept
{
  switch (room) {
  case Room::small_room:
    return {0.5, 3.0, 30.0, 12, 0.40, 8.0, 7000.0};
  case Room::hall:
    break;
  case Room::plate:
    return {1.8, 0.0, 0.0, 0, 0.0, 1.0, 9000.0};
  case Room::cathedral:
    return {5.5, 28.0, 110.0, 14, 0.10, 60.0, 4500.0};
  }
  return {2.0, 14.0, 70.0, 16, 0.20, 30.0, 6000.0};
}

/// Uniform in −1..1 by a fixed mapping; std::uniform_real_distribution differs between libraries.
class Noise {
public:
  explicit Noise (std::uint64_t seed) : engine_ {seed} {}
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

/// Colours the excitation and cuts it into bands that add up to it again.
class BandSplit {
public:
  BandSplit (double bright_hz, double rate_hz) noexcept
      : bright_ {bright_hz, rate_hz}, rumble_ {kRumbleHz, rate_hz}, low_ {OnePole {kLowHz, rate_hz},
                                                                        OnePole {kLowHz, rate_hz}},
        mid_ {OnePole {kHighHz, rate_hz}, OnePole {kHighHz, rate_hz}}
  {}
  std::array<double, kBands> operator() (double x) noexcept
  {
    const double bright = bright_ (x);
    const double coloured = bright - rumble_ (bright);
    const double low = low_[1](low_[0](coloured));
    const double rest = coloured - low;
    const double mid = mid_[1](mid_[0](rest));
    return {low, mid, rest - mid};
  }

private:
  OnePole bright_;
  OnePole rumble_;
  std::array<OnePole, 2> low_;
  std::array<OnePole, 2> mid_;
};

using Bands = std::array<double, kBands>;

using BandMatrix = std::array<Bands, kBands>;

/// Energy of each band for white noise on the diagonal, and what bands share beside it (their
/// slopes overlap); found by running it.
BandMatrix band_energies (const RoomModel &model, double rate_hz)
{
  Noise noise {0x9e3779b97f4a7c15u};
  BandSplit split {model.bright_hz, rate_hz};
  BandMatrix energy {};
  for (std::size_t n = 0; n < 1u << 16; ++n) {
    const Bands bands = split (noise ());
    for (std::size_t a = 0; a < kBands; ++a)
      for (std::size_t b = 0; b < kBands; ++b)
        energy[a][b] += bands[a] * bands[b];
  }
  return energy;
}

/// T30 of a sum of exponential decays with RT60 `decay_s`: the line of least squares through the
/// backward integrated energy (Schroeder 1965) from −5 to −35 dB, as ISO 3382-1 measures it.
double broadband_decay_s (const BandMatrix &energy, const Bands &decay_s)
{
  const auto remaining = [&] (double t) {
    double sum = 0.0;
    for (std::size_t a = 0; a < kBands; ++a)
      for (std::size_t b = 0; b < kBands; ++b) {
        const double rate = 3.0 * kLn10 * (1.0 / decay_s[a] + 1.0 / decay_s[b]);
        sum += energy[a][b] / rate * portable_exp (-rate * t);
      }
    return sum;
  };
  const double whole = remaining (0.0);
  std::array<double, 31> time_s {}; // when −5, −6 … −35 dB are left
  for (std::size_t i = 0; i < time_s.size (); ++i) {
    const double left = whole * portable_exp (-0.1 * kLn10 * static_cast<double> (5 + i));
    double from = 0.0;
    double to = 2.0;
    for (int step = 0; step < 40; ++step) {
      const double t = 0.5 * (from + to);
      (remaining (t) > left ? from : to) = t;
    }
    time_s[i] = from;
  }
  // Each point stands for the time around it, because a measurement has one for each sample.
  double w = 0.0, wt = 0.0, wl = 0.0, wtt = 0.0, wtl = 0.0;
  for (std::size_t i = 0; i < time_s.size (); ++i) {
    const double t = time_s[i];
    const double level = -static_cast<double> (5 + i);
    const double weight = time_s[std::min (i + 1, time_s.size () - 1)] - time_s[i ? i - 1 : 0];
    w += weight;
    wt += weight * t;
    wl += weight * level;
    wtt += weight * t * t;
    wtl += weight * t * level;
  }
  return -60.0 * (w * wtt - wt * wt) / (w * wtl - wt * wl);
}

/// RT60 of each band. The whole band shall decay as asked, so the bands are scaled until it does.
Bands band_decays_s (const RoomModel &model, const RoomSettings &settings, double rate_hz)
{
  const double asked = settings.decay_time_s > 0.0 ? settings.decay_time_s : model.decay_s;
  const double damping = std::clamp (settings.damping, 0.0, 1.0);
  Bands decay_s {1.0 + 0.2 * damping, 1.0, 1.0 - 0.5 * damping};
  const double whole = broadband_decay_s (band_energies (model, rate_hz), decay_s);
  for (double &band_s : decay_s)
    band_s *= std::clamp (asked, 0.05, 20.0) / whole;
  return decay_s;
}

/// Adds the sparse early reflections of one channel to its excitation.
void add_reflections (std::vector<double> &excitation, const RoomModel &model, double rate_hz,
    double late_energy, std::uint64_t seed, std::size_t channel)
{
  if (model.reflections == 0)
    return;
  Noise walls {seed}; // the same for all channels: one room
  Noise ear {seed + 1 + channel};
  std::vector<std::pair<std::size_t, double>> taps;
  double energy = 0.0;
  for (int i = 0; i < model.reflections; ++i) {
    const double where = (i + 0.8 * walls.unit ()) / model.reflections;
    // Reflections reach each channel at slightly different times, up to 2 ms apart.
    const double ms = model.pre_delay_ms + where * model.early_ms + 2.0 * ear.unit ();
    const double gain = (1.0 - 0.6 * where) * (ear () < 0.0 ? -1.0 : 1.0);
    taps.emplace_back (static_cast<std::size_t> (ms * 1e-3 * rate_hz), gain);
    energy += gain * gain;
  }
  const double scale =
      std::sqrt (late_energy * model.early_share / (1.0 - model.early_share) / energy);
  for (const auto &[frame, gain] : taps)
    if (frame < excitation.size ())
      excitation[frame] += scale * gain;
}

} // namespace

std::string find_fault (const Impulse &ir, double rate_hz)
{
  if (ir.channels == 0 || ir.frames () == 0)
    return "it has no samples";
  if (ir.channels > kMaxImpulseChannels)
    return "it has " + std::to_string (ir.channels) + " channels, the limit is " +
        std::to_string (kMaxImpulseChannels);
  if (static_cast<double> (ir.frames ()) > kMaxImpulseSeconds * rate_hz)
    return "it is longer than " + std::to_string (static_cast<int> (kMaxImpulseSeconds)) +
        " seconds";
  const auto bad = std::find_if (
      ir.samples.begin (), ir.samples.end (), [] (float x) { return !std::isfinite (x); });
  if (bad != ir.samples.end ())
    return "frame " +
        std::to_string (static_cast<std::size_t> (bad - ir.samples.begin ()) / ir.channels) +
        " has a sample that is not a finite number";
  if (std::all_of (ir.samples.begin (), ir.samples.end (), [] (float x) { return x == 0.0f; }))
    return "it is silent, every sample is zero";
  return {};
}

void trim (Impulse &ir, double db)
{
  float peak = 0.0f;
  for (const float x : ir.samples)
    peak = std::max (peak, std::fabs (x));
  const double floor = static_cast<double> (peak) * std::pow (10.0, std::min (db, 0.0) / 20.0);
  if (!(floor > 0.0)) // minus infinity, or nothing but zeros
    return;
  std::size_t end = ir.samples.size ();
  while (end > 0 && static_cast<double> (std::fabs (ir.samples[end - 1])) < floor)
    --end;
  ir.samples.resize ((end + ir.channels - 1) / ir.channels * ir.channels);
}

void normalize (Impulse &ir, Normalize mode)
{
  double sum = 0.0;
  double peak = 0.0;
  for (const float x : ir.samples) {
    const double y = static_cast<double> (x);
    sum += y * y;
    peak = std::max (peak, std::fabs (y));
  }
  double scale = 1.0;
  if (mode == Normalize::energy)
    scale = std::sqrt (static_cast<double> (ir.channels) / sum);
  else if (mode == Normalize::peak)
    scale = 1.0 / peak;
  if (!(peak > 0.0) || scale == 1.0)
    return;
  for (float &x : ir.samples)
    x = static_cast<float> (static_cast<double> (x) * scale);
}

double default_decay_time_s (Room room) noexcept
{
  return model_of (room).decay_s;
}

std::size_t room_frames (Room room, const RoomSettings &settings, double rate_hz)
{
  const RoomModel model = model_of (room);
  const Bands decay_s = band_decays_s (model, settings, rate_hz);
  const double longest_s = *std::max_element (decay_s.begin (), decay_s.end ());
  const double start_s = (model.pre_delay_ms + model.build_up_ms) * 1e-3;
  const auto frames = static_cast<std::size_t> (
      std::min (start_s + longest_s * kDecayDb / 60.0, kMaxImpulseSeconds) * rate_hz);
  return std::max<std::size_t> (frames, 1);
}

Impulse synthesize_room (
    Room room, const RoomSettings &settings, double rate_hz, std::size_t channels)
{
  const RoomModel model = model_of (room);
  const Bands decay_s = band_decays_s (model, settings, rate_hz);
  Bands step {};
  for (std::size_t b = 0; b < kBands; ++b)
    step[b] = portable_exp (-3.0 * kLn10 / (decay_s[b] * rate_hz));
  const auto first = static_cast<std::size_t> (model.pre_delay_ms * 1e-3 * rate_hz);
  const double build_up_frames = std::max (model.build_up_ms * 1e-3 * rate_hz, 1.0);
  // Uniform noise has a variance of 1/3; its energy while it decays is that times a time constant.
  const double late_energy = decay_s[1] * rate_hz / (6.0 * kLn10) / 3.0;
  const std::uint64_t seed = 0x6d756c7469000000u + (static_cast<std::uint64_t> (room) << 16);

  Impulse ir {std::vector<float> (room_frames (room, settings, rate_hz) * channels), channels};
  std::vector<double> excitation (ir.frames ());
  for (std::size_t c = 0; c < channels; ++c) {
    Noise noise {seed + 0x8000 + c};
    for (std::size_t n = 0; n < excitation.size (); ++n) {
      const double x = noise ();
      const double grown =
          n < first ? 0.0 : std::min (static_cast<double> (n - first) / build_up_frames, 1.0);
      excitation[n] = grown * x;
    }
    add_reflections (excitation, model, rate_hz, late_energy, seed, c);
    BandSplit split {model.bright_hz, rate_hz};
    Bands gain {1.0, 1.0, 1.0};
    for (std::size_t n = 0; n < excitation.size (); ++n) {
      const Bands bands = split (excitation[n]);
      double sum = 0.0;
      for (std::size_t b = 0; b < kBands; ++b) {
        sum += gain[b] * bands[b];
        gain[b] *= step[b];
      }
      ir.samples[n * channels + c] = static_cast<float> (sum);
    }
  }
  normalize (ir, Normalize::energy);
  return ir;
}

} // namespace mt::dsp
