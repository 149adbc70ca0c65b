// SPDX-License-Identifier: LGPL-2.1-or-later
// Hands objects from a thread that may allocate to one that may not, and back to be freed.
#pragma once

#include <atomic>
#include <memory>

namespace mt::dsp {

/// One maker publishes, one user adopts and retires; neither ever waits for the other.
///
/// What is published and not yet adopted is replaced by what is published next: the last one wins.
/// What the user has done with goes onto a list, which the maker empties when it likes.
///
/// Types   T has a member `T *next_retired`, which belongs to this class after retire().
/// Threads publish(), collect(): the maker's. adopt(), retire(): the user's; no lock, no
/// allocation,
///         no free. Constructor and destructor: when nobody else is at it.
template <class T>
class Handoff {
public:
  Handoff () noexcept = default;
  ~Handoff ()
  {
    delete offered_.load (std::memory_order_relaxed);
    collect ([] (std::unique_ptr<T>) {});
  }
  Handoff (const Handoff &) = delete;
  Handoff &operator= (const Handoff &) = delete;

  /// Offers `made`. Returns what was offered before and not adopted.
  std::unique_ptr<T> publish (std::unique_ptr<T> made) noexcept
  {
    return std::unique_ptr<T> {offered_.exchange (made.release (), std::memory_order_acq_rel)};
  }

  /// Takes what is offered, or nothing.
  std::unique_ptr<T> adopt () noexcept
  {
    if (!offered_.load (std::memory_order_relaxed)) // a load is cheaper, and mostly that is all
      return nullptr;
    return std::unique_ptr<T> {offered_.exchange (nullptr, std::memory_order_acq_rel)};
  }

  /// Gives an object away to be freed by the maker. Null is let pass.
  void retire (std::unique_ptr<T> done) noexcept
  {
    T *const object = done.release ();
    if (!object)
      return;
    // Only collect() can come between, and it leaves null: at most one more round.
    T *head = retired_.load (std::memory_order_relaxed);
    do
      object->next_retired = head;
    while (!retired_.compare_exchange_weak (
        head, object, std::memory_order_release, std::memory_order_relaxed));
  }

  /// Calls `drop (std::unique_ptr<T>)` for each retired object, the newest first.
  template <class Drop>
  void collect (Drop &&drop)
  {
    T *object = retired_.exchange (nullptr, std::memory_order_acquire);
    while (object) {
      T *const next = object->next_retired;
      drop (std::unique_ptr<T> {object});
      object = next;
    }
  }

private:
  std::atomic<T *> offered_ {nullptr};
  std::atomic<T *> retired_ {nullptr};
};

} // namespace mt::dsp
