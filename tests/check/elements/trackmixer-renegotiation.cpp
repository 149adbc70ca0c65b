// SPDX-License-Identifier: LGPL-2.1-or-later
// Downstream changes its mind: another format, other channels, from the next chunk on. (Another
// rate: trackmixer-samplerate.)
#include <cmath>

#include "ficklesink.hpp"

using namespace mt::test;

GST_START_TEST (test_another_format_and_other_channels)
{
  // (audiomixer 1.22 gives wrong samples behind the change to mono, so it is no oracle.)
  MixerBed bed;
  const Format stereo {48000, 2};
  FickleSink sink {bed,
      {{0, stereo}, {5, {48000, 2, GST_AUDIO_FORMAT_S16}}, {12, {48000, 1}},
          {17, {48000, 2, GST_AUDIO_FORMAT_S32}}, {21, stereo}}};
  Feeder a {bed, stereo};
  Feeder b {bed, stereo};
  bed.play ();
  const Samples in_a = noise (2 * 14400, 1);
  const Samples in_b = noise (2 * 14400, 2);
  Feeder *feeders[] {&a, &b};
  std::atomic<int> reconfigures {0};
  for (Feeder *feeder : feeders)
    feeder->upstream_event = [&reconfigures] (GstEvent *event) {
      reconfigures += GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE;
      return false;
    };
  for (Feeder *feeder : feeders)
    feeder->run ([&, feeder] (Feeder &self) { // all of it is queued before the first change
      self.begin ();
      self.push_all (feeder == &a ? in_a : in_b, feeder == &a ? 3 : 4);
      self.end ();
    });
  fail_unless (bed.sink.wait_for_eos ());
  a.join ();
  b.join ();
  fail_unless_equals_int (reconfigures, 0); // what a track brings is converted
  Samples sum = in_a;
  add_to (sum, in_b);
  fail_unless_equals_int (sink.stretches.size (), 5);
  fail_unless_equals_int (sink.broken, 0);
  std::size_t frame = 0;
  const std::size_t changes[] {0, 5, 12, 17, 21};
  for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
    const Stretch &stretch = sink.stretches[n];
    fail_unless_equals_uint64 (stretch.offset, changes[n] * 480);
    const auto channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&stretch.info));
    const bool exact = channels == 2;
    for (std::size_t i = 0; i < stretch.samples.size (); i += channels, ++frame) {
      fail_unless (2 * frame + 1 < sum.size ());
      const float left = sum[2 * frame];
      const float right = sum[2 * frame + 1];
      if (exact)
        CHECK_SAMPLE (stretch.samples[i] == left && stretch.samples[i + 1] == right,
            "frame %zu in %s", frame, GST_AUDIO_INFO_NAME (&stretch.info));
      else
        CHECK_SAMPLE (std::abs (stretch.samples[i] - (left + right) / 2) < 1e-6f,
            "frame %zu in mono is %g, not %g", frame, static_cast<double> (stretch.samples[i]),
            static_cast<double> ((left + right) / 2));
    }
  }
  fail_unless_equals_int (frame, sum.size () / 2);
}
GST_END_TEST;

/// As encoders list what they take: a structure for each number of channels, mono first.
GST_START_TEST (test_the_widest_track_decides_among_many_structures)
{
  MixerBed bed;
  bed.sink.accepts = gst_caps_from_string (
      "audio/x-raw, format=S16LE, rate=48000, channels=1, layout=interleaved; "
      "audio/x-raw, format=S16LE, rate=48000, channels=2, layout=interleaved, "
      "channel-mask=(bitmask)0x3; "
      "audio/x-raw, format=S16LE, rate=48000, channels=6, layout=interleaved, "
      "channel-mask=(bitmask)0x3f");
  Feeders feeders;
  for (const int channels : {1, 2, 1})
    feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, channels}));
  const Samples mono = noise (4800, 1);
  const Samples stereo = noise (2 * 4800, 2);
  feed_to_end (bed, feeders, {mono, stereo, mono}, 3);
  fail_unless_equals_int (bed.sink.info.channels, 2);
  Samples wanted = stereo;
  for (std::size_t n = 0; n < stereo.size (); ++n)
    wanted[n] += 2 * mono[n / 2];
  check_equal (bed.sink.samples (), wanted);
}
GST_END_TEST;

static Suite *trackmixer_renegotiation_suite ()
{
  Suite *suite = suite_create ("trackmixer-renegotiation");
  TCase *caps = tcase_create ("caps");
  suite_add_tcase (suite, caps);
  tcase_add_test (caps, test_another_format_and_other_channels);
  tcase_add_test (caps, test_the_widest_track_decides_among_many_structures);
  return suite;
}

GST_CHECK_MAIN (trackmixer_renegotiation);
