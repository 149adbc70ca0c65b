// SPDX-License-Identifier: LGPL-2.1-or-later
// Multitrack files with known samples, laid out as badly as containers allow, and the sum a mixer
// must make of them.
#pragma once

#include "matroskawriter.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mt::test {

inline constexpr unsigned kRateHz = 48000;
inline constexpr unsigned kChannels = 2;

/// f32_any is F32 whose sums depend on their order.
enum class Codec { s16, s24, s32, f32, f32_any, flac, opus, aac };

/// One track of seeded noise. The samples of the lossless codecs but f32_any are multiples of 2^-20
/// and small, so that any sum of them in any order is exact in 32 bit float and results can be
/// compared to the bit.
struct TrackSpec {
  Codec codec = Codec::s16;
  std::uint64_t frames = 0;
  unsigned start_ms = 0;
  unsigned channels = kChannels;
  unsigned rate_hz = kRateHz;
};

/// One file: `turn_ms` of the first track, then as much of the second, …, and so on. 0 = a track as
/// a whole.
struct FileSpec {
  const char *name;
  unsigned turn_ms;
  std::vector<TrackSpec> tracks;
};

/// The files of the pitfalls: ends 1, 5 and 30 s apart, a late start, codecs and 5 s clusters
/// mixed, one track before the other, very short, empty.
std::span<const FileSpec> hostile_files ();

/// A file that has no name in any folder, so that nothing is left behind when a test dies.
class MemoryFile {
public:
  explicit MemoryFile (std::span<const std::uint8_t> content = {});
  ~MemoryFile ();
  MemoryFile (const MemoryFile &) = delete;
  MemoryFile &operator= (const MemoryFile &) = delete;

  /// Opens in this process only.
  std::string path () const;

private:
  int fd_;
};

/// A written file and what is in it.
class Container {
public:
  explicit Container (const FileSpec &spec);

  const FileSpec &spec () const { return spec_; }
  std::string path () const { return file_.path (); }
  bool lossless () const;
  /// Noise of a track, interleaved in its own channels. For lossy codecs what went into the
  /// encoder.
  const std::vector<float> &samples (std::size_t track) const { return samples_[track]; }
  /// The sum of all tracks at their places, stereo, as long as the longest, in frames of the first
  /// track's rate. Lossy tracks are decoded one by one, each in a pipeline without a mixer.
  std::vector<float> mix () const;

private:
  FileSpec spec_;
  std::vector<std::vector<float>> samples_;
  MemoryFile file_;
};

/// `frames` frames of noise, at most 1/8 of full scale, in multiples of 2^-grid_bits (up to 24:
/// exact; more: rounded).
std::vector<float> seeded_noise (
    std::uint32_t seed, std::uint64_t frames, unsigned channels, int grid_bits);

/// A WAV file in F32.
MemoryFile wav_file (std::span<const float> samples, unsigned channels, unsigned rate_hz);

/// The stock elements between the demuxer's pad and raw audio, "" for PCM.
const char *decoder_of (Codec codec);

} // namespace mt::test
