#!/bin/sh
# Runs the README's sh blocks as printed, in order, against a real daemon. Fails when a command fails or an answer is
# an error that the README does not show on purpose.
#   readme.sh SOURCE_ROOT BUILD_ROOT
set -eu
source=$1 build=$2
dir=$(mktemp -d)
cd "$dir"
mkdir -p build/quickstart/run
for program in ewcd ewcctl ewcd-learner; do ln -s "$build/$program" "build/quickstart/$program"; done
: >ewcd.log
"$build/ewcd" --state-dir state --socket build/quickstart/run/ewcd.sock 2>>ewcd.log &
daemon=$!
trap 'kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; rm -rf "$dir"' EXIT
until grep -q 'ready: unix' ewcd.log; do kill -0 "$daemon" || { cat ewcd.log; exit 1; }; done

awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$source/README.md" >commands
grep -q 'consolidate scene' commands || { echo 'no commands found in README.md'; exit 1; }
(set -e; . ./commands) >output 2>&1 || { cat output; exit 1; }
cat output

refused=$(grep -c '"type":"urn:ewcd:problem' output || true)
[ "$refused" = 2 ] || { echo "expected the README's two refusals, found $refused"; exit 1; }
for shown in '"state":"promoted"' '"label":"left"' '"accepted":120' 'now serves version 1' 'unknown-model'; do
        grep -qF "$shown" output || { echo "missing in the answers: $shown"; exit 1; }
done
