// SPDX-License-Identifier: LGPL-2.1-or-later
// Impulse responses from files: a small pipeline, run to its end.
#include "impulseloader.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string_view>

#include <gst/app/gstappsink.h>
#include <gst/audio/audio.h>
#include <gst/gst.h>

#include "filecheck.hpp"
#include "glue/buffermap.hpp"

namespace mt::convreverb {

namespace {

// GstAudioConverter 1.22 fails an assertion at 64 channels and then reads a null pointer.
constexpr std::size_t kMaxFileChannels = dsp::kMaxImpulseChannels - 1;
constexpr int kPatienceSeconds = 10;               // without anything new from the pipeline
constexpr GstClockTime kLookNs = 50 * GST_MSECOND; // at what has come, and whether to go on

[[noreturn]] void fail (const std::string &path, const std::string &reason)
{
  throw LoadError ("Impulse response '" + path + "' cannot be used: " + reason + ".");
}

struct Unref {
  void operator() (gpointer object) const noexcept { gst_object_unref (object); }
  void operator() (GstMessage *message) const noexcept { gst_message_unref (message); }
  void operator() (GstSample *sample) const noexcept { gst_sample_unref (sample); }
  void operator() (GstCaps *caps) const noexcept { gst_caps_unref (caps); }
};
template <class T>
using Ref = std::unique_ptr<T, Unref>;

/// Where the pipeline's threads put what they find. `result` and `fault` belong to the streaming
/// thread until the pipeline is in NULL.
struct Collector {
  LoadedImpulse result;
  std::string fault;
  std::atomic<std::size_t> frames {0}; // for the waiting thread to see progress
  std::atomic<int> rate_hz {0};
  std::atomic<bool> linked {false};
  std::atomic<bool> typed {false};
  std::atomic<bool> length_unknown {false}; // of the audio: guessed, or that of other streams
  GstElement *pipeline {nullptr};
  GstElement *convert {nullptr};

  void wake () const noexcept
  {
    gst_element_post_message (pipeline,
        gst_message_new_application (GST_OBJECT (pipeline), gst_structure_new_empty ("stop")));
  }
  bool take (GstSample *sample);
};

/// Appends one buffer; false when there is no use in going on.
bool Collector::take (GstSample *sample)
{
  GstAudioInfo info;
  if (!gst_audio_info_from_caps (&info, gst_sample_get_caps (sample)))
    return true;
  const auto channels = static_cast<std::size_t> (GST_AUDIO_INFO_CHANNELS (&info));
  if (result.rate_hz == 0) {
    rate_hz = result.rate_hz = GST_AUDIO_INFO_RATE (&info);
    result.impulse.channels = channels;
  } else if (result.rate_hz != GST_AUDIO_INFO_RATE (&info) || result.impulse.channels != channels) {
    fault = "its rate or its number of channels changes on the way";
    return false;
  }
  if (channels > kMaxFileChannels) {
    fault = "it has " + std::to_string (channels) + " channels, the limit is " +
        std::to_string (kMaxFileChannels);
    return false;
  }
  const glue::BufferMap<GST_MAP_READ> map {gst_sample_get_buffer (sample)};
  if (!map)
    return true;
  const auto samples = map.as<const float> ();
  result.impulse.samples.insert (result.impulse.samples.end (), samples.begin (), samples.end ());
  frames.store (result.impulse.frames (), std::memory_order_relaxed);
  if (static_cast<double> (result.impulse.frames ()) > dsp::kMaxImpulseSeconds * result.rate_hz) {
    fault = "it is longer than 60 seconds";
    return false;
  }
  if (result.impulse.samples.size () > dsp::kMaxImpulseSamples) {
    fault = "it has more than " + std::to_string (dsp::kMaxImpulseSamples) +
        " samples (frames × channels)";
    return false;
  }
  return true;
}

GstFlowReturn on_sample (GstAppSink *sink, gpointer data) noexcept
{
  auto *const collector = static_cast<Collector *> (data);
  const Ref<GstSample> sample {gst_app_sink_pull_sample (sink)};
  if (!sample)
    return GST_FLOW_EOS;
  try {
    if (collector->take (sample.get ()))
      return GST_FLOW_OK;
  } catch (const std::bad_alloc &) {
    collector->fault = "there is not enough memory for it";
  }
  collector->wake ();
  return GST_FLOW_EOS;
}

/// Files with more than two channels need not say which is which, but raw caps must. Says it for
/// them.
GstPadProbeReturn on_caps (GstPad *, GstPadProbeInfo *info, gpointer) noexcept
{
  GstEvent *const event = GST_PAD_PROBE_INFO_EVENT (info);
  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  GstCaps *caps = nullptr;
  gst_event_parse_caps (event, &caps);
  const GstStructure *const format = gst_caps_get_structure (caps, 0);
  gint channels = 0;
  if (!gst_structure_get_int (format, "channels", &channels) || channels <= 2 ||
      gst_structure_has_field (format, "channel-mask"))
    return GST_PAD_PROBE_OK;
  const Ref<GstCaps> complete {gst_caps_copy (caps)};
  gst_caps_set_simple (
      complete.get (), "channel-mask", GST_TYPE_BITMASK, static_cast<guint64> (0), nullptr);
  GST_PAD_PROBE_INFO_DATA (info) = gst_event_new_caps (complete.get ());
  gst_event_unref (event);
  return GST_PAD_PROBE_OK;
}

void on_pad_added (GstElement *, GstPad *pad, gpointer data) noexcept
{
  auto *const collector = static_cast<Collector *> (data);
  const Ref<GstPad> sink {gst_element_get_static_pad (collector->convert, "sink")};
  if (gst_pad_is_linked (sink.get ())) {
    collector->length_unknown = true;
    return; // the first audio stream is the one
  }
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_caps, nullptr, nullptr);
  const Ref<GstCaps> caps {gst_pad_get_current_caps (pad)};
  gint channels = 0;
  if (caps &&
      gst_structure_get_int (gst_caps_get_structure (caps.get (), 0), "channels", &channels) &&
      static_cast<std::size_t> (channels) > kMaxFileChannels) {
    collector->fault = "it has " + std::to_string (channels) + " channels, the limit is " +
        std::to_string (kMaxFileChannels);
    collector->linked = true;
    collector->wake ();
    return;
  }
  if (GST_PAD_LINK_SUCCESSFUL (gst_pad_link (pad, sink.get ())))
    collector->linked = true;
}

/// The type of the whole file comes first, then those of its streams. Bare MPEG audio has no length
/// in its head, and a film may be longer than its sound.
gboolean on_type (GstElement *, GstPad *, GstCaps *caps, gpointer data) noexcept
{
  auto *const collector = static_cast<Collector *> (data);
  const std::string_view type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  const bool first = !collector->typed.exchange (true);
  if (first ? type == "audio/mpeg" : !type.starts_with ("audio/"))
    collector->length_unknown = true;
  return TRUE;
}

void on_no_more_pads (GstElement *, gpointer data) noexcept
{
  auto *const collector = static_cast<Collector *> (data);
  if (!collector->linked)
    collector->wake ();
}

GstElement *add (GstElement *pipeline, const char *factory, const std::string &path)
{
  GstElement *const element = gst_element_factory_make (factory, nullptr);
  if (!element)
    fail (path,
        std::string ("the element '") + factory +
            "' is missing; install the base plug-ins of GStreamer");
  gst_bin_add (GST_BIN (pipeline), element);
  return element;
}

/// The reason in an error message, in words for somebody who has chosen a file.
std::string reason_of (GstMessage *message)
{
  GError *failure = nullptr;
  gst_message_parse_error (message, &failure, nullptr);
  const std::unique_ptr<GError, decltype (&g_error_free)> error {failure, g_error_free};
  const auto is = [&] (GQuark domain, gint code) {
    return g_error_matches (error.get (), domain, code) != FALSE;
  };
  // decodebin says so also when there are only streams that nobody asked for.
  if (is (GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN))
    return "there is no audio in it that GStreamer can decode";
  if (is (GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND))
    return "it is not an audio file, or not of a kind that GStreamer knows";
  if (is (GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE)) // of text alone
    return "it is a text file, not an audio file";
  std::string text = error->message;
  while (!text.empty () && (text.back () == '.' || text.back () == '\n'))
    text.pop_back ();
  if (is (GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX) ||
      is (GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE))
    return "it is damaged or cut short (" + text + ")";
  return text;
}

/// What a message of type missing-plugin means for somebody who has chosen a file.
std::string missing_of (const GstStructure *what)
{
  const char *const name = gst_structure_get_string (what, "name");
  const GValue *const detail = gst_structure_get_value (what, "detail");
  if (detail && GST_VALUE_HOLDS_CAPS (detail)) {
    const GstCaps *const caps = gst_value_get_caps (detail);
    const std::string_view type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
    if (!type.starts_with ("audio/") && !type.starts_with ("video/") &&
        !type.starts_with ("application/x-") && type != "application/ogg")
      return "it is not an audio file, its type is " + std::string (type);
  }
  return std::string ("GStreamer has no plug-in for it (") + (name ? name : "unknown") +
      "); install one, or convert the file to WAV or FLAC";
}

/// A decoder plays what is left of a file that was cut; the head tells how long it should have
/// been.
std::string find_missing_end (GstElement *pipeline, const Collector &collector)
{
  constexpr double kToleranceSeconds = 0.06; // padding of codecs
  gint64 told_ns = 0;
  if (collector.length_unknown ||
      !gst_element_query_duration (pipeline, GST_FORMAT_TIME, &told_ns) || told_ns <= 0)
    return {};
  const double told_s = static_cast<double> (told_ns) / static_cast<double> (GST_SECOND);
  const double got_s =
      static_cast<double> (collector.frames.load ()) / std::max (collector.rate_hz.load (), 1);
  if (got_s + kToleranceSeconds >= told_s)
    return {};
  return "it is cut short, its header tells of " + std::to_string (told_s) + " s and it has " +
      std::to_string (got_s) + " s";
}

/// Waits for the end of the pipeline, or until cancelled; returns a reason when it is not a good
/// end.
std::string run (GstElement *pipeline, const Collector &collector, const Cancelled &cancelled)
{
  const Ref<GstBus> bus {gst_element_get_bus (pipeline)};
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  std::string missing;
  std::size_t frames = 0;
  for (GstClockTime idle = 0; idle < kPatienceSeconds * GST_SECOND && !cancelled ();) {
    const Ref<GstMessage> message {gst_bus_timed_pop_filtered (bus.get (), kLookNs,
        static_cast<GstMessageType> (
            GST_MESSAGE_ERROR | GST_MESSAGE_EOS | GST_MESSAGE_ELEMENT | GST_MESSAGE_APPLICATION))};
    if (!message) {
      const std::size_t now = collector.frames.load (std::memory_order_relaxed);
      idle = now == frames ? idle + kLookNs : 0;
      frames = now;
      continue;
    }
    switch (GST_MESSAGE_TYPE (message.get ())) {
    case GST_MESSAGE_ERROR:
      return missing.empty () ? reason_of (message.get ()) : missing;
    case GST_MESSAGE_ELEMENT: {
      const GstStructure *const what = gst_message_get_structure (message.get ());
      if (gst_structure_has_name (what, "missing-plugin"))
        missing = missing_of (what);
      break;
    }
    case GST_MESSAGE_APPLICATION: // the collector has a fault, or there is nothing to collect
      return collector.linked ? "" : "there is no audio in it";
    default:
      return find_missing_end (pipeline, collector);
    }
  }
  return "it cannot be decoded, nothing came for " + std::to_string (kPatienceSeconds) + " seconds";
}

} // namespace

std::optional<LoadedImpulse> load_impulse (const std::string &path, const Cancelled &cancelled)
{
  if (const std::string fault = find_file_fault (path); !fault.empty ())
    fail (path, fault);

  // Stops the pipeline before anything goes that its threads use.
  struct Stop {
    void operator() (GstElement *pipeline) const noexcept
    {
      gst_element_set_state (pipeline, GST_STATE_NULL);
      gst_object_unref (pipeline);
    }
  };
  Collector collector;
  const std::unique_ptr<GstElement, Stop> pipeline {gst_pipeline_new ("impulse-loader")};
  GstElement *const source = add (pipeline.get (), "filesrc", path);
  GstElement *const decode = add (pipeline.get (), "decodebin", path);
  GstElement *const convert = add (pipeline.get (), "audioconvert", path);
  GstElement *const sink = add (pipeline.get (), "appsink", path);
  collector.pipeline = pipeline.get ();
  collector.convert = convert;

  g_object_set (source, "location", path.c_str (), nullptr);
  // Pictures and subtitles in the file are neither decoded nor missed.
  const Ref<GstCaps> audio {gst_caps_new_empty_simple ("audio/x-raw")};
  g_object_set (decode, "caps", audio.get (), "expose-all-streams", FALSE, nullptr);
  g_signal_connect (decode, "pad-added", G_CALLBACK (on_pad_added), &collector);
  g_signal_connect (decode, "autoplug-continue", G_CALLBACK (on_type), &collector);
  g_signal_connect (decode, "no-more-pads", G_CALLBACK (on_no_more_pads), &collector);
  const Ref<GstCaps> wanted {gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING,
      GST_AUDIO_NE (F32), "layout", G_TYPE_STRING, "interleaved", nullptr)};
  g_object_set (sink, "caps", wanted.get (), "sync", FALSE, nullptr);
  GstAppSinkCallbacks callbacks {};
  callbacks.new_sample = on_sample;
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, &collector, nullptr);
  gst_element_link (source, decode);
  gst_element_link (convert, sink);

  std::string reason = run (pipeline.get (), collector, cancelled);
  gst_element_set_state (pipeline.get (), GST_STATE_NULL);
  if (cancelled ())
    return std::nullopt;
  if (!collector.fault.empty ())
    reason = collector.fault;
  if (reason.empty ())
    reason = dsp::find_fault (collector.result.impulse, collector.result.rate_hz);
  if (!reason.empty ())
    fail (path, reason);
  return std::move (collector.result);
}

} // namespace mt::convreverb
