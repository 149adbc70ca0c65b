// SPDX-License-Identifier: LGPL-2.1-or-later
// The pads around a trackmixer under test: the sink that collects, and the feeders.
#include "support.hpp"

#include "glue/buffermap.hpp"

namespace mt::test {

CollectingSink::CollectingSink ()
{
  pad_ = gst_pad_new ("collect", GST_PAD_SINK);
  gst_pad_set_element_private (pad_, this);
  gst_pad_set_chain_function (pad_, [] (GstPad *pad, GstObject *, GstBuffer *buffer) noexcept {
    return of (pad).chain (buffer);
  });
  gst_pad_set_event_function (pad_,
      [] (GstPad *pad, GstObject *, GstEvent *event) noexcept { return of (pad).event (event); });
  gst_pad_set_query_function (pad_, [] (GstPad *pad, GstObject *parent, GstQuery *query) noexcept {
    return of (pad).query (parent, query);
  });
  gst_pad_set_active (pad_, TRUE);
}

CollectingSink::~CollectingSink ()
{
  gst_pad_set_active (pad_, FALSE);
  gst_object_unref (pad_);
  if (caps)
    gst_caps_unref (caps);
  gst_clear_caps (&accepts);
}

void CollectingSink::close ()
{
  const std::lock_guard lock {mutex};
  open_ = false;
}

void CollectingSink::open ()
{
  const std::lock_guard lock {mutex};
  open_ = true;
  cond_.notify_all ();
}

void CollectingSink::let_through (int count)
{
  const std::lock_guard lock {mutex};
  passes_ += count;
  cond_.notify_all ();
}

bool CollectingSink::wait_for_eos (std::chrono::milliseconds limit)
{
  std::unique_lock lock {mutex};
  return cond_.wait_for (lock, limit, [this] { return eos; });
}

bool CollectingSink::wait_for_chunks (std::size_t count, std::chrono::milliseconds limit)
{
  std::unique_lock lock {mutex};
  return cond_.wait_for (lock, limit, [&] { return chunks.size () >= count; });
}

std::size_t CollectingSink::chunk_count ()
{
  const std::lock_guard lock {mutex};
  return chunks.size ();
}

void CollectingSink::forget ()
{
  const std::lock_guard lock {mutex};
  bytes.clear ();
  chunks.clear ();
  events.clear ();
  eos = false;
}

std::size_t CollectingSink::count_of (GstEventType type)
{
  const std::lock_guard lock {mutex};
  return static_cast<std::size_t> (std::count_if (
      events.begin (), events.end (), [type] (const auto &seen) { return seen.type == type; }));
}

Samples CollectingSink::samples ()
{
  const std::lock_guard lock {mutex};
  return decode (bytes, GST_AUDIO_INFO_FORMAT (&info));
}

GstFlowReturn CollectingSink::chain (GstBuffer *buffer) noexcept
{
  std::unique_lock lock {mutex};
  cond_.wait (lock, [this] { return open_ || passes_ > 0 || flushing_; });
  if (flushing_) {
    gst_buffer_unref (buffer);
    return GST_FLOW_FLUSHING;
  }
  if (!open_)
    --passes_;
  if (look)
    look (buffer);
  {
    const mt::glue::BufferMap<GST_MAP_READ> map {buffer};
    if (!map) // fail_unless itself allocates, and this may be counted
      fail ("a chunk can't be mapped");
    const auto data = map.as<std::uint8_t> ();
    chunks.push_back (
        {GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer), GST_BUFFER_OFFSET (buffer),
            GST_BUFFER_OFFSET_END (buffer), GST_BUFFER_FLAGS (buffer), data.size ()});
    if (keep_bytes)
      bytes.insert (bytes.end (), data.begin (), data.end ());
  }
  gst_buffer_unref (buffer);
  cond_.notify_all ();
  return flow ? flow (chunks.size ()) : GST_FLOW_OK;
}

gboolean CollectingSink::event (GstEvent *event) noexcept
{
  const std::lock_guard lock {mutex};
  SeenEvent seen {GST_EVENT_TYPE (event), gst_event_get_seqnum (event), {}, FALSE};
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    gst_event_parse_flush_stop (event, &seen.resets_time);
  switch (seen.type) {
  case GST_EVENT_CAPS: {
    GstCaps *now = nullptr;
    gst_event_parse_caps (event, &now);
    gst_caps_replace (&caps, now);
    fail_unless (gst_audio_info_from_caps (&info, caps));
    break;
  }
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment (event, &seen.segment);
    break;
  case GST_EVENT_EOS:
    eos = true;
    break;
  case GST_EVENT_FLUSH_START:
    flushing_ = true;
    break;
  case GST_EVENT_FLUSH_STOP:
    flushing_ = false;
    eos = false;
    bytes.clear ();
    chunks.clear ();
    break;
  default:
    break;
  }
  events.push_back (seen);
  cond_.notify_all ();
  gst_event_unref (event);
  return TRUE;
}

gboolean CollectingSink::query (GstObject *parent, GstQuery *query) noexcept
{
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_LATENCY:
    gst_query_set_latency (query, FALSE, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
  case GST_QUERY_CAPS: {
    GstCaps *filter = nullptr;
    gst_query_parse_caps (query, &filter);
    GstCaps *all = accepts ? gst_caps_ref (accepts) : gst_caps_new_any ();
    GstCaps *result = filter ? gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST)
                             : gst_caps_ref (all);
    gst_query_set_caps_result (query, result);
    gst_caps_unref (result);
    gst_caps_unref (all);
    return TRUE;
  }
  case GST_QUERY_ACCEPT_CAPS: {
    GstCaps *asked = nullptr;
    gst_query_parse_accept_caps (query, &asked);
    gst_query_set_accept_caps_result (query, !accepts || gst_caps_is_subset (asked, accepts));
    return TRUE;
  }
  case GST_QUERY_ALLOCATION:
    if (allocation)
      allocation (query);
    return allocation != nullptr;
  default:
    return gst_pad_query_default (pad_, parent, query);
  }
}

MixerBed::MixerBed (GstClockTime chunk, bool link_sink, const char *factory, bool force_live)
{
  element = gst_element_factory_make_full (
      factory, "force-live", static_cast<gboolean> (force_live), nullptr);
  fail_unless (element != nullptr, "no %s: look at GST_PLUGIN_PATH", factory);
  gst_object_ref_sink (element);
  g_object_set (element, "output-buffer-duration", chunk, nullptr);
  bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  if (link_sink) {
    GstPad *src = gst_element_get_static_pad (element, "src");
    fail_unless (gst_pad_link (src, sink.pad ()) == GST_PAD_LINK_OK);
    gst_object_unref (src);
  }
}

MixerBed::~MixerBed ()
{
  stop ();
  gst_element_set_bus (element, nullptr);
  gst_object_unref (bus);
  fail_unless_equals_int (GST_OBJECT_REFCOUNT_VALUE (element), 1);
  gst_object_unref (element);
}

void MixerBed::play ()
{
  fail_unless (gst_element_set_state (element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
}

void MixerBed::stop ()
{
  sink.open (); // or the mix waits in its push
  gst_bus_set_flushing (bus, TRUE);
  gst_element_set_state (element, GST_STATE_NULL);
}

std::string MixerBed::message (GstMessageType type, std::chrono::milliseconds limit)
{
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, static_cast<GstClockTime> (std::chrono::nanoseconds (limit).count ()), type);
  if (!message)
    return {};
  GError *error = nullptr;
  gchar *details = nullptr;
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &details);
  else
    gst_message_parse_warning (message, &error, &details);
  std::string text = std::string {error->message} + " " + (details ? details : "");
  g_error_free (error);
  g_free (details);
  gst_message_unref (message);
  return text;
}

bool MixerBed::has_message (GstMessageType type)
{
  GstMessage *message = gst_bus_pop_filtered (bus, type);
  if (message)
    gst_message_unref (message);
  return message != nullptr;
}

Feeder::Feeder (MixerBed &bed, Format track_format, const char *name)
    : bed_ {bed}, format {track_format}, upstream_event {upstream_->event}, upstream_query {
                                                                                upstream_->query}
{
  src = gst_pad_new ("feed", GST_PAD_SRC);
  gst_pad_set_event_function_full (
      src,
      [] (GstPad *pad, GstObject *, GstEvent *event) noexcept {
        const auto &upstream = **static_cast<std::shared_ptr<Upstream> *> (pad->eventdata);
        const bool ok = upstream.event && upstream.event (event);
        gst_event_unref (event);
        return static_cast<gboolean> (ok);
      },
      new std::shared_ptr<Upstream> (upstream_),
      [] (gpointer upstream) noexcept {
        delete static_cast<std::shared_ptr<Upstream> *> (upstream);
      });
  gst_pad_set_query_function_full (
      src,
      [] (GstPad *pad, GstObject *parent, GstQuery *query) noexcept -> gboolean {
        const auto &upstream = **static_cast<std::shared_ptr<Upstream> *> (pad->querydata);
        if (upstream.query && upstream.query (query))
          return TRUE;
        return gst_pad_query_default (pad, parent, query);
      },
      new std::shared_ptr<Upstream> (upstream_),
      [] (gpointer upstream) noexcept {
        delete static_cast<std::shared_ptr<Upstream> *> (upstream);
      });
  gst_pad_set_active (src, TRUE);
  sink = gst_element_request_pad_simple (bed.element, name);
  fail_unless (sink != nullptr);
  fail_unless (gst_pad_link (src, sink) == GST_PAD_LINK_OK);
}

Feeder::~Feeder ()
{
  if (thread_.joinable ()) {
    gst_pad_set_active (src, FALSE); // its next push fails
    thread_.join ();
  }
  gst_pad_set_active (src, FALSE);
  gst_object_unref (src);
  gst_clear_object (&sink);
}

void Feeder::begin (const GstSegment *segment)
{
  static std::atomic<int> number {0};
  gst_pad_push_event (
      src, gst_event_new_stream_start (("test-" + std::to_string (number++)).c_str ()));
  begin_caps ();
  begin_segment (segment);
}

bool Feeder::begin_caps ()
{
  GstCaps *caps = caps_of (format);
  const bool ok = gst_pad_push_event (src, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  return ok;
}

bool Feeder::begin_segment (const GstSegment *segment)
{
  GstSegment plain;
  gst_segment_init (&plain, GST_FORMAT_TIME);
  return gst_pad_push_event (src, gst_event_new_segment (segment ? segment : &plain));
}

GstBuffer *Feeder::make (std::span<const float> samples, std::int64_t frame, guint flags) const
{
  GstBuffer *buffer = buffer_of (encode (samples, format.format),
      frame < 0 ? GST_CLOCK_TIME_NONE : time_of (frame, format.rate_hz));
  GST_BUFFER_FLAG_SET (buffer, flags);
  return buffer;
}

GstFlowReturn Feeder::push (std::span<const float> samples, std::int64_t frame, guint flags)
{
  return gst_pad_push (src, make (samples, frame, flags));
}

GstFlowReturn Feeder::push_all (std::span<const float> samples, unsigned seed,
    std::size_t longest_frames, std::int64_t first_frame)
{
  std::mt19937 random {seed};
  std::uniform_int_distribution<std::size_t> length {1, longest_frames};
  const auto channels = static_cast<std::size_t> (format.channels);
  const std::size_t frames = samples.size () / channels;
  GstFlowReturn flow = GST_FLOW_OK;
  for (std::size_t at = 0; at < frames && flow == GST_FLOW_OK;) {
    const std::size_t now = std::min (length (random), frames - at);
    flow = push (samples.subspan (at * channels, now * channels),
        first_frame + static_cast<std::int64_t> (at));
    at += now;
    if (flow == GST_FLOW_OK)
      pushed_frames += now;
  }
  return flow;
}

bool Feeder::gap (std::int64_t frame, std::int64_t frames)
{
  const GstClockTime start = time_of (frame, format.rate_hz);
  return gst_pad_push_event (
      src, gst_event_new_gap (start, time_of (frame + frames, format.rate_hz) - start));
}

void Feeder::run (std::function<void (Feeder &)> work)
{
  thread_ = std::thread {[this, task = std::move (work)] {
    task (*this);
    done = true;
  }};
}

void Feeder::join ()
{
  if (thread_.joinable ())
    thread_.join ();
}

bool Feeder::finishes ()
{
  return eventually ([this] { return done.load (); });
}

} // namespace mt::test
