# SPDX-License-Identifier: LGPL-2.1-or-later
# For tests in shell, which source it: a folder of their own to be in, and checks that are counted. A check
# that fails shows the end of `log` there.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0
failures=0

check () { # check WHAT COMMAND ...
  what=$1
  shift
  checks=$((checks + 1))
  "$@" && return
  failures=$((failures + 1))
  echo "FAILED: $what"
  [ ! -f log ] || tail -n 20 log
}
