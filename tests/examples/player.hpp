// SPDX-License-Identifier: LGPL-2.1-or-later
// The player's pipeline: any multitrack file → trackmixer → convreverb → sound card or file.
#pragma once

#include <gst/gst.h>

#include <mutex>
#include <string>
#include <vector>

namespace mt::player {

struct Options {
  std::string input;      // a path or a URI
  std::string ir;         // impulse response file; empty: the reverb's built-in room
  std::string room;       // name of the built-in room; empty: the reverb's default
  std::string render;     // file to write, .flac or .wav; empty: play
  std::string audio_sink; // launch line of the sink to play through; empty: autoaudiosink
  std::string dry, wet;   // linear gains; empty: the reverb's defaults
};

/// The text is for the person at the terminal and names the file, the plug-in or the option.
struct Failure {
  std::string text;
};

/// One audio track of the file. Title, codec and language are known once the tags have passed.
struct Track {
  unsigned number {0};
  int rate_hz {0}, channels {0};
  std::string title, codec, language;
};

/// Owns the pipeline. All methods are for the application's thread.
class Player {
public:
  /// Throws Failure. Does not touch the output file yet.
  explicit Player (const Options &);
  ~Player ();
  Player (const Player &) = delete;
  Player &operator= (const Player &) = delete;

  GstElement *pipeline () const noexcept { return pipeline_; }
  /// Only when playing: whether autoaudiosink found nothing but its silent stand-in.
  bool no_sound_card () const;
  /// Ends the song here: the reverb rings out, the sink gets EOS, a rendered file becomes complete.
  void finish ();
  /// Removes the unfinished file, for a program that exits without cleaning up.
  void discard () noexcept;
  /// Moves the rendered file to its place. Throws Failure.
  void commit ();

  std::vector<Track> tracks () const;
  /// Titles or formats of tracks that no installed decoder takes, each once.
  std::vector<std::string> take_undecodable ();
  /// The track that this element decodes, as text for a warning; empty if it decodes none.
  std::string decoded_by (GstObject *element) const;
  /// The mixer's statistics (element docs of trackmixer); the caller frees it.
  GstStructure *mixer_stats () const;
  GstClockTime position () const;
  GstClockTime duration () const;

private:
  struct Source {
    Track track;
    GstPad *pad; // owned; its sticky events have the tags
  };
  struct Undecodable {
    std::string format;
    GstPad *pad; // owned, the demuxer's; null if there is none
  };
  GstElement *add (const char *factory);
  GstElement *add_output (const Options &);
  void add_track (GstPad *pad);
  static void on_pad_added (GstElement *, GstPad *pad, gpointer self) noexcept;
  static void on_unknown_type (GstElement *, GstPad *pad, GstCaps *caps, gpointer self) noexcept;

  GstElement *pipeline_ {nullptr};
  GstElement *mixer_ {nullptr}, *mix_format_ {nullptr}, *reverb_ {nullptr}, *sink_ {nullptr};
  bool automatic_sink_ {false};
  std::string render_, part_; // the file to make, and its name until it is complete

  mutable std::mutex lock_; // of what follows; streaming threads write it
  std::vector<Source> sources_;
  std::vector<Undecodable> undecodable_;
};

} // namespace mt::player
