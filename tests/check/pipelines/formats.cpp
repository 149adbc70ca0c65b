// SPDX-License-Identifier: LGPL-2.1-or-later
// Tracks of different formats, channel counts and rates in one mix.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include <algorithm>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

/// Every format beside every other, mono and stereo. To the bit: no dither, no rounding, no 1/N.
GST_START_TEST (test_formats_and_channels)
{
  const Codec codecs[] = {Codec::s16, Codec::s24, Codec::s32, Codec::f32, Codec::flac};
  FileSpec file {"formats", 60, {}};
  for (Codec codec : codecs)
    for (unsigned channels : {2u, 1u})
      file.tracks.push_back ({codec, kRateHz + 7 * file.tracks.size (), 0, channels});
  // The first pad is mono in every second run: it must not decide for the others.
  if (__i__ % 2)
    std::ranges::reverse (file.tracks);
  const Container container {file};
  const Topology topology = kTopologies[__i__ / 2];
  Pipeline pipeline {launch_line (container, topology, "") + tail_line ()};
  link_decodebin (pipeline);
  fail_unless (pipeline.run () == End::eos, "%s", pipeline.error ().c_str ());
  const std::string off = difference (pipeline.capture ().samples, container.mix (), 0.0);
  fail_unless (off.empty (), "%s: %s", name_of (topology), off.c_str ());
}
GST_END_TEST;

/// Tracks of 44.1, 48 and 96 kHz, each through audioresample. The sum of what each gives alone.
GST_START_TEST (test_rates_through_audioresample)
{
  const FileSpec file {"rates", 100,
      {{Codec::f32, kRateHz}, {Codec::f32, 44100 * 2, 0, 2, 44100},
          {Codec::f32, 96000, 500, 2, 96000}}};
  const Container container {file};
  const std::string at_rate = " ! audioresample ! audio/x-raw,rate=" + std::to_string (kRateHz);
  std::vector<float> expected;
  std::string line = mixer_factory () + " name=m filesrc location=" + container.path () +
      " ! matroskademux name=d ";
  for (std::size_t i = 0; i < file.tracks.size (); ++i) {
    const std::string pad = "d.audio_" + std::to_string (i) + at_rate;
    line += pad + " ! m. ";
    Pipeline alone {"filesrc location=" + container.path () + " ! matroskademux name=d " + pad +
        " ! fakesink name=out sync=false"};
    fail_unless (alone.run () == End::eos);
    const auto &samples = alone.capture ().samples;
    const std::size_t start =
        static_cast<std::size_t> (file.tracks[i].start_ms) * (kRateHz / 1000) * kChannels;
    expected.resize (std::max (expected.size (), start + samples.size ()));
    for (std::size_t n = 0; n < samples.size (); ++n)
      expected[start + n] += samples[n];
  }
  Pipeline pipeline {line + tail_line ()};
  fail_unless (pipeline.run () == End::eos, "%s", pipeline.error ().c_str ());
  const std::string off = difference (pipeline.capture ().samples, expected, 1e-6);
  fail_unless (off.empty (), "%s", off.c_str ());
}
GST_END_TEST;

Suite *formats_suite ()
{
  Suite *suite = suite_create ("formats");
  TCase *formats = tcase_create ("formats");
  suite_add_tcase (suite, formats);
  tcase_add_loop_test (
      formats, test_formats_and_channels, 0, 2 * static_cast<int> (std::size (kTopologies)));
  tcase_add_test (formats, test_rates_through_audioresample);
  return suite;
}

} // namespace

GST_CHECK_MAIN (formats);
