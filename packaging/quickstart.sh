#!/bin/sh
# From a fresh Debian 12 to a daemon that has learned a second task and kept the first. Takes under two minutes after the
# packages are installed, then stays up.
#   packaging/quickstart.sh [--once] [--port N]
#     --once     end after the table; exit status 0 only if everything worked
#     --port N   TCP port on 127.0.0.1 (default: any free one)
set -eu
LC_ALL=C # awk's numbers
export LC_ALL
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
once=
port=0
while [ $# -gt 0 ]; do
        case $1 in
        --once) once=yes ;;
        --port) port=${2:?--port needs a number} && shift ;;
        *) echo "usage: packaging/quickstart.sh [--once] [--port N]" >&2 && exit 2 ;;
        esac
        shift
done

echo "== 1. packages"
# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends") curl

echo "== 2. build"
build=$root/build/quickstart
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" -Dtests=false >/dev/null
ninja -C "$build" ewcd ewcd-learner ewcctl | tail -n 1

# Everything of this run lies in one directory; the socket is named relative to it, since socket paths must be short.
run=$build/run
mkdir -p "$run"
cd "$run"
export EWCD_SOCKET=ewcd.sock
ctl=$build/ewcctl
if "$ctl" status >/dev/null 2>&1; then
        echo "a daemon of an earlier quick start still runs in $run: end it first" >&2
        exit 1
fi
rm -rf "${run:?}"/* # of an earlier run

echo "== 3. daemon"
: >ewcd.log
"$build/ewcd" --state-dir state --socket ewcd.sock --listen "127.0.0.1:$port" 2>>ewcd.log &
daemon=$!
trap 'kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT TERM
tries=0
until grep -q 'ready: http' ewcd.log; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 "$daemon" 2>/dev/null; then
                echo "the daemon did not start:" >&2
                cat ewcd.log >&2
                exit 1
        fi
        sleep 0.1
done
url=$(sed -n 's/.*ready: \(http[^ ]*\).*/\1/p' ewcd.log | head -n 1)

# Every fifth digit is kept back by the client and never sent: that is what the table is measured on.
gzip -dc "$root/packaging/digits/digits.csv.gz" | awk -F, '
        NR == 1 { print > "low-train.csv"; print > "low-test.csv"; print > "high-train.csv"; print > "high-test.csv"; next }
        { print > (($NF < 5 ? "low" : "high") (NR % 5 == 0 ? "-test" : "-train") ".csv") }'

create() { # name, learning
        "$ctl" model create - <<EOF
{"name":"$1","input":{"name":"pixels","shape":[64],"scale":0.0625,"offset":0},
 "classes":["0","1","2","3","4","5","6","7","8","9"],"scenario":"task","task":"low",
 "layers":[{"type":"dense","units":64,"activation":"relu"},{"type":"dense","units":64,"activation":"relu"}],
 "learning":{"optimizer":{"type":"adam","rate":0.01},"epochs":60,"batch":32,"trigger":{"min_feedback":0},$2}}
EOF
}

accuracy() { # model, task: of the kept-back rows, asked over HTTP
        "$ctl" predict "$1" "$2-test.csv" --labels --task "$2" --json 2>/dev/null | sed 's/.*"accuracy":\([0-9.]*\).*/\1/'
}

row() { # name, words, learning
        name=$1 words=$2 learning=$3
        {
                create "$name" "$learning"
                "$ctl" feedback import "$name" low-train.csv
                "$ctl" task rollover "$name" high --wait
                before=$(accuracy "$name" low)
                "$ctl" feedback import "$name" high-train.csv
                "$ctl" consolidate "$name" --wait
                after=$(accuracy "$name" low)
                new=$(accuracy "$name" high)
        } >>steps.log 2>&1 || { echo "model $name failed:" >&2 && tail -n 20 steps.log >&2 && exit 1; }
        echo "$words $before $after $new" >>rows.txt
        echo "   $name: done"
}

echo "== 4. four models learn digits 0-4, then 5-9"
row none none '"method":"plain","gate":{"max_forgetting":1}'
row ewc EWC '"method":"ewc","lambda":0.03'
row ewc-replay EWC+replay '"method":"ewc","lambda":0.03,"replay":{"per_class":10}'
row joint joint '"method":"joint"'

echo "== 5. accuracy on digits that were never sent, as the served versions answer over HTTP"
awk '{
        if (NR == 1) printf "%-12s  %-17s  %-16s  %-8s  %s\n", "", "first task before", "first task after", "new task", "forgetting"
        printf "%-12s  %15.1f %%  %14.1f %%  %6.1f %%  %5.1f points\n", $1, 100 * $2, 100 * $3, 100 * $4, 100 * ($2 - $3)
        lost[$1] = 100 * ($2 - $3)
} END {
        if (lost["none"] <= 10) { print "without EWC the first task lost only " lost["none"] " points: expected more than 10"; exit 1 }
        if (lost["EWC"] >= lost["none"] / 3) { print "EWC lost " lost["EWC"] " points: expected less than a third of " lost["none"]; exit 1 }
}' rows.txt
"$ctl" version list ewc
[ -z "$once" ] || exit 0

cat <<EOF

The daemon stays up; end it with Ctrl-C.
  URL       $url/v2/models/ewc    $url/metrics
  socket    $run/ewcd.sock
  try       curl -s $url/v2/models/ewc/tasks
            '$ctl' status --url $url
EOF
wait "$daemon"
