"""What a daemon is: a store of images that belongs to a program which runs them, with its own way in and out.

docker       its engine's API; layers that it already has are left out of the archive (`docker`)
podman       pulls from a registry that exists only for that pull (`podman`)
containerd   `ctr images import`, of an archive without the layers that it already has (`containerd`)
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from lamella.destinations.destination import DestinationError
from lamella.destinations.publish import Sent
from lamella.oci.image import Image, Progress


class Daemon(Protocol):
    @property
    def archive(self) -> str:
        """The kind of archive that `save` writes, as spelled in places."""

    def load(self, image: Image, name: str, progress: Progress, /) -> tuple[Sent, ...]:
        """Load `image` as `name`, as in `app:1.0`; return what became of each layer."""

    def save(self, name: str, out: IO[bytes], /) -> None:
        """Write the image `name` as an archive."""


_SILENT = ("failed to dial", "Cannot connect", "connection refused")
"""What the clients of daemons say if no daemon answers."""


@dataclass(frozen=True)
class Program:
    """A program that talks to a daemon, and the first words of its command line."""

    words: tuple[str, ...]

    def __call__(self, *arguments: str) -> str:
        """Run it, and return its output."""
        with self._explained(arguments):
            return subprocess.run(self._line(arguments), check=True, capture_output=True, text=True).stdout

    def writes(self, out: IO[bytes], *arguments: str) -> None:
        """Run it, with its output going to `out`."""
        with self._explained(arguments):
            subprocess.run(self._line(arguments), check=True, stdout=out, stderr=subprocess.PIPE)

    @contextlib.contextmanager
    def reads(self, *arguments: str) -> Iterator[IO[bytes]]:
        """Run it, and give its standard input to write to. However the writing ends, it is not left running."""
        with (
            self._explained(arguments),
            subprocess.Popen(
                self._line(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            stopped: DestinationError | None = None
            try:
                yield process.stdin
                process.stdin.close()
            except DestinationError as error:
                stopped = error
                with contextlib.suppress(OSError):
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
            said = process.stdout.read()
            if process.wait():
                raise subprocess.CalledProcessError(process.returncode, self.words, stderr=said)
            if stopped:
                raise stopped

    def _line(self, arguments: Sequence[str]) -> list[str]:
        program = shutil.which(self.words[0])
        if program is None:
            raise DestinationError(f"{self.words[0]} is not installed; install it")
        return [program, *self.words[1:], *arguments]

    @contextlib.contextmanager
    def _explained(self, arguments: Sequence[str]) -> Iterator[None]:
        try:
            yield
        except subprocess.CalledProcessError as error:
            said = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode(errors="replace")
            lines = [line for line in said.splitlines() if line.strip()]
            what = " ".join([*self.words, *arguments[:2]])
            why = lines[-1] if lines else f"exit code {error.returncode}"
            hint = "; is it running?" if any(sign in why for sign in _SILENT) else ""
            raise DestinationError(f"{what} fails: {why}{hint}") from error
