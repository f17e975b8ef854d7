#!/bin/sh
# Locks this image, pushes it to a server of its own, changes one dependency and pushes again: one layer moves.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null && wait "$server" || true; rm -rf "$work"' EXIT
cp -R "$here" "$work/comfyui-cpu"
export LAMELLA_CACHE="$work/cache"
printf 'listen = "127.0.0.1:0"\nbucket = "%s/bucket"\nwritable = true\n[access]\nanonymous = ["*"]\n' "$work" >"$work/server.toml"
lamella serve --config "$work/server.toml" >"$work/serving" 2>&1 &
server=$!
cd "$work/comfyui-cpu"
while ! grep -qs '^serving at' "$work/serving"; do kill -0 "$server" || { cat "$work/serving"; exit 1; }; sleep 0.1; done
name="$(sed -n 's|^serving at http://\([^,]*\),.*|\1|p' "$work/serving")/comfyui-cpu"

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
