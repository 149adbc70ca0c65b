// SPDX-License-Identifier: LGPL-2.1-or-later
// The queues of trackmixer: who waits, what grows, what happens at the cap, how every wait ends.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr std::size_t kSecond = 48000;
constexpr std::size_t kChunkFrames = 480; // the sink holds one, and the mix may have taken the next

/// A mixer whose first track is full and whose feeder waits, while the sink takes nothing.
struct FullTrack {
  FullTrack () : feeder {bed, Format {48000, 1}}
  {
    bed.sink.close ();
    g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, nullptr);
    bed.play ();
    feeder.run ([this] (Feeder &self) {
      self.begin ();
      flow = self.push_all (audio, 3, 1000);
    });
    fail_unless (eventually (
        [this] { return feeder.count ("queued-frames") >= kSecond / 5 - 2 * kChunkFrames; }));
    fail_unless (settles ()); // until it really waits
    fail_if (feeder.done.load ());
  }
  ~FullTrack () { bed.stop (); } // or the feeder's pad could not be deactivated
  const Samples audio {noise (5 * kSecond, 7)};
  MixerBed bed;
  Feeder feeder;
  std::atomic<GstFlowReturn> flow {GST_FLOW_OK};
};

} // namespace

GST_START_TEST (test_a_full_queue_blocks_only_its_own_feeder)
{
  FullTrack full;
  Feeder other {full.bed, Format {48000, 1}};
  const auto short_audio = noise (kSecond / 20, 8);
  other.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (short_audio, 4, 480);
    self.end ();
  });
  fail_unless (other.finishes (), "a track with room has to wait");
  fail_if (full.feeder.done.load ());
  full.bed.sink.open ();
  fail_unless (full.feeder.finishes ());
  full.feeder.end ();
  fail_unless (full.bed.sink.wait_for_eos ());
  fail_unless_equals_int (full.feeder.pushed_frames.load (), full.audio.size ());
  check_accounts (full.feeder);
}
GST_END_TEST;

GST_START_TEST (test_a_feeder_goes_on_at_half_the_limit)
{
  FullTrack full;
  const auto pushed = full.feeder.pushed_frames.load ();
  full.bed.sink.let_through (8); // 80 of 200 ms: more than half is left
  fail_unless (full.bed.sink.wait_for_chunks (8));
  fail_unless (settles ());
  fail_unless_equals_int (full.feeder.pushed_frames.load (), pushed);
  full.bed.sink.let_through (6);
  fail_unless (eventually ([&] { return full.feeder.pushed_frames.load () > pushed; }));
}
GST_END_TEST;

GST_START_TEST (test_a_higher_limit_releases_a_feeder)
{
  FullTrack full;
  const auto pushed = full.feeder.pushed_frames.load ();
  g_object_set (full.bed.element, "max-size-time", GST_SECOND, nullptr);
  fail_unless (
      eventually ([&] { return full.feeder.pushed_frames.load () > pushed + kSecond / 2; }));
}
GST_END_TEST;

enum class End { null, flush, release };

namespace {

/// Ends whatever `feeder` and the mix wait for; returns how long it took until the feeder was home.
Clock::duration time_to_end (MixerBed &bed, Feeder &feeder, End how)
{
  return time_for ([&] {
    if (how == End::null)
      bed.stop ();
    else if (how == End::flush)
      gst_pad_push_event (feeder.src, gst_event_new_flush_start ());
    else
      gst_element_release_request_pad (bed.element, feeder.sink);
    feeder.join ();
  });
}

} // namespace

GST_START_TEST (test_every_wait_of_a_feeder_ends_at_once)
{
  check_prompt ([how = static_cast<End> (__i__)] {
    FullTrack full;
    const auto took = time_to_end (full.bed, full.feeder, how);
    fail_unless_equals_int (full.flow.load (), GST_FLOW_FLUSHING);
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_the_wait_of_the_mix_ends_at_once)
{
  check_prompt ([] {
    MixerBed bed;
    Feeder fed {bed, Format {48000, 1}};
    Feeder silent {bed, Format {48000, 1}};
    bed.play ();
    fed.begin ();
    silent.begin ();
    fed.push (noise (4800, 1), 0);
    fail_unless (settles ()); // until the task waits for silent
    fail_unless_equals_int (bed.sink.chunk_count (), 0);
    return time_for ([&] { bed.stop (); });
  });
}
GST_END_TEST;

GST_START_TEST (test_both_waits_end_at_once)
{
  // A feeder with a full queue waits for the mix, which waits for another thread's track.
  check_prompt ([how = static_cast<End> (__i__)] {
    MixerBed bed;
    g_object_set (bed.element, "max-size-time", 10 * GST_SECOND, nullptr);
    Feeder silent {bed, Format {48000, 1}};
    Feeder fed {bed, Format {48000, 1}};
    bed.play ();
    silent.begin ();
    std::atomic<GstFlowReturn> flow {GST_FLOW_OK};
    const Samples audio = noise (2 * kSecond, 7);
    fed.run ([&] (Feeder &self) {
      self.begin ();
      for (std::int64_t at = 0; flow == GST_FLOW_OK; at += static_cast<std::int64_t> (2 * kSecond))
        flow = self.push (audio, at);
    });
    fail_unless (eventually ([&] { return fed.count ("queued-frames") >= 10 * kSecond; }));
    const auto took = time_to_end (bed, fed, how);
    fail_if (flow == GST_FLOW_OK); // NOT_LINKED, if it was released just between two pushes
    bed.stop ();
    return took;
  });
}
GST_END_TEST;

/// One thread brings whole stretches of one track after the other, each longer than the queues.
GST_START_TEST (test_one_thread_feeds_tracks_in_turn)
{
  const auto tracks = static_cast<std::size_t> (__i__);
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, nullptr);
  Feeders feeders;
  std::vector<Samples> audio;
  Samples sum;
  for (std::size_t n = 0; n < tracks; ++n) {
    feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 1}));
    audio.push_back (noise (4 * kSecond, static_cast<unsigned> (10 + n)));
    add_to (sum, audio.back ());
  }
  bed.play ();
  feeders[0]->run ([&] (Feeder &) {
    for (auto &feeder : feeders)
      feeder->begin ();
    for (std::size_t at = 0; at < 4 * kSecond; at += 2 * kSecond)
      for (std::size_t n = 0; n < tracks; ++n)
        feeders[n]->push_all (std::span {audio[n]}.subspan (at, 2 * kSecond), 5, 2000,
            static_cast<std::int64_t> (at));
    for (auto &feeder : feeders)
      feeder->end ();
  });
  fail_unless (bed.sink.wait_for_eos (), "hangs");
  feeders[0]->join ();
  check_equal (bed.sink.samples (), sum);
  fail_unless (count_in_stats (bed.element, "growths") > 0);
  fail_unless_equals_uint64 (count_in_stats (bed.element, "late-frames"), 0);
  fail_unless_equals_uint64 (count_in_stats (bed.element, "dropped-frames"), 0);
}
GST_END_TEST;

/// The second track's thread brings nothing until the first one has got rid of four times its
/// queue.
GST_START_TEST (test_tracks_of_two_threads_that_depend_on_each_other)
{
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, nullptr);
  Feeder a {bed, Format {48000, 1}};
  Feeder b {bed, Format {48000, 1}};
  const auto early = noise (2 * kSecond, 1);
  const auto late = noise (2 * kSecond, 2);
  Samples sum;
  add_to (sum, early);
  add_to (sum, late);
  bed.play ();
  std::atomic<bool> b_began {false};
  b.run ([&] (Feeder &self) {
    self.begin ();
    b_began = true;
    fail_unless (eventually ([&a] { return a.pushed_frames.load () > 4 * kSecond / 5; }),
        "hangs: a full track holds back another thread");
    self.push_all (late, 3);
    self.end ();
  });
  a.run ([&] (Feeder &self) {
    eventually ([&] { return b_began.load (); });
    self.begin ();
    self.push_all (early, 4);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  a.join ();
  b.join ();
  check_equal (bed.sink.samples (), sum);
  fail_unless (a.count ("growths") > 0);
}
GST_END_TEST;

/// A track's events alone tell which thread feeds it: the one that the full queue holds back, so
/// that it grows step by step, or another, so that it doubles. Behind a flush it is the segment's.
GST_START_TEST (test_events_tell_whose_thread_it_is)
{
  const bool own_thread = __i__ % 2 == 0;
  const bool flushed = __i__ / 2 != 0;
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, nullptr);
  Feeder a {bed, Format {48000, 1}};
  Feeder b {bed, Format {48000, 1}};
  const auto early = noise (4 * kSecond, 1);
  bed.play ();
  const auto begin_b = [&] {
    if (flushed)
      b.begin_segment ();
    else
      b.begin ();
  };
  if (flushed) {
    b.begin ();
    gst_pad_push_event (b.src, gst_event_new_flush_start ());
    gst_pad_push_event (b.src, gst_event_new_flush_stop (TRUE));
  }
  if (!own_thread)
    begin_b ();
  a.run ([&] (Feeder &self) {
    if (own_thread)
      begin_b ();
    self.begin ();
    self.push_all (early, 4, 960);
    self.end ();
  });
  fail_unless (a.finishes (), "hangs");
  const auto growths = a.count ("growths");
  fail_unless (own_thread ? growths >= 12 : growths <= 8, "%" G_GUINT64_FORMAT " growths", growths);
  b.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), early);
}
GST_END_TEST;

/// The threads of many sources start one after another: no queue grows as long as they do.
GST_START_TEST (test_tracks_that_begin_later_have_time_to)
{
  constexpr std::chrono::milliseconds kPatience {100};
  bool waited = false;
  for (int turn = 0; turn < 30 && !waited; ++turn) { // on a loaded machine a turn may be too late
    MixerBed bed;
    g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, nullptr);
    Feeder a {bed, Format {48000, 1}};
    Feeder second {bed, Format {48000, 1}};
    Feeder third {bed, Format {48000, 1}};
    const auto audio = noise (kSecond, 1);
    bed.play ();
    const auto since = Clock::now ();
    a.run ([&] (Feeder &self) {
      self.begin ();
      self.push_all (audio, 4, 960);
      self.end ();
    });
    fail_unless (eventually ([&] { return a.count ("queued-frames") >= kSecond / 5; }));
    std::this_thread::sleep_for (kPatience * 2 / 5);
    const auto begun = Clock::now ();
    second.begin ();
    fail_unless_equals_int (second.push (audio, 0), GST_FLOW_OK);
    // Before the patience can have ended; else this turn says nothing.
    const bool in_time = Clock::now () - since < kPatience;
    fail_unless (eventually ([&] { return a.count ("growths") > 0; }), "hangs");
    const auto grown = Clock::now ();
    fail_unless (grown - since >= kPatience, "grows at once");
    fail_unless (!in_time || grown - begun >= kPatience, "grows while tracks begin");
    waited = in_time;
    fail_unless (a.finishes (), "hangs"); // then any thread may be the third's
    third.begin ();
    for (Feeder *feeder : {&second, &third})
      feeder->end ();
    fail_unless (bed.sink.wait_for_eos ());
    Samples sum = audio;
    add_to (sum, audio);
    check_equal (bed.sink.samples (), sum);
  }
  fail_unless (waited, "no turn was in time");
}
GST_END_TEST;

GST_START_TEST (test_at_the_cap_starvation_can_be_an_error)
{
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, "max-total-bytes",
      guint64 {1} << 20, nullptr);
  gst_util_set_object_arg (G_OBJECT (bed.element), "starvation", "error");
  Feeder a {bed, Format {48000, 1}};
  Feeder b {bed, Format {48000, 1}};
  const auto early = noise (10 * kSecond, 1);
  bed.play ();
  a.run ([&] (Feeder &self) {
    b.begin ();
    self.begin ();
    GstFlowReturn flow = GST_FLOW_OK;
    for (std::size_t at = 0; flow == GST_FLOW_OK && at < early.size (); at += 4800)
      flow = self.push (std::span {early}.subspan (at, 4800), static_cast<std::int64_t> (at));
    fail_unless_equals_int (flow, GST_FLOW_ERROR);
  });
  const auto text = bed.message (GST_MESSAGE_ERROR);
  fail_unless (text.find (GST_PAD_NAME (b.sink)) != std::string::npos, "%s", text.c_str ());
  fail_unless (text.find ("1048576") != std::string::npos, "%s", text.c_str ());
  fail_unless (bed.sink.wait_for_eos ());
  a.join ();
}
GST_END_TEST;

GST_START_TEST (test_statistics_as_messages)
{
  for (const guint64 interval : {guint64 {0}, guint64 {1}, guint64 {GST_SECOND} * 3600}) {
    MixerBed bed;
    g_object_set (bed.element, "stats-interval", interval, nullptr);
    Feeder a {bed, Format {48000, 1}};
    bed.play ();
    a.run ([] (Feeder &self) {
      self.begin ();
      self.push_all (noise (4800, 1), 1);
      self.end ();
    });
    fail_unless (bed.sink.wait_for_eos ());
    guint64 chunks = 0;
    guint messages = 0;
    while (GstMessage *message = gst_bus_pop_filtered (bed.bus, GST_MESSAGE_ELEMENT)) {
      const GstStructure *stats = gst_message_get_structure (message);
      fail_unless (gst_structure_has_name (stats, "application/x-trackmixer-stats"));
      fail_unless (gst_structure_get_uint64 (stats, "chunks", &chunks));
      fail_unless_equals_uint64 (chunks, ++messages);
      gst_message_unref (message);
    }
    // Never; with each of the ten chunks; with the first one only.
    fail_unless_equals_int (messages, interval == 0 ? 0 : interval == 1 ? 10 : 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_limit_of_one_track)
{
  // Two tracks that cannot go out: each queues as much as its limit says.
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, nullptr);
  Feeder a {bed, Format {48000, 1}};
  Feeder b {bed, Format {48000, 1}};
  g_object_set (b.sink, "max-size-time", 700 * GST_MSECOND, nullptr);
  const auto samples = noise (4 * kSecond, 1);
  bed.sink.close ();
  bed.play ();
  for (Feeder *feeder : {&a, &b}) {
    feeder->begin ();
    feeder->push (std::span {samples}.first (960), 0);
  }
  const auto level_of = [] (Feeder &feeder) {
    guint64 level = 0;
    g_object_get (feeder.sink, "current-level-time", &level, nullptr);
    return level;
  };
  // The second chunk waits in its push: no queue grows because another one is empty, and what is
  // queued from now on stays there.
  bed.sink.let_through (1);
  fail_unless (bed.sink.wait_for_chunks (1));
  fail_unless (eventually ([&] { return level_of (a) == 0 && level_of (b) == 0; }));
  for (Feeder *feeder : {&a, &b})
    feeder->run ([&] (Feeder &self) {
      self.push_all (std::span {samples}.subspan (960), 3, 480, 960);
      self.end ();
    });
  const auto settles_at = [&] (Feeder &feeder, GstClockTime limit) {
    return eventually ([&] { return level_of (feeder) >= limit; }) &&
        level_of (feeder) <= limit + 10 * GST_MSECOND; // and the buffer that made it full
  };
  fail_unless (settles_at (a, 200 * GST_MSECOND));
  fail_unless (settles_at (b, 700 * GST_MSECOND));
  // While it waits: more for the one, the element's for the other.
  g_object_set (bed.element, "max-size-time", 400 * GST_MSECOND, nullptr);
  fail_unless (settles_at (a, 400 * GST_MSECOND));
  fail_unless (level_of (b) < 720 * GST_MSECOND);
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
}
GST_END_TEST;

GST_START_TEST (test_at_the_cap_a_track_without_data_is_silence_with_a_warning)
{
  constexpr std::uint64_t kCap = 1 << 20; // 5.5 s of mono float
  MixerBed bed;
  g_object_set (bed.element, "max-size-time", 200 * GST_MSECOND, "max-total-bytes", kCap, nullptr);
  Feeder a {bed, Format {48000, 1}};
  Feeder b {bed, Format {48000, 1}};
  const auto early = noise (10 * kSecond, 1);
  const auto late = noise (10 * kSecond, 2);
  bed.play ();
  a.run ([&] (Feeder &self) {
    b.begin ();
    self.begin ();
    self.push_all (early, 3);
    b.push_all (late, 4); // all of it after all of the first
    self.end ();
    b.end ();
  });
  fail_unless (bed.sink.wait_for_eos (), "hangs");
  a.join ();
  const auto text = bed.message (GST_MESSAGE_WARNING);
  fail_unless (text.find (GST_PAD_NAME (b.sink)) != std::string::npos, "%s", text.c_str ());
  fail_unless (text.find (std::to_string (kCap)) != std::string::npos, "%s", text.c_str ());
  const auto then = bed.message (GST_MESSAGE_WARNING); // of the data themselves, once they came
  fail_unless (then.find ("too late") != std::string::npos, "%s", then.c_str ());
  if (bed.has_message (GST_MESSAGE_WARNING))
    fail ("more than one for the episode: %s", bed.message (GST_MESSAGE_WARNING).c_str ());
  fail_unless_equals_int (bed.sink.samples ().size (), early.size ());
  fail_unless (b.count ("late-frames") > 0);
  check_accounts (a);
  check_accounts (b);
  fail_unless_equals_uint64 (b.count ("in-frames"), late.size ());
}
GST_END_TEST;

GST_START_TEST (test_buf_tells_starved_from_too_slow)
{
  FullTrack full;
  fail_unless (figure_in_stats (full.bed.element, "buf-min") > 0.9);
  Feeder stalled {full.bed, Format {48000, 1}};
  stalled.begin ();
  fail_unless (figure_in_stats (full.bed.element, "buf-min") < 0.01);
  fail_unless (figure_in_stats (full.bed.element, "buf-mean") > 0.45);
}
GST_END_TEST;

GST_START_TEST (test_drain_gives_up_rather_than_hang)
{
  MixerBed bed;
  Feeder a {bed, Format {48000, 1}};
  Feeder b {bed, Format {48000, 1}};
  bed.play ();
  a.run ([&] (Feeder &self) {
    b.begin ();
    self.begin ();
    self.push (noise (4800, 1), 0);
    GstQuery *drain = gst_query_new_drain ();
    gst_pad_peer_query (self.src, drain); // b starves for what this thread would bring next
    b.push (noise (4800, 2), 0);
    fail_unless (gst_pad_peer_query (self.src, drain));
    gst_query_unref (drain);
    self.end ();
    b.end ();
  });
  fail_unless (a.finishes (), "hangs");
  fail_unless (bed.sink.wait_for_eos ());
}
GST_END_TEST;

static Suite *trackmixer_queue_suite ()
{
  Suite *suite = suite_create ("trackmixer-queue");
  TCase *waits = tcase_create ("waits");
  tcase_add_test (waits, test_a_full_queue_blocks_only_its_own_feeder);
  tcase_add_test (waits, test_a_feeder_goes_on_at_half_the_limit);
  tcase_add_test (waits, test_a_higher_limit_releases_a_feeder);
  tcase_add_loop_test (waits, test_every_wait_of_a_feeder_ends_at_once, 0, 3);
  tcase_add_test (waits, test_the_wait_of_the_mix_ends_at_once);
  tcase_add_loop_test (waits, test_both_waits_end_at_once, 0, 3);
  tcase_add_test (waits, test_drain_gives_up_rather_than_hang);
  suite_add_tcase (suite, waits);
  TCase *growth = tcase_create ("growth");
  tcase_add_loop_test (growth, test_one_thread_feeds_tracks_in_turn, 2, 4);
  tcase_add_test (growth, test_tracks_of_two_threads_that_depend_on_each_other);
  tcase_add_loop_test (growth, test_events_tell_whose_thread_it_is, 0, 4);
  tcase_add_test (growth, test_tracks_that_begin_later_have_time_to);
  tcase_add_test (growth, test_at_the_cap_starvation_can_be_an_error);
  tcase_add_test (growth, test_a_limit_of_one_track);
  tcase_add_test (growth, test_statistics_as_messages);
  tcase_add_test (growth, test_at_the_cap_a_track_without_data_is_silence_with_a_warning);
  tcase_add_test (growth, test_buf_tells_starved_from_too_slow);
  suite_add_tcase (suite, growth);
  return suite;
}

GST_CHECK_MAIN (trackmixer_queue)
