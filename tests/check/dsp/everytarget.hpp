// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs a check once for each instruction set that was compiled in and that this CPU has.
#pragma once

#include <hwy/highway.h>

namespace mt::test {

template <class Function>
void on_every_target (Function &&check)
{
  for (const auto target : hwy::SupportedAndGeneratedTargets ()) {
    hwy::SetSupportedTargetsForTest (target);
    hwy::GetChosenTarget ().Update (target);
    check (hwy::TargetName (target));
  }
  hwy::SetSupportedTargetsForTest (0);
  hwy::GetChosenTarget ().DeInit ();
}

} // namespace mt::test
