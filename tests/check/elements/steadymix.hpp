// SPDX-License-Identifier: LGPL-2.1-or-later
// A mix that plays on while pads come and go, and that is looked at sample by sample.
#pragma once

#include "support.hpp"

namespace mt::test {

inline constexpr GstClockTime kChunk = 10 * GST_MSECOND;

/// Audio without end, whose every sample can be told from its frame.
inline float sample_at (std::uint64_t frame, unsigned track)
{
  std::uint64_t bits = (frame + 1) * 0x9E3779B97F4A7C15U + track * 0xBF58476D1CE4E5B9U;
  bits ^= bits >> 29;
  return static_cast<float> (static_cast<int> (bits % 8193) - 4096) / 32768.0f;
}

inline constexpr unsigned kSteadyTracks = 3;

/// A mixer of stereo with steady tracks, which have the left channel for themselves. What the
/// tracks that come and go do on the right must not show there.
class SteadyMix {
public:
  static constexpr int kRateHz = 48000;
  static constexpr std::int64_t kQueueFrames = kRateHz / 10;

  SteadyMix ()
  {
    bed.sink.keep_bytes = false;
    bed.sink.look = [this] (GstBuffer *buffer) { check (buffer); };
    g_object_set (bed.element, "max-size-time", time_of (kQueueFrames, kRateHz), nullptr);
    for (unsigned n = 0; n < kSteadyTracks; ++n)
      steady_.push_back (std::make_unique<Feeder> (bed));
    bed.play ();
    for (unsigned n = 0; n < kSteadyTracks; ++n)
      steady_[n]->run ([this, n] (Feeder &self) {
        self.begin ();
        Samples samples (std::size_t {2} * (300 + 211 * n)); // lengths that fit no chunk
        std::uint64_t frame = 0;
        for (GstFlowReturn flow = GST_FLOW_OK; flow == GST_FLOW_OK && !ended_;) {
          for (std::size_t i = 0; i < samples.size (); i += 2)
            samples[i] = sample_at (frame + i / 2, n);
          flow = self.push (samples, static_cast<std::int64_t> (frame));
          frame += samples.size () / 2;
        }
        self.end ();
      });
    fail_unless (bed.sink.wait_for_chunks (10));
  }

  /// Where the mix is.
  GstClockTime position ()
  {
    gint64 time = 0;
    fail_unless (gst_element_query_position (bed.element, GST_FORMAT_TIME, &time));
    return static_cast<GstClockTime> (time);
  }

  /// Takes what is on the bus: there may be no error, and no warning but what guests rightly get.
  void check_messages ()
  {
    // A guest that begins where the mix is now is late by the time it begins. One whose thread has
    // to wait for the processor between its link and its first buffer keeps the mix waiting, until
    // the steady tracks have queued all that they may.
    while (GstMessage *message = gst_bus_pop_filtered (
               bed.bus, static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
      fail_if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR);
      GError *error = nullptr;
      gst_message_parse_warning (message, &error, nullptr);
      const std::string text {error->message};
      const bool usual = text.find ("too late") != std::string::npos ||
          text.find ("max-total-bytes") != std::string::npos;
      fail_unless (usual, "%s", error->message);
      for (auto &feeder : steady_)
        steady_starved = steady_starved ||
            text.starts_with (std::string {"Track "} + GST_PAD_NAME (feeder->sink) + " is mixed");
      g_error_free (error);
      gst_message_unref (message);
    }
  }

  /// Takes and lets go of what the sink has noted, so that memory does not grow with the mix.
  void forget_chunks ()
  {
    const std::lock_guard lock {bed.sink.mutex};
    bed.sink.chunks = {};
    bed.sink.events = {};
  }

  void end ()
  {
    checks_ = false; // the tracks end at different frames
    ended_ = true;
    fail_unless (bed.sink.wait_for_eos (), "the mix does not end");
    check_messages ();
    if (!steady_starved)
      fail_unless_equals_int (wrong_, 0);
    for (auto &feeder : steady_) {
      feeder->join ();
      if (!steady_starved)
        fail_unless_equals_uint64 (feeder->count ("mixed-frames"), feeder->count ("in-frames"));
    }
  }

  MixerBed bed {kChunk};
  std::atomic<std::size_t> heard {0}; // samples of the right channel that were not zero
  /// A steady track has been silence at the cap for want of a processor, and the mix said so: then
  /// there is nothing to hold it to.
  bool steady_starved {false};

private:
  void check (GstBuffer *buffer)
  {
    if (!checks_)
      return;
    GstMapInfo map;
    if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
      return;
    const std::span data {reinterpret_cast<const float *> (map.data), map.size / sizeof (float)};
    for (std::size_t i = 0; i + 1 < data.size (); i += 2) {
      float sum = 0.0f;
      for (unsigned n = 0; n < kSteadyTracks; ++n)
        sum += sample_at (frame_ + i / 2, n);
      wrong_ += data[i] != sum;
      heard += data[i + 1] != 0.0f;
    }
    gst_buffer_unmap (buffer, &map);
    frame_ += data.size () / 2;
  }

  std::uint64_t frame_ {0}; // the sink's thread
  std::atomic<int> wrong_ {0};
  std::atomic<bool> checks_ {true};
  std::atomic<bool> ended_ {false};
  Feeders steady_;
};

/// One track that comes from the mix's position on and leaves in one of the ways there are.
inline void come_and_go (SteadyMix &mix, std::mt19937 &random)
{
  Feeder guest {mix.bed};
  const auto how = random () % 5;
  const auto buffers = random () % 12;
  if (how != 0)
    guest.run ([&mix, buffers] (Feeder &self) {
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      segment.base = mix.position ();
      self.begin (&segment);
      Samples right (std::size_t {2} * 700, 0.0f);
      for (std::size_t i = 1; i < right.size (); i += 2)
        right[i] = 0.25f;
      for (unsigned n = 0; n < buffers; ++n)
        if (self.push (right, 700 * n) != GST_FLOW_OK)
          break;
    });
  if (how >= 2)
    fail_unless (guest.finishes ());
  if (how == 3)
    guest.end ();
  if (how == 4)
    gst_pad_unlink (guest.src, guest.sink);
  gst_element_release_request_pad (mix.bed.element, guest.sink);
  guest.join ();
}

} // namespace mt::test
