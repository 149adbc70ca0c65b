// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes the registry of plugins that GST_REGISTRY names, if it is not up to date.
//
// A program of its own, because this loads every plugin of the system into the process: some start
// threads, which a later fork of Check does not survive under TSan, and some leak, which is not
// for our tests to report. It is built with the sanitizer, or it could not load our plugins.
#include <unistd.h>

#include <gst/gst.h>

int main ()
{
  gst_init (nullptr, nullptr);
  _exit (0); // past the leak check
}
