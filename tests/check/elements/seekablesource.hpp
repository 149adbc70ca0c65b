// SPDX-License-Identifier: LGPL-2.1-or-later
// Sources that seek as GstBaseSrc does, and a mix of two of them, for what seeks and flushes do to
// it.
#pragma once

#include <utility>

#include "support.hpp"

namespace mt::test {

inline constexpr GstClockTime kChunk = 10 * GST_MSECOND;
inline constexpr int kRate = 44100;

inline GstEvent *seek_event (
    std::int64_t frame, double rate = 1.0, int flags = GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE)
{
  return gst_event_new_seek (rate, GST_FORMAT_TIME, static_cast<GstSeekFlags> (flags),
      GST_SEEK_TYPE_SET, static_cast<gint64> (time_of (frame, kRate)), GST_SEEK_TYPE_NONE, -1);
}

inline bool send_upstream (MixerBed &bed, GstEvent *event)
{
  return gst_pad_push_event (bed.sink.pad (), event);
}

inline void send_flush (Feeder &feeder, bool start, guint32 seqnum)
{
  GstEvent *event = start ? gst_event_new_flush_start () : gst_event_new_flush_stop (TRUE);
  gst_event_set_seqnum (event, seqnum);
  gst_pad_push_event (feeder.src, event);
}

/// A source with a streaming thread of its own that seeks as GstBaseSrc does.
class SeekableSource {
public:
  SeekableSource (MixerBed &bed, const Format &format, Samples samples, unsigned seed)
      : feeder {bed, format}, samples_ {std::move (samples)}, seed_ {seed}
  {
    feeder.upstream_event = [this] (GstEvent *event) {
      if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
        return false;
      bool sought = false;
      if (!seeks_elsewhere)
        return seek (event);
      std::thread {[&] { sought = seek (event); }}.join ();
      return sought;
    };
  }
  ~SeekableSource ()
  {
    stop_ = true;
    gst_pad_set_active (feeder.src, FALSE);
    halt ();
  }

  void start ()
  {
    const std::lock_guard lock {mutex_}; // the first chunk may bring a seek before this is done
    thread_ = std::thread {[this] { stream (0, true); }};
  }

  Feeder feeder;
  std::atomic<int> seeks {0};
  bool can_seek {true};
  bool keeps_seqnum {true};
  bool fails_at_last {false};   // after the flush
  bool flushes {true};          // else it answers TRUE and does nothing
  bool seeks_elsewhere {false}; // in another thread, which the one that asks waits for

  /// The flush that it owed, from a thread of its own.
  void flush_late (guint32 seqnum)
  {
    for (const bool start : {true, false})
      send_flush (feeder, start, seqnum);
  }

private:
  bool seek (GstEvent *event)
  {
    ++seeks;
    if (!can_seek || !flushes)
      return can_seek;
    const std::lock_guard lock {mutex_};
    gint64 start = 0;
    gst_event_parse_seek (event, nullptr, nullptr, nullptr, nullptr, &start, nullptr, nullptr);
    const guint32 seqnum = keeps_seqnum ? gst_event_get_seqnum (event) : gst_util_seqnum_next ();
    send_flush (feeder, true, seqnum);
    halt ();
    send_flush (feeder, false, seqnum);
    const auto at = static_cast<std::int64_t> (
        gst_util_uint64_scale_round (static_cast<guint64> (start), kRate, GST_SECOND));
    thread_ = std::thread {[this, at] { stream (at, false); }};
    return !fails_at_last;
  }
  void halt ()
  {
    stop_ = true;
    if (thread_.joinable ())
      thread_.join ();
    stop_ = false;
  }
  void stream (std::int64_t from, bool first)
  {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.position = segment.time = time_of (from, kRate);
    if (first)
      feeder.begin (&segment);
    else
      feeder.begin_segment (&segment);
    std::mt19937 random {seed_};
    std::uniform_int_distribution<std::size_t> length {1, 2000};
    const auto channels = static_cast<std::size_t> (feeder.format.channels);
    const std::size_t frames = samples_.size () / channels;
    // As a decoder would, from some frames before the target; the segment clips them.
    for (std::size_t at = static_cast<std::size_t> (std::max<std::int64_t> (0, from - 700));
         at < frames;) {
      if (stop_)
        return;
      const std::size_t now = std::min (length (random), frames - at);
      if (feeder.push (std::span {samples_}.subspan (at * channels, now * channels),
              static_cast<std::int64_t> (at)) != GST_FLOW_OK)
        return;
      at += now;
    }
    feeder.end ();
  }

  Samples samples_;
  unsigned seed_;
  std::mutex mutex_; // of the thread
  std::thread thread_;
  std::atomic<bool> stop_ {false};
};

struct TwoSources {
  TwoSources ()
      : one {fine_noise (2 * 60000, 1)}, two {fine_noise (60000, 2)}, a {bed, {kRate, 2}, one, 11},
        b {bed, {kRate, 1, GST_AUDIO_FORMAT_S16}, two, 12}
  {
    // What the mixer makes of S16: the value that was sent.
    two = decode (encode (two, GST_AUDIO_FORMAT_S16), GST_AUDIO_FORMAT_S16);
  }
  Samples from (std::size_t frame) const
  {
    Samples sum (one.begin () + static_cast<std::ptrdiff_t> (2 * frame), one.end ());
    for (std::size_t n = 0; n < sum.size (); ++n)
      sum[n] += two[frame + n / 2];
    return sum;
  }
  Samples tail_of_one (std::size_t frame) const
  {
    return {one.begin () + static_cast<std::ptrdiff_t> (2 * frame), one.end ()};
  }
  /// In a mix that is mono or stereo, as the track that came first.
  Samples tail_of_two (std::size_t frame)
  {
    const Samples mono (two.begin () + static_cast<std::ptrdiff_t> (frame), two.end ());
    if (GST_AUDIO_INFO_CHANNELS (&bed.sink.info) == 1)
      return mono;
    Samples stereo;
    for (const float sample : mono)
      stereo.insert (stereo.end (), 2, sample);
    return stereo;
  }
  void start ()
  {
    bed.play ();
    a.start ();
    b.start ();
  }
  /// The sink takes so many chunks and no more.
  void start_until (std::size_t chunks)
  {
    bed.sink.close ();
    start ();
    bed.sink.let_through (chunks);
    fail_unless (bed.sink.wait_for_chunks (chunks));
  }

  MixerBed bed {kChunk};
  Samples one, two;
  SeekableSource a, b;
};

} // namespace mt::test
