#!/bin/sh
# A prediction by batch size, against the BLAS in the same run: medians, and the ratios the project promises.
#   tests/bench/forward.sh [BUILD_DIR]
# One thread. The stricter of the two BLAS figures counts.
set -eu
LC_ALL=C
export LC_ALL
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=${1:-$root/build/bench}
# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends" "$root/packaging/test-depends")
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >/dev/null
ninja -C "$build" tests/bench/forward_bench >/dev/null
OPENBLAS_NUM_THREADS=1 "$build/tests/bench/forward_bench" | awk '
        {
                blas = $4 < $5 ? $4 : $5
                if ($1 != net) {
                        if (net) summary()
                        net = $1; one = $3; worst = 0
                        print net
                        printf "%8s %12s %12s %15s %12s\n", "rows", "plan us/row", "blas us/row",
                                "products us/row", "plan / blas"
                }
                printf "%8d %12.2f %12.2f %15.2f %12.2f\n", $2, $3, $4, $5, $3 / blas
                if ($2 <= 64 && $3 / blas > worst) worst = $3 / blas
                if ($2 == 64) gain = one / $3
        }
        function summary() {
                printf "plan / best of the BLAS, worst of 1 to 64 rows  %.2f  (goal 1)\n", worst
                printf "a row alone / a row among 64                    %.2f  (goal 1.8, dense nets)\n\n", gain
        }
        END { summary() }'
