"""`lamella report`: an HTML page that shows an image."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.common import (
    image_argument,
    json_option,
    open_workplace,
    platform_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    seen_at,
)
from lamella.cli.completing import IMAGE

if TYPE_CHECKING:
    from lamella.pipeline.workplace import Workplace
    from lamella.report.facts import Image


@click.command("report")
@image_argument
@click.argument("image2", required=False, type=IMAGE)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Where to write it; - is stdout.  [default: report.html, or stdout with --json]",
)
@click.option("--no-files", is_flag=True, help="Do not read layers: show packages and sizes, but no files.")
@platform_option
@registry_options
@json_option
@quiet_option
def command(image: str, image2: str | None, output: Path | None, no_files: bool, **how: Any) -> None:
    """Show IMAGE as a self-contained HTML page: layers, packages, why each is there, and what is wasted.

    With IMAGE2 the page is about IMAGE2, and also shows what changed since IMAGE and what a user who has IMAGE
    downloads.
    """
    from lamella.cli.progress import Told
    from lamella.cli.sbom import written
    from lamella.pipeline.explain.contents import contents_of
    from lamella.report.facts import facts
    from lamella.report.page import data_of, page

    quiet = how["quiet"] or how["as_json"]
    with (
        Told(quiet=quiet) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing(f"looking at {image2 or image}")
        look = partial(_image, place=place, platform=how["platform"], no_files=no_files)
        before = look(image) if image2 else None
        shown = look(image2 or image, before=before)
        found = facts(shown, before)
        sbom = b"" if how["as_json"] else written(contents_of(shown.view, place), "spdx")[0]
    if how["as_json"]:
        _write(data_of(found) + b"\n", output or Path("-"), how["quiet"])
    else:
        _write(page(found, sbom), output or Path("report.html"), how["quiet"])


def _write(data: bytes, output: Path, quiet: bool) -> None:
    from lamella.staging import write_file

    if str(output) == "-":
        click.echo(data, nl=False)
        return
    write_file(output, data)
    click.echo(output if quiet else f"wrote {output}")


def _image(text: str, *, place: "Workplace", platform: str, no_files: bool, before: "Image | None" = None) -> "Image":
    """Return the image at a place; layers that it shares with the one `before` are not read again."""
    from lamella.report.facts import Image
    from lamella.report.files import files_of

    view, layers = seen_at(text, place, platform)
    if no_files:
        return Image(text, view, (None,) * len(layers))
    seen = zip(before.view.layers, before.files, strict=True) if before else ()
    known = {layer.identity: files for layer, files in seen if layer.record and files is not None}
    return Image(text, view, files_of(view, layers, place, known))
