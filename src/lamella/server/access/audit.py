"""The audit log: a line of JSON for each change, each refusal of a known user, and each failed login.

Everything but printable ASCII is escaped, so no client can start a line of its own. Each line is appended at once to
the file, which is opened anew each time, so it can be moved away at any time.
"""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lamella.staging import explained

_STDOUT = "-"
_LONGEST = 500

_log = logging.getLogger(__name__)

Sink = Callable[[str], None]


class Audit:
    """Records who did what. `place` is a file, `-` for stdout, or empty for nowhere."""

    def __init__(self, place: str = "") -> None:
        self._write: Sink | None = _to_stdout if place == _STDOUT else _to_file(Path(place)) if place else None

    def note(self, client: str, who: str, action: str, name: str, status: int) -> None:
        """Record that `who` (empty if unknown) at `client` requested `action` on `name`, and got `status`."""
        if self._write is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": client,
            "who": who[:_LONGEST] or None,
            "action": action,
            "name": name[:_LONGEST],
            "outcome": _outcome(status),
            "status": status,
        }
        try:
            self._write(json.dumps(line) + "\n")
        except OSError as error:
            _log.error("cannot write to the audit log: %s: %s", error.strerror, json.dumps(line))


def _outcome(status: int) -> str:
    if status in (401, 403):
        return "denied"
    return "failed" if status >= 400 else "done"


def _to_stdout(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _to_file(path: Path) -> Sink:
    def write(line: str) -> None:
        with path.open("ab", buffering=0) as file:
            file.write(line.encode())

    with explained(path, "cannot write the audit log"):
        write("")
    return write
