// SPDX-License-Identifier: LGPL-2.1-or-later
// Multitrack files with known samples, laid out as badly as containers allow, and the sum a mixer
// must make of them.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include "glue/buffermap.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gst/audio/audio.h>
#include <gst/check/gstharness.h>

namespace mt::test {
namespace {

constexpr std::uint64_t kSecond = kRateHz;
constexpr std::uint64_t kPacketMs = 20;

struct Packet {
  std::uint64_t pts_ns;
  Bytes data;
};

/// A track in the form in which it goes into a file.
struct Encoded {
  MatroskaTrack track;
  std::vector<Packet> packets;
};

constexpr bool is_lossy (Codec codec)
{
  return codec == Codec::opus || codec == Codec::aac;
}

std::uint64_t ns_of_frames (std::uint64_t frames, unsigned rate_hz)
{
  return gst_util_uint64_scale (frames, GST_SECOND, rate_hz);
}

/// Little-endian, in the width and format of the codec.
void append_sample (Bytes &out, float sample, Codec codec)
{
  const auto append_int = [&out] (std::int32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      out.push_back (static_cast<std::uint8_t> (value >> (8 * i)));
  };
  switch (codec) {
  case Codec::s24:
    return append_int (std::lround (std::ldexp (sample, 23)), 3);
  case Codec::s32:
    return append_int (std::lround (std::ldexp (sample, 31)), 4);
  case Codec::f32:
  case Codec::f32_any:
    return append_int (std::bit_cast<std::int32_t> (sample), 4);
  default:
    return append_int (std::lround (std::ldexp (sample, 15)), 2);
  }
}

Encoded encode_pcm (const TrackSpec &spec, std::span<const float> samples)
{
  Encoded out;
  const bool is_float = spec.codec == Codec::f32 || spec.codec == Codec::f32_any;
  out.track.codec_id = is_float ? "A_PCM/FLOAT/IEEE" : "A_PCM/INT/LIT";
  out.track.bit_depth = spec.codec == Codec::s16 ? 16 : spec.codec == Codec::s24 ? 24 : 32;
  const std::size_t packet_frames = spec.rate_hz * kPacketMs / 1000;
  for (std::size_t at = 0; at < spec.frames; at += packet_frames) {
    Packet packet {.pts_ns = ns_of_frames (at, spec.rate_hz), .data = {}};
    const std::size_t end = std::min<std::size_t> (at + packet_frames, spec.frames);
    for (float sample : samples.subspan (at * spec.channels, (end - at) * spec.channels))
      append_sample (packet.data, sample, spec.codec);
    out.packets.push_back (std::move (packet));
  }
  return out;
}

Bytes bytes_of (GstBuffer *buffer, std::size_t offset = 0)
{
  const glue::BufferMap<GST_MAP_READ> map {buffer};
  const auto data = map.as<std::uint8_t> ().subspan (offset);
  return {data.begin (), data.end ()};
}

/// What the container keeps of a codec, taken from the caps as GStreamer's muxers do.
Bytes codec_private (Codec codec, const GstStructure *caps)
{
  if (codec == Codec::aac) {
    // Two bytes say AAC-LC, rate and channels. The encoder adds that there is no SBR, which
    // matroskademux 1.22 takes for SBR and doubles the rate.
    constexpr std::size_t config_bytes = 2;
    Bytes config = bytes_of (gst_value_get_buffer (gst_structure_get_value (caps, "codec_data")));
    config.resize (config_bytes);
    return config;
  }
  const GValue *headers = gst_structure_get_value (caps, "streamheader");
  const auto header = [headers] (guint i) {
    return gst_value_get_buffer (gst_value_array_get_value (headers, i));
  };
  if (codec == Codec::opus)
    return bytes_of (header (0));
  // FLAC: GStreamer's first header is the one for Ogg, with 9 bytes before the native one.
  Bytes out = bytes_of (header (0), 9);
  for (guint i = 1; i < gst_value_array_get_size (headers); ++i) {
    const Bytes block = bytes_of (header (i));
    out.insert (out.end (), block.begin (), block.end ());
  }
  return out;
}

Encoded encode_with_stock_encoder (const TrackSpec &spec, std::span<const float> samples)
{
  Encoded out;
  // 90 ms: whole milliseconds, and within the streamable subset of FLAC.
  const char *encoder = "flacenc blocksize=4320";
  out.track.codec_id = "A_FLAC";
  if (spec.codec == Codec::opus) {
    encoder = "opusenc";
    out.track.codec_id = "A_OPUS";
  } else if (spec.codec == Codec::aac) {
    encoder = "audioconvert ! avenc_aac";
    out.track.codec_id = "A_AAC";
  }
  GstHarness *harness = gst_harness_new_parse (encoder);
  GstAudioInfo info;
  gst_audio_info_set_format (&info, GST_AUDIO_FORMAT_S16LE, static_cast<gint> (spec.rate_hz),
      static_cast<gint> (spec.channels), nullptr);
  GstCaps *caps = gst_audio_info_to_caps (&info);
  gst_harness_set_src_caps (harness, caps);
  Bytes pcm;
  for (float sample : samples)
    append_sample (pcm, sample, Codec::s16);
  GstBuffer *buffer = gst_buffer_new_memdup (pcm.data (), pcm.size ());
  GST_BUFFER_PTS (buffer) = 0;
  GST_BUFFER_DURATION (buffer) = ns_of_frames (spec.frames, spec.rate_hz);
  if (gst_harness_push (harness, buffer) != GST_FLOW_OK)
    g_error ("«%s» does not encode", encoder);
  gst_harness_push_event (harness, gst_event_new_eos ());
  while (GstBuffer *encoded = gst_harness_try_pull (harness)) {
    if (!GST_BUFFER_FLAG_IS_SET (encoded, GST_BUFFER_FLAG_HEADER) &&
        GST_BUFFER_PTS_IS_VALID (encoded))
      out.packets.push_back ({.pts_ns = GST_BUFFER_PTS (encoded), .data = bytes_of (encoded)});
    gst_buffer_unref (encoded);
  }
  GstCaps *encoded_caps = gst_pad_get_current_caps (harness->sinkpad);
  out.track.codec_private = codec_private (spec.codec, gst_caps_get_structure (encoded_caps, 0));
  gst_caps_unref (encoded_caps);
  gst_harness_teardown (harness);
  return out;
}

Encoded encode (const TrackSpec &spec, std::span<const float> samples)
{
  const bool pcm = spec.codec != Codec::flac && !is_lossy (spec.codec);
  Encoded out = pcm ? encode_pcm (spec, samples) : encode_with_stock_encoder (spec, samples);
  out.track.rate_hz = spec.rate_hz;
  out.track.channels = spec.channels;
  for (Packet &packet : out.packets)
    packet.pts_ns += spec.start_ms * GST_MSECOND;
  return out;
}

std::uint64_t end_ns (const TrackSpec &track)
{
  return track.start_ms * GST_MSECOND + ns_of_frames (track.frames, track.rate_hz);
}

/// One cluster for each turn.
std::vector<MatroskaCluster> interleave (
    const std::vector<Encoded> &tracks, std::uint64_t turn_ns, std::uint64_t duration_ns)
{
  if (turn_ns == 0)
    turn_ns = duration_ns + GST_SECOND;
  std::vector<MatroskaCluster> out;
  std::vector<std::size_t> next (tracks.size (), 0);
  // Lossy encoders may add a packet after the last frame.
  for (std::uint64_t end = turn_ns; end < duration_ns + turn_ns + GST_SECOND; end += turn_ns) {
    MatroskaCluster cluster;
    for (std::size_t i = 0; i < tracks.size (); ++i) {
      const std::vector<Packet> &packets = tracks[i].packets;
      for (; next[i] < packets.size () && packets[next[i]].pts_ns < end; ++next[i])
        cluster.push_back (
            {.track = i, .pts_ns = packets[next[i]].pts_ns, .data = packets[next[i]].data});
    }
    if (!cluster.empty ())
      out.push_back (std::move (cluster));
  }
  return out;
}

Bytes write (const FileSpec &spec, const std::vector<std::vector<float>> &samples)
{
  std::vector<Encoded> encoded;
  std::vector<MatroskaTrack> tracks;
  std::uint64_t duration_ns = 0;
  for (std::size_t i = 0; i < spec.tracks.size (); ++i) {
    encoded.push_back (encode (spec.tracks[i], samples[i]));
    encoded.back ().track.title = "track " + std::to_string (i);
    tracks.push_back (encoded.back ().track);
    duration_ns = std::max (duration_ns, end_ns (spec.tracks[i]));
  }
  const auto clusters = interleave (encoded, spec.turn_ms * GST_MSECOND, duration_ns);
  return write_matroska (tracks, clusters, duration_ns);
}

std::vector<std::vector<float>> noise_of (const FileSpec &spec)
{
  std::vector<std::vector<float>> out;
  for (std::size_t i = 0; i < spec.tracks.size (); ++i) {
    const TrackSpec &track = spec.tracks[i];
    const bool has_16_bits = track.codec == Codec::s16 || track.codec == Codec::flac;
    const int grid_bits = has_16_bits ? 15 : track.codec == Codec::f32_any ? 30 : 20;
    out.push_back (
        seeded_noise (static_cast<std::uint32_t> (i + 1), track.frames, track.channels, grid_bits));
  }
  return out;
}

/// Adds stereo or mono `samples` to the stereo `sum`, which grows as it must.
void add_at (std::vector<double> &sum, std::span<const float> samples, unsigned channels,
    std::uint64_t start_frame)
{
  const std::size_t frames = samples.size () / channels;
  sum.resize (std::max<std::size_t> (sum.size (), (start_frame + frames) * kChannels), 0.0);
  for (std::size_t frame = 0; frame < frames; ++frame)
    for (unsigned c = 0; c < kChannels; ++c)
      sum[(start_frame + frame) * kChannels + c] +=
          static_cast<double> (samples[frame * channels + std::min (c, channels - 1)]);
}

} // namespace

std::span<const FileSpec> hostile_files ()
{
  using enum Codec;
  // Odd numbers of frames on purpose: no end falls on a chunk, a packet or a millisecond.
  static const std::vector<FileSpec> files {
      {"ends 1 s apart", 100,
          {{s16, 4 * kSecond + 17}, {s16, 5 * kSecond + 5}, {f32, 6 * kSecond + 1}}},
      {"ends 5 s apart", 100,
          {{s16, 2 * kSecond + 17}, {flac, 7 * kSecond + 5}, {s24, 12 * kSecond + 1}}},
      {"ends 30 s apart", 100, {{s16, 31 * kSecond + 7}, {s16, kSecond + 3}}},
      {"starts 20 s late", 100, {{s16, 24 * kSecond + 11}, {s16, 2 * kSecond + 3, 20000}}},
      {"three codecs, clusters of 5 s", 5000,
          {{flac, 17 * kSecond + 1}, {opus, 17 * kSecond}, {aac, 17 * kSecond}}},
      {"lossless, clusters of 5 s", 5000,
          {{flac, 17 * kSecond + 1}, {s16, 16 * kSecond + 3}, {f32, 11 * kSecond + 7}}},
      {"one track before the other", 0, {{s16, 8 * kSecond + 13}, {s16, 8 * kSecond + 29}}},
      {"10 ms, one frame, 3 s", 100, {{s16, kSecond / 100}, {f32, 1}, {s16, 3 * kSecond}}},
      {"10 ms and one frame", 100, {{s16, kSecond / 100}, {f32, 1}}},
      {"an empty track", 100, {{s16, 0}, {s16, 5 * kSecond + 7}, {f32, 0}}},
      {"eight tracks, formats mixed", 40,
          {{s16, 3 * kSecond + 7}, {f32, 3 * kSecond}, {s24, 2 * kSecond}, {s16, kSecond, 0, 1},
              {f32, kSecond, 500, 1}, {flac, 2 * kSecond, 0, 1}, {s16, 3 * kSecond},
              {s32, 3 * kSecond - 1}}},
  };
  return files;
}

MemoryFile::MemoryFile (std::span<const std::uint8_t> content)
    : fd_ {memfd_create ("multitrack", MFD_CLOEXEC)}
{
  g_assert (fd_ >= 0);
  while (!content.empty ()) {
    const ssize_t written = ::write (fd_, content.data (), content.size ());
    g_assert (written > 0);
    content = content.subspan (static_cast<std::size_t> (written));
  }
}

MemoryFile wav_file (std::span<const float> samples, unsigned channels, unsigned rate_hz)
{
  constexpr std::uint32_t header_bytes = 44, sample_bytes = 4;
  const auto data_bytes = static_cast<std::uint32_t> (samples.size_bytes ());
  Bytes out;
  const auto text = [&out] (const char *four) { out.insert (out.end (), four, four + 4); };
  const auto number = [&out] (std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      out.push_back (static_cast<std::uint8_t> (value >> (8 * i)));
  };
  text ("RIFF");
  number (header_bytes - 8 + data_bytes, 4);
  text ("WAVE");
  text ("fmt ");
  number (16, 4);
  number (3, 2); // IEEE float
  number (channels, 2);
  number (rate_hz, 4);
  number (rate_hz * channels * sample_bytes, 4);
  number (channels * sample_bytes, 2);
  number (8 * sample_bytes, 2);
  text ("data");
  number (data_bytes, 4);
  for (float sample : samples)
    append_sample (out, sample, Codec::f32);
  return MemoryFile {out};
}

MemoryFile::~MemoryFile ()
{
  close (fd_);
}

std::string MemoryFile::path () const
{
  return "/proc/self/fd/" + std::to_string (fd_);
}

Container::Container (const FileSpec &spec)
    : spec_ {spec}, samples_ {noise_of (spec)}, file_ {write (spec, samples_)}
{}

bool Container::lossless () const
{
  return std::ranges::none_of (
      spec_.tracks, [] (const TrackSpec &track) { return is_lossy (track.codec); });
}

std::vector<float> Container::mix () const
{
  std::vector<double> sum;
  for (std::size_t i = 0; i < spec_.tracks.size (); ++i) {
    const TrackSpec &track = spec_.tracks[i];
    if (is_lossy (track.codec)) {
      const Capture alone = decode_one_track (path (), i, track.codec);
      add_at (sum, alone.samples, alone.channels,
          gst_util_uint64_scale_round (alone.first_pts_ns, kRateHz, GST_SECOND));
    } else {
      add_at (sum, samples_[i], track.channels,
          static_cast<std::uint64_t> (track.start_ms) * track.rate_hz / 1000);
    }
  }
  return {sum.begin (), sum.end ()};
}

std::vector<float> seeded_noise (
    std::uint32_t seed, std::uint64_t frames, unsigned channels, int grid_bits)
{
  std::mt19937 random {seed};
  std::vector<float> out (frames * channels);
  // The top bits of the generator: the same on every system, which distributions are not.
  for (float &sample : out) {
    const auto value = static_cast<std::int32_t> (random ()) >> (32 - (grid_bits - 3) - 1);
    sample = std::ldexp (static_cast<float> (value), -grid_bits);
  }
  return out;
}

const char *decoder_of (Codec codec)
{
  switch (codec) {
  case Codec::flac:
    return "! flacparse ! flacdec";
  case Codec::opus:
    return "! opusdec";
  case Codec::aac:
    return "! avdec_aac ! audioconvert";
  default:
    return "";
  }
}

} // namespace mt::test
