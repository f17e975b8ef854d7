"""`lamella doctor`: checks what lamella works with, and says how to fix what is wrong."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from lamella.cli import examine, show
from lamella.cli.common import json_option, registry_options
from lamella.cli.completing import looks
from lamella.cli.examine import FAULT, NOTE, OK, Finding
from lamella.errors import LamellaError

_PATIENCE = 4.0
"""Seconds to wait for an answer."""

Examination = tuple[str, Callable[[], Finding]]


@click.command("doctor")
@click.argument("what", nargs=-1, metavar="[WHAT]...", shell_complete=looks)
@registry_options
@json_option
def command(what: tuple[str, ...], as_json: bool, **reach: Any) -> None:
    """Check the programs, folders and registries that lamella works with, and say how to fix what is wrong.

    WHAT is docker, podman, containerd, nix, uv, shell, cache, credentials, a spec, an image in a registry
    (HOST/NAME[:TAG]) or a bucket (s3://, gs://, az://). Everything that you name must work. If you name nothing, all
    is checked, and what is missing is only a note. The command fails if there is a fault.
    """
    registries = examine.Registry(**reach)
    examinations = [one for word in what for one in _named(word, registries)] or _usual(registries)
    found = examined(examinations)
    if what:
        found = [one if one.state == OK else one.as_fault() for one in found]
    if as_json:
        click.echo(show.as_json([asdict(one) for one in found]))
    else:
        click.echo("\n".join(_lines(found)))
    if any(one.state == FAULT for one in found):
        raise click.exceptions.Exit(1)


def examined(examinations: Sequence[Examination], patience: float = _PATIENCE) -> list[Finding]:
    """Return the findings, in order. All checks run at once, so this takes as long as the slowest, or `patience`."""
    found: dict[int, Finding] = {}

    def look(number: int, about: str, how: Callable[[], Finding]) -> None:
        try:
            found[number] = how()
        except (LamellaError, OSError) as error:
            found[number] = Finding(about, NOTE, str(error))
        except Exception as error:  # a bug of ours, but the other findings still count
            found[number] = Finding(about, FAULT, f"the check failed: {type(error).__name__}")

    threads = [
        threading.Thread(target=look, args=(number, *one), daemon=True) for number, one in enumerate(examinations)
    ]
    end = time.monotonic() + patience
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = f"no answer within {patience:.0f} seconds"
    return [found.get(number) or Finding(about, NOTE, late) for number, (about, _) in enumerate(examinations)]


def _usual(registries: examine.Registry) -> list[Examination]:
    """Programs, folders, and the spec of this folder with the registries that it names."""
    from lamella.spec.reader import NAME

    here = _of_spec(Path(), registries) if Path(NAME).exists() else []
    return [*_things().values(), *here]


def _things() -> dict[str, Examination]:
    found = {
        "lamella": examine.lamella,
        "clock": examine.clock,
        "cache": examine.cache,
        "temporary": examine.temporary,
        "credentials": examine.credentials,
        "docker": examine.docker,
        "podman": examine.podman,
        "containerd": examine.containerd,
        "nix": examine.nix,
        "uv": examine.uv,
        "shell": examine.shell,
    }
    return {name: (name, how) for name, how in found.items()}


def _named(word: str, registries: examine.Registry) -> list[Examination]:
    from lamella.transport.objects import is_address

    things = _things()
    if word in things:
        return [things[word]]
    if is_address(word):
        return [("bucket", partial(examine.bucket, word))]
    if Path(word).exists():
        return _of_spec(Path(word), registries)
    if "/" not in word:
        hint = show.meant(word, things) or "; for a registry, name an image, as in HOST/NAME"
        raise click.UsageError(f"cannot check {word!r}{hint}")
    return [(word, partial(registries.examined, word))]


def _of_spec(path: Path, registries: examine.Registry) -> list[Examination]:
    references = examine.references_of(path)
    return [
        ("spec", partial(examine.spec, path)),
        ("lock", partial(examine.lock, path)),
        *((one, partial(registries.examined, one)) for one in references),
    ]


def _lines(found: Sequence[Finding]) -> list[str]:
    colours = {OK: "green", NOTE: "yellow", FAULT: "red"}
    rows = [(click.style(one.state, fg=colours[one.state]), one.about, show.printable(one.said)) for one in found]
    counts = Counter(one.state for one in found)
    told = [f"{counts[OK]} ok", show.plural(counts[NOTE], NOTE), show.plural(counts[FAULT], FAULT)]
    return [*show.table(rows), ", ".join(told)]
