// SPDX-License-Identifier: LGPL-2.1-or-later
// Everything about one track that must outlive its pad while the mix still holds it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include "automation.hpp"
#include "rateconversion.hpp"
#include "trackgain.hpp"
#include "trackqueue.hpp"

namespace mt::trackmixer {

/// How fast a seek wants the mix to play.
struct SeekRate {
  std::uint32_t seqnum {0}; // 0: there was no seek
  double rate {1.0};
};

/// Settings. Any thread writes, the mix task reads once a chunk.
struct TrackSettings {
  std::atomic<double> volume {1.0}; // linear gain, 0 to 10
  std::atomic<double> pan {0.0};    // -1 left to 1 right
  std::atomic<bool> mute {false};
  std::atomic<bool> solo {false};
  std::atomic<bool> qos_messages {false};
  std::atomic<bool> emit_signals {false};
  std::atomic<GstClockTime> max_size_time {GST_CLOCK_TIME_NONE}; // none: the element's
  std::atomic<std::uint64_t> max_size_bytes {UINT64_MAX};        // the largest: the element's
};

/// The frame nearest to a time. A time is that of a frame, truncated to a nanosecond: truncated
/// once more it would be one frame early.
Frames frame_at (GstClockTime time, int rate_hz) noexcept;

/// Places buffers on the mix's time line by their time in it: see time_in_mix() in trackinput.cpp.
///
/// Time stamps jitter (Matroska's count milliseconds), so a buffer that comes within the threshold
/// of where the last one ended is placed there, and one that does not is only believed once the
/// difference has lasted for `discont_wait`, as in GstAudioAggregator.
///
/// Threads  the feeder, with the pad's stream lock.
class TrackTimeline {
public:
  TrackTimeline () noexcept { reset (); }

  /// Forgets position and segment, as after a flush.
  void reset () noexcept
  {
    gst_segment_init (&segment, GST_FORMAT_UNDEFINED);
    expect_discontinuity ();
    end_ = kUnknown;
    apart_since_ = GST_CLOCK_TIME_NONE;
  }
  void expect_discontinuity () noexcept
  {
    expected_ = kUnknown;
    gap_pending_ = false;
  }

  /// Where audio without a time stamp goes on: behind what was placed last, or where begin_at()
  /// says.
  [[nodiscard]] bool has_end () const noexcept { return end_ != kUnknown; }
  void begin_at (Frames frame) noexcept { end_ = frame; }
  /// Frames are counted at another rate from here on.
  void change_rate (int from_hz, int to_hz) noexcept;

  /// Where the buffer begins.
  Frames place (GstClockTime time, Frames frames, int rate_hz, bool discont, GstClockTime threshold,
      GstClockTime discont_wait) noexcept;

  /// A gap up to this time is announced. Returns where it ends. The audio that follows is placed
  /// at the end of the gap or, if that is nearer to its time stamp, where the gap began: demuxers
  /// announce gaps for tracks that are only late.
  Frames place_gap (GstClockTime end, int rate_hz) noexcept;

  GstSegment segment;

private:
  static constexpr Frames kUnknown = INT64_MIN;
  Frames expected_ {kUnknown}; // where a time stamp would be no surprise
  Frames end_ {kUnknown};
  Frames before_gap_ {kUnknown}; // what was expected before the gaps that are pending
  bool gap_pending_ {false};
  GstClockTime apart_since_ {GST_CLOCK_TIME_NONE};
};

/// Adds to a counter that has one writer and any readers.
inline void bump (std::atomic<std::uint64_t> &counter, std::uint64_t by) noexcept
{
  counter.store (counter.load (std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

/// A format of a track's audio, and what makes the mix's out of it.
struct TrackFormat {
  struct Free {
    void operator() (GstAudioConverter *c) const noexcept { gst_audio_converter_free (c); }
  };
  GstAudioInfo info {};                               // finfo is null until the first caps
  std::unique_ptr<GstAudioConverter, Free> converter; // none: the samples are mixed as they are
  bool unconvertible {false};
};

/// What the mix task keeps of a track between two chunks. Mix task only, but for the counts.
struct MixInput {
  ~MixInput ();
  void unmap () noexcept;

  void forget (std::vector<QueueItem> &items) noexcept; // unmaps, counts and drops them

  std::vector<QueueItem> flushed; // held when the track was flushed
  std::vector<QueueItem> held;    // taken from the queue, the first may be half used
  GstBuffer *mapped {nullptr};    // the buffer of `map`; owned by `held`
  GstAudioBuffer map {};
  TrackFormat format;                // of the audio at the front of `held`
  std::vector<TrackFormat> prepared; // of the format items in `held`, in their order
  std::vector<TrackFormat> retired;  // to be freed once the chunk is unmapped
  TrackGain gain;
  Automation automation;            // of this chunk
  bool warned {false};              // of this episode of starving
  /// Nothing has been heard of it in all its patience, so any thread may be its feeder.
  bool waited_for_unheard {false};
  bool tells_consumed {false};      // emit-signals, as of this chunk
  bool tells_late {false};          // qos-messages, as of this chunk
  std::uint64_t late_untold {0};    // frames that came after their time, not yet reported
  Frames last_late {INT64_MIN / 2}; // where the mix was then
  std::uint64_t received_before_wait {0};

  // Written by the mix task alone, read by anybody.
  std::atomic<std::uint64_t> frames_mixed {0};
  std::atomic<std::uint64_t> frames_late {0};    // came after the mix had passed their time
  std::atomic<std::uint64_t> frames_dropped {0}; // could not be converted or mapped
  std::atomic<std::uint64_t> frames_silence {0}; // of the mix, where this track had nothing
};

/// One track. Shared by its pad and by the mix task.
struct Track {
  Track (std::shared_ptr<MixerShared> mixer_shared, std::string pad_name, unsigned pad_index)
      : name {std::move (pad_name)}, index {pad_index}, shared {std::move (mixer_shared)},
        queue {*shared}
  {}
  ~Track ()
  {
    gst_clear_caps (&feeder_caps);
    if (converter_config)
      gst_structure_free (converter_config);
  }
  /// A copy, or null; any thread.
  [[nodiscard]] GstStructure *copy_converter_config () const
  {
    const std::lock_guard lock {config_mutex};
    return converter_config ? gst_structure_copy (converter_config) : nullptr;
  }
  Track (const Track &) = delete;
  Track &operator= (const Track &) = delete;

  const std::string name; // of the pad, for messages
  const unsigned index;
  const std::shared_ptr<MixerShared> shared; // a pad can outlive its element
  TrackSettings settings;
  TrackQueue queue;
  TrackTimeline timeline;                    // feeder
  SeekRate wanted;                           // feeder: of the seek that its segment belongs to
  GstAudioInfo feeder_info {};               // feeder: of the audio that comes in
  GstCaps *feeder_caps {nullptr};            // feeder: the last ones
  std::atomic<bool> format_pending {false};  // the format has to be queued before the next audio
  std::atomic<bool> resync {false};          // it missed a deadline: align it anew, see place()
  std::atomic<bool> channels_warned {false}; // for good: it is asked often
  std::atomic<bool> off_rate {false};        // the mix plays at another rate than its segment's
  std::atomic<bool> left_out {false};        // see leave_out() in trackinput.cpp
  bool segment_done {false};                 // feeder: nothing more comes before the next segment
  bool lost_warned {false}; // feeder: of this episode of buffers that can't be used
  bool lost_before {false}; // feeder: the last buffer was one of them
  MixInput mix;

  /// Held by the feeder from where it looks at the rate of the mix until what it has made with it
  /// is queued, and by the mix task while it changes that rate. Nobody waits for anything else with
  /// it. Locked before the mixer's control lock and the queue's.
  std::mutex rate_mutex;
  RateConversion conversion;        // to the rate of the mix
  std::atomic<int> rate_hz {0};     // of what is queued; written under the mutex
  std::vector<QueueItem> converted; // on their way into the queue

  mutable std::mutex config_mutex; // guards the next line
  GstStructure *converter_config {nullptr};

  // Under the mixer's control lock.
  GstAudioInfo latest_info {}; // finfo is null until the first caps
  GstPad *pad {nullptr};

  // Under the element's flush lock.
  std::uint32_t flush_seqnum {0}; // of the flush in progress
  bool flush_stopped {false};
  std::uint32_t sought_seqnum {0};     // of a seek whose flush has yet to come
  std::uint32_t unseekable_seqnum {0}; // this seek failed on this pad
  [[nodiscard]] bool is_flushing () const noexcept { return flush_seqnum != 0 && !flush_stopped; }
};

} // namespace mt::trackmixer
