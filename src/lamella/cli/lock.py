"""`lamella lock`: resolves a spec's requirements to packages, and writes them to lamella.lock."""

from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    json_option,
    open_workplace,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.completing import IMAGE, locked_packages, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lamella.pipeline.lock.changes import Change
    from lamella.pipeline.lock.file import Lock


@click.command("lock")
@click.argument("spec", default=".", type=IMAGE)
@click.option(
    "--upgrade",
    multiple=True,
    is_flag=False,
    flag_value="",
    metavar="[PACKAGE]",
    shell_complete=locked_packages,
    help="Upgrade everything, or only PACKAGE; `base` is the base image. Can be repeated.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if the lock does not match the spec.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@registry_options
@json_option
@quiet_option
@verbose_option
def command(spec: str, upgrade: tuple[str, ...], check: bool, diff: bool, **how: Any) -> None:
    """Lock SPEC: write lamella.lock beside it, with the packages and the base image of every platform.

    Locked versions stay as they are as long as the spec allows them.
    """
    from pathlib import Path

    from lamella.cli.progress import Told
    from lamella.pipeline.lock.changes import changes
    from lamella.pipeline.lock.decide import check_lock, make_lock
    from lamella.pipeline.lock.file import Lock, lock_path, read_lock, write_lock
    from lamella.spec.reader import read

    wanted = read(Path(spec))
    path = lock_path(wanted)
    before = read_lock(path)
    if check:
        check_lock(wanted, before)
        if how["as_json"]:
            click.echo(_as_json(path, (), written=False))
        elif not how["quiet"]:
            click.echo(f"{path} matches {wanted.file}")
        return

    def upgraded(name: str) -> bool:
        return "" in upgrade or name in upgrade

    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing("resolving packages")
        after = make_lock(wanted, before or Lock(), upgraded, place)
    _check_names(upgrade, [*names_in(before or Lock()), *names_in(after)])
    found = changes(before or Lock(), after)
    written = not diff and write_lock(path, after)
    if how["as_json"]:
        click.echo(_as_json(path, found, written=written))
    elif not how["quiet"]:
        lines = _lines(found) if before else ()
        click.echo("\n".join([*lines, _summary(after, str(path), diff=diff, written=written)]))


def _check_names(upgrade: tuple[str, ...], known: list[str]) -> None:
    """Refuse to upgrade a package that is not locked: it would be ignored silently."""
    for name in filter(None, upgrade):
        if name not in known:
            raise click.UsageError(f"no package named {name!r} to upgrade{show.meant(name, known)}")


def _as_json(path: "Path", found: "Sequence[Change]", *, written: bool) -> str:
    return show.as_json({"lock": str(path), "written": written, "changes": [_told(one) for one in found]})


def _told(one: "Change") -> dict[str, Any]:
    return {
        "name": one.name,
        "before": one.before.version if one.before else None,
        "after": one.after.version if one.after else None,
        "platforms": list(one.platforms),
    }


def _lines(found: "Sequence[Change]") -> "Iterator[str]":
    """Yield a line for each change; with its platforms, unless they are the same for all."""
    same = len({one.platforms for one in found}) == 1
    for one in found:
        sign = "+" if one.before is None else "-" if one.after is None else "~"
        was, now = one.before.version if one.before else "", one.after.version if one.after else ""
        versions = f"{was} -> {now}" if was and now and was != now else now or was
        again = "  different file" if was == now else ""
        size = f"  {show.size(one.after.size)}" if one.after and one.after.size else ""
        where = "" if same else f"  ({', '.join(one.platforms)})"
        yield f"{sign} {show.printable(one.name)} {versions}{again}{size}{where}"


def _summary(lock: "Lock", path: str, *, diff: bool, written: bool) -> str:
    counts = []
    for platform, locked in lock.platforms.items():
        sizes = [one.size for one in (locked.python.wheels if locked.python else ())]
        sizes += [one.size for one in (locked.debian.debs if locked.debian else ())]
        sizes += [one.size for one in (locked.nix.paths if locked.nix else ())]
        counts.append(f"{show.plural(len(sizes), 'package')} for {platform} ({show.size(sum(sizes))})")
    state = f"{path} would have" if diff else f"wrote {path}" if written else f"{path} is unchanged"
    return f"{state}: {', '.join(counts)}"
