"""`lamella cache`: the cache of earlier builds."""

import time
from typing import TYPE_CHECKING

import click

from lamella.cli import show
from lamella.cli.common import cache_folder, json_option
from lamella.cli.nixcache import pull, push, watch

if TYPE_CHECKING:
    from lamella.cache.bucket import Item

_DAY = 24 * 3600


@click.group("cache")
def command() -> None:
    """List, measure and prune the cache; fill Nix binary caches and download from them.

    Losing the cache costs time, nothing else.
    """


for _one in (push, watch, pull):
    command.add_command(_one)


@command.command("list")
@json_option
def list_items(as_json: bool) -> None:
    """List everything in the cache, with sizes."""
    items = _items()
    if as_json:
        click.echo(show.as_json([{"name": item.name, "size": item.size} for item in items]))
        return
    click.echo("\n".join(show.table([(show.size(item.size), item.name) for item in items], right=(0,))))


@command.command("size")
@json_option
def size(as_json: bool) -> None:
    """Show how large the cache is."""
    items = _items()
    total = sum(item.size for item in items)
    if as_json:
        click.echo(show.as_json({"folder": str(cache_folder()), "items": len(items), "bytes": total}))
    else:
        click.echo(f"{show.size(total)} in {show.plural(len(items), 'item')} ({cache_folder()})")


@command.command("prune")
@click.option(
    "--days",
    type=click.IntRange(0),
    metavar="DAYS",
    default=30,
    show_default=True,
    help="Keep what is at most this many days old.",
)
@json_option
def prune(days: int, as_json: bool) -> None:
    """Remove what was written, or unpacked layers last used, more than --days days ago."""
    from lamella.cache import roots
    from lamella.cache.folder import Folder
    from lamella.staging import sweep

    sweep(cache_folder())
    bucket = Folder(cache_folder())
    old = [item for item in bucket.list() if item.used <= time.time() - days * _DAY]
    for item in old:
        bucket.delete(item.name)
    old += roots.prune(cache_folder(), days * _DAY)
    total = sum(item.size for item in old)
    if as_json:
        click.echo(show.as_json({"items": len(old), "bytes": total}))
    else:
        click.echo(f"removed {show.plural(len(old), 'item')}, {show.size(total)}")


def _items() -> "list[Item]":
    """Everything in the cache. A layer that is unpacked counts as one item."""
    from lamella.cache import roots
    from lamella.cache.folder import Folder

    return [*Folder(cache_folder()).list(), *roots.unpacked(cache_folder())]
