"""`lamella build`: makes an image.json from a spec, and publishes the image."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show, why
from lamella.cli.common import (
    draft_at,
    json_option,
    mounted_option,
    open_workplace,
    platform_option,
    previous_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.completing import IMAGE, layer_or_spec

if TYPE_CHECKING:
    from lamella.images.document import ImageItem, LayerItem
    from lamella.pipeline.draft import Built, Draft


@click.command("build", options_metavar="[OPTIONS]")
@click.argument("what", nargs=-1, metavar="[layer NAME] [SPEC]", shell_complete=layer_or_spec)
@click.option("--below", is_flag=True, help="With `layer NAME`: also include the layers below it.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the image.json [default: beside SPEC].",
)
@click.option(
    "--layers-json",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the layers to this file, as nix2container's layers.json.",
)
@click.option(
    "--to",
    "places",
    multiple=True,
    metavar="PLACE",
    type=IMAGE,
    help="Also publish the image at oci:FOLDER[:TAG] or docker://HOST/NAME[:TAG]. Can be repeated.",
)
@click.option("--keep-blobs", is_flag=True, help="Keep the blobs of new layers in the cache.")
@previous_option
@mounted_option
@platform_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(what: tuple[str, ...], places: tuple[str, ...], keep_blobs: bool, **how: Any) -> None:
    """Build the image that SPEC (a lamella.toml, or its folder) describes; read only what has changed.

    With `layer NAME` before it, build an image of that layer alone: the same bytes as in the whole image.
    """
    from lamella import pipeline
    from lamella.cli.images import target_at
    from lamella.cli.progress import Told
    from lamella.pipeline.packages.mounted import mounted

    started = time.monotonic()
    layer, spec = asked(what)
    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(keep_blobs=keep_blobs, progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing("looking up packages")
        draft = draft_at(spec, place, how["previous"], platform=how["platform"])
        if layer:
            draft = draft.only(layer, below=how["below"])
        elif how["below"]:
            raise click.UsageError("--below needs `layer NAME`")
        if how["nix_store_paths"]:
            draft = mounted(draft, place)
        built = pipeline.build(draft, place, [target_at(text, place) for text in places])
        document = pipeline.remember(built, place)
    folder = Path(spec) if Path(spec).is_dir() else Path(spec).parent
    target = how["output"] or folder / default_name(layer)
    write_json(target, document)
    if how["layers_json"]:
        write_json(how["layers_json"], list(document.layers or ()))
    if how["as_json"]:
        click.echo(show.as_json(as_told(draft, built)))
    elif how["quiet"]:
        click.echo(target)
    else:
        click.echo("\n".join([*summary(draft, built, time.monotonic() - started), f"wrote {target}"]))


def asked(what: tuple[str, ...]) -> tuple[str, str]:
    """Return the requested layer, or an empty string, and the spec."""
    layer = ""
    if what[:1] == ("layer",) and len(what) > 1:
        layer, what = what[1], what[2:]
    if len(what) > 1:
        raise click.UsageError(f"more than one spec: {', '.join(what)}; for a layer, write `layer NAME SPEC`")
    return layer, what[0] if what else "."


def default_name(layer: str) -> str:
    """The file name of the result; a layer's does not replace that of the whole image."""
    from lamella.pipeline.draft import slug

    return f"{slug(layer)}.json" if layer else "image.json"


def write_json(target: Path, document: "ImageItem | list[LayerItem]") -> None:
    """Write an image.json or a layers.json, whole or not at all."""
    from lamella.images.document import encode_document
    from lamella.staging import write_file

    write_file(target, encode_document(document))


def as_told(draft: "Draft", built: "Built") -> dict[str, Any]:
    """The summary for programs."""
    from lamella.pipeline.explain.reasons import reasons

    return {
        "name": draft.name,
        "tag": draft.tag,
        "config": built.image.config_descriptor.digest,
        "saved": draft.saved,
        "layers": [
            {
                "name": own.plan.name,
                "made": own.made,
                **why.told(reason),
                "diff_id": own.layer.record.diff_id,
                "tar_size": own.layer.record.tar_size,
                "digest": own.layer.record.digest,
                "size": own.layer.record.size,
                "packages": [package.id for package in own.plan.packages],
            }
            for own, reason in zip(built.layers, reasons(draft), strict=True)
        ],
    }


def summary(draft: "Draft", built: "Built", seconds: float) -> list[str]:
    """The summary for people: `draft` is what was known before, `built` what became of it."""
    from lamella.pipeline.explain.reasons import reasons
    from lamella.pipeline.memory.registries import name_of

    rows = [("layer", "packages", "size", "compressed", "digest", "", "")]
    for layer in draft.base.layers if draft.base else ():
        record = layer.record
        rows.append(
            (
                show.printable(name_of(layer)) or "base",
                "",
                "",
                show.size(record.size),
                show.short(record.digest),
                "base",
                "",
            )
        )
    for own, reason in zip(built.layers, reasons(draft), strict=True):
        record = own.layer.record
        word = click.style("made", fg="green") if own.made else "reused"
        sizes = (show.size(record.tar_size), show.size(record.size), show.short(record.digest))
        rows.append((show.printable(own.plan.name), str(len(own.plan.parts)), *sizes, word, why.said(reason)))
    made = [own for own in built.layers if own.made]
    read = sum(own.layer.record.tar_size for own in made)
    saved = f"; {show.size(draft.saved)} of duplicates avoided by chaining" if draft.saved else ""
    return [
        click.style(f"{draft.name}:{draft.tag}", bold=True),
        *(f"  {line}" for line in show.table(rows, right=(1, 2, 3))),
        f"{show.plural(len(built.image.layers), 'layer')}: {len(made)} made ({show.size(read)} read), "
        f"{len(built.layers) - len(made)} reused, in {seconds:.1f} s{saved}",
    ]
