// SPDX-License-Identifier: LGPL-2.1-or-later
// Renders the demo song from code and muxes it with stock encoders into one Matroska file.
#include "program.hpp"
#include "song.hpp"

#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <memory>
#include <span>
#include <string>

namespace {

using mt::demo::kRateHz;
using mt::demo::Track;
using mt::program::format;

constexpr std::size_t kPushFrames = 4800;

/// Gives one track to its appsrc, a piece whenever it asks; appsrc's thread only.
struct Feed {
  Track track;
  std::size_t next_frame {0};
};

GstClockTime frame_time (std::size_t frame)
{
  return gst_util_uint64_scale_round (frame, GST_SECOND, kRateHz);
}

void on_need_data (GstAppSrc *source, guint, gpointer user_data) noexcept
{
  auto &feed = *static_cast<Feed *> (user_data);
  const Track &track = feed.track;
  if (feed.next_frame == track.frames ()) {
    gst_app_src_end_of_stream (source);
    return;
  }
  const std::size_t frames = std::min (kPushFrames, track.frames () - feed.next_frame);
  const auto samples =
      std::span {track.samples}.subspan (feed.next_frame * track.channels, frames * track.channels);
  // The track outlives the pipeline, so the buffer only points into it.
  GstBuffer *buffer =
      gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, const_cast<float *> (samples.data ()),
          samples.size_bytes (), 0, samples.size_bytes (), nullptr, nullptr);
  const std::size_t first = track.start_frame + feed.next_frame;
  GST_BUFFER_PTS (buffer) = frame_time (first);
  GST_BUFFER_DURATION (buffer) = frame_time (first + frames) - frame_time (first);
  feed.next_frame += frames;
  gst_app_src_push_buffer (source, buffer);
}

GstElement *make (const char *factory)
{
  GstElement *element = gst_element_factory_make (factory, nullptr);
  if (!element)
    throw std::runtime_error (
        format ("there is no element \"%s\"; install the GStreamer plug-ins \"base\" and \"good\"",
            factory));
  return element;
}

void add_track (GstBin *pipeline, GstElement *mux, Feed &feed)
{
  const Track &track = feed.track;
  GstElement *source = make ("appsrc"), *convert = make ("audioconvert");
  GstElement *encoder = make (track.encoder.c_str ());
  GstCaps *caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, "F32LE", "layout",
      G_TYPE_STRING, "interleaved", "rate", G_TYPE_INT, kRateHz, "channels", G_TYPE_INT,
      track.channels, nullptr);
  if (track.channels == 2)
    gst_caps_set_simple (caps, "channel-mask", GST_TYPE_BITMASK, G_GUINT64_CONSTANT (3), nullptr);
  g_object_set (source, "caps", caps, "format", GST_FORMAT_TIME, nullptr);
  gst_caps_unref (caps);
  GstAppSrcCallbacks callbacks {};
  callbacks.need_data = on_need_data;
  gst_app_src_set_callbacks (GST_APP_SRC (source), &callbacks, &feed, nullptr);

  // 16 bits are what all players take; audioconvert dithers, the same way every time.
  GstElement *depth = make ("capsfilter");
  GstCaps *encoded = gst_caps_from_string (
      track.encoder == "vorbisenc" ? "audio/x-raw, format=F32LE" : "audio/x-raw, format=S16LE");
  g_object_set (depth, "caps", encoded, nullptr);
  gst_caps_unref (encoded);

  gst_bin_add_many (pipeline, source, convert, depth, encoder, nullptr);
  gst_element_link_many (source, convert, depth, encoder, mux, nullptr);
  // A stream tag, so that the muxer makes it the name of the track and not of the file.
  GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, track.title.c_str (), nullptr);
  gst_tag_list_set_scope (tags, GST_TAG_SCOPE_STREAM);
  gst_element_send_event (source, gst_event_new_tag (tags));
}

void run (GstElement *pipeline, const char *path)
{
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
      bus, GST_CLOCK_TIME_NONE, static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    return;
  g_autoptr (GError) error = nullptr;
  gst_message_parse_error (message, &error, nullptr);
  throw std::runtime_error (format ("cannot write \"%s\": %s", path, error->message));
}

void write_song (const char *path)
{
  std::vector<std::unique_ptr<Feed>> feeds;
  for (Track &track : mt::demo::render_song ())
    feeds.push_back (std::make_unique<Feed> (Feed {std::move (track)}));

  g_autoptr (GstElement) pipeline = gst_pipeline_new (nullptr);
  GstElement *mux = make ("matroskamux"), *sink = make ("filesink");
  // The file says when it was made; a fixed date keeps it the same from run to run.
  GDateTime *date = g_date_time_new_utc (2020, 1, 1, 0, 0, 0.0);
  g_object_set (mux, "creation-time", date, nullptr);
  g_date_time_unref (date);
  g_object_set (sink, "location", path, nullptr);
  gst_tag_setter_add_tags (
      GST_TAG_SETTER (mux), GST_TAG_MERGE_REPLACE, GST_TAG_TITLE, mt::demo::kSongTitle, nullptr);
  gst_bin_add_many (GST_BIN (pipeline), mux, sink, nullptr);
  gst_element_link (mux, sink);
  for (auto &feed : feeds)
    add_track (GST_BIN (pipeline), mux, *feed);
  run (pipeline, path);
}

} // namespace

int main (int argc, char **argv)
{
  return mt::program::run ("render-demo-song", [&] {
    g_auto (GStrv) files = nullptr;
    const GOptionEntry entries[] {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, nullptr, "FILE.mka"},
        {},
    };
    mt::program::parse_options (argc, argv, entries,
        "Renders the demo song from code: eight titled tracks of 48 s at 48 kHz, muxed into "
        "FILE.mka.");
    if (!files || g_strv_length (files) != 1)
      throw std::invalid_argument ("give one FILE.mka to write");
    // The muxer draws the UIDs of file and tracks from GLib's generator.
    g_random_set_seed (1);
    write_song (files[0]);
    return 0;
  });
}
