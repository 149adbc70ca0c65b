// SPDX-License-Identifier: LGPL-2.1-or-later
// audiomixer and trackmixer next to each other: ends, flushes, seeks.
#include "comparison.hpp"

using namespace mt::test;

namespace {

// --- the end

template <int N>
void play_ends (Scene &scene)
{
  int order[] {0, 1, 2};
  for (int n = 0; n < N; ++n)
    std::next_permutation (std::begin (order), std::end (order));
  constexpr std::int64_t lengths[] {960, 1443, 501};
  Feeder *tracks[] {&scene.track (), &scene.track (), &scene.track ()};
  scene.bed.play ();
  for (int n = 0; n < 3; ++n) {
    tracks[n]->begin ();
    scene.push (*tracks[n], {0, lengths[n]});
  }
  for (const int n : order)
    tracks[n]->end ();
  scene.finish ();
}

void play_a_track_that_begins_again (Scene &scene)
{
  const auto tracks = scene.tracks_at (2, 4);
  tracks[0]->end ();
  scene.push (*tracks[1], {4 * kChunkFrames, 2 * kChunkFrames});
  scene.wait_for_chunks (6);
  tracks[0]->begin ();
  scene.push (*tracks[0], {7 * kChunkFrames, 700});
  tracks[0]->end ();
  scene.go_on (*tracks[1], 6 * kChunkFrames, 5 * kChunkFrames);
  scene.finish ();
}

template <GstState between>
void play_twice (Scene &scene)
{
  Feeder &track = scene.track ();
  for (const std::int64_t first : {0, 960, 1500}) {
    scene.bed.play ();
    scene.feed (track, {{first, 2001}});
    scene.finish ();
    fail_unless (gst_element_set_state (scene.bed.element, between) == GST_STATE_CHANGE_SUCCESS);
    scene.bed.sink.forget ();
  }
}

void play_paused (Scene &scene)
{
  const auto tracks = scene.tracks_at (2, 3);
  gst_element_set_state (scene.bed.element, GST_STATE_PAUSED);
  for (Feeder *track : tracks)
    scene.push (*track, {3 * kChunkFrames, 2 * kChunkFrames});
  scene.wait_for_chunks (5); // a sink would hold it back, not the mixer
  scene.bed.play ();
  for (Feeder *track : tracks)
    scene.go_on (*track, 5 * kChunkFrames, 999);
  scene.finish ();
}

// --- flushes

void begin_from (Feeder &track, std::int64_t frame, std::int64_t stop, guint32 seqnum)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = segment.position = time_of (frame, 48000);
  if (stop >= 0)
    segment.stop = time_of (stop, 48000);
  GstEvent *event = gst_event_new_segment (&segment);
  gst_event_set_seqnum (event, seqnum);
  gst_pad_push_event (track.src, event);
}

/// Returns the number of the flush.
guint32 flush (Scene &scene, const std::vector<Feeder *> &tracks)
{
  const guint32 seqnum = gst_util_seqnum_next ();
  scene.name_seqnum (seqnum, "of the flush");
  for (Feeder *track : tracks) {
    GstEvent *start = gst_event_new_flush_start ();
    gst_event_set_seqnum (start, seqnum);
    gst_pad_push_event (track->src, start);
  }
  for (Feeder *track : tracks) {
    GstEvent *stop = gst_event_new_flush_stop (TRUE);
    gst_event_set_seqnum (stop, seqnum);
    gst_pad_push_event (track->src, stop);
  }
  return seqnum;
}

void play_flush_of_one (Scene &scene)
{
  const auto tracks = scene.tracks_at (2, 4);
  scene.push (*tracks[1], {4 * kChunkFrames, 300}); // waits for the other
  flush (scene, {tracks[1]});
  tracks[1]->begin_segment ();
  scene.go_on (*tracks[1], 5 * kChunkFrames, 700);
  scene.go_on (*tracks[0], 4 * kChunkFrames, 5 * kChunkFrames);
  scene.finish ();
}

void play_flush_of_all (Scene &scene)
{
  const auto tracks = scene.tracks_at (2, 4);
  const guint32 seqnum = flush (scene, tracks);
  for (Feeder *track : tracks) {
    begin_from (*track, 0, -1, seqnum);
    scene.go_on (*track, 300, 1200);
  }
  scene.finish ();
}

// --- seeks

/// As a source that flushes in the seek, and begins again when it is told to.
void make_seekable (Scene &scene, Feeder &track, std::atomic<int> &seeks)
{
  track.upstream_event = [&track, &seeks] (GstEvent *event) {
    if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
      return false;
    ++seeks;
    GstSeekFlags flags {};
    gst_event_parse_seek (event, nullptr, nullptr, &flags, nullptr, nullptr, nullptr, nullptr);
    if (flags & GST_SEEK_FLAG_FLUSH) {
      GstEvent *start = gst_event_new_flush_start ();
      gst_event_set_seqnum (start, gst_event_get_seqnum (event));
      gst_pad_push_event (track.src, start);
      GstEvent *stop = gst_event_new_flush_stop (TRUE);
      gst_event_set_seqnum (stop, gst_event_get_seqnum (event));
      gst_pad_push_event (track.src, stop);
    }
    return true;
  };
}

GstEvent *seek_to (std::int64_t frame, std::int64_t stop, int flags)
{
  return gst_event_new_seek (1.0, GST_FORMAT_TIME, static_cast<GstSeekFlags> (flags),
      GST_SEEK_TYPE_SET, static_cast<gint64> (time_of (frame, 48000)),
      stop < 0 ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET,
      stop < 0 ? -1 : static_cast<gint64> (time_of (stop, 48000)));
}

/// Sends the seek, which it takes, and has the tracks begin at its target.
void seek (Scene &scene, const std::vector<Feeder *> &tracks, GstEvent *event, std::int64_t frame,
    std::int64_t stop)
{
  const guint32 seqnum = gst_event_get_seqnum (event);
  const bool done = gst_pad_push_event (scene.bed.sink.pad (), event);
  scene.note (done ? "the seek is done" : "the seek is refused");
  for (Feeder *track : tracks)
    begin_from (*track, frame, stop, seqnum);
}

template <int N>
void play_seek (Scene &scene)
{
  constexpr std::int64_t targets[][2] {{0, -1}, {4800, -1}, {4800, 6000}, {3, -1}};
  const auto [target, stop] = targets[N];
  std::atomic<int> seeks {0};
  const auto tracks = scene.tracks_at (2, 4);
  for (Feeder *track : tracks)
    make_seekable (scene, *track, seeks);
  GstEvent *event = seek_to (target, stop, GST_SEEK_FLAG_FLUSH);
  scene.name_seqnum (gst_event_get_seqnum (event), "of the seek");
  seek (scene, tracks, event, target, stop);
  // The last buffer is cut to the stop.
  const bool whole = stop >= 0 &&
      scene.differs (
          "a buffer whose end is truncated to a nanosecond keeps a frame too many there");
  for (Feeder *track : tracks)
    scene.go_on (*track, target, whole ? 3000 : 3001);
  scene.finish ();
  scene.note (std::to_string (seeks) + " seeks upstream");
}

/// A start or a stop that stays where it is, in the segment of a seek before.
template <int N>
void play_seek_that_keeps (Scene &scene)
{
  constexpr auto kFlush = GST_SEEK_FLAG_FLUSH;
  constexpr auto kNone = GST_SEEK_TYPE_NONE, kSet = GST_SEEK_TYPE_SET;
  std::atomic<int> seeks {0};
  const auto tracks = scene.tracks_at (2, 4);
  for (Feeder *track : tracks)
    make_seekable (scene, *track, seeks);
  GstEvent *first = seek_to (480, 9600, kFlush);
  scene.name_seqnum (gst_event_get_seqnum (first), "of the first seek");
  seek (scene, tracks, first, 480, 9600);
  for (Feeder *track : tracks)
    scene.push (*track, {480, 4 * kChunkFrames});
  scene.wait_for_chunks (4);
  fail_unless (settles ()); // the position is behind the fourth
  const auto time = [] (std::int64_t frame) {
    return static_cast<gint64> (time_of (frame, 48000));
  };
  const std::int64_t start = N == 1 || N == 3 ? 1200 : 480 + 4 * kChunkFrames;
  const std::int64_t stop = N == 2 ? 4800 : N == 3 ? -1 : 9600;
  const bool keeps_start = N == 0 || N == 2;
  const bool resolved =
      keeps_start && scene.differs ("a seek that keeps the start leads to where the mix is");
  GstEvent *second = gst_event_new_seek (1.0, GST_FORMAT_TIME, kFlush,
      keeps_start && !resolved ? kNone : kSet, keeps_start && !resolved ? 0 : time (start),
      N == 0 || N == 1 ? kNone : kSet, stop < 0 ? -1 : time (stop));
  scene.name_seqnum (gst_event_get_seqnum (second), "of the second seek");
  seek (scene, tracks, second, start, stop);
  for (Feeder *track : tracks)
    scene.go_on (*track, start, 1500);
  scene.finish ();
  scene.note (std::to_string (seeks) + " seeks upstream");
}

/// With the same number, as from two sinks of one pipeline, or with another one.
template <bool same>
void play_two_seeks (Scene &scene)
{
  std::atomic<int> seeks {0};
  const auto tracks = scene.tracks_at (2, 4);
  for (Feeder *track : tracks)
    make_seekable (scene, *track, seeks);
  GstEvent *first = seek_to (2400, -1, GST_SEEK_FLAG_FLUSH);
  scene.name_seqnum (gst_event_get_seqnum (first), "of the first seek");
  GstEvent *second = seek_to (same ? 2400 : 4800, -1, GST_SEEK_FLAG_FLUSH);
  if (same)
    gst_event_set_seqnum (second, gst_event_get_seqnum (first));
  else
    scene.name_seqnum (gst_event_get_seqnum (second), "of the second seek");
  seek (scene, tracks, first, 2400, -1);
  seek (scene, tracks, second, same ? 2400 : 4800, -1);
  for (Feeder *track : tracks)
    scene.go_on (*track, same ? 2400 : 4800, 3001);
  scene.finish ();
  scene.note (std::to_string (seeks) + " seeks upstream");
}

void play_seek_after_the_end (Scene &scene)
{
  std::atomic<int> seeks {0};
  const auto tracks = scene.tracks_at (2, 4);
  for (Feeder *track : tracks) {
    make_seekable (scene, *track, seeks);
    track->end ();
  }
  fail_unless (scene.bed.sink.wait_for_eos ());
  GstEvent *event = seek_to (1200, -1, GST_SEEK_FLAG_FLUSH);
  scene.name_seqnum (gst_event_get_seqnum (event), "of the seek");
  seek (scene, tracks, event, 1200, -1);
  for (Feeder *track : tracks)
    scene.go_on (*track, 1200, 1501);
  scene.finish ();
}

std::string frames_text (std::int64_t from)
{
  return "frames " + std::to_string (from) + " to " + std::to_string (from + kChunkFrames);
}

/// As the round behind it, of four chunks: later, and by a seek that does not flush.
void repeat_the_last_round (Lines &lines)
{
  const auto is_segment = [] (const std::string &line) {
    return line.starts_with ("segment time");
  };
  const auto begin = std::find_if (lines.rbegin (), lines.rend (), is_segment).base () - 1;
  Lines round {begin, lines.end ()};
  for (std::int64_t chunk = 3; chunk >= 0; --chunk)
    replace_in (
        round, frames_text (chunk * kChunkFrames), frames_text ((chunk + 4) * kChunkFrames));
  replace_in (round, "base 0", "base " + std::to_string (time_of (4 * kChunkFrames, 48000)));
  replace_in (round, "flags 9", "flags 8");
  replace_in (round, "the first round", "the second round");
  lines.insert (lines.end (), round.begin (), round.end ());
}

/// The first round of a loop.
void play_segment_seek (Scene &scene)
{
  std::atomic<int> seeks {0};
  const auto tracks = scene.tracks_at (1, 4);
  make_seekable (scene, *tracks[0], seeks);
  GstEvent *event = seek_to (480, 2400, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT);
  const guint32 seqnum = gst_event_get_seqnum (event);
  scene.name_seqnum (seqnum, "of the seek");
  seek (scene, tracks, event, 480, 2400);
  scene.push (*tracks[0], {480, 1920});
  GstEvent *done =
      gst_event_new_segment_done (GST_FORMAT_TIME, static_cast<gint64> (time_of (2400, 48000)));
  gst_event_set_seqnum (done, seqnum);
  gst_pad_push_event (tracks[0]->src, done);
  scene.wait_for_chunks (4);
  fail_unless (eventually ([&] { return scene.bed.sink.count_of (GST_EVENT_SEGMENT_DONE) == 1; }));
}

/// The second round of a loop: the same audio again, in a segment of its own.
void play_a_second_round (Scene &scene)
{
  std::atomic<int> seeks {0};
  const auto tracks = scene.tracks_at (1, 4);
  make_seekable (scene, *tracks[0], seeks);
  constexpr std::int64_t kFrom = 480, kTo = 2400;
  const Samples audio = scene.audio (*tracks[0], kTo - kFrom);
  const auto end_round = [&audio] (Feeder &track, guint32 seqnum) {
    track.push (audio, kFrom);
    GstEvent *done =
        gst_event_new_segment_done (GST_FORMAT_TIME, static_cast<gint64> (time_of (kTo, 48000)));
    gst_event_set_seqnum (done, seqnum);
    gst_pad_push_event (track.src, done);
  };
  const auto dones = [&scene] { return scene.bed.sink.count_of (GST_EVENT_SEGMENT_DONE); };
  GstEvent *event = seek_to (kFrom, kTo, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT);
  const guint32 first = gst_event_get_seqnum (event);
  scene.name_seqnum (first, "of the first round");
  seek (scene, tracks, event, kFrom, kTo);
  end_round (*tracks[0], first);
  fail_unless (eventually ([&] { return dones () == 1; }));
  if (scene.differs ("the rounds of a loop after the first are heard")) {
    scene.edit (repeat_the_last_round);
    scene.note ("the seek is done");
    return;
  }
  event = seek_to (kFrom, kTo, GST_SEEK_FLAG_SEGMENT);
  const guint32 second = gst_event_get_seqnum (event);
  scene.name_seqnum (second, "of the second round");
  scene.note (
      gst_pad_push_event (scene.bed.sink.pad (), event) ? "the seek is done" : "it is refused");
  tracks[0]->run ([&] (Feeder &self) {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.time = segment.position = time_of (kFrom, 48000);
    segment.stop = time_of (kTo, 48000);
    segment.base = time_of (kTo - kFrom, 48000);
    GstEvent *begin = gst_event_new_segment (&segment);
    gst_event_set_seqnum (begin, second);
    gst_pad_push_event (self.src, begin);
    end_round (self, second);
  });
  fail_unless (settles ());
  if (scene.is_ours ())
    fail_unless (eventually ([&] { return dones () == 2; }));
  scene.bed.stop (); // a feeder that waits there goes home
  tracks[0]->join ();
}

void play_seeks_that_are_refused (Scene &scene)
{
  const auto tracks = scene.tracks_at (2, 4); // none can seek
  const auto result_of = [&scene] (GstEvent *event) {
    scene.note (gst_pad_push_event (scene.bed.sink.pad (), event) ? "done" : "refused");
  };
  if (scene.differs ("a seek that no track can do does not move the output"))
    scene.note ("refused");
  else
    result_of (seek_to (480, -1, GST_SEEK_FLAG_NONE));
  result_of (gst_event_new_seek (
      1.0, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1));
  for (Feeder *track : tracks)
    scene.go_on (*track, 4 * kChunkFrames, 999);
  scene.finish ();
}

const Comparison comparisons[] {
    {"ends: 1 2 3", play_ends<0>},
    {"ends: 1 3 2", play_ends<1>},
    {"ends: 2 1 3", play_ends<2>},
    {"ends: 2 3 1", play_ends<3>},
    {"ends: 3 1 2", play_ends<4>},
    {"ends: 3 2 1", play_ends<5>},
    {"ends: one begins again", play_a_track_that_begins_again},
    {"states: twice, by way of READY", play_twice<GST_STATE_READY>},
    {"states: twice, by way of NULL", play_twice<GST_STATE_NULL>},
    {"states: a pause", play_paused},
    {"flush: one track", play_flush_of_one},
    {"flush: all tracks", play_flush_of_all},
    {"seek: to the start", play_seek<0>},
    {"seek: forward", play_seek<1>},
    {"seek: with a stop", play_seek<2>},
    {"seek: within a chunk", play_seek<3>},
    {"seek: nothing but a flush", play_seek_that_keeps<0>},
    {"seek: keeps the stop", play_seek_that_keeps<1>},
    {"seek: keeps the start", play_seek_that_keeps<2>},
    {"seek: without the stop", play_seek_that_keeps<3>},
    {"seek: the same twice", play_two_seeks<true>, false, true},
    {"seek: two", play_two_seeks<false>},
    {"seek: after the end", play_seek_after_the_end},
    {"seek: of a segment", play_segment_seek},
    {"seek: of a segment, twice", play_a_second_round},
    {"seek: refused", play_seeks_that_are_refused, false, true},
};

} // namespace

GST_START_TEST (test_compare)
{
  compare (comparisons[__i__]);
}
GST_END_TEST;

static Suite *trackmixer_comparison_flow_suite ()
{
  Suite *suite = suite_create ("trackmixer-comparison-flow");
  TCase *both = tcase_create ("both");
  tcase_add_loop_test (both, test_compare, 0, static_cast<int> (std::size (comparisons)));
  suite_add_tcase (suite, both);
  return suite;
}

GST_CHECK_MAIN (trackmixer_comparison_flow)
