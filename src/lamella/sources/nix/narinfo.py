"""`.narinfo`: how a binary cache describes a store path, and who signed that."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

import msgspec

from lamella.sources.nix.graph import STORE, NixError, base32, is_store_path, nar_hash

_LINE = re.compile(r"([A-Za-z]+): ?(.*)")
_URL = re.compile(r"(?!.*(^|/)\.\.(/|$))[^\s\0]+")
_LARGEST = 1 << 45


class NarInfo(msgspec.Struct, frozen=True, array_like=True):
    """The description of a path. Hashes are in base 16, references are whole paths; `url` is relative to the cache."""

    path: str
    url: str
    compression: str
    file_hash: str
    file_size: int
    nar_hash: str
    nar_size: int
    references: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    deriver: str = ""
    ca: str = ""
    """The content address of a path that needs no signature."""

    @property
    def fingerprint(self) -> bytes:
        """The text that is signed."""
        references = ",".join(self.references)
        return f"1;{self.path};sha256:{base32(bytes.fromhex(self.nar_hash))};{self.nar_size};{references}".encode()


def parse(text: str, path: str, origin: str) -> NarInfo:
    """The narinfo of `path`; that of another path is an error."""
    found = parse_any(text, f"{origin}: the narinfo of {path}")
    if found.path != path:
        raise NixError(f"{origin} answers with {found.path} when asked for {path}; do not trust it")
    return found


def parse_any(text: str, what: str) -> NarInfo:
    """The narinfo of any path; errors call it `what`."""
    told: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            told.setdefault(match[1], []).append(match[2].strip())
    try:
        found = NarInfo(
            path=_one(told, "StorePath"),
            url=_one(told, "URL"),
            compression=told.get("Compression", ["bzip2"])[0] or "none",
            file_hash=nar_hash(told["FileHash"][0]).hex() if told.get("FileHash") else "",
            file_size=_size(told.get("FileSize", ["0"])[0]),
            nar_hash=nar_hash(_one(told, "NarHash")).hex(),
            nar_size=_size(_one(told, "NarSize")),
            references=tuple(f"{STORE}/{name}" for name in told.get("References", [""])[0].split()),
            signatures=tuple(told.get("Sig", ())),
            deriver=told.get("Deriver", [""])[0],
            ca=told.get("CA", [""])[0],
        )
    except (KeyError, ValueError) as error:
        raise NixError(f"{what} cannot be read: {error}") from error
    wrong = next((one for one in found.references if not is_store_path(one)), "")
    if wrong or not _URL.fullmatch(found.url):
        raise NixError(f"{what} names {wrong or found.url!r}, which is not valid")
    return msgspec.structs.replace(found, file_hash=found.file_hash or _of_plain(found))


def narinfo_name(path: str) -> str:
    """The name of a path's narinfo in a cache."""
    return f"{path.rpartition('/')[2][:32]}.narinfo"


def written(info: NarInfo) -> str:
    """The text of a narinfo; hash and size of the NAR's file only if known."""
    file = [("FileHash", f"sha256:{base32(bytes.fromhex(info.file_hash))}"), ("FileSize", str(info.file_size))]
    lines = [
        ("StorePath", info.path),
        ("URL", info.url),
        ("Compression", info.compression),
        *(file if info.file_hash else []),
        ("NarHash", f"sha256:{base32(bytes.fromhex(info.nar_hash))}"),
        ("NarSize", str(info.nar_size)),
        ("References", " ".join(reference.rpartition("/")[2] for reference in info.references)),
        *([("Deriver", info.deriver.rpartition("/")[2])] if info.deriver else []),
        *(("Sig", signature) for signature in info.signatures),
        *([("CA", info.ca)] if info.ca else []),
    ]
    return "".join(f"{name}: {value}\n" for name, value in lines)


def _of_plain(found: NarInfo) -> str:
    """The hash of the file, if it is not compressed."""
    return found.nar_hash if found.compression == "none" else ""


def _one(told: Mapping[str, Sequence[str]], name: str) -> str:
    if len(told.get(name, ())) != 1 or not told[name][0]:
        raise ValueError(f"it must have {name} once")
    return told[name][0]


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST:
        raise ValueError(f"{text!r} is not a size")
    return int(text)


class PublicKeys:
    """Trusted keys, by name: `cache.example.org-1:BASE64`."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._keys = dict(_key(text) for text in texts)

    def vouch_for(self, info: NarInfo) -> bool:
        """Whether one of them has signed this."""
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError as error:
            raise NixError("signatures cannot be checked; run pip install 'lamella[nix]'") from error
        for signature in info.signatures:
            name, _, digits = signature.partition(":")
            if name not in self._keys:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(self._keys[name]).verify(base64.b64decode(digits), info.fingerprint)
            except (InvalidSignature, ValueError, binascii.Error):
                continue
            return True
        return False


class SecretKey:
    """A key to sign with, as `nix-store --generate-binary-cache-key` makes it."""

    def __init__(self, text: str) -> None:
        self._name, data = _parts(text.strip())
        if len(data) != 64:
            raise NixError("this is not a secret key in Nix's format, NAME:BASE64")
        self._seed = data[:32]
        self.public = f"{self._name}:{base64.b64encode(data[32:]).decode()}"

    def sign(self, info: NarInfo) -> str:
        """The signature of `info`."""
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ImportError as error:
            raise NixError("nothing can be signed; run pip install 'lamella[nix]'") from error

        signed = Ed25519PrivateKey.from_private_bytes(self._seed).sign(info.fingerprint)
        return f"{self._name}:{base64.b64encode(signed).decode()}"


def _key(text: str) -> tuple[str, bytes]:
    name, data = _parts(text)
    if not name or len(data) != 32:
        raise NixError(f"{text!r} is not a public key in Nix's format, NAME:BASE64")
    return name, data


def _parts(text: str) -> tuple[str, bytes]:
    name, _, digits = text.partition(":")
    try:
        return name, base64.b64decode(digits, validate=True)
    except (ValueError, binascii.Error):
        return name, b""
