// SPDX-License-Identifier: LGPL-2.1-or-later
// The player's pipeline: any multitrack file → trackmixer → convreverb → sound card or file.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace mt::player {

/// An audio track of the file.
struct Track {
  std::string stream_id;
  std::string pad;                    // its pad of the mixer; empty where it has none
  std::string problem;                // why it is not in the mix; empty: it is
  int rate_hz {0}, channels {0};      // 0 where it is not in the mix
  std::string title, codec, language; // known once the tags have passed
};

struct Options {
  std::string input;              // a path or a URI
  std::string render;             // file to write, .flac or .wav; empty: play
  std::string audio_sink;         // launch line of the sink to play through; empty: autoaudiosink
  std::string ir, room, dry, wet; // the reverb's, as text; empty: its defaults
  int channels {0};               // of the mix; 0: those of the widest track
  int ir_channels {0};            // 0: not known
  std::vector<Track> left_out;    // not to be played, because of their problem
};

/// The most channels that have a usual layout.
constexpr int kMaxChannels = 8;

/// Of the mix. 0 where nothing has been mixed yet.
struct MixFormat {
  int rate_hz {0}, channels {0};
};

/// Owns the pipeline. All methods are for the application's thread.
class Player {
public:
  /// Throws std::invalid_argument for an option, std::runtime_error for a file, with a text for
  /// the person at the terminal. Makes no file yet.
  explicit Player (const Options &);
  ~Player () { discard (); }
  Player (const Player &) = delete;
  Player &operator= (const Player &) = delete;

  /// An element by its name: "source", "mixer", "reverb", "sink" or, when rendering, "file". Null
  /// if there is none. The pipeline owns it.
  GstElement *find (const char *name) const;
  GstElement *pipeline () const noexcept { return pipeline_.get (); }
  /// Whether autoaudiosink found nothing but its silent stand-in.
  bool no_sound_card () const;
  /// A sink waits for the clock.
  bool keeps_time () const;
  /// Ends the song here: the reverb rings out, the sink gets EOS, a rendered file becomes complete.
  void finish ();
  /// Removes the unfinished file.
  void discard () const noexcept;
  /// Moves the rendered file to its place. Throws std::filesystem::filesystem_error.
  void commit ();

  /// Whether the song is over and only the reverb sounds.
  bool rings_out () const noexcept { return rings_out_; }
  /// What the mixer says of itself, or has said when the song was over.
  GstStructure *stats () const;

  /// All tracks found so far with what is known of them.
  std::vector<Track> tracks () const;
  MixFormat mix_format () const;
  /// Samples of the output outside -1 … 1, and the largest of all.
  guint64 clipped_samples () const noexcept { return clipped_samples_; }
  double peak () const noexcept { return static_cast<double> (peak_.load ()); }
  /// Where the output has got to, the reverb's tail included.
  GstClockTime end () const noexcept { return end_; }

private:
  struct Stop {
    void operator() (GstElement *pipeline) const;
  };
  void add_track (GstPad *pad);
  void add_unknown (GstPad *pad, const GstCaps *caps);
  bool is_left_out (GstPad *pad) const;
  void inspect_output (GstBuffer *buffer);
  void end_of_mix (GstEvent *event);

  const std::string render_, part_;  // the file to make, and its name until it is complete
  const int channels_, ir_channels_; // as in the options
  const std::vector<Track> left_out_;
  std::atomic<guint64> clipped_samples_ {0};
  std::atomic<float> peak_ {0.0f};
  std::atomic<GstClockTime> end_ {0};
  std::atomic<bool> rings_out_ {false};
  mutable std::mutex lock_; // of what follows; streaming threads write it
  std::vector<Track> tracks_;
  std::unique_ptr<GstStructure, decltype (&gst_structure_free)> last_stats_ {
      nullptr, gst_structure_free};
  std::unique_ptr<GstElement, Stop> pipeline_; // last: its threads use what is above
};

} // namespace mt::player
