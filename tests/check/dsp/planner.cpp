// SPDX-License-Identifier: LGPL-2.1-or-later
// What the planner waits for, remembers, gives up and forgets.
#include "dsp/planner.hpp"

#include <string>
#include <thread>
#include <vector>

#include "dsp/aligned.hpp"
#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

constexpr double kPlenty = 200.0; // a busy machine must not change what is tested

/// Plans one length, gives it back.
PlanSource plan (std::size_t length, Planning planning = Planning::measure)
{
  AlignedVector<std::complex<float>> time (length), spectrum (length);
  const TransformPlan made = plan_transform (length, time.data (), spectrum.data (), planning);
  ck_assert_ptr_nonnull (made.plan);
  destroy_plan (made);
  return made.source;
}

bool gave_up (std::size_t length)
{
  for (const std::size_t given_up : planner_memory ().given_up)
    if (given_up == length)
      return true;
  return false;
}

} // namespace

START_TEST (test_measured_once_in_a_process)
  {
    restart_planner (kPlenty);
    const auto before = planner_lessons ();
    ck_assert_int_eq (static_cast<int> (plan (64)), static_cast<int> (PlanSource::measured));
    ck_assert_uint_eq (planner_lessons (), before + 1);
    ck_assert_int_eq (static_cast<int> (plan (64)), static_cast<int> (PlanSource::remembered));
    ck_assert_int_eq (static_cast<int> (plan (64, Planning::estimate)),
        static_cast<int> (PlanSource::remembered));
    ck_assert_uint_eq (planner_lessons (), before + 1);
    ck_assert (!gave_up (64));
  }
END_TEST

START_TEST (test_measured_once_in_all_processes)
  {
    restart_planner (kPlenty);
    plan (64);
    const PlannerMemory memory = planner_memory ();
    restart_planner (kPlenty);
    ck_assert_int_eq (static_cast<int> (plan (64, Planning::estimate)),
        static_cast<int> (PlanSource::estimated)); // it has forgotten
    ck_assert (teach_planner (memory));
    ck_assert_int_eq (static_cast<int> (plan (64)), static_cast<int> (PlanSource::remembered));
  }
END_TEST

START_TEST (test_a_guess_is_not_taken_for_a_measurement)
  {
    restart_planner (kPlenty);
    const auto before = planner_lessons ();
    ck_assert_int_eq (
        static_cast<int> (plan (80, Planning::estimate)), static_cast<int> (PlanSource::estimated));
    ck_assert_uint_eq (planner_lessons (), before);
    ck_assert (!gave_up (80));
    ck_assert_int_eq (static_cast<int> (plan (80)), static_cast<int> (PlanSource::measured));
  }
END_TEST

START_TEST (test_no_time_is_no_wait_for_ever)
  {
    restart_planner (0.0);
    const auto before = planner_lessons ();
    ck_assert_int_eq (static_cast<int> (plan (96)), static_cast<int> (PlanSource::estimated));
    ck_assert (gave_up (96));
    ck_assert_uint_eq (planner_lessons (), before + 1);
    // The next process has time, but the user has waited once.
    const PlannerMemory memory = planner_memory ();
    restart_planner (kPlenty);
    ck_assert (!gave_up (96));
    ck_assert (teach_planner (memory));
    ck_assert_int_eq (static_cast<int> (plan (96)), static_cast<int> (PlanSource::estimated));
    ck_assert_int_eq (static_cast<int> (plan (112)), static_cast<int> (PlanSource::measured));
    ck_assert_uint_eq (planner_memory ().given_up.size (), 1);
  }
END_TEST

START_TEST (test_time_that_runs_out_is_shared_by_all)
  {
    // Far too little for the first, so nothing is left for the second.
    restart_planner (1e-9);
    ck_assert_int_eq (static_cast<int> (plan (4800)), static_cast<int> (PlanSource::estimated));
    ck_assert_int_eq (static_cast<int> (plan (32)), static_cast<int> (PlanSource::estimated));
    ck_assert (gave_up (4800));
    ck_assert (gave_up (32));
  }
END_TEST

START_TEST (test_a_quarter_is_kept)
  {
    // For what turns out to be needed.
    restart_planner (kPlanningLimitSeconds / 4);
    ck_assert_int_eq (static_cast<int> (plan (32, Planning::measure_most)),
        static_cast<int> (PlanSource::estimated));
    ck_assert (!gave_up (32));
    ck_assert_int_eq (static_cast<int> (plan (32)), static_cast<int> (PlanSource::measured));
    restart_planner (kPlenty);
    ck_assert_int_eq (static_cast<int> (plan (32, Planning::measure_most)),
        static_cast<int> (PlanSource::measured));
  }
END_TEST

START_TEST (test_bad_wisdom_is_refused)
  {
    restart_planner (kPlenty);
    plan (64);
    const std::string good = planner_memory ().wisdom;
    for (const std::string &bad : {std::string {}, std::string {"wisdom"}, std::string {"("},
             std::string {"(fftw-3.3.10 fftwf_wisdom #x0 #x0 #x0 #x0\n)\n"},
             good.substr (0, good.size () / 2), good.substr (good.size () / 2)}) {
      restart_planner (kPlenty);
      ck_assert_msg (!teach_planner ({bad, {128}}), "'%s' was accepted", bad.c_str ());
      ck_assert (!gave_up (128));
      ck_assert_int_eq (static_cast<int> (plan (64)), static_cast<int> (PlanSource::measured));
    }
    restart_planner (kPlenty);
    ck_assert (teach_planner ({good, {}}));
  }
END_TEST

START_TEST (test_threads_plan_one_after_the_other)
  {
    restart_planner (kPlenty);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 6; ++i)
      threads.emplace_back ([i] {
        for (std::size_t length = 16; length <= 64; length += 16) {
          plan (length, i % 2 ? Planning::measure : Planning::estimate);
          ck_assert (teach_planner (planner_memory ()));
        }
      });
    for (std::thread &thread : threads)
      thread.join ();
    for (std::size_t length = 16; length <= 64; length += 16)
      ck_assert_int_eq (
          static_cast<int> (plan (length)), static_cast<int> (PlanSource::remembered));
  }
END_TEST

int main ()
{
  Suite *suite = suite_create ("planner");
  TCase *test_case = tcase_create ("planner");
  tcase_add_test (test_case, test_measured_once_in_a_process);
  tcase_add_test (test_case, test_measured_once_in_all_processes);
  tcase_add_test (test_case, test_a_guess_is_not_taken_for_a_measurement);
  tcase_add_test (test_case, test_no_time_is_no_wait_for_ever);
  tcase_add_test (test_case, test_time_that_runs_out_is_shared_by_all);
  tcase_add_test (test_case, test_a_quarter_is_kept);
  tcase_add_test (test_case, test_bad_wisdom_is_refused);
  tcase_add_test (test_case, test_threads_plan_one_after_the_other);
  suite_add_tcase (suite, test_case);
  return mt::test::run_all (suite);
}
