"""`lamella plan`: what a build would do, and why."""

from pathlib import Path

import click

from lamella.cli import show
from lamella.cli.common import draft_at, json_option, open_workplace, previous_option


@click.command("plan")
@click.argument("spec", default=".")
@previous_option
@json_option
def command(spec: str, previous: Path | None, as_json: bool) -> None:
    """Say what a build of SPEC would make or reuse. No layer and no image is written."""
    draft = draft_at(spec, open_workplace(), previous)
    if as_json:
        layers = [
            {"name": p.plan.name, "key": p.key, "known": p.record is not None, "size": p.plan.size}
            for p in draft.layers
        ]
        click.echo(show.as_json({"name": draft.name, "tag": draft.tag, "layers": layers}))
        return
    rows = [("layer", "packages", "size", "key", "")]
    for planned in draft.layers:
        word = "reuse: a layer of this key was made before" if planned.record else "make: no layer of this key is known"
        plan = planned.plan
        rows.append((show.printable(plan.name), str(len(plan.parts)), show.size(plan.size), planned.key[:12], word))
    click.echo("\n".join(show.table(rows, right=(1, 2))))
