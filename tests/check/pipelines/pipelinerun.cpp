// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs a whole pipeline under a watchdog, keeps what comes out, and compares it.
#include "pipelinerun.hpp"

#include "glue/buffermap.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <gst/audio/audio.h>

namespace mt::test {
namespace {

/// Only a guard: no test measures time with it.
GstClockTime watchdog_ns ()
{
  const char *seconds = g_getenv ("MT_TEST_WATCHDOG_S");
  return (seconds ? std::strtoull (seconds, nullptr, 10) : 20) * GST_SECOND;
}

std::string text_of (GstMessage *message)
{
  GError *error = nullptr;
  gchar *debug = nullptr;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &debug);
  else
    gst_message_parse_warning (message, &error, &debug);
  std::string out = std::string (GST_MESSAGE_SRC_NAME (message)) + ": " + error->message + " (" +
      (debug ? debug : "") + ")";
  g_clear_error (&error);
  g_free (debug);
  return out;
}

std::uint64_t stream_time (GstPad *pad, GstClockTime pts)
{
  GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment = nullptr;
  gst_event_parse_segment (event, &segment);
  const guint64 out = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts);
  gst_event_unref (event);
  return out;
}

} // namespace

Pipeline::Pipeline (const std::string &launch)
{
  GError *error = nullptr;
  pipeline_ = gst_parse_launch (launch.c_str (), &error);
  if (error)
    g_error ("«%s» does not parse: %s", launch.c_str (), error->message);
  if (GstElement *sink = find ("out")) {
    GstPad *pad = gst_element_get_static_pad (sink, "sink");
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_data, this, nullptr);
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH, on_flush, this, nullptr);
    gst_object_unref (pad);
  }
}

Pipeline::~Pipeline ()
{
  gst_element_set_state (pipeline_, GST_STATE_NULL);
  gst_object_unref (pipeline_);
}

GstElement *Pipeline::find (const char *name) const
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline_), name);
  if (element)
    gst_object_unref (element); // the pipeline keeps it
  return element;
}

void Pipeline::set_state (GstState state)
{
  gst_element_set_state (pipeline_, state);
}

bool Pipeline::reach (GstState state)
{
  set_state (state);
  const auto change = gst_element_get_state (pipeline_, nullptr, nullptr, watchdog_ns ());
  return change == GST_STATE_CHANGE_SUCCESS || change == GST_STATE_CHANGE_NO_PREROLL;
}

End Pipeline::wait_for_end ()
{
  GstBus *bus = gst_element_get_bus (pipeline_);
  const auto types =
      static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  const gint64 deadline_us =
      g_get_monotonic_time () + static_cast<gint64> (watchdog_ns () / GST_USECOND);
  End end = End::hung;
  for (bool done = false; !done;) {
    const gint64 left_us = std::max<gint64> (0, deadline_us - g_get_monotonic_time ());
    GstMessage *message =
        gst_bus_timed_pop_filtered (bus, static_cast<guint64> (left_us) * GST_USECOND, types);
    if (!message)
      break;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
      warnings_.push_back (text_of (message));
    } else {
      done = true;
      end = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS ? End::eos : End::error;
      if (end == End::error)
        error_ = text_of (message);
    }
    gst_message_unref (message);
  }
  gst_object_unref (bus);
  return end;
}

End Pipeline::run ()
{
  // A failed change of state has its reason on the bus.
  set_state (GST_STATE_PLAYING);
  return wait_for_end ();
}

void Pipeline::forget ()
{
  const std::lock_guard lock {mutex_};
  capture_ = {};
}

bool Pipeline::seek (GstClockTime position_ns)
{
  const auto flags = static_cast<GstSeekFlags> (GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);
  return gst_element_seek_simple (
      pipeline_, GST_FORMAT_TIME, flags, static_cast<gint64> (position_ns));
}

std::uint64_t Pipeline::mixer_stat (const char *field) const
{
  GstStructure *stats = nullptr;
  g_object_get (find ("m"), "stats", &stats, nullptr);
  const GValue *value = stats ? gst_structure_get_value (stats, field) : nullptr;
  if (!value || !G_VALUE_HOLDS (value, G_TYPE_UINT64))
    g_error ("the mixer's stats have no guint64 %s", field);
  const std::uint64_t out = g_value_get_uint64 (value);
  gst_structure_free (stats);
  return out;
}

GstPadProbeReturn Pipeline::on_data (GstPad *pad, GstPadProbeInfo *info, gpointer self) noexcept
{
  static_cast<Pipeline *> (self)->take (pad, GST_PAD_PROBE_INFO_BUFFER (info));
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn Pipeline::on_flush (GstPad *, GstPadProbeInfo *info, gpointer self) noexcept
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_FLUSH_STOP)
    static_cast<Pipeline *> (self)->forget ();
  return GST_PAD_PROBE_OK;
}

void Pipeline::take (GstPad *pad, GstBuffer *buffer)
{
  const std::lock_guard lock {mutex_};
  GstCaps *caps = gst_pad_get_current_caps (pad);
  GstAudioInfo info;
  if (!caps || !gst_audio_info_from_caps (&info, caps) ||
      GST_AUDIO_INFO_FORMAT (&info) != GST_AUDIO_FORMAT_F32LE)
    g_error ("the sink named out does not get F32");
  gst_caps_unref (caps);

  const auto channels = static_cast<unsigned> (GST_AUDIO_INFO_CHANNELS (&info));
  const glue::BufferMap<GST_MAP_READ> map {buffer};
  const auto data = map.as<float> ();
  const std::size_t frames = data.size () / channels;
  if (capture_.buffers == 0) {
    capture_.channels = channels;
    capture_.first_pts_ns = GST_BUFFER_PTS (buffer);
    capture_.first_stream_time_ns = stream_time (pad, GST_BUFFER_PTS (buffer));
    capture_.frames_of_first = frames;
  } else {
    const std::uint64_t expected_ns = capture_.first_pts_ns +
        gst_util_uint64_scale_round (
            capture_.frames (), GST_SECOND, static_cast<guint64> (GST_AUDIO_INFO_RATE (&info)));
    const auto off_ns = static_cast<std::int64_t> (GST_BUFFER_PTS (buffer) - expected_ns);
    capture_.broken_pts += std::abs (off_ns) > 1 ? 1 : 0;
    // The buffer before was not the last, so it should have had the size of the first.
    capture_.odd_sizes += capture_.frames () != capture_.buffers * capture_.frames_of_first ? 1 : 0;
  }
  ++capture_.buffers;
  capture_.samples.insert (capture_.samples.end (), data.begin (), data.end ());
}

const char *name_of (Topology topology)
{
  switch (topology) {
  case Topology::direct:
    return "direct";
  case Topology::queue:
    return "queue";
  case Topology::multiqueue:
    return "multiqueue";
  case Topology::decodebin_a_track:
    return "decodebin a track";
  case Topology::decodebin:
    return "decodebin";
  }
  return "";
}

std::string mixer_factory ()
{
  const char *name = g_getenv ("MT_TEST_MIXER");
  return name ? name : "trackmixer";
}

std::string launch_line (
    const Container &container, Topology topology, const std::string &mixer_properties)
{
  const bool ours = mixer_factory () == "trackmixer";
  std::string line = mixer_factory () + " name=m " + (ours ? mixer_properties : "") +
      " filesrc location=" + container.path () + " ! ";
  if (topology == Topology::decodebin)
    return line + "decodebin name=d ";
  line += "matroskademux name=d ";
  if (topology == Topology::multiqueue)
    line += "multiqueue name=q ";
  for (std::size_t i = 0; i < container.spec ().tracks.size (); ++i) {
    const std::string n = std::to_string (i);
    const std::string decode = decoder_of (container.spec ().tracks[i].codec);
    line += "d.audio_" + n + " ! ";
    switch (topology) {
    case Topology::queue:
      line += "queue " + decode;
      break;
    case Topology::multiqueue:
      line += "q.sink_" + n + " q.src_" + n + " " + decode;
      break;
    case Topology::decodebin_a_track:
      line += "decodebin";
      break;
    default:
      line += decode.empty () ? "" : decode.substr (2);
      break;
    }
    line += (topology == Topology::direct && decode.empty ()) ? "m. " : " ! m. ";
  }
  return line;
}

std::string tail_line (const std::string &effects, const std::string &sink_properties)
{
  return " m. ! audio/x-raw,format=F32LE,rate=" + std::to_string (kRateHz) +
      ",channels=" + std::to_string (kChannels) + " ! " + effects + " fakesink name=out " +
      sink_properties;
}

void link_decodebin (Pipeline &pipeline)
{
  const auto on_pad = +[] (GstElement *decodebin, GstPad *pad, GstElement *mixer) {
    GstPad *sink = gst_element_request_pad_simple (mixer, "sink_%u");
    if (GST_PAD_LINK_FAILED (gst_pad_link (pad, sink)))
      g_error ("decodebin's pad does not link to the mixer");
    gst_object_unref (sink);
  };
  GstElement *decodebin = pipeline.find ("d");
  if (g_str_has_prefix (GST_OBJECT_NAME (gst_element_get_factory (decodebin)), "decodebin"))
    g_signal_connect (decodebin, "pad-added", G_CALLBACK (on_pad), pipeline.find ("m"));
}

TwoWavFiles::TwoWavFiles ()
    : shorter_ {seeded_noise (1, 2 * kRateHz + 3, kChannels, 20)}, mix_ {seeded_noise (2,
                                                                       3 * kRateHz + 1, kChannels,
                                                                       20)},
      a_ {wav_file (shorter_, kChannels, kRateHz)}, b_ {wav_file (mix_, kChannels, kRateHz)}
{
  for (std::size_t i = 0; i < shorter_.size (); ++i)
    mix_[i] += shorter_[i];
}

std::string TwoWavFiles::launch_line () const
{
  return mixer_factory () + " name=m filesrc location=" + a_.path () +
      " ! wavparse ! m. filesrc location=" + b_.path () + " ! wavparse ! m. " + tail_line ();
}

Capture decode_one_track (const std::string &path, std::size_t track, Codec codec)
{
  Pipeline pipeline {"filesrc location=" + path + " ! matroskademux name=d d.audio_" +
      std::to_string (track) + " " + decoder_of (codec) +
      " ! audioconvert ! audio/x-raw,format=F32LE,layout=interleaved ! fakesink name=out "
      "sync=false"};
  if (pipeline.run () != End::eos)
    g_error ("a track alone does not decode: %s", pipeline.error ().c_str ());
  return pipeline.capture ();
}

std::string difference (
    std::span<const float> got, std::span<const float> expected, double tolerance)
{
  const std::size_t common = std::min (got.size (), expected.size ());
  std::size_t wrong = 0, first = 0;
  double worst = 0.0;
  for (std::size_t i = 0; i < common; ++i) {
    const double off = std::abs (static_cast<double> (got[i]) - static_cast<double> (expected[i]));
    if (off <= tolerance)
      continue;
    if (wrong++ == 0)
      first = i;
    worst = std::max (worst, off);
  }
  std::string out;
  if (got.size () != expected.size ())
    out = std::to_string (got.size ()) + " samples instead of " + std::to_string (expected.size ());
  if (wrong > 0)
    out += (out.empty () ? "" : ", ") + std::to_string (wrong) + " samples differ, the first at " +
        std::to_string (first) + " (" + std::to_string (got[first]) + " instead of " +
        std::to_string (expected[first]) + "), the worst by " + std::to_string (worst);
  return out;
}

} // namespace mt::test
