// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties and the signal of trackmixer.
#include "gsttrackmixer.hpp"

using namespace mt::trackmixer;

namespace {

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
    // A bin sends EOS to its sources, and this one has none before it that could end the mix.
    if (g_value_get_boolean (value))
      GST_OBJECT_FLAG_SET (object, GST_ELEMENT_FLAG_SOURCE);
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

} // namespace

void mt::trackmixer::install_properties (GObjectClass *object_class) noexcept
{
  object_class->get_property = get_property;
  object_class->set_property = set_property;

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
      "What all queues together may hold when some must grow because another track has nothing; "
      "0: any number",
      0, kDefaultMaxTotalBytes);
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
          "end only at EOS from the application",
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
  g_signal_new ("samples-selected", G_TYPE_FROM_CLASS (object_class), G_SIGNAL_RUN_FIRST, 0,
      nullptr, nullptr, nullptr, G_TYPE_NONE, 5, GST_TYPE_SEGMENT | G_SIGNAL_TYPE_STATIC_SCOPE,
      G_TYPE_UINT64, G_TYPE_UINT64, G_TYPE_UINT64, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "OUT (out-ksps), BUF (buf-min, buf-mean), time for a chunk, counts of chunks and frames",
          GST_TYPE_STRUCTURE, read_only));

  gst_type_mark_as_plugin_api (starvation_type (), static_cast<GstPluginAPIFlags> (0));
  gst_type_mark_as_plugin_api (
      GST_TYPE_TRACK_MIXER_START_TIME_SELECTION, static_cast<GstPluginAPIFlags> (0));
}
