// SPDX-License-Identifier: LGPL-2.1-or-later
// Seeks that come from downstream in the thread that mixes, as from a pad probe.
#include <future>
#include <mutex>
#include <utility>

#include "seekablesource.hpp"

using namespace mt::test;

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

/// A track without audio comes to its end: the first events of the mix go out together with that,
/// and one of them brings the seek. The end is of before it.
GST_START_TEST (test_a_seek_on_the_way_to_the_end_takes_that_back)
{
  const bool segment_done = __i__ == 1;
  MixerBed bed {kChunk};
  Feeder a {bed, {kRate, 1}};
  const Samples after = noise (5000, 2);
  // As every source does that seeks; or the pad would take that end for one behind the flush.
  std::mutex streaming;
  a.upstream_event = [&] (GstEvent *event) {
    if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
      return false;
    send_flush (a, true, gst_event_get_seqnum (event));
    {
      const std::lock_guard its_end_is_out {streaming};
    }
    send_flush (a, false, gst_event_get_seqnum (event));
    a.run ([&after] (Feeder &self) {
      self.begin_segment ();
      self.push_all (after, 3);
      self.end ();
    });
    return true;
  };
  const FromDownstream probe {bed, GST_EVENT_CUSTOM_DOWNSTREAM,
      [&bed] { fail_unless (send_upstream (bed, seek_event (0))); }};
  bed.play ();
  a.begin ();
  gst_pad_push_event (
      a.src, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("note")));
  {
    const std::lock_guard lock {streaming};
    if (segment_done)
      gst_pad_push_event (a.src, gst_event_new_segment_done (GST_FORMAT_TIME, 0));
    else
      a.end ();
  }
  fail_unless (bed.sink.wait_for_eos ());
  a.join ();
  check_equal (bed.sink.samples (), after);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_SEGMENT_DONE), 0);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_EOS), 1);
  const std::lock_guard lock {bed.sink.mutex};
  fail_unless (bed.sink.events.back ().type == GST_EVENT_EOS);
}
GST_END_TEST;

static Suite *trackmixer_reentry_suite ()
{
  Suite *suite = suite_create ("trackmixer-reentry");
  TCase *reentry = tcase_create ("reentry");
  tcase_add_loop_test (reentry, test_a_seek_from_downstream_in_the_mix_task, 0,
      static_cast<int> (std::size (kSeekAt)));
  tcase_add_test (reentry, test_a_seek_without_flush_in_the_mix_task);
  tcase_add_test (reentry, test_a_seek_in_the_mix_task_while_a_feeder_drains);
  tcase_add_loop_test (reentry, test_a_seek_on_the_way_to_the_end_takes_that_back, 0, 2);
  suite_add_tcase (suite, reentry);
  return suite;
}

GST_CHECK_MAIN (trackmixer_reentry)
