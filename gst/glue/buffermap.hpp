// SPDX-License-Identifier: LGPL-2.1-or-later
// A mapping of a GstBuffer that cannot be forgotten.
#pragma once

#include <span>

#include <gst/gst.h>

namespace mt::glue {

/// Maps a buffer for a scope. Test it before use: mapping can fail.
template <GstMapFlags Flags>
class BufferMap {
public:
  explicit BufferMap (GstBuffer *buffer) noexcept
      : buffer_ {gst_buffer_map (buffer, &info_, Flags) ? buffer : nullptr}
  {}
  ~BufferMap ()
  {
    if (buffer_)
      gst_buffer_unmap (buffer_, &info_);
  }
  BufferMap (const BufferMap &) = delete;
  BufferMap &operator= (const BufferMap &) = delete;

  explicit operator bool () const noexcept { return buffer_ != nullptr; }

  /// The memory as values of T; a remainder shorter than one T is left out.
  template <class T>
  std::span<T> as () const noexcept
  {
    return {reinterpret_cast<T *> (info_.data), info_.size / sizeof (T)};
  }

private:
  GstMapInfo info_ {}; // before buffer_: its initialiser fills it
  GstBuffer *buffer_;
};

} // namespace mt::glue
