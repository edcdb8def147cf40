#!/bin/sh
# Installs the Debian packages named after it that are not there yet; asks sudo when not root. Says what it does.
set -eu
missing=
for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
if [ -z "$missing" ]; then
        echo "packages: all there"
        exit 0
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
        sudo=sudo
fi
echo "packages: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
