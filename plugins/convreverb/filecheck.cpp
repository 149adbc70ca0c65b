// SPDX-License-Identifier: LGPL-2.1-or-later
// Looks at a file without GStreamer.
#include "filecheck.hpp"

#include "glue/riff.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace mt::convreverb {

std::string find_file_fault (const std::string &path)
{
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status (path, error);
  if (!fs::exists (status)) {
    if (error && error != std::errc::no_such_file_or_directory)
      return error.message ();
    if (path.starts_with ("file:"))
      return "there is no such file; a path is wanted, not a URI";
    if (path.starts_with ("~"))
      return "there is no such file; only a shell knows what '~' is, write the path out";
    const fs::path folder = fs::path (path).is_relative () ? fs::current_path (error) : fs::path {};
    return "there is no such file" + (folder.empty () ? "" : " in '" + folder.string () + "'");
  }
  if (fs::is_directory (status))
    return "it is a folder";
  if (!fs::is_regular_file (status))
    return "it is not a regular file";
  errno = 0;
  std::ifstream file (path, std::ios::binary);
  if (!file)
    return "it cannot be opened" +
        (errno ? ": " + std::generic_category ().message (errno) : std::string {});
  const std::uintmax_t size = fs::file_size (path, error);
  if (!error && size == 0)
    return "it is empty";
  return glue::find_riff_fault (file, size);
}

std::string find_file_stamp (const std::string &path)
{
  std::error_code error;
  const auto changed = std::filesystem::last_write_time (path, error);
  if (error)
    return {};
  const std::uintmax_t size = std::filesystem::file_size (path, error);
  return std::to_string (changed.time_since_epoch ().count ()) + " " +
      std::to_string (error ? 0 : size);
}

} // namespace mt::convreverb
