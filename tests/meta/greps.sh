#!/bin/sh
# greps.sh: words that belong to one place only (greps.rules), no notes to self, and the compiler watching for VLAs.

. "$(dirname "$0")/lib.sh"

check() {
        cd "$1" || return 1
        status=0
        work=$(mktemp -d)
        : >"$work/code"
        : >"$work/strings"
        # File names of this tree have no blanks; the shell splits the list on purpose.
        awk -f "$here/lex.awk" code="$work/code" strings="$work/strings" \
                $(find src include -type f \( -name '*.[ch]' -o -name '*.def' \) | sort)
        while IFS='	' read -r rule where pattern home; do
                case $rule in '#'* | '') continue ;; esac
                # The path is cut off before the search and put back after it, so that it cannot match itself.
                if sed 's/^\([^:]*:[0-9]*\): /\1\n/' "$work/$where" |
                        awk -v pattern="$(printf '%s' "$pattern" | sed 's/\\/\\\\/g')" \
                                -v home="^(${home:-none})\$" '
                                NR % 2 { at = $0; next }
                                $0 !~ pattern { next }
                                { path = at; sub(/:.*/, "", path) }
                                path !~ home { print at ": " $0 }' |
                        grep .; then
                        echo "  ^ $rule: allowed in ${home:-no file}"
                        status=1
                fi
        done <"$here/greps.rules"
        rm -rf "$work"
        # Spelled in halves, or this file would find itself.
        notes="TO""DO|FIX""ME|XX""X"
        if find . \( -name .git -o -type d -name 'build*' \) -prune -o -type f -print0 |
                xargs -0 grep -InwE "$notes"; then
                echo '  ^ notes to self'
                status=1
        fi
        for flag in -Werror=vla -Werror=alloca; do
                grep -q -- "'$flag'" meson.build || { echo "meson.build does not ask for $flag"; status=1; }
        done
        return $status
}

made_up_tree() {
        rm -rf "${scratch:?}"/*
        file meson.build "'-Werror=vla', '-Werror=alloca'"
        file include/ewc/net.h 'int ewc_time(int); /* exit() and time(NULL) in a comment */'
        file src/base/clock.c 'x = clock_gettime(CLOCK_MONOTONIC, &t);'
        file src/store/sqlite/model.c 'const char *q = "SELECT 1";'
        file src/daemon/main.c 'int main(void) { exit(1); }'
        file src/proto/json_x.c 'static json_t *x;'
        file src/super/spawn.c "char c = '\"'; /* exit(1)
 * \"SELECT x\" */ const char *s = \"time(NULL) \\\" rand()\"; on_exit(3); s.time(4); operand(2);"
}

# violation WHAT PATH TEXT
violation() {
        made_up_tree
        file "$2" "$3"
        expect fail "$1"
}

self_test() {
        made_up_tree
        expect pass 'a clean tree'
        violation 'a clock' src/server/http_conn.c 'clock_gettime(CLOCK_REALTIME, &t);'
        violation 'time()' src/server/http_conn.c 'now = time(NULL);'
        violation 'rand()' src/ewc/rng.c 'x = rand();'
        violation 'random()' src/ewc/rng.c '/* a */ x = random();'
        violation 'SQL in the daemon' src/super/jobs.c 'q("DELETE FROM job");'
        violation 'SQL spread over lines' src/store/store.c 'q("UPDATE job "
  /* why */ "   SET x = 1");'
        violation 'exit in a library' src/daemon/app.c 'if (bad) exit(1);'
        violation 'alloca' src/base/mem.c 'p = alloca(3);'
        violation 'json_t outside of proto' src/server/reply.c 'json_t *x;'
        violation 'a note in a text' README.md "a TO""DO list"
        violation 'a note in a script' tests/x.sh "# FIX""ME"
        violation 'a note in a build file' src/meson.build "# XX""X"
        violation 'no warning about VLAs' meson.build "'-Werror=alloca'"
}

main "$@"
