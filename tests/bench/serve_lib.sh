# serve_lib.sh: what serve.sh and learn_serve.sh share: the build, daemons and their clients. Sourced; $root is set.
LC_ALL=C
export LC_ALL OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
here=$root/tests/bench
ulimit -n 4096 2>/dev/null || true

prepare() { # BUILD_DIR TARGETS...: builds, and goes into a directory of its own
        build=${1:-$root/build/bench} && shift
        # shellcheck disable=SC2046
        sh "$root/packaging/packages.sh" $(cat "$root/packaging/build-depends" "$root/packaging/test-depends") \
                curl python3-numpy wrk
        [ -f "$build/build.ninja" ] || meson setup "$build" "$root" -Dbuildtype=release >/dev/null
        ninja -C "$build" ewcd ewcd-learner ewcctl tests/bench/paced "$@" | tail -n 1
        build=$(cd "$build" && pwd)
        run=$(mktemp -d)
        cd "$run"
        server='' servers=''
        trap 'stop; rm -rf "$run"' EXIT
        trap 'exit 1' INT TERM
        make_bodies
}
stop() { # all that was started
        for pid in $servers $server; do
                kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
        done
        server='' servers=''
}
on_core() { # CORE COMMAND...; CORE may be "any"
        core=$1 && shift
        if [ "$core" != any ] && [ "$(nproc)" -gt 1 ]; then exec taskset -c "$core" "$@"; else exec "$@"; fi
}
free_port() {
        /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
make_bodies() { # one row of 784 pixels, as JSON and as the protocol's binary form
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
}
start_ewcd() { # [NAME] [CORE]: with NAME.conf, in NAME.state, on NAME.sock and $port; CORE: 0 or any
        name=${1:-ewcd}
        [ -f "$name.conf" ] || : >"$name.conf"
        rm -f log
        mkfifo log
        (on_core "${2:-0}" "$build/ewcd" --config "$name.conf" --state-dir "$name.state" --socket "$name.sock" \
                --listen 127.0.0.1:0) 2>log &
        server=$!
        exec 3<log
        port=
        while [ -z "$port" ] && read -r line <&3; do
                case $line in *'ready: http://'*) port=${line##*:} ;; esac
        done
        cat <&3 >"$name.log" &
        [ -n "$port" ] || { echo "ewcd did not start" && exit 1; }
        EWCD_SOCKET=$run/$name.sock
        export EWCD_SOCKET
}
url() { echo "http://127.0.0.1:$port/v2/models/m/infer"; }
form() { # json|binary: for wrk and paced
        case $1 in
        json) SERVE_TYPE=application/json SERVE_JSON_BYTES= ;;
        binary) SERVE_TYPE=application/octet-stream SERVE_JSON_BYTES=$(cat binary.head) ;;
        esac
        SERVE_BODY=$run/$1.body
        export SERVE_TYPE SERVE_BODY
        if [ -n "$SERVE_JSON_BYTES" ]; then export SERVE_JSON_BYTES; else unset SERVE_JSON_BYTES; fi
}
load() { # CLIENTS SECONDS json|binary: req/s p50 p99 errors, each client as fast as it gets answers
        form "$3"
        (on_core 1 wrk -t1 -c"$1" -d"$2" --timeout 10 -s "$here/serve.lua" "$(url)") | sed -n 's/^RESULT //p'
}
paced() { # CLIENTS RATE SECONDS json|binary [-t]: req/s p50 p99 errors p99-from-the-send [parts]; see paced.c
        form "$4"
        # shellcheck disable=SC2086
        (on_core 1 "$build/tests/bench/paced" -c "$1" -r "$2" -d "$3" ${5:-} "$port" /v2/models/m/infer \
                "$SERVE_BODY" "$SERVE_TYPE" ${SERVE_JSON_BYTES:-}) | sed -n 's/^RESULT //p'
}
dense() { printf '{"type":"dense","units":%d,"activation":"relu"}' "$1"; }
create() { # NAME LAYERS LEARNING [SHAPE]
        "$build/ewcctl" model create - >/dev/null <<END
{"name":"$1","input":{"name":"input","shape":${4:-[784]}},"classes":["0","1","2","3","4","5","6","7","8","9"],
 "scenario":"domain","task":"a","layers":[$2],"learning":{$3"trigger":{"min_feedback":0}}}
END
}
