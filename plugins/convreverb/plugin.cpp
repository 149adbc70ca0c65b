// SPDX-License-Identifier: LGPL-2.1-or-later
// The plug-in that holds convreverb. It links FFTW, so the binary is under the GPL.
#include "gstconvreverb.hpp"

static gboolean plugin_init (GstPlugin *plugin) noexcept
{
  return GST_ELEMENT_REGISTER (convreverb, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, convreverb, "Convolution reverb",
    plugin_init, PACKAGE_VERSION, "GPL", PACKAGE_NAME, PACKAGE_ORIGIN)
