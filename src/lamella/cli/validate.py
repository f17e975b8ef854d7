"""`lamella validate`: hashes every byte again."""

from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    draft_at,
    image_argument,
    json_option,
    open_workplace,
    platform_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)

if TYPE_CHECKING:
    from lamella.oci.image import Progress
    from lamella.oci.validate import Problem
    from lamella.pipeline.workplace import Workplace


@click.command("validate")
@image_argument
@click.option(
    "--remote",
    multiple=True,
    metavar="REFERENCE",
    help="Check what this image says about the spec's layers. Can be repeated.",
)
@platform_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, remote: tuple[str, ...], **how: Any) -> None:
    """Hash every byte of IMAGE again and compare; layers that are only recipes are made again.

    With --remote, each layer of the spec IMAGE that REFERENCE describes is made from its files, and compared.
    """
    from lamella.cli.progress import Told

    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        if remote:
            count, problems = _remembered(image, remote, how["platform"], place)
        else:
            count, problems = _bytes(image, how["platform"], place, told.progress)
    if how["as_json"]:
        wrong = [{"layer": problem.layer, "message": problem.message} for problem in problems]
        click.echo(show.as_json({"problems": wrong, "layers": count}))
    else:
        for problem in problems:
            click.echo(show.printable(problem.message))
        if not how["quiet"]:
            click.echo(f"{show.plural(count, 'layer')}, {show.plural(len(problems), 'problem')}")
    if problems:
        raise click.exceptions.Exit(4)


def _bytes(image: str, platform: str, place: "Workplace", progress: "Progress") -> "tuple[int, list[Problem]]":
    from lamella.cli.images import Wanted, image_at
    from lamella.oci.validate import validate

    found = image_at(image, place, Wanted(platform)).image
    return len(found.layers), validate(found, progress)


def _remembered(image: str, remote: tuple[str, ...], platform: str, place: "Workplace") -> "tuple[int, list[Problem]]":
    from lamella.cli.images import reference_at
    from lamella.oci.platforms import wanted_platform
    from lamella.pipeline.explain.verify import verify
    from lamella.pipeline.memory.registries import recall

    def complain(what: str) -> None:
        click.echo(what, err=True)

    wanted = wanted_platform(platform)
    known = recall(place, [reference_at(text) for text in remote], complain, wanted)
    return verify(draft_at(image, known, platform=platform), known)
