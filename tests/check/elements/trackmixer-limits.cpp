// SPDX-License-Identifier: LGPL-2.1-or-later
// The ends of what trackmixer does: most channels, no data, no room downstream, drains, samples
// in planes, and flushes in the middle of a buffer.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr GstClockTime kChunk = 10 * GST_MSECOND;
constexpr int kRate = 48000;
constexpr std::size_t kChunkFrames = 480;

/// Waits until the mix has made that many frames, which the sink may not have taken.
bool mixes (MixerBed &bed, std::uint64_t frames)
{
  return eventually ([&] { return count_in_stats (bed.element, "frames-out") >= frames; });
}

bool drain (Feeder &feeder)
{
  GstQuery *query = gst_query_new_drain ();
  const bool ok = gst_pad_peer_query (feeder.src, query);
  gst_query_unref (query);
  return ok;
}

/// Warnings on the bus that have that word in them.
int warnings_with (MixerBed &bed, const char *word)
{
  int count = 0;
  for (;;) {
    const std::string text = bed.message (GST_MESSAGE_WARNING, std::chrono::milliseconds {0});
    if (text.empty ())
      return count;
    count += text.find (word) != std::string::npos;
  }
}

} // namespace

// --- channels

GST_START_TEST (test_63_channels)
{
  for (const GstAudioFormat format_id : {GST_AUDIO_FORMAT_F32, GST_AUDIO_FORMAT_S16}) {
    const Format format {kRate, 63, format_id, false};
    MixerBed bed {kChunk};
    Feeders feeders;
    std::vector<Samples> tracks;
    Samples sum;
    for (unsigned n = 0; n < 2; ++n) {
      feeders.push_back (std::make_unique<Feeder> (bed, format));
      tracks.push_back (noise (std::size_t {63} * 1500, n));
      add_to (sum, tracks.back ());
    }
    feed_to_end (bed, feeders, tracks, 1);
    fail_unless_equals_int (bed.sink.info.channels, 63);
    check_equal (bed.sink.samples (), sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_64_channels_are_refused_and_the_others_go_on)
{
  MixerBed bed {kChunk};
  Feeder wide {bed, {kRate, 64, GST_AUDIO_FORMAT_F32, false}};
  Feeder mono {bed, {kRate, 1}};
  bed.play ();
  gst_pad_push_event (wide.src, gst_event_new_stream_start ("wide"));
  wide.begin_caps ();
  wide.begin_segment ();
  const auto text = bed.message (GST_MESSAGE_WARNING);
  for (const char *part : {static_cast<const char *> (GST_PAD_NAME (wide.sink)), "64", "63"})
    fail_unless (text.find (part) != std::string::npos, "%s", text.c_str ());
  fail_unless_equals_int (wide.push (noise (64 * 100, 1), 0), GST_FLOW_NOT_NEGOTIATED);
  wide.end ();
  const Samples track = noise (5000, 2);
  mono.begin ();
  mono.push_all (track, 1);
  mono.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_equal (bed.sink.samples (), track);
  fail_if (bed.has_message (GST_MESSAGE_ERROR));
}
GST_END_TEST;

GST_START_TEST (test_a_sink_that_wants_64_channels)
{
  // Nothing can convert to that.
  MixerBed bed {kChunk};
  bed.sink.accepts = gst_caps_from_string (__i__ == 0
          ? "audio/x-raw, channels=(int)[64,100], channel-mask=(bitmask)0"
          : "audio/x-raw, channels=(int)64, channel-mask=(bitmask)0, format=" GST_AUDIO_NE (S16));
  Feeder mono {bed, {kRate, 1}};
  bed.play ();
  std::atomic<GstFlowReturn> flow {GST_FLOW_OK};
  mono.run ([&] (Feeder &self) {
    self.begin ();
    for (std::int64_t at = 0; flow == GST_FLOW_OK; at += 4800)
      flow = self.push (noise (4800, 1), at);
  });
  fail_unless (mono.finishes ());
  fail_unless_equals_int (flow, GST_FLOW_NOT_NEGOTIATED);
  const auto text = bed.message (GST_MESSAGE_ERROR);
  fail_unless (text.find ("63") != std::string::npos, "%s", text.c_str ());
}
GST_END_TEST;

// --- one track's own flush

GST_START_TEST (test_a_flush_with_a_buffer_half_used)
{
  live_buffers = 0;
  MixerBed bed {kChunk};
  Feeder steady {bed, {kRate, 1}};
  Feeder flushed {bed, {kRate, 1}};
  const Samples base = noise (10 * kChunkFrames, 1);
  const Samples before = noise (7 * kChunkFrames + 3, 2);
  const Samples after = noise (1001, 3);
  bed.sink.close ();
  bed.play ();
  steady.begin ();
  flushed.begin ();
  flushed.push (before, 0); // one buffer
  fail_unless_equals_int (steady.push_all (base, 1), GST_FLOW_OK);
  steady.end ();
  bed.sink.let_through (2);
  fail_unless (mixes (bed, 3 * kChunkFrames)); // the third waits in the sink
  gst_pad_push_event (flushed.src, gst_event_new_flush_start ());
  fail_unless_equals_int (flushed.push (after, 0), GST_FLOW_FLUSHING);
  gst_pad_push_event (flushed.src, gst_event_new_flush_stop (TRUE));
  bed.sink.let_through (2);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = time_of (4 * kChunkFrames + 7, kRate);
  flushed.begin_segment (&segment);
  fail_unless_equals_int (flushed.push (after, 0), GST_FLOW_OK);
  flushed.end ();
  bed.sink.open ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = base;
  add_to (sum, std::span {before}.first (3 * kChunkFrames));
  add_to (sum, after, 4 * kChunkFrames + 7);
  check_equal (bed.sink.samples (), sum);
  check_chunks (bed.sink, kChunk);
  for (const GstEventType type : {GST_EVENT_FLUSH_START, GST_EVENT_FLUSH_STOP})
    fail_unless_equals_int (bed.sink.count_of (type), 0);
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_SEGMENT), 1);
  fail_unless_equals_uint64 (flushed.count ("dropped-frames"), before.size () - 3 * kChunkFrames);
  check_accounts (steady);
  check_accounts (flushed);
  fail_unless_equals_int (live_buffers, 0);
}
GST_END_TEST;

// --- no data

GST_START_TEST (test_silence_without_end_after_the_cap)
{
  const bool heard = __i__ == 1; // its events, from another thread
  constexpr guint64 kCap = 1 << 18; // 1.4 s of mono float
  MixerBed bed {kChunk};
  bed.sink.keep_bytes = false;
  g_object_set (bed.element, "max-size-time", 100 * GST_MSECOND, "max-total-bytes", kCap, nullptr);
  Feeder steady {bed, {kRate, 1}};
  Feeder silent {bed, {kRate, 1}};
  std::atomic<std::size_t> wanted {5 * kRate};
  const Samples audio = noise (kRate, 1);
  bed.play ();
  if (heard)
    silent.begin (); // and not a frame
  steady.run ([&] (Feeder &self) {
    self.begin ();
    for (std::size_t at = 0; at < wanted; at += kRate)
      self.push_all (audio, 2, 3000, static_cast<std::int64_t> (at));
  });
  // More than twice what the cap allows is mixed with nothing from the other track.
  const auto took = time_for ([&] {
    fail_unless (mixes (bed, 3 * kRate), "the mix waits for the silent track");
    fail_unless (steady.finishes ());
  });
  fail_unless_equals_int (warnings_with (bed, GST_PAD_NAME (silent.sink)), 1);
  // It comes back in time, is heard, and falls silent once more: another episode.
  steady.join ();
  if (!heard) {
    // It had its patience of 100 ms once; the chunks behind the cap do not wait for it again.
    const auto starved = static_cast<int> (count_in_stats (bed.element, "starved-chunks"));
    fail_unless (starved > 40 && took < starved * std::chrono::milliseconds {50});
    silent.begin ();
  }
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = 5 * GST_SECOND;
  silent.begin_segment (&segment);
  fail_unless_equals_int (silent.push (audio, 0), GST_FLOW_OK);
  wanted = 10 * kRate;
  steady.done = false;
  steady.run ([&] (Feeder &self) {
    for (std::size_t at = 5 * kRate; at < wanted; at += kRate)
      self.push_all (audio, 2, 3000, static_cast<std::int64_t> (at));
    self.end ();
  });
  fail_unless (steady.finishes ());
  silent.end ();
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (warnings_with (bed, GST_PAD_NAME (silent.sink)), 1);
  fail_unless_equals_uint64 (silent.count ("mixed-frames"), kRate);
  fail_unless_equals_uint64 (count_in_stats (bed.element, "frames-out"), 10 * kRate);
  // A growth costs a wait of 100 ms where it waits for another thread: only a few for each time that
  // the cap was reached.
  fail_unless (!heard || steady.count ("growths") < 60);
  check_accounts (silent);
}
GST_END_TEST;

// --- no room downstream

GST_START_TEST (test_feeders_that_wait_hear_that_downstream_has_ended)
{
  MixerBed bed {kChunk};
  g_object_set (bed.element, "max-size-time", 100 * GST_MSECOND, nullptr);
  bed.sink.close ();
  bed.sink.flow = [] (std::size_t) { return GST_FLOW_EOS; };
  Feeders feeders;
  for (int n = 0; n < 3; ++n)
    feeders.push_back (std::make_unique<Feeder> (bed, Format {kRate, 1}));
  Feeder draining {bed, {kRate, 1}};
  bed.play ();
  std::atomic<int> told {0};
  for (auto &feeder : feeders)
    feeder->run ([&told] (Feeder &self) {
      self.begin ();
      // Without end: a queue grows while the thread of another track has not come to its first
      // buffer.
      const Samples block = noise (1000, 1);
      GstFlowReturn flow = GST_FLOW_OK;
      for (std::int64_t at = 0; flow == GST_FLOW_OK; at += 1000)
        flow = self.push (block, at);
      told += flow == GST_FLOW_EOS;
    });
  draining.run ([&told] (Feeder &self) {
    self.begin ();
    self.push (noise (2000, 1), 0);
    told += !drain (self);
  });
  fail_unless (mixes (bed, kChunkFrames));
  bed.sink.let_through (1);
  for (auto &feeder : feeders)
    fail_unless (feeder->finishes (), "a feeder hangs");
  fail_unless (draining.finishes (), "a drain hangs");
  fail_unless_equals_int (told, 4);
  fail_unless (bed.sink.wait_for_eos ());
  fail_unless_equals_int (bed.sink.count_of (GST_EVENT_EOS), 1);
  fail_unless_equals_int (bed.sink.chunk_count (), 1);
  fail_if (bed.has_message (GST_MESSAGE_ERROR));
}
GST_END_TEST;

GST_START_TEST (test_audio_after_the_end_of_its_segment)
{
  MixerBed bed {kChunk};
  Feeder track {bed, {kRate, 1}};
  g_object_set (bed.element, "max-size-time", 100 * GST_MSECOND, nullptr);
  bed.play ();
  const Samples audio = noise (5000, 1);
  track.begin ();
  track.push_all (audio, 1);
  gst_pad_push_event (track.src, gst_event_new_segment_done (GST_FORMAT_TIME, GST_SECOND));
  track.run ([&audio] (Feeder &self) {
    for (int n = 0; n < 10; ++n) // more than its queue holds
      fail_unless_equals_int (self.push (audio, 5000 * (n + 1)), GST_FLOW_EOS);
  });
  fail_unless (track.finishes (), "hangs");
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = time_of (5000, kRate);
  track.begin_segment (&segment);
  fail_unless_equals_int (track.push (audio, 0), GST_FLOW_OK);
  track.end ();
  fail_unless (bed.sink.wait_for_eos ());
  Samples sum = audio;
  add_to (sum, audio, 5000);
  check_equal (bed.sink.samples (), sum);
}
GST_END_TEST;

// --- drains

GST_START_TEST (test_a_drain_returns_when_the_whole_chunks_are_out)
{
  MixerBed bed {kChunk};
  Feeder track {bed, {kRate, 1}};
  bed.sink.close ();
  bed.play ();
  std::atomic<int> step {0};
  track.run ([&step] (Feeder &self) {
    self.begin ();
    self.push (noise (3 * kChunkFrames + 100, 1), 0);
    fail_unless (drain (self));
    step = 1;
    fail_unless (drain (self)); // nothing is left but a part of a chunk
    self.push (noise (380, 2), 3 * kChunkFrames + 100);
    step = 2;
    fail_unless (drain (self));
    step = 3;
    self.end ();
  });
  for (int chunk = 0; chunk < 3; ++chunk) {
    fail_unless (mixes (bed, (static_cast<std::uint64_t> (chunk) + 1) * kChunkFrames));
    fail_unless (settles ());
    fail_unless_equals_int (step, 0);
    bed.sink.let_through (1);
  }
  fail_unless (eventually ([&] { return step == 2; }));
  fail_unless_equals_int (bed.sink.chunk_count (), 3);
  bed.sink.let_through (1);
  fail_unless (eventually ([&] { return step == 3; }));
  fail_unless_equals_int (bed.sink.chunk_count (), 4);
  fail_unless (bed.sink.wait_for_eos ());
  check_accounts (track);
}
GST_END_TEST;

GST_START_TEST (test_a_drain_of_a_pad_that_came_during_a_push)
{
  MixerBed bed {kChunk};
  Feeder steady {bed, {kRate, 1}};
  bed.sink.close ();
  bed.play ();
  steady.begin ();
  steady.push (noise (5 * kChunkFrames, 1), 0);
  fail_unless (mixes (bed, kChunkFrames)); // the first chunk waits in the sink
  Feeder late {bed, {kRate, 1}};
  late.run ([] (Feeder &self) { fail_unless (drain (self)); });
  fail_unless (settles ()); // until it waits for that chunk
  bed.sink.open ();
  fail_unless (late.finishes (), "a drain of a new pad hangs");
}
GST_END_TEST;

// --- planes

namespace {

/// A buffer of samples in planes, one for each channel, which lie apart and not in their order.
GstBuffer *in_planes (std::span<const float> samples, const GstAudioInfo &info, std::int64_t frame)
{
  const auto channels = static_cast<std::size_t> (info.channels);
  const std::size_t frames = samples.size () / channels;
  const auto width = static_cast<std::size_t> (info.finfo->width) / 8;
  const std::size_t room = frames * width + 64;
  std::vector<std::uint8_t> bytes (channels * room, 0x55);
  std::vector<gsize> offsets (channels);
  for (std::size_t c = 0; c < channels; ++c) {
    Samples plane (frames);
    for (std::size_t n = 0; n < frames; ++n)
      plane[n] = samples[n * channels + c];
    const auto encoded = encode (plane, GST_AUDIO_INFO_FORMAT (&info));
    offsets[c] = (channels - 1 - c) * room;
    std::copy (encoded.begin (), encoded.end (),
        bytes.begin () + static_cast<std::ptrdiff_t> (offsets[c]));
  }
  GstBuffer *buffer = buffer_of (bytes, time_of (frame, info.rate));
  gst_buffer_add_audio_meta (buffer, &info, frames, offsets.data ());
  return buffer;
}

} // namespace

GST_START_TEST (test_samples_in_planes)
{
  for (const GstAudioFormat format_id : {GST_AUDIO_FORMAT_F32, GST_AUDIO_FORMAT_S16})
    for (const int channels : {1, 2, 6}) {
      const Format format {kRate, channels, format_id};
      MixerBed bed {kChunk};
      Feeder usual {bed, format};
      Feeder planar {bed, format};
      GstAudioInfo info = info_of (format);
      info.layout = GST_AUDIO_LAYOUT_NON_INTERLEAVED;
      const auto width = static_cast<std::size_t> (channels);
      const Samples base = noise (width * 9000, 1);
      const Samples track = noise (width * 8000, 2);
      bed.play ();
      usual.begin ();
      gst_pad_push_event (planar.src, gst_event_new_stream_start ("planes"));
      GstCaps *caps = gst_audio_info_to_caps (&info);
      fail_unless (gst_pad_push_event (planar.src, gst_event_new_caps (caps)));
      gst_caps_unref (caps);
      GstSegment segment; // clips both ends, in the middle of buffers
      gst_segment_init (&segment, GST_FORMAT_TIME);
      segment.start = time_of (701, kRate);
      segment.stop = time_of (7501, kRate);
      planar.begin_segment (&segment);
      std::mt19937 random {3};
      for (std::size_t at = 0; at < 8000;) {
        const std::size_t frames = std::min<std::size_t> (1 + random () % 2000, 8000 - at);
        const auto part = std::span {track}.subspan (width * at, width * frames);
        fail_unless_equals_int (
            gst_pad_push (planar.src, in_planes (part, info, static_cast<std::int64_t> (at))),
            GST_FLOW_OK);
        at += frames;
      }
      planar.end ();
      usual.push_all (base, 4);
      usual.end ();
      fail_unless (bed.sink.wait_for_eos ());
      Samples sum = base;
      add_to (sum, std::span {track}.subspan (width * 701, width * (7501 - 701)));
      check_equal (bed.sink.samples (), sum);
      check_accounts (planar);
      fail_if (
          bed.has_message (static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
    }
}
GST_END_TEST;

GST_START_TEST (test_a_meta_of_another_rate)
{
  // As of an element that changes the caps and leaves the buffers alone. Also through the
  // resampler.
  for (const int rate : {kRate, kRate / 2}) {
    Samples all[2];
    for (const bool with_meta : {false, true}) {
      MixerBed bed {kChunk};
      Feeder steady {bed, {kRate, 1}};
      Feeder track {bed, {rate, 1}};
      bed.play ();
      steady.begin ();
      track.begin ();
      GstBuffer *buffer = track.make (noise (2000, 2), 0);
      GstAudioInfo info = info_of ({96000, 1});
      info.position[0] = GST_AUDIO_CHANNEL_POSITION_FRONT_LEFT;
      if (with_meta)
        gst_buffer_add_audio_meta (buffer, &info, 2000, nullptr);
      fail_unless_equals_int (gst_pad_push (track.src, buffer), GST_FLOW_OK);
      track.end ();
      steady.push_all (noise (9000, 1), 1);
      steady.end ();
      fail_unless (bed.sink.wait_for_eos ());
      all[with_meta] = bed.sink.samples ();
      check_accounts (track);
    }
    check_equal (all[1], all[0]);
  }
}
GST_END_TEST;

static Suite *trackmixer_limits_suite ()
{
  Suite *suite = suite_create ("trackmixer-limits");
  TCase *limits = tcase_create ("limits");
  tcase_add_test (limits, test_63_channels);
  tcase_add_test (limits, test_64_channels_are_refused_and_the_others_go_on);
  tcase_add_loop_test (limits, test_a_sink_that_wants_64_channels, 0, 2);
  tcase_add_test (limits, test_a_flush_with_a_buffer_half_used);
  tcase_add_loop_test (limits, test_silence_without_end_after_the_cap, 0, 2);
  tcase_add_test (limits, test_feeders_that_wait_hear_that_downstream_has_ended);
  tcase_add_test (limits, test_audio_after_the_end_of_its_segment);
  tcase_add_test (limits, test_a_drain_returns_when_the_whole_chunks_are_out);
  tcase_add_test (limits, test_a_drain_of_a_pad_that_came_during_a_push);
  tcase_add_test (limits, test_samples_in_planes);
  tcase_add_test (limits, test_a_meta_of_another_rate);
  suite_add_tcase (suite, limits);
  return suite;
}

GST_CHECK_MAIN (trackmixer_limits)
