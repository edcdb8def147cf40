#!/bin/sh
# Predictions a second and their latency, ewcd beside its floors and its peers: same weights, same rows, same machine.
#   tests/bench/serve.sh [--seconds N] [--clients "1 8 64 256"] [--nets "NAME ..."] [--no-slow] [BUILD_DIR]
# Each server has one core to itself and wrk another. Rows: echo (a bufferevent that sends the same bytes), evhttp
# (libevent's HTTP server with nothing behind it), ewcd binary and JSON, FastAPI with PyTorch, Node with
# onnxruntime-node. Before a peer is measured its answer must agree with ewcd's. A peer that cannot be installed is
# said to be missing. Then slowhttptest with 1,000 connections, and what it does to the p99 of others, of ewcd and of
# evhttp. learn_serve.sh has the rows about half of peak, batches, overhead and serving while learning.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/tests/bench/serve_lib.sh"
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
for p in "python3-torch python3-fastapi python3-uvicorn" python3-onnx nodejs slowhttptest; do
        # shellcheck disable=SC2086
        sh "$root/packaging/packages.sh" $p || echo "not installed: $p"
done
command -v npm >/dev/null || sh "$root/packaging/packages.sh" npm || echo "not installed: npm"
prepare "$build" tests/bench/serve_echo tests/bench/serve_evhttp

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

: >results
for net in $nets; do
        echo "== $(title "$net")"
        rm -rf ewcd.state
        start_ewcd ewcd
        create m "$(layers "$net")" '' "$(input "$net")"
        curl -sf -H 'Content-Type: application/json' --data-binary @json.body "$(url)" >json.answer
        stop # it alone has its database while it runs
        /usr/bin/python3 "$here/peers/serve_weights.py" ewcd.state/ewcd.db m weights
        start_ewcd ewcd
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
rm -rf ewcd.state
start_ewcd ewcd
create m "$(layers small)" ""
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
echo "== slowhttptest, 1,000 connections: p99 of 4 others, 4,000 requests/s, in us (goal: +10 % at most)"
curl -sf "http://127.0.0.1:$port/metrics" >big.answer
curl -sf -H 'Content-Type: application/json' --data-binary @json.body "$(url)" >json.answer
ewcd=$server ewcd_port=$port
servers=$ewcd port=$(free_port)
(on_core 0 "$build/tests/bench/serve_evhttp" "$port" big.answer) &
server=$! evhttp_port=$port
sleep 0.2
connected() { # to $port
        awk -v port="$(printf ':%04X' "$port")" '$2 ~ port "$" && $4 == "01" { n++ } END { print n + 0 }' \
                /proc/net/tcp
}
# Calm, before and after; while the connections come; when all of them are there. From then on the attacker is of the
# idle class: it looks at a thousand sockets without rest on the core of the client. What it still takes from the
# client, in the kernel, it takes whichever server it attacks, so evhttp is the control.
attack() { # MODE SERVER PATH OPTIONS...
        mode=$1 who=$2 path=$3 && shift 3
        [ "$who" = ewcd ] && port=$ewcd_port || port=$evhttp_port
        calm=$(paced 4 4000 "$seconds" json)
        (on_core 1 slowhttptest "$@" -u "http://127.0.0.1:$port$path" -c 1000 -r 500 -i 1 \
                -l $((seconds + 20)) -p 3) >slow.log 2>&1 &
        attacker=$!
        ramp=$(paced 4 4000 1 json)
        n=0
        while [ "$(connected)" -lt 1000 ] && [ $((n += 1)) -lt 50 ]; do sleep 0.1; done
        open=$(connected)
        chrt -i -p 0 "$attacker"
        under=$(paced 4 4000 "$seconds" json)
        kill "$attacker" 2>/dev/null || true
        wait "$attacker" 2>/dev/null || true
        sleep 1
        echo "$mode $who $calm $ramp $under $open $(paced 4 4000 "$seconds" json)" >>attacks
}
: >attacks
for _ in 1 2 3 4 5; do
        for who in ewcd evhttp; do
                attack headers "$who" /v2/status -H
                attack body "$who" /v2/models/m/infer -B -s 8192 -t POST
                attack read "$who" /metrics -X -w 16 -y 64 -n 1 -z 16 -k 3
        done
done
awk '
        function median(v, k, n,   i, j, low) {
                for (i = 1; i <= n; i++) {
                        for (j = low = 1; j <= n; j++) low += v[k, j] < v[k, i] || (v[k, j] == v[k, i] && j < i)
                        if (low == int((n + 1) / 2)) return v[k, i]
                }
        }
        { k = $1 " " $2; i = ++n[k]; calm[k, i] = ($5 + $21) / 2; ramp[k, i] = $10; under[k, i] = $15
          bad[k] += $6 + $11 + $16 + $22; open[k] = $18; if (i == 1) order[++rows] = k }
        END {
                printf "%-8s %-7s %8s %8s %8s %6s %6s %6s\n", "mode", "server", "calm", "coming", "there",
                        "ratio", "open", "failed"
                for (r = 1; r <= rows; r++) {
                        k = order[r]
                        split(k, w, " ")
                        c = median(calm, k, n[k])
                        u = median(under, k, n[k])
                        ratio[k] = c > 0 ? u / c : 0
                        printf "%-8s %-7s %8.0f %8.0f %8.0f %6.2f %6d %6d\n", w[1], w[2], c,
                                median(ramp, k, n[k]), u, ratio[k], open[k], bad[k]
                }
                for (r = 1; r <= rows; r++) {
                        k = order[r]
                        split(k, w, " ")
                        e = w[1] " evhttp"
                        if (w[2] == "ewcd" && ratio[e] > 0)
                                printf "%-8s ratio of ewcd / ratio of evhttp: %.2f\n", w[1], ratio[k] / ratio[e]
                }
        }
' attacks
stop
