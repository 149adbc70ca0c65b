// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tracks' volume, mute, pan, solo and automation come to in a chunk.
#include "mixer.hpp"

#include <algorithm>
#include <cmath>

#include "glue/controlbinding.hpp"

namespace mt::trackmixer {

namespace {

signed char side_of (GstAudioChannelPosition position) noexcept
{
  switch (position) {
  case GST_AUDIO_CHANNEL_POSITION_FRONT_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_REAR_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_FRONT_LEFT_OF_CENTER:
  case GST_AUDIO_CHANNEL_POSITION_SIDE_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_TOP_FRONT_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_TOP_REAR_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_TOP_SIDE_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_BOTTOM_FRONT_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_WIDE_LEFT:
  case GST_AUDIO_CHANNEL_POSITION_SURROUND_LEFT:
    return -1;
  case GST_AUDIO_CHANNEL_POSITION_FRONT_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_REAR_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_FRONT_RIGHT_OF_CENTER:
  case GST_AUDIO_CHANNEL_POSITION_SIDE_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_TOP_FRONT_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_TOP_REAR_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_TOP_SIDE_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_BOTTOM_FRONT_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_WIDE_RIGHT:
  case GST_AUDIO_CHANNEL_POSITION_SURROUND_RIGHT:
    return 1;
  default:
    return 0;
  }
}

bool brings_audio (const MixInput &mix) noexcept
{
  return std::any_of (mix.held.begin (), mix.held.end (),
      [] (const QueueItem &item) { return item.kind == QueueItem::Kind::audio; });
}

bool is_heard (const MixInput &mix, Frames begin, Frames end) noexcept
{
  return std::any_of (mix.held.begin (), mix.held.end (), [begin, end] (const QueueItem &item) {
    return item.kind == QueueItem::Kind::audio && item.start < end && item.end () > begin;
  });
}

} // namespace

ChannelSides sides_of (const GstAudioInfo &info) noexcept
{
  ChannelSides sides;
  sides.channels = static_cast<std::size_t> (info.channels);
  if (!GST_AUDIO_INFO_IS_UNPOSITIONED (&info))
    for (std::size_t c = 0; c < sides.channels; ++c)
      sides.side[c] = side_of (info.position[c]);
  return sides;
}

/// Reads the settings and the automation of every track once for the chunk from `begin` to `end`.
void Mixer::aim_gains (Frames begin, Frames end)
{
  ramp_ = static_cast<Frames> (
      gst_util_uint64_scale_round (settings.ramp_time.load (std::memory_order_relaxed),
          static_cast<guint64> (rate_hz ()), GST_SECOND));
  for (const auto &track : snapshot_)
    track->mix.gain.begin_chunk (is_heard (track->mix, begin, end));
  bool soloed = false;
  {
    const std::lock_guard lock {control_};
    for (const auto &track : snapshot_) {
      track->mix.automation.end ();
      if (!track->pad)
        continue; // it has been released, and so is what it solos
      if (glue::has_bindings (GST_OBJECT_CAST (track->pad)))
        automated_.emplace_back (track.get (), GST_PAD (gst_object_ref (track->pad)));
      else
        soloed = soloed || track->settings.solo.load (std::memory_order_relaxed);
    }
  }
  if (!automated_.empty ())
    soloed = automate (begin, end, soloed);
  for (const auto &track : snapshot_) {
    if (track->mix.automation.active ())
      continue;
    const auto &set = track->settings;
    const bool heard = !set.mute.load (std::memory_order_relaxed) &&
        (!soloed || set.solo.load (std::memory_order_relaxed));
    track->mix.gain.aim ({heard ? set.volume.load (std::memory_order_relaxed) : 0.0,
                             set.pan.load (std::memory_order_relaxed)},
        begin, ramp_, sides_);
  }
}

/// Reads the tracks in `automated_`; `soloed` says whether another one is. Returns whether any of
/// them all is, while none is so by automation.
bool Mixer::automate (Frames begin, Frames end, bool soloed)
{
  plan_points (begin, end);
  bool solo_controlled = false;
  for (const auto &[track, pad] : automated_) {
    auto &mix = track->mix;
    (void)mix.automation.read (pad, points_, track->settings, brings_audio (mix));
    solo_controlled = solo_controlled || mix.automation.solo_controlled ();
    if (!mix.automation.solo_controlled ())
      soloed = soloed || track->settings.solo.load (std::memory_order_relaxed);
    gst_object_unref (pad);
  }
  automated_.clear ();
  soloed_points_.assign (points_.count, soloed);
  for (const auto &track : snapshot_) {
    auto &automation = track->mix.automation;
    if (automation.solo_controlled ())
      std::transform (soloed_points_.begin (), soloed_points_.end (), automation.solo ().begin (),
          soloed_points_.begin (), [] (gboolean a, gboolean b) { return a || b; });
    else if (solo_controlled && !automation.active ())
      automation.hold (points_, track->settings); // it is heard as the solo of another one says
  }
  for (const auto &track : snapshot_)
    if (auto &automation = track->mix.automation; automation.active ())
      automation.apply_solo (soloed_points_);
  return soloed;
}

/// Which points the chunk needs, and when they are. The time of each follows from its number and
/// the segment alone: one of every 16 is exact, and those behind it are counted on from it in whole
/// nanoseconds, rounded up. A point is 15 ns late at the most, and never before the nanosecond of
/// its own frame, at which a curve may step.
void Mixer::plan_points (Frames begin, Frames end)
{
  constexpr Frames kRun = 16;
  auto &points = points_;
  const Frames last = (end + kAutomationStep - 1) / kAutomationStep;
  const Frames first_of_segment = (segment_begin_ + kAutomationStep - 1) / kAutomationStep;
  points.first = begin / kAutomationStep;
  points.count = static_cast<std::size_t> (last + 1 - points.first);
  points.now = stream_time_of (begin);
  points.interval = static_cast<GstClockTime> (
      std::ceil (static_cast<double> (gst_util_uint64_scale_ceil (
                     kAutomationStep, GST_SECOND, static_cast<guint64> (rate_hz ()))) *
          segment_.applied_rate));
  points.runs.clear ();
  for (Frames at = points.first; at <= last;) {
    PointRun run {segment_.time, static_cast<std::size_t> (at - points.first), 1};
    if (at >= first_of_segment) {
      const Frames since = (at - first_of_segment) % kRun;
      run.time = stream_time_of ((at - since) * kAutomationStep) +
          static_cast<guint64> (since) * points.interval;
      run.count = static_cast<std::size_t> (std::min (kRun - since, last + 1 - at));
    }
    points.runs.push_back (run);
    at += static_cast<Frames> (run.count);
  }
}

/// Adds samples whose loudness is automated, line by line of kAutomationStep frames.
template <class Sample>
void Mixer::add_automated (
    Track &track, std::span<Sample> acc, std::span<const Sample> in, Frames at) noexcept
{
  auto &gain = track.mix.gain;
  while (!in.empty ()) {
    const Frames begin = at / kAutomationStep * kAutomationStep;
    const Frames end = begin + kAutomationStep;
    if (const auto &automation = track.mix.automation; !gain.leads_over (at))
      gain.follow (automation.at (begin / kAutomationStep), automation.at (end / kAutomationStep),
          begin, kAutomationStep, ramp_, sides_);
    const std::size_t samples =
        std::min (in.size (), static_cast<std::size_t> (end - at) * sides_.channels);
    gain.add (acc, in.first (samples), at);
    acc = acc.subspan (samples);
    in = in.subspan (samples);
    at = end;
  }
}

template void Mixer::add_automated (
    Track &, std::span<float>, std::span<const float>, Frames) noexcept;
template void Mixer::add_automated (
    Track &, std::span<double>, std::span<const double>, Frames) noexcept;

} // namespace mt::trackmixer
