// SPDX-License-Identifier: LGPL-2.1-or-later
// The whole job: a hostile file without any queue, through the mixer and the reverb, with the whole
// tail.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

constexpr std::size_t kIrFrames = 4801;
constexpr float kLastTap = 0.5f;

/// Two taps, the first frame and the last: what must come out is the mix and the mix again, late.
std::vector<float> two_taps ()
{
  std::vector<float> out (kIrFrames, 0.0f);
  out.front () = 1.0f;
  out.back () = kLastTap;
  return out;
}

std::vector<float> with_reverb (const std::vector<float> &mix)
{
  const std::size_t delay = (kIrFrames - 1) * kChannels;
  std::vector<float> out (mix.size () + delay, 0.0f);
  for (std::size_t i = 0; i < mix.size (); ++i) {
    out[i] += mix[i];
    out[i + delay] += kLastTap * mix[i];
  }
  return out;
}

void run (const FileSpec &file, Topology topology)
{
  const std::string name = std::string ("«") + file.name + "», " + name_of (topology);
  const Container container {file};
  const MemoryFile ir = wav_file (two_taps (), 1, kRateHz);
  Pipeline pipeline {launch_line (container, topology, "") +
      tail_line ("convreverb dry=0 wet=1 normalize=none ir-location=" + ir.path () + " !")};
  link_decodebin (pipeline);
  const End end = pipeline.run ();
  fail_unless (end == End::eos, "%s: %s", name.c_str (),
      end == End::hung ? "hangs" : pipeline.error ().c_str ());
  const std::string off =
      difference (pipeline.capture ().samples, with_reverb (container.mix ()), 1e-6);
  fail_unless (off.empty (), "%s: %s", name.c_str (), off.c_str ());
  fail_unless_equals_int (pipeline.capture ().broken_pts, 0);
}

GST_START_TEST (test_no_queue_anywhere)
{
  run (hostile_files ()[static_cast<std::size_t> (__i__)], Topology::decodebin_a_track);
}
GST_END_TEST;

GST_START_TEST (test_decoders_named)
{
  run (hostile_files ()[static_cast<std::size_t> (__i__)], Topology::direct);
}
GST_END_TEST;

Suite *reverb_job_suite ()
{
  Suite *suite = suite_create ("reverb job");
  TCase *whole = tcase_create ("whole");
  suite_add_tcase (suite, whole);
  const int files = static_cast<int> (hostile_files ().size ());
  tcase_add_loop_test (whole, test_no_queue_anywhere, 0, files);
  tcase_add_loop_test (whole, test_decoders_named, 0, files);
  return suite;
}

} // namespace

GST_CHECK_MAIN (reverb_job);
