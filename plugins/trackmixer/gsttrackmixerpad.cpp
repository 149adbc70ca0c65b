// SPDX-License-Identifier: LGPL-2.1-or-later
// The sink pad of trackmixer: properties of one track.
#include "gsttrackmixerpad.hpp"

#include "converter.hpp"
#include "gsttrackmixer.hpp"

using mt::trackmixer::Track;

G_DEFINE_FINAL_TYPE (GstTrackMixerPad, gst_track_mixer_pad, GST_TYPE_PAD)

namespace {

enum : guint {
  PROP_VOLUME = 1,
  PROP_MUTE,
  PROP_PAN,
  PROP_SOLO,
  PROP_QOS_MESSAGES,
  PROP_EMIT_SIGNALS,
  PROP_MAX_SIZE_TIME,
  PROP_MAX_SIZE_BYTES,
  PROP_CONVERTER_CONFIG,
  PROP_CURRENT_LEVEL_TIME,
  PROP_CURRENT_LEVEL_BYTES,
  PROP_CURRENT_LEVEL_BUFFERS,
  PROP_STATS,
};

constexpr double kDefaultVolume = 1.0;
constexpr double kMaxVolume = 10.0;

GstStructure *stats_of (const Track &track)
{
  const auto counts = track.queue.counts ();
  const auto level = track.queue.level ();
  const auto &mix = track.mix;
  return gst_structure_new ("application/x-trackmixer-pad-stats", //
      "in-frames", G_TYPE_UINT64, counts.frames_in,               //
      "mixed-frames", G_TYPE_UINT64, mix.frames_mixed.load (std::memory_order_relaxed),
      "late-frames", G_TYPE_UINT64, mix.frames_late.load (std::memory_order_relaxed), //
      "dropped-frames", G_TYPE_UINT64,
      counts.frames_flushed + mix.frames_dropped.load (std::memory_order_relaxed), //
      "silence-frames", G_TYPE_UINT64, mix.frames_silence.load (std::memory_order_relaxed),
      "queued-frames", G_TYPE_UINT64, static_cast<guint64> (level.frames), //
      "queue-limit-frames", G_TYPE_UINT64, static_cast<guint64> (level.limit), "growths",
      G_TYPE_UINT64, counts.growths, //
      "feeder-wait-ns", G_TYPE_UINT64, counts.feeder_wait_ns, nullptr);
}

void warn_of_unknown_option (GstPad *pad, const GstStructure *config) noexcept
{
  const char *field = config ? mt::trackmixer::unknown_converter_option (config) : nullptr;
  GstObject *mixer = field ? gst_object_get_parent (GST_OBJECT (pad)) : nullptr;
  if (!mixer)
    return;
  GST_ELEMENT_WARNING (mixer, LIBRARY, SETTINGS,
      ("converter-config of %s has '%s', which is no option and changes nothing.",
          GST_PAD_NAME (pad), field),
      ("Options are named in full, as GstAudioConverter.resampler-method or "
       "GstAudioResampler.n-taps."));
  gst_object_unref (mixer);
}

/// Takes `config`, which may be null.
void set_converter_config (GstPad *pad, Track &track, GstStructure *config) noexcept
{
  if (const char *field = config ? mt::trackmixer::normalize_converter_config (config) : nullptr) {
    gchar *value = gst_value_serialize (gst_structure_get_value (config, field));
    GstObject *mixer = gst_object_get_parent (GST_OBJECT (pad));
    if (mixer)
      GST_ELEMENT_WARNING (mixer, LIBRARY, SETTINGS,
          ("converter-config of %s is not used: '%s' is no value of %s.", GST_PAD_NAME (pad),
              value ? value : "that", field),
          ("What was set before stays. See the enumerations of GstAudioConverter and "
           "GstAudioResampler."));
    gst_clear_object (&mixer);
    g_free (value);
    gst_structure_free (config);
    return;
  }
  warn_of_unknown_option (pad, config);
  const std::lock_guard lock {track.config_mutex};
  if (track.converter_config)
    gst_structure_free (track.converter_config);
  track.converter_config = config;
}

void get_property (GObject *object, guint id, GValue *value, GParamSpec *spec) noexcept
{
  Track &track = track_of (GST_PAD (object));
  switch (id) {
  case PROP_VOLUME:
    g_value_set_double (value, track.settings.volume.load ());
    break;
  case PROP_MUTE:
    g_value_set_boolean (value, track.settings.mute.load ());
    break;
  case PROP_PAN:
    g_value_set_double (value, track.settings.pan.load ());
    break;
  case PROP_SOLO:
    g_value_set_boolean (value, track.settings.solo.load ());
    break;
  case PROP_MAX_SIZE_TIME:
    g_value_set_uint64 (value, track.settings.max_size_time.load ());
    break;
  case PROP_MAX_SIZE_BYTES:
    g_value_set_uint64 (value, track.settings.max_size_bytes.load ());
    break;
  case PROP_QOS_MESSAGES:
    g_value_set_boolean (value, track.settings.qos_messages.load ());
    break;
  case PROP_EMIT_SIGNALS:
    g_value_set_boolean (value, track.settings.emit_signals.load ());
    break;
  case PROP_CONVERTER_CONFIG:
    g_value_take_boxed (value, track.copy_converter_config ());
    break;
  case PROP_CURRENT_LEVEL_TIME: {
    const auto level = track.queue.level ();
    const int rate = track.rate_hz.load ();
    g_value_set_uint64 (value,
        rate > 0 ? gst_util_uint64_scale (
                       static_cast<guint64> (level.frames), GST_SECOND, static_cast<guint64> (rate))
                 : 0);
    break;
  }
  case PROP_CURRENT_LEVEL_BYTES:
    g_value_set_uint64 (value, track.queue.level ().bytes);
    break;
  case PROP_CURRENT_LEVEL_BUFFERS:
    g_value_set_uint64 (value, track.queue.level ().buffers);
    break;
  case PROP_STATS:
    g_value_take_boxed (value, stats_of (track));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

void set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec) noexcept
{
  Track &track = track_of (GST_PAD (object));
  switch (id) {
  case PROP_VOLUME:
    track.settings.volume.store (g_value_get_double (value));
    break;
  case PROP_MUTE:
    track.settings.mute.store (g_value_get_boolean (value));
    break;
  case PROP_PAN:
    track.settings.pan.store (g_value_get_double (value));
    break;
  case PROP_SOLO:
    track.settings.solo.store (g_value_get_boolean (value));
    break;
  case PROP_MAX_SIZE_TIME:
  case PROP_MAX_SIZE_BYTES:
    (id == PROP_MAX_SIZE_TIME ? track.settings.max_size_time : track.settings.max_size_bytes)
        .store (g_value_get_uint64 (value));
    if (GstObject *mixer = gst_object_get_parent (GST_OBJECT (object))) {
      mt::trackmixer::state_of (mixer).mixer.update_limits ();
      gst_object_unref (mixer);
    }
    break;
  case PROP_QOS_MESSAGES:
    track.settings.qos_messages.store (g_value_get_boolean (value));
    break;
  case PROP_EMIT_SIGNALS:
    track.settings.emit_signals.store (g_value_get_boolean (value));
    break;
  case PROP_CONVERTER_CONFIG:
    set_converter_config (
        GST_PAD (object), track, static_cast<GstStructure *> (g_value_dup_boxed (value)));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

void linked (GstPad *pad, GstPad *) noexcept
{
  track_of (pad).queue.set_linked (true);
}

void unlinked (GstPad *pad, GstPad *) noexcept
{
  track_of (pad).queue.set_linked (false);
  if (GstObject *element = gst_object_get_parent (GST_OBJECT (pad))) {
    mt::trackmixer::track_released (mt::trackmixer::state_of (element));
    gst_object_unref (element);
  }
}

void finalize (GObject *object) noexcept
{
  delete reinterpret_cast<GstTrackMixerPad *> (object)->owner;
  G_OBJECT_CLASS (gst_track_mixer_pad_parent_class)->finalize (object);
}

} // namespace

static void gst_track_mixer_pad_class_init (GstTrackMixerPadClass *klass)
{
  auto *object_class = G_OBJECT_CLASS (klass);
  object_class->get_property = get_property;
  object_class->set_property = set_property;
  object_class->finalize = finalize;
  auto *pad_class = GST_PAD_CLASS (klass);
  pad_class->linked = linked;
  pad_class->unlinked = unlinked;
  mt::trackmixer::register_converter_enums ();

  const auto read_write = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  const auto controllable = static_cast<GParamFlags> (read_write | GST_PARAM_CONTROLLABLE);
  const auto read_only = static_cast<GParamFlags> (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property (object_class, PROP_VOLUME,
      g_param_spec_double ("volume", "Volume", "Linear gain of this track", 0.0, kMaxVolume,
          kDefaultVolume, controllable));
  g_object_class_install_property (object_class, PROP_MUTE,
      g_param_spec_boolean ("mute", "Mute", "Mix silence for this track", FALSE, controllable));
  g_object_class_install_property (object_class, PROP_PAN,
      g_param_spec_double ("pan", "Pan",
          "Balance of this track, -1 (left) to 1 (right): the channels of the other side get 1 - "
          "|pan|",
          -1.0, 1.0, 0.0, controllable));
  g_object_class_install_property (object_class, PROP_SOLO,
      g_param_spec_boolean (
          "solo", "Solo", "Mix only the tracks that have this set", FALSE, controllable));
  g_object_class_install_property (object_class, PROP_MAX_SIZE_TIME,
      g_param_spec_uint64 ("max-size-time", "Maximum queue time",
          "Audio that this track's queue holds before its feeder waits, in nanoseconds (two chunks "
          "at the least); the largest number: as the element says",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, read_write));
  g_object_class_install_property (object_class, PROP_MAX_SIZE_BYTES,
      g_param_spec_uint64 ("max-size-bytes", "Maximum queue bytes",
          "What this track's queue holds before its feeder waits, in bytes, if that is less than "
          "max-size-time; 0: any number; the largest number: as the element says",
          0, G_MAXUINT64, G_MAXUINT64, read_write));
  g_object_class_install_property (object_class, PROP_QOS_MESSAGES,
      g_param_spec_boolean ("qos-messages", "Quality of service messages",
          "Post a QoS message when audio of this track came too late and is left out", FALSE,
          read_write));
  g_object_class_install_property (object_class, PROP_EMIT_SIGNALS,
      g_param_spec_boolean ("emit-signals", "Emit signals", "Emit buffer-consumed", FALSE,
          static_cast<GParamFlags> (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)));
  /**
   * GstTrackMixerPad::buffer-consumed:
   * @pad: the track
   * @buffer: as it was queued
   *
   * The mix is done with a buffer, which it may have found too late. Only with
   * #GstTrackMixerPad:emit-signals, in the thread that mixes, behind the chunk.
   */
  g_signal_new ("buffer-consumed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_FIRST, 0, nullptr,
      nullptr, nullptr, G_TYPE_NONE, 1, GST_TYPE_BUFFER);
  g_object_class_install_property (object_class, PROP_CONVERTER_CONFIG,
      g_param_spec_boxed ("converter-config", "Converter configuration",
          "Options of the GstAudioConverter of this track, for the next caps that it brings",
          GST_TYPE_STRUCTURE, read_write));
  g_object_class_install_property (object_class, PROP_CURRENT_LEVEL_TIME,
      g_param_spec_uint64 ("current-level-time", "Current level time",
          "Audio in the queue, in nanoseconds", 0, G_MAXUINT64, 0, read_only));
  g_object_class_install_property (object_class, PROP_CURRENT_LEVEL_BYTES,
      g_param_spec_uint64 ("current-level-bytes", "Current level bytes", "Bytes in the queue", 0,
          G_MAXUINT64, 0, read_only));
  g_object_class_install_property (object_class, PROP_CURRENT_LEVEL_BUFFERS,
      g_param_spec_uint64 ("current-level-buffers", "Current level buffers", "Buffers in the queue",
          0, G_MAXUINT64, 0, read_only));
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Frames in, mixed, late, dropped, silent and queued; growths; time its feeder waited",
          GST_TYPE_STRUCTURE, read_only));
}

static void gst_track_mixer_pad_init (GstTrackMixerPad *self)
{
  self->owner = new std::shared_ptr<Track>;
}
