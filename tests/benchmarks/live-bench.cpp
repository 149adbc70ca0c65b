// SPDX-License-Identifier: LGPL-2.1-or-later
// Many live inputs for a minute: does every chunk go out whole and in time? trackmixer, then
// audiomixer.
//
// Each track has a thread that waits for the system clock, as a source does, and pushes 10 ms of a
// constant once they are over. So the oracle needs no mixer's word: a chunk is whole if it is the
// sum of all constants, and in time if it comes before its deadline, which is 10 ms after its end.
#include "feed.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <stdexcept>

namespace mt::bench {
namespace {

constexpr GstClockTime kChunk = 10 * GST_MSECOND;
constexpr std::size_t kChunkFrames = kRateHz / 100;
constexpr std::size_t kWarmupChunks = 100;

struct Options {
  std::size_t tracks {64};
  std::size_t seconds {60};
  std::vector<std::string> systems {"trackmixer", "audiomixer"};
};

float track_value (std::size_t track)
{
  return static_cast<float> (track % 7 + 1) / 8192.0f;
}

/// A live source: a pad, and a thread that waits for the clock.
class LiveTrack {
public:
  LiveTrack (GstClock *clock, GstClockTime base_time, float value)
      : clock_ {clock}, base_time_ {base_time}, memory_ {gst_allocator_alloc (
                                                    nullptr, kChunkFrames * kFrameBytes, nullptr)}
  {
    GstMapInfo map;
    gst_memory_map (memory_, &map, GST_MAP_WRITE);
    std::fill_n (reinterpret_cast<float *> (map.data), kChunkFrames * kChannels, value);
    gst_memory_unmap (memory_, &map);
    pad_ = GST_PAD (gst_object_ref_sink (gst_pad_new ("src", GST_PAD_SRC)));
    gst_pad_set_query_function (
        pad_, [] (GstPad *pad, GstObject *parent, GstQuery *query) noexcept -> gboolean {
          if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
            return gst_pad_query_default (pad, parent, query);
          gst_query_set_latency (query, TRUE, kChunk, GST_CLOCK_TIME_NONE);
          return TRUE;
        });
    gst_pad_set_active (pad_, TRUE);
  }
  ~LiveTrack ()
  {
    join ();
    gst_object_unref (pad_);
    gst_memory_unref (memory_);
  }
  LiveTrack (const LiveTrack &) = delete;
  LiveTrack &operator= (const LiveTrack &) = delete;

  GstPad *pad () const noexcept { return pad_; }
  void start ()
  {
    thread_ = std::thread {[this] { run (); }};
  }
  void join ()
  {
    if (thread_.joinable ())
      thread_.join ();
  }

private:
  void run ()
  {
    gst_pad_push_event (pad_, gst_event_new_stream_start ("live"));
    GstCaps *caps = make_caps ();
    gst_pad_push_event (pad_, gst_event_new_caps (caps));
    gst_caps_unref (caps);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_pad_push_event (pad_, gst_event_new_segment (&segment));
    GstFlowReturn flow = GST_FLOW_OK;
    for (std::size_t n = 0; flow == GST_FLOW_OK; ++n) {
      GstClockID id = gst_clock_new_single_shot_id (clock_, base_time_ + (n + 1) * kChunk);
      gst_clock_id_wait (id, nullptr);
      gst_clock_id_unref (id);
      GstBuffer *buffer = gst_buffer_new ();
      gst_buffer_append_memory (buffer, gst_memory_ref (memory_));
      stamp (buffer, n * kChunkFrames, kChunkFrames);
      flow = gst_pad_push (pad_, buffer);
    }
  }

  GstClock *const clock_;
  const GstClockTime base_time_;
  GstMemory *const memory_;
  GstPad *pad_ {nullptr};
  std::thread thread_;
};

/// Judges what comes out.
class Judge {
public:
  Judge (GstClock *clock, GstClockTime base_time, std::size_t chunks, float sum)
      : clock_ {clock}, base_time_ {base_time}, chunks_ {chunks}, sum_ {sum}
  {
    pad_ = GST_PAD (gst_object_ref_sink (gst_pad_new ("sink", GST_PAD_SINK)));
    gst_pad_set_element_private (pad_, this);
    gst_pad_set_chain_function (pad_, [] (GstPad *pad, GstObject *, GstBuffer *buffer) noexcept {
      auto &self = *static_cast<Judge *> (gst_pad_get_element_private (pad));
      return self.take (buffer);
    });
    gst_pad_set_event_function (
        pad_, [] (GstPad *, GstObject *, GstEvent *event) noexcept -> gboolean {
          gst_event_unref (event);
          return TRUE;
        });
    gst_pad_set_active (pad_, TRUE);
  }
  ~Judge () { gst_object_unref (pad_); }
  Judge (const Judge &) = delete;
  Judge &operator= (const Judge &) = delete;

  GstPad *pad () const noexcept { return pad_; }
  bool wait (std::size_t seconds)
  {
    std::unique_lock lock {mutex_};
    return condition_.wait_for (
        lock, std::chrono::seconds {seconds}, [this] { return taken_ >= kWarmupChunks + chunks_; });
  }

  // Read once wait() has returned true.
  std::size_t incomplete {0}; // chunks without a track, or with one twice
  std::size_t late {0};       // after their deadline
  Series lateness_ms;         // of the end of a chunk
  Usage used {};

private:
  GstFlowReturn take (GstBuffer *buffer) noexcept
  {
    const GstClockTime now = gst_clock_get_time (clock_) - base_time_;
    const GstClockTime end = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
    GstMapInfo map;
    bool whole = gst_buffer_map (buffer, &map, GST_MAP_READ) != FALSE;
    if (whole) {
      const auto *samples = reinterpret_cast<const float *> (map.data);
      const std::size_t count = map.size / sizeof (float);
      whole = count == kChunkFrames * kChannels;
      for (std::size_t n = 0; n < count && whole; ++n)
        whole = std::abs (samples[n] - sum_) < 1e-5f;
      gst_buffer_unmap (buffer, &map);
    }
    gst_buffer_unref (buffer);
    const std::lock_guard lock {mutex_};
    if (taken_ == kWarmupChunks)
      begin_ = Usage::now ();
    if (taken_ >= kWarmupChunks && taken_ < kWarmupChunks + chunks_) {
      incomplete += !whole;
      late += now > end + kChunk;
      lateness_ms.add ((static_cast<double> (now) - static_cast<double> (end)) /
          static_cast<double> (GST_MSECOND));
    }
    if (++taken_ == kWarmupChunks + chunks_) {
      used = Usage::now () - begin_;
      condition_.notify_all ();
    }
    return taken_ > kWarmupChunks + chunks_ ? GST_FLOW_EOS : GST_FLOW_OK;
  }

  GstClock *const clock_;
  const GstClockTime base_time_;
  const std::size_t chunks_;
  const float sum_;
  GstPad *pad_ {nullptr};
  std::mutex mutex_;
  std::condition_variable condition_;
  std::size_t taken_ {0};
  Usage begin_ {};
};

/// Frames that QoS messages tell of, from all tracks: the last count of each.
std::uint64_t frames_dropped (GstBus *bus)
{
  std::uint64_t all = 0;
  std::vector<std::pair<GstObject *, std::uint64_t>> last;
  while (GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_QOS)) {
    guint64 dropped = 0;
    gst_message_parse_qos_stats (message, nullptr, nullptr, &dropped);
    GstObject *source = GST_MESSAGE_SRC (message);
    const auto same = std::find_if (
        last.begin (), last.end (), [source] (const auto &entry) { return entry.first == source; });
    if (same == last.end ())
      last.emplace_back (source, dropped);
    else
      same->second = dropped;
    gst_message_unref (message);
  }
  for (const auto &entry : last)
    all += entry.second;
  return all;
}

std::uint64_t count_in_stats (GstElement *mixer, const char *field)
{
  GstStructure *stats = nullptr;
  g_object_get (mixer, "stats", &stats, nullptr);
  guint64 count = 0;
  if (stats) {
    gst_structure_get_uint64 (stats, field, &count);
    gst_structure_free (stats);
  }
  return count;
}

void measure (const std::string &name, const Options &options)
{
  const std::size_t chunks = options.seconds * 100;
  GstElement *mixer = GST_ELEMENT (gst_object_ref_sink (make_element (name.c_str ())));
  g_object_set (mixer, "output-buffer-duration", kChunk, nullptr);
  GstClock *clock = gst_system_clock_obtain ();
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (mixer, bus);
  gst_element_set_clock (mixer, clock);
  // Some time to start all threads.
  const GstClockTime base_time = gst_clock_get_time (clock) + GST_SECOND / 2;
  gst_element_set_base_time (mixer, base_time);

  float sum = 0.0f;
  std::vector<std::unique_ptr<LiveTrack>> tracks;
  for (std::size_t n = 0; n < options.tracks; ++n) {
    tracks.push_back (std::make_unique<LiveTrack> (clock, base_time, track_value (n)));
    sum += track_value (n);
    GstPad *pad = gst_element_request_pad_simple (mixer, "sink_%u");
    g_object_set (pad, "qos-messages", TRUE, nullptr);
    if (gst_pad_link (tracks.back ()->pad (), pad) != GST_PAD_LINK_OK)
      throw std::runtime_error (format ("linking track %zu failed", n));
    gst_object_unref (pad);
  }
  Judge judge {clock, base_time, chunks, sum};
  GstPad *src = gst_element_get_static_pad (mixer, "src");
  gst_pad_link (src, judge.pad ());
  gst_object_unref (src);
  if (gst_element_set_state (mixer, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    throw std::runtime_error (name + " does not start: " + pop_error (bus));
  for (auto &track : tracks)
    track->start ();
  const bool complete = judge.wait (2 * options.seconds + 30);
  const bool ours = name == "trackmixer";
  const auto misses = ours ? count_in_stats (mixer, "deadline-misses") : 0;
  const auto dropped = frames_dropped (bus);
  const std::string error = complete ? std::string {} : pop_error (bus);
  gst_element_set_state (mixer, GST_STATE_NULL);
  for (auto &track : tracks)
    track->join ();
  gst_element_set_bus (mixer, nullptr);
  gst_object_unref (bus);
  gst_object_unref (mixer);
  gst_object_unref (clock);
  if (!complete)
    throw std::runtime_error (name + " does not get through: " + error);

  const double cpu_s = static_cast<double> (judge.used.cpu_ns) / 1e9;
  std::printf ("| `%s` | %zu | %zu | %zu | %s | %llu | %.2f | %.2f | %.2f | %.2f | %.1f | %.1f |\n",
      name.c_str (), chunks, judge.incomplete, judge.late,
      ours ? format ("%llu", static_cast<unsigned long long> (misses)).c_str () : "",
      static_cast<unsigned long long> (dropped), judge.lateness_ms.median (),
      judge.lateness_ms.quantile (0.99), judge.lateness_ms.quantile (0.999),
      judge.lateness_ms.max (), 100.0 * cpu_s / static_cast<double> (options.seconds),
      static_cast<double> (judge.used.switches) / static_cast<double> (chunks));
  std::fflush (stdout);
}

int main (int argc, char **argv)
{
  Options options;
  gint tracks = static_cast<gint> (options.tracks);
  gint seconds = static_cast<gint> (options.seconds);
  g_autofree gchar *systems = nullptr;
  const GOptionEntry entries[] = {
      {"tracks", 0, 0, G_OPTION_ARG_INT, &tracks, "Live inputs (64)", "N"},
      {"seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "Time to measure (60)", "N"},
      {"systems", 0, 0, G_OPTION_ARG_STRING, &systems, "In this order", "trackmixer,audiomixer"},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  program::parse_options (argc, argv, entries, "Live inputs: chunks missed, late, and their cost.");
  if (tracks < 1 || seconds < 1)
    throw std::invalid_argument ("there must be a track and a second");
  options.tracks = static_cast<std::size_t> (tracks);
  options.seconds = static_cast<std::size_t> (seconds);
  if (systems != nullptr)
    options.systems = split (systems);
  std::printf (
      "### Live\n\n%zu live inputs, F32 stereo 48 kHz, buffers and chunks of 10 ms, %zu s "
      "each, all cores.\n\n"
      "| system | chunks | incomplete | late | deadline misses | frames dropped | ms after "
      "its end: p50 | p99 | p99.9 | max | CPU %% of a core | switches a chunk |\n"
      "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
      options.tracks, options.seconds);
  for (const auto &name : options.systems)
    measure (name, options);
  std::printf ("\n");
  return 0;
}

} // namespace
} // namespace mt::bench

int main (int argc, char **argv)
{
  return mt::program::run ("live-bench", [&] { return mt::bench::main (argc, argv); });
}
