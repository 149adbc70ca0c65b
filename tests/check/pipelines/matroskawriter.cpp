// SPDX-License-Identifier: LGPL-2.1-or-later
// A Matroska writer small enough to write what no muxer would: the caller says the order of the
// packets.
#include "matroskawriter.hpp"

#include <bit>

namespace mt::test {
namespace {

// Element ids, RFC 9559 section 5.
namespace id {
constexpr std::uint32_t kEbml = 0x1A45DFA3, kEbmlVersion = 0x4286, kEbmlReadVersion = 0x42F7,
                        kEbmlMaxIdLength = 0x42F2, kEbmlMaxSizeLength = 0x42F3, kDocType = 0x4282,
                        kDocTypeVersion = 0x4287, kDocTypeReadVersion = 0x4285;
constexpr std::uint32_t kSegment = 0x18538067, kInfo = 0x1549A966, kTimestampScale = 0x2AD7B1,
                        kDuration = 0x4489, kMuxingApp = 0x4D80, kWritingApp = 0x5741;
constexpr std::uint32_t kTracks = 0x1654AE6B, kTrackEntry = 0xAE, kTrackNumber = 0xD7,
                        kTrackUid = 0x73C5, kTrackType = 0x83, kFlagLacing = 0x9C, kName = 0x536E,
                        kCodecId = 0x86, kCodecPrivate = 0x63A2, kAudio = 0xE1,
                        kSamplingFrequency = 0xB5, kChannels = 0x9F, kBitDepth = 0x6264;
constexpr std::uint32_t kCluster = 0x1F43B675, kTimestamp = 0xE7, kSimpleBlock = 0xA3;
} // namespace id

constexpr std::uint64_t kTickNs = 1'000'000;
constexpr std::uint64_t kMostTicksInBlock = 32767;

void append_big_endian (Bytes &out, std::uint64_t value, int bytes)
{
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out.push_back (static_cast<std::uint8_t> (value >> shift));
}

/// The id, and the size in the eight byte form, which holds any size.
void append_head (Bytes &out, std::uint32_t element, std::uint64_t size)
{
  int bytes = element > 0xFFFFFF ? 4 : element > 0xFFFF ? 3 : element > 0xFF ? 2 : 1;
  append_big_endian (out, element, bytes);
  out.push_back (0x01);
  append_big_endian (out, size, 7);
}

void append (Bytes &out, std::uint32_t element, std::span<const std::uint8_t> content)
{
  append_head (out, element, content.size ());
  out.insert (out.end (), content.begin (), content.end ());
}

void append (Bytes &out, std::uint32_t element, const std::string &text)
{
  append_head (out, element, text.size ());
  out.insert (out.end (), text.begin (), text.end ());
}

void append_uint (Bytes &out, std::uint32_t element, std::uint64_t value)
{
  append_head (out, element, 8);
  append_big_endian (out, value, 8);
}

void append_float (Bytes &out, std::uint32_t element, double value)
{
  append_head (out, element, 8);
  append_big_endian (out, std::bit_cast<std::uint64_t> (value), 8);
}

Bytes header ()
{
  Bytes ebml;
  append_uint (ebml, id::kEbmlVersion, 1);
  append_uint (ebml, id::kEbmlReadVersion, 1);
  append_uint (ebml, id::kEbmlMaxIdLength, 4);
  append_uint (ebml, id::kEbmlMaxSizeLength, 8);
  append (ebml, id::kDocType, std::string ("matroska"));
  append_uint (ebml, id::kDocTypeVersion, 4);
  append_uint (ebml, id::kDocTypeReadVersion, 2);
  Bytes out;
  append (out, id::kEbml, ebml);
  return out;
}

Bytes track_entry (const MatroskaTrack &track, std::size_t number)
{
  constexpr std::uint64_t audio_type = 2;
  Bytes audio;
  append_float (audio, id::kSamplingFrequency, track.rate_hz);
  append_uint (audio, id::kChannels, track.channels);
  if (track.bit_depth)
    append_uint (audio, id::kBitDepth, track.bit_depth);

  Bytes entry;
  append_uint (entry, id::kTrackNumber, number);
  append_uint (entry, id::kTrackUid, number);
  append_uint (entry, id::kTrackType, audio_type);
  append_uint (entry, id::kFlagLacing, 0);
  append (entry, id::kName, track.title);
  append (entry, id::kCodecId, track.codec_id);
  if (!track.codec_private.empty ())
    append (entry, id::kCodecPrivate, track.codec_private);
  append (entry, id::kAudio, audio);
  return entry;
}

std::uint64_t ticks (std::uint64_t ns)
{
  return (ns + kTickNs / 2) / kTickNs;
}

void append_block (Bytes &out, const MatroskaPacket &packet, std::uint64_t cluster_ticks)
{
  append_head (out, id::kSimpleBlock, packet.data.size () + 4);
  out.push_back (static_cast<std::uint8_t> (0x80 | (packet.track + 1)));
  append_big_endian (out, ticks (packet.pts_ns) - cluster_ticks, 2);
  out.push_back (0x80); // keyframe
  out.insert (out.end (), packet.data.begin (), packet.data.end ());
}

void append_cluster (Bytes &out, const MatroskaCluster &packets)
{
  for (auto packet = packets.begin (); packet != packets.end ();) {
    // Blocks may lie up to 32 s before or after the cluster's timestamp; ours only lie after it.
    const std::uint64_t start = ticks (packet->pts_ns);
    Bytes cluster;
    append_uint (cluster, id::kTimestamp, start);
    for (; packet != packets.end () && ticks (packet->pts_ns) >= start &&
         ticks (packet->pts_ns) - start <= kMostTicksInBlock;
         ++packet)
      append_block (cluster, *packet, start);
    append (out, id::kCluster, cluster);
  }
}

} // namespace

Bytes write_matroska (std::span<const MatroskaTrack> tracks,
    std::span<const MatroskaCluster> clusters, std::uint64_t duration_ns)
{
  Bytes info;
  append_uint (info, id::kTimestampScale, kTickNs);
  append_float (info, id::kDuration, static_cast<double> (duration_ns) / kTickNs);
  append (info, id::kMuxingApp, std::string ("gst-multitrack tests"));
  append (info, id::kWritingApp, std::string ("gst-multitrack tests"));

  Bytes entries;
  for (std::size_t i = 0; i < tracks.size (); ++i)
    append (entries, id::kTrackEntry, track_entry (tracks[i], i + 1));

  Bytes segment;
  append (segment, id::kInfo, info);
  append (segment, id::kTracks, entries);
  for (const MatroskaCluster &cluster : clusters)
    append_cluster (segment, cluster);

  Bytes out = header ();
  append (out, id::kSegment, segment);
  return out;
}

} // namespace mt::test
