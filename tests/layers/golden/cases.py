"""Headers that test every way Go's `archive/tar` has of writing one.

`python -m tests.layers.golden.cases` writes `headers.json` anew; it needs Go.
"""

import json
import re
import tempfile
from pathlib import Path

from tests.layers.go import GOLDEN, Program, header_by

from lamella.package import Entry, Kind, Owner

FILE, LINK, FOLDER = Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY


def name(length: int, *parts: int) -> bytes:
    """A path of parts this long; the last one fills it up to `length`."""
    front = b"".join(b"p" * part + b"/" for part in parts)
    return front + b"n" * (length - len(front))


CASES = {
    "root folder": Entry(b"/", FOLDER, 0o755),
    "relative folder": Entry(b"..", FOLDER, 0o755),
    "empty file": Entry(b"/etc/hosts", FILE, 0o644),
    "file": Entry(b"/etc/hosts", FILE, 0o444, 1234567),
    "setuid file": Entry(b"/bin/su", FILE, 0o4755, 1),
    "sticky folder": Entry(b"/tmp", FOLDER, 0o1777),
    "all mode bits": Entry(b"/tmp", FOLDER, 0o7777),
    "link": Entry(b"/bin/sh", LINK, 0o777, 0, b"bash"),
    "spaces and newlines": Entry(b"/a b/c\nd\te", FILE, 0o644, 5),
    "name of 99": Entry(name(99), FILE, 0o644),
    "name of 100": Entry(name(100), FILE, 0o644),
    "name of 101 without a slash": Entry(name(101), FILE, 0o644),
    "absolute name of 101, only slash first": Entry(b"/" + name(100), FILE, 0o644),
    "absolute name of 102, only slash first": Entry(b"/" + name(101), FILE, 0o644),
    "prefix of 155, name of 100": Entry(name(256, 155), FILE, 0o644),
    "prefix of 155, name of 101": Entry(name(257, 155), FILE, 0o644),
    "prefix of 156, name of 50": Entry(name(207, 156), FILE, 0o644),
    "several slashes": Entry(name(140, 10, 20, 30, 9), FILE, 0o644),
    "last part of 100 behind a short one": Entry(name(120, 19), FILE, 0o644),
    "last part of 101 behind a short one": Entry(name(121, 19), FILE, 0o644),
    "part of 255": Entry(b"/" + name(256, 0)[1:], FILE, 0o644),
    "name of 4000": Entry(b"/" + name(4000, *[200] * 19), FILE, 0o644, 3),
    "name of 4000 in short parts": Entry(b"/" + name(4000, *[1] * 1990), FOLDER, 0o700),
    "cut at a slash": Entry(name(300, 99), FILE, 0o644),
    "long folder": Entry(name(300, 99, 99), FOLDER, 0o755),
    "title cut at a slash": Entry(name(300, 86), FOLDER, 0o755),
    "title cut in its marker": Entry(name(300, 90), FILE, 0o644),
    "not ASCII": Entry("/grüße/日本語".encode(), FILE, 0o644, 12),
    "not ASCII, long": Entry("/é".encode() * 60, FILE, 0o644, 12),
    "not ASCII, cut at slashes": Entry(b"x" * 95 + "/é/é/é/é/é/x".encode(), FILE, 0o644, 12),
    "only slashes are ASCII": Entry("/é/é".encode(), FILE, 0o644, 12),
    "not UTF-8": Entry(b"/caf\xe9/\xff\xfe", FILE, 0o644, 12),
    "cut UTF-8": Entry(b"/\xe6\x97a", FILE, 0o644, 12),
    "folder not ASCII": Entry("/ü".encode(), FOLDER, 0o755),
    "target of 100": Entry(b"/l", LINK, 0o777, 0, name(100)),
    "target of 101": Entry(b"/l", LINK, 0o777, 0, name(101)),
    "target of 101, cut at a slash": Entry(b"/l", LINK, 0o777, 0, name(101, 99)),
    "target not ASCII": Entry(b"/l", LINK, 0o777, 0, "ü".encode()),
    "target not UTF-8": Entry(b"/l", LINK, 0o777, 0, b"\xff"),
    "long target, long name that splits": Entry(name(140, 60), LINK, 0o777, 0, name(120, 30)),
    "target not ASCII, long name": Entry(name(400, 60), LINK, 0o777, 0, "ü/ü".encode() * 40),
    "link with a slash at the end": Entry(b"/l", LINK, 0o777, 0, b"folder/"),
    "largest in octal": Entry(b"/large", FILE, 0o644, (8 << 30) - 1),
    "8 GiB": Entry(b"/large", FILE, 0o644, 8 << 30),
    "huge, long name that splits": Entry(name(140, 60), FILE, 0o644, 1 << 50),
    "largest id in octal": Entry(b"/f", FILE, 0o644, 1, owner=Owner(2097151, 2097151)),
    "large user": Entry(b"/f", FILE, 0o644, 1, owner=Owner(2097152, 5)),
    "large group": Entry(b"/f", FOLDER, 0o644, owner=Owner(5, 4294967295)),
    "large ids on the root": Entry(b"/", FOLDER, 0o755, owner=Owner(3000000, 3000000)),
    "large id on a relative root": Entry(b"..", FOLDER, 0o755, owner=Owner(3000000, 0)),
    "owner without names": Entry(b"/f", FILE, 0o644, 1, owner=Owner(1, 2, "", "")),
    "names of 32": Entry(b"/f", FILE, 0o644, 1, owner=Owner(1, 2, "u" * 32, "g" * 32)),
    "user of 33": Entry(b"/f", FILE, 0o644, 1, owner=Owner(1, 2, "u" * 33, "g")),
    "group not ASCII": Entry(b"/f", FILE, 0o644, 1, owner=Owner(1, 2, "u", "grün")),
    "everything at once": Entry(
        "/ü".encode() * 90, LINK, 0o777, 0, "/ö".encode() * 90, owner=Owner(9999999, 8888888, "ä" * 40, "é" * 40)
    ),
    "record length that grows by its own digit": Entry("é".encode() + b"/" + b"n" * 85, FILE, 0o644),
    "record length of 100": Entry("é".encode() + b"/" + b"n" * 86, FILE, 0o644),
    "record length of 1000": Entry(name(989, 200, 200, 200, 200), FILE, 0o644),
    "record length that grows to 1001": Entry(name(990, 200, 200, 200, 200), FILE, 0o644),
}


def shortened(data: bytes) -> str:
    """Header bytes as one can read them: runs of NULs become their number."""
    return re.sub(rb"\0+", lambda run: b"{%d}" % len(run[0]), data).decode("latin-1")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = Program("headers", Path(folder))
        found = {case: shortened(header_by(program, entry)) for case, entry in CASES.items()}
        program.stop()
    (GOLDEN / "headers.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
