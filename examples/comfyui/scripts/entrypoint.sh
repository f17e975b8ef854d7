#!/bin/bash
# Starts ComfyUI if it is at /root/ComfyUI, as a volume or from an image on top of this one; else says what is here.
set -euo pipefail
if [ -f /root/ComfyUI/main.py ]; then
    cd /root/ComfyUI
    exec python3 main.py --listen --port 8188 "$@"
fi
echo "There is no ComfyUI at /root/ComfyUI: mount a checkout of it there. These are the libraries for it:"
exec python3 /scripts/versions.py
