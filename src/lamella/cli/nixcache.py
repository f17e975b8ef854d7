"""`lamella cache push`, `watch` and `pull`: copy Nix packages to and from binary caches."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    connection_options,
    exit_code,
    json_option,
    open_workplace,
    quiet_option,
    reach_of,
    reaching_out,
    verbose_option,
)
from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.pipeline.packages.filling import Filled
    from lamella.pipeline.workplace import Workplace

_SECRET = "LAMELLA_NIX_SECRET"
_FILE = click.Path(path_type=Path, dir_okay=False)


def _filling(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of commands that fill a cache."""
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--to", required=True, metavar="URL", help="The cache: file:///FOLDER, http(s)://HOST or s3://BUCKET."
        ),
        click.option("--key", type=_FILE, help=f"The file with the signing key [default: ${_SECRET}]."),
        click.option(
            "--exclude", multiple=True, metavar="PATTERN", help="Names to leave out, as in *-doc. Can be repeated."
        ),
        click.option(
            "--signed-by", multiple=True, metavar="NAME", help="Leave out what this key has signed. Can be repeated."
        ),
        click.option(
            "--compression",
            type=click.Choice(["zstd", "none"]),
            default="zstd",
            show_default=True,
            help="How to compress packages.",
        ),
        connection_options,
        json_option,
        quiet_option,
        verbose_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command("push", short_help="Upload Nix store paths to a binary cache.")
@click.argument("paths", nargs=-1, required=True)
@_filling
def push(paths: tuple[str, ...], **how: Any) -> None:
    """Upload PATHS of the Nix store, with all that they refer to, to a binary cache; skip what it has.

    A path may be a link such as ./result, or a package of a flake, which is built first.
    """
    from lamella.pipeline.packages.nix import store_paths

    secret = _secret(how)
    with _working(how) as place:
        done = _fill(store_paths(paths, Path()), secret, place, how)
    _show(done, how)


@click.command(
    "watch",
    context_settings={"ignore_unknown_options": True},
    short_help="Run a command and upload what it builds to a binary cache.",
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@_filling
def watch(words: tuple[str, ...], **how: Any) -> None:
    """Run COMMAND and upload what it has built to a binary cache, even if it fails."""
    from lamella.pipeline.packages.nix import built_since, in_store

    secret = _secret(how)
    before = in_store()
    try:
        code = exit_code(subprocess.run(words, check=False))
    except OSError as error:
        raise click.ClickException(f"cannot run {words[0]}: {error.strerror}") from error
    paths = built_since(before)
    with _working(how) as place:
        done = _fill(paths, secret, place, how)
    _show(done, how)
    click.get_current_context().exit(code)


@click.command("pull", short_help="Download store paths from binary caches.")
@click.argument("paths", nargs=-1, required=True)
@click.option(
    "--from", "source", multiple=True, metavar="URL", help="A cache [default: those of Nix]. Can be repeated."
)
@click.option(
    "--trusted-key",
    multiple=True,
    metavar="NAME:BASE64",
    help="A key to trust [default: those that Nix trusts]. Can be repeated.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Unpack to FOLDER/nix/store/... [default: keep them packed, for later builds].",
)
@connection_options
@json_option
@quiet_option
@verbose_option
def pull(paths: tuple[str, ...], source: tuple[str, ...], into: Path | None, **how: Any) -> None:
    """Download store PATHS, with all that they refer to, from binary caches. Does not need Nix."""
    from lamella.pipeline.packages.nars import pulled, unpack_below

    with _working(how) as place:
        found = pulled(paths, source, how["trusted_key"], place)
        if into:
            unpack_below(found, into, place)
    size = sum(package.size for package in found)
    if how["as_json"]:
        click.echo(show.as_json({"paths": [package.id for package in found], "bytes": size}))
    elif not how["quiet"]:
        click.echo(f"{show.plural(len(found), 'path')}, {show.size(size)}: {'unpacked' if into else 'kept packed'}")


@contextlib.contextmanager
def _working(how: dict[str, Any]) -> "Iterator[Workplace]":
    from lamella.cli.progress import Told

    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        yield place


def _secret(how: dict[str, Any]) -> str:
    """Return the key to sign with, if any. It is checked at once, not at the end of a long build."""
    from lamella.pipeline.packages.filling import secret_key

    file = how["key"]
    text = file.read_text("utf-8", "replace") if file else os.environ.get(_SECRET, "")
    try:
        if file or text:
            secret_key(text)
    except LamellaError as error:
        raise click.UsageError(f"{file or f'${_SECRET}'}: {error}") from error
    return text


def _fill(paths: Sequence[str], secret: str, place: "Workplace", how: dict[str, Any]) -> "Filled":
    from lamella.pipeline.packages.filling import Filling, fill_from_store, secret_key
    from lamella.transport.depot import Depot

    assert place.outside is not None
    depot = Depot(how["to"], place.outside.downloads.fetcher)
    key = secret_key(secret) if secret else None
    filling = Filling(depot, key, how["compression"], place.progress, how["exclude"], how["signed_by"])
    return fill_from_store(filling, paths)


def _show(done: "Filled", how: dict[str, Any]) -> None:
    from lamella.transport.connections import shown

    total = sum(done.sent.values())
    if how["as_json"]:
        counts = {"sent": done.sent, "there": done.there, "left_out": done.left_out}
        click.echo(show.as_json({"to": shown(how["to"]), **counts}))
        return
    if how["quiet"]:
        return
    rows = [(name.rpartition("/")[2][33:], show.size(size)) for name, size in done.sent.items()]
    left_out = f", {done.left_out} left out" if done.left_out else ""
    click.echo("\n".join(show.table(rows, right=(1,))), nl=bool(rows))
    click.echo(f"{show.plural(len(rows), 'path')} sent ({show.size(total)}), {done.there} already there{left_out}")
