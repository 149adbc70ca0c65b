// SPDX-License-Identifier: LGPL-2.1-or-later
// What the threads of the process do, by /proc.
#include "settling.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include <unistd.h>

#include "sanitized.hpp"

namespace mt::test {

namespace {

/// How often each thread but this one has given up the processor or lost it. None: one of them
/// runs, or is about to.
std::optional<std::map<std::string, std::string>> switches_of_sleepers ()
{
  std::map<std::string, std::string> switches;
  const std::string own = std::to_string (gettid ());
  std::error_code ended;
  for (const auto &thread : std::filesystem::directory_iterator {"/proc/self/task", ended}) {
    const std::string id = thread.path ().filename ();
    std::ifstream status {thread.path () / "status"};
    std::string counts;
    bool sleeps = id == own;
    for (std::string line; std::getline (status, line);) {
      if (line.starts_with ("State:"))
        sleeps = sleeps || line.find ("S (sleeping)") != std::string::npos;
      if (line.find ("ctxt_switches:") != std::string::npos)
        counts += line;
    }
    if (!sleeps)
      return {};
    if (id != own)
      switches[id] = counts;
  }
  return switches;
}

} // namespace

bool settles ()
{
  constexpr std::chrono::seconds hung {kSanitized ? 120 : 20};
  for (const auto end = std::chrono::steady_clock::now () + hung;
       std::chrono::steady_clock::now () < end;) {
    const auto before = switches_of_sleepers ();
    if (before && before == switches_of_sleepers ())
      return true;
    std::this_thread::sleep_for (std::chrono::milliseconds {1}); // there is nothing to be woken by
  }
  return false;
}

} // namespace mt::test
