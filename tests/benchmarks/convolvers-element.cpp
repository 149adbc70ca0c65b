// SPDX-License-Identifier: LGPL-2.1-or-later
// The two elements that convolve: convreverb and audiofirfilter, driven by pushing into their pad.
#include "convolvers.hpp"
#include "feed.hpp"

#include <stdexcept>
#include <utility>

namespace mt::bench {
namespace {

GstCaps *make_caps (std::size_t channels)
{
  GstCaps *caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, "F32LE", "layout",
      G_TYPE_STRING, "interleaved", "rate", G_TYPE_INT, static_cast<int> (kRateHz), "channels",
      G_TYPE_INT, static_cast<int> (channels), nullptr);
  if (channels > 2) // in no particular place
    gst_caps_set_simple (caps, "channel-mask", GST_TYPE_BITMASK, guint64 {0}, nullptr);
  return caps;
}

gboolean swallow_event (GstPad *, GstObject *, GstEvent *event) noexcept
{
  gst_event_unref (event);
  return TRUE;
}

/// Pushes chunks through an element in the calling thread. A buffer that comes out at the size that
/// goes in is used again, so that none is made in steady state and each is writable in place.
class Element final : public Subject {
public:
  /// Takes the floating element.
  Element (GstElement *element, const Shape &shape);
  ~Element () override;
  void process (const float *chunk) override;

private:
  static GstFlowReturn chain (GstPad *pad, GstObject *parent, GstBuffer *buffer) noexcept;
  void take (GstBuffer *buffer);

  GstElement *element_;
  Shape shape_;
  std::size_t bytes_ {shape_.samples () * sizeof (float)};
  GstBus *bus_ {gst_bus_new ()};
  GstPad *feeder_ {gst_pad_new ("feeder", GST_PAD_SRC)};
  GstPad *sink_ {gst_pad_new ("sink", GST_PAD_SINK)};
  GstBuffer *spare_ {nullptr};
  std::uint64_t frame_ {0};
};

Element::Element (GstElement *element, const Shape &shape)
    : element_ {GST_ELEMENT (gst_object_ref_sink (element))}, shape_ {shape}
{
  gst_object_ref_sink (feeder_);
  gst_element_set_bus (element_, bus_);
  GstPad *in = gst_element_get_static_pad (element_, "sink");
  GstPad *out = gst_element_get_static_pad (element_, "src");
  gst_object_ref_sink (sink_);
  gst_pad_set_element_private (sink_, this);
  gst_pad_set_chain_function (sink_, chain);
  gst_pad_set_event_function (sink_, swallow_event);
  gst_pad_set_active (sink_, TRUE);
  gst_pad_set_active (feeder_, TRUE);
  gst_pad_link (feeder_, in);
  gst_pad_link (out, sink_);
  gst_object_unref (in);
  gst_object_unref (out);
  if (gst_element_set_state (element_, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    throw std::runtime_error (pop_error (bus_));

  gst_pad_push_event (feeder_, gst_event_new_stream_start ("reverb"));
  GstCaps *caps = make_caps (shape_.channels);
  gst_pad_push_event (feeder_, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (feeder_, gst_event_new_segment (&segment));
}

Element::~Element ()
{
  gst_element_set_state (element_, GST_STATE_NULL);
  gst_object_unref (element_);
  gst_object_unref (bus_);
  for (GstPad *pad : {feeder_, sink_}) {
    gst_pad_set_active (pad, FALSE);
    gst_object_unref (pad);
  }
  gst_clear_buffer (&spare_);
}

void Element::process (const float *chunk)
{
  GstBuffer *buffer = std::exchange (spare_, nullptr);
  if (buffer == nullptr)
    buffer = gst_buffer_new_allocate (nullptr, bytes_, nullptr);
  gst_buffer_fill (buffer, 0, chunk, bytes_);
  stamp (buffer, frame_, shape_.frames);
  frame_ += shape_.frames;
  if (gst_pad_push (feeder_, buffer) != GST_FLOW_OK)
    throw std::runtime_error (pop_error (bus_));
}

GstFlowReturn Element::chain (GstPad *pad, GstObject *, GstBuffer *buffer) noexcept
{
  static_cast<Element *> (gst_pad_get_element_private (pad))->take (buffer);
  return GST_FLOW_OK;
}

void Element::take (GstBuffer *buffer)
{
  GstMapInfo map;
  if (gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    collect (reinterpret_cast<const float *> (map.data), map.size / sizeof (float));
    gst_buffer_unmap (buffer, &map);
  }
  const bool fits = spare_ == nullptr && gst_buffer_is_writable (buffer) &&
      gst_buffer_is_all_memory_writable (buffer) && gst_buffer_get_size (buffer) == bytes_ &&
      GST_BUFFER_FLAGS (buffer) == 0;
  if (fits)
    spare_ = buffer;
  else
    gst_buffer_unref (buffer);
}

} // namespace

std::unique_ptr<Subject> make_convreverb (
    const Shape &shape, const dsp::Impulse &ir, const Manner &manner)
{
  GstElement *element = make_element ("convreverb");
  const auto bytes = ir.samples.size () * sizeof (float);
  GstBuffer *samples = gst_buffer_new_allocate (nullptr, bytes, nullptr);
  gst_buffer_fill (samples, 0, ir.samples.data (), bytes);
  GstCaps *caps = make_caps (ir.channels);
  GstSample *sample = gst_sample_new (samples, caps, nullptr, nullptr);
  const auto batch_frames = manner.batch_chunks > 1 ? manner.batch_chunks * shape.frames : 0;
  g_object_set (element, "ir", sample, "dry", 1.0, "wet", 1.0, "batch-duration",
      gst_util_uint64_scale_int (batch_frames, GST_SECOND, static_cast<int> (kRateHz)), nullptr);
  gst_util_set_object_arg (G_OBJECT (element), "normalize", "none");
  gst_util_set_object_arg (G_OBJECT (element), "schedule",
      manner.schedule == dsp::Schedule::spread ? "spread" : "spike");
  gst_sample_unref (sample);
  gst_caps_unref (caps);
  gst_buffer_unref (samples);
  return std::make_unique<Element> (element, shape);
}

std::unique_ptr<Subject> make_audiofirfilter (const Shape &shape, const dsp::Impulse &ir)
{
  GstElement *element = make_element ("audiofirfilter");
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  GValueArray *kernel = g_value_array_new (static_cast<guint> (ir.frames ()));
  GValue value = G_VALUE_INIT;
  g_value_init (&value, G_TYPE_DOUBLE);
  for (std::size_t frame = 0; frame < ir.frames (); ++frame) {
    g_value_set_double (&value, static_cast<double> (ir.samples[frame * ir.channels]));
    g_value_array_append (kernel, &value);
  }
  g_object_set (element, "low-latency", FALSE, "kernel", kernel, nullptr);
  g_value_array_free (kernel);
  G_GNUC_END_IGNORE_DEPRECATIONS
  return std::make_unique<Element> (element, shape);
}

} // namespace mt::bench
