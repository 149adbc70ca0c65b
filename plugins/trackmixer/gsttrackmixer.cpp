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

void child_proxy_init (gpointer iface, gpointer) noexcept;

} // namespace

G_DEFINE_FINAL_TYPE_WITH_CODE (GstTrackMixer, gst_track_mixer, GST_TYPE_ELEMENT,
    G_IMPLEMENT_INTERFACE (GST_TYPE_CHILD_PROXY, child_proxy_init))

namespace {

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

/// As GstAggregator. A seek it keeps and says FALSE all the same: nobody downstream has heard it.
/// EOS ends the mix, whatever the tracks still bring.
gboolean send_event (GstElement *element, GstEvent *event) noexcept
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS && state_of (element).running.load ()) {
    state_of (element).mixer.end_now (gst_event_get_seqnum (event));
    gst_event_unref (event);
    return TRUE;
  }
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
  install_properties (object_class);
  object_class->finalize = finalize;
  auto *element_class = GST_ELEMENT_CLASS (klass);
  element_class->request_new_pad = request_new_pad;
  element_class->release_pad = release_pad;
  element_class->change_state = change_state;
  element_class->set_clock = set_clock;
  element_class->send_event = send_event;

  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template_with_gtype (
      element_class, &sink_template, GST_TYPE_TRACK_MIXER_PAD);
  gst_element_class_set_static_metadata (element_class, "Track mixer", "Generic/Audio",
      "Mixes many audio tracks with a queue for each of them", "The gst-multitrack developers");
  gst_type_mark_as_plugin_api (GST_TYPE_TRACK_MIXER_PAD, static_cast<GstPluginAPIFlags> (0));
}

static void gst_track_mixer_init (GstTrackMixer *self)
{
  construct (self);
}
