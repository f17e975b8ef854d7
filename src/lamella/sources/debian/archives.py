"""Archives of packages: those of apt on this machine, or those that a spec names.

    InRelease --its signature--> sums of indexes --sums--> Packages --sums--> debs

Nothing is trusted that does not follow from a signature by a trusted key.
"""

import base64
import hashlib
import io
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from lamella.sources.debian.control import fields, stanzas
from lamella.sources.spool import decompress
from lamella.sources.tree import SourceError

APT = Path("/etc/apt")
_KEYRINGS = Path("/usr/share/keyrings")
_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+\S+)*)")
_LONGEST_INDEX = 1 << 30
_INDEXES = ("Packages.xz", "Packages.gz", "Packages")


class ArchiveError(SourceError):
    """An archive of Debian packages cannot be used, or does not match its signature."""


class Documents(Protocol):
    """Something that downloads documents."""

    def document(self, url: str) -> bytes: ...


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


def address(uri: str, file: str) -> str:
    """The address of a file in an archive; its name is quoted."""
    return f"{uri}/{quote(file)}"


def indexes(suite: Suite, architecture: str, documents: Documents, now: Callable[[], datetime]) -> Iterator[str]:
    """The texts of the indexes of `suite` for an architecture."""
    if suite.architectures and architecture not in suite.architectures:
        return
    base = f"{suite.uri}/dists/{suite.name}"
    signed = documents.document(f"{base}/InRelease")
    told = fields(verified(signed, suite).replace("\r", ""))
    until = told.get("Valid-Until")
    if until and _moment(until, suite) < now():
        raise ArchiveError(f"{suite} was valid until {until}; its mirror is out of date")
    sums = {name: (hashed, int(size)) for hashed, size, name in map(str.split, _lines(told.get("SHA256", "")))}
    unsaid = "all" not in told.get("Architectures", "").split()
    separate = architecture if unsaid or "Packages" in told.get("No-Support-for-Architecture-all", "") else "all"
    for component in suite.components:
        for of in dict.fromkeys((architecture, separate)):
            names = [f"{component}/binary-{of}/{index}" for index in _INDEXES]
            name = next((name for name in names if name in sums), None)
            if name:
                folder, _, file = name.rpartition("/")
                place = f"{folder}/by-hash/SHA256/{sums[name][0]}" if told.get("Acquire-By-Hash") == "yes" else name
                yield _index(documents.document(f"{base}/{place}"), file, sums[name])
            elif of == architecture:
                raise ArchiveError(f"{suite} has no packages of {component} for {architecture}")


def _moment(text: str, suite: Suite) -> datetime:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ArchiveError(f"{suite} is valid until {text!r}, which is not a date") from error


def _lines(text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if len(line.split()) == 3)


def _index(data: bytes, name: str, told: tuple[str, int]) -> str:
    hashed, size = told
    if len(data) != size or hashlib.sha256(data).hexdigest() != hashed:
        raise ArchiveError(f"{name} of an archive does not match its signed InRelease, so it is not used")
    whole = io.BytesIO()
    decompress(io.BytesIO(data), name.partition(".")[2], whole.write, _LONGEST_INDEX, f"{name} of an archive")
    return str(whole.getbuffer(), "utf-8", "replace")


def verified(signed: bytes, suite: Suite) -> str:
    """Exactly the text that was signed."""
    if suite.trusted:
        text = signed.decode("utf-8", "replace")
        return text.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE")[0] if text.startswith("-----") else text
    with tempfile.TemporaryDirectory(prefix="lamella-") as name:
        folder = Path(name)
        (folder / "InRelease").write_bytes(signed)
        command = ["gpgv", "--quiet", "--status-fd", "1", "--output", str(folder / "Release")]
        for ring in _keyrings(suite.keys, folder):
            command += ["--keyring", str(ring)]
        try:
            command.append(str(folder / "InRelease"))
            ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            raise ArchiveError("gpgv, which checks signatures of archives, is not installed") from error
        if not _is_vouched_for(signed, ran) or not (folder / "Release").is_file():
            raise ArchiveError(f"the signature of {suite} is not trusted on this machine: {_last(ran.stderr)}")
        return (folder / "Release").read_text(errors="replace")


def _is_vouched_for(signed: bytes, ran: "subprocess.CompletedProcess[str]") -> bool:
    """Whether a trusted key signed it; as in apt, unknown keys may have signed too, but no signature may be bad."""
    told = {line.split()[1] for line in ran.stdout.splitlines() if line.startswith("[GNUPG:] ")}
    if not ran.returncode:
        return "VALIDSIG" in told
    alone = signed.count(b"-----BEGIN PGP") == 2 and signed.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----")
    return alone and {"GOODSIG", "VALIDSIG", "NO_PUBKEY"} <= told and not told & {"BADSIG", "UNEXPECTED", "NODATA"}


def _last(text: str) -> str:
    said = [line.partition("gpgv: ")[2] or line for line in text.splitlines() if line.strip()]
    return "; ".join(said[-2:]) or "gpgv printed no error"


def _keyrings(keys: Sequence[str], folder: Path) -> Iterator[Path]:
    """The keys as files that gpgv can read."""
    texts: list[tuple[str, bytes]] = []
    if keys and "BEGIN PGP" in keys[0]:
        lines = [line.strip().removeprefix(".") for line in keys[0].splitlines()]
        texts.append(("embedded", "\n".join(lines).encode()))
    elif keys:
        texts += [(key, _read(Path(key))) for key in keys]
    else:
        places = [APT / "trusted.gpg", *sorted((APT / "trusted.gpg.d").glob("*")), *sorted(_KEYRINGS.glob("*.gpg"))]
        texts += [(str(place), _read(place)) for place in places if place.suffix in (".gpg", ".asc") and place.exists()]
    for number, (name, data) in enumerate(texts):
        file = folder / f"{number}.gpg"
        file.write_bytes(_binary(data, name))
        yield file


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"the keys in {path} cannot be read: {error.strerror}") from error


def _binary(data: bytes, name: str) -> bytes:
    """The keys as bytes, if they are armored text."""
    if b"-----BEGIN PGP" not in data[:4096]:
        return data
    found = b""
    for block in re.findall(rb"-----BEGIN PGP[^\n]*\n(.*?)-----END PGP", data, re.DOTALL):
        body = block.replace(b"\r", b"").partition(b"\n\n")[2] or block
        lines = [line for line in body.split(b"\n") if line and not line.startswith(b"=")]
        try:
            found += base64.b64decode(b"".join(lines), validate=True)
        except ValueError as error:
            raise ArchiveError(f"the keys in {name} are damaged: {error}") from error
    return found
