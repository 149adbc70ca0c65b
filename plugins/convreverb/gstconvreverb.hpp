// SPDX-License-Identifier: LGPL-2.1-or-later
// convreverb: the element that convolves a stream with an impulse response.
#pragma once

#include <gst/audio/gstaudiofilter.h>
#include <gst/gst.h>

namespace mt::convreverb {
struct Element;
}

G_BEGIN_DECLS

#define GST_TYPE_CONV_REVERB (gst_conv_reverb_get_type ())
G_DECLARE_FINAL_TYPE (GstConvReverb, gst_conv_reverb, GST, CONV_REVERB, GstAudioFilter)

struct _GstConvReverb {
  GstAudioFilter parent;
  mt::convreverb::Element *element;
};

GST_ELEMENT_REGISTER_DECLARE (convreverb)

G_END_DECLS
