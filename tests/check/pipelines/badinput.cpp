// SPDX-License-Identifier: LGPL-2.1-or-later
// What is no multitrack file, or only half of one, ends with an error or with EOS, and never hangs.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include <string_view>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

Bytes bytes_of (std::string_view text)
{
  return {text.begin (), text.end ()};
}

/// Through the demuxer directly, then through decodebin, with the same end.
End run_both (const MemoryFile &file, std::string &error)
{
  Pipeline direct {mixer_factory () + " name=m filesrc location=" + file.path () +
      " ! matroskademux name=d d.audio_0 ! m. " + tail_line ()};
  const End first = direct.run ();
  fail_if (first == End::hung, "matroskademux: hangs");
  Pipeline decoded {mixer_factory () + " name=m filesrc location=" + file.path () +
      " ! decodebin name=d " + tail_line ()};
  link_decodebin (decoded);
  const End second = decoded.run ();
  fail_if (second == End::hung, "decodebin: hangs");
  fail_unless_equals_int (static_cast<int> (first), static_cast<int> (second));
  error = direct.error ();
  return first;
}

GST_START_TEST (test_text)
{
  std::string error;
  const MemoryFile file {bytes_of ("This is a letter and not a song.\n")};
  fail_unless (run_both (file, error) == End::error);
  fail_if (error.empty ());
}
GST_END_TEST;

GST_START_TEST (test_empty_file)
{
  std::string error;
  const MemoryFile file;
  fail_unless (run_both (file, error) == End::error);
  fail_if (error.empty ());
}
GST_END_TEST;

/// Not through decodebin: that of 1.22 holds back what a demuxer says while it is plugged in, and
/// forgets an error that comes just before the end of that. It then waits for ever, with any sink.
GST_START_TEST (test_no_tracks)
{
  const MemoryFile file {write_matroska ({}, {}, GST_SECOND)};
  Pipeline pipeline {mixer_factory () + " name=m filesrc location=" + file.path () +
      " ! matroskademux name=d d.audio_0 ! m. " + tail_line ()};
  fail_unless (pipeline.run () == End::error);
  fail_if (pipeline.error ().empty ());
}
GST_END_TEST;

/// A track that is named and never comes: a mix of no frames, and its end.
GST_START_TEST (test_only_an_empty_track)
{
  const Container container {{"nothing in it", 100, {{Codec::s16, 0}}}};
  Pipeline pipeline {launch_line (container, Topology::direct, "") + tail_line ()};
  const End end = pipeline.run ();
  fail_if (end == End::hung, "hangs");
  fail_unless_equals_int (pipeline.capture ().frames (), 0);
}
GST_END_TEST;

/// Cut anywhere: what is whole before the cut is heard, then it ends.
GST_START_TEST (test_cut_off)
{
  const FileSpec spec {"cut", 100, {{Codec::s16, kRateHz}, {Codec::f32, kRateHz}}};
  const Container container {spec};
  gchar *content = nullptr;
  gsize bytes = 0;
  fail_unless (g_file_get_contents (container.path ().c_str (), &content, &bytes, nullptr));
  const auto *data = reinterpret_cast<const std::uint8_t *> (content);
  const MemoryFile cut {std::span {data, bytes * static_cast<std::size_t> (__i__) / 10}};
  g_free (content);
  Pipeline pipeline {mixer_factory () + " name=m filesrc location=" + cut.path () +
      " ! matroskademux name=d d.audio_0 ! m. d.audio_1 ! m. " + tail_line ()};
  fail_if (pipeline.run () == End::hung, "cut to %d tenths: hangs", __i__);
  const std::size_t heard = pipeline.capture ().frames ();
  fail_unless (heard <= kRateHz, "%zu frames", heard);
  fail_unless (heard + kRateHz / 5 >= kRateHz * static_cast<std::size_t> (__i__) / 10,
      "cut to %d tenths: only %zu frames", __i__, heard);
}
GST_END_TEST;

Suite *bad_input_suite ()
{
  Suite *suite = suite_create ("bad input");
  TCase *bad = tcase_create ("bad");
  suite_add_tcase (suite, bad);
  tcase_add_test (bad, test_text);
  tcase_add_test (bad, test_empty_file);
  tcase_add_test (bad, test_no_tracks);
  tcase_add_test (bad, test_only_an_empty_track);
  tcase_add_loop_test (bad, test_cut_off, 1, 10);
  return suite;
}

} // namespace

GST_CHECK_MAIN (bad_input);
