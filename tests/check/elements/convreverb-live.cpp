// SPDX-License-Identifier: LGPL-2.1-or-later
// The impulse response changes while the sound goes on.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "reverbbed.hpp"

using namespace mt::test;

namespace {

constexpr double kPi = 3.141592653589793;
constexpr std::size_t kFadeFrames = kRate / 20;

/// Calls push (480) until there is a warning, and returns its text.
template <class Push>
std::string push_until_warned (Reverb &reverb, Push &&push)
{
  for (int i = 0; i < 20000; ++i) {
    push (480);
    if (GstMessage *const message = gst_bus_pop_filtered (reverb.bus, GST_MESSAGE_WARNING)) {
      GError *error = nullptr;
      gst_message_parse_warning (message, &error, nullptr);
      const std::string text = error->message;
      g_error_free (error);
      gst_message_unref (message);
      return text;
    }
    let_worker_run ();
  }
  fail ("no warning");
  return {};
}

} // namespace

GST_START_TEST (test_change_is_as_if_it_had_been_there_always)
{
  Random random {3};
  struct Case {
    std::size_t channels;
    std::size_t before, after;
    GstClockTime batch;
    std::size_t first; // the buffer that decides about the blocks
  };
  for (const Case &c : {Case {2, 8, 30000, 0, 480}, Case {2, 20000, 64, 0, 480},
           Case {1, 3000, 3000, 0, 64}, Case {2, 5000, 9000, 100 * kMillisecond, 480},
           Case {6, 700, 2000, 30 * kMillisecond, 333}}) {
    if (kSanitized && c.channels != 2)
      continue;
    const Samples before = decaying (random, c.before, static_cast<int> (c.channels));
    const Samples after = decaying (random, c.after, 1);
    Reverb reverb (static_cast<int> (c.channels), [&] (GstElement *element) {
      g_object_set (element, ALONE, "batch-duration", c.batch, nullptr);
      set_response (element, before, static_cast<int> (c.channels));
    });
    Samples x = random.samples (c.first * c.channels);
    reverb.push_all (x, c.first);
    const Samples more = random.samples (40000 * c.channels);
    x.insert (x.end (), more.begin (), more.end ());
    reverb.push_all (more, 480);
    const std::size_t asked = reverb.frames_out ();
    set_response (reverb.element, after, 1);
    push_until_changed (reverb, 1, x, random, c.channels);
    const Samples last = random.samples (20000 * c.channels);
    x.insert (x.end (), last.begin (), last.end ());
    reverb.push_all (last, 480);
    reverb.end ();

    const auto old_sound = convolve (x, c.channels, before, c.channels, 0.0, 1.0);
    const auto new_sound = convolve (x, c.channels, after, 1, 0.0, 1.0);
    // Old up to some frame, in between for 50 ms, then new, to the end of its own ringing.
    fail_unless_equals_int (reverb.out.size (), new_sound.size ());
    std::size_t first = reverb.frames_out (), end = 0;
    for (std::size_t i = 0; i < reverb.out.size (); ++i) {
      const double y = static_cast<double> (reverb.out[i]);
      const double b = i < old_sound.size () ? old_sound[i] : 0.0, a = new_sound[i];
      if (std::fabs (y - b) > kMinus120Db)
        first = std::min (first, i / c.channels);
      if (std::fabs (y - a) > kMinus120Db)
        end = std::max (end, i / c.channels + 1);
    }
    fail_unless (first >= asked, "changed %zu frames before it was asked to", asked - first);
    fail_unless (end > first && end - first <= kFadeFrames,
        "%zu to %zu: %zu frames that are neither", first, end, end - first);
    fail_unless (end - first > kFadeFrames * 9 / 10);
    for (std::size_t i = first * c.channels; i < end * c.channels; ++i) {
      const double share =
          (static_cast<double> (i / c.channels - first) + 1.0) / static_cast<double> (kFadeFrames);
      const double b = i < old_sound.size () ? old_sound[i] : 0.0;
      const double mix = b + share * (new_sound[i] - b);
      fail_unless (std::fabs (static_cast<double> (reverb.out[i]) - mix) <
              0.02 * std::fabs (new_sound[i] - b) + kMinus120Db,
          "frame %zu", i / c.channels);
    }
    fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
    fail_unless_equals_uint64 (reverb.stat ("ir-frames"), c.after);
  }
}
GST_END_TEST;

GST_START_TEST (test_change_does_not_click)
{
  for (const std::size_t chunk : {64, 480, 4800}) {
    if (kSanitized && chunk == 4800)
      continue;
    Reverb reverb (1, [] (GstElement *element) {
      g_object_set (element, ALONE, nullptr);
      set_response (element, {1.0f}, 1);
    });
    const double step = 2.0 * kPi * 200.0 / kRate;
    std::size_t n = 0;
    const auto push = [&] (std::size_t frames) {
      Samples x (frames);
      for (float &y : x)
        y = static_cast<float> (std::sin (step * static_cast<double> (n++)));
      reverb.push (x.data (), frames);
    };
    for (std::uint64_t change = 1; change <= 4; ++change) {
      for (int i = 0; i < 5; ++i)
        push (chunk);
      set_response (reverb.element, {change % 2 ? -1.0f : 1.0f}, 1);
      for (int i = 0; reverb.stat ("ir-changes") < change; ++i) {
        fail_unless (i < 20000, "no change");
        push (chunk);
        let_worker_run ();
      }
    }
    // The steepest sine, and a gain that goes from 1 to -1 in 50 ms.
    const double bound = step + 2.0 / static_cast<double> (kFadeFrames) + 1e-4;
    double steepest = 0.0;
    for (std::size_t i = 1; i < reverb.out.size (); ++i)
      steepest = std::max (steepest,
          std::fabs (
              static_cast<double> (reverb.out[i]) - static_cast<double> (reverb.out[i - 1])));
    fail_unless (steepest <= bound, "chunk %zu: a step of %g, not %g", chunk, steepest, bound);
    fail_unless (steepest > 0.9 * step);
  }
}
GST_END_TEST;

GST_START_TEST (test_every_property_of_the_response)
{
  const Folder folder;
  Random random {5};
  const std::string path = folder.write ("ir.wav", wav (decaying (random, 500, 2), 2));
  Reverb reverb (2, kRate, "preset-room", 0);
  Samples x;
  std::uint64_t changes = 0;
  reverb.push_all (random.samples (9600), 480);
  // Each as gst-launch-1.0 would set it.
  for (const auto &[name, value] :
      std::vector<std::pair<const char *, std::string>> {{"decay-time", "0.2"}, {"damping", "0.9"},
          {"preset-room", "plate"}, {"ir-gain", "-3"}, {"pre-delay", "20000000"},
          {"ir-trim", "-40"}, {"normalize", "peak"}, {"ir-location", path},
          {"ir-routing", "<<0, 1>, <1, 0>>"}, {"kernel", "<<1>, <0.5>>"}, {"kernel", "<>"}}) {
    gst_util_set_object_arg (G_OBJECT (reverb.element), name, value.c_str ());
    push_until_changed (reverb, ++changes, x, random, 2);
    fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);
  }
  // What is not used, or is as it was, changes nothing.
  gst_util_set_object_arg (G_OBJECT (reverb.element), "decay-time", "0.2");
  reverb.push_all (random.samples (96000), 480);
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), changes);
}
GST_END_TEST;

GST_START_TEST (test_failed_change_keeps_the_response)
{
  const Folder folder;
  Random random {7};
  const Samples h = decaying (random, 2000, 2);
  const std::string path = folder.write ("ir.wav", wav (h, 2));
  const std::string three = folder.write ("3.wav", wav (decaying (random, 100, 3), 3));
  Reverb reverb (2, kRate, RAW_IR (path), "dry", 0.0, "wet", 1.0);
  Samples x;
  const auto push = [&] (std::size_t frames) { push_noise (reverb, x, random, frames, 2); };
  push (4800);
  const auto warning = [&] (const std::string &wrong, const char *reason) {
    const std::string text = push_until_warned (reverb, push);
    fail_unless (text.find (wrong) != std::string::npos && text.find (reason) != std::string::npos,
        "'%s'", text.c_str ());
  };
  const std::string none = folder.file ("none.wav");
  g_object_set (reverb.element, "ir-location", none.c_str (), nullptr);
  warning (none, "no such file");
  const std::string text = folder.write ("text.wav", std::string (500, 'a') + " is a text\n");
  g_object_set (reverb.element, "ir-location", text.c_str (), nullptr);
  warning (text, "text file");
  g_object_set (reverb.element, "ir-location", three.c_str (), nullptr);
  warning (three, "has 3 channels and the stream has 2");
  gst_util_set_object_arg (G_OBJECT (reverb.element), "kernel", "<0, 0>");
  warning ("kernel", "silent");
  push (4800);
  reverb.end ();
  fail_unless (largest_difference (reverb.out, convolve (x, 2, h, 2, 0.0, 1.0)) < kMinus120Db);
  fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 0);
  fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0); // once each
}
GST_END_TEST;

GST_START_TEST (test_what_failed_is_not_in_the_way_of_other_changes)
{
  // Each of these fails; a pre-delay that is set then is heard, with the response that there was,
  // and nothing is said a second time. So it is when both are set in one go.
  const Folder folder;
  Random random {71};
  const std::string none = folder.file ("none.wav");
  const Samples h = random.samples (2 * 700, 100.0f);
  const std::vector<std::pair<const char *, std::string>> bad {{"ir-location", none},
      {"ir-routing", "<<0, 5>, <1, 0>>"}, {"ir-routing", "<<0>>"}, {"ir-gain", "60"},
      {"kernel", "<<1>, <1>, <1>>"}, {"kernel", "<1e30>"}};
  for (const auto &[name, value] : bad)
    for (const bool at_once : {false, true}) {
      Reverb reverb (2, [&] (GstElement *element) {
        g_object_set (element, ALONE, "dry", 0.5, nullptr);
        set_response (element, {1e4f, 0.0f, 0.0f, -1e4f}, 2);
      });
      Samples x;
      const auto push = [&] (std::size_t frames) { push_noise (reverb, x, random, frames, 2); };
      push (4800);
      const auto set_good = [&] {
        g_object_set (reverb.element, "pre-delay", 10 * kMillisecond, nullptr);
      };
      set_array (reverb.element, name, value);
      if (at_once)
        set_good ();
      push_until_warned (reverb, push);
      if (!at_once)
        set_good ();
      push_until_changed (reverb, 1, x, random, 2);
      push (4800);
      Samples late (480 * 2, 0.0f);
      for (const float tap : {1e4f, 0.0f, 0.0f, -1e4f})
        late.push_back (tap);
      const auto expected = convolve (x, 2, late, 2, 0.5, 1.0);
      double worst = 0.0;
      for (std::size_t i = reverb.out.size () - 4800; i < reverb.out.size (); ++i)
        worst = std::max (worst, std::fabs (static_cast<double> (reverb.out[i]) - expected[i]));
      fail_unless (worst < 1e4 * kMinus120Db, "%s=%s: %g", name, value.c_str (), worst);
      fail_unless_equals_uint64 (reverb.stat ("ir-changes"), 1);
      fail_unless_equals_int (reverb.count_messages (GST_MESSAGE_WARNING), 0);

      // Set anew, it is tried anew.
      set_array (reverb.element, name, value);
      fail_unless (!push_until_warned (reverb, push).empty ());
      if (value == none) {
        folder.write ("none.wav", wav (h, 2));
        set_array (reverb.element, name, value);
        push_until_changed (reverb, 2, x, random, 2);
        fail_unless_equals_uint64 (reverb.stat ("ir-frames"), 700 + 480);
        std::remove (none.c_str ());
      }
    }
}
GST_END_TEST;

GST_START_TEST (test_last_one_wins)
{
  Random random {11};
  Reverb reverb (1, kRate, ALONE);
  Samples x;
  reverb.push_all (random.samples (4800), 480);
  constexpr int kTimes = 50;
  for (int i = 1; i <= kTimes; ++i)
    set_response (reverb.element, {static_cast<float> (i) / kTimes}, 1);
  // Some of them may be heard on the way; the last one stays.
  Samples ones (480, 1.0f);
  const auto now = [&] { return static_cast<double> (reverb.out.back ()); };
  for (int i = 0; std::fabs (now () - 1.0) > 1e-5; ++i) {
    fail_unless (i < 20000, "stays at %g", now ());
    reverb.push (ones.data (), 480);
    let_worker_run ();
  }
  for (int i = 0; i < 50; ++i) {
    reverb.push (ones.data (), 480);
    fail_unless (std::fabs (now () - 1.0) < 1e-5);
    let_worker_run ();
  }
  fail_unless (reverb.stat ("ir-changes") <= kTimes);
}
GST_END_TEST;

GST_START_TEST (test_a_knob_that_is_turned_is_heard)
{
  // Set faster than any of it can be made.
  Random random {43};
  Reverb reverb (1, kRate, "preset-room", 1);
  for (int i = 0; reverb.stat ("ir-changes") < (kSanitized ? 3u : 10u); ++i) {
    fail_unless (i < 20000, "no change");
    g_object_set (reverb.element, "decay-time", 2.0 + 0.001 * (i % 100), nullptr);
    const Samples x = random.samples (480);
    reverb.push (x.data (), 480);
    let_worker_run ();
  }
}
GST_END_TEST;

GST_START_TEST (test_any_sequence_of_lengths)
{
  Random random {13};
  Reverb reverb (2, kRate, ALONE);
  Samples x;
  std::uint64_t changes = 0;
  for (const std::size_t taps : {64, 8, 64, 1, 20000, 479, 480, 481, 8, 50000, 1}) {
    set_response (reverb.element, decaying (random, taps, 2), 2);
    push_until_changed (reverb, ++changes, x, random, 2);
    fail_unless_equals_uint64 (reverb.stat ("ir-frames"), taps);
  }
  reverb.end ();
}
GST_END_TEST;

GST_START_TEST (test_change_before_the_first_buffer)
{
  // In PAUSED, with or without caps: heard from the first sample or after a crossfade, in the end
  // the last one.
  Random random {23};
  Reverb reverb (1, kRate, ALONE);
  set_response (reverb.element, {0.5f}, 1);
  const Samples ones (480, 1.0f);
  reverb.push (ones.data (), 480);
  for (int i = 0; std::fabs (static_cast<double> (reverb.out.back ()) - 0.5) > 1e-5; ++i) {
    fail_unless (i < 20000);
    reverb.push (ones.data (), 480);
    let_worker_run ();
  }
}
GST_END_TEST;

static Suite *convreverb_live_suite ()
{
  Suite *const suite = suite_create ("convreverb-live");
  TCase *const sound = add_group (suite, "sound");
  tcase_add_test (sound, test_change_is_as_if_it_had_been_there_always);
  tcase_add_test (sound, test_change_does_not_click);
  TCase *const changes = add_group (suite, "changes");
  tcase_add_test (changes, test_every_property_of_the_response);
  tcase_add_test (changes, test_failed_change_keeps_the_response);
  tcase_add_test (changes, test_what_failed_is_not_in_the_way_of_other_changes);
  tcase_add_test (changes, test_last_one_wins);
  tcase_add_test (changes, test_a_knob_that_is_turned_is_heard);
  tcase_add_test (changes, test_any_sequence_of_lengths);
  tcase_add_test (changes, test_change_before_the_first_buffer);
  return suite;
}

GST_CHECK_MAIN (convreverb_live);
