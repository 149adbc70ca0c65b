// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread that brings another impulse response into a running stream.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "impulseparts.hpp"
#include "reverbstream.hpp"

namespace mt::convreverb {

struct Element;

/// Loads, resamples, plans and builds what the settings ask for while the stream goes on, offers it
/// to the stream, and frees what the stream is done with. The last one wins; those between two that
/// are brought are left out. What fails leaves all as it is, and a warning; a part that failed
/// stays out of later changes until it is set anew.
///
/// Threads request(): with Element::mutex held. stop(): without it, and not from the worker itself.
class ImpulseWorker {
public:
  explicit ImpulseWorker (Element &element) noexcept : element_ {element} { refused_.fill (kNone); }
  ~ImpulseWorker () { stop (); }
  ImpulseWorker (const ImpulseWorker &) = delete;
  ImpulseWorker &operator= (const ImpulseWorker &) = delete;

  /// The settings have changed. Starts the thread when there is none yet.
  void request () noexcept;
  /// Gives up what is under way, and waits for the end of the thread.
  void stop () noexcept;

private:
  static constexpr std::uint64_t kNone = ~std::uint64_t {0};

  void run () noexcept;
  bool work () noexcept;
  /// What the user asks for.
  struct Wish {
    std::uint64_t request;
    ImpulseSettings asked;
    Revisions revisions;
  };
  ImpulseSettings leave_out_refused (const Wish &wish, const ImpulseSettings &known) const;
  void bring (const ImpulseSettings &wanted, const Wish &wish,
      const std::shared_ptr<const ImpulseSource> &known);
  bool try_to_bring (const ImpulseSettings &wanted, const Wish &wish,
      const std::shared_ptr<const ImpulseSource> &known);
  void find_fault (const ImpulseSettings &wanted, const Wish &wish,
      const std::shared_ptr<const ImpulseSource> &known);
  bool fit (const std::shared_ptr<const ImpulseSource> &source, const StreamTarget &target);

  Element &element_;
  GThread *thread_ {nullptr};
  std::atomic<bool> stopping_ {false};
  std::atomic<std::uint64_t> requests_ {0};
  std::uint64_t done_ {0};     // the last request that was answered, one way or the other
  std::uint64_t given_up_ {0}; // id of the target that the source does not fit
  Revisions refused_;          // which setting of each part failed; kNone: none
};

} // namespace mt::convreverb
