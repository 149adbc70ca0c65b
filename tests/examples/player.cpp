// SPDX-License-Identifier: LGPL-2.1-or-later
// Builds the player's pipeline from stock elements, trackmixer and convreverb, by factory name.
#include "player.hpp"

#include "glue/buffermap.hpp"
#include "inputfiles.hpp"
#include "program.hpp"

#include <gst/pbutils/pbutils.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <unistd.h>

namespace mt::player {

namespace {

namespace fs = std::filesystem;
using program::format;

template <class... Arguments>
[[noreturn]] void refuse (const char *pattern, Arguments... arguments)
{
  throw std::runtime_error (format (pattern, arguments...));
}

template <class... Arguments>
[[noreturn]] void refuse_option (const char *pattern, Arguments... arguments)
{
  throw std::invalid_argument (format (pattern, arguments...));
}

std::string to_uri (const char *input)
{
  if (gst_uri_is_valid (input))
    return input;
  if (!g_file_test (input, G_FILE_TEST_EXISTS))
    refuse ("there is no file \"%s\"", input);
  if (g_file_test (input, G_FILE_TEST_IS_DIR))
    refuse ("\"%s\" is a folder; name one file with several audio tracks", input);
  if (access (input, R_OK) != 0)
    refuse ("no permission to read \"%s\"", input);
  g_autofree gchar *uri = gst_filename_to_uri (input, nullptr);
  return uri;
}

/// Rendering makes a file of another name first, so that one counts, too.
void refuse_to_overwrite (
    const std::string &render, const std::string &part, const Options &options)
{
  for (const std::string &file : {render, part}) {
    const char *what = is_same_file (file, options.input) ? "file to be mixed"
        : is_same_file (file, options.ir)                 ? "impulse response"
                                                          : nullptr;
    if (what)
      refuse ("cannot write \"%s\": %s is the %s", render.c_str (),
          file == render
              ? "it"
              : format ("\"%s\", which it is until it is complete,", file.c_str ()).c_str (),
          what);
  }
}

/// What follows the reverb, as a launch line.
std::string output_line (const Options &options, const std::string &part)
{
  const char *file = options.render.c_str ();
  if (options.render.empty ())
    return format ("audioresample ! %s",
        options.audio_sink.empty () ? "autoaudiosink name=sink" : options.audio_sink.c_str ());
  if (fs::is_directory (file))
    refuse ("cannot write \"%s\": it is a folder", file);
  refuse_to_overwrite (options.render, part, options);
  const fs::path folder = fs::absolute (file).parent_path ();
  std::error_code error;
  if (fs::is_directory (folder, error) && access (folder.c_str (), W_OK) != 0)
    refuse ("cannot write \"%s\": no permission to make a file in \"%s\"; --render takes one in "
            "another folder",
        file, folder.c_str ());
  g_autofree gchar *lower = g_ascii_strdown (file, -1);
  if (g_str_has_suffix (lower, ".flac"))
    return "audio/x-raw,format=S24LE ! flacenc ! filesink name=file";
  if (g_str_has_suffix (lower, ".wav"))
    return "audio/x-raw,format=F32LE ! wavenc name=wav ! filesink name=file";
  refuse_option ("cannot tell the format of \"%s\"; name it .flac or .wav", file);
}

/// Sets a property from the text of the option of that name, if there is any.
void set_checked (GstElement *element, const char *property, const std::string &text,
    const char *option, const char *takes)
{
  if (text.empty ())
    return;
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), property);
  g_auto (GValue) value = G_VALUE_INIT;
  g_value_init (&value, spec->value_type);
  // Validation changes a value that is out of range and says so.
  if (!gst_value_deserialize (&value, text.c_str ()) || g_param_value_validate (spec, &value))
    refuse_option ("%s \"%s\": it takes %s", option, text.c_str (), takes);
  g_object_set_property (G_OBJECT (element), property, &value);
}

std::string stream_id_of (GstPad *pad)
{
  g_autofree gchar *id = gst_pad_get_stream_id (pad);
  return id ? id : "";
}

/// Adds what the tags of the track's stream say that have passed through `pad`.
gboolean read_tags (GstElement *, GstPad *pad, gpointer data) noexcept
{
  auto &track = *static_cast<Track *> (data);
  if (stream_id_of (pad) != track.stream_id)
    return TRUE;
  for (guint i = 0;; ++i) {
    g_autoptr (GstEvent) event = gst_pad_get_sticky_event (pad, GST_EVENT_TAG, i);
    if (!event)
      return TRUE;
    GstTagList *tags = nullptr;
    gst_event_parse_tag (event, &tags);
    if (gst_tag_list_get_scope (tags) != GST_TAG_SCOPE_STREAM) // global: the file's title
      continue;
    const auto take = [&] (const char *name, std::string &into) {
      g_autofree gchar *value = nullptr;
      if (gst_tag_list_get_string (tags, name, &value))
        into = g_strdelimit (value, "\a\b\t\n\v\f\r\033", ' '); // no commands to the terminal
    };
    take (GST_TAG_TITLE, track.title);
    take (GST_TAG_AUDIO_CODEC, track.codec);
    take (GST_TAG_LANGUAGE_CODE, track.language);
  }
}

} // namespace

void Player::Stop::operator() (GstElement *pipeline) const
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

Player::Player (const Options &options)
    : render_ {options.render}, part_ {render_.empty () ? "" : render_ + ".part"},
      channels_ {options.channels},
      ir_channels_ {options.ir_channels}, left_out_ {options.left_out}, tracks_ {options.left_out}
{
  const std::string uri = to_uri (options.input.c_str ());
  // Video, subtitles and attachments are left where they are: not exposed, not decoded.
  const std::string line =
      "uridecodebin name=source caps=audio/x-raw expose-all-streams=false "
      "trackmixer name=mixer ! capsfilter name=format ! convreverb name=reverb "
      "! audioconvert ! " +
      output_line (options, part_);
  g_autoptr (GError) error = nullptr;
  pipeline_.reset (
      gst_parse_launch_full (line.c_str (), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error));
  if (error && !options.audio_sink.empty ())
    refuse_option ("--audiosink \"%s\": %s", options.audio_sink.c_str (), error->message);
  if (error)
    refuse ("%s; install its plug-in or set GST_PLUGIN_PATH to its folder", error->message);

  GstElement *source = find ("source"), *reverb = find ("reverb"), *file = find ("file");
  if (file)
    g_object_set (file, "location", part_.c_str (), nullptr);
  if (!options.ir.empty ())
    g_object_set (reverb, "ir-location", options.ir.c_str (), nullptr);
  set_checked (reverb, "preset-room", options.room, "--room", "small-room, hall, plate, cathedral");
  set_checked (reverb, "dry", options.dry, "--dry", "a number from 0 to 10");
  set_checked (reverb, "wet", options.wet, "--wet", "a number from 0 to 10");

  g_object_set (source, "uri", uri.c_str (), nullptr);
  using Self = Player *;
  const auto on_pad_added =
      +[] (GstElement *, GstPad *pad, Self self) noexcept { self->add_track (pad); };
  const auto on_no_more_pads = +[] (GstElement *element, Self self) noexcept {
    if (self->find ("mixer")->numsinkpads == 0)
      GST_ELEMENT_ERROR (element, STREAM, DECODE, ("no track has any sound"), (nullptr));
  };
  const auto on_autoplug_select =
      +[] (GstElement *, GstPad *pad, GstCaps *, GstElementFactory *, Self self) noexcept {
        return self->is_left_out (pad) ? 2 : 0; // skip, try: decodebin's enum is in no header
      };
  const auto on_unknown_type = +[] (GstElement *, GstPad *pad, GstCaps *caps, Self self) noexcept {
    self->add_unknown (pad, caps);
  };
  const auto on_output = +[] (GstPad *, GstPadProbeInfo *info, gpointer self) noexcept {
    static_cast<Self> (self)->inspect_output (GST_PAD_PROBE_INFO_BUFFER (info));
    return GST_PAD_PROBE_OK;
  };
  g_signal_connect (source, "pad-added", G_CALLBACK (on_pad_added), this);
  g_signal_connect (source, "no-more-pads", G_CALLBACK (on_no_more_pads), this);
  g_signal_connect (source, "autoplug-select", G_CALLBACK (on_autoplug_select), this);
  g_signal_connect (source, "unknown-type", G_CALLBACK (on_unknown_type), this);
  g_autoptr (GstPad) output = gst_element_get_static_pad (reverb, "src");
  gst_pad_add_probe (output, GST_PAD_PROBE_TYPE_BUFFER, on_output, this, nullptr);
  const auto on_event = +[] (GstPad *, GstPadProbeInfo *info, gpointer self) noexcept {
    static_cast<Self> (self)->end_of_mix (GST_PAD_PROBE_INFO_EVENT (info));
    return GST_PAD_PROBE_OK;
  };
  g_autoptr (GstPad) mix = gst_element_get_static_pad (reverb, "sink");
  gst_pad_add_probe (mix, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, this, nullptr);
}

GstElement *Player::find (const char *name) const
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline ()), name);
  return element;
}

bool Player::is_left_out (GstPad *pad) const
{
  return std::any_of (left_out_.begin (), left_out_.end (),
      [id = stream_id_of (pad)] (const Track &track) { return track.stream_id == id; });
}

void Player::add_track (GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  Track track {.stream_id = stream_id_of (pad)};
  const std::lock_guard guard {lock_};
  if (!caps) { // it ended before it began
    tracks_.push_back ({.stream_id = track.stream_id, .problem = "there is no sound in it"});
    return;
  }
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gst_structure_get_int (structure, "rate", &track.rate_hz);
  gst_structure_get_int (structure, "channels", &track.channels);
  GstElement *mixer = find ("mixer");
  if (mixer->numsinkpads == 0) { // the mix has the rate of the first track
    std::string mix = format ("audio/x-raw,rate=%d", track.rate_hz);
    if (channels_ != 0)
      mix += format (",channels=%d", channels_);
    else if (ir_channels_ == 2 || ir_channels_ == 4) // stereo at least
      mix += ",channels=[2,2147483647]";
    gst_util_set_object_arg (G_OBJECT (find ("format")), "caps", mix.c_str ());
  }
  g_autoptr (GstPad) sink = gst_element_get_compatible_pad (mixer, pad, caps);
  if (!sink || gst_pad_link (pad, sink) != GST_PAD_LINK_OK) {
    g_autofree gchar *text = gst_caps_to_string (caps);
    track = {.stream_id = track.stream_id, .problem = format ("the mix cannot take %s", text)};
  } else {
    track.pad = GST_PAD_NAME (sink);
  }
  tracks_.push_back (track);
}

void Player::add_unknown (GstPad *pad, const GstCaps *caps)
{
  const gchar *media = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (is_left_out (pad) || !g_str_has_prefix (media, "audio/"))
    return;
  g_autofree gchar *codec = gst_pb_utils_get_codec_description (caps);
  const std::lock_guard guard {lock_};
  tracks_.push_back (
      {.stream_id = stream_id_of (pad), .problem = format ("no decoder for %s", codec)});
}

MixFormat Player::mix_format () const
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (find ("format"), "src");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  MixFormat mix;
  if (!caps)
    return mix;
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gst_structure_get_int (structure, "rate", &mix.rate_hz);
  gst_structure_get_int (structure, "channels", &mix.channels);
  return mix;
}

void Player::inspect_output (GstBuffer *buffer)
{
  const glue::BufferMap<GST_MAP_READ> map {buffer};
  if (!map)
    return;
  float peak = peak_;
  guint64 clipped = 0;
  for (const float sample : map.as<const float> ()) {
    peak = std::max (peak, std::abs (sample));
    clipped += std::abs (sample) > 1.0f;
  }
  peak_ = peak;
  clipped_samples_ += clipped;
  end_ = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
}

void Player::end_of_mix (GstEvent *event)
{
  if (GST_EVENT_TYPE (event) != GST_EVENT_EOS || rings_out_)
    return;
  GstStructure *stats = Player::stats ();
  const std::lock_guard guard {lock_};
  last_stats_.reset (stats);
  rings_out_ = true;
}

GstStructure *Player::stats () const
{
  if (std::unique_lock guard {lock_}; last_stats_)
    return gst_structure_copy (last_stats_.get ());
  GstStructure *stats = nullptr;
  g_object_get (find ("mixer"), "stats", &stats, nullptr);
  return stats;
}

bool Player::no_sound_card () const
{
  GstElement *sink = find ("sink");
  if (!sink || !GST_IS_BIN (sink))
    return false;
  // It chooses on the way to READY, and takes fakesink when it finds nothing.
  gst_element_set_state (sink, GST_STATE_READY);
  const GstElement *chosen = GST_ELEMENT (GST_BIN_CHILDREN (sink)->data);
  return g_str_has_prefix (G_OBJECT_TYPE_NAME (chosen), "GstFakeSink");
}

bool Player::keeps_time () const
{
  bool waits = false; // some sink does, in whatever bin it is
  const auto visit = [] (const GValue *item, gpointer data) noexcept {
    auto *element = GST_ELEMENT (g_value_get_object (item));
    gboolean sync = FALSE;
    if (GST_OBJECT_FLAG_IS_SET (element, GST_ELEMENT_FLAG_SINK) && !GST_IS_BIN (element) &&
        g_object_class_find_property (G_OBJECT_GET_CLASS (element), "sync"))
      g_object_get (element, "sync", &sync, nullptr);
    *static_cast<bool *> (data) = *static_cast<bool *> (data) || sync;
  };
  g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (GST_BIN (pipeline ()));
  while (gst_iterator_foreach (elements, visit, &waits) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (elements);
  return waits;
}

void Player::finish ()
{
  // While sound flows, its own thread ends it, in place of the next chunk: another thread would
  // have to win the stream lock of the reverb's pad against one that hardly ever lets go of it.
  g_autoptr (GstPad) pad = gst_element_get_static_pad (find ("format"), "src");
  const auto end = +[] (GstPad *mix, GstPadProbeInfo *, gpointer) noexcept {
    gst_pad_push_event (mix, gst_event_new_eos ());
    return GST_PAD_PROBE_DROP; // the mixer learns from the next chunk that no more is wanted
  };
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, end, nullptr, nullptr);
  // While nothing flows, the lock is free; the pad refuses whichever EOS comes second. The tail
  // takes as long as it sounds, so this is not for the application's thread.
  const auto send = +[] (GstElement *reverb, gpointer) noexcept {
    gst_element_send_event (reverb, gst_event_new_eos ());
  };
  gst_element_call_async (find ("reverb"), send, nullptr, nullptr);
}

void Player::discard () const noexcept
{
  if (!part_.empty ()) // nothing is there after commit()
    unlink (part_.c_str ());
}

void Player::commit ()
{
  gst_element_set_state (pipeline (), GST_STATE_NULL); // closes the file
  fs::rename (part_, render_);
}

std::vector<Track> Player::tracks () const
{
  std::unique_lock guard {lock_};
  std::vector<Track> tracks = tracks_;
  guard.unlock ();
  // All pads are asked: the tags of a track without a decoder get no further than the demuxer's.
  for (Track &track : tracks) {
    g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (GST_BIN (pipeline ()));
    const auto visit = [] (const GValue *element, gpointer data) noexcept {
      gst_element_foreach_src_pad (GST_ELEMENT (g_value_get_object (element)), read_tags, data);
    };
    while (gst_iterator_foreach (elements, visit, &track) == GST_ITERATOR_RESYNC)
      gst_iterator_resync (elements);
  }
  return tracks;
}

} // namespace mt::player
