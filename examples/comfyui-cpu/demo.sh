#!/bin/sh
# Locks this image, pushes it to a registry in memory, changes one dependency and pushes again: one layer moves.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill "$registry" 2>/dev/null || true; rm -rf "$work"' EXIT
cp -R "$here" "$work/comfyui-cpu"
export LAMELLA_CACHE="$work/cache"
python "$here/../registry.py" "$work/name" &
registry=$!
cd "$work/comfyui-cpu"
while [ ! -s "$work/name" ]; do sleep 0.1; done
name="$(cat "$work/name")/comfyui-cpu"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }
note() { printf '\n(%s)\n' "$*"; }

note "which packages these are is decided once, and written down for every machine"
say lamella lock
note "each wheel and each deb goes straight into its layer, and that straight to the registry"
say lamella push . "$name:v1"
note "pak5.txt asks for one package more"
echo humanize >>pak5.txt
say lamella lock
say lamella push . "$name:v2"
note "the same from an empty machine: the registry knows the layers, and not one file is fetched"
rm -rf "$LAMELLA_CACHE"
say lamella push . "$name:v3" --cache-from "$name:v2"
say lamella diff "docker://$name:v1" "docker://$name:v2"
if [ "$(id -u)" = 0 ] || unshare --user --map-root-user --mount true 2>/dev/null; then
    note "inside, without a container runtime"
    say lamella shell . -- python3 /scripts/main.py --once
fi
