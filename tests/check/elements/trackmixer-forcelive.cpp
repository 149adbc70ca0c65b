// SPDX-License-Identifier: LGPL-2.1-or-later
// force-live and ignore-inactive-pads, by a test clock and side by side with audiomixer: what goes
// out when nothing, or not everything, comes in.
#include "livebed.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = LiveBed::kChunk;
constexpr GstClockTime kUpstream = LiveMix::kUpstream;
constexpr std::size_t kFrames = LiveBed::kFrames;

bool is_ours (int mixer)
{
  return kBoth[mixer] == std::string {"trackmixer"};
}

void check_silence (LiveBed &mix, std::size_t chunks, int rate_hz)
{
  const std::lock_guard lock {mix.bed.sink.mutex};
  fail_unless_equals_int (mix.bed.sink.info.rate, rate_hz);
  fail_unless_equals_int (mix.bed.sink.info.channels, 2);
  fail_unless_equals_int (
      static_cast<int> (mix.bed.sink.chunks.size ()), static_cast<int> (chunks));
  for (std::size_t n = 0; n < chunks; ++n) {
    const Chunk &chunk = mix.bed.sink.chunks[n];
    fail_unless_equals_uint64 (chunk.pts, n * kChunk);
    fail_unless_equals_uint64 (chunk.duration, kChunk);
    fail_unless_equals_uint64 (chunk.offset, n * static_cast<guint64> (rate_hz) / 100);
    fail_unless ((chunk.flags & GST_BUFFER_FLAG_GAP) != 0);
  }
  for (const auto byte : mix.bed.sink.bytes)
    CHECK_SAMPLE (byte == 0, "this is no silence");
}

void check_latency (GstElement *element, bool wanted_live, GstClockTime wanted_min)
{
  GstPad *src = gst_element_get_static_pad (element, "src");
  GstQuery *query = gst_query_new_latency ();
  fail_unless (gst_pad_query (src, query));
  gboolean live = FALSE;
  GstClockTime min = 0;
  gst_query_parse_latency (query, &live, &min, nullptr);
  gst_query_unref (query);
  gst_object_unref (src);
  fail_unless_equals_int (live, wanted_live);
  fail_unless_equals_uint64 (min, wanted_min);
}

/// The first chunk goes out at its deadline, with `a` alone.
void play_with_one_inactive (LiveMix &mix)
{
  g_object_set (mix.bed.element, "ignore-inactive-pads", TRUE, nullptr);
  mix.bed.play ();
  mix.a.begin ();
  mix.push (mix.a, 0, 0.25f);
  mix.check_chunk_at (0, kChunk + kUpstream);
}

} // namespace

// --- force-live

GST_START_TEST (test_silence_by_the_clock_without_any_pad)
{
  for (const GstClockTime extra : std::initializer_list<GstClockTime> {0, 1, 3 * GST_MSECOND}) {
    LiveBed mix {kBoth[__i__], true};
    g_object_set (mix.bed.element, "latency", extra, nullptr);
    mix.bed.play ();
    for (std::size_t n = 0; n < 4; ++n)
      mix.check_chunk_at (n, (n + 1) * kChunk + extra);
    check_silence (mix, 4, 44100);
    if (is_ours (__i__)) { // audiomixer 1.22 says that it is not live
      check_latency (mix.bed.element, true, kChunk + extra);
      fail_unless_equals_uint64 (count_in_stats (mix.bed.element, "deadline-misses"), 0);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_silence_before_any_track_has_caps)
{
  // Also without force-live, where a track is live: a source that is dead from the start.
  const bool force_live = __i__ % 2 == 1;
  LiveMix mix {kUpstream, kBoth[__i__ / 2], force_live};
  if (force_live)
    for (Feeder *feeder : {&mix.a, &mix.b})
      LiveBed::set_latency (*feeder, 0, false);
  mix.bed.play ();
  for (std::size_t n = 0; n < 3; ++n)
    mix.check_chunk_at (n, (n + 1) * kChunk + (force_live ? 0 : kUpstream));
  check_silence (mix, 3, 44100);
}
GST_END_TEST;

GST_START_TEST (test_the_rate_of_silence_is_what_downstream_takes)
{
  LiveBed mix {kBoth[__i__], true};
  mix.bed.sink.accepts = gst_caps_from_string ("audio/x-raw, rate=(int){ 8000, 48000, 96000 }");
  mix.bed.play ();
  mix.check_chunk_at (0, kChunk);
  check_silence (mix, 1, 48000);
}
GST_END_TEST;

GST_START_TEST (test_tracks_that_are_not_live_are_heard_by_the_clock)
{
  LiveMix mix {0, "trackmixer", true}; // audiomixer 1.22 goes back to 0 at the first audio
  for (Feeder *feeder : {&mix.a, &mix.b})
    LiveBed::set_latency (*feeder, 0, false);
  mix.bed.play ();
  mix.a.begin ();
  mix.b.begin ();
  mix.check_chunk_at (0, kChunk); // nothing has come
  mix.push (mix.a, 1, 0.25f);
  mix.check_chunk_at (1, 2 * kChunk); // one track
  mix.push (mix.a, 2, 0.25f);
  mix.push (mix.b, 2, 0.5f); // both: at once
  fail_unless (mix.bed.sink.wait_for_chunks (3));
  fail_unless (mix.heard (0) == 0.0f);
  fail_unless (mix.heard (1) == 0.25f);
  fail_unless (mix.heard (2) == 0.75f);
}
GST_END_TEST;

GST_START_TEST (test_with_force_live_the_mix_never_ends)
{
  // audiomixer does not end either, and pushes silence as fast as it is taken.
  LiveMix mix {kUpstream, "trackmixer", true};
  mix.bed.play ();
  for (Feeder *feeder : {&mix.a, &mix.b}) {
    feeder->begin ();
    mix.push (*feeder, 0, 0.25f);
    feeder->push (Samples (2 * kFrames / 2, 0.25f), kFrames); // half a chunk
    feeder->end ();
  }
  fail_unless (mix.bed.sink.wait_for_chunks (2)); // at once, and the second one whole
  for (std::size_t n = 2; n < 5; ++n)
    mix.check_chunk_at (n, (n + 1) * kChunk + kUpstream);
  check_chunks (mix.bed.sink, kChunk);
  const Samples out = mix.bed.sink.samples ();
  fail_unless_equals_int (out.size (), 5 * 2 * kFrames);
  fail_unless (out[2 * kFrames + kFrames - 1] == 0.5f && out[2 * kFrames + kFrames] == 0.0f);
  // A track that begins anew, one that comes while it runs, and none at all.
  mix.a.begin ();
  mix.push (mix.a, 5, 0.125f);
  fail_unless (mix.bed.sink.wait_for_chunks (6));
  fail_unless (mix.heard (5) == 0.25f / 2);
  Feeder late {mix.bed};
  late.begin ();
  mix.push (late, 6, 0.5f);
  mix.check_chunk_at (6, 7 * kChunk + kUpstream); // as `a` has nothing
  fail_unless (mix.heard (6) == 0.5f);
  gst_element_release_request_pad (mix.bed.element, late.sink);
  mix.a.end ();
  mix.check_chunk_at (7, 8 * kChunk + kUpstream);
  fail_unless (mix.heard (7) == 0.0f);
  fail_unless_equals_int (static_cast<int> (mix.bed.sink.count_of (GST_EVENT_EOS)), 0);
  fail_if (
      mix.bed.has_message (static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
}
GST_END_TEST;

/// Also in the middle of a wait for the clock, and without force-live.
GST_START_TEST (test_eos_from_the_application_ends_it)
{
  const bool force_live = __i__ % 2 == 1;
  LiveMix mix {kUpstream, kBoth[__i__ / 2], force_live};
  fail_unless_equals_int (
      GST_OBJECT_FLAG_IS_SET (mix.bed.element, GST_ELEMENT_FLAG_SOURCE), force_live);
  mix.bed.play ();
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->begin ();
  mix.push (mix.a, 0, 0.25f);
  mix.push (mix.b, 0, 0.25f);
  mix.push (mix.a, 1, 0.25f); // the second chunk waits for b and for its deadline
  fail_unless (eventually ([&] { return mix.bed.sink.chunk_count () == 1; }));
  mix.check_deadline (2 * kChunk + kUpstream);
  fail_unless (gst_element_send_event (mix.bed.element, gst_event_new_eos ()));
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless_equals_uint64 (mix.bed.sink.chunk_count (), 1);
}
GST_END_TEST;

GST_START_TEST (test_force_live_needs_no_preroll)
{
  for (const bool force_live : {false, true}) {
    LiveBed mix {kBoth[__i__], force_live};
    const auto wanted = force_live ? GST_STATE_CHANGE_NO_PREROLL : GST_STATE_CHANGE_SUCCESS;
    GstElement *element = mix.bed.element;
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), wanted);
    fail_unless_equals_int (
        gst_element_set_state (element, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), wanted);
    fail_unless_equals_int (
        gst_element_set_state (element, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  }
}
GST_END_TEST;

GST_START_TEST (test_where_silence_begins)
{
  const struct {
    const char *selection;
    GstClockTime start_time;
    GstClockTime begin;
  } starts[] = {{"zero", 0, 0}, {"set", 5 * GST_SECOND, 5 * GST_SECOND},
      {"set", GST_CLOCK_TIME_NONE, 0}, {"now", 0, 3 * GST_SECOND}};
  for (const auto &start : starts) {
    LiveBed mix {"trackmixer", true};
    mix.set_time (3 * GST_SECOND);
    gst_util_set_object_arg (G_OBJECT (mix.bed.element), "start-time-selection", start.selection);
    g_object_set (mix.bed.element, "start-time", start.start_time, nullptr);
    mix.bed.play ();
    if (start.begin == 0) // three seconds late
      fail_unless (mix.bed.sink.wait_for_chunks (300));
    else
      mix.check_chunk_at (0, start.begin + kChunk);
    const std::lock_guard lock {mix.bed.sink.mutex};
    fail_unless_equals_uint64 (mix.bed.sink.chunks[0].pts, start.begin);
  }
}
GST_END_TEST;

GST_START_TEST (test_first_waits_for_audio_also_with_force_live)
{
  LiveMix mix {0, "trackmixer", true};
  gst_util_set_object_arg (G_OBJECT (mix.bed.element), "start-time-selection", "first");
  mix.set_time (GST_SECOND);
  mix.bed.play ();
  fail_unless (settles ());
  fail_unless_equals_int (static_cast<int> (mix.bed.sink.chunk_count ()), 0);
  mix.a.begin ();
  mix.push (mix.a, 200, 0.25f);
  mix.check_chunk_at (0, 201 * kChunk);
  const std::lock_guard lock {mix.bed.sink.mutex};
  fail_unless_equals_uint64 (mix.bed.sink.chunks[0].pts, 200 * kChunk);
}
GST_END_TEST;

// --- ignore-inactive-pads

GST_START_TEST (test_a_track_that_never_brought_anything_is_waited_for_once)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  play_with_one_inactive (mix);
  for (std::size_t n = 1; n < 4; ++n) { // the clock stands still
    mix.push (mix.a, static_cast<std::int64_t> (n), 0.25f);
    fail_unless (mix.bed.sink.wait_for_chunks (n + 1));
    fail_unless (mix.heard (n) == 0.25f);
  }
  // Caps are no data. From its first audio on it is waited for like any other.
  mix.b.begin ();
  mix.push (mix.a, 4, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (5));
  mix.push (mix.b, 5, 0.5f);
  mix.push (mix.a, 5, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (6));
  fail_unless (mix.heard (5) == 0.75f);
  mix.push (mix.a, 6, 0.25f);
  mix.check_chunk_at (6, 7 * kChunk + kUpstream);
  fail_unless (mix.heard (6) == 0.25f);
  if (is_ours (__i__))
    fail_unless_equals_uint64 (count_in_stats (mix.bed.element, "deadline-misses"), 2);
}
GST_END_TEST;

GST_START_TEST (test_a_gap_counts_as_data)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  play_with_one_inactive (mix);
  mix.b.begin ();
  mix.b.gap (kFrames, kFrames / 2);
  mix.push (mix.a, 1, 0.25f);
  mix.check_chunk_at (1, 2 * kChunk + kUpstream);
}
GST_END_TEST;

GST_START_TEST (test_a_flush_makes_a_track_inactive_again)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  g_object_set (mix.bed.element, "ignore-inactive-pads", TRUE, nullptr);
  mix.bed.play ();
  for (Feeder *feeder : {&mix.a, &mix.b}) {
    feeder->begin ();
    mix.push (*feeder, 0, 0.25f);
  }
  fail_unless (mix.bed.sink.wait_for_chunks (1));
  gst_pad_push_event (mix.b.src, gst_event_new_flush_start ());
  gst_pad_push_event (mix.b.src, gst_event_new_flush_stop (TRUE));
  mix.push (mix.a, 1, 0.25f);
  mix.check_chunk_at (1, 2 * kChunk + kUpstream); // waited for once
  mix.push (mix.a, 2, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (3));
}
GST_END_TEST;

GST_START_TEST (test_the_mix_ends_without_inactive_tracks)
{
  LiveMix mix {kUpstream, kBoth[__i__]};
  play_with_one_inactive (mix);
  mix.a.push (Samples (2 * kFrames / 2, 0.25f), kFrames); // half a chunk
  mix.a.end ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless_equals_int (mix.bed.sink.samples ().size (), 3 * kFrames);
}
GST_END_TEST;

GST_START_TEST (test_silence_while_all_tracks_are_inactive)
{
  LiveMix mix; // audiomixer 1.22 ends at the first deadline
  g_object_set (mix.bed.element, "ignore-inactive-pads", TRUE, nullptr);
  mix.bed.play ();
  mix.a.begin ();
  for (std::size_t n = 0; n < 3; ++n)
    mix.check_chunk_at (n, (n + 1) * kChunk + kUpstream);
  check_silence (mix, 3, 48000);
  fail_unless_equals_uint64 (count_in_stats (mix.bed.element, "deadline-misses"), 1);
  mix.push (mix.a, 3, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (4));
  fail_unless (mix.heard (3) == 0.25f);
}
GST_END_TEST;

GST_START_TEST (test_inactive_tracks_are_heeded_again_at_once)
{
  LiveMix mix;
  play_with_one_inactive (mix);
  mix.push (mix.a, 1, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (2));
  g_object_set (mix.bed.element, "ignore-inactive-pads", FALSE, nullptr);
  for (std::size_t n = 2; n < 4; ++n) {
    mix.push (mix.a, static_cast<std::int64_t> (n), 0.25f);
    mix.check_chunk_at (n, (n + 1) * kChunk + kUpstream);
  }
  g_object_set (mix.bed.element, "ignore-inactive-pads", TRUE, nullptr);
  mix.push (mix.a, 4, 0.25f);
  mix.check_chunk_at (4, 5 * kChunk + kUpstream); // once
  mix.push (mix.a, 5, 0.25f);
  fail_unless (mix.bed.sink.wait_for_chunks (6));
}
GST_END_TEST;

GST_START_TEST (test_without_a_live_track_inactive_ones_are_waited_for)
{
  LiveMix mix;
  for (Feeder *feeder : {&mix.a, &mix.b})
    LiveBed::set_latency (*feeder, 0, false);
  g_object_set (mix.bed.element, "ignore-inactive-pads", TRUE, nullptr);
  mix.set_time (GST_SECOND);
  mix.bed.play ();
  mix.a.begin ();
  mix.push (mix.a, 0, 0.25f);
  mix.push (mix.a, 1, 0.25f);
  fail_unless (settles ());
  fail_unless_equals_int (static_cast<int> (mix.bed.sink.chunk_count ()), 0);
  mix.b.begin ();
  mix.push (mix.b, 0, 0.5f);
  fail_unless (mix.bed.sink.wait_for_chunks (1));
  fail_unless (mix.heard (0) == 0.75f);
}
GST_END_TEST;

static Suite *trackmixer_forcelive_suite ()
{
  Suite *suite = suite_create ("trackmixer-forcelive");
  TCase *forced = tcase_create ("force-live");
  tcase_add_loop_test (forced, test_silence_by_the_clock_without_any_pad, 0, kMixers);
  tcase_add_loop_test (forced, test_silence_before_any_track_has_caps, 0, 2 * kMixers);
  tcase_add_loop_test (forced, test_the_rate_of_silence_is_what_downstream_takes, 0, kMixers);
  tcase_add_test (forced, test_tracks_that_are_not_live_are_heard_by_the_clock);
  tcase_add_test (forced, test_with_force_live_the_mix_never_ends);
  tcase_add_loop_test (forced, test_force_live_needs_no_preroll, 0, kMixers);
  tcase_add_loop_test (forced, test_eos_from_the_application_ends_it, 0, 2 * kMixers);
  tcase_add_test (forced, test_where_silence_begins);
  tcase_add_test (forced, test_first_waits_for_audio_also_with_force_live);
  suite_add_tcase (suite, forced);
  TCase *ignored = tcase_create ("ignore-inactive-pads");
  tcase_add_loop_test (
      ignored, test_a_track_that_never_brought_anything_is_waited_for_once, 0, kMixers);
  tcase_add_loop_test (ignored, test_a_gap_counts_as_data, 0, kMixers);
  tcase_add_loop_test (ignored, test_a_flush_makes_a_track_inactive_again, 0, kMixers);
  tcase_add_loop_test (ignored, test_the_mix_ends_without_inactive_tracks, 0, kMixers);
  tcase_add_test (ignored, test_silence_while_all_tracks_are_inactive);
  tcase_add_test (ignored, test_inactive_tracks_are_heeded_again_at_once);
  tcase_add_test (ignored, test_without_a_live_track_inactive_ones_are_waited_for);
  suite_add_tcase (suite, ignored);
  return suite;
}

GST_CHECK_MAIN (trackmixer_forcelive)
