// SPDX-License-Identifier: LGPL-2.1-or-later
// Another impulse response while the stream goes on.
#include "impulseworker.hpp"

#include <exception>
#include <new>

#include "element.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_conv_reverb_debug);
#define GST_CAT_DEFAULT gst_conv_reverb_debug

namespace mt::convreverb {

void ImpulseWorker::request () noexcept
{
  requests_.fetch_add (1, std::memory_order_release);
  if (!thread_) {
    const auto body = [] (gpointer self) noexcept -> gpointer {
      static_cast<ImpulseWorker *> (self)->run ();
      return nullptr;
    };
    stopping_ = false;
    thread_ = g_thread_try_new ("convreverb", body, this, nullptr);
    if (!thread_)
      GST_ELEMENT_WARNING (element_.transform, RESOURCE, FAILED,
          ("The impulse response cannot be changed, there is no thread for it."), (nullptr));
  }
  element_.wakeup.signal ();
}

void ImpulseWorker::stop () noexcept
{
  if (!thread_)
    return;
  stopping_ = true;
  element_.wakeup.signal ();
  g_thread_join (thread_);
  thread_ = nullptr;
  done_ = requests_; // the next start loads what is set then
}

void ImpulseWorker::run () noexcept
{
  while (!stopping_) {
    const std::uint32_t seen = element_.wakeup.now ();
    element_.stream.collect ();
    if (!work () && !stopping_)
      element_.wakeup.wait (seen);
  }
}

/// Does what there is to do; false when there is nothing.
bool ImpulseWorker::work () noexcept
{
  ImpulseSettings wanted;
  std::shared_ptr<const ImpulseSource> known;
  std::uint64_t request = 0;
  const auto warn = [&] (const char *reason) {
    GST_ELEMENT_WARNING (element_.transform, RESOURCE, READ, ("%s", reason),
        ("the impulse response stays as it was"));
    done_ = request;
  };
  try {
    {
      const std::lock_guard lock {element_.mutex};
      request = requests_;
      known = element_.source;
      if (request != done_) // after a failure not again
        wanted = element_.settings.impulse;
    }
    if (request != done_ && wanted != known->settings) {
      bring (wanted, request, known);
      return true;
    }
    done_ = request;
    // The stream may have begun, or changed its format, while this was being brought.
    const StreamTarget target = element_.stream.target ();
    if (target.id == 0 || target.id == given_up_ || target.source == known)
      return false;
    given_up_ = target.id; // unless it works
    try {
      fit (known, target);
    } catch (...) {
      // It became current when nothing said that it does not fit. The next format is for what
      // sounds.
      const std::lock_guard lock {element_.mutex};
      element_.source = target.source;
      throw;
    }
    given_up_ = 0;
    return true;
  } catch (const LoadError &error) {
    warn (error.what ());
  } catch (const std::bad_alloc &) {
    warn ("There is not enough memory for another impulse response beside the one that sounds.");
  } catch (const std::exception &error) {
    warn (error.what ());
  }
  return true;
}

void ImpulseWorker::bring (const ImpulseSettings &wanted, std::uint64_t request,
    const std::shared_ptr<const ImpulseSource> &known)
{
  // Another file ends the loading of this one. What is loaded is brought to its end, or somebody
  // who turns a knob would hear nothing until he lets go.
  const auto source = load_source (wanted, known.get (), [&] {
    if (stopping_ || requests_ == request)
      return stopping_.load ();
    const std::lock_guard lock {element_.mutex};
    return !wanted.has_same_source (element_.settings.impulse);
  });
  if (!source)
    return;
  const StreamTarget target = element_.stream.target ();
  if (target.id != 0 && !fit (source, target))
    return;
  const std::lock_guard lock {element_.mutex};
  element_.source = source;
  done_ = request;
}

/// False when the element stops.
bool ImpulseWorker::fit (
    const std::shared_ptr<const ImpulseSource> &source, const StreamTarget &target)
{
  const StreamImpulse impulse = make_impulse (*source, target.info);
  if (stopping_)
    return false;
  auto next = make_convolution (target.config, impulse);
  if (!prime (*next, *target.history, [this] { return stopping_.load (); }))
    return false;
  element_.stream.offer (std::move (next), target, source);
  return true;
}

} // namespace mt::convreverb
