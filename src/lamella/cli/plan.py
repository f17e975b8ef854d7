"""`lamella plan`: what a build would do, and why."""

from pathlib import Path
from typing import Any

import click

from lamella.cli import show, why
from lamella.cli.common import (
    draft_at,
    json_option,
    open_workplace,
    platform_option,
    previous_option,
    reaching_out,
    registry_options,
)
from lamella.cli.completing import IMAGE


@click.command("plan")
@click.argument("spec", default=".", type=IMAGE)
@previous_option
@platform_option
@registry_options
@json_option
def command(spec: str, previous: Path | None, platform: str, as_json: bool, **reach: Any) -> None:
    """Show what a build of SPEC would make or reuse, and why. No layer and no image is written."""
    from lamella.pipeline.explain.reasons import reasons

    with reaching_out(open_workplace(), **reach) as place:
        draft = draft_at(spec, place, previous, platform=platform)
    found = list(zip(draft.layers, reasons(draft), strict=True))
    if as_json:
        layers = [
            {"name": p.plan.name, "key": p.key, "known": reason.known, **why.told(reason), "size": p.plan.size}
            for p, reason in found
        ]
        click.echo(show.as_json({"name": draft.name, "tag": draft.tag, "layers": layers}))
        return
    rows = [("layer", "packages", "size", "key", "", "")]
    for planned, reason in found:
        plan = planned.plan
        word = "reuse" if reason.known else click.style("make", fg="green")
        told = (show.printable(plan.name), str(len(plan.parts)), show.size(plan.size), planned.key[:12])
        rows.append((*told, word, why.said(reason)))
    click.echo("\n".join(show.table(rows, right=(1, 2))))
