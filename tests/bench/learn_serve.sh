#!/bin/sh
# What serving costs beside the net, and what learning costs serving. All ratios are of one run.
#   tests/bench/learn_serve.sh [--seconds N] [--rounds N] [--data DIR] [BUILD_DIR]
# DIR holds t10k-images-idx3-ubyte.gz and its labels; without it the learner gets made-up rows.
#
# half of peak  wrk with 64 clients finds the most; paced.c then asks for half of it, 16 connections, by the clock.
#               Goal: p99 <= 1 ms. Beside it, at the same rate, evhttp, which has nothing behind it.
# batches       server.batch_rows = 64 beside 1, two daemons on one core by turns, at 1, 8, 64 and 256 clients; and
#               what a row costs in the net, from ewcd_compute_seconds_total. Goal: never slower; 64 clients >= 1.8.
# overhead      all but the net: by Server-Timing at one client (goal 35 us JSON, 20 us binary), and as processor
#               time of the whole daemon, less the net's, at 8 clients, with sockets and kernel. The net's time is by
#               the clock: on a busy machine too much is taken off.
# learning      daemon and learner on all cores, as they are installed (the learner in the idle classes, one thread);
#               the client on the second core. Throughput (wrk, 4 clients) and p99 (paced, 4 connections, a quarter of
#               peak) before, during and after. "a long job" begins with the measurement and outlasts it: rows are
#               written out, the learner trains. "jobs on end": short ones of the served model, with gate and swap.
#               Goals: p99 <= 2 of idle, throughput >= 0.8. Client, learner and loop share two cores: what wrk
#               takes, the learner cannot have, and it counts against the throughput, not for it.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/tests/bench/serve_lib.sh"
seconds=10 rounds=3 data='' build=''
while [ $# -gt 0 ]; do
        case $1 in
        --seconds) seconds=${2:?} && shift ;;
        --rounds) rounds=${2:?} && shift ;;
        --data) data=$(cd "${2:?}" && pwd) && shift ;;
        -*) sed -n 's/^#   \(tests.*\)/usage: \1/p' "$0" >&2 && exit 2 ;;
        *) build=$1 ;;
        esac
        shift
done
prepare "$build" tests/bench/serve_evhttp
small="$(dense 256),$(dense 128)" wide="$(dense 400),$(dense 400)"
field() { echo "$2" | cut -d' ' -f"$1"; }
upto() { seq "$1"; }
middle() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

echo "== half of peak: requests/s, p50, p99 in us from when they were due; p99 from the send; failed"
start_ewcd ewcd
create m "$small" ''
curl -sf -H 'Content-Type: application/json' --data-binary @json.body "$(url)" >json.answer
ewcd=$server ewcd_port=$port servers=$server
port=$(free_port)
(on_core 0 "$build/tests/bench/serve_evhttp" "$port" json.answer) &
server=$! evhttp_port=$port
sleep 0.2
for what in json binary; do
        port=$ewcd_port
        load 64 1 $what >/dev/null
        peak=$(field 1 "$(load 64 "$seconds" $what)")
        for _ in $(upto "$rounds"); do
                for who in ewcd evhttp; do
                        [ $who = ewcd ] && port=$ewcd_port || port=$evhttp_port
                        # shellcheck disable=SC2046
                        printf '%-7s %-7s peak %6d  half %6.0f  p50 %7.1f  p99 %8.1f  failed %d  sent %8.1f\n' \
                                $what $who "$peak" $(paced 16 $((peak / 2)) "$seconds" $what)
                done
        done
done

echo "== overhead: us a request, all but the net"
port=$ewcd_port
cpu_ns() { cat /proc/"$ewcd"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f\n", n }'; }
metric() { curl -sf "http://127.0.0.1:$port/metrics" | awk -v m="$1" '$1 == m { printf "%.9f\n", $2 }'; }
for what in json binary; do
        # shellcheck disable=SC2046
        paced 1 0 "$seconds" $what -t | awk -v what=$what '{
                printf "%-7s Server-Timing, 1 client: queue %.1f input %.1f output %.1f = %.1f (net %.1f)\n", what,
                        $6, $7, $9, $6 + $7 + $9, $8 }'
        a="$(cpu_ns) $(metric ewcd_compute_seconds_total) $(metric ewcd_inferences_total)"
        load 8 "$seconds" $what >/dev/null
        b="$(cpu_ns) $(metric ewcd_compute_seconds_total) $(metric ewcd_inferences_total)"
        echo "$a $b" | awk -v what=$what '{ n = $6 - $3
                if (n > 0) printf "%-7s processor time, 8 clients: %.1f (net %.1f)\n", what,
                        (($4 - $1) / 1e3 - ($5 - $2) * 1e6) / n, ($5 - $2) * 1e6 / n }'
done
stop

echo "== batches of 64 rows beside none: requests/s, and us a row in the net"
printf '[server]\nbatch_rows = 1\n' >single.conf
for net in small wide; do
        rm -rf ewcd.state single.state
        start_ewcd ewcd
        create m "$([ $net = small ] && echo "$small" || echo "$wide")" ''
        on=$port servers=$server
        start_ewcd single
        create m "$([ $net = small ] && echo "$small" || echo "$wide")" ''
        off=$port servers="$servers $server" server=''
        for what in json binary; do
                for c in 1 8 64 256; do
                        : >pairs
                        for _ in $(upto "$rounds"); do
                                for port in $on $off; do
                                        load "$c" 1 $what >/dev/null
                                        a="$(metric ewcd_compute_seconds_total) $(metric ewcd_inference_rows_total)"
                                        l=$(load "$c" "$seconds" $what)
                                        b="$(metric ewcd_compute_seconds_total) $(metric ewcd_inference_rows_total)"
                                        echo "$port $(field 1 "$l") $(field 3 "$l") $a $b" >>pairs
                                done
                        done
                        awk -v on="$on" -v net=$net -v what=$what -v c="$c" '
                                { i = ($1 == on); k[i]++; rps[i] += $2; p99[i] += $3
                                  s[i] += $6 - $4; n[i] += $7 - $5 }
                                END { row[0] = s[0] / n[0] * 1e6; row[1] = s[1] / n[1] * 1e6
                                        printf "%-5s %-6s %3d clients  on %7d  off %7d  ratio %.2f  p99 %6d %6d", net,
                                                what, c, rps[1] / k[1], rps[0] / k[0], rps[1] / rps[0],
                                                p99[1] / k[1], p99[0] / k[0]
                                        printf "  row %5.2f %5.2f  ratio %.2f\n", row[1], row[0], row[0] / row[1]
                                }' pairs
                done
        done
        stop
done

echo "== learning, 784-400-400-10: client on core 1, daemon and learner anywhere"
rm -rf ewcd.state
start_ewcd ewcd any
short='"steps":300,"batch":128,"gate":{"min_gain":-1,"max_forgetting":1},'
create m "$wide" "$short"
create long "$wide" '"steps":1000000000,"batch":128,'
if [ -n "$data" ]; then
        set -- "$data/t10k-images-idx3-ubyte.gz" "$data/t10k-labels-idx1-ubyte.gz"
else
        awk 'BEGIN { srand(1); for (c = 0; c < 784; c++) printf "p%d,", c; print "label"; for (r = 0; r < 2000; r++) {
                for (c = 0; c < 784; c++) printf "%d,", rand() * 4; print r % 10 } }' >rows.csv
        set -- rows.csv
fi
for model in m long; do "$build/ewcctl" feedback import $model "$@" --batch 128 >/dev/null 2>&1; done
load 4 1 json >/dev/null
rate=$(($(field 1 "$(load 4 "$seconds" json)") / 4))
newest() { # job of a model
        "$build/ewcctl" job list "$1" --json | sed 's/[,{]/\n/g' |
                sed -n 's/^ *"id": *"*\([^"]*\)"*.*/\1/p' | head -n 1
}
begin() { # long|short
        case $1 in
        long) "$build/ewcctl" consolidate long >/dev/null 2>&1 ;;
        short)
                (while [ ! -f enough ]; do
                        "$build/ewcctl" consolidate m --wait >/dev/null 2>&1 || true
                        echo
                done >ended) &
                jobs=$!
                ;;
        esac
}
finish() {
        case $1 in
        long) "$build/ewcctl" job cancel long "$(newest long)" >/dev/null ;;
        short) touch enough && wait "$jobs" && rm enough ;;
        esac
        sleep 1
}
learner_cpu() { # ns of all learners that live
        cat /proc/[0-9]*/stat 2>/dev/null | awk -v hz="$(getconf CLK_TCK)" -v ppid="$server" '
                $4 == ppid { n += $14 + $15 } END { printf "%.2f\n", n / hz }'
}
for kind in long short; do
        : >learning
        for _ in $(upto "$rounds"); do
                a="$(field 1 "$(load 4 "$seconds" json)") $(field 3 "$(paced 4 "$rate" "$seconds" json)")"
                begin $kind
                b="$(field 1 "$(load 4 "$seconds" json)") $(field 3 "$(paced 4 "$rate" "$seconds" json)")"
                used=$(learner_cpu)
                finish $kind
                [ $kind = long ] && note="$used s of processor" || note="$(wc -l <ended) jobs"
                c="$(field 1 "$(load 4 "$seconds" json)") $(field 3 "$(paced 4 "$rate" "$seconds" json)")"
                echo "$a $b $c $note" | tee -a learning | awk -v kind=$kind '{
                        printf "%-5s requests/s %6d %6d %6d  p99 %7.1f %7.1f %7.1f  learner: %s %s %s %s\n", kind,
                                $1, $3, $5, $2, $4, $6, $7, $8, $9, $10 }'
        done
        for n in 1 2; do
                awk -v n=$n '{ print $(n + 2) / (($n + $(n + 4)) / 2) }' learning | middle |
                        awk -v kind=$kind -v n=$n '{ printf "%-5s %s while learning / idle: %.2f (goal %s)\n", kind,
                                n == 1 ? "throughput" : "p99", $1, n == 1 ? ">= 0.8" : "<= 2" }'
        done
done
stop
