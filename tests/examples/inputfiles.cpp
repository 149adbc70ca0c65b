// SPDX-License-Identifier: LGPL-2.1-or-later
#include "inputfiles.hpp"

#include <gst/pbutils/pbutils.h>

#include <filesystem>

namespace mt::player {

namespace fs = std::filesystem;

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

} // namespace mt::player
