"""Wheels: what an installer makes of them, as entries, directly from the archive.

NAME-VERSION.dist-info/ and all else      the folder of packages
NAME-VERSION.data/purelib, platlib        likewise
NAME-VERSION.data/scripts                 PREFIX/bin, with the interpreter that the image has
NAME-VERSION.data/headers                 PREFIX/include/pythonX.Y/NAME
NAME-VERSION.data/data                    PREFIX
entry_points.txt                          scripts in PREFIX/bin that call what it names
RECORD, INSTALLER                         written for what is in the image
"""

import base64
import configparser
import csv
import hashlib
import io
import posixpath
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from lamella.oci.typed import decode_as
from lamella.package import Entry, Kind, Package, order
from lamella.sources.python.bytecode import compiler
from lamella.sources.python.recipe import Recipe
from lamella.sources.python.scheme import ANYWHERE, Scheme
from lamella.sources.python.zipped import Archive, LocalBytes, Member, WheelError

_INSTALLER = b"lamella\n"
_BLOCK = 1 << 20
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_PYTHON = b"#!python"
_SCRIPT_NAME = re.compile(r"[\w.+-]+")
_REFERENCE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?\s*")
_SCRIPT = """#!{interpreter}
import sys

from {module} import {name}

if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit({attribute}())
"""


@dataclass(frozen=True)
class Row:
    """A file's hash and size in RECORD, as written there."""

    hash: str
    size: str


@dataclass(frozen=True)
class _Placed:
    """A file at its place in the image."""

    path: str
    mode: int
    size: int
    content: Callable[[], BinaryIO]
    row: Row


def entries(package: Package) -> Iterator[Entry]:
    """The files of the wheel at `package.path`, at their places in the scheme of `package.how`."""
    scheme = decode_as(package.how, Recipe).scheme
    placed = wheel_of(package).placed(scheme)
    if scheme.compiler:
        yield from _compiled(placed, scheme)
    else:
        yield from map(_entry, sorted(placed, key=_order))


def _compiled(placed: "list[_Placed]", scheme: Scheme) -> Iterator[Entry]:
    """The files, and the bytecode of modules where Python looks for it."""
    with compiler(scheme.compiler) as python:
        files = {file.path: file for file in placed}
        modules = {python.place(path): files[path] for path in files if _is_module(path, scheme)}
        for file in sorted({**modules, **files}.items(), key=lambda item: order(item[0].encode())):
            path, source = file
            if path in files:
                yield _entry(source)
                continue
            with source.content() as opened:
                data = python.compile(b"".join(iter(lambda: opened.read(_BLOCK), b"")))
            if data:
                yield _entry(_made(path, data))


def _is_module(path: str, scheme: Scheme) -> bool:
    return path.endswith(".py") and path.startswith(f"{scheme.packages}/")


def _entry(file: "_Placed") -> Entry:
    return Entry(file.path.encode(), Kind.FILE, file.mode, file.size, content=file.content)


def _order(file: "_Placed") -> bytes:
    return order(file.path.encode())


def without_bytecode(package: Package) -> Package:
    """The same wheel, without bytecode."""
    recipe = decode_as(package.how, Recipe)
    plain = msgspec.structs.replace(recipe, scheme=msgspec.structs.replace(recipe.scheme, compiler=""))
    return replace(package, how=msgspec.json.encode(plain).decode())


def wheel_of(package: Package) -> "Wheel":
    """The wheel at `package.path`."""
    return Wheel(Archive(LocalBytes(Path(package.path)), package.id))


class Wheel:
    """What is in a wheel, and where that goes."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.origin = origin = archive.origin
        tops = {name.partition("/")[0] for name in archive.members if "/" in name}
        infos = [top for top in tops if top.endswith(".dist-info")]
        if len(infos) != 1:
            raise WheelError(f"{origin} is not a wheel: it has {len(infos)} .dist-info folders instead of one")
        self.info = infos[0]
        self.name = self.info.partition("-")[0]
        said = self.document("WHEEL")
        version = re.search(r"^Wheel-Version:\s*(\d+)\.", said or "", re.MULTILINE)
        if not version or version[1] != "1":
            raise WheelError(f"{origin} is not a wheel of version 1, the only supported version")

    def document(self, name: str) -> str | None:
        """A file in the wheel's `.dist-info`, if it exists."""
        member = self.archive.members.get(f"{self.info}/{name}")
        return self.archive.read(member).decode("utf-8", "replace") if member else None

    def records(self) -> dict[str, Row]:
        """The rows of the wheel's own RECORD, by file."""
        rows = csv.reader(io.StringIO(self.document("RECORD") or ""))
        try:
            return {row[0]: Row(row[1], row[2]) for row in rows if len(row) == 3}
        except csv.Error as error:
            raise WheelError(f"{self.origin}: its RECORD cannot be read: {error}") from error

    def scripts(self) -> dict[str, str]:
        """The scripts in `entry_points.txt`, and what each calls."""
        parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            parser.read_string(self.document("entry_points.txt") or "")
        except configparser.Error as error:
            raise WheelError(
                f"{self.origin}: its entry_points.txt cannot be read: {error.message.splitlines()[0]}"
            ) from error
        groups = [parser[group] for group in ("console_scripts", "gui_scripts") if group in parser]
        return {name: called for group in groups for name, called in group.items()}

    def top_levels(self) -> set[str]:
        """The top-level modules that can be imported."""
        told = (self.document("top_level.txt") or "").split()
        paths = [place for place, _, _ in self.places()]
        there = {path.partition("/")[0] for path in paths if path.endswith("/__init__.py") and path.count("/") == 1}
        there |= {path.partition(".")[0] for path in paths if "/" not in path and path.endswith((".py", ".so"))}
        return {name for name in (there & set(told) or there) if name.isidentifier() and not name.startswith("_")}

    def placed(self, scheme: Scheme) -> "list[_Placed]":
        """All files at their places, with a new RECORD."""
        known = self.records()
        info = f"{scheme.packages}/{self.info}"
        dropped = {f"{self.info}/{name}" for name in ("RECORD", "INSTALLER", *_SIGNATURES)}
        found = [
            self._placed(member, scheme, known) for name, member in self.archive.members.items() if name not in dropped
        ]
        found += [self._script(name, called, scheme) for name, called in self.scripts().items()]
        found.append(_made(f"{info}/INSTALLER", _INSTALLER))
        found = [file for file in self._once(found) if file.path not in scheme.without]
        return [*found, _made(f"{info}/RECORD", _record(found, scheme, f"{info}/RECORD"))]

    def _once(self, found: "Iterable[_Placed]") -> "Iterator[_Placed]":
        """Each place once: a script that the wheel contains replaces an entry point of the same name."""
        seen: dict[str, _Placed] = {}
        for file in found:
            other = seen.setdefault(file.path, file)
            if other is file:
                yield file
            elif "/bin/" not in file.path:
                raise WheelError(f"{self.origin} puts two files at {file.path}")

    def _placed(self, member: Member, scheme: Scheme, known: dict[str, Row]) -> "_Placed":
        mode = 0o755 if member.executable else 0o644
        row = known.get(member.name, Row("", ""))
        path, is_script = self._place(member.name, scheme)
        if is_script:
            mode = 0o755
            with self.archive.open(member) as file:
                if file.read(len(_PYTHON)) == _PYTHON:
                    data = self.archive.read(member).partition(b"\n")[2]
                    return _made(path, f"#!{scheme.interpreter}\n".encode() + data, mode)
        return _Placed(path, mode, member.size, lambda: self.archive.open(member), row)

    def places(self) -> Iterator[tuple[str, int, int]]:
        """Where things go in any scheme, with sizes and checksums, to find conflicts between packages."""
        for member in self.archive.members.values():
            path, _ = self._place(member.name, ANYWHERE)
            yield path.removeprefix(f"{ANYWHERE.packages}/"), member.size, member.crc
        for name, called in self.scripts().items():
            yield f"{ANYWHERE.prefix}/bin/{name}", 0, zlib.crc32(called.encode())

    def _place(self, name: str, scheme: Scheme) -> tuple[str, bool]:
        """Where a member goes, and whether it is a script."""
        top, _, rest = name.partition("/")
        if not top.endswith(".data") or top.removesuffix(".data") != self.info.removesuffix(".dist-info"):
            return f"{scheme.packages}/{name}", False
        kind, _, rest = rest.partition("/")
        places = {
            "purelib": scheme.packages,
            "platlib": scheme.packages,
            "scripts": f"{scheme.prefix}/bin",
            "headers": f"{scheme.prefix}/include/python{scheme.version}/{self.name}",
            "data": scheme.prefix,
        }
        if kind not in places or not rest:
            raise WheelError(f"{self.origin} contains {name!r}, which has no place in an image")
        return f"{places[kind].rstrip('/')}/{rest}", kind == "scripts"

    def _script(self, name: str, called: str, scheme: Scheme) -> "_Placed":
        match = _REFERENCE.fullmatch(called)
        if not match or not _SCRIPT_NAME.fullmatch(name) or name in (".", ".."):
            raise WheelError(f"{self.origin}: the script {name!r} cannot call {called!r}")
        attribute = match["attribute"]
        text = _SCRIPT.format(
            interpreter=scheme.interpreter,
            module=match["module"],
            name=attribute.partition(".")[0],
            attribute=attribute,
        )
        return _made(f"{scheme.prefix}/bin/{name}", text.encode(), 0o755)


def _made(path: str, data: bytes, mode: int = 0o644) -> _Placed:
    hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return _Placed(path, mode, len(data), lambda: io.BytesIO(data), Row(f"sha256={hashed}", str(len(data))))


def _record(placed: "list[_Placed]", scheme: Scheme, own: str) -> bytes:
    """RECORD, with paths relative to the folder of packages, and no hash of itself."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    rows = [(file.path, file.row.hash, file.row.size) for file in placed] + [(own, "", "")]
    writer.writerows(sorted((_relative(path, scheme), hashed, size) for path, hashed, size in rows))
    return out.getvalue().encode()


def _relative(path: str, scheme: Scheme) -> str:
    inside = path.removeprefix(f"{scheme.packages}/")
    return posixpath.relpath(path, scheme.packages) if inside is path else inside
