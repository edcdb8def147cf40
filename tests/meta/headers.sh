#!/bin/sh
# headers.sh: each header compiles alone, twice in a row, without a warning.
#
# usage: headers.sh ROOT [DIRECTORY OF GENERATED HEADERS]; CC names the compiler

. "$(dirname "$0")/lib.sh"

check() {
        root=$1 generated=${2:-$1/src}
        jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
        export root generated
        # The compiler's own output names the header; a failing one makes xargs fail.
        (cd "$root" && find src include -name '*.h' | sort) | xargs -P "$jobs" -I '{}' sh -c '
                name=${1#src/}
                name=${name#include/}
                printf "#include \"%s\"\n#include \"%s\"\n" "$name" "$name" |
                        ${CC:-cc} -fsyntax-only -std=c11 -D_GNU_SOURCE \
                                -Wall -Wextra -Wpedantic -Werror -fmax-errors=3 \
                                -I "$root/src" -I "$root/include" -I "$generated" -x c -' sh '{}'
}

self_test() {
        file include/ewc/ewc.h '#pragma once
#include <stddef.h>
struct ewc { size_t n; };'
        file src/base/a.h '#pragma once
#include "base/b.h"
struct a { struct b b; };'
        file src/base/b.h '#pragma once
struct b { int x; };'
        expect pass 'clean headers'
        file src/base/c.h '#pragma once
struct c { size_t n; };'
        expect fail 'a header that misses an include'
        file src/base/c.h 'struct c { int n; };'
        expect fail 'a header without a guard'
        rm "$scratch/src/base/c.h"
        file include/ewc/net.h '#pragma once
static inline int less(int a, unsigned b) { return a < b; }'
        expect fail 'a header with a warning'
}

main "$@"
