// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs a whole pipeline under a watchdog, keeps what comes out, and compares it.
#pragma once

#include "containers.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <gst/gst.h>

namespace mt::test {

/// What reached the pad of a sink, in F32.
struct Capture {
  std::vector<float> samples;
  unsigned channels = 0;
  std::uint64_t first_pts_ns = GST_CLOCK_TIME_NONE;
  std::uint64_t first_stream_time_ns = GST_CLOCK_TIME_NONE;
  std::size_t buffers = 0;
  std::size_t broken_pts = 0;      // buffers whose PTS does not follow the one before
  std::size_t frames_of_first = 0; // of a buffer
  std::size_t odd_sizes = 0;       // buffers before the last that had another size

  std::size_t frames () const { return channels ? samples.size () / channels : 0; }
};

enum class End { eos, error, hung };

/// A pipeline with a sink named `out`. Never waits without end: what hangs is reported as
/// `End::hung`.
class Pipeline {
public:
  /// A launch line, which must parse.
  explicit Pipeline (const std::string &launch);
  ~Pipeline ();
  Pipeline (const Pipeline &) = delete;
  Pipeline &operator= (const Pipeline &) = delete;

  GstElement *element () const { return pipeline_; }
  /// Owned by the pipeline; nullptr when there is none of that name.
  GstElement *find (const char *name) const;

  void set_state (GstState state);
  /// Waits for the state to be reached.
  bool reach (GstState state);
  /// Accurate and flushing. What was captured before is forgotten.
  bool seek (GstClockTime position_ns);
  End wait_for_end ();
  /// PLAYING and to the end.
  End run ();
  /// Of the last error message.
  const std::string &error () const { return error_; }
  std::vector<std::string> warnings () const { return warnings_; }

  /// What came since the start or the last flush. Only for a pipeline that has ended or hangs.
  const Capture &capture ()
  {
    // Orders the sink's last write before what the caller reads, also for tools that do not see
    // GLib's locks.
    const std::lock_guard lock {mutex_};
    return capture_;
  }
  void forget ();
  /// A field of the mixer's `stats`.
  std::uint64_t mixer_stat (const char *field) const;

private:
  static GstPadProbeReturn on_data (GstPad *pad, GstPadProbeInfo *info, gpointer self) noexcept;
  static GstPadProbeReturn on_flush (GstPad *pad, GstPadProbeInfo *info, gpointer self) noexcept;
  void take (GstPad *pad, GstBuffer *buffer);

  GstElement *pipeline_;
  std::string error_;
  std::vector<std::string> warnings_;
  std::mutex mutex_; // of the capture: the sink's thread writes it, a seeking thread clears it
  Capture capture_;
};

/// How a track gets from the demuxer to the mixer.
enum class Topology { direct, queue, multiqueue, decodebin_a_track, decodebin };
inline constexpr Topology kTopologies[] = {Topology::direct, Topology::queue, Topology::multiqueue,
    Topology::decodebin_a_track, Topology::decodebin};
const char *name_of (Topology topology);

/// The mixer under test: "trackmixer", or another factory's name from the environment variable
/// MT_TEST_MIXER (to see whether the data show the faults of others).
std::string mixer_factory ();

/// The launch line for a file, up to the mixer, which is named `m`. Follow with "m. ! …".
/// `mixer_properties` are for trackmixer only.
std::string launch_line (
    const Container &container, Topology topology, const std::string &mixer_properties);

/// "m. ! … ! fakesink": F32 stereo into the capture. `effects` end in "!"; `sink_properties` are
/// fakesink's.
std::string tail_line (
    const std::string &effects = "", const std::string &sink_properties = "sync=false");

/// Links what `decodebin` finds when the topology asks for it. Call before the first state change.
void link_decodebin (Pipeline &pipeline);

/// Two WAV files of different lengths, and what they add up to.
class TwoWavFiles {
public:
  TwoWavFiles ();
  /// From both files through the mixer to the sink.
  std::string launch_line () const;
  const std::vector<float> &mix () const { return mix_; }

private:
  std::vector<float> shorter_, mix_;
  MemoryFile a_, b_;
};

/// One track of a Matroska file without any mixer.
Capture decode_one_track (const std::string &path, std::size_t track, Codec codec);

/// "" when both are the same within `tolerance` (0 = to the bit), else where they differ first and
/// by how much.
std::string difference (
    std::span<const float> got, std::span<const float> expected, double tolerance);

} // namespace mt::test
