#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a test program once the registry of plugins is written; tests that run side by side share it.
#
# usage: with-registry.sh WRITE-REGISTRY PROGRAM [ARGUMENT ...]
write_registry=$1
shift
flock "$GST_REGISTRY.lock" "$write_registry" >"$GST_REGISTRY.log" 2>&1 || {
  cat "$GST_REGISTRY.log"
  echo "cannot write the registry of plugins $GST_REGISTRY"
  exit 1
}
exec "$@"
