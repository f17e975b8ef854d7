"""The sdist and the wheel: made twice, and looked into."""

import hashlib
import re
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from tools.release.checks import ROOT, listed, must, run, uv

LEFT_OUT = {".ci/run"}
"""What git keeps and an sdist does not need."""


@dataclass(frozen=True)
class Packages:
    """What would be published, and the files it was made from."""

    version: str
    checkout: Path
    sdist: Path
    wheel: Path


def version_of(project: Path) -> str:
    """The one place where the version is written."""
    return str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"])


def build(folder: Path) -> Packages:
    """The packages of the newest commit, made at a short place and at a long one, the wheel once out of the sdist."""
    made: list[list[Path]] = []
    for name, mask in (("a", "022"), ("another/and/a/longer/place", "077")):
        checkout = folder / name / "lamella"
        run("sh", "-c", f"umask {mask}; exec git clone --quiet {ROOT} {checkout}", at=folder)
        out = folder / name / "dist"
        ways = [[]] if not made else [["--sdist"], ["--wheel"]]
        for way in ways:
            uv("build", "--quiet", "--out-dir", out, *way, at=checkout)
        made.append(sorted(out.glob("lamella-*")))
    must([file.name for file in made[0]] == [file.name for file in made[1]], f"other names: {made}")
    for one, other in zip(*made, strict=True):
        must(one.read_bytes() == other.read_bytes(), f"{one} and {other} differ: `diffoscope` says where")
    checkout = folder / "a" / "lamella"
    [wheel, sdist] = made[0]
    return Packages(version_of(checkout), checkout, sdist, wheel)


def committed() -> str:
    """All is committed; what is not would be missing from the packages."""
    changed = run("git", "status", "--porcelain").splitlines()
    must(not changed, f"not committed: {listed([line[3:] for line in changed])}")
    return run("git", "log", "-1", "--format=commit %h of %as").strip()


def sums(packages: Packages) -> str:
    """The hashes of what was made."""
    hashes = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in (packages.sdist, packages.wheel)]
    return "; ".join(f"{name} sha256:{found}" for name, found in hashes)


def told(packages: Packages) -> str:
    """The changelog tells of this version, and a tag on this commit is its name."""
    headings = re.findall(r"^## (.*)$", (packages.checkout / "CHANGELOG.md").read_text(), re.MULTILINE)
    wanted = re.compile(rf"{re.escape(packages.version)} - \d{{4}}-\d\d-\d\d")
    heading = next(filter(wanted.fullmatch, headings), "")
    must(heading, f"CHANGELOG.md has no heading `## {packages.version} - YYYY-MM-DD`: {listed(headings)}")
    tags = [tag for tag in run("git", "tag", "--points-at", "HEAD").split() if tag.startswith("v")]
    must(tags in ([], [f"v{packages.version}"]), f"the version is {packages.version}, and the tag {listed(tags)}")
    return heading


def kept(checkout: Path) -> set[str]:
    """Files that git keeps."""
    return set(run("git", "ls-files", at=checkout).splitlines())


def whole_sdist(packages: Packages) -> str:
    """It holds what git keeps, so that whoever has it can run the tests, and nothing else."""
    with tarfile.open(packages.sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    wanted = kept(packages.checkout) - LEFT_OUT | {"PKG-INFO"}
    must(found >= wanted, f"missing from the sdist: {listed(wanted - found)}")
    must(found <= wanted, f"the sdist should not have {listed(found - wanted)}")
    return f"{len(found)} files, all that git keeps"


def whole_wheel(packages: Packages) -> str:
    """It holds each file under src, byte for byte: code, pages, templates, `py.typed`; and its licence."""
    source = packages.checkout / "src"
    wanted = {name.removeprefix("src/") for name in kept(packages.checkout) if name.startswith("src/")}
    with zipfile.ZipFile(packages.wheel) as archive:
        about = f"lamella-{packages.version}.dist-info/"
        found = {name for name in archive.namelist() if not name.startswith(about)}
        must(found >= wanted, f"missing from the wheel: {listed(wanted - found)}")
        must(found <= wanted, f"the wheel should not have {listed(found - wanted)}")
        changed = {name for name in wanted if archive.read(name) != (source / name).read_bytes()}
        must(not changed, f"other bytes in the wheel: {listed(changed)}")
        must("lamella/py.typed" in found, "py.typed is missing from the wheel: nobody sees our types")
        licence = archive.read(f"{about}licenses/LICENSE")
        must(licence == (packages.checkout / "LICENSE").read_bytes(), "the wheel has another licence")
        metadata = message_from_bytes(archive.read(f"{about}METADATA"))
    must(metadata["Version"] == packages.version, f"the wheel says that it is {metadata['Version']}")
    return f"{len(found)} files, each as in src; py.typed, LICENSE"


def fit_to_publish(packages: Packages) -> str:
    """An index takes them, and shows the README."""
    uv("tool", "run", "--quiet", "twine", "check", "--strict", packages.sdist, packages.wheel)
    return "twine check --strict"
