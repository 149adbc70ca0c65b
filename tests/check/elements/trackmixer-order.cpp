// SPDX-License-Identifier: LGPL-2.1-or-later
// Serialized events and queries keep their place in the audio of their track.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kRate = 48000;
constexpr std::int64_t kChunkFrames = 480;
const Format kMono {kRate, 1};

/// Where an event went by: behind so many chunks.
struct Passed {
  std::string what;
  std::size_t chunks;
};

/// Notes the serialized events of the mix, by their structure's name or else their type's.
struct EventLog {
  explicit EventLog (MixerBed &mixer_bed) : bed {mixer_bed}
  {
    src = gst_element_get_static_pad (bed.element, "src");
    gst_pad_add_probe (
        src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        [] (GstPad *, GstPadProbeInfo *info, gpointer data) noexcept {
          static_cast<EventLog *> (data)->note (GST_PAD_PROBE_INFO_EVENT (info));
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~EventLog () { gst_object_unref (src); }
  void note (GstEvent *event)
  {
    const std::size_t chunks = bed.sink.chunk_count ();
    const GstStructure *structure = gst_event_get_structure (event);
    const bool is_custom = GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM ||
        GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY ||
        GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_BOTH;
    const std::lock_guard lock {mutex};
    passed.push_back (
        {is_custom ? gst_structure_get_name (structure) : GST_EVENT_TYPE_NAME (event), chunks});
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT_DONE)
      gst_event_parse_segment_done (event, nullptr, &segment_done_at);
  }
  /// Behind how many chunks; -1: never, -2: more than once.
  int where (const std::string &what)
  {
    const std::lock_guard lock {mutex};
    int found = -1;
    for (const auto &one : passed)
      if (one.what == what)
        found = found == -1 ? static_cast<int> (one.chunks) : -2;
    return found;
  }

  MixerBed &bed;
  GstPad *src;
  std::mutex mutex; // guards what follows
  std::vector<Passed> passed;
  gint64 segment_done_at {-1};
};

GstEvent *custom (GstEventType type, const char *name)
{
  return gst_event_new_custom (type, gst_structure_new_empty (name));
}

/// Two chunks of a mix with one track.
void play_to_segment_done (EventLog &log, Feeder &a)
{
  log.bed.play ();
  a.begin ();
  a.push (noise (2 * kChunkFrames, 1), 0);
  fail_unless (gst_pad_push_event (a.src, gst_event_new_segment_done (GST_FORMAT_TIME, -1)));
  fail_unless (eventually ([&log] { return log.where ("segment-done") == 2; }));
}

} // namespace

GST_START_TEST (test_events_keep_their_place)
{
  MixerBed bed;
  EventLog log {bed};
  Feeder a {bed, kMono};
  Feeder b {bed, kMono};
  const Samples chunk = noise (kChunkFrames, 1);
  bed.play ();
  a.begin ();
  b.begin ();
  const auto send = [&a] (GstEventType type, const char *name) {
    fail_unless (gst_pad_push_event (a.src, custom (type, name)));
  };
  // All of it is queued before the mix can begin, for b has nothing yet.
  send (GST_EVENT_CUSTOM_DOWNSTREAM, "before");
  a.push (chunk, 0);
  send (GST_EVENT_CUSTOM_BOTH, "one");
  send (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "sticky");
  a.push (chunk, kChunkFrames);
  GstMessage *message = gst_message_new_application (nullptr, gst_structure_new_empty ("told"));
  fail_unless (gst_pad_push_event (a.src, gst_event_new_sink_message ("sink-message", message)));
  gst_message_unref (message);
  a.push (std::span {chunk}.first (100), 2 * kChunkFrames); // in the third chunk
  send (GST_EVENT_CUSTOM_DOWNSTREAM, "inside");
  a.push (std::span {chunk}.first (380), 2 * kChunkFrames + 100);
  a.push (chunk, 3 * kChunkFrames);
  send (GST_EVENT_CUSTOM_DOWNSTREAM, "last");
  a.end ();
  fail_unless_equals_int (
      gst_pad_push_event (b.src, custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB, "oob")), TRUE);
  for (std::int64_t n = 0; n < 4; ++n)
    b.push (chunk, n * kChunkFrames);
  b.end ();
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (log.where ("before"), 0);
  fail_unless_equals_int (log.where ("one"), 1);
  fail_unless_equals_int (log.where ("sticky"), 1);
  fail_unless_equals_int (log.where ("sink-message"), 2);
  fail_unless_equals_int (log.where ("inside"), 3); // no chunk is cut for it
  fail_unless_equals_int (log.where ("last"), 4);
  fail_unless_equals_int (log.where ("eos"), 4);
}
GST_END_TEST;

GST_START_TEST (test_segment_done_goes_out_once_and_last)
{
  MixerBed bed;
  EventLog log {bed};
  Feeder a {bed, kMono};
  Feeder b {bed, kMono};
  const Samples one = noise (4 * kChunkFrames, 1);
  const Samples two = noise (2 * kChunkFrames, 2);
  bed.play ();
  const auto segment_done = [] (Feeder &feeder) {
    fail_unless (
        gst_pad_push_event (feeder.src, gst_event_new_segment_done (GST_FORMAT_TIME, 12345)));
  };
  a.begin ();
  a.push (one, 0);
  segment_done (a);
  b.begin ();
  b.push (two, 0);
  segment_done (b);
  fail_unless (eventually ([&log] { return log.where ("segment-done") != -1; }));
  fail_unless_equals_int (log.where ("segment-done"), 4);
  fail_unless_equals_uint64 (
      static_cast<guint64> (log.segment_done_at), time_of (4 * kChunkFrames, kRate));
  fail_unless_equals_int (log.where ("eos"), -1);

  // Another round, as a looping source without a flush makes it, and the end.
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = time_of (4 * kChunkFrames, kRate);
  a.begin_segment (&segment);
  b.begin_segment (&segment);
  for (auto *feeder : {&a, &b}) {
    feeder->push (two, 0);
    feeder->end ();
  }
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (log.where ("segment-done"), 4);
  fail_unless_equals_int (log.where ("eos"), 6);
  Samples sum = one;
  add_to (sum, two);
  add_to (sum, two, 4 * kChunkFrames);
  add_to (sum, two, 4 * kChunkFrames);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_a_drain_ends_behind_the_last_push)
{
  MixerBed bed;
  Feeder a {bed, kMono};
  bed.sink.close ();
  bed.play ();
  std::atomic<std::size_t> pushed {0};
  a.run ([&] (Feeder &self) {
    self.begin ();
    self.push (noise (3 * kChunkFrames, 1), 0);
    GstQuery *query = gst_query_new_drain ();
    fail_unless (gst_pad_peer_query (self.src, query));
    gst_query_unref (query);
    pushed = bed.sink.chunk_count ();
    self.end ();
  });
  bed.sink.let_through (2);
  fail_unless (bed.sink.wait_for_chunks (2));
  // The third chunk is taken and waits in the sink.
  fail_unless (
      eventually ([&] { return count_in_stats (bed.element, "frames-out") == 3 * kChunkFrames; }));
  fail_unless (settles ()); // for one that does not wait
  bed.sink.open ();
  fail_unless (a.finishes ());
  fail_unless_equals_int (pushed, 3);
  fail_unless (bed.sink.wait_for_eos ());
}
GST_END_TEST;

GST_START_TEST (test_drains_and_pushes_never_miss_each_other)
{
  MixerBed bed;
  Feeder a {bed, kMono};
  Feeder b {bed, kMono};
  bed.play ();
  constexpr int kRounds = kSanitized ? 300 : 3000;
  const Samples chunk = noise (kChunkFrames, 1);
  for (auto *feeder : {&a, &b})
    feeder->run ([&] (Feeder &self) {
      self.begin ();
      for (int n = 0; n < kRounds; ++n) {
        self.push (chunk, n * kChunkFrames);
        GstQuery *query = gst_query_new_drain ();
        if (gst_pad_peer_query (self.src, query))
          fail_unless (bed.sink.chunk_count () > static_cast<std::size_t> (n));
        gst_query_unref (query);
      }
      self.end ();
    });
  fail_unless (a.finishes () && b.finishes (), "a drain hangs");
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (bed.sink.chunk_count (), kRounds);
}
GST_END_TEST;

GST_START_TEST (test_a_serialized_query_waits_for_the_audio_before_it)
{
  MixerBed bed;
  Feeder a {bed, kMono};
  bed.play ();
  bed.sink.close ();
  std::atomic<std::size_t> chunks_then {0};
  GstPad *src = gst_element_get_static_pad (bed.element, "src");
  static const auto kType = static_cast<GstQueryType> (
      GST_QUERY_MAKE_TYPE (200, GST_QUERY_TYPE_DOWNSTREAM | GST_QUERY_TYPE_SERIALIZED));
  struct Seen {
    MixerBed &bed;
    std::atomic<std::size_t> &chunks;
  } seen {bed, chunks_then};
  gst_pad_add_probe (
      src, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) noexcept {
        auto &to = *static_cast<Seen *> (data);
        if (GST_QUERY_TYPE (GST_PAD_PROBE_INFO_QUERY (info)) == kType && to.chunks == 0)
          to.chunks = to.bed.sink.chunk_count ();
        return GST_PAD_PROBE_OK;
      },
      &seen, nullptr);
  a.run ([] (Feeder &self) {
    self.begin ();
    self.push (noise (5 * kChunkFrames + 100, 1), 0);
    GstQuery *query = gst_query_new_custom (kType, gst_structure_new_empty ("where"));
    gst_pad_peer_query (self.src, query);
    gst_query_unref (query);
    self.end ();
  });
  fail_unless (eventually ([&] { return a.count ("in-frames") > 0; }));
  bed.sink.open ();
  fail_unless (a.finishes ());
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (chunks_then, 5);
  gst_object_unref (src);
}
GST_END_TEST;

GST_START_TEST (test_eos_from_the_application_in_the_midst_of_it)
{
  // A chunk is in the sink, one feeder waits for room and the other one for its drain.
  MixerBed bed;
  Feeder a {bed, kMono};
  Feeder b {bed, kMono};
  for (Feeder *feeder : {&a, &b})
    g_object_set (feeder->sink, "max-size-time", 4 * 10 * GST_MSECOND, nullptr);
  bed.sink.close ();
  bed.play ();
  std::atomic<bool> drained {true};
  const Samples chunk = noise (kChunkFrames, 1);
  a.run ([&] (Feeder &self) {
    self.begin ();
    for (int n = 0; self.push (chunk, n * kChunkFrames) == GST_FLOW_OK; ++n) {
    }
  });
  b.run ([&] (Feeder &self) {
    self.begin ();
    for (int n = 0; n < 3; ++n)
      self.push (chunk, n * kChunkFrames);
    GstQuery *query = gst_query_new_drain ();
    drained = gst_pad_peer_query (self.src, query);
    gst_query_unref (query);
  });
  fail_unless (
      eventually ([&] { return count_in_stats (bed.element, "frames-out") == kChunkFrames; }));
  fail_unless (settles ()); // the feeders, too
  GstEvent *eos = gst_event_new_eos ();
  const guint32 seqnum = gst_event_get_seqnum (eos);
  fail_unless (gst_element_send_event (bed.element, eos));
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless (a.finishes () && b.finishes (), "a feeder hangs");
  fail_if (drained);
  fail_unless_equals_uint64 (bed.sink.chunk_count (), 1);
  fail_unless_equals_int (bed.sink.events.back ().type, GST_EVENT_EOS);
  fail_unless_equals_int (bed.sink.events.back ().seqnum, seqnum);
  check_accounts (a);

  // A flush takes it back, and what comes then is a mix like any other.
  for (const bool start : {true, false})
    for (Feeder *feeder : {&a, &b}) {
      GstEvent *flush = start ? gst_event_new_flush_start () : gst_event_new_flush_stop (TRUE);
      gst_event_set_seqnum (flush, 4711);
      gst_pad_push_event (feeder->src, flush);
    }
  bed.sink.forget ();
  for (Feeder *feeder : {&a, &b}) {
    feeder->begin_segment ();
    fail_unless_equals_int (feeder->push (chunk, 0), GST_FLOW_OK);
    feeder->end ();
  }
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_uint64 (bed.sink.chunk_count (), 1);
}
GST_END_TEST;

GST_START_TEST (test_eos_from_the_application_behind_segment_done)
{
  MixerBed bed;
  EventLog log {bed};
  Feeder a {bed, kMono};
  play_to_segment_done (log, a);
  fail_unless (gst_element_send_event (bed.element, gst_event_new_eos ()));
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (log.where ("eos"), 2);
}
GST_END_TEST;

GST_START_TEST (test_the_end_behind_segment_done_is_one)
{
  MixerBed bed;
  EventLog log {bed};
  Feeder a {bed, kMono};
  play_to_segment_done (log, a);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  GST_OBJECT_FLAG_UNSET (log.src, GST_PAD_FLAG_EOS); // or another one would go by unseen
  fail_unless (settles ());
  fail_unless_equals_int (log.where ("eos"), 2);
}
GST_END_TEST;

GST_START_TEST (test_eos_from_the_application_between_the_ends_of_a_flush)
{
  MixerBed bed;
  Feeder a {bed, kMono};
  const Samples chunk = noise (kChunkFrames, 1);
  bed.play ();
  a.begin ();
  a.push (chunk, 0);
  fail_unless (bed.sink.wait_for_chunks (1));
  gst_pad_push_event (a.src, gst_event_new_flush_start ());
  fail_unless (gst_element_send_event (bed.element, gst_event_new_eos ()));
  gst_pad_push_event (a.src, gst_event_new_flush_stop (TRUE));
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  a.begin_segment ();
  fail_unless_equals_int (a.push (chunk, 0), GST_FLOW_EOS);
}
GST_END_TEST;

static Suite *trackmixer_order_suite ()
{
  Suite *suite = suite_create ("trackmixer-order");
  TCase *events = tcase_create ("events");
  tcase_add_test (events, test_events_keep_their_place);
  tcase_add_test (events, test_segment_done_goes_out_once_and_last);
  suite_add_tcase (suite, events);
  TCase *queries = tcase_create ("queries");
  tcase_add_test (queries, test_a_drain_ends_behind_the_last_push);
  tcase_add_test (queries, test_drains_and_pushes_never_miss_each_other);
  tcase_add_test (queries, test_a_serialized_query_waits_for_the_audio_before_it);
  suite_add_tcase (suite, queries);
  TCase *ends = tcase_create ("ends");
  tcase_add_test (ends, test_eos_from_the_application_in_the_midst_of_it);
  tcase_add_test (ends, test_the_end_behind_segment_done_is_one);
  tcase_add_test (ends, test_eos_from_the_application_behind_segment_done);
  tcase_add_test (ends, test_eos_from_the_application_between_the_ends_of_a_flush);
  suite_add_tcase (suite, ends);
  return suite;
}

GST_CHECK_MAIN (trackmixer_order)
