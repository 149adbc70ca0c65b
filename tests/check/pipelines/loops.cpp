// SPDX-License-Identifier: LGPL-2.1-or-later
// Loops as applications play them: a flushing segment seek, then a segment seek without flush at
// each SEGMENT_DONE. The oracle for events and times is a source without a mixer: audiomixer loses
// what comes after the first round.
#include "listener.hpp"

#include <atomic>
#include <iterator>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

constexpr std::int64_t kToTheEnd = -1;

bool seek (const Pipeline &pipeline, int flags, std::int64_t from, std::int64_t to)
{
  return gst_element_seek (pipeline.element (), 1.0, GST_FORMAT_TIME,
      static_cast<GstSeekFlags> (flags | GST_SEEK_FLAG_ACCURATE), GST_SEEK_TYPE_SET,
      static_cast<gint64> (time_of (from)), GST_SEEK_TYPE_SET,
      to == kToTheEnd ? -1 : static_cast<gint64> (time_of (to)));
}

/// Counts the sources that have come to the end of their segment, at every pad that audio goes
/// into. A pipeline says SEGMENT_DONE when every source has that has begun: of two short files the
/// first may be done before the seek has reached the second.
class SegmentDones {
public:
  explicit SegmentDones (GstElement *element)
  {
    GstIterator *pads = gst_element_iterate_sink_pads (element);
    GValue value = G_VALUE_INIT;
    while (gst_iterator_next (pads, &value) == GST_ITERATOR_OK) {
      gst_pad_add_probe (
          GST_PAD (g_value_get_object (&value)), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
          [] (GstPad *, GstPadProbeInfo *info, gpointer count) noexcept {
            if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_SEGMENT_DONE)
              ++*static_cast<std::atomic<int> *> (count);
            return GST_PAD_PROBE_OK;
          },
          &count_, nullptr);
      ++pads_;
      g_value_reset (&value);
    }
    gst_iterator_free (pads);
    fail_unless (pads_ > 0);
  }
  void wait_for_round (std::size_t round) const
  {
    const int all = static_cast<int> (round) * pads_;
    for (int tries = 0; count_ < all && tries < 60'000; ++tries)
      g_usleep (1000); // it sends no more than that event, which a probe counts
    fail_unless_equals_int (count_, all);
  }

private:
  std::atomic<int> count_ {0};
  int pads_ {0};
};

/// `count` rounds from one frame to another, the last to EOS.
std::vector<Round> play_loop (
    Pipeline &pipeline, std::int64_t from, std::int64_t to, std::size_t count)
{
  Listener listener {pipeline};
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  GstElement *mixer = pipeline.find ("m");
  const SegmentDones done {mixer ? mixer : pipeline.find ("out")};
  fail_unless (seek (pipeline, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT, from, to));
  pipeline.set_state (GST_STATE_PLAYING);
  for (std::size_t round = 1; round < count; ++round) {
    done.wait_for_round (round);
    fail_unless (seek (pipeline, round + 1 < count ? GST_SEEK_FLAG_SEGMENT : 0, from, to));
  }
  fail_unless (pipeline.wait_for_end () == End::eos);
  pipeline.set_state (GST_STATE_NULL); // before the probes lose what they count in
  return listener.rounds ();
}

/// Each round has this audio, and goes on where the one before it ended.
void check_rounds (const std::vector<Round> &rounds, std::size_t count, std::int64_t from,
    std::int64_t to, const std::vector<float> &audio)
{
  fail_unless_equals_int (rounds.size (), count);
  const auto frames = static_cast<std::int64_t> (audio.size () / kChannels);
  for (std::size_t n = 0; n < count; ++n) {
    const Round &round = rounds[n];
    const std::string off = difference (round.samples, audio, 0.0);
    fail_unless (off.empty (), "round %d: %s", static_cast<int> (n), off.c_str ());
    const bool last = n + 1 == count;
    fail_unless_equals_int (round.segment_dones, last ? 0 : 1);
    if (!last) // without a stop it is the last frame's, counted from a base that is truncated too
      fail_unless (static_cast<GstClockTime> (round.segment_done) - time_of (to) <=
          (GST_CLOCK_TIME_IS_VALID (round.stop) ? 0 : 1));
    fail_unless (round.is_loop == !last);
    fail_unless_equals_uint64 (round.start, time_of (from));
    fail_unless_equals_uint64 (round.time, time_of (from));
    fail_unless_equals_int (round.broken, 0);
    // To the frame after any number of rounds.
    const GstClockTime base = time_of (static_cast<std::int64_t> (n) * frames);
    fail_unless (std::max (round.base, base) - std::min (round.base, base) <= 10 * count);
    fail_unless (round.first_running_time - round.base <= 1);
    fail_unless (n == 0 ||
        std::max (round.base, rounds[n - 1].end_running_time) -
                std::min (round.base, rounds[n - 1].end_running_time) <=
            10 * count);
  }
}

std::vector<float> part (const std::vector<float> &mix, std::int64_t from, std::int64_t to)
{
  return {mix.begin () + from * kChannels, mix.begin () + to * kChannels};
}

std::string tail ()
{
  return " ! audio/x-raw,format=F32LE ! fakesink name=out sync=false";
}

} // namespace

/// With a mixer as without.
GST_START_TEST (test_a_mixer_loops_as_its_source_does)
{
  constexpr std::int64_t from = 4801;
  constexpr std::int64_t to = 40013;
  const auto song = seeded_noise (1, kRateHz, kChannels, 20);
  const MemoryFile file {wav_file (song, kChannels, kRateHz)};
  const std::string source = "filesrc location=" + file.path () + " ! wavparse";
  Pipeline pipeline {source + (__i__ == 0 ? "" : " ! trackmixer name=m") + tail ()};
  const auto rounds = play_loop (pipeline, from, to, 10);
  check_rounds (rounds, 10, from, to, part (song, from, to));
  for (const Round &round : rounds)
    fail_unless_equals_uint64 (round.stop, time_of (to));
}
GST_END_TEST;

/// Two files that a mixer plays, and their sum.
struct TwoFiles {
  TwoFiles (std::int64_t one_frames, std::int64_t two_frames)
      : one {seeded_noise (1, static_cast<std::uint64_t> (one_frames), kChannels, 20)},
        mix {seeded_noise (2, static_cast<std::uint64_t> (two_frames), kChannels, 20)},
        a {wav_file (one, kChannels, kRateHz)}, b {wav_file (mix, kChannels, kRateHz)}
  {
    for (std::size_t i = 0; i < one.size (); ++i)
      mix[i] += one[i];
  }
  std::string launch_line () const
  {
    return "trackmixer name=m" + tail () + " filesrc location=" + a.path () +
        " ! wavparse ! m.sink_0 filesrc location=" + b.path () + " ! wavparse ! m.sink_1";
  }

  std::vector<float> one, mix;
  const MemoryFile a, b; // before the sum is made
};

/// Ends before both files, between their ends, and at the end of the longer.
GST_START_TEST (test_two_files_loop_together)
{
  constexpr std::int64_t kShort = kRateHz / 2 + 3;
  constexpr std::int64_t kLong = kRateHz * 3 / 4 + 1;
  constexpr std::int64_t kEnds[] = {kShort - 700, kShort + 5001, kToTheEnd};
  constexpr std::int64_t from = 1023;
  const std::int64_t to = kEnds[__i__];
  const TwoFiles files {kShort, kLong};
  Pipeline pipeline {files.launch_line ()};
  const auto rounds = play_loop (pipeline, from, to, 10);
  const std::int64_t end = to == kToTheEnd ? kLong : to;
  check_rounds (rounds, 10, from, end, part (files.mix, from, end));
}
GST_END_TEST;

/// Files so short that the first is read before the second has heard of the seek, which takes its
/// time: the pipeline must not say SEGMENT_DONE for the first alone.
GST_START_TEST (test_short_files_are_done_together)
{
  constexpr std::int64_t kLength = kRateHz / 20;
  constexpr std::size_t kCount = 6;
  const TwoFiles files {kLength, kLength};
  Pipeline pipeline {files.launch_line ()};
  Listener listener {pipeline};
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  GstPad *second = gst_element_get_static_pad (pipeline.find ("m"), "sink_1");
  gst_pad_add_probe (
      second, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer) noexcept {
        if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_SEEK)
          g_usleep (20'000); // far more than the first file needs
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  gst_object_unref (second);
  const SegmentDones done {pipeline.find ("m")};
  GstBus *bus = gst_element_get_bus (pipeline.element ());
  pipeline.set_state (GST_STATE_PLAYING);
  for (std::size_t round = 0; round < kCount; ++round) {
    const int flags = round == 0 ? GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT
        : round + 1 < kCount     ? GST_SEEK_FLAG_SEGMENT
                                 : 0;
    fail_unless (seek (pipeline, flags, 0, kLength));
    if (round + 1 == kCount)
      break;
    GstMessage *message =
        gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_SEGMENT_DONE);
    fail_unless (message != nullptr);
    gst_message_unref (message);
    // The message comes before the event by a moment; the second of an early one only much later.
    done.wait_for_round (round + 1);
    fail_if (
        gst_bus_have_pending (bus) && gst_bus_timed_pop_filtered (bus, 0, GST_MESSAGE_SEGMENT_DONE),
        "a second SEGMENT_DONE in round %d", static_cast<int> (round));
  }
  gst_object_unref (bus);
  fail_unless (pipeline.wait_for_end () == End::eos);
  pipeline.set_state (GST_STATE_NULL);
  check_rounds (listener.rounds (), kCount, 0, kLength, files.mix);
}
GST_END_TEST;

/// One demuxer, tracks of three lengths, one that begins after the loop has.
GST_START_TEST (test_a_container_loops)
{
  using enum Codec;
  static const FileSpec spec {"for loops", 100,
      {{s16, kRateHz / 4 + 17}, {f32, 2 * kRateHz + 1}, {s24, kRateHz / 2 + 5, 500}}};
  const Topology topology = kTopologies[__i__];
  constexpr std::int64_t from = 4800;
  constexpr std::int64_t to = kRateHz + 4800;
  const Container container {spec};
  Pipeline pipeline {launch_line (container, topology, "") + tail_line ()};
  link_decodebin (pipeline);
  const auto rounds = play_loop (pipeline, from, to, 4);
  check_rounds (rounds, 4, from, to, part (container.mix (), from, to));
}
GST_END_TEST;

static Suite *loops_suite ()
{
  Suite *suite = suite_create ("loops");
  TCase *loops = tcase_create ("loops");
  suite_add_tcase (suite, loops);
  tcase_add_loop_test (loops, test_a_mixer_loops_as_its_source_does, 0, 2);
  tcase_add_loop_test (loops, test_two_files_loop_together, 0, 3);
  tcase_add_test (loops, test_short_files_are_done_together);
  tcase_add_loop_test (
      loops, test_a_container_loops, 0, static_cast<int> (std::size (kTopologies)));
  return suite;
}

GST_CHECK_MAIN (loops);
