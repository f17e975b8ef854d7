"""`lamella build`: from a spec to an image.json, and to places where images lie."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import draft_at, json_option, open_workplace, previous_option, quiet_option

if TYPE_CHECKING:
    from lamella.pipeline.draft import Built


@click.command("build")
@click.argument("spec", default=".")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write the image.json.")
@click.option("--to", "places", multiple=True, help="Also write the image there: oci:FOLDER[:TAG].")
@click.option("--keep-blobs", is_flag=True, help="Keep the layers that are made in the cache.")
@previous_option
@json_option
@quiet_option
def command(
    spec: str, output: Path | None, places: tuple[str, ...], keep_blobs: bool, previous: Path | None, **how: bool
) -> None:
    """Make the image that SPEC (a lamella.toml, or its folder) describes, reading only what is not known yet."""
    from lamella import pipeline
    from lamella.cli.copy import layout_at
    from lamella.images.document import encode_document
    from lamella.staging import explained

    started = time.monotonic()
    place = open_workplace(keep_blobs=keep_blobs)
    draft = draft_at(spec, place, previous)
    built = pipeline.build(draft, place, [layout_at(text) for text in places])
    folder = Path(spec) if Path(spec).is_dir() else Path(spec).parent
    target = output or folder / "image.json"
    document = pipeline.remember(built, place)
    with explained(target, "cannot write"):
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_bytes(encode_document(document))
        fresh.replace(target)
    if how["as_json"]:
        click.echo(show.as_json(told(built)))
    elif how["quiet"]:
        click.echo(target)
    else:
        click.echo("\n".join([*summary(built, time.monotonic() - started), f"wrote {target}"]))


def told(built: "Built") -> dict[str, Any]:
    """The summary for programs."""
    return {
        "name": built.draft.name,
        "tag": built.draft.tag,
        "config": built.image.config_descriptor.digest,
        "saved": built.draft.saved,
        "layers": [
            {
                "name": own.plan.name,
                "made": own.made,
                "diff_id": own.layer.record.diff_id,
                "tar_size": own.layer.record.tar_size,
                "digest": own.layer.record.digest,
                "size": own.layer.record.size,
                "packages": [package.id for package in own.plan.packages],
            }
            for own in built.layers
        ],
    }


def summary(built: "Built", seconds: float) -> list[str]:
    """The summary for people."""
    rows = [("layer", "packages", "size", "compressed", "digest", "")]
    for layer in built.draft.base.layers if built.draft.base else ():
        record = layer.record
        rows.append((layer.name or "base", "", "", show.size(record.size), show.short(record.digest), "base"))
    for own in built.layers:
        record = own.layer.record
        word = click.style("made", fg="green") if own.made else "reused"
        sizes = (show.size(record.tar_size), show.size(record.size), show.short(record.digest))
        rows.append((show.printable(own.plan.name), str(len(own.plan.parts)), *sizes, word))
    made = [own for own in built.layers if own.made]
    read = sum(own.layer.record.tar_size for own in made)
    saved = f"; {show.size(built.draft.saved)} would be in it twice without chaining" if built.draft.saved else ""
    return [
        click.style(f"{built.draft.name}:{built.draft.tag}", bold=True),
        *(f"  {line}" for line in show.table(rows, right=(1, 2, 3))),
        f"{show.plural(len(built.image.layers), 'layer')}: {len(made)} made ({show.size(read)} read), "
        f"{len(built.layers) - len(made)} reused, in {seconds:.1f} s{saved}",
    ]
