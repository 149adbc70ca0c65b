// SPDX-License-Identifier: LGPL-2.1-or-later
// The mix task: waits for a chunk's worth of every track, mixes it, pushes it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include "dsp/aligned.hpp"
#include "dsp/durationhistogram.hpp"
#include "dsp/outputrate.hpp"
#include "livedeadline.hpp"
#include "track.hpp"

namespace mt::trackmixer {

constexpr GstClockTime kDefaultChunk = 10 * GST_MSECOND;
constexpr GstClockTime kLongestChunk = 10 * GST_SECOND;
constexpr GstClockTime kDefaultMaxSizeTime = GST_SECOND;
constexpr std::uint64_t kDefaultMaxTotalBytes = 256ULL << 20;
constexpr GstClockTime kDefaultAlignmentThreshold = 40 * GST_MSECOND;
constexpr GstClockTime kDefaultDiscontWait = GST_SECOND;
constexpr GstClockTime kDefaultRampTime = 5 * GST_MSECOND;
constexpr GstClockTime kMaxRampTime = 60 * GST_SECOND;

/// What happens when the queues are at max-total-bytes and a track has nothing.
enum class Starvation : std::uint8_t { silence, error };

/// A seek without flush that has been sent to the tracks and that the mix has not come to yet.
struct AnnouncedSeek {
  std::uint64_t number; // not 0
  std::uint32_t seqnum;
  GstSegment segment;
  double rate; // see agree_on_rate(); 0: no track has brought its segment
};

/// The length of a chunk as a fraction of a second.
struct ChunkLength {
  guint64 numerator {0};
  guint64 denominator {1};

  [[nodiscard]] guint64 frames_rounded_up (int rate_hz) const noexcept
  {
    return gst_util_uint64_scale_ceil (numerator, static_cast<guint64> (rate_hz), denominator);
  }
  [[nodiscard]] GstClockTime time () const noexcept
  {
    return gst_util_uint64_scale (GST_SECOND, numerator, denominator);
  }
  bool operator== (const ChunkLength &) const = default;
};

/// Where the output of a new stream begins; the values of GstAggregatorStartTimeSelection.
enum class StartTimeSelection : gint {
  zero = 0,
  first = 1,
  set = 2,
  now = 3,
};

/// Settings. Any thread writes; read once a chunk, or once a buffer.
struct MixerSettings {
  std::atomic<GstClockTime> output_buffer_duration {kDefaultChunk};
  // The same exactly, if it was set as a fraction: the numerator in the upper half, else 0.
  std::atomic<std::uint64_t> output_buffer_fraction {0};
  std::atomic<GstClockTime> max_size_time {kDefaultMaxSizeTime};
  std::atomic<std::uint64_t> max_size_bytes {0}; // 0: any number
  std::atomic<GstClockTime> max_growth_time {GST_CLOCK_TIME_NONE};
  std::atomic<GstClockTime> alignment_threshold {kDefaultAlignmentThreshold};
  std::atomic<GstClockTime> discont_wait {kDefaultDiscontWait};
  std::atomic<GstClockTime> ramp_time {kDefaultRampTime};
  std::atomic<bool> emit_signals {false};
  std::atomic<GstClockTime> latency {0};
  std::atomic<Starvation> starvation {Starvation::silence};
  std::atomic<GstClockTime> stats_interval {0};
  std::atomic<GstClockTime> min_upstream_latency {0};
  std::atomic<bool> force_live {false}; // set before anything runs
  std::atomic<bool> ignore_inactive_pads {false};
  std::atomic<StartTimeSelection> start_time_selection {StartTimeSelection::zero};
  std::atomic<GstClockTime> start_time {GST_CLOCK_TIME_NONE}; // of «set»; none is zero

  void set_chunk_duration (GstClockTime duration) noexcept;
  void set_chunk_fraction (guint64 numerator, guint64 denominator) noexcept;
  [[nodiscard]] ChunkLength chunk_length () const noexcept;
};

/// The state of one trackmixer element, without GObject.
///
/// Threads  iterate() is the mix task's function; what is under «mix task» in the private part is
///          its own, and is touched by others only once it has been interrupted. `control_` guards
///          the list of tracks and the bookkeeping of flushes; the mix task takes it once a
///          chunk for a moment, others rarely.
/// Locks    task_ (the mix task's, for the length of a chunk), then control_, then a track's mutex;
///          the readiness mutex is never taken with a track's held.
class Mixer {
public:
  explicit Mixer (GstElement *element, GstPad *src) : element_ {element}, src_ {src} {}
  ~Mixer ();
  Mixer (const Mixer &) = delete;
  Mixer &operator= (const Mixer &) = delete;

  MixerSettings settings;
  const std::shared_ptr<MixerShared> shared_owner {std::make_shared<MixerShared> ()};
  MixerShared &shared {*shared_owner};

  // --- tracks; any thread

  std::shared_ptr<Track> add_track (GstPad *pad, unsigned index);
  void remove_track (const std::shared_ptr<Track> &track) noexcept;
  [[nodiscard]] std::vector<std::shared_ptr<Track>> tracks () const;
  /// The pad of a track with a reference, or null once it has been released.
  [[nodiscard]] GstPad *ref_pad (const Track &track) const noexcept;
  /// What the queue of each track holds at the least before its feeder waits.
  [[nodiscard]] GstClockTime least_queue_time () const noexcept;
  /// Works the limit out anew from settings and rate, also for feeders that wait.
  void update_limits () noexcept;

  // --- formats

  /// The one rate of all that is mixed, 0 if no track has caps yet. Downstream may change it.
  [[nodiscard]] int rate_hz () const noexcept { return rate_hz_.load (std::memory_order_acquire); }
  /// The track's audio has this format from now on. Returns the rate of the mix: `rate_hz`, if it
  /// was open.
  int offer_format (Track &track, const GstAudioInfo &info, int rate_hz) noexcept;
  /// A track's segment has come with this number. The output's segment and end have that of the
  /// last one, until a seek or a flush of all tracks gives them another.
  void note_segment_seqnum (std::uint32_t seqnum) noexcept { track_seqnum_.store (seqnum); }

  // --- flow; the thread of the flush or the state change, task paused or stopped by it

  /// Ends the task's wait, so that it can be paused.
  void interrupt () noexcept;
  /// Forgets the time line; what the tracks have queued is theirs to clear.
  void restart_timeline (const GstSegment *segment, std::uint32_t seqnum) noexcept;
  /// Also forgets the formats: READY.
  void reset () noexcept;
  /// Begins with this segment, whatever start-time-selection says.
  void begin_with (const GstSegment &segment, std::uint32_t seqnum) noexcept;
  void wait_for_chunk_in_progress () noexcept { const std::lock_guard lock {task_}; }
  void resume () noexcept { shared.readiness.start (); }

  /// The task's function.
  void iterate () noexcept;
  /// Whether this is the thread that mixes: what it calls downstream may call back.
  [[nodiscard]] bool is_mixing_here () const noexcept
  {
    return mixing_thread_.load () == std::this_thread::get_id ();
  }
  /// Around a seek in that thread: the feeders must not wait for it.
  void set_unbounded (bool unbounded) noexcept;

  // --- seeks without flush; any thread

  /// Such a seek is about to be sent to the tracks, and this segment follows from it. Returns its
  /// number, which is not 0.
  std::uint64_t announce_seek (const GstSegment &segment, std::uint32_t seqnum) noexcept;
  /// No track could do it.
  void withdraw_seek (std::uint64_t number) noexcept;
  [[nodiscard]] std::optional<AnnouncedSeek> announced_seek (std::uint64_t number) const noexcept;
  [[nodiscard]] std::optional<AnnouncedSeek> announced_seek_of (
      std::uint32_t seqnum) const noexcept;

  // --- rates of segments; any thread

  /// A track brings the segment of the seek with this seqnum at this rate: that of the seek, or
  /// less where an element before it has sped the audio up itself (its applied rate). All have to
  /// have the same, and the first says which; then the mix goes out at it. False: it is another
  /// one.
  [[nodiscard]] bool agree_on_rate (std::uint32_t seqnum, double rate) noexcept;

  // --- live; any thread

  /// Asks upstream for its latency, and reckons with the answer from now on.
  UpstreamLatency ask_upstream () noexcept;
  /// PLAYING begins or ends.
  void set_playing (bool playing) noexcept { deadline_.set_playing (playing); }
  /// EOS with this seqnum goes out behind the chunk that is being made, whatever the tracks still
  /// have. A flush that begins before that takes it back.
  void end_now (std::uint32_t seqnum) noexcept;
  /// ignore-inactive-pads has been set.
  void set_ignore_inactive (bool ignore) noexcept;
  /// The nearest rate to this one that downstream takes.
  [[nodiscard]] int nearest_rate (int rate_hz) const noexcept;

  // --- what it tells; any thread

  [[nodiscard]] GstStructure *stats () const;
  [[nodiscard]] GstClockTime position () const noexcept
  {
    return position_ns_.load (std::memory_order_relaxed);
  }
  /// So much of the mix is over since running time 0, at its own speed: what is out, or lies before
  /// its start.
  [[nodiscard]] GstClockTime time_mixed () const noexcept
  {
    return mixed_ns_.load (std::memory_order_relaxed);
  }

private:
  enum class Verdict { chunk, end, end_early, segment, wait, stopped, impossible };

  // waiting
  Verdict wait_for_chunk ();
  Verdict judge (std::chrono::milliseconds &look_again);
  bool hold_is_over () noexcept;
  // live, in mixer-live.cpp
  void note_latency (const UpstreamLatency &upstream) noexcept;
  bool is_live ();
  [[nodiscard]] GstClockTime deadline_for (GstClockTime chunk_end) const noexcept;
  bool past_deadline ();
  bool fix_rate_in_time ();
  bool goes_by_clock ();
  void miss_deadline ();
  [[nodiscard]] bool may_be_last () const noexcept;

  void recount ();
  std::chrono::milliseconds relieve (bool hold);
  bool starved_in_vain ();
  std::chrono::milliseconds believe_gaps_in_idle ();
  bool starve_missing (bool in_vain, const std::string &why);
  [[nodiscard]] std::string cap_met (const Track *grown_out) const;
  void report_late ();
  void report_stats (std::uint64_t now_ns);
  void note_late (const Track &track, Frames start, Frames frames);
  bool plan_chunk ();
  bool start_is_known (StartTimeSelection selection);
  bool choose_start ();
  void begin_at (Frames start) noexcept;
  [[nodiscard]] std::optional<Frames> first_audio () const noexcept;
  [[nodiscard]] Frames chunk_end (std::uint64_t chunk) const noexcept;

  // producing
  void produce ();
  [[nodiscard]] GstCaps *choose_caps () const;
  [[nodiscard]] bool chunk_fits (GstCaps *caps) const;
  bool negotiate ();
  void give_up ();
  bool decide_pool (GstCaps *caps);
  // another rate, in mixer-rate.cpp
  void change_rate (int to_hz);
  void change_rate_of (Track &track, const RateChange &change, Frames position_before);
  void keep_past (const std::byte *sum, std::size_t frames) noexcept;
  void ring_out (const GstAudioInfo &was, Frames before);
  template <class Sample>
  bool add_ringing (std::span<Sample> sum) noexcept;
  void push_stream_start ();
  void push_segment ();
  void number (GstEvent *event) const noexcept;
  void count_leftovers (bool before_segment);
  void enter_segment ();
  [[nodiscard]] bool segment_end_is_known () const noexcept
  {
    return next_segment_ != 0 && !segment_open_;
  }
  void push_pending_events ();
  void push_eos ();
  void end_early ();
  void push_segment_done ();
  void push_end (GstEvent *event, std::uint32_t seqnum = GST_SEQNUM_INVALID);
  void stop_with (GstFlowReturn flow);
  void refuse (GstFlowReturn flow);
  void collect (Frames begin, Frames end, Frames next_end);
  template <class Sample>
  std::optional<bool> mix_chunk (GstBuffer *buffer, Frames begin, Frames end);
  void report_unwritable ();
  template <class Sample>
  bool mix_tracks (std::span<Sample> acc, Frames begin, Frames end);
  static void fetch_ahead (const Track &track, Frames begin, Frames end) noexcept;
  void let_go () noexcept;
  void tell_selected (Frames begin, Frames end) const;
  void tell_consumed (const Track &track, GstBuffer *buffer) const;
  template <class Sample>
  bool mix_track (Track &track, std::span<Sample> acc, Frames begin, Frames end);
  template <class Sample>
  bool mix_audio (Track &track, QueueItem &item, std::span<Sample> acc, Frames frames);
  void aim_gains (Frames begin, Frames end);
  bool automate (Frames begin, Frames end, bool soloed);
  void plan_points (Frames begin, Frames end);
  template <class Sample>
  void add_automated (
      Track &track, std::span<Sample> acc, std::span<const Sample> in, Frames at) noexcept;
  [[nodiscard]] GstClockTime stream_time_of (Frames at) const noexcept;
  void settle_rate () noexcept;
  void set_rate (double rate) noexcept;
  [[nodiscard]] GstClockTime length_of (Frames frames) const noexcept;
  [[nodiscard]] GstClockTime time_of (Frames at) const noexcept;
  [[nodiscard]] GstClockTime segment_time_of (Frames at) const noexcept;
  void note_position (Frames at) noexcept;
  [[nodiscard]] TrackFormat prepare_format (const Track &track, const GstAudioInfo &info);
  void report_unconvertible (const Track &track, const GstAudioInfo &info);
  static void consume (Track &track, QueueItem &item, Frames frames) noexcept;

  GstElement *const element_;
  GstPad *const src_;

  /// The clock of the statistics.
  [[nodiscard]] static std::uint64_t monotonic_ns () noexcept
  {
    return static_cast<std::uint64_t> (
        std::chrono::steady_clock::now ().time_since_epoch ().count ());
  }

  mutable std::mutex control_;
  GstFlowReturn flow_ {GST_FLOW_OK};           // under control_; what the feeders hear
  std::vector<std::shared_ptr<Track>> tracks_; // under control_, in the order of their indices
  std::vector<AnnouncedSeek> seeks_;           // under control_
  std::uint32_t rate_seqnum_ {0}; // under control_: of the seek whose rate is agreed on,
  double agreed_rate_ {1.0};      // under control_: and that rate
  std::uint64_t last_seek_ {0};   // under control_
  std::atomic<std::uint64_t> generation_ {1}; // of tracks_
  std::atomic<int> rate_hz_ {0};
  std::atomic<GstClockTime> position_ns_ {0};
  std::atomic<GstClockTime> mixed_ns_ {0};
  std::atomic<std::uint32_t> track_seqnum_ {GST_SEQNUM_INVALID};
  std::atomic<bool> live_ {false};
  std::atomic<GstClockTime> upstream_latency_ {0};
  std::atomic<bool> latency_unknown_ {false}; // someone has not answered yet
  std::atomic<std::uint64_t> caps_came_ {0};

  // --- mix task, under task_, which iterate() holds and restart_timeline() waits for
  std::recursive_mutex task_;  // a flush can come from downstream in the task itself
  std::uint64_t restarts_ {0}; // of the time line: what was under way before is no more
  std::atomic<std::thread::id> mixing_thread_ {};
  std::vector<std::shared_ptr<Track>> snapshot_;
  std::uint64_t snapshot_generation_ {0};
  std::vector<Track *> to_wake_;
  std::vector<std::pair<const Track *, GstBuffer *>> consumed_; // to be told of behind the chunk
  /// Audio that came too late, and what there had been of the track until then.
  struct LatePiece {
    const Track *track;
    Frames start;
    Frames frames;
    std::uint64_t frames_mixed;
    std::uint64_t frames_late;
  };
  void post_qos (const LatePiece &piece) const;
  std::vector<LatePiece> late_pieces_; // to be told of behind the chunk, where qos-messages is set
  dsp::AlignedVector<std::byte> past_; // the end of the sum, a ring, see keep_past()
  std::size_t past_at_ {0};            // in frames
  std::vector<std::byte> ringing_;     // to be added from `position_` on, see ring_out()
  std::size_t ringing_at_ {0};
  std::vector<std::thread::id> starving_;
  std::vector<std::thread::id> blocked_;   // feeders that a full queue holds back
  std::vector<GstEvent *> pending_events_; // before the next chunk
  std::vector<GstEvent *> events_after_;   // behind the chunk being mixed
  std::vector<GstEvent *> events_out_;     // being sent
  std::optional<std::chrono::steady_clock::time_point> hold_ends_;
  std::array<std::uint64_t, 3> asked_if_live_ {}; // generation, tracks and caps when it was asked
  LiveDeadline deadline_ {shared_owner};
  std::optional<std::chrono::steady_clock::time_point> patience_ends_;
  std::optional<std::chrono::steady_clock::time_point> gap_idle_ends_;
  std::uint64_t received_before_idle_ {0};
  std::size_t begun_before_ {0}; // tracks that had brought something when it last looked

  Frames position_ {0};
  /// A frame that is rounded since the sample rate changed, and what its time was before.
  struct ExactFrame {
    Frames frame {INT64_MIN / 2};
    GstClockTime length {0};
  };
  std::array<ExactFrame, 3> exact_frames_;
  Frames mix_begin_ {0}; // of the first chunk: what lies before was never wanted
  Frames planned_end_ {0};
  Frames last_audio_end_ {0}; // of all tracks, as of the last recount
  std::size_t open_tracks_ {0};
  std::size_t ended_tracks_ {0};
  std::size_t inactive_tracks_ {0};     // that are not waited for: ignore-inactive-pads
  std::size_t segment_done_tracks_ {0}; // of those that have ended
  std::uint64_t next_segment_ {0};      // the seek whose segment comes next; 0: none does
  Frames segment_end_ {0};       // where it can begin, once each track that was sought has it
  bool segment_open_ {false};    // one of them brings audio of the segment before
  bool segment_awaited_ {false}; // one of them has only the segment to come
  ChunkLength chunk_length_;     // the setting that the plan was made with
  std::uint64_t chunk_ {0};      // since the anchor
  Frames anchor_ {0};
  bool start_open_ {true}; // where the first chunk begins, in a new stream
  bool planned_ {false};
  bool started_ {false};
  std::atomic<std::uint32_t> end_asked_ {GST_SEQNUM_INVALID}; // of the application's EOS
  bool finished_ {false};
  bool late_untold_ {false};       // a track has some
  bool segment_done_sent_ {false}; // and not EOS: after it another segment can follow
  bool discont_ {true};

  GstAudioInfo out_info_ {};
  GstAudioInfo mix_info_ {}; // of the sum: F32, or F64 where the output is wider than 24 bits
  ChannelSides sides_;
  std::vector<std::pair<Track *, GstPad *>> automated_; // pads with control bindings, with a ref
  AutomationPoints points_;                             // of this chunk
  std::vector<gboolean> soloed_points_;                 // whether a track is, at each of them
  Frames ramp_ {0};                                     // ramp-time in frames; as of this chunk
  GstAudioConverter *out_converter_ {nullptr};          // none: the mix goes out as it is
  GstBufferPool *pool_ {nullptr};
  Frames pool_frames_ {0};
  dsp::AlignedVector<std::byte> mix_memory_; // the sum, where it can't be made in the output buffer
  dsp::AlignedVector<std::byte> convert_memory_; // one track's piece in the mix's format
  GstSegment segment_ {};
  Frames segment_begin_ {0};   // the frame of its base
  Frames rate_begin_ {0};      // since when its rate holds,
  GstClockTime rate_base_ {0}; // and the running time of that frame
  std::uint32_t seqnum_ {0};
  bool stream_started_ {false};
  bool segment_pending_ {true};
  bool negotiated_ {false};

  // --- written by the mix task, read by anybody
  dsp::DurationHistogram chunk_time_;
  dsp::OutputRate out_rate_;
  std::uint64_t stats_told_ns_ {0}; // mix task
  std::atomic<std::uint64_t> chunks_ {0};
  std::atomic<std::uint64_t> frames_out_ {0};
  std::atomic<std::uint64_t> starved_chunks_ {0};
  std::atomic<std::uint64_t> deadline_misses_ {0};
  std::atomic<std::uint64_t> clipped_samples_ {0};
};

} // namespace mt::trackmixer
