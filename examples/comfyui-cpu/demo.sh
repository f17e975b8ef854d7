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

bold= plain=
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
say() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"; "$@"; }
note() { printf '\n(%s)\n' "$*"; }

note "the exact packages are chosen once, and written down for every machine"
say lamella lock
note "each wheel and deb is streamed into its layer, and each layer to the registry"
say lamella push . "$name:v1"
note "pak5.txt requires one more package"
echo humanize >>pak5.txt
say lamella lock
say lamella push . "$name:v2"
note "the same from an empty machine: the registry knows the layers, and no package is downloaded"
rm -rf "$LAMELLA_CACHE"
say lamella push . "$name:v3" --cache-from "$name:v2"
say lamella diff "docker://$name:v1" "docker://$name:v2"
if [ "$(id -u)" = 0 ] || unshare --user --map-root-user --mount true 2>/dev/null; then
    note "inside, without a container runtime"
    say lamella shell . -- python3 /scripts/main.py --once
fi
