// SPDX-License-Identifier: LGPL-2.1-or-later
// After an accurate seek the mix is, to the bit, what straight play has from there on.
#include "listener.hpp"

#include <vector>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

// Never the start of a packet. The last is past the end of all tracks but one.
constexpr unsigned kTargetsMs[] = {1237, 11, 7003, 2500, 0, 11911};

const FileSpec &seekable_file ()
{
  using enum Codec;
  static const FileSpec file {"for seeking", 100,
      {{s16, 2 * kRateHz + 17}, {f32, 12 * kRateHz + 1}, {s24, 7 * kRateHz + 5, 1000}}};
  return file;
}

std::vector<float> from (const std::vector<float> &mix, unsigned ms)
{
  const auto start = static_cast<std::ptrdiff_t> (ms * (kRateHz / 1000) * kChannels);
  return {mix.begin () + start, mix.end ()};
}

/// Ends the pipeline and compares what came after the last seek.
void expect_rest (Pipeline &pipeline, const std::vector<float> &mix, unsigned ms)
{
  const End end = pipeline.run ();
  fail_unless (end == End::eos, "seek to %u ms: %s", ms,
      end == End::hung ? "hangs" : pipeline.error ().c_str ());
  const std::string off = difference (pipeline.capture ().samples, from (mix, ms), 0.0);
  fail_unless (off.empty (), "seek to %u ms: %s", ms, off.c_str ());
  fail_unless_equals_uint64 (pipeline.capture ().first_stream_time_ns, ms * GST_MSECOND);
  fail_unless_equals_int (pipeline.capture ().broken_pts, 0);
}

/// From PAUSED, to each target in its own pipeline.
GST_START_TEST (test_seek_while_paused)
{
  const unsigned ms = kTargetsMs[static_cast<std::size_t> (__i__) % std::size (kTargetsMs)];
  const Topology topology = kTopologies[static_cast<std::size_t> (__i__) / std::size (kTargetsMs)];
  const Container container {seekable_file ()};
  Pipeline pipeline {launch_line (container, topology, "") + tail_line ()};
  link_decodebin (pipeline);
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  fail_unless (pipeline.seek (ms * GST_MSECOND), "%s: seek refused", name_of (topology));
  expect_rest (pipeline, container.mix (), ms);
}
GST_END_TEST;

/// One pipeline that is sent from target to target while it plays by the clock.
GST_START_TEST (test_seeks_while_playing)
{
  const Topology topology = kTopologies[__i__];
  const Container container {seekable_file ()};
  Pipeline pipeline {launch_line (container, topology, "") + tail_line ("", "sync=true")};
  link_decodebin (pipeline);
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  fail_unless (pipeline.reach (GST_STATE_PLAYING));
  for (unsigned ms : kTargetsMs) {
    fail_unless (pipeline.seek (ms * GST_MSECOND), "%s: seek refused", name_of (topology));
    g_usleep (10'000); // the next comes before, while or after it is at the target
  }
  // The last target has the end 90 ms after it.
  expect_rest (pipeline, container.mix (), kTargetsMs[std::size (kTargetsMs) - 1]);
}
GST_END_TEST;

/// Two files: the seek has to reach both through the mixer.
GST_START_TEST (test_seek_in_two_wav_files)
{
  constexpr unsigned ms = 1501;
  const TwoWavFiles files;
  Pipeline pipeline {files.launch_line ()};
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  fail_unless (pipeline.seek (ms * GST_MSECOND));
  expect_rest (pipeline, files.mix (), ms);
}
GST_END_TEST;

/// Sent to the mixer in READY: the output begins there, and the sources are somebody else's, who
/// may seek them too, as GStreamer Editing Services do. For one start; as audiomixer.
GST_START_TEST (test_a_seek_before_paused)
{
  const std::string mixer = kBothMixers[static_cast<std::size_t> (__i__) % kMixerCount];
  const int variant = __i__ / static_cast<int> (kMixerCount);
  const bool source_too = variant > 0;
  const double rate = variant == 2 ? 2.0 : 1.0;
  const GstState state = variant == 3 ? GST_STATE_NULL : GST_STATE_READY;
  constexpr std::int64_t kBegin = 24000;
  constexpr std::int64_t kEnd = 48000;
  constexpr std::size_t all = 300 * 480;
  Pipeline pipeline {mixer +
      " name=m ! audio/x-raw,format=F32LE,rate=48000,channels=1 ! fakesink name=out sync=false "
      "audiotestsrc name=source samplesperbuffer=480 num-buffers=300 ! "
      "audio/x-raw,format=F32LE,rate=48000,channels=1 ! m."};
  const auto seek = [&] (const char *name) {
    return gst_element_seek (pipeline.find (name), rate, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
        GST_SEEK_TYPE_SET, static_cast<gint64> (time_of (kBegin)), GST_SEEK_TYPE_SET,
        static_cast<gint64> (time_of (kEnd)));
  };
  pipeline.set_state (state);
  fail_if (seek ("m")); // kept all the same
  if (source_too)
    fail_unless (seek ("source"));
  for (const bool kept : {true, false}) {
    Listener listener {pipeline};
    fail_unless (pipeline.reach (GST_STATE_PAUSED));
    fail_unless (pipeline.run () == End::eos);
    pipeline.set_state (GST_STATE_READY);
    const auto rounds = listener.rounds ();
    fail_unless_equals_int (rounds.size (), 1);
    const Round &round = rounds[0];
    fail_unless_equals_float (round.rate, kept ? rate : 1.0);
    fail_unless_equals_uint64 (round.base, 0);
    fail_unless_equals_uint64 (round.start, kept ? time_of (kBegin) : 0);
    fail_unless_equals_uint64 (round.time, kept ? time_of (kBegin) : 0);
    fail_unless_equals_uint64 (round.stop, kept ? time_of (kEnd) : GST_CLOCK_TIME_NONE);
    fail_unless_equals_uint64 (round.first_running_time, 0);
    fail_unless_equals_int (
        round.samples.size (), kept && source_too ? static_cast<std::size_t> (kEnd - kBegin) : all);
  }
}
GST_END_TEST;

Suite *seeking_suite ()
{
  Suite *suite = suite_create ("seeking");
  TCase *seeks = tcase_create ("seeks");
  suite_add_tcase (suite, seeks);
  const int topologies = static_cast<int> (std::size (kTopologies));
  tcase_add_loop_test (
      seeks, test_seek_while_paused, 0, topologies * static_cast<int> (std::size (kTargetsMs)));
  tcase_add_loop_test (seeks, test_seeks_while_playing, 0, topologies);
  tcase_add_test (seeks, test_seek_in_two_wav_files);
  tcase_add_loop_test (seeks, test_a_seek_before_paused, 0, static_cast<int> (4 * kMixerCount));
  return suite;
}

} // namespace

GST_CHECK_MAIN (seeking);
