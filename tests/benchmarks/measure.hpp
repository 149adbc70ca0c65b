// SPDX-License-Identifier: LGPL-2.1-or-later
// What every benchmark measures with: CPU time, thread switches, series of repeats, tables.
#pragma once

#include "program.hpp"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace mt::bench {

/// What the whole process has used so far, all threads together (getrusage, RUSAGE_SELF).
struct Usage {
  std::int64_t cpu_ns {0};   ///< user and system time, in steps of 1 µs
  std::int64_t switches {0}; ///< voluntary and involuntary thread switches
  static Usage now () noexcept;
};

inline Usage operator- (const Usage &a, const Usage &b) noexcept
{
  return {a.cpu_ns - b.cpu_ns, a.switches - b.switches};
}

/// CPU time of the calling thread alone: what others do on this machine is not in it.
std::int64_t thread_cpu_ns () noexcept;

/// Pins the process, and every thread that it starts later, to one core. Negative: the last core
/// that the process may use. Returns the core. Throws std::runtime_error where the system refuses.
int pin_to_core (int core);

/// One figure over the repeats.
class Series {
public:
  void add (double value) { values_.push_back (value); }
  bool empty () const noexcept { return values_.empty (); }
  std::size_t count () const noexcept { return values_.size (); }
  double median () const { return quantile (0.5); }
  double mean () const;
  double min () const { return quantile (0.0); }
  double max () const { return quantile (1.0); }
  /// Nearest rank; `q` 0 to 1. 0.0 if nothing was added.
  double quantile (double q) const;
  /// «median (min..max)» with `decimals` places.
  std::string text (int decimals) const;

private:
  std::vector<double> values_;
};

using program::format;

/// Says on a terminal what is being measured, over what it said before; empty clears the line.
void progress (const std::string &text);

/// The rows that scripts/bench puts in its one table at the end: `| what | ours | peer | the peer's
/// | ratio |`. Does nothing without a path.
class Summary {
public:
  explicit Summary (const char *path);
  /// The ratio is peer / ours: how many times less we need.
  void add (const std::string &what, const std::string &unit, const Series &ours,
      const std::string &peer_name, const Series &peer);

private:
  std::ofstream file_;
};

/// «8,32,128» to numbers. Throws std::invalid_argument with the text that is not one.
std::vector<std::size_t> parse_counts (const std::string &list);
std::vector<double> parse_seconds (const std::string &list);
std::vector<std::string> split (const std::string &list);

} // namespace mt::bench
