// SPDX-License-Identifier: LGPL-2.1-or-later
// What the player wants to know of the files that it is given, before it plays them.
#pragma once

#include <string>

namespace mt::player {

/// The path of a file that is named by its path or a file URI; of another URI, what was given.
std::string path_of (const std::string &input);

/// Whether both are there and are one file, by whatever names and links.
bool is_same_file (const std::string &a, const std::string &b);

/// What an impulse response has; all 0: not known.
struct Response {
  int tracks {0}; // of audio
  int channels {0};
};

/// Looks at a file that may be an impulse response. Takes the time of reading its head.
Response look_at_response (const std::string &path);

/// What can be told from a file's frame that the demuxer does not tell: that a WAV file is cut off,
/// or that the index of an MP4 file is missing. Empty: nothing.
std::string find_cut (const std::string &path);

} // namespace mt::player
