// SPDX-License-Identifier: LGPL-2.1-or-later
// Flushes, seeks, queries, and what trackmixer's feeders hear from downstream.
#include <future>
#include <utility>

#include "support.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = 10 * GST_MSECOND;
constexpr int kRate = 44100;

GstEvent *seek_event (
    std::int64_t frame, double rate = 1.0, int flags = GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE)
{
  return gst_event_new_seek (rate, GST_FORMAT_TIME, static_cast<GstSeekFlags> (flags),
      GST_SEEK_TYPE_SET, static_cast<gint64> (time_of (frame, kRate)), GST_SEEK_TYPE_NONE, -1);
}

bool send_upstream (MixerBed &bed, GstEvent *event)
{
  return gst_pad_push_event (bed.sink.pad (), event);
}

/// A source with a streaming thread of its own that seeks as GstBaseSrc does.
class SeekableSource {
public:
  SeekableSource (MixerBed &bed, const Format &format, Samples samples, unsigned seed)
      : feeder {bed, format}, samples_ {std::move (samples)}, seed_ {seed}
  {
    feeder.upstream_event = [this] (GstEvent *event) {
      if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
        return false;
      bool sought = false;
      if (!seeks_elsewhere)
        return seek (event);
      std::thread {[&] { sought = seek (event); }}.join ();
      return sought;
    };
  }
  ~SeekableSource ()
  {
    stop_ = true;
    gst_pad_set_active (feeder.src, FALSE);
    halt ();
  }

  void start ()
  {
    const std::lock_guard lock {mutex_}; // the first chunk may bring a seek before this is done
    thread_ = std::thread {[this] { stream (0, true); }};
  }

  Feeder feeder;
  std::atomic<int> seeks {0};
  bool can_seek {true};
  bool keeps_seqnum {true};
  bool fails_at_last {false};   // after the flush
  bool flushes {true};          // else it answers TRUE and does nothing
  bool seeks_elsewhere {false}; // in another thread, which the one that asks waits for

  /// The flush that it owed, from a thread of its own.
  void flush_late (guint32 seqnum)
  {
    for (const bool start : {true, false}) {
      GstEvent *event = start ? gst_event_new_flush_start () : gst_event_new_flush_stop (TRUE);
      gst_event_set_seqnum (event, seqnum);
      gst_pad_push_event (feeder.src, event);
    }
  }

private:
  bool seek (GstEvent *event)
  {
    ++seeks;
    if (!can_seek || !flushes)
      return can_seek;
    const std::lock_guard lock {mutex_};
    gint64 start = 0;
    gst_event_parse_seek (event, nullptr, nullptr, nullptr, nullptr, &start, nullptr, nullptr);
    const guint32 seqnum = keeps_seqnum ? gst_event_get_seqnum (event) : gst_util_seqnum_next ();
    GstEvent *flush = gst_event_new_flush_start ();
    gst_event_set_seqnum (flush, seqnum);
    gst_pad_push_event (feeder.src, flush);
    halt ();
    flush = gst_event_new_flush_stop (TRUE);
    gst_event_set_seqnum (flush, seqnum);
    gst_pad_push_event (feeder.src, flush);
    const auto at = static_cast<std::int64_t> (
        gst_util_uint64_scale_round (static_cast<guint64> (start), kRate, GST_SECOND));
    thread_ = std::thread {[this, at] { stream (at, false); }};
    return !fails_at_last;
  }
  void halt ()
  {
    stop_ = true;
    if (thread_.joinable ())
      thread_.join ();
    stop_ = false;
  }
  void stream (std::int64_t from, bool first)
  {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.position = segment.time = time_of (from, kRate);
    if (first)
      feeder.begin (&segment);
    else
      feeder.begin_segment (&segment);
    std::mt19937 random {seed_};
    std::uniform_int_distribution<std::size_t> length {1, 2000};
    const auto channels = static_cast<std::size_t> (feeder.format.channels);
    const std::size_t frames = samples_.size () / channels;
    // As a decoder would, from some frames before the target; the segment clips them.
    for (std::size_t at = static_cast<std::size_t> (std::max<std::int64_t> (0, from - 700));
         at < frames;) {
      if (stop_)
        return;
      const std::size_t now = std::min (length (random), frames - at);
      if (feeder.push (std::span {samples_}.subspan (at * channels, now * channels),
              static_cast<std::int64_t> (at)) != GST_FLOW_OK)
        return;
      at += now;
    }
    feeder.end ();
  }

  Samples samples_;
  unsigned seed_;
  std::mutex mutex_; // of the thread
  std::thread thread_;
  std::atomic<bool> stop_ {false};
};

struct TwoSources {
  TwoSources ()
      : one {fine_noise (2 * 60000, 1)}, two {fine_noise (60000, 2)}, a {bed, {kRate, 2}, one, 11},
        b {bed, {kRate, 1, GST_AUDIO_FORMAT_S16}, two, 12}
  {
    // What the mixer makes of S16: the value that was sent.
    two = decode (encode (two, GST_AUDIO_FORMAT_S16), GST_AUDIO_FORMAT_S16);
  }
  Samples from (std::size_t frame) const
  {
    Samples sum (one.begin () + static_cast<std::ptrdiff_t> (2 * frame), one.end ());
    for (std::size_t n = 0; n < sum.size (); ++n)
      sum[n] += two[frame + n / 2];
    return sum;
  }
  Samples tail_of_one (std::size_t frame) const
  {
    return {one.begin () + static_cast<std::ptrdiff_t> (2 * frame), one.end ()};
  }
  /// In a mix that is mono or stereo, as the track that came first.
  Samples tail_of_two (std::size_t frame)
  {
    const Samples mono (two.begin () + static_cast<std::ptrdiff_t> (frame), two.end ());
    if (GST_AUDIO_INFO_CHANNELS (&bed.sink.info) == 1)
      return mono;
    Samples stereo;
    for (const float sample : mono)
      stereo.insert (stereo.end (), 2, sample);
    return stereo;
  }
  void start ()
  {
    bed.play ();
    a.start ();
    b.start ();
  }

  MixerBed bed {kChunk};
  Samples one, two;
  SeekableSource a, b;
};

} // namespace

GST_START_TEST (test_seek_plays_the_same_as_straight_on_from_the_target)
{
  for (const std::int64_t target : {0, 1, 4410, 12345, 59999}) {
    TwoSources mix;
    mix.bed.sink.close (); // stays in the middle of the first chunk
    mix.start ();
    mix.bed.sink.let_through (2);
    fail_unless (mix.bed.sink.wait_for_chunks (2));
    GstEvent *event = seek_event (target);
    const guint32 seqnum = gst_event_get_seqnum (event);
    fail_unless (send_upstream (mix.bed, event));
    mix.bed.sink.open ();
    fail_unless (mix.bed.sink.wait_for_eos ());
    check_equal (mix.bed.sink.samples (), mix.from (static_cast<std::size_t> (target)));
    check_chunks (mix.bed.sink, kChunk, time_of (target, kRate));
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
    fail_unless_equals_int (mix.a.seeks, 1);
    fail_unless_equals_int (mix.b.seeks, 1);
    bool flushed = false;
    for (const auto &seen : mix.bed.sink.events) {
      flushed = flushed || seen.type == GST_EVENT_FLUSH_START;
      if (!flushed)
        continue;
      if (seen.type == GST_EVENT_SEGMENT || seen.type == GST_EVENT_EOS ||
          seen.type == GST_EVENT_FLUSH_START || seen.type == GST_EVENT_FLUSH_STOP)
        fail_unless_equals_uint64 (seen.seqnum, seqnum);
      if (seen.type == GST_EVENT_SEGMENT) {
        fail_unless_equals_uint64 (seen.segment.start, time_of (target, kRate));
        fail_unless_equals_uint64 (seen.segment.time, time_of (target, kRate));
        fail_unless_equals_uint64 (seen.segment.base, 0);
        fail_unless (seen.segment.rate == 1.0);
      }
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_many_seeks_in_a_row)
{
  TwoSources mix;
  mix.start ();
  std::mt19937 random {5};
  std::uniform_int_distribution<int> where {0, 59000};
  for (int n = 0; n < (kSanitized ? 60 : 200); ++n) {
    const int target = where (random);
    fail_unless (send_upstream (mix.bed, seek_event (target)));
    if (n % 4 == 0) {
      fail_unless (mix.bed.sink.wait_for_eos (), "no end after seek %d", n);
      check_equal (mix.bed.sink.samples (), mix.from (static_cast<std::size_t> (target)));
    } else if (n % 4 == 1) {
      std::this_thread::sleep_for (std::chrono::microseconds {where (random) / 20});
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_without_the_seqnum_of_its_seek)
{
  for (const int which : {1, 2, 3}) {
    TwoSources mix;
    mix.a.keeps_seqnum = (which & 1) == 0;
    mix.b.keeps_seqnum = (which & 2) == 0;
    mix.bed.sink.close ();
    mix.start ();
    mix.bed.sink.let_through (2);
    fail_unless (mix.bed.sink.wait_for_chunks (2));
    fail_unless (send_upstream (mix.bed, seek_event (12345)));
    mix.bed.sink.open ();
    fail_unless (mix.bed.sink.wait_for_eos (), "the flush does not end");
    check_equal (mix.bed.sink.samples (), mix.from (12345));
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_seeks_that_fail_after_their_flush)
{
  TwoSources mix;
  mix.a.fails_at_last = mix.b.fails_at_last = true;
  mix.bed.sink.close ();
  mix.start ();
  mix.bed.sink.let_through (2);
  fail_unless (mix.bed.sink.wait_for_chunks (2));
  fail_if (send_upstream (mix.bed, seek_event (12345)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos (), "the flush does not end");
  check_equal (mix.bed.sink.samples (), mix.from (12345));
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_seek_to_before_the_last_change_of_volume)
{
  TwoSources mix;
  g_object_set (mix.a.feeder.sink, "volume", 0.25, nullptr);
  mix.bed.sink.close ();
  mix.start ();
  mix.bed.sink.let_through (50);
  fail_unless (mix.bed.sink.wait_for_chunks (50));
  g_object_set (mix.a.feeder.sink, "volume", 1.0, nullptr); // a ramp
  mix.bed.sink.let_through (3);
  fail_unless (mix.bed.sink.wait_for_chunks (53));
  fail_unless (send_upstream (mix.bed, seek_event (100)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (100));
}
GST_END_TEST;

GST_START_TEST (test_seek_after_the_end)
{
  TwoSources mix;
  mix.start ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless (send_upstream (mix.bed, seek_event (30000)));
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (30000));
}
GST_END_TEST;

GST_START_TEST (test_seek_to_where_the_mix_is)
{
  // Each source is somewhere else by then, ahead of the mix by what is queued.
  TwoSources mix;
  mix.bed.sink.close ();
  mix.start ();
  mix.bed.sink.let_through (2);
  fail_unless (eventually ([&] { return count_in_stats (mix.bed.element, "frames-out") == 1323; }));
  fail_unless (send_upstream (mix.bed,
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_NONE, 0,
          GST_SEEK_TYPE_NONE, -1)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (1323));
  check_chunks (mix.bed.sink, kChunk, time_of (1323, kRate));
}
GST_END_TEST;

GST_START_TEST (test_seek_from_the_end)
{
  const auto back = [] (TwoSources &mix, GstSeekType stop_type, gint64 stop) {
    return send_upstream (mix.bed,
        gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_END,
            -static_cast<gint64> (time_of (10000, kRate)), stop_type, stop));
  };
  TwoSources mix;
  const auto duration_of = [] (std::int64_t frames) {
    return [frames] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) == GST_QUERY_DURATION)
        gst_query_set_duration (
            query, GST_FORMAT_TIME, static_cast<gint64> (time_of (frames, kRate)));
      return GST_QUERY_TYPE (query) == GST_QUERY_DURATION;
    };
  };
  mix.a.feeder.upstream_query = duration_of (60000);
  mix.start ();
  fail_if (back (mix, GST_SEEK_TYPE_NONE, -1), "b does not know where the end is");
  fail_unless (mix.bed.sink.wait_for_eos ());
  // The same place for both: the end of the longer one.
  mix.b.feeder.upstream_query = duration_of (59000);
  fail_unless (back (mix, GST_SEEK_TYPE_NONE, -1));
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (50000));
  // And a stop there.
  fail_unless (back (mix, GST_SEEK_TYPE_END, -static_cast<gint64> (GST_MSECOND)));
  fail_unless (mix.bed.sink.wait_for_eos ());
  for (const auto &seen : mix.bed.sink.events)
    if (seen.type == GST_EVENT_SEGMENT && seen.segment.stop != GST_CLOCK_TIME_NONE)
      fail_unless_equals_uint64 (seen.segment.stop, time_of (60000, kRate) - GST_MSECOND);
  fail_unless (mix.bed.sink.events.size () > 0);
}
GST_END_TEST;

GST_START_TEST (test_the_same_seek_from_two_sinks_is_one)
{
  TwoSources mix;
  mix.start ();
  GstEvent *event = seek_event (1000);
  fail_unless (send_upstream (mix.bed, gst_event_ref (event)));
  fail_unless (send_upstream (mix.bed, event));
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless_equals_int (mix.a.seeks, 1);
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_track_that_cannot_seek_does_not_stop_the_others)
{
  TwoSources mix;
  mix.b.can_seek = false;
  mix.bed.sink.close ();
  mix.start ();
  mix.bed.sink.let_through (1);
  fail_unless (mix.bed.sink.wait_for_chunks (1));
  fail_unless (send_upstream (mix.bed, seek_event (50000)));
  mix.bed.sink.open ();
  fail_unless (mix.bed.sink.wait_for_eos ());
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_source_that_never_flushes_does_not_hold_the_flush)
{
  for (const bool first : {false, true}) { // whichever is asked first
    TwoSources mix;
    SeekableSource &idle = first ? mix.a : mix.b;
    SeekableSource &good = first ? mix.b : mix.a;
    idle.flushes = false;
    mix.bed.sink.close ();
    mix.bed.play ();
    good.start ();
    idle.feeder.begin ();
    idle.feeder.end ();
    mix.bed.sink.let_through (1);
    fail_unless (mix.bed.sink.wait_for_chunks (1));
    GstEvent *event = seek_event (50000);
    const guint32 seqnum = gst_event_get_seqnum (event);
    fail_unless (send_upstream (mix.bed, event));
    mix.bed.sink.open ();
    fail_unless (mix.bed.sink.wait_for_eos (), "downstream waits for a flush that never comes");
    const Samples wanted = first ? mix.tail_of_two (50000) : mix.tail_of_one (50000);
    check_equal (mix.bed.sink.samples (), wanted);
    // It comes after all: nobody else hears of it.
    idle.flush_late (seqnum);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  }
}
GST_END_TEST;

namespace {

/// Calls back once, in the mix task, for what goes out of the mixer: an event of that type, or a
/// chunk after some. What it was called for is dropped: it is of before the seek.
class FromDownstream {
public:
  FromDownstream (MixerBed &bed, GstEventType type, std::function<void ()> call)
      : pad_ {gst_element_get_static_pad (bed.element, "src")}, type_ {type}, call_ {
                                                                                  std::move (call)}
  {
    probe_ = gst_pad_add_probe (
        pad_,
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
        [] (GstPad *, GstPadProbeInfo *info, gpointer self) noexcept {
          return static_cast<FromDownstream *> (self)->see (info);
        },
        this, nullptr);
  }
  ~FromDownstream ()
  {
    gst_pad_remove_probe (pad_, probe_);
    gst_object_unref (pad_);
  }
  FromDownstream (const FromDownstream &) = delete;
  FromDownstream &operator= (const FromDownstream &) = delete;

private:
  GstPadProbeReturn see (GstPadProbeInfo *info)
  {
    const bool is_buffer = (info->type & GST_PAD_PROBE_TYPE_BUFFER) != 0;
    const bool is_it = is_buffer ? type_ == GST_EVENT_UNKNOWN && ++chunks_ == 3
                                 : GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == type_;
    if (!is_it || std::exchange (called_, true))
      return GST_PAD_PROBE_OK;
    call_ ();
    return GST_PAD_PROBE_DROP;
  }

  GstPad *pad_;
  GstEventType type_; // GST_EVENT_UNKNOWN: the third chunk
  std::function<void ()> call_;
  gulong probe_;
  int chunks_ {0};
  bool called_ {false};
};

constexpr GstEventType kSeekAt[] = {GST_EVENT_UNKNOWN, GST_EVENT_SEGMENT, GST_EVENT_CAPS,
    GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_EOS};

} // namespace

GST_START_TEST (test_a_seek_from_downstream_in_the_mix_task)
{
  for (const bool elsewhere : {false, true}) {
    TwoSources mix;
    mix.a.seeks_elsewhere = mix.b.seeks_elsewhere = elsewhere;
    bool sought = false;
    const FromDownstream probe {
        mix.bed, kSeekAt[__i__], [&] { sought = send_upstream (mix.bed, seek_event (12345)); }};
    mix.bed.play ();
    for (int n = 0; n < 3; ++n) // which go out one after the other
      gst_pad_send_event (mix.a.feeder.sink,
          gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("note")));
    mix.a.start ();
    mix.b.start ();
    fail_unless (mix.bed.sink.wait_for_eos ());
    fail_unless (sought);
    check_equal (mix.bed.sink.samples (), mix.from (12345));
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_EOS), 1);
    const std::lock_guard lock {mix.bed.sink.mutex};
    for (const Chunk &chunk : mix.bed.sink.chunks)
      fail_unless (chunk.bytes > 0); // one of which nothing was left
  }
}
GST_END_TEST;

/// A source seeks without flush when its thread has come to an end, and that waits for the mix.
GST_START_TEST (test_a_seek_without_flush_in_the_mix_task)
{
  MixerBed bed {kChunk};
  g_object_set (bed.element, "max-size-time", 2 * kChunk, nullptr);
  Feeder a {bed, {kRate, 1}};
  std::atomic<bool> stop {false};
  const Samples after = noise (5000, 2);
  a.upstream_event = [&] (GstEvent *event) {
    if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
      return false;
    const guint32 seqnum = gst_event_get_seqnum (event);
    stop = true;
    a.join ();
    a.run ([&, seqnum] (Feeder &self) {
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      GstEvent *begin = gst_event_new_segment (&segment);
      gst_event_set_seqnum (begin, seqnum);
      gst_pad_push_event (self.src, begin);
      self.push_all (after, 3);
      self.end ();
    });
    return true;
  };
  const FromDownstream probe {bed, GST_EVENT_UNKNOWN, [&] {
                                // Not before the feeder waits for the mix.
                                fail_unless (eventually ([&] {
                                  guint64 level = 0;
                                  g_object_get (a.sink, "current-level-time", &level, nullptr);
                                  return level >= 2 * kChunk;
                                }));
                                fail_unless (send_upstream (bed, seek_event (0, 1.0, 0)));
                              }};
  bed.play ();
  a.run ([&] (Feeder &self) {
    self.begin ();
    const Samples silence (441);
    for (std::int64_t at = 0; !stop; at += 441)
      self.push (silence, at);
  });
  fail_unless (bed.sink.wait_for_eos ());
  const Samples heard = bed.sink.samples ();
  fail_unless (heard.size () > after.size ());
  check_equal (std::span {heard}.last (after.size ()), after);
}
GST_END_TEST;

/// The same, with a thread that waits until all it has sent is out: also for the very chunk that
/// the task is at.
GST_START_TEST (test_a_seek_in_the_mix_task_while_a_feeder_drains)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  a.upstream_event = [&a] (GstEvent *event) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK)
      a.join ();
    return GST_EVENT_TYPE (event) == GST_EVENT_SEEK;
  };
  std::promise<bool> sought; // a wait for it runs nothing, so that settles() can tell
  {
    const FromDownstream probe {bed, GST_EVENT_UNKNOWN, [&] {
                                  fail_unless (settles ()); // the feeder waits
                                  sought.set_value (send_upstream (bed, seek_event (0, 1.0, 0)));
                                }};
    bed.play ();
    a.run ([] (Feeder &self) {
      self.begin ();
      self.push (Samples (std::size_t {3} * 441), 0);
      GstQuery *query = gst_query_new_drain ();
      gst_pad_peer_query (self.src, query);
      gst_query_unref (query);
    });
    fail_unless (sought.get_future ().wait_for (kHung) == std::future_status::ready,
        "the seek waits for the feeder");
  }
  bed.stop ();
}
GST_END_TEST;

GST_START_TEST (test_a_late_flush_beside_one_that_never_comes)
{
  for (const bool first : {false, true}) { // whichever is asked first
    TwoSources mix;
    SeekableSource &late = first ? mix.a : mix.b;
    SeekableSource &idle = first ? mix.b : mix.a;
    late.flushes = idle.flushes = false;
    mix.bed.play ();
    for (SeekableSource *source : {&late, &idle}) {
      source->feeder.begin ();
      const auto channels = static_cast<std::size_t> (source->feeder.format.channels);
      fail_unless_equals_int (source->feeder.push (Samples (441 * channels), 0), GST_FLOW_OK);
    }
    fail_unless (mix.bed.sink.wait_for_chunks (1));
    GstEvent *event = seek_event (0);
    const guint32 seqnum = gst_event_get_seqnum (event);
    fail_unless (send_upstream (mix.bed, event));
    late.flush_late (seqnum);
    late.feeder.begin_segment ();
    late.feeder.end ();
    idle.feeder.end ();
    fail_unless (mix.bed.sink.wait_for_eos (), "downstream waits for a flush that never comes");
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_seek_that_no_track_can_do)
{
  TwoSources mix;
  mix.a.can_seek = mix.b.can_seek = false;
  mix.start ();
  fail_if (send_upstream (mix.bed, seek_event (5000)));
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (0));
  fail_unless_equals_int (mix.bed.sink.count_of (GST_EVENT_FLUSH_START), 0);
}
GST_END_TEST;

GST_START_TEST (test_the_same_seek_fails_by_every_way)
{
  for (const int flags : {int {GST_SEEK_FLAG_FLUSH}, 0}) {
    TwoSources mix;
    mix.a.can_seek = mix.b.can_seek = false;
    mix.start ();
    GstEvent *event = seek_event (5000, 1.0, flags);
    fail_if (send_upstream (mix.bed, gst_event_ref (event)));
    fail_if (send_upstream (mix.bed, event));
    fail_unless_equals_int (mix.a.seeks, 1);
    fail_unless (mix.bed.sink.wait_for_eos ());
  }
}
GST_END_TEST;

GST_START_TEST (test_a_segment_does_not_outlive_ready)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  bed.play ();
  a.begin ();
  fail_unless_equals_int (a.push (noise (1000, 1), 0), GST_FLOW_OK);
  gst_element_set_state (bed.element, GST_STATE_READY);
  bed.play ();
  // Another source, because GStreamer repeats what the first has said.
  gst_pad_unlink (a.src, a.sink);
  GstPad *other = gst_pad_new ("other", GST_PAD_SRC);
  gst_pad_set_active (other, TRUE);
  fail_unless_equals_int (gst_pad_link (other, a.sink), GST_PAD_LINK_OK);
  gst_pad_push_event (other, gst_event_new_stream_start ("other"));
  GstCaps *caps = caps_of (a.format);
  fail_unless (gst_pad_push_event (other, gst_event_new_caps (caps)));
  gst_caps_unref (caps);
  GstFlowReturn flow = GST_FLOW_OK;
  ASSERT_WARNING (flow = gst_pad_push (other, a.make (noise (1000, 2), 0))); // GStreamer's own
  fail_unless_equals_int (flow, GST_FLOW_EOS);
  gst_pad_unlink (other, a.sink);
  gst_object_unref (other);
  fail_unless_equals_int (gst_pad_link (a.src, a.sink), GST_PAD_LINK_OK);
  const std::string warning = bed.message (GST_MESSAGE_WARNING);
  fail_unless (warning.find ("before a segment") != std::string::npos, "%s", warning.c_str ());
  // And what has been left out is back after another READY.
  gst_element_set_state (bed.element, GST_STATE_READY);
  bed.sink.forget ();
  for (const bool active : {false, true}) // as a sink in READY, it forgets its segment
    gst_pad_set_active (bed.sink.pad (), active);
  bed.play ();
  a.begin ();
  const Samples audio = noise (1000, 3);
  fail_unless_equals_int (a.push (audio, 0), GST_FLOW_OK);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), audio);
}
GST_END_TEST;

GST_START_TEST (test_seeks_that_are_refused)
{
  TwoSources mix;
  mix.start ();
  fail_if (send_upstream (mix.bed, seek_event (5000, -1.0)));
  fail_if (send_upstream (mix.bed,
      gst_event_new_seek (2.0, GST_FORMAT_TIME, GST_SEEK_FLAG_INSTANT_RATE_CHANGE,
          GST_SEEK_TYPE_NONE, 0, GST_SEEK_TYPE_NONE, 0)));
  fail_if (send_upstream (mix.bed,
      gst_event_new_seek (1.0, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
          GST_SEEK_TYPE_NONE, -1)));
  fail_if (send_upstream (mix.bed,
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, GST_SECOND,
          GST_SEEK_TYPE_SET, GST_SECOND - 1))); // ends before it starts
  fail_unless_equals_int (mix.a.seeks, 0);
  fail_unless (mix.bed.sink.wait_for_eos ());
  check_equal (mix.bed.sink.samples (), mix.from (0));
}
GST_END_TEST;

GST_START_TEST (test_flush_of_one_track_stays_its_own)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  const Samples steady = noise (20000, 1);
  bed.play ();
  a.begin ();
  b.begin ();
  fail_unless_equals_int (b.push (noise (300, 2), 0), GST_FLOW_OK); // waits for a
  gst_pad_push_event (b.src, gst_event_new_flush_start ());
  gst_pad_push_event (b.src, gst_event_new_flush_stop (TRUE));
  b.begin_segment ();
  const Samples after = noise (5000, 3);
  fail_unless_equals_int (b.push (after, 0), GST_FLOW_OK);
  b.end ();
  a.push_all (steady, 1);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = steady;
  add_to (sum, after);
  check_equal (bed.sink.samples (), sum);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_START), 0);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 0);
  fail_unless_equals_uint64 (b.count ("dropped-frames"), 300);
  check_accounts (b);
}
GST_END_TEST;

GST_START_TEST (test_caps_that_wait_in_the_queue_survive_a_flush)
{
  // Caps are sticky: upstream does not send them again after a flush.
  for (const bool whole : {false, true}) {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    Feeder b {bed, {kRate, 1, GST_AUDIO_FORMAT_S16}};
    const Samples steady = noise (20000, 1);
    bed.play ();
    a.begin ();
    b.begin ();
    fail_unless_equals_int (b.push (noise (300, 2), 0), GST_FLOW_OK);
    b.format.format = GST_AUDIO_FORMAT_S32; // also behind audio
    fail_unless (b.begin_caps ());
    for (auto *feeder : {&b, &a})
      if (whole || feeder == &b) {
        GstEvent *start = gst_event_new_flush_start ();
        gst_event_set_seqnum (start, 4711);
        gst_pad_push_event (feeder->src, start);
      }
    for (auto *feeder : {&b, &a})
      if (whole || feeder == &b) {
        GstEvent *stop = gst_event_new_flush_stop (TRUE);
        gst_event_set_seqnum (stop, 4711);
        gst_pad_push_event (feeder->src, stop);
        feeder->begin_segment ();
      }
    const Samples after = noise (5000, 3);
    fail_unless_equals_int (b.push (after, 0), GST_FLOW_OK);
    b.end ();
    a.push_all (steady, 1);
    a.end ();
    fail_unless (bed.sink.wait_for_eos ());
    Samples sum = steady;
    add_to (sum, after);
    check_equal (bed.sink.samples (), sum);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), whole ? 1 : 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_caps_that_came_while_downstream_was_at_its_end)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  std::atomic<bool> full {true};
  bed.sink.flow = [&full] (std::size_t) { return full ? GST_FLOW_EOS : GST_FLOW_OK; };
  bed.play ();
  a.begin ();
  fail_unless (eventually ([&] { return a.push (noise (4410, 2), 0) == GST_FLOW_EOS; }));
  a.format.format = GST_AUDIO_FORMAT_S16;
  a.begin_caps ();
  full = false;
  gst_pad_push_event (a.src, gst_event_new_flush_start ());
  gst_pad_push_event (a.src, gst_event_new_flush_stop (TRUE));
  a.begin_segment ();
  const Samples after = noise (5000, 3);
  fail_unless_equals_int (a.push (after, 0), GST_FLOW_OK);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), after);
}
GST_END_TEST;

GST_START_TEST (test_flush_of_all_tracks_goes_downstream_once)
{
  MixerBed bed {kChunk};
  Feeders feeders;
  for (int n = 0; n < 5; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
  bed.play ();
  for (auto &feeder : feeders) {
    feeder->begin ();
    feeder->push (noise (1000, 1), 0);
  }
  fail_unless (bed.sink.wait_for_chunks (2));
  for (int round = 0; round < 3; ++round) {
    const guint32 seqnum = gst_util_seqnum_next ();
    const gboolean resets_time = round != 1;
    for (auto &feeder : feeders) {
      GstEvent *flush = gst_event_new_flush_start ();
      gst_event_set_seqnum (flush, seqnum);
      gst_pad_push_event (feeder->src, flush);
    }
    for (auto &feeder : feeders) {
      GstEvent *flush = gst_event_new_flush_stop (resets_time);
      gst_event_set_seqnum (flush, seqnum);
      gst_pad_push_event (feeder->src, flush);
    }
    fail_unless_equals_int (
        bed.sink.count_of (GST_EVENT_FLUSH_START), static_cast<std::size_t> (round + 1));
    fail_unless_equals_int (
        bed.sink.count_of (GST_EVENT_FLUSH_STOP), static_cast<std::size_t> (round + 1));
    {
      const std::lock_guard lock {bed.sink.mutex};
      const auto stop = std::find_if (bed.sink.events.rbegin (), bed.sink.events.rend (),
          [] (const SeenEvent &seen) { return seen.type == GST_EVENT_FLUSH_STOP; });
      fail_unless_equals_int (stop->resets_time, resets_time);
    }
    Samples sum;
    for (unsigned n = 0; n < feeders.size (); ++n) {
      const Samples track = noise (5000, n);
      feeders[n]->begin_segment ();
      feeders[n]->push (track, 0);
      add_to (sum, std::span {track}.first (441));
    }
    fail_unless (bed.sink.wait_for_chunks (1));
    Samples got = bed.sink.samples ();
    got.resize (441);
    check_equal (got, sum);
  }
}
GST_END_TEST;

namespace {

void send_flush (Feeder &feeder, bool start, guint32 seqnum)
{
  GstEvent *event = start ? gst_event_new_flush_start () : gst_event_new_flush_stop (TRUE);
  gst_event_set_seqnum (event, seqnum);
  gst_pad_push_event (feeder.src, event);
}

/// Two tracks whose second flush begins, in a thread of its own, while the stop of the first one is
/// on its way downstream.
struct OverlappingFlushes {
  explicit OverlappingFlushes (bool hold) : hold_second {hold}
  {
    bed.play ();
    for (auto *feeder : {&a, &b}) {
      feeder->begin ();
      feeder->push (noise (1000, 1), 0);
    }
  }
  ~OverlappingFlushes ()
  {
    if (other.joinable ())
      other.join ();
  }

  void flush (guint32 seqnum, std::atomic<bool> &begun, std::atomic<bool> &done)
  {
    for (auto *feeder : {&a, &b})
      send_flush (*feeder, true, seqnum);
    begun = true;
    for (auto *feeder : {&a, &b})
      send_flush (*feeder, false, seqnum);
    done = true;
  }

  GstPadProbeReturn look (GstPad *pad, const GstEvent *event)
  {
    if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP && !stop_seen.exchange (true)) {
      other = std::thread {[this] { flush (2222, second_begun, second_done); }};
      // The second start is on its way, or is told to wait for this stop.
      eventually ([this] { return second_begun || second_start_seen; });
      if (!hold_second) // let it arrive before this stop, if it can
        eventually (
            [this] { return second_begun || bed.sink.count_of (GST_EVENT_FLUSH_START) == 2; });
    } else if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_START &&
        gst_event_get_seqnum (const_cast<GstEvent *> (event)) == 2222) {
      second_start_seen = true;
      if (hold_second) // until the first flush is through, if it goes on
        eventually ([this] { return second_begun || first_done; });
      task_ran_in_flush = gst_pad_get_task_state (pad) == GST_TASK_STARTED;
    }
    return GST_PAD_PROBE_OK;
  }

  const bool hold_second;
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  std::thread other;
  std::atomic<bool> stop_seen {false};
  std::atomic<bool> first_begun {false}, first_done {false};
  std::atomic<bool> second_begun {false}, second_done {false};
  std::atomic<bool> second_start_seen {false}, task_ran_in_flush {false};
};

} // namespace

/// One track has flushed for the seek, the other is still at it, when the first flushes once more
/// for itself: before the other's flush ends, or around that.
GST_START_TEST (test_a_flush_of_a_track_within_that_of_a_seek)
{
  for (const bool ends_last : {false, true}) {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    Feeder b {bed, {kRate, 1}};
    guint32 seek = 0;
    a.upstream_event = [&] (GstEvent *event) {
      seek = gst_event_get_seqnum (event);
      send_flush (a, true, seek);
      return true;
    };
    b.upstream_event = [&] (GstEvent *event) {
      send_flush (b, true, gst_event_get_seqnum (event));
      send_flush (b, false, gst_event_get_seqnum (event));
      return true;
    };
    bed.play ();
    for (Feeder *feeder : {&a, &b})
      feeder->begin ();
    constexpr std::int64_t kTarget = 5000;
    fail_unless (send_upstream (bed, seek_event (kTarget)));
    const guint32 own = gst_util_seqnum_next ();
    send_flush (b, true, own);
    if (!ends_last)
      send_flush (b, false, own);
    send_flush (a, false, seek);
    if (ends_last)
      send_flush (b, false, own);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.position = segment.time = time_of (kTarget, kRate);
    const Samples after = noise (5000, 3);
    for (Feeder *feeder : {&a, &b}) {
      feeder->begin_segment (&segment);
      fail_unless_equals_int (feeder->push (after, kTarget), GST_FLOW_OK);
      feeder->end ();
    }
    fail_unless (bed.sink.wait_for_eos (), "downstream flushes for ever");
    Samples sum = after;
    add_to (sum, after);
    check_equal (bed.sink.samples (), sum);
    fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
    const std::lock_guard lock {bed.sink.mutex};
    for (const auto &seen : bed.sink.events) {
      if (seen.type == GST_EVENT_FLUSH_STOP)
        fail_unless_equals_int (seen.seqnum, seek);
      if (seen.type == GST_EVENT_SEGMENT)
        fail_unless_equals_uint64 (seen.segment.start, segment.start);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_that_begins_while_another_stops)
{
  for (const bool hold_second : {false, true}) {
    OverlappingFlushes mix {hold_second};
    fail_unless (mix.bed.sink.wait_for_chunks (2));
    GstPad *pad = gst_element_get_static_pad (mix.bed.element, "src");
    const gulong probe = gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH,
        [] (GstPad *at, GstPadProbeInfo *info, gpointer scene) {
          return static_cast<OverlappingFlushes *> (scene)->look (
              at, GST_PAD_PROBE_INFO_EVENT (info));
        },
        &mix, nullptr);
    mix.flush (1111, mix.first_begun, mix.first_done);
    fail_unless (eventually ([&] { return mix.second_done.load (); }), "the second flush hangs");
    gst_pad_remove_probe (pad, probe);
    gst_object_unref (pad);
    fail_if (mix.task_ran_in_flush, "the mix goes on within the second flush");
    std::vector<std::pair<GstEventType, guint32>> flushes;
    {
      const std::lock_guard lock {mix.bed.sink.mutex};
      for (const auto &seen : mix.bed.sink.events)
        if (seen.type == GST_EVENT_FLUSH_START || seen.type == GST_EVENT_FLUSH_STOP)
          flushes.emplace_back (seen.type, seen.seqnum);
    }
    const decltype (flushes) wanted {{GST_EVENT_FLUSH_START, 1111}, {GST_EVENT_FLUSH_STOP, 1111},
        {GST_EVENT_FLUSH_START, 2222}, {GST_EVENT_FLUSH_STOP, 2222}};
    fail_unless (flushes == wanted, "%zu flush events, or in another order", flushes.size ());
    const Samples after = noise (5000, 3);
    for (auto *feeder : {&mix.a, &mix.b}) {
      feeder->begin_segment ();
      fail_unless_equals_int (feeder->push (after, 0), GST_FLOW_OK);
      feeder->end ();
    }
    fail_unless (mix.bed.sink.wait_for_eos ());
    Samples sum = after;
    add_to (sum, after);
    check_equal (mix.bed.sink.samples (), sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_ends_without_a_track_that_goes)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  bed.play ();
  a.begin ();
  b.begin ();
  for (auto *feeder : {&a, &b})
    send_flush (*feeder, true, 4711);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_START), 1);
  send_flush (a, false, 4711);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 0);
  if (__i__ == 0)
    gst_element_release_request_pad (bed.element, b.sink);
  else
    fail_unless (gst_pad_unlink (b.src, b.sink));
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_FLUSH_STOP), 1);
  const Samples after = noise (5000, 3);
  a.begin_segment ();
  fail_unless_equals_int (a.push (after, 0), GST_FLOW_OK);
  a.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), after);
}
GST_END_TEST;

GST_START_TEST (test_what_downstream_answers_reaches_the_feeders)
{
  for (const GstFlowReturn answer : {GST_FLOW_EOS, GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED,
           GST_FLOW_NOT_LINKED, GST_FLOW_CUSTOM_ERROR}) {
    MixerBed bed {kChunk};
    Feeders feeders;
    for (int n = 0; n < 3; ++n)
      feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
    bed.sink.flow = [answer] (std::size_t chunk) { return chunk < 3 ? GST_FLOW_OK : answer; };
    bed.play ();
    std::atomic<int> told {0};
    for (auto &feeder : feeders)
      feeder->run ([&told, answer] (Feeder &self) {
        self.begin ();
        const Samples track = noise (100000, 1);
        GstFlowReturn flow = GST_FLOW_OK;
        for (std::int64_t at = 0; flow == GST_FLOW_OK; at += 100000)
          flow = self.push_all (track, 3, 3000, at);
        told += flow == answer;
      });
    for (auto &feeder : feeders)
      fail_unless (feeder->finishes (), "a feeder does not hear of %s", gst_flow_get_name (answer));
    fail_unless_equals_int (told, 3);
    fail_unless_equals_int (bed.sink.chunk_count (), 3);
    if (answer == GST_FLOW_EOS)
      fail_if (bed.has_message (GST_MESSAGE_ERROR));
    else // posted behind what the feeders hear
      fail_if (bed.message (GST_MESSAGE_ERROR).empty ());
  }
}
GST_END_TEST;

GST_START_TEST (test_nothing_linked_behind)
{
  MixerBed bed {kChunk, false};
  Feeder a {bed, {kRate, 1}};
  bed.play ();
  a.run ([] (Feeder &self) {
    self.begin ();
    const Samples track = noise (100000, 1);
    GstFlowReturn flow = GST_FLOW_OK;
    while (flow == GST_FLOW_OK)
      flow = self.push_all (track, 3);
    fail_unless_equals_int (flow, GST_FLOW_NOT_LINKED);
  });
  fail_unless (a.finishes ());
  fail_if (bed.message (GST_MESSAGE_ERROR).empty ());
}
GST_END_TEST;

GST_START_TEST (test_drain_never_hangs)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  bed.play ();
  const auto drain = [] (Feeder &feeder) {
    GstQuery *query = gst_query_new_drain ();
    const bool ok = gst_pad_peer_query (feeder.src, query);
    gst_query_unref (query);
    return ok;
  };
  // Nothing queued; then one thread feeds both, and the other has nothing.
  a.run ([&] (Feeder &self) {
    self.begin ();
    b.begin ();
    drain (self);
    drain (b);
    self.push (noise (5000, 1), 0);
    drain (self); // b has to go on first
    b.push (noise (5000, 2), 0);
    drain (b);
    self.end ();
    drain (self);
    b.end ();
  });
  fail_unless (a.finishes (), "a drain hangs");
  fail_unless (bed.sink.wait_for_eos ());
  check_accounts (a);
}
GST_END_TEST;

GST_START_TEST (test_a_flush_ends_a_drain)
{
  check_prompt ([] {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    bed.play ();
    bed.sink.close ();
    a.run ([] (Feeder &self) {
      self.begin ();
      self.push (noise (20000, 1), 0);
      GstQuery *query = gst_query_new_drain ();
      gst_pad_peer_query (self.src, query);
      gst_query_unref (query);
    });
    fail_unless (eventually ([&] { return a.count ("in-frames") == 20000; }));
    fail_unless (settles ());
    fail_if (a.done);
    const auto took = time_for ([&] {
      gst_pad_push_event (a.src, gst_event_new_flush_start ());
      fail_unless (a.finishes ());
    });
    gst_pad_push_event (a.src, gst_event_new_flush_stop (TRUE));
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_allocation_is_answered_at_once)
{
  check_prompt ([] {
    MixerBed bed {kChunk};
    Feeder a {bed, {kRate, 1}};
    Feeder b {bed, {kRate, 1}};
    bed.play ();
    bed.sink.close ();
    a.begin ();
    a.push (noise (30000, 1), 0); // b has nothing
    GstCaps *caps = caps_of (a.format);
    GstQuery *query = gst_query_new_allocation (caps, TRUE);
    const auto took = time_for ([&] { fail_unless (gst_pad_peer_query (a.src, query)); });
    gst_query_unref (query);
    gst_caps_unref (caps);
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_a_bounded_pool_of_downstream_never_blocks_the_end)
{
  check_prompt ([] {
    // A sink that keeps all that its pool has: the mix must not wait in the pool for ever.
    MixerBed bed {kChunk};
    std::vector<GstBuffer *> kept;
    bed.sink.allocation = [] (GstQuery *query) {
      GstCaps *caps = nullptr;
      gst_query_parse_allocation (query, &caps, nullptr);
      GstBufferPool *pool = gst_buffer_pool_new ();
      gst_query_add_allocation_pool (query, pool, 4096, 2, 2);
      gst_object_unref (pool);
    };
    bed.sink.look = [&kept] (GstBuffer *buffer) { kept.push_back (gst_buffer_ref (buffer)); };
    Feeder a {bed, {kRate, 1}};
    bed.play ();
    a.run ([] (Feeder &self) {
      self.begin ();
      self.push_all (noise (30000, 1), 1);
    });
    fail_unless (bed.sink.wait_for_chunks (2));
    fail_unless (settles ());
    const auto took = time_for ([&] { bed.stop (); });
    a.join ();
    for (auto *buffer : kept)
      gst_buffer_unref (buffer);
    return took;
  });
}
GST_END_TEST;

GST_START_TEST (test_queries_upwards)
{
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  Feeder b {bed, {kRate, 1}};
  std::atomic<int> latency_queries {0};
  std::atomic<gint64> b_duration {7 * GST_SECOND};
  a.upstream_query = [&] (GstQuery *query) {
    switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      ++latency_queries;
      gst_query_set_latency (query, TRUE, 20 * GST_MSECOND, 90 * GST_MSECOND);
      return true;
    case GST_QUERY_DURATION:
      gst_query_set_duration (query, GST_FORMAT_TIME, 5 * GST_SECOND);
      return true;
    case GST_QUERY_SEEKING:
      gst_query_set_seeking (query, GST_FORMAT_TIME, TRUE, 0, 5 * GST_SECOND);
      return true;
    default:
      return false;
    }
  };
  b.upstream_query = [&] (GstQuery *query) {
    if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY) {
      ++latency_queries;
      gst_query_set_latency (query, TRUE, 30 * GST_MSECOND, GST_CLOCK_TIME_NONE);
      return true;
    }
    if (GST_QUERY_TYPE (query) != GST_QUERY_DURATION || b_duration < 0)
      return false;
    gst_query_set_duration (query, GST_FORMAT_TIME, b_duration);
    return true;
  };
  bed.play ();
  const Samples track = noise (44100, 1);
  a.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (track, 1);
    self.end ();
  });
  b.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (track, 2);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  // The mix has asked whether they are live when the tracks changed, not for each of its chunks.
  fail_unless (latency_queries <= 12, "asked %d times", latency_queries.load ());
  latency_queries = 0;

  GstQuery *query = gst_query_new_latency ();
  fail_unless (gst_pad_peer_query (bed.sink.pad (), query));
  gboolean live = FALSE;
  GstClockTime min = 0;
  GstClockTime max = 0;
  gst_query_parse_latency (query, &live, &min, &max);
  gst_query_unref (query);
  fail_unless (live);
  fail_unless_equals_uint64 (min, 30 * GST_MSECOND + kChunk);
  fail_unless (max >= min && max != GST_CLOCK_TIME_NONE);
  fail_unless_equals_int (latency_queries, 2);

  gint64 value = 0;
  fail_unless (gst_pad_peer_query_duration (bed.sink.pad (), GST_FORMAT_TIME, &value));
  fail_unless_equals_uint64 (static_cast<guint64> (value), 7 * GST_SECOND);
  fail_if (gst_pad_peer_query_duration (bed.sink.pad (), GST_FORMAT_BYTES, &value));
  b_duration = -1; // unknown wins
  fail_if (gst_pad_peer_query_duration (bed.sink.pad (), GST_FORMAT_TIME, &value));
  fail_unless (gst_pad_peer_query_position (bed.sink.pad (), GST_FORMAT_TIME, &value));
  fail_unless_equals_uint64 (static_cast<guint64> (value), GST_SECOND);

  query = gst_query_new_seeking (GST_FORMAT_TIME);
  fail_unless (gst_pad_peer_query (bed.sink.pad (), query));
  gboolean seekable = FALSE;
  gst_query_parse_seeking (query, nullptr, &seekable, nullptr, &value);
  fail_unless (seekable);
  fail_unless_equals_uint64 (static_cast<guint64> (value), 5 * GST_SECOND);
  gst_query_unref (query);
}
GST_END_TEST;

static Suite *trackmixer_flow_suite ()
{
  Suite *suite = suite_create ("trackmixer-flow");
  TCase *seeks = tcase_create ("seeks");
  tcase_add_test (seeks, test_seek_plays_the_same_as_straight_on_from_the_target);
  tcase_add_test (seeks, test_many_seeks_in_a_row);
  tcase_add_test (seeks, test_a_flush_without_the_seqnum_of_its_seek);
  tcase_add_test (seeks, test_seeks_that_fail_after_their_flush);
  tcase_add_test (seeks, test_a_seek_to_before_the_last_change_of_volume);
  tcase_add_test (seeks, test_seek_after_the_end);
  tcase_add_test (seeks, test_seek_to_where_the_mix_is);
  tcase_add_test (seeks, test_seek_from_the_end);
  tcase_add_test (seeks, test_the_same_seek_from_two_sinks_is_one);
  tcase_add_test (seeks, test_a_track_that_cannot_seek_does_not_stop_the_others);
  tcase_add_test (seeks, test_a_source_that_never_flushes_does_not_hold_the_flush);
  tcase_add_loop_test (seeks, test_a_seek_from_downstream_in_the_mix_task, 0,
      static_cast<int> (std::size (kSeekAt)));
  tcase_add_test (seeks, test_a_seek_without_flush_in_the_mix_task);
  tcase_add_test (seeks, test_a_seek_in_the_mix_task_while_a_feeder_drains);
  tcase_add_test (seeks, test_a_late_flush_beside_one_that_never_comes);
  tcase_add_test (seeks, test_seek_that_no_track_can_do);
  tcase_add_test (seeks, test_the_same_seek_fails_by_every_way);
  tcase_add_test (seeks, test_a_segment_does_not_outlive_ready);
  tcase_add_test (seeks, test_seeks_that_are_refused);
  suite_add_tcase (suite, seeks);
  TCase *flushes = tcase_create ("flushes");
  tcase_add_test (flushes, test_flush_of_one_track_stays_its_own);
  tcase_add_test (flushes, test_caps_that_wait_in_the_queue_survive_a_flush);
  tcase_add_test (flushes, test_caps_that_came_while_downstream_was_at_its_end);
  tcase_add_test (flushes, test_flush_of_all_tracks_goes_downstream_once);
  tcase_add_test (flushes, test_a_flush_of_a_track_within_that_of_a_seek);
  tcase_add_test (flushes, test_a_flush_that_begins_while_another_stops);
  tcase_add_loop_test (flushes, test_a_flush_ends_without_a_track_that_goes, 0, 2);
  suite_add_tcase (suite, flushes);
  TCase *flow = tcase_create ("flow");
  tcase_add_test (flow, test_what_downstream_answers_reaches_the_feeders);
  tcase_add_test (flow, test_nothing_linked_behind);
  suite_add_tcase (suite, flow);
  TCase *queries = tcase_create ("queries");
  tcase_add_test (queries, test_drain_never_hangs);
  tcase_add_test (queries, test_a_flush_ends_a_drain);
  tcase_add_test (queries, test_allocation_is_answered_at_once);
  tcase_add_test (queries, test_a_bounded_pool_of_downstream_never_blocks_the_end);
  tcase_add_test (queries, test_queries_upwards);
  suite_add_tcase (suite, queries);
  return suite;
}

GST_CHECK_MAIN (trackmixer_flow)
