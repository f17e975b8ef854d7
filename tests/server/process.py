"""`lamella serve` as a process of its own on loopback, which can be killed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

EVERYTHING = '[access]\nanonymous = ["pull", "push", "delete", "build"]\n'
_COMMAND = [sys.executable, "-c", "from lamella.cli.main import main; main()", "serve"]


@dataclass
class Process:
    """A server. It has a bucket in `folder` unless its settings say otherwise, and writes its log there."""

    folder: Path
    settings: str
    environment: dict[str, str] = field(repr=False)
    host: str = ""

    @property
    def log(self) -> str:
        """What it has said since it was made."""
        return (self.folder / "log").read_text()

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def peak(self) -> int:
        """The most memory that it ever had, in bytes."""
        told = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert told
        return int(told[1]) << 10

    def start(self) -> None:
        """Starts it, at the same port as before."""
        said = len(self.log) if (self.folder / "log").exists() else 0
        (self.folder / "serve.toml").write_text(f'listen = "{self.host or "127.0.0.1:0"}"\n{self.settings}')
        with (self.folder / "log").open("ab") as log:
            command = [*_COMMAND, "--config", "serve.toml"]
            self._running = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=log)
        while not (told := re.search("serving at https?://([^,]+),", self.log[said:])):
            assert self._running.poll() is None, self.log
            time.sleep(0.02)
        self.host = told[1]

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()

    def stop(self) -> None:
        """Lets it end what it is doing."""
        self._running.terminate()
        self._running.wait()


@contextlib.contextmanager
def served(folder: Path, settings: str = "", bucket: object = "", **environment: str) -> Iterator[Process]:
    """A running server into which anybody may push; `settings` are added to those that say so."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = f'writable = true\nbucket = "{bucket or folder / "bucket"}"\nstop_seconds = 2\n'
    access = "" if "[access]" in settings else EVERYTHING
    known = {**os.environ, "HOME": str(folder), "LAMELLA_CACHE": str(folder / "cache"), **environment}
    process = Process(folder, f"{usual}{settings}\n{access}", known)
    process.start()
    try:
        yield process
    finally:
        process.kill()
