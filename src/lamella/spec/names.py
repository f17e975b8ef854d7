"""Kinds of values whose grammar others have written: image names, tags, platforms, references, ports, signals."""

import re

from lamella.spec.kinds import Kind, text, text_or_number, texts
from lamella.spec.problems import KindError, near_miss

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?"
_NAME = rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*"
_TAG = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"


def _check_name(value: str) -> str:
    if re.fullmatch(_NAME, value) and len(value) <= 255:
        return value
    name, colon, tag = value.rpartition(":")
    if colon and re.fullmatch(_NAME, name):
        raise KindError(f'"{value}" holds a tag; write name = "{name}" and tag = "{tag}"')
    hint = f'; did you mean "{value.lower()}"?' if re.fullmatch(_NAME, value.lower()) else ""
    raise KindError(f'"{value}" is not an image name (lower-case letters, digits, and . _ - / between them){hint}')


name = text(_check_name, pattern=f"^{_NAME}$", maxLength=255)


def _check_tag(value: str) -> str:
    if not re.fullmatch(_TAG, value):
        raise KindError(f'"{value}" is not a tag (letters, digits, and . _ - after the first; at most 128)')
    return value


tag = text(_check_tag, pattern=f"^{_TAG}$")


SYSTEMS = ("linux", "freebsd", "darwin", "windows")
ARCHITECTURES = ("386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x", "wasm")
_OTHER_NAMES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}
_PLATFORM = f"(?:{'|'.join(SYSTEMS)})/(?:{'|'.join(ARCHITECTURES)})(?:/v[0-9]+)?"


def _check_platform(value: str) -> str:
    if re.fullmatch(_PLATFORM, value):
        return value
    system, _, machine = value.rpartition("/") if value.count("/") < 2 else value.partition("/")
    meant = f"{system or 'linux'}/{_OTHER_NAMES.get(machine, machine)}"
    if re.fullmatch(_PLATFORM, meant):
        hint = f'; did you mean "{meant}"?'
    else:
        hint = near_miss(value, [f"{one}/{other}" for one in SYSTEMS for other in ARCHITECTURES])
    raise KindError(f'"{value}" is not a platform such as "linux/amd64"{hint}')


platform = text(_check_platform, pattern=f"^{_PLATFORM}$")


_BASES = ("oci:", "docker-archive:")


def _check_base(value: str) -> str:
    if value.startswith(_BASES) and value.partition(":")[2]:
        return value
    raise KindError(f'"{value}" is not a base image; write "oci:FOLDER", "oci:FOLDER:TAG" or "docker-archive:FILE"')


base = text(_check_base, pattern=f"^(?:{'|'.join(_BASES)}).")


_PORT = "([0-9]{1,5})(/(?:tcp|udp|sctp))?"


def _check_port(value: str) -> str:
    match = re.fullmatch(_PORT, value)
    if not match or not 0 < int(match[1]) < 65536:
        raise KindError(f'"{value}" is not a port such as 8080 or "53/udp"')
    return f"{int(match[1])}{match[2] or '/tcp'}"


_port_text = text(_check_port, pattern=f"^{_PORT}$")
port = Kind(
    text_or_number(_check_port).read,
    {"anyOf": [_port_text.schema, {"type": "integer", "minimum": 1, "maximum": 65535}]},
)


_SIGNAL = r"(?:SIG)?[A-Z][A-Z0-9]*(?:[+-][0-9]+)?|[1-9][0-9]?"


def _check_signal(value: str) -> str:
    if not re.fullmatch(_SIGNAL, value):
        raise KindError(f'"{value}" is not a signal such as "SIGTERM" or 15')
    return value


signal = text_or_number(_check_signal, pattern=f"^(?:{_SIGNAL})$")


def _read_env(value: object) -> dict[str, str]:
    if isinstance(value, list | tuple):
        value = dict(_pair(i, entry) for i, entry in enumerate(value))
    if not isinstance(value, dict):
        raise KindError("must be a table of names and values")
    for key, part in value.items():
        if not re.fullmatch(_VARIABLE, key):
            raise KindError(f'"{key}" cannot be the name of a variable', key)
        if type(part) is not int and not isinstance(part, str):
            raise KindError("must be a string: put it in quotes", key)
        if "\0" in str(part):
            raise KindError("must not hold a NUL character", key)
    return {key: str(part) for key, part in value.items()}


def _pair(place: int, entry: object) -> tuple[str, str]:
    if not isinstance(entry, str) or "=" not in entry:
        raise KindError('must be a string such as "NAME=value"', place)
    name, _, value = entry.partition("=")
    return name, value


_VARIABLE = r"[^=\0]+"
env = Kind(
    _read_env,
    {
        "anyOf": [
            {
                "type": "object",
                "additionalProperties": {"type": ["string", "integer"]},
                "propertyNames": {"pattern": "^[^=]+$"},
            },
            {"type": "array", "items": {"type": "string", "pattern": "^[^=]+="}},
        ]
    },
)


def _check_user(value: str) -> str:
    if not re.fullmatch(_USER, value):
        raise KindError(f'"{value}" is not a user such as "app", 1000 or "1000:100"')
    return value


_USER = r"[^\s:]+(?::[^\s:]+)?"
user = text_or_number(_check_user, pattern=f"^{_USER}$")
platforms = texts(platform)
