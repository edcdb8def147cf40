#!/bin/sh
# Predictions a second and their latency, ewcd beside its floors and its peers: same weights, same rows, same machine.
#   tests/bench/serve.sh [--seconds N] [--clients "1 8 64 256"] [--nets "NAME ..."] [--no-slow] [BUILD_DIR]
# Each server has one core to itself and wrk another. Rows: echo (a bufferevent that sends the same bytes), evhttp
# (libevent's HTTP server with nothing behind it), ewcd binary and JSON, FastAPI with PyTorch, Node with
# onnxruntime-node. Before a peer is measured its answer must agree with ewcd's. A peer that cannot be installed is
# said to be missing. Then slowhttptest with 1,000 connections, and what it does to the p99 of others.
set -eu
LC_ALL=C
export LC_ALL OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
seconds=10 clients="1 8 64 256" nets="small wide conv" slow=yes build=
while [ $# -gt 0 ]; do
        case $1 in
        --seconds) seconds=${2:?} && shift ;;
        --clients) clients=${2:?} && shift ;;
        --nets) nets=${2:?} && shift ;;
        --no-slow) slow= ;;
        -*) sed -n 's/^#   \(tests.*\)/usage: \1/p' "$0" >&2 && exit 2 ;;
        *) build=$1 ;;
        esac
        shift
done
build=${build:-$root/build/bench}
here=$root/tests/bench
needs=$(cat "$root/packaging/build-depends" "$root/packaging/test-depends")
# shellcheck disable=SC2086
sh "$root/packaging/packages.sh" $needs curl python3-numpy wrk
for p in "python3-torch python3-fastapi python3-uvicorn" python3-onnx nodejs slowhttptest; do
        # shellcheck disable=SC2086
        sh "$root/packaging/packages.sh" $p || echo "not installed: $p"
done
command -v npm >/dev/null || sh "$root/packaging/packages.sh" npm || echo "not installed: npm"
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" -Dbuildtype=release >/dev/null
ninja -C "$build" ewcd ewcd-learner ewcctl tests/bench/serve_echo tests/bench/serve_evhttp | tail -n 1
build=$(cd "$build" && pwd)
run=$(mktemp -d)
cd "$run"
ulimit -n 4096 2>/dev/null || true
server=
stop() {
        [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
        server=
}
trap 'stop; rm -rf "$run"' EXIT
trap 'exit 1' INT TERM
on_core() { # CORE COMMAND...
        core=$1 && shift
        if [ "$(nproc)" -gt 1 ]; then exec taskset -c "$core" "$@"; else exec "$@"; fi
}
free_port() {
        /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

echo "== onnxruntime-node"
node=
if command -v npm >/dev/null && mkdir npm && (cd npm && npm install --no-save --ignore-scripts onnxruntime-node) \
        >npm.log 2>&1; then
        node=yes
        NODE_PATH=$run/npm/node_modules
        export NODE_PATH
else
        echo "missing: onnxruntime-node: $(tail -n 1 npm.log 2>/dev/null || true)"
fi

dense() { printf '{"type":"dense","units":%d,"activation":"relu"}' "$1"; }
layers() {
        case $1 in
        small) echo "$(dense 256),$(dense 128)" ;;
        wide) echo "$(dense 400),$(dense 400)" ;;
        conv) echo '{"type":"conv","units":8,"kernel":3,"stride":1,"padding":1,"activation":"relu"},
                {"type":"max_pool","kernel":2,"stride":2},
                {"type":"conv","units":16,"kernel":3,"stride":1,"padding":1,"activation":"relu"},
                {"type":"max_pool","kernel":2,"stride":2},{"type":"flatten"},
                {"type":"dense","units":64,"activation":"relu"}' ;;
        *) echo "no net $1: small, wide, conv" >&2 && exit 2 ;;
        esac
}
input() { if [ "$1" = conv ]; then echo '[28,28,1]'; else echo '[784]'; fi; }
title() {
        case $1 in
        small) echo "784-256-128-10" ;;
        wide) echo "784-400-400-10" ;;
        conv) echo "28x28, conv 8, pool, conv 16, pool, 64, 10" ;;
        esac
}

# One row of 784 pixels, as JSON and as the protocol's binary form.
/usr/bin/python3 - <<'END'
import json
import numpy as np
x = np.random.default_rng(1).random(784, dtype=np.float32)
tensor = {"name": "input", "shape": [1, 784], "datatype": "FP32"}
data = ",".join("%.9g" % v for v in x)
open("json.body", "w").write('{"inputs":[%s,"data":[%s]}]}' % (json.dumps(tensor)[:-1], data))
tensor["parameters"] = {"binary_data_size": x.nbytes}
head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
open("binary.body", "wb").write(head + x.tobytes())
open("binary.head", "w").write(str(len(head)))
END

start_ewcd() { # more keys may stand in ewcd.conf
        rm -f log
        mkfifo log
        (on_core 0 "$build/ewcd" --config ewcd.conf --state-dir state --socket ewcd.sock --listen 127.0.0.1:0) 2>log &
        server=$!
        exec 3<log
        port=
        while [ -z "$port" ] && read -r line <&3; do
                case $line in *'ready: http://'*) port=${line##*:} ;; esac
        done
        cat <&3 >ewcd.log &
        [ -n "$port" ] || { echo "ewcd did not start" && exit 1; }
}
url() { echo "http://127.0.0.1:$port/v2/models/m/infer"; }
load() { # CLIENTS SECONDS json|binary: req/s p50 p99 errors
        case $3 in
        json) SERVE_TYPE=application/json SERVE_JSON_BYTES='' ;;
        binary) SERVE_TYPE=application/octet-stream SERVE_JSON_BYTES=$(cat binary.head) ;;
        esac
        SERVE_BODY=$run/$3.body
        [ -n "$SERVE_JSON_BYTES" ] || unset SERVE_JSON_BYTES
        export SERVE_TYPE SERVE_BODY
        [ -z "${SERVE_JSON_BYTES:-}" ] || export SERVE_JSON_BYTES
        (on_core 1 wrk -t1 -c"$1" -d"$2" --timeout 10 -s "$here/serve.lua" "$(url)") | sed -n 's/^RESULT //p'
}
measure() { # ROW json|binary
        for c in $clients; do
                load "$c" 1 "$2" >/dev/null
                result=$(load "$c" "$seconds" "$2")
                echo "$net $1 $c ${result:-0 0 0 1}" >>results
        done
}
agree() { # FILE: the answer's numbers are ewcd's
        /usr/bin/python3 - "$1" <<'END'
import json, sys
a, b = (json.load(open(f))["outputs"][0]["data"] for f in ("json.answer", sys.argv[1]))
sys.exit(0 if len(a) == len(b) and all(abs(x - y) < 1e-4 for x, y in zip(a, b)) else "other numbers than ewcd's")
END
}
peer() { # ROW COMMAND...: started on $port, checked, measured
        row=$1 && shift
        (on_core 0 "$@") >peer.log 2>&1 &
        server=$!
        if curl -sf --retry 30 --retry-delay 1 --retry-connrefused -H 'Content-Type: application/json' \
                --data-binary @json.body "$(url)" >peer.answer 2>/dev/null &&
                { [ "$row" = evhttp ] || agree peer.answer; }
        then
                measure "$row" json
        else
                echo "missing: $row: $(tail -n 1 peer.log)"
        fi
        stop
}

: >ewcd.conf
: >results
for net in $nets; do
        echo "== $(title "$net")"
        rm -rf state
        start_ewcd
        EWCD_SOCKET=ewcd.sock "$build/ewcctl" model create - >/dev/null <<END
{"name":"m","input":{"name":"input","shape":$(input "$net")},"classes":["0","1","2","3","4","5","6","7","8","9"],
 "scenario":"domain","task":"a","layers":[$(layers "$net")],"learning":{"trigger":{"min_feedback":0}}}
END
        curl -sf -H 'Content-Type: application/json' --data-binary @json.body "$(url)" >json.answer
        stop # it alone has its database while it runs
        /usr/bin/python3 "$here/peers/serve_weights.py" state/ewcd.db m weights
        start_ewcd
        measure ewcd-json json
        if curl -sf -H 'Content-Type: application/octet-stream' \
                -H "Inference-Header-Content-Length: $(cat binary.head)" \
                --data-binary @binary.body "$(url)" >/dev/null; then
                measure ewcd-binary binary
        else
                echo "missing: ewcd-binary: the daemon does not take the protocol's binary form"
        fi
        stop
        port=$(free_port)
        { printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n' \
                "$(wc -c <json.answer)" && cat json.answer; } >answer.http
        request="POST /v2/models/m/infer HTTP/1.1\r\nHost: 127.0.0.1:$port\r\nContent-Type: application/json\r\n"
        request="${request}Content-Length: $(wc -c <json.body)\r\n\r\n"
        # shellcheck disable=SC2059
        n=$(($(printf "$request" | wc -c) + $(wc -c <json.body)))
        (on_core 0 "$build/tests/bench/serve_echo" "$port" "$n" answer.http) &
        server=$!
        sleep 0.2
        measure echo json
        stop
        port=$(free_port)
        peer evhttp "$build/tests/bench/serve_evhttp" "$port" json.answer
        port=$(free_port)
        peer fastapi /usr/bin/python3 "$here/peers/serve_fastapi.py" "$port" weights
        if [ -n "$node" ] && [ -f weights.onnx ]; then
                port=$(free_port)
                peer onnxruntime-node node "$here/peers/serve_node.js" "$port" weights.onnx
        fi
done
for net in $nets; do
        printf '\n%s\n' "$(title "$net")"
        printf '%-18s %7s %10s %9s %9s %9s %9s %9s\n' row clients req/s p50_us p99_us x_evhttp x_fastapi x_node
        awk -v net="$net" '
                $1 != net { next }
                { n++; row[n] = $2; c[n] = $3; rps[n] = $4; p50[n] = $5; p99[n] = $6; bad[n] = $7; at[$2, $3] = $4 }
                function x(name, i) { return at[name, c[i]] > 0 ? sprintf("%.2f", rps[i] / at[name, c[i]]) : "-" }
                END {
                        for (i = 1; i <= n; i++) {
                                printf "%-18s %7d %10d %9d %9d", row[i], c[i], rps[i], p50[i], p99[i]
                                printf " %9s %9s %9s", x("evhttp", i), x("fastapi", i), x("onnxruntime-node", i)
                                print (bad[i] > 0) ? "  errors: " bad[i] : ""
                        }
                }
        ' results
done

[ -n "$slow" ] || exit 0
echo
echo "== a byte a second: seconds until the connection is closed (goal 6)"
net=small
rm -rf state
start_ewcd
EWCD_SOCKET=ewcd.sock "$build/ewcctl" model create - >/dev/null <<END
{"name":"m","input":{"name":"input","shape":[784]},"classes":["0","1","2","3","4","5","6","7","8","9"],
 "scenario":"domain","task":"a","layers":[$(layers small)],"learning":{"trigger":{"min_feedback":0}}}
END
/usr/bin/python3 - "$port" <<'END'
import select, socket, sys, time
head = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\n"
for what, text in (("head", b"P"), ("body", head + b"Content-Length: 1000\r\n\r\n")):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(text)
    began, rest = time.monotonic(), iter((head[1:] if what == "head" else b"{") + b" " * 100)
    while not select.select([s], [], [], 1)[0] and time.monotonic() - began < 30:
        s.send(bytes([next(rest)]))
    print("%s: %.1f s, %s" % (what, time.monotonic() - began, s.recv(100).split(b"\r\n")[0].decode()))
END
if ! command -v slowhttptest >/dev/null; then
        echo "missing: slowhttptest"
        exit 0
fi
echo
echo "== slowhttptest, 1,000 connections: p99 of 4 other clients in microseconds (goal: +10 % at most)"
attack() { # NAME OPTIONS...
        name=$1 && shift
        calm=$(load 4 "$seconds" json)
        slowhttptest "$@" -c 1000 -r 500 -i 1 -l $((seconds + 5)) -p 3 >slow.log 2>&1 &
        attacker=$!
        sleep 3 # 1,000 connections at 500 a second
        under=$(load 4 "$seconds" json)
        kill "$attacker" 2>/dev/null || true
        wait "$attacker" 2>/dev/null || true
        echo "$name $calm $under" | awk '{
                printf "%-8s without %6d  with %6d  ratio %.2f  failed %d\n", $1, $4, $8, $8 / ($4 ? $4 : 1), $9 }'
}
attack headers -H -u "http://127.0.0.1:$port/v2/status"
attack body -B -s 8192 -t POST -u "$(url)"
attack read -X -w 16 -y 64 -n 1 -z 16 -k 3 -u "http://127.0.0.1:$port/metrics"
stop
