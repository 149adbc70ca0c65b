// SPDX-License-Identifier: LGPL-2.1-or-later
// Brings the audio of a track to the rate of the mix.
#pragma once

#include <cstdint>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include "trackqueue.hpp"

namespace mt::trackmixer {

/// How many frames before `start` the nearest of those lies that coincide with a frame of the mix;
/// where the ratio is too odd for one within reach, the one that comes nearest to it.
[[nodiscard]] Frames lead_of (Frames start, int in_hz, int out_hz) noexcept;

/// A run of audio without a hole, resampled by a GstAudioConverter that is told of every frame
/// once.
///
/// The frame n of the output lies at the time of the frame n · in / out of the input: the converter
/// begins in the middle of its filter, so nothing is delayed, it only looks ahead. The ratio
/// is exact, and a run begins with as much silence as brings its start to a whole frame of the mix:
/// no run drifts, however long, and runs at other ratios lie in the same place.
///
/// What is no F32 is made F32 by a converter of its own first. One for both steps would resample in
/// doubles, at twice the cost, for a result that is F32 all the same.
///
/// Threads  the feeder, and the mix task when the rate changes; both with Track::rate_mutex.
/// Allocates, as any decoder does.
class TrackResampler {
public:
  TrackResampler () = default;
  ~TrackResampler () { off (); }
  TrackResampler (const TrackResampler &) = delete;
  TrackResampler &operator= (const TrackResampler &) = delete;

  /// From this format to F32, interleaved, at `rate_hz`, the channels as they are. False: nothing
  /// can convert it. `config` as in GstAudioConverter, or null; it is copied.
  [[nodiscard]] bool set_up (const GstAudioInfo &from, int rate_hz, const GstStructure *config);
  /// The run goes on with audio of this format. False: it can't, of another rate, say.
  [[nodiscard]] bool go_on_with (const GstAudioInfo &from);

  [[nodiscard]] const GstAudioInfo &input () const noexcept { return from_; }
  [[nodiscard]] const GstAudioInfo &output () const noexcept { return to_; }

  /// The nearest frame of the mix to a frame of the track.
  [[nodiscard]] Frames to_mix (Frames frame) const noexcept;

  /// True if audio that begins at this frame of the track continues the run.
  [[nodiscard]] bool continues (Frames start) const noexcept
  {
    return running_ && start == run_begin_in_ + frames_in_;
  }
  /// The next audio begins at this frame of the track. What drain() would give is lost.
  /// Makes a new converter: not for every buffer.
  void begin_run (Frames start) noexcept;
  void forget () noexcept;

  /// Takes the buffer, of `frames` frames. The item has no object if nothing comes out yet, or if
  /// the buffer can't be mapped.
  [[nodiscard]] QueueItem resample (GstBuffer *buffer, Frames frames) noexcept;
  /// What the converter still holds; ends the run.
  [[nodiscard]] QueueItem drain () noexcept;

  [[nodiscard]] bool running () const noexcept { return running_; }
  /// Where the run goes on, in the track's frames.
  [[nodiscard]] Frames next_in () const noexcept { return run_begin_in_ + frames_in_; }
  /// Where the next frame of the run comes out.
  [[nodiscard]] Frames next_out () const noexcept { return run_begin_out_ + frames_out_; }
  /// From this frame of the mix on the filter sees nothing of the silence before the run.
  [[nodiscard]] Frames settled () const noexcept;

private:
  void off () noexcept;
  [[nodiscard]] QueueItem convert (gpointer *in, Frames frames, Frames most) noexcept;
  [[nodiscard]] GstAudioConverter *make_resampler () const noexcept;

  GstAudioConverter *to_float_ {nullptr}; // none: it is F32 already
  GstAudioConverter *converter_ {nullptr};
  GstStructure *config_ {nullptr}; // of the next one
  bool used_ {false};              // the converter has been given audio
  GstAudioInfo from_ {};
  GstAudioInfo float_ {}; // what the resampler gets
  GstAudioInfo to_ {};
  std::vector<float> float_memory_; // of to_float_; silence for drain()
  bool running_ {false};
  Frames run_begin_in_ {0};
  Frames run_begin_out_ {0};
  Frames frames_in_ {0}; // of the run
  Frames frames_out_ {0};
  Frames skip_ {0};      // of what comes out next: it lies before the run
  Frames silent_in_ {0}; // at the end of what came: flagged as a gap
};

} // namespace mt::trackmixer
