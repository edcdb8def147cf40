#!/bin/sh
# Start-up time, resident memory and swap time of ewcd with a 784-400-400-10 model stored.
#   tests/bench/daemon.sh [BUILD_DIR]
set -eu
LC_ALL=C
export LC_ALL
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=${1:-$root/build/bench}
# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends" "$root/packaging/test-depends")
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >/dev/null
ninja -C "$build" ewcd ewcd-learner ewcctl | tail -n 1
build=$(cd "$build" && pwd)
run=$(mktemp -d)
cd "$run"
export EWCD_SOCKET=ewcd.sock
ctl=$build/ewcctl
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$run"' EXIT
mkfifo log
start() { # blocks on the daemon's own line, without polling
        began=$(date +%s%N)
        "$build/ewcd" --state-dir state --socket ewcd.sock 2>log &
        daemon=$!
        exec 3<log
        while read -r line <&3; do
                case $line in *'ready: unix'*) break ;; esac
        done
        ready=$((($(date +%s%N) - began) / 1000))
}
stop() {
        kill "$daemon"
        wait "$daemon" || true
        exec 3<&-
        daemon=
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

start
"$ctl" model create - >/dev/null <<EOF
{"name":"m","input":{"name":"input","shape":[784]},"classes":["0","1","2","3","4","5","6","7","8","9"],
 "scenario":"domain","task":"a",
 "layers":[{"type":"dense","units":400,"activation":"relu"},{"type":"dense","units":400,"activation":"relu"}],
 "learning":{"epochs":1,"trigger":{"min_feedback":0},"gate":{"min_gain":-1}}}
EOF
awk 'BEGIN { srand(1); for (c = 0; c < 784; c++) printf "p%d,", c; print "label"
        for (r = 0; r < 200; r++) { for (c = 0; c < 784; c++) printf "%d,", rand() * 4; print r % 10 } }' >rows.csv
"$ctl" feedback import m rows.csv >/dev/null 2>&1
"$ctl" consolidate m --wait >/dev/null 2>&1
stop
for i in 1 2 3 4 5 6 7 8 9; do start; echo $ready; stop; done | median |
        awk '{ printf "ready with the model stored: %.1f ms (goal 100)\n", $1 / 1000 }'
start
"$ctl" predict m rows.csv --limit 64 >/dev/null 2>&1
awk '/VmRSS/ { printf "resident memory, model loaded and used: %.1f MiB (goal 40)\n", $2 / 1024 }' \
        "/proc/$daemon/status"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        "$ctl" version rollback m $((i % 2 + 1)) >/dev/null
        curl -s --unix-socket ewcd.sock http://localhost/metrics | awk '/^ewcd_model_swap_seconds/ { print $2 * 1e6 }'
done | median | awk '{ printf "version swap, from hand-over to the last loop: %.3f ms (goal 5)\n", $1 / 1000 }'
stop
