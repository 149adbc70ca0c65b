// SPDX-License-Identifier: LGPL-2.1-or-later
// audiomixer and trackmixer next to each other: where audio comes to lie in the output.
#include "comparison.hpp"

using namespace mt::test;

namespace {

constexpr guint kDiscont = GST_BUFFER_FLAG_DISCONT;
// Times of a multiple of three frames at 48 kHz are whole nanoseconds.

/// A track that nothing has been fed of, beside one that runs through.
Feeder &track_beside_steady (Scene &scene, std::int64_t steady_frames)
{
  Feeder &steady = scene.track ();
  Feeder &track = scene.track ();
  scene.bed.play ();
  std::vector<Piece> pieces;
  for (std::int64_t at = 0; at < steady_frames; at += 1200)
    pieces.push_back ({at, std::min<std::int64_t> (1200, steady_frames - at)});
  scene.feed (steady, pieces);
  return track;
}

constexpr const char *kWhereItSays = "audio behind a gap goes where its time stamp says";

constexpr GstClockTime time_of_frame (guint64 frame)
{
  return frame * GST_SECOND / 48000;
}

GstSegment segment_from (std::int64_t start, std::int64_t stop, std::int64_t base)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = segment.position = time_of (start, 48000);
  if (stop >= 0)
    segment.stop = time_of (stop, 48000);
  segment.base = time_of (base, 48000);
  return segment;
}

// --- the start

template <int N>
void play_start (Scene &scene)
{
  constexpr struct {
    const char *selection;
    GstClockTime start_time;
  } starts[] = {{"zero", GST_CLOCK_TIME_NONE}, {"zero", GST_SECOND / 4},
      {"first", GST_CLOCK_TIME_NONE}, {"set", GST_CLOCK_TIME_NONE}, {"set", GST_SECOND / 4},
      {"set", GST_SECOND / 2 + 40 * GST_MSECOND}};
  gst_util_set_object_arg (
      G_OBJECT (scene.bed.element), "start-time-selection", starts[N].selection);
  g_object_set (scene.bed.element, "start-time", starts[N].start_time, nullptr);
  Feeder &track = scene.track ();
  scene.bed.play ();
  scene.feed (track, {{24000, 3000}, {27000, 3000}, {30000, 501}});
  scene.finish ();
}

// --- the end

template <int N>
void play_end (Scene &scene)
{
  constexpr std::int64_t ends[][2] = {
      {480, 480}, {481, 479}, {1, 0}, {0, 0}, {960, 3}, {0, 4801}, {2399, 2400}, {7000, 6999}};
  Feeder &a = scene.track ();
  Feeder &b = scene.track ();
  scene.bed.play ();
  for (const auto &[feeder, frames] : {std::pair {&a, ends[N][0]}, {&b, ends[N][1]}})
    scene.feed (*feeder, frames > 0 ? std::vector<Piece> {{0, frames}} : std::vector<Piece> {});
  scene.finish ();
}

// --- segments

struct Segmented {
  std::int64_t start, stop, base; // frames; a negative stop is none
  GstClockTimeDiff pad_offset;
  std::vector<Piece> pieces;
};

template <int N>
void play_segment (Scene &scene)
{
  const Segmented segments[] {
      {0, -1, 4800, 0, {{0, 1000}, {1000, 2000}}}, {4800, -1, 0, 0, {{4800, 999}, {5799, 2001}}},
      {4800, -1, 2400, 0, {{4800, 999}, {5799, 2001}}},
      {3000, 6000, 0, 0, {{2100, 600}, {2700, 600}, {3300, 2400}, {5700, 600}, {6300, 600}}},
      {3000, 6000, 1500, 0, {{2400, 4200}}}, // cut at both ends
      {3000, 3003, 0, 0, {{2400, 4200}}}, {3000, 3000, 0, 0, {{2400, 4200}}},
      {0, -1, 0, 250 * GST_MSECOND, {{0, 1500}, {1500, 1500}}},
      {0, -1, 24000, -250 * GST_MSECOND, {{0, 1500}, {1500, 1500}}},
      {0, -1, 0, -20 * GST_MSECOND, {{0, 600}, {600, 2400}, {3000, 1500}}}, // from 960 on
  };
  const Segmented &segmented = segments[N];
  // Alone with an offset: GStreamer gives its segment another seqnum then.
  Feeder &track = segmented.pad_offset == 0 ? track_beside_steady (scene, 9000) : scene.track ();
  gst_pad_set_offset (track.sink, segmented.pad_offset);
  scene.bed.play ();
  const GstSegment segment = segment_from (segmented.start, segmented.stop, segmented.base);
  scene.feed (track, segmented.pieces, &segment);
  scene.finish ();
}

/// As a source has it that a seek without flush has moved on: of its running time, so much is over.
template <int N>
void play_segment_with_offset (Scene &scene)
{
  constexpr std::int64_t offsets[] {3000, 999, 3000};
  constexpr std::int64_t begins[] {3000, 999, 2001}; // the last lies before it in part
  Feeder &track = track_beside_steady (scene, 9000);
  GstSegment segment = segment_from (0, -1, 600);
  segment.offset = time_of (offsets[N], 48000);
  if (N == 2 && scene.differs ("what lies before the offset of a segment has no running time")) {
    (void)scene.audio (track, 999); // which is cut
    scene.feed (track, {{3000, 201}, {3201, 2001}}, &segment);
  } else {
    scene.feed (track, {{begins[N], 1200}, {begins[N] + 1200, 2001}}, &segment);
  }
  scene.finish ();
}

/// Audio without a time stamp at the start of a segment, of the first or of the second.
template <bool second>
void play_segment_without_stamps (Scene &scene)
{
  Feeder &track = track_beside_steady (scene, 12000);
  const Samples one = scene.audio (track, 3000), two = scene.audio (track, 3000);
  track.run ([&] (Feeder &self) {
    GstSegment segment = segment_from (48000, -1, second ? 0 : 3000);
    self.begin (&segment);
    self.push (one, second ? 48000 : -1);
    if (second) {
      segment = segment_from (96000, -1, 6000);
      self.begin_segment (&segment);
    }
    self.push (two, -1);
    self.end ();
  });
  scene.finish ();
}

/// A segment after another one, which goes on where that ends, or leaves a hole, or goes back.
template <int N>
void play_next_segment (Scene &scene)
{
  constexpr std::int64_t bases[] {3000, 6000, 2100};
  Feeder &track = track_beside_steady (scene, 12000);
  const Samples one = scene.audio (track, 3000), two = scene.audio (track, 3000);
  track.run ([&] (Feeder &self) {
    self.begin ();
    self.push (one, 0);
    const GstSegment next = segment_from (48000, -1, bases[N]);
    self.begin_segment (&next);
    self.push (two, 48000);
    self.end ();
  });
  scene.finish ();
  if (N == 2 && scene.differs (kLateIsTold))
    scene.add (kWarning);
}

// --- time stamps

struct Stamped {
  GstClockTime threshold, wait;
  std::vector<Piece> pieces;
  bool comes_late {false};
  bool is_odd {false};
};

template <int N>
void play_stamps (Scene &scene)
{
  constexpr GstClockTime kThreshold = 40 * GST_MSECOND, kWait = GST_SECOND;
  const Stamped stamps[] {
      {kThreshold, kWait, {{0, 1}, {1, 2}, {3, 477}, {480, 480}, {960, 479}, {1439, 2000}}},
      {kThreshold, kWait, {{0, 999}, {1005, 999}, {1992, 999}, {2997, 1200}}}, // jitter
      {kThreshold, kWait, {{0, 999}, {-1, 999}, {-1, 1200}}},
      {kThreshold, kWait, {{-1, 999}, {-1, 1200}}},
      {kThreshold, kWait, {{0, 999}, {4800, 999}, {5799, 999}}},   // an unflagged hole
      {kThreshold, kWait, {{0, 999}, {60000, 999}, {60999, 999}}}, // a long one
      {kThreshold, kWait, {{0, 999}, {4800, 60000}, {64800, 999}, {65799, 999}}},
      {kThreshold, 0, {{0, 999}, {4800, 999}, {5799, 999}}},
      {kThreshold, 60 * GST_SECOND, {{0, 999}, {60000, 999}, {60999, 999}}},
      {0, 0, {{0, 999}, {1005, 999}, {2004, 999}}},
      {3 * GST_MSECOND, 0, {{0, 999}, {1002, 999}, {2301, 999}}},
      {kThreshold, kWait, {{0, 999}, {4800, 999, kDiscont}, {5799, 999}}},
      {kThreshold, kWait, {{0, 999}, {1005, 999, kDiscont}, {2004, 999}}},
      {kThreshold, kWait, {{0, 3000}, {1500, 3000, kDiscont}, {4500, 999}}, true}, // backward
      {kThreshold, kWait, {{0, 3000}, {1500, 600, kDiscont}, {2100, 3000}}, true},
      {kThreshold, kWait, {{0, 3000}, {0, 300, kDiscont}, {300, 3600}}, true},
      {kThreshold, kWait, {{3000, 999}, {3999, 999}}}, // begins later
      {kThreshold, kWait, {{0, 1000}, {4801, 1001, kDiscont}, {5802, 1000}}, false, true},
      {kThreshold, 0, {{1, 999}, {8002, 1001}}, false, true},
      {kThreshold, kWait, {{0, 999}, {1005, 999, GST_BUFFER_FLAG_RESYNC}, {2004, 999}}},
  };
  const Stamped &stamped = stamps[N];
  g_object_set (scene.bed.element, "alignment-threshold", stamped.threshold, "discont-wait",
      stamped.wait, nullptr);
  Feeder &track = track_beside_steady (scene, 9000);
  if (stamped.is_odd)
    scene.stamps_rounded_up =
        scene.differs ("a time stamp that is truncated to a nanosecond is a frame early there");
  scene.feed (track, stamped.pieces);
  scene.finish ();
  if (stamped.comes_late && scene.differs (kLateIsTold))
    scene.add (kWarning);
}

// --- gaps

struct Gap {
  std::int64_t before; // frames of audio
  std::vector<std::pair<std::int64_t, std::int64_t>> gaps;
  std::int64_t after; // where audio goes on; negative: nowhere
};

template <int N>
void play_gaps (Scene &scene)
{
  const Gap all[] {
      {999, {{999, 2001}}, 3000}, {0, {{0, 3000}}, 3000}, {999, {{999, 2001}, {3000, 1200}}, 4200},
      {999, {{999, 2001}}, -1}, {0, {{0, 2001}}, 3000}, // not quite there
  };
  const Gap &gap = all[N];
  Feeder &track = track_beside_steady (scene, 9000);
  const guint flags = N == 4 && scene.differs (kWhereItSays) ? kDiscont : 0;
  const Samples one = scene.audio (track, gap.before), two = scene.audio (track, 2001);
  track.run ([&] (Feeder &self) {
    self.begin ();
    if (!one.empty ())
      self.push (one, 0);
    for (const auto &[frame, frames] : gap.gaps)
      self.gap (frame, frames);
    if (gap.after >= 0)
      self.push (two, gap.after, flags);
    self.end ();
  });
  scene.finish ();
}

template <int N>
void play_gap_buffers (Scene &scene)
{
  constexpr guint kGap = GST_BUFFER_FLAG_GAP;
  const std::vector<Piece> pieces[] {
      {{0, 999}, {999, 2001, kGap}, {3000, 999}},
      {{0, 960, kGap}, {960, 960}, {1920, 960, kGap}},
      {{0, 4800, kGap}},
  };
  Feeder &track = N == 0 ? track_beside_steady (scene, 3600) : scene.track ();
  scene.bed.play ();
  scene.feed (track, pieces[N]);
  scene.finish ();
}

/// How long they are nobody says, or that they are nothing, or they lie outside of the segment.
template <int N>
void play_odd_gaps (Scene &scene)
{
  struct Odd {
    GstClockTime at, duration;
  };
  constexpr GstClockTime kNone = GST_CLOCK_TIME_NONE;
  constexpr Odd odds[] {{time_of_frame (999), kNone}, {time_of_frame (999), 0},
      {time_of_frame (90000), GST_SECOND}, {time_of_frame (300), time_of_frame (300)}};
  Feeder &track = track_beside_steady (scene, 9000);
  const bool skipped =
      N == 0 && scene.differs ("a GAP event without a duration is none up to the segment's stop");
  const guint flags = N == 3 && scene.differs (kWhereItSays) ? kDiscont : 0;
  const Samples one = scene.audio (track, 999), two = scene.audio (track, 2001);
  track.run ([&] (Feeder &self) {
    const GstSegment segment = segment_from (0, 60000, 0);
    self.begin (&segment);
    self.push (one, 0);
    if (!skipped)
      gst_pad_push_event (self.src, gst_event_new_gap (odds[N].at, odds[N].duration));
    self.push (two, 3000, flags);
    self.end ();
  });
  scene.finish ();
}

// --- empty buffers

template <int N>
void play_empty_buffers (Scene &scene)
{
  const std::vector<Piece> pieces[] {
      {{0, 0}, {0, 999}, {999, 0}, {999, 2001}, {3000, 0}},
      {{0, 999}, {999, 0, kDiscont}, {1200, 999}}, // the flag is of the empty one
      {{0, 999}, {3000, 0}, {-1, 999}},            // and so is the time stamp
      {{0, 0}, {3000, 0}},
  };
  Feeder &track = track_beside_steady (scene, 9000);
  scene.feed (track, pieces[N]);
  scene.finish ();
}

// --- chunks

template <int N>
void play_chunks (Scene &scene)
{
  constexpr GstClockTime lengths[] {10 * GST_MSECOND, GST_MSECOND, 20833333, 16666667, GST_SECOND};
  g_object_set (scene.bed.element, "output-buffer-duration", lengths[N], nullptr);
  Feeder &a = scene.track ({44100, 1});
  scene.bed.play ();
  scene.feed (a, {{0, 4410}, {4410, 441}, {4851, 30000}});
  scene.finish ();
}

const Comparison comparisons[] {
    {"start: zero", play_start<0>},
    {"start: zero with a time", play_start<1>},
    {"start: first", play_start<2>},
    {"start: set to nothing", play_start<3>},
    {"start: set before the audio", play_start<4>},
    {"start: set within the audio", play_start<5>},
    {"end: one chunk", play_end<0>},
    {"end: a frame more", play_end<1>},
    {"end: one frame, and nothing", play_end<2>},
    {"end: nothing at all", play_end<3>},
    {"end: two chunks, and three frames", play_end<4>},
    {"end: nothing, and ten chunks", play_end<5>},
    {"end: one frame short", play_end<6>},
    {"end: in the middle", play_end<7>},
    {"segment: base", play_segment<0>},
    {"segment: start", play_segment<1>},
    {"segment: start and base", play_segment<2>},
    {"segment: cut between buffers", play_segment<3>},
    {"segment: cut within a buffer", play_segment<4>},
    {"segment: three frames", play_segment<5>},
    {"segment: none of it", play_segment<6>},
    {"segment: offset of a pad", play_segment<7>},
    {"segment: negative offset of a pad", play_segment<8>},
    {"segment: offset of a pad that leaves nothing to begin with", play_segment<9>},
    {"segment: offset", play_segment_with_offset<0>},
    {"segment: offset that fits no chunk", play_segment_with_offset<1>},
    {"segment: offset within the audio", play_segment_with_offset<2>},
    {"segment: no stamps", play_segment_without_stamps<false>},
    {"segment: no stamps in the next", play_segment_without_stamps<true>},
    {"segment: the next goes on", play_next_segment<0>},
    {"segment: the next leaves a hole", play_next_segment<1>},
    {"segment: the next goes back", play_next_segment<2>},
    {"stamps: sizes that fit no chunk", play_stamps<0>},
    {"stamps: jitter", play_stamps<1>},
    {"stamps: only the first", play_stamps<2>},
    {"stamps: none", play_stamps<3>},
    {"stamps: an unflagged hole", play_stamps<4>},
    {"stamps: a hole longer than discont-wait", play_stamps<5>},
    {"stamps: a hole that lasts for discont-wait", play_stamps<6>},
    {"stamps: a hole, discont-wait 0", play_stamps<7>},
    {"stamps: a long hole, a longer discont-wait", play_stamps<8>},
    {"stamps: no threshold", play_stamps<9>},
    {"stamps: below and above the threshold", play_stamps<10>},
    {"stamps: DISCONT forward", play_stamps<11>},
    {"stamps: DISCONT forward by little", play_stamps<12>},
    {"stamps: DISCONT backward", play_stamps<13>},
    {"stamps: DISCONT backward, all in the past", play_stamps<14>},
    {"stamps: DISCONT back to the start", play_stamps<15>},
    {"stamps: begins later", play_stamps<16>},
    {"stamps: odd frames behind DISCONT", play_stamps<17>},
    {"stamps: odd frames behind a hole", play_stamps<18>},
    {"stamps: RESYNC forward by little", play_stamps<19>},
    {"gap: between audio", play_gaps<0>},
    {"gap: first", play_gaps<1>},
    {"gap: two", play_gaps<2>},
    {"gap: last", play_gaps<3>},
    {"gap: first, and a short hole", play_gaps<4>},
    {"gap: without a duration", play_odd_gaps<0>},
    {"gap: of no duration", play_odd_gaps<1>},
    {"gap: behind the segment", play_odd_gaps<2>},
    {"gap: over what is there", play_odd_gaps<3>},
    {"empty: around audio", play_empty_buffers<0>},
    {"empty: DISCONT", play_empty_buffers<1>},
    {"empty: a time stamp", play_empty_buffers<2>},
    {"empty: nothing else", play_empty_buffers<3>},
    {"gap buffer: between audio", play_gap_buffers<0>},
    {"gap buffer: around audio", play_gap_buffers<1>},
    {"gap buffer: nothing else", play_gap_buffers<2>},
    {"chunk: 10 ms", play_chunks<0>},
    {"chunk: 1 ms", play_chunks<1>},
    {"chunk: a fraction", play_chunks<2>},
    {"chunk: a sixtieth", play_chunks<3>},
    {"chunk: longer than the audio", play_chunks<4>},
};

} // namespace

GST_START_TEST (test_compare)
{
  compare (comparisons[__i__]);
}
GST_END_TEST;

GST_START_TEST (test_what_differs_everywhere)
{
  check_what_differs_everywhere (comparisons[0]);
}
GST_END_TEST;

static Suite *trackmixer_comparison_time_suite ()
{
  Suite *suite = suite_create ("trackmixer-comparison-time");
  TCase *both = tcase_create ("both");
  tcase_add_loop_test (both, test_compare, 0, static_cast<int> (std::size (comparisons)));
  tcase_add_test (both, test_what_differs_everywhere);
  suite_add_tcase (suite, both);
  return suite;
}

GST_CHECK_MAIN (trackmixer_comparison_time)
