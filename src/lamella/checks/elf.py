"""ELF files: which libraries a program or library needs, and the name by which others need it."""

import struct
from typing import NamedTuple

Data = bytes | memoryview

MAGIC = b"\x7fELF"
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29
_MACHINES = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 21: "ppc64le", 22: "s390x"}


class Elf(NamedTuple):
    """`machine` is as in platforms; `interpreter` is the program that loads this one."""

    machine: str
    soname: str
    needed: tuple[str, ...]
    paths: tuple[str, ...]
    interpreter: str


def parse(data: Data) -> Elf | None:
    """What an ELF file says about itself; None if this is not an ELF file, or cannot be read."""
    try:
        return _parse(memoryview(data))
    except (struct.error, IndexError, ValueError, UnicodeDecodeError):
        return None


def _parse(data: memoryview) -> Elf | None:
    if data[:4] != MAGIC or data[4] not in (1, 2):
        return None
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    machine = struct.unpack_from(f"{order}H", data, 18)[0]
    start = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, 32 if wide else 28)[0]
    size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
    segments = [_segment(data, start + i * size, wide, order) for i in range(count)]
    dynamic = next((one for one in segments if one[0] == _DYNAMIC), None)
    loader = next((one for one in segments if one[0] == _INTERPRETER), None)
    told = _entries(data, dynamic, wide, order) if dynamic else []
    table = next((value for tag, value in told if tag == _STRTAB), 0)
    strings = _offset(table, segments)

    def texts(*tags: int) -> tuple[str, ...]:
        return tuple(_text(data, strings + value) for tag, value in told if tag in tags)

    paths = tuple(path for text in texts(_RPATH, _RUNPATH) for path in text.split(":") if path)
    interpreter = bytes(data[loader[1] : loader[1] + loader[3]]).partition(b"\0")[0].decode() if loader else ""
    name = _MACHINES.get(machine, str(machine))
    return Elf(name, "".join(texts(_SONAME)[:1]), texts(_NEEDED), paths, interpreter)


def _segment(data: memoryview, at: int, wide: bool, order: str) -> tuple[int, int, int, int]:
    """Kind, offset, address and size."""
    if wide:
        kind, _, offset, address, _, size = struct.unpack_from(f"{order}IIQQQQ", data, at)
    else:
        kind, offset, address, _, size = struct.unpack_from(f"{order}IIIII", data, at)
    return kind, offset, address, size


def _entries(data: memoryview, dynamic: tuple[int, int, int, int], wide: bool, order: str) -> list[tuple[int, int]]:
    form = struct.Struct(f"{order}{'qQ' if wide else 'iI'}")
    end = dynamic[1] + dynamic[3] // form.size * form.size
    found = []
    for tag, value in form.iter_unpack(data[dynamic[1] : end]):
        if tag == 0:
            break
        found.append((tag, value))
    return found


def _offset(address: int, segments: list[tuple[int, int, int, int]]) -> int:
    for kind, offset, start, size in segments:
        if kind == _LOAD and start <= address < start + size:
            return offset + address - start
    return address


def _text(data: memoryview, at: int) -> str:
    part = bytes(data[at : at + 4096])
    return part.partition(b"\0")[0].decode()
