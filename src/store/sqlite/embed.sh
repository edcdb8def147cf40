#!/bin/sh
# embed.sh OUTPUT SQL...: the migrations as a C array, in the order given. Names are NNNN_word.sql and count from
# 0001.
set -eu
out=$1
shift
n=0
rows=
{
        echo '/* Made by embed.sh from migrations/. */'
        for f in "$@"; do
                n=$((n + 1))
                base=$(basename "$f" .sql)
                case $base in
                "$(printf '%04d' $n)"_*) ;;
                *) echo "embed.sh: $f: expected number $n" >&2; exit 1 ;;
                esac
                echo "static const unsigned char sql_$n[] = {"
                od -An -v -tu1 "$f" | sed 's/  */,/g; s/^,//; s/$/,/'
                echo '0};'
                rows="$rows{$n, \"$base\", (const char *)sql_$n},
"
        done
        printf 'const struct migration migrations[] = {\n%s};\n' "$rows"
        echo 'const size_t n_migrations = sizeof(migrations) / sizeof(migrations[0]);'
} >"$out.tmp"
mv "$out.tmp" "$out"
