#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What scripts/build says: that it builds, and on a terminal how far it is; nothing when there is nothing to do.
# usage: build-progress.sh SCRIPTS/BUILD
set -u
build=$(realpath "$1")
. "$(dirname "$0")/../shellchecks.sh"

mkdir b
cat >b/build.ninja <<'END'
rule make
  command = cp $in $out
build one: make in
build two: make one
rule fail
  command = echo wrong with it; false
build bad: fail in
default two
END
echo a >b/in
"$build" b >log 2>&1
check 'builds' test $? = 0 -a -e b/two
check 'says that it takes a while' grep -q '^Building in b; the first time takes some minutes' log
check 'and no more, where there is no terminal' test "$(wc -l <log)" = 1
"$build" b >log 2>&1
check 'nothing to do: nothing to say' test $? = 0 -a ! -s log
"$build" b bad >log 2>&1
check 'a failure is one' test $? = 1
check 'with its reason' grep -q 'wrong with it' log
check 'and where the log is' grep -q 'the whole log is in b.log' log
sleep 1.1
echo b >b/in
script -qec "'$build' b" typescript >log 2>&1 </dev/null
check 'on a terminal it is told how far it is' grep -q '\[2/2\]' typescript
check 'and built' cmp -s b/in b/two
echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
