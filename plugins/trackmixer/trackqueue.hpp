// SPDX-License-Identifier: LGPL-2.1-or-later
// The queue of one track: what its feeder has delivered and the mix has not yet taken.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include "readiness.hpp"

namespace mt::trackmixer {

/// A position or length on the mix's time line, in frames at the mix's rate; 0 is running time 0.
using Frames = std::int64_t;

/// A change of the mix's rate: which frame of the new time line is the nearest to one of the old.
/// Both count from running time 0, so that no number of changes adds up to a drift.
struct RateChange {
  int from_hz;
  int to_hz;

  [[nodiscard]] Frames operator() (Frames frame) const noexcept
  {
    // Frames before running time 0 are negative, which GStreamer's functions do not scale.
    const auto scaled =
        static_cast<Frames> (gst_util_uint64_scale_round (static_cast<guint64> (std::abs (frame)),
            static_cast<guint64> (to_hz), static_cast<guint64> (from_hz)));
    return frame < 0 ? -scaled : scaled;
  }
};

/// One entry of a queue, in the order of arrival. Owns one reference to `object`.
struct QueueItem {
  enum class Kind : std::uint8_t {
    audio, // object is a GstBuffer
    lost,  // no object: audio that came and can't be used; silence in its place, counted as dropped
    format, // object is the GstCaps of the audio that follows
    event,  // object is a serialized GstEvent to send on at this point of the mix
    mark,   // no object: a segment begins that the whole mix begins together
  };
  Kind kind {Kind::audio};
  GstMiniObject *object {nullptr};
  Frames start {0};
  Frames frames {0};
  std::size_t bytes {0};
  // Where its first samples were when it came, for prefetching. Not to be read through: by the time
  // it is mixed they may lie elsewhere.
  const GstMemory *memory {nullptr};
  const std::byte *samples {nullptr}; // null: unknown, or nothing to hear

  [[nodiscard]] bool occupies_time () const noexcept
  {
    return kind == Kind::audio || kind == Kind::lost;
  }
  [[nodiscard]] Frames end () const noexcept { return start + frames; }
  /// Sets `memory` and `samples`.
  void note_place () noexcept;
  void drop () noexcept
  {
    if (object)
      gst_mini_object_unref (object);
    object = nullptr;
  }
};

/// What all tracks of one mixer share.
struct MixerShared {
  // For drains: a chunk has begun before any of it is taken, and is out when its push has returned.
  std::atomic<std::uint64_t> chunks_begun {0};
  std::atomic<std::uint64_t> chunks_out {0};
  std::atomic<int> drains {0}; // that wait for a push
  // The mix task itself seeks: it takes nothing meanwhile, and the feeders have to come to an end.
  std::atomic<bool> unbounded {false};

  Readiness readiness;
  std::atomic<std::uint64_t> queued_bytes {0};
  std::atomic<std::uint64_t> max_total_bytes {0}; // 0: any number
  std::atomic<int> grown_out {0};                 // queues that hold as much as they may grow to

  [[nodiscard]] std::uint64_t total_cap () const noexcept
  {
    const auto cap = max_total_bytes.load (std::memory_order_relaxed);
    return cap > 0 ? cap : std::numeric_limits<std::uint64_t>::max ();
  }
};

/// When a queue is full, and how far it may grow all the same.
struct QueueLimit {
  Frames frames {0};
  std::uint64_t bytes {0};          // 0: any number
  Frames growth {kUnlimitedGrowth}; // beyond `frames`, or where `bytes` made it full

  static constexpr Frames kUnlimitedGrowth = INT64_MAX / 4;
};

/// Counts of a queue since it was made.
struct QueueCounts {
  std::uint64_t frames_in {0};
  std::uint64_t frames_flushed {0};
  std::uint64_t growths {0};
  std::uint64_t feeder_wait_ns {0}; // time its feeder waited for space
};

/// How full a queue is.
struct TrackLevel {
  Frames frames {0};
  Frames limit {0}; // as set; a queue that has grown may hold more
  std::size_t bytes {0};
  std::size_t buffers {0};
  std::uint64_t limit_bytes {0}; // 0: none

  /// From 0, empty, to 1, full by whichever limit is nearer.
  [[nodiscard]] double fill () const noexcept
  {
    const auto part = [] (auto of, auto whole) {
      return whole > 0 ? static_cast<double> (of) / static_cast<double> (whole) : 0.0;
    };
    return std::min (1.0, std::max (part (frames, limit), part (bytes, limit_bytes)));
  }
};

/// A bounded FIFO with one feeder and the mix task as its reader.
///
/// Full means: at least as many frames or bytes as its limit says, or all tracks together at the
/// cap on bytes. The feeder of a full queue waits until half of the limit is left, so that it is
/// woken seldom and delivers much. A queue that the next chunk waits for is never full. Nothing is
/// dropped.
///
/// Threads  feeder: wait_for_room(), push(), note_gap(), … with the pad's stream lock. Mix task:
/// take(), update_need(),
///          grow(), starve(). Any: the rest.
/// Locks    one mutex for each queue, and no other lock is taken while it is held.
class TrackQueue {
public:
  static constexpr Frames kNever = INT64_MIN / 2;

  explicit TrackQueue (MixerShared &shared) noexcept : shared_ {shared} {}
  ~TrackQueue ();
  TrackQueue (const TrackQueue &) = delete;
  TrackQueue &operator= (const TrackQueue &) = delete;

  // --- feeder

  /// Waits while the queue is full: before audio is made ready for it.
  GstFlowReturn wait_for_room () noexcept;
  /// Queues an item at once. Takes it whatever it returns.
  GstFlowReturn push (QueueItem item) noexcept;
  /// A GAP event: nothing comes before `end`. A hint, not audio: audio that comes there all the
  /// same is mixed. The mix goes on without the track once the hint reaches `patience` ahead of it.
  void note_gap (Frames end, Frames patience) noexcept;
  /// No more data. `segment_done`: of this segment, which goes on in silence to `end`; the mix then
  /// ends with the same event.
  void set_eos (bool segment_done = false, Frames end = kNever) noexcept;
  /// An event has come: this thread feeds the track, before there is anything to queue.
  void note_feeder () noexcept;
  /// Audio follows again after EOS. True if the track had ended.
  bool restart () noexcept;
  /// The segment of a seek without flush begins at frame `begin` of this track's time. What follows
  /// waits in the queue until the mix enters that segment.
  void begin_segment (std::uint64_t seek, Frames begin) noexcept;
  /// The last seek whose segment has not come yet; 0: there is none.
  [[nodiscard]] std::uint64_t expected_segment () const noexcept;
  /// Waits while hold() says so, for a while at the most: a source may need this very thread to
  /// take the seek.
  void wait_while_held () noexcept;
  /// Waits until every whole chunk is mixed and its push has returned, for a DRAIN query. False if
  /// it could not wait: a flush, or another track starves for what this thread would bring next.
  bool wait_drained () noexcept;

  // --- any thread

  /// A seek without flush is on its way to this track; their numbers rise.
  void expect_segment (std::uint64_t seek) noexcept;
  /// A seek of segments is on its way to other tracks, without which this one must not come to the
  /// end of its own: see wait_while_held().
  void hold (bool held) noexcept;
  /// It has failed here, or is not waited for any more.
  void give_up_segment () noexcept;
  /// While flushing, the feeder does not wait and push() returns FLUSHING.
  void set_flushing (bool flushing) noexcept;
  /// Throws away what is queued, and the end of the stream and the begin of the mix with it. With
  /// Track::rate_mutex.
  void clear () noexcept;
  /// A track with no peer is not waited for.
  void set_linked (bool linked) noexcept;
  /// For good: the pad is gone. The mix no longer waits for this track.
  void retire () noexcept;
  /// While MixerShared::unbounded is set, a feeder that waits goes on.
  void let_through () noexcept;
  /// The limit has been set anew: a waiting feeder looks again.
  void set_limit (const QueueLimit &limit) noexcept;
  /// Takes back ignore().
  void heed () noexcept;
  /// What push() returns until it is set again: the flow of the mixer's source pad.
  void set_flow (GstFlowReturn flow) noexcept;
  [[nodiscard]] TrackLevel level () const noexcept;
  [[nodiscard]] QueueCounts counts () const noexcept;
  [[nodiscard]] bool linked () const noexcept;

  // --- mix task

  /// What the mix task has to know of a track before it waits.
  struct Judgement {
    bool linked;
    bool ended;             // nothing follows, or nothing before the mix enters another segment
    bool segment_done;      // at SEGMENT_DONE
    bool missing;           // the next chunk waits for this track
    bool inactive;          // nothing has come yet, and it is not waited for: ignore()
    bool in_gap;            // a GAP event says that the next chunk has nothing of it
    bool blocked;           // its feeder waits
    Frames end;             // of the last audio queued, in this segment
    std::thread::id feeder; // the default id: unknown
    std::uint64_t received; // items, ever
    std::uint64_t segment;  // the seek whose segment comes next in the queue; 0: none does
    bool sought;            // it does, or is expected
    bool awaited;           // it is expected, and nothing else
  };
  [[nodiscard]] Judgement judge () const noexcept;

  /// Moves to `held` what belongs before `end`, and to `flushed` what was held before clear(); says
  /// what the chunk after that needs. Returns true if the feeder has to be woken: call notify()
  /// later.
  bool take (Frames end, Frames next_end, std::vector<QueueItem> &held,
      std::vector<QueueItem> &flushed) noexcept;
  /// States anew where the next chunk ends, and where the whole mix begins.
  void update_need (Frames end, Frames mix_begin) noexcept;
  /// Enters the next segment in the queue if it is that seek's: the track's time goes on with it at
  /// frame `begin` of the mix. All before it has been taken.
  void enter_segment (std::uint64_t seek, Frames begin) noexcept;
  /// Where the first audio in the queue begins; none: there is none.
  [[nodiscard]] std::optional<Frames> first_audio () const noexcept;
  /// For a change of the mix's rate: moves to `held` all that is queued, behind what the mix task
  /// holds. Nothing may come before put_back(): both within Track::rate_mutex.
  struct Contents {
    bool ended; // nothing continues the audio at its end
    bool has_marks;
    Frames shift; // of the audio before the first mark, against the track's own time
  };
  [[nodiscard]] Contents take_all (
      std::vector<QueueItem> &held, std::vector<QueueItem> &flushed) noexcept;
  /// Takes it back at the new rate. `end` is where the audio that follows will begin, if that is
  /// known.
  void put_back (std::vector<QueueItem> &items, const RateChange &change, Frames shift,
      std::optional<Frames> end) noexcept;
  void notify () noexcept { cond_.notify_all (); }
  /// A chunk is out: a drain looks again.
  void notify_drain () noexcept;
  enum class Growth : std::uint8_t { grown, not_blocked, at_total_cap, at_own_cap };
  /// Lets a blocked feeder go on: `doubled`, or by one more limit.
  Growth grow (bool doubled) noexcept;
  /// Mixes silence for this track until something arrives, or the queues are below the cap again
  /// that they have met. After a wait `in_vain`: below half of it, or each bit of room would cost
  /// another such wait.
  void starve (bool in_vain) noexcept;
  /// Where nothing has come since the start or a flush: the mix no longer waits for this track
  /// before something does. False: something has come.
  bool ignore () noexcept;
  /// Believes the last GAP event.
  void believe_gap () noexcept;

private:
  /// The begin of a segment in the queue. Audio behind the first mark keeps the track's own time.
  struct Mark {
    std::uint64_t seek;
    Frames end;   // of the segment before it
    Frames begin; // in the track's own time
    bool segment_done;
  };

  [[nodiscard]] bool awaits_segment () const noexcept
  {
    return segment_done_ && marks_.empty () && expected_seek_ > last_seek_ && linked_ &&
        !retired_ && !starved_;
  }
  [[nodiscard]] bool is_ready () const noexcept;
  [[nodiscard]] bool is_full () noexcept;
  [[nodiscard]] bool within_limits () const noexcept;
  [[nodiscard]] Frames limit_in_frames () const noexcept;
  void set_grown_out (bool grown_out) noexcept;
  [[nodiscard]] bool update_missing () noexcept;
  void append (const QueueItem &item);
  QueueItem pop_front () noexcept;
  void release_feeder () noexcept;

  MixerShared &shared_;
  mutable std::mutex mutex_;
  std::condition_variable cond_; // the feeder waits on it

  std::vector<QueueItem> ring_; // a power of two; grows on the feeder's thread
  std::size_t head_ {0};
  std::size_t count_ {0};

  Frames queued_frames_ {0};
  Frames held_frames_ {0}; // taken by the mix task and not mixed yet
  std::size_t queued_bytes_ {0};
  std::size_t queued_buffers_ {0};
  std::vector<Mark> marks_;         // of the mark items, in their order
  Frames shift_ {0};                // from the track's own time to the mix's, behind the last mark
  std::uint64_t expected_seek_ {0}; // the last seek that was sent to this track
  std::uint64_t last_seek_ {0};     // the last one that is done, here
  Frames end_ {kNever};             // of the last audio queued
  Frames gap_end_ {kNever};         // of the last GAP event, if no audio has contradicted it
  Frames believed_gap_ {kNever};    // up to here the mix does not wait for this track
  Frames taken_end_ {kNever};
  Frames last_taken_frames_ {0};
  Frames need_end_ {0};  // the next chunk ends here
  Frames mix_begin_ {0}; // audio that ends before is dropped: nothing would ever take it
  Frames limit_ {0};
  std::uint64_t limit_bytes_ {0}; // 0: none
  Frames growth_ {QueueLimit::kUnlimitedGrowth};
  Frames grown_from_ {0};  // the nearer limit when it began to grow
  Frames grown_limit_ {0}; // 0: it has not grown
  GstFlowReturn flow_ {GST_FLOW_OK};
  std::thread::id feeder_;
  std::uint64_t received_ {0};

  bool counted_missing_ {false};
  bool flushing_ {true};
  bool linked_ {false};
  bool retired_ {false};
  bool cleared_ {false}; // since the last take()
  bool eos_ {false};
  bool segment_done_ {false}; // why eos_ is set
  bool inactive_ {false};
  bool starved_ {false};
  bool starved_in_vain_ {false};
  bool feeder_waiting_ {false};
  bool held_ {false};
  bool drain_waiting_ {false};
  bool drain_refused_ {false};
  bool full_in_total_ {false};
  bool grown_out_ {false}; // its share of MixerShared::grown_out
  QueueCounts counts_;
};

} // namespace mt::trackmixer
