#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a test program whose registry of plugins is already written.
#
# usage: with-registry.sh PROGRAM [ARGUMENT ...]
# Writing it loads every plugin of the system into the process, some of which start threads, and Check forks after that: a
# fork with threads is more than TSan can follow. So the program runs once before without any check.
GST_CHECKS=none "$@" >/dev/null 2>&1
exec "$@"
