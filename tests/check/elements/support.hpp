// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of trackmixer share: noise, encodings, feeders with threads of their own, a sink
// that collects, and the offline sum they are held against.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
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

#include "glue/buffermap.hpp"
// Last: it defines a macro «fail».
#include <gst/check/gstcheck.h>

namespace mt::test {

using Samples = std::vector<float>; // interleaved
using Clock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// How long anything may take before a test calls it hung.
inline constexpr std::chrono::seconds kHung {kSanitized ? 120 : 20};
/// What «within 100 ms» means where every memory access is checked.
inline constexpr std::chrono::milliseconds kPrompt {kSanitized ? 2000 : 100};

struct Format {
  int rate_hz {48000};
  int channels {2};
  GstAudioFormat format {GST_AUDIO_FORMAT_F32};
  bool positioned {true};
};

inline GstAudioInfo info_of (const Format &format)
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

inline GstCaps *caps_of (const Format &format)
{
  const GstAudioInfo info = info_of (format);
  return gst_audio_info_to_caps (&info);
}

inline GstClockTime time_of (std::int64_t frame, int rate_hz)
{
  return gst_util_uint64_scale (
      static_cast<guint64> (frame), GST_SECOND, static_cast<guint64> (rate_hz));
}

/// Noise in whole steps of 2^-15 and within ±1/8: the float sum of up to eight tracks is then exact
/// in any order, and so is the way to S16 and back.
inline Samples noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_int_distribution<int> steps {-4096, 4096};
  Samples out (samples);
  for (float &sample : out)
    sample = static_cast<float> (steps (random)) / 32768.0f;
  return out;
}

/// Noise with every bit of the mantissa in use, for which the order of a sum shows.
inline Samples fine_noise (std::size_t samples, unsigned seed)
{
  std::mt19937 random {seed};
  std::uniform_real_distribution<float> value {-0.3f, 0.3f};
  Samples out (samples);
  for (float &sample : out)
    sample = value (random);
  return out;
}

inline std::vector<std::uint8_t> encode (std::span<const float> samples, GstAudioFormat format)
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

inline Samples decode (std::span<const std::uint8_t> bytes, GstAudioFormat format)
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

/// Buffers that this test program has made and that still live.
inline std::atomic<int> live_buffers {0};

inline GstBuffer *buffer_of (std::span<const std::uint8_t> bytes, GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (nullptr, bytes.size (), nullptr);
  gst_buffer_fill (buffer, 0, bytes.data (), bytes.size ());
  GST_BUFFER_PTS (buffer) = pts;
  ++live_buffers;
  gst_mini_object_weak_ref (
      GST_MINI_OBJECT (buffer), [] (gpointer, GstMiniObject *) { --live_buffers; }, nullptr);
  return buffer;
}

inline GstStructure *stats_of (gpointer object)
{
  GstStructure *stats = nullptr;
  g_object_get (object, "stats", &stats, nullptr);
  fail_unless (stats != nullptr);
  return stats;
}

inline std::uint64_t count_in_stats (gpointer object, const char *field)
{
  GstStructure *stats = stats_of (object);
  guint64 value = 0;
  fail_unless (gst_structure_get_uint64 (stats, field, &value), "no %s in the stats", field);
  gst_structure_free (stats);
  return value;
}

inline double figure_in_stats (gpointer object, const char *field)
{
  GstStructure *stats = stats_of (object);
  gdouble value = 0;
  fail_unless (gst_structure_get_double (stats, field, &value), "no %s in the stats", field);
  gst_structure_free (stats);
  return value;
}

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
  GstSegment segment; // of a SEGMENT
};

/// A sink pad without an element that keeps everything it gets. It can be closed, which makes the
/// mix wait in its push, and it can answer as another sink would.
class CollectingSink {
public:
  CollectingSink ()
  {
    pad_ = gst_pad_new ("collect", GST_PAD_SINK);
    gst_pad_set_element_private (pad_, this);
    gst_pad_set_chain_function (pad_, [] (GstPad *pad, GstObject *, GstBuffer *buffer) noexcept {
      return of (pad).chain (buffer);
    });
    gst_pad_set_event_function (pad_,
        [] (GstPad *pad, GstObject *, GstEvent *event) noexcept { return of (pad).event (event); });
    gst_pad_set_query_function (
        pad_, [] (GstPad *pad, GstObject *parent, GstQuery *query) noexcept {
          return of (pad).query (parent, query);
        });
    gst_pad_set_active (pad_, TRUE);
  }
  ~CollectingSink ()
  {
    gst_pad_set_active (pad_, FALSE);
    gst_object_unref (pad_);
    if (caps)
      gst_caps_unref (caps);
    gst_clear_caps (&accepts);
  }
  CollectingSink (const CollectingSink &) = delete;
  CollectingSink &operator= (const CollectingSink &) = delete;

  GstPad *pad () const noexcept { return pad_; }

  void close ()
  {
    const std::lock_guard lock {mutex};
    open_ = false;
  }
  void open ()
  {
    const std::lock_guard lock {mutex};
    open_ = true;
    cond_.notify_all ();
  }
  /// Lets `count` chunks through a closed sink.
  void let_through (int count)
  {
    const std::lock_guard lock {mutex};
    passes_ += count;
    cond_.notify_all ();
  }
  [[nodiscard]] bool wait_for_eos (std::chrono::milliseconds limit = kHung)
  {
    std::unique_lock lock {mutex};
    return cond_.wait_for (lock, limit, [this] { return eos; });
  }
  [[nodiscard]] bool wait_for_chunks (std::size_t count, std::chrono::milliseconds limit = kHung)
  {
    std::unique_lock lock {mutex};
    return cond_.wait_for (lock, limit, [&] { return chunks.size () >= count; });
  }
  [[nodiscard]] std::size_t chunk_count ()
  {
    const std::lock_guard lock {mutex};
    return chunks.size ();
  }
  /// Forgets what has come, not the caps.
  void forget ()
  {
    const std::lock_guard lock {mutex};
    bytes.clear ();
    chunks.clear ();
    events.clear ();
    eos = false;
  }
  [[nodiscard]] std::size_t count_of (GstEventType type)
  {
    const std::lock_guard lock {mutex};
    return static_cast<std::size_t> (std::count_if (
        events.begin (), events.end (), [type] (const auto &seen) { return seen.type == type; }));
  }
  [[nodiscard]] Samples samples ()
  {
    const std::lock_guard lock {mutex};
    return decode (bytes, GST_AUDIO_INFO_FORMAT (&info));
  }

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

  GstFlowReturn chain (GstBuffer *buffer) noexcept
  {
    std::unique_lock lock {mutex};
    cond_.wait (lock, [this] { return open_ || passes_ > 0 || flushing_; });
    if (flushing_) {
      gst_buffer_unref (buffer);
      return GST_FLOW_FLUSHING;
    }
    if (!open_)
      --passes_;
    if (look)
      look (buffer);
    {
      const mt::glue::BufferMap<GST_MAP_READ> map {buffer};
      if (!map) // fail_unless itself allocates, and this may be counted
        fail ("a chunk can't be mapped");
      const auto data = map.as<std::uint8_t> ();
      chunks.push_back (
          {GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer), GST_BUFFER_OFFSET (buffer),
              GST_BUFFER_OFFSET_END (buffer), GST_BUFFER_FLAGS (buffer), data.size ()});
      if (keep_bytes)
        bytes.insert (bytes.end (), data.begin (), data.end ());
    }
    gst_buffer_unref (buffer);
    cond_.notify_all ();
    return flow ? flow (chunks.size ()) : GST_FLOW_OK;
  }

  gboolean event (GstEvent *event) noexcept
  {
    const std::lock_guard lock {mutex};
    SeenEvent seen {GST_EVENT_TYPE (event), gst_event_get_seqnum (event), {}};
    switch (seen.type) {
    case GST_EVENT_CAPS: {
      GstCaps *now = nullptr;
      gst_event_parse_caps (event, &now);
      gst_caps_replace (&caps, now);
      fail_unless (gst_audio_info_from_caps (&info, caps));
      break;
    }
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment (event, &seen.segment);
      break;
    case GST_EVENT_EOS:
      eos = true;
      break;
    case GST_EVENT_FLUSH_START:
      flushing_ = true;
      break;
    case GST_EVENT_FLUSH_STOP:
      flushing_ = false;
      eos = false;
      bytes.clear ();
      chunks.clear ();
      break;
    default:
      break;
    }
    events.push_back (seen);
    cond_.notify_all ();
    gst_event_unref (event);
    return TRUE;
  }

  gboolean query (GstObject *parent, GstQuery *query) noexcept
  {
    switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      gst_query_set_latency (query, FALSE, 0, GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_CAPS: {
      GstCaps *filter = nullptr;
      gst_query_parse_caps (query, &filter);
      GstCaps *all = accepts ? gst_caps_ref (accepts) : gst_caps_new_any ();
      GstCaps *result = filter ? gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST)
                               : gst_caps_ref (all);
      gst_query_set_caps_result (query, result);
      gst_caps_unref (result);
      gst_caps_unref (all);
      return TRUE;
    }
    case GST_QUERY_ACCEPT_CAPS: {
      GstCaps *asked = nullptr;
      gst_query_parse_accept_caps (query, &asked);
      gst_query_set_accept_caps_result (query, !accepts || gst_caps_is_subset (asked, accepts));
      return TRUE;
    }
    case GST_QUERY_ALLOCATION:
      if (allocation)
        allocation (query);
      return allocation != nullptr;
    default:
      return gst_pad_query_default (pad_, parent, query);
    }
  }

  GstPad *pad_;
  std::condition_variable cond_;
  bool open_ {true};
  bool flushing_ {false};
  int passes_ {0};
};

/// A trackmixer with a bus, and a collecting sink behind it.
class MixerBed {
public:
  explicit MixerBed (GstClockTime chunk = 10 * GST_MSECOND, bool link_sink = true)
  {
    element = GST_ELEMENT (gst_object_ref_sink (gst_element_factory_make ("trackmixer", nullptr)));
    fail_unless (element != nullptr, "no trackmixer: look at GST_PLUGIN_PATH");
    g_object_set (element, "output-buffer-duration", chunk, nullptr);
    bus = gst_bus_new ();
    gst_element_set_bus (element, bus);
    if (link_sink) {
      GstPad *src = gst_element_get_static_pad (element, "src");
      fail_unless (gst_pad_link (src, sink.pad ()) == GST_PAD_LINK_OK);
      gst_object_unref (src);
    }
  }
  ~MixerBed ()
  {
    stop ();
    gst_element_set_bus (element, nullptr);
    gst_object_unref (bus);
    fail_unless_equals_int (GST_OBJECT_REFCOUNT_VALUE (element), 1);
    gst_object_unref (element);
  }
  MixerBed (const MixerBed &) = delete;
  MixerBed &operator= (const MixerBed &) = delete;

  void play ()
  {
    fail_unless (gst_element_set_state (element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
  }
  void stop ()
  {
    sink.open (); // or the mix waits in its push
    gst_bus_set_flushing (bus, TRUE);
    gst_element_set_state (element, GST_STATE_NULL);
  }

  /// The text and the details of the next message of that type, waiting for it; empty: none came.
  std::string message (GstMessageType type, std::chrono::milliseconds limit = kHung)
  {
    GstMessage *message = gst_bus_timed_pop_filtered (
        bus, static_cast<GstClockTime> (std::chrono::nanoseconds (limit).count ()), type);
    if (!message)
      return {};
    GError *error = nullptr;
    gchar *details = nullptr;
    if (type == GST_MESSAGE_ERROR)
      gst_message_parse_error (message, &error, &details);
    else
      gst_message_parse_warning (message, &error, &details);
    std::string text = std::string {error->message} + " " + (details ? details : "");
    g_error_free (error);
    g_free (details);
    gst_message_unref (message);
    return text;
  }
  [[nodiscard]] bool has_message (GstMessageType type)
  {
    GstMessage *message = gst_bus_pop_filtered (bus, type);
    if (message)
      gst_message_unref (message);
    return message != nullptr;
  }

  CollectingSink sink;
  GstElement *element {nullptr};
  GstBus *bus {nullptr};
};

/// A source pad linked to a track, and the thread that pushes through it.
class Feeder {
public:
  explicit Feeder (MixerBed &bed, Format track_format = {}, const char *name = "sink_%u")
      : bed_ {bed}, format {track_format}
  {
    src = gst_pad_new ("feed", GST_PAD_SRC);
    gst_pad_set_element_private (src, this);
    gst_pad_set_event_function (src, [] (GstPad *pad, GstObject *, GstEvent *event) noexcept {
      auto &feeder = *static_cast<Feeder *> (gst_pad_get_element_private (pad));
      const bool ok = feeder.upstream_event && feeder.upstream_event (event);
      gst_event_unref (event);
      return static_cast<gboolean> (ok);
    });
    gst_pad_set_query_function (
        src, [] (GstPad *pad, GstObject *parent, GstQuery *query) noexcept -> gboolean {
          auto &feeder = *static_cast<Feeder *> (gst_pad_get_element_private (pad));
          if (feeder.upstream_query && feeder.upstream_query (query))
            return TRUE;
          return gst_pad_query_default (pad, parent, query);
        });
    gst_pad_set_active (src, TRUE);
    sink = gst_element_request_pad_simple (bed.element, name);
    fail_unless (sink != nullptr);
    fail_unless (gst_pad_link (src, sink) == GST_PAD_LINK_OK);
  }
  ~Feeder ()
  {
    if (thread_.joinable ()) {
      gst_pad_set_active (src, FALSE); // its next push fails
      thread_.join ();
    }
    gst_pad_set_active (src, FALSE);
    gst_object_unref (src);
    gst_clear_object (&sink);
  }
  Feeder (const Feeder &) = delete;
  Feeder &operator= (const Feeder &) = delete;

  /// STREAM_START, CAPS and SEGMENT.
  void begin (const GstSegment *segment = nullptr)
  {
    static std::atomic<int> number {0};
    gst_pad_push_event (
        src, gst_event_new_stream_start (("test-" + std::to_string (number++)).c_str ()));
    begin_caps ();
    begin_segment (segment);
  }
  bool begin_caps ()
  {
    GstCaps *caps = caps_of (format);
    const bool ok = gst_pad_push_event (src, gst_event_new_caps (caps));
    gst_caps_unref (caps);
    return ok;
  }
  bool begin_segment (const GstSegment *segment = nullptr)
  {
    GstSegment plain;
    gst_segment_init (&plain, GST_FORMAT_TIME);
    return gst_pad_push_event (src, gst_event_new_segment (segment ? segment : &plain));
  }

  [[nodiscard]] GstBuffer *make (
      std::span<const float> samples, std::int64_t frame, guint flags = 0) const
  {
    GstBuffer *buffer = buffer_of (encode (samples, format.format),
        frame < 0 ? GST_CLOCK_TIME_NONE : time_of (frame, format.rate_hz));
    GST_BUFFER_FLAG_SET (buffer, flags);
    return buffer;
  }
  GstFlowReturn push (std::span<const float> samples, std::int64_t frame, guint flags = 0)
  {
    return gst_pad_push (src, make (samples, frame, flags));
  }
  /// In buffers of 1 to `longest` frames.
  GstFlowReturn push_all (std::span<const float> samples, unsigned seed,
      std::size_t longest_frames = 3000, std::int64_t first_frame = 0)
  {
    std::mt19937 random {seed};
    std::uniform_int_distribution<std::size_t> length {1, longest_frames};
    const auto channels = static_cast<std::size_t> (format.channels);
    const std::size_t frames = samples.size () / channels;
    GstFlowReturn flow = GST_FLOW_OK;
    for (std::size_t at = 0; at < frames && flow == GST_FLOW_OK;) {
      const std::size_t now = std::min (length (random), frames - at);
      flow = push (samples.subspan (at * channels, now * channels),
          first_frame + static_cast<std::int64_t> (at));
      at += now;
      if (flow == GST_FLOW_OK)
        pushed_frames += now;
    }
    return flow;
  }
  bool gap (std::int64_t frame, std::int64_t frames)
  {
    const GstClockTime start = time_of (frame, format.rate_hz);
    return gst_pad_push_event (
        src, gst_event_new_gap (start, time_of (frame + frames, format.rate_hz) - start));
  }
  bool end () { return gst_pad_push_event (src, gst_event_new_eos ()); }

  /// Does `work` on a thread of its own, which the destructor joins.
  void run (std::function<void (Feeder &)> work)
  {
    thread_ = std::thread {[this, task = std::move (work)] {
      task (*this);
      done = true;
    }};
  }
  void join ()
  {
    if (thread_.joinable ())
      thread_.join ();
  }
  [[nodiscard]] bool finishes ()
  {
    return eventually ([this] { return done.load (); });
  }

  [[nodiscard]] std::uint64_t count (const char *field) const
  {
    return count_in_stats (sink, field);
  }

private:
  MixerBed &bed_;
  std::thread thread_;

public:
  GstPad *src;
  GstPad *sink;
  Format format;
  std::atomic<std::size_t> pushed_frames {0};
  std::atomic<bool> done {false};
  std::function<bool (GstEvent *)> upstream_event;
  std::function<bool (GstQuery *)> upstream_query;
};

using Feeders = std::vector<std::unique_ptr<Feeder>>;

/// in = mixed + late + dropped + queued
inline void check_accounts (const Feeder &feeder)
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

/// Adds a track to the offline sum.
inline void add_to (
    Samples &sum, std::span<const float> track, std::size_t first_sample = 0, float gain = 1.0f)
{
  sum.resize (std::max (sum.size (), first_sample + track.size ()), 0.0f);
  for (std::size_t n = 0; n < track.size (); ++n)
    sum[first_sample + n] += track[n] * gain;
}

inline void check_equal (std::span<const float> got, std::span<const float> wanted)
{
  fail_unless_equals_int (got.size (), wanted.size ());
  for (std::size_t n = 0; n < wanted.size (); ++n)
    fail_unless (got[n] == wanted[n], "sample %zu of %zu is %.9g and not %.9g", n, wanted.size (),
        static_cast<double> (got[n]), static_cast<double> (wanted[n]));
}

/// Every chunk as long as the first but the last, where the duration is a whole number of frames;
/// all of them back to back, with time stamps that follow from the count of frames.
inline void check_chunks (CollectingSink &sink, GstClockTime duration, GstClockTime first_pts = 0)
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

/// Feeds whole tracks from a thread each and waits for the end.
inline void feed_to_end (MixerBed &bed, Feeders &feeders, const std::vector<Samples> &tracks,
    unsigned seed, std::size_t longest_frames = 3000)
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
