#!/bin/sh
# style.sh: what a reader can take in at once: no line over 118 columns (build files 120), no source over 600 lines,
# no header over 210. Migrations are left out: databases hold their digests, so that not even a comment may change.

. "$(dirname "$0")/lib.sh"

check() {
        cd "$1" || return 1
        status=0
        # File names of this tree have no blanks; the shell splits the list on purpose. Bytes that continue a UTF-8
        # character take no column.
        awk '
                FNR == 1 {
                        wide = FILENAME ~ /meson\.build$/ ? 120 : 118
                        long = FILENAME ~ /\.c$/ ? 600 : FILENAME ~ /\.h$/ ? 210 : 0
                }
                { line = $0; gsub(/[\200-\277]/, "", line) }
                length(line) > wide { print FILENAME ":" FNR ": " length(line) " columns, more than " wide; bad = 1 }
                long && FNR == long + 1 { print FILENAME ": more than " long " lines"; bad = 1 }
                END { exit bad }' \
                $(find src include tests -type f \( -name '*.[ch]' -o -name '*.def' -o -name '*.sh' \
                        -o -name '*.sql' -o -name meson.build \) 2>/dev/null | sort) meson.build || status=1
        return $status
}

# text N: N characters, no line end
text() { printf "%${1}s" '' | tr ' ' x; }

# lines N: N lines
lines() { awk -v n="$1" 'BEGIN { while (--n > 0) print "x"; printf "x" }'; }

# try WANTED PATH TEXT WHAT
try() {
        rm -rf "${scratch:?}"/*
        file meson.build "project('x')"
        file src/base/a.c 'int a;'
        file "$2" "$3"
        expect "$1" "$4"
}

self_test() {
        try pass src/base/b.c "$(text 118)" 'a line of 118 columns'
        try fail src/base/b.c "$(text 119)" 'a line of 119 columns'
        try pass src/base/b.c "$(text 117)é" 'a character of two bytes as the last column'
        try fail src/base/b.c "$(text 118)é" 'a character of two bytes past the last column'
        try pass src/x/meson.build "$(text 120)" 'a build file of 120 columns'
        try fail src/x/meson.build "$(text 121)" 'a build file of 121 columns'
        for path in include/ewc/a.h src/a/a.def tests/x.sh src/a/a.sql; do
                try fail "$path" "$(text 119)" "a long line in $path"
        done
        try pass src/base/b.c "$(lines 600)" 'a source of 600 lines'
        try fail src/base/b.c "$(lines 601)" 'a source of 601 lines'
        try pass include/ewc/b.h "$(lines 210)" 'a header of 210 lines'
        try fail include/ewc/b.h "$(lines 211)" 'a header of 211 lines'
        try pass src/a/b.def "$(lines 900)" 'a table of 900 lines'
}

main "$@"
