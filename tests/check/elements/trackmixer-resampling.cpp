// SPDX-License-Identifier: LGPL-2.1-or-later
// Tracks of other rates than the mix's: in place to a fraction of a frame, without drift, as long
// as they were.
#include <cmath>
#include <numbers>

#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kMixRate = 48000;
constexpr double kFrequency = 997.0;

double sine (std::int64_t frame, int rate)
{
  // The phase in whole cycles first: an hour of it has no room for the fraction in one product.
  const double cycles = std::fmod (kFrequency * static_cast<double> (frame) / rate, 1.0);
  return 0.5 * std::sin (2.0 * std::numbers::pi * cycles);
}

Samples sine_of (std::int64_t first, std::size_t frames, int rate, std::size_t channels = 1)
{
  Samples out (frames * channels);
  for (std::size_t n = 0; n < out.size (); ++n)
    out[n] = static_cast<float> (sine (first + static_cast<std::int64_t> (n / channels), rate));
  return out;
}

GstCaps *at_mix_rate ()
{
  return gst_caps_from_string ("audio/x-raw,format=F32LE,rate=48000");
}

/// The largest difference from the sine, away from both ends, where the filter sees the silence.
double largest_error (const Samples &out, std::int64_t first, std::size_t frames, std::size_t edge)
{
  double largest = 0.0;
  for (std::size_t n = edge; n + edge < frames; ++n)
    largest = std::max (largest,
        std::abs (static_cast<double> (out[static_cast<std::size_t> (first) + n]) -
            sine (first + static_cast<std::int64_t> (n), kMixRate)));
  return largest;
}

std::size_t frames_at_mix_rate (std::size_t frames, int rate)
{
  return (frames * kMixRate + static_cast<std::size_t> (rate) - 1) /
      static_cast<std::size_t> (rate);
}

Samples play_alone (const Format &format, const std::function<void (Feeder &)> &work,
    std::uint64_t *mixed_frames = nullptr)
{
  MixerBed bed;
  bed.sink.accepts = at_mix_rate ();
  g_object_set (bed.element, "discont-wait", guint64 {0}, nullptr);
  Feeder feeder {bed, format};
  bed.play ();
  feeder.run (work);
  fail_unless (bed.sink.wait_for_eos ());
  feeder.join ();
  fail_unless_equals_int (bed.sink.info.rate, kMixRate);
  check_accounts (feeder);
  fail_unless_equals_uint64 (feeder.count ("late-frames") + feeder.count ("dropped-frames"), 0);
  if (mixed_frames)
    *mixed_frames = feeder.count ("mixed-frames");
  fail_if (bed.has_message (static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
  Samples out = bed.sink.samples ();
  return out;
}

} // namespace

GST_START_TEST (test_in_place_at_every_rate)
{
  // One frame is 0.5 · 2π · 997 / 48000 = 0.065: this is a 300th of one, and what the filter's
  // images come to.
  for (const int rate : {8000, 11025, 16000, 22050, 32000, 44056, 44100, 88200, 96000, 192000})
    for (const std::size_t length : {1U, 10U, 999U, 30011U}) {
      std::uint64_t mixed = 0;
      const Samples out = play_alone (
          {rate, 1},
          [&] (Feeder &self) {
            self.begin ();
            self.push_all (sine_of (0, length, rate), 7);
            self.end ();
          },
          &mixed);
      const std::size_t frames = frames_at_mix_rate (length, rate);
      fail_unless_equals_uint64 (out.size (), frames);
      fail_unless_equals_uint64 (mixed, frames);
      const double error = largest_error (out, 0, frames, 600);
      fail_unless (error < 2e-4, "%d Hz, %zu frames: off by %g", rate, length, error);
    }
}
GST_END_TEST;

GST_START_TEST (test_any_buffers_give_the_same_bits)
{
  constexpr std::size_t kFrames = 20011;
  Samples reference;
  for (const std::size_t longest : {1U, 7U, 480U, 5000U, 30000U}) {
    const Samples out = play_alone ({44100, 2, GST_AUDIO_FORMAT_S16}, [&] (Feeder &self) {
      self.begin ();
      self.push_all (noise (2 * kFrames, 3), 11, longest);
      self.end ();
    });
    if (reference.empty ())
      reference = out;
    check_equal (out, reference);
  }
}
GST_END_TEST;

GST_START_TEST (test_no_drift)
{
  // An hour of 44.1 kHz: a 300th of a frame would show.
  const std::int64_t seconds = kSanitized ? 60 : 3600;
  MixerBed bed {GST_SECOND};
  bed.sink.accepts = at_mix_rate ();
  bed.sink.keep_bytes = false;
  double worst = 0.0;
  std::int64_t at = 0;
  bed.sink.look = [&] (GstBuffer *buffer) {
    GstMapInfo map;
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    const std::span samples {reinterpret_cast<const float *> (map.data), map.size / sizeof (float)};
    for (std::size_t n = 0; n < samples.size (); n += 479)
      if (const auto frame = at + static_cast<std::int64_t> (n);
          frame > 100 && frame < seconds * kMixRate - 100)
        worst =
            std::max (worst, std::abs (static_cast<double> (samples[n]) - sine (frame, kMixRate)));
    at += static_cast<std::int64_t> (samples.size ());
    gst_buffer_unmap (buffer, &map);
  };
  Feeder feeder {bed, {44100, 1}};
  bed.play ();
  feeder.run ([&] (Feeder &self) {
    self.begin ();
    const Samples second = sine_of (0, 44100, 44100); // 997 whole cycles
    for (std::int64_t n = 0; n < seconds; ++n)
      self.push (second, n * 44100);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos (kHung * 3));
  fail_unless_equals_int64 (at, seconds * kMixRate);
  fail_unless (worst < 2e-4, "off by %g", worst);
}
GST_END_TEST;

GST_START_TEST (test_holes_stay_in_place)
{
  // Two runs that begin at odd frames of 44.1 kHz, a hole between them.
  constexpr std::int64_t kFirst = 1237;
  constexpr std::int64_t kSecond = 30011;
  constexpr std::size_t kLength = 10007;
  const Samples out = play_alone ({44100, 1}, [&] (Feeder &self) {
    self.begin ();
    self.push_all (sine_of (kFirst, kLength, 44100), 1, 3000, kFirst);
    self.push_all (sine_of (kSecond, kLength, 44100), 2, 3000, kSecond);
    self.end ();
  });
  const auto to_mix = [] (std::int64_t frame) { return (frame * kMixRate + 22050) / 44100; };
  fail_unless_equals_uint64 (out.size (),
      static_cast<std::size_t> (to_mix (kSecond)) + frames_at_mix_rate (kLength, 44100));
  for (const std::int64_t first : {kFirst, kSecond}) {
    // Where it begins is rounded to a frame of the mix, and half a frame is 0.033; where its sound
    // lies is not.
    const auto begin = to_mix (first);
    const double error = largest_error (out, begin, frames_at_mix_rate (kLength, 44100), 100);
    fail_unless (error < 2e-4, "from frame %" G_GINT64_FORMAT " on off by %g", begin, error);
    // And nothing of it lies before its start.
    for (std::int64_t n = std::max<std::int64_t> (0, begin - 4000); n < begin; ++n)
      CHECK_SAMPLE (out[static_cast<std::size_t> (n)] == 0.0f, "frame %" G_GINT64_FORMAT, n);
  }
}
GST_END_TEST;

GST_START_TEST (test_rates_together)
{
  // The same sine at four rates, in channels and formats of their own, is four times the sine.
  MixerBed bed;
  bed.sink.accepts = gst_caps_from_string ("audio/x-raw,format=F32LE,rate=48000,channels=2");
  const Format formats[] {
      {44100, 2, GST_AUDIO_FORMAT_S16}, {48000, 1}, {96000, 2}, {22050, 1, GST_AUDIO_FORMAT_S24}};
  Feeders feeders;
  std::vector<Samples> data;
  for (const Format &format : formats) {
    feeders.push_back (std::make_unique<Feeder> (bed, format));
    data.push_back (sine_of (0, static_cast<std::size_t> (format.rate_hz), format.rate_hz,
        static_cast<std::size_t> (format.channels)));
    for (float &sample : data.back ())
      sample *= 0.25f;
  }
  feed_to_end (bed, feeders, data, 5);
  const Samples out = bed.sink.samples ();
  fail_unless_equals_uint64 (out.size (), 2 * kMixRate);
  for (std::size_t n = 600; n + 600 < kMixRate; ++n)
    for (std::size_t c = 0; c < 2; ++c) {
      const double error = std::abs (
          static_cast<double> (out[2 * n + c]) - sine (static_cast<std::int64_t> (n), kMixRate));
      CHECK_SAMPLE (error < 3e-4, "frame %zu is off by %g", n, error);
    }
  for (const auto &feeder : feeders)
    check_accounts (*feeder);
}
GST_END_TEST;

GST_START_TEST (test_rate_that_changes)
{
  // From 44.1 to 22.05 and on to 48 kHz, each where the one before ended.
  const Samples out = play_alone ({44100, 1}, [] (Feeder &self) {
    self.begin ();
    self.push_all (sine_of (0, 44100, 44100), 1);
    self.format.rate_hz = 22050;
    self.begin_caps ();
    self.push_all (sine_of (22050, 22050, 22050), 2, 3000, 22050);
    self.format.rate_hz = 48000;
    self.begin_caps ();
    self.push_all (sine_of (96000, 48000, 48000), 3, 3000, 96000);
    self.end ();
  });
  fail_unless_equals_uint64 (out.size (), 3 * kMixRate);
  for (const std::int64_t begin : {0, kMixRate, 2 * kMixRate}) {
    const double error = largest_error (out, begin, kMixRate, 600);
    fail_unless (error < 2e-4, "from frame %" G_GINT64_FORMAT " on off by %g", begin, error);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_forgets_what_the_filter_holds)
{
  MixerBed bed;
  bed.sink.accepts = at_mix_rate ();
  Feeder feeder {bed, {44100, 1}};
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push (Samples (100, 1.0f), 0); // less than a chunk: nothing goes out
    gst_pad_push_event (self.src, gst_event_new_flush_start ());
    gst_pad_push_event (self.src, gst_event_new_flush_stop (TRUE));
    self.begin_segment ();
    self.push_all (Samples (4410, 0.0f), 1);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  const Samples out = bed.sink.samples ();
  fail_unless_equals_uint64 (out.size (), 4800);
  for (const float sample : out)
    CHECK_SAMPLE (sample == 0.0f, "%g is heard", static_cast<double> (sample));
}
GST_END_TEST;

GST_START_TEST (test_gaps_stay_gaps)
{
  MixerBed bed;
  bed.sink.accepts = at_mix_rate ();
  Feeder feeder {bed, {44100, 1}};
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push (sine_of (0, 4410, 44100), 0);
    self.push (Samples (44100, 0.0f), 4410, GST_BUFFER_FLAG_GAP);
    self.push (Samples (44100, 0.0f), 48510, GST_BUFFER_FLAG_GAP);
    self.push (sine_of (0, 4410, 44100), 92610);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  std::size_t gaps = 0;
  for (const Chunk &chunk : bed.sink.chunks)
    gaps += (chunk.flags & GST_BUFFER_FLAG_GAP) != 0;
  // The first of the silence is still in the filter together with sound.
  fail_unless (gaps >= 95 && gaps <= 200, "%zu chunks are gaps", gaps);
}
GST_END_TEST;

/// As audioresample's default: flat to nine tenths of the band.
GST_START_TEST (test_highs_stay)
{
  for (const int rate : {22050, 32000, 44100, 88200, 96000}) {
    const double tone_hz = 0.42 * std::min (rate, kMixRate);
    const Samples out = play_alone ({rate, 1}, [rate, tone_hz] (Feeder &self) {
      Samples in (static_cast<std::size_t> (rate));
      for (std::size_t n = 0; n < in.size (); ++n)
        in[n] = static_cast<float> (
            std::sin (2.0 * std::numbers::pi * tone_hz * static_cast<double> (n) / rate));
      self.begin ();
      self.push_all (in, 1);
      self.end ();
    });
    double power = 0.0;
    for (std::size_t n = 12000; n < 36000; ++n)
      power += static_cast<double> (out[n]) * static_cast<double> (out[n]);
    const double level_db = 10.0 * std::log10 (2.0 * power / 24000.0);
    fail_unless (std::abs (level_db) < 0.1, "%.0f Hz from %d Hz: %.2f dB", tone_hz, rate, level_db);
  }
}
GST_END_TEST;

GST_START_TEST (test_converter_config_is_used)
{
  // Another quality gives other bits of the same sine.
  const auto play = [] (const char *config, bool warns = false) {
    MixerBed bed;
    bed.sink.accepts = at_mix_rate ();
    Feeder feeder {bed, {44100, 1}};
    if (config) {
      GstStructure *structure = gst_structure_from_string (config, nullptr);
      g_object_set (feeder.sink, "converter-config", structure, nullptr);
      gst_structure_free (structure);
    }
    bed.play ();
    feeder.run ([] (Feeder &self) {
      self.begin ();
      self.push_all (noise (44100, 1), 1);
      self.end ();
    });
    fail_unless (bed.sink.wait_for_eos ());
    fail_unless (bed.has_message (GST_MESSAGE_WARNING) == warns);
    return bed.sink.samples ();
  };
  const Samples plain = play (nullptr);
  const Samples nearest = play ("GstAudioConverter, GstAudioConverter.resampler-method="
                                "(GstAudioResamplerMethod)nearest");
  fail_unless_equals_uint64 (plain.size (), 48000);
  fail_unless_equals_uint64 (nearest.size (), 48000);
  fail_if (plain == nearest);
  // As gst-launch-1.0 is given it, without a type.
  fail_unless (nearest == play ("c, GstAudioConverter.resampler-method=nearest"));
  fail_unless (plain == play ("c, GstAudioConverter.resampler-method=nearst", true));
  // GstAudioResampler would crash, GstAudioConverter complain of a mistake of ours.
  fail_unless (plain == play ("c, GstAudioResampler.n-taps=0", true));
  fail_unless (plain == play ("c, GstAudioConverter.mix-matrix=1", true));
  // No option, and the others are used all the same.
  fail_unless (plain == play ("c, resampler-method=nearest", true));
  fail_unless (nearest == play ("c, GstAudioConverter.resampler-method=nearest, n-taps=7", true));
  // It is the other filter's, and alone stands for that.
  fail_if (plain == play ("c, GstAudioResampler.n-taps=16"));
}
GST_END_TEST;

/// A track that is resampled passes through two converters, one that is not may need none.
GST_START_TEST (test_a_mix_matrix_is_applied_once)
{
  const Format formats[] {
      {48000, 2}, {48000, 2, GST_AUDIO_FORMAT_S16}, {44100, 2}, {44100, 2, GST_AUDIO_FORMAT_S16}};
  for (const Format &format : formats) {
    MixerBed bed;
    bed.sink.accepts = at_mix_rate ();
    Feeder feeder {bed, format};
    GstStructure *swap = gst_structure_from_string (
        "GstAudioConverter, GstAudioConverter.mix-matrix=(GstValueArray)<"
        "(GstValueArray)<(float)0.0, (float)0.5>, (GstValueArray)<(float)0.5, (float)0.0>>",
        nullptr);
    fail_unless (swap != nullptr);
    g_object_set (feeder.sink, "converter-config", swap, nullptr);
    gst_structure_free (swap);
    bed.play ();
    feeder.run ([] (Feeder &self) {
      Samples samples;
      for (int frame = 0; frame < 10000; ++frame)
        samples.insert (samples.end (), {0.5f, 0.25f});
      self.begin ();
      self.push_all (samples, 1);
      self.end ();
    });
    fail_unless (bed.sink.wait_for_eos ());
    const Samples out = bed.sink.samples ();
    const std::size_t middle = out.size () / 4 * 2;
    for (const int side : {0, 1})
      fail_unless (std::abs (out[middle + static_cast<std::size_t> (side)] -
                       (side == 0 ? 0.125f : 0.25f)) < 1e-3f,
          "%s at %d Hz: %g in channel %d", gst_audio_format_to_string (format.format),
          format.rate_hz, static_cast<double> (out[middle + static_cast<std::size_t> (side)]),
          side);
  }
}
GST_END_TEST;

static Suite *trackmixer_resampling_suite ()
{
  Suite *suite = suite_create ("trackmixer-resampling");
  TCase *tests = tcase_create ("resampling");
  tcase_add_test (tests, test_in_place_at_every_rate);
  tcase_add_test (tests, test_any_buffers_give_the_same_bits);
  tcase_add_test (tests, test_no_drift);
  tcase_add_test (tests, test_holes_stay_in_place);
  tcase_add_test (tests, test_rates_together);
  tcase_add_test (tests, test_rate_that_changes);
  tcase_add_test (tests, test_a_flush_forgets_what_the_filter_holds);
  tcase_add_test (tests, test_gaps_stay_gaps);
  tcase_add_test (tests, test_highs_stay);
  tcase_add_test (tests, test_converter_config_is_used);
  tcase_add_test (tests, test_a_mix_matrix_is_applied_once);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (trackmixer_resampling);
