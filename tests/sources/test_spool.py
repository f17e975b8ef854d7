"""Archives are unpacked to files without a name, on whatever file system."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from lamella.sources.spool import nameless


def test_a_file_system_need_not_know_files_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS and some overlays refuse `O_TMPFILE`."""
    plain = os.open

    def as_on_nfs(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return plain(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", as_on_nfs)
    spool = nameless(tmp_path)
    spool.write(b"unpacked")
    assert spool.read_at(8, 0) == b"unpacked"
    assert not list(tmp_path.iterdir())
