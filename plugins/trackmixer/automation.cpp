// SPDX-License-Identifier: LGPL-2.1-or-later
// Reads control bindings.
#include "automation.hpp"

#include <algorithm>
#include <memory>

#include "track.hpp"

namespace mt::trackmixer {

namespace {

struct Unref {
  void operator() (gpointer object) const noexcept { gst_object_unref (object); }
};
using Binding = std::unique_ptr<GstControlBinding, Unref>;

/// That of a property, or null if it has none or one that is disabled. By reference: it can be
/// removed at any time, which gst_object_sync_values() does not reckon with.
Binding binding_of (GstPad *pad, const char *property) noexcept
{
  Binding binding {gst_object_get_control_binding (GST_OBJECT_CAST (pad), property)};
  if (binding && gst_control_binding_is_disabled (binding.get ()))
    binding.reset ();
  return binding;
}

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
  const Binding volume = binding_of (pad, "volume");
  const Binding pan = binding_of (pad, "pan");
  const Binding mute = binding_of (pad, "mute");
  const Binding solo = binding_of (pad, "solo");
  solo_controlled_ = solo != nullptr;
  active_ = volume || pan || mute || solo;
  if (!active_)
    return false;
  for (const Binding *binding : {&volume, &pan, &mute, &solo})
    if (*binding)
      gst_control_binding_sync_values (
          binding->get (), GST_OBJECT_CAST (pad), points.now, last_sync_);
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
