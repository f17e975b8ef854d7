"""`make pictures`: plays the README's session, and draws what a terminal and a browser show into docs/pictures."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tools.recording.drawing import draw
from tools.recording.terminal import record

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
PLACE = "localhost:5000"
SERVER = """\
listen = "127.0.0.1:5000"
writable = true

[access]
anonymous = ["*"]
"""
COMMANDS = (
    f"lamella push . {PLACE}/ui:v1",
    "echo humanize >>pak5.txt; lamella lock",
    "lamella plan",
    f"lamella push . {PLACE}/ui:v2",
    f"lamella explain '09 pak5' docker://{PLACE}/ui:v2 --since docker://{PLACE}/ui:v1",
    f"lamella explain mdurl docker://{PLACE}/ui:v2",
)


def main() -> None:
    work = Path(tempfile.mkdtemp())
    image = work / "comfyui-cpu"
    shutil.copytree(ROOT / "examples" / "comfyui-cpu", image)
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")} | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
        "LAMELLA_CACHE": str(work / "cache"),
    }
    (work / "server.toml").write_text(SERVER)
    serve = ["lamella", "serve", "--config", "server.toml", "--bucket", "bucket"]
    server = subprocess.Popen(serve, cwd=work, env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        assert server.stderr.readline().startswith("serving at")
        threading.Thread(target=server.stderr.read, daemon=True).start()
        subprocess.run(["lamella", "lock", "-q"], cwd=image, env=env, check=True)
        frames = record(COMMANDS, image, env)
        browse(f"http://{PLACE}/images/ui/-/v2", work)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(work)
    (PICTURES / "terminal.svg").write_text(draw("an image is pushed, one dependency is added, one layer moves", frames))


def browse(address: str, work: Path) -> None:
    """Take a screenshot of a browser at `address`."""
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    browser = ["chromium-headless-shell", "--headless", "--no-sandbox", "--disable-gpu", *quiet]
    seen = [
        "--hide-scrollbars",
        "--window-size=1100,1320",
        f"--screenshot={PICTURES / 'page.png'}",
        f"--user-data-dir={work / 'browser'}",
    ]
    subprocess.run([*browser, *seen, address], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
