"""Debs and archives of them, made for tests."""

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lamella.oci.digest import sha256
from lamella.package import Package
from lamella.sources.debian.recipe import Recipe

Member = bytes | str | tarfile.TarInfo | None
"""A file, a symbolic link, anything else, or a folder."""


def tar_of(files: Mapping[str, Member], modes: Mapping[str, int] | None = None) -> bytes:
    """A tar archive with the names as given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, what in files.items():
            info = what if isinstance(what, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            if not isinstance(what, tarfile.TarInfo):
                info.type = tarfile.SYMTYPE if isinstance(what, str) else tarfile.DIRTYPE if what is None else b"0"
                info.linkname = what if isinstance(what, str) else ""
                info.size = len(what) if isinstance(what, bytes) else 0
                info.mode = (modes or {}).get(name, 0o755 if what is None else 0o644)
                info.uname = info.gname = "root"
            archive.addfile(info, io.BytesIO(what) if isinstance(what, bytes) else None)
    return out.getvalue()


def ar_of(parts: Mapping[str, bytes]) -> bytes:
    """The outer archive."""
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def deb_of(control: str, data: bytes, packing: str = ".xz", **documents: bytes) -> bytes:
    """A deb whose inner archive is `data`."""
    told = tar_of(
        {"./": None, "./control": control.encode(), **{f"./{name}": text for name, text in documents.items()}}
    )
    packed = {".xz": lzma.compress, ".gz": lambda raw: gzip.compress(raw, mtime=0), "": bytes}[packing](data)
    return ar_of({"debian-binary": b"2.0\n", "control.tar.xz": lzma.compress(told), f"data.tar{packing}": packed})


def package_of(path: Path, name: str = "demo", links: tuple[tuple[str, str], ...] = ()) -> Package:
    """The deb as a package."""
    how = msgspec.json.encode(Recipe(file=path.name, size=0, links=links)).decode()
    return Package(f"{name}_1_all", name, sha256(path.read_bytes()), 0, (), "deb", str(path), "/", how)


class Repository:
    """An archive in a folder, with one suite and one component."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stanzas: list[str] = []
        (folder / "pool").mkdir(parents=True)

    @property
    def line(self) -> str:
        """Its name in a spec."""
        return f"[trusted=yes] {self.folder.as_uri()} stable main"

    def add(
        self,
        name: str,
        version: str = "1.0",
        files: Mapping[str, Member] | None = None,
        fields: Mapping[str, str] | None = None,
        postinst: bytes = b"",
    ) -> Path:
        """Add a package to the archive."""
        told = {"Package": name, "Version": version, "Architecture": "amd64", **(fields or {})}
        control = "".join(f"{key}: {value}\n" for key, value in told.items())
        given = files if files is not None else {f"./usr/share/{name}": f"{name} {version}\n".encode()}
        path = self.folder / "pool" / f"{name}_{version.replace(':', '%3a')}_amd64.deb"
        listed = [(hashlib.md5(data).hexdigest(), name) for name, data in given.items() if isinstance(data, bytes)]
        md5sums = "".join(f"{digest}  {name.removeprefix('./')}\n" for digest, name in listed).encode()
        path.write_bytes(deb_of(control, tar_of(given), postinst=postinst, md5sums=md5sums))
        self._stanzas.append(f"{control}{_located(path, self.folder)}")
        self.write()
        return path

    def write(self, architectures: Sequence[str] = ("amd64",), **fields: str) -> None:
        """Write the indexes again."""
        suite = self.folder / "dists" / "stable"
        sums = []
        for architecture in architectures:
            place = f"main/binary-{architecture}/Packages.xz"
            data = lzma.compress("\n".join(self._stanzas).encode())
            (suite / place).parent.mkdir(parents=True, exist_ok=True)
            (suite / place).write_bytes(data)
            sums.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {place}")
        told = {"Suite": "stable", "Architectures": " ".join(architectures), **fields, "SHA256": "\n" + "\n".join(sums)}
        (suite / "InRelease").write_text("".join(f"{key.replace('_', '-')}: {value}\n" for key, value in told.items()))

    def remove(self, name: str) -> None:
        """Remove a package from the indexes."""
        self._stanzas = [stanza for stanza in self._stanzas if not stanza.startswith(f"Package: {name}\n")]
        self.write()


def _located(path: Path, folder: Path) -> str:
    data = path.read_bytes()
    told = {"Filename": path.relative_to(folder), "Size": len(data), "SHA256": hashlib.sha256(data).hexdigest()}
    return "".join(f"{key}: {value}\n" for key, value in told.items()) + "Installed-Size: 1\n"
