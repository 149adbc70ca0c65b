// SPDX-License-Identifier: LGPL-2.1-or-later
// How long an element works for each buffer, looked at from its pads, and convreverb's changes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <vector>

#include <gst/gst.h>

namespace mt::test {

/// How many changes of the response convreverb has brought to their end.
inline std::uint64_t changes_of (GstElement *reverb)
{
  GstStructure *stats = nullptr;
  guint64 changes = 0;
  g_object_get (reverb, "stats", &stats, nullptr);
  gst_structure_get_uint64 (stats, "ir-changes", &changes);
  gst_structure_free (stats);
  return changes;
}

/// Stands at the pads of an element that gives a buffer out for each that it takes, in the same
/// thread: notes the time between the two, by the clock and as processor time of that thread.
class ChunkWatch {
public:
  struct Time {
    std::int64_t wall_ns; ///< with what others took the processor for
    std::int64_t cpu_ns;  ///< what this thread worked
  };
  using Hook = void (*) ();

  /// `enter` and `leave` are called in the streaming thread, around the work and inside of the
  /// time; null for none.
  explicit ChunkWatch (GstElement *element, Hook enter = nullptr, Hook leave = nullptr)
      : enter_ {enter}, leave_ {leave}
  {
    const auto watch = [this, element] (const char *name, GstPadProbeCallback callback) {
      GstPad *const pad = gst_element_get_static_pad (element, name);
      gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, this, nullptr);
      return pad;
    };
    sink_ = watch ("sink", [] (GstPad *, GstPadProbeInfo *, gpointer self) noexcept {
      static_cast<ChunkWatch *> (self)->begin ();
      return GST_PAD_PROBE_OK;
    });
    src_ = watch ("src", [] (GstPad *, GstPadProbeInfo *, gpointer self) noexcept {
      static_cast<ChunkWatch *> (self)->end ();
      return GST_PAD_PROBE_OK;
    });
  }
  /// The element has been stopped.
  ~ChunkWatch ()
  {
    gst_object_unref (sink_);
    gst_object_unref (src_);
  }
  ChunkWatch (const ChunkWatch &) = delete;
  ChunkWatch &operator= (const ChunkWatch &) = delete;

  /// Waits for one more chunk; false when none comes for ten seconds.
  bool wait ()
  {
    std::unique_lock lock {mutex_};
    return came_.wait_for (lock, std::chrono::seconds {10},
        [this, seen = times_.size ()] { return times_.size () > seen; });
  }
  /// Of all chunks so far, in their order.
  std::vector<Time> times () const
  {
    const std::lock_guard lock {mutex_};
    return times_;
  }

private:
  static std::int64_t now_ns (clockid_t clock) noexcept
  {
    timespec time {};
    clock_gettime (clock, &time);
    return std::int64_t {time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  static Time now () noexcept
  {
    return {now_ns (CLOCK_MONOTONIC), now_ns (CLOCK_THREAD_CPUTIME_ID)};
  }
  void begin () noexcept
  {
    begin_ = now ();
    if (enter_)
      enter_ ();
  }
  void end ()
  {
    if (leave_)
      leave_ ();
    const Time end = now ();
    const std::lock_guard lock {mutex_};
    times_.push_back ({end.wall_ns - begin_.wall_ns, end.cpu_ns - begin_.cpu_ns});
    came_.notify_one ();
  }

  const Hook enter_, leave_;
  GstPad *sink_, *src_;
  Time begin_ {}; // the streaming thread's
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Time> times_;
};

} // namespace mt::test
