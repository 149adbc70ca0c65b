// SPDX-License-Identifier: LGPL-2.1-or-later
// Reads control bindings.
#include "automation.hpp"

#include <algorithm>

#include "glue/controlbinding.hpp"

#include "track.hpp"

namespace mt::trackmixer {

namespace {

/// What is set holds where a curve says nothing, as before its first point.
template <class Value>
void fill (std::vector<Value> &values, const AutomationPoints &points, Value set)
{
  values.assign (points.count, set);
}

template <class Value>
void read_points (GstControlBinding *binding, const AutomationPoints &points,
    std::vector<Value> &values, Value set) noexcept
{
  for (const PointRun &run : points.runs) {
    Value *const to = values.data () + run.first;
    if (!gst_control_binding_get_value_array (
            binding, run.time, points.interval, static_cast<guint> (run.count), to))
      std::fill_n (to, run.count, set);
  }
}

} // namespace

void Automation::hold (const AutomationPoints &points, const TrackSettings &settings)
{
  active_ = true;
  first_ = points.first;
  fill<gdouble> (volume_, points, settings.volume.load ());
  fill<gdouble> (pan_, points, settings.pan.load ());
  fill<gboolean> (mute_, points, settings.mute.load ());
  fill<gboolean> (solo_, points, settings.solo.load ());
}

bool Automation::read (
    GstPad *pad, const AutomationPoints &points, const TrackSettings &settings, bool sounds)
{
  GstObject *const object = GST_OBJECT_CAST (pad);
  const auto volume = glue::active_binding_of (object, "volume");
  const auto pan = glue::active_binding_of (object, "pan");
  const auto mute = glue::active_binding_of (object, "mute");
  const auto solo = glue::active_binding_of (object, "solo");
  solo_controlled_ = solo != nullptr;
  active_ = volume || pan || mute || solo;
  if (!active_)
    return false;
  for (const auto *binding : {&volume, &pan, &mute, &solo})
    if (*binding)
      gst_control_binding_sync_values (binding->get (), object, points.now, last_sync_);
  last_sync_ = points.now;
  hold (points, settings);
  if (solo)
    read_points<gboolean> (solo.get (), points, solo_, settings.solo.load ());
  if (!sounds)
    return true;
  if (volume)
    read_points<gdouble> (volume.get (), points, volume_, settings.volume.load ());
  if (pan)
    read_points<gdouble> (pan.get (), points, pan_, settings.pan.load ());
  if (mute)
    read_points<gboolean> (mute.get (), points, mute_, settings.mute.load ());
  return true;
}

void Automation::apply_solo (std::span<const gboolean> soloed) noexcept
{
  for (std::size_t n = 0; n < volume_.size (); ++n)
    if (mute_[n] || (soloed[n] && !solo_[n]))
      volume_[n] = 0.0;
}

} // namespace mt::trackmixer
