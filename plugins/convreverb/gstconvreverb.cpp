// SPDX-License-Identifier: LGPL-2.1-or-later
// convreverb: states, caps, events and queries; ReverbStream does the work.

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
 * gst-launch-1.0 audiotestsrc wave=saw freq=1 num-buffers=200 ! convreverb ! audioconvert !
 * autoaudiosink
 * ]|
 *
 */

#include "gstconvreverb.hpp"

#include <exception>
#include <new>
#include <string>

#include "element.hpp"
#include "planmemory.hpp"

GST_DEBUG_CATEGORY (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

using namespace mt;
using convreverb::Element;
using convreverb::element_of;

static void gst_conv_reverb_preset_init (gpointer interface, gpointer) noexcept;

G_DEFINE_FINAL_TYPE_WITH_CODE (GstConvReverb, gst_conv_reverb, GST_TYPE_AUDIO_FILTER,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, gst_conv_reverb_preset_init))
GST_ELEMENT_REGISTER_DEFINE (convreverb, "convreverb", GST_RANK_NONE, GST_TYPE_CONV_REVERB)

// Setup

/// In READY → PAUSED, so that a file that cannot be used keeps the pipeline from starting.
static bool load (GstConvReverb *self) noexcept
{
  Element &element = element_of (self);
  element.stopping = false;
  try {
    convreverb::recall_plans ();
    const convreverb::ImpulseSettings settings = element.copy_settings ().impulse;
    auto source = convreverb::load_source (settings, nullptr, [] { return false; });
    const std::lock_guard lock {element.mutex};
    element.source = std::move (source);
    element.running = true;
    if (element.settings.impulse != settings) // set meanwhile
      element.worker.request ();
    return true;
  } catch (const convreverb::LoadError &error) {
    GST_ELEMENT_ERROR (self, RESOURCE, READ, ("%s", error.what ()), (nullptr));
  } catch (const std::exception &error) {
    GST_ELEMENT_ERROR (
        self, RESOURCE, READ, ("The impulse response cannot be loaded."), ("%s", error.what ()));
  }
  return false;
}

/// Back to READY, or never away from it.
static void stop (Element &element) noexcept
{
  std::shared_ptr<const convreverb::ImpulseSource> old; // freed after the lock, see properties.cpp
  {
    const std::lock_guard lock {element.mutex};
    element.running = false;
  }
  element.worker.stop ();
  element.stream.clear ();
  element.refused.reset ();
  const std::lock_guard lock {element.mutex};
  old.swap (element.source);
}

static GstStateChangeReturn gst_conv_reverb_change_state (
    GstElement *object, GstStateChange transition) noexcept
{
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !load (GST_CONV_REVERB (object)))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    element_of (object).stopping = true; // what the streaming thread makes now is of no use
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (gst_conv_reverb_parent_class)->change_state (object, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE))
    stop (element_of (object));
  return result;
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
    const auto source = element.copy_source ();
    auto impulse =
        convreverb::make_impulse (*source, *info, [&element] { return element.stopping.load (); });
    element.refused.reset ();
    if (impulse)
      element.stream.configure (
          *info, source, std::move (*impulse), settings.batch_ns, settings.schedule);
    else // cancelled: transform_ip() says that this is the end, whatever the format before
      element.stream.clear ();
    return TRUE;
  } catch (const convreverb::LoadError &error) {
    GST_ELEMENT_ERROR (filter, LIBRARY, SETTINGS, ("%s", error.what ()), (nullptr));
  } catch (const std::bad_alloc &) {
    GST_ELEMENT_ERROR (filter, RESOURCE, NO_SPACE_LEFT,
        ("There is not enough memory for the impulse response at %d Hz and %d channels. Use a "
         "shorter one, a lower rate or fewer channels.",
            GST_AUDIO_INFO_RATE (info), GST_AUDIO_INFO_CHANNELS (info)),
        (nullptr));
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
    const gsize whole = gst_buffer_get_size (input);
    input = gst_audio_buffer_clip (
        input, &transform->segment, GST_AUDIO_INFO_RATE (info), GST_AUDIO_INFO_BPF (info));
    if (!input)
      return GST_BASE_TRANSFORM_FLOW_DROPPED;
    if (gst_buffer_get_size (input) < whole)
      element_of (transform).stream.expect_part_of (
          whole / static_cast<gsize> (GST_AUDIO_INFO_BPF (info)));
  }
  return GST_BASE_TRANSFORM_CLASS (gst_conv_reverb_parent_class)
      ->submit_input_buffer (transform, is_discont, input);
}

static GstFlowReturn gst_conv_reverb_transform_ip (
    GstBaseTransform *transform, GstBuffer *buffer) noexcept
{
  convreverb::ReverbStream &stream = element_of (transform).stream;
  return stream.is_configured () ? stream.process (buffer) : GST_FLOW_FLUSHING;
}

/// A gap rings like silence; only what is left of it goes on as a gap.
static gboolean pass_gap_event (GstBaseTransform *transform, GstEvent *event) noexcept
{
  convreverb::ReverbStream &stream = element_of (transform).stream;
  GstClockTime start = 0, duration = 0;
  gst_event_parse_gap (event, &start, &duration);
  if (stream.has_place () && GST_CLOCK_TIME_IS_VALID (duration)) {
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

// Presets

/// What makes a room; not how the work is done. `mix` would set dry and wet a second time, and a
/// sample does not go into a text file.
static gchar **gst_conv_reverb_get_property_names (GstPreset *) noexcept
{
  static const gchar *const names[] = {"ir-location", "kernel", "preset-room", "decay-time",
      "damping", "normalize", "ir-gain", "ir-trim", "ir-routing", "pre-delay", "dry", "wet",
      nullptr};
  return g_strdupv (const_cast<gchar **> (names));
}

static decltype (GstPresetInterface::load_preset) load_stock_preset;

/// What a preset does not name is not left from before: one that was saved without a file has no
/// line for it, and a sample is in none. All of it is one change.
static gboolean gst_conv_reverb_load_preset (GstPreset *preset, const gchar *name) noexcept
{
  gchar **const names = gst_preset_get_preset_names (preset);
  const bool known = names && g_strv_contains (names, name);
  g_strfreev (names);
  if (!known)
    return FALSE;
  Element &element = element_of (preset);
  convreverb::ImpulseSettings old; // freed after the lock, see properties.cpp
  convreverb::Sources before {};
  {
    const std::lock_guard lock {element.mutex};
    convreverb::ImpulseSettings &impulse = element.settings.impulse;
    before = convreverb::sources_of (impulse);
    std::swap (old.sample, impulse.sample);
    std::swap (old.kernel, impulse.kernel);
    impulse.clear_source ();
    ++element.settings.revisions[static_cast<std::size_t> (convreverb::Part::source)];
    ++element.held;
  }
  convreverb::notify_cleared (G_OBJECT (preset), before, {});
  const gboolean loaded = load_stock_preset (preset, name);
  const std::lock_guard lock {element.mutex};
  if (--element.held == 0 && element.running)
    element.worker.request ();
  return loaded;
}

static void gst_conv_reverb_preset_init (gpointer interface, gpointer) noexcept
{
  auto *const presets = static_cast<GstPresetInterface *> (interface);
  presets->get_property_names = gst_conv_reverb_get_property_names;
  load_stock_preset = presets->load_preset;
  presets->load_preset = gst_conv_reverb_load_preset;
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

static void gst_conv_reverb_class_init (GstConvReverbClass *klass)
{
  GST_DEBUG_CATEGORY_INIT (gst_conv_reverb_debug, "convreverb", 0, "convolution reverb");
  GObjectClass *const object_class = G_OBJECT_CLASS (klass);
  object_class->finalize = gst_conv_reverb_finalize;
  convreverb::install_properties (object_class);

  GstElementClass *const element_class = GST_ELEMENT_CLASS (klass);
  element_class->change_state = gst_conv_reverb_change_state;
  gst_element_class_set_static_metadata (element_class, "Convolution reverb", "Filter/Effect/Audio",
      "Convolves the stream with an impulse response, with no added latency or in batches",
      PACKAGE_NAME);
  // Two structures, so that floats are preferred: the work is done in them.
#define FORMAT_CAPS(format)                                                                        \
  "audio/x-raw, format=" format ", rate=[1, max], channels=[1, 64], layout=interleaved"
  GstCaps *const caps =
      gst_caps_from_string (FORMAT_CAPS (GST_AUDIO_NE (F32)) ";" FORMAT_CAPS (GST_AUDIO_NE (F64)));
#undef FORMAT_CAPS
  gst_audio_filter_class_add_pad_templates (GST_AUDIO_FILTER_CLASS (klass), caps);
  gst_caps_unref (caps);

  GST_AUDIO_FILTER_CLASS (klass)->setup = gst_conv_reverb_setup;
  GstBaseTransformClass *const transform_class = GST_BASE_TRANSFORM_CLASS (klass);
  transform_class->submit_input_buffer = gst_conv_reverb_submit_input_buffer;
  transform_class->transform_ip = gst_conv_reverb_transform_ip;
  transform_class->sink_event = gst_conv_reverb_sink_event;
  transform_class->query = gst_conv_reverb_query;
}
