// SPDX-License-Identifier: LGPL-2.1-or-later
// Builds the player's pipeline from stock elements, trackmixer and convreverb, by factory name.
#include "player.hpp"

#include <gst/pbutils/pbutils.h>

#include <glib/gstdio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/stat.h>

namespace mt::player {

namespace {

std::string quoted (const std::string &text)
{
  return "\"" + text + "\"";
}

std::string to_uri (const std::string &input)
{
  if (gst_uri_is_valid (input.c_str ()))
    return input;
  if (!g_file_test (input.c_str (), G_FILE_TEST_EXISTS))
    throw Failure {"there is no file " + quoted (input)};
  if (g_file_test (input.c_str (), G_FILE_TEST_IS_DIR))
    throw Failure {quoted (input) + " is a folder; name one file with several audio tracks"};
  if (g_access (input.c_str (), R_OK) != 0)
    throw Failure {"no permission to read " + quoted (input)};
  gchar *uri = gst_filename_to_uri (input.c_str (), nullptr);
  std::string out = uri ? uri : "";
  g_free (uri);
  return out;
}

bool ends_with (const std::string &text, const char *suffix)
{
  gchar *lower = g_ascii_strdown (text.c_str (), -1);
  const bool yes = g_str_has_suffix (lower, suffix);
  g_free (lower);
  return yes;
}

/// Fills in what the stream tags that have passed through `pad` say.
void read_tags (GstPad *pad, Track &track)
{
  const auto take = [] (const GstTagList *tags, const char *name, std::string &into) {
    gchar *value = nullptr;
    if (gst_tag_list_get_string (tags, name, &value))
      into = value;
    g_free (value);
  };
  for (guint i = 0; GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_TAG, i); ++i) {
    GstTagList *tags = nullptr;
    gst_event_parse_tag (event, &tags);
    if (gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_STREAM) { // global tags: the file's title
      take (tags, GST_TAG_TITLE, track.title);
      take (tags, GST_TAG_AUDIO_CODEC, track.codec);
      take (tags, GST_TAG_LANGUAGE_CODE, track.language);
    }
    gst_event_unref (event);
  }
}

/// The demuxer's pad that feeds `pad`, or null. Parsers and queues may lie between.
GstPad *demuxer_pad (GstPad *pad)
{
  gst_object_ref (pad);
  while (pad) {
    GstElement *element = gst_pad_get_parent_element (pad);
    if (!element)
      break;
    const gchar *klass = gst_element_get_metadata (element, GST_ELEMENT_METADATA_KLASS);
    const bool demuxer = klass && g_strrstr (klass, "Demux");
    gst_object_unref (element);
    if (demuxer)
      return pad;
    GstPad *sink = nullptr;
    GstIterator *inner = gst_pad_iterate_internal_links (pad);
    GValue item = G_VALUE_INIT;
    if (inner && gst_iterator_next (inner, &item) == GST_ITERATOR_OK) {
      sink = GST_PAD (g_value_dup_object (&item));
      g_value_unset (&item);
    }
    if (inner)
      gst_iterator_free (inner);
    gst_object_unref (pad);
    pad = sink ? gst_pad_get_peer (sink) : nullptr;
    gst_clear_object (&sink);
  }
  gst_clear_object (&pad);
  return nullptr;
}

/// Sets a property from an option's text, if there is any. Throws Failure that says what it takes.
void set_checked (
    GstElement *element, const char *option, const char *property, const std::string &text)
{
  if (text.empty ())
    return;
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), property);
  GValue value = G_VALUE_INIT;
  g_value_init (&value, spec->value_type);
  // Validation changes a value that is out of range and says so.
  if (gst_value_deserialize (&value, text.c_str ()) && !g_param_value_validate (spec, &value)) {
    g_object_set_property (G_OBJECT (element), property, &value);
    return;
  }
  std::string takes;
  if (G_IS_PARAM_SPEC_ENUM (spec)) {
    const GEnumClass *names = G_PARAM_SPEC_ENUM (spec)->enum_class;
    for (guint i = 0; i < names->n_values; ++i)
      takes += (i == 0 ? "" : ", ") + std::string {names->values[i].value_nick};
  } else {
    const GParamSpecDouble *range = G_PARAM_SPEC_DOUBLE (spec);
    gchar *words = g_strdup_printf ("a number from %g to %g", range->minimum, range->maximum);
    takes = words;
    g_free (words);
  }
  throw Failure {std::string {option} + " " + quoted (text) + ": it takes " + takes};
}

GstCaps *mix_caps (const GstStructure *widest, int rate_hz)
{
  GstCaps *caps = gst_caps_new_simple ("audio/x-raw", "rate", G_TYPE_INT, rate_hz, nullptr);
  for (const char *field : {"channels", "channel-mask"})
    if (const GValue *value = gst_structure_get_value (widest, field))
      gst_caps_set_value (caps, field, value);
  return caps;
}

} // namespace

Player::Player (const Options &options) : render_ {options.render}
{
  const std::string uri = to_uri (options.input);
  pipeline_ = gst_pipeline_new (nullptr);
  try {
    GstElement *source = add ("uridecodebin");
    mixer_ = add ("trackmixer");
    mix_format_ = add ("capsfilter");
    reverb_ = add ("convreverb");
    GstElement *output = add_output (options);
    gst_element_link_many (mixer_, mix_format_, reverb_, output, nullptr);

    if (!options.ir.empty ())
      g_object_set (reverb_, "ir-location", options.ir.c_str (), nullptr);
    set_checked (reverb_, "--room", "preset-room", options.room);
    set_checked (reverb_, "--dry", "dry", options.dry);
    set_checked (reverb_, "--wet", "wet", options.wet);

    // Video, subtitles and attachments are left where they are: not exposed, not decoded.
    GstCaps *audio = gst_caps_new_empty_simple ("audio/x-raw");
    g_object_set (source, "uri", uri.c_str (), "caps", audio, "expose-all-streams", FALSE, nullptr);
    gst_caps_unref (audio);
    g_signal_connect (source, "pad-added", G_CALLBACK (on_pad_added), this);
    g_signal_connect (source, "unknown-type", G_CALLBACK (on_unknown_type), this);
  } catch (...) { // no destructor will run
    gst_object_unref (pipeline_);
    discard ();
    throw;
  }
}

Player::~Player ()
{
  gst_element_set_state (pipeline_, GST_STATE_NULL);
  for (Source &source : sources_)
    gst_object_unref (source.pad);
  for (Undecodable &track : undecodable_)
    gst_clear_object (&track.pad);
  gst_object_unref (pipeline_);
  discard ();
}

void Player::discard () noexcept
{
  if (!part_.empty ()) // empty after commit()
    g_unlink (part_.c_str ());
}

GstElement *Player::add (const char *factory)
{
  GstElement *element = gst_element_factory_make (factory, nullptr);
  if (!element)
    throw Failure {"there is no element " + quoted (factory) +
        "; install its plug-in or set GST_PLUGIN_PATH to the folder that has it"};
  gst_bin_add (GST_BIN (pipeline_), element);
  return element;
}

/// Returns the first element of the way from the reverb to the sound card or the file.
GstElement *Player::add_output (const Options &options)
{
  GstElement *convert = add ("audioconvert");
  if (render_.empty ()) {
    GstElement *resample = add ("audioresample");
    if (options.audio_sink.empty ()) {
      sink_ = add ("autoaudiosink");
      automatic_sink_ = true;
    } else {
      GError *error = nullptr;
      sink_ = gst_parse_bin_from_description (options.audio_sink.c_str (), TRUE, &error);
      if (!sink_ || error)
        throw Failure {"--audiosink " + quoted (options.audio_sink) + ": " + error->message};
      gst_bin_add (GST_BIN (pipeline_), sink_);
    }
    gst_element_link_many (convert, resample, sink_, nullptr);
    return convert;
  }

  const bool flac = ends_with (render_, ".flac");
  if (!flac && !ends_with (render_, ".wav"))
    throw Failure {"cannot tell the format of " + quoted (render_) + "; name it .flac or .wav"};
  if (g_file_test (render_.c_str (), G_FILE_TEST_IS_DIR))
    throw Failure {"cannot write " + quoted (render_) + ": it is a folder"};
  struct stat in, out;
  if (stat (options.input.c_str (), &in) == 0 && stat (render_.c_str (), &out) == 0 &&
      in.st_dev == out.st_dev && in.st_ino == out.st_ino)
    throw Failure {"cannot write " + quoted (render_) + ": it is the file to be mixed"};
  // Until it is complete the file has another name, so that a failure leaves no half song behind
  // and does not cost the file that was there before.
  part_ = render_ + ".part";
  FILE *probe = g_fopen (part_.c_str (), "wb");
  if (!probe) {
    const std::string reason = g_strerror (errno);
    part_.clear ();
    throw Failure {"cannot write " + quoted (render_) + ": " + reason};
  }
  fclose (probe);
  GstElement *depth = add ("capsfilter");
  GstCaps *caps = gst_caps_new_simple (
      "audio/x-raw", "format", G_TYPE_STRING, flac ? "S24LE" : "F32LE", nullptr);
  g_object_set (depth, "caps", caps, nullptr);
  gst_caps_unref (caps);
  GstElement *encode = add (flac ? "flacenc" : "wavenc");
  sink_ = add ("filesink");
  g_object_set (sink_, "location", part_.c_str (), nullptr);
  gst_element_link_many (convert, depth, encode, sink_, nullptr);
  return convert;
}

void Player::add_track (GstPad *pad)
{
  GstCaps *caps = gst_pad_get_current_caps (pad);
  if (!caps)
    caps = gst_pad_query_caps (pad, nullptr);
  const GstStructure *format = gst_caps_get_structure (caps, 0);
  Track track;
  gst_structure_get_int (format, "rate", &track.rate_hz);
  gst_structure_get_int (format, "channels", &track.channels);

  const std::lock_guard guard {lock_};
  track.number = static_cast<unsigned> (sources_.size ()) + 1;
  // The mix has the rate of the first track and the channels of the widest.
  const int rate_hz = sources_.empty () ? track.rate_hz : sources_.front ().track.rate_hz;
  bool widest = true;
  for (const auto &other : sources_)
    widest = widest && track.channels > other.track.channels;
  if (widest) {
    GstCaps *mix = mix_caps (format, rate_hz);
    g_object_set (mix_format_, "caps", mix, nullptr);
    gst_caps_unref (mix);
  }

  GstPad *mixer_pad = gst_element_request_pad_simple (mixer_, "sink_%u");
  GstPad *first = GST_PAD (gst_object_ref (mixer_pad));
  if (track.rate_hz != rate_hz) {
    GstElement *convert = add ("audioconvert"), *resample = add ("audioresample");
    GstElement *rate = add ("capsfilter");
    GstCaps *common = gst_caps_new_simple ("audio/x-raw", "rate", G_TYPE_INT, rate_hz, nullptr);
    g_object_set (rate, "caps", common, nullptr);
    gst_caps_unref (common);
    gst_element_link_many (convert, resample, rate, nullptr);
    gst_object_unref (first);
    GstPad *last = gst_element_get_static_pad (rate, "src");
    gst_pad_link (last, mixer_pad);
    gst_object_unref (last);
    first = gst_element_get_static_pad (convert, "sink");
    for (GstElement *element : {rate, resample, convert})
      gst_element_sync_state_with_parent (element);
  }
  const GstPadLinkReturn linked = gst_pad_link (pad, first);
  gst_object_unref (first);
  gst_object_unref (mixer_pad);
  if (linked == GST_PAD_LINK_OK) {
    sources_.push_back ({track, GST_PAD (gst_object_ref (pad))});
  } else {
    gchar *text = gst_caps_to_string (caps);
    undecodable_.push_back ({text, GST_PAD (gst_object_ref (pad))});
    g_free (text);
  }
  gst_caps_unref (caps);
}

void Player::on_pad_added (GstElement *, GstPad *pad, gpointer self) noexcept
{
  auto &player = *static_cast<Player *> (self);
  try {
    player.add_track (pad);
  } catch (const Failure &failure) {
    GST_ELEMENT_ERROR (
        player.mixer_, CORE, MISSING_PLUGIN, ("%s", failure.text.c_str ()), (nullptr));
  }
}

void Player::on_unknown_type (GstElement *, GstPad *pad, GstCaps *caps, gpointer self) noexcept
{
  auto &player = *static_cast<Player *> (self);
  const gchar *media = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (!g_str_has_prefix (media, "audio/"))
    return;
  gchar *codec = gst_pb_utils_get_codec_description (caps);
  const std::string format = codec ? codec : media;
  g_free (codec);
  const std::lock_guard guard {player.lock_};
  player.undecodable_.push_back ({format, demuxer_pad (pad)});
}

bool Player::no_sound_card () const
{
  if (!automatic_sink_)
    return false;
  // autoaudiosink chooses on the way to READY, and takes fakesink when it finds nothing.
  if (gst_element_set_state (sink_, GST_STATE_READY) == GST_STATE_CHANGE_FAILURE)
    return true;
  GstIterator *silent = gst_bin_iterate_all_by_element_factory_name (GST_BIN (sink_), "fakesink");
  GValue item = G_VALUE_INIT;
  const bool found = gst_iterator_next (silent, &item) == GST_ITERATOR_OK;
  if (found)
    g_value_unset (&item);
  gst_iterator_free (silent);
  return found;
}

void Player::finish ()
{
  // While sound flows, its own thread ends it, in place of the next chunk: another thread would
  // have to win the stream lock of the reverb's pad against one that hardly ever lets go of it.
  GstPad *pad = gst_element_get_static_pad (mix_format_, "src");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *mix, GstPadProbeInfo *, gpointer) noexcept {
        gst_pad_push_event (mix, gst_event_new_eos ());
        return GST_PAD_PROBE_DROP; // the mixer learns from the next chunk that no more is wanted
      },
      nullptr, nullptr);
  gst_object_unref (pad);
  // While nothing flows, the lock is free. The pad refuses whichever EOS comes second. The tail
  // takes as long as it sounds, so this is not for the application's thread.
  gst_element_call_async (
      reverb_,
      [] (GstElement *reverb, gpointer) { gst_element_send_event (reverb, gst_event_new_eos ()); },
      nullptr, nullptr);
}

void Player::commit ()
{
  gst_element_set_state (pipeline_, GST_STATE_NULL); // closes the file
  if (part_.empty ())
    return;
  if (g_rename (part_.c_str (), render_.c_str ()) != 0)
    throw Failure {"cannot write " + quoted (render_) + ": " + g_strerror (errno)};
  part_.clear ();
}

std::vector<Track> Player::tracks () const
{
  const std::lock_guard guard {lock_};
  std::vector<Track> out;
  for (const Source &source : sources_) {
    out.push_back (source.track);
    read_tags (source.pad, out.back ());
  }
  return out;
}

std::vector<std::string> Player::take_undecodable ()
{
  const std::lock_guard guard {lock_};
  std::vector<std::string> out;
  for (Undecodable &undecodable : undecodable_) {
    Track track;
    if (undecodable.pad)
      read_tags (undecodable.pad, track);
    gst_clear_object (&undecodable.pad);
    out.push_back (track.title.empty () ? undecodable.format
                                        : quoted (track.title) + " (" + undecodable.format + ")");
  }
  undecodable_.clear ();
  return out;
}

std::string Player::decoded_by (GstObject *element) const
{
  const std::lock_guard guard {lock_};
  for (const Source &source : sources_) {
    // Each bin on the way out has a ghost pad of its own.
    GstPad *pad = GST_PAD (gst_object_ref (source.pad));
    while (pad && GST_IS_GHOST_PAD (pad)) {
      GstPad *target = gst_ghost_pad_get_target (GST_GHOST_PAD (pad));
      gst_object_unref (pad);
      pad = target;
    }
    const bool match = pad && GST_OBJECT_PARENT (pad) == element;
    gst_clear_object (&pad);
    if (!match)
      continue;
    Track track = source.track;
    read_tags (source.pad, track);
    std::string text {"track "};
    text += std::to_string (track.number);
    if (!track.title.empty ())
      text.append (" ").append (quoted (track.title));
    return text;
  }
  return {};
}

GstStructure *Player::mixer_stats () const
{
  GstStructure *stats = nullptr;
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (mixer_), "stats"))
    g_object_get (mixer_, "stats", &stats, nullptr);
  return stats;
}

GstClockTime Player::position () const
{
  gint64 ns = 0;
  // A sound card plays what the mixer made a while ago; a file sink counts in bytes.
  GstElement *counts_time = render_.empty () ? pipeline_ : mixer_;
  if (gst_element_query_position (counts_time, GST_FORMAT_TIME, &ns))
    return static_cast<GstClockTime> (std::max<gint64> (ns, 0));
  return 0;
}

GstClockTime Player::duration () const
{
  gint64 ns = 0;
  if (gst_element_query_duration (mixer_, GST_FORMAT_TIME, &ns))
    return static_cast<GstClockTime> (std::max<gint64> (ns, 0));
  return 0;
}

} // namespace mt::player
