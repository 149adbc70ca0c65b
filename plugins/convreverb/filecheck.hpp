// SPDX-License-Identifier: LGPL-2.1-or-later
// What can be said about a file before anything is decoded.
#pragma once

#include <string>

namespace mt::convreverb {

/// Says why there is nothing to decode in it, in plainer words than a source element's, or nothing:
/// not there, a folder, not readable, empty, a RIFF file shorter than its head says.
std::string find_file_fault (const std::string &path);

/// Another one when the file has changed since: time and length. Empty when there is none.
std::string find_file_stamp (const std::string &path);

} // namespace mt::convreverb
