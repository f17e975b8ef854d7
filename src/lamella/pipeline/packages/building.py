"""Builds wheels from source archives or commits, if none are published."""

from collections.abc import Sequence
from dataclasses import dataclass

from lamella.oci.image import Steps
from lamella.pipeline.outside import Outside
from lamella.sources.python.build import build_archive, build_commit, built_path
from lamella.sources.python.target import Target
from lamella.transport.downloads import Wanted
from lamella.transport.errors import GoneError


@dataclass(frozen=True)
class Source:
    """What a wheel is built from: an archive with that hash, or a commit."""

    file: str
    what: str
    size: int = 0
    commit: str = ""


_NO = ("", "0", "f", "false", "n", "no", "off")


def may_build(told: bool, outside: Outside) -> bool:
    """Whether packages' code may run to build them: the spec allows it, and UV_NO_BUILD does not forbid it."""
    return told and outside.registries.environment.get("UV_NO_BUILD", "").lower() in _NO


def build(source: Source, target: Target, urls: Sequence[str], outside: Outside) -> None:
    """Build the wheel unless it exists; `urls` are where its source may be."""
    out = built_path(outside.downloads.folder, source.what, target)
    if out.exists():
        return
    outside.downloads.progress(Steps(f"building {source.file}"), 0, 1)
    if source.commit:
        if not urls:
            raise GoneError(f"the repository with commit {source.commit} of {source.file} is unknown; run lamella lock")
        build_commit(urls[0], source.commit, target, out)
    else:
        archive = outside.downloads.fetch_one(Wanted(source.file, source.what, source.size), urls)
        build_archive(archive, source.file, target, out)
    outside.downloads.progress(Steps(f"building {source.file}"), 1, 1)
