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
  refused_.fill (kNone);
}

void ImpulseWorker::run () noexcept
{
  while (!stopping_) {
    const std::uint32_t seen = element_.wakeup.now ();
    element_.stream.collect ();
    if ((!work () || element_.stopping) && !stopping_) // stop() comes, and wakes
      element_.wakeup.wait (seen);
  }
}

/// Does what there is to do; false when there is nothing.
bool ImpulseWorker::work () noexcept
{
  Wish wish {};
  std::shared_ptr<const ImpulseSource> known;
  const auto warn = [&] (const char *reason) {
    GST_ELEMENT_WARNING (element_.transform, RESOURCE, READ, ("%s", reason),
        ("the impulse response stays as it was"));
    done_ = wish.request;
  };
  try {
    {
      const std::lock_guard lock {element_.mutex};
      // Half a preset is no wish. The end of its loading is a request of its own.
      wish.request = element_.held ? done_ : requests_.load ();
      known = element_.source;
      if (wish.request != done_) { // after a failure not again
        wish.asked = element_.settings.impulse;
        wish.revisions = element_.settings.revisions;
      }
    }
    if (wish.request != done_) {
      const ImpulseSettings wanted = leave_out_refused (wish, known->settings);
      if (wanted != known->settings) {
        bring (wanted, wish, known);
        return true;
      }
    }
    done_ = wish.request;
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

/// What failed once stays as it is, until it is set anew.
ImpulseSettings ImpulseWorker::leave_out_refused (
    const Wish &wish, const ImpulseSettings &known) const
{
  ImpulseSettings wanted = wish.asked;
  for (std::size_t i = 0; i < kParts; ++i)
    if (refused_[i] == wish.revisions[i])
      take_over (static_cast<Part> (i), wanted, known);
  return wanted;
}

void ImpulseWorker::bring (const ImpulseSettings &wanted, const Wish &wish,
    const std::shared_ptr<const ImpulseSource> &known)
{
  try {
    try_to_bring (wanted, wish, known);
  } catch (const std::exception &) {
    find_fault (wanted, wish, known);
    throw; // it is told in any case
  }
}

/// False when somebody wants something else by now.
bool ImpulseWorker::try_to_bring (const ImpulseSettings &wanted, const Wish &wish,
    const std::shared_ptr<const ImpulseSource> &known)
{
  // Another file ends the loading of this one. What is loaded is brought to its end, or somebody
  // who turns a knob would hear nothing until he lets go.
  const auto source = load_source (wanted, known.get (), [&] {
    if (stopping_ || requests_ == wish.request)
      return stopping_.load ();
    const std::lock_guard lock {element_.mutex};
    return !is_same (Part::source, wish.asked, element_.settings.impulse);
  });
  if (!source)
    return false;
  const StreamTarget target = element_.stream.target ();
  if (target.id != 0 && !fit (source, target))
    return false;
  const std::lock_guard lock {element_.mutex};
  element_.source = source;
  done_ = wish.request;
  return true;
}

/// `wanted` failed. Refuses the part without which the rest is brought; when no single one is to
/// blame, all that have changed.
void ImpulseWorker::find_fault (const ImpulseSettings &wanted, const Wish &wish,
    const std::shared_ptr<const ImpulseSource> &known)
{
  Revisions changed = refused_;
  std::size_t changes = 0;
  for (std::size_t i = 0; i < kParts; ++i)
    if (!is_same (static_cast<Part> (i), wanted, known->settings)) {
      changed[i] = wish.revisions[i];
      ++changes;
    }
  for (std::size_t i = 0; changes > 1 && i < kParts; ++i) {
    if (changed[i] == refused_[i])
      continue;
    ImpulseSettings rest = wanted;
    take_over (static_cast<Part> (i), rest, known->settings);
    try {
      if (try_to_bring (rest, wish, known))
        refused_[i] = changed[i];
      return;                          // or there is something newer, which will tell
    } catch (const std::exception &) { // not this one alone
    }
  }
  refused_ = changed;
}

/// False when the element stops.
bool ImpulseWorker::fit (
    const std::shared_ptr<const ImpulseSource> &source, const StreamTarget &target)
{
  const Cancelled cancelled = [this] { return stopping_.load () || element_.stopping.load (); };
  const auto impulse = make_impulse (*source, target.info, cancelled);
  if (!impulse)
    return false;
  auto next = make_convolution (target.config, *impulse);
  if (!prime (*next, *target.history, cancelled))
    return false;
  element_.stream.offer (std::move (next), target, source);
  return true;
}

} // namespace mt::convreverb
