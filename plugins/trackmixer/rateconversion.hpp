// SPDX-License-Identifier: LGPL-2.1-or-later
// The way of a track's audio to the rate of the mix, also while that rate changes.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "trackresampler.hpp"

namespace mt::trackmixer {

/// A resampler, or none where the track has the rate of the mix.
///
/// When the rate of the mix changes, what is queued is resampled from the old rate to the new one,
/// and what a filter still holds of it must be continued. So the audio goes on by the way that it
/// went, with that step more at its end, while the direct way fills its filter with the same audio;
/// then the one fades into the other. Neither the queue nor the sound has a seam there.
///
/// Threads  the feeder, and the mix task when the rate changes; both with Track::rate_mutex.
class RateConversion {
public:
  RateConversion () noexcept = default;

  /// As TrackResampler::set_up(), for audio that has nothing to do with what came before.
  [[nodiscard]] bool set_up (const GstAudioInfo &from, int rate_hz, const GstStructure *config);
  void off () noexcept;
  /// Forgets the run, as after a flush.
  void forget () noexcept;

  [[nodiscard]] bool active () const noexcept { return direct_ != nullptr; }
  /// The track has the mix's rate again, and no earlier way goes on.
  [[nodiscard]] bool is_needless () const noexcept
  {
    return direct_ && earlier_.empty () && direct_->input ().rate == direct_->output ().rate;
  }
  [[nodiscard]] const GstAudioInfo &output () const noexcept { return direct_->output (); }
  [[nodiscard]] Frames to_mix (Frames frame) const noexcept { return direct_->to_mix (frame); }

  /// Takes a buffer that begins at frame `start` of the track. Adds to `out` what comes out.
  void resample (GstBuffer *buffer, Frames start, Frames frames, std::vector<QueueItem> &out);
  /// What is still held, at the end of a run.
  void drain (std::vector<QueueItem> &out);

  /// True if the audio that was converted last can be continued.
  [[nodiscard]] bool running () const noexcept;
  /// So many changes have come without audio between them that one more would be too many: drain().
  [[nodiscard]] bool is_too_long () const noexcept { return earlier_.size () >= kMostStages; }
  /// Ends a fade that has begun: both ways are as good by then. Adds to `out` what the direct one
  /// is ahead.
  void end_fade (std::vector<QueueItem> &out);
  /// The rate of the mix has changed. `last` has resampled what is queued, and continues it: for a
  /// track that had the mix's rate it is the direct way itself, otherwise the end of the earlier.
  void continue_by (std::unique_ptr<TrackResampler> last, const GstAudioInfo &from, int rate_hz,
      const GstStructure *config);

private:
  static constexpr std::size_t kMostStages = 16;

  [[nodiscard]] TrackResampler &first () const noexcept
  {
    return earlier_.empty () ? *direct_ : *earlier_.front ();
  }
  void pass (std::size_t stage, QueueItem item, std::vector<QueueItem> &out);
  void keep_ahead (QueueItem item);
  void fade (std::vector<QueueItem> &out);
  void forget_earlier () noexcept;

  std::unique_ptr<TrackResampler> direct_;
  std::vector<std::unique_ptr<TrackResampler>> earlier_; // the way it went before; empty: none
  std::vector<float> ahead_; // the direct way's, from `ahead_start_` on: it is there first
  Frames ahead_start_ {0};
  Frames fade_begin_ {0};
  Frames faded_ {0};
};

} // namespace mt::trackmixer
