// SPDX-License-Identifier: LGPL-2.1-or-later
// A property's control binding, which an application may remove at any time.
#pragma once

#include <memory>

#include <gst/gst.h>

namespace mt::glue {

struct UnrefObject {
  void operator() (gpointer object) const noexcept { gst_object_unref (object); }
};
using ControlBinding = std::unique_ptr<GstControlBinding, UnrefObject>;

/// Whether it has any binding. No lock: only whether there is a list is looked at.
inline bool has_bindings (GstObject *object) noexcept
{
  return g_atomic_pointer_get (&object->control_bindings) != nullptr;
}

/// That of a property, or null if it has none or one that is disabled. By reference: it can be
/// removed at any time, which gst_object_sync_values() does not reckon with. Takes the object's
/// lock.
inline ControlBinding active_binding_of (GstObject *object, const char *property) noexcept
{
  ControlBinding binding {gst_object_get_control_binding (object, property)};
  if (binding && gst_control_binding_is_disabled (binding.get ()))
    binding.reset ();
  return binding;
}

} // namespace mt::glue
