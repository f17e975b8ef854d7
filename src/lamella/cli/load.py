"""`lamella load`: loads an image into Docker, podman or containerd; makes and sends only the missing layers."""

import time
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    image_argument,
    json_option,
    layer_option,
    open_workplace,
    platform_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.completing import daemons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.cli.progress import Told
    from lamella.destinations.publish import Sent


@click.command("load")
@image_argument
@click.option(
    "--into",
    default="docker",
    metavar="DAEMON",
    shell_complete=daemons,
    show_default=True,
    help="docker, podman, containerd, containerd:NAMESPACE or kind:CLUSTER.",
)
@click.option("--name", metavar="NAME[:TAG]", help="The name of the image there [default: its own name].")
@platform_option
@layer_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, into: str, name: str | None, **how: Any) -> None:
    """Load IMAGE (a spec, an image.json, or an image at a place) into a daemon.

    Docker's engine is that of $DOCKER_HOST, of Docker's current context, or the default one. containerd is used
    through ctr, at $CONTAINERD_ADDRESS. Separate several daemons with commas: `--into docker,podman`.
    """
    from lamella.cli.progress import Told

    started = time.monotonic()
    with Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told:
        called, layers = loaded(image, name, into, told, how)
    if how["as_json"]:
        states = [{"name": s.layer.name, "diff_id": s.layer.record.diff_id, "state": _word(s)} for s in layers]
        click.echo(show.as_json({"name": called, "layers": states}))
        return
    if how["quiet"]:
        click.echo(called)
        return
    sent = [one for one in layers if one.written]
    rows = [(show.printable(one.layer.name), show.size(one.layer.record.tar_size), _word(one)) for one in layers]
    click.echo("\n".join(show.table(rows, right=(1,))))
    size = show.size(sum(one.layer.record.tar_size for one in sent))
    took = f"{time.monotonic() - started:.1f} s"
    click.echo(f"loaded {called} into {into}: {len(sent)} of {show.plural(len(layers), 'layer')} ({size}), in {took}")


def loaded(image: str, name: str | None, into: str, told: "Told", how: dict[str, Any]) -> "tuple[str, Sequence[Sent]]":
    """Load the image; return its name in the daemons, and what became of its layers.

    Of several daemons, the result is that of the one that lacked most layers.
    """
    from lamella.cli.images import Wanted, image_at
    from lamella.oci.reference import docker_name

    with reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place:
        assert place.outside is not None
        daemons = [daemon for one in into.split(",") for daemon in place.outside.daemons.named(one)]
        told.doing(f"looking at {image}")
        found = image_at(image, place, Wanted(how["platform"], compression="none", layer=how["layer"]))
        called = docker_name(name) if name else found.docker_name
        if not called:
            raise click.UsageError(f"{image} has no name; pass --name NAME")
        results = [daemon.load(found.image, called, told.progress) for daemon in daemons]
        return called, max(results, key=lambda layers: sum(one.written for one in layers))


def _word(sent: "Sent") -> str:
    return "loaded" if sent.written else sent.word
