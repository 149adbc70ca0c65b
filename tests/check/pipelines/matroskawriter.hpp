// SPDX-License-Identifier: LGPL-2.1-or-later
// A Matroska writer small enough to write what no muxer would: the caller says the order of the
// packets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mt::test {

using Bytes = std::vector<std::uint8_t>;

/// One audio track as Matroska names it.
struct MatroskaTrack {
  std::string codec_id; // "A_PCM/INT/LIT", "A_FLAC", …
  Bytes codec_private;
  unsigned rate_hz = 48000;
  unsigned channels = 2;
  unsigned bit_depth = 0; // 0 = not written
  std::string title;
};

struct MatroskaPacket {
  std::size_t track = 0; // index into the tracks
  std::uint64_t pts_ns = 0;
  Bytes data;
};

/// Packets that lie together in the file, written in the order given.
using MatroskaCluster = std::vector<MatroskaPacket>;

/// Writes a whole file. Timestamps are rounded to milliseconds, as every muxer writes them by
/// default. A cluster that spans more than a block's 16 bit timestamp can say is written as
/// several. Source  RFC 8794 (EBML), RFC 9559 (Matroska).
Bytes write_matroska (std::span<const MatroskaTrack> tracks,
    std::span<const MatroskaCluster> clusters, std::uint64_t duration_ns);

} // namespace mt::test
