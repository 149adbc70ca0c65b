// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of convreverb.
#include <array>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "arrayvalues.hpp"
#include "element.hpp"
#include "filecheck.hpp"

namespace mt::convreverb {

namespace {

constexpr double kMaxGain = 10.0;
constexpr double kMaxDecaySeconds = 20.0;
constexpr GstClockTime kMaxBatchNs = GST_SECOND;
constexpr GstClockTime kMaxPreDelayNs = GST_SECOND;
constexpr double kMinGainDb = -120.0;
constexpr double kMaxGainDb = 60.0;

enum Property {
  PROP_0,
  PROP_IR_LOCATION,
  PROP_IR,
  PROP_KERNEL,
  PROP_PRESET_ROOM,
  PROP_DECAY_TIME,
  PROP_DAMPING,
  PROP_DRY,
  PROP_WET,
  PROP_MIX,
  PROP_NORMALIZE,
  PROP_IR_GAIN,
  PROP_IR_TRIM,
  PROP_IR_ROUTING,
  PROP_PRE_DELAY,
  PROP_BATCH_DURATION,
  PROP_SCHEDULE,
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

GType schedule_type () noexcept
{
  static const GEnumValue values[] = {
      {static_cast<gint> (dsp::Schedule::spread),
          "In slices until it is due: the worst buffer is "
          "short",
          "spread"},
      {static_cast<gint> (dsp::Schedule::spike), "At once: the mean is a little lower", "spike"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static ("GstConvReverbSchedule", values);
  return type;
}

/// The share of the wet sound. With the gains that set_mix() sets, to the bit what it was given.
double mix_of (double dry, double wet) noexcept
{
  return dry + wet > 0.0 ? wet / (dry + wet) : 0.0;
}

/// Gains take effect with the next buffer. False when the property is none.
bool set_gain (GObject *object, guint id, const GValue *value) noexcept
{
  Gains &gains = element_of (object).gains;
  switch (id) {
  case PROP_DRY:
    gains.dry = g_value_get_double (value);
    g_object_notify (object, "mix");
    return true;
  case PROP_WET:
    gains.wet = g_value_get_double (value);
    g_object_notify (object, "mix");
    return true;
  case PROP_MIX:
    gains.dry = 1.0 - g_value_get_double (value);
    gains.wet = g_value_get_double (value);
    g_object_notify (object, "dry");
    g_object_notify (object, "wet");
    return true;
  default:
    return false;
  }
}

void set_location (ImpulseSettings &impulse, const char *path)
{
  if (path && *path)
    impulse.clear_source ();
  impulse.location = path ? path : "";
  impulse.location_stamp = find_file_stamp (impulse.location);
}

void set_sample (ImpulseSettings &impulse, GstSample *sample)
{
  if (sample && sample == impulse.sample.get ())
    return;
  if (sample)
    impulse.clear_source ();
  impulse.sample.reset ();
  if (sample)
    impulse.sample = {gst_sample_ref (sample), [] (GstSample *s) { gst_sample_unref (s); }};
}

bool is_same (const dsp::Impulse *a, const dsp::Impulse *b) noexcept
{
  return a && b && a->channels == b->channels && a->samples == b->samples;
}

/// With a fault, all but that stays as it was.
void set_kernel (ImpulseSettings &impulse, const GValue *array)
{
  try {
    auto kernel = kernel_from (array);
    // It has no rate, so no seconds either.
    const std::string fault = kernel
        ? dsp::find_fault (*kernel, std::numeric_limits<double>::infinity ())
        : std::string {};
    if (!fault.empty ())
      throw std::invalid_argument ("cannot be used: " + fault);
    impulse.kernel_fault.clear ();
    if (is_same (kernel.get (), impulse.kernel.get ()))
      return;
    if (kernel)
      impulse.clear_source ();
    impulse.kernel = std::move (kernel);
  } catch (const std::invalid_argument &fault) {
    impulse.kernel_fault = fault.what ();
  } catch (const std::bad_alloc &) {
    impulse.kernel_fault = "needs more memory than there is";
  }
}

/// With a fault, all but that stays as it was.
void set_routing (ImpulseSettings &impulse, const GValue *array)
{
  try {
    impulse.routing = routing_from (array);
    impulse.routing_fault.clear ();
  } catch (const std::invalid_argument &fault) {
    impulse.routing_fault = fault.what ();
  } catch (const std::bad_alloc &) {
    impulse.routing_fault = "needs more memory than there is";
  }
}

/// The fault that the last call of set_impulse() found, if any. It is not kept: who is told at once
/// needs no error at the next start.
std::string take_fault (ImpulseSettings &impulse, guint id)
{
  if (id == PROP_KERNEL)
    return std::exchange (impulse.kernel_fault, {});
  if (id == PROP_IR_ROUTING)
    return std::exchange (impulse.routing_fault, {});
  return {};
}

/// Of the impulse response. False when the property is none of it. May throw std::bad_alloc.
bool set_impulse (ImpulseSettings &impulse, guint id, const GValue *value)
{
  switch (id) {
  case PROP_IR_LOCATION:
    set_location (impulse, g_value_get_string (value));
    return true;
  case PROP_IR:
    set_sample (impulse, gst_value_get_sample (value));
    return true;
  case PROP_KERNEL:
    set_kernel (impulse, value);
    return true;
  case PROP_PRESET_ROOM:
    impulse.room = static_cast<dsp::Room> (g_value_get_enum (value));
    return true;
  case PROP_DECAY_TIME:
    impulse.decay_time_s = g_value_get_double (value);
    return true;
  case PROP_DAMPING:
    impulse.damping = g_value_get_double (value);
    return true;
  case PROP_NORMALIZE:
    impulse.normalize = static_cast<dsp::Normalize> (g_value_get_enum (value));
    return true;
  case PROP_IR_GAIN:
    impulse.gain_db = g_value_get_double (value);
    return true;
  case PROP_IR_TRIM:
    impulse.trim_db = g_value_get_double (value);
    return true;
  case PROP_IR_ROUTING:
    set_routing (impulse, value);
    return true;
  case PROP_PRE_DELAY:
    impulse.pre_delay_ns = g_value_get_uint64 (value);
    return true;
  default:
    return false;
  }
}

Part part_of (guint id) noexcept
{
  switch (id) {
  case PROP_IR_ROUTING:
    return Part::routing;
  case PROP_PRESET_ROOM:
    return Part::room;
  case PROP_DECAY_TIME:
    return Part::decay_time;
  case PROP_DAMPING:
    return Part::damping;
  case PROP_NORMALIZE:
    return Part::normalize;
  case PROP_IR_GAIN:
    return Part::gain;
  case PROP_IR_TRIM:
    return Part::trim;
  case PROP_PRE_DELAY:
    return Part::pre_delay;
  default: // ir-location, ir and kernel take each other's place
    return Part::source;
  }
}

/// What setting a property did.
struct Outcome {
  std::string fault; // none: empty
  Sources before {}, after {};
};

/// What the mutex guards. Says what is wrong with the value when the element runs; otherwise that
/// is for the next start to tell.
Outcome set_guarded (Element &element, guint id, const GValue *value, GParamSpec *spec)
{
  // What is replaced is freed after the lock: an application's sample may call back.
  std::shared_ptr<GstSample> old_sample;
  std::shared_ptr<const dsp::Impulse> old_kernel;
  const std::lock_guard lock {element.mutex};
  Settings &settings = element.settings;
  old_sample = settings.impulse.sample;
  old_kernel = settings.impulse.kernel;
  Outcome outcome;
  outcome.before = sources_of (settings.impulse);
  switch (id) {
  case PROP_BATCH_DURATION:
    settings.batch_ns = g_value_get_uint64 (value);
    return {};
  case PROP_SCHEDULE:
    settings.schedule = static_cast<dsp::Schedule> (g_value_get_enum (value));
    return {};
  default:
    break;
  }
  if (!set_impulse (settings.impulse, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (element.transform, id, spec);
    return {};
  }
  outcome.after = sources_of (settings.impulse);
  ++settings.revisions[static_cast<std::size_t> (part_of (id))];
  if (!element.running)
    return outcome;
  outcome.fault = take_fault (settings.impulse, id);
  if (outcome.fault.empty () && !element.held)
    element.worker.request ();
  return outcome;
}

void set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec) noexcept
{
  Element &element = element_of (object);
  if ((spec->flags & GST_PARAM_MUTABLE_READY) && GST_STATE (object) > GST_STATE_READY)
    GST_ELEMENT_WARNING (object, LIBRARY, SETTINGS,
        ("'%s' was set while running; it takes effect at the next start.", spec->name),
        ("set it in NULL or READY"));
  if (set_gain (object, id, value))
    return;
  if (id == PROP_TAIL) {
    element.tail = g_value_get_boolean (value);
    return;
  }
  try {
    const Outcome outcome = set_guarded (element, id, value, spec);
    notify_cleared (object, outcome.before, outcome.after);
    if (!outcome.fault.empty ())
      GST_ELEMENT_WARNING (object, LIBRARY, SETTINGS,
          ("'%s' %s. It stays as it was.", spec->name, outcome.fault.c_str ()), (nullptr));
  } catch (const std::bad_alloc &) {
    GST_ELEMENT_WARNING (object, RESOURCE, NO_SPACE_LEFT,
        ("There is not enough memory to set '%s'.", spec->name), (nullptr));
  }
}

/// Of the impulse response. False when the property is none of it.
bool get_impulse (const ImpulseSettings &impulse, guint id, GValue *value) noexcept
{
  switch (id) {
  case PROP_IR_LOCATION:
    g_value_set_string (value, impulse.location.empty () ? nullptr : impulse.location.c_str ());
    return true;
  case PROP_IR:
    gst_value_set_sample (value, impulse.sample.get ());
    return true;
  case PROP_KERNEL:
    kernel_to (value, impulse.kernel.get ());
    return true;
  case PROP_PRESET_ROOM:
    g_value_set_enum (value, static_cast<gint> (impulse.room));
    return true;
  case PROP_DECAY_TIME:
    g_value_set_double (value, impulse.decay_time_s);
    return true;
  case PROP_DAMPING:
    g_value_set_double (value, impulse.damping);
    return true;
  case PROP_NORMALIZE:
    g_value_set_enum (value, static_cast<gint> (impulse.normalize));
    return true;
  case PROP_IR_GAIN:
    g_value_set_double (value, impulse.gain_db);
    return true;
  case PROP_IR_TRIM:
    g_value_set_double (value, impulse.trim_db);
    return true;
  case PROP_IR_ROUTING:
    routing_to (value, impulse.routing);
    return true;
  case PROP_PRE_DELAY:
    g_value_set_uint64 (value, impulse.pre_delay_ns);
    return true;
  default:
    return false;
  }
}

void get_property (GObject *object, guint id, GValue *value, GParamSpec *spec) noexcept
{
  Element &element = element_of (object);
  const Settings settings = element.copy_settings ();
  switch (id) {
  case PROP_DRY:
    g_value_set_double (value, element.gains.dry);
    break;
  case PROP_WET:
    g_value_set_double (value, element.gains.wet);
    break;
  case PROP_MIX:
    g_value_set_double (value, mix_of (element.gains.dry, element.gains.wet));
    break;
  case PROP_BATCH_DURATION:
    g_value_set_uint64 (value, settings.batch_ns);
    break;
  case PROP_SCHEDULE:
    g_value_set_enum (value, static_cast<gint> (settings.schedule));
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
    if (!get_impulse (settings.impulse, id, value))
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

} // namespace

void notify_cleared (GObject *object, const Sources &before, const Sources &after) noexcept
{
  static constexpr std::array names {"ir-location", "ir", "kernel"};
  for (std::size_t i = 0; i < names.size (); ++i)
    if (before[i] && !after[i])
      g_object_notify (object, names[i]);
}

void install_properties (GObjectClass *object_class) noexcept
{
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  const auto playing = static_cast<GParamFlags> (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE);
  const auto ready = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto live = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity ();

  g_object_class_install_property (object_class, PROP_IR_LOCATION,
      g_param_spec_string ("ir-location", "Impulse response file",
          "File of the impulse response, anything that GStreamer decodes; none: preset-room",
          nullptr, live));
  g_object_class_install_property (object_class, PROP_IR,
      g_param_spec_boxed ("ir", "Impulse response",
          "The impulse response as a sample of raw audio of any format; none: ir-location, kernel "
          "or preset-room",
          GST_TYPE_SAMPLE, live));
  // Of numbers, or of arrays of numbers, so that no element type can be named.
  g_object_class_install_property (object_class, PROP_KERNEL,
      gst_param_spec_array ("kernel", "Kernel",
          "The impulse response as an array of numbers, or one array for each channel, at the "
          "stream's rate; empty: ir-location, ir or preset-room",
          nullptr, live));
  g_object_class_install_property (object_class, PROP_PRESET_ROOM,
      g_param_spec_enum ("preset-room", "Preset room",
          "Synthetic room that is used without ir-location, ir and kernel", room_type (),
          static_cast<gint> (dsp::Room::hall), live));
  g_object_class_install_property (object_class, PROP_DECAY_TIME,
      g_param_spec_double ("decay-time", "Decay time",
          "Seconds in which the preset room's sound falls by 60 dB (0 = the room's own)", 0.0,
          kMaxDecaySeconds, 0.0, live));
  g_object_class_install_property (object_class, PROP_DAMPING,
      g_param_spec_double ("damping", "Damping",
          "How much faster the preset room's highs decay (0 = as the rest, 1 = in half the time)",
          0.0, 1.0, kDefaultDamping, live));
  g_object_class_install_property (object_class, PROP_DRY,
      g_param_spec_double ("dry", "Dry gain", "Linear gain of the input in the output", 0.0,
          kMaxGain, kDefaultDry, playing));
  g_object_class_install_property (object_class, PROP_WET,
      g_param_spec_double ("wet", "Wet gain", "Linear gain of the convolved sound in the output",
          0.0, kMaxGain, kDefaultWet, playing));
  g_object_class_install_property (object_class, PROP_MIX,
      g_param_spec_double ("mix", "Mix",
          "Share of the convolved sound: sets dry to 1 - mix and wet to mix", 0.0, 1.0,
          mix_of (kDefaultDry, kDefaultWet), playing));
  g_object_class_install_property (object_class, PROP_NORMALIZE,
      g_param_spec_enum ("normalize", "Normalize", "How the impulse response is scaled",
          normalize_type (), static_cast<gint> (dsp::Normalize::energy), live));
  g_object_class_install_property (object_class, PROP_IR_GAIN,
      g_param_spec_double ("ir-gain", "Gain of the impulse response",
          "Gain of the impulse response after normalize, in dB", kMinGainDb, kMaxGainDb, 0.0,
          live));
  g_object_class_install_property (object_class, PROP_IR_TRIM,
      g_param_spec_double ("ir-trim", "Trim",
          "The end of the impulse response is cut where it stays so many dB under its peak (-inf = "
          "keep all)",
          kMinusInfinity, 0.0, kDefaultTrimDb, live));
  g_object_class_install_property (object_class, PROP_IR_ROUTING,
      gst_param_spec_array ("ir-routing", "Routing",
          "For each output channel a row, in it for each input channel the channel of the impulse "
          "response from there to here, from 0, or -1 for none; empty: by the number of channels",
          nullptr, live));
  g_object_class_install_property (object_class, PROP_PRE_DELAY,
      g_param_spec_uint64 ("pre-delay", "Pre-delay",
          "Silence in front of the impulse response, ns; the dry sound is not delayed", 0,
          kMaxPreDelayNs, 0, live));
  g_object_class_install_property (object_class, PROP_BATCH_DURATION,
      g_param_spec_uint64 ("batch-duration", "Batch duration",
          "Sound that is gathered for one transform, ns; rounded to whole input buffers, of which "
          "one "
          "adds no latency (0 = no added latency)",
          0, kMaxBatchNs, 0, ready));
  g_object_class_install_property (object_class, PROP_SCHEDULE,
      g_param_spec_enum ("schedule", "Schedule",
          "When the work on the later parts of the impulse response is done", schedule_type (),
          static_cast<gint> (dsp::Schedule::spread), ready));
  g_object_class_install_property (object_class, PROP_TAIL,
      g_param_spec_boolean ("tail", "Tail",
          "Let the sound ring out after the end of the stream; without it, the output is as long "
          "as "
          "the input",
          TRUE, live));
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics", "How the work is laid out and what it cost",
          GST_TYPE_STRUCTURE,
          static_cast<GParamFlags> (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  gst_type_mark_as_plugin_api (room_type (), static_cast<GstPluginAPIFlags> (0));
  gst_type_mark_as_plugin_api (normalize_type (), static_cast<GstPluginAPIFlags> (0));
  gst_type_mark_as_plugin_api (schedule_type (), static_cast<GstPluginAPIFlags> (0));
}

} // namespace mt::convreverb
