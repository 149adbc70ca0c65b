// SPDX-License-Identifier: LGPL-2.1-or-later
// Segments at other rates than 1, event by event: where their audio goes, who fits, and when live
// chunks are due. Whole pipelines are in pipelines/rates.cpp.
#include "livebed.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;
constexpr Format kMono {kRate, 1};

/// A track whose source flushes for every seek, as it must, and leaves the rest to the test.
struct Source {
  explicit Source (MixerBed &bed, const Format &format = kMono) : feeder {bed, format}
  {
    feeder.upstream_event = [this] (GstEvent *event) {
      if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK || !can_seek)
        return false;
      seqnum = gst_event_get_seqnum (event);
      for (const bool start : {true, false}) {
        GstEvent *flush = start ? gst_event_new_flush_start () : gst_event_new_flush_stop (TRUE);
        gst_event_set_seqnum (flush, seqnum);
        gst_pad_push_event (feeder.src, flush);
      }
      return true;
    };
  }
  bool segment (double rate, double applied_rate, std::int64_t start, GstClockTime base = 0)
  {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.rate = rate;
    segment.applied_rate = applied_rate;
    segment.start = segment.time = segment.position = time_of (start, kRate);
    segment.base = base;
    GstEvent *event = gst_event_new_segment (&segment);
    gst_event_set_seqnum (event, seqnum);
    return gst_pad_push_event (feeder.src, event);
  }

  Feeder feeder;
  std::uint32_t seqnum {0};
  bool can_seek {true};
};

bool seek (MixerBed &bed, double rate, std::int64_t frame)
{
  return gst_pad_push_event (bed.sink.pad (),
      gst_event_new_seek (rate, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
          static_cast<gint64> (time_of (frame, kRate)), GST_SEEK_TYPE_NONE, -1));
}

GstSegment last_segment (CollectingSink &sink)
{
  const std::lock_guard lock {sink.mutex};
  for (auto event = sink.events.rbegin (); event != sink.events.rend (); ++event)
    if (event->type == GST_EVENT_SEGMENT)
      return event->segment;
  fail ("no segment");
  return {};
}

/// Two tracks that have played to the seek.
struct Mix {
  explicit Mix (const char *factory = "trackmixer", const Format &of_b = kMono)
      : bed {10 * GST_MSECOND, true, factory}, b {bed, of_b}
  {
    bed.play ();
    for (Source *source : {&a, &b})
      source->feeder.begin ();
    for (Source *source : {&a, &b})
      fail_unless_equals_int (source->feeder.push (Samples (480), 0), GST_FLOW_OK);
    fail_unless (bed.sink.wait_for_chunks (1));
  }
  ~Mix () { bed.stop (); } // before its feeders go
  void end ()
  {
    for (Source *source : {&a, &b})
      source->feeder.end ();
    fail_unless (bed.sink.wait_for_eos ());
  }
  /// Track a goes on at twice the speed, and is all that is heard from here on.
  void check_a_alone ()
  {
    bed.sink.forget ();
    fail_unless (a.segment (2.0, 1.0, 0));
    const Samples audio = noise (1920, 1);
    fail_unless_equals_int (a.feeder.push (audio, 0), GST_FLOW_OK);
    end ();
    check_equal (bed.sink.samples (), audio);
  }
  MixerBed bed;
  Source a {bed}, b;
};

} // namespace

/// A second of running time holds two seconds of audio: a base of 50 ms is 4800 frames.
GST_START_TEST (test_tracks_are_aligned_by_running_time)
{
  Mix mix {kBoth[__i__]};
  fail_unless (seek (mix.bed, 2.0, kRate));
  mix.bed.sink.forget ();
  fail_unless (mix.a.segment (2.0, 1.0, kRate));
  fail_unless (mix.b.segment (2.0, 1.0, 3 * kRate, 50 * GST_MSECOND));
  const Samples one = noise (9600, 1);
  const Samples two = noise (4320, 2);
  const std::int64_t b_at = 480; // into its segment
  // From threads of their own: audiomixer holds the feeder of one until the other has come.
  mix.a.feeder.run ([&] (Feeder &f) { f.push (one, kRate); });
  mix.b.feeder.run ([&] (Feeder &f) { f.push (two, 3 * kRate + b_at); });
  mix.a.feeder.join ();
  mix.b.feeder.join ();
  mix.end ();
  Samples sum = one;
  add_to (sum, two, 4800 + b_at);
  check_equal (mix.bed.sink.samples (), sum);
  const GstSegment segment = last_segment (mix.bed.sink);
  fail_unless_equals_float (segment.rate, 2.0);
  fail_unless_equals_float (segment.applied_rate, 1.0);
  fail_unless_equals_uint64 (segment.start, GST_SECOND);
  const std::lock_guard lock {mix.bed.sink.mutex};
  for (std::size_t n = 0; n < mix.bed.sink.chunks.size (); ++n) {
    const Chunk &chunk = mix.bed.sink.chunks[n];
    fail_unless_equals_uint64 (chunk.pts, GST_SECOND + n * 10 * GST_MSECOND);
    fail_unless_equals_uint64 (chunk.duration, 10 * GST_MSECOND);
    fail_unless_equals_uint64 (chunk.offset, 480 * n);
  }
}
GST_END_TEST;

/// The second may say it otherwise than the first, and then they do not fit together.
GST_START_TEST (test_tracks_agree_on_what_is_applied)
{
  for (const bool applied_first : {false, true}) {
    Mix mix;
    fail_unless (seek (mix.bed, 2.0, 0));
    mix.bed.sink.forget ();
    Source &leader = applied_first ? mix.a : mix.b;
    Source &follower = applied_first ? mix.b : mix.a;
    fail_unless (leader.segment (applied_first ? 1.0 : 2.0, applied_first ? 2.0 : 1.0, 0));
    fail_unless (follower.segment (applied_first ? 2.0 : 1.0, applied_first ? 1.0 : 2.0, 0));
    const Samples audio = noise (960, 1);
    fail_unless_equals_int (follower.feeder.push (audio, 0), GST_FLOW_EOS);
    fail_unless_equals_int (leader.feeder.push (audio, 0), GST_FLOW_OK);
    mix.end ();
    check_equal (mix.bed.sink.samples (), audio);
    const GstSegment segment = last_segment (mix.bed.sink);
    fail_unless_equals_float (segment.rate, applied_first ? 1.0 : 2.0);
    fail_unless_equals_float (segment.applied_rate, applied_first ? 2.0 : 1.0);
    const std::string warning = mix.bed.message (GST_MESSAGE_WARNING);
    fail_unless (warning.find (GST_PAD_NAME (follower.feeder.sink)) != std::string::npos &&
            warning.find (applied_first ? "at rate 2" : "at rate 1") != std::string::npos,
        "%s", warning.c_str ());
  }
}
GST_END_TEST;

/// What is neither the seek's rate nor makes it up with what is applied is another speed.
GST_START_TEST (test_a_segment_at_another_speed_is_left_out)
{
  constexpr struct {
    double rate, applied_rate;
  } others[] = {{1.0, 1.0}, {2.0 / 3, 2.0}, {-2.0, 1.0}, {3.0, 1.0}};
  for (const auto &other : others) {
    Mix mix;
    fail_unless (seek (mix.bed, 2.0, 0));
    mix.bed.sink.forget ();
    fail_unless (mix.a.segment (other.rate, other.applied_rate, 0));
    fail_unless (mix.b.segment (2.0, 1.0, 0));
    const Samples audio = noise (960, 1);
    fail_unless_equals_int (mix.a.feeder.push (noise (960, 2), 0), GST_FLOW_EOS);
    fail_unless_equals_int (mix.b.feeder.push (audio, 0), GST_FLOW_OK);
    mix.end ();
    check_equal (mix.bed.sink.samples (), audio);
    fail_unless (mix.bed.message (GST_MESSAGE_WARNING).find ("mix's rate 2") != std::string::npos);
  }
}
GST_END_TEST;

/// One that can't seek would go on at a rate that the mix does not have any more.
GST_START_TEST (test_a_track_that_can_not_follow_the_rate_is_left_out)
{
  Mix mix;
  mix.b.can_seek = false;
  fail_unless_equals_int (mix.b.feeder.push (noise (960, 2), 480), GST_FLOW_OK); // queued
  fail_unless (seek (mix.bed, 2.0, 0));
  mix.bed.sink.forget ();
  fail_unless (mix.a.segment (2.0, 1.0, 0));
  const Samples audio = noise (1920, 1);
  fail_unless_equals_int (mix.a.feeder.push (audio, 0), GST_FLOW_OK);
  fail_unless_equals_int (mix.b.feeder.push (noise (960, 3), 1440), GST_FLOW_EOS);
  const std::string warning = mix.bed.message (GST_MESSAGE_WARNING);
  fail_unless (warning.find (GST_PAD_NAME (mix.b.feeder.sink)) != std::string::npos &&
          warning.find ("rate from 1") != std::string::npos,
      "%s", warning.c_str ());
  mix.end ();
  check_equal (mix.bed.sink.samples (), audio);
  check_accounts (mix.b.feeder);
  mix.b.can_seek = true; // and it comes back
  fail_unless (seek (mix.bed, 1.0, 0));
  mix.bed.sink.forget ();
  fail_unless (mix.a.segment (1.0, 1.0, 0));
  fail_unless (mix.b.segment (1.0, 1.0, 0));
  fail_unless_equals_int (mix.a.feeder.push (audio, 0), GST_FLOW_OK);
  fail_unless_equals_int (mix.b.feeder.push (audio, 0), GST_FLOW_OK);
  mix.end ();
  Samples sum = audio;
  add_to (sum, audio);
  check_equal (mix.bed.sink.samples (), sum);
}
GST_END_TEST;

/// What its resampler holds has no place in the new time line, and neither has the buffer that its
/// feeder waits with at a full queue.
GST_START_TEST (test_nothing_more_comes_of_a_track_that_can_not_follow_the_rate)
{
  for (const int rate_hz : {kRate, 44100}) {
    Mix mix {"trackmixer", {rate_hz, 1}};
    mix.b.can_seek = false;
    const bool is_full = rate_hz == kRate;
    GstFlowReturn last = GST_FLOW_OK;
    if (is_full)
      mix.b.feeder.run ([&last] (Feeder &self) {
        for (std::int64_t at = 480; last == GST_FLOW_OK; at += 4800)
          last = self.push (Samples (4800, 0.5f), at);
      });
    else
      fail_unless_equals_int (mix.b.feeder.push (Samples (9600, 0.5f), 480), GST_FLOW_OK);
    fail_unless (settles ());
    fail_unless (seek (mix.bed, 2.0, 0));
    mix.b.feeder.join ();
    fail_unless (!is_full || last == GST_FLOW_EOS, "%s", gst_flow_get_name (last));
    mix.check_a_alone ();
  }
}
GST_END_TEST;

/// Who hears of it in a sync handler is in the feeder's thread, and may look at the mix, set what
/// it likes, and flush.
GST_START_TEST (test_a_sync_handler_may_do_anything)
{
  Mix mix {"trackmixer", {kRate, 1}};
  mix.b.can_seek = false;
  GstFlowReturn last = GST_FLOW_OK;
  mix.b.feeder.run ([&last] (Feeder &self) {
    for (std::int64_t at = 480; last == GST_FLOW_OK; at += 4800)
      last = self.push (Samples (4800, 0.5f), at);
  });
  fail_unless (settles ());
  struct Hearing {
    Mix &mix;
    std::atomic<int> warnings {0};

    void hear ()
    {
      ++warnings;
      (void)count_in_stats (mix.bed.element, "chunks");
      (void)mix.b.feeder.count ("in-frames");
      for (const char *time : {"max-size-time", "ramp-time"})
        g_object_set (mix.bed.element, time, 20 * GST_MSECOND, nullptr);
      g_object_set (mix.b.feeder.sink, "max-size-time", GST_SECOND, "volume", 0.5, nullptr);
      GstQuery *query = gst_query_new_latency ();
      fail_unless (gst_element_query (mix.bed.element, query));
      gst_query_unref (query);
      gst_pad_push_event (mix.b.feeder.src, gst_event_new_flush_start ());
      gst_pad_push_event (mix.b.feeder.src, gst_event_new_flush_stop (TRUE));
    }
  } hearing {mix};
  gst_bus_set_sync_handler (
      mix.bed.bus,
      [] (GstBus *, GstMessage *message, gpointer self) noexcept {
        if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
          static_cast<Hearing *> (self)->hear ();
        return GST_BUS_PASS;
      },
      &hearing, nullptr);
  fail_unless (seek (mix.bed, 2.0, 0));
  fail_unless (mix.b.feeder.finishes (), "what the handler does hangs");
  fail_unless_equals_int (hearing.warnings, 1);
  gst_bus_set_sync_handler (mix.bed.bus, nullptr, nullptr, nullptr);
  mix.check_a_alone ();
}
GST_END_TEST;

/// At twice the speed chunks are due twice as often.
GST_START_TEST (test_live_deadlines_follow_the_rate)
{
  LiveMix mix;
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->upstream_event = [feeder] (GstEvent *event) {
      if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
        return false;
      for (const bool start : {true, false}) {
        GstEvent *flush = start ? gst_event_new_flush_start () : gst_event_new_flush_stop (TRUE);
        gst_event_set_seqnum (flush, gst_event_get_seqnum (event));
        gst_pad_push_event (feeder->src, flush);
      }
      return true;
    };
  mix.bed.play ();
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->begin ();
  mix.push (mix.a, 0, 0.25F);
  mix.push (mix.b, 0, 0.25F);
  fail_unless (mix.bed.sink.wait_for_chunks (1));
  fail_unless (seek (mix.bed, 2.0, 0));
  mix.bed.sink.forget ();
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = 2.0;
  for (Feeder *feeder : {&mix.a, &mix.b})
    feeder->begin_segment (&segment);
  for (std::int64_t chunk = 0; chunk < 3; ++chunk) { // without b
    mix.push (mix.a, chunk, 0.25F);
    const auto n = static_cast<std::size_t> (chunk);
    mix.check_chunk_at (n, (n + 1) * LiveBed::kChunk / 2 + LiveMix::kUpstream);
    fail_unless_equals_float (mix.heard (n), 0.25F);
  }
}
GST_END_TEST;

static Suite *rates_suite ()
{
  Suite *suite = suite_create ("trackmixer-rates");
  TCase *rates = tcase_create ("rates");
  suite_add_tcase (suite, rates);
  tcase_add_loop_test (rates, test_tracks_are_aligned_by_running_time, 0, kMixers);
  tcase_add_test (rates, test_tracks_agree_on_what_is_applied);
  tcase_add_test (rates, test_a_segment_at_another_speed_is_left_out);
  tcase_add_test (rates, test_a_track_that_can_not_follow_the_rate_is_left_out);
  tcase_add_test (rates, test_nothing_more_comes_of_a_track_that_can_not_follow_the_rate);
  tcase_add_test (rates, test_a_sync_handler_may_do_anything);
  tcase_add_test (rates, test_live_deadlines_follow_the_rate);
  return suite;
}

GST_CHECK_MAIN (rates);
