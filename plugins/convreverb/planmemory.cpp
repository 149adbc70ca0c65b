// SPDX-License-Identifier: LGPL-2.1-or-later
// The file: $XDG_CACHE_HOME/gst-multitrack/fft-KEY.plans, a GKeyFile.
#include "planmemory.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gst/gst.h>

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

namespace {

constexpr const char *kGroup = "fftw";
constexpr std::uintmax_t kMaxFileBytes = 4u << 20;

struct Free {
  void operator() (gpointer memory) const noexcept { g_free (memory); }
  void operator() (GKeyFile *file) const noexcept { g_key_file_unref (file); }
  void operator() (GError *error) const noexcept { g_error_free (error); }
};
using Text = std::unique_ptr<gchar, Free>;
using KeyFile = std::unique_ptr<GKeyFile, Free>;

/// What a measurement holds for: the lines that tell one kind of processor from another.
std::string describe_processor ()
{
  constexpr std::array<std::string_view, 10> kTelling {"vendor_id", "cpu family", "model",
      "model name", "flags", "CPU implementer", "CPU variant", "CPU part", "Features", "isa"};
  std::ifstream file ("/proc/cpuinfo");
  std::string text;
  for (std::string line; std::getline (file, line) && !line.empty ();) {
    const std::string_view name {line.data (), std::min (line.find_first_of ("\t:"), line.size ())};
    for (const std::string_view telling : kTelling)
      if (name == telling)
        text += line + "\n";
  }
  return text.empty () ? "unknown" : text;
}

Text checksum (const std::string &text)
{
  return Text {g_compute_checksum_for_string (G_CHECKSUM_SHA256, text.c_str (), -1)};
}

/// Changes when older files have nothing to say any more: they had given up lengths whose two
/// directions were measured one after the other.
constexpr const char *kFormat = "forward only";

/// Which measurements are ours, in one word.
const std::string &key ()
{
  static const std::string word = checksum (
      std::string {kFormat} + "\n" + dsp::planner_version () + "\n" + describe_processor ())
                                      .get ();
  return word;
}

std::string path ()
{
  return std::string (g_get_user_cache_dir ()) + "/gst-multitrack/fft-" + key ().substr (0, 16) +
      ".plans";
}

std::string text_of (GKeyFile *file, const char *name)
{
  const Text text {g_key_file_get_string (file, kGroup, name, nullptr)};
  return text ? text.get () : "";
}

/// The memory in a file. Throws std::runtime_error, which says what is wrong with it.
dsp::PlannerMemory read (const std::string &from)
{
  namespace fs = std::filesystem;
  if (!fs::is_regular_file (from)) // opening a pipe would wait for its other end
    throw std::runtime_error ("not a regular file");
  if (fs::file_size (from) > kMaxFileBytes)
    throw std::runtime_error ("too large");
  const KeyFile file {g_key_file_new ()};
  GError *failure = nullptr;
  if (!g_key_file_load_from_file (file.get (), from.c_str (), G_KEY_FILE_NONE, &failure)) {
    const std::unique_ptr<GError, Free> error {failure};
    throw std::runtime_error (error->message);
  }
  dsp::PlannerMemory memory;
  memory.wisdom = text_of (file.get (), "wisdom");
  if (text_of (file.get (), "key") != key ())
    throw std::runtime_error ("made for another processor or FFTW");
  if (text_of (file.get (), "wisdom-sha256") != checksum (memory.wisdom).get ())
    throw std::runtime_error ("damaged");
  gsize count = 0;
  const std::unique_ptr<gint, Free> given_up {
      g_key_file_get_integer_list (file.get (), kGroup, "given-up", &count, nullptr)};
  for (gsize i = 0; i < count; ++i)
    if (given_up.get ()[i] > 0)
      memory.given_up.push_back (static_cast<std::size_t> (given_up.get ()[i]));
  return memory;
}

void learn (const std::string &from)
{
  try {
    if (!std::filesystem::exists (from)) {
      GST_DEBUG ("no plans in '%s' yet", from.c_str ());
    } else if (!dsp::teach_planner (read (from))) {
      GST_INFO ("ignoring '%s': FFTW does not understand it", from.c_str ());
    } else {
      GST_DEBUG ("read '%s'", from.c_str ());
    }
  } catch (const std::exception &error) {
    GST_INFO ("ignoring '%s': %s", from.c_str (), error.what ());
  }
}

void write (const std::string &to)
{
  const dsp::PlannerMemory memory = dsp::planner_memory ();
  const KeyFile file {g_key_file_new ()};
  g_key_file_set_comment (file.get (), nullptr, nullptr,
      " What FFTW has measured for convreverb. Delete the file to have it measured again.",
      nullptr);
  g_key_file_set_string (file.get (), kGroup, "key", key ().c_str ());
  g_key_file_set_string (file.get (), kGroup, "version", dsp::planner_version ().c_str ());
  std::vector<gint> given_up (memory.given_up.begin (), memory.given_up.end ());
  if (!given_up.empty ())
    g_key_file_set_integer_list (
        file.get (), kGroup, "given-up", given_up.data (), given_up.size ());
  g_key_file_set_string (file.get (), kGroup, "wisdom", memory.wisdom.c_str ());
  g_key_file_set_string (file.get (), kGroup, "wisdom-sha256", checksum (memory.wisdom).get ());

  const Text folder {g_path_get_dirname (to.c_str ())};
  g_mkdir_with_parents (folder.get (), 0700); // when it fails, so does writing the file
  GError *failure = nullptr;
  // Writes beside it and renames, so that nobody ever reads half of it.
  if (!g_key_file_save_to_file (file.get (), to.c_str (), &failure)) {
    const std::unique_ptr<GError, Free> error {failure};
    GST_INFO ("plans are not kept: %s", error->message);
    return;
  }
  GST_DEBUG ("wrote '%s'", to.c_str ());
}

std::mutex file_mutex; // also guards the next
std::uint64_t kept_lessons = 0;

} // namespace

dsp::Planning planning_wanted () noexcept
{
  const char *const wanted = g_getenv ("GST_CONVREVERB_PLANNING");
  return wanted && std::string_view {wanted} == "estimate" ? dsp::Planning::estimate
                                                           : dsp::Planning::measure;
}

void recall_plans () noexcept
{
  if (planning_wanted () == dsp::Planning::estimate)
    return;
  static std::once_flag once;
  try {
    std::call_once (once, [] {
      const std::lock_guard lock {file_mutex};
      learn (path ());
    });
  } catch (const std::exception &error) {
    GST_INFO ("plans are not read: %s", error.what ());
  }
}

void keep_plans () noexcept
{
  const std::uint64_t lessons = dsp::planner_lessons ();
  const std::lock_guard lock {file_mutex};
  if (lessons == kept_lessons)
    return;
  kept_lessons = lessons;
  try {
    const std::string file = path ();
    learn (file); // what other processes have added
    write (file);
  } catch (const std::exception &error) {
    GST_INFO ("plans are not kept: %s", error.what ());
  }
}

} // namespace mt::convreverb
