// SPDX-License-Identifier: LGPL-2.1-or-later
// The reverberation time of an octave, as ISO 3382-1 measures it, with the same bits everywhere.
#pragma once

#include <span>

namespace mt::dsp {

/// RT60 in seconds from the line of least squares through a decay: `time_s` are the times when
/// 5 dB, 5 + `step_db`, 5 + 2 `step_db` … are gone. Each stands for the time around it, because a
/// measurement has a point for each sample.
double line_through_decay_s (std::span<const double> time_s, double step_db) noexcept;

/// T30 in seconds of what an octave filter of six poles (Butterworth) lets through of `samples`:
/// the slope from -5 to -35 dB of the backward integrated energy (Schroeder 1965). 0 when the
/// octave is not below half the rate, or nothing comes through.
double octave_t30_s (std::span<const double> samples, double centre_hz, double rate_hz);

} // namespace mt::dsp
