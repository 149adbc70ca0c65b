// SPDX-License-Identifier: LGPL-2.1-or-later
// FFTW's planner: one for the whole process, slow, and able to remember.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct fftwf_plan_s;

namespace mt::dsp {

/// How long FFTW may look for a fast plan.
enum class Planning {
  measure,      ///< times candidates, as long as kPlanningLimitSeconds allows
  measure_most, ///< leaves a quarter of that: for a plan that may turn out not to be needed
  estimate,     ///< guesses at once, and says nothing about the length to anyone
};

/// Where a plan came from.
enum class PlanSource {
  measured,   ///< timed just now
  remembered, ///< timed before, in this process or an earlier one
  estimated,  ///< guessed: not asked for more, or no time left
};

/// What one process may spend on timing candidates, over all lengths and all threads. FFTW looks at
/// the clock between two candidates only, so it is less than the 2 s that a start may wait.
inline constexpr double kPlanningLimitSeconds = 1.8;

/// A complex forward transform, not in place.
struct TransformPlan {
  fftwf_plan_s *plan;
  PlanSource source;
};

/// Plans a transform from `in` to `out`, both of `length` values, 64-byte aligned and overwritten;
/// it does for any others that are aligned. It destroys its input.
///
/// A length whose measuring did not come to its end, or for which no time at all was left, is not
/// measured again, so that a start that has waited once does not have to wait again.
///
/// Threads any; all calls in this header wait for each other, because FFTW has one planner for the
///         process and its time limit is a global. Another user of FFTW in the process is kept out
///         of planning too, by FFTW's own lock.
/// Errors  std::runtime_error: FFTW has no plan.
TransformPlan plan_transform (
    std::size_t length, std::complex<float> *in, std::complex<float> *out, Planning planning);
void destroy_plan (const TransformPlan &plan) noexcept;

/// What the planner has learnt, to be kept from one process to the next.
struct PlannerMemory {
  std::string wisdom;                ///< in FFTW's words
  std::vector<std::size_t> given_up; ///< lengths that are not measured any more
};

/// FFTW's version and instruction sets; wisdom of another one is worth nothing.
std::string planner_version ();
PlannerMemory planner_memory ();
/// Adds to what is known. False when FFTW does not understand the wisdom; then nothing is added.
bool teach_planner (const PlannerMemory &memory);
/// Grows when there is something new to keep.
std::uint64_t planner_lessons () noexcept;

/// For tests and benchmarks: as in a new process, with so many seconds to spend.
void restart_planner (double limit_s);

} // namespace mt::dsp
