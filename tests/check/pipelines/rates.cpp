// SPDX-License-Identifier: LGPL-2.1-or-later
// Seeks at other rates than 1. A seek at rate 2 gives the same audio with a segment that says how
// fast a sink has to play it; audiomixer does that too, and is held to the same.
#include "listener.hpp"

#include <array>
#include <iterator>
#include <string>

using namespace mt::test;

namespace {

constexpr std::array kRates {0.5, 1.0, 1.5, 2.0, 16.0};
constexpr std::int64_t kFrom = 24000;
constexpr std::int64_t kTo = 72000; // whole chunks, or the last of audiomixer is too long
constexpr std::int64_t kLength = 2 * kRateHz;
constexpr auto kFlush = static_cast<GstSeekFlags> (GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);

bool seek (const Pipeline &pipeline, double rate, int flags = kFlush)
{
  return gst_element_seek (pipeline.element (), rate, GST_FORMAT_TIME,
      static_cast<GstSeekFlags> (flags), GST_SEEK_TYPE_SET, static_cast<gint64> (time_of (kFrom)),
      GST_SEEK_TYPE_SET, static_cast<gint64> (time_of (kTo)));
}

std::string tail ()
{
  return " ! audio/x-raw,format=F32LE,rate=48000,channels=2 ! fakesink name=out sync=false";
}

std::vector<float> part (const std::vector<float> &mix)
{
  return {mix.begin () + kFrom * kChannels, mix.begin () + kTo * kChannels};
}

GstClockTime difference_of (GstClockTime a, GstClockTime b)
{
  return std::max (a, b) - std::min (a, b);
}

/// From kFrom to kTo in one segment, whose running time is that of its audio at this rate.
void check_segment (const Round &round, double rate)
{
  fail_unless_equals_float (round.rate, rate);
  fail_unless_equals_float (round.applied_rate, 1.0);
  fail_unless_equals_uint64 (round.base, 0);
  fail_unless_equals_uint64 (round.start, time_of (kFrom));
  fail_unless_equals_uint64 (round.time, time_of (kFrom));
  fail_unless_equals_uint64 (round.stop, time_of (kTo));
  fail_unless_equals_uint64 (round.first_running_time, 0);
  fail_unless_equals_int (round.broken, 0);
  const auto length = static_cast<double> (time_of (kTo - kFrom)) / rate;
  fail_unless (difference_of (round.end_running_time, static_cast<GstClockTime> (length)) <= 4);
}

/// Plays from kFrom at that rate to the end.
std::vector<Round> play_from (const std::string &line, double rate)
{
  Pipeline pipeline {line};
  Listener listener {pipeline};
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  fail_unless (seek (pipeline, rate));
  fail_unless (pipeline.run () == End::eos);
  pipeline.set_state (GST_STATE_NULL);
  return listener.rounds ();
}

void check_audio (const Round &round, const std::vector<float> &wanted)
{
  const std::string off = difference (round.samples, wanted, 0.0);
  fail_unless (off.empty (), "%s", off.c_str ());
}

struct TwoSongs {
  TwoSongs ()
      : one {seeded_noise (1, kLength, kChannels, 20)}, two {seeded_noise (
                                                            2, kLength, kChannels, 20)},
        a {wav_file (one, kChannels, kRateHz)}, b {wav_file (two, kChannels, kRateHz)}
  {}
  std::string into (const std::string &before_mixer = "") const
  {
    return " filesrc location=" + a.path () + " ! wavparse " + before_mixer +
        " ! m. filesrc location=" + b.path () + " ! wavparse ! m.";
  }
  std::vector<float> sum () const
  {
    auto mix = one;
    for (std::size_t n = 0; n < mix.size (); ++n)
      mix[n] += two[n];
    return mix;
  }
  std::vector<float> one, two;
  MemoryFile a, b;
};

} // namespace

GST_START_TEST (test_two_files_at_the_rate_of_a_seek)
{
  const std::string mixer = kBothMixers[static_cast<std::size_t> (__i__) % kMixerCount];
  const double rate = kRates[static_cast<std::size_t> (__i__) / kMixerCount];
  const TwoSongs songs;
  const auto rounds = play_from (mixer + " name=m" + tail () + songs.into (), rate);
  fail_unless_equals_int (rounds.size (), 1);
  check_segment (rounds[0], rate);
  check_audio (rounds[0], part (songs.sum ()));
}
GST_END_TEST;

/// What the source gives depends on how far it was before, so only the times are held.
GST_START_TEST (test_a_test_source_at_the_rate_of_a_seek)
{
  const std::string mixer = kBothMixers[static_cast<std::size_t> (__i__) % kMixerCount];
  const double rate = kRates[static_cast<std::size_t> (__i__) / kMixerCount];
  const auto rounds = play_from (
      mixer + " name=m" + tail () + " audiotestsrc ! audio/x-raw,format=F32LE,rate=48000 ! m.",
      rate);
  fail_unless_equals_int (rounds.size (), 1);
  check_segment (rounds[0], rate);
  fail_unless_equals_int (rounds[0].samples.size (), (kTo - kFrom) * kChannels);
}
GST_END_TEST;

/// One demuxer, which hears the seek once for each track.
GST_START_TEST (test_a_container_at_the_rate_of_a_seek)
{
  using enum Codec;
  static const FileSpec spec {"for rates", 100, {{s16, kLength}, {f32, kLength}, {s24, kLength}}};
  const Topology topology = kTopologies[__i__];
  const Container container {spec};
  Pipeline pipeline {launch_line (container, topology, "") + tail_line ()};
  link_decodebin (pipeline);
  Listener listener {pipeline};
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  fail_unless (seek (pipeline, 2.0));
  fail_unless (pipeline.run () == End::eos);
  pipeline.set_state (GST_STATE_NULL);
  const auto rounds = listener.rounds ();
  fail_unless_equals_int (rounds.size (), 1);
  check_segment (rounds[0], 2.0);
  check_audio (rounds[0], part (container.mix ()));
}
GST_END_TEST;

/// Each seek without flush at another rate, each base where the running time is by then.
GST_START_TEST (test_the_rate_changes_without_flush)
{
  const TwoSongs songs;
  Pipeline pipeline {"trackmixer name=m" + tail () + songs.into ()};
  Listener listener {pipeline};
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  constexpr std::array rates {2.0, 1.0, 0.5, 0.5, 4.0};
  GstClockTime base = 0;
  std::vector<GstClockTime> bases;
  for (std::size_t n = 0; n < rates.size (); ++n) {
    const bool last = n + 1 == rates.size ();
    const int flags = (n == 0 ? GST_SEEK_FLAG_FLUSH : 0) | (last ? 0 : GST_SEEK_FLAG_SEGMENT) |
        GST_SEEK_FLAG_ACCURATE;
    fail_unless (seek (pipeline, rates[n], flags));
    bases.push_back (base);
    base += static_cast<GstClockTime> (static_cast<double> (time_of (kTo - kFrom)) / rates[n]);
    if (n == 0)
      pipeline.set_state (GST_STATE_PLAYING);
    if (!last)
      fail_unless (listener.wait_for_segment_dones (n + 1));
  }
  fail_unless (pipeline.wait_for_end () == End::eos);
  pipeline.set_state (GST_STATE_NULL);
  const auto rounds = listener.rounds ();
  fail_unless_equals_int (rounds.size (), rates.size ());
  for (std::size_t n = 0; n < rates.size (); ++n) {
    fail_unless_equals_float (rounds[n].rate, rates[n]);
    fail_unless (difference_of (rounds[n].base, bases[n]) <= 10);
    fail_unless (difference_of (rounds[n].first_running_time, bases[n]) <= 10);
    fail_unless_equals_int (rounds[n].broken, 0);
    check_audio (rounds[n], part (songs.sum ()));
  }
}
GST_END_TEST;

/// scaletempo plays the audio at the rate itself and says so; the sink then has nothing left to do.
/// audiomixer refuses its segment and mixes nothing. The oracle is the same without a mixer.
GST_START_TEST (test_a_rate_that_has_been_applied)
{
  const double rate = __i__ == 0 ? 2.0 : 0.5;
  const TwoSongs songs;
  const std::string source = "filesrc location=" + songs.a.path () + " ! wavparse ! scaletempo";
  const auto wanted = play_from (source + tail (), rate);
  const auto rounds = play_from (source + " ! trackmixer name=m" + tail (), rate);
  fail_unless_equals_int (wanted.size (), 1);
  fail_unless_equals_int (rounds.size (), 1);
  fail_unless_equals_float (rounds[0].rate, wanted[0].rate);
  fail_unless_equals_float (rounds[0].applied_rate, wanted[0].applied_rate);
  fail_unless_equals_uint64 (rounds[0].start, wanted[0].start);
  fail_unless_equals_uint64 (rounds[0].time, wanted[0].time);
  fail_unless_equals_uint64 (rounds[0].stop, wanted[0].stop);
  check_audio (rounds[0], wanted[0].samples);
}
GST_END_TEST;

static Suite *rates_suite ()
{
  Suite *suite = suite_create ("rates");
  TCase *rates = tcase_create ("rates");
  suite_add_tcase (suite, rates);
  const int both = static_cast<int> (kMixerCount * kRates.size ());
  tcase_add_loop_test (rates, test_two_files_at_the_rate_of_a_seek, 0, both);
  tcase_add_loop_test (rates, test_a_test_source_at_the_rate_of_a_seek, 0, both);
  tcase_add_loop_test (
      rates, test_a_container_at_the_rate_of_a_seek, 0, static_cast<int> (std::size (kTopologies)));
  tcase_add_test (rates, test_the_rate_changes_without_flush);
  tcase_add_loop_test (rates, test_a_rate_that_has_been_applied, 0, 2);
  return suite;
}

GST_CHECK_MAIN (rates);
