// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses: what they are, what makes one usable, and synthetic rooms from a fixed seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mt::dsp {

inline constexpr std::size_t kMaxImpulseChannels = 64;
inline constexpr double kMaxImpulseSeconds = 60.0;
/// Frames x channels of the stream: 0.5 GiB for the response, four times as much for the convolver.
/// 64 channels at 192 kHz have room for 10.9 s, stereo at 1.1 MHz for 60 s.
inline constexpr std::size_t kMaxImpulseSamples = std::size_t {1} << 27;

/// 120 dB above full scale, for a response that is ready to be convolved with; see
/// kMaxStreamSample.
inline constexpr float kMaxImpulseSample = 1e6f;

/// An impulse response: frames × channels, interleaved, at the stream's rate, linear amplitude.
struct Impulse {
  std::vector<float> samples;
  std::size_t channels {1};

  std::size_t frames () const noexcept { return channels ? samples.size () / channels : 0; }
};

/// Says in words why `ir` cannot be convolved with, or nothing when it can: no frames, a sample
/// that is NaN or infinite, nothing but zeros, more than kMaxImpulseChannels or kMaxImpulseSeconds.
std::string find_fault (const Impulse &ir, double rate_hz);

/// Says in words which sample of `ir` is not within ±kMaxImpulseSample, or nothing.
std::string find_too_large (const Impulse &ir);

/// Cuts the end after the last frame in which any channel is louder than `db` decibels under the
/// peak of all channels. `db` <= 0; minus infinity keeps everything. Never cuts the peak itself.
void trim (Impulse &ir, double db);

enum class Normalize {
  energy, ///< The sum of squares, averaged over the channels, is 1: white noise keeps its level.
  peak,   ///< The largest absolute sample is 1.
  none,   ///< As it is.
};

/// Scales all channels by one factor, so that their balance stays. Leaves an all-zero IR alone.
void normalize (Impulse &ir, Normalize mode);

enum class Room { small_room, hall, plate, cathedral };

struct RoomSettings {
  double decay_time_s {0.0}; ///< RT60 at 500 Hz and 1 kHz; 0 = default_decay_time_s
  double damping {0.5};      ///< 0 = all octaves decay alike, 1 = as far apart as kOctaveDamping
};

/// The octave bands of a room, by their middle.
inline constexpr std::array<double, 9> kOctaveHz {
    62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0};
/// RT60 of each octave at a damping of 1, as a part of the decay time.
inline constexpr std::array<double, 9> kOctaveDamping {
    1.2, 1.2, 1.1, 1.0, 1.0, 0.85, 0.7, 0.5, 0.4};

/// Seconds in which the sound of `room` falls by 60 dB when nothing else is asked for.
double default_decay_time_s (Room room) noexcept;

/// RT60 that each octave of kOctaveHz has: decay time x (1 + damping x (kOctaveDamping - 1)). Held
/// within 5 % where it is measured as ISO 3382-1 has it (T30, octave filters of six poles), in the
/// octaves from 63 Hz to 8 kHz for decay times from 0.5 s on, as far as the rate leaves them whole.
std::array<double, 9> octave_decays_s (Room room, const RoomSettings &settings) noexcept;

/// How long synthesize_room() makes it, without making it. At least 1.
std::size_t room_frames (Room room, const RoomSettings &settings, double rate_hz);

/// Makes the reverberation of a room that never was, without the direct sound.
///
/// Early on there are single reflections, each channel's with its own signs and up to a few
/// milliseconds apart. Their number a second grows with the square of time, as in a real room, and
/// their energy falls in the same measure; noise takes over as they become too many to be told
/// apart. A plate has none: it is dense from its first millisecond. What arrives in a millisecond
/// would so have the same energy for ever; on that lies the decay, which differs by frequency, a
/// high-pass that leaves nothing at 0 Hz, a low-pass of the room's own, and a short fade at the
/// end.
///
/// The same arguments give the same bytes on every machine: std::mt19937_64 is fixed by the
/// standard, its numbers are mapped here, and no function is used whose rounding the standard
/// leaves open. Each channel has its own seed and does not depend on how many there are, but for
/// the common level.
///
/// Shapes  result: [frames][channels], 1.5 times the longest decay (90 dB), energy 1; empty when
///         `cancelled`, which is asked before and after the noise of each round of a channel.
/// Units   rate_hz > 0, channels 1..64, decay_time_s 0 or 0.05..20, damping 0..1 (clamped).
/// Source  J. A. Moorer, "About This Reverberation Business", Computer Music J. 3(2), 1979
/// (decaying
///         noise); H. Kuttruff, Room Acoustics, 4.1 (density of reflections).
Impulse synthesize_room (
    Room room, const RoomSettings &settings, double rate_hz, std::size_t channels,
    const std::function<bool ()> &cancelled = [] { return false; });

} // namespace mt::dsp
