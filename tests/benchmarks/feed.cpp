// SPDX-License-Identifier: LGPL-2.1-or-later
// Loose pads that feed a mixer and take its output at the least cost, the same for every peer.
#include "feed.hpp"

#include <algorithm>
#include <chrono>

namespace mt::bench {

namespace {

GstPad *make_pad (const char *name, GstPadDirection direction, const TrackFormat &track_format = {})
{
  GstCaps *caps = make_caps (track_format);
  GstPadTemplate *pad_template = gst_pad_template_new (name, direction, GST_PAD_ALWAYS, caps);
  GstPad *pad = gst_pad_new_from_template (pad_template, name);
  gst_object_ref_sink (pad);
  gst_object_unref (pad_template);
  gst_caps_unref (caps);
  return pad;
}

/// A mixer asks upstream for its latency at each wake until it is answered, and would measure that.
gboolean answer_query (GstPad *pad, GstObject *parent, GstQuery *query) noexcept
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY) {
    gst_query_set_latency (query, FALSE, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}

gboolean swallow_event (GstPad *, GstObject *, GstEvent *event) noexcept
{
  gst_event_unref (event);
  return TRUE;
}

} // namespace

GstCaps *make_caps (const TrackFormat &track_format)
{
  return gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING,
      track_format.is_s16 ? "S16LE" : "F32LE", "rate", G_TYPE_INT,
      static_cast<int> (track_format.rate_hz), "channels", G_TYPE_INT, static_cast<int> (kChannels),
      "layout", G_TYPE_STRING, "interleaved", "channel-mask", GST_TYPE_BITMASK, guint64 {3},
      nullptr);
}

GstElement *make_element (const char *factory)
{
  GstElement *element = gst_element_factory_make (factory, nullptr);
  if (element == nullptr)
    throw std::runtime_error (format ("there is no element '%s': set GST_PLUGIN_PATH to the "
                                      "plugins folder of the build, or use scripts/bench",
        factory));
  return element;
}

std::string pop_error (GstBus *bus)
{
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  if (message == nullptr)
    return "no error on the bus";
  g_autoptr (GError) error = nullptr;
  gst_message_parse_error (message, &error, nullptr);
  return error->message;
}

void stamp (GstBuffer *buffer, std::size_t first, std::size_t frames, std::size_t rate_hz)
{
  const auto end = first + frames;
  const auto pts = gst_util_uint64_scale (first, GST_SECOND, rate_hz);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = gst_util_uint64_scale (end, GST_SECOND, rate_hz) - pts;
  GST_BUFFER_OFFSET (buffer) = first;
  GST_BUFFER_OFFSET_END (buffer) = end;
}

TrackFeeder::TrackFeeder (std::string name, std::size_t buffer_frames, float value, Samples samples,
    TrackFormat track_format)
    : pad_ {make_pad ("src", GST_PAD_SRC, track_format)}, name_ {std::move (name)},
      buffer_frames_ {buffer_frames}, value_ {value}, samples_ {samples}, format_ {track_format}
{
  gst_pad_set_query_function (pad_, answer_query);
  gst_pad_set_event_function (pad_, swallow_event);
  gst_pad_set_active (pad_, TRUE);
}

TrackFeeder::~TrackFeeder ()
{
  join ();
  gst_pad_set_active (pad_, FALSE);
  gst_object_unref (pad_);
  for (GstBuffer *buffer : ring_)
    gst_buffer_unref (buffer);
  g_clear_pointer (&memory_, gst_memory_unref);
}

void TrackFeeder::start ()
{
  thread_ = std::thread {[this] { run (); }};
}

void TrackFeeder::join ()
{
  if (thread_.joinable ())
    thread_.join ();
}

void TrackFeeder::make_memory ()
{
  g_clear_pointer (&memory_, gst_memory_unref);
  memory_ = gst_allocator_alloc (nullptr, buffer_frames_ * format_.frame_bytes (), nullptr);
  GstMapInfo map;
  gst_memory_map (memory_, &map, GST_MAP_WRITE);
  const std::size_t samples = buffer_frames_ * kChannels;
  if (format_.is_s16)
    std::fill_n (reinterpret_cast<std::int16_t *> (map.data), samples,
        static_cast<std::int16_t> (value_ * 32768.0f));
  else
    std::fill_n (reinterpret_cast<float *> (map.data), samples, value_);
  gst_memory_unmap (memory_, &map);
}

GstBuffer *TrackFeeder::next ()
{
  if (position_ == ring_.size () || !gst_buffer_is_writable (ring_[position_])) {
    if (memory_ == nullptr || samples_ == Samples::own)
      make_memory ();
    GstBuffer *made = gst_buffer_new ();
    gst_buffer_append_memory (made, gst_memory_ref (memory_));
    ring_.insert (std::next (ring_.begin (), static_cast<std::ptrdiff_t> (position_)), made);
  }
  GstBuffer *buffer = ring_[position_];
  position_ = (position_ + 1) % ring_.size ();

  stamp (buffer, frame_, buffer_frames_, format_.rate_hz);
  frame_ += buffer_frames_;
  return gst_buffer_ref (buffer);
}

void TrackFeeder::run ()
{
  gst_pad_push_event (pad_, gst_event_new_stream_start (name_.c_str ()));
  GstCaps *caps = make_caps (format_);
  gst_pad_push_event (pad_, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad_, gst_event_new_segment (&segment));
  while (gst_pad_push (pad_, next ()) == GST_FLOW_OK) {
  }
}

CountingSink::CountingSink (
    std::size_t warmup, std::size_t window, std::size_t chunk_frames, TrackFormat track_format)
    : pad_ {make_pad ("sink", GST_PAD_SINK, track_format)}, warmup_ {warmup}, window_ {window},
      chunk_bytes_ {chunk_frames * track_format.frame_bytes ()}
{
  gst_pad_set_element_private (pad_, this);
  gst_pad_set_chain_function (pad_, chain);
  gst_pad_set_event_function (pad_, swallow_event);
  gst_pad_set_query_function (pad_, answer_query);
  gst_pad_set_active (pad_, TRUE);
}

CountingSink::~CountingSink ()
{
  gst_pad_set_active (pad_, FALSE);
  gst_object_unref (pad_);
}

GstFlowReturn CountingSink::chain (GstPad *pad, GstObject *, GstBuffer *buffer) noexcept
{
  return static_cast<CountingSink *> (gst_pad_get_element_private (pad))->take (buffer);
}

GstFlowReturn CountingSink::take (GstBuffer *buffer) noexcept
{
  if (chunks_ >= warmup_ + window_) {
    gst_buffer_unref (buffer);
    return GST_FLOW_EOS;
  }
  if (++chunks_ == warmup_)
    begin_ = Usage::now ();
  if (chunk_bytes_ != 0 && gst_buffer_get_size (buffer) != chunk_bytes_)
    ++odd_chunks_;
  if (chunks_ < warmup_ + window_) {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }

  end_ = Usage::now ();
  gst_buffer_extract (buffer, 0, &last_value_, sizeof last_value_);
  gst_buffer_unref (buffer);
  const std::lock_guard lock {mutex_};
  done_ = true;
  condition_.notify_all ();
  return GST_FLOW_EOS;
}

bool CountingSink::wait (unsigned timeout_s)
{
  std::unique_lock lock {mutex_};
  return condition_.wait_for (lock, std::chrono::seconds {timeout_s}, [this] { return done_; });
}

} // namespace mt::bench
