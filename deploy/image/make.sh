#!/bin/sh
# Builds the image of lamella: the wheel of this checkout, on top of the packages in lamella.lock.
# Arguments are passed to `lamella build`: `--platform linux/amd64 --to oci:out`.
set -eu
cd "$(dirname "$0")"
rm -rf made
mkdir -p made/state
uv build --quiet --wheel --out-dir made/dist ../..
python3 -m zipfile -e made/dist/lamella-*.whl made/wheel
lamella build . "$@"
