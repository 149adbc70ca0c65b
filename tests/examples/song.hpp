// SPDX-License-Identifier: LGPL-2.1-or-later
// The demo song as tracks of samples: composed and synthesised from code, without GStreamer.
#pragma once

#include "synth.hpp"

#include <string>
#include <vector>

namespace mt::demo {

/// One track: `samples` are interleaved, full scale 1.0, at kRateHz, and begin `start_frame` into
/// the song.
struct Track {
  std::string title;
  std::string encoder; // factory name of the stock encoder
  int channels {2};
  std::size_t start_frame {0};
  std::vector<float> samples;
  std::size_t frames () const noexcept { return samples.size () / channels; }
  std::size_t end_frame () const noexcept { return start_frame + frames (); }
};

inline constexpr char kSongTitle[] = "Quarter Past Rain";

std::size_t song_frames () noexcept;

/// Renders all tracks. Every call returns the same bits: all noise is seeded and nothing depends on
/// time, threads or addresses. Between machines the C library's sin() and exp() may differ in the
/// last bit. The sum of the tracks at unity gain stays under 0.7 of full scale.
std::vector<Track> render_song ();

} // namespace mt::demo
