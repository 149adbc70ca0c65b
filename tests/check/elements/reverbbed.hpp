// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of convreverb share: files, noise, an element in a harness, and the sum in double
// that it is held against.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/check/gstharness.h>

// Last, and this file after all of the standard library: it defines a macro «fail».
#include <gst/check/gstcheck.h>

#include "../sanitized.hpp"
#include "../settling.hpp"

namespace mt::test {

using Samples = std::vector<float>; // interleaved

inline constexpr int kRate = 48000;
inline constexpr GstClockTime kMillisecond = GST_MSECOND;
inline constexpr double kMinus120Db = 1e-6;
inline constexpr double kAll = -std::numeric_limits<double>::infinity (); // ir-trim

/// The impulse response of a file as it is.
#define RAW_IR(path) "ir-location", (path).c_str (), "normalize", 2, "ir-trim", mt::test::kAll

/// A folder of its own for the files of one test.
class Folder {
public:
  Folder ();
  ~Folder ();
  Folder (const Folder &) = delete;
  Folder &operator= (const Folder &) = delete;
  std::string file (const std::string &name) const { return path_ + "/" + name; }
  std::string write (const std::string &name, const std::string &bytes) const;

private:
  std::string path_;
};

/// A WAV file: 32-bit float, or unsigned 8-bit.
std::string wav (const Samples &samples, int channels, int rate = kRate, int bits = 32);

class Random {
public:
  explicit Random (std::uint32_t seed) : engine_ {seed} {}
  float sample () { return static_cast<float> (static_cast<std::int32_t> (engine_ ())) * 0x1p-31f; }
  std::size_t upto (std::size_t most) { return 1 + engine_ () % most; }
  Samples samples (std::size_t count, float level = 0.5f);

private:
  std::mt19937 engine_;
};

/// Noise that decays by `decay_db` over its length, with a gain near 1.
Samples decaying (Random &random, std::size_t frames, int channels, double decay_db = 30.0);

/// dry x + wet (h * x), as long as the ringing, in double. `h` has one channel or as many as `x`.
std::vector<double> convolve (const Samples &x, std::size_t channels, const Samples &h,
    std::size_t h_channels, double dry, double wet);

/// Infinite where something is not a number.
double largest_difference (const Samples &got, const std::vector<double> &expected);

/// T30 in seconds of one channel: least squares from −5 to −35 dB of the backward energy.
double t30 (const Samples &h, double rate);

/// An element in a harness, what it gave out, and the checks that hold for all of it.
class Reverb {
public:
  template <class... Properties>
  explicit Reverb (int channels, int rate, Properties... properties) : Reverb {}
  {
    g_object_set (element, properties..., nullptr);
    start (channels, rate);
  }
  /// At kRate, with `set (element)` called before the start.
  Reverb (int channels, const std::function<void (GstElement *)> &set) : Reverb {}
  {
    set (element);
    start (channels, kRate);
  }
  ~Reverb ();
  Reverb (const Reverb &) = delete;
  Reverb &operator= (const Reverb &) = delete;

  void set_format (int channels, int rate);
  /// A new stream at kRate, after the state went down and up again.
  void again (int channels);
  GstClockTime time_of (std::uint64_t frame) const
  {
    return gst_util_uint64_scale_int (frame, GST_SECOND, rate_);
  }
  /// The next buffer of the stream.
  GstBuffer *make (const float *samples, std::size_t frames);
  GstFlowReturn push (const float *samples, std::size_t frames, bool gap = false);
  /// All of `samples`, in buffers of 1 to `most` frames when `random` is given, else of `most`.
  void push_all (const Samples &samples, std::size_t most, Random *random = nullptr);
  void end ();
  /// Takes what came out; each buffer has to follow the one before, to the nanosecond.
  void pull ();

  std::size_t frames_out () const { return out.size () / channels_; }
  GstClockTime latency ();
  /// A number in `stats`, ~0 when it is not there.
  std::uint64_t stat (const char *name);
  int count_messages (GstMessageType type);
  int count_events (GstEventType type);
  /// The next error or warning: its text. Fails without one.
  std::string message (GstMessageType type);

  GstElement *element;
  GstHarness *harness {nullptr};
  GstBus *bus;
  Samples out;
  std::uint64_t position {0}; // of the next frame in
  bool discont {true};        // flag of the next buffer in
  bool contiguous {true};
  GstClockTime first_pts {GST_CLOCK_TIME_NONE}, next_pts {GST_CLOCK_TIME_NONE};
  std::uint64_t next_offset {0};
  int buffers {0};
  std::vector<int> disconts; // which buffers out had the flag

  struct Piece {
    std::uint64_t offset; // of its first frame in the stream
    GstClockTime pts;
    std::size_t begin;    // and in `out`
    bool gap, discont;
  };
  std::vector<Piece> pieces; // the buffers out

private:
  Reverb ();
  void start (int channels, int rate);
  void take (GstBuffer *buffer);

  std::size_t channels_ {0};
  int rate_ {0};
};

/// READY → PAUSED with what `set` sets: the text of the error it fails with, empty when it does
/// not.
std::string error_for (const std::function<void (GstElement *)> &set);

/// READY → PAUSED with this file: the text of the error it fails with, empty when it does not.
std::string error_for (const std::string &path);

/// The text has to name the file and to say `reason`.
void assert_error (const std::string &path, const char *reason);

/// The impulse response alone, at the level that it has.
#define ALONE "normalize", 2, "ir-trim", mt::test::kAll, "dry", 0.0, "wet", 1.0

/// Interleaved samples, as the property `ir` takes them.
GstSample *sample_of (const Samples &h, int channels, int rate = kRate);
void set_response (GstElement *element, const Samples &h, int channels, int rate = kRate);

/// Sets a property as gst-launch-1.0 does.
void set_array (GstElement *element, const char *name, const std::string &text);

/// Between two buffers of a stream that waits for the worker. What the worker has made is taken
/// over by the stream, piece by piece, so nothing says that it is there; on a machine with one core
/// the worker would get no time.
void let_worker_run ();

/// Pushes noise, and notes what was pushed.
void push_noise (
    Reverb &reverb, Samples &x, Random &random, std::size_t frames, std::size_t channels);

/// Pushes noise until so many changes of the response are over, and notes what was pushed.
void push_until_changed (
    Reverb &reverb, std::uint64_t changes, Samples &x, Random &random, std::size_t channels);

/// A group of tests with a time limit.
TCase *add_group (Suite *suite, const char *name);

} // namespace mt::test
