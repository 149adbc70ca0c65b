// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of convreverb.
#include <limits>

#include "element.hpp"

namespace mt::convreverb {

namespace {

constexpr double kMaxGain = 10.0;
constexpr double kMaxDecaySeconds = 20.0;
constexpr GstClockTime kMaxBatchNs = GST_SECOND;

enum Property {
  PROP_0,
  PROP_IR_LOCATION,
  PROP_PRESET_ROOM,
  PROP_DECAY_TIME,
  PROP_DAMPING,
  PROP_DRY,
  PROP_WET,
  PROP_NORMALIZE,
  PROP_IR_TRIM,
  PROP_BATCH_DURATION,
  PROP_TAIL,
  PROP_STATS,
};

GType room_type () noexcept
{
  static const GEnumValue values[] = {
      {static_cast<gint> (dsp::Room::small_room), "Small room, 0.5 s", "small-room"},
      {static_cast<gint> (dsp::Room::hall), "Concert hall, 2 s", "hall"},
      {static_cast<gint> (dsp::Room::plate), "Plate, 1.8 s", "plate"},
      {static_cast<gint> (dsp::Room::cathedral), "Cathedral, 5.5 s", "cathedral"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static ("GstConvReverbRoom", values);
  return type;
}

GType normalize_type () noexcept
{
  static const GEnumValue values[] = {
      {static_cast<gint> (dsp::Normalize::energy), "Sum of squares is 1, averaged over channels",
          "energy"},
      {static_cast<gint> (dsp::Normalize::peak), "Largest sample is 1", "peak"},
      {static_cast<gint> (dsp::Normalize::none), "As in the file", "none"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static ("GstConvReverbNormalize", values);
  return type;
}

void set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec) noexcept
{
  Element &element = element_of (object);
  if ((spec->flags & GST_PARAM_MUTABLE_READY) && GST_STATE (object) > GST_STATE_READY)
    GST_ELEMENT_WARNING (object, LIBRARY, SETTINGS,
        ("'%s' was set while running; it takes effect at the next start.", spec->name),
        ("set it in NULL or READY"));
  switch (id) {
  case PROP_DRY:
    element.gains.dry = g_value_get_double (value);
    return;
  case PROP_WET:
    element.gains.wet = g_value_get_double (value);
    return;
  case PROP_TAIL:
    element.tail = g_value_get_boolean (value);
    return;
  default:
    break;
  }
  const std::lock_guard lock {element.mutex};
  Settings &settings = element.settings;
  switch (id) {
  case PROP_IR_LOCATION: {
    const char *const path = g_value_get_string (value);
    settings.ir_location = path ? path : "";
    break;
  }
  case PROP_PRESET_ROOM:
    settings.room = static_cast<dsp::Room> (g_value_get_enum (value));
    break;
  case PROP_DECAY_TIME:
    settings.decay_time_s = g_value_get_double (value);
    break;
  case PROP_DAMPING:
    settings.damping = g_value_get_double (value);
    break;
  case PROP_NORMALIZE:
    settings.normalize = static_cast<dsp::Normalize> (g_value_get_enum (value));
    break;
  case PROP_IR_TRIM:
    settings.ir_trim_db = g_value_get_double (value);
    break;
  case PROP_BATCH_DURATION:
    settings.batch_ns = g_value_get_uint64 (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

void get_property (GObject *object, guint id, GValue *value, GParamSpec *spec) noexcept
{
  Element &element = element_of (object);
  const Settings settings = element.copy_settings ();
  switch (id) {
  case PROP_IR_LOCATION:
    g_value_set_string (
        value, settings.ir_location.empty () ? nullptr : settings.ir_location.c_str ());
    break;
  case PROP_PRESET_ROOM:
    g_value_set_enum (value, static_cast<gint> (settings.room));
    break;
  case PROP_DECAY_TIME:
    g_value_set_double (value, settings.decay_time_s);
    break;
  case PROP_DAMPING:
    g_value_set_double (value, settings.damping);
    break;
  case PROP_DRY:
    g_value_set_double (value, element.gains.dry);
    break;
  case PROP_WET:
    g_value_set_double (value, element.gains.wet);
    break;
  case PROP_NORMALIZE:
    g_value_set_enum (value, static_cast<gint> (settings.normalize));
    break;
  case PROP_IR_TRIM:
    g_value_set_double (value, settings.ir_trim_db);
    break;
  case PROP_BATCH_DURATION:
    g_value_set_uint64 (value, settings.batch_ns);
    break;
  case PROP_TAIL:
    g_value_set_boolean (value, element.tail);
    break;
  case PROP_STATS: {
    GstStructure *const stats = gst_structure_new_empty ("application/x-convreverb-stats");
    element.stream.describe (stats);
    g_value_take_boxed (value, stats);
    break;
  }
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

} // namespace

void install_properties (GObjectClass *object_class) noexcept
{
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  const auto playing = static_cast<GParamFlags> (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE);
  const auto ready = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto any = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity ();

  g_object_class_install_property (object_class, PROP_IR_LOCATION,
      g_param_spec_string ("ir-location", "Impulse response file",
          "File of the impulse response, anything that GStreamer decodes; none: preset-room",
          nullptr, ready));
  g_object_class_install_property (object_class, PROP_PRESET_ROOM,
      g_param_spec_enum ("preset-room", "Preset room",
          "Synthetic room that is used without ir-location", room_type (),
          static_cast<gint> (dsp::Room::hall), ready));
  g_object_class_install_property (object_class, PROP_DECAY_TIME,
      g_param_spec_double ("decay-time", "Decay time",
          "Seconds in which the preset room's sound falls by 60 dB (0 = the room's own)", 0.0,
          kMaxDecaySeconds, 0.0, ready));
  g_object_class_install_property (object_class, PROP_DAMPING,
      g_param_spec_double ("damping", "Damping",
          "How much faster the preset room's highs decay (0 = as the rest, 1 = in half the time)",
          0.0, 1.0, kDefaultDamping, ready));
  g_object_class_install_property (object_class, PROP_DRY,
      g_param_spec_double ("dry", "Dry gain", "Linear gain of the input in the output", 0.0,
          kMaxGain, kDefaultDry, playing));
  g_object_class_install_property (object_class, PROP_WET,
      g_param_spec_double ("wet", "Wet gain", "Linear gain of the convolved sound in the output",
          0.0, kMaxGain, kDefaultWet, playing));
  g_object_class_install_property (object_class, PROP_NORMALIZE,
      g_param_spec_enum ("normalize", "Normalize", "How the impulse response is scaled",
          normalize_type (), static_cast<gint> (dsp::Normalize::energy), ready));
  g_object_class_install_property (object_class, PROP_IR_TRIM,
      g_param_spec_double ("ir-trim", "Trim",
          "The end of the impulse response is cut where it stays so many dB under its peak (-inf = "
          "keep all)",
          kMinusInfinity, 0.0, kDefaultTrimDb, ready));
  g_object_class_install_property (object_class, PROP_BATCH_DURATION,
      g_param_spec_uint64 ("batch-duration", "Batch duration",
          "Sound that is gathered for one transform, ns; rounded to whole input buffers, of which "
          "one "
          "adds no latency (0 = no added latency)",
          0, kMaxBatchNs, 0, ready));
  g_object_class_install_property (object_class, PROP_TAIL,
      g_param_spec_boolean ("tail", "Tail",
          "Let the sound ring out after the end of the stream; without it, the output is as long "
          "as "
          "the input",
          TRUE, any));
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics", "How the work is laid out and what it cost",
          GST_TYPE_STRUCTURE,
          static_cast<GParamFlags> (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  gst_type_mark_as_plugin_api (room_type (), static_cast<GstPluginAPIFlags> (0));
  gst_type_mark_as_plugin_api (normalize_type (), static_cast<GstPluginAPIFlags> (0));
}

} // namespace mt::convreverb
