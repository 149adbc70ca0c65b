// SPDX-License-Identifier: LGPL-2.1-or-later
// The trackmixer plugin.
#include <gst/gst.h>

#include "gsttrackmixer.hpp"

GST_DEBUG_CATEGORY (gst_track_mixer_debug);

static gboolean plugin_init (GstPlugin *plugin)
{
  GST_DEBUG_CATEGORY_INIT (gst_track_mixer_debug, "trackmixer", 0, "multitrack audio mixer");
  return gst_element_register (plugin, "trackmixer", GST_RANK_NONE, GST_TYPE_TRACK_MIXER);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, trackmixer,
    "Mixes many audio tracks with a queue for each of them", plugin_init, PACKAGE_VERSION, "LGPL",
    PACKAGE_NAME, PACKAGE_ORIGIN)
