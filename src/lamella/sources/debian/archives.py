"""What archives of packages hold.

    InRelease --its signature--> sums of indexes --sums--> Packages --sums--> debs

Nothing is trusted that does not follow from a signature by a trusted key.
"""

import base64
import hashlib
import io
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from lamella.sources.debian.control import fields
from lamella.sources.debian.suites import APT, ArchiveError, Suite
from lamella.sources.spool import decompress

_KEYRINGS = Path("/usr/share/keyrings")
_LONGEST_INDEX = 1 << 30
_INDEXES = ("Packages.xz", "Packages.gz", "Packages")


class Documents(Protocol):
    """Something that downloads documents."""

    def document(self, url: str) -> bytes: ...


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
