// SPDX-License-Identifier: LGPL-2.1-or-later
// A sink that changes its mind about the format while the mix runs, and what came between.
#pragma once

#include "support.hpp"

namespace mt::test {

/// What came out between two changes of caps.
struct Stretch {
  GstAudioInfo info;
  GstClockTime begin, end; // PTS, and the end of the last chunk
  guint64 offset, offset_end;
  Samples samples;
  std::size_t chunks;
};

/// A sink that wants other caps when a chunk of a certain number has come.
class FickleSink {
public:
  struct Wish {
    std::size_t chunk;
    Format format;
  };
  FickleSink (MixerBed &bed, std::vector<Wish> wishes) : bed_ {bed}, wishes_ {std::move (wishes)}
  {
    bed_.sink.keep_bytes = false;
    bed_.sink.accepts = caps_of (wishes_.front ().format);
    bed_.sink.look = [this] (GstBuffer *buffer) { take (buffer); };
    bed_.sink.flow = [this] (std::size_t chunk) {
      change (chunk);
      return GST_FLOW_OK;
    };
  }

  /// Once the stream has ended, or with the sink's mutex.
  std::vector<Stretch> stretches;
  std::size_t broken {0}; // chunks that do not begin where the one before ended

  /// The next chunk may begin anywhere.
  void restart () { end_ = 0; }

private:
  void take (GstBuffer *buffer)
  {
    const GstAudioInfo &info = bed_.sink.info;
    if (stretches.empty () || !gst_audio_info_is_equal (&stretches.back ().info, &info))
      stretches.push_back (
          {info, GST_BUFFER_PTS (buffer), 0, GST_BUFFER_OFFSET (buffer), 0, {}, 0});
    broken += !stretches.empty () && end_ != GST_BUFFER_PTS (buffer) && end_ != 0;
    end_ = stretches.back ().end = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
    if (stretches.back ().chunks > 0)
      broken += stretches.back ().offset_end != GST_BUFFER_OFFSET (buffer);
    stretches.back ().offset_end = GST_BUFFER_OFFSET_END (buffer);
    ++stretches.back ().chunks;
    GstMapInfo map;
    if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
      fail ("a chunk can't be mapped");
    const Samples now = decode ({map.data, map.size}, GST_AUDIO_INFO_FORMAT (&info));
    gst_buffer_unmap (buffer, &map);
    auto &all = stretches.back ().samples;
    all.insert (all.end (), now.begin (), now.end ());
  }
  /// In the thread that pushes, so the next chunk is the first that can know.
  void change (std::size_t chunk)
  {
    for (const Wish &wish : wishes_) {
      if (wish.chunk != chunk)
        continue;
      GstCaps *caps = caps_of (wish.format);
      gst_caps_replace (&bed_.sink.accepts, caps);
      gst_caps_unref (caps);
      gst_pad_push_event (bed_.sink.pad (), gst_event_new_reconfigure ());
    }
  }

  MixerBed &bed_;
  std::vector<Wish> wishes_;
  GstClockTime end_ {0};
};

} // namespace mt::test
