// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether more tracks are still on their way when a pipeline starts.
#include "startuphold.hpp"

#include <algorithm>
#include <vector>

namespace mt::trackmixer {

namespace {

using Elements = std::vector<GstElement *>; // compared only, never followed: no reference is held

template <class Use>
void for_each (GstIterator *iterator, Use use)
{
  if (!iterator)
    return;
  GValue value = G_VALUE_INIT;
  for (bool done = false; !done;) {
    switch (gst_iterator_next (iterator, &value)) {
    case GST_ITERATOR_OK:
      use (GST_OBJECT (g_value_get_object (&value)));
      g_value_reset (&value);
      break;
    case GST_ITERATOR_RESYNC:
      gst_iterator_resync (iterator);
      break;
    default:
      done = true;
    }
  }
  g_value_unset (&value);
  gst_iterator_free (iterator);
}

void collect_downstream (GstElement *element, Elements &found)
{
  for_each (gst_element_iterate_src_pads (element), [&found] (GstObject *object) {
    GstPad *peer = gst_pad_get_peer (GST_PAD (object));
    GstElement *next = peer ? gst_pad_get_parent_element (peer) : nullptr;
    if (peer && !next) { // the inner pad of a ghost pad: go on at the bin
      GstObject *parent = gst_object_get_parent (GST_OBJECT (peer));
      if (parent && GST_IS_GHOST_PAD (parent))
        next = gst_pad_get_parent_element (GST_PAD (parent));
      gst_clear_object (&parent);
    }
    if (next && std::find (found.begin (), found.end (), next) == found.end ()) {
      found.push_back (next);
      collect_downstream (next, found);
    }
    gst_clear_object (&next);
    gst_clear_object (&peer);
  });
}

/// Whether pads of raw audio may come out of the element later on, as out of a decodebin.
bool can_add_tracks (GstElement *element, GstCaps *raw)
{
  for (const GList *l = gst_element_class_get_pad_template_list (GST_ELEMENT_GET_CLASS (element));
       l; l = l->next) {
    auto *templ = GST_PAD_TEMPLATE (l->data);
    if (GST_PAD_TEMPLATE_DIRECTION (templ) != GST_PAD_SRC ||
        GST_PAD_TEMPLATE_PRESENCE (templ) != GST_PAD_SOMETIMES)
      continue;
    GstCaps *caps = gst_pad_template_get_caps (templ);
    const bool can = gst_caps_can_intersect (caps, raw);
    gst_caps_unref (caps);
    if (can)
      return true;
  }
  return false;
}

/// Whether something in the bin, at any depth, is still starting and can add tracks.
bool brings_tracks (GstElement *bin, const Elements &excluded, GstCaps *raw)
{
  GST_OBJECT_LOCK (bin);
  const bool changing = GST_STATE_PENDING (bin) != GST_STATE_VOID_PENDING;
  GST_OBJECT_UNLOCK (bin);
  bool found = false;
  for_each (gst_bin_iterate_elements (GST_BIN (bin)), [&] (GstObject *object) {
    auto *child = GST_ELEMENT (object);
    if (found || std::find (excluded.begin (), excluded.end (), child) != excluded.end ())
      return;
    GST_OBJECT_LOCK (child);
    // A bin starts its children one by one, so one that has not begun counts while the bin is busy.
    const bool not_begun = changing && GST_STATE (child) < GST_STATE_PAUSED &&
        !GST_OBJECT_FLAG_IS_SET (child, GST_ELEMENT_FLAG_LOCKED_STATE);
    const bool starting = not_begun || GST_STATE_RETURN (child) == GST_STATE_CHANGE_ASYNC;
    GST_OBJECT_UNLOCK (child);
    if (!starting)
      return;
    // A sink, an encoder or a bin of them waits for us or is none of our concern.
    found =
        can_add_tracks (child, raw) || (GST_IS_BIN (child) && brings_tracks (child, excluded, raw));
  });
  return found;
}

} // namespace

bool tracks_are_on_their_way (GstElement *element) noexcept
{
  Elements excluded {element};
  collect_downstream (element, excluded);
  GstCaps *raw = gst_caps_new_empty_simple ("audio/x-raw");

  bool found = false;
  GstObject *level = GST_OBJECT (gst_object_ref (element));
  while (!found) {
    GstObject *parent = gst_object_get_parent (level);
    if (!parent || !GST_IS_BIN (parent)) {
      gst_clear_object (&parent);
      break;
    }
    found = brings_tracks (GST_ELEMENT (parent), excluded, raw);
    gst_object_unref (level);
    level = parent;
    excluded.push_back (GST_ELEMENT (level)); // it has been looked through
    collect_downstream (GST_ELEMENT (level), excluded);
  }
  gst_object_unref (level);
  gst_caps_unref (raw);
  return found;
}

} // namespace mt::trackmixer
