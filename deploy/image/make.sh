#!/bin/sh
# Builds the image of lamella: the wheel of this checkout, on the packages that lamella.lock names.
# What is told to this script is told to `lamella build`: `--platform linux/amd64 --to oci:out`.
set -eu
cd "$(dirname "$0")"
rm -rf made
mkdir -p made/state
uv build --quiet --wheel --out-dir made/dist ../..
python3 -m zipfile -e made/dist/lamella-*.whl made/wheel
lamella build . "$@"
