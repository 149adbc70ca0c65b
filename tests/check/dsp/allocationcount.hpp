// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts what a test program allocates. Include it in one source file of the program: it replaces
// malloc and operator new. Under a sanitizer, which replaces malloc itself, only operator new.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace mt::test {

inline std::atomic<bool> counting_allocations {false};
inline std::atomic<std::size_t> allocations {0};
/// Where threads may allocate beside the one that may not: count on those alone that are marked.
inline std::atomic<bool> only_marked_threads {false};
inline thread_local bool thread_is_marked = false;

/// Whether what this thread does now counts.
inline bool counts_here () noexcept
{
  return counting_allocations.load (std::memory_order_relaxed) &&
      (thread_is_marked || !only_marked_threads.load (std::memory_order_relaxed));
}

inline void note_allocation () noexcept
{
  if (counts_here ())
    allocations.fetch_add (1, std::memory_order_relaxed);
}

/// How often `work` allocated, on any thread.
template <class Function>
std::size_t allocations_in (Function &&work)
{
  allocations = 0;
  counting_allocations = true;
  work ();
  counting_allocations = false;
  return allocations;
}

} // namespace mt::test

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MT_COUNTS_MALLOC 1
extern "C" {
void *__libc_malloc (std::size_t);
void *__libc_calloc (std::size_t, std::size_t);
void *__libc_realloc (void *, std::size_t);
void *__libc_memalign (std::size_t, std::size_t);

__attribute__ ((visibility ("default"))) void *malloc (std::size_t size)
{
  mt::test::note_allocation ();
  return __libc_malloc (size);
}
__attribute__ ((visibility ("default"))) void *calloc (std::size_t count, std::size_t size)
{
  mt::test::note_allocation ();
  return __libc_calloc (count, size);
}
__attribute__ ((visibility ("default"))) void *realloc (void *memory, std::size_t size)
{
  mt::test::note_allocation ();
  return __libc_realloc (memory, size);
}
__attribute__ ((visibility ("default"))) void *memalign (std::size_t alignment, std::size_t size)
{
  mt::test::note_allocation ();
  return __libc_memalign (alignment, size);
}
__attribute__ ((visibility ("default"))) void *aligned_alloc (
    std::size_t alignment, std::size_t size)
{
  mt::test::note_allocation ();
  return __libc_memalign (alignment, size);
}
__attribute__ ((visibility ("default"))) int posix_memalign (
    void **memory, std::size_t alignment, std::size_t size)
{
  mt::test::note_allocation ();
  *memory = __libc_memalign (alignment, size);
  return *memory ? 0 : ENOMEM;
}
}
#else
// Not inlined: GCC 12 would take our free() for one that does not match the standard operator new.
__attribute__ ((noinline)) void *operator new (std::size_t size)
{
  mt::test::note_allocation ();
  if (void *memory = std::malloc (size ? size : 1))
    return memory;
  throw std::bad_alloc {};
}
__attribute__ ((noinline)) void *operator new (std::size_t size, std::align_val_t alignment)
{
  mt::test::note_allocation ();
  void *memory = nullptr;
  if (posix_memalign (&memory, static_cast<std::size_t> (alignment), size ? size : 1) == 0)
    return memory;
  throw std::bad_alloc {};
}
__attribute__ ((noinline)) void operator delete (void *memory) noexcept
{
  std::free (memory);
}
__attribute__ ((noinline)) void operator delete (void *memory, std::size_t) noexcept
{
  std::free (memory);
}
__attribute__ ((noinline)) void operator delete (void *memory, std::align_val_t) noexcept
{
  std::free (memory);
}
__attribute__ ((noinline)) void operator delete (
    void *memory, std::size_t, std::align_val_t) noexcept
{
  std::free (memory);
}
#endif
