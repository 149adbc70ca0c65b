// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether the tests run under a sanitizer, where all of it takes several times as long.
#pragma once

namespace mt::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

} // namespace mt::test
