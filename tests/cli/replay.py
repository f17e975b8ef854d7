"""What nix2container's rules make of `paths`: an independent implementation, with none of our code."""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def tar_of(paths: list[dict[str, Any]]) -> tuple[str, int]:
    """The digits of the SHA-256 of the tar, and its size."""
    entries: dict[str, tarfile.TarInfo] = {}
    content: dict[str, bytes] = {}
    for item in paths:
        options = item.get("options") or {}
        rewrite, ignored = options.get("rewrite") or {}, options.get("ignoreDestination")
        for source in walked(Path(item["path"])):
            name = rewritten(source, rewrite["regex"], rewrite.get("repl", "")) if rewrite.get("regex") else source
            if not name or (ignored and re.search(ignored, name)):
                continue
            entries[name] = header(name, Path(source), options.get("perms") or [])
            content[name] = Path(source).read_bytes() if entries[name].isreg() else b""
            for parent in Path(name).parents:
                if str(parent) != ".":
                    entries.setdefault(str(parent), folder(str(parent)))
    data = io.BytesIO()
    for name in sorted(entries, key=lambda name: [part.encode() for part in Path(name).parts]):
        data.write(block(entries[name]))
        data.write(content.get(name, b""))
        data.write(bytes(-len(content.get(name, b"")) % 512))
    data.write(bytes(1024))
    return hashlib.sha256(data.getvalue()).hexdigest(), len(data.getvalue())


def rewritten(path: str, regex: str, repl: str) -> str:
    def expand(found: re.Match[str]) -> str:
        def group(told: re.Match[str]) -> str:
            name = told[1].strip("{}")
            return "$" if name == "$" else (found[int(name)] or "") if name.isdigit() and int(name) <= groups else ""

        groups = len(found.groups())
        return re.sub(r"\$(\$|\w+|\{\w+\})", group, repl)

    return re.sub(regex, expand, path)


def walked(path: Path) -> Iterator[str]:
    yield str(path)
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from walked(child)


def header(name: str, path: Path, perms: list[dict[str, Any]]) -> tarfile.TarInfo:
    info = folder(name)
    info.mode = path.lstat().st_mode & 0o7777
    if path.is_symlink():
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, os.readlink(path)  # noqa: PTH115
    elif path.is_file():
        info.type, info.size = tarfile.REGTYPE, path.stat().st_size
    for perm in perms:
        if re.search(perm["regex"], str(path)):
            info.uid, info.gid = perm.get("uid", 0), perm.get("gid", 0)
            info.uname, info.gname = perm.get("uname") or info.uname, perm.get("gname") or info.gname
            info.mode = int(perm["mode"], 8) if perm.get("mode") else info.mode
            info.mode |= int(perm.get("orMode") or "0", 8)
    return info


def folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.uname, info.gname = tarfile.DIRTYPE, 0o755, 1, "root", "root"
    return info


def block(info: tarfile.TarInfo) -> bytes:
    """The header as Go writes it: without a slash after folders, with device numbers, long names in two parts."""
    name = info.name.encode()
    cut = name.rfind(b"/", 0, 156) if len(name) > 100 else -1
    info.name = name[cut + 1 :].decode()
    data = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    data[:100] = name[cut + 1 :].ljust(100, b"\0")
    data[345:500] = name[: max(cut, 0)].ljust(155, b"\0")
    data[329:345] = b"0000000\0" * 2
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)
