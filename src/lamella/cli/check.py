"""`lamella check`: finds what would go wrong when the image runs."""

import fnmatch
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import inside, show
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
    from collections.abc import Iterator

    from lamella.pipeline.draft import Draft
    from lamella.pipeline.explain.checking import Report
    from lamella.pipeline.workplace import Workplace

_FOUND = 3
_IMPORTS = """
import importlib, json, sys
failed = {}
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
sys.stdout.write("\\n" + json.dumps(failed))
"""


@click.command("check")
@image_argument
@click.option("--run", is_flag=True, help="Also import the modules of the Python packages, inside the image.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="PATTERN",
    help="Ignore matching packages, libraries and modules. Can be repeated.",
)
@click.option("--list", "listing", is_flag=True, help="Only list the packages of each layer.")
@platform_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, run: bool, ignore: tuple[str, ...], listing: bool, **how: Any) -> None:
    """Check IMAGE (a spec or an image.json) before it runs.

    Find unmet requirements, missing shared libraries, script modules and interpreters, and packages that claim the
    same path. Name what is missing, and the package that provides it.
    """
    from lamella.cli.progress import Told
    from lamella.pipeline.explain.checking import check

    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing(f"looking at {image}")
        draft = draft_at(image, place, platform=how["platform"])
        if listing:
            click.echo(show.as_json(_listed(draft)) if how["as_json"] else "\n".join(_lines(draft)))
            return
        report = check(draft, place)
        failed = _imports(draft, place) if run else {}
    problems = [one for one in report.problems if not _is_known(ignore, one.about, *one.packages)]
    report = replace(report, problems=tuple(problems))
    failed = {name: said for name, said in failed.items() if not _is_known(ignore, name)}
    if how["as_json"]:
        found = [{"kind": one.kind, "packages": one.packages, "text": one.text} for one in problems]
        found += [{"kind": "import", "packages": (name,), "text": said} for name, said in failed.items()]
        click.echo(show.as_json({"problems": found, "packages": report.packages, "files": report.files}))
    else:
        for line in _said(report, failed, quiet=how["quiet"]):
            click.echo(line)
    if report.problems or failed:
        sys.exit(_FOUND)


def _is_known(patterns: tuple[str, ...], *names: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _said(report: "Report", failed: dict[str, str], *, quiet: bool) -> "Iterator[str]":
    lines = [one.text for one in report.problems]
    lines += [f"{name} cannot be imported: {why}" for name, why in failed.items()]
    yield from (show.printable(line) for line in lines)
    if not quiet:
        looked = f"{show.plural(report.packages, 'package')}, {show.plural(report.files, 'file')}"
        yield f"{looked}, {report.programs:,} of them programs and libraries: {show.plural(len(lines), 'problem')}"


def _listed(draft: "Draft") -> list[dict[str, Any]]:
    return [
        {
            "layer": layer.plan.name,
            "packages": [{"id": one.id, "source": one.source, "size": one.size} for one in layer.plan.packages],
        }
        for layer in draft.layers
    ]


def _lines(draft: "Draft") -> "Iterator[str]":
    for layer in draft.layers:
        yield click.style(show.printable(layer.plan.name), bold=True)
        rows = [(show.size(one.size), show.printable(one.id), one.source) for one in layer.plan.packages]
        yield from (f"  {row}" for row in show.table(sorted(rows, key=lambda row: row[1]), right=(0,)))


def _imports(draft: "Draft", place: "Workplace") -> dict[str, str]:
    """The modules that cannot be imported inside the image, and why."""
    from lamella import pipeline
    from lamella.pipeline.explain.checking import modules

    names, interpreter = modules(draft, place)
    if not names:
        return {}
    if not inside.is_possible():
        raise click.ClickException("this kernel does not let users mount an image; run it and import the modules there")
    image = pipeline.build(draft, place).image
    folders = inside.unpacked(image, place.progress)
    ran = inside.run_inside(image, folders, [interpreter, "-c", _IMPORTS], json.dumps(names).encode())
    told = ran.stdout.decode(errors="replace").rpartition("\n")[2]
    if ran.returncode or not told.startswith("{"):
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        return {interpreter: said[-1] if said else f"exited with {ran.returncode}"}
    found: dict[str, str] = json.loads(told)
    return found
