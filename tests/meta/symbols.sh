#!/bin/sh
# symbols.sh: libewc has no writable data: no global, no static and no thread-local variable.
#
# usage: symbols.sh LIBRARY; NM names the tool. Judged by section, since constant tables of pointers lie in
# .data.rel.ro, which the loader writes once and then protects, and nm's letter for them is that of writable data.

. "$(dirname "$0")/lib.sh"

check() {
        table=$(${NM:-nm} --format=sysv "$1")
        [ -n "$table" ] || { echo "$1 has no symbols"; return 1; }
        printf '%s\n' "$table" | awk -F '|' '
                NF >= 7 {
                        n++
                        gsub(/ /, "", $7)
                        if ($7 ~ /^\.data\.rel\.ro/)
                                next
                        if ($7 ~ /^\.(data|bss|tdata|tbss|sdata|sbss)/ || $7 ~ /COM/) {
                                print "writable: " $1 " in " $7
                                bad = 1
                        }
                }
                END { if (!n) print "no symbol table was read"; exit bad || !n }'
}

compiled() {
        file lib.c "$1"
        ${CC:-cc} -O1 -fPIE -ffunction-sections "${2:--fno-common}" -c "$scratch/lib.c" -o "$scratch/lib.o"
}

self_test() {
        compiled 'static const char *const names[] = {"a", "b"};
const char *name(int i); const char *name(int i) { return names[i]; }'
        expect pass 'constant tables' "$scratch/lib.o"
        for variable in 'int x;' 'int x = 3;' '_Thread_local int x;' '_Thread_local int x = 3;'; do
                compiled "$variable"
                expect fail "$variable" "$scratch/lib.o"
        done
        compiled 'int next(void); int next(void) { static int n; return ++n; }'
        expect fail 'a static local' "$scratch/lib.o"
        compiled 'int x;' -fcommon
        expect fail 'a common symbol' "$scratch/lib.o"
        compiled 'static const char *names[] = {"a", "b"};
const char **name(int i); const char **name(int i) { return names + i; }'
        expect fail 'a table that forgot its second const' "$scratch/lib.o"
}

main "$@"
