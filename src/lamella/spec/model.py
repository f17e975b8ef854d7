"""The spec as values: an image, its layers, what they take, and how the image is run.

A `lamella.toml` and a Python program give the same values. They are checked when made; a wrong one raises `SpecError`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import msgspec

from lamella.spec import dates, kinds, names
from lamella.spec.debian import Debian
from lamella.spec.fields import Said, Value
from lamella.spec.problems import Problem
from lamella.spec.python import Python
from lamella.spec.store import Store
from lamella.spec.wants import SOURCES, PypiWant, Want

APP = "app"
"""The name of the layer for what the image takes outside of its other layers."""

MOST_LAYERS = 127

Compression = Literal["gzip", "zstd", "none"]
Strategy = Literal["", "single", "popularity", "dominators", "size", "steady"]
Layering = Strategy | Sequence[Mapping[str, Any]]


class Perm(Value, frozen=True, kw_only=True):
    """Mode and owner of the files whose path matches."""

    summary = "Set mode and owner of files whose path matches; what is not set stays as it is. Several apply in order."

    match: Annotated[
        str, Said("A regular expression that matches anywhere in the path the file comes from.", kinds.regex)
    ]
    mode: Annotated[int | None, Said('The permission bits, as `"0755"` or `0o755`.', kinds.mode)] = None
    uid: Annotated[int | None, Said("The ID of the user that owns the file.", kinds.whole(0, 2**32 - 1))] = None
    gid: Annotated[int | None, Said("The ID of the group that owns the file.", kinds.whole(0, 2**32 - 1))] = None
    uname: Annotated[str, Said("The name of that user.", kinds.text())] = ""
    gname: Annotated[str, Said("The name of that group.", kinds.text())] = ""


class Rewrite(Value, frozen=True, kw_only=True):
    """A new path for files whose path matches."""

    summary = "Move files whose path matches. Several apply in order."

    match: Annotated[
        str, Said("A regular expression; each match in the path the file comes from is replaced.", kinds.regex)
    ]
    to: Annotated[
        str,
        Said("The replacement; `$1` is the first group. A file whose path becomes empty is left out.", kinds.text()),
    ]


class Layered(Value, frozen=True, kw_only=True):
    """How packages are spread over layers, for a layer or the whole image."""

    layering: Annotated[
        Layering,
        Said(
            "How packages are spread over layers: the name of a strategy, or a list of steps. `single`: all in one "
            "layer; `popularity`: the packages that most others need are lowest; `dominators`: packages that are used "
            "together stay together; `size`: the largest packages get their own layers; `steady`: the layers of the "
            "previous image, with changes on top. The default is `popularity` with `max_layers`, otherwise `single`.",
            kinds.strategy(*get_args(Strategy)[1:]),
        ),
    ] = ""
    max_layers: Annotated[
        int,
        Said(
            "The maximum number of layers. For an image, the layers of the base count too.", kinds.whole(1, MOST_LAYERS)
        ),
    ] = 0
    max_bytes: Annotated[
        int,
        Said(
            'The most bytes of files in a layer, before compression: a number, or text such as `"1.5 GB"`.',
            kinds.size,
        ),
    ] = 0


class Layer(Layered, frozen=True):
    """A layer: the closure of what it takes, minus everything that lower layers hold."""

    spread: ClassVar = SOURCES
    summary = "The layers, lowest first. Each holds the closure of what it takes, minus what lower layers hold."

    name: Annotated[str, Said("The layer's name, here and in lamella's output.", kinds.line)]
    take: Sequence[Want] = ()
    perms: Annotated[Sequence[Perm], Said(Perm.summary, each=Perm)] = ()
    rewrites: Annotated[Sequence[Rewrite], Said(Rewrite.summary, each=Rewrite)] = ()
    ignore: Annotated[
        str,
        Said(
            "A regular expression that matches anywhere in the path in the image; matching files are left out.",
            kinds.regex,
        ),
    ] = ""
    history: Annotated[str, Said("The layer's text in the image's history.", kinds.line)] = ""
    reproducible: Annotated[
        bool,
        Said("Set to false if the layer's contents differ each time it is made; its bytes are then kept.", kinds.flag),
    ] = True

    def wrongs(self) -> Iterator[Problem]:
        if not self.take:
            yield Problem((), f"the layer is empty; give it {', '.join(SOURCES)}")


class Config(Value, frozen=True, kw_only=True):
    """How containers of the image run."""

    summary = "How containers of the image run. OCI's names for these keys work too."

    entrypoint: Annotated[
        Sequence[str] | None,
        Said("The program to run, with its first arguments.", kinds.texts(kinds.text()), also=("Entrypoint",)),
    ] = None
    cmd: Annotated[
        Sequence[str] | None,
        Said("The default arguments for it.", kinds.texts(kinds.text()), also=("Cmd",)),
    ] = None
    env: Annotated[Mapping[str, str], Said("Environment variables.", names.env, also=("Env",))] = {}
    user: Annotated[
        str, Said('The user, or user and group, to run as: `"app"`, `1000`, `"1000:100"`.', names.user, also=("User",))
    ] = ""
    workdir: Annotated[
        str,
        Said("The folder to start in.", kinds.absolute, also=("WorkingDir", "workingDir", "working_dir")),
    ] = ""
    ports: Annotated[
        Sequence[str],
        Said(
            'The ports that the program listens on: `8080`, `"53/udp"`.',
            kinds.texts_or_keys(names.port),
            also=("ExposedPorts", "exposedPorts", "exposed_ports"),
        ),
    ] = ()
    volumes: Annotated[
        Sequence[str],
        Said("Folders for data that outlives a container.", kinds.texts_or_keys(kinds.absolute), also=("Volumes",)),
    ] = ()
    labels: Annotated[Mapping[str, str], Said("Labels of the image.", kinds.table(kinds.text()), also=("Labels",))] = {}
    stop_signal: Annotated[
        str,
        Said('The signal that stops the program, such as `"SIGINT"`.', names.signal, also=("StopSignal", "stopSignal")),
    ] = ""


class Image(Layered, frozen=True):
    """An image: its layers, lowest first, then a layer `app` with what it takes outside of them."""

    spread: ClassVar = SOURCES
    summary = "The image. What it takes outside of its layers goes into a last layer, called `app`."

    name: Annotated[
        str, Said("The image's name, with or without a registry: `registry.example.com/hello`.", names.name)
    ]
    take: Sequence[Want] = ()
    layers: Annotated[Sequence[Layer], Said(Layer.summary, each=Layer)] = msgspec.field(default=(), name="layer")
    config: Annotated[Config, Said(Config.summary, table=Config)] = Config()
    python: Annotated[Python | None, Said(Python.summary, table=Python)] = None
    store: Annotated[Store, Said(Store.summary, table=Store)] = Store()
    debian: Annotated[Debian, Said(Debian.summary, table=Debian)] = Debian()
    tag: Annotated[str, Said("The image's tag.", names.tag)] = "latest"
    platforms: Annotated[
        Sequence[str],
        Said(
            'The platforms to build for, such as `"linux/arm64"`. The default is the platform of this machine.',
            names.platforms,
        ),
    ] = ()
    base: Annotated[
        str,
        Said(
            "The image to build on: `docker://HOST/NAME:TAG`, `oci:FOLDER:TAG`, or an archive. Paths are relative to "
            "this file.",
            names.base,
        ),
    ] = ""
    created: Annotated[
        str,
        Said(
            'The time of creation in the image: a date, `"git"` for the time of the last commit, or `"epoch"` for '
            "1970. A time without a zone is in UTC.",
            dates.moment,
        ),
    ] = "epoch"
    compression: Annotated[Compression, Said("How layers are compressed.", kinds.choice("gzip", "zstd", "none"))] = (
        "gzip"
    )
    annotations: Annotated[
        Mapping[str, str], Said("Annotations of the image's manifest.", kinds.table(kinds.text()))
    ] = {}

    @property
    def all_taken(self) -> tuple[Want, ...]:
        """What all layers take."""
        return (*(want for layer in self.layers for want in layer.take), *self.take)

    def wrongs(self) -> Iterator[Problem]:
        if not (self.layers or self.take or self.base):
            yield Problem((), f"the image is empty; give it {', '.join(SOURCES)}, a [[layer]] or a base")
        if self.python is None and any(isinstance(want, PypiWant) for want in self.all_taken):
            yield Problem((), 'the image takes Python packages, but no Python is set; add [python] version = "3.12"')
        seen: set[str] = {APP} if self.take else set()
        for i, layer in enumerate(self.layers):
            if layer.name in seen:
                of_app = layer.name == APP and self.take
                why = "is the layer for what the image takes itself" if of_app else "is the name of an earlier layer"
                yield Problem(("layer", i, "name"), f'"{layer.name}" {why}; choose another name')
            seen.add(layer.name)


@dataclass(frozen=True)
class Spec:
    """An image, the folder that its relative paths start from, and the file it was read from, if any."""

    image: Image
    folder: Path
    file: Path | None = None
