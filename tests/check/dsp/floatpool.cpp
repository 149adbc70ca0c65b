// SPDX-License-Identifier: LGPL-2.1-or-later
// The pool's arrays: apart from each other, zero, on their borders, in huge pages where it is
// large.
#include "dsp/floatpool.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "run.hpp"

#include <check.h>

using namespace mt::dsp;

namespace {

/// What the kernel says of the mapping that this address is in ("VmFlags: rd wr … hg"). Empty where
/// there is no such file.
std::string flags_of_mapping (const void *address)
{
  const auto wanted = reinterpret_cast<std::uintptr_t> (address);
  std::ifstream maps {"/proc/self/smaps"};
  bool here = false;
  for (std::string line; std::getline (maps, line);) {
    unsigned long long first = 0, end = 0;
    if (std::sscanf (line.c_str (), "%llx-%llx ", &first, &end) == 2)
      here = wanted >= first && wanted < end;
    else if (here && line.starts_with ("VmFlags:"))
      return line;
  }
  return {};
}

bool asks_for_huge_pages (const float *address)
{
  return flags_of_mapping (address).find (" hg") != std::string::npos;
}

} // namespace

START_TEST (test_arrays_are_apart)
  {
    const std::vector<std::size_t> lengths {1, 15, 16, 17, 0, 1000, 3, 64};
    std::size_t floats = 0;
    for (const std::size_t length : lengths)
      floats += FloatPool::room_for (length);
    FloatPool pool {floats};
    std::vector<std::span<float>> arrays;
    for (const std::size_t length : lengths) {
      arrays.push_back (pool.take (length));
      ck_assert_uint_eq (arrays.back ().size (), length);
      ck_assert_uint_eq (reinterpret_cast<std::uintptr_t> (arrays.back ().data ()) % kAlignment, 0);
    }
    const auto holds = [] (std::span<const float> array, float value) {
      return std::all_of (array.begin (), array.end (), [value] (float x) { return x == value; });
    };
    for (std::size_t i = 0; i < arrays.size (); ++i) {
      ck_assert (holds (arrays[i], 0.0f));
      std::fill (arrays[i].begin (), arrays[i].end (), static_cast<float> (i + 1));
    }
    for (std::size_t i = 0; i < arrays.size (); ++i)
      ck_assert (holds (arrays[i], static_cast<float> (i + 1)));
  }
END_TEST

START_TEST (test_no_more_than_there_is)
  {
    FloatPool pool {48};
    pool.take (17);
    const auto refuses = [&] (std::size_t floats) {
      try {
        pool.take (floats);
      } catch (const std::length_error &) {
        return true;
      }
      return false;
    };
    ck_assert (refuses (17));
    ck_assert (refuses (static_cast<std::size_t> (-1))); // also where rounding up would wrap
    pool.take (16);
    ck_assert (refuses (1));
  }
END_TEST

START_TEST (test_huge_pages_where_large)
  {
    constexpr std::size_t kHalf = kHugePageBytes / 2 / sizeof (float);
    FloatPool small {kHalf - 16}, large {5 * kHalf};
    const float *const first = large.take (5 * kHalf).data ();
    ck_assert_uint_eq (reinterpret_cast<std::uintptr_t> (first) % kHugePageBytes, 0);
    ck_assert_float_eq (first[5 * kHalf - 1], 0.0f);
    // A kernel without them has no such folder.
    if (std::ifstream {"/sys/kernel/mm/transparent_hugepage/enabled"}.good ()) {
      ck_assert (asks_for_huge_pages (first));
      ck_assert (asks_for_huge_pages (first + 5 * kHalf - 1));
      ck_assert (!asks_for_huge_pages (small.take (1).data ()));
    }
  }
END_TEST

int main ()
{
  TCase *cases = tcase_create ("floatpool");
  tcase_add_test (cases, test_arrays_are_apart);
  tcase_add_test (cases, test_no_more_than_there_is);
  tcase_add_test (cases, test_huge_pages_where_large);
  Suite *suite = suite_create ("floatpool");
  suite_add_tcase (suite, cases);
  return mt::test::run_all (suite);
}
