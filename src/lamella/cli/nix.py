"""`lamella nix`: the commands that the derivations of the Nix library run. Most read attributes that Nix wrote."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.common import open_workplace, platform_option, reach_of, reaching_out, registry_options
from lamella.cli.hashes import fill_hashes

if TYPE_CHECKING:
    from lamella.pipeline.workplace import Workplace

_HERE = Path()


@click.group("nix")
def command() -> None:
    """Fill in hashes in Nix files. The commands that the Nix library runs are here too, but hidden."""


command.add_command(fill_hashes)


@command.command("layers", hidden=True)
def layers() -> None:
    """Write the layers of a closure."""
    from lamella.derivations.attributes import LayerAttributes, read
    from lamella.derivations.layers import write_layers

    write_layers(read(_HERE, LayerAttributes), _scratch())


@command.command("image", hidden=True)
def image() -> None:
    """Write an image.json."""
    from lamella.derivations.attributes import ImageAttributes, read
    from lamella.derivations.image import write_image

    write_image(read(_HERE, ImageAttributes))


@command.command("pulled", hidden=True)
def pulled() -> None:
    """Write the image.json of an image that was downloaded."""
    from lamella.derivations.attributes import PulledAttributes, read
    from lamella.derivations.image import write_pulled

    write_pulled(read(_HERE, PulledAttributes))


@command.command("database", hidden=True)
def database() -> None:
    """Write what Nix in an image needs to know."""
    from lamella.derivations.attributes import DatabaseAttributes, read
    from lamella.derivations.database import write_database

    write_database(read(_HERE, DatabaseAttributes))


@command.command("text", hidden=True)
def text() -> None:
    """Write a file, or a program."""
    from lamella.derivations.attributes import TextAttributes, read

    told = read(_HERE, TextAttributes)
    path = told.out / told.program if told.program else told.out
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(told.text)
    path.chmod(0o755 if told.program or told.executable else 0o644)


@command.command("blob", hidden=True)
@click.argument("repository")
@click.argument("digest")
@click.argument("size", type=int)
@click.argument("out", type=click.Path(path_type=Path))
@registry_options
def blob(repository: str, digest: str, size: int, out: Path, **how: Any) -> None:
    """Download a blob."""
    from lamella.cli.images import reference_at
    from lamella.oci import media
    from lamella.oci.digest import parse_digest
    from lamella.oci.wire import Descriptor

    wanted = Descriptor(media_type=media.LAYER, digest=parse_digest(digest), size=size)
    with reaching_out(open_workplace(), **reach_of(how)) as place, out.open("wb") as file:
        assert place.outside is not None
        place.outside.registries.repository(reference_at(repository)).read_blob(wanted, file.write)


@command.command("manifest", hidden=True)
@click.argument("reference")
@platform_option
@registry_options
def manifest(reference: str, platform: str, **how: Any) -> None:
    """Print the manifest of an image, as it is in the registry."""
    from lamella.cli.images import reference_at
    from lamella.oci.image import manifest_of
    from lamella.oci.platforms import wanted_platform
    from lamella.pipeline.remote import open_remote

    with reaching_out(open_workplace(), **reach_of(how)) as place:
        found = open_remote(reference_at(reference), place.outside, wanted_platform(platform))
    sys.stdout.buffer.write(manifest_of(found))


@command.command("copy", hidden=True, context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("image")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def copy(image: str, words: tuple[str, ...]) -> None:
    """Copy an image to a place named in skopeo's syntax."""
    from lamella.derivations.skopeo import understood
    from lamella.oci.reference import DOCKER

    told = understood(words)
    if told.credentials:
        os.environ["REGISTRY_AUTH_FILE"] = told.credentials
    if told.destination.startswith(f"{DOCKER}:"):
        from lamella.cli.push import command as bring
    else:
        from lamella.cli.copy import command as bring
    bring.main(args=[image, told.destination, *told.options], standalone_mode=False)


def _scratch() -> "Workplace":
    """A workplace of this build alone."""
    from lamella.pipeline.workplace import workplace

    return workplace(_HERE / "cache")
