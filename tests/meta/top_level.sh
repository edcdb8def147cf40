#!/bin/sh
# top_level.sh: the top level holds the agreed entries and nothing else.
#
# In a work tree git says what belongs to the project; in a plain export, or before the first commit, the directory
# does, apart from build directories.

. "$(dirname "$0")/lib.sh"

allowed='.ci .clang-format .gitignore LICENSE README.md etc include meson.build meson_options.txt migrations packaging
        src tests'
allowed=$(echo $allowed)

entries() {
        listed=
        if [ -e "$1/.git" ]; then
                listed=$(git -c safe.directory='*' -C "$1" ls-files 2>/dev/null | sed 's|/.*||' | sort -u) || listed=
        fi
        if [ -z "$listed" ]; then
                listed=$(ls -A "$1" | grep -v -e '^\.git$' -e '^build')
        fi
        printf '%s\n' "$listed"
}

check() {
        status=0
        found=$(entries "$1")
        for entry in $found; do
                case " $allowed " in
                *" $entry "*) continue ;;
                esac
                echo "not an entry of the top level: $entry"
                status=1
        done
        for entry in $allowed; do
                printf '%s\n' "$found" | grep -qxF "$entry" || { echo "missing at the top level: $entry"; status=1; }
        done
        return $status
}

made_up_tree() {
        rm -rf "$scratch" && mkdir "$scratch"
        for entry in $allowed; do
                file "$entry/x" x
        done
        mkdir -p "$scratch/build" "$scratch/build-asan"
}

self_test() {
        made_up_tree
        expect pass 'a clean export'
        file notes.txt x
        expect fail 'a stray file in an export'
        made_up_tree
        rm -r "${scratch:?}/etc"
        expect fail 'a missing entry'
        command -v git >/dev/null || return 0
        made_up_tree
        git init -q "$scratch" && expect pass 'a work tree before the first commit'
        git -C "$scratch" add . && file notes.txt x && expect pass 'a stray file git does not know'
        git -C "$scratch" add . && expect fail 'a stray file of the project'
}

main "$@"
