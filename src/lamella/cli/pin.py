"""`lamella pin`: keeps images in a server's bucket, whatever its policies say."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamella.cli import show
from lamella.cli.common import bucket_options, cache_folder, json_option
from lamella.cli.serve import settings_of

if TYPE_CHECKING:
    from lamella.cache.bucket import SharedBucket

_HASH = re.compile("[0-9a-z]{32}")
"""The name of a Nix package in a cache."""


@click.command("pin")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--remove", is_flag=True, help="Unpin them.")
@bucket_options
@json_option
def command(names: tuple[str, ...], remove: bool, config: Path | None, bucket: str | None, as_json: bool) -> None:
    """Keep images in a server's bucket, whatever its policies say. Without NAME, list the pinned ones.

    NAME is REPOSITORY:TAG, REPOSITORY@DIGEST, or nix/CACHE@HASH for a package of a binary cache with all that it
    refers to. A tag may move later: the image that it has now stays pinned.
    """
    from lamella.cache.objects import bucket_at
    from lamella.cache.publishing import pin, pinned, unpin

    settings, _ = settings_of({"config": config, "bucket": bucket})
    kept = bucket_at(settings.bucket, os.environ, cache_folder())
    for name in names:
        repository, digest = _meant(kept, name)
        if remove:
            unpin(kept, repository, digest)
        elif not pin(kept, repository, digest):
            raise click.ClickException(f"{name} is not in {settings.bucket}")
    found = [f"{repository}@{digest}" for repository, digest in pinned(kept)]
    if as_json:
        click.echo(show.as_json(found))
    elif not names:
        click.echo("\n".join(found), nl=bool(found))


def _meant(bucket: "SharedBucket", name: str) -> tuple[str, str]:
    """Return the repository, and the digest or hash, of a name."""
    from lamella.cache.repositories import Repository
    from lamella.oci.digest import parse_digest
    from lamella.oci.reference import docker_name

    repository, at, digest = name.partition("@")
    if at:
        docker_name(repository)
        return repository, digest if _HASH.fullmatch(digest) else parse_digest(digest)
    repository, _, tag = docker_name(name).rpartition(":")
    found = Repository(bucket, repository).tagged(tag)
    if found is None:
        raise click.ClickException(f"{repository}:{tag} is not in the bucket")
    return repository, found
