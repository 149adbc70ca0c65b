// SPDX-License-Identifier: LGPL-2.1-or-later
// convreverb times FFTs once in a user's life and keeps what it finds in the cache folder.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gst/audio/audio.h>
#include <gst/check/gstharness.h>

#include <gst/check/gstcheck.h>

namespace {

namespace fs = std::filesystem;

/// GLib asks for the cache folder once in a process, so it is one folder for all tests.
std::string cache_folder ()
{
  return std::string (g_get_user_cache_dir ()) + "/gst-multitrack";
}

/// Plays some frames in a process of its own: what one process has learnt no other knows of. Says
/// where the plan of the FFT came from, or "failed" when nothing came out.
std::string start (gsize chunk_frames)
{
  int pipe_ends[2];
  fail_unless_equals_int (pipe (pipe_ends), 0);
  const pid_t child = fork ();
  fail_unless (child >= 0);
  if (child == 0) {
    GstElement *const element = gst_element_factory_make ("convreverb", nullptr);
    g_object_set (element, "preset-room", 0, "decay-time", 0.1, nullptr);
    GstHarness *const harness = gst_harness_new_with_element (element, "sink", "src");
    gst_harness_set_src_caps_str (harness,
        "audio/x-raw, format=" GST_AUDIO_NE (F32) ", rate=48000, channels=1, layout=interleaved");
    const gsize bytes = chunk_frames * sizeof (float);
    GstBuffer *const buffer = gst_buffer_new_allocate (nullptr, bytes, nullptr);
    gst_buffer_memset (buffer, 0, 0, bytes);
    std::string plan = "failed";
    if (gst_harness_push (harness, buffer) == GST_FLOW_OK) {
      GstStructure *stats = nullptr;
      g_object_get (element, "stats", &stats, nullptr);
      const char *const text = gst_structure_get_string (stats, "transform-plan");
      plan = text ? text : "missing";
      gst_structure_free (stats);
    }
    const bool told = write (pipe_ends[1], plan.data (), plan.size ()) > 0;
    gst_harness_teardown (harness);
    gst_object_unref (element);
    _exit (told ? 0 : 1);
  }
  close (pipe_ends[1]);
  char text[64] {};
  const ssize_t count = read (pipe_ends[0], text, sizeof text - 1);
  close (pipe_ends[0]);
  int status = 0;
  fail_unless_equals_int (waitpid (child, &status, 0), child);
  fail_unless (WIFEXITED (status) && WEXITSTATUS (status) == 0);
  fail_unless (count > 0);
  return text;
}

std::string contents (const fs::path &path)
{
  std::ifstream file (path, std::ios::binary);
  return {std::istreambuf_iterator<char> (file), {}};
}

/// The one file in the cache folder; empty when there is none.
fs::path the_file ()
{
  fs::path found;
  if (!fs::is_directory (cache_folder ()))
    return found;
  for (const fs::directory_entry &entry : fs::directory_iterator (cache_folder ())) {
    fail_unless (found.empty (), "there is more than one file");
    found = entry.path ();
  }
  return found;
}

void clean ()
{
  fs::remove_all (cache_folder ());
}

/// A busy machine may need more than the time there is; then the length is given up.
bool is_planned (const std::string &first)
{
  return first == "measured" || first == "estimated";
}

/// What a start says after one that said `before`.
const char *after (const std::string &before)
{
  return before == "measured" ? "remembered" : "estimated";
}

void assert_start (gsize chunk_frames, const char *expected)
{
  const std::string got = start (chunk_frames);
  fail_unless (got == expected, "%s, not %s", got.c_str (), expected);
}

} // namespace

GST_START_TEST (test_only_the_first_start_measures)
{
  clean ();
  // 480 is what it expects, 1024 what it does not: two lengths.
  for (const gsize chunk : {480, 1024}) {
    const std::string first = start (chunk);
    fail_unless (is_planned (first), "first start: %s", first.c_str ());
    const std::string kept = contents (the_file ());
    fail_unless (!kept.empty ());
    for (int i = 0; i < 2; ++i) {
      assert_start (chunk, after (first));
      fail_unless (contents (the_file ()) == kept); // nothing new was learnt
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_file_that_cannot_be_used)
{
  clean ();
  const std::string first = start (480);
  const fs::path path = the_file ();
  const std::string good = contents (path);
  std::string foreign = good;
  foreign.replace (foreign.find ("key=") + 4, 8, "deadbeef");
  std::string changed = good;
  const std::size_t digit = changed.find ("fftwf_codelet");
  fail_unless (digit != std::string::npos || first == "estimated");
  if (digit != std::string::npos)
    changed[digit] = 'x';
  for (const std::string &bad : {std::string (1000, '\0'), good.substr (0, good.size () / 2),
           foreign, changed, std::string (5 << 20, '#')}) {
    if (bad == good)
      continue;
    std::ofstream (path, std::ios::binary) << bad;
    const std::string again = start (480);
    fail_unless (is_planned (again), "%s", again.c_str ());
    // And it was put right.
    assert_start (480, after (again));
  }
}
GST_END_TEST;

GST_START_TEST (test_file_that_is_none)
{
  // Opening a pipe would wait for somebody to write into it.
  clean ();
  start (480);
  const fs::path path = the_file ();
  fs::remove (path);
  fail_unless_equals_int (mkfifo (path.c_str (), 0600), 0);
  fail_unless (is_planned (start (480)));
  clean ();
  fs::create_directories (path / "folder");
  fail_unless (is_planned (start (480)));
  clean ();
}
GST_END_TEST;

GST_START_TEST (test_folder_that_cannot_be_written)
{
  // A file where the folder should be stops root, too.
  clean ();
  std::ofstream (cache_folder ()) << "in the way";
  fail_unless (is_planned (start (480)));
  fail_unless (contents (cache_folder ()) == "in the way");
  clean ();
}
GST_END_TEST;

GST_START_TEST (test_estimate_leaves_the_folder_alone)
{
  clean ();
  g_setenv ("GST_CONVREVERB_PLANNING", "estimate", TRUE);
  assert_start (480, "estimated");
  fail_unless (!fs::exists (cache_folder ()));
}
GST_END_TEST;

static Suite *planning_suite ()
{
  Suite *const suite = suite_create ("convreverb-planning");
  TCase *const group = tcase_create ("planning");
  suite_add_tcase (suite, group);
  tcase_add_test (group, test_only_the_first_start_measures);
  tcase_add_test (group, test_file_that_cannot_be_used);
  tcase_add_test (group, test_file_that_is_none);
  tcase_add_test (group, test_folder_that_cannot_be_written);
  tcase_add_test (group, test_estimate_leaves_the_folder_alone);
  return suite;
}

int main (int argc, char **argv)
{
  char folder[] = "/tmp/convreverb-XXXXXX";
  if (!mkdtemp (folder))
    return EXIT_FAILURE;
  g_setenv ("XDG_CACHE_HOME", folder, TRUE);
  g_unsetenv ("GST_CONVREVERB_PLANNING");
  gst_check_init (&argc, &argv);
  const int result = gst_check_run_suite (planning_suite (), "convreverb-planning", __FILE__);
  fs::remove_all (folder);
  return result;
}
