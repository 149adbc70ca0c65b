// SPDX-License-Identifier: LGPL-2.1-or-later
// What a pipeline of random operations is held to.
#include "randompipeline.hpp"

#include <utility>

namespace mt::test {

namespace {

constexpr const char *kBaseCaps = "audio/x-raw,format=" GST_AUDIO_NE (F32) ",rate=48000,channels=2";

std::string printed (const char *format, ...) G_GNUC_PRINTF (1, 2);
std::string printed (const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  gchar *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  std::string result {text};
  g_free (text);
  return result;
}

/// The name of what a source carries that is being removed.
constexpr const char *kLeaves = "mt-leaves";

bool leaves (GstObject *source)
{
  GstObject *bin = gst_object_get_parent (source);
  const bool stays = bin && !g_object_get_data (G_OBJECT (bin), kLeaves);
  gst_clear_object (&bin);
  return !stays;
}

/// What a property is set to, after any value at all, for the mix to go on in the time of a test.
/// All others go back to their default.
struct Usual {
  const char *name;
  guint64 least, most;
};
constexpr Usual kUsual[] {
    {"output-buffer-duration", GST_MSECOND, 40 * GST_MSECOND},
    {"max-size-time", 0, GST_SECOND},
    {"max-growth-time", 0, 10 * GST_SECOND},
    {"alignment-threshold", 0, GST_SECOND},
    {"discont-wait", 0, GST_SECOND},
    {"stats-interval", 0, 100 * GST_MSECOND},
    {"latency", 0, 30 * GST_MSECOND},
    {"min-upstream-latency", 0, 30 * GST_MSECOND},
    {"ramp-time", 0, GST_SECOND},
    {"start-time", 0, 100 * GST_MSECOND},
};

GstEvent *flush_to (gint64 time)
{
  return gst_event_new_seek (
      1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, time, GST_SEEK_TYPE_SET, -1);
}

} // namespace

const char *name_of (PipelineKind kind)
{
  constexpr const char *names[] {"files", "live", "force-live"};
  return names[static_cast<int> (kind)];
}

RandomPipeline::RandomPipeline (PipelineKind pipeline_kind, unsigned its_seed)
    : kind {pipeline_kind}, seed {its_seed}, pipeline {counted (gst_pipeline_new (nullptr))}
{
  g_print ("%s, seed %u:\n", name_of (kind), seed);
  gst_object_ref_sink (pipeline);
  mixer = counted (gst_element_factory_make_full (
      "trackmixer", "force-live", kind == PipelineKind::force_live, nullptr));
  GstElement *sink = counted (gst_element_factory_make ("fakesink", nullptr));
  g_object_set (sink, "sync", TRUE, nullptr);
  gst_bin_add_many (GST_BIN (pipeline), mixer, sink, nullptr);
  fail_unless (gst_element_link (mixer, sink));
  sink_pad_ = gst_element_get_static_pad (sink, "sink");
  probe_ = gst_pad_add_probe (sink_pad_,
      static_cast<GstPadProbeType> (GST_PAD_PROBE_TYPE_BUFFER |
          GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      on_flow, this, nullptr);
  lengths_.push_back (10 * GST_MSECOND);
  for (int n = 0; n < 2; ++n) {
    const bool live = kind == PipelineKind::live && n == 0;
    pads.push_back (add (std::string {"audiotestsrc samplesperbuffer=480 "} +
            (live ? "is-live=true" : "") + " ! " + kBaseCaps,
        live, false)
                        .pad);
  }
  bus_thread_ = std::thread {[this] { hear_bus (); }};
  set_state (GST_STATE_PLAYING);
}

RandomPipeline::~RandomPipeline ()
{
  for (GstPad *pad : pads)
    gst_object_unref (pad);
  gst_object_unref (sink_pad_);
  gst_object_unref (pipeline);
}

// --- operations

void RandomPipeline::set_state (GstState state)
{
  if (state >= GST_STATE_PAUSED) {
    gst_element_set_state (pipeline, state);
    return;
  }
  const std::shared_lock not_sought {sources_};
  // Or a source that is on its way into the pipeline would miss it, and rest.
  const std::unique_lock lock {structure_};
  gst_element_set_state (pipeline, GST_STATE_READY);
  {
    const std::lock_guard guard {mutex_};
    follows_ = ended_ = false;
    short_frames_ = done_frames_ = 0;
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
}

bool RandomPipeline::seek (GstEvent *event, bool through_pipeline)
{
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  gst_event_parse_seek (event, nullptr, nullptr, &flags, nullptr, nullptr, nullptr, nullptr);
  if (flags & GST_SEEK_FLAG_FLUSH) {
    // GstBaseSink, too, can't have a flush while it is stopped.
    const std::shared_lock not_stopped {structure_};
    const std::lock_guard lock {flush_};
    return through_pipeline ? gst_element_send_event (pipeline, event)
                            : gst_pad_push_event (sink_pad_, event);
  }
  const std::unique_lock none_starts {sources_};
  std::unique_lock lock {mutex_};
  const auto at = waiting_seeks_.insert (Clock::now ());
  lock.unlock ();
  const bool sought = gst_pad_push_event (sink_pad_, event);
  lock.lock ();
  waiting_seeks_.erase (at);
  return sought;
}

/// The mix may rest in PAUSED, or the sink wait for a time far away: so a seek without flush waits,
/// by GStreamer's design. Both end here.
void RandomPipeline::make_room ()
{
  constexpr std::chrono::milliseconds kPatience {200};
  std::unique_lock lock {mutex_};
  const auto waiting = waiting_seeks_.empty () ? std::chrono::seconds::zero ()
                                               : Clock::now () - *waiting_seeks_.begin ();
  lock.unlock ();
  if (waiting > kPatience)
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
  if (waiting > 5 * kPatience)
    (void)seek (flush_to (0), true);
}

Guest RandomPipeline::add (const std::string &source, bool live, bool from_now_on)
{
  const std::shared_lock not_sought {sources_};
  const std::shared_lock lock {structure_};
  Guest guest {counted (gst_parse_bin_from_description (source.c_str (), TRUE, nullptr)), nullptr};
  fail_unless (guest.source != nullptr, "%s", source.c_str ());
  // So that the pipeline knows that it is live from now on, and does not wait for audio in PAUSED.
  if (live)
    gst_element_set_state (guest.source, GST_STATE_PAUSED);
  gst_element_set_locked_state (guest.source, TRUE); // the other thread must not start it unlinked
  gst_bin_add (GST_BIN (pipeline), guest.source);
  guest.pad = counted (gst_element_request_pad_simple (mixer, "sink_%u"));
  GstPad *src = gst_element_get_static_pad (guest.source, "src");
  gint64 now = 0;
  if (from_now_on && gst_element_query_position (mixer, GST_FORMAT_TIME, &now))
    gst_pad_set_offset (src, now);
  fail_unless (gst_pad_link (src, guest.pad) == GST_PAD_LINK_OK);
  gst_object_unref (src);
  gst_element_set_locked_state (guest.source, FALSE);
  gst_element_sync_state_with_parent (guest.source);
  return guest;
}

void RandomPipeline::remove (const Guest &guest)
{
  const std::shared_lock not_sought {sources_};
  const std::shared_lock lock {structure_};
  // Where it finds itself without a link before it is stopped, it says so.
  g_object_set_data (G_OBJECT (guest.source), kLeaves, pipeline);
  gst_element_release_request_pad (mixer, guest.pad);
  gst_object_unref (guest.pad);
  gst_element_set_locked_state (guest.source, TRUE); // or the pipeline may start it once more
  gst_element_set_state (guest.source, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (pipeline), guest.source);
}

void RandomPipeline::write_value (GObject *object, GParamSpec *spec, const GValue *value)
{
  const std::string name {spec->name};
  if (name == "starvation" && g_value_get_enum (value) != 0)
    errors_allowed_ = true;
  if (!name.starts_with ("output-buffer-duration")) {
    g_object_set_property (object, spec->name, value);
    return;
  }
  const std::lock_guard lock {chunk_setting_};
  const GstClockTime length = G_VALUE_HOLDS_UINT64 (value)
      ? g_value_get_uint64 (value)
      : gst_util_uint64_scale (GST_SECOND,
            static_cast<guint64> (gst_value_get_fraction_numerator (value)),
            static_cast<guint64> (gst_value_get_fraction_denominator (value)));
  {
    const std::lock_guard guard {mutex_};
    lengths_.push_back (length); // a chunk of it may come before the call is back
  }
  if (length > GST_SECOND)
    errors_allowed_ = true; // too many bytes, perhaps
  g_object_set_property (object, spec->name, value);
  GstClockTime now = 0;
  g_object_get (object, "output-buffer-duration", &now, nullptr);
  const std::lock_guard guard {mutex_};
  if (now != length)
    lengths_.push_back (now); // it has been refused
}

void RandomPipeline::write_usual (GObject *object, GParamSpec *spec, Random *random)
{
  GValue value = G_VALUE_INIT;
  g_value_init (&value, spec->value_type);
  g_param_value_set_default (spec, &value);
  const auto *usual = std::find_if (std::begin (kUsual), std::end (kUsual),
      [spec] (const Usual &of) { return g_str_equal (of.name, spec->name); });
  if (random && usual != std::end (kUsual) && below (*random, 2) == 0)
    g_value_set_uint64 (&value, usual->least + (*random) () % (usual->most - usual->least));
  if (!g_str_equal (spec->name, "output-buffer-duration-fraction")) // it follows
    write_value (object, spec, &value);
  g_value_unset (&value);
}

void RandomPipeline::write (GObject *object, Random &random)
{
  const auto all = writable_properties (object);
  GParamSpec *spec = all[below (random, static_cast<unsigned> (all.size ()))];
  GValue value = G_VALUE_INIT;
  if (!any_value (&value, spec, random))
    return; // the template of a pad
  write_value (object, spec, &value);
  g_value_unset (&value);
  // What makes the mix wait for years, or a chunk of it last a nanosecond, does not stay.
  if (!G_IS_PARAM_SPEC_UINT64 (spec) && !G_IS_PARAM_SPEC_INT64 (spec))
    return;
  wait_for_chunk (std::chrono::milliseconds {below (random, 3)});
  write_usual (object, spec, &random);
}

void RandomPipeline::wait_for_chunk (std::chrono::milliseconds limit)
{
  std::unique_lock lock {mutex_};
  const auto before = chunks_;
  cond_.wait_for (lock, limit, [&] { return chunks_ != before; });
}

bool RandomPipeline::has_ended ()
{
  const std::lock_guard lock {mutex_};
  return ended_;
}

// --- what comes out

GstPadProbeReturn RandomPipeline::on_flow (GstPad *, GstPadProbeInfo *info, gpointer self) noexcept
{
  auto &pipeline = *static_cast<RandomPipeline *> (self);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    pipeline.check (GST_PAD_PROBE_INFO_BUFFER (info));
  else
    pipeline.note (GST_PAD_PROBE_INFO_EVENT (info));
  return GST_PAD_PROBE_OK;
}

void RandomPipeline::note (GstEvent *event)
{
  const std::lock_guard lock {mutex_};
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS: {
    GstCaps *caps = nullptr;
    gst_event_parse_caps (event, &caps);
    gst_audio_info_from_caps (&info_, caps);
    break;
  }
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment (event, &segment_);
    may_be_new_ = true;
    short_frames_ = done_frames_ = 0;
    break;
  case GST_EVENT_SEGMENT_DONE:
    ended_ = true;
    done_frames_ = std::exchange (short_frames_, 0);
    break;
  case GST_EVENT_EOS:
    ended_ = true;
    short_frames_ = done_frames_ = 0;
    break;
  case GST_EVENT_STREAM_START:
  case GST_EVENT_FLUSH_STOP:
    follows_ = ended_ = false;
    short_frames_ = done_frames_ = 0;
    break;
  default:
    break;
  }
}

/// All chunks are as long as has been set. Where every track has ended, one may be short; if
/// another track comes then and no other segment has begun, the next one fills it up, unless a
/// length has been set.
void RandomPipeline::check_length (std::uint64_t frames)
{
  const auto done = std::exchange (done_frames_, 0);
  const auto before = std::exchange (short_frames_, 0);
  if (is_whole (before + frames) || (before != 0 && lengths_.size () > 1 && is_whole (frames)) ||
      (done != 0 && is_whole (done + frames)))
    return;
  if (before != 0)
    blame (printed ("a chunk of %" G_GUINT64_FORMAT " frames follows one of %" G_GUINT64_FORMAT,
        frames, before));
  short_frames_ = done + frames;
}

bool RandomPipeline::is_whole (std::uint64_t frames)
{
  const auto rate = static_cast<guint64> (info_.rate);
  // Each of those that have been set since the last chunk: the settings come before the chunks.
  for (std::size_t n = 0; n < lengths_.size (); ++n) {
    const auto shortest = gst_util_uint64_scale (lengths_[n], rate, GST_SECOND);
    const auto longest = gst_util_uint64_scale_ceil (lengths_[n], rate, GST_SECOND);
    if (frames < std::max<guint64> (shortest, 1) || frames > std::max<guint64> (longest, 1))
      continue;
    lengths_.erase (lengths_.begin (), lengths_.begin () + static_cast<std::ptrdiff_t> (n));
    return true;
  }
  return false;
}

void RandomPipeline::check (GstBuffer *buffer)
{
  const std::lock_guard lock {mutex_};
  const auto pts = GST_BUFFER_PTS (buffer);
  const auto frames = GST_BUFFER_OFFSET_END (buffer) - GST_BUFFER_OFFSET (buffer);
  if (gst_buffer_get_size (buffer) != frames * static_cast<std::size_t> (info_.bpf))
    blame (printed (
        "%zu bytes are not %" G_GUINT64_FORMAT " frames", gst_buffer_get_size (buffer), frames));
  // What comes to a mix that has been sought, and was not sought itself, goes on beyond the end.
  GstSegment open = segment_;
  open.stop = GST_CLOCK_TIME_NONE;
  const auto running_time = gst_segment_to_running_time (&open, GST_FORMAT_TIME, pts);
  if (!GST_CLOCK_TIME_IS_VALID (running_time))
    blame (
        printed ("a chunk at %" GST_TIME_FORMAT " lies before its segment", GST_TIME_ARGS (pts)));
  if (follows_) {
    if (GST_BUFFER_OFFSET (buffer) != end_frame_)
      blame (printed ("frame %" G_GUINT64_FORMAT " follows %" G_GUINT64_FORMAT,
          GST_BUFFER_OFFSET (buffer), end_frame_));
    if (!may_be_new_ && pts != end_)
      blame (printed ("%" GST_TIME_FORMAT " follows %" GST_TIME_FORMAT, GST_TIME_ARGS (pts),
          GST_TIME_ARGS (end_)));
    if (std::max (running_time, running_end_) - std::min (running_time, running_end_) > 1)
      blame (printed ("running time %" GST_TIME_FORMAT " follows %" GST_TIME_FORMAT,
          GST_TIME_ARGS (running_time), GST_TIME_ARGS (running_end_)));
  }
  follows_ = true;
  may_be_new_ = ended_ = false;
  end_ = pts + GST_BUFFER_DURATION (buffer);
  running_end_ = running_time + GST_BUFFER_DURATION (buffer);
  end_frame_ = GST_BUFFER_OFFSET_END (buffer);
  check_length (frames);
  ++chunks_;
  cond_.notify_all ();
}

// --- the bus

void RandomPipeline::hear_bus ()
{
  GstBus *bus = gst_element_get_bus (pipeline);
  while (!over_) {
    if (GstMessage *message = gst_bus_timed_pop (bus, 20 * GST_MSECOND); message) {
      hear (message);
      gst_message_unref (message);
    }
    make_room ();
  }
  gst_object_unref (bus);
}

void RandomPipeline::hear (GstMessage *message)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    gst_bin_recalculate_latency (GST_BIN (pipeline));
  const bool is_error = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
  if (!is_error && GST_MESSAGE_TYPE (message) != GST_MESSAGE_WARNING)
    return;
  GError *error = nullptr;
  gchar *details = nullptr;
  if (is_error)
    gst_message_parse_error (message, &error, &details);
  else
    gst_message_parse_warning (message, &error, &details);
  const std::string text = printed ("%s: %s (%s)", GST_OBJECT_NAME (GST_MESSAGE_SRC (message)),
      error->message, details ? details : "");
  g_error_free (error);
  g_free (details);
  const auto says = [&text] (const char *what) { return text.find (what) != std::string::npos; };
  // Audio that has been put before the mix's time; limits that do not hold what must be waited for;
  // a setting for READY in PLAYING.
  const bool usual =
      says ("came too late") || says ("is mixed as silence") || says ("stays as it is");
  const bool allowed = is_error ? errors_allowed_ || leaves (GST_MESSAGE_SRC (message)) : usual;
  if (!allowed)
    blame ("on the bus: " + text);
}

// --- the test

void RandomPipeline::blame (const std::string &what)
{
  std::string all =
      printed ("%s, seed %u (MT_TEST_SEED=%u): %s\n", name_of (kind), seed, seed, what.c_str ());
  if (hands_)
    for (const auto &hand : *hands_)
      all += hand->history ();
  GstState state = GST_STATE_NULL;
  GstState pending = GST_STATE_NULL;
  const auto change = gst_element_get_state (pipeline, &state, &pending, 0);
  all += printed ("pipeline: %s, %s pending, %s; %" G_GUINT64_FORMAT " chunks%s\n",
      gst_element_state_get_name (state), gst_element_state_get_name (pending),
      gst_element_state_change_return_get_name (change), chunks_, ended_ ? ", ended" : "");
  GstIterator *children = gst_bin_iterate_elements (GST_BIN (pipeline));
  gst_iterator_foreach (
      children,
      [] (const GValue *item, gpointer text) {
        auto *element = GST_ELEMENT (g_value_get_object (item));
        *static_cast<std::string *> (text) += printed ("%s: %s, %s pending\n",
            GST_OBJECT_NAME (element), gst_element_state_get_name (GST_STATE (element)),
            gst_element_state_get_name (GST_STATE_PENDING (element)));
      },
      &all);
  gst_iterator_free (children);
  g_printerr ("%s", all.c_str ());
  GST_OBJECT_LOCK (mixer);
  std::vector<gpointer> objects {mixer};
  for (GList *at = mixer->sinkpads; at; at = at->next)
    objects.push_back (gst_object_ref (at->data));
  GST_OBJECT_UNLOCK (mixer);
  for (gpointer object : objects) // last: these wait for locks
    g_printerr ("%s: %s\n", GST_OBJECT_NAME (object), gst_structure_to_string (stats_of (object)));
  fail ("%s, seed %u: %s", name_of (kind), seed, what.c_str ());
  g_abort ();
}

void RandomPipeline::watch (const Hands &hands)
{
  hands_ = &hands;
  for (bool busy = true; busy;) {
    busy = false;
    for (const auto &hand : hands)
      if (const auto since = hand->busy_since (); since) {
        busy = true;
        if (Clock::now () - *since > kHung)
          blame ("an operation does not come back");
      }
    std::this_thread::sleep_for (std::chrono::milliseconds {5});
  }
}

void RandomPipeline::set_all_usual (GObject *object)
{
  for (GParamSpec *spec : writable_properties (object))
    if (spec->value_type != GST_TYPE_PAD_TEMPLATE)
      write_usual (object, spec, nullptr);
}

void RandomPipeline::check_plays (const char *after)
{
  constexpr std::uint64_t kChunks = 5;
  std::unique_lock lock {mutex_};
  const auto wanted = chunks_ + kChunks;
  if (!cond_.wait_for (lock, kHung, [&] { return chunks_ >= wanted; })) {
    lock.unlock ();
    blame (std::string {"does not play after "} + after);
  }
}

void RandomPipeline::check_recovery (const Hands &hands)
{
  set_all_usual (G_OBJECT (mixer));
  for (GstPad *pad : pads)
    set_all_usual (G_OBJECT (pad));
  for (const auto &hand : hands)
    for (const Guest &guest : hand->guests)
      set_all_usual (G_OBJECT (guest.pad));
  // The sink may wait for a time that was years ahead.
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  if (!seek (flush_to (100 * GST_MSECOND), true))
    blame ("a seek is refused");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  check_plays ("a flush");

  gst_element_set_state (pipeline, GST_STATE_READY);
  errors_allowed_ = false;
  for (GstPad *pad : pads)
    check_accounts (pad);
  for (const auto &hand : hands)
    for (const Guest &guest : hand->guests)
      check_accounts (guest.pad);
  set_state (GST_STATE_READY);
  check_plays ("READY");
}

void RandomPipeline::check_accounts (GstPad *pad)
{
  const auto count = [pad] (const char *field) { return count_in_stats (pad, field); };
  if (count ("in-frames") !=
      count ("mixed-frames") + count ("late-frames") + count ("dropped-frames") +
          count ("queued-frames"))
    blame (std::string {"the account of "} + GST_PAD_NAME (pad) + " is wrong");
}

void RandomPipeline::check_end (const Hands &hands)
{
  for (const auto &hand : hands) {
    for (const Guest &guest : hand->guests)
      remove (guest);
    hand->guests.clear ();
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_pad_remove_probe (sink_pad_, probe_);
  over_ = true;
  bus_thread_.join ();
}

} // namespace mt::test
