// SPDX-License-Identifier: LGPL-2.1-or-later
// One convolver in a process of its own, which measures it when it is told to.
#pragma once

#include "convolvers.hpp"

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace mt::bench {

/// A system to measure, as the command line names it: «engine», «engine:10», «convreverb:1:spike»,
/// «convreverb:offline», «zita», «audiofirfilter». After the first colon stands the batch in
/// chunks; offline is as many as fit in a second, the most that convreverb takes.
struct System {
  std::string key;
  std::string kind;
  Manner manner {};

  /// Throws std::invalid_argument.
  static System parse (const std::string &key, const Shape &shape);
  std::string name () const; ///< for tables
  /// What it adds to the time of the sound, by its own account.
  std::size_t added_latency_frames (const Shape &shape, std::size_t ir_frames) const noexcept;
  bool has_dry () const noexcept { return kind == "engine" || kind == "convreverb"; }
  bool first_only () const noexcept { return kind == "audiofirfilter"; }
};

/// What one repeat found.
struct Turn {
  double cpu_ns; ///< of the process, threads of the peer included, a sample and channel
  std::vector<float> chunk_us; ///< CPU time of the caller
};

/// Each system has its own process, so that what one has planned, cached or left behind is not in
/// the others' figures, and FFTW's planner has the time that it has in a program.
class Worker {
public:
  /// Forks, makes the system, and holds it against a direct convolution in double. Throws
  /// std::runtime_error when that differs by more than -90 dB, or with what went wrong.
  Worker (const System &system, const Shape &shape, const dsp::Impulse &ir);
  ~Worker ();
  Worker (const Worker &) = delete;
  Worker &operator= (const Worker &) = delete;

  /// Difference from the direct convolution, both at their whole length.
  double accuracy_db () const noexcept { return accuracy_db_; }
  /// Convolves so many chunks of noise, twice: once for the mean, once chunk by chunk.
  Turn measure (std::size_t chunks);

private:
  void end () noexcept;

  pid_t process_;
  int commands_, answers_;
  double accuracy_db_ {};
  std::string name_;
};

} // namespace mt::bench
