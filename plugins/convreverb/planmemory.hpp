// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps what FFTW has measured in the user's cache folder, from one process to the next.
#pragma once

#include "dsp/planner.hpp"

namespace mt::convreverb {

/// `measure`, unless GST_CONVREVERB_PLANNING=estimate is in the environment: then nothing is timed,
/// read or written, and results do not depend on what earlier processes have measured.
dsp::Planning planning_wanted () noexcept;

/// Reads the file of this version of FFTW on this processor, once in a process. A file that is
/// missing, broken or foreign is left alone, with a line in the debug log. Any thread; touches the
/// file system, so not between two buffers.
void recall_plans () noexcept;

/// Writes the file when something was learnt since the last time; what another process has written
/// meanwhile is kept. A folder that cannot be written to costs a line in the debug log. Any thread.
void keep_plans () noexcept;

} // namespace mt::convreverb
