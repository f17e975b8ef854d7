"""Which archives packages come from: those that a spec names, or those of apt on this machine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamella.sources.debian.control import fields, stanzas
from lamella.sources.tree import SourceError

APT = Path("/etc/apt")
_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+\S+)*)")


class ArchiveError(SourceError):
    """An archive of Debian packages cannot be used, or does not match its signature."""


@dataclass(frozen=True)
class Suite:
    """A suite of an archive. `keys` are files of keys that may sign it, or a key itself; by default, those of apt."""

    uri: str
    name: str
    components: tuple[str, ...]
    keys: tuple[str, ...] = ()
    trusted: bool = False
    architectures: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({' '.join(self.components)})"


def suites(lines: Sequence[str], keyring: str, environment: Mapping[str, str]) -> list[Suite]:
    """The suites in `lines`, or else in the environment, or else in apt's configuration."""
    told = lines or [line for line in environment.get("LAMELLA_DEBIAN", "").splitlines() if line.strip()]
    found = [parse_line(line, "archives of Debian packages", keyring) for line in told] or apt_suites()
    if not found:
        raise ArchiveError(
            "apt on this machine has no archives of Debian packages; "
            'name one: archives = ["http://HOST/debian bookworm main"] in [debian]'
        )
    return found


def parse_line(line: str, origin: str, keyring: str = "") -> Suite:
    """The suite in a line as in `sources.list`, with or without the word `deb`."""
    text = line.strip() if line.strip().startswith("deb ") else f"deb {line.strip()}"
    match = _LINE.fullmatch(text)
    if not match or match["uri"].partition(":")[0] not in ("http", "https", "file"):
        raise ArchiveError(f"{origin}: {line.strip()!r} is not an archive such as `http://HOST/debian bookworm main`")
    options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
    keys = keyring or options.get("signed-by", "")
    architectures = tuple(filter(None, options.get("arch", "").split(",")))
    return Suite(
        match["uri"].rstrip("/"),
        match["suite"],
        tuple(match["components"].split()),
        tuple(filter(None, keys.split(","))),
        options.get("trusted") == "yes",
        architectures,
    )


def apt_suites(folder: Path = APT) -> list[Suite]:
    """The suites that apt on this machine uses, except those that are not on http servers or in files."""
    found: list[Suite] = []
    lists = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]
    for file in (file for file in lists if file.is_file()):
        for line in file.read_text(errors="replace").splitlines():
            said = line.partition("#")[0].strip()
            if said.startswith("deb ") and re.search(r"\s(https?|file):", said):
                found.append(parse_line(said, str(file)))
    for file in sorted((folder / "sources.list.d").glob("*.sources")):
        text = "\n".join(line for line in file.read_text(errors="replace").splitlines() if not line.startswith("#"))
        for stanza in stanzas(text):
            found += _of_stanza(fields(stanza))
    return found


def _of_stanza(told: dict[str, str]) -> Iterator[Suite]:
    if "deb" not in told.get("Types", "").split() or told.get("Enabled", "yes").lower() == "no":
        return
    signed = told.get("Signed-By", "")
    keys = (signed,) if "BEGIN PGP" in signed else tuple(signed.split())
    for uri in told.get("URIs", "").split():
        if uri.partition(":")[0] in ("http", "https", "file"):
            for name in told.get("Suites", "").split():
                components = tuple(told.get("Components", "").split())
                architectures = tuple(told.get("Architectures", "").split())
                trusted = told.get("Trusted", "") == "yes"
                yield Suite(uri.rstrip("/"), name, components, keys, trusted, architectures)
