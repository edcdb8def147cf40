#!/bin/sh
# Installs what the tests need, builds with warnings as errors, runs every test. Works from any directory.
#   packaging/test.sh [BUILD_DIR]        default: build/test in the source tree
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${1:-$root/build/test}

# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends" "$root/packaging/test-depends") curl git sqlite3

if [ -f "$build/build.ninja" ]; then
        meson setup --reconfigure "$build" "$root" -Dwerror=true >/dev/null
else
        meson setup "$build" "$root" -Dwerror=true >/dev/null
fi
ninja -C "$build"
status=0
meson test -C "$build" --print-errorlogs --num-processes "$(nproc)" || status=$?
awk '/^Ok:/ { ok = $2 } /^(Fail|Timeout|Unexpected Pass):/ { bad += $NF } END { print ok + 0 " passed, " bad + 0 " failed" }' \
        "$build/meson-logs/testlog.txt"
exit $status
