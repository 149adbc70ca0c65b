// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tracks' volume, mute, pan, solo and automation come to in a chunk.
#include "mixer.hpp"

#include <algorithm>

namespace mt::trackmixer {

namespace {

/// An automated loudness is read at every whole multiple of this many frames, whatever the chunk,
/// and lies on a straight line in between. At 48 kHz: 1.3 ms.
constexpr Frames kAutomationStep = 64;

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

/// The value that a pad's control binding gives a property at a time; the fallback if it has none,
/// or one that is disabled.
template <class Value, class Fallback>
Fallback controlled (
    GstPad *pad, const char *property, GstClockTime time, Fallback fallback) noexcept
{
  GstControlBinding *binding = gst_object_get_control_binding (GST_OBJECT_CAST (pad), property);
  if (!binding)
    return fallback;
  Value value {};
  const bool holds = !gst_control_binding_is_disabled (binding) &&
      gst_control_binding_get_value_array (binding, time, 1, 1, &value);
  gst_object_unref (binding);
  return holds ? static_cast<Fallback> (value) : fallback;
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

/// Reads the settings of every track once for the chunk that begins at `begin`.
void Mixer::aim_gains (Frames begin) noexcept
{
  ramp_ = static_cast<Frames> (
      gst_util_uint64_scale_round (settings.ramp_time.load (std::memory_order_relaxed),
          static_cast<guint64> (rate_hz ()), GST_SECOND));
  bool automated = false;
  {
    const std::lock_guard lock {control_};
    soloed_ = std::any_of (snapshot_.begin (), snapshot_.end (), [] (const auto &track) {
      return track->pad && track->settings.solo.load (std::memory_order_relaxed);
    });
    for (const auto &track : snapshot_) {
      // Only whether there is a list is looked at, so the pad's lock is not needed.
      if (track->pad && g_atomic_pointer_get (&GST_OBJECT_CAST (track->pad)->control_bindings)) {
        track->mix.automated = GST_PAD (gst_object_ref (track->pad));
        automated = true;
      }
    }
  }
  const GstClockTime now = stream_time_of (begin);
  for (const auto &track : snapshot_) {
    if (automated && track->mix.automated) {
      if (gst_object_has_active_control_bindings (GST_OBJECT_CAST (track->mix.automated))) {
        // The properties follow, for whoever reads them. What is mixed is exact to the frame.
        gst_object_sync_values (GST_OBJECT_CAST (track->mix.automated), now);
        continue;
      }
      gst_clear_object (&track->mix.automated);
    }
    const auto &set = track->settings;
    const bool heard = !set.mute.load (std::memory_order_relaxed) &&
        (!soloed_ || set.solo.load (std::memory_order_relaxed));
    track->mix.gain.aim ({heard ? set.volume.load (std::memory_order_relaxed) : 0.0,
                             set.pan.load (std::memory_order_relaxed)},
        begin, ramp_, sides_);
  }
}

GstClockTime Mixer::stream_time_of (Frames at) const noexcept
{
  return gst_segment_to_stream_time (&segment_, GST_FORMAT_TIME, segment_time_of (at));
}

Loudness Mixer::automated_loudness (Track &track, Frames at) const noexcept
{
  const GstClockTime time = stream_time_of (at);
  GstPad *pad = track.mix.automated;
  const auto &set = track.settings;
  const auto solo = controlled<gboolean> (pad, "solo", time, set.solo.load ());
  const auto mute = controlled<gboolean> (pad, "mute", time, set.mute.load ());
  const auto volume = controlled<gdouble> (pad, "volume", time, set.volume.load ());
  const auto pan = controlled<gdouble> (pad, "pan", time, set.pan.load ());
  const bool heard = !mute && (!soloed_ || solo);
  return {heard ? volume : 0.0, pan};
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
    if (!gain.leads_over (at))
      gain.follow (automated_loudness (track, begin), automated_loudness (track, end), begin,
          kAutomationStep, ramp_, sides_);
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
