// SPDX-License-Identifier: LGPL-2.1-or-later
// Pads of trackmixer that come and go while it plays, outlive it, or have names that a user gave.
#include "steadymix.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;

// --- pads without a mixer

gboolean send (GstPad *pad, GstEvent *event)
{
  return gst_pad_send_event (pad, event);
}

/// Everything that can be done to a pad. None of it may work or crash.
void use_in_vain (GstPad *pad)
{
  const Samples sound = noise (2 * 100, 1);
  fail_unless_equals_int (
      gst_pad_chain (pad, buffer_of (encode (sound, GST_AUDIO_FORMAT_F32), 0)), GST_FLOW_FLUSHING);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  GstCaps *caps = caps_of ({});
  send (pad, gst_event_new_stream_start ("late"));
  send (pad, gst_event_new_caps (caps));
  send (pad, gst_event_new_segment (&segment));
  send (pad, gst_event_new_gap (0, GST_SECOND));
  send (pad, gst_event_new_flush_start ());
  send (pad, gst_event_new_flush_stop (TRUE));
  send (pad, gst_event_new_eos ());
  for (GstQuery *query :
      {gst_query_new_caps (nullptr), gst_query_new_accept_caps (caps), gst_query_new_drain (),
          gst_query_new_allocation (caps, TRUE), gst_query_new_latency ()}) {
    gst_pad_query (pad, query);
    gst_query_unref (query);
  }
  gst_caps_unref (caps);
  g_object_set (pad, "volume", 0.5, "mute", TRUE, nullptr);
  guint64 level = 1;
  g_object_get (pad, "current-level-time", &level, nullptr);
  fail_unless_equals_uint64 (level, 0);
  fail_unless_equals_uint64 (count_in_stats (pad, "queued-frames"), 0);
}

} // namespace

GST_START_TEST (test_pads_come_and_go_without_a_trace_on_the_others)
{
  SteadyMix mix;
  std::mt19937 random {static_cast<unsigned> (__i__)};
  for (int n = 0; n < (kSanitized ? 60 : 200); ++n)
    come_and_go (mix, random);
  fail_unless (mix.heard > 0); // they were in the mix
  mix.end ();
}
GST_END_TEST;

GST_START_TEST (test_control_from_anywhere_does_not_show)
{
  // Two threads with pads that come and go (a cap of less bytes would rightly be met), one that
  // changes settings, one that pauses and asks.
  SteadyMix mix;
  std::atomic<bool> stop {false};
  std::vector<std::thread> threads;
  for (unsigned seed : {1U, 2U})
    threads.emplace_back ([&mix, seed] {
      std::mt19937 random {seed};
      for (int n = 0; n < (kSanitized ? 20 : 60); ++n)
        come_and_go (mix, random);
    });
  threads.emplace_back ([&] {
    for (guint64 n = 0; !stop; ++n) {
      g_object_set (mix.bed.element, "max-size-time", (50 + n % 100) * GST_MSECOND,
          "max-total-bytes", guint64 {1} << (26 + n % 5), "alignment-threshold", n % GST_SECOND,
          nullptr);
      gst_structure_free (stats_of (mix.bed.element));
      std::this_thread::yield ();
    }
  });
  threads.emplace_back ([&] {
    while (!stop) {
      gst_element_set_state (mix.bed.element, GST_STATE_PAUSED);
      mix.position ();
      gst_element_set_state (mix.bed.element, GST_STATE_PLAYING);
      std::this_thread::yield ();
    }
  });
  threads[0].join ();
  threads[1].join ();
  stop = true;
  threads[2].join ();
  threads[3].join ();
  mix.end ();
}
GST_END_TEST;

GST_START_TEST (test_a_pad_released_while_it_is_mixed)
{
  live_buffers = 0;
  {
    MixerBed bed {kChunk};
    Feeder steady {bed, {kRate, 1}};
    Feeder leaver {bed, {kRate, 1}};
    const Samples base = noise (10 * 480, 1);
    const Samples leaving = noise (5 * 480 + 17, 2);
    bed.sink.close ();
    bed.play ();
    steady.begin ();
    leaver.begin ();
    leaver.push (leaving, 0); // one buffer, of which the mix holds a part from now on
    steady.push_all (base, 1);
    steady.end ();
    bed.sink.let_through (1);
    // The second chunk waits in the sink.
    fail_unless (eventually ([&] { return count_in_stats (bed.element, "frames-out") == 960; }));
    gst_element_release_request_pad (bed.element, leaver.sink);
    fail_if (gst_pad_is_linked (leaver.src));
    gst_clear_object (&leaver.sink);
    bed.sink.open ();
    fail_unless (bed.sink.wait_for_eos ());
    Samples sum = base;
    add_to (sum, std::span {leaving}.first (960));
    check_equal (bed.sink.samples (), sum);
    fail_unless_equals_int (live_buffers, 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_released_pad_that_is_kept_holds_nothing)
{
  MixerBed bed {kChunk};
  Feeder silent {bed, {kRate, 1}};
  Feeder leaver {bed, {kRate, 1}};
  bed.play ();
  silent.begin ();
  leaver.begin ();
  leaver.push (noise (4800, 1), 0);
  fail_unless_equals_uint64 (count_in_stats (bed.element, "queued-bytes"), 4 * 4800);
  gst_element_release_request_pad (bed.element, leaver.sink);
  fail_unless_equals_uint64 (count_in_stats (bed.element, "queued-bytes"), 0);
  fail_unless_equals_uint64 (leaver.count ("dropped-frames"), 4800);
}
GST_END_TEST;

GST_START_TEST (test_a_pad_outlives_its_element)
{
  GstPad *pad = nullptr;
  live_buffers = 0;
  {
    MixerBed bed {kChunk};
    pad = gst_element_request_pad_simple (bed.element, "sink_%u");
    bed.play ();
  }
  use_in_vain (pad);
  gst_pad_set_active (pad, TRUE);
  use_in_vain (pad);
  GstPad *peer = gst_pad_new ("peer", GST_PAD_SRC);
  gst_pad_link (peer, pad);
  gst_pad_unlink (peer, pad);
  gst_object_unref (peer);
  gst_pad_set_active (pad, FALSE);
  ASSERT_OBJECT_REFCOUNT (pad, "pad", 1);
  gst_object_unref (pad);
  fail_unless_equals_int (live_buffers, 0);
}
GST_END_TEST;

GST_START_TEST (test_a_pad_outlives_its_release)
{
  live_buffers = 0;
  MixerBed bed {kChunk};
  Feeder steady {bed, {kRate, 1}};
  GstPad *pad = gst_element_request_pad_simple (bed.element, "sink_%u");
  const Samples base = noise (4800, 1);
  bed.play ();
  gst_element_release_request_pad (bed.element, pad);
  fail_if (gst_pad_is_active (pad));
  use_in_vain (pad);
  gst_pad_set_active (pad, TRUE);
  use_in_vain (pad);
  gst_pad_set_active (pad, FALSE);
  ASSERT_OBJECT_REFCOUNT (pad, "pad", 1);
  gst_object_unref (pad);
  steady.begin ();
  steady.push_all (base, 1);
  steady.end ();
  fail_unless (bed.sink.wait_for_eos (), "the mix waits for a pad that has gone");
  check_equal (bed.sink.samples (), base);
  fail_unless_equals_int (live_buffers, 0);
}
GST_END_TEST;

// --- names

GST_START_TEST (test_a_number_of_the_users_choice)
{
  MixerBed bed {kChunk};
  Feeders feeders;
  feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}, "sink_7"));
  fail_unless_equals_string (GST_PAD_NAME (feeders[0]->sink), "sink_7");
  feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
  fail_unless_equals_string (GST_PAD_NAME (feeders[1]->sink), "sink_8");
  feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}, "sink_0"));
  fail_unless_equals_string (GST_PAD_NAME (feeders[2]->sink), "sink_0");
  std::vector<Samples> tracks;
  Samples sum;
  for (unsigned n = 0; n < 3; ++n) {
    tracks.push_back (noise (5000 + n, n));
    add_to (sum, tracks.back ());
  }
  feed_to_end (bed, feeders, tracks, 1);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_names_that_no_track_can_have)
{
  MixerBed bed {kChunk};
  GstPad *first = gst_element_request_pad_simple (bed.element, "sink_3");
  for (const char *name : {"sink_", "sink_x", "sink_1x", "sink_-1", "sink_007", "sink_4294967295",
           "sink_99999999999", "sink", "src", "other_1"})
    fail_unless (gst_element_request_pad_simple (bed.element, name) == nullptr, "%s", name);
  // GStreamer itself warns here.
  const GLogLevelFlags fatal =
      g_log_set_always_fatal (static_cast<GLogLevelFlags> (G_LOG_FATAL_MASK));
  GstPad *again = nullptr;
  ASSERT_CRITICAL (again = gst_element_request_pad_simple (bed.element, "sink_3"));
  g_log_set_always_fatal (fatal);
  fail_unless (again == nullptr);
  fail_unless_equals_int (bed.element->numsinkpads, 1);
  // A name is free again with its pad.
  gst_element_release_request_pad (bed.element, first);
  gst_object_unref (first);
  first = gst_element_request_pad_simple (bed.element, "sink_3");
  fail_unless (first != nullptr);
  gst_object_unref (first);
}
GST_END_TEST;

/// GStreamer calls it a mistake of the caller. (audiomixer returns a pad that has been freed.)
GST_START_TEST (test_a_name_that_is_taken)
{
  MixerBed bed {kChunk};
  Feeder track {bed, {kRate, 1}, "sink_7"};
  const auto fatal = g_log_set_always_fatal (static_cast<GLogLevelFlags> (G_LOG_FATAL_MASK));
  for (const bool playing : {false, true}) {
    if (playing)
      bed.play ();
    GstPad *again = nullptr;
    ASSERT_CRITICAL (again = gst_element_request_pad_simple (bed.element, "sink_7"));
    fail_unless (again == nullptr);
    fail_unless_equals_int (bed.element->numsinkpads, 1);
  }
  g_log_set_always_fatal (fatal);
  const Samples audio = noise (5000, 1);
  track.begin ();
  fail_unless_equals_int (track.push (audio, 0), GST_FLOW_OK);
  track.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), audio);
}
GST_END_TEST;

GST_START_TEST (test_numbers_start_again_behind_the_last_one)
{
  MixerBed bed {kChunk};
  const char *const names[][2] {{"sink_0", "sink_0"}, {"sink_4294967294", "sink_4294967294"},
      {"sink_%u", "sink_1"}, {"sink_%u", "sink_2"}};
  for (const auto &[asked, got] : names) {
    GstPad *pad = gst_element_request_pad_simple (bed.element, asked);
    fail_unless (pad != nullptr, "no %s", asked);
    fail_unless_equals_string (GST_PAD_NAME (pad), got);
    gst_object_unref (pad);
  }
}
GST_END_TEST;

GST_START_TEST (test_512_tracks)
{
  MixerBed bed {kChunk};
  Feeders feeders;
  Samples sum;
  bed.play ();
  for (int n = 0; n < 512; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
  for (auto &feeder : feeders)
    feeder->begin ();
  unsigned seed = 0;
  for (auto &feeder : feeders) { // from one thread
    const Samples track = noise (1000 + seed % 7, seed);
    ++seed;
    add_to (sum, track);
    fail_unless_equals_int (feeder->push (track, 0), GST_FLOW_OK);
    feeder->end ();
  }
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), sum);
  fail_unless_equals_int (gst_child_proxy_get_children_count (GST_CHILD_PROXY (bed.element)), 512);
}
GST_END_TEST;

GST_START_TEST (test_a_pad_asked_for_after_the_end)
{
  MixerBed bed {kChunk};
  const Samples track = noise (5000, 1);
  Feeder early {bed, {kRate, 1}};
  bed.play ();
  early.begin ();
  early.push_all (track, 1);
  early.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Feeder late {bed, {kRate, 1}};
  fail_unless (gst_pad_is_active (late.sink));
  // Nothing can follow the end of a stream: the feeder hears of it and does not hang.
  std::atomic<GstFlowReturn> flow {GST_FLOW_OK};
  late.run ([&] (Feeder &self) {
    self.begin ();
    for (std::int64_t at = 0; flow == GST_FLOW_OK; at += 5000)
      flow = self.push (track, at);
  });
  fail_unless (late.finishes (), "the feeder of a pad that came after the end hangs");
  fail_unless_equals_int (flow, GST_FLOW_EOS);
  check_equal (bed.sink.samples (), track);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_EOS), 1);
  // A flush begins anew, with both.
  const guint32 seqnum = gst_util_seqnum_next ();
  for (GstEvent *event : {gst_event_new_flush_start (), gst_event_new_flush_stop (TRUE)}) {
    gst_event_set_seqnum (event, seqnum);
    for (auto *feeder : {&early, &late})
      gst_pad_push_event (feeder->src, gst_event_ref (event));
    gst_event_unref (event);
  }
  for (auto *feeder : {&early, &late}) {
    feeder->begin_segment ();
    fail_unless_equals_int (feeder->push (track, 0), GST_FLOW_OK);
    feeder->end ();
  }
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = track;
  add_to (sum, track);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

/// A track that comes while a seek is on its way to the others knows nothing of it.
GST_START_TEST (test_a_pad_asked_for_during_a_seek)
{
  MixerBed bed;
  Feeder a {bed};
  std::unique_ptr<Feeder> guest;
  a.upstream_event = [&] (GstEvent *seek) {
    for (GstEvent *flush : {gst_event_new_flush_start (), gst_event_new_flush_stop (TRUE)}) {
      gst_event_set_seqnum (flush, gst_event_get_seqnum (seek));
      gst_pad_push_event (a.src, flush);
      if (!guest)
        guest = std::make_unique<Feeder> (bed);
    }
    return true;
  };
  bed.play ();
  a.begin ();
  fail_unless (gst_pad_push_event (bed.sink.pad (),
      gst_event_new_seek (
          1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_SET, -1)));
  fail_unless_equals_int (static_cast<int> (bed.sink.count_of (GST_EVENT_FLUSH_START)), 1);
  fail_unless_equals_int (static_cast<int> (bed.sink.count_of (GST_EVENT_FLUSH_STOP)), 1);
  Samples sum;
  a.begin_segment ();
  guest->begin ();
  unsigned seed = 0;
  for (Feeder *feeder : {&a, guest.get ()}) {
    const Samples track = noise (std::size_t {2} * 1000, ++seed);
    fail_unless_equals_int (feeder->push (track, 0), GST_FLOW_OK);
    add_to (sum, track);
    feeder->end ();
  }
  fail_unless (bed.sink.wait_for_eos (), "waits for the flush of a track that was not sought");
  check_equal (bed.sink.samples (), sum);
  bed.stop ();
}
GST_END_TEST;

GST_START_TEST (test_children_by_name)
{
  MixerBed bed {kChunk};
  auto *proxy = GST_CHILD_PROXY (bed.element);
  std::vector<std::string> log;
  const auto note = [] (GstChildProxy *, GObject *, gchar *name, gpointer to) noexcept {
    static_cast<std::vector<std::string> *> (to)->emplace_back (name);
  };
  using Callback = void (*) (GstChildProxy *, GObject *, gchar *, gpointer) noexcept;
  const gulong added =
      g_signal_connect (proxy, "child-added", G_CALLBACK (static_cast<Callback> (note)), &log);
  const gulong removed =
      g_signal_connect (proxy, "child-removed", G_CALLBACK (static_cast<Callback> (note)), &log);
  GstPad *zero = gst_element_request_pad_simple (bed.element, "sink_%u");
  GstPad *seven = gst_element_request_pad_simple (bed.element, "sink_7");
  fail_unless_equals_int (gst_child_proxy_get_children_count (proxy), 2);
  gst_child_proxy_set (
      proxy, "sink_0::volume", 0.5, "sink_7::mute", TRUE, "sink_7::volume", 2.0, nullptr);
  gdouble volumes[2] {};
  gboolean mutes[2] {};
  gst_child_proxy_get (proxy, "sink_0::volume", &volumes[0], "sink_7::volume", &volumes[1],
      "sink_0::mute", &mutes[0], "sink_7::mute", &mutes[1], nullptr);
  fail_unless (volumes[0] == 0.5 && volumes[1] == 2.0);
  fail_unless (!mutes[0] && mutes[1]);
  GObject *child = gst_child_proxy_get_child_by_name (proxy, "sink_7");
  fail_unless (child == G_OBJECT (seven));
  g_object_unref (child);
  fail_unless (gst_child_proxy_get_child_by_name (proxy, "sink_1") == nullptr);
  fail_unless (gst_child_proxy_get_child_by_index (proxy, 2) == nullptr);
  gst_element_release_request_pad (bed.element, seven);
  fail_unless_equals_int (gst_child_proxy_get_children_count (proxy), 1);
  child = gst_child_proxy_get_child_by_index (proxy, 0);
  fail_unless (child == G_OBJECT (zero));
  g_object_unref (child);
  fail_unless (log == std::vector<std::string> ({"sink_0", "sink_7", "sink_7"}));
  g_signal_handler_disconnect (proxy, added);
  g_signal_handler_disconnect (proxy, removed);
  gst_object_unref (zero);
  gst_object_unref (seven);
}
GST_END_TEST;

static Suite *trackmixer_pads_suite ()
{
  Suite *suite = suite_create ("trackmixer-pads");
  TCase *playing = tcase_create ("while playing");
  tcase_add_loop_test (playing, test_pads_come_and_go_without_a_trace_on_the_others, 0, 2);
  tcase_add_test (playing, test_control_from_anywhere_does_not_show);
  tcase_add_test (playing, test_a_pad_released_while_it_is_mixed);
  tcase_add_test (playing, test_a_released_pad_that_is_kept_holds_nothing);
  tcase_add_test (playing, test_a_pad_asked_for_after_the_end);
  tcase_add_test (playing, test_a_pad_asked_for_during_a_seek);
  suite_add_tcase (suite, playing);
  TCase *alone = tcase_create ("without a mixer");
  tcase_add_test (alone, test_a_pad_outlives_its_element);
  tcase_add_test (alone, test_a_pad_outlives_its_release);
  suite_add_tcase (suite, alone);
  TCase *names = tcase_create ("names");
  tcase_add_test (names, test_a_number_of_the_users_choice);
  tcase_add_test (names, test_names_that_no_track_can_have);
  tcase_add_test (names, test_a_name_that_is_taken);
  tcase_add_test (names, test_numbers_start_again_behind_the_last_one);
  tcase_add_test (names, test_512_tracks);
  tcase_add_test (names, test_children_by_name);
  suite_add_tcase (suite, names);
  return suite;
}

GST_CHECK_MAIN (trackmixer_pads)
