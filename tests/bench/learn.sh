#!/bin/sh
# Training step and Fisher pass against PyTorch in the same run: medians, and the ratios the project promises.
#   tests/bench/learn.sh [BUILD_DIR]
# Each side runs with 1 and with 2 threads; the better of the two counts.
set -eu
LC_ALL=C
export LC_ALL
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=${1:-$root/build/bench}
# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends") python3-torch
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >/dev/null
ninja -C "$build" tests/bench/learn_bench >/dev/null
for threads in 1 2; do
        OPENBLAS_NUM_THREADS=$threads "$build/tests/bench/learn_bench" $threads | sed 's/^/ewcd /'
        OPENBLAS_NUM_THREADS=$threads OMP_NUM_THREADS=$threads \
                /usr/bin/python3 "$root/tests/bench/peers/torch_learn.py" $threads | sed 's/^/torch /'
done | awk '
        $2 == "threads" { threads = $3; next }
        { printf "%-6s %d thread(s)  %-22s %10.4f %s\n", $1, threads, $2, $3, $4
          k = $1 " " $2; if (!(k in best) || $3 < best[k]) best[k] = $3 }
        function ratio(words, format, a, b) { printf "%-38s " format "\n", words, best[a] / best[b] }
        END {
                ratio("step with penalty, torch / ewcd", "%6.2f  (goal 2)", "torch step_ewc", "ewcd step_ewc")
                ratio("EMPIRICAL Fisher, torch loop / ewcd", "%6.1f  (goal 50)", "torch fisher_empirical_row",
                        "ewcd fisher_empirical_row")
                ratio("ewcd step with penalty / plain", "%6.3f", "ewcd step_ewc", "ewcd step_plain")
                ratio("ewcd plain step / its sgemm alone", "%6.3f", "ewcd step_plain", "ewcd sgemm_step")
                ratio("ewcd EXACT / EMPIRICAL Fisher", "%6.2f", "ewcd fisher_exact_row", "ewcd fisher_empirical_row")
        }'
