// SPDX-License-Identifier: LGPL-2.1-or-later
// The same scene played with audiomixer and with trackmixer, only the name differs. All that leaves
// the source pad is written down, and what a scene notes besides, and both accounts must be equal.
//
// Where ours is meant to be another one, the scene says so with Scene::differs(), which is true for
// audiomixer: it then plays or writes down what ours does. Each such place is played once more
// without that, and then the accounts must differ: a difference that is no more has to go.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "livebed.hpp"

namespace mt::test {

using Lines = std::vector<std::string>;
inline constexpr std::int64_t kChunkFrames = 480; // of 10 ms at 48 kHz

std::string segment_text (const GstSegment &segment);

class Scene : public LiveBed {
public:
  /// A run of audio; a negative frame has no time stamp.
  struct Piece {
    std::int64_t frame;
    std::int64_t frames;
    guint flags {0};
  };

  Scene (const char *factory, const std::string &without, bool force_live);
  ~Scene ();

  /// A new track; number them in the order of their requests.
  Feeder &track (const Format &format = {}, const char *name = "sink_%u");
  /// Audio of a track that goes on from one call to the next.
  Samples audio (Feeder &feeder, std::int64_t frames);
  /// One buffer of it.
  GstFlowReturn push (Feeder &feeder, const Piece &piece);
  /// Pushes from a thread of its own: all there is of the track, with what begins and ends it.
  void feed (Feeder &feeder, std::vector<Piece> pieces, const GstSegment *segment = nullptr);
  /// Begins a track with that many chunks.
  void begin_with_chunks (Feeder &track, std::int64_t chunks);
  /// Plays tracks that have brought so many chunks, which are out, and no more.
  std::vector<Feeder *> tracks_at (std::size_t count, std::int64_t chunks);
  /// What the track brings from that frame on, and its end.
  void go_on (Feeder &track, std::int64_t frame, std::int64_t frames);
  void wait_for_chunks (std::size_t count);
  /// Waits for the end and for the feeders.
  void finish ();

  /// True for audiomixer, where it is not what ours is, and the scene is to make it so.
  bool differs (const char *why);

  [[nodiscard]] bool is_ours () const noexcept { return !theirs_; }
  void note (const std::string &line) { notes.push_back (line); }
  void note_flow (const std::string &what, GstFlowReturn flow)
  {
    note (what + ": " + gst_flow_get_name (flow));
  }
  /// What comes out with this seqnum is told by that name.
  void name_seqnum (guint32 seqnum, const std::string &name);
  /// What has left the source pad.
  Lines sent ();
  /// Changes the account of what has left: for differences.
  void edit (const std::function<void (Lines &)> &change);
  /// All, with the messages on the bus.
  Lines account ();

  /// A line of the account that only ours has, behind all others: for differences.
  void add (const std::string &line) { added_.push_back (line); }

  bool stamps_rounded_up {false}; // by feed()
  Lines notes;
  std::set<std::string> differences;

private:
  void write_buffer (GstBuffer *buffer);
  void write_event (GstEvent *event);
  [[nodiscard]] std::string seqnum_of (GstEvent *event);
  Lines messages ();

  const bool theirs_;
  const std::string without_;
  std::deque<std::unique_ptr<Feeder>> tracks_;
  std::map<Feeder *, std::pair<unsigned, std::int64_t>> pushed_; // seed, frames so far
  std::mutex mutex_;
  Lines sent_;                             // under mutex_
  std::map<guint32, std::string> seqnums_; // under mutex_
  Lines added_;
  GstPad *src_;
};

using Piece = Scene::Piece;
inline constexpr const char *kLateIsTold = "a warning tells of audio that came too late";
inline constexpr const char *kWarning = "message warning of the mixer";

struct Comparison {
  const char *name;
  void (*play) (Scene &);
  bool force_live {false};
  bool they_leak {false}; // audiomixer: left out where leaks are looked for
};

/// Plays it with both and compares. Under TSan with trackmixer alone: see kBoth.
void compare (const Comparison &comparison);

/// That what compare() makes of audiomixer's account in every scene is needed: in this one.
void check_what_differs_everywhere (const Comparison &comparison);

/// `a` in place of `b`, at least once.
void replace_in (Lines &lines, const std::string &b, const std::string &a);

} // namespace mt::test
