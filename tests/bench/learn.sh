#!/bin/sh
# Training steps and Fisher passes against PyTorch in the same run: `ewc-bench speed` with what it needs installed.
#   tests/bench/learn.sh [BUILD_DIR]
set -eu
LC_ALL=C
export LC_ALL
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=${1:-$root/build/bench}
# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends" "$root/packaging/test-depends") python3-torch
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >/dev/null
ninja -C "$build" ewc-bench >/dev/null
"$build/ewc-bench" speed --torch "$root/tests/bench/peers/torch_learn.py"
