// SPDX-License-Identifier: LGPL-2.1-or-later
// A pipeline around trackmixer that two threads do anything to, and what is held against it.
#pragma once

#include <condition_variable>
#include <deque>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>

#include "randomvalues.hpp"
#include "support.hpp"

namespace mt::test {

enum class PipelineKind { files, live, force_live };
inline constexpr int kPipelineKinds = 3;
const char *name_of (PipelineKind kind);

/// Elements and pads of this test that still live.
inline std::atomic<int> live_objects {0};
template <class Object>
Object *counted (Object *object)
{
  ++live_objects;
  g_object_weak_ref (
      G_OBJECT (object), [] (gpointer, GObject *) { --live_objects; }, nullptr);
  return object;
}

/// A source with a pad of the mixer for itself.
struct Guest {
  GstElement *source;
  GstPad *pad;
};

class Hand;
using Hands = std::vector<std::unique_ptr<Hand>>;

/// Two sources, the mixer, and a sink that goes by the clock.
class RandomPipeline {
public:
  RandomPipeline (PipelineKind kind, unsigned seed);
  ~RandomPipeline ();
  RandomPipeline (const RandomPipeline &) = delete;
  RandomPipeline &operator= (const RandomPipeline &) = delete;

  // --- the hands

  void set_state (GstState state);
  /// Through the whole pipeline, or from the sink upstream, beside its changes of state. Without a
  /// flush from the sink only: a source waits then until it has room to go on with, and the
  /// pipeline could not be set to PLAYING meanwhile.
  bool seek (GstEvent *event, bool through_pipeline);
  Guest add (const std::string &source, bool live, bool from_now_on);
  void remove (const Guest &guest);
  /// A value out of all that there are, then, a moment later, one to go on with.
  void write (GObject *object, Random &random);
  /// For a chunk, or for as long.
  void wait_for_chunk (std::chrono::milliseconds limit);
  /// The stream has come to its end, or that of its segment.
  [[nodiscard]] bool has_ended ();

  // --- the test

  /// Until the hands have done. What takes too long is a hang.
  void watch (const Hands &hands);
  /// With usual settings, a flush makes it play; READY accounts for every frame, and it plays anew.
  void check_recovery (const Hands &hands);
  void check_end (const Hands &hands);

  const PipelineKind kind;
  const unsigned seed;
  GstElement *pipeline;
  GstElement *mixer;
  std::vector<GstPad *> pads; // of the two sources

private:
  /// Says what has been done, and how things are, and fails.
  [[noreturn]] void blame (const std::string &what);

  static GstPadProbeReturn on_flow (GstPad *, GstPadProbeInfo *info, gpointer self) noexcept;
  void note (GstEvent *event);
  void check (GstBuffer *buffer);
  void check_length (std::uint64_t frames);
  [[nodiscard]] bool is_whole (std::uint64_t frames);
  void hear_bus ();
  void hear (GstMessage *message);
  void make_room ();
  void write_value (GObject *object, GParamSpec *spec, const GValue *value);
  void write_usual (GObject *object, GParamSpec *spec, Random *random);
  void set_all_usual (GObject *object);
  void check_plays (const char *after);
  void check_accounts (GstPad *pad);

  const Hands *hands_ {nullptr};
  GstPad *sink_pad_;
  gulong probe_;
  // Alone: a seek without flush, which GstBaseSrc can't have while it starts or stops: it starts a
  // task on a pad that is not active, and later waits for that, or has it join itself. Shared:
  // sources start and stop. Before `structure_`, for such a seek may wait for a flush.
  std::shared_mutex sources_;
  std::shared_mutex structure_; // shared: pads come and go, flushes; alone: READY
  std::mutex flush_;            // one seek with a flush at a time: two hang a GstBaseSrc
  std::mutex chunk_setting_;    // one thread at a time sets the chunk's length
  std::atomic<bool> errors_allowed_ {false}; // starvation=error has been set since READY

  std::mutex mutex_; // guards what follows
  std::condition_variable cond_;
  std::uint64_t chunks_ {0};
  std::deque<GstClockTime> lengths_; // of chunks, as set; from the one that was seen last on
  GstAudioInfo info_ {};
  GstSegment segment_ {};
  std::multiset<Clock::time_point> waiting_seeks_; // without flush
  bool ended_ {false};
  bool follows_ {false};           // a chunk, in the same stream
  bool may_be_new_ {false};        // a segment has begun since the last chunk
  std::uint64_t short_frames_ {0}; // of the last chunk, if it was short
  std::uint64_t done_frames_ {0};  // the same, and SEGMENT_DONE has said that it was the last
  GstClockTime end_ {0};           // of the last chunk, in its segment
  GstClockTime running_end_ {0};
  std::uint64_t end_frame_ {0};

  std::atomic<bool> over_ {false};
  std::thread bus_thread_;
};

/// One of the threads.
class Hand {
public:
  Hand (RandomPipeline &pipeline, unsigned number);
  /// On a thread of its own, from begin() on.
  void begin () { note ("begins"); }
  void operate (int operations);

  /// Since when it has been at its last operation; none: it is at none.
  [[nodiscard]] std::optional<Clock::time_point> busy_since ();
  /// The last operations, oldest first.
  [[nodiscard]] std::string history ();

  std::vector<Guest> guests; // its own

private:
  void operate ();
  void seek ();
  void add_guest ();
  void remove_guest ();
  void ask ();
  void send_event ();
  GObject *any_pad ();
  unsigned below (unsigned count) { return mt::test::below (random_, count); }
  void note (const std::string &operation);

  RandomPipeline &pipeline_;
  Random random_;
  std::mutex mutex_; // guards what follows
  std::deque<std::string> history_;
  std::optional<Clock::time_point> since_;
};

} // namespace mt::test
