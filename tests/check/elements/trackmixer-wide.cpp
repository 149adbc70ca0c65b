// SPDX-License-Identifier: LGPL-2.1-or-later
// Outputs that are wider than the 24 bits of a float: the mix is a sum of doubles then.
#include "support.hpp"

#include <cmath>
#include <limits>

#include <gst/controller/controller.h>

using namespace mt::test;

namespace {

constexpr std::size_t kFrames = 20011;
constexpr std::size_t kTracks = 5;
constexpr double kFullScale = 2147483648.0; // of 32-bit integers

/// Interleaved samples of any type, as bytes.
template <class Sample>
std::span<const std::uint8_t> bytes_of (const std::vector<Sample> &samples)
{
  return {
      reinterpret_cast<const std::uint8_t *> (samples.data ()), samples.size () * sizeof (Sample)};
}

template <class Sample>
std::vector<Sample> samples_in (const CollectingSink &sink)
{
  std::vector<Sample> out (sink.bytes.size () / sizeof (Sample));
  std::copy (
      sink.bytes.begin (), sink.bytes.end (), reinterpret_cast<std::uint8_t *> (out.data ()));
  return out;
}

/// Every bit in use; `within` full scale.
std::vector<std::int32_t> integers (unsigned seed, double within)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<double> value {-within * kFullScale, within * kFullScale};
  std::vector<std::int32_t> out (2 * kFrames);
  for (auto &sample : out)
    sample = static_cast<std::int32_t> (value (random));
  return out;
}

std::vector<double> doubles (unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<double> value {-0.2, 0.2};
  std::vector<double> out (2 * kFrames);
  for (auto &sample : out)
    sample = value (random);
  return out;
}

/// Mixes whole tracks, one buffer each, to `out`.
template <class Sample>
void mix (MixerBed &bed, Feeders &feeders, const std::vector<std::vector<Sample>> &tracks,
    GstAudioFormat out)
{
  bed.sink.accepts = caps_of ({48000, 2, out});
  bed.play ();
  for (std::size_t n = 0; n < tracks.size (); ++n)
    feeders[n]->run ([&track = tracks[n]] (Feeder &self) {
      self.begin ();
      gst_pad_push (self.src, buffer_of (bytes_of (track), 0));
      self.end ();
    });
  fail_unless (bed.sink.wait_for_eos ());
  for (auto &feeder : feeders)
    feeder->join ();
  check_chunks (bed.sink, 10 * GST_MSECOND);
}

void request (MixerBed &bed, Feeders &feeders, std::size_t tracks, GstAudioFormat format)
{
  for (std::size_t n = 0; n < tracks; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 2, format}));
}

} // namespace

/// A sum of floats would round each of these to 24 bits.
GST_START_TEST (test_32_bit_integers_sum_to_the_last_bit)
{
  for (const GstAudioFormat out : {GST_AUDIO_FORMAT_S32, GST_AUDIO_FORMAT_U32}) {
    MixerBed bed;
    Feeders feeders;
    request (bed, feeders, kTracks, GST_AUDIO_FORMAT_S32);
    std::vector<std::vector<std::int32_t>> tracks;
    for (unsigned n = 0; n < kTracks; ++n)
      tracks.push_back (integers (n, 1.0 / kTracks));
    mix (bed, feeders, tracks, out);
    const auto got = samples_in<std::uint32_t> (bed.sink);
    fail_unless_equals_int (got.size (), 2 * kFrames);
    const std::uint32_t offset = out == GST_AUDIO_FORMAT_U32 ? 0x80000000U : 0;
    for (std::size_t i = 0; i < got.size (); ++i) {
      std::int64_t sum = 0;
      for (const auto &track : tracks)
        sum += track[i];
      CHECK_SAMPLE (got[i] == static_cast<std::uint32_t> (sum) + offset,
          "sample %zu is %u and not %u", i, got[i], static_cast<std::uint32_t> (sum) + offset);
    }
    fail_unless_equals_uint64 (count_in_stats (bed.element, "clipped-samples"), 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_32_bit_output_saturates_and_counts)
{
  MixerBed bed;
  Feeders feeders;
  request (bed, feeders, 3, GST_AUDIO_FORMAT_S32);
  std::vector<std::vector<std::int32_t>> tracks;
  for (unsigned n = 0; n < 3; ++n)
    tracks.push_back (integers (10 + n, 0.6));
  mix (bed, feeders, tracks, GST_AUDIO_FORMAT_S32);
  const auto got = samples_in<std::int32_t> (bed.sink);
  std::uint64_t clipped = 0;
  for (std::size_t i = 0; i < got.size (); ++i) {
    std::int64_t sum = 0;
    for (const auto &track : tracks)
      sum += track[i];
    using Limits = std::numeric_limits<std::int32_t>;
    const auto saturated = std::clamp<std::int64_t> (sum, Limits::min (), Limits::max ());
    // Exactly full scale is what the largest number stands for, and does not count.
    clipped += sum > std::int64_t {Limits::max ()} + 1 || sum < Limits::min ();
    CHECK_SAMPLE (got[i] == saturated, "sample %zu is %d and not %d", i, got[i],
        static_cast<std::int32_t> (saturated));
  }
  fail_unless (clipped > 100);
  fail_unless_equals_uint64 (count_in_stats (bed.element, "clipped-samples"), clipped);
}
GST_END_TEST;

/// Each track with a volume and a pan that no float holds exactly.
GST_START_TEST (test_gains_of_doubles)
{
  MixerBed bed;
  Feeders feeders;
  request (bed, feeders, 3, GST_AUDIO_FORMAT_F64);
  std::vector<std::vector<double>> tracks;
  for (unsigned n = 0; n < 3; ++n)
    tracks.push_back (doubles (n));
  const double volumes[] {0.3, 1.0 / 3.0, 1.7};
  const double pans[] {0.1, 0.0, -0.7};
  for (std::size_t n = 0; n < 3; ++n)
    g_object_set (feeders[n]->sink, "volume", volumes[n], "pan", pans[n], nullptr);
  mix (bed, feeders, tracks, GST_AUDIO_FORMAT_F64);
  const auto got = samples_in<double> (bed.sink);
  fail_unless_equals_int (got.size (), 2 * kFrames);
  for (std::size_t i = 0; i < got.size (); ++i) {
    double sum = 0.0;
    for (std::size_t n = 0; n < 3; ++n) {
      const double away = i % 2 == 0 ? std::max (pans[n], 0.0) : std::max (-pans[n], 0.0);
      sum += tracks[n][i] * volumes[n] * (1.0 - away);
    }
    CHECK_SAMPLE (
        std::abs (got[i] - sum) <= 1e-15, "sample %zu is %.17g and not %.17g", i, got[i], sum);
  }
}
GST_END_TEST;

/// An automated gain in doubles: a straight line between points that lie 64 frames apart.
GST_START_TEST (test_automation_of_doubles)
{
  MixerBed bed;
  Feeders feeders;
  request (bed, feeders, 1, GST_AUDIO_FORMAT_F64);
  g_object_set (bed.element, "ramp-time", GstClockTime {0}, nullptr);
  GstControlSource *source = gst_interpolation_control_source_new ();
  g_object_set (source, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  auto *curve = GST_TIMED_VALUE_CONTROL_SOURCE (source);
  gst_timed_value_control_source_set (curve, 0, 0.0);
  gst_timed_value_control_source_set (curve, GST_SECOND, 1.0);
  gst_object_add_control_binding (GST_OBJECT (feeders[0]->sink),
      gst_direct_control_binding_new_absolute (GST_OBJECT (feeders[0]->sink), "volume", source));
  gst_object_unref (source);
  const std::vector<std::vector<double>> tracks {doubles (7)};
  mix (bed, feeders, tracks, GST_AUDIO_FORMAT_F64);
  const auto got = samples_in<double> (bed.sink);
  fail_unless_equals_int (got.size (), 2 * kFrames);
  for (std::size_t i = 0; i < got.size (); ++i) {
    const double gain = static_cast<double> (i / 2) / 48000.0;
    // The times at which the points are read count whole nanoseconds, up to 15 of them late.
    CHECK_SAMPLE (std::abs (got[i] - gain * tracks[0][i]) <= 1.5e-8 * std::abs (tracks[0][i]),
        "sample %zu is %.17g and not %.17g", i, got[i], gain * tracks[0][i]);
  }
}
GST_END_TEST;

/// Floats and 16-bit integers in a mix of doubles, and a track of another rate.
GST_START_TEST (test_narrow_tracks_in_a_wide_mix)
{
  MixerBed bed;
  bed.sink.accepts = caps_of ({48000, 2, GST_AUDIO_FORMAT_F64});
  Feeders feeders;
  std::vector<Samples> tracks;
  for (const GstAudioFormat format : {GST_AUDIO_FORMAT_F32, GST_AUDIO_FORMAT_S16}) {
    feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 2, format}));
    tracks.push_back (noise (2 * kFrames, 30 + static_cast<unsigned> (tracks.size ())));
  }
  feeders.push_back (std::make_unique<Feeder> (bed, Format {24000, 2}));
  tracks.push_back (Samples (kFrames - 1, 0.25f));
  feed_to_end (bed, feeders, tracks, 9);
  const auto got = samples_in<double> (bed.sink);
  // A constant is one at any rate, but where its filter sees the ends.
  for (std::size_t i = 4000; i + 4000 < 2 * kFrames - 2; ++i) {
    const double sum =
        static_cast<double> (tracks[0][i]) + static_cast<double> (tracks[1][i]) + 0.25;
    CHECK_SAMPLE (
        std::abs (got[i] - sum) < 1e-6, "sample %zu is %.17g and not %.17g", i, got[i], sum);
  }
}
GST_END_TEST;

static Suite *trackmixer_wide_suite ()
{
  Suite *suite = suite_create ("trackmixer-wide");
  TCase *tests = tcase_create ("wide");
  tcase_add_test (tests, test_32_bit_integers_sum_to_the_last_bit);
  tcase_add_test (tests, test_32_bit_output_saturates_and_counts);
  tcase_add_test (tests, test_gains_of_doubles);
  tcase_add_test (tests, test_automation_of_doubles);
  tcase_add_test (tests, test_narrow_tracks_in_a_wide_mix);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (trackmixer_wide);
