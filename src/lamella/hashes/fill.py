"""Determines hashes: from indexes, by fetching files, and from repositories; several at a time."""

import base64
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lamella.errors import LamellaError
from lamella.hashes.wanted import File, Missing, Python, Tree, Wanted
from lamella.sources.nix import nar
from lamella.sources.python import uv
from lamella.sources.python.target import Target
from lamella.sources.tree import SourceError
from lamella.transport.fetch import Fetcher

_AT_ONCE = 6
_USUAL_PYTHON = "3.12"


class HashError(SourceError):
    """A hash for a Nix file cannot be determined."""


@dataclass(frozen=True)
class Found:
    """A hash in Nix's format, or why there is none."""

    missing: Missing
    hash: str = ""
    problem: str = ""


def find(wanted: Iterable[Missing], fetcher: Fetcher, done: Callable[[int], object]) -> list[Found]:
    """The hashes of all of them; equal things are fetched once."""
    told = list(wanted)
    things = list(dict.fromkeys(one.wanted for one in told if one.wanted))
    answers: dict[Wanted, tuple[str, str]] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, answer in enumerate(pool.map(lambda thing: _answer(thing, fetcher), things), 1):
            answers[things[number - 1]] = answer
            done(number)
    return [Found(one, *answers[one.wanted]) if one.wanted else Found(one, problem=one.problem) for one in told]


def filled(text: str, found: Sequence[Found]) -> str:
    """The text with the hashes filled in."""
    for one in sorted(found, key=lambda one: -one.missing.place.start):
        if one.hash:
            text = f'{text[: one.missing.place.start]}"{one.hash}"{text[one.missing.place.end :]}'
    return text


def _answer(thing: Wanted, fetcher: Fetcher) -> tuple[str, str]:
    try:
        if isinstance(thing, Python):
            return _sri(bytes.fromhex(_of_index(thing))), ""
        if isinstance(thing, Tree):
            return _of_tree(thing), ""
        return (_of_archive(thing, fetcher) if thing.unpacked else _of_file(thing, fetcher)), ""
    except LamellaError as error:
        return "", str(error)


def _sri(digest: bytes) -> str:
    return f"sha256-{base64.b64encode(digest).decode()}"


def _of_index(thing: Python) -> str:
    """The hash in the index; the file is not fetched."""
    match = re.match(r"(?:cp|py)(3)(\d+)", thing.python)
    version = f"3.{match[2]}" if match else _USUAL_PYTHON
    question = uv.Question(
        [f"{thing.name}=={thing.version}"],
        Target(version, "x86_64", "manylinux_2_28"),
        Path(),
        only_these=True,
        builds=True,
    )
    files = {_plain(file.name): file.sha256 for one in uv.resolve(question) for file in one.files}
    found = files.get(_plain(thing.file))
    if not found:
        raise HashError(f"the index has no {thing.file}; it has {', '.join(sorted(files)) or 'nothing'}")
    return found


def _plain(file: str) -> str:
    """A file name in normal form, as projects are spelled in several ways."""
    return re.sub(r"[-_.]+", "_", file.lower())


def _of_file(thing: File, fetcher: Fetcher) -> str:
    hashed = hashlib.sha256()
    fetcher.download(thing.url, hashed.update)
    return _sri(hashed.digest())


def _of_archive(thing: File, fetcher: Fetcher) -> str:
    with tempfile.TemporaryDirectory(prefix="lamella-") as folder:
        file, tree = Path(folder, "archive"), Path(folder, "tree")
        with file.open("wb") as out:
            fetcher.download(thing.url, out.write)
        tree.mkdir()
        if zipfile.is_zipfile(file):
            _unzip(file, tree)
        else:
            ran = subprocess.run(["tar", "-xf", file, "-C", tree], capture_output=True, text=True, check=False)
            if ran.returncode:
                raise HashError(f"it cannot be unpacked: {' '.join(ran.stderr.split())[:200]}")
        inner = list(tree.iterdir())
        return _of_nar(inner[0] if len(inner) == 1 and inner[0].is_dir() else tree)


def _unzip(file: Path, tree: Path) -> None:
    """Unpacks files with their modes; links come last, so that nothing is written through one."""
    links: dict[Path, str] = {}
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            made = Path(archive.extract(info, tree))
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                links[made] = os.fsdecode(archive.read(info))
                made.unlink()
            elif mode and not made.is_dir():
                made.chmod(mode & 0o777)
    for made, target in links.items():
        if not Path(os.path.normpath(made.parent / target)).is_relative_to(tree) or "\0" in target:
            raise HashError(f"its link {made.name} leads out of it, to {target[:200]!r}")
        try:
            made.symlink_to(target)
        except OSError as error:
            raise HashError(f"its link {made.name} cannot be made: {error.strerror}") from error


def _of_tree(thing: Tree) -> str:
    if thing.url.startswith("-") or thing.revision.startswith("-"):
        raise HashError("its address or revision looks like an option of git")
    with tempfile.TemporaryDirectory(prefix="lamella-") as folder:
        checkout, tree = Path(folder, "checkout"), Path(folder, "tree")
        _git(thing, "init", "--quiet", str(checkout))
        _checkout(thing, checkout)
        if thing.exported:
            tree.mkdir()
            packed = Path(folder, "tree.tar")
            _git(thing, "-C", str(checkout), "archive", "--output", str(packed), "HEAD")
            subprocess.run(["tar", "-xf", str(packed), "-C", str(tree)], check=True)
            return _of_nar(tree)
        if thing.submodules:
            _git(thing, "-C", str(checkout), "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
        for name in [checkout / ".git", *checkout.rglob(".git")]:
            shutil.rmtree(name) if name.is_dir() else name.unlink(missing_ok=True)
        return _of_nar(checkout)


def _checkout(thing: Tree, folder: Path) -> None:
    """Checks out the revision; if a server does not give single commits, all branches and tags are fetched."""
    within = ("-C", str(folder))
    _git(thing, *within, "remote", "add", "origin", thing.url)
    try:
        _git(thing, *within, "fetch", "--quiet", "--depth=1", "origin", thing.revision)
    except HashError:
        _git(thing, *within, "fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
        _git(thing, *within, "checkout", "--quiet", "--detach", thing.revision)
    else:
        _git(thing, *within, "checkout", "--quiet", "--detach", "FETCH_HEAD")


def _git(thing: Tree, *words: str) -> None:
    try:
        ran = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise HashError(f"{thing} needs git, which is not installed") from error
    if ran.returncode:
        said = " ".join(ran.stderr.split())[-300:]
        raise HashError(f"it cannot be fetched: {said}")


def _of_nar(tree: Path) -> str:
    hashed = hashlib.sha256()
    for block in nar.dump(str(tree)):
        hashed.update(block)
    return _sri(hashed.digest())
