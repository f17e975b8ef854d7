"""`lamella serve` as a process, as a user starts it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_COMMAND = "from lamella.cli.main import main; main()"
_WITH_WORKER = f"""\
import ast, sys
from lamella.cli import serve
serve._WORKER = ast.literal_eval(sys.argv.pop(1))
{_COMMAND}
"""
_IMPATIENT = "from lamella.cache import jobs; jobs.SILENCE, jobs.BEAT = 3.0, 0.5\n"
_ADDRESS = re.compile(r"serving at (\S+?),? ")

WRITABLE = "writable = true\n"
OPEN = '[access]\nanonymous = ["*"]\n'
"""Settings with which anybody may do anything."""


@dataclass
class Served:
    """A server that runs."""

    process: "subprocess.Popen[str]"
    url: str
    said: list[str]

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]

    @property
    def log(self) -> str:
        """What it has said."""
        return "".join(self.said)

    @property
    def peak(self) -> int:
        """The most memory that it ever had, in bytes."""
        told = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert told
        return int(told[1]) << 10

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Ends it; gives its exit code."""
        self.process.send_signal(how)
        return self.process.wait(60)


@contextlib.contextmanager
def served(
    folder: Path,
    *arguments: object,
    config: str = "",
    environment: Mapping[str, str] | None = None,
    worker: Sequence[str] = (),
    impatient: bool = False,
) -> Iterator[Served]:
    """A server whose cache and bucket are in `folder`, on a port of its own; `worker` builds instead of ours.

    One that is `impatient` takes others for dead after three seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [] if not config else ["--config", str(folder / "server.toml")]
    (folder / "server.toml").write_text(config)
    script = [_WITH_WORKER, repr(tuple(worker))] if worker else [_COMMAND]
    script[0] = (_IMPATIENT if impatient else "") + script[0]
    command = [sys.executable, "-c", *script, "serve", "--listen", "127.0.0.1:0"]
    bucket = [] if "--bucket" in arguments else ["--bucket", str(folder / "bucket")]
    given = {**os.environ, "LAMELLA_CACHE": str(folder / "cache"), **(environment or {})}
    process = subprocess.Popen(
        [*command, *bucket, *written, *map(str, arguments)], stderr=subprocess.PIPE, text=True, env=given
    )
    said: list[str] = []
    assert process.stderr
    with process.stderr as stream:
        for line in stream:
            said.append(line)
            match = _ADDRESS.search(line)
            if match:
                break
        else:
            process.wait()
            raise AssertionError("".join(said))
        reader = threading.Thread(target=lambda: said.extend(stream))
        reader.start()
        try:
            yield Served(process, match[1], said)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join()
