#!/bin/sh
# libewc's numbers against PyTorch's for the same net and data, to a relative error of 1e-4: one line a quantity.
#   tests/bench/check.sh [BUILD_DIR]
set -eu
LC_ALL=C
export LC_ALL
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=${1:-$root/build/bench}
# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends" "$root/packaging/test-depends") python3-torch
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >/dev/null
ninja -C "$build" tests/bench/dump >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
OPENBLAS_NUM_THREADS=1 "$build/tests/bench/dump" >"$work/dump.json"
/usr/bin/python3 "$root/tests/bench/peers/torch_check.py" "$work/dump.json"
