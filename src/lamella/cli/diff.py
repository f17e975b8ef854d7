"""`lamella diff`: what changed between two images."""

from typing import Any

import click

from lamella.cli import show
from lamella.cli.common import json_option, platform_option, registry_options, view_at
from lamella.cli.completing import IMAGE


@click.command("diff")
@click.argument("old", type=IMAGE)
@click.argument("new", type=IMAGE)
@platform_option
@registry_options
@json_option
def command(old: str, new: str, as_json: bool, **reach: Any) -> None:
    """Show what changed from OLD to NEW, layer by layer, and how much a user who has OLD downloads."""
    from lamella.pipeline.explain.compare import compare

    found = compare(view_at(old, **reach), view_at(new, **reach))
    if as_json:
        layers = [
            {
                "name": change.layer.name,
                "digest": change.layer.record.digest if change.layer.record else None,
                "added": [package.id for package in change.difference.added],
                "changed": [package.id for package in change.difference.changed],
                "moved": [package.id for package in change.difference.moved],
            }
            for change in found.new
        ]
        removed = [package.id for package in found.removed]
        told = {"kept": len(found.kept), "bytes": found.bytes_needed, "layers": layers, "removed": removed}
        click.echo(show.as_json(told))
        return
    for change in found.new:
        record = change.layer.record
        click.echo(f"{show.printable(change.layer.name)}  {show.size(record.size) if record else 'not made yet'}")
        for mark, packages in (
            ("+", change.difference.added),
            ("~", change.difference.changed),
            ("=", change.difference.moved),
        ):
            for package in packages:
                click.echo(f"  {mark} {show.printable(package.id)}  {show.size(package.size)}")
    for package in found.removed:
        click.echo(f"  - {show.printable(package.id)}")
    unknown = sum(change.layer.record is None for change in found.new)
    more = f", plus {show.plural(unknown, 'layer')} not made yet" if unknown else ""
    click.echo(
        f"{show.plural(len(found.kept), 'layer')} kept, {len(found.new)} new: "
        f"{show.size(found.bytes_needed)} to download if you have {old}{more}"
    )
