// SPDX-License-Identifier: LGPL-2.1-or-later
// The usual ways in which programs use audiomixer, each played with both names: the same sum must
// come out, to the bit where audiomixer itself is exact.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include <gst/controller/controller.h>

#include "glue/buffermap.hpp"

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

constexpr const char *kFactories[] {"audiomixer", "trackmixer"};
constexpr int kCount = static_cast<int> (std::size (kFactories));

using Sound = std::vector<float>;

Sound noise (unsigned seed, std::uint64_t frames)
{
  return seeded_noise (seed, frames, kChannels, 18);
}

/// Adds a sound to the sum from a frame on.
void add (Sound &sum, std::span<const float> sound, std::size_t frame, float gain = 1.0f)
{
  sum.resize (std::max (sum.size (), frame * kChannels + sound.size ()));
  for (std::size_t i = 0; i < sound.size (); ++i)
    sum[frame * kChannels + i] += gain * sound[i];
}

void expect (Pipeline &pipeline, const Sound &sum)
{
  const End end = pipeline.wait_for_end ();
  fail_unless (end == End::eos, "%s", end == End::hung ? "hangs" : pipeline.error ().c_str ());
  const std::string off = difference (pipeline.capture ().samples, sum, 0.0);
  fail_unless (off.empty (), "%s", off.c_str ());
  fail_unless_equals_int (pipeline.capture ().broken_pts, 0);
}

std::string wav_line (const MemoryFile &file, const std::string &more)
{
  return " filesrc location=" + file.path () + " ! wavparse ! " + more + " ";
}

/// A launch line that sets properties of pads by the mixer's children: sink_0::volume.
GST_START_TEST (test_pad_properties_in_a_launch_line)
{
  const Sound a = noise (1, 30000), b = noise (2, 20001), c = noise (3, 10000);
  const MemoryFile files[] {wav_file (a, kChannels, kRateHz), wav_file (b, kChannels, kRateHz),
      wav_file (c, kChannels, kRateHz)};
  Pipeline pipeline {std::string {kFactories[__i__]} +
      " name=m sink_0::volume=0.5 sink_1::volume=2 sink_2::mute=true" +
      wav_line (files[0], "m.sink_0") + wav_line (files[1], "m.sink_1") +
      wav_line (files[2], "m.sink_2") + tail_line ()};
  Sound sum;
  add (sum, a, 0, 0.5f);
  add (sum, b, 0, 2.0f);
  pipeline.set_state (GST_STATE_PLAYING);
  expect (pipeline, sum);
}
GST_END_TEST;

/// Pads by their template, one of them later by its offset, one with a gain from a control source.
GST_START_TEST (test_pads_by_template_with_offset_and_control)
{
  const Sound a = noise (1, 30000), b = noise (2, 20001);
  const MemoryFile files[] {wav_file (a, kChannels, kRateHz), wav_file (b, kChannels, kRateHz)};
  Pipeline pipeline {std::string {kFactories[__i__]} + " name=m" +
      wav_line (files[0], "identity name=s0") + wav_line (files[1], "identity name=s1") +
      tail_line ()};
  GstElement *mixer = pipeline.find ("m");
  GstPadTemplate *any =
      gst_element_class_get_pad_template (GST_ELEMENT_GET_CLASS (mixer), "sink_%u");
  fail_unless (any != nullptr);
  for (const char *name : {"s0", "s1"}) {
    GstPad *src = gst_element_get_static_pad (pipeline.find (name), "src");
    GstPad *sink = gst_element_request_pad (mixer, any, nullptr, nullptr);
    fail_unless (gst_pad_link (src, sink) == GST_PAD_LINK_OK);
    gst_object_unref (sink);
    gst_object_unref (src);
  }
  GstPad *first = gst_element_get_static_pad (mixer, "sink_0");
  GstPad *second = gst_element_get_static_pad (mixer, "sink_1");
  gst_pad_set_offset (second, 250 * GST_MSECOND);
  GstControlSource *source = gst_interpolation_control_source_new ();
  g_object_set (source, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  gst_timed_value_control_source_set (GST_TIMED_VALUE_CONTROL_SOURCE (source), 0, 0.025);
  gst_timed_value_control_source_set (
      GST_TIMED_VALUE_CONTROL_SOURCE (source), 10 * GST_SECOND, 0.025);
  // 0 to 1 over the range of the property, which is 0 to 10.
  gst_object_add_control_binding (
      GST_OBJECT (first), gst_direct_control_binding_new (GST_OBJECT (first), "volume", source));
  if (__i__ == 0) // audiomixer reads the curve from its second chunk on
    g_object_set (first, "volume", 0.25, nullptr);
  Sound sum;
  add (sum, a, 0, 0.25f);
  add (sum, b, 12000);
  pipeline.set_state (GST_STATE_PLAYING);
  expect (pipeline, sum);
  gst_object_unref (source);
  gst_object_unref (second);
  gst_object_unref (first);
}
GST_END_TEST;

// --- a second branch of a tee, which comes and goes while the first one plays

constexpr std::size_t kJoins = 20000, kLeaves = 45000, kFrames = 70000; // with the next buffer

struct Branch {
  Pipeline &pipeline;
  GstElement *queue;
  GstPad *tee_pad {nullptr};
  // Frames, written on the source's thread.
  std::atomic<std::size_t> seen {0}, joined {0}, left {0};
};

void join_branch (Branch &branch)
{
  gst_bin_add (GST_BIN (branch.pipeline.element ()), branch.queue);
  GstPad *queue_sink = gst_element_get_static_pad (branch.queue, "sink");
  GstPad *queue_src = gst_element_get_static_pad (branch.queue, "src");
  GstPad *track = gst_element_request_pad_simple (branch.pipeline.find ("m"), "sink_%u");
  branch.tee_pad = gst_element_request_pad_simple (branch.pipeline.find ("t"), "src_%u");
  fail_unless (gst_pad_link (queue_src, track) == GST_PAD_LINK_OK);
  gst_element_sync_state_with_parent (branch.queue);
  fail_unless (gst_pad_link (branch.tee_pad, queue_sink) == GST_PAD_LINK_OK);
  gst_object_unref (track);
  gst_object_unref (queue_src);
  gst_object_unref (queue_sink);
}

void leave_branch (Branch &branch)
{
  GstPad *queue_sink = gst_pad_get_peer (branch.tee_pad);
  gst_pad_unlink (branch.tee_pad, queue_sink);
  gst_element_release_request_pad (branch.pipeline.find ("t"), branch.tee_pad);
  gst_clear_object (&branch.tee_pad);
  gst_pad_send_event (queue_sink, gst_event_new_eos ()); // behind all that it has
  gst_object_unref (queue_sink);
}

GstPadProbeReturn before_the_tee (GstPad *, GstPadProbeInfo *info, gpointer data) noexcept
{
  Branch &branch = *static_cast<Branch *> (data);
  if (branch.joined == 0 && branch.seen >= kJoins) {
    join_branch (branch);
    branch.joined = branch.seen.load ();
  }
  if (branch.left == 0 && branch.seen >= kLeaves) {
    leave_branch (branch);
    branch.left = branch.seen.load ();
  }
  branch.seen +=
      gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info)) / (kChannels * sizeof (float));
  return GST_PAD_PROBE_OK;
}

GST_START_TEST (test_a_branch_of_a_tee_comes_and_goes)
{
  const Sound sound = noise (5, kFrames);
  const MemoryFile file = wav_file (sound, kChannels, kRateHz);
  Pipeline pipeline {std::string {kFactories[__i__]} + " name=m" +
      wav_line (file, "identity name=cut ! tee name=t ! queue ! m.sink_0") + tail_line ()};
  Branch branch {pipeline, gst_element_factory_make ("queue", nullptr)};
  GstPad *pad = gst_element_get_static_pad (pipeline.find ("cut"), "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, before_the_tee, &branch, nullptr);
  gst_object_unref (pad);
  fail_unless (pipeline.run () == End::eos, "%s", pipeline.error ().c_str ());
  fail_unless (branch.joined > 0 && branch.left > branch.joined && branch.left < kFrames);
  Sound sum = sound;
  add (sum,
      std::span {sound}.subspan (
          branch.joined * kChannels, (branch.left - branch.joined) * kChannels),
      branch.joined);
  const std::string off = difference (pipeline.capture ().samples, sum, 0.0);
  fail_unless (off.empty (), "%s", off.c_str ());
  fail_unless_equals_int (pipeline.capture ().broken_pts, 0);
}
GST_END_TEST;

// --- a live source that is added while another one plays

constexpr std::size_t kComesAt = 4800, kGuestFrames = 5000; // with the next buffer

std::string live_line (const char *properties)
{
  return std::string {"audiotestsrc is-live=true volume=0.3 samplesperbuffer=480 "} + properties +
      " ! audio/x-raw,format=F32LE,rate=" + std::to_string (kRateHz) +
      ",channels=" + std::to_string (kChannels) + " ! identity";
}

/// What a source has brought so far, in its thread.
struct LiveTrack {
  std::size_t first_frame {0};
  Sound sound;
  bool ended {false};

  [[nodiscard]] std::size_t next_frame () const { return first_frame + sound.size () / kChannels; }
};

struct LiveScene {
  Pipeline &pipeline;
  std::mutex mutex; // of what follows, for tools that do not see GLib's locks
  LiveTrack host, guest;
};

/// In place of the time at which the source happened to start.
void stamp (GstPadProbeInfo *info, LiveTrack &track)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (track.next_frame (), GST_SECOND, kRateHz);
  info->data = buffer;
  const mt::glue::BufferMap<GST_MAP_READ> map {buffer};
  const auto samples = map.as<float> ();
  track.sound.insert (track.sound.end (), samples.begin (), samples.end ());
}

/// Which ends after some buffers, however many of them a source leaves out that starts late.
GstPadProbeReturn stamp_guest (GstPad *pad, GstPadProbeInfo *info, gpointer data) noexcept
{
  LiveScene &scene = *static_cast<LiveScene *> (data);
  const std::lock_guard lock {scene.mutex};
  LiveTrack &guest = scene.guest;
  if (guest.ended)
    return GST_PAD_PROBE_DROP;
  if (guest.sound.size () < kGuestFrames * kChannels) {
    stamp (info, guest);
    return GST_PAD_PROBE_OK;
  }
  guest.ended = true;
  GstPad *track = gst_pad_get_peer (pad);
  gst_pad_send_event (track, gst_event_new_eos ());
  gst_object_unref (track);
  return GST_PAD_PROBE_DROP;
}

void let_the_guest_in (LiveScene &scene)
{
  GstElement *bin = gst_parse_bin_from_description (live_line ("freq=660").c_str (), TRUE, nullptr);
  gst_bin_add (GST_BIN (scene.pipeline.element ()), bin);
  GstPad *src = gst_element_get_static_pad (bin, "src");
  GstPad *track = gst_element_request_pad_simple (scene.pipeline.find ("m"), "sink_%u");
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, stamp_guest, &scene, nullptr);
  fail_unless (gst_pad_link (src, track) == GST_PAD_LINK_OK);
  gst_object_unref (track);
  gst_object_unref (src);
  gst_element_sync_state_with_parent (bin);
}

/// In the thread of the source that plays: the mix has not come further than that.
GstPadProbeReturn stamp_host (GstPad *, GstPadProbeInfo *info, gpointer data) noexcept
{
  LiveScene &scene = *static_cast<LiveScene *> (data);
  const std::lock_guard lock {scene.mutex};
  if (scene.guest.first_frame == 0 && scene.host.next_frame () >= kComesAt) {
    scene.guest.first_frame = kComesAt + 96; // a whole number of milliseconds, and no chunk
    let_the_guest_in (scene);
  }
  stamp (info, scene.host);
  return GST_PAD_PROBE_OK;
}

GST_START_TEST (test_a_live_source_comes_while_another_plays)
{
  // A chunk goes out when all is there. The latency only says for how long a source may be stalled.
  Pipeline pipeline {std::string {kFactories[__i__]} + " name=m latency=30000000000 " +
      live_line ("freq=440 num-buffers=30") + " name=host ! m. " + tail_line ()};
  LiveScene scene {pipeline};
  GstPad *pad = gst_element_get_static_pad (pipeline.find ("host"), "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, stamp_host, &scene, nullptr);
  gst_object_unref (pad);
  fail_unless (pipeline.run () == End::eos, "%s", pipeline.error ().c_str ());
  pipeline.set_state (GST_STATE_NULL); // the guest's source goes on, and looks at the scene
  const std::lock_guard lock {scene.mutex};
  fail_unless (scene.guest.ended && scene.host.next_frame () > kComesAt);
  Sound sum = scene.host.sound;
  add (sum, scene.guest.sound, scene.guest.first_frame);
  const std::string off = difference (pipeline.capture ().samples, sum, 0.0);
  fail_unless (off.empty (), "%s", off.c_str ());
  fail_unless_equals_int (pipeline.capture ().broken_pts, 0);
  fail_unless (pipeline.warnings ().empty ());
}
GST_END_TEST;

Suite *embedders_suite ()
{
  Suite *suite = suite_create ("embedders");
  TCase *ways = tcase_create ("ways");
  suite_add_tcase (suite, ways);
  tcase_add_loop_test (ways, test_pad_properties_in_a_launch_line, 0, kCount);
  tcase_add_loop_test (ways, test_pads_by_template_with_offset_and_control, 0, kCount);
  tcase_add_loop_test (ways, test_a_branch_of_a_tee_comes_and_goes, 0, kCount);
  tcase_add_loop_test (ways, test_a_live_source_comes_while_another_plays, 0, kCount);
  return suite;
}

} // namespace

GST_CHECK_MAIN (embedders);
