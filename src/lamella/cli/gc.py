"""`lamella gc`: removes what is no longer needed from the bucket of a server."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamella.cli import show
from lamella.cli.common import bucket_options, cache_folder, json_option
from lamella.cli.serve import settings_of

if TYPE_CHECKING:
    from lamella.cache.collect import Report


@click.command("gc")
@bucket_options
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and why; remove nothing.")
@json_option
def command(config: Path | None, bucket: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove what is no longer needed from a server's bucket; servers can keep running.

    Keep the tags that the policies in the settings keep (without policies, all tags), what is pinned, what was
    pulled or written recently, and everything that these need.
    """
    from lamella.cache.collect import collect
    from lamella.cache.objects import bucket_at

    settings, _ = settings_of({"config": config, "bucket": bucket})
    report = collect(bucket_at(settings.bucket, os.environ, cache_folder()), settings.gc.rules(), dry_run=dry_run)
    click.echo(_json(report, dry_run) if as_json else _table(report, dry_run))


def _json(report: "Report", dry_run: bool) -> str:
    told = {
        "dry_run": dry_run,
        "items": report.items,
        "bytes": report.bytes,
        "groups": [asdict(group) for group in report.groups()],
        "removals": [
            {"name": one.name, "kind": one.kind, "bytes": one.size, "reason": one.reason} for one in report.removals
        ],
    }
    return show.as_json(told)


def _table(report: "Report", dry_run: bool) -> str:
    rows = [(show.plural(one.items, one.kind), show.size(one.bytes), one.reason) for one in report.groups()]
    did = "would remove" if dry_run else "removed"
    return "\n".join(
        [*show.table(rows, right=(0, 1)), f"{did} {show.plural(report.items, 'item')}, {show.size(report.bytes)}"]
    )
