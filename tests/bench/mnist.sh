#!/bin/sh
# Acceptance: MNIST as two tasks (digits 0-4, then 5-9, one head per task), everything over HTTP, while a client
# predicts in a loop. Passes when both tasks end above 97 % on the test set, measured through predict, and no request
# failed.
#   tests/bench/mnist.sh DATA_DIR [BUILD_DIR]     DATA_DIR holds train-images-idx3-ubyte.gz and its three companions
set -eu
LC_ALL=C
export LC_ALL
data=$(cd "${1:?the folder with the MNIST idx files}" && pwd)
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=${2:-$root/build/bench}
# shellcheck disable=SC2046
sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends" "$root/packaging/test-depends")
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" >/dev/null
ninja -C "$build" ewcd ewcd-learner ewcctl tests/bench/predict_loop | tail -n 1
build=$(cd "$build" && pwd)

run=$(mktemp -d)
cd "$run"
export EWCD_SOCKET=ewcd.sock
ctl=$build/ewcctl
: >ewcd.log
"$build/ewcd" --state-dir state --socket ewcd.sock 2>>ewcd.log &
daemon=$!
loop=
end() {
        for pid in $loop $daemon; do kill "$pid" 2>/dev/null || true; done
        wait 2>/dev/null || true
        rm -rf "$run"
}
trap end EXIT
until grep -q 'ready: unix' ewcd.log; do kill -0 "$daemon" || { cat ewcd.log; exit 1; }; sleep 0.1; done

"$ctl" model create - <<EOF
{"name":"mnist","input":{"name":"input","shape":[784],"scale":0.00392156862745098,"offset":0.0},
 "classes":["0","1","2","3","4","5","6","7","8","9"],"scenario":"task","task":"low",
 "layers":[{"type":"dense","units":400,"activation":"relu"},{"type":"dense","units":400,"activation":"relu"}],
 "learning":{"epochs":4,"batch":128,"lambda":0.01,"trigger":{"min_feedback":0}}}
EOF
train() {
        "$ctl" feedback import mnist "$data/train-images-idx3-ubyte.gz" "$data/train-labels-idx1-ubyte.gz" \
                --only "$1" --batch 128
}
test_on() {
        "$ctl" predict mnist "$data/t10k-images-idx3-ubyte.gz" --labels="$data/t10k-labels-idx1-ubyte.gz" \
                --only "$1" --task "$2" --batch 128 2>/dev/null
}
start=$(date +%s)
train 0,1,2,3,4
"$ctl" consolidate mnist --wait
gzip -dc "$data/t10k-images-idx3-ubyte.gz" | tail -c +17 | head -c 784 | od -An -v -tu1 -w784 |
        sed 's/^ *//; s/  */,/g; s/.*/{"inputs":[[&]],"task":"low"}/' >body.json
"$build/tests/bench/predict_loop" ewcd.sock mnist body.json >loop.txt &
loop=$!
"$ctl" task rollover mnist high --classes 5,6,7,8,9 --wait
echo "first task before: $(test_on 0,1,2,3,4 low)"
train 5,6,7,8,9
"$ctl" consolidate mnist --wait
kill "$loop" && wait "$loop" && ok=yes || ok=no
loop=
low=$(test_on 0,1,2,3,4 low)
high=$(test_on 5,6,7,8,9 high)
echo "first task after:  $low"
echo "second task:       $high"
echo "client in a loop:  $(cat loop.txt)"
echo "seconds:           $(($(date +%s) - start))"
echo "$low/$high" | awk -F'[ /]+' -v ok="$ok" '{ split($0, part, "/"); split(part[1], a, " "); split(part[2], b, " ")
        exit !(a[2] > 97 && b[2] > 97 && ok == "yes") }'
