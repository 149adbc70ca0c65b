// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells from the head of a RIFF file whether it was cut off.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

namespace mt::glue {

/// A RIFF file that was cut says in its head how long it was; wavparse plays what is left, without
/// a word. `file` is at its beginning. Empty: nothing is wrong, or it is no RIFF file.
inline std::string find_riff_fault (std::ifstream &file, std::uintmax_t size)
{
  std::array<unsigned char, 12> head {};
  file.read (reinterpret_cast<char *> (head.data ()), head.size ());
  if (!file || std::memcmp (head.data (), "RIFF", 4) != 0 ||
      std::memcmp (head.data () + 8, "WAVE", 4) != 0)
    return {};
  const std::uint32_t told =
      head[4] | head[5] << 8 | head[6] << 16 | static_cast<std::uint32_t> (head[7]) << 24;
  if (told >= 0x7fffff00u) // written to a pipe: length unknown
    return {};
  // Right is the size less 8. But some write the whole size, and the pad byte of an odd chunk is often
  // left out, so a cut of the last 8 bytes can't be told from these.
  if (told > size)
    return "it is cut short, its header tells of " + std::to_string (told + 8ull) +
        " bytes and it has " + std::to_string (size);
  return {};
}

} // namespace mt::glue
