// SPDX-License-Identifier: LGPL-2.1-or-later
// The settings of the impulse response in parts: what can be wrong by itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "impulsesource.hpp"

namespace mt::convreverb {

enum class Part { source, routing, room, decay_time, damping, normalize, gain, trim, pre_delay };
inline constexpr std::size_t kParts = 9;

/// How often each part was set, by Part.
using Revisions = std::array<std::uint64_t, kParts>;

/// Calls `field (a's, b's)` for each field of a part.
template <class A, class B, class Field>
void for_fields_of (Part part, A &a, B &b, Field &&field)
{
  switch (part) {
  case Part::source:
    field (a.location, b.location);
    field (a.location_stamp, b.location_stamp);
    field (a.sample, b.sample);
    field (a.kernel, b.kernel);
    field (a.kernel_fault, b.kernel_fault);
    break;
  case Part::routing:
    field (a.routing, b.routing);
    field (a.routing_fault, b.routing_fault);
    break;
  case Part::room:
    field (a.room, b.room);
    break;
  case Part::decay_time:
    field (a.decay_time_s, b.decay_time_s);
    break;
  case Part::damping:
    field (a.damping, b.damping);
    break;
  case Part::normalize:
    field (a.normalize, b.normalize);
    break;
  case Part::gain:
    field (a.gain_db, b.gain_db);
    break;
  case Part::trim:
    field (a.trim_db, b.trim_db);
    break;
  case Part::pre_delay:
    field (a.pre_delay_ns, b.pre_delay_ns);
    break;
  }
}

inline bool is_same (Part part, const ImpulseSettings &a, const ImpulseSettings &b)
{
  bool same = true;
  for_fields_of (part, a, b, [&] (const auto &x, const auto &y) { same = same && x == y; });
  return same;
}

inline void take_over (Part part, ImpulseSettings &to, const ImpulseSettings &from)
{
  for_fields_of (part, to, from, [] (auto &x, const auto &y) { x = y; });
}

} // namespace mt::convreverb
