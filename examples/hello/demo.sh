#!/bin/sh
# Builds this example, changes one file, builds again: one layer is new.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$(dirname "$0")/." "$work/hello"
export LAMELLA_CACHE="$work/cache"
cd "$work/hello"

bold= plain=
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
say() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"; "$@"; }

say lamella build
cp image.json before.json
echo "# a change" >>app/hello.sh
printf '\n(one file changed: app/hello.sh)\n'
say lamella plan
say lamella build
say lamella diff before.json image.json
say lamella explain app --since before.json
say lamella copy image.json oci:hello
say lamella validate oci:hello
