"""NARs and binary caches made for tests, valid and invalid, without the project's code."""

import base64
import bz2
import hashlib
import lzma
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backports import zstd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstd.compress,
    "none": bytes,
}


def word(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data + bytes(-len(data) % 8)


def words(*parts: bytes) -> bytes:
    return b"".join(map(word, parts))


def node(path: Path) -> bytes:
    """A file, link or folder, as in a NAR."""
    if path.is_symlink():
        return words(b"(", b"type", b"symlink", b"target", os.fsencode(path.readlink()), b")")
    if path.is_dir():
        entries = b"".join(
            words(b"entry", b"(", b"name", os.fsencode(child.name), b"node") + node(child) + word(b")")
            for child in sorted(path.iterdir(), key=lambda child: os.fsencode(child.name))
        )
        return words(b"(", b"type", b"directory") + entries + word(b")")
    executable = words(b"executable", b"") if path.stat().st_mode & 0o100 else b""
    return words(b"(", b"type", b"regular") + executable + words(b"contents", path.read_bytes(), b")")


def nar_of(path: Path) -> bytes:
    return word(b"nix-archive-1") + node(path)


def base32(data: bytes) -> str:
    number = int.from_bytes(data, "little")
    return "".join(DIGITS[number >> 5 * i & 31] for i in reversed(range((len(data) * 8 + 4) // 5)))


@dataclass
class Cache:
    """A binary cache in a folder, signed with a key of its own."""

    folder: Path
    compression: str = "zstd"
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    name: str = "tests-1"

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    @property
    def key(self) -> str:
        """The public key, as Nix writes it."""
        return f"{self.name}:{base64.b64encode(self.private.public_key().public_bytes_raw()).decode()}"

    def add(self, path: str, tree: Path, references: Sequence[str] = (), **changes: str) -> str:
        """A store path with the files of `tree`; `changes` are lines of its narinfo that are different."""
        return self.add_nar(path, nar_of(tree), references, **changes)

    def add_nar(self, path: str, nar: bytes, references: Sequence[str] = (), **changes: str) -> str:
        packed = PACKERS[self.compression](nar)
        file_hash = base32(hashlib.sha256(packed).digest())
        nar_hash = f"sha256:{base32(hashlib.sha256(nar).digest())}"
        url = f"nar/{file_hash}.nar"
        (self.folder / "nar").mkdir(parents=True, exist_ok=True)
        (self.folder / url).write_bytes(packed)
        (self.folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
        fingerprint = f"1;{path};{nar_hash};{len(nar)};{','.join(references)}"
        signature = base64.b64encode(self.private.sign(fingerprint.encode())).decode()
        told: Mapping[str, str] = {
            "StorePath": path,
            "URL": url,
            "Compression": self.compression,
            "FileHash": f"sha256:{file_hash}",
            "FileSize": str(len(packed)),
            "NarHash": nar_hash,
            "NarSize": str(len(nar)),
            "References": " ".join(reference.rpartition("/")[2] for reference in references),
            "Sig": f"{self.name}:{signature}",
            **changes,
        }
        text = "".join(f"{name}: {value}\n" for name, value in told.items() if value)
        (self.folder / f"{path.rpartition('/')[2][:32]}.narinfo").write_text(text)
        return path


def store_path(letter: str, name: str) -> str:
    return f"/nix/store/{letter * 32}-{name}"
