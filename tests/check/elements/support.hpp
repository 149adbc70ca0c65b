// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of trackmixer share: noise, encodings, feeders with threads of their own, a sink
// that collects, and the offline sum they are held against.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

// Last: it defines a macro «fail».
#include <gst/check/gstcheck.h>

#include "../sanitized.hpp"
#include "../settling.hpp"

/// fail_unless for each of many samples: that one writes to Check's pipe also when all is well,
/// which takes longer than the mix does.
#define CHECK_SAMPLE(condition, ...)                                                               \
  do {                                                                                             \
    if (!(condition))                                                                              \
      fail (__VA_ARGS__);                                                                          \
  } while (0)

namespace mt::test {

using Samples = std::vector<float>; // interleaved
using Clock = std::chrono::steady_clock;

/// How long anything may take before a test calls it hung.
inline constexpr std::chrono::seconds kHung {kSanitized ? 120 : 20};
/// How soon every wait has to end.
inline constexpr std::chrono::milliseconds kPrompt {100};

struct Format {
  int rate_hz {48000};
  int channels {2};
  GstAudioFormat format {GST_AUDIO_FORMAT_F32};
  bool positioned {true};
};

GstAudioInfo info_of (const Format &format);
GstCaps *caps_of (const Format &format);
/// Of a frame, truncated to a nanosecond.
GstClockTime time_of (std::int64_t frame, int rate_hz);

/// Noise in whole steps of 2^-15 and within ±1/8: the float sum of up to eight tracks is then exact
/// in any order, and so is the way to S16 and back.
Samples noise (std::size_t samples, unsigned seed);

/// Noise with every bit of the mantissa in use, for which the order of a sum shows.
Samples fine_noise (std::size_t samples, unsigned seed);

std::vector<std::uint8_t> encode (std::span<const float> samples, GstAudioFormat format);
Samples decode (std::span<const std::uint8_t> bytes, GstAudioFormat format);

/// Buffers that this test program has made and that still live.
inline std::atomic<int> live_buffers {0};

GstBuffer *buffer_of (std::span<const std::uint8_t> bytes, GstClockTime pts);

GstStructure *stats_of (gpointer object);
std::uint64_t count_in_stats (gpointer object, const char *field);
double figure_in_stats (gpointer object, const char *field);

/// Waits until `met` says yes; false: it never did.
template <class Condition>
bool eventually (Condition met, std::chrono::milliseconds limit = kHung)
{
  for (const auto end = Clock::now () + limit; !met ();) {
    if (Clock::now () > end)
      return false;
    std::this_thread::sleep_for (std::chrono::milliseconds {1});
  }
  return true;
}

/// Checks that `once`, which sets a scene and says how long its end took, can be prompt. A loaded
/// machine is late now and then; what waits for something else, or for ever, is late each time.
void check_prompt (const std::function<Clock::duration ()> &once);
/// How long `work` takes.
template <class Work>
Clock::duration time_for (Work work)
{
  const auto since = Clock::now ();
  work ();
  return Clock::now () - since;
}

struct Chunk {
  GstClockTime pts;
  GstClockTime duration;
  guint64 offset;
  guint64 offset_end;
  guint flags;
  std::size_t bytes;
};

struct SeenEvent {
  GstEventType type;
  guint32 seqnum;
  GstSegment segment;   // of a SEGMENT
  gboolean resets_time; // of a FLUSH_STOP
};

/// A sink pad without an element that keeps everything it gets. It can be closed, which makes the
/// mix wait in its push, and it can answer as another sink would.
class CollectingSink {
public:
  CollectingSink ();
  ~CollectingSink ();
  CollectingSink (const CollectingSink &) = delete;
  CollectingSink &operator= (const CollectingSink &) = delete;

  GstPad *pad () const noexcept { return pad_; }

  void close ();
  void open ();
  /// Lets `count` chunks through a closed sink.
  void let_through (int count);
  [[nodiscard]] bool wait_for_eos (std::chrono::milliseconds limit = kHung);
  [[nodiscard]] bool wait_for_chunks (std::size_t count, std::chrono::milliseconds limit = kHung);
  [[nodiscard]] std::size_t chunk_count ();
  /// Forgets what has come, not the caps.
  void forget ();
  [[nodiscard]] std::size_t count_of (GstEventType type);
  [[nodiscard]] Samples samples ();

  std::mutex mutex; // guards all that follows
  std::vector<std::uint8_t> bytes;
  std::vector<Chunk> chunks;
  std::vector<SeenEvent> events;
  GstCaps *caps {nullptr};
  GstAudioInfo info {};
  bool eos {false};
  bool keep_bytes {true};
  // How it answers; set before the mixer starts.
  GstCaps *accepts {nullptr}; // none: anything
  std::function<GstFlowReturn (std::size_t chunk)> flow;
  std::function<void (GstQuery *)> allocation;
  std::function<void (GstBuffer *)> look;

private:
  static CollectingSink &of (GstPad *pad)
  {
    return *static_cast<CollectingSink *> (gst_pad_get_element_private (pad));
  }

  GstFlowReturn chain (GstBuffer *buffer) noexcept;
  gboolean event (GstEvent *event) noexcept;
  gboolean query (GstObject *parent, GstQuery *query) noexcept;

  GstPad *pad_;
  std::condition_variable cond_;
  bool open_ {true};
  bool flushing_ {false};
  int passes_ {0};
};

/// A trackmixer with a bus, and a collecting sink behind it.
class MixerBed {
public:
  explicit MixerBed (GstClockTime chunk = 10 * GST_MSECOND, bool link_sink = true,
      const char *factory = "trackmixer", bool force_live = false);
  ~MixerBed ();
  MixerBed (const MixerBed &) = delete;
  MixerBed &operator= (const MixerBed &) = delete;

  void play ();
  void stop ();

  /// The text and the details of the next message of that type, waiting for it; empty: none came.
  std::string message (GstMessageType type, std::chrono::milliseconds limit = kHung);
  [[nodiscard]] bool has_message (GstMessageType type);

  CollectingSink sink;
  GstElement *element {nullptr};
  GstBus *bus {nullptr};
};

/// A source pad linked to a track, and the thread that pushes through it.
class Feeder {
public:
  explicit Feeder (MixerBed &bed, Format track_format = {}, const char *name = "sink_%u");
  ~Feeder ();
  Feeder (const Feeder &) = delete;
  Feeder &operator= (const Feeder &) = delete;

  /// STREAM_START, CAPS and SEGMENT.
  void begin (const GstSegment *segment = nullptr);
  bool begin_caps ();
  bool begin_segment (const GstSegment *segment = nullptr);

  [[nodiscard]] GstBuffer *make (
      std::span<const float> samples, std::int64_t frame, guint flags = 0) const;
  GstFlowReturn push (std::span<const float> samples, std::int64_t frame, guint flags = 0);
  /// In buffers of 1 to `longest` frames.
  GstFlowReturn push_all (std::span<const float> samples, unsigned seed,
      std::size_t longest_frames = 3000, std::int64_t first_frame = 0);
  bool gap (std::int64_t frame, std::int64_t frames);
  bool end () { return gst_pad_push_event (src, gst_event_new_eos ()); }

  /// Does `work` on a thread of its own, which the destructor joins.
  void run (std::function<void (Feeder &)> work);
  void join ();
  [[nodiscard]] bool finishes ();

  [[nodiscard]] std::uint64_t count (const char *field) const
  {
    return count_in_stats (sink, field);
  }

private:
  /// The pad's own: the mix may ask it while the feeder goes.
  struct Upstream {
    std::function<bool (GstEvent *)> event;
    std::function<bool (GstQuery *)> query;
  };

  MixerBed &bed_;
  std::thread thread_;
  const std::shared_ptr<Upstream> upstream_ {std::make_shared<Upstream> ()};

public:
  GstPad *src;
  GstPad *sink;
  Format format;
  std::atomic<std::size_t> pushed_frames {0};
  std::atomic<bool> done {false};
  std::function<bool (GstEvent *)> &upstream_event;
  std::function<bool (GstQuery *)> &upstream_query;
};

using Feeders = std::vector<std::unique_ptr<Feeder>>;

/// in = mixed + late + dropped + queued
void check_accounts (const Feeder &feeder);

/// Adds a track to the offline sum.
void add_to (
    Samples &sum, std::span<const float> track, std::size_t first_sample = 0, float gain = 1.0f);

void check_equal (std::span<const float> got, std::span<const float> wanted);

/// Every chunk as long as the first but the last, where the duration is a whole number of frames;
/// all of them back to back, with time stamps that follow from the count of frames.
void check_chunks (CollectingSink &sink, GstClockTime duration, GstClockTime first_pts = 0);

/// Feeds whole tracks from a thread each and waits for the end.
void feed_to_end (MixerBed &bed, Feeders &feeders, const std::vector<Samples> &tracks,
    unsigned seed, std::size_t longest_frames = 3000);

} // namespace mt::test
