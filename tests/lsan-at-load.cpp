// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps the leak checker from what libraries allocate while they are loaded: GLib gives up its
// first table of quarks, 16 KiB, once that is full.
//
// A suppression could do that by the name of a function. But it needs the whole stack of each
// allocation, which the fast unwinder can't find through GLib; the slow one makes tests take five
// times as long.
#include <sanitizer/lsan_interface.h>

namespace {

void before_libraries (int, char **, char **)
{
  __lsan_disable ();
}

[[gnu::constructor]] void after_libraries ()
{
  __lsan_enable ();
}

[[gnu::section (".preinit_array"), gnu::used]] void (*const at_load) (
    int, char **, char **) = before_libraries;

} // namespace
