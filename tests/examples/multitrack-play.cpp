// SPDX-License-Identifier: LGPL-2.1-or-later
// Plays a multitrack file through trackmixer and convreverb, or renders it to a FLAC or WAV file.
#include "player.hpp"

#include <glib-unix.h>

#include <algorithm>
#include <clocale>
#include <memory>
#include <string>
#include <utility>

#include <unistd.h>

namespace {

using mt::player::Failure;
using mt::player::Options;
using mt::player::Player;

constexpr int kExitFailed = 1, kExitUsage = 2, kExitNoSoundCard = 3, kExitInterrupted = 130;

std::string clock_text (GstClockTime time)
{
  const auto seconds = static_cast<unsigned> (time / GST_SECOND);
  gchar *text = g_strdup_printf ("%u:%02u", seconds / 60, seconds % 60);
  std::string out = text;
  g_free (text);
  return out;
}

/// The numbers of the mixer's `stats` that people look at.
struct Stats {
  double out_ksps {0.0}, buf_min {0.0}, buf_mean {0.0};
  guint64 starved_chunks {0}, growths {0}, late_frames {0}, dropped_frames {0}, clipped_samples {0};

  explicit Stats (const Player &player)
  {
    GstStructure *stats = player.mixer_stats ();
    if (!stats)
      return;
    gst_structure_get (stats, "out-ksps", G_TYPE_DOUBLE, &out_ksps, "buf-min", G_TYPE_DOUBLE,
        &buf_min, "buf-mean", G_TYPE_DOUBLE, &buf_mean, "starved-chunks", G_TYPE_UINT64,
        &starved_chunks, "growths", G_TYPE_UINT64, &growths, "late-frames", G_TYPE_UINT64,
        &late_frames, "dropped-frames", G_TYPE_UINT64, &dropped_frames, "clipped-samples",
        G_TYPE_UINT64, &clipped_samples, nullptr);
    gst_structure_free (stats);
  }
};

/// One run of the program, driven by the main loop.
class Session {
public:
  Session (const Options &options, Player &player)
      : options_ {options}, player_ {player}, terminal_ {isatty (STDOUT_FILENO) == 1}
  {}

  int run ()
  {
    loop_ = g_main_loop_new (nullptr, FALSE);
    GstBus *bus = gst_element_get_bus (player_.pipeline ());
    gst_bus_add_watch (bus, on_message, this);
    const guint tick = g_timeout_add_seconds (1, on_tick, this);
    guint signals[] {
        g_unix_signal_add (SIGINT, on_signal, this), g_unix_signal_add (SIGTERM, on_signal, this)};
    started_us_ = g_get_monotonic_time ();
    // On failure the bus says why.
    gst_element_set_state (player_.pipeline (), GST_STATE_PLAYING);
    g_main_loop_run (loop_);
    const double seconds = static_cast<double> (g_get_monotonic_time () - started_us_) / 1e6;
    // From here on a signal ends the program at once.
    for (guint id : signals)
      g_source_remove (id);
    g_source_remove (tick);
    report (seconds);
    gst_bus_remove_watch (bus);
    gst_object_unref (bus);
    g_main_loop_unref (loop_);
    return exit_code_;
  }

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

  void warn_undecodable ()
  {
    for (const std::string &track : player_.take_undecodable ())
      warn ("\"" + options_.input + "\": no decoder for " + track + "; the mix goes on without it");
  }

  void fail (const std::string &text)
  {
    if (exit_code_ == kExitFailed)
      return; // one fault makes several messages; the first names the cause
    end_line ();
    warn_undecodable ();
    g_printerr ("multitrack-play: %s\n", text.c_str ());
    exit_code_ = kExitFailed;
    g_main_loop_quit (loop_);
  }

  void print_tracks ()
  {
    if (tracks_printed_)
      return;
    tracks_printed_ = true;
    warn_undecodable ();
    for (const auto &track : player_.tracks ()) {
      const std::string language =
          track.language.empty () || track.language == "und" || track.language == "en"
          ? ""
          : " [" + track.language + "]";
      g_print ("%3u  %-24s %s, %d Hz, %s%s\n", track.number,
          track.title.empty () ? "(no title)" : track.title.c_str (),
          track.channels == 1       ? "mono"
              : track.channels == 2 ? "stereo"
                                    : (std::to_string (track.channels) + " channels").c_str (),
          track.rate_hz, track.codec.empty () ? "raw" : track.codec.c_str (), language.c_str ());
    }
  }

  void print_progress ()
  {
    const Stats stats {player_};
    const GstClockTime duration = player_.duration ();
    const GstClockTime position =
        duration ? std::min (player_.position (), duration) : player_.position ();
    constexpr int kWidth = 30;
    const int filled =
        duration ? static_cast<int> (gst_util_uint64_scale_round (position, kWidth, duration)) : 0;
    const std::string bar = std::string (filled, '=') + std::string (kWidth - filled, ' ');
    g_print ("%s%s / %s [%s]  OUT %.1f k/s  BUF %.0f %% (least %.0f %%)%s",
        terminal_ ? "\r\033[K" : "", clock_text (position).c_str (),
        duration ? clock_text (duration).c_str () : "?", bar.c_str (), stats.out_ksps,
        100.0 * stats.buf_mean, 100.0 * stats.buf_min, terminal_ ? "" : "\n");
    line_open_ = terminal_;
  }

  void report (double seconds)
  {
    if (exit_code_ == kExitFailed)
      return;
    const Stats stats {player_};
    const double mixed = static_cast<double> (player_.position ()) / 1e9;
    print_tracks ();
    print_progress ();
    end_line ();
    if (stats.starved_chunks || stats.growths || stats.late_frames || stats.dropped_frames)
      g_print ("Mixer: %" G_GUINT64_FORMAT " starved chunks, %" G_GUINT64_FORMAT
               " queue growths, %" G_GUINT64_FORMAT " late frames, %" G_GUINT64_FORMAT
               " dropped frames\n",
          stats.starved_chunks, stats.growths, stats.late_frames, stats.dropped_frames);
    g_print ("%.1f s mixed in %.2f s: %.1f times real time\n", mixed, seconds,
        mixed / std::max (seconds, 1e-3));
  }

  static gboolean on_message (GstBus *, GstMessage *message, gpointer self) noexcept
  {
    auto &session = *static_cast<Session *> (self);
    GError *error = nullptr;
    switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_EOS:
      g_main_loop_quit (session.loop_);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, nullptr);
      session.on_error (message, *error);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, nullptr);
      // A missing decoder is told by warn_undecodable(), with the track's name.
      if (!g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND))
        session.warn (error->message);
      break;
    case GST_MESSAGE_ASYNC_DONE: // the sink has its first sound, so all titles have passed
      session.print_tracks ();
      break;
    default:
      break;
    }
    g_clear_error (&error);
    return G_SOURCE_CONTINUE;
  }

  void on_error (GstMessage *message, const GError &error)
  {
    const std::string file = "\"" + options_.input + "\"";
    // What one decoder cannot take costs that track only: the decoder ends it and the others go on.
    // If the file cannot be read on, the demuxer says so in an error of its own. While the pipeline
    // still starts, though, GstBin gives up its change of state at any error, so that one is the
    // end.
    const std::string track = player_.decoded_by (GST_MESSAGE_SRC (message));
    if (!track.empty () && tracks_printed_) {
      warn (file + ", " + track + ": " + error.message + "; the mix goes on");
      return;
    }
    if (!track.empty ()) {
      fail (file + ", " + track + ": " + error.message);
      return;
    }
    // What the elements say is often about "the stream" only, so the file is named here.
    if (g_str_has_prefix (GST_MESSAGE_SRC_NAME (message), "convreverb"))
      fail (error.message);
    else if (!player_.tracks ().empty ())
      fail (file + ": " + error.message);
    else if (error.domain == GST_CORE_ERROR && error.code == GST_CORE_ERROR_MISSING_PLUGIN)
      fail (file + " has no audio track that can be decoded");
    else
      fail (file + " has no audio track that can be played: " + error.message);
  }

  static gboolean on_tick (gpointer self) noexcept
  {
    auto &session = *static_cast<Session *> (self);
    if (session.tracks_printed_) {
      session.warn_undecodable ();
      session.print_progress ();
    }
    return G_SOURCE_CONTINUE;
  }

  static gboolean on_signal (gpointer self) noexcept
  {
    auto &session = *static_cast<Session *> (self);
    if (std::exchange (session.interrupted_, true)) {
      session.player_.discard ();
      _exit (kExitInterrupted);
    }
    session.end_line ();
    g_print ("Ending; the reverb rings out. Again to stop at once.\n");
    session.exit_code_ = session.options_.render.empty () ? 0 : kExitInterrupted;
    session.player_.finish ();
    return G_SOURCE_CONTINUE;
  }

  const Options &options_;
  Player &player_;
  GMainLoop *loop_ {nullptr};
  gint64 started_us_ {0};
  int exit_code_ {0};
  const bool terminal_;
  bool tracks_printed_ {false}, interrupted_ {false}, line_open_ {false};
};

int play (Options options, const std::string &fallback)
{
  auto player = std::make_unique<Player> (options);
  if (player->no_sound_card ()) {
    if (fallback.empty ()) {
      g_printerr (
          "multitrack-play: there is no sound card; --render OUT.flac makes a file instead\n");
      return kExitNoSoundCard;
    }
    g_print ("There is no sound card, so the mix goes to %s\n", fallback.c_str ());
    options.render = fallback;
    player = std::make_unique<Player> (options);
  }
  const int code = Session {options, *player}.run ();
  if (code == kExitFailed || options.render.empty ())
    return code;
  player->commit ();
  gchar *path = g_canonicalize_filename (options.render.c_str (), nullptr);
  g_print ("Written: %s\n", path);
  g_free (path);
  return code;
}

} // namespace

int main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  gchar **files = nullptr;
  gchar *ir = nullptr, *render = nullptr, *room = nullptr, *sink = nullptr, *fallback = nullptr;
  gchar *dry = nullptr, *wet = nullptr;
  const GOptionEntry entries[] {
      {"render", 'r', 0, G_OPTION_ARG_FILENAME, &render, "Write the mix to a .flac or .wav file",
          "OUT"},
      {"ir", 'i', 0, G_OPTION_ARG_FILENAME, &ir, "Impulse response for the reverb", "FILE"},
      {"room", 0, 0, G_OPTION_ARG_STRING, &room,
          "Built-in room: small-room, hall, plate, cathedral", "NAME"},
      {"dry", 0, 0, G_OPTION_ARG_STRING, &dry, "Level of the mix, linear", "GAIN"},
      {"wet", 0, 0, G_OPTION_ARG_STRING, &wet, "Level of the reverb, linear", "GAIN"},
      {"audiosink", 0, 0, G_OPTION_ARG_STRING, &sink, "Sink to play through, as for gst-launch-1.0",
          "SINK"},
      {"fallback", 0, 0, G_OPTION_ARG_FILENAME, &fallback,
          "File to render when there is no sound card", "OUT"},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, nullptr, "FILE"},
      {},
  };
  GOptionContext *context = g_option_context_new (nullptr);
  g_option_context_set_summary (
      context, "Mixes all audio tracks of FILE, puts a room on them and plays the result.");
  g_option_context_set_description (context,
      "Ctrl-C ends with the reverb's tail and completes the file; a second one stops at once.\n"
      "Exit status: 0 done, 1 failed, 2 wrong options, 3 no sound card, 130 interrupted render.\n");
  g_option_context_add_main_entries (context, entries, nullptr);
  g_option_context_add_group (context, gst_init_get_option_group ());
  GError *error = nullptr;
  const bool parsed = g_option_context_parse (context, &argc, &argv, &error);
  g_option_context_free (context);
  if (!parsed || !files || g_strv_length (files) != 1) {
    g_printerr (
        "multitrack-play: %s; see --help\n", error ? error->message : "name one FILE to play");
    return kExitUsage;
  }
  const auto take = [] (gchar *value) {
    std::string text {value ? value : ""};
    g_free (value);
    return text;
  };
  const Options options {
      files[0], take (ir), take (room), take (render), take (sink), take (dry), take (wet)};
  const std::string fallback_file = take (fallback);
  g_strfreev (files);
  try {
    return play (options, fallback_file);
  } catch (const Failure &failure) {
    g_printerr ("multitrack-play: %s\n", failure.text.c_str ());
    return kExitFailed;
  }
}
