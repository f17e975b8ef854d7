"""`lamella nix fill-hashes`: finds the hashes that Nix files need, and writes them there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lamella.cli import show
from lamella.cli.common import connection_options, json_option, open_workplace, quiet_option, reach_of, reaching_out
from lamella.oci.image import Steps

if TYPE_CHECKING:
    from lamella.hashes.wanted import Missing


@click.command("fill-hashes", short_help="Replace empty and placeholder hashes in Nix files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--check", is_flag=True, help="Write nothing; fail if a hash is empty or a placeholder.")
@connection_options
@json_option
@quiet_option
def fill_hashes(files: tuple[Path, ...], check: bool, **how: Any) -> None:
    """Replace empty and placeholder hashes in Nix FILES with the real ones.

    Supports fetchPypi, fetchurl, fetchzip, fetchFromGitHub, fetchFromGitLab and fetchgit. Python packages are looked
    up in uv's indexes, repositories are fetched by git, each with your settings.
    """
    from lamella.hashes.wanted import missing
    from lamella.spec.reader import text_of

    texts = {file: text_of(file) for file in files}
    wanted = {file: missing(text) for file, text in texts.items()}
    if check:
        _tell([_Filled(file, one) for file in files for one in wanted[file]], how, "is not filled in")
        return
    _tell(_fill(texts, wanted, how), how, "")


class _Filled(NamedTuple):
    """What became of a hash."""

    file: Path
    missing: "Missing"
    hash: str = ""
    problem: str = ""

    def told(self, otherwise: str) -> dict[str, Any]:
        problem = {} if self.hash else {"problem": self.problem or otherwise}
        what = str(self.missing.wanted or self.missing.fetcher)
        return {"file": str(self.file), "line": self.missing.place.line, "of": what, "hash": self.hash, **problem}


def _fill(texts: "dict[Path, str]", wanted: "dict[Path, list[Missing]]", how: dict[str, Any]) -> list[_Filled]:
    from lamella.cli.progress import Told
    from lamella.hashes.fill import filled, find
    from lamella.staging import write_file

    every = [(file, one) for file, found in wanted.items() for one in found]
    with (
        Told(quiet=how["quiet"] or how["as_json"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        assert place.outside is not None
        found = find(
            [one for _, one in every],
            place.outside.downloads.fetcher,
            lambda done: place.progress(Steps("finding hashes"), done, len(every)),
        )
    for file, text in texts.items():
        own = [one for (where, _), one in zip(every, found, strict=True) if where == file]
        if any(one.hash for one in own):
            write_file(file, filled(text, own).encode())
    return [_Filled(file, one.missing, one.hash, one.problem) for (file, _), one in zip(every, found, strict=True)]


def _tell(found: list[_Filled], how: dict[str, Any], otherwise: str) -> None:
    """Print what became of each hash, or if quiet, only the problems; fail if one is still missing."""
    lost = [one for one in found if not one.hash]
    quiet = how["quiet"]
    if how["as_json"]:
        click.echo(show.as_json([one.told(otherwise) for one in found]))
    else:
        for row in (one.told(otherwise) for one in (lost if quiet else found)):
            line = f"{row['file']}:{row['line']}: {row['of']}: {row['hash'] or row['problem']}"
            click.echo(line, err=quiet)
        if not quiet:
            click.echo(f"{len(found) - len(lost)} filled in, {len(lost)} missing")
    if lost:
        click.get_current_context().exit(1)
