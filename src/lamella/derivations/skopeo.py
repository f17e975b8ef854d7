"""The options after `nix run .#image.copyTo...`: those of skopeo, translated to lamella's."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lamella.errors import LamellaError
from lamella.oci.reference import KINDS

_WITH_VALUE = {
    "--dest-creds": "--creds",
    "--dest-cert-dir": "",
    "--format": "--format",
    "-f": "--format",
    "--retry-times": "",
    "--image-parallel-copies": "",
    "--command-timeout": "",
    "--tmpdir": "",
    "--multi-arch": "",
    "--dest-compress-level": "",
    "--dest-compress-format": "",
}
"""Options with a value, and ours; empty if lamella does not need them."""

_ALONE = {
    "--quiet": "--quiet",
    "-q": "--quiet",
    "--debug": "--verbose",
    "--insecure-policy": "",
    "--preserve-digests": "",
    "--remove-signatures": "",
    "--dest-compress": "",
    "--dest-force-compress-format": "",
    "--dest-precompute-digests": "",
    "--all": "",
    "-a": "",
}
_OF_SOURCE = tuple(f"--src-{name}" for name in ("creds", "authfile", "cert-dir", "daemon-host", "registry-token"))
"""Options for the source, which needs none here."""

_TRUTHS = {"--dest-tls-verify": "--insecure"}
"""Options that turn on ours if they are `false`."""


class SkopeoError(LamellaError):
    """An option of skopeo is not supported."""

    exit_code = 2


class Copy(NamedTuple):
    """The destination and the options, in our words. `credentials` is a file, if one is named."""

    destination: str
    options: tuple[str, ...]
    credentials: str = ""


def understood(words: Sequence[str]) -> Copy:
    """The copy for skopeo's `words`. The last place in them counts, so users can override the default one."""
    places: list[str] = []
    options: list[str] = []
    credentials = ""
    rest = iter(words)
    for word in rest:
        name, _, value = word.partition("=")
        if not word.startswith("-"):
            places.append(word)
        elif name in ("--dest-authfile", "--authfile"):
            credentials = value or _next(name, rest)
        elif name in _WITH_VALUE:
            value = value or _next(name, rest)
            options += [_WITH_VALUE[name], value] if _WITH_VALUE[name] else []
        elif name in _TRUTHS:
            options += [_TRUTHS[name]] if value == "false" else []
        elif name in _ALONE and value in ("", "true"):
            options += [_ALONE[name]] if _ALONE[name] else []
        elif name in _OF_SOURCE:
            _ = value or _next(name, rest)
        elif name not in ("--src-tls-verify", "--src-no-creds"):
            raise SkopeoError(f"{name} is not supported; see lamella copy --help")
    if not places:
        raise SkopeoError("say where the image goes, as in docker://HOST/NAME:TAG")
    return Copy(_place(places[-1], places[0]), tuple(options), credentials)


def _next(name: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise SkopeoError(f"{name} needs a value")
    return value


def _place(named: str, usual: str) -> str:
    """The place in our words; a bare name is in a registry if the default place is."""
    has_kind = named.startswith(tuple(f"{kind}:" for kind in KINDS))
    return named if has_kind or not usual.startswith("docker://") else f"docker://{named}"
