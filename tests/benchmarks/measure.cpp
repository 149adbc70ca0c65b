// SPDX-License-Identifier: LGPL-2.1-or-later
// What every benchmark measures with: CPU time, thread switches, series of repeats, tables.
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/resource.h>
#include <unistd.h>

namespace mt::bench {

namespace {

std::int64_t to_ns (const timeval &time) noexcept
{
  return std::int64_t {time.tv_sec} * 1'000'000'000 + std::int64_t {time.tv_usec} * 1'000;
}

} // namespace

Usage Usage::now () noexcept
{
  rusage usage {};
  getrusage (RUSAGE_SELF, &usage);
  return {to_ns (usage.ru_utime) + to_ns (usage.ru_stime),
      std::int64_t {usage.ru_nvcsw} + std::int64_t {usage.ru_nivcsw}};
}

std::int64_t thread_cpu_ns () noexcept
{
  timespec time {};
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t {time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int pin_to_core (int core)
{
  cpu_set_t set;
  if (core < 0 && sched_getaffinity (0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET (static_cast<std::size_t> (i), &set))
        core = i;
  }
  CPU_ZERO (&set);
  if (core >= 0 && core < CPU_SETSIZE)
    CPU_SET (static_cast<std::size_t> (core), &set);
  if (sched_setaffinity (0, sizeof set, &set) != 0)
    throw std::runtime_error (format ("this process may not run on core %d", core));
  return core;
}

double Series::quantile (double q) const
{
  if (values_.empty ())
    return 0.0;
  auto sorted = values_;
  const auto last = static_cast<double> (sorted.size () - 1);
  const auto rank = std::next (sorted.begin (), std::lround (q * last));
  std::nth_element (sorted.begin (), rank, sorted.end ());
  return *rank;
}

double Series::mean () const
{
  const auto sum = std::accumulate (values_.begin (), values_.end (), 0.0);
  return values_.empty () ? 0.0 : sum / static_cast<double> (values_.size ());
}

std::string Series::text (int decimals) const
{
  return format ("%.*f (%.*f..%.*f)", decimals, median (), decimals, min (), decimals, max ());
}

void progress (const std::string &text)
{
  static const bool terminal = isatty (STDERR_FILENO) == 1;
  if (terminal)
    std::fprintf (stderr, "\r\033[K%s", text.c_str ());
}

Summary::Summary (const char *path)
{
  if (path == nullptr)
    return;
  file_.open (path, std::ios::app);
  if (!file_)
    throw std::runtime_error (format ("cannot write the summary to %s", path));
}

void Summary::add (const std::string &what, const std::string &unit, const Series &ours,
    const std::string &peer_name, const Series &peer)
{
  if (!file_.is_open () || ours.empty () || peer.empty () || !(ours.median () > 0.0))
    return;
  file_ << format ("| %s | %.2f %s | %s | %.2f %s | %.1f |\n", what.c_str (), ours.median (),
      unit.c_str (), peer_name.c_str (), peer.median (), unit.c_str (),
      peer.median () / ours.median ());
}

std::vector<std::string> split (const std::string &list)
{
  std::vector<std::string> parts;
  std::istringstream stream {list};
  for (std::string part; std::getline (stream, part, ',');)
    parts.push_back (part);
  return parts;
}

std::vector<double> parse_seconds (const std::string &list)
{
  std::vector<double> values;
  for (const auto &part : split (list)) {
    std::istringstream stream {part};
    double value {};
    if (!(stream >> value) || !stream.eof () || !(value > 0.0))
      throw std::invalid_argument ("'" + part + "' in '" + list + "' is not a positive number");
    values.push_back (value);
  }
  return values;
}

std::vector<std::size_t> parse_counts (const std::string &list)
{
  std::vector<std::size_t> values;
  for (double value : parse_seconds (list))
    values.push_back (static_cast<std::size_t> (value));
  return values;
}

} // namespace mt::bench
