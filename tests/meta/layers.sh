#!/bin/sh
# layers.sh: no room includes what its .may_include does not name, and the public library includes only itself.

. "$(dirname "$0")/lib.sh"

check() {
        cd "$1" || return 1
        status=0
        for dir in src/*/; do
                room=$(basename "$dir")
                sources=$(find "src/$room" -type f \( -name '*.[ch]' -o -name '*.def' \) | sort)
                [ -n "$sources" ] || continue
                if [ ! -f "src/$room/.may_include" ]; then
                        echo "src/$room has no .may_include"
                        status=1
                        continue
                fi
                # File names of this tree have no blanks; the shell splits the list on purpose.
                awk -f "$here/layers.awk" room="$room" rules="src/$room/.may_include" $sources || status=1
        done
        public=$(find include/ewc -name '*.h' | sort)
        siblings=$(mktemp)
        for header in $public; do
                echo "$(basename "$header")"
                echo "<ewc/$(basename "$header")>"
        done >"$siblings"
        awk -f "$here/layers.awk" room=none rules="$siblings" $public /dev/null || status=1
        rm -f "$siblings"
        return $status
}

made_up_tree() {
        rm -rf "${scratch:?}"/*
        file include/ewc/net.h '#include <stddef.h>'
        file include/ewc/train.h '#include "net.h"'
        file src/base/.may_include 'base/*.h   # own
digest.c: <openssl/evp.h>'
        file src/base/a.c '#include "base/a.h"
#  include <sys/stat.h>'
        file src/base/a.h '#include <stdint.h>'
        file src/base/digest.c '#include <openssl/evp.h> /* why */'
        file src/store/.may_include 'store/*.h
sqlite/*: store/sqlite/*.h
sqlite/*: <sqlite3.h>'
        file src/store/sqlite/open.c '#include "store/store.h"
#include <sqlite3.h>
#include "store/sqlite/stmt.h"'
        mkdir -p "$scratch/src/empty"
}

self_test() {
        made_up_tree
        expect pass 'a clean tree'
        file src/base/b.c '#include "loop/loop.h"'
        expect fail 'a header of a higher room'
        made_up_tree
        file src/base/a.c '#include <openssl/evp.h>'
        expect fail 'a narrowed header in another file'
        made_up_tree
        file src/store/queue.c '#include "store/sqlite/stmt.h"'
        expect fail 'a star crossing a slash'
        made_up_tree
        file src/store/queue.c '#include "queue.h"'
        expect fail 'a header without its room'
        made_up_tree
        file src/base/a.h '#include HEADER'
        expect fail 'an include by macro'
        made_up_tree
        file src/base/b.c '#include "basexa.h"'
        expect fail 'a glob read as a pattern'
        made_up_tree
        rm "$scratch/src/store/.may_include"
        expect fail 'a room without rules'
        made_up_tree
        file include/ewc/net.h '#include "base/err.h"'
        expect fail 'the public library using a room'
        made_up_tree
        file include/ewc/net.h '#include <cblas.h>'
        expect fail 'the public library using a third party'
}

main "$@"
