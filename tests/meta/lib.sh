# shellcheck shell=sh
# lib.sh: what the scripts of this directory share. Each defines check ROOT, which prints one line per violation and
# fails if there was any, and self_test, which runs check on made-up trees below $scratch.
#
# usage of every script:  NAME.sh ROOT …  |  NAME.sh --self-test

set -eu
LC_ALL=C
export LC_ALL

here=$(cd "$(dirname "$0")" && pwd)

# file PATH TEXT: a file of the made-up tree
file() {
        mkdir -p "$(dirname "$scratch/$1")"
        printf '%s\n' "$2" >"$scratch/$1"
}

# expect pass|fail WHAT [ARGUMENTS OF check]: runs check on the made-up tree, or on the arguments
expect() {
        wanted=$1 what=$2
        shift 2
        [ $# -gt 0 ] || set -- "$scratch"
        if (check "$@") >"$scratch.out" 2>&1; then got=pass; else got=fail; fi
        [ "$got" = "$wanted" ] && return 0
        echo "self-test: $what: should $wanted, did $got" >&2
        cat "$scratch.out" >&2
        failed=1
}

main() {
        if [ "${1:-}" != --self-test ]; then
                check "$@"
                return
        fi
        failed=0
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch" "$scratch.out"' EXIT
        self_test
        return $failed
}
