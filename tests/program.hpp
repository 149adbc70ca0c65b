// SPDX-License-Identifier: LGPL-2.1-or-later
// What the programs of this folder have in common: options, and how a failure is told.
#pragma once

#include <cstdarg>
#include <exception>
#include <stdexcept>
#include <string>

#include <gst/gst.h>

namespace mt::program {

/// printf to std::string.
[[gnu::format (printf, 1, 2)]] inline std::string format (const char *pattern, ...)
{
  va_list arguments;
  va_start (arguments, pattern);
  g_autofree gchar *text = g_strdup_vprintf (pattern, arguments);
  va_end (arguments);
  return text;
}

/// Takes the options of `entries` and GStreamer's own, and starts GStreamer. --help ends the
/// program. Throws std::invalid_argument with what is wrong.
inline void parse_options (
    int argc, char **argv, const GOptionEntry *entries, const char *summary, const char *more = "")
{
  g_autoptr (GOptionContext) context = g_option_context_new (nullptr);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, more);
  g_option_context_add_main_entries (context, entries, nullptr);
  g_option_context_add_group (context, gst_init_get_option_group ());
  g_autoptr (GError) error = nullptr;
  if (!g_option_context_parse (context, &argc, &argv, &error))
    throw std::invalid_argument (error->message);
  if (argc > 1)
    throw std::invalid_argument (format ("'%s' is too much", argv[1]));
}

/// What main() returns: the result of `body`, 2 when the options are wrong, 1 for other failures,
/// which are told in one line.
template <class Body>
int run (const char *name, Body body)
{
  try {
    return body ();
  } catch (const std::invalid_argument &wrong) {
    g_printerr ("%s: %s; see --help\n", name, wrong.what ());
    return 2;
  } catch (const std::exception &problem) {
    g_printerr ("%s: %s\n", name, problem.what ());
    return 1;
  }
}

} // namespace mt::program
