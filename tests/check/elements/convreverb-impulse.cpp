// SPDX-License-Identifier: LGPL-2.1-or-later
// Rooms, impulse responses of any rate, and files that are none.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include <unistd.h>

#include "reverbbed.hpp"

using namespace mt::test;

// Rooms and rates

GST_START_TEST (test_rooms_without_a_file)
{
  // Every room sounds in every format, is normalised, and rings as long as asked (all octaves
  // alike, so that the whole band does as well).
  for (int room = 0; room < 4; ++room)
    for (const int channels : {1, 2, 6}) {
      Reverb reverb (channels, kRate, "preset-room", room, "decay-time", 1.0, "damping", 0.0, "dry",
          0.0, "wet", 1.0);
      Samples x (static_cast<std::size_t> (480 * channels), 0.0f);
      std::fill_n (x.begin (), channels, 1.0f);
      reverb.push_all (x, 480);
      reverb.end ();
      double energy = 0.0;
      Samples left;
      for (std::size_t i = 0; i < reverb.out.size (); ++i) {
        energy += static_cast<double> (reverb.out[i]) * static_cast<double> (reverb.out[i]);
        if (i % static_cast<std::size_t> (channels) == 0)
          left.push_back (reverb.out[i]);
      }
      fail_unless (std::fabs (energy / channels - 1.0) < 1e-3);
      fail_unless (std::fabs (t30 (left, kRate) - 1.0) < 0.06);
      fail_unless_equals_uint64 (reverb.stat ("ir-frames") + 479, reverb.frames_out ());
    }
}
GST_END_TEST;

GST_START_TEST (test_file_at_another_rate)
{
  const Folder folder;
  Random random {11};
  for (const int from : {44100, 96000, 8000}) {
    // 60 dB in one second.
    const Samples h = decaying (random, static_cast<std::size_t> (from * 3 / 2), 1, 90.0);
    const std::string path = folder.write ("ir.wav", wav (h, 1, from));
    Reverb reverb (1, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0);
    Samples x (480, 0.0f);
    x[0] = 1.0f;
    reverb.push_all (x, 480);
    reverb.end ();
    const double asked = t30 (h, from), got = t30 (reverb.out, kRate);
    fail_unless (std::fabs (got / asked - 1.0) < 0.01, "from %d: %g s, not %g", from, got, asked);
    fail_unless_equals_uint64 (
        reverb.stat ("ir-frames"), gst_util_uint64_scale_int_ceil (h.size (), kRate, from));

    // A click 0.1 s in stays there, and its gain at low frequencies stays 1.
    Samples click (static_cast<std::size_t> (from / 5), 0.0f);
    click[static_cast<std::size_t> (from / 10)] = 1.0f;
    Reverb second (1, kRate, RAW_IR (folder.write ("click.wav", wav (click, 1, from))), "dry", 0.0,
        "wet", 1.0);
    second.push_all (x, 480);
    second.end ();
    const auto peak =
        std::max_element (second.out.begin (), second.out.end ()) - second.out.begin ();
    fail_unless_equals_int (peak, kRate / 10);
    double sum = 0.0;
    for (const float y : second.out)
      sum += static_cast<double> (y);
    fail_unless (std::fabs (sum - 1.0) < 1e-3, "from %d: gain %g", from, sum);
  }
}
GST_END_TEST;

GST_START_TEST (test_any_rate)
{
  const Folder folder;
  // 0.1 s, 20 dB down at its end.
  Random random {67};
  const std::string path =
      folder.write ("ir.wav", wav (decaying (random, 4410, 1, 20.0), 1, 44100));
  for (const int rate :
      {8000, 11025, 12000, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000}) {
    Samples x (static_cast<std::size_t> (rate / 100), 0.0f);
    x[0] = 1.0f;
    Reverb file (1, rate, RAW_IR (path), "dry", 0.0, "wet", 1.0);
    file.push_all (x, x.size ());
    file.end ();
    fail_unless_equals_uint64 (
        file.stat ("ir-frames"), gst_util_uint64_scale_int_ceil (4410, rate, 44100));
    fail_unless (std::any_of (
        file.out.begin (), file.out.end (), [] (float y) { return std::fabs (y) > 1e-3f; }));

    Reverb room (
        1, rate, "preset-room", 0, "decay-time", 0.2, "damping", 0.0, "dry", 0.0, "wet", 1.0);
    room.push_all (x, x.size ());
    room.end ();
    const double got = t30 (room.out, rate);
    fail_unless (std::fabs (got - 0.2) < 0.03, "%d Hz: %g s", rate, got);
  }
}
GST_END_TEST;

GST_START_TEST (test_too_many_samples)
{
  // Refused before anything of that size is allocated, and once.
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav (Samples (48000, 0.5f), 1));
  const Samples x (64 * 480, 0.1f);
  for (const char *const location : {path.c_str (), static_cast<const char *> (nullptr)}) {
    Reverb reverb (2, 2147483647, "ir-location", location);
    for (int i = 0; i < 3; ++i)
      fail_unless (reverb.push (x.data (), 480) != GST_FLOW_OK);
    const std::string text = reverb.message (GST_MESSAGE_ERROR);
    for (const char *const part : {"2147483647 Hz", "2 channels", "limit is 134217728",
             location ? "are 4294967294 samples" : "samples", "audioresample"})
      fail_unless (text.find (part) != std::string::npos, "'%s' in '%s'", part, text.c_str ());
    fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0);
    reverb.set_format (2, kRate);
    fail_unless_equals_int (reverb.push (x.data (), 480), GST_FLOW_OK); // this fits
  }
  // 60 s of 64 channels at 48 kHz.
  const std::string minute = folder.write ("60.wav", wav (Samples (8000 * 60, 0.5f), 1, 8000));
  Reverb reverb (64, kRate, "ir-location", minute.c_str ());
  fail_unless (reverb.push (x.data (), 480) != GST_FLOW_OK);
  fail_unless (
      reverb.message (GST_MESSAGE_ERROR).find ("are 184320000 samples") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_rate_far_below_that_of_the_file)
{
  // The filter for it would take minutes to make.
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav ({1.0f, 0.5f}, 1));
  Samples x (48, 0.5f);
  Reverb none (1, 48, "ir-location", path.c_str ());
  fail_unless (none.push (x.data (), 48) != GST_FLOW_OK);
  const std::string text = none.message (GST_MESSAGE_ERROR);
  for (const char *const part : {"48000 Hz", "has 48,", "1000 times lower", "audioresample"})
    fail_unless (text.find (part) != std::string::npos, "'%s' in '%s'", part, text.c_str ());
  Reverb some (1, 49, "ir-location", path.c_str ());
  fail_unless_equals_int (some.push (x.data (), 48), GST_FLOW_OK);
}
GST_END_TEST;

GST_START_TEST (test_trim_and_normalize)
{
  const Folder folder;
  Samples h (10000, 0.0f);
  h[0] = 0.5f;
  h[100] = -0.25f;
  h[9000] = 0.5e-5f; // −100 dB
  const std::string path = folder.write ("ir.wav", wav (h, 1));
  const Samples x {1.0f, 0.0f};
  struct Case {
    int normalize;
    double trim, first;
    std::size_t frames;
  };
  for (const Case &c : {Case {0, -90.0, 0.5 / std::hypot (0.5, 0.25), 101},
           Case {1, -110.0, 1.0, 9001}, Case {2, -3.0, 0.5, 1}, Case {2, kAll, 0.5, 10000}}) {
    Reverb reverb (1, kRate, "ir-location", path.c_str (), "normalize", c.normalize, "ir-trim",
        c.trim, "dry", 0.0, "wet", 1.0);
    reverb.push_all (x, 2);
    reverb.end ();
    fail_unless_equals_int (reverb.frames_out (), c.frames + 1);
    fail_unless (std::fabs (static_cast<double> (reverb.out[0]) - c.first) < 1e-5);
  }
}
GST_END_TEST;

// What is wrong

GST_START_TEST (test_files_that_cannot_be_used)
{
  const Folder folder;
  Random random {43};
  const Samples h = decaying (random, 5000, 2);
  const std::string good = wav (h, 2);
  fail_unless (error_for (folder.write ("good.wav", good)).empty ());

  assert_error (folder.file ("none.wav"), "no such file");
  std::filesystem::create_directory (folder.file ("folder"));
  assert_error (folder.file ("folder"), "is a folder");
  assert_error (folder.write ("empty.wav", ""), "is empty");
  assert_error (folder.write ("text.wav", std::string (500, 'a') + " is a text\n"), "text file");
  assert_error (folder.write ("cut.wav", good.substr (0, 10000)), "cut short");
  assert_error (folder.write ("cut-by-9.wav", good.substr (0, good.size () - 9)), "cut short");
  // Some write the file's whole size where it less 8 belongs.
  std::string whole_size = good;
  const auto size = static_cast<std::uint32_t> (good.size ());
  for (std::size_t n = 0; n < 4; ++n)
    whole_size[4 + n] = static_cast<char> (size >> 8 * n & 0xff);
  fail_unless (error_for (folder.write ("whole-size.wav", whole_size)).empty ());
  assert_error (folder.write ("cut-in-head.wav", good.substr (0, 30)), "cut short");
  assert_error (folder.write ("silent.wav", wav (Samples (2000, 0.0f), 2)), "silent");
  assert_error (folder.write ("no-samples.wav", wav ({}, 2)), "no samples");
  assert_error (folder.write ("nan.wav", wav ({1.0f, 0.5f, NAN, 0.0f}, 2)), "frame 1 has a sample");
  assert_error (folder.write ("inf.wav", wav ({INFINITY}, 1)), "not a finite number");
  assert_error (
      folder.write ("long.wav", wav (Samples (8000 * 60 + 1, 0.1f), 1, 8000)), "longer than 60");
  fail_unless (
      error_for (folder.write ("60.wav", wav (Samples (8000 * 60, 0.1f), 1, 8000))).empty ());
  assert_error (folder.write ("65.wav", wav (Samples (65 * 10, 0.1f), 65)), "65 channels");
  assert_error (folder.write ("64.wav", wav (Samples (64 * 10, 0.1f), 64)), "64 channels");
  std::string noise;
  for (int i = 0; i < 20000; ++i)
    noise += static_cast<char> (random.upto (256));
  const std::string text = error_for (folder.write ("noise.bin", noise));
  fail_unless (text.find ("noise.bin") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_files_of_another_kind)
{
  const Folder folder;
  assert_error (folder.write ("page.wav", "<html><body>404 not found</body></html>"),
      "not an audio file, its type is text/html");
  assert_error (folder.write ("zip.wav", "PK\3\4" + std::string (200, '\0')), "application/zip");
  assert_error ("file://" + folder.file ("none.wav"), "a path is wanted, not a URI");
  assert_error ("~/none-of-this-name.wav", "only a shell knows");
  assert_error ("none-of-this-name.wav", std::filesystem::current_path ().c_str ());
  const std::string film = folder.file ("film.mkv");
  GstElement *const pipeline = gst_parse_launch (
      ("videotestsrc num-buffers=3 ! video/x-raw,width=16,height=16 ! matroskamux ! "
       "filesink location=" +
          film)
          .c_str (),
      nullptr);
  fail_unless (pipeline != nullptr);
  GstBus *const bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  assert_error (film, "no audio in it");
}
GST_END_TEST;

GST_START_TEST (test_file_without_permission)
{
  const Folder folder;
  const std::string path = folder.write ("ir.wav", wav ({1.0f, 0.5f}, 1));
  fail_unless (error_for (path).empty ()); // and the plug-ins are loaded
  std::filesystem::permissions (path, std::filesystem::perms::none);
  std::filesystem::permissions (folder.file (""), std::filesystem::perms {0755});
  const bool root = geteuid () == 0; // who may read all
  if (root)
    fail_unless_equals_int (seteuid (65534), 0);
  assert_error (path, "Permission denied");
  if (root)
    fail_unless_equals_int (seteuid (0), 0);
}
GST_END_TEST;

GST_START_TEST (test_channels_that_do_not_fit)
{
  const Folder folder;
  const std::string path = folder.write ("ir3.wav", wav (Samples (30, 0.1f), 3));
  Reverb reverb (2, kRate, "ir-location", path.c_str ());
  const Samples x (960, 0.1f);
  for (int i = 0; i < 3; ++i)
    fail_unless (reverb.push (x.data (), 480) != GST_FLOW_OK);
  const std::string text = reverb.message (GST_MESSAGE_ERROR);
  fail_unless (text.find (path) != std::string::npos);
  fail_unless (text.find ("has 3 channels and the stream has 2") != std::string::npos);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_ERROR), 0); // once
  reverb.set_format (3, kRate);
  reverb.push_all (Samples (960 * 3, 0.1f), 480); // this fits
}
GST_END_TEST;

GST_START_TEST (test_bad_samples_in_the_stream)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  Random random {47};
  Samples x = random.samples (kRate * 4);
  for (const std::size_t bad : {100, 101, 5000, 20000, 3 * kRate})
    x[bad] = bad % 2 ? NAN : -INFINITY;
  Samples clean = x;
  for (float &y : clean)
    y = std::isfinite (y) ? y : 0.0f;
  reverb.push_all (x, 480);
  fail_unless (std::all_of (
      reverb.out.begin (), reverb.out.end (), [] (float y) { return std::isfinite (y); }));
  // Two runs, more than a second apart: two warnings.
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 2);
  fail_unless_equals_uint64 (reverb.stat ("not-finite-samples"), 5);
  Reverb other (1, kRate, "preset-room", 0);
  other.push_all (clean, 480);
  fail_unless (
      largest_difference (reverb.out, {other.out.begin (), other.out.end ()}) < kMinus120Db);
}
GST_END_TEST;

GST_START_TEST (test_property_set_too_late)
{
  Reverb reverb (1, kRate, "preset-room", 0);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
  g_object_set (reverb.element, "wet", 0.5, "dry", 0.1, "tail", FALSE, nullptr);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
  g_object_set (reverb.element, "batch-duration", GST_SECOND, nullptr);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 1);
  g_object_set (reverb.element, "schedule", 1, nullptr);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 1);
  reverb.push_all (Samples (960, 0.1f), 480); // and goes on as before
}
GST_END_TEST;

static Suite *convreverb_impulse_suite ()
{
  Suite *const suite = suite_create ("convreverb-impulse");
  TCase *const impulse = add_group (suite, "impulse");
  tcase_add_test (impulse, test_rooms_without_a_file);
  tcase_add_test (impulse, test_file_at_another_rate);
  tcase_add_test (impulse, test_any_rate);
  tcase_add_test (impulse, test_too_many_samples);
  tcase_add_test (impulse, test_rate_far_below_that_of_the_file);
  tcase_add_test (impulse, test_trim_and_normalize);
  TCase *const faults = add_group (suite, "faults");
  tcase_add_test (faults, test_files_that_cannot_be_used);
  tcase_add_test (faults, test_files_of_another_kind);
  tcase_add_test (faults, test_file_without_permission);
  tcase_add_test (faults, test_channels_that_do_not_fit);
  tcase_add_test (faults, test_bad_samples_in_the_stream);
  tcase_add_test (faults, test_property_set_too_late);
  return suite;
}

GST_CHECK_MAIN (convreverb_impulse);
