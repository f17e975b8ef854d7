"""The root of an image of store paths: real folders, with links to the files in the store.

A package may contain links to anywhere where others have folders; nothing is ever changed through such a link.
"""

import os
from collections.abc import Sequence
from pathlib import Path


def link(paths: Sequence[str], root: Path) -> None:
    """Create the folders of `paths` below `root`, with links to what is in them; the first file of a name wins."""
    _folder(root)
    for path in paths:
        if Path(path).is_dir():
            _link_below(path, root)
    if _folder(root / "tmp"):
        (root / "tmp").chmod(0o1777)
    env = root / "usr" / "bin" / "env"
    wanted = os.path.lexists(root / "bin" / "env")
    if wanted and _folder(root / "usr") and _folder(env.parent) and not os.path.lexists(env):
        env.symlink_to("/bin/env")


def _folder(path: Path) -> bool:
    """Create a missing folder, readable by everyone whatever the umask; return whether it is a real folder."""
    if not os.path.lexists(path):
        path.mkdir()
        path.chmod(0o755)
    return path.is_dir() and not path.is_symlink()


def _link_below(source: str, target: Path) -> None:
    with os.scandir(source) as found:
        entries = list(found)
    for entry in entries:
        place = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            if _folder(place):
                _link_below(entry.path, place)
        elif not os.path.lexists(place):
            place.symlink_to(entry.path)
