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

} // namespace

bool tracks_are_on_their_way (GstElement *element) noexcept
{
  Elements excluded {element};
  collect_downstream (element, excluded);

  bool found = false;
  GstObject *level = GST_OBJECT (gst_object_ref (element));
  while (!found) {
    GstObject *parent = gst_object_get_parent (level);
    if (!parent || !GST_IS_BIN (parent)) {
      gst_clear_object (&parent);
      break;
    }
    GST_OBJECT_LOCK (parent);
    const bool changing = GST_STATE_PENDING (parent) != GST_STATE_VOID_PENDING;
    GST_OBJECT_UNLOCK (parent);
    for_each (gst_bin_iterate_elements (GST_BIN (parent)), [&] (GstObject *object) {
      GstElement *sibling = GST_ELEMENT (object);
      GST_OBJECT_LOCK (sibling);
      // A bin starts its children one by one, so one that has not begun counts while the bin is
      // busy.
      const bool not_begun = changing && GST_STATE (sibling) < GST_STATE_PAUSED &&
          !GST_OBJECT_FLAG_IS_SET (sibling, GST_ELEMENT_FLAG_LOCKED_STATE);
      const bool on_its_way = (not_begun || GST_STATE_RETURN (sibling) == GST_STATE_CHANGE_ASYNC) &&
          !GST_OBJECT_FLAG_IS_SET (sibling, GST_ELEMENT_FLAG_SINK);
      GST_OBJECT_UNLOCK (sibling);
      if (on_its_way && object != level &&
          std::find (excluded.begin (), excluded.end (), sibling) == excluded.end ())
        found = true;
    });
    gst_object_unref (level);
    level = parent;
    collect_downstream (GST_ELEMENT (level), excluded);
  }
  gst_object_unref (level);
  return found;
}

} // namespace mt::trackmixer
