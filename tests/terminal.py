"""A program in a terminal, as a user sees it."""

import fcntl
import os
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pyte

MAIN = "from lamella.cli.main import main; main()"


class Terminal:
    """A program in a terminal of that width, and all that it has shown."""

    def __init__(self, width: int, folder: Path, *command: str, **more: str) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        env = {**os.environ, "TERM": "xterm", "LAMELLA_CACHE": str(folder / "cache"), **more}
        env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", *command],
            cwd=folder,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.shown = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while block := os.read(self._ours, 1 << 16):
                self.shown += block.decode(errors="replace")
        except OSError:
            return

    def wait_for(self, words: str) -> None:
        end = time.monotonic() + 30
        while words not in self.shown:
            assert time.monotonic() < end, self.shown
            time.sleep(0.01)

    def screen(self, width: int) -> str:
        """What is to be seen on it in the end."""
        screen = pyte.Screen(width, 24)
        pyte.Stream(screen).feed(self.shown)
        return "\n".join(screen.display)

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def resize(self, width: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def ended(self) -> int:
        """The exit code."""
        code = self.process.wait(60)
        self._reader.join()
        os.close(self._ours)
        return code
