// SPDX-License-Identifier: LGPL-2.1-or-later
// What convreverb keeps while a stream flows: the convolver, its place in time and its gains.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/base/gstbasetransform.h>

#include "crossfade.hpp"
#include "gainramp.hpp"
#include "impulsesource.hpp"

namespace mt::convreverb {

/// Linear gains. Any thread writes, the streaming thread reads once a buffer.
struct Gains {
  std::atomic<double> dry;
  std::atomic<double> wet;
};

/// One stream of one format. Everything belongs to the streaming thread (or to whoever holds the
/// stream lock of the sink pad) but what says otherwise.
class ReverbStream {
public:
  /// `transform` owns this and gets the output; its properties `dry` and `wet` are in `gains`.
  /// `wakeup` is signalled when there is something for the thread that makes convolvers: a target
  /// that may want another one, or one that is done with.
  ReverbStream (GstBaseTransform *transform, const Gains &gains, Wakeup &wakeup) noexcept
      : transform_ {transform}, gains_ {gains}, wakeup_ {wakeup}, crossfade_ {list_, wakeup}
  {}

  /// Takes a format and an impulse response at its rate, which was made from `source`, and makes
  /// the convolver for buffers as long as the last stream's, at first 10 ms. The first buffer
  /// decides: when its size asks for other blocks, it waits for another convolver. May throw what
  /// dsp::Convolver throws.
  void configure (const GstAudioInfo &info, std::shared_ptr<const ImpulseSource> source,
      StreamImpulse impulse, GstClockTime batch_ns, dsp::Schedule schedule);
  bool is_configured () const noexcept { return impulse_.has_value (); }
  const GstAudioInfo &info () const noexcept { return info_; }
  /// Gives everything back.
  void clear () noexcept;

  /// The next buffer is what is left of one of so many frames. It decides about the blocks as if it
  /// were whole.
  void expect_part_of (std::size_t frames) noexcept { whole_frames_ = frames; }

  /// Convolves in place and moves the timestamps to those of the sound that comes out.
  /// GST_BASE_TRANSFORM_FLOW_DROPPED while the latency is being filled.
  GstFlowReturn process (GstBuffer *buffer) noexcept;

  /// The stream ends here: pushes the delayed frames and, when `ring` is set, all of the ringing.
  void finish (bool ring) noexcept;

  /// A hole in the input up to `end`: pushes what sounds in it. Returns from when on nothing more
  /// comes, or NONE when the output goes on without a hole. Call it only when has_place().
  GstClockTime pass_gap (GstClockTime end) noexcept;
  /// False before the first buffer, and where buffers have no timestamps.
  bool has_place () const noexcept { return started_ && GST_CLOCK_TIME_IS_VALID (next_in_); }

  /// The segment that comes next; what is delayed comes out first.
  void enter_segment (const GstSegment &next) noexcept;

  /// Forgets all sound and the place in time.
  void reset () noexcept;

  /// What another convolver would have to fit; its id is 0 before the first buffer. Any thread but
  /// a streaming one.
  StreamTarget target () const;
  /// Puts another convolver for `target` in place of the one there is, by a crossfade. The thread
  /// that makes convolvers.
  void offer (std::unique_ptr<Convolution> next, const StreamTarget &target,
      std::shared_ptr<const ImpulseSource> source);
  /// Frees what the streaming thread is done with. The same thread.
  void collect () noexcept { crossfade_.collect (); }

  /// Any thread.
  GstClockTime latency_ns () const noexcept { return latency_ns_.load (std::memory_order_relaxed); }
  /// Any thread but a streaming one in a hurry: takes a lock. Adds fields to a structure.
  void describe (GstStructure *stats) const;

private:
  /// What the convolver is told of a stream that comes in chunks of so many frames.
  struct Layout {
    std::size_t chunk_frames;
    std::size_t latency_frames;
    bool operator== (const Layout &) const noexcept = default;
  };
  Layout layout_for (std::size_t chunk_frames) const noexcept;
  dsp::ConvolverConfig config_for (const Layout &layout, dsp::Planning planning) const noexcept;
  void build (const Layout &layout, dsp::Planning planning);
  bool settle (std::size_t chunk_frames) noexcept;
  void make_history ();
  void listen ();
  void set_latency (std::size_t frames) noexcept;

  void follow_jump (GstBuffer *buffer) noexcept;
  bool push_silence (std::uint64_t frames) noexcept;
  struct GainRanges {
    dsp::GainRange dry;
    dsp::GainRange wet;
  };
  GainRanges advance_gains (std::size_t frames, GstClockTime out_end) noexcept;
  bool convolve (std::span<std::byte> bytes, const GainRanges &gains) noexcept;
  bool convolve_doubles (std::span<double> io, const GainRanges &gains) noexcept;
  void watch_not_finite (std::size_t frames) noexcept;
  void open_segment_end (std::uint64_t frames) noexcept;
  GstClockTime to_ns (std::uint64_t frames) const noexcept;
  std::uint64_t to_frames (GstClockTime time) const noexcept;
  GstClockTime end_of (GstBuffer *buffer, std::size_t frames) const noexcept;

  GstBaseTransform *transform_;
  const Gains &gains_;
  GstAudioInfo info_ {};
  GstClockTime batch_ns_ {0};
  dsp::Schedule schedule_ {dsp::Schedule::spread};
  std::optional<StreamImpulse> impulse_;

  std::shared_ptr<const ImpulseSource> source_; // of impulse_
  Wakeup &wakeup_;
  ConvolutionList list_;
  Crossfade crossfade_;
  mutable std::mutex target_mutex_; // never taken while buffers are processed
  StreamTarget target_;
  std::uint64_t targets_ {0};
  std::shared_ptr<dsp::InputHistory> history_; // of the target that comes with the first buffer
  Layout layout_ {};             // of the convolver
  std::size_t whole_frames_ {0}; // of the next buffer before it was cut; 0: it is whole
  std::size_t ring_frames_ {0};  // of a buffer of silence; 0: the convolver is made on a guess
  GstClockTime chunk_ns_ {10 * GST_MSECOND}; // of the last stream: the guess for the next

  // In the order of the timeline. NONE / unset before the first buffer after a reset.
  bool started_ {false};
  std::uint64_t preroll_frames_ {0};            // of the latency, still to be dropped
  GstClockTime next_in_ {GST_CLOCK_TIME_NONE};  // PTS that the next buffer should have
  GstClockTime next_out_ {GST_CLOCK_TIME_NONE}; // PTS of the next frame out
  std::uint64_t next_offset_ {GST_BUFFER_OFFSET_NONE};
  bool discont_ {false}; // owed to the next buffer out

  std::vector<float> piece_; // of a stream of doubles
  bool gains_known_ {false};
  GstClockTime last_sync_ {GST_CLOCK_TIME_NONE}; // of the control bindings
  GainRamp dry_;
  GainRamp wet_;

  std::atomic<std::uint64_t> not_finite_ {0};
  std::uint64_t clean_frames_ {0}; // since the last bad sample
  bool complained_ {false};

  std::atomic<GstClockTime> latency_ns_ {0};
  std::atomic<std::uint64_t> frames_done_ {0};
  std::atomic<std::uint64_t> buffers_ {0};
  std::atomic<std::uint64_t> skipped_buffers_ {0};
  std::atomic<std::uint64_t> busy_ns_ {0};
  std::atomic<std::uint64_t> worst_ns_ {0};
};

} // namespace mt::convreverb
