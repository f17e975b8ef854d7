"""`lamella sbom`: what an image is made of, for programs that check licences and known vulnerabilities."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.common import (
    image_argument,
    open_workplace,
    platform_option,
    reach_of,
    reaching_out,
    registry_options,
    seen_at,
)

if TYPE_CHECKING:
    from lamella.sbom.contents import Contents

FORMATS = ("spdx", "cyclonedx")


@click.command("sbom")
@image_argument
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="spdx", show_default=True, help="The format of the list."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it [default: stdout]."
)
@platform_option
@registry_options
def command(image: str, form: str, output: Path | None, **how: Any) -> None:
    """List everything that IMAGE (a spec, an image.json, or an image at a place) is made of.

    Lists names, versions, hashes and licences of wheels, debs and store paths, by layer, in SPDX or CycloneDX.
    """
    from lamella.pipeline.explain.contents import contents_of
    from lamella.staging import write_file

    with reaching_out(open_workplace(), **reach_of(how)) as place:
        view, _ = seen_at(image, place, how["platform"])
        data, _ = written(contents_of(view, place), form)
    if output is None:
        click.echo(data.decode(), nl=False)
        return
    write_file(output, data)
    click.echo(f"wrote {output}")


def written(contents: "Contents", form: str) -> tuple[bytes, str]:
    """The document, and its media type."""
    import msgspec

    from lamella.sbom import cyclonedx, spdx

    if form == "spdx":
        document, media_type = spdx.spdx(contents), spdx.MEDIA_TYPE
    else:
        document, media_type = cyclonedx.cyclonedx(contents), cyclonedx.MEDIA_TYPE
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n", media_type
