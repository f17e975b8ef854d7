"""Completion in the shells themselves: type the start of a word and the tab key, and run the command."""

import os
import pty
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.real.programs import needs

HELLO = Path(__file__).parents[2] / "examples" / "hello"
PROGRAM = f"#!{sys.executable}\nimport sys\nsys.path[:] = {sys.path!r}\nfrom lamella.cli.main import main\nmain()\n"
SHELLS = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(lamella completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(lamella completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "lamella completion fish | source"),
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder of a spec; beside it a folder with lamella."""
    shutil.copytree(HELLO, tmp_path / "hello")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "lamella"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return tmp_path / "hello"


class Typist:
    """A user at a terminal in which a shell runs."""

    def __init__(self, terminal: int, work: Path) -> None:
        self._terminal = terminal
        self._work = work
        self.seen = b""

    def read(self) -> None:
        """Return everything that is shown until the shell ends."""
        try:
            while block := os.read(self._terminal, 1 << 16):
                self.seen += block
        except OSError:
            return

    def types(self, line: str, then: str) -> None:
        """Type `line` and enter, and wait for the file `then` that this should create."""
        os.write(self._terminal, line.encode() + b"\r")
        end = time.monotonic() + 30
        while not (self._work / then).exists():
            assert time.monotonic() < end, self.seen.decode(errors="replace")
            time.sleep(0.02)


@contextmanager
def terminal_with(shell: str, work: Path) -> Iterator[Typist]:
    path = f"{work.parent / 'bin'}:{os.environ['PATH']}"
    told = {"PATH": path, "HOME": str(work.parent), "LAMELLA_CACHE": str(work.parent / "cache"), "TERM": "xterm"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(work)
        os.execvpe(SHELLS[shell][0][0], SHELLS[shell][0], {**os.environ, **told})
    typist = Typist(terminal, work)
    reader = threading.Thread(target=typist.read)
    reader.start()
    try:
        yield typist
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        reader.join()
        os.close(terminal)


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_the_shell_completes_commands_options_layers_and_files(shell: str, work: Path) -> None:
    needs(shell)
    with terminal_with(shell, work) as typist:
        typist.types(f"{SHELLS[shell][1]}; touch ready", "ready")
        typist.types("lamella buil\tlayer da\t--outp\tother.json", "other.json")
        typist.types("lamella copy oth\toci-archive:out.tar", "out.tar")
