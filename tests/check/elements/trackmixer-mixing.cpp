// SPDX-License-Identifier: LGPL-2.1-or-later
// What trackmixer puts out: the sum, sample by sample, in chunks of one length.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = 10 * GST_MSECOND;

/// What may go wrong in one sample of a format, in its steps.
double step_of (GstAudioFormat format)
{
  switch (format) {
  case GST_AUDIO_FORMAT_S16:
    return 1.0 / 32768.0;
  case GST_AUDIO_FORMAT_S24:
  case GST_AUDIO_FORMAT_S24_32:
    return 1.0 / 8388608.0;
  default:
    return 0.0;
  }
}

Samples mix (const Format &format, std::size_t tracks, std::size_t frames, unsigned seed,
    GstClockTime chunk = kChunk, GstCaps *accepts = nullptr, std::vector<Samples> *in = nullptr,
    std::size_t longest_frames = 3000)
{
  MixerBed bed {chunk};
  bed.sink.accepts = accepts;
  Feeders feeders;
  std::vector<Samples> data;
  for (std::size_t n = 0; n < tracks; ++n) {
    data.push_back (in && n < in->size ()
            ? (*in)[n]
            : noise (frames * static_cast<std::size_t> (format.channels),
                  seed + static_cast<unsigned> (n)));
    feeders.push_back (std::make_unique<Feeder> (bed, format));
  }
  feed_to_end (bed, feeders, data, seed, longest_frames);
  check_chunks (bed.sink, chunk);
  for (const auto &feeder : feeders) {
    check_accounts (*feeder);
    fail_unless_equals_uint64 (feeder->count ("mixed-frames"), feeder->count ("in-frames"));
  }
  fail_if (bed.has_message (static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
  return bed.sink.samples ();
}

Samples sum_of (const Format &format, std::size_t tracks, std::size_t frames, unsigned seed)
{
  Samples sum;
  for (std::size_t n = 0; n < tracks; ++n)
    add_to (sum,
        noise (
            frames * static_cast<std::size_t> (format.channels), seed + static_cast<unsigned> (n)));
  return sum;
}

} // namespace

GST_START_TEST (test_sum_is_exact_for_any_number_of_tracks)
{
  for (std::size_t tracks = 1; tracks <= 8; ++tracks) {
    const Format format;
    const auto seed = static_cast<unsigned> (100 * tracks);
    check_equal (mix (format, tracks, 30011, seed), sum_of (format, tracks, 30011, seed));
  }
}
GST_END_TEST;

GST_START_TEST (test_rates_and_chunks)
{
  for (const int rate : {8000, 11025, 22050, 44100, 48000, 96000})
    for (const GstClockTime chunk : {GST_MSECOND, 10 * GST_MSECOND, 100 * GST_MSECOND}) {
      const Format format {rate, 1};
      const auto frames = static_cast<std::size_t> (rate) + 17;
      check_equal (
          mix (format, 2, frames, 5, chunk, nullptr, nullptr, 1024), sum_of (format, 2, frames, 5));
    }
}
GST_END_TEST;

GST_START_TEST (test_odd_chunk_durations)
{
  for (const GstClockTime chunk :
      {GstClockTime {1}, GstClockTime {20833}, GstClockTime {333333}, GstClockTime {7654321}}) {
    const Format format {44100, 1};
    const std::size_t frames = chunk < 1000000 ? 3000 : 60000;
    check_equal (mix (format, 2, frames, 9, chunk), sum_of (format, 2, frames, 9));
  }
}
GST_END_TEST;

GST_START_TEST (test_no_drift_over_minutes)
{
  // 3.333333 ms at 11025 Hz are 36.75 frames: a lost remainder would show soon. GAPs are cheap.
  const GstClockTime chunk = 3333333;
  MixerBed bed {chunk};
  bed.sink.keep_bytes = false;
  Feeder feeder {bed, {11025, 1}};
  bed.play ();
  const std::int64_t frames = std::int64_t {11025} * (kSanitized ? 30 : 240);
  feeder.run ([frames] (Feeder &self) {
    self.begin ();
    self.push (noise (100, 1), 0);
    for (std::int64_t at = 100; at < frames; at += 5000)
      self.gap (at, std::min<std::int64_t> (5000, frames - at));
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  check_chunks (bed.sink, chunk);
  fail_unless_equals_uint64 (bed.sink.chunks.back ().offset_end, static_cast<guint64> (frames));
}
GST_END_TEST;

GST_START_TEST (test_integer_in_integer_out)
{
  for (const GstAudioFormat format_id :
      {GST_AUDIO_FORMAT_S16, GST_AUDIO_FORMAT_S24, GST_AUDIO_FORMAT_S24_32, GST_AUDIO_FORMAT_S32}) {
    for (const std::size_t tracks : {1U, 5U}) {
      const Format format {48000, 2, format_id};
      const Samples got = mix (format, tracks, 20003, 40, kChunk, caps_of (format));
      // The noise has steps of 2^-15, so that nothing has to be rounded in any of these formats.
      check_equal (got, sum_of (format, tracks, 20003, 40));
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_integer_noise_to_its_precision)
{
  for (const GstAudioFormat format_id :
      {GST_AUDIO_FORMAT_S16, GST_AUDIO_FORMAT_S24, GST_AUDIO_FORMAT_S24_32, GST_AUDIO_FORMAT_S32}) {
    const Format format {48000, 2, format_id};
    std::vector<Samples> tracks;
    std::vector<double> sum;
    for (unsigned n = 0; n < 3; ++n) {
      // As the track has it, after it was rounded to its format.
      tracks.push_back (decode (encode (fine_noise (24000, n), format_id), format_id));
      sum.resize (tracks[n].size ());
      for (std::size_t i = 0; i < sum.size (); ++i)
        sum[i] += static_cast<double> (tracks[n][i]);
    }
    const Samples got = mix (format, 3, 0, 60, kChunk, caps_of (format), &tracks);
    fail_unless_equals_int (got.size (), sum.size ());
    // A float of full scale has steps of 2^-24; one rounding for each sum and conversion.
    const double allowed =
        format_id == GST_AUDIO_FORMAT_S16 ? 0.0 : step_of (format_id) + std::ldexp (4.0, -24);
    for (std::size_t n = 0; n < sum.size (); ++n)
      CHECK_SAMPLE (std::abs (static_cast<double> (got[n]) - sum[n]) <= allowed,
          "%s: sample %zu is %.10g and not %.10g", gst_audio_format_to_string (format_id), n,
          static_cast<double> (got[n]), sum[n]);
  }
}
GST_END_TEST;

GST_START_TEST (test_integer_output_saturates_and_counts)
{
  const Format format {48000, 1, GST_AUDIO_FORMAT_S16};
  MixerBed bed;
  bed.sink.accepts = caps_of (format);
  Feeders feeders;
  Samples loud (4800, 0.75f);
  for (std::size_t n = 0; n < loud.size (); n += 3)
    loud[n] = -0.75f;
  loud[1] = loud[2] = 0.0f;
  for (int n = 0; n < 2; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, format));
  feed_to_end (bed, feeders, {loud, loud}, 3);
  const Samples got = bed.sink.samples ();
  for (std::size_t n = 0; n < got.size (); ++n)
    CHECK_SAMPLE (got[n] ==
            (loud[n] > 0          ? 32767.0f / 32768.0f
                    : loud[n] < 0 ? -1.0f
                                  : 0.0f),
        "sample %zu", n);
  fail_unless_equals_uint64 (count_in_stats (bed.element, "clipped-samples"), loud.size () - 2);
}
GST_END_TEST;

GST_START_TEST (test_mixed_formats_of_one_mix)
{
  MixerBed bed;
  const GstAudioFormat formats[] {GST_AUDIO_FORMAT_F32, GST_AUDIO_FORMAT_S16, GST_AUDIO_FORMAT_S24,
      GST_AUDIO_FORMAT_S24_32, GST_AUDIO_FORMAT_S32};
  Feeders feeders;
  std::vector<Samples> tracks;
  Samples sum;
  for (unsigned n = 0; n < 5; ++n) {
    feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 2, formats[n]}));
    tracks.push_back (noise (2 * 20000, 70 + n));
    add_to (sum, tracks.back ());
  }
  feed_to_end (bed, feeders, tracks, 4);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_mono_goes_into_both_channels)
{
  MixerBed bed;
  Feeders feeders;
  feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 2}));
  feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 1, GST_AUDIO_FORMAT_S16}));
  const Samples stereo = noise (2 * 10000, 1);
  const Samples mono = noise (10000, 2);
  feed_to_end (bed, feeders, {stereo, mono}, 8);
  Samples sum = stereo;
  for (std::size_t n = 0; n < mono.size (); ++n) {
    sum[2 * n] += mono[n];
    sum[2 * n + 1] += mono[n];
  }
  fail_unless_equals_int (bed.sink.info.channels, 2);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

/// The whole track at once through the stock converter.
static Samples converted (const Samples &in, const Format &from, const Format &to)
{
  GstAudioInfo in_info = info_of (from);
  GstAudioInfo out_info = info_of (to);
  GstAudioConverter *converter =
      gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &in_info, &out_info, nullptr);
  const std::size_t frames = in.size () / static_cast<std::size_t> (from.channels);
  Samples source = in;
  Samples out (frames * static_cast<std::size_t> (to.channels));
  gpointer in_data[] {source.data ()};
  gpointer out_data[] {out.data ()};
  fail_unless (gst_audio_converter_samples (
      converter, GST_AUDIO_CONVERTER_FLAG_NONE, in_data, frames, out_data, frames));
  gst_audio_converter_free (converter);
  return out;
}

GST_START_TEST (test_stereo_in_a_five_one_mix)
{
  MixerBed bed;
  Feeders feeders;
  feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 2}));
  feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 6}));
  const Samples stereo = noise (2 * 10000, 1);
  const Samples surround = noise (6 * 10000, 2);
  feed_to_end (bed, feeders, {stereo, surround}, 8);
  Samples sum = surround;
  sum = converted (stereo, {48000, 2}, {48000, 6});
  add_to (sum, surround);
  fail_unless_equals_int (bed.sink.info.channels, 6);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_unpositioned_channels_are_kept_apart)
{
  const Format format {48000, 5, GST_AUDIO_FORMAT_F32, false};
  check_equal (mix (format, 3, 7000, 12), sum_of (format, 3, 7000, 12));
}
GST_END_TEST;

GST_START_TEST (test_caps_change_in_the_middle_of_a_track)
{
  MixerBed bed;
  Feeder steady {bed, {48000, 2}};
  Feeder changing {bed, {48000, 2, GST_AUDIO_FORMAT_S16}};
  const Samples base = noise (2 * 9000, 1);
  const Samples parts[] {noise (2 * 3001, 2), noise (2 * 2777, 3), noise (1234, 4)};
  bed.play ();
  steady.run ([&base] (Feeder &self) {
    self.begin ();
    self.push_all (base, 1);
    self.end ();
  });
  changing.run ([&parts] (Feeder &self) {
    self.begin ();
    self.push_all (parts[0], 2, 700, 0);
    self.format.format = GST_AUDIO_FORMAT_F32;
    fail_unless (self.begin_caps ());
    self.push_all (parts[1], 3, 700, 3001);
    self.format.channels = 1;
    self.format.format = GST_AUDIO_FORMAT_S32;
    fail_unless (self.begin_caps ());
    self.push_all (parts[2], 4, 700, 3001 + 2777);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = base;
  add_to (sum, parts[0]);
  add_to (sum, parts[1], 2 * 3001);
  for (std::size_t n = 0; n < parts[2].size (); ++n)
    for (std::size_t c = 0; c < 2; ++c)
      sum[2 * (3001 + 2777 + n) + c] += parts[2][n];
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

GST_START_TEST (test_volume_and_mute)
{
  MixerBed bed;
  Feeders feeders;
  std::vector<Samples> tracks;
  for (unsigned n = 0; n < 4; ++n) {
    feeders.push_back (std::make_unique<Feeder> (bed));
    tracks.push_back (noise (2 * 5000, n));
  }
  g_object_set (feeders[0]->sink, "volume", 0.5, nullptr);
  g_object_set (feeders[1]->sink, "volume", 4.0, nullptr);
  g_object_set (feeders[2]->sink, "mute", TRUE, nullptr);
  g_object_set (feeders[3]->sink, "volume", 0.0, nullptr);
  feed_to_end (bed, feeders, tracks, 3);
  Samples sum;
  add_to (sum, tracks[0], 0, 0.5f);
  add_to (sum, tracks[1], 0, 4.0f);
  check_equal (bed.sink.samples (), sum);
  for (const auto &feeder : feeders)
    check_accounts (*feeder);
}
GST_END_TEST;

GST_START_TEST (test_order_of_requests_does_not_show)
{
  const char *const names[] {"sink_0", "sink_1", "sink_2", "sink_3"};
  std::vector<Samples> tracks;
  for (unsigned n = 0; n < 4; ++n)
    tracks.push_back (fine_noise (2 * 20000, n)); // for which the order of a float sum shows
  std::vector<std::uint8_t> first;
  std::vector<int> order {0, 1, 2, 3};
  do {
    MixerBed bed;
    Feeders feeders;
    std::vector<Samples> data;
    for (const int n : order) {
      feeders.push_back (std::make_unique<Feeder> (bed, Format {}, names[n]));
      data.push_back (tracks[static_cast<std::size_t> (n)]);
    }
    feed_to_end (bed, feeders, data, 1);
    if (first.empty ())
      first = bed.sink.bytes;
    fail_unless (first == bed.sink.bytes);
  } while (std::next_permutation (order.begin (), order.end ()));
  Samples sum;
  for (const auto &track : tracks)
    add_to (sum, track);
  check_equal (decode (first, GST_AUDIO_FORMAT_F32), sum);
}
GST_END_TEST;

GST_START_TEST (test_the_same_bytes_in_twenty_runs_under_load)
{
  std::atomic<bool> stop {false};
  std::vector<std::thread> load;
  for (int n = 0; n < 2; ++n)
    load.emplace_back ([&stop] {
      while (!stop) {
      }
    });
  std::vector<std::uint8_t> first;
  for (unsigned run = 0; run < 20; ++run) {
    MixerBed bed;
    Feeders feeders;
    std::vector<Samples> tracks;
    for (unsigned n = 0; n < 8; ++n) {
      const auto format = n % 2 == 0 ? GST_AUDIO_FORMAT_F32 : GST_AUDIO_FORMAT_S16;
      feeders.push_back (std::make_unique<Feeder> (bed, Format {44100, n % 3 == 0 ? 1 : 2, format},
          ("sink_" + std::to_string (n)).c_str ()));
      tracks.push_back (fine_noise (10000 + 2000 * n, n));
      g_object_set (feeders.back ()->sink, "volume", 0.3 + 0.1 * n, nullptr);
    }
    feed_to_end (bed, feeders, tracks, run); // other buffer sizes each time
    if (first.empty ())
      first = bed.sink.bytes;
    fail_unless (first == bed.sink.bytes, "run %u differs", run);
  }
  stop = true;
  for (auto &thread : load)
    thread.join ();
}
GST_END_TEST;

GST_START_TEST (test_mixed_lengths)
{
  MixerBed bed;
  Feeders feeders;
  std::vector<Samples> tracks;
  Samples sum;
  std::size_t frames[] {0, 1, 480, 481, 48000, 100001};
  for (unsigned n = 0; n < 6; ++n) {
    feeders.push_back (std::make_unique<Feeder> (bed));
    tracks.push_back (noise (2 * frames[n], n));
    add_to (sum, tracks.back ());
  }
  feed_to_end (bed, feeders, tracks, 3);
  check_chunks (bed.sink, kChunk);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

static Suite *trackmixer_mixing_suite ()
{
  Suite *suite = suite_create ("trackmixer-mixing");
  TCase *tests = tcase_create ("mixing");
  tcase_add_test (tests, test_sum_is_exact_for_any_number_of_tracks);
  tcase_add_test (tests, test_rates_and_chunks);
  tcase_add_test (tests, test_odd_chunk_durations);
  tcase_add_test (tests, test_no_drift_over_minutes);
  tcase_add_test (tests, test_integer_in_integer_out);
  tcase_add_test (tests, test_integer_noise_to_its_precision);
  tcase_add_test (tests, test_integer_output_saturates_and_counts);
  tcase_add_test (tests, test_mixed_formats_of_one_mix);
  tcase_add_test (tests, test_mono_goes_into_both_channels);
  tcase_add_test (tests, test_stereo_in_a_five_one_mix);
  tcase_add_test (tests, test_unpositioned_channels_are_kept_apart);
  tcase_add_test (tests, test_caps_change_in_the_middle_of_a_track);
  tcase_add_test (tests, test_volume_and_mute);
  tcase_add_test (tests, test_order_of_requests_does_not_show);
  tcase_add_test (tests, test_the_same_bytes_in_twenty_runs_under_load);
  tcase_add_test (tests, test_mixed_lengths);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (trackmixer_mixing)
