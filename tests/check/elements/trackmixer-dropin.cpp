// SPDX-License-Identifier: LGPL-2.1-or-later
// What a program that knows audiomixer finds here too. Where both can be asked, both are.
#include <string_view>

#include "livebed.hpp"

using namespace mt::test;

namespace {

constexpr std::int64_t kChunkFrames = 480; // of 10 ms at 48 kHz

/// A mixer, ours or audiomixer, with one track of audio from `first_frame` to `end_frame`.
struct Start {
  explicit Start (const char *factory) : bed {10 * GST_MSECOND, true, factory} {}
  void select (const char *selection, GstClockTime start_time = GST_CLOCK_TIME_NONE)
  {
    gst_util_set_object_arg (G_OBJECT (bed.element), "start-time-selection", selection);
    if (GST_CLOCK_TIME_IS_VALID (start_time))
      g_object_set (bed.element, "start-time", start_time, nullptr);
  }
  void feed (Feeder &feeder, std::int64_t first_frame, std::int64_t end_frame)
  {
    feeder.begin ();
    feeder.push_all (audio (first_frame, end_frame), 7, 3000, first_frame);
    feeder.end ();
  }
  /// The same audio at the same frame whatever is fed of it.
  static Samples audio (std::int64_t first_frame, std::int64_t end_frame)
  {
    static const Samples all = noise (2 * 96000, 1);
    return {all.begin () + 2 * first_frame, all.begin () + 2 * end_frame};
  }
  /// What came out begins at that frame and goes on to the end of `audio`.
  void check (std::int64_t begin, const Samples &wanted)
  {
    fail_unless (bed.sink.wait_for_eos ());
    const std::lock_guard lock {bed.sink.mutex};
    fail_unless (!bed.sink.chunks.empty ());
    auto frame = static_cast<guint64> (begin);
    for (const Chunk &chunk : bed.sink.chunks) {
      fail_unless_equals_uint64 (chunk.offset, frame);
      fail_unless_equals_uint64 (chunk.pts, time_of (static_cast<std::int64_t> (frame), 48000));
      frame = chunk.offset_end;
    }
    check_equal (decode (bed.sink.bytes, GST_AUDIO_INFO_FORMAT (&bed.sink.info)), wanted);
  }

  MixerBed bed;
};

Samples silence_then (std::int64_t frames, const Samples &audio)
{
  Samples all (static_cast<std::size_t> (2 * frames));
  all.insert (all.end (), audio.begin (), audio.end ());
  return all;
}

} // namespace

GST_START_TEST (test_start_at_zero_first_or_a_time)
{
  const char *factory = kBoth[__i__];
  constexpr std::int64_t kFirst = 24000;
  constexpr std::int64_t kEnd = kFirst + 10 * kChunkFrames;
  const struct {
    const char *selection;
    GstClockTime start_time;
    std::int64_t begin;
  } starts[] = {
      {"zero", GST_CLOCK_TIME_NONE, 0},
      {"zero", GST_SECOND / 4, 0}, // means nothing then
      {"first", GST_CLOCK_TIME_NONE, kFirst},
      {"set", GST_CLOCK_TIME_NONE, 0},
      {"set", GST_SECOND / 4, 12000},
      {"set", GST_SECOND / 2 + 40 * GST_MSECOND, kFirst + 4 * kChunkFrames},
  };
  for (const auto &start : starts) {
    Start mixer {factory};
    mixer.select (start.selection, start.start_time);
    Feeder feeder {mixer.bed};
    mixer.bed.play ();
    feeder.run ([&] (Feeder &f) { mixer.feed (f, kFirst, kEnd); });
    mixer.check (start.begin,
        start.begin < kFirst ? silence_then (kFirst - start.begin, Start::audio (kFirst, kEnd))
                             : Start::audio (start.begin, kEnd));
    feeder.join ();
  }
}
GST_END_TEST;

GST_START_TEST (test_audio_without_time_stamps_begins_at_the_start)
{
  Start start {kBoth[__i__]};
  start.select ("set", GST_SECOND / 4);
  Feeder feeder {start.bed, {48000, 2}};
  start.bed.play ();
  feeder.begin ();
  const Samples audio = Start::audio (0, 10 * kChunkFrames);
  for (const auto &part : {std::span {audio}.first (1998), std::span {audio}.subspan (1998)}) {
    GstBuffer *buffer = feeder.make (part, 0);
    GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
    fail_unless_equals_int (gst_pad_push (feeder.src, buffer), GST_FLOW_OK);
  }
  feeder.end ();
  start.check (12000, audio);
}
GST_END_TEST;

GST_START_TEST (test_first_is_the_earliest_of_all_tracks)
{
  constexpr std::int64_t kFirst[] = {24011, 12007, 30000};
  for (std::size_t late = 0; late < 3; ++late) { // whichever comes last
    Start mixer {"trackmixer"};
    mixer.select ("first");
    Feeders feeders;
    for (int i = 0; i < 3; ++i)
      feeders.push_back (std::make_unique<Feeder> (mixer.bed));
    mixer.bed.play ();
    Samples sum (static_cast<std::size_t> (2 * (36000 - kFirst[1])));
    for (std::size_t i = 0; i < 3; ++i)
      add_to (sum, Start::audio (kFirst[i], 36000),
          static_cast<std::size_t> (2 * (kFirst[i] - kFirst[1])));
    const auto feed = [&] (std::size_t i) { mixer.feed (*feeders[i], kFirst[i], 36000); };
    for (std::size_t i = 0; i < 3; ++i)
      if (i != late)
        feed (i);
    fail_unless_equals_int (static_cast<int> (mixer.bed.sink.chunk_count ()), 0);
    feed (late);
    mixer.check (kFirst[1], sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_what_lies_before_the_start_is_neither_kept_nor_late)
{
  // Far more than the queue may hold, for which the start would wait.
  constexpr std::int64_t kEnd = 90000;
  Start mixer {"trackmixer"};
  g_object_set (mixer.bed.element, "max-size-time", static_cast<guint64> (100 * GST_MSECOND),
      "max-total-bytes", static_cast<guint64> (100000), nullptr);
  mixer.select ("set", GST_SECOND * 3 / 2);
  Feeder feeder {mixer.bed};
  mixer.bed.play ();
  feeder.begin ();
  feeder.push_all (Start::audio (0, 71000), 3);
  fail_unless (count_in_stats (mixer.bed.element, "queued-bytes") <= 100000 + 3000 * 8);
  feeder.run ([] (Feeder &f) {
    f.push_all (Start::audio (71000, kEnd), 3, 3000, 71000);
    f.end ();
  });
  mixer.check (72000, Start::audio (72000, kEnd));
  feeder.join ();
  fail_unless_equals_uint64 (feeder.count ("dropped-frames"), 72000);
  fail_unless_equals_uint64 (feeder.count ("late-frames"), 0);
  check_accounts (feeder);
  fail_if (mixer.bed.has_message (GST_MESSAGE_WARNING));
}
GST_END_TEST;

GST_START_TEST (test_a_start_behind_all_audio_gives_the_end_at_once)
{
  Start mixer {"trackmixer"};
  if (__i__ == 2)
    mixer.select ("now");
  else
    mixer.select ("set", __i__ == 0 ? 10 * GST_SECOND : GST_CLOCK_TIME_NONE - 1);
  GstClock *clock = gst_test_clock_new_with_start_time (5 * GST_SECOND);
  gst_element_set_clock (mixer.bed.element, clock);
  gst_object_unref (clock);
  Feeder feeder {mixer.bed};
  mixer.bed.play ();
  mixer.feed (feeder, 0, 48000);
  fail_unless (mixer.bed.sink.wait_for_eos ());
  fail_unless_equals_int (static_cast<int> (mixer.bed.sink.chunk_count ()), 0);
  check_accounts (feeder);
  fail_if (mixer.bed.has_message (GST_MESSAGE_WARNING));
}
GST_END_TEST;

GST_START_TEST (test_after_a_flushing_seek_the_output_begins_at_zero)
{
  Start mixer {kBoth[__i__]};
  mixer.select ("first");
  Feeder feeder {mixer.bed};
  feeder.upstream_event = [&feeder] (GstEvent *event) {
    if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
      return false;
    const guint32 seqnum = gst_event_get_seqnum (event);
    GstEvent *start = gst_event_new_flush_start ();
    gst_event_set_seqnum (start, seqnum);
    gst_pad_push_event (feeder.src, start);
    GstEvent *stop = gst_event_new_flush_stop (TRUE);
    gst_event_set_seqnum (stop, seqnum);
    gst_pad_push_event (feeder.src, stop);
    return true;
  };
  mixer.bed.play ();
  feeder.begin ();
  feeder.push (Start::audio (24000, 24000 + 4 * kChunkFrames), 24000);
  fail_unless (mixer.bed.sink.wait_for_chunks (1));
  mixer.bed.sink.forget ();
  fail_unless (gst_element_seek_simple (
      mixer.bed.element, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, static_cast<gint64> (0)));
  feeder.begin_segment ();
  feeder.push (Start::audio (960, 4800), 960);
  feeder.end ();
  mixer.check (0, silence_then (960, Start::audio (960, 4800)));
}
GST_END_TEST;

GST_START_TEST (test_now_is_what_the_clock_says)
{
  const bool has_clock = __i__ == 1;
  Start mixer {"trackmixer"};
  mixer.select ("now");
  GstClock *clock = gst_test_clock_new_with_start_time (5 * GST_SECOND);
  if (has_clock)
    gst_element_set_clock (mixer.bed.element, clock);
  gst_element_set_base_time (mixer.bed.element, 4 * GST_SECOND + GST_SECOND / 2);
  Feeder feeder {mixer.bed};
  mixer.bed.play ();
  feeder.run ([&mixer] (Feeder &f) { mixer.feed (f, 0, 30000); });
  mixer.check (has_clock ? 24000 : 0, Start::audio (has_clock ? 24000 : 0, 30000));
  feeder.join ();
  check_accounts (feeder);
  mixer.bed.stop ();
  gst_element_set_clock (mixer.bed.element, nullptr);
  gst_object_unref (clock);
}
GST_END_TEST;

GST_START_TEST (test_live_the_first_that_comes_makes_the_start)
{
  Start mixer {"trackmixer"};
  mixer.select ("first");
  GstClock *clock = gst_test_clock_new ();
  gst_element_set_clock (mixer.bed.element, clock);
  gst_element_set_base_time (mixer.bed.element, 0);
  Feeder one {mixer.bed};
  Feeder silent {mixer.bed};
  for (Feeder *feeder : {&one, &silent})
    feeder->upstream_query = [] (GstQuery *query) {
      if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
        return false;
      gst_query_set_latency (query, TRUE, 0, GST_CLOCK_TIME_NONE);
      return true;
    };
  mixer.bed.play ();
  silent.begin ();
  one.begin ();
  one.push (Start::audio (24000, 24000 + 2 * kChunkFrames), 24000);
  gst_test_clock_wait_for_next_pending_id (GST_TEST_CLOCK (clock), nullptr);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), GST_SECOND);
  GstClockID id = gst_test_clock_process_next_clock_id (GST_TEST_CLOCK (clock));
  if (id)
    gst_clock_id_unref (id);
  fail_unless (mixer.bed.sink.wait_for_chunks (2));
  {
    const std::lock_guard lock {mixer.bed.sink.mutex};
    fail_unless_equals_uint64 (mixer.bed.sink.chunks.front ().offset, 24000);
  }
  mixer.bed.stop ();
  gst_element_set_clock (mixer.bed.element, nullptr);
  gst_object_unref (clock);
}
GST_END_TEST;

GST_START_TEST (test_plays_twice)
{
  // By way of READY and of NULL: nothing of the time line, the formats or the end is left.
  Start mixer {kBoth[__i__]};
  Feeder feeder {mixer.bed};
  for (const GstState between : {GST_STATE_READY, GST_STATE_NULL, GST_STATE_READY}) {
    mixer.bed.play ();
    const std::int64_t first = 960 + 480 * static_cast<std::int64_t> (between);
    feeder.run ([&] (Feeder &f) { mixer.feed (f, first, 9600); });
    mixer.check (0, silence_then (first, Start::audio (first, 9600)));
    feeder.join ();
    fail_unless (gst_element_set_state (mixer.bed.element, between) == GST_STATE_CHANGE_SUCCESS);
    mixer.bed.sink.forget ();
  }
}
GST_END_TEST;

// --- output-buffer-duration-fraction

namespace {

std::pair<int, int> fraction_of (GstElement *element)
{
  GValue value = G_VALUE_INIT;
  g_value_init (&value, GST_TYPE_FRACTION);
  g_object_get_property (G_OBJECT (element), "output-buffer-duration-fraction", &value);
  return {gst_value_get_fraction_numerator (&value), gst_value_get_fraction_denominator (&value)};
}

guint64 duration_of (GstElement *element)
{
  guint64 duration = 0;
  g_object_get (element, "output-buffer-duration", &duration, nullptr);
  return duration;
}

} // namespace

GST_START_TEST (test_fraction_and_duration_are_two_views)
{
  MixerBed bed {10 * GST_MSECOND, false, kBoth[__i__]};
  std::vector<std::string> notified;
  g_signal_connect (bed.element, "notify",
      G_CALLBACK (+[] (GObject *, GParamSpec *spec, gpointer names) {
        static_cast<std::vector<std::string> *> (names)->emplace_back (spec->name);
      }),
      &notified);
  const struct {
    int numerator;
    int denominator;
    GstClockTime duration; // truncated to a nanosecond
  } lengths[] = {{1, 100, 10 * GST_MSECOND}, {1, 60, 16666666}, {1001, 30000, 33366666},
      {10, 1, 10 * GST_SECOND}};
  for (const auto &length : lengths) {
    notified.clear ();
    g_object_set (bed.element, "output-buffer-duration-fraction", length.numerator,
        length.denominator, nullptr);
    fail_unless (fraction_of (bed.element) == std::pair (length.numerator, length.denominator));
    fail_unless_equals_uint64 (duration_of (bed.element), length.duration);
    fail_unless (std::find (notified.begin (), notified.end (), "output-buffer-duration") !=
        notified.end ());
  }
  notified.clear ();
  g_object_set (bed.element, "output-buffer-duration", static_cast<guint64> (16666666), nullptr);
  fail_unless (fraction_of (bed.element) == std::pair (8333333, 500000000));
  fail_unless (std::find (notified.begin (), notified.end (), "output-buffer-duration-fraction") !=
      notified.end ());
}
GST_END_TEST;

GST_START_TEST (test_fractions_at_the_limits)
{
  MixerBed bed {10 * GST_MSECOND, false};
  g_object_set (bed.element, "output-buffer-duration-fraction", 1, G_MAXINT, nullptr);
  fail_unless_equals_uint64 (duration_of (bed.element), 1);
  ASSERT_WARNING (g_object_set (bed.element, "output-buffer-duration-fraction", 11, 1, nullptr));
  fail_unless_equals_uint64 (duration_of (bed.element), 1); // GObject has refused it
  // Has no fraction of 32 bits.
  g_object_set (bed.element, "output-buffer-duration", static_cast<guint64> (9999999999), nullptr);
  const auto [numerator, denominator] = fraction_of (bed.element);
  fail_unless (std::abs (static_cast<double> (numerator) / denominator - 9.999999999) < 1e-8);
}
GST_END_TEST;

GST_START_TEST (test_a_fraction_does_not_drift)
{
  constexpr std::int64_t kChunks = 3000;
  const int rate_hz = __i__ == 0 ? 48000 : 44100;
  const int numerator = __i__ == 0 ? 1 : 1001;
  const int denominator = __i__ == 0 ? 60 : 30000;
  MixerBed bed;
  bed.sink.keep_bytes = false;
  g_object_set (bed.element, "output-buffer-duration-fraction", numerator, denominator, nullptr);
  Feeder feeder {bed, {rate_hz, 1}};
  bed.play ();
  const auto edge = [&] (std::int64_t chunk) { return chunk * numerator * rate_hz / denominator; };
  feeder.run ([&] (Feeder &f) {
    f.begin ();
    const Samples second (static_cast<std::size_t> (rate_hz));
    for (std::int64_t at = 0; at < edge (kChunks); at += rate_hz)
      f.push (second, at);
    f.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  feeder.join ();
  const std::lock_guard lock {bed.sink.mutex};
  fail_unless (bed.sink.chunks.size () >= kChunks);
  for (std::int64_t chunk = 0; chunk < kChunks; ++chunk) {
    const Chunk &got = bed.sink.chunks[static_cast<std::size_t> (chunk)];
    fail_unless_equals_uint64 (got.offset, static_cast<guint64> (edge (chunk)));
    fail_unless_equals_uint64 (got.offset_end, static_cast<guint64> (edge (chunk + 1)));
  }
}
GST_END_TEST;

GST_START_TEST (test_a_fraction_can_not_be_set_while_it_runs)
{
  MixerBed bed;
  gst_element_set_state (bed.element, GST_STATE_READY);
  g_object_set (bed.element, "output-buffer-duration-fraction", 1, 60, nullptr);
  gst_element_set_state (bed.element, GST_STATE_PAUSED);
  g_object_set (bed.element, "output-buffer-duration-fraction", 1, 25, nullptr);
  fail_unless (fraction_of (bed.element) == std::pair (1, 60));
  const std::string warning = bed.message (GST_MESSAGE_WARNING);
  fail_unless (warning.find ("1/25") != std::string::npos, "%s", warning.c_str ());
}
GST_END_TEST;

// --- signals

namespace {

struct Selected {
  guint64 position, pts, dts, duration, offset;
  guint frames;
  std::string name;
};

struct Signals {
  std::mutex mutex;
  std::vector<Selected> selected;
  std::vector<GstClockTime> consumed;

  static void note_selected (GstElement *element, GstSegment *segment, guint64 pts, guint64 dts,
      guint64 duration, GstStructure *info, gpointer data) noexcept
  {
    auto &self = *static_cast<Signals *> (data);
    const std::lock_guard lock {self.mutex};
    Selected now {segment->position, pts, dts, duration, 0, 0, gst_structure_get_name (info)};
    gst_structure_get_uint64 (info, "offset", &now.offset);
    gst_structure_get_uint (info, "frames", &now.frames);
    // audiomixer says it again when it is woken before the chunk is there.
    if (self.selected.empty () || self.selected.back ().offset != now.offset ||
        GST_OBJECT_NAME (element)[0] == 't')
      self.selected.push_back (now);
  }
  static void note_consumed (GstPad *, GstBuffer *buffer, gpointer data) noexcept
  {
    auto &self = *static_cast<Signals *> (data);
    const std::lock_guard lock {self.mutex};
    self.consumed.push_back (GST_BUFFER_PTS (buffer));
  }
  void connect (MixerBed &bed, Feeder &feeder, bool emit)
  {
    g_signal_connect (bed.element, "samples-selected", G_CALLBACK (note_selected), this);
    g_signal_connect (feeder.sink, "buffer-consumed", G_CALLBACK (note_consumed), this);
    g_object_set (bed.element, "emit-signals", emit, nullptr);
    g_object_set (feeder.sink, "emit-signals", emit, nullptr);
  }
};

} // namespace

GST_START_TEST (test_signals_tell_of_every_chunk_and_buffer)
{
  const bool emit = __i__ < kMixers;
  constexpr std::int64_t kBuffer = 700;
  constexpr std::int64_t kBuffers = 12;
  Signals signals;
  MixerBed bed {10 * GST_MSECOND, true, kBoth[__i__ % kMixers]};
  Feeder feeder {bed};
  signals.connect (bed, feeder, emit);
  bed.play ();
  std::vector<GstClockTime> pushed;
  feeder.begin ();
  feeder.run ([&pushed] (Feeder &f) {
    for (std::int64_t i = 0; i < kBuffers; ++i) {
      // One that is announced as silence has its place too.
      f.push (Start::audio (i * kBuffer, (i + 1) * kBuffer), i * kBuffer,
          i == 3 ? GST_BUFFER_FLAG_GAP : 0);
      pushed.push_back (time_of (i * kBuffer, 48000));
    }
    f.end ();
  });
  fail_unless (bed.sink.wait_for_eos ());
  feeder.join ();
  bed.stop ();
  if (!emit) {
    fail_unless (signals.selected.empty () && signals.consumed.empty ());
    return;
  }
  fail_unless (signals.consumed == pushed);
  const std::lock_guard lock {bed.sink.mutex};
  fail_unless (signals.selected.size () >= bed.sink.chunks.size ());
  for (std::size_t i = 0; i < bed.sink.chunks.size (); ++i) {
    const Chunk &chunk = bed.sink.chunks[i];
    const Selected &told = signals.selected[i];
    fail_unless_equals_string (told.name.c_str (), "GstAudioAggregatorSelectedSamplesInfo");
    fail_unless_equals_uint64 (told.position, chunk.pts);
    fail_unless_equals_uint64 (told.pts, chunk.pts);
    fail_unless_equals_uint64 (told.dts, GST_CLOCK_TIME_NONE);
    fail_unless_equals_uint64 (told.offset, chunk.offset);
    if (i + 1 == bed.sink.chunks.size ())
      break; // audiomixer tells of a whole one, and finds out later
    fail_unless_equals_uint64 (told.duration, chunk.duration);
    fail_unless_equals_uint64 (told.offset + told.frames, chunk.offset_end);
  }
}
GST_END_TEST;

GST_START_TEST (test_what_a_handler_sets_holds_for_the_chunk)
{
  MixerBed bed {10 * GST_MSECOND, true, kBoth[__i__]};
  Feeder feeder {bed};
  g_object_set (bed.element, "emit-signals", TRUE, nullptr);
  g_signal_connect (bed.element, "samples-selected",
      G_CALLBACK (+[] (GstElement *, GstSegment *, guint64, guint64, guint64, GstStructure *,
                       gpointer pad) { g_object_set (pad, "volume", 0.5, nullptr); }),
      feeder.sink);
  bed.play ();
  Samples half = Start::audio (0, 4 * kChunkFrames);
  feeder.begin ();
  feeder.push (half, 0);
  feeder.end ();
  fail_unless (bed.sink.wait_for_eos ());
  for (float &sample : half)
    sample *= 0.5f;
  check_equal (bed.sink.samples (), half);
}
GST_END_TEST;

GST_START_TEST (test_a_handler_may_flush)
{
  MixerBed bed;
  Feeder feeder {bed};
  g_object_set (bed.element, "emit-signals", TRUE, nullptr);
  static std::atomic<bool> flushed;
  flushed = false;
  g_signal_connect (bed.element, "samples-selected",
      G_CALLBACK (+[] (GstElement *, GstSegment *, guint64 pts, guint64, guint64, GstStructure *,
                       gpointer data) {
        auto &f = *static_cast<Feeder *> (data);
        if (pts < 20 * GST_MSECOND || flushed)
          return;
        gst_pad_push_event (f.src, gst_event_new_flush_start ());
        gst_pad_push_event (f.src, gst_event_new_flush_stop (TRUE));
        flushed = true;
      }),
      &feeder);
  bed.play ();
  feeder.begin ();
  feeder.push (Start::audio (0, 4 * kChunkFrames), 0);
  fail_unless (eventually ([] { return flushed.load (); }));
  feeder.begin_segment ();
  feeder.push (Start::audio (0, 4 * kChunkFrames), 0);
  feeder.end ();
  fail_unless (bed.sink.wait_for_eos ());
  check_accounts (feeder);
}
GST_END_TEST;

// --- the surface, compared by introspection

namespace {

/// Not the same here: the docs give the same list with the reasons.
constexpr std::string_view kNarrower[] = {
    "output-buffer-duration", "output-buffer-duration-fraction"};        // 10 s at the most
constexpr std::string_view kOwnEnumeration[] = {"start-time-selection"}; // which has «now»

template <std::size_t N>
bool is_in (const std::string_view (&names)[N], const GParamSpec *spec)
{
  return std::find (std::begin (names), std::end (names), spec->name) != std::end (names);
}

/// Flags that a program can rely on. Ours may promise more about when a property can be changed.
constexpr guint kFlags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_CONSTRUCT_ONLY |
    G_PARAM_DEPRECATED | GST_PARAM_CONTROLLABLE | GST_PARAM_MUTABLE_READY |
    GST_PARAM_MUTABLE_PAUSED;

void check_enumeration (GType theirs, GType ours)
{
  auto *their_class = static_cast<GEnumClass *> (g_type_class_ref (theirs));
  auto *our_class = static_cast<GEnumClass *> (g_type_class_ref (ours));
  fail_unless (their_class->n_values > 0);
  for (guint i = 0; i < their_class->n_values; ++i) {
    const GEnumValue &value = their_class->values[i];
    const GEnumValue *same = g_enum_get_value (our_class, value.value);
    fail_unless (same != nullptr, "no %s", value.value_nick);
    fail_unless_equals_string (same->value_nick, value.value_nick);
  }
  g_type_class_unref (our_class);
  g_type_class_unref (their_class);
}

/// Whether our property takes this value of theirs as it is.
template <class Set, class T>
bool takes (GParamSpec *ours, Set set, T number)
{
  GValue value = G_VALUE_INIT;
  g_value_init (&value, ours->value_type);
  set (&value, number);
  const bool changed = g_param_value_validate (ours, &value);
  g_value_unset (&value);
  return !changed;
}

bool takes_all (GParamSpec *theirs, GParamSpec *ours)
{
  if (G_IS_PARAM_SPEC_UINT64 (theirs))
    return takes (ours, g_value_set_uint64, G_PARAM_SPEC_UINT64 (theirs)->minimum) &&
        takes (ours, g_value_set_uint64, G_PARAM_SPEC_UINT64 (theirs)->maximum);
  if (G_IS_PARAM_SPEC_DOUBLE (theirs))
    return takes (ours, g_value_set_double, G_PARAM_SPEC_DOUBLE (theirs)->minimum) &&
        takes (ours, g_value_set_double, G_PARAM_SPEC_DOUBLE (theirs)->maximum);
  return true; // the fraction is in the list; the other types have no range
}

void check_property (GParamSpec *theirs, GParamSpec *ours)
{
  if (is_in (kOwnEnumeration, theirs)) {
    check_enumeration (theirs->value_type, ours->value_type);
    fail_unless_equals_int (
        G_PARAM_SPEC_ENUM (ours)->default_value, G_PARAM_SPEC_ENUM (theirs)->default_value);
  } else {
    fail_unless (ours->value_type == theirs->value_type, "type of %s", theirs->name);
    GValue value = G_VALUE_INIT;
    g_value_init (&value, theirs->value_type);
    g_param_value_set_default (theirs, &value);
    fail_unless (g_param_value_defaults (ours, &value), "default of %s", theirs->name);
    g_value_unset (&value);
  }
  fail_unless (
      takes_all (theirs, ours) != is_in (kNarrower, theirs) || GST_IS_PARAM_SPEC_FRACTION (theirs),
      "range of %s", theirs->name);
  fail_unless ((ours->flags & kFlags) == (theirs->flags & kFlags), "flags of %s: %x, there %x",
      theirs->name, ours->flags, theirs->flags);
  fail_if (
      (theirs->flags & GST_PARAM_MUTABLE_PLAYING) && !(ours->flags & GST_PARAM_MUTABLE_PLAYING),
      "%s can not be changed in PLAYING", theirs->name);
}

/// Returns how many there were.
guint check_properties (gpointer theirs, gpointer ours)
{
  guint count = 0;
  GParamSpec **all = g_object_class_list_properties (G_OBJECT_GET_CLASS (theirs), &count);
  for (guint i = 0; i < count; ++i) {
    GParamSpec *same = g_object_class_find_property (G_OBJECT_GET_CLASS (ours), all[i]->name);
    fail_unless (same != nullptr, "no property %s", all[i]->name);
    check_property (all[i], same);
  }
  g_free (all);
  return count;
}

guint check_signals_of (GType theirs, GType ours)
{
  guint count = 0;
  guint *ids = g_signal_list_ids (theirs, &count);
  for (guint i = 0; i < count; ++i) {
    GSignalQuery signal;
    g_signal_query (ids[i], &signal);
    GSignalQuery same {};
    const guint id = g_signal_lookup (signal.signal_name, ours);
    fail_unless (id != 0, "no signal %s", signal.signal_name);
    g_signal_query (id, &same);
    fail_unless_equals_int (same.signal_flags, signal.signal_flags);
    fail_unless (same.return_type == signal.return_type);
    fail_unless_equals_int (static_cast<int> (same.n_params), static_cast<int> (signal.n_params));
    fail_unless (
        std::equal (signal.param_types, signal.param_types + signal.n_params, same.param_types),
        "parameters of %s", signal.signal_name);
  }
  g_free (ids);
  return count;
}

guint check_signals (gpointer theirs, gpointer ours)
{
  guint count = 0;
  for (GType type = G_OBJECT_TYPE (theirs); type != 0; type = g_type_parent (type))
    count += check_signals_of (type, G_OBJECT_TYPE (ours));
  guint interfaces = 0;
  GType *all = g_type_interfaces (G_OBJECT_TYPE (theirs), &interfaces);
  for (guint i = 0; i < interfaces; ++i) {
    fail_unless (g_type_is_a (G_OBJECT_TYPE (ours), all[i]), "no %s", g_type_name (all[i]));
    count += check_signals_of (all[i], G_OBJECT_TYPE (ours));
  }
  g_free (all);
  return count;
}

} // namespace

GST_START_TEST (test_the_surface_of_audiomixer_is_here)
{
  MixerBed theirs {10 * GST_MSECOND, false, "audiomixer"};
  MixerBed ours {10 * GST_MSECOND, false};
  Feeder their_track {theirs};
  Feeder our_track {ours};
  // The counts of 1.22: more may come, but that nothing was compared is not a success.
  fail_unless (check_properties (theirs.element, ours.element) >= 13);
  fail_unless (check_signals (theirs.element, ours.element) >= 8);
  fail_unless (check_properties (their_track.sink, our_track.sink) >= 5);
  fail_unless (check_signals (their_track.sink, our_track.sink) >= 5);
}
GST_END_TEST;

static Suite *trackmixer_dropin_suite ()
{
  Suite *suite = suite_create ("trackmixer-dropin");
  TCase *start = tcase_create ("start");
  tcase_add_loop_test (start, test_start_at_zero_first_or_a_time, 0, kMixers);
  tcase_add_loop_test (start, test_audio_without_time_stamps_begins_at_the_start, 0, kMixers);
  tcase_add_test (start, test_first_is_the_earliest_of_all_tracks);
  tcase_add_test (start, test_what_lies_before_the_start_is_neither_kept_nor_late);
  tcase_add_loop_test (start, test_a_start_behind_all_audio_gives_the_end_at_once, 0, 3);
  tcase_add_loop_test (start, test_after_a_flushing_seek_the_output_begins_at_zero, 0, kMixers);
  tcase_add_loop_test (start, test_now_is_what_the_clock_says, 0, 2);
  tcase_add_loop_test (start, test_plays_twice, 0, kMixers);
  tcase_add_test (start, test_live_the_first_that_comes_makes_the_start);
  suite_add_tcase (suite, start);
  TCase *fraction = tcase_create ("fraction");
  tcase_add_loop_test (fraction, test_fraction_and_duration_are_two_views, 0, kMixers);
  tcase_add_test (fraction, test_fractions_at_the_limits);
  tcase_add_loop_test (fraction, test_a_fraction_does_not_drift, 0, 2);
  tcase_add_test (fraction, test_a_fraction_can_not_be_set_while_it_runs);
  suite_add_tcase (suite, fraction);
  TCase *signals = tcase_create ("signals");
  tcase_add_loop_test (signals, test_signals_tell_of_every_chunk_and_buffer, 0, 2 * kMixers);
  tcase_add_loop_test (signals, test_what_a_handler_sets_holds_for_the_chunk, 0, kMixers);
  tcase_add_test (signals, test_a_handler_may_flush);
  suite_add_tcase (suite, signals);
  TCase *surface = tcase_create ("surface");
  tcase_add_test (surface, test_the_surface_of_audiomixer_is_here);
  suite_add_tcase (suite, surface);
  return suite;
}

GST_CHECK_MAIN (trackmixer_dropin)
