// SPDX-License-Identifier: LGPL-2.1-or-later
// Values for the properties of an object, out of all that each of them takes.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/gst.h>

namespace mt::test {

using Random = std::mt19937_64;

inline unsigned below (Random &random, unsigned count)
{
  return static_cast<unsigned> (random () % count);
}

/// The properties that can be set while the element lives, but what it is called and belongs to.
inline std::vector<GParamSpec *> writable_properties (gpointer object)
{
  std::vector<GParamSpec *> found;
  guint count = 0;
  GParamSpec **all = g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &count);
  std::copy_if (all, all + count, std::back_inserter (found), [] (const GParamSpec *spec) {
    return (spec->flags & G_PARAM_WRITABLE) && !(spec->flags & G_PARAM_CONSTRUCT_ONLY) &&
        spec->owner_type != GST_TYPE_OBJECT;
  });
  g_free (all);
  return found;
}

/// The ends of the range and the default often, and as many small numbers as great ones.
inline guint64 any_uint64 (const GParamSpecUInt64 &spec, Random &random)
{
  switch (below (random, 8)) {
  case 0:
    return spec.minimum;
  case 1:
    return spec.maximum;
  case 2:
    return spec.default_value;
  default:
    return std::clamp<guint64> (random () >> (random () % 64), spec.minimum, spec.maximum);
  }
}

/// False: there is no way here to make one up.
inline bool any_value (GValue *value, GParamSpec *spec, Random &random)
{
  g_value_init (value, spec->value_type);
  if (G_IS_PARAM_SPEC_UINT64 (spec)) {
    g_value_set_uint64 (value, any_uint64 (*G_PARAM_SPEC_UINT64 (spec), random));
  } else if (G_IS_PARAM_SPEC_INT64 (spec)) { // a pad's offset: times that can be added to others
    g_value_set_int64 (
        value, std::max<gint64> (G_PARAM_SPEC_INT64 (spec)->minimum, below (random, GST_SECOND)));
  } else if (G_IS_PARAM_SPEC_BOOLEAN (spec)) {
    g_value_set_boolean (value, below (random, 2) == 1);
  } else if (G_IS_PARAM_SPEC_DOUBLE (spec)) {
    const auto *range = G_PARAM_SPEC_DOUBLE (spec);
    g_value_set_double (
        value, std::uniform_real_distribution<double> {range->minimum, range->maximum}(random));
  } else if (G_IS_PARAM_SPEC_ENUM (spec)) {
    const GEnumClass *values = G_PARAM_SPEC_ENUM (spec)->enum_class;
    g_value_set_enum (value, values->values[below (random, values->n_values)].value);
  } else if (GST_IS_PARAM_SPEC_FRACTION (spec)) {
    const auto *range = GST_PARAM_SPEC_FRACTION (spec);
    const int over = 1 + static_cast<int> (below (random, 100000));
    gst_value_set_fraction (
        value, 1 + static_cast<int> (below (random, static_cast<unsigned> (over))), over);
    if (below (random, 4) == 0)
      gst_value_set_fraction (value, range->min_num, range->min_den);
    else if (below (random, 4) == 0)
      gst_value_set_fraction (value, range->max_num, range->max_den);
  } else if (spec->value_type == GST_TYPE_STRUCTURE) {
    if (below (random, 2) == 0)
      g_value_take_boxed (value,
          gst_structure_new ("options", GST_AUDIO_CONVERTER_OPT_DITHER_METHOD,
              GST_TYPE_AUDIO_DITHER_METHOD, below (random, 4), nullptr));
  } else {
    g_value_unset (value);
    return false;
  }
  return true;
}

} // namespace mt::test
