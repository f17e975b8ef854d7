"""What commands share: common options, where the cache is, and how images are found."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.completing import IMAGE, layers, platforms
from lamella.errors import LamellaError
from lamella.transport.home import expanded

if TYPE_CHECKING:
    import subprocess

    from lamella.images.document import ImageItem
    from lamella.oci.image import Layer, Progress
    from lamella.pipeline.draft import Draft
    from lamella.pipeline.explain.view import ImageView
    from lamella.pipeline.workplace import Workplace
    from lamella.spec.model import Image, Spec
    from lamella.transport.fetch import Fetcher

image_argument = click.argument("image", default=".", type=IMAGE)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
platform_option = click.option(
    "--platform",
    default="",
    metavar="OS/ARCH",
    shell_complete=platforms,
    help="The platform to use, if there are several.",
)
format_option = click.option(
    "--format", "form", type=click.Choice(["oci", "v2s2"]), help="The format of the manifest [default: unchanged]."
)
layer_option = click.option(
    "--layer", default="", metavar="NAME", shell_complete=layers, help="Build a spec only up to this layer."
)
mounted_option = click.option(
    "--nix-store-paths",
    is_flag=True,
    help="Leave out store paths; hosts with nix-snapshotter provide them from their own store.",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print only the result.")
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Print each step to stderr.")
previous_option = click.option(
    "--previous", type=click.Path(path_type=Path, dir_okay=False), help="The image.json of the previous image."
)


class WithArguments(click.Command):
    """A command that takes an image and, after `--`, arguments for a program in it; the image is optional there too."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            end = args.index("--")
            given, _, _ = self.make_parser(context).parse_args(args[:end])
            if not isinstance(given.get("image"), str):
                args = [*args[:end], ".", *args[end:]]
        return super().parse_args(context, args)


def cache_folder() -> Path:
    """`$LAMELLA_CACHE`, or `lamella` in the user's cache folder."""
    users = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(os.environ.get("LAMELLA_CACHE") or f"{users}/lamella")


def bucket_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select a server's bucket."""
    file = click.Path(path_type=Path, dir_okay=False)
    place = "The bucket to use, instead of the one in the settings."
    command = click.option("--bucket", metavar="PLACE", help=place)(command)
    return click.option("--config", type=file, help="The server's settings [default: built in].")(command)


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for connections to other machines."""
    command = click.option(
        "--ca",
        default="",
        metavar="FILE",
        type=click.Path(),
        help="Also trust certificates signed by this one.",
    )(command)
    return click.option("--insecure", is_flag=True, help="Allow plain http and untrusted certificates.")(command)


def registry_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for connections to registries."""
    return click.option(
        "--creds",
        multiple=True,
        metavar="[HOST=]NAME:PASSWORD",
        help="Credentials for the registry; prefer $LAMELLA_CREDS, which other users cannot see. Can be repeated.",
    )(connection_options(command))


def reach_of(how: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the registry options, out of all options of a command."""
    return {name: how[name] for name in ("creds", "insecure", "ca") if name in how}


def said_creds(creds: Sequence[str]) -> Sequence[str]:
    """Return the credentials of `--creds`, or if there are none, those of the environment."""
    return creds or list(filter(None, os.environ.get("LAMELLA_CREDS", "").split("\n")))


def exit_code(ended: "subprocess.CompletedProcess[bytes]") -> int:
    """Return the exit code of a program as shells give it: 128 + n if signal n ended it."""
    return 128 - ended.returncode if ended.returncode < 0 else ended.returncode


@contextlib.contextmanager
def reaching_out(
    place: "Workplace", *, creds: Sequence[str] = (), insecure: bool = False, ca: str = "", home: str = ""
) -> "Iterator[Workplace]":
    """Yield `place` connected to registries and daemons; they are closed at the end.

    Credentials without a host are for `home`, the registry that the command is about; without `home`, for any.
    """
    from dataclasses import replace

    from lamella.destinations.daemons import Daemons
    from lamella.pipeline.outside import Outside, password_of
    from lamella.registry.registries import Registries
    from lamella.transport.downloads import Downloads

    told = dict(os.environ)
    registries = Registries(told, said_creds(creds), home, insecure, ca)

    def open_fetcher() -> "Fetcher":
        from lamella.transport.connections import Settings
        from lamella.transport.fetch import Fetcher

        return Fetcher(Settings(insecure, ca, told), stored=password_of)

    downloads = Downloads(cache_folder(), open_fetcher, place.progress)
    with contextlib.closing(Outside(registries, Daemons(told), place.blobs, downloads)) as outside:
        yield replace(place, outside=outside)


def open_workplace(*, keep_blobs: bool = False, progress: "Progress | None" = None) -> "Workplace":
    """Return the workplace of this user; damage in its cache is reported on stderr."""
    from dataclasses import replace

    from lamella.oci.image import silent
    from lamella.pipeline.workplace import workplace

    def mended(name: str) -> None:
        click.echo(f"the cache's {name} was damaged and has been removed; it will be made again", err=True)

    return replace(workplace(cache_folder(), mended), keep_blobs=keep_blobs, progress=progress or silent)


def previous_of(path: Path | None) -> "ImageItem | None":
    from lamella.pipeline.find import read_document

    return read_document(path) if path else None


def is_document(path: Path) -> bool:
    """Whether `path` is an `image.json` rather than a spec, or a link to one, as Nix makes them (`./result`)."""
    return path.suffix == ".json" or Path(os.path.realpath(path)).suffix == ".json"


def draft_at(
    text: str, place: "Workplace", previous: Path | None = None, compression: str = "", platform: str = ""
) -> "Draft":
    """Return the draft of a spec or an `image.json`; of a spec for several platforms, the draft for one of them."""
    import msgspec

    from lamella import pipeline
    from lamella.oci.platforms import wanted_platform
    from lamella.oci.reference import parse_place
    from lamella.pipeline.find import check_platform, draft_of, read_document
    from lamella.spec.reader import read

    path = Path(text if Path(text).exists() else str(parse_place(text)))
    if is_document(path):
        draft = draft_of(read_document(path), path, place, compression)
        check_platform(text, draft.platform, wanted_platform(platform))
        return draft
    spec = read(path)
    image = msgspec.structs.replace(spec.image, compression=compression or spec.image.compression)
    if platform:
        image = _for_platform(platform, image, spec.file)
    spec = type(spec)(image, spec.folder, spec.file)
    told = _for_machine_of(spec, place.previous)
    return pipeline.plan(spec, place, previous_of(previous) or pipeline.last(spec, place) or told or _beside(spec))


def _for_platform(platform: str, image: "Image", file: Path | None) -> "Image":
    import msgspec

    from lamella.spec.problems import SpecError

    try:
        chosen = msgspec.structs.replace(image, platforms=[platform])
    except SpecError as error:
        raise click.UsageError(f"--platform: {error.problems[0].message}") from error
    if image.platforms and platform not in image.platforms:
        raise click.UsageError(f"{file} is for {', '.join(image.platforms)}, not for {platform}")
    return chosen


def _beside(spec: "Spec") -> "ImageItem | None":
    """The image.json beside the spec, if name and architecture match: it helps where the cache is new."""
    from lamella.pipeline.find import read_document

    path = spec.folder / "image.json"
    with contextlib.suppress(LamellaError):
        found = read_document(path) if path.is_file() else None
        if found and found.lamella and found.lamella.name == spec.image.name:
            return _for_machine_of(spec, found)
    return None


def _for_machine_of(spec: "Spec", found: "ImageItem | None") -> "ImageItem | None":
    """`found` if it is for the architecture of `spec`: packages of other architectures change at other times."""
    from lamella.pipeline import platform_of

    return found if found and found.arch == platform_of(spec).architecture else None


def view_at(text: str, platform: str = "", **reach: Any) -> "ImageView":
    """Return what is known of the image at a place, without making anything."""
    with reaching_out(open_workplace(), **reach) as place:
        return seen_at(text, place, platform)[0]


def seen_at(text: str, workplace: "Workplace", platform: str) -> "tuple[ImageView, Sequence[Layer | None]]":
    """Return the same, and for each layer its bytes if they are at that place, or None."""
    from lamella.oci.platforms import wanted_platform
    from lamella.oci.reference import parse_place
    from lamella.pipeline import find
    from lamella.pipeline.explain import view
    from lamella.pipeline.memory.registries import document_in

    place = parse_place(text)
    wanted = wanted_platform(platform)
    if find.is_bytes(place):
        image = find.open_place(place, platform=wanted, outside=workplace.outside)
        return view.of_image(image, str(place), document_in(image)), image.layers
    if is_document(Path(place.path)):
        told = view.of_document(find.read_document(Path(place.path)), text)
        find.check_platform(text, told.platform, wanted)
        return told, (None,) * len(told.layers)
    draft = draft_at(text, workplace, platform=platform)
    base = draft.base.layers if draft.base else ()
    return view.of_draft(draft), (*base, *(None for _ in draft.layers))
