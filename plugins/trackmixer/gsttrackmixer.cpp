// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-trackmixer
 * @title: trackmixer
 * @see_also: audiomixer
 *
 * Mixes any number of audio tracks into one stream of chunks of one fixed size. Every track has a
 * queue of its own; a full queue makes only the thread that feeds it wait, and nothing is dropped.
 * No `queue` element is needed before it, also where one demuxer feeds all tracks.
 *
 * The tracks may have any raw format, rate, channel count and layout.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=song.mka ! matroskademux name=d trackmixer name=m ! audioconvert
 * ! autoaudiosink d.audio_0 ! decodebin ! m. d.audio_1 ! decodebin ! m.
 * ]| Plays the first two tracks of a Matroska file.
 */
#include "gsttrackmixer.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

#include "gsttrackmixerpad.hpp"
#include "seeking.hpp"

using namespace mt::trackmixer;

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace {

// Source caps as audiomixer's; decoders of libav give planes, one for each channel.
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_AUDIO_CAPS_MAKE (
        "{ " GST_AUDIO_NE (F32) ", " GST_AUDIO_NE (F64) ", " GST_AUDIO_NE (S32) ", " GST_AUDIO_NE (U32) ", " GST_AUDIO_NE (
            S24) ", " GST_AUDIO_NE (S24_32) ", " GST_AUDIO_NE (S16) ", " GST_AUDIO_NE (U16) ", S8, "
                                                                                            "U8 }") ", layout=interleaved"));
GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink_%u", GST_PAD_SINK,
    GST_PAD_REQUEST,
    GST_STATIC_CAPS (
        GST_AUDIO_CAPS_MAKE (GST_AUDIO_FORMATS_ALL) ", layout={ interleaved, non-interleaved }"));

enum : guint {
  PROP_OUTPUT_BUFFER_DURATION = 1,
  PROP_OUTPUT_BUFFER_DURATION_FRACTION,
  PROP_MAX_SIZE_TIME,
  PROP_MAX_SIZE_BYTES,
  PROP_MAX_GROWTH_TIME,
  PROP_MAX_TOTAL_BYTES,
  PROP_ALIGNMENT_THRESHOLD,
  PROP_DISCONT_WAIT,
  PROP_RAMP_TIME,
  PROP_STARVATION,
  PROP_STATS_INTERVAL,
  PROP_LATENCY,
  PROP_MIN_UPSTREAM_LATENCY,
  PROP_FORCE_LIVE,
  PROP_IGNORE_INACTIVE_PADS,
  PROP_START_TIME_SELECTION,
  PROP_START_TIME,
  PROP_EMIT_SIGNALS,
  PROP_STATS,
};

void child_proxy_init (gpointer iface, gpointer) noexcept;

GType starvation_type ()
{
  static const GType type = [] {
    static const GEnumValue values[] {
        {static_cast<int> (Starvation::silence),
            "Warn, and mix the track as silence until it brings something", "silence"},
        {static_cast<int> (Starvation::error), "Post an error", "error"}, {0, nullptr, nullptr}};
    return g_enum_register_static ("GstTrackMixerStarvation", values);
  }();
  return type;
}

} // namespace

G_DEFINE_FINAL_TYPE_WITH_CODE (GstTrackMixer, gst_track_mixer, GST_TYPE_ELEMENT,
    G_IMPLEMENT_INTERFACE (GST_TYPE_CHILD_PROXY, child_proxy_init))

/**
 * GstTrackMixerStartTimeSelection:
 * @zero: at running time 0
 * @first: at the running time of the first audio
 * @set: at the running time in #GstTrackMixer:start-time
 * @now: at the running time when the first chunk is made
 *
 * Where the output of a new stream begins.
 */
GType gst_track_mixer_start_time_selection_get_type ()
{
  // Values and nicks of GstAggregatorStartTimeSelection, which has no «now» in GStreamer 1.22.
  static const GEnumValue values[] = {
      {static_cast<gint> (StartTimeSelection::zero), "At running time 0", "zero"},
      {static_cast<gint> (StartTimeSelection::first), "At the first audio", "first"},
      {static_cast<gint> (StartTimeSelection::set), "At start-time", "set"},
      {static_cast<gint> (StartTimeSelection::now), "When the first chunk is made", "now"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static ("GstTrackMixerStartTimeSelection", values);
  return type;
}

namespace {

Element &state_of (gpointer object) noexcept
{
  return *GST_TRACK_MIXER (object)->state;
}

/// The chunk's length as the property shows it; a duration that has none of 32 bits is rounded.
void get_chunk_fraction (const Mixer &mixer, GValue *value) noexcept
{
  const auto [numerator, denominator] = mixer.settings.chunk_length ();
  const auto divisor = static_cast<guint64> (
      gst_util_greatest_common_divisor_int64 (static_cast<gint64> (numerator), // up to 10 s in ns
          static_cast<gint64> (denominator)));
  if (numerator / divisor <= G_MAXINT) {
    gst_value_set_fraction (
        value, static_cast<gint> (numerator / divisor), static_cast<gint> (denominator / divisor));
    return;
  }
  gint rounded = 0;
  gint over = 1;
  gst_util_double_to_fraction (
      static_cast<double> (numerator) / static_cast<double> (denominator), &rounded, &over);
  gst_value_set_fraction (value, rounded, over);
}

/// Before the mixer runs only, as its flags say.
void set_chunk_fraction (GObject *object, const GValue *value) noexcept
{
  const gint numerator = gst_value_get_fraction_numerator (value);
  const gint denominator = gst_value_get_fraction_denominator (value);
  Element &state = state_of (object);
  if (state.running.load ()) {
    GST_ELEMENT_WARNING (object, LIBRARY, SETTINGS,
        ("output-buffer-duration-fraction stays as it is: %d/%d came in PAUSED or PLAYING.",
            numerator, denominator),
        ("Set it in NULL or READY, or set output-buffer-duration, which can change at any time."));
    return;
  }
  state.mixer.settings.set_chunk_fraction (
      static_cast<guint64> (numerator), static_cast<guint64> (denominator));
  state.mixer.update_limits ();
  g_object_notify (object, "output-buffer-duration");
}

void get_property (GObject *object, guint id, GValue *value, GParamSpec *spec) noexcept
{
  const Mixer &mixer = state_of (object).mixer;
  switch (id) {
  case PROP_OUTPUT_BUFFER_DURATION:
    g_value_set_uint64 (value, mixer.settings.output_buffer_duration.load ());
    break;
  case PROP_OUTPUT_BUFFER_DURATION_FRACTION:
    get_chunk_fraction (mixer, value);
    break;
  case PROP_MAX_SIZE_TIME:
    g_value_set_uint64 (value, mixer.settings.max_size_time.load ());
    break;
  case PROP_MAX_SIZE_BYTES:
    g_value_set_uint64 (value, mixer.settings.max_size_bytes.load ());
    break;
  case PROP_MAX_GROWTH_TIME:
    g_value_set_uint64 (value, mixer.settings.max_growth_time.load ());
    break;
  case PROP_MAX_TOTAL_BYTES:
    g_value_set_uint64 (value, mixer.shared.max_total_bytes.load ());
    break;
  case PROP_ALIGNMENT_THRESHOLD:
    g_value_set_uint64 (value, mixer.settings.alignment_threshold.load ());
    break;
  case PROP_DISCONT_WAIT:
    g_value_set_uint64 (value, mixer.settings.discont_wait.load ());
    break;
  case PROP_STARVATION:
    g_value_set_enum (value, static_cast<int> (mixer.settings.starvation.load ()));
    break;
  case PROP_STATS_INTERVAL:
    g_value_set_uint64 (value, mixer.settings.stats_interval.load ());
    break;
  case PROP_LATENCY:
    g_value_set_uint64 (value, mixer.settings.latency.load ());
    break;
  case PROP_MIN_UPSTREAM_LATENCY:
    g_value_set_uint64 (value, mixer.settings.min_upstream_latency.load ());
    break;
  case PROP_FORCE_LIVE:
    g_value_set_boolean (value, mixer.settings.force_live.load ());
    break;
  case PROP_IGNORE_INACTIVE_PADS:
    g_value_set_boolean (value, mixer.settings.ignore_inactive_pads.load ());
    break;
  case PROP_RAMP_TIME:
    g_value_set_uint64 (value, mixer.settings.ramp_time.load ());
    break;
  case PROP_START_TIME_SELECTION:
    g_value_set_enum (value, static_cast<gint> (mixer.settings.start_time_selection.load ()));
    break;
  case PROP_START_TIME:
    g_value_set_uint64 (value, mixer.settings.start_time.load ());
    break;
  case PROP_EMIT_SIGNALS:
    g_value_set_boolean (value, mixer.settings.emit_signals.load ());
    break;
  case PROP_STATS:
    g_value_take_boxed (value, mixer.stats ());
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

void set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec) noexcept
{
  Mixer &mixer = state_of (object).mixer;
  switch (id) {
  case PROP_OUTPUT_BUFFER_DURATION:
    mixer.settings.set_chunk_duration (g_value_get_uint64 (value));
    mixer.update_limits ();
    mixer.shared.readiness.recheck (); // and so is the next chunk, if it waits
    g_object_notify (object, "output-buffer-duration-fraction");
    gst_element_post_message (GST_ELEMENT (object), gst_message_new_latency (GST_OBJECT (object)));
    break;
  case PROP_OUTPUT_BUFFER_DURATION_FRACTION:
    set_chunk_fraction (object, value);
    break;
  case PROP_MAX_SIZE_TIME:
    mixer.settings.max_size_time.store (g_value_get_uint64 (value));
    mixer.update_limits ();
    break;
  case PROP_MAX_SIZE_BYTES:
    mixer.settings.max_size_bytes.store (g_value_get_uint64 (value));
    mixer.update_limits ();
    break;
  case PROP_MAX_GROWTH_TIME:
    mixer.settings.max_growth_time.store (g_value_get_uint64 (value));
    mixer.update_limits ();
    break;
  case PROP_MAX_TOTAL_BYTES:
    mixer.shared.max_total_bytes.store (g_value_get_uint64 (value));
    mixer.update_limits ();
    break;
  case PROP_ALIGNMENT_THRESHOLD:
    mixer.settings.alignment_threshold.store (g_value_get_uint64 (value));
    break;
  case PROP_DISCONT_WAIT:
    mixer.settings.discont_wait.store (g_value_get_uint64 (value));
    break;
  case PROP_STARVATION:
    mixer.settings.starvation.store (static_cast<Starvation> (g_value_get_enum (value)));
    break;
  case PROP_STATS_INTERVAL:
    mixer.settings.stats_interval.store (g_value_get_uint64 (value));
    break;
  case PROP_LATENCY:
  case PROP_MIN_UPSTREAM_LATENCY:
    (id == PROP_LATENCY ? mixer.settings.latency : mixer.settings.min_upstream_latency)
        .store (g_value_get_uint64 (value));
    mixer.shared.readiness.recheck (); // the deadline is another one
    gst_element_post_message (GST_ELEMENT (object), gst_message_new_latency (GST_OBJECT (object)));
    break;
  case PROP_FORCE_LIVE:
    mixer.settings.force_live.store (g_value_get_boolean (value));
    break;
  case PROP_IGNORE_INACTIVE_PADS:
    mixer.set_ignore_inactive (g_value_get_boolean (value));
    break;
  case PROP_RAMP_TIME:
    mixer.settings.ramp_time.store (g_value_get_uint64 (value));
    break;
  case PROP_START_TIME_SELECTION:
    mixer.settings.start_time_selection.store (
        static_cast<StartTimeSelection> (g_value_get_enum (value)));
    break;
  case PROP_START_TIME:
    mixer.settings.start_time.store (g_value_get_uint64 (value));
    break;
  case PROP_EMIT_SIGNALS:
    mixer.settings.emit_signals.store (g_value_get_boolean (value));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

void finalize (GObject *object) noexcept
{
  delete GST_TRACK_MIXER (object)->state;
  G_OBJECT_CLASS (gst_track_mixer_parent_class)->finalize (object);
}

// --- pads

bool has_pad (GstElement *element, unsigned index)
{
  GstPad *pad = gst_element_get_static_pad (element, ("sink_" + std::to_string (index)).c_str ());
  const bool has = pad != nullptr;
  gst_clear_object (&pad);
  return has;
}

/// The number in a pad's name, or the next free one. False: the name is taken or is no track's.
bool choose_index (GstElement *element, const gchar *name, unsigned &index)
{
  Element &state = state_of (element);
  const std::lock_guard lock {state.pads};
  if (!name) {
    do
      index = state.next_index++; // which begins anew after the last number
    while (index == G_MAXUINT || has_pad (element, index));
    return true;
  }
  char rest = 0;
  // «sink_007» would be the pad sink_7.
  if (std::sscanf (name, "sink_%u%c", &index, &rest) != 1 || index == G_MAXUINT ||
      "sink_" + std::to_string (index) != name) {
    GST_ERROR_OBJECT (element, "no pad can be called %s: tracks are sink_0, sink_1, …", name);
    return false;
  }
  if (has_pad (element, index)) {
    GST_ERROR_OBJECT (element, "there is a pad %s already", name);
    return false;
  }
  state.next_index = std::max (state.next_index, index + 1);
  return true;
}

GstPad *request_new_pad (
    GstElement *element, GstPadTemplate *templ, const gchar *name, const GstCaps *) noexcept
{
  Element &state = state_of (element);
  unsigned index = 0;
  if (!choose_index (element, name, index))
    return nullptr;
  gchar *pad_name = g_strdup_printf ("sink_%u", index);
  auto *pad = GST_PAD (g_object_new (GST_TYPE_TRACK_MIXER_PAD, "name", pad_name, "direction",
      GST_PAD_SINK, "template", templ, nullptr));
  g_free (pad_name);
  const auto track = state.mixer.add_track (pad, index);
  adopt_track (GST_TRACK_MIXER_PAD (pad), track);

  gst_pad_set_chain_function (pad, sink_chain);
  gst_pad_set_event_function (pad, sink_event);
  gst_pad_set_query_function (pad, sink_query);
  gst_pad_set_activatemode_function (pad, sink_activate_mode);
  if (state.running.load ())
    gst_pad_set_active (pad, TRUE);
  if (!gst_element_add_pad (element, pad)) { // another thread was first with this name
    state.mixer.remove_track (track);
    return nullptr;
  }
  gst_child_proxy_child_added (GST_CHILD_PROXY (element), G_OBJECT (pad), GST_OBJECT_NAME (pad));
  return pad;
}

void release_pad (GstElement *element, GstPad *pad) noexcept
{
  gst_pad_set_active (pad, FALSE); // sends a feeder home that waits
  const auto &track = *GST_TRACK_MIXER_PAD (pad)->owner;
  state_of (element).mixer.remove_track (track);
  {
    const std::lock_guard lock {track->rate_mutex};
    track->queue.clear (); // someone may keep the pad, but what it holds counts no more
  }
  track_released (state_of (element));
  gst_child_proxy_child_removed (GST_CHILD_PROXY (element), G_OBJECT (pad), GST_OBJECT_NAME (pad));
  gst_element_remove_pad (element, pad);
}

guint children_count (GstChildProxy *proxy) noexcept
{
  auto *element = GST_ELEMENT (proxy);
  GST_OBJECT_LOCK (element);
  const guint count = element->numsinkpads;
  GST_OBJECT_UNLOCK (element);
  return count;
}

GObject *child_by_index (GstChildProxy *proxy, guint index) noexcept
{
  auto *element = GST_ELEMENT (proxy);
  GST_OBJECT_LOCK (element);
  auto *child = static_cast<GObject *> (g_list_nth_data (element->sinkpads, index));
  if (child)
    g_object_ref (child);
  GST_OBJECT_UNLOCK (element);
  return child;
}

void child_proxy_init (gpointer iface, gpointer) noexcept
{
  auto *proxy = static_cast<GstChildProxyInterface *> (iface);
  proxy->get_children_count = children_count;
  proxy->get_child_by_index = child_by_index;
}

// --- states

/// A chunk that waits for the last clock, or the one before, has to look at this one.
gboolean set_clock (GstElement *element, GstClock *clock) noexcept
{
  const gboolean ok = GST_ELEMENT_CLASS (gst_track_mixer_parent_class)->set_clock (element, clock);
  state_of (element).mixer.shared.readiness.recheck ();
  return ok;
}

/// Also of flushes and seeks that were on their way. Nothing streams.
void forget_stream (Element &state) noexcept
{
  state.mixer.reset ();
  forget_seeks (state);
}

/// As GstAggregator, which keeps the seek and says FALSE all the same: nobody downstream has heard
/// it.
gboolean send_event (GstElement *element, GstEvent *event) noexcept
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
    GST_STATE_LOCK (element);
    if (GST_STATE (element) < GST_STATE_PAUSED)
      keep_seek (state_of (element), GST_OBJECT (element), event);
    GST_STATE_UNLOCK (element);
  }
  return GST_ELEMENT_CLASS (gst_track_mixer_parent_class)->send_event (element, event);
}

GstStateChangeReturn change_state (GstElement *element, GstStateChange transition) noexcept
{
  Element &state = state_of (element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    forget_stream (state);
    start_with_kept_seek (state);
    state.running.store (true);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    state.running.store (false);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    state.mixer.set_playing (true);
  } else if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    state.mixer.set_playing (false);
  }
  auto result =
      GST_ELEMENT_CLASS (gst_track_mixer_parent_class)->change_state (element, transition);
  const bool to_paused = transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
      transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED;
  if (to_paused && result == GST_STATE_CHANGE_SUCCESS && state.mixer.settings.force_live.load ())
    result = GST_STATE_CHANGE_NO_PREROLL; // nothing goes out before the clock runs
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE)
    state.running.store (false);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    for (const auto &track : state.mixer.tracks ()) {
      const std::lock_guard lock {track->rate_mutex};
      track->queue.clear ();
    }
    forget_stream (state);
    const std::lock_guard lock {state.flush};
    state.seek_kept = false; // for one start
  }
  return result;
}

template <class Function>
void add_pad_functions (GstPad *pad, Function activate)
{
  gst_pad_set_event_function (pad, src_event);
  gst_pad_set_query_function (pad, src_query);
  gst_pad_set_activatemode_function (pad, activate);
}

void construct (GstTrackMixer *self) noexcept
{
  GstPad *src = gst_pad_new_from_static_template (&src_template, "src");
  add_pad_functions (src, src_activate_mode);
  self->state = new Element {GST_ELEMENT (self), src};
  gst_segment_init (&self->state->segment, GST_FORMAT_TIME);
  self->state->mixer.shared.max_total_bytes.store (kDefaultMaxTotalBytes);
  gst_element_add_pad (GST_ELEMENT (self), src);
}

} // namespace

static void gst_track_mixer_class_init (GstTrackMixerClass *klass)
{
  auto *object_class = G_OBJECT_CLASS (klass);
  object_class->get_property = get_property;
  object_class->set_property = set_property;
  object_class->finalize = finalize;
  auto *element_class = GST_ELEMENT_CLASS (klass);
  element_class->request_new_pad = request_new_pad;
  element_class->release_pad = release_pad;
  element_class->change_state = change_state;
  element_class->set_clock = set_clock;
  element_class->send_event = send_event;

  const auto playing = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  const auto read_only = static_cast<GParamFlags> (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto install_time = [&] (guint id, const char *name, const char *nick, const char *blurb,
                                guint64 min, guint64 fallback, guint64 max = G_MAXUINT64) {
    g_object_class_install_property (
        object_class, id, g_param_spec_uint64 (name, nick, blurb, min, max, fallback, playing));
  };
  install_time (PROP_OUTPUT_BUFFER_DURATION, "output-buffer-duration", "Output buffer duration",
      "Length of a chunk, in nanoseconds", 1, kDefaultChunk, kLongestChunk);
  g_object_class_install_property (object_class, PROP_OUTPUT_BUFFER_DURATION_FRACTION,
      gst_param_spec_fraction ("output-buffer-duration-fraction", "Output buffer duration fraction",
          "Length of a chunk, in seconds: output-buffer-duration as a fraction, and exactly", 1,
          G_MAXINT, static_cast<gint> (kLongestChunk / GST_SECOND), 1, 1,
          static_cast<gint> (GST_SECOND / kDefaultChunk),
          static_cast<GParamFlags> (
              G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)));
  install_time (PROP_MAX_SIZE_TIME, "max-size-time", "Maximum queue time",
      "Audio that the queue of each track holds before its feeder waits, in nanoseconds (two "
      "chunks at the least)",
      0, kDefaultMaxSizeTime);
  install_time (PROP_MAX_SIZE_BYTES, "max-size-bytes", "Maximum queue bytes",
      "What the queue of each track holds before its feeder waits, in bytes, if that is less than "
      "max-size-time (the next chunk at the least); 0: any number",
      0, 0);
  install_time (PROP_MAX_GROWTH_TIME, "max-growth-time", "Maximum growth time",
      "How far beyond its limit a queue may grow because another track has nothing, in "
      "nanoseconds; the largest number: as far as max-total-bytes allows",
      0, GST_CLOCK_TIME_NONE);
  install_time (PROP_MAX_TOTAL_BYTES, "max-total-bytes", "Maximum bytes",
      "What all queues together may hold when some must grow because another track has nothing", 0,
      kDefaultMaxTotalBytes);
  g_object_class_install_property (object_class, PROP_STARVATION,
      g_param_spec_enum ("starvation", "Starvation",
          "What to do when the queues may not grow any more and a track has nothing",
          starvation_type (), static_cast<int> (Starvation::silence), playing));
  install_time (PROP_STATS_INTERVAL, "stats-interval", "Statistics interval",
      "How often the statistics are posted as an element message, in nanoseconds of wall-clock "
      "time; 0: never",
      0, 0);
  install_time (PROP_LATENCY, "latency", "Latency",
      "How much longer than it says upstream may take for a chunk in a live pipeline, in "
      "nanoseconds",
      0, 0);
  install_time (PROP_MIN_UPSTREAM_LATENCY, "min-upstream-latency", "Minimum upstream latency",
      "The least latency of upstream to reckon with in a live pipeline, in nanoseconds: that of "
      "sources which come later",
      0, 0);
  install_time (PROP_ALIGNMENT_THRESHOLD, "alignment-threshold", "Alignment threshold",
      "Time stamps that are less than this apart from where the audio before ended are taken for "
      "jitter, in nanoseconds",
      0, kDefaultAlignmentThreshold);
  install_time (PROP_DISCONT_WAIT, "discont-wait", "Discont wait",
      "How long time stamps must be further apart before a track is aligned anew, in nanoseconds; "
      "a buffer with the DISCONT flag is aligned at once",
      0, kDefaultDiscontWait);
  g_object_class_install_property (object_class, PROP_RAMP_TIME,
      g_param_spec_uint64 ("ramp-time", "Ramp time",
          "How long a change of volume, mute, pan or solo takes, in nanoseconds; 0 makes it in one "
          "step",
          0, kMaxRampTime, kDefaultRampTime, playing));
  const auto read_write = static_cast<GParamFlags> (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property (object_class, PROP_START_TIME_SELECTION,
      g_param_spec_enum ("start-time-selection", "Start time selection",
          "Where the output begins, from the next time that the element leaves READY",
          GST_TYPE_TRACK_MIXER_START_TIME_SELECTION, static_cast<gint> (StartTimeSelection::zero),
          read_write));
  g_object_class_install_property (object_class, PROP_START_TIME,
      g_param_spec_uint64 ("start-time", "Start time",
          "Running time at which the output begins if start-time-selection=set, in nanoseconds; "
          "none is 0",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, read_write));
  g_object_class_install_property (object_class, PROP_FORCE_LIVE,
      g_param_spec_boolean ("force-live", "Force live",
          "Mix by the clock like a live source, whether anything upstream is live or not, and "
          "never end",
          FALSE, static_cast<GParamFlags> (read_write | G_PARAM_CONSTRUCT_ONLY)));
  g_object_class_install_property (object_class, PROP_IGNORE_INACTIVE_PADS,
      g_param_spec_boolean ("ignore-inactive-pads", "Ignore inactive pads",
          "Live, do not wait for a track that has brought nothing yet, but for its first deadline",
          FALSE, read_write));
  g_object_class_install_property (object_class, PROP_EMIT_SIGNALS,
      g_param_spec_boolean (
          "emit-signals", "Emit signals", "Emit samples-selected", FALSE, read_write));
  /**
   * GstTrackMixer::samples-selected:
   * @mixer: the mixer
   * @segment: the segment of the output, with the position of the chunk
   * @pts: of the chunk
   * @dts: none
   * @duration: of the chunk
   * @info: its first frame (`offset`) and its number of `frames`
   *
   * The next chunk is about to be mixed; what the handler sets of its tracks holds for it. Only
   * with #GstTrackMixer:emit-signals, in the thread that mixes.
   */
  g_signal_new ("samples-selected", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_FIRST, 0, nullptr,
      nullptr, nullptr, G_TYPE_NONE, 5, GST_TYPE_SEGMENT | G_SIGNAL_TYPE_STATIC_SCOPE,
      G_TYPE_UINT64, G_TYPE_UINT64, G_TYPE_UINT64, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "OUT (out-ksps), BUF (buf-min, buf-mean), time for a chunk, counts of chunks and frames",
          GST_TYPE_STRUCTURE, read_only));

  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template_with_gtype (
      element_class, &sink_template, GST_TYPE_TRACK_MIXER_PAD);
  gst_element_class_set_static_metadata (element_class, "Track mixer", "Generic/Audio",
      "Mixes many audio tracks with a queue for each of them", "The gst-multitrack developers");
  gst_type_mark_as_plugin_api (starvation_type (), static_cast<GstPluginAPIFlags> (0));
  gst_type_mark_as_plugin_api (GST_TYPE_TRACK_MIXER_PAD, static_cast<GstPluginAPIFlags> (0));
  gst_type_mark_as_plugin_api (
      GST_TYPE_TRACK_MIXER_START_TIME_SELECTION, static_cast<GstPluginAPIFlags> (0));
}

static void gst_track_mixer_init (GstTrackMixer *self)
{
  construct (self);
}
