// SPDX-License-Identifier: LGPL-2.1-or-later
// The operations of one thread on a pipeline.
#include "randompipeline.hpp"

namespace mt::test {

namespace {
constexpr std::size_t kMostGuests = 4; // of each hand
constexpr std::size_t kRemembered = 30;

constexpr const char *kFormats[] {"F32LE", "S16LE", "S24LE", "F64LE", "S32BE", "U8"};
constexpr int kRates[] {48000, 48000, 44100, 96000, 8000, 192000};
constexpr int kChannels[] {2, 2, 1, 6};
} // namespace

Hand::Hand (RandomPipeline &pipeline, unsigned number)
    : pipeline_ {pipeline}, random_ {pipeline.seed * 1000003U +
                                static_cast<unsigned> (pipeline.kind) * 101U + number}
{}

void Hand::operate (int operations)
{
  for (int n = 0; n < operations; ++n)
    operate ();
  const std::lock_guard lock {mutex_};
  since_.reset ();
}

void Hand::note (const std::string &operation)
{
  const std::lock_guard lock {mutex_};
  since_ = Clock::now ();
  history_.push_back (operation);
  if (history_.size () > kRemembered)
    history_.pop_front ();
}

std::optional<Clock::time_point> Hand::busy_since ()
{
  const std::lock_guard lock {mutex_};
  return since_;
}

std::string Hand::history ()
{
  const std::lock_guard lock {mutex_};
  std::string all {"— operations of a thread:\n"};
  for (const auto &operation : history_)
    all += operation + "\n";
  if (since_)
    all += "(for " +
        std::to_string (
            std::chrono::duration_cast<std::chrono::milliseconds> (Clock::now () - *since_)
                .count ()) +
        " ms)\n";
  return all;
}

void Hand::operate ()
{
  if (pipeline_.has_ended () && below (2) == 0)
    return seek ();
  const unsigned what = below (40);
  if (what < 6)
    return seek ();
  if (what < 11) {
    const bool pause = below (5) < 2;
    note (pause ? "PAUSED" : "PLAYING");
    return pipeline_.set_state (pause ? GST_STATE_PAUSED : GST_STATE_PLAYING);
  }
  if (what < 16)
    return add_guest ();
  if (what < 20)
    return remove_guest ();
  if (what < 25) {
    note ("a property of the mixer");
    return pipeline_.write (G_OBJECT (pipeline_.mixer), random_);
  }
  if (what < 30) {
    note ("a property of a pad");
    return pipeline_.write (any_pad (), random_);
  }
  if (what < 34)
    return ask ();
  if (what < 35)
    return send_event ();
  if (what < 36) {
    note ("READY and back");
    return pipeline_.set_state (GST_STATE_READY);
  }
  note ("waits for a chunk");
  pipeline_.wait_for_chunk (std::chrono::milliseconds {20});
}

GObject *Hand::any_pad ()
{
  const auto n = below (static_cast<unsigned> (pipeline_.pads.size () + guests.size ()));
  return G_OBJECT (
      n < pipeline_.pads.size () ? pipeline_.pads[n] : guests[n - pipeline_.pads.size ()].pad);
}

void Hand::seek ()
{
  unsigned flags = below (4) * 2U; // KEY_UNIT and ACCURATE, or none of them
  flags &= GST_SEEK_FLAG_ACCURATE;
  const bool flush = below (3) != 0;
  const bool segment = below (4) == 0;
  flags |= flush ? GST_SEEK_FLAG_FLUSH : 0;
  flags |= segment ? GST_SEEK_FLAG_SEGMENT : 0;
  const auto start = static_cast<gint64> (random_ () % (5 * GST_SECOND));
  gint64 stop = -1;
  if (segment || below (6) == 0)
    stop = start + static_cast<gint64> (random_ () % (300 * GST_MSECOND));
  const bool from_here = below (8) == 0; // a start of «none»: only the stop is another one
  const bool through_pipeline = below (2) == 0;
  const std::string name = std::string {"seek"} + (flush ? ", flush" : "") +
      (segment ? ", segment" : "") + (flags & GST_SEEK_FLAG_ACCURATE ? ", accurate" : "") + " " +
      (from_here ? "from here" : std::to_string (start / 1000000)) + " to " +
      (stop == -1 ? "the end" : std::to_string (stop / 1000000)) +
      (flush && through_pipeline ? "" : ", from the sink");
  note (name);
  (void)pipeline_.seek (
      gst_event_new_seek (1.0, GST_FORMAT_TIME, static_cast<GstSeekFlags> (flags),
          from_here ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, from_here ? 0 : start,
          stop == -1 && below (4) == 0 ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, stop),
      through_pipeline);
}

void Hand::add_guest ()
{
  if (guests.size () >= kMostGuests)
    return remove_guest ();
  const bool live = below (3) == 0;
  std::string source = "audiotestsrc samplesperbuffer=" + std::to_string (1 + below (3000)) +
      (live ? " is-live=true" : "");
  if (below (4) == 0)
    source += " num-buffers=" + std::to_string (below (20));
  source += std::string {" ! audio/x-raw,format="} + kFormats[below (std::size (kFormats))] +
      ",rate=" + std::to_string (kRates[below (std::size (kRates))]) +
      ",channels=" + std::to_string (kChannels[below (std::size (kChannels))]) +
      ",layout=" + (below (4) == 0 ? "non-interleaved" : "interleaved");
  const bool from_now_on = below (3) != 0;
  note ("adds " + source + (from_now_on ? " from now on" : ""));
  guests.push_back (pipeline_.add (source, live, from_now_on));
}

void Hand::remove_guest ()
{
  if (guests.empty ())
    return;
  const auto at = guests.begin () + below (static_cast<unsigned> (guests.size ()));
  note (std::string {"removes "} + GST_PAD_NAME (at->pad));
  pipeline_.remove (*at);
  guests.erase (at);
}

void Hand::ask ()
{
  const unsigned which = below (9);
  note ("question " + std::to_string (which));
  if (which >= 7) {
    gst_structure_free (stats_of (pipeline_.mixer));
    gst_structure_free (stats_of (any_pad ()));
    return;
  }
  const GstFormat format = below (3) == 0 ? GST_FORMAT_DEFAULT : GST_FORMAT_TIME;
  GstQuery *queries[] {gst_query_new_position (format), gst_query_new_duration (format),
      gst_query_new_latency (), gst_query_new_seeking (format), gst_query_new_segment (format),
      gst_query_new_caps (nullptr), gst_query_new_convert (format, 5, GST_FORMAT_TIME)};
  gst_element_query (below (2) == 0 ? pipeline_.pipeline : pipeline_.mixer, queries[which]);
  for (GstQuery *query : queries)
    gst_query_unref (query);
}

void Hand::send_event ()
{
  note ("an event upstream");
  GstPad *src = gst_element_get_static_pad (pipeline_.mixer, "src");
  if (below (2) == 0)
    gst_pad_send_event (src, gst_event_new_reconfigure ());
  else
    gst_pad_send_event (src, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.1, 5, GST_MSECOND));
  gst_object_unref (src);
}

} // namespace mt::test
