// SPDX-License-Identifier: LGPL-2.1-or-later
// Streams of anything in any order: buffers of any size, silence, gaps, holes, steps back, flushes,
// new formats, changes of the response. What comes out is the convolution in double, frame by
// frame, and nothing is missing but what has to be. MT_TEST_SEED=N plays one of the streams,
// but for the moment at which a change of the response comes; MT_TEST_CASES=all plays many.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "reverbbed.hpp"

using namespace mt::test;

namespace {

constexpr int kRates[] = {8000, 44100, 48000, 96000};
constexpr std::size_t kMostChannels = 3;

/// How a stretch of the stream ends, which says what of it comes out.
enum class End { eos, segment_done, flush, step_back, format };

class RandomStream {
public:
  explicit RandomStream (unsigned seed) : seed_ {seed}, random_ {seed} {}

  void play ()
  {
    rate_ = kRates[below (std::size (kRates))];
    channels_ = 1 + below (kMostChannels);
    batch_ = one_of (2) ? 0 : below (120) * GST_MSECOND;
    tail_ = !one_of (4);
    dry_ = one_of (3) ? 0.0 : 0.5;
    wet_ = one_of (5) ? 0.0 : 0.8;
    usual_ = log_upto (3000);
    h_ = decaying (random_, log_upto (20000), 1);
    reverb_.emplace (static_cast<int> (channels_), [this] (GstElement *element) {
      g_object_set (element, ALONE, nullptr);
      g_object_set (element, "dry", dry_, "wet", wet_, "tail", tail_, "batch-duration", batch_,
          "schedule", static_cast<int> (below (2)), nullptr);
      set_response (element, h_, 1, rate_);
    });
    reverb_->contiguous = false;
    reverb_->set_format (static_cast<int> (channels_), rate_);
    begin (below (100000));
    for (int n = static_cast<int> (below (40)); n >= 0; --n)
      step ();
    end (one_of (2) ? End::eos : End::segment_done);
    fail_unless_equals_int (reverb_->count_messages (static_cast<GstMessageType> (
                                GST_MESSAGE_WARNING | GST_MESSAGE_ERROR)),
        0);
  }

private:
  std::size_t below (std::size_t limit) { return random_.upto (limit) - 1; }
  bool one_of (std::size_t count) { return below (count) == 0; }
  /// From 1 to `most`, as often below its root as above.
  std::size_t log_upto (std::size_t most)
  {
    return static_cast<std::size_t> (
        std::pow (static_cast<double> (most), static_cast<double> (below (1001)) / 1000.0));
  }

  /// A stretch of the stream whose first frame is `at`, in the format there is.
  void begin (std::uint64_t at)
  {
    start_ = reverb_->position = at;
    x_.clear ();
    holes_.clear ();
    reverb_->out.clear ();
    reverb_->pieces.clear ();
  }

  void step ()
  {
    switch (below (16)) {
    case 0:
      return push (Samples (log_upto (20000) * channels_), false);
    case 1:
      return push (Samples (log_upto (20000) * channels_, NAN), true);
    case 2:
      return skip (false);
    case 3:
      return skip (true);
    case 4:
      return change_response ();
    case 5:
      if (one_of (2)) {
        end (End::flush);
        return begin (below (100000));
      }
      return x_.empty () ? void () : step_back ();
    case 6:
      return one_of (2) ? change_format () : void ();
    case 7:
      return push (random_.samples (log_upto (20000) * channels_), false);
    default:
      for (auto n = below (20); n > 0; --n)
        push (random_.samples (usual_ * channels_), false);
    }
  }

  void push (const Samples &samples, bool gap)
  {
    const std::size_t frames = samples.size () / channels_;
    const GstFlowReturn flow = reverb_->push (samples.data (), frames, gap);
    fail_unless (flow == GST_FLOW_OK, "seed %u: %s", seed_, gst_flow_get_name (flow));
    if (gap)
      x_.resize (x_.size () + samples.size (), 0.0f);
    else
      x_.insert (x_.end (), samples.begin (), samples.end ());
  }

  /// A hole, which a GAP event tells of or the next buffer alone.
  void skip (bool event)
  {
    if (x_.empty ())
      return;
    const std::size_t frames = log_upto (40000);
    const std::uint64_t at = reverb_->position;
    reverb_->position += frames;
    if (event) {
      gst_harness_push_event (reverb_->harness,
          gst_event_new_gap (
              reverb_->time_of (at), reverb_->time_of (at + frames) - reverb_->time_of (at)));
      reverb_->pull ();
    } else {
      reverb_->discont = true;
    }
    x_.resize (x_.size () + frames * channels_, 0.0f);
    holes_.emplace_back (at, at + frames);
    if (!event) // or the end would not know of it
      push (random_.samples (usual_ * channels_), false);
  }

  /// To one that sounds the same, of one channel or of as many as the stream has.
  void change_response ()
  {
    if (channels_ == 1)
      return;
    wide_ = !wide_;
    Samples h;
    for (const float tap : h_)
      h.insert (h.end (), wide_ ? channels_ : 1, tap);
    set_response (reverb_->element, h, wide_ ? static_cast<int> (channels_) : 1, rate_);
    if (one_of (2))
      fail_unless (settles ()); // else it comes when it comes
  }

  void change_format ()
  {
    if (wide_) // it would not fit
      return;
    fail_unless (settles ()); // nor would one that is still to be changed
    const std::size_t channels = 1 + below (kMostChannels);
    if (channels == channels_)
      return;
    reverb_->set_format (static_cast<int> (channels), rate_);
    check (End::format);
    channels_ = channels;
    begin (below (100000));
    reverb_->discont = true;
  }

  void step_back ()
  {
    // What is delayed of the sound before comes with the first buffer behind the step.
    reverb_->position = start_ + below (x_.size () / channels_);
    reverb_->discont = true;
    const std::uint64_t at = reverb_->position;
    const Samples sound = random_.samples (usual_ * channels_);
    fail_unless_equals_int (reverb_->push (sound.data (), usual_), GST_FLOW_OK);
    auto &pieces = reverb_->pieces;
    const auto step = std::find_if (pieces.rbegin (), pieces.rend (),
        [at] (const auto &piece) { return piece.discont && piece.offset == at; });
    std::vector<Reverb::Piece> behind;
    Samples out;
    if (step != pieces.rend ()) {
      const std::size_t begin = step->begin;
      behind.assign (step.base () - 1, pieces.end ());
      for (auto &piece : behind)
        piece.begin -= begin;
      const auto split = reverb_->out.begin () + static_cast<std::ptrdiff_t> (begin * channels_);
      out.assign (split, reverb_->out.end ());
      reverb_->out.erase (split, reverb_->out.end ());
      pieces.erase (step.base () - 1, pieces.end ());
    }
    check (End::step_back);
    const std::uint64_t now = reverb_->position;
    begin (at);
    reverb_->position = now;
    pieces = behind;
    reverb_->out = out;
    x_ = sound;
  }

  void end (End how)
  {
    switch (how) {
    case End::eos:
      reverb_->end ();
      break;
    case End::segment_done:
      gst_harness_push_event (reverb_->harness, gst_event_new_segment_done (GST_FORMAT_TIME, 0));
      reverb_->pull ();
      break;
    case End::flush: {
      gst_harness_push_event (reverb_->harness, gst_event_new_flush_start ());
      gst_harness_push_event (reverb_->harness, gst_event_new_flush_stop (TRUE));
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (reverb_->harness, gst_event_new_segment (&segment));
      break;
    }
    case End::step_back:
    case End::format:
      break;
    }
    check (how);
  }

  /// All that has come out since begin().
  void check (End how)
  {
    const std::size_t frames = x_.size () / channels_;
    const bool rings_out = tail_ && (how == End::eos || how == End::segment_done);
    const std::size_t most = frames == 0 ? 0 : frames + (rings_out ? h_.size () - 1 : 0);
    const std::size_t least = how != End::flush
        ? most
        : most - std::min<std::size_t> (most, batch_ ? reverb_->stat ("latency-frames") : 0);
    const auto expected =
        frames == 0 ? std::vector<double> {} : convolve (x_, channels_, h_, 1, dry_, wet_);
    std::size_t at = 0; // all before has come out or need not
    const auto &pieces = reverb_->pieces;
    for (std::size_t n = 0; n <= pieces.size (); ++n) {
      const bool last = n == pieces.size ();
      const std::size_t begin = last ? std::max (at, least) : pieces[n].offset - start_;
      fail_unless (begin >= at && begin <= most, "seed %u: buffer %zu is at frame %zu, not %zu",
          seed_, n, begin, at);
      for (; at < begin; ++at)
        fail_unless (may_be_left_out (at, expected),
            "seed %u: frame %zu of %zu is missing before the end (%d), of %zu channels, with %d of "
            "latency, %zu are there",
            seed_, at, frames, static_cast<int> (how), channels_,
            static_cast<int> (reverb_->stat ("latency-frames")), reverb_->out.size () / channels_);
      if (last)
        break;
      const std::size_t end =
          n + 1 < pieces.size () ? pieces[n + 1].begin : reverb_->out.size () / channels_;
      fail_unless (
          at + (end - pieces[n].begin) <= most, "seed %u: more than %zu frames", seed_, most);
      const auto off = GST_CLOCK_DIFF (reverb_->time_of (pieces[n].offset), pieces[n].pts);
      fail_unless (std::llabs (off) <= 2, "seed %u: buffer %zu is %d ns off", seed_, n,
          static_cast<int> (off));
      for (std::size_t i = pieces[n].begin; i < end; ++i, ++at)
        for (std::size_t c = 0; c < channels_; ++c) {
          const double y =
              pieces[n].gap ? 0.0 : static_cast<double> (reverb_->out[i * channels_ + c]);
          const double difference = std::fabs (y - expected[at * channels_ + c]);
          fail_unless (difference < kMinus120Db,
              "seed %u: frame %zu of %zu, channel %zu is off by %g", seed_, at, frames, c,
              difference);
        }
    }
  }

  /// In a hole, or behind one that is the end, where nothing rings any more.
  bool may_be_left_out (std::size_t frame, const std::vector<double> &expected) const
  {
    const std::uint64_t end = start_ + x_.size () / channels_;
    const std::uint64_t at = std::min (start_ + frame, end - 1);
    return std::any_of (holes_.begin (), holes_.end (),
               [at] (const auto &hole) { return at >= hole.first && at < hole.second; }) &&
        std::all_of (expected.begin () + static_cast<std::ptrdiff_t> (frame * channels_),
            expected.begin () + static_cast<std::ptrdiff_t> ((frame + 1) * channels_),
            [] (double y) { return std::fabs (y) < 1e-9; });
  }

  const unsigned seed_;
  Random random_;
  std::optional<Reverb> reverb_;
  int rate_ {0};
  std::size_t channels_ {0}, usual_ {0};
  GstClockTime batch_ {0};
  bool tail_ {true}, wide_ {false};
  double dry_ {0.0}, wet_ {0.0};
  Samples h_;
  std::uint64_t start_ {0};
  Samples x_; // from `start_` on
  std::vector<std::pair<std::uint64_t, std::uint64_t>> holes_;
};

} // namespace

GST_START_TEST (test_random_streams)
{
  if (const char *const seed = g_getenv ("MT_TEST_SEED")) {
    RandomStream {static_cast<unsigned> (g_ascii_strtoull (seed, nullptr, 10))}.play ();
    return;
  }
  // From one on that ends asleep behind a hole.
  constexpr unsigned kFirst = 234;
  const unsigned count = g_getenv ("MT_TEST_CASES") ? 3000 : kSanitized ? 5 : 30;
  for (unsigned seed = kFirst; seed < kFirst + count; ++seed)
    RandomStream {seed}.play ();
}
GST_END_TEST;

static Suite *convreverb_random_suite ()
{
  Suite *const suite = suite_create ("convreverb-random");
  TCase *const streams = add_group (suite, "streams");
  tcase_set_timeout (streams, g_getenv ("MT_TEST_CASES") ? 3000 : kSanitized ? 240 : 60);
  tcase_add_test (streams, test_random_streams);
  return suite;
}

GST_CHECK_MAIN (convreverb_random);
