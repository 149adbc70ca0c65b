// SPDX-License-Identifier: LGPL-2.1-or-later
// Thousands of random operations with garbage in them: nothing crashes, hangs, complains or is
// left.
#include "support.hpp"

using namespace mt::test;

namespace {

constexpr int kOperations = kSanitized ? 300 : 2000;
constexpr std::size_t kMostPads = 6;

std::atomic<int> live_objects {0}; // pads, caps, events and queries of this test

template <class Object>
Object *counted (Object *object)
{
  ++live_objects;
  gst_mini_object_weak_ref (
      GST_MINI_OBJECT_CAST (object), [] (gpointer, GstMiniObject *) { --live_objects; }, nullptr);
  return object;
}

const char *const kCaps[] {
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=2, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=1, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (S16) ", rate=48000, channels=2, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (S24) ", rate=48000, channels=1, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=2, layout=non-interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (S16) ", rate=48000, channels=6, layout=interleaved, "
                                              "channel-mask=(bitmask)0x3f",
    "audio/x-raw, format=" GST_AUDIO_NE (S32) ", rate=48000, channels=9, layout=interleaved, "
                                              "channel-mask=(bitmask)0",
    // From here on something is wrong with each.
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=44100, channels=2, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=64, layout=interleaved, "
                                              "channel-mask=(bitmask)0",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=5000, layout=interleaved, "
                                              "channel-mask=(bitmask)0",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=3, layout=interleaved, "
                                              "channel-mask=(bitmask)0x1",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=3, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=0, channels=2, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=-1, channels=-1, layout=interleaved",
    "audio/x-raw, format=U8, rate=48000, channels=2, layout=interleaved",
    "audio/x-raw, format=ENCODED, rate=48000, channels=2, layout=interleaved",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=2, layout=upside-down",
    "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=2147483647, channels=63, layout=interleaved",
    "audio/x-raw",
    "audio/mpeg",
    "video/x-raw, format=RGB",
};
constexpr std::size_t kGoodCaps = 7;

/// One mixer and what is done to it. All from one thread, so that a wait without end shows.
class Monkey {
public:
  explicit Monkey (unsigned seed) : random_ {seed} { bed_.play (); }
  ~Monkey ()
  {
    bed_.stop (); // then its pads
  }
  Monkey (const Monkey &) = delete;
  Monkey &operator= (const Monkey &) = delete;

  void act ()
  {
    if (pads_.empty () || below (40) == 0)
      add_pad ();
    switch (below (40)) {
    case 0:
      remove_pad ();
      break;
    case 1:
      link_anew ();
      break;
    case 2:
    case 3:
      push_event (any (), caps_event ());
      break;
    case 4:
      push_event (any (), segment_event ());
      break;
    case 5:
      flush (any ());
      break;
    case 6:
    case 7:
      push_event (any (), some_event ());
      break;
    case 8:
    case 9:
      ask_upstream (any ());
      break;
    case 10:
      ask_downstream ();
      break;
    case 11:
      gst_pad_push_event (bed_.sink.pad (), counted (upstream_event ()));
      break;
    case 12:
      set_something ();
      break;
    case 13:
      if (below (6) == 0)
        gst_element_set_state (
            bed_.element, static_cast<GstState> (GST_STATE_NULL + std::min (3U, below (8))));
      break;
    case 14:
      if (below (8) == 0)
        beyond_the_end_of_time (any ());
      break;
    case 15:
    case 16:
    case 17:
    case 18:
      begin_well (any ());
      break;
    default:
      gst_pad_push (any ().src, buffer ());
    }
  }

  /// Whatever has been: after READY, or a flush and good data, it plays, and nothing else is heard.
  void play_well ()
  {
    gst_element_set_state (bed_.element, GST_STATE_READY);
    bed_.sink.forget ();
    g_object_set (bed_.element, "output-buffer-duration", 10 * GST_MSECOND, "max-size-time",
        GST_SECOND, "max-total-bytes", guint64 {1} << 28, "alignment-threshold", 40 * GST_MSECOND,
        "discont-wait", GST_SECOND, nullptr);
    while (pads_.size () < 2)
      add_pad ();
    bed_.play ();
    Samples sum;
    for (auto &pad : pads_) {
      gst_pad_unlink (pad->src, pad->sink);
      gst_pad_set_active (pad->src, FALSE); // forgets the caps it has sent
      gst_pad_set_active (pad->src, TRUE);
      fail_unless (gst_pad_link (pad->src, pad->sink) == GST_PAD_LINK_OK);
      g_object_set (pad->sink, "volume", 1.0, "mute", FALSE, nullptr);
    }
    for (auto &pad : pads_)
      push_event (*pad, gst_event_new_flush_start ());
    for (auto &pad : pads_)
      push_event (*pad, gst_event_new_flush_stop (TRUE));
    for (auto &pad : pads_) {
      const Samples track = noise (2 * 2000, below (1000));
      pad->format = {};
      pad->begin ();
      fail_unless_equals_int (pad->push (track, 0), GST_FLOW_OK);
      add_to (sum, track);
    }
    for (auto &pad : pads_)
      pad->end ();
    fail_unless (bed_.sink.wait_for_eos (), "does not recover");
    check_equal (bed_.sink.samples (), sum);
    ++played_well;
  }

  int played_well {0};

private:
  unsigned below (unsigned count) { return static_cast<unsigned> (random_ ()) % count; }
  GstClockTime time (GstClockTime most = 5 * GST_SECOND)
  {
    return below (10) == 0 ? GST_CLOCK_TIME_NONE : random_ () % most;
  }
  Feeder &any () { return *pads_[below (static_cast<unsigned> (pads_.size ()))]; }

  void add_pad ()
  {
    if (pads_.size () == kMostPads)
      return;
    pads_.push_back (std::make_unique<Feeder> (bed_));
    Feeder &pad = *pads_.back ();
    ++live_objects;
    g_object_weak_ref (
        G_OBJECT (pad.sink), [] (gpointer, GObject *) { --live_objects; }, nullptr);
    pad.upstream_event = [this, &pad] (GstEvent *event) {
      if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK || below (3) == 0)
        return false;
      flush (pad, gst_event_get_seqnum (event));
      return true;
    };
    if (below (3) != 0)
      begin_well (pad);
  }
  void begin_well (Feeder &pad)
  {
    push_event (pad, gst_event_new_stream_start ("good"));
    push_event (pad, caps_event (kGoodCaps));
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    push_event (pad, gst_event_new_segment (&segment));
  }
  void remove_pad ()
  {
    const auto at = pads_.begin () + below (static_cast<unsigned> (pads_.size ()));
    gst_element_release_request_pad (bed_.element, (*at)->sink);
    pads_.erase (at);
  }
  void link_anew ()
  {
    Feeder &pad = any ();
    gst_pad_unlink (pad.src, pad.sink);
    gst_pad_push (pad.src, buffer ());
    gst_pad_link (pad.src, pad.sink); // refused after caps that the pad does not know
  }
  static void push_event (Feeder &pad, GstEvent *event)
  {
    gst_pad_push_event (pad.src, counted (event));
  }
  void flush (Feeder &pad, guint32 seqnum = 0)
  {
    const bool asked_for = seqnum != 0;
    if (!asked_for)
      seqnum = below (3) == 0 ? 1 + below (3) : gst_util_seqnum_next ();
    for (GstEvent *event : {gst_event_new_flush_start (), gst_event_new_flush_stop (TRUE)}) {
      if (below (10) != 0)
        gst_event_set_seqnum (event, seqnum);
      if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_START && !asked_for && below (20) == 0)
        gst_event_unref (event); // only the stop; after a start alone a wait would be right
      else
        push_event (pad, event);
    }
  }

  GstEvent *caps_event (std::size_t choice = std::size (kCaps))
  {
    GstCaps *caps = counted (gst_caps_from_string (kCaps[below (static_cast<unsigned> (choice))]));
    GstEvent *event = gst_event_new_caps (caps);
    gst_caps_unref (caps);
    return event;
  }
  GstEvent *segment_event ()
  {
    constexpr GstFormat formats[] {GST_FORMAT_TIME, GST_FORMAT_TIME, GST_FORMAT_TIME,
        GST_FORMAT_BYTES, GST_FORMAT_DEFAULT, GST_FORMAT_PERCENT};
    constexpr double rates[] {1.0, 1.0, 1.0, -1.0, 0.5, 1e9};
    GstSegment segment;
    gst_segment_init (&segment, formats[below (std::size (formats))]);
    segment.rate = segment.applied_rate = rates[below (std::size (rates))];
    segment.start = random_ () % GST_SECOND;
    segment.stop = time ();
    segment.base = random_ () % (3 * GST_SECOND);
    segment.offset = below (5) == 0 ? random_ () % GST_SECOND : 0;
    segment.time = time ();
    segment.position = time ();
    return gst_event_new_segment (&segment);
  }
  GstEvent *some_event ()
  {
    switch (below (14)) {
    case 0:
      return gst_event_new_stream_start ("x");
    case 1:
      return gst_event_new_eos ();
    case 2:
    case 3:
      return gst_event_new_gap (random_ () % (5 * GST_SECOND), time ());
    case 4:
      return gst_event_new_tag (gst_tag_list_new_empty ());
    case 5:
      return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("c"));
    case 6:
      return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB, gst_structure_new_empty ("o"));
    case 7:
      return gst_event_new_custom (
          GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, gst_structure_new_empty ("s"));
    case 8:
      return gst_event_new_segment_done (GST_FORMAT_TIME, 0);
    case 9:
      return gst_event_new_buffer_size (GST_FORMAT_BYTES, 1, 2, FALSE);
    case 10:
      return gst_event_new_stream_group_done (7);
    case 11:
      return gst_event_new_instant_rate_change (2.0, GST_SEGMENT_FLAG_NONE);
    case 12: {
      GstMessage *message = gst_message_new_element (nullptr, gst_structure_new_empty ("m"));
      GstEvent *event = gst_event_new_sink_message ("m", message);
      gst_message_unref (message);
      return event;
    }
    default:
      return gst_event_new_custom (GST_EVENT_CUSTOM_BOTH_OOB, gst_structure_new_empty ("b"));
    }
  }
  GstEvent *upstream_event ()
  {
    constexpr GstFormat formats[] {
        GST_FORMAT_TIME, GST_FORMAT_TIME, GST_FORMAT_BYTES, GST_FORMAT_DEFAULT};
    constexpr double rates[] {1.0, 1.0, 1.0, -1.0, 0.5};
    constexpr GstSeekType types[] {GST_SEEK_TYPE_SET, GST_SEEK_TYPE_NONE, GST_SEEK_TYPE_END};
    switch (below (5)) {
    case 0:
      return gst_event_new_qos (
          GST_QOS_TYPE_UNDERFLOW, 1.5, static_cast<GstClockTimeDiff> (below (1000)), time ());
    case 1:
      return gst_event_new_latency (random_ () % GST_SECOND);
    case 2:
      return gst_event_new_reconfigure ();
    default:
      return gst_event_new_seek (rates[below (std::size (rates))],
          formats[below (std::size (formats))], static_cast<GstSeekFlags> (below (64)),
          types[below (3)], static_cast<gint64> (random_ () % (3 * GST_SECOND)), types[below (3)],
          static_cast<gint64> (time ()));
    }
  }

  void ask_upstream (Feeder &pad)
  {
    GstCaps *caps = counted (gst_caps_from_string (kCaps[below (std::size (kCaps))]));
    GstQuery *query = nullptr;
    switch (below (7)) {
    case 0:
      query = gst_query_new_caps (below (2) == 0 ? caps : nullptr);
      break;
    case 1:
      query = gst_query_new_accept_caps (caps);
      break;
    case 2:
      query = gst_query_new_allocation (below (4) == 0 ? nullptr : caps, TRUE);
      break;
    case 3:
      query = gst_query_new_drain ();
      break;
    case 4:
      query = gst_query_new_position (GST_FORMAT_BYTES);
      break;
    case 5:
      query = gst_query_new_custom (GST_QUERY_CUSTOM, gst_structure_new_empty ("q"));
      break;
    default:
      query = gst_query_new_context ("mt.test");
    }
    gst_caps_unref (caps);
    gst_pad_peer_query (pad.src, counted (query));
    gst_query_unref (query);
  }
  void ask_downstream ()
  {
    GstCaps *caps = counted (gst_caps_from_string (kCaps[below (std::size (kCaps))]));
    const GstFormat format = below (2) == 0 ? GST_FORMAT_TIME : GST_FORMAT_BYTES;
    for (GstQuery *query :
        {gst_query_new_latency (), gst_query_new_position (format), gst_query_new_duration (format),
            gst_query_new_seeking (format), gst_query_new_caps (caps),
            gst_query_new_segment (format), gst_query_new_convert (format, 5, GST_FORMAT_TIME)}) {
      gst_pad_peer_query (bed_.sink.pad (), counted (query));
      gst_query_unref (query);
    }
    gst_caps_unref (caps);
  }
  void set_something ()
  {
    Feeder &pad = any ();
    switch (below (5)) {
    case 0:
      g_object_set (pad.sink, "volume", 0.01 * below (1000), "mute", below (2), nullptr);
      break;
    case 1:
      g_object_set (
          bed_.element, "output-buffer-duration", (1 + below (100)) * GST_MSECOND, nullptr);
      break;
    case 2:
      g_object_set (bed_.element, "max-size-time", random_ () % GST_SECOND, "max-total-bytes",
          guint64 {1} << below (30), nullptr);
      break;
    case 3:
      g_object_set (bed_.element, "alignment-threshold", time (), "discont-wait", time (), nullptr);
      break;
    default:
      gst_structure_free (stats_of (bed_.element));
      gst_structure_free (stats_of (pad.sink));
    }
  }

  /// Of any size, with a meta that may lie.
  GstBuffer *buffer ()
  {
    std::vector<std::uint8_t> bytes (below (4) == 0 ? below (100) : 8 * below (600));
    for (auto &byte : bytes)
      byte = static_cast<std::uint8_t> (random_ ());
    GstBuffer *out = buffer_of (bytes, time ());
    GST_BUFFER_DTS (out) = time ();
    GST_BUFFER_DURATION (out) = time ();
    GST_BUFFER_OFFSET (out) = random_ ();
    GST_BUFFER_FLAG_SET (out,
        (below (4) == 0 ? GST_BUFFER_FLAG_DISCONT : 0) |
            (below (8) == 0 ? GST_BUFFER_FLAG_GAP : 0));
    if (below (3) == 0 && bytes.size () >= 64) {
      GstAudioInfo info = info_of ({48000, 1 + static_cast<int> (below (2))});
      if (below (2) == 0)
        info.layout = GST_AUDIO_LAYOUT_NON_INTERLEAVED;
      GstAudioMeta *meta = gst_buffer_add_audio_meta (
          out, &info, bytes.size () / static_cast<std::size_t> (info.bpf), nullptr);
      switch (below (4)) {
      case 0:
        meta->samples = random_ () % 100000;
        break;
      case 1:
        gst_buffer_set_size (out, static_cast<gssize> (bytes.size () / 2));
        break;
      case 2:
        if (meta->info.layout == GST_AUDIO_LAYOUT_NON_INTERLEAVED)
          meta->offsets[0] = below (10000);
        break;
      default:
        break;
      }
    }
    return out;
  }
  /// The mix would be silent up to there, so the flush comes at once.
  void beyond_the_end_of_time (Feeder &pad)
  {
    constexpr GstClockTime kFar[] {
        GST_CLOCK_TIME_NONE - 1, G_MAXINT64, G_MAXINT64 / 2, G_MAXUINT32 * GST_SECOND};
    GstBuffer *far = buffer ();
    GST_BUFFER_PTS (far) = kFar[below (std::size (kFar))];
    gst_pad_push (pad.src, far);
    push_event (pad, gst_event_new_gap (kFar[below (std::size (kFar))] / 2, GST_SECOND));
    push_event (pad, gst_event_new_flush_start ());
    push_event (pad, gst_event_new_flush_stop (TRUE));
  }

  std::mt19937_64 random_;
  MixerBed bed_;
  Feeders pads_;
};

} // namespace

GST_START_TEST (test_nothing_is_left_of_random_operations)
{
  // GStreamer warns of what comes out of order and of channels that can't be. Criticals still
  // count.
  for (const char *domain : {"GStreamer", "GStreamer-Audio"})
    g_log_set_handler (
        domain, G_LOG_LEVEL_WARNING,
        [] (const gchar *, GLogLevelFlags, const gchar *, gpointer) noexcept {}, nullptr);
  live_buffers = 0;
  live_objects = 0;
  {
    Monkey monkey {static_cast<unsigned> (__i__)};
    for (int n = 1; n <= kOperations; ++n) {
      monkey.act ();
      if (n % 100 == 0)
        monkey.play_well ();
    }
    fail_unless_equals_int (monkey.played_well, kOperations / 100);
  }
  fail_unless_equals_int (live_buffers, 0);
  fail_unless_equals_int (live_objects, 0);
}
GST_END_TEST;

static Suite *trackmixer_garbage_suite ()
{
  Suite *suite = suite_create ("trackmixer-garbage");
  TCase *tests = tcase_create ("garbage");
  tcase_add_loop_test (tests, test_nothing_is_left_of_random_operations, 0, 4);
  suite_add_tcase (suite, tests);
  return suite;
}

GST_CHECK_MAIN (trackmixer_garbage)
