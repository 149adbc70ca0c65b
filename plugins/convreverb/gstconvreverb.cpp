// SPDX-License-Identifier: LGPL-2.1-or-later
// convreverb: properties, states, events and queries; ReverbStream does the work.

/**
 * SECTION:element-convreverb
 * @title: convreverb
 * @short_description: convolves a stream with an impulse response
 *
 * Puts the sound into a room: convolves it with an impulse response, from a file or made up, with
 * no added latency, or with less work for a latency that is stated. In place and in the streaming
 * thread.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 audiotestsrc wave=ticks num-buffers=200 ! convreverb ! audioconvert !
 * autoaudiosink
 * ]|
 *
 */

#include "gstconvreverb.hpp"

#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <string>

#include "impulseloader.hpp"
#include "planmemory.hpp"
#include "reverbstream.hpp"

GST_DEBUG_CATEGORY (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

using namespace mt;
using convreverb::Element;

namespace mt::convreverb {

namespace {
constexpr double kDefaultDry = 0.7; // with the wet sound, a full-scale mix stays under full scale
constexpr double kDefaultWet = 0.25;
constexpr double kMaxGain = 10.0;
constexpr double kDefaultTrimDb = -90.0;
constexpr double kMaxDecaySeconds = 20.0;
constexpr double kDefaultDamping = 0.5;
constexpr GstClockTime kMaxBatchNs = GST_SECOND;
} // namespace

/// What the user asked for. `mutex` guards all of it; it is taken in property calls and at setup,
/// never while a buffer is processed.
struct Settings {
  std::string ir_location; // empty: a synthetic room
  dsp::Room room {dsp::Room::hall};
  double decay_time_s {0.0};
  double damping {kDefaultDamping};
  dsp::Normalize normalize {dsp::Normalize::energy};
  double ir_trim_db {kDefaultTrimDb};
  GstClockTime batch_ns {0};
};

struct Element {
  explicit Element (GstBaseTransform *transform) noexcept : stream {transform, gains} {}

  std::mutex mutex;
  Settings settings;
  Gains gains {kDefaultDry, kDefaultWet};
  std::atomic<bool> tail {true};

  std::optional<LoadedImpulse> loaded; // from READY → PAUSED to PAUSED → READY
  std::optional<GstAudioInfo> refused; // and said so; the same caps come again with each buffer
  ReverbStream stream;

  Settings copy_settings ()
  {
    const std::lock_guard lock {mutex};
    return settings;
  }
};

} // namespace mt::convreverb

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

static GType room_type () noexcept
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

static GType normalize_type () noexcept
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

G_DEFINE_FINAL_TYPE (GstConvReverb, gst_conv_reverb, GST_TYPE_AUDIO_FILTER)
GST_ELEMENT_REGISTER_DEFINE (convreverb, "convreverb", GST_RANK_NONE, GST_TYPE_CONV_REVERB)

static Element &element_of (gpointer object) noexcept
{
  return *GST_CONV_REVERB (object)->element;
}

// Properties

static void gst_conv_reverb_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *spec) noexcept
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
  convreverb::Settings &settings = element.settings;
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

static void gst_conv_reverb_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *spec) noexcept
{
  Element &element = element_of (object);
  const convreverb::Settings settings = element.copy_settings ();
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

// Setup

/// In READY → PAUSED, so that a file that cannot be used keeps the pipeline from starting.
static bool load (GstConvReverb *self) noexcept
{
  Element &element = element_of (self);
  try {
    const std::string path = element.copy_settings ().ir_location;
    element.loaded.reset ();
    convreverb::recall_plans ();
    if (!path.empty ())
      element.loaded = convreverb::load_impulse (path);
    return true;
  } catch (const convreverb::LoadError &error) {
    GST_ELEMENT_ERROR (self, RESOURCE, READ, ("%s", error.what ()), (nullptr));
  } catch (const std::exception &error) {
    GST_ELEMENT_ERROR (
        self, RESOURCE, READ, ("The impulse response cannot be loaded."), ("%s", error.what ()));
  }
  return false;
}

static GstStateChangeReturn gst_conv_reverb_change_state (
    GstElement *object, GstStateChange transition) noexcept
{
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !load (GST_CONV_REVERB (object)))
    return GST_STATE_CHANGE_FAILURE;
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (gst_conv_reverb_parent_class)->change_state (object, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    Element &element = element_of (object);
    element.stream.clear ();
    element.loaded.reset ();
    element.refused.reset ();
  }
  return result;
}

/// The impulse response at the stream's rate, ready to be convolved with. Throws LoadError.
static dsp::Impulse make_impulse (
    const Element &element, const convreverb::Settings &settings, const GstAudioInfo &info)
{
  const auto channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info));
  const int rate_hz = GST_AUDIO_INFO_RATE (&info);
  dsp::Impulse impulse;
  if (element.loaded) {
    const std::size_t given = element.loaded->impulse.channels;
    if (given != 1 && given != channels)
      throw convreverb::LoadError ("Impulse response '" + settings.ir_location + "' has " +
          std::to_string (given) + " channels and the stream has " + std::to_string (channels) +
          ". It needs 1, for every channel of the stream, or as many as the "
          "stream. Convert the stream to " +
          std::to_string (given) + " channels in front of convreverb, or the file to 1 or " +
          std::to_string (channels) + ".");
    impulse = convreverb::resample_impulse (*element.loaded, rate_hz);
  } else {
    impulse = dsp::synthesize_room (
        settings.room, {settings.decay_time_s, settings.damping}, rate_hz, channels);
  }
  dsp::trim (impulse, settings.ir_trim_db);
  dsp::normalize (impulse, settings.normalize);
  return impulse;
}

static gboolean gst_conv_reverb_setup (GstAudioFilter *filter, const GstAudioInfo *info) noexcept
{
  Element &element = element_of (filter);
  if (element.refused && gst_audio_info_is_equal (info, &*element.refused))
    return FALSE;
  if (element.stream.is_configured ()) {
    if (gst_audio_info_is_equal (info, &element.stream.info ()))
      return TRUE;
    element.stream.finish (false); // in the old format, which is still the one downstream knows
  }
  try {
    const convreverb::Settings settings = element.copy_settings ();
    element.stream.configure (*info, make_impulse (element, settings, *info), settings.batch_ns);
    element.refused.reset ();
    return TRUE;
  } catch (const convreverb::LoadError &error) {
    GST_ELEMENT_ERROR (filter, LIBRARY, SETTINGS, ("%s", error.what ()), (nullptr));
  } catch (const std::exception &error) {
    GST_ELEMENT_ERROR (filter, RESOURCE, NO_SPACE_LEFT,
        ("The impulse response cannot be prepared."), ("%s", error.what ()));
  }
  element.refused = *info;
  return FALSE;
}

// Streaming

static GstFlowReturn gst_conv_reverb_submit_input_buffer (
    GstBaseTransform *transform, gboolean is_discont, GstBuffer *input) noexcept
{
  // What lies outside of the segment is not heard, so it must not ring either.
  const GstAudioInfo *const info = GST_AUDIO_FILTER_INFO (transform);
  if (GST_AUDIO_INFO_IS_VALID (info) && transform->segment.format == GST_FORMAT_TIME) {
    input = gst_audio_buffer_clip (
        input, &transform->segment, GST_AUDIO_INFO_RATE (info), GST_AUDIO_INFO_BPF (info));
    if (!input)
      return GST_BASE_TRANSFORM_FLOW_DROPPED;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_conv_reverb_parent_class)
      ->submit_input_buffer (transform, is_discont, input);
}

static GstFlowReturn gst_conv_reverb_transform_ip (
    GstBaseTransform *transform, GstBuffer *buffer) noexcept
{
  return element_of (transform).stream.process (buffer);
}

/// A gap rings like silence; only what is left of it goes on as a gap.
static gboolean pass_gap_event (GstBaseTransform *transform, GstEvent *event) noexcept
{
  convreverb::ReverbStream &stream = element_of (transform).stream;
  GstClockTime start = 0, duration = 0;
  gst_event_parse_gap (event, &start, &duration);
  if (stream.has_started () && GST_CLOCK_TIME_IS_VALID (duration)) {
    const GstClockTime end = start + duration;
    const GstClockTime silent_from = stream.pass_gap (end);
    gst_event_unref (event);
    if (!GST_CLOCK_TIME_IS_VALID (silent_from) || silent_from >= end)
      return TRUE;
    event = gst_event_new_gap (silent_from, end - silent_from);
  }
  return GST_BASE_TRANSFORM_CLASS (gst_conv_reverb_parent_class)->sink_event (transform, event);
}

static gboolean gst_conv_reverb_sink_event (GstBaseTransform *transform, GstEvent *event) noexcept
{
  Element &element = element_of (transform);
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_EOS:
  case GST_EVENT_SEGMENT_DONE:
    element.stream.finish (element.tail);
    break;
  case GST_EVENT_FLUSH_STOP:
    element.stream.reset ();
    break;
  case GST_EVENT_SEGMENT: {
    const GstSegment *segment = nullptr;
    gst_event_parse_segment (event, &segment);
    element.stream.enter_segment (*segment);
    break;
  }
  case GST_EVENT_GAP:
    return pass_gap_event (transform, event);
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_conv_reverb_parent_class)->sink_event (transform, event);
}

static gboolean gst_conv_reverb_query (
    GstBaseTransform *transform, GstPadDirection direction, GstQuery *query) noexcept
{
  if (direction == GST_PAD_SRC && GST_QUERY_TYPE (query) == GST_QUERY_LATENCY) {
    if (!gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (transform), query))
      return FALSE;
    gboolean live = FALSE;
    GstClockTime min = 0, max = 0;
    gst_query_parse_latency (query, &live, &min, &max);
    const GstClockTime own = element_of (transform).stream.latency_ns ();
    gst_query_set_latency (query, live, min + own, GST_CLOCK_TIME_IS_VALID (max) ? max + own : max);
    return TRUE;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_conv_reverb_parent_class)
      ->query (transform, direction, query);
}

// Type

static void gst_conv_reverb_init (GstConvReverb *self)
{
  // The one allocation of the instance; without memory GLib would have ended the process before.
  self->element = new Element {GST_BASE_TRANSFORM (self)};
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
  gst_base_transform_set_gap_aware (GST_BASE_TRANSFORM (self), TRUE);
}

static void gst_conv_reverb_finalize (GObject *object) noexcept
{
  delete GST_CONV_REVERB (object)->element;
  G_OBJECT_CLASS (gst_conv_reverb_parent_class)->finalize (object);
}

static void install_properties (GObjectClass *object_class) noexcept
{
  const auto playing = static_cast<GParamFlags> (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE);
  const auto ready = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto any = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity ();
  using namespace mt::convreverb;

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
}

static void gst_conv_reverb_class_init (GstConvReverbClass *klass)
{
  GST_DEBUG_CATEGORY_INIT (gst_conv_reverb_debug, "convreverb", 0, "convolution reverb");
  GObjectClass *const object_class = G_OBJECT_CLASS (klass);
  object_class->set_property = gst_conv_reverb_set_property;
  object_class->get_property = gst_conv_reverb_get_property;
  object_class->finalize = gst_conv_reverb_finalize;
  install_properties (object_class);

  GstElementClass *const element_class = GST_ELEMENT_CLASS (klass);
  element_class->change_state = gst_conv_reverb_change_state;
  gst_element_class_set_static_metadata (element_class, "Convolution reverb", "Filter/Effect/Audio",
      "Convolves the stream with an impulse response, with no added latency or in batches",
      PACKAGE_NAME);
  GstCaps *const caps = gst_caps_from_string ("audio/x-raw, format=" GST_AUDIO_NE (
      F32) ", rate=[1, max], channels=[1, 64], layout=interleaved");
  gst_audio_filter_class_add_pad_templates (GST_AUDIO_FILTER_CLASS (klass), caps);
  gst_caps_unref (caps);

  GST_AUDIO_FILTER_CLASS (klass)->setup = gst_conv_reverb_setup;
  GstBaseTransformClass *const transform_class = GST_BASE_TRANSFORM_CLASS (klass);
  transform_class->submit_input_buffer = gst_conv_reverb_submit_input_buffer;
  transform_class->transform_ip = gst_conv_reverb_transform_ip;
  transform_class->sink_event = gst_conv_reverb_sink_event;
  transform_class->query = gst_conv_reverb_query;

  gst_type_mark_as_plugin_api (room_type (), static_cast<GstPluginAPIFlags> (0));
  gst_type_mark_as_plugin_api (normalize_type (), static_cast<GstPluginAPIFlags> (0));
}
