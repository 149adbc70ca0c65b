// SPDX-License-Identifier: LGPL-2.1-or-later
// Nothing that GStreamer's leaks tracer watches (elements, pads, buffers, caps, events, messages …)
// outlives the pipelines of both elements.
//
// Every scene is played twice, and the second time may leave nothing behind: what stock plugins and
// GStreamer itself keep for the life of the process is there after the first.
#include "containers.hpp"
#include "pipelinerun.hpp"

#include <functional>
#include <map>

#include <gst/check/gstcheck.h>

using namespace mt::test;

namespace {

GstTracer *leaks_tracer ()
{
  GstTracer *found = nullptr;
  GList *all = gst_tracing_get_active_tracers ();
  for (GList *at = all; at; at = at->next)
    if (g_strcmp0 (G_OBJECT_TYPE_NAME (at->data), "GstLeaksTracer") == 0)
      found = GST_TRACER (at->data); // lives as long as the process
  g_list_free_full (all, gst_object_unref);
  fail_unless (found != nullptr, "run with GST_TRACERS=leaks");
  return found;
}

/// What has been made and not yet destroyed of each type. (The tracer can also list what lives at
/// the moment, but it takes references then, also of what is just dying in another thread.)
class Balance {
public:
  Balance () { g_signal_emit_by_name (tracer_, "activity-start-tracking"); }
  ~Balance () { g_signal_emit_by_name (tracer_, "activity-stop-tracking"); }
  Balance (const Balance &) = delete;
  Balance &operator= (const Balance &) = delete;

  /// "" or what there is more than at the beginning.
  std::string left_behind ()
  {
    GstStructure *since = nullptr;
    g_signal_emit_by_name (tracer_, "activity-get-checkpoint", &since);
    fail_unless (since != nullptr);
    add (since, "objects-created-list", 1);
    add (since, "objects-removed-list", -1);
    gst_structure_free (since);
    std::string out;
    for (const auto &[type, count] : count_)
      if (count > 0)
        out += (out.empty () ? "" : ", ") + std::to_string (count) + " " + type;
    return out;
  }

  /// The same. Threads that have been told to end may hold their last objects a moment longer.
  std::string left_in_the_end ()
  {
    std::string left = left_behind ();
    for (int tries = 0; tries < 200 && !left.empty (); ++tries) {
      g_usleep (10000); // the tracer calls nobody
      left = left_behind ();
    }
    return left;
  }

  /// How many objects have been made.
  int made () const { return made_; }

private:
  void add (const GstStructure *since, const char *field, int sign)
  {
    const GValue *list = gst_structure_get_value (since, field);
    fail_unless (list != nullptr, "no %s", field);
    for (guint i = 0; i < gst_value_list_get_size (list); ++i) {
      const gchar *type = gst_structure_get_string (
          gst_value_get_structure (gst_value_list_get_value (list, i)), "type-name");
      fail_unless (type != nullptr);
      count_[type] += sign;
      made_ += sign > 0;
    }
  }

  GstTracer *tracer_ {leaks_tracer ()};
  std::map<std::string, int> count_;
  int made_ {0};
};

// --- scenes

const FileSpec &short_file ()
{
  using enum Codec;
  static const FileSpec file {"for leaks", 100,
      {{s16, 2 * kRateHz + 17}, {f32, kRateHz + 1}, {flac, kRateHz, 1000, 1},
          {s16, kRateHz, 0, 2, 44100}}};
  return file;
}

/// A response for convreverb.
const MemoryFile &response ()
{
  static const MemoryFile file = wav_file (seeded_noise (1, 4801, 1, 20), 1, kRateHz);
  return file;
}

std::string reverb ()
{
  return "convreverb ir-location=" + response ().path () + " !";
}

void whole_file ()
{
  const Container container {short_file ()};
  for (const Topology topology : {Topology::direct, Topology::decodebin}) {
    Pipeline pipeline {launch_line (container, topology, "") + tail_line (reverb ())};
    link_decodebin (pipeline);
    fail_unless (pipeline.run () == End::eos, "%s", pipeline.error ().c_str ());
  }
}

void seeks_and_an_early_end ()
{
  const Container container {short_file ()};
  Pipeline pipeline {launch_line (container, Topology::direct, "") + tail_line (reverb ())};
  fail_unless (pipeline.reach (GST_STATE_PAUSED));
  for (const unsigned ms : {700U, 0U, 1300U, 40U}) {
    fail_unless (pipeline.seek (ms * GST_MSECOND));
    fail_unless (pipeline.reach (ms % 3 == 0 ? GST_STATE_PLAYING : GST_STATE_PAUSED));
  }
  pipeline.set_state (GST_STATE_NULL);
}

/// A source of its own on a pad of its own, for as long as `ms`.
void guest (Pipeline &pipeline, unsigned ms)
{
  GstBin *bin = GST_BIN (pipeline.element ());
  GstElement *mixer = pipeline.find ("m");
  GstElement *source = gst_element_factory_make ("audiotestsrc", nullptr);
  gst_bin_add (bin, source);
  GstPad *src = gst_element_get_static_pad (source, "src");
  GstPad *sink = gst_element_request_pad_simple (mixer, "sink_%u");
  fail_unless (gst_pad_link (src, sink) == GST_PAD_LINK_OK);
  gst_element_sync_state_with_parent (source);
  g_usleep (ms * 1000); // from before its first buffer to well after it
  gst_element_set_state (source, GST_STATE_NULL);
  gst_bin_remove (bin, source);
  gst_element_release_request_pad (mixer, sink);
  gst_object_unref (sink);
  gst_object_unref (src);
}

void pads_that_come_and_go ()
{
  Pipeline pipeline {"audiotestsrc ! " + mixer_factory () + " name=m max-size-time=50000000 " +
      tail_line (reverb (), "sync=true")};
  // Or its own way to PLAYING sets a guest to that again which has been stopped.
  fail_unless (pipeline.reach (GST_STATE_PLAYING));
  for (unsigned n = 0; n < 12; ++n)
    guest (pipeline, n % 4 * 7);
  gst_element_send_event (pipeline.element (), gst_event_new_eos ());
  fail_unless (pipeline.wait_for_end () == End::eos, "%s", pipeline.error ().c_str ());
}

void errors ()
{
  for (const std::string &line : {// Behind the mixer.
           "audiotestsrc num-buffers=50 ! " + mixer_factory () +
               " name=m ! identity error-after=20 ! fakesink",
           // No such response, and one that is no audio.
           "audiotestsrc num-buffers=50 ! " + mixer_factory () +
               " name=m ! convreverb ir-location=/nowhere/at/all.wav ! fakesink",
           "audiotestsrc num-buffers=50 ! " + mixer_factory () +
               " name=m ! convreverb ir-location=/proc/self/maps ! fakesink",
           // An error of a source while the other one plays.
           "audiotestsrc ! " + mixer_factory () +
               " name=m ! fakesink sync=true audiotestsrc ! identity error-after=20 ! m."}) {
    Pipeline pipeline {line};
    fail_unless (pipeline.run () == End::error, "«%s» gives no error", line.c_str ());
  }
}

void settings_and_statistics ()
{
  Pipeline pipeline {"audiotestsrc num-buffers=40 is-live=true ! " + mixer_factory () +
      " name=m stats-interval=10000000 sink_0::volume=0.5 sink_0::pan=0.3 emit-signals=true "
      "sink_0::emit-signals=true "
      "sink_0::converter-config=options,dither=\\(GstAudioDitherMethod\\)none " +
      tail_line (reverb ())};
  GstPad *pad = gst_element_get_static_pad (pipeline.find ("m"), "sink_0");
  pipeline.set_state (GST_STATE_PLAYING);
  for (int n = 0; n < 20; ++n)
    for (GObject *object : {G_OBJECT (pipeline.find ("m")), G_OBJECT (pad)}) {
      GstStructure *stats = nullptr;
      g_object_get (object, "stats", &stats, nullptr);
      gst_structure_free (stats);
    }
  fail_unless (pipeline.wait_for_end () == End::eos, "%s", pipeline.error ().c_str ());
  gst_object_unref (pad);
}

/// The response of a reverb that plays: from a file, a kernel, a sample and a room, and one that is
/// none.
void responses_that_change ()
{
  Pipeline pipeline {"audiotestsrc is-live=true samplesperbuffer=480 ! "
                     "convreverb name=r decay-time=0.1 ! fakesink sync=true"};
  fail_unless (pipeline.reach (GST_STATE_PLAYING));
  GObject *reverb = G_OBJECT (pipeline.find ("r"));
  GstBuffer *buffer = gst_buffer_new_memdup ("\0\0\0?", 4); // 0.5
  GstCaps *caps =
      gst_caps_from_string ("audio/x-raw,format=F32LE,rate=48000,channels=1,layout=interleaved");
  GstSample *sample = gst_sample_new (buffer, caps, nullptr, nullptr);
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  for (int n = 0; n < 3; ++n)
    for (int source = 0; source < 5; ++source) {
      if (source == 0)
        g_object_set (reverb, "ir", sample, nullptr);
      else if (source == 1)
        g_object_set (reverb, "ir-location", response ().path ().c_str (), nullptr);
      else if (source == 2)
        gst_util_set_object_arg (reverb, "kernel", "<1, 0.5>");
      else if (source == 3)
        g_object_set (reverb, "ir-location", "/nowhere.wav", nullptr);
      else
        g_object_set (reverb, "ir-location", nullptr, nullptr);
      g_usleep (30000); // for some of it to be heard; the last is stopped on its way
    }
  gst_sample_unref (sample);
  pipeline.set_state (GST_STATE_NULL);
}

const std::pair<const char *, std::function<void ()>> kScenes[] {{"a whole file", whole_file},
    {"seeks and an early end", seeks_and_an_early_end},
    {"pads that come and go", pads_that_come_and_go}, {"errors", errors},
    {"settings and statistics", settings_and_statistics},
    {"responses that change", responses_that_change}};

GST_START_TEST (test_nothing_is_left_behind)
{
  const auto &[name, play] = kScenes[__i__];
  gst_object_unref (gst_system_clock_obtain ()); // the process keeps it from now on
  play ();
  Balance balance;
  play ();
  const std::string left = balance.left_in_the_end ();
  fail_unless (left.empty (), "%s: %s", name, left.c_str ());
  fail_unless (balance.made () > 100, "only %d objects", balance.made ());
}
GST_END_TEST;

/// The tracer sees an element that is kept, with its pads, and a buffer.
GST_START_TEST (test_what_is_kept_is_seen)
{
  Balance balance;
  GstElement *mixer = gst_element_factory_make (mixer_factory ().c_str (), nullptr);
  GstPad *pad = gst_element_request_pad_simple (mixer, "sink_%u");
  GstBuffer *buffer = gst_buffer_new ();
  std::string left = balance.left_behind ();
  for (const char *type : {"GstTrackMixer", "GstTrackMixerPad", "GstBuffer"})
    fail_unless (left.find (std::string {"1 "} + type) != std::string::npos, "%s is not in «%s»",
        type, left.c_str ());
  gst_buffer_unref (buffer);
  gst_object_unref (pad);
  gst_object_unref (mixer);
  left = balance.left_behind ();
  fail_unless (
      left.find ("TrackMixer") == std::string::npos && left.find ("Buffer") == std::string::npos,
      "%s", left.c_str ());
}
GST_END_TEST;

Suite *leaks_suite ()
{
  Suite *suite = suite_create ("leaks");
  TCase *scenes = tcase_create ("scenes");
  suite_add_tcase (suite, scenes);
  tcase_add_loop_test (
      scenes, test_nothing_is_left_behind, 0, static_cast<int> (std::size (kScenes)));
  tcase_add_test (scenes, test_what_is_kept_is_seen);
  return suite;
}

} // namespace

GST_CHECK_MAIN (leaks);
