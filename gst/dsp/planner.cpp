// SPDX-License-Identifier: LGPL-2.1-or-later
// One lock and one account of time around FFTW's planner.
#include "dsp/planner.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>

#include <fftw3.h>

namespace mt::dsp {
namespace {

/// The account. All but `lessons` is guarded by `mutex`.
struct Planner {
  std::mutex mutex;
  double left_s {kPlanningLimitSeconds};
  std::vector<std::size_t> given_up;
  std::atomic<std::uint64_t> lessons {0};
};

Planner &planner ()
{
  static Planner the_planner;
  static std::once_flag once;
  std::call_once (once, fftwf_make_planner_thread_safe);
  return the_planner;
}

fftwf_complex *fftw (std::complex<float> *values)
{
  return reinterpret_cast<fftwf_complex *> (values);
}

/// One transform, asked for in several ways. Lives while the planner is locked.
struct Request {
  std::size_t length;
  std::complex<float> *in;
  std::complex<float> *out;

  fftwf_plan plan (unsigned how) const noexcept
  {
    return fftwf_plan_dft_1d (
        static_cast<int> (length), fftw (in), fftw (out), FFTW_FORWARD, FFTW_DESTROY_INPUT | how);
  }
  /// Null when it was never measured to the end.
  fftwf_plan remembered () const noexcept { return plan (FFTW_MEASURE | FFTW_WISDOM_ONLY); }

  /// True when it came to its end within `limit_s`, and is remembered from now on.
  bool measure (double limit_s) const noexcept
  {
    fftwf_set_timelimit (limit_s);
    const fftwf_plan made = plan (FFTW_MEASURE);
    fftwf_set_timelimit (FFTW_NO_TIMELIMIT);
    fftwf_destroy_plan (made);
    const fftwf_plan known = remembered ();
    fftwf_destroy_plan (known);
    return known != nullptr;
  }
};

/// Measures what is not remembered, within what is left. Ends with the length remembered, given
/// up, or left to a request that may take all of the time.
bool measure (Planner &self, const Request &request, Planning planning)
{
  const double kept_s = planning == Planning::measure_most ? kPlanningLimitSeconds / 4 : 0.0;
  const double limit_s = self.left_s - kept_s;
  bool known = false;
  if (limit_s > 0.0) {
    const auto start = std::chrono::steady_clock::now ();
    known = request.measure (limit_s);
    self.left_s -=
        std::chrono::duration<double> (std::chrono::steady_clock::now () - start).count ();
  }
  // What another one may still have is not given up for lack of time.
  if (!known && (limit_s > 0.0 || self.left_s <= 0.0))
    self.given_up.push_back (request.length);
  self.lessons.fetch_add (1, std::memory_order_release);
  return known;
}

} // namespace

TransformPlan plan_transform (
    std::size_t length, std::complex<float> *in, std::complex<float> *out, Planning planning)
{
  Planner &self = planner ();
  const std::lock_guard lock {self.mutex};
  const Request request {length, in, out};

  TransformPlan made {request.remembered (), PlanSource::remembered};
  if (!made.plan) {
    const bool tried =
        std::find (self.given_up.begin (), self.given_up.end (), length) != self.given_up.end ();
    const bool known =
        planning != Planning::estimate && !tried && measure (self, request, planning);
    // Also after a measurement that was cut: so the first start and the later ones plan alike.
    made = {request.plan (known ? FFTW_MEASURE : FFTW_ESTIMATE),
        known ? PlanSource::measured : PlanSource::estimated};
  }
  if (!made.plan)
    throw std::runtime_error ("FFTW has no plan for length " + std::to_string (length));
  return made;
}

void destroy_plan (const TransformPlan &plan) noexcept
{
  const std::lock_guard lock {planner ().mutex};
  fftwf_destroy_plan (plan.plan);
}

std::string planner_version ()
{
  return fftwf_version;
}

PlannerMemory planner_memory ()
{
  Planner &self = planner ();
  const std::lock_guard lock {self.mutex};
  PlannerMemory memory {{}, self.given_up};
  if (char *const wisdom = fftwf_export_wisdom_to_string ()) {
    memory.wisdom = wisdom;
    fftwf_free (wisdom);
  }
  return memory;
}

bool teach_planner (const PlannerMemory &memory)
{
  Planner &self = planner ();
  const std::lock_guard lock {self.mutex};
  if (!fftwf_import_wisdom_from_string (memory.wisdom.c_str ()))
    return false;
  for (const std::size_t length : memory.given_up)
    if (std::find (self.given_up.begin (), self.given_up.end (), length) == self.given_up.end ())
      self.given_up.push_back (length);
  return true;
}

std::uint64_t planner_lessons () noexcept
{
  return planner ().lessons.load (std::memory_order_acquire);
}

void restart_planner (double limit_s)
{
  Planner &self = planner ();
  const std::lock_guard lock {self.mutex};
  fftwf_forget_wisdom ();
  self.given_up.clear ();
  self.left_s = limit_s;
}

} // namespace mt::dsp
