"""The sdist and the wheel: built twice, and their contents checked."""

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
"""Files in git that an sdist does not need."""


@dataclass(frozen=True)
class Packages:
    """What would be published, and the files that it was made from."""

    version: str
    checkout: Path
    sdist: Path
    wheel: Path


def version_of(project: Path) -> str:
    """The version, from the only place where it is written."""
    return str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"])


def build(folder: Path) -> Packages:
    """Build the newest commit in a folder with a short and one with a long path, the wheel once from the sdist."""
    made: list[list[Path]] = []
    for name, mask in (("a", "022"), ("another/and/a/longer/place", "077")):
        checkout = folder / name / "lamella"
        run("sh", "-c", f"umask {mask}; exec git clone --quiet {ROOT} {checkout}", at=folder)
        out = folder / name / "dist"
        ways = [[]] if not made else [["--sdist"], ["--wheel"]]
        for way in ways:
            uv("build", "--quiet", "--out-dir", out, *way, at=checkout)
        made.append(sorted(out.glob("lamella-*")))
    must([file.name for file in made[0]] == [file.name for file in made[1]], f"different names: {made}")
    for one, other in zip(*made, strict=True):
        must(one.read_bytes() == other.read_bytes(), f"{one} and {other} differ: `diffoscope` shows where")
    checkout = folder / "a" / "lamella"
    [wheel, sdist] = made[0]
    return Packages(version_of(checkout), checkout, sdist, wheel)


def committed() -> str:
    """Check that everything is committed; anything else would be missing from the packages."""
    changed = run("git", "status", "--porcelain").splitlines()
    must(not changed, f"not committed: {listed([line[3:] for line in changed])}")
    return run("git", "log", "-1", "--format=commit %h of %as").strip()


def sums(packages: Packages) -> str:
    """Return the hashes of the packages."""
    hashes = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in (packages.sdist, packages.wheel)]
    return "; ".join(f"{name} sha256:{found}" for name, found in hashes)


def told(packages: Packages) -> str:
    """Check that the changelog has this version, and that a tag on this commit matches it."""
    headings = re.findall(r"^## (.*)$", (packages.checkout / "CHANGELOG.md").read_text(), re.MULTILINE)
    wanted = re.compile(rf"{re.escape(packages.version)} - \d{{4}}-\d\d-\d\d")
    heading = next(filter(wanted.fullmatch, headings), "")
    must(heading, f"CHANGELOG.md has no heading `## {packages.version} - YYYY-MM-DD`: {listed(headings)}")
    tags = [tag for tag in run("git", "tag", "--points-at", "HEAD").split() if tag.startswith("v")]
    must(tags in ([], [f"v{packages.version}"]), f"the version is {packages.version}, but the tag is {listed(tags)}")
    return heading


def kept(checkout: Path) -> set[str]:
    """Return the files in git."""
    return set(run("git", "ls-files", at=checkout).splitlines())


def whole_sdist(packages: Packages) -> str:
    """Check that it contains the files in git, so that its users can run the tests, and nothing else."""
    with tarfile.open(packages.sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    wanted = kept(packages.checkout) - LEFT_OUT | {"PKG-INFO"}
    must(found >= wanted, f"missing from the sdist: {listed(wanted - found)}")
    must(found <= wanted, f"the sdist should not have {listed(found - wanted)}")
    return f"{len(found)} files, all that git keeps"


def whole_wheel(packages: Packages) -> str:
    """Check that it contains each file under src byte for byte, with `py.typed`, the manual pages and the licence."""
    wheel = f"lamella-{packages.version}"
    places = {"src/": "", "docs/man/": f"{wheel}.data/data/share/man/man1/"}
    wanted = {
        to + name.removeprefix(start): packages.checkout / name
        for name in kept(packages.checkout)
        for start, to in places.items()
        if name.startswith(start)
    }
    with zipfile.ZipFile(packages.wheel) as archive:
        about = f"{wheel}.dist-info/"
        found = {name for name in archive.namelist() if not name.startswith(about)}
        must(found >= wanted.keys(), f"missing from the wheel: {listed(wanted.keys() - found)}")
        must(found <= wanted.keys(), f"the wheel should not have {listed(found - wanted.keys())}")
        changed = {name for name, file in wanted.items() if archive.read(name) != file.read_bytes()}
        must(not changed, f"different bytes in the wheel: {listed(changed)}")
        must("lamella/py.typed" in found, "py.typed is missing from the wheel: type checkers would ignore our types")
        licence = archive.read(f"{about}licenses/LICENSE")
        must(licence == (packages.checkout / "LICENSE").read_bytes(), "the wheel has a different licence")
        metadata = message_from_bytes(archive.read(f"{about}METADATA"))
    must(metadata["Version"] == packages.version, f"the wheel has the version {metadata['Version']}")
    return f"{len(found)} files, each as it is in git; py.typed, LICENSE"


def fit_to_publish(packages: Packages) -> str:
    """Check that an index accepts them, and shows the README."""
    uv("tool", "run", "--quiet", "twine", "check", "--strict", packages.sdist, packages.wheel)
    return "twine check --strict"
