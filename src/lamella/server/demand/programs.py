"""Programs that builds run: with a time limit, with output that is read line by line, and ended with the build.

They stay in the process group of their worker, so they end with it when it is killed.
"""

import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence

from lamella.server.demand.errors import DemandError

OnLine = Callable[[str], None]
_LINES = 20


class ProgramError(DemandError):
    """A program that builds an image, or downloads what it is made of, failed."""


def silent(_: str) -> None:
    """Ignore the line."""


def run(command: Sequence[str], seconds: float, log: OnLine = silent) -> str:
    """Return a program's stdout; `log` gets each line of its stderr, and ends the program if it raises."""
    said: deque[str] = deque(maxlen=_LINES)
    late = threading.Event()
    with tempfile.TemporaryFile("w+") as out:
        with _started(command, out.fileno()) as running:

            def stop() -> None:
                late.set()
                running.terminate()

            timer = threading.Timer(seconds, stop)
            timer.start()
            try:
                _listen(running, said, log)
            except BaseException:
                running.terminate()
                raise
            finally:
                timer.cancel()
        if late.is_set():
            why = f"it took longer than {seconds:g} seconds and was stopped"
            raise ProgramError(why, [*said, f"error: {why}"])
        if running.returncode:
            raise ProgramError(said[-1] if said else "it printed no error", said)
        out.seek(0)
        return out.read()


def _started(command: Sequence[str], out: int) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            errors="replace",
            umask=0o022,  # so that what it writes is the same on every machine
        )
    except OSError as error:
        raise DemandError(f"cannot run {command[0]}: {error.strerror}; is it installed on this server?") from error


def _listen(running: subprocess.Popen[str], said: deque[str], log: OnLine) -> None:
    assert running.stderr
    for line in running.stderr:
        text = line.rstrip()
        if text:
            said.append(text)
            log(text)
    running.wait()
