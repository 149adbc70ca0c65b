// SPDX-License-Identifier: LGPL-2.1-or-later
// Plays a multitrack file through trackmixer and convreverb, or renders it to a FLAC or WAV file.
#include "inputfiles.hpp"
#include "player.hpp"
#include "program.hpp"

#include <glib-unix.h>

#include <algorithm>
#include <clocale>
#include <map>
#include <set>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace {

using namespace mt::player;
using mt::program::format;

constexpr gint kChannelsNotGiven = G_MININT;
constexpr int kExitFailed = 1, kExitNoSoundCard = 3, kExitInterrupted = 130;

std::string clock_text (GstClockTime time)
{
  const auto seconds = static_cast<unsigned> ((time + GST_SECOND / 2) / GST_SECOND);
  return format ("%u:%02u", seconds / 60, seconds % 60);
}

std::string channels_text (int channels)
{
  return channels == 1 ? "mono" : channels == 2 ? "stereo" : format ("%d channels", channels);
}

/// The stream that this element decodes or parses; empty if it does neither.
std::string decoded_by (GstObject *object)
{
  if (!GST_IS_ELEMENT (object))
    return {};
  GstElement *element = GST_ELEMENT (object);
  const gchar *klass = gst_element_get_metadata (element, GST_ELEMENT_METADATA_KLASS);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "sink");
  if (!pad || !(g_strrstr (klass, "Decoder/Audio") || g_strrstr (klass, "Parser/Audio")))
    return {};
  g_autofree gchar *id = gst_pad_get_stream_id (pad);
  return id ? id : "";
}

/// One run of the program, driven by the main loop.
class Session {
public:
  /// `patience_s`: how long the first track may take to show up. `notice`: what to print once
  /// there is something to hear; empty: nothing.
  Session (const Options &options, Player &player, int patience_s, const std::string &notice)
      : options_ {options}, player_ {player}, notice_ {notice},
        patience_s_ {patience_s}, terminal_ {isatty (STDOUT_FILENO) == 1}
  {}

  /// Returns the exit status.
  int run ()
  {
    g_autoptr (GMainLoop) loop = g_main_loop_new (nullptr, FALSE);
    loop_ = loop;
    g_autoptr (GstBus) bus = gst_element_get_bus (player_.pipeline ());
    gst_bus_add_watch (bus, on_message, this);
    const guint sources[] {g_timeout_add_seconds (1, on_tick, this),
        g_unix_signal_add (SIGINT, on_signal, this), g_unix_signal_add (SIGTERM, on_signal, this)};
    const gint64 started_us = g_get_monotonic_time ();
    // On a thread of its own: opening a pipe waits for somebody who writes. On failure the bus says
    // why.
    const auto start = +[] (GstElement *pipeline, gpointer) noexcept {
      gst_element_set_state (pipeline, GST_STATE_PLAYING);
    };
    gst_element_call_async (player_.pipeline (), start, nullptr, nullptr);
    g_main_loop_run (loop);
    for (guint id : sources) // from here on a signal ends the program at once
      g_source_remove (id);
    gst_bus_remove_watch (bus);
    if (exit_code_ != kExitFailed && broken_.stream_id.empty ())
      report (static_cast<double> (g_get_monotonic_time () - started_us) / 1e6);
    return exit_code_;
  }

  /// The track that kept the pipeline from starting, so that it can start without it. Has no stream
  /// ID if none did.
  const Track &broken () const { return broken_; }

private:
  void end_line ()
  {
    if (std::exchange (line_open_, false))
      g_print ("\n");
  }

  void warn (const std::string &text)
  {
    end_line ();
    g_printerr ("Warning: %s\n", text.c_str ());
  }

  void fail (const std::string &text)
  {
    if (std::exchange (exit_code_, kExitFailed) == kExitFailed)
      return; // one fault makes several messages; the first names the cause
    warn_left_out ();
    end_line ();
    g_printerr ("multitrack-play: %s\n", text.c_str ());
    g_main_loop_quit (loop_);
  }

  /// For texts: the number that the track has in the list, and its title.
  static std::string label_of (const std::vector<Track> &tracks, std::size_t index)
  {
    const std::string &title = tracks[index].title;
    return format ("%zu", index + 1) + (title.empty () ? "" : format (" \"%s\"", title.c_str ()));
  }

  /// For texts: the file and, where it is known, the track.
  std::string name_of (const std::string &stream_id) const
  {
    const std::vector<Track> tracks = player_.tracks ();
    for (std::size_t i = 0; i < tracks.size (); ++i)
      if (!stream_id.empty () && tracks[i].stream_id == stream_id)
        return format ("\"%s\", track %s", options_.input.c_str (), label_of (tracks, i).c_str ());
    return format ("\"%s\"", options_.input.c_str ());
  }

  /// Of the mixer's texts: tracks by the names that the list has for them, in place of its pads'.
  std::string in_names_of_list (std::string text) const
  {
    const std::vector<Track> tracks = player_.tracks ();
    for (std::size_t i = 0; i < tracks.size (); ++i) {
      const std::string name = "rack " + tracks[i].pad;
      for (std::size_t at = 0;
           !tracks[i].pad.empty () && (at = text.find (name, at)) != text.npos;) {
        const std::size_t end = at + name.size ();
        const std::string label = "rack " + label_of (tracks, i);
        const bool whole = end == text.size () || !g_ascii_isdigit (text[end]);
        if (whole)
          text.replace (at, name.size (), label);
        at += whole ? label.size () : name.size ();
      }
    }
    return text;
  }

  /// Tells a warning of an element.
  void warn_of (GstObject *source, const char *message)
  {
    if (g_str_equal (GST_OBJECT_NAME (source), "mixer") ||
        g_str_equal (GST_OBJECT_NAME (source), "reverb"))
      warn (in_names_of_list (message));
    else
      warn_of_stream (source, decoded_by (source), message);
  }

  /// A warning that comes again and again, as of damaged data, is told once and counted.
  void warn_of_stream (GstObject *source, const std::string &id, const std::string &message)
  {
    const std::string name = name_of (id);
    gint64 ns = -1;
    if (!id.empty ())
      gst_element_query_position (GST_ELEMENT (source), GST_FORMAT_TIME, &ns);
    Repeated &repeated = repeated_[name + ": " + message];
    repeated.last = ns >= 0 ? " at " + clock_text (static_cast<GstClockTime> (ns)) : "";
    if (++repeated.count == 1)
      warn (name + repeated.last + ": " + message);
  }

  void warn_of_repeated ()
  {
    for (const auto &[text, repeated] : repeated_)
      if (repeated.count > 1)
        warn (format ("%s This came %u times%s%s.", text.c_str (), repeated.count,
            repeated.last.empty () ? "" : ", the last", repeated.last.c_str ()));
  }

  void warn_left_out ()
  {
    for (const Track &track : player_.tracks ())
      if (!track.problem.empty () && told_.insert (track.stream_id).second)
        warn (format ("%s is left out of the mix: %s", name_of (track.stream_id).c_str (),
            track.problem.c_str ()));
  }

  void print_tracks ()
  {
    if (std::exchange (tracks_printed_, true))
      return;
    warn_left_out ();
    if (!notice_.empty ())
      g_print ("%s\n", notice_.c_str ());
    unsigned number = 0;
    for (const Track &track : player_.tracks ()) {
      ++number; // also of one that is left out, so that messages have the same
      if (!track.problem.empty ())
        continue;
      const std::string &language = track.language;
      g_print ("%3u  %-24s %s, %d Hz, %s%s\n", number,
          track.title.empty () ? "(no title)" : track.title.c_str (),
          channels_text (track.channels).c_str (), track.rate_hz,
          track.codec.empty () ? "raw" : track.codec.c_str (),
          language.empty () || language == "und" || language == "en"
              ? ""
              : format (" [%s]", language.c_str ()).c_str ());
    }
    const MixFormat mix = player_.mix_format ();
    if (mix.channels != 0)
      g_print ("mix  %s, %d Hz%s\n", channels_text (mix.channels).c_str (), mix.rate_hz,
          mix.channels > 2 && options_.channels == 0
              ? ", as its widest track has; --channels 2 makes it stereo"
              : "");
  }

  /// Why the reverb has no use for the impulse response; empty: it has, or it is not known.
  std::string mismatch () const
  {
    const int given = options_.ir_channels, mix = player_.mix_format ().channels;
    if (given <= 1 || mix == 0 || given == mix || (given == 4 && mix == 2))
      return {};
    const int fit = given == 4 ? 2 : given;
    const std::string way_out = fit <= kMaxChannels
        ? format ("--channels %d makes the mix fit", fit)
        : std::string {"take one with a single channel"};
    return format ("the impulse response \"%s\" has %d channels and the mix has %d; %s",
        options_.ir.c_str (), given, mix, way_out.c_str ());
  }

  GstClockTime position () const
  {
    // A sound card plays what the mixer made a while ago; a file sink counts in bytes.
    GstElement *element = options_.render.empty () ? player_.pipeline () : player_.find ("mixer");
    gint64 ns = 0;
    gst_element_query_position (element, GST_FORMAT_TIME, &ns);
    return static_cast<GstClockTime> (ns);
  }

  /// 0: unknown.
  GstClockTime duration () const
  {
    gint64 ns = 0;
    const bool known = gst_element_query_duration (player_.find ("mixer"), GST_FORMAT_TIME, &ns);
    return known && ns > 0 ? static_cast<GstClockTime> (ns) : 0;
  }

  /// `last`: nothing rings any more, so the figures of the mix are told.
  void print_progress (bool last = false)
  {
    g_autoptr (GstStructure) stats = player_.stats ();
    double out_ksps = 0.0, buf_min = 0.0, buf_mean = 0.0;
    gst_structure_get (stats, "out-ksps", G_TYPE_DOUBLE, &out_ksps, "buf-min", G_TYPE_DOUBLE,
        &buf_min, "buf-mean", G_TYPE_DOUBLE, &buf_mean, nullptr);
    const GstClockTime length = duration ();
    const GstClockTime now = length ? std::min (position (), length) : position ();
    std::string line =
        format ("%s / %s ", clock_text (now).c_str (), length ? clock_text (length).c_str () : "?");
    const std::string figures = player_.rings_out () && !last
        ? std::string {" the reverb rings out"}
        : format (" OUT %s k/s  BUF %3.0f %% (least %3.0f %%)",
              last && out_ksps <= 0.0 ? "–" // all was over before there was a speed
                                      : format ("%.1f", out_ksps).c_str (),
              100.0 * buf_mean, 100.0 * buf_min);
    winsize window {};
    ioctl (STDOUT_FILENO, TIOCGWINSZ, &window);
    const int columns = terminal_ && window.ws_col ? window.ws_col : 100;
    const int width =
        std::min (30, columns - 3 - static_cast<int> (line.size () + figures.size ()));
    if (width >= 5) {
      const int filled =
          length ? static_cast<int> (gst_util_uint64_scale_round (now, width, length)) : 0;
      line += format (
          "[%s%s]", std::string (filled, '=').c_str (), std::string (width - filled, ' ').c_str ());
    }
    line += figures;
    if (terminal_) // a line that wraps could not be written over
      g_print ("\r\033[K%.*s", std::max (columns - 1, 1), line.c_str ());
    else
      g_print ("%s\n", line.c_str ());
    line_open_ = terminal_;
  }

  /// What of the mixer's counts is a loss, or explains one, in words.
  void report_mixer ()
  {
    g_autoptr (GstStructure) stats = nullptr;
    g_object_get (player_.find ("mixer"), "stats", &stats, nullptr);
    const auto count_of = [&] (const char *field) {
      guint64 count = 0;
      gst_structure_get_uint64 (stats, field, &count);
      return count;
    };
    if (const guint64 late = count_of ("late-frames"))
      warn (format (
          "%" G_GUINT64_FORMAT " frames of the tracks came too late and are not in the mix", late));
    if (const guint64 dropped = count_of ("dropped-frames"))
      warn (format ("%" G_GUINT64_FORMAT " frames of the tracks could not be mixed", dropped));
    // What no clock holds back waits for every track as a matter of course, and nobody hears it.
    const guint64 waits = count_of ("starved-chunks");
    if (options_.render.empty () && player_.keeps_time () && waits > 0)
      g_print ("The mix had to wait for a track %" G_GUINT64_FORMAT
               " times. If the sound has stuttered, the file was read or decoded too slowly.\n",
          waits);
  }

  void report (double seconds)
  {
    print_tracks ();
    print_progress (true);
    end_line ();
    report_mixer ();
    gint64 mixed_ns = 0; // not the sink's position, which counts the reverb's tail
    gst_element_query_position (player_.find ("mixer"), GST_FORMAT_TIME, &mixed_ns);
    const auto end = static_cast<GstClockTime> (mixed_ns);
    const GstClockTime length = duration ();
    if (const std::string cut = find_cut (path_of (options_.input)); !cut.empty ())
      warn (format ("\"%s\" may be cut off: %s", options_.input.c_str (), cut.c_str ()));
    else if (!interrupted_ && end + GST_SECOND < length)
      warn (format ("\"%s\" should last %s, but its sound ends at %s; it may be cut off",
          options_.input.c_str (), clock_text (length).c_str (), clock_text (end).c_str ()));
    if (const guint64 clipped = player_.clipped_samples ()) {
      double dry = 0.0, wet = 0.0;
      g_object_get (player_.find ("reverb"), "dry", &dry, "wet", &wet, nullptr);
      const double fit = 0.99 / player_.peak (); // a little less for the rounding
      warn (format ("%" G_GUINT64_FORMAT " samples are louder than full scale (peak %.2f) and %s; "
                    "to make them fit: --dry %.3g --wet %.3g",
          clipped, player_.peak (),
          player_.find ("wav") ? "clip where the WAV file is played" : "were clipped", fit * dry,
          fit * wet));
    }
    const double mixed = static_cast<double> (end) / 1e9;
    g_print ("%.1f s mixed (%.1f s with the reverb's tail) in %.2f s: %.1f times real time\n",
        mixed, static_cast<double> (player_.end ()) / 1e9, seconds,
        mixed / std::max (seconds, 1e-3));
  }

  static gboolean on_message (GstBus *, GstMessage *message, gpointer self) noexcept
  {
    auto &session = *static_cast<Session *> (self);
    g_autoptr (GError) error = nullptr;
    g_autofree gchar *debug = nullptr;
    switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_EOS:
      g_main_loop_quit (session.loop_);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, &debug);
      session.on_error (GST_MESSAGE_SRC (message), *error, debug ? debug : "");
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, nullptr);
      // A missing decoder is told by warn_left_out(), with the track's name.
      if (!g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND))
        session.warn_of (GST_MESSAGE_SRC (message), error->message);
      break;
    case GST_MESSAGE_ASYNC_DONE: // the sink has its first sound, so all titles have passed
      session.print_tracks ();
      break;
    default:
      break;
    }
    return G_SOURCE_CONTINUE;
  }

  void on_error (GstObject *source, const GError &error, const std::string &debug)
  {
    // What the elements say is often about "the stream" only, so the file is named here.
    const char *file = options_.input.c_str ();
    const std::string id = decoded_by (source);
    const bool started = player_.find ("mixer")->numsinkpads > 0;
    if (!id.empty () && tracks_printed_) {
      // What a decoder cannot take costs its track only. If the file cannot be read on, the demuxer
      // says so in an error of its own.
      warn_of_stream (source, id, std::string {error.message} + " The mix goes on.");
    } else if (!id.empty ()) {
      // A bin gives up its change of state at any error, so this start is lost.
      broken_ = {.stream_id = id, .problem = error.message};
      g_main_loop_quit (loop_);
    } else if (g_str_equal (GST_OBJECT_NAME (source), "reverb")) {
      const std::string text = mismatch ();
      fail (text.empty () ? error.message : text);
    } else if (g_str_equal (GST_OBJECT_NAME (source), "file")) {
      const std::size_t reason = debug.rfind ("system error: ");
      fail (format ("cannot write \"%s\": %s", options_.render.c_str (),
          reason == debug.npos ? error.message : debug.c_str () + reason));
    } else if (g_error_matches (&error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN)) {
      fail (format ("\"%s\" has no audio track that can be decoded", file));
    } else if (started || !fail_if_cut ()) {
      fail (format ("\"%s\"%s: %s", file, started ? "" : " has no audio track that can be played",
          in_names_of_list (error.message).c_str ()));
    }
  }

  /// A file that is known to be cut off has no other reason for bringing no track.
  bool fail_if_cut ()
  {
    const std::string cut = find_cut (path_of (options_.input));
    if (!cut.empty ())
      fail (format ("\"%s\" has no audio track that can be played: %s", options_.input.c_str (),
          cut.c_str ()));
    return !cut.empty ();
  }

  static gboolean on_tick (gpointer self) noexcept
  {
    auto &session = *static_cast<Session *> (self);
    if (session.tracks_printed_) {
      session.warn_left_out ();
      session.print_progress ();
    } else if (session.player_.find ("mixer")->numsinkpads == 0 && --session.patience_s_ <= 0) {
      // A pipe that brings nothing; or decodebin has lost the error of a demuxer that failed while
      // it was plugged in, as that of GStreamer 1.22 can.
      if (!session.fail_if_cut ())
        session.fail (format ("\"%s\" has brought no audio track so far, so it is given up; "
                              "--patience waits longer",
            session.options_.input.c_str ()));
      session.player_.discard ();
      _exit (kExitFailed); // a source that is stuck in a read could not be stopped
    }
    return G_SOURCE_CONTINUE;
  }

  void tell_that_nothing_is_written () const
  {
    const char *file = options_.render.c_str ();
    if (!options_.render.empty ())
      g_print (g_file_test (file, G_FILE_TEST_EXISTS)
              ? "Stopped; \"%s\" is not written, and what was there is as it was.\n"
              : "Stopped; \"%s\" is not written, no file is left.\n",
          file);
  }

  static gboolean on_signal (gpointer self) noexcept
  {
    auto &session = *static_cast<Session *> (self);
    session.end_line ();
    // Before the first sound there is nothing to complete.
    if (std::exchange (session.interrupted_, true) || !session.tracks_printed_) {
      session.player_.discard ();
      session.tell_that_nothing_is_written ();
      _exit (kExitInterrupted);
    }
    g_print ("Ending; the reverb rings out. Again to stop at once.\n");
    session.exit_code_ = session.options_.render.empty () ? 0 : kExitInterrupted;
    session.player_.finish ();
    return G_SOURCE_CONTINUE;
  }

  struct Repeated {
    unsigned count {0};
    std::string last; // " at 0:07", or empty
  };

  const Options &options_;
  Player &player_;
  const std::string notice_;
  GMainLoop *loop_ {nullptr};
  Track broken_;
  std::set<std::string> told_;               // stream IDs of the tracks whose problem has been told
  std::map<std::string, Repeated> repeated_; // warnings by their text
  int exit_code_ {0};
  int patience_s_;
  const bool terminal_;
  bool tracks_printed_ {false}, interrupted_ {false}, line_open_ {false};
};

int play (Options options, const std::string &fallback, int patience_s)
{
  std::string notice;
  for (;;) {
    Player player {options};
    if (player.no_sound_card ()) {
      if (fallback.empty ()) {
        g_printerr (
            "multitrack-play: there is no sound card; --render OUT.flac makes a file instead\n");
        return kExitNoSoundCard;
      }
      notice = format ("There is no sound card, so the mix goes to %s", fallback.c_str ());
      options.render = fallback;
      continue;
    }
    Session session {options, player, patience_s, notice};
    const int code = session.run ();
    if (!session.broken ().stream_id.empty ()) {
      options.left_out.push_back (session.broken ());
      continue;
    }
    if (code != kExitFailed && !options.render.empty ()) {
      const MixFormat mix = player.mix_format (); // gone once the pipeline has stopped
      player.commit ();
      g_autofree gchar *path = g_canonicalize_filename (options.render.c_str (), nullptr);
      g_print (
          "Written: %s (%s, %d Hz)\n", path, channels_text (mix.channels).c_str (), mix.rate_hz);
    }
    return code;
  }
}

int run (int argc, char **argv)
{
  setlocale (LC_CTYPE, ""); // of file names; numbers keep their point
  g_auto (GStrv) files = nullptr;
  g_autofree gchar *ir = nullptr, *render = nullptr, *room = nullptr, *sink = nullptr,
                   *fallback = nullptr, *dry = nullptr, *wet = nullptr;
  gint patience_s = 20, channels = kChannelsNotGiven;
  gboolean version = FALSE;
  const GOptionEntry entries[] {
      {"render", 'r', 0, G_OPTION_ARG_FILENAME, &render, "Write the mix to a .flac or .wav file",
          "OUT"},
      {"ir", 'i', 0, G_OPTION_ARG_FILENAME, &ir, "Impulse response for the reverb", "FILE"},
      {"room", 0, 0, G_OPTION_ARG_STRING, &room,
          "Built-in room: small-room, hall, plate, cathedral (hall)", "NAME"},
      {"dry", 0, 0, G_OPTION_ARG_STRING, &dry, "Level of the mix, linear, 0 to 10 (0.7)", "GAIN"},
      {"wet", 0, 0, G_OPTION_ARG_STRING, &wet, "Level of the reverb, linear, 0 to 10 (0.25)",
          "GAIN"},
      {"channels", 0, 0, G_OPTION_ARG_INT, &channels,
          "Channels of the mix, 1 to 8 (those of the widest track, and two where the response has "
          "two or four)",
          "N"},
      {"audiosink", 0, 0, G_OPTION_ARG_STRING, &sink, "Sink to play through, as for gst-launch-1.0",
          "SINK"},
      {"fallback", 0, 0, G_OPTION_ARG_FILENAME, &fallback,
          "File to render when there is no sound card", "OUT"},
      {"patience", 0, 0, G_OPTION_ARG_INT, &patience_s,
          "How long to wait for the first track of FILE, 1 or more (20)", "SECONDS"},
      {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and end", nullptr},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, nullptr, "FILE"},
      {},
  };
  mt::program::parse_options (argc, argv, entries,
      "Mixes all audio tracks of FILE, puts a room on them and plays the result.",
      "Ctrl-C ends with the reverb's tail and completes the file; a second one stops at once.\n"
      "Exit status: 0 done, 1 failed, 2 wrong options, 3 no sound card, 130 interrupted render.\n");
  if (version) {
    g_print ("multitrack-play %s, GStreamer %u.%u.%u\n", PLAYER_VERSION, GST_VERSION_MAJOR,
        GST_VERSION_MINOR, GST_VERSION_MICRO);
    return 0;
  }
  if (!files || g_strv_length (files) != 1)
    throw std::invalid_argument ("name one FILE to play");
  if (patience_s < 1)
    throw std::invalid_argument ("--patience takes a number of seconds from 1 on");
  if (render && !*render)
    throw std::invalid_argument ("--render takes the name of a .flac or .wav file");
  // As from a variable of a script that is not set; without a word it would be another sound.
  for (const auto &[option, value] : {std::pair {"--ir", ir}, {"--room", room}, {"--dry", dry},
           {"--wet", wet}, {"--audiosink", sink}})
    if (value && !*value)
      throw std::invalid_argument (format ("%s is given without a value", option));
  if (ir && room)
    throw std::invalid_argument ("--ir and --room both choose the room; give one of them");
  if (channels == kChannelsNotGiven)
    channels = 0;
  else if (channels < 1 || channels > kMaxChannels)
    throw std::invalid_argument (
        format ("--channels %d: it takes a number from 1 to %d", channels, kMaxChannels));
  const auto text = [] (const gchar *value) { return std::string {value ? value : ""}; };
  const Response response = ir ? look_at_response (ir) : Response {};
  if (response.tracks > 1)
    throw std::runtime_error (format ("the impulse response \"%s\" has %d audio tracks, and it is "
                                      "not to be guessed which is meant; take a file with one",
        ir, response.tracks));
  return play ({.input = files[0],
                   .render = text (render),
                   .audio_sink = text (sink),
                   .ir = text (ir),
                   .room = text (room),
                   .dry = text (dry),
                   .wet = text (wet),
                   .channels = channels,
                   .ir_channels = response.channels,
                   .left_out = {}},
      text (fallback), patience_s);
}

} // namespace

int main (int argc, char **argv)
{
  return mt::program::run ("multitrack-play", [&] { return run (argc, argv); });
}
