// SPDX-License-Identifier: LGPL-2.1-or-later
// Loose pads that feed a mixer and take its output at the least cost, the same for every peer.
#pragma once

#include "measure.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gst/gst.h>

namespace mt::bench {

constexpr std::size_t kRateHz = 48'000;
constexpr std::size_t kChannels = 2;
constexpr std::size_t kFrameBytes = kChannels * sizeof (float); // of the mix

/// What a track brings; stereo.
struct TrackFormat {
  bool is_s16 {false}; ///< else F32, as the mix
  std::size_t rate_hz {kRateHz};

  std::size_t frame_bytes () const noexcept
  {
    return kChannels * (is_s16 ? sizeof (std::int16_t) : sizeof (float));
  }
};

/// audio/x-raw, stereo.
GstCaps *make_caps (const TrackFormat &track_format = {});

/// A floating element. Throws std::runtime_error that says where elements come from.
GstElement *make_element (const char *factory);

/// The text of the next error on the bus.
std::string pop_error (GstBus *bus);

/// Gives a buffer the times and offsets of `frames` from `first` on.
void stamp (
    GstBuffer *buffer, std::size_t first, std::size_t frames, std::size_t rate_hz = kRateHz);

/// Whose the samples of a buffer are.
enum class Samples {
  own,    ///< each buffer's, as from a decoder
  shared, ///< the track's, the same for all its buffers
};

/// A source pad without an element, and the thread that pushes one track through it.
///
/// The track is one constant value, so that the sum of all tracks is known. Buffers are used again
/// as soon as the peer has let go of them; a new one is only made when all are in flight, which
/// ends after the first seconds. Where each buffer has samples of its own, a peer that queues
/// touches as much memory as it queues, and a peer that does not stays in the cache; where they all
/// share the track's, the cache is the same for every peer.
class TrackFeeder {
public:
  TrackFeeder (std::string name, std::size_t buffer_frames, float value,
      Samples samples = Samples::own, TrackFormat track_format = {});
  ~TrackFeeder ();
  TrackFeeder (const TrackFeeder &) = delete;
  TrackFeeder &operator= (const TrackFeeder &) = delete;

  GstPad *pad () const noexcept { return pad_; }
  /// Starts the thread. It ends when a push returns anything but OK.
  void start ();
  void join ();
  /// Buffers that were made so far. Read it when the thread has ended.
  std::size_t buffers_made () const noexcept { return ring_.size (); }

private:
  void run ();
  void make_memory ();
  GstBuffer *next ();

  GstPad *pad_;
  std::string name_;
  std::size_t buffer_frames_;
  float value_;
  Samples samples_;
  TrackFormat format_;
  GstMemory *memory_ {nullptr}; // the newest buffer's samples
  std::vector<GstBuffer *> ring_;
  std::size_t position_ {0};
  std::uint64_t frame_ {0};
  std::thread thread_;
};

/// A sink pad without an element that counts chunks and reads the process's usage where the last
/// chunk of the warm-up and the last one of the window arrive.
class CountingSink {
public:
  /// Takes `warmup` chunks, then measures `window` more, then answers EOS. `chunk_frames` is what
  /// each must have; 0 takes any.
  CountingSink (std::size_t warmup, std::size_t window, std::size_t chunk_frames,
      TrackFormat track_format = {});
  ~CountingSink ();
  CountingSink (const CountingSink &) = delete;
  CountingSink &operator= (const CountingSink &) = delete;

  GstPad *pad () const noexcept { return pad_; }
  /// Waits until the window is full, at most `timeout_s` of wall clock.
  bool wait (unsigned timeout_s);
  Usage used () const noexcept { return end_ - begin_; }
  /// First sample of the last chunk, and chunks that had another size than agreed.
  float last_value () const noexcept { return last_value_; }
  std::size_t odd_chunks () const noexcept { return odd_chunks_; }

private:
  static GstFlowReturn chain (GstPad *pad, GstObject *parent, GstBuffer *buffer) noexcept;
  GstFlowReturn take (GstBuffer *buffer) noexcept;

  GstPad *pad_;
  std::size_t warmup_, window_, chunk_bytes_;
  std::size_t chunks_ {0}, odd_chunks_ {0};
  float last_value_ {0.0f};
  Usage begin_, end_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool done_ {false};
};

} // namespace mt::bench
