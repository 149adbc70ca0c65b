// SPDX-License-Identifier: LGPL-2.1-or-later
// What the next chunk still misses, and the one wake-up of the mix task when nothing is missing.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace mt::trackmixer {

/// Shared by the mix task and every feeder (a thread that pushes into a track).
///
/// `missing` counts the tracks that do not yet reach the end of the next chunk, plus one guard that
/// the mix task holds whenever it is not waiting. Each track's own share is added and taken back
/// under that track's mutex; the feeder that takes back the last one wakes the task, so a chunk
/// costs one wake-up however many tracks there are.
///
/// Lock order: a track's mutex is never held while this one's is taken.
class Readiness {
public:
  // --- under the track's mutex

  void add_missing () noexcept { missing_.fetch_add (1, std::memory_order_relaxed); }

  /// True if this was the last one: call wake_ready() once the track's mutex is released.
  [[nodiscard]] bool remove_missing () noexcept
  {
    return missing_.fetch_sub (1, std::memory_order_acq_rel) == 1;
  }

  // --- feeders and application threads, no track's mutex held

  void wake_ready () noexcept
  {
    {
      const std::lock_guard lock {mutex_};
      ready_ = true;
    }
    cond_.notify_one ();
  }

  /// Something that the mix task judges by has changed: tracks, links, ends. Said under the track's
  /// mutex, before the readiness that follows from it, so that the task never acts on the one
  /// without the other; wake() then tells a task that waits.
  void flag_recheck () noexcept { recheck_.store (true, std::memory_order_release); }
  void recheck () noexcept
  {
    flag_recheck ();
    wake ();
  }
  void wake () noexcept
  {
    {
      const std::lock_guard lock {mutex_}; // or the task could miss it on its way into wait()
    }
    cond_.notify_one ();
  }

  /// A feeder goes to sleep on a full queue. Wakes the task only if that may be the very thread
  /// which a starving track waits for, or if nothing else would look at it again.
  void feeder_blocks (std::thread::id feeder) noexcept
  {
    {
      const std::lock_guard lock {mutex_};
      if (!waiting_)
        return;
      const bool feeds_starving = starving_unknown_ ||
          std::find (starving_.begin (), starving_.end (), feeder) != starving_.end ();
      if (!feeds_starving && timed_)
        return;
      flag_recheck ();
    }
    cond_.notify_one ();
  }

  /// Ends the task's wait, now and until start().
  void stop () noexcept
  {
    {
      const std::lock_guard lock {mutex_};
      stopped_.store (true, std::memory_order_release);
    }
    cond_.notify_one ();
  }

  void start () noexcept
  {
    const std::lock_guard lock {mutex_};
    stopped_.store (false, std::memory_order_release);
  }

  // --- the mix task

  [[nodiscard]] bool stopped () const noexcept { return stopped_.load (std::memory_order_acquire); }

  [[nodiscard]] bool take_recheck () noexcept
  {
    return recheck_.load (std::memory_order_relaxed) &&
        recheck_.exchange (false, std::memory_order_acq_rel);
  }

  /// With the guard held: no track is missing.
  [[nodiscard]] bool complete () const noexcept
  {
    return missing_.load (std::memory_order_acquire) == 1;
  }

  /// Gives up the guard, to wait(). True: nothing is missing, and nobody will say so.
  bool release_guard () noexcept { return missing_.fetch_sub (1, std::memory_order_acq_rel) == 1; }

  void take_guard () noexcept { missing_.fetch_add (1, std::memory_order_acq_rel); }

  /// Says whom the task is waiting for, before it looks for feeders that are blocked: a feeder that
  /// blocks later then sees it.
  void announce_starving (const std::vector<std::thread::id> &feeders, bool unknown)
  {
    const std::lock_guard lock {mutex_};
    starving_.assign (feeders.begin (), feeders.end ());
    starving_unknown_ = unknown;
    waiting_ = true;
    timed_ = false;
  }

  /// Waits without end if `timeout` is zero; false: it has run out. Being woken is a hint only: a
  /// feeder may deliver its wake-up late, so take the guard and look.
  bool wait (std::chrono::milliseconds timeout)
  {
    std::unique_lock lock {mutex_};
    waiting_ = true;
    timed_ = timeout.count () != 0;
    const auto woken = [this] {
      return ready_ || recheck_.load (std::memory_order_relaxed) || stopped ();
    };
    bool in_time = true;
    if (timed_)
      in_time = cond_.wait_for (lock, timeout, woken);
    else
      cond_.wait (lock, woken);
    waiting_ = false;
    timed_ = false;
    ready_ = false;
    return in_time;
  }

private:
  std::atomic<int> missing_ {1};
  std::mutex mutex_;
  std::condition_variable cond_;
  std::vector<std::thread::id> starving_; // feeders of the tracks the task waits for
  bool starving_unknown_ {false};         // one of them may be any thread's
  bool waiting_ {false};
  bool timed_ {false};
  bool ready_ {false};
  std::atomic<bool> recheck_ {false};
  std::atomic<bool> stopped_ {true}; // written under the mutex
};

} // namespace mt::trackmixer
