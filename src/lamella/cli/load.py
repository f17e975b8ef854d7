"""`lamella load`: an image into Docker, of which only the layers that it lacks are made and sent."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    json_option,
    open_workplace,
    quiet_option,
    reaching_registries,
    registry_options,
    verbose_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.cli.progress import Told
    from lamella.destinations.publish import Sent

_USUAL = "unix:///var/run/docker.sock"


@click.command("load")
@click.argument("image", default=".")
@click.option("--name", metavar="NAME[:TAG]", help="What Docker is to call it; else it keeps its name.")
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, name: str | None, as_json: bool, quiet: bool, verbose: bool, **reach: Any) -> None:
    """Load IMAGE (a spec, an image.json, or an image at a place) into Docker.

    The engine is that of $DOCKER_HOST, of Docker's current context, or the usual one.
    """
    from lamella.cli.progress import Told

    started = time.monotonic()
    with Told(quiet=quiet or as_json, verbose=verbose) as told:
        called, layers = loaded(image, name, told, reach)
    if as_json:
        states = [{"name": s.layer.name, "diff_id": s.layer.record.diff_id, "state": s.word} for s in layers]
        click.echo(show.as_json({"name": called, "layers": states}))
        return
    if quiet:
        click.echo(called)
        return
    sent = [one for one in layers if one.written]
    rows = [
        (show.printable(one.layer.name), show.size(one.layer.record.tar_size), "loaded" if one.written else "exists")
        for one in layers
    ]
    click.echo("\n".join(show.table(rows, right=(1,))))
    size = show.size(sum(one.layer.record.tar_size for one in sent))
    took = f"{time.monotonic() - started:.1f} s"
    click.echo(f"loaded {called}: {len(sent)} of {show.plural(len(layers), 'layer')} ({size}), in {took}")


def loaded(image: str, name: str | None, told: "Told", reach: dict[str, Any]) -> "tuple[str, Sequence[Sent]]":
    """What Docker calls the image now that it has it, and what became of its layers."""
    from lamella.cli.images import image_at
    from lamella.destinations.docker import Docker
    from lamella.oci.reference import docker_name

    with reaching_registries(open_workplace(progress=told.progress), **reach) as place:
        told.doing(f"looking at {image}")
        found = image_at(image, place, "none")
        called = docker_name(name) if name else found.docker_name
        if not called:
            raise click.UsageError(f"{image} has no name; say --name NAME")
        return called, Docker(address(os.environ)).load(found.image, called, told.progress)


def address(environment: Mapping[str, str]) -> str:
    """Where Docker's engine listens, by its own rules."""
    if environment.get("DOCKER_HOST"):
        return environment["DOCKER_HOST"]
    folder = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "~", ".docker")).expanduser()
    name = environment.get("DOCKER_CONTEXT", "")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        name = name or json.loads((folder / "config.json").read_bytes())["currentContext"]
    if name and name != "default":
        file = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        try:
            return str(json.loads(file.read_bytes())["Endpoints"]["docker"]["Host"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise click.ClickException(f"Docker's context {name!r} cannot be read from {file}: {error}") from error
    return _USUAL
