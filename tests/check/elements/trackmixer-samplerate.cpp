// SPDX-License-Identifier: LGPL-2.1-or-later
// Downstream takes another rate while the mix plays: the sound goes on in its place, without a
// click, whatever is queued and whatever rates the tracks have.
#include <cmath>
#include <numbers>
#include <utility>

#include "ficklesink.hpp"
#include "livebed.hpp"

using namespace mt::test;

namespace {

constexpr double kFrequency = 997.0;

double sine (double seconds)
{
  return 0.5 * std::sin (2.0 * std::numbers::pi * std::fmod (kFrequency * seconds, 1.0));
}

using Signal = double (*) (double seconds);

/// Its value is the time, of which a float of less than 2 keeps a frame of 8 MHz.
double position (double seconds)
{
  return seconds / 2.0;
}

Samples samples_of (
    Signal signal, std::int64_t first, std::size_t frames, const Format &format, double gain = 1.0)
{
  const auto channels = static_cast<std::size_t> (format.channels);
  Samples out (frames * channels);
  for (std::size_t n = 0; n < out.size (); ++n)
    out[n] = static_cast<float> (gain *
        signal (static_cast<double> (first + static_cast<std::int64_t> (n / channels)) /
            format.rate_hz));
  return out;
}

struct Change {
  std::size_t chunk;
  int rate_hz;
};
using Changes = std::vector<Change>;

std::vector<FickleSink::Wish> wishes_of (
    const Changes &changes, int channels = 1, GstAudioFormat format = GST_AUDIO_FORMAT_F32)
{
  std::vector<FickleSink::Wish> wishes;
  for (const Change &change : changes)
    wishes.push_back ({change.chunk, {change.rate_hz, channels, format}});
  return wishes;
}

/// What holds whatever was mixed: every change is there, chunks are back to back, the frames count
/// from running time 0 at each rate, and all of it is as long as it is.
void check_time_line (
    MixerBed &bed, FickleSink &sink, const Changes &changes, double seconds, GstClockTime chunk)
{
  fail_if (bed.has_message (static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
  fail_unless_equals_int (sink.broken, 0);
  fail_unless_equals_int (sink.stretches.size (), changes.size ());
  for (std::size_t n = 0; n < changes.size (); ++n) {
    const Stretch &stretch = sink.stretches[n];
    fail_unless_equals_int (stretch.info.rate, changes[n].rate_hz);
    const auto rate = static_cast<double> (stretch.info.rate);
    fail_unless_equals_uint64 (stretch.offset_end - stretch.offset,
        stretch.samples.size () / static_cast<std::size_t> (stretch.info.channels));
    // Its first frame is the nearest to where the stretch before ended, which is its time stamp.
    const auto before = n == 0
        ? 0.0
        : static_cast<double> (sink.stretches[n - 1].offset_end) / sink.stretches[n - 1].info.rate;
    fail_unless (std::abs (static_cast<double> (stretch.offset) - before * rate) <= 0.5001,
        "stretch %zu begins at frame %" G_GUINT64_FORMAT " of %d Hz", n, stretch.offset,
        stretch.info.rate);
    // A chunk's end is rounded to a frame, too.
    fail_unless (std::abs (before * GST_SECOND - static_cast<double> (changes[n].chunk * chunk)) <
            GST_MSECOND / 4.0,
        "stretch %zu begins at %g s", n, before);
  }
  // Of a track that has ended only the frame is known, rounded at each rate that there has been.
  int slowest = changes.front ().rate_hz;
  for (const Change &change : changes)
    slowest = std::min (slowest, change.rate_hz);
  const Stretch &last = sink.stretches.back ();
  const auto end = static_cast<double> (last.offset_end) / last.info.rate;
  fail_unless (std::abs (end - seconds) * slowest <= 1.6, "ends at %g s", end);
}

/// The largest difference from the signal, away from both ends of a stretch.
double largest_error (const Stretch &stretch, Signal signal, std::size_t edge)
{
  const auto channels = static_cast<std::size_t> (stretch.info.channels);
  double largest = 0.0;
  for (std::size_t n = edge * channels; n + edge * channels < stretch.samples.size (); ++n) {
    const auto frame = static_cast<double> (stretch.offset + n / channels);
    largest = std::max (largest,
        std::abs (static_cast<double> (stretch.samples[n]) - signal (frame / stretch.info.rate)));
  }
  return largest;
}

/// A track's end is a step, which rings.
void cut_end (FickleSink &sink, std::size_t frames = 200)
{
  Stretch &last = sink.stretches.back ();
  const std::size_t samples = frames * static_cast<std::size_t> (last.info.channels);
  last.samples.resize (last.samples.size () - std::min (samples, last.samples.size ()));
}

struct Queueing {
  GstClockTime size;   // of each queue
  std::size_t longest; // buffer
};
constexpr Queueing kQueueings[] {
    {2 * GST_SECOND, 3000}, {GST_SECOND / 5, 1024}, {20 * GST_MSECOND, 100}, {GST_SECOND, 44100}};

constexpr GstClockTime kTen = 10 * GST_MSECOND;

/// One track of so many seconds, to its end, through all changes: nothing of it is late or lost,
/// and the time line is whole.
void play_alone (MixerBed &bed, FickleSink &sink, int rate, Signal signal, double seconds,
    const Queueing &queueing, const Changes &changes)
{
  g_object_set (bed.element, "max-size-time", queueing.size, nullptr);
  Feeder feeder {bed, {rate, 1}};
  bed.play ();
  feeder.run ([&] (Feeder &self) {
    self.begin ();
    const auto frames = static_cast<std::size_t> (seconds * rate);
    self.push_all (samples_of (signal, 0, frames, self.format), 3, queueing.longest);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  feeder.join ();
  check_accounts (feeder);
  fail_unless_equals_uint64 (feeder.count ("late-frames") + feeder.count ("dropped-frames"), 0);
  check_time_line (bed, sink, changes, seconds, kTen);
}

} // namespace

GST_START_TEST (test_a_sine_goes_on)
{
  // Every track for itself: 0.001 of a frame of 48 kHz is 0.5 · 2π · 997 / 48000 / 1000 = 0.000065.
  // Away from the first frames it is a sine as pure as the resampler makes it, through all seams.
  const Changes changes {{0, 48000}, {30, 44100}, {60, 48000}, {97, 96000}, {140, 44100}};
  const Queueing &queueing = kQueueings[__i__];
  for (const int rate : {48000, 44100, 96000, 32000}) {
    MixerBed bed;
    FickleSink sink {bed, wishes_of (changes)};
    play_alone (bed, sink, rate, sine, 2.0, queueing, changes);
    cut_end (sink);
    for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
      const double all = largest_error (sink.stretches[n], sine, n == 0 ? 30 : 0);
      fail_unless (all < 1e-4, "%d Hz, stretch %zu: off by %g", rate, n, all);
      const double most = largest_error (sink.stretches[n], sine, 400);
      fail_unless (most < 4e-5, "%d Hz, stretch %zu: %g off a sine", rate, n, most);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_no_drift_over_many_changes)
{
  // A track whose samples say when they are meant, from rate to rate 19 times: within one frame.
  Changes changes;
  constexpr int kRates[] {48000, 44100, 22050, 96000, 44056, 48000, 8000};
  for (std::size_t n = 0; n < 19; ++n)
    changes.push_back ({9 * n, kRates[n % std::size (kRates)]});
  const Queueing &queueing = kQueueings[__i__];
  for (const int rate : {48000, 44100}) {
    MixerBed bed;
    FickleSink sink {bed, wishes_of (changes)};
    play_alone (bed, sink, rate, position, 1.9, queueing, changes);
    cut_end (sink, 400);
    for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
      // At a seam two filters' ringing has to cancel: there a frame is as little as a float's
      // noise.
      const double off = 2.0 * largest_error (sink.stretches[n], position, 8) * 96000;
      fail_unless (off < 1.0, "%d Hz, stretch %zu: %g frames of 96 kHz off", rate, n, off);
      const double seam = largest_error (sink.stretches[n], position, 0);
      fail_unless (seam < 5e-5, "%d Hz, stretch %zu: %g off at the seam", rate, n, seam);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_two_ways_that_differ)
{
  // So odd a rate has too many phases to keep a filter for each, and each step lies an eighth of a
  // frame late (0.0089). From one way to the other that must not step.
  const Changes changes {{0, 48000}, {30, 44100}, {60, 48000}};
  MixerBed bed;
  FickleSink sink {bed, wishes_of (changes)};
  g_object_set (bed.element, "max-size-time", 50 * GST_MSECOND, nullptr);
  Feeder feeder {bed, {44101, 1}};
  bed.play ();
  feeder.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (samples_of (sine, 0, 44101, self.format), 3, 1024);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  check_time_line (bed, sink, changes, 1.0, kTen);
  cut_end (sink);
  for (std::size_t n = 1; n < sink.stretches.size (); ++n) {
    const Stretch &stretch = sink.stretches[n];
    double before = 0.0;
    for (std::size_t i = 0; i < stretch.samples.size (); ++i) {
      const double off = static_cast<double> (stretch.samples[i]) -
          sine (static_cast<double> (stretch.offset + i) / stretch.info.rate);
      CHECK_SAMPLE (std::abs (off) < 0.03 && (i < 50 || std::abs (off - before) < 0.005),
          "stretch %zu, frame %zu: off by %g after %g", n, i, off, before);
      before = off;
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_format_and_channels_change_with_it)
{
  // Two tracks of half the sine each, in formats of their own; the sum is held against it in each
  // format of the output.
  MixerBed bed;
  const Changes changes {{0, 48000}, {20, 44100}, {50, 44100}, {81, 96000}, {110, 48000}};
  FickleSink sink {bed,
      {{0, {48000, 2, GST_AUDIO_FORMAT_S16}}, {20, {44100, 1, GST_AUDIO_FORMAT_F32}},
          {50, {44100, 2, GST_AUDIO_FORMAT_S32}}, {81, {96000, 2, GST_AUDIO_FORMAT_S24}},
          {110, {48000, 1, GST_AUDIO_FORMAT_F32}}}};
  const Format formats[] {{48000, 2, GST_AUDIO_FORMAT_S16}, {44100, 1}};
  Feeders feeders;
  std::vector<Samples> data;
  for (const Format &format : formats) {
    feeders.push_back (std::make_unique<Feeder> (bed, format));
    data.push_back (
        samples_of (sine, 0, static_cast<std::size_t> (1.5 * format.rate_hz), format, 0.5));
  }
  feed_to_end (bed, feeders, data, 5);
  check_time_line (bed, sink, changes, 1.5, kTen);
  for (const auto &feeder : feeders)
    check_accounts (*feeder);
  cut_end (sink);
  for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
    const double off = largest_error (sink.stretches[n], sine, n == 0 ? 30 : 0);
    fail_unless (off < 0.001, "stretch %zu: off by %g", n, off);
  }
}
GST_END_TEST;

GST_START_TEST (test_the_format_changes_before_the_rate_before_has_rung_out)
{
  // S32 is mixed in doubles. What they ring is no sound of floats.
  MixerBed bed {GST_MSECOND};
  FickleSink sink {bed,
      {{0, {48000, 1, GST_AUDIO_FORMAT_S32}}, {50, {8000, 1, GST_AUDIO_FORMAT_S32}},
          {51, {8000, 1, GST_AUDIO_FORMAT_F32}}}};
  Feeders feeders;
  feeders.push_back (std::make_unique<Feeder> (bed, Format {48000, 1}));
  feed_to_end (bed, feeders, {Samples (14400, 0.5f)}, 5);
  fail_unless_equals_int (sink.stretches.size (), 3);
  cut_end (sink);
  for (std::size_t n = 1; n < sink.stretches.size (); ++n)
    for (const float sample : sink.stretches[n].samples)
      fail_unless (
          std::abs (sample - 0.5f) < 0.01f, "stretch %zu: %g", n, static_cast<double> (sample));
}
GST_END_TEST;

GST_START_TEST (test_a_ramp_goes_on)
{
  // A volume on its way to nothing over 200 ms, as straight across the seam as before it.
  const Changes changes {{0, 48000}, {15, 44100}, {22, 96000}};
  MixerBed bed;
  FickleSink sink {bed, wishes_of (changes)};
  g_object_set (bed.element, "ramp-time", 200 * GST_MSECOND, nullptr);
  Feeder feeder {bed, {48000, 1}};
  const auto fickle = bed.sink.flow;
  bed.sink.flow = [&] (std::size_t chunk) {
    if (chunk == 10)
      g_object_set (feeder.sink, "volume", 0.0, nullptr);
    return fickle (chunk);
  };
  bed.play ();
  feeder.run ([&] (Feeder &self) {
    self.begin ();
    self.push_all (Samples (48000, 0.5f), 3);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  check_time_line (bed, sink, changes, 1.0, kTen);
  const Signal line = [] (double seconds) {
    return 0.5 * std::clamp (1.0 - (seconds - 0.1) / 0.2, 0.0, 1.0);
  };
  for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
    const double off = largest_error (sink.stretches[n], line, 0);
    fail_unless (off < 0.001, "stretch %zu: off by %g", n, off);
  }
}
GST_END_TEST;

GST_START_TEST (test_live_in_time)
{
  // Queues of live tracks are all but empty: what the filters need comes with the next buffer.
  LiveBed live;
  const Changes changes {{0, 48000}, {12, 44100}, {25, 48000}, {26, 96000}, {27, 44100}};
  FickleSink sink {live.bed, wishes_of (changes)};
  Feeder a {live.bed, {48000, 1}};
  Feeder b {live.bed, {44100, 1}};
  constexpr GstClockTime kUpstream = 30 * GST_MSECOND;
  for (Feeder *feeder : {&a, &b})
    LiveBed::set_latency (*feeder, kUpstream);
  live.bed.play ();
  for (Feeder *feeder : {&a, &b})
    feeder->begin ();
  constexpr std::int64_t kChunks = 60;
  const auto push = [&] (Feeder &feeder, std::int64_t chunk) {
    const std::int64_t frames = feeder.format.rate_hz / 100;
    fail_unless_equals_int (feeder.push (samples_of (sine, chunk * frames,
                                             static_cast<std::size_t> (frames), feeder.format, 0.5),
                                chunk * frames),
        GST_FLOW_OK);
  };
  for (std::int64_t n = 0; n < kChunks; ++n) {
    // A buffer comes when its last frame is there, and one more before the chunk is due.
    live.set_time (static_cast<GstClockTime> (n + 1) * kTen);
    push (a, n);
    push (b, n);
    if (n > 1) // the chunk before the one that may wait for the filters
      fail_unless (live.bed.sink.wait_for_chunks (static_cast<std::size_t> (n)));
  }
  fail_unless_equals_uint64 (count_in_stats (live.bed.element, "deadline-misses"), 0);
  fail_unless_equals_uint64 (count_in_stats (live.bed.element, "late-frames"), 0);
  fail_unless (figure_in_stats (live.bed.element, "target-ksps") == 44.1);
  a.end ();
  b.end ();
  fail_unless (live.bed.sink.wait_for_eos ());
  check_time_line (live.bed, sink, changes, kChunks / 100.0, kTen);
  cut_end (sink);
  for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
    const double off = largest_error (sink.stretches[n], sine, n == 0 ? 30 : 0);
    fail_unless (off < 0.001, "stretch %zu: off by %g", n, off);
  }
}
GST_END_TEST;

GST_START_TEST (test_deadlines_follow)
{
  // Nobody brings anything: silence, at the same times as before. A chunk of 10 ms is 220.5 frames.
  LiveMix mix;
  FickleSink sink {mix.bed, wishes_of ({{0, 48000}, {2, 22050}, {5, 48000}})};
  mix.bed.play ();
  mix.a.begin ();
  for (std::size_t n = 0; n < 8; ++n) {
    const auto at = static_cast<GstClockTime> (n + 1) * kTen + LiveMix::kUpstream;
    const GstClockTime deadline = mix.next_deadline ();
    fail_unless (deadline + GST_SECOND / 22050 > at && deadline <= at,
        "chunk %zu is due at %" GST_TIME_FORMAT, n, GST_TIME_ARGS (deadline));
    mix.check_chunk_at (n, deadline);
  }
  fail_unless_equals_int (sink.broken, 0);
  fail_unless_equals_int (sink.stretches.size (), 3);
}
GST_END_TEST;

GST_START_TEST (test_a_track_that_comes_later)
{
  // One from before, one that is linked after the change: both in their place.
  const Changes changes {{0, 48000}, {10, 44100}, {40, 96000}};
  for (const int rate : {48000, 44100}) {
    MixerBed bed;
    FickleSink sink {bed, wishes_of (changes)};
    g_object_set (bed.element, "max-size-time", 100 * GST_MSECOND, nullptr);
    Feeder first {bed, {48000, 1}};
    bed.sink.close ();
    bed.play ();
    first.run ([] (Feeder &self) {
      self.begin ();
      self.push_all (samples_of (sine, 0, 48000, self.format, 0.5), 3, 1024);
      self.end ();
    });
    bed.sink.let_through (20);
    fail_unless (bed.sink.wait_for_chunks (20));
    Feeder second {bed, {rate, 1}};
    second.run ([rate] (Feeder &self) {
      self.begin ();
      const std::int64_t begin = 3 * rate / 10;
      self.push_all (
          samples_of (sine, begin, static_cast<std::size_t> (rate - begin), self.format, 0.5), 4,
          1024, begin);
      self.end ();
    });
    bed.sink.open ();
    fail_unless (bed.sink.wait_for_eos ());
    check_time_line (bed, sink, changes, 1.0, kTen);
    cut_end (sink);
    for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
      Stretch &stretch = sink.stretches[n];
      for (std::size_t i = n == 0 ? 30 : 0; i < stretch.samples.size (); ++i) {
        const double time =
            static_cast<double> (stretch.offset + i) / static_cast<double> (stretch.info.rate);
        if (std::abs (time - 0.3) < 0.005) // the second one begins
          continue;
        const double wanted = sine (time) * (time < 0.3 ? 0.5 : 1.0);
        CHECK_SAMPLE (std::abs (static_cast<double> (stretch.samples[i]) - wanted) < 0.001,
            "%d Hz, at %g s: %g, not %g", rate, time, static_cast<double> (stretch.samples[i]),
            wanted);
      }
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_a_change_with_every_chunk)
{
  // Faster than any fade, with queues of two chunks: what is lost of the sound is bounded, and
  // nothing is lost of the time line.
  Changes changes;
  for (std::size_t n = 0; n < 90; ++n)
    changes.push_back ({n, n % 2 ? 44100 : 48000});
  for (const int rate : {48000, 44100, 32000}) {
    MixerBed bed;
    FickleSink sink {bed, wishes_of (changes)};
    play_alone (bed, sink, rate, sine, 1.0, {20 * GST_MSECOND, 100}, changes);
    cut_end (sink);
    for (std::size_t n = 0; n < sink.stretches.size (); ++n) {
      const double off = largest_error (sink.stretches[n], sine, n == 0 ? 30 : 0);
      fail_unless (off < 0.002, "%d Hz, stretch %zu: off by %g", rate, n, off);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_keeps_the_rate)
{
  // The time line begins anew at the rate that there is, and nothing rings over.
  MixerBed bed;
  FickleSink sink {bed, wishes_of ({{0, 48000}, {10, 44100}})};
  Feeder feeder {bed, {48000, 1}};
  bed.play ();
  feeder.run ([] (Feeder &self) {
    self.begin ();
    self.push_all (Samples (24000, 0.5f), 3);
  });
  fail_unless (bed.sink.wait_for_chunks (10));
  feeder.join ();
  gst_pad_push_event (feeder.src, gst_event_new_flush_start ());
  gst_pad_push_event (feeder.src, gst_event_new_flush_stop (TRUE));
  {
    const std::lock_guard lock {bed.sink.mutex};
    sink.stretches.clear ();
    sink.restart ();
  }
  feeder.run ([] (Feeder &self) {
    self.begin_segment ();
    self.push_all (samples_of (sine, 0, 24000, self.format), 3);
    self.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (sink.stretches.size (), 1);
  fail_unless_equals_int (sink.stretches[0].info.rate, 44100);
  fail_unless_equals_uint64 (sink.stretches[0].offset, 0);
  fail_unless_equals_uint64 (sink.stretches[0].samples.size (), 22050);
  cut_end (sink);
  const double off = largest_error (sink.stretches[0], sine, 30);
  fail_unless (off < 0.001, "off by %g", off);
  fail_unless (std::abs (sink.stretches[0].samples[0]) < 0.01f);
}
GST_END_TEST;

GST_START_TEST (test_rounds_of_a_loop)
{
  // The second round is queued behind its mark in each track when the rate changes in the first.
  const Changes changes {{0, 48000}, {30, 44100}, {70, 96000}};
  MixerBed bed;
  FickleSink sink {bed, wishes_of (changes)};
  Feeder a {bed, {48000, 1}};
  Feeder b {bed, {44100, 1}};
  std::atomic<std::uint32_t> seqnum {0};
  for (Feeder *feeder : {&a, &b})
    feeder->upstream_event = [&seqnum] (GstEvent *event) {
      if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
        return false;
      seqnum = gst_event_get_seqnum (event);
      return true;
    };
  constexpr GstClockTime kRound = GST_SECOND / 2;
  const auto bring = [&] (Feeder &feeder, bool first) {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.stop = kRound;
    segment.base = first ? 0 : kRound;
    if (first) {
      feeder.begin (&segment);
    } else {
      GstEvent *event = gst_event_new_segment (&segment);
      gst_event_set_seqnum (event, seqnum);
      gst_pad_push_event (feeder.src, event);
    }
    feeder.push_all (samples_of (position, 0, static_cast<std::size_t> (feeder.format.rate_hz) / 2,
                         feeder.format, 0.5),
        3);
    if (first)
      gst_pad_push_event (
          feeder.src, gst_event_new_segment_done (GST_FORMAT_TIME, static_cast<gint64> (kRound)));
    else
      feeder.end ();
  };
  bed.sink.close ();
  bed.play ();
  bring (a, true);
  bring (b, true);
  fail_unless (gst_pad_push_event (bed.sink.pad (),
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_NONE, GST_SEEK_TYPE_SET, 0,
          GST_SEEK_TYPE_SET, static_cast<gint64> (kRound))));
  bring (a, false);
  bring (b, false);
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_uint64 (count_in_stats (bed.element, "late-frames"), 0);
  for (const Feeder *feeder : {&a, &b})
    check_accounts (*feeder);
  fail_unless_equals_int (std::exchange (sink.broken, 0), 1); // the second round's time stamps
  check_time_line (bed, sink, changes, 1.0, kTen);
  cut_end (sink);
  for (const Stretch &stretch : sink.stretches)
    for (std::size_t n = 0; n < stretch.samples.size (); ++n) {
      const double time =
          static_cast<double> (stretch.offset + n) / static_cast<double> (stretch.info.rate);
      if (std::abs (time - 0.5) < 0.004) // the step from one round to the next rings
        continue;
      const double frames = 44100 *
          std::abs (
              2.0 * static_cast<double> (stretch.samples[n]) - (time < 0.5 ? time : time - 0.5));
      CHECK_SAMPLE (frames < 1.5, "at %g s %g frames of 44.1 kHz off", time, frames);
    }
}
GST_END_TEST;

static Suite *trackmixer_samplerate_suite ()
{
  Suite *suite = suite_create ("trackmixer-samplerate");
  TCase *sound = tcase_create ("sound");
  suite_add_tcase (suite, sound);
  tcase_set_timeout (sound, 120);
  tcase_add_loop_test (
      sound, test_no_drift_over_many_changes, 0, static_cast<int> (std::size (kQueueings)));
  tcase_add_loop_test (sound, test_a_sine_goes_on, 0, static_cast<int> (std::size (kQueueings)));
  tcase_add_test (sound, test_two_ways_that_differ);
  tcase_add_test (sound, test_format_and_channels_change_with_it);
  tcase_add_test (sound, test_the_format_changes_before_the_rate_before_has_rung_out);
  tcase_add_test (sound, test_a_ramp_goes_on);
  tcase_add_test (sound, test_live_in_time);
  tcase_add_test (sound, test_deadlines_follow);
  tcase_add_test (sound, test_a_track_that_comes_later);
  tcase_add_test (sound, test_a_change_with_every_chunk);
  tcase_add_test (sound, test_a_flush_keeps_the_rate);
  tcase_add_test (sound, test_rounds_of_a_loop);
  return suite;
}

GST_CHECK_MAIN (trackmixer_samplerate);
