"""Kinds of values whose grammar others define: image names, tags, platforms, references, ports, signals."""

import re
from typing import Any

from lamella.oci.platforms import OTHER_NAMES
from lamella.oci.reference import DAEMONS, KINDS, LONGEST_NAME, NAME, STREAM, TAG, PlaceError, parse_place
from lamella.spec.kinds import Kind, table, text, text_or_number, texts
from lamella.spec.problems import near_miss, wrong


def _check_name(value: str) -> str:
    if len(value) > LONGEST_NAME:
        raise wrong("must not be longer than 255 characters")
    if re.fullmatch(NAME, value):
        return value
    name, colon, tag = value.rpartition(":")
    if colon and re.fullmatch(NAME, name):
        raise wrong(f'"{value}" contains a tag; write name = "{name}" and tag = "{tag}"')
    hint = f'; did you mean "{value.lower()}"?' if re.fullmatch(NAME, value.lower()) else ""
    raise wrong(f'"{value}" is not an image name (lower-case letters, digits, and . _ - / between them){hint}')


name = text(_check_name, pattern=f"^{NAME}$", maxLength=LONGEST_NAME)


def _check_tag(value: str) -> str:
    if not re.fullmatch(TAG, value):
        raise wrong(f'"{value}" is not a tag (letters, digits, and . _ - after the first; at most 128)')
    return value


tag = text(_check_tag, pattern=f"^{TAG}$")


SYSTEMS = ("linux", "freebsd", "darwin", "windows")
ARCHITECTURES = ("386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x", "wasm")
_PLATFORM = f"(?:{'|'.join(SYSTEMS)})/(?:{'|'.join(ARCHITECTURES)})(?:/v[0-9]+)?"


def _check_platform(value: str) -> str:
    if re.fullmatch(_PLATFORM, value):
        return value
    system, _, machine = value.rpartition("/") if value.count("/") < 2 else value.partition("/")
    meant = f"{system or 'linux'}/{OTHER_NAMES.get(machine, machine)}"
    if re.fullmatch(_PLATFORM, meant):
        hint = f'; did you mean "{meant}"?'
    else:
        hint = near_miss(value, [f"{one}/{other}" for one in SYSTEMS for other in ARCHITECTURES])
    raise wrong(f'"{value}" is not a platform such as "linux/amd64"{hint}')


platform = text(_check_platform, pattern=f"^{_PLATFORM}$")


_BASES = tuple(kind for kind in KINDS if kind not in DAEMONS)


def _check_base(value: str) -> str:
    if value.partition(":")[0] not in _BASES:
        is_name = value.partition(":")[0] not in DAEMONS and re.fullmatch(f"{NAME}(?::{TAG})?", value)
        hint = f'; did you mean "docker://{value}"?' if is_name else ""
        raise wrong(f'"{value}" is not a base image, as in "docker://HOST/NAME:TAG" or "oci:FOLDER:TAG"{hint}')
    try:
        place = parse_place(value)
    except PlaceError as error:
        raise wrong(str(error)) from None
    if place.path == STREAM:
        raise wrong(f'"{value}" is a stream, which can be read only once')
    return value


base = text(_check_base, pattern=f"^(?:{'|'.join(_BASES)}):.")


_PORT = "([0-9]{1,5})(/(?:tcp|udp|sctp))?"


def _check_port(value: str) -> str:
    match = re.fullmatch(_PORT, value)
    if not match or not 0 < int(match[1]) < 65536:
        raise wrong(f'"{value}" is not a port such as 8080 or "53/udp"')
    return f"{int(match[1])}{match[2] or '/tcp'}"


_port_text = text(_check_port, pattern=f"^{_PORT}$")
port = Kind(
    text_or_number(_check_port).read,
    {"anyOf": [_port_text.schema, {"type": "integer", "minimum": 1, "maximum": 65535}]},
)


_SIGNAL = r"(?:SIG)?[A-Z][A-Z0-9]*(?:[+-][0-9]+)?|[1-9][0-9]?"


def _check_signal(value: str) -> str:
    if not re.fullmatch(_SIGNAL, value):
        raise wrong(f'"{value}" is not a signal such as "SIGTERM" or 15')
    return value


signal = text_or_number(_check_signal, pattern=f"^(?:{_SIGNAL})$")


def _read_variable(value: object) -> str:
    if type(value) is not int and not isinstance(value, str):
        raise wrong("must be a string: put it in quotes")
    return str(text().read(str(value)))


_variables = table(Kind(_read_variable, {"type": ["string", "integer"]}), name="[^=]+")


def _read_env(value: object) -> Any:
    pairs = value if isinstance(value, list | tuple) else ()
    for place, entry in enumerate(pairs):
        if not isinstance(entry, str) or "=" not in entry:
            raise wrong('must be a string such as "NAME=value"', place)
    if isinstance(value, list | tuple):
        value = {name: part for name, _, part in (entry.partition("=") for entry in pairs)}
    return _variables.read(value)


env = Kind(
    _read_env, {"anyOf": [_variables.schema, {"type": "array", "items": {"type": "string", "pattern": "^[^=]+="}}]}
)


def _check_user(value: str) -> str:
    if not re.fullmatch(_USER, value):
        raise wrong(f'"{value}" is not a user such as "app", 1000 or "1000:100"')
    return value


_USER = r"[^\s:]+(?::[^\s:]+)?"
user = text_or_number(_check_user, pattern=f"^{_USER}$")
platforms = texts(platform)
