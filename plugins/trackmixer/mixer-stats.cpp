// SPDX-License-Identifier: LGPL-2.1-or-later
// What the mixer tells: late audio and statistics.
#include "mixer.hpp"

#include <algorithm>
#include <utility>

GST_DEBUG_CATEGORY_EXTERN (gst_track_mixer_debug);
#define GST_CAT_DEFAULT gst_track_mixer_debug

namespace mt::trackmixer {

namespace {
/// How much of the mix without late audio ends an episode of it.
constexpr GstClockTime kLateEpisode = 10 * GST_SECOND;
} // namespace

/// Once for an episode, which ends when the mix has gone on for kLateEpisode without any.
void Mixer::report_late ()
{
  for (const auto &piece : late_pieces_)
    post_qos (piece);
  late_pieces_.clear ();
  if (!std::exchange (late_untold_, false))
    return;
  for (const auto &track : snapshot_) {
    auto &mix = track->mix;
    const auto frames = std::exchange (mix.late_untold, 0);
    if (frames == 0)
      continue;
    if (live_.load (std::memory_order_relaxed))
      continue; // the way of live sources; counted, and told by QoS to those who ask
    const Frames since = position_ - std::exchange (mix.last_late, position_);
    if (since < frame_at (kLateEpisode, rate_hz ()))
      continue;
    const auto ahead =
        static_cast<GstClockTime> (settings.max_size_time.load (std::memory_order_relaxed));
    GST_ELEMENT_WARNING (element_, STREAM, FAILED,
        ("Track %s came too late: %" G_GUINT64_FORMAT
         " frames, for a time that the mix had passed, are left out.",
            track->name.c_str (), frames),
        ("The mix is at %" GST_TIME_FORMAT ". What follows is counted in late-frames, and told of "
         "again after 10 s without any. If the file keeps its tracks that far apart, raise "
         "max-total-bytes (%" G_GUINT64_FORMAT ") or max-size-time (%" GST_TIME_FORMAT
         "); if a pad is added while playing, start its audio further ahead or put a queue before "
         "it.",
            GST_TIME_ARGS (position ()), shared.max_total_bytes.load (), GST_TIME_ARGS (ahead)));
  }
}

void Mixer::report_stats (std::uint64_t now_ns)
{
  const auto interval = settings.stats_interval.load (std::memory_order_relaxed);
  if (interval == 0)
    return;
  if (stats_told_ns_ != 0 && now_ns - stats_told_ns_ < interval)
    return;
  stats_told_ns_ = now_ns;
  gst_element_post_message (element_, gst_message_new_element (GST_OBJECT (element_), stats ()));
}

GstStructure *Mixer::stats () const
{
  const auto now = monotonic_ns ();
  const double target = static_cast<double> (rate_hz ()) / 1000.0;
  const double out = out_rate_.ksps (now);
  double fill_min = 1.0;
  double fill_sum = 0.0;
  std::size_t filled = 0;
  std::uint64_t growths = 0;
  std::uint64_t late = 0;
  std::uint64_t dropped = 0;
  for (const auto &track : tracks ()) {
    const auto counts = track->queue.counts ();
    growths += counts.growths;
    late += track->mix.frames_late.load (std::memory_order_relaxed);
    dropped += counts.frames_flushed + track->mix.frames_dropped.load (std::memory_order_relaxed);
    const auto track_is = track->queue.judge ();
    if (!track_is.linked || track_is.ended || track_is.inactive)
      continue; // nothing more is expected of it
    const auto level = track->queue.level ();
    const double fill = level.fill ();
    fill_min = std::min (fill_min, fill);
    fill_sum += fill;
    ++filled;
  }
  return gst_structure_new ("application/x-trackmixer-stats",            //
      "out-ksps", G_TYPE_DOUBLE, out,                                    //
      "target-ksps", G_TYPE_DOUBLE, target,                              //
      "realtime-factor", G_TYPE_DOUBLE, target > 0 ? out / target : 0.0, //
      "chunk-time-mean-ns", G_TYPE_DOUBLE, chunk_time_.mean_ns (),       //
      "chunk-time-p99-ns", G_TYPE_UINT64, chunk_time_.percentile_ns (0.99), "chunk-time-max-ns",
      G_TYPE_UINT64, chunk_time_.max_ns (),                                      //
      "chunks", G_TYPE_UINT64, chunks_.load (std::memory_order_relaxed),         //
      "frames-out", G_TYPE_UINT64, frames_out_.load (std::memory_order_relaxed), //
      "buf-min", G_TYPE_DOUBLE, filled > 0 ? fill_min : 0.0,                     //
      "buf-mean", G_TYPE_DOUBLE, filled > 0 ? fill_sum / static_cast<double> (filled) : 0.0,
      "queued-bytes", G_TYPE_UINT64, shared.queued_bytes.load (std::memory_order_relaxed),
      "deadline-misses", G_TYPE_UINT64, deadline_misses_.load (std::memory_order_relaxed), //
      "starved-chunks", G_TYPE_UINT64, starved_chunks_.load (std::memory_order_relaxed),   //
      "growths", G_TYPE_UINT64, growths,                                                   //
      "late-frames", G_TYPE_UINT64, late,                                                  //
      "dropped-frames", G_TYPE_UINT64, dropped,                                            //
      "clipped-samples", G_TYPE_UINT64, clipped_samples_.load (std::memory_order_relaxed), nullptr);
}

} // namespace mt::trackmixer
