"""Wheels made for tests, valid and invalid."""

import base64
import csv
import hashlib
import io
import stat
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lamella.oci.digest import Digest
from lamella.package import Package
from lamella.sources.python.recipe import Recipe
from lamella.sources.python.scheme import Scheme
from lamella.sources.python.target import Target

SCHEME = Scheme(
    version="3.12",
    prefix="/usr/local",
    packages="/usr/local/lib/python3.12/site-packages",
    interpreter="/usr/local/bin/python3.12",
)


def hash_of(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def wheel_files(
    name: str, version: str, files: Mapping[str, bytes], requires: Sequence[str] = (), scripts: str = ""
) -> dict[str, bytes]:
    """The members of a wheel, its RECORD last."""
    info = f"{name}-{version}.dist-info"
    metadata = "".join(f"Requires-Dist: {one}\n" for one in requires)
    whole = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": scripts.encode()} if scripts else {}),
    }
    out = io.StringIO()
    csv.writer(out).writerows([*((n, hash_of(d), len(d)) for n, d in whole.items()), (f"{info}/RECORD", "", "")])
    return {**whole, f"{info}/RECORD": out.getvalue().encode()}


def zipped(path: Path, files: Mapping[str, bytes], modes: Mapping[str, int] | None = None) -> Path:
    """An archive of `files`, as given; every other one is compressed."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED if len(data) % 2 else zipfile.ZIP_STORED
            usual = stat.S_IFREG | (0o755 if "/scripts/" in name else 0o644)
            info.external_attr = (modes or {}).get(name, usual) << 16
            archive.writestr(info, data)
    return path


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    requires: Sequence[str] = (),
    scripts: str = "",
) -> Path:
    """A wheel for any Python."""
    given = files if files is not None else {f"{name}/__init__.py": f"VERSION = {version!r}\n".encode()}
    path = folder / f"{name}-{version}-py3-none-any.whl"
    return zipped(path, wheel_files(name, version, given, requires, scripts))


def package_of(path: Path, scheme: Scheme = SCHEME) -> Package:
    """The wheel as a package."""
    content = Digest(f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    recipe = Recipe(scheme=scheme, target=Target("3.12", "x86_64", "manylinux_2_28"), file=path.name, size=0)
    how = msgspec.json.encode(recipe).decode()
    return Package(path.stem, "demo", content, 0, (), "pypi", str(path), "/", how)
