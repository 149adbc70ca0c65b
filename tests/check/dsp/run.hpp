// SPDX-License-Identifier: LGPL-2.1-or-later
// What main() of every test of the DSP library does.
#pragma once

#include <cstdlib>

#include <check.h>

namespace mt::test {

/// Runs all tests of the suite, which it takes. Returns the exit status.
inline int run_all (Suite *suite)
{
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  const int failures = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace mt::test
