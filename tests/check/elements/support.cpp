// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of trackmixer share.
#include "support.hpp"

namespace mt::test {

GstAudioInfo info_of (const Format &format)
{
  GstAudioChannelPosition positions[64];
  std::fill (std::begin (positions), std::end (positions), GST_AUDIO_CHANNEL_POSITION_NONE);
  if (format.positioned && format.channels > 2)
    gst_audio_channel_positions_from_mask (
        format.channels, gst_audio_channel_get_fallback_mask (format.channels), positions);
  const bool usual = format.positioned && format.channels <= 2;
  GstAudioInfo info;
  gst_audio_info_set_format (
      &info, format.format, format.rate_hz, format.channels, usual ? nullptr : positions);
  return info;
}

GstCaps *caps_of (const Format &format)
{
  const GstAudioInfo info = info_of (format);
  return gst_audio_info_to_caps (&info);
}

GstClockTime time_of (std::int64_t frame, int rate_hz)
{
  return gst_util_uint64_scale (
      static_cast<guint64> (frame), GST_SECOND, static_cast<guint64> (rate_hz));
}

Samples noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_int_distribution<int> steps {-4096, 4096};
  Samples out (samples);
  for (float &sample : out)
    sample = static_cast<float> (steps (random)) / 32768.0f;
  return out;
}

Samples fine_noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> value {-0.3f, 0.3f};
  Samples out (samples);
  for (float &sample : out)
    sample = value (random);
  return out;
}

std::vector<std::uint8_t> encode (std::span<const float> samples, GstAudioFormat format)
{
  std::vector<std::uint8_t> out;
  const auto put = [&out] (auto value, std::size_t bytes) {
    const auto *raw = reinterpret_cast<const std::uint8_t *> (&value);
    out.insert (out.end (), raw, raw + bytes);
  };
  for (const float sample : samples) {
    const auto wide = static_cast<double> (sample);
    switch (format) {
    case GST_AUDIO_FORMAT_F32:
      put (sample, 4);
      break;
    case GST_AUDIO_FORMAT_S16:
      put (static_cast<std::int16_t> (std::lrint (wide * 32768.0)), 2);
      break;
    case GST_AUDIO_FORMAT_S24:
      put (static_cast<std::int32_t> (std::lrint (wide * 8388608.0)), 3);
      break;
    case GST_AUDIO_FORMAT_S24_32:
      put (static_cast<std::int32_t> (std::lrint (wide * 8388608.0)), 4);
      break;
    case GST_AUDIO_FORMAT_S32:
      put (static_cast<std::int32_t> (std::llrint (wide * 2147483648.0)), 4);
      break;
    default:
      g_assert_not_reached ();
    }
  }
  return out;
}

Samples decode (std::span<const std::uint8_t> bytes, GstAudioFormat format)
{
  const auto width = static_cast<std::size_t> (gst_audio_format_get_info (format)->width) / 8;
  Samples out (bytes.size () / width);
  for (std::size_t n = 0; n < out.size (); ++n) {
    const std::uint8_t *at = bytes.data () + n * width;
    std::int32_t integer = 0;
    switch (format) {
    case GST_AUDIO_FORMAT_F32:
      std::copy_n (at, 4, reinterpret_cast<std::uint8_t *> (&out[n]));
      break;
    case GST_AUDIO_FORMAT_S16:
      out[n] = static_cast<float> (static_cast<std::int16_t> (at[0] | at[1] << 8)) / 32768.0f;
      break;
    case GST_AUDIO_FORMAT_S24:
    case GST_AUDIO_FORMAT_S24_32:
      integer = static_cast<std::int32_t> (static_cast<std::uint32_t> (at[0]) << 8 |
          static_cast<std::uint32_t> (at[1]) << 16 | static_cast<std::uint32_t> (at[2]) << 24);
      out[n] = static_cast<float> (integer / 256) / 8388608.0f;
      break;
    case GST_AUDIO_FORMAT_S32:
      std::copy_n (at, 4, reinterpret_cast<std::uint8_t *> (&integer));
      out[n] = static_cast<float> (static_cast<double> (integer) / 2147483648.0);
      break;
    default:
      g_assert_not_reached ();
    }
  }
  return out;
}

GstBuffer *buffer_of (std::span<const std::uint8_t> bytes, GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (nullptr, bytes.size (), nullptr);
  gst_buffer_fill (buffer, 0, bytes.data (), bytes.size ());
  GST_BUFFER_PTS (buffer) = pts;
  ++live_buffers;
  gst_mini_object_weak_ref (
      GST_MINI_OBJECT (buffer), [] (gpointer, GstMiniObject *) { --live_buffers; }, nullptr);
  return buffer;
}

GstStructure *stats_of (gpointer object)
{
  GstStructure *stats = nullptr;
  g_object_get (object, "stats", &stats, nullptr);
  fail_unless (stats != nullptr);
  return stats;
}

std::uint64_t count_in_stats (gpointer object, const char *field)
{
  GstStructure *stats = stats_of (object);
  guint64 value = 0;
  fail_unless (gst_structure_get_uint64 (stats, field, &value), "no %s in the stats", field);
  gst_structure_free (stats);
  return value;
}

double figure_in_stats (gpointer object, const char *field)
{
  GstStructure *stats = stats_of (object);
  gdouble value = 0;
  fail_unless (gst_structure_get_double (stats, field, &value), "no %s in the stats", field);
  gst_structure_free (stats);
  return value;
}

void check_prompt (const std::function<Clock::duration ()> &once)
{
  constexpr int kTries = 10;
  auto best = Clock::duration::max ();
  for (int n = 0; n < kTries && best >= kPrompt; ++n)
    best = std::min (best, once ());
  fail_unless (best < kPrompt, "takes %d ms",
      static_cast<int> (std::chrono::duration_cast<std::chrono::milliseconds> (best).count ()));
}

void check_accounts (const Feeder &feeder)
{
  GstStructure *stats = stats_of (feeder.sink);
  const auto count = [stats] (const char *field) {
    guint64 value = 0;
    fail_unless (gst_structure_get_uint64 (stats, field, &value));
    return value;
  };
  const auto in = count ("in-frames");
  const auto out = count ("mixed-frames") + count ("late-frames") + count ("dropped-frames") +
      count ("queued-frames");
  if (in != out)
    g_printerr ("%" GST_PTR_FORMAT "\n", stats);
  gst_structure_free (stats);
  fail_unless_equals_uint64 (in, out);
}

void add_to (Samples &sum, std::span<const float> track, std::size_t first_sample, float gain)
{
  sum.resize (std::max (sum.size (), first_sample + track.size ()), 0.0f);
  for (std::size_t n = 0; n < track.size (); ++n)
    sum[first_sample + n] += track[n] * gain;
}

void check_equal (std::span<const float> got, std::span<const float> wanted)
{
  fail_unless_equals_int (got.size (), wanted.size ());
  // One check for all of them: each writes to Check's pipe, which takes longer than the mix does.
  const auto n = static_cast<std::size_t> (
      std::mismatch (got.begin (), got.end (), wanted.begin ()).first - got.begin ());
  fail_unless (n == wanted.size (), "sample %zu of %zu is %.9g and not %.9g", n, wanted.size (),
      static_cast<double> (n < got.size () ? got[n] : 0.0f),
      static_cast<double> (n < wanted.size () ? wanted[n] : 0.0f));
}

void check_chunks (CollectingSink &sink, GstClockTime duration, GstClockTime first_pts)
{
  const std::lock_guard lock {sink.mutex};
  const auto rate = static_cast<guint64> (sink.info.rate);
  const guint64 shortest =
      std::max<guint64> (1, gst_util_uint64_scale (duration, rate, GST_SECOND));
  const guint64 longest =
      std::max<guint64> (1, gst_util_uint64_scale_ceil (duration, rate, GST_SECOND));
  guint64 frame = 0;
  for (std::size_t n = 0; n < sink.chunks.size (); ++n) {
    const Chunk &chunk = sink.chunks[n];
    const guint64 frames = chunk.bytes / static_cast<std::size_t> (sink.info.bpf);
    fail_unless_equals_uint64 (chunk.offset, frame);
    fail_unless_equals_uint64 (chunk.offset_end, frame + frames);
    fail_unless_equals_uint64 (
        chunk.pts, first_pts + time_of (static_cast<gint64> (frame), sink.info.rate));
    fail_unless_equals_uint64 (chunk.pts + chunk.duration,
        first_pts + time_of (static_cast<gint64> (frame + frames), sink.info.rate));
    if (n + 1 < sink.chunks.size ()) {
      fail_unless (frames >= shortest && frames <= longest,
          "chunk %zu has %" G_GUINT64_FORMAT " frames", n, frames);
      // No drift: the end of chunk n is where n + 1 durations end.
      fail_unless_equals_uint64 (frame + frames,
          std::max<guint64> (n + 1, gst_util_uint64_scale ((n + 1) * duration, rate, GST_SECOND)));
    }
    fail_unless_equals_int ((chunk.flags & GST_BUFFER_FLAG_DISCONT) != 0, n == 0);
    frame += frames;
  }
}

void feed_to_end (MixerBed &bed, Feeders &feeders, const std::vector<Samples> &tracks,
    unsigned seed, std::size_t longest_frames)
{
  bed.play ();
  for (std::size_t n = 0; n < feeders.size (); ++n)
    feeders[n]->run ([&, n] (Feeder &feeder) {
      feeder.begin ();
      fail_unless_equals_int (
          feeder.push_all (tracks[n], seed + static_cast<unsigned> (n), longest_frames),
          GST_FLOW_OK);
      feeder.end ();
    });
  fail_unless (bed.sink.wait_for_eos (), "the mix does not end");
  for (auto &feeder : feeders)
    feeder->join ();
}

} // namespace mt::test
