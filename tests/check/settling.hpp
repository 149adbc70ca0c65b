// SPDX-License-Identifier: LGPL-2.1-or-later
// A wait that ends when nothing is left to wait for: in place of a sleep that is thought to be long
// enough.
#pragma once

namespace mt::test {

/// Waits until every other thread of the process sleeps, and none has run between two looks at all
/// of them. Then nothing comes any more but from a timed wait, however long one waits.
[[nodiscard]] bool settles ();

} // namespace mt::test
