// SPDX-License-Identifier: LGPL-2.1-or-later
// Gives trackmixer the name audiomixer, for programs that ask for that factory by its name.
//
// Load it together with trackmixer's plugin, this one first: the list is loaded from its end.
//   PROGRAM --gst-plugin-load=libaudiomixerstandin.so,libgsttrackmixer.so
// A factory that is registered later replaces one of the same name. This can't load trackmixer by
// itself, because GStreamer holds a lock while it calls a plugin.
#include <gst/gst.h>

static gboolean plugin_init (GstPlugin *plugin)
{
  const GType mixer = g_type_from_name ("GstTrackMixer");
  if (mixer == G_TYPE_INVALID) {
    g_printerr ("audiomixerstandin: trackmixer's plugin is not loaded, or behind this one\n");
    return FALSE;
  }
  return gst_element_register (plugin, "audiomixer", GST_RANK_NONE, mixer);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, audiomixerstandin,
    "trackmixer by the name of audiomixer", plugin_init, PACKAGE_VERSION, "LGPL", PACKAGE_NAME,
    PACKAGE_ORIGIN)
