// SPDX-License-Identifier: LGPL-2.1-or-later
#include "inputfiles.hpp"

#include "glue/riff.hpp"

#include <gst/pbutils/pbutils.h>

#include <filesystem>
#include <fstream>

namespace mt::player {

namespace fs = std::filesystem;

namespace {

std::uintmax_t big_endian (const unsigned char *bytes, int count)
{
  std::uintmax_t value = 0;
  for (int i = 0; i < count; ++i)
    value = value << 8 | bytes[i];
  return value;
}

/// Whether it is an MP4 file (ISO 14496-12) whose boxes go to the end without one that is "moov".
bool lacks_index (std::ifstream &file, std::uintmax_t size)
{
  std::uintmax_t at = 0;
  while (at + 8 <= size) {
    unsigned char head[16] {};
    file.seekg (static_cast<std::streamoff> (at));
    file.read (reinterpret_cast<char *> (head), at + 16 <= size ? 16 : 8);
    if (!file || (at == 0 && std::memcmp (head + 4, "ftyp", 4) != 0))
      return false;
    if (std::memcmp (head + 4, "moov", 4) == 0)
      return false;
    std::uintmax_t length = big_endian (head, 4);
    if (length == 1) // in 64 bits behind the name
      length = big_endian (head + 8, 8);
    if (length == 0) // up to the end
      return true;
    if (length < 8 || length > size - at) // not understood, or cut off
      return length >= 8;
    at += length;
  }
  return at > 0;
}

} // namespace

std::string path_of (const std::string &input)
{
  g_autofree gchar *path = g_filename_from_uri (input.c_str (), nullptr, nullptr);
  return path ? path : input;
}

bool is_same_file (const std::string &a, const std::string &b)
{
  std::error_code no_such_file;
  return fs::equivalent (path_of (a), path_of (b), no_such_file);
}

Response look_at_response (const std::string &path)
{
  std::error_code error;
  if (!fs::is_regular_file (path, error)) // convreverb says what is wrong with it
    return {};
  g_autofree gchar *uri = gst_filename_to_uri (path.c_str (), nullptr);
  g_autoptr (GstDiscoverer) discoverer = gst_discoverer_new (10 * GST_SECOND, nullptr);
  if (!uri || !discoverer)
    return {};
  g_autoptr (GstDiscovererInfo) info = gst_discoverer_discover_uri (discoverer, uri, nullptr);
  if (!info || gst_discoverer_info_get_result (info) != GST_DISCOVERER_OK)
    return {};
  Response response;
  GList *streams = gst_discoverer_info_get_audio_streams (info);
  for (const GList *one = streams; one; one = one->next, ++response.tracks)
    response.channels = static_cast<int> (
        gst_discoverer_audio_info_get_channels (GST_DISCOVERER_AUDIO_INFO (one->data)));
  gst_discoverer_stream_info_list_free (streams);
  return response;
}

std::string find_cut (const std::string &path)
{
  std::error_code error;
  if (!fs::is_regular_file (path, error))
    return {};
  const std::uintmax_t size = fs::file_size (path, error);
  std::ifstream file {path, std::ios::binary};
  if (error || !file)
    return {};
  std::string fault = glue::find_riff_fault (file, size);
  file.clear ();
  if (fault.empty () && lacks_index (file, size))
    fault = "it is incomplete, its index (\"moov\") is missing; it may not have been finished, or "
            "was cut off";
  return fault;
}

} // namespace mt::player
