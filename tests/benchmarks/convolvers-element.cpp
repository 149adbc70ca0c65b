// SPDX-License-Identifier: LGPL-2.1-or-later
// The two elements that convolve: convreverb and audiofirfilter, driven by pushing into their pad.
#include "convolvers.hpp"
#include "feed.hpp"

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace mt::bench {
namespace {

/// Pushes chunks through an element in the calling thread. A buffer that comes out at the size that
/// goes in is used again, so that none is made in steady state and each is writable in place.
class Element final : public Subject {
public:
  /// Takes the floating element.
  explicit Element (GstElement *element);
  ~Element () override;
  void process (const float *chunk) override;

private:
  static constexpr std::size_t kBytes = kBlockFrames * kStereo * sizeof (float);
  static GstFlowReturn chain (GstPad *pad, GstObject *parent, GstBuffer *buffer) noexcept;
  void take (GstBuffer *buffer);

  GstElement *element_;
  GstBus *bus_ {gst_bus_new ()};
  TrackFeeder feeder_ {"reverb", kBlockFrames, 0.0f}; // only its pad, not its thread
  CountingSink sink_ {0, 0, 0};                       // only its pad
  GstBuffer *spare_ {nullptr};
  std::uint64_t frame_ {0};
};

Element::Element (GstElement *element) : element_ {GST_ELEMENT (gst_object_ref_sink (element))}
{
  gst_element_set_bus (element_, bus_);
  GstPad *in = gst_element_get_static_pad (element_, "sink");
  GstPad *out = gst_element_get_static_pad (element_, "src");
  gst_pad_set_element_private (sink_.pad (), this);
  gst_pad_set_chain_function (sink_.pad (), chain);
  gst_pad_link (feeder_.pad (), in);
  gst_pad_link (out, sink_.pad ());
  gst_object_unref (in);
  gst_object_unref (out);
  if (gst_element_set_state (element_, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    throw std::runtime_error (pop_error (bus_));

  gst_pad_push_event (feeder_.pad (), gst_event_new_stream_start ("reverb"));
  GstCaps *caps = make_caps ();
  gst_pad_push_event (feeder_.pad (), gst_event_new_caps (caps));
  gst_caps_unref (caps);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (feeder_.pad (), gst_event_new_segment (&segment));
}

Element::~Element ()
{
  gst_element_set_state (element_, GST_STATE_NULL);
  gst_object_unref (element_);
  gst_object_unref (bus_);
  gst_clear_buffer (&spare_);
}

void Element::process (const float *chunk)
{
  GstBuffer *buffer = std::exchange (spare_, nullptr);
  if (buffer == nullptr)
    buffer = gst_buffer_new_allocate (nullptr, kBytes, nullptr);
  gst_buffer_fill (buffer, 0, chunk, kBytes);
  stamp (buffer, frame_, kBlockFrames);
  frame_ += kBlockFrames;
  if (gst_pad_push (feeder_.pad (), buffer) != GST_FLOW_OK)
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
      gst_buffer_is_all_memory_writable (buffer) && gst_buffer_get_size (buffer) == kBytes &&
      GST_BUFFER_FLAGS (buffer) == 0;
  if (fits)
    spare_ = buffer;
  else
    gst_buffer_unref (buffer);
}

} // namespace

std::unique_ptr<Subject> make_convreverb (const Response &ir, std::size_t chunks)
{
  GstElement *element = make_element ("convreverb");
  const auto batch = chunks > 1 ? chunks * 10 * GST_MSECOND : 0;
  g_object_set (element, "ir-location", ir.wav_path.c_str (), "dry", 1.0, "wet", 1.0,
      "batch-duration", guint64 {batch}, nullptr);
  gst_util_set_object_arg (G_OBJECT (element), "normalize", "none");
  return std::make_unique<Element> (element);
}

std::unique_ptr<Subject> make_audiofirfilter (const Response &ir)
{
  GstElement *element = make_element ("audiofirfilter");
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  GValueArray *kernel = g_value_array_new (static_cast<guint> (ir.frames ()));
  GValue value = G_VALUE_INIT;
  g_value_init (&value, G_TYPE_DOUBLE);
  for (std::size_t frame = 0; frame < ir.frames (); ++frame) {
    g_value_set_double (&value, static_cast<double> (ir.samples[frame * kStereo]));
    g_value_array_append (kernel, &value);
  }
  g_object_set (element, "low-latency", FALSE, "kernel", kernel, nullptr);
  g_value_array_free (kernel);
  G_GNUC_END_IGNORE_DEPRECATIONS
  return std::make_unique<Element> (element);
}

void write_wav (const std::vector<float> &samples, const std::string &wav_path)
{
  const auto raw_path = wav_path + ".raw";
  std::ofstream raw {raw_path, std::ios::binary};
  raw.write (reinterpret_cast<const char *> (samples.data ()),
      static_cast<std::streamsize> (samples.size () * sizeof (float)));
  raw.close ();
  if (!raw)
    throw std::runtime_error ("cannot write " + raw_path);

  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launch ("filesrc name=in ! rawaudioparse pcm-format=f32le "
                                           "sample-rate=48000 num-channels=2 ! wavenc ! "
                                           "filesink name=out",
      &error);
  if (pipeline == nullptr) {
    const std::string text = error->message;
    g_error_free (error);
    throw std::runtime_error ("cannot make a WAV file: " + text);
  }
  for (const auto &[name, path] : {std::pair {"in", raw_path}, std::pair {"out", wav_path}}) {
    GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);
    g_object_set (element, "location", path.c_str (), nullptr);
    gst_object_unref (element);
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const bool written = message != nullptr && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  if (message != nullptr)
    gst_message_unref (message);
  gst_object_unref (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  std::remove (raw_path.c_str ());
  if (!written)
    throw std::runtime_error ("cannot write " + wav_path);
}

} // namespace mt::bench
