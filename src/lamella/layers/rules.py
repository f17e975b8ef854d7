"""Applies a layer's rules to a package's entries, which change owner and mode, move, or are left out.

    entry --permissions, by its original path--> --rewrites--> --ignore, by its path in the image--> entry

The same rules are used by Go programs, so regular expressions and replacements have their meaning in Go.
"""

import re
from collections.abc import Callable, Iterator

from lamella.errors import LamellaError
from lamella.layers.names import clean
from lamella.layers.tree import FOLDER_MODE, parent
from lamella.package import Entry, Kind, Owner, Permission, Rewrite, Rules, order

_REFERENCE = re.compile(rb"\$(?:(\$)|(\w+)|\{(\w+)\})")
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)
_MODES = 0o7777


class RuleError(LamellaError):
    """A rule cannot be applied."""

    exit_code = 2


class _Implied(Entry):
    """A folder that its package does not list; it is in the layer only if a permission applies to it."""


def apply(rules: Rules, entries: Iterator[Entry], at: str = "") -> Iterator[Entry]:
    """Yield `entries` with `rules` applied. They stay a stream, unless rewrites make it necessary to sort them.

    Rules also see folders below `at`, the package's place, that it does not list.
    """
    implied = bool(at and (rules.permissions or rules.ignore))
    if implied:
        entries = _with_folders(entries, at)
    if rules.permissions:
        entries = _permitted(rules.permissions, entries)
    if rules.rewrites:
        entries = _moved(rules.rewrites, entries)
    if rules.ignore:
        entries = _kept(rules.ignore, entries)
    return (entry for entry in entries if not isinstance(entry, _Implied)) if implied else entries


def _with_folders(entries: Iterator[Entry], at: str) -> Iterator[Entry]:
    """`entries`, each after those of its folders below `at` that the package does not list."""
    root = at.rstrip("/").encode(errors="surrogateescape") + b"/"
    last = b""
    for entry in entries:
        missing = []
        above = parent(entry.path)
        while above.startswith(root) and above != last and not last.startswith(above + b"/"):
            missing.append(_Implied(above, Kind.DIRECTORY, FOLDER_MODE))
            above = parent(above)
        yield from reversed(missing)
        yield entry
        last = entry.path


def _permitted(permissions: tuple[Permission, ...], entries: Iterator[Entry]) -> Iterator[Entry]:
    found = [(_compiled(permission.regex).search, permission) for permission in permissions]
    for permission in permissions:
        if (permission.mode or 0) | permission.or_mode > _MODES:
            raise RuleError(f"the rule for {permission.regex!r} sets mode {permission.mode:o}; 7777 is the highest")
    for entry in entries:
        path = entry.path
        for matches, permission in found:
            if matches(path):
                entry = _with(permission, entry)
        yield entry


def _with(permission: Permission, entry: Entry) -> Entry:
    mode = (entry.mode if permission.mode is None else permission.mode) | permission.or_mode
    owner = entry.owner
    uid = owner.uid if permission.uid is None else permission.uid
    gid = owner.gid if permission.gid is None else permission.gid
    named = Owner(uid, gid, permission.uname or owner.uname, permission.gname or owner.gname)
    return Entry(*entry)._replace(mode=mode, owner=named)


def _moved(rewrites: tuple[Rewrite, ...], entries: Iterator[Entry]) -> Iterator[Entry]:
    moves = [replacer(rewrite) for rewrite in rewrites]
    moved = []
    for entry in entries:
        path = entry.path
        for move in moves:
            path = move(path)
        if path:
            moved.append(entry._replace(path=clean(path)))
    moved.sort(key=lambda entry: order(entry.path))
    return iter(moved)


def replacer(rewrite: Rewrite) -> Callable[[bytes], bytes]:
    """Return a function that replaces every match, except an empty one right after another, as Go does."""
    regex = _compiled(rewrite.regex)
    template = _template(regex, rewrite.repl)

    def move(path: bytes) -> bytes:
        out = []
        end = 0
        for match in regex.finditer(path):
            start, stop = match.span()
            out.append(path[end:start])
            if stop > end or start == 0:
                out += [part if isinstance(part, bytes) else match[part] or b"" for part in template]
            end = stop
        return b"".join(out) + path[end:]

    return move


def _template(regex: re.Pattern[bytes], repl: str) -> list[bytes | int]:
    """The replacement as texts and group numbers; groups that the regex does not have are empty."""
    text = repl.encode(errors="surrogateescape")
    found: list[bytes | int] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        found.append(text[end : match.start()] + (match[1] or b""))
        end = match.end()
        name = (match[2] or match[3] or b"").decode()
        number = int(name) if name.isdecimal() else regex.groupindex.get(name, 0)
        if number <= regex.groups and (number or name == "0"):
            found.append(number)
    return [*found, text[end:]]


def _kept(ignore: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    matches = _compiled(ignore).search
    below = b""
    for entry in entries:
        path = entry.path
        if below and path.startswith(below):
            continue
        if not matches(path):
            yield entry
        elif entry.kind is Kind.DIRECTORY:
            below = path.rstrip(b"/") + b"/"


def _compiled(regex: str) -> re.Pattern[bytes]:
    """`regex` as Go understands it: `$` is the very end of the path, even after a newline."""
    if "[:" in regex:
        raise RuleError(f"the rule {regex!r} has a class such as [:alpha:]; write it out, as in [A-Za-z]")
    ends = "$" if "(?m" in regex else r"\Z"
    text = _TOKEN.sub(lambda token: ends if token[0] in ("$", r"\z") else token[0], regex)
    try:
        return re.compile(text.encode(errors="surrogateescape"))
    except re.error as error:
        raise RuleError(f"the rule {regex!r} is not a regular expression: {error}") from error
