// SPDX-License-Identifier: LGPL-2.1-or-later
// audiomixer and trackmixer next to each other: queries, signals, events that pass through, and
// the mix by the clock.
#include "comparison.hpp"

using namespace mt::test;

namespace {

// --- queries

void note_times (Scene &scene, const std::string &when)
{
  for (const GstFormat format : {GST_FORMAT_TIME, GST_FORMAT_DEFAULT, GST_FORMAT_BYTES}) {
    gint64 value = -1;
    const char *name = gst_format_get_name (format);
    bool ok = gst_pad_peer_query_position (scene.bed.sink.pad (), format, &value);
    scene.note (when + ": position in " + name + ": " + (ok ? std::to_string (value) : "none"));
    value = -1;
    ok = gst_pad_peer_query_duration (scene.bed.sink.pad (), format, &value);
    scene.note (when + ": duration in " + name + ": " + (ok ? std::to_string (value) : "none"));
  }
}

/// Chunk by chunk, for which the sink is closed.
void play_position (Scene &scene)
{
  Feeder &track = scene.track ();
  scene.bed.play ();
  track.begin ();
  for (std::size_t n = 0; n < 4; ++n) {
    scene.push (track, {static_cast<std::int64_t> (n) * kChunkFrames, kChunkFrames});
    scene.wait_for_chunks (n + 1);
    // audiomixer moves on once its push has returned.
    GstQuery *query = gst_query_new_drain ();
    (void)gst_pad_peer_query (track.src, query);
    gst_query_unref (query);
    gint64 wanted = static_cast<gint64> ((n + 1) * 10 * GST_MSECOND), value = -1;
    fail_unless (eventually ([&] {
      return gst_pad_peer_query_position (scene.bed.sink.pad (), GST_FORMAT_TIME, &value) &&
          value == wanted;
    }));
    note_times (scene, std::to_string (n));
  }
  track.end ();
  scene.finish ();
  note_times (scene, "the end");
}

/// In every state, and before, between and after two runs.
void play_position_in_every_state (Scene &scene)
{
  const auto to = [&scene] (GstState state) {
    fail_if (gst_element_set_state (scene.bed.element, state) == GST_STATE_CHANGE_FAILURE);
    note_times (scene, gst_element_state_get_name (state));
  };
  Feeder &track = scene.track ();
  note_times (scene, "made");
  for (int run = 0; run < 2; ++run) {
    to (GST_STATE_READY);
    to (GST_STATE_PAUSED);
    track.begin ();
    note_times (scene, "with caps");
    scene.push (track, {0, 4 * kChunkFrames});
    scene.wait_for_chunks (4);
    fail_unless (settles ()); // it moves on once its push has returned
    note_times (scene, "with audio");
    to (GST_STATE_PLAYING);
    scene.push (track, {4 * kChunkFrames, 999});
    track.end ();
    fail_unless (scene.bed.sink.wait_for_eos ());
    fail_unless (settles ());
    note_times (scene, "the end");
    to (GST_STATE_PAUSED);
    to (GST_STATE_READY);
    scene.bed.sink.forget ();
  }
  to (GST_STATE_NULL);
  if (scene.differs (
          "before the first chunk POSITION is 0 in TIME, and unknown in other formats")) {
    replace_in (scene.notes, "position in time: -1", "position in time: 0");
    for (const char *unknown : {"position in default: -1", "position in default: 0"})
      replace_in (scene.notes, unknown, "position in default: none");
  }
}

template <int N>
void play_duration (Scene &scene)
{
  constexpr gint64 kUnknown = -1, kNoAnswer = -2;
  constexpr gint64 durations[][2] {{GST_SECOND, 2 * GST_SECOND}, {3 * GST_SECOND, 2},
      {GST_SECOND, kUnknown}, {kUnknown, GST_SECOND}, {kNoAnswer, GST_SECOND},
      {GST_SECOND, kNoAnswer}, {0, 0}};
  Feeder *tracks[] {&scene.track (), &scene.track ()};
  for (int n = 0; n < 2; ++n)
    tracks[n]->upstream_query = [duration = durations[N][n]] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) != GST_QUERY_DURATION || duration == kNoAnswer)
        return false;
      GstFormat format = GST_FORMAT_UNDEFINED;
      gst_query_parse_duration (query, &format, nullptr);
      if (format == GST_FORMAT_TIME)
        gst_query_set_duration (query, format, duration);
      return format == GST_FORMAT_TIME;
    };
  scene.bed.play ();
  for (Feeder *track : tracks)
    scene.begin_with_chunks (*track, 4);
  gint64 value = -1;
  const bool ok = gst_pad_peer_query_duration (scene.bed.sink.pad (), GST_FORMAT_TIME, &value);
  scene.note (ok ? std::string {"duration "} + std::to_string (value) : "no duration");
  for (Feeder *track : tracks)
    track->end ();
  scene.finish ();
}

struct Latencies {
  struct {
    bool live;
    GstClockTime min, max;
  } tracks[2];
  GstClockTime own {0}, least {0};
};

template <int N>
void play_latency (Scene &scene)
{
  constexpr GstClockTime kMs = GST_MSECOND, kNone = GST_CLOCK_TIME_NONE;
  constexpr Latencies all[] {
      {{{false, 0, kNone}, {false, 0, kNone}}},
      {{{false, 5 * kMs, kNone}, {false, 7 * kMs, kNone}}},
      {{{true, 5 * kMs, kNone}, {true, 7 * kMs, kNone}}},
      {{{true, 5 * kMs, kNone}, {false, 7 * kMs, kNone}}},
      {{{true, 5 * kMs, kNone}, {true, 7 * kMs, kNone}}, 3 * kMs},
      {{{true, 5 * kMs, kNone}, {true, 7 * kMs, kNone}}, 3 * kMs, 20 * kMs},
      {{{false, 5 * kMs, kNone}, {false, 7 * kMs, kNone}}, 3 * kMs, 20 * kMs},
  };
  Latencies latencies = all[N];
  if (N == 6 && scene.differs ("min-upstream-latency counts where something upstream is live"))
    latencies.least = 0;
  g_object_set (scene.bed.element, "latency", latencies.own, "min-upstream-latency",
      latencies.least, nullptr);
  Feeder *tracks[] {&scene.track (), &scene.track ()};
  for (int n = 0; n < 2; ++n)
    tracks[n]->upstream_query = [upstream = latencies.tracks[n]] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
        return false;
      gst_query_set_latency (query, upstream.live, upstream.min, upstream.max);
      return true;
    };
  GstQuery *query = gst_query_new_latency ();
  const bool ok = gst_pad_peer_query (scene.bed.sink.pad (), query);
  gboolean live = FALSE;
  GstClockTime min = 0, max = 0;
  gst_query_parse_latency (query, &live, &min, &max);
  gst_query_unref (query);
  scene.note (std::string {ok ? "answered" : "not answered"} + (live ? ", live" : ", not live") +
      ", at least " + std::to_string (min) +
      (GST_CLOCK_TIME_IS_VALID (max) ? std::string {", at most "} + std::to_string (max)
                                     : ", no maximum"));
}

/// All that fills a chunk is out when it returns.
void play_drain (Scene &scene)
{
  Feeder &track = scene.track ();
  scene.bed.play ();
  track.begin ();
  track.run ([&] (Feeder &self) {
    scene.push (self, {0, 4 * kChunkFrames + 100});
    GstQuery *query = gst_query_new_drain ();
    scene.note (gst_pad_peer_query (self.src, query) ? "drained" : "not drained");
    gst_query_unref (query);
    scene.note (std::to_string (scene.bed.sink.chunk_count ()) + " chunks");
    scene.push (self, {4 * kChunkFrames + 100, kChunkFrames});
    self.end ();
  });
  scene.finish ();
}

// --- signals

struct Told {
  std::mutex mutex;
  Lines selected, consumed;

  static void note_selected (GstElement *, GstSegment *segment, guint64 pts, guint64 dts,
      guint64 duration, GstStructure *info, gpointer data) noexcept
  {
    auto &self = *static_cast<Told *> (data);
    gchar *text = gst_structure_to_string (info);
    const std::string line = std::string {"selected at "} + std::to_string (segment->position) +
        " " + std::to_string (pts) + " " + std::to_string (dts) + " for " +
        std::to_string (duration) + " " + text;
    g_free (text);
    const std::lock_guard lock {self.mutex};
    self.selected.push_back (line);
  }
  static void note_consumed (GstPad *pad, GstBuffer *buffer, gpointer data) noexcept
  {
    auto &self = *static_cast<Told *> (data);
    const std::lock_guard lock {self.mutex};
    self.consumed.push_back (std::string {"consumed by "} + GST_PAD_NAME (pad) + ": " +
        std::to_string (GST_BUFFER_PTS (buffer)) + ", " +
        std::to_string (gst_buffer_get_size (buffer)) + " bytes");
  }
};

void play_signals (Scene &scene)
{
  Told told;
  Feeder *tracks[] {&scene.track (), &scene.track ()};
  g_signal_connect (scene.bed.element, "samples-selected", G_CALLBACK (Told::note_selected), &told);
  g_object_set (scene.bed.element, "emit-signals", TRUE, nullptr);
  for (Feeder *track : tracks) {
    g_signal_connect (track->sink, "buffer-consumed", G_CALLBACK (Told::note_consumed), &told);
    g_object_set (track->sink, "emit-signals", TRUE, nullptr);
  }
  scene.bed.play ();
  // Whole chunks: audiomixer tells of one that is not complete again and again.
  for (Feeder *track : tracks)
    scene.feed (*track, {{0, 960}, {960, 960}, {1920, 960}, {2880, 1920}});
  scene.finish ();
  scene.bed.stop ();
  Lines &selected = told.selected;
  if (scene.differs ("samples-selected comes once for each chunk")) {
    selected.erase (std::unique (selected.begin (), selected.end ()), selected.end ());
    if (selected.size () > 10) // and one for a chunk that never comes
      selected.resize (10);
  }
  std::sort (told.consumed.begin (), told.consumed.end ()); // those of one chunk have no order
  scene.notes = selected;
  scene.notes.insert (scene.notes.end (), told.consumed.begin (), told.consumed.end ());
}

// --- events

GstTagList *tags_of (const char *title)
{
  return gst_tag_list_new (GST_TAG_TITLE, title, nullptr);
}

/// What says of a track what it is, before its audio and between it.
void play_events_of_a_stream (Scene &scene)
{
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  const auto tell = [] (Feeder &track, const char *id) {
    GstEvent *start = gst_event_new_stream_start (id);
    gst_event_set_group_id (start, 4711);
    GstStream *stream = gst_stream_new (id, nullptr, GST_STREAM_TYPE_AUDIO, GST_STREAM_FLAG_SELECT);
    gst_event_set_stream (start, stream);
    gst_pad_push_event (track.src, start);
    GstStreamCollection *collection = gst_stream_collection_new (id);
    gst_stream_collection_add_stream (collection, stream);
    gst_pad_push_event (track.src, gst_event_new_stream_collection (collection));
    gst_object_unref (collection);
  };
  const auto tell_more = [] (Feeder &track) {
    gst_pad_push_event (track.src, gst_event_new_tag (tags_of ("a title")));
    GstToc *toc = gst_toc_new (GST_TOC_SCOPE_GLOBAL);
    gst_pad_push_event (track.src, gst_event_new_toc (toc, FALSE));
    gst_toc_unref (toc);
    gst_pad_push_event (track.src, gst_event_new_stream_group_done (4711));
  };
  scene.bed.play ();
  for (Feeder *track : {&a, &b}) {
    tell (*track, track == &a ? "one" : "two");
    track->begin_caps ();
    track->begin_segment ();
    tell_more (*track);
    scene.push (*track, {0, 4 * kChunkFrames});
  }
  scene.wait_for_chunks (4);
  tell (b, "three"); // without an end before it
  b.begin_caps ();
  b.begin_segment ();
  tell_more (b);
  for (Feeder *track : {&a, &b}) {
    scene.push (*track, {4 * kChunkFrames, 999});
    tell_more (*track);
    track->end ();
  }
  scene.finish ();
  if (scene.differs ("TOC, STREAM_COLLECTION and STREAM_GROUP_DONE of a track are not the mix's"))
    scene.edit ([] (Lines &lines) {
      std::erase_if (lines, [] (const auto &line) {
        return line.starts_with ("toc") || line.starts_with ("stream-collection") ||
            line.starts_with ("stream-group-done");
      });
    });
}

/// In their place among the chunks.
void play_events (Scene &scene)
{
  Feeder &track = scene.track ();
  scene.bed.play ();
  scene.begin_with_chunks (track, 4);
  scene.wait_for_chunks (4);
  gst_pad_push_event (
      track.src, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "title", nullptr)));
  for (const GstEventType type : {GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY})
    gst_pad_push_event (
        track.src, gst_event_new_custom (type, gst_structure_new_empty ("an-event")));
  scene.push (track, {4 * kChunkFrames, 2 * kChunkFrames});
  scene.wait_for_chunks (6);
  gst_pad_push_event (track.src,
      gst_event_new_custom (
          GST_EVENT_CUSTOM_DOWNSTREAM_OOB, gst_structure_new_empty ("out-of-band")));
  scene.push (track, {6 * kChunkFrames, 999});
  track.end ();
  scene.finish ();
}

// --- by the clock

constexpr GstClockTime kUpstream = 20 * GST_MSECOND;

/// Two live tracks.
std::vector<Feeder *> live_tracks (Scene &scene)
{
  std::vector<Feeder *> tracks {&scene.track (), &scene.track ()};
  for (Feeder *track : tracks) {
    LiveBed::set_latency (*track, kUpstream);
    g_object_set (track->sink, "qos-messages", TRUE, nullptr);
  }
  scene.bed.play ();
  return tracks;
}

GstClockTime deadline_of (std::size_t chunk)
{
  return (chunk + 1) * LiveBed::kChunk + kUpstream;
}

void push_chunk (Scene &scene, Feeder &track, std::size_t chunk)
{
  scene.push (track, {static_cast<std::int64_t> (chunk) * kChunkFrames, kChunkFrames});
}

/// One track misses two deadlines; what it brings of them afterwards is late.
template <bool discont>
void play_a_late_track (Scene &scene)
{
  const auto tracks = live_tracks (scene);
  for (Feeder *track : tracks) {
    track->begin ();
    push_chunk (scene, *track, 0);
  }
  scene.wait_for_chunks (1);
  for (std::size_t n = 1; n < 3; ++n) {
    push_chunk (scene, *tracks[0], n);
    scene.check_chunk_at (n, deadline_of (n));
  }
  scene.push (*tracks[1],
      {kChunkFrames, 2 * kChunkFrames + 240, discont ? guint {GST_BUFFER_FLAG_DISCONT} : 0});
  scene.push (*tracks[1], {3 * kChunkFrames + 240, 240});
  for (const std::size_t n : {3, 4}) // audiomixer needs more than it mixes
    push_chunk (scene, *tracks[0], n);
  scene.wait_for_chunks (4);
  tracks[1]->end ();
  tracks[0]->end ();
  scene.finish ();
}

void play_a_dead_track (Scene &scene)
{
  const auto tracks = live_tracks (scene);
  tracks[0]->begin ();
  for (std::size_t n = 0; n < 3; ++n) {
    push_chunk (scene, *tracks[0], n);
    scene.check_chunk_at (n, deadline_of (n));
  }
  for (Feeder *track : tracks)
    track->end ();
  scene.finish ();
}

void play_silence_before_caps (Scene &scene)
{
  scene.bed.sink.accepts = caps_of ({44100, 2});
  (void)live_tracks (scene);
  for (std::size_t n = 0; n < 3; ++n)
    scene.check_chunk_at (n, deadline_of (n));
}

void play_forced (Scene &scene)
{
  scene.bed.sink.accepts = caps_of ({44100, 2});
  scene.bed.play ();
  for (std::size_t n = 0; n < 3; ++n)
    scene.check_chunk_at (n, (n + 1) * LiveBed::kChunk);
}

void play_an_inactive_track (Scene &scene)
{
  g_object_set (scene.bed.element, "ignore-inactive-pads", TRUE, nullptr);
  const auto tracks = live_tracks (scene);
  tracks[0]->begin ();
  push_chunk (scene, *tracks[0], 0);
  scene.check_chunk_at (0, deadline_of (0));
  for (std::size_t n = 1; n < 4; ++n) {
    push_chunk (scene, *tracks[0], n);
    scene.wait_for_chunks (n + 1); // the clock stands still
  }
  tracks[1]->begin ();
  push_chunk (scene, *tracks[1], 4);
  push_chunk (scene, *tracks[0], 4);
  scene.wait_for_chunks (5);
  push_chunk (scene, *tracks[0], 5);
  scene.check_chunk_at (5, deadline_of (5)); // waited for from now on
  for (Feeder *track : tracks)
    track->end ();
  scene.finish ();
}

const Comparison comparisons[] {
    {"position: after each chunk", play_position},
    {"position: in every state", play_position_in_every_state},
    {"duration: the second is longer", play_duration<0>},
    {"duration: the first is longer", play_duration<1>},
    {"duration: the second is unknown", play_duration<2>},
    {"duration: the first is unknown", play_duration<3>},
    {"duration: the first does not answer", play_duration<4>},
    {"duration: the second does not answer", play_duration<5>},
    {"duration: nothing", play_duration<6>},
    {"latency: none", play_latency<0>},
    {"latency: not live", play_latency<1>},
    {"latency: live", play_latency<2>},
    {"latency: one is live", play_latency<3>},
    {"latency: more of our own", play_latency<4>},
    {"latency: at least", play_latency<5>},
    {"latency: at least, and not live", play_latency<6>},
    {"drain", play_drain},
    {"signals", play_signals},
    {"events", play_events},
    {"events: of a stream", play_events_of_a_stream},
    {"live: a late track", play_a_late_track<false>},
    {"live: a late track, DISCONT", play_a_late_track<true>},
    {"live: a dead track", play_a_dead_track},
    {"live: no caps", play_silence_before_caps},
    {"live: an inactive track", play_an_inactive_track},
    {"force-live: no tracks", play_forced, true},
};

} // namespace

GST_START_TEST (test_compare)
{
  compare (comparisons[__i__]);
}
GST_END_TEST;

static Suite *trackmixer_comparison_talk_suite ()
{
  Suite *suite = suite_create ("trackmixer-comparison-talk");
  TCase *both = tcase_create ("both");
  tcase_add_loop_test (both, test_compare, 0, static_cast<int> (std::size (comparisons)));
  suite_add_tcase (suite, both);
  return suite;
}

GST_CHECK_MAIN (trackmixer_comparison_talk)
