// SPDX-License-Identifier: LGPL-2.1-or-later
// audiomixer and trackmixer next to each other: ends, flushes, seeks, pads that come and go.
#include "comparison.hpp"

using namespace mt::test;

namespace {

using Piece = Scene::Piece;
constexpr std::int64_t kChunkFrames = 480; // of 10 ms at 48 kHz

/// Tracks that have brought so many chunks, which are out, and no more.
std::vector<Feeder *> tracks_at (Scene &scene, std::size_t count, std::int64_t chunks)
{
  std::vector<Feeder *> tracks;
  for (std::size_t n = 0; n < count; ++n)
    tracks.push_back (&scene.track ());
  scene.bed.play ();
  for (Feeder *track : tracks) {
    track->begin ();
    scene.push (*track, {0, chunks * kChunkFrames});
  }
  scene.wait_for_chunks (static_cast<std::size_t> (chunks));
  return tracks;
}

/// What the track brings from that frame on, and its end.
void go_on (Scene &scene, Feeder &track, std::int64_t frame, std::int64_t frames)
{
  const Samples rest = scene.audio (track, frames);
  track.run ([rest, frame] (Feeder &self) {
    self.push (rest, frame);
    self.end ();
  });
}

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
  const auto tracks = tracks_at (scene, 2, 4);
  tracks[0]->end ();
  scene.push (*tracks[1], {4 * kChunkFrames, 2 * kChunkFrames});
  scene.wait_for_chunks (6);
  tracks[0]->begin ();
  scene.push (*tracks[0], {7 * kChunkFrames, 700});
  tracks[0]->end ();
  go_on (scene, *tracks[1], 6 * kChunkFrames, 5 * kChunkFrames);
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
  const auto tracks = tracks_at (scene, 2, 3);
  gst_element_set_state (scene.bed.element, GST_STATE_PAUSED);
  for (Feeder *track : tracks)
    scene.push (*track, {3 * kChunkFrames, 2 * kChunkFrames});
  scene.wait_for_chunks (5); // a sink would hold it back, not the mixer
  scene.bed.play ();
  for (Feeder *track : tracks)
    go_on (scene, *track, 5 * kChunkFrames, 999);
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
  const auto tracks = tracks_at (scene, 2, 4);
  scene.push (*tracks[1], {4 * kChunkFrames, 300}); // waits for the other
  flush (scene, {tracks[1]});
  tracks[1]->begin_segment ();
  go_on (scene, *tracks[1], 5 * kChunkFrames, 700);
  go_on (scene, *tracks[0], 4 * kChunkFrames, 5 * kChunkFrames);
  scene.finish ();
}

void play_flush_of_all (Scene &scene)
{
  const auto tracks = tracks_at (scene, 2, 4);
  const guint32 seqnum = flush (scene, tracks);
  for (Feeder *track : tracks) {
    begin_from (*track, 0, -1, seqnum);
    go_on (scene, *track, 300, 1200);
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
  const auto tracks = tracks_at (scene, 2, 4);
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
    go_on (scene, *track, target, whole ? 3000 : 3001);
  scene.finish ();
  scene.note (std::to_string (seeks) + " seeks upstream");
}

/// With the same number, as from two sinks of one pipeline, or with another one.
template <bool same>
void play_two_seeks (Scene &scene)
{
  std::atomic<int> seeks {0};
  const auto tracks = tracks_at (scene, 2, 4);
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
    go_on (scene, *track, same ? 2400 : 4800, 3001);
  scene.finish ();
  scene.note (std::to_string (seeks) + " seeks upstream");
}

void play_seek_after_the_end (Scene &scene)
{
  std::atomic<int> seeks {0};
  const auto tracks = tracks_at (scene, 2, 4);
  for (Feeder *track : tracks) {
    make_seekable (scene, *track, seeks);
    track->end ();
  }
  fail_unless (scene.bed.sink.wait_for_eos ());
  GstEvent *event = seek_to (1200, -1, GST_SEEK_FLAG_FLUSH);
  scene.name_seqnum (gst_event_get_seqnum (event), "of the seek");
  seek (scene, tracks, event, 1200, -1);
  for (Feeder *track : tracks)
    go_on (scene, *track, 1200, 1501);
  scene.finish ();
}

/// The first round of a loop.
void play_segment_seek (Scene &scene)
{
  std::atomic<int> seeks {0};
  const auto tracks = tracks_at (scene, 1, 4);
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

void play_seeks_that_are_refused (Scene &scene)
{
  const auto tracks = tracks_at (scene, 2, 4); // none can seek
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
    go_on (scene, *track, 4 * kChunkFrames, 999);
  scene.finish ();
}

// --- pads that come and go

/// With audio from that chunk on; four are out.
template <std::int64_t chunk>
void play_a_pad_that_comes (Scene &scene)
{
  const auto tracks = tracks_at (scene, 1, 4);
  Feeder &late = scene.track ();
  late.begin ();
  go_on (scene, late, chunk * kChunkFrames, 999);
  go_on (scene, *tracks[0], 4 * kChunkFrames, 6 * kChunkFrames);
  scene.finish ();
  if (chunk < 4 && scene.differs (kLateIsTold))
    scene.add (kWarning);
}

/// With audio that nobody hears any more.
void play_a_pad_that_goes (Scene &scene)
{
  const auto tracks = tracks_at (scene, 2, 4);
  scene.push (*tracks[1], {4 * kChunkFrames, 2 * kChunkFrames});
  gst_element_release_request_pad (scene.bed.element, tracks[1]->sink);
  go_on (scene, *tracks[0], 4 * kChunkFrames, 3 * kChunkFrames);
  scene.finish ();
}

/// In the middle of a buffer that it has brought.
void play_a_pad_that_goes_in_the_middle (Scene &scene)
{
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  scene.bed.play ();
  a.begin ();
  b.begin ();
  scene.push (b, {0, 10 * kChunkFrames});
  scene.push (a, {0, 4 * kChunkFrames});
  scene.wait_for_chunks (4);
  gst_element_release_request_pad (scene.bed.element, b.sink);
  go_on (scene, a, 4 * kChunkFrames, 3 * kChunkFrames);
  scene.finish ();
}

void play_the_last_that_goes_ends_it (Scene &scene)
{
  const auto tracks = tracks_at (scene, 2, 4);
  tracks[0]->end ();
  gst_element_release_request_pad (scene.bed.element, tracks[1]->sink);
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
    {"seek: the same twice", play_two_seeks<true>, false, true},
    {"seek: two", play_two_seeks<false>},
    {"seek: after the end", play_seek_after_the_end},
    {"seek: of a segment", play_segment_seek},
    {"seek: refused", play_seeks_that_are_refused, false, true},
    {"pads: one comes", play_a_pad_that_comes<6>},
    {"pads: one comes too late", play_a_pad_that_comes<3>},
    {"pads: one goes", play_a_pad_that_goes},
    {"pads: one goes in the middle of a buffer", play_a_pad_that_goes_in_the_middle},
    {"pads: one goes, the others have ended", play_the_last_that_goes_ends_it},
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
