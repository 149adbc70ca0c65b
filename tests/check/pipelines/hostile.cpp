// SPDX-License-Identifier: LGPL-2.1-or-later
// Every hostile file through every way from the demuxer to the mixer, with queues of 0.2 to 5 s: no
// hang, no drop, and to the bit the sum of the tracks.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include <string>
#include <vector>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

constexpr unsigned kQueueMs[] = {200, 1000, 2500, 5000};

struct Case {
  const FileSpec *file;
  Topology topology;
  unsigned queue_ms;
};

/// All of the cross product (MT_TEST_CASES=all), or of each file and topology one queue length in
/// turn ("short" leaves out every topology but two in turn).
const std::vector<Case> &cases ()
{
  static const std::vector<Case> out = [] {
    const std::string choice = g_getenv ("MT_TEST_CASES") ? g_getenv ("MT_TEST_CASES") : "";
    std::vector<Case> made;
    unsigned turn = 0;
    for (const FileSpec &file : hostile_files ()) {
      for (Topology topology : kTopologies) {
        ++turn;
        if (choice == "short" && turn % 3 != 0)
          continue;
        for (unsigned i = 0; i < std::size (kQueueMs); ++i)
          if (choice == "all" || i == turn % std::size (kQueueMs))
            made.push_back ({&file, topology, kQueueMs[i]});
      }
    }
    return made;
  }();
  return out;
}

void run (const FileSpec &file, Topology topology, unsigned queue_ms)
{
  const std::string name = std::string ("«") + file.name + "», " + name_of (topology) +
      ", queues of " + std::to_string (queue_ms) + " ms";
  const Container container {file};
  const std::vector<float> expected = container.mix ();
  Pipeline pipeline {launch_line (container, topology,
                         "max-size-time=" + std::to_string (queue_ms * GST_MSECOND)) +
      tail_line ()};
  link_decodebin (pipeline);

  const End end = pipeline.run ();
  fail_if (end == End::hung, "%s: hangs after %zu of %zu frames", name.c_str (),
      pipeline.capture ().frames (), expected.size () / kChannels);
  fail_if (end == End::error, "%s: %s", name.c_str (), pipeline.error ().c_str ());
  const Capture &got = pipeline.capture ();
  const std::string off = difference (got.samples, expected, container.lossless () ? 0.0 : 1e-6);
  fail_unless (off.empty (), "%s: %s", name.c_str (), off.c_str ());
  fail_unless_equals_int (got.broken_pts, 0);
  fail_unless_equals_int (got.odd_sizes, 0);
  if (mixer_factory () != "trackmixer")
    return;
  fail_unless_equals_uint64 (pipeline.mixer_stat ("dropped-frames"), 0);
  fail_unless_equals_uint64 (pipeline.mixer_stat ("late-frames"), 0);
}

GST_START_TEST (test_hostile_file)
{
  const Case &row = cases ()[static_cast<std::size_t> (__i__)];
  run (*row.file, row.topology, row.queue_ms);
}
GST_END_TEST;

Suite *hostile_suite ()
{
  Suite *suite = suite_create ("hostile files");
  TCase *files = tcase_create ("files");
  suite_add_tcase (suite, files);
  tcase_add_loop_test (files, test_hostile_file, 0, static_cast<int> (cases ().size ()));
  return suite;
}

} // namespace

GST_CHECK_MAIN (hostile);
