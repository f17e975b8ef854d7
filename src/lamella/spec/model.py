"""The spec as values: an image, its layers, what they take, and how the image is run.

A `lamella.toml` and a Python program end in the same values. Making one checks it; a wrong one raises `SpecError`.
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
"""The name of the layer that holds what the image takes outside its other layers."""

MOST_LAYERS = 127

Compression = Literal["gzip", "zstd", "none"]
Strategy = Literal["", "single", "popularity", "dominators", "size", "steady"]
Layering = Strategy | Sequence[Mapping[str, Any]]


class Perm(Value, frozen=True, kw_only=True):
    """Mode and owner of the files whose path matches."""

    summary = "Mode and owner of the files whose path matches; what is not set stays as it is. Several apply in order."

    match: Annotated[str, Said("A regular expression, searched in the path that the file comes from.", kinds.regex)]
    mode: Annotated[int | None, Said('The permission bits, as `"0755"` or `0o755`.', kinds.mode)] = None
    uid: Annotated[int | None, Said("The number of the user that owns the file.", kinds.whole(0, 2**32 - 1))] = None
    gid: Annotated[int | None, Said("The number of the group that owns the file.", kinds.whole(0, 2**32 - 1))] = None
    uname: Annotated[str, Said("The name of that user.", kinds.text())] = ""
    gname: Annotated[str, Said("The name of that group.", kinds.text())] = ""


class Rewrite(Value, frozen=True, kw_only=True):
    """Another place for the files whose path matches."""

    summary = "Another place for the files whose path matches; several apply one after the other."

    match: Annotated[
        str, Said("A regular expression; each match in the path that a file comes from is replaced.", kinds.regex)
    ]
    to: Annotated[
        str,
        Said(
            "What stands there instead; `$1` is the first group. A path that becomes empty is left out.", kinds.text()
        ),
    ]


class Layered(Value, frozen=True, kw_only=True):
    """What layers and whole images say about how packages spread over layers."""

    layering: Annotated[
        Layering,
        Said(
            "How packages are spread over layers: the name of a strategy, or a list of steps. `single`: all in one; "
            "`popularity`: what most packages refer to is deepest; `dominators`: what is used together stays together; "
            "`size`: the largest have layers of their own; `steady`: the previous layers, with changes on top. "
            "Without it: `popularity` if there is a `max_layers`, else `single`.",
            kinds.strategy(*get_args(Strategy)[1:]),
        ),
    ] = ""
    max_layers: Annotated[
        int,
        Said(
            "How many layers there may be at most. For an image, those of the base count.", kinds.whole(1, MOST_LAYERS)
        ),
    ] = 0
    max_bytes: Annotated[
        int, Said('How large a layer may be before compression, as a number of bytes or `"1.5 GB"`.', kinds.size)
    ] = 0


class Layer(Layered, frozen=True):
    """A layer: the closure of what it takes, minus all that is in layers before it."""

    spread: ClassVar = SOURCES
    summary = (
        "The layers, lowest first. Each holds what it takes and all that this refers to, minus what is in those before."
    )

    name: Annotated[str, Said("What the layer is called, here and wherever lamella tells of it.", kinds.line)]
    take: Sequence[Want] = ()
    perms: Annotated[Sequence[Perm], Said(Perm.summary, each=Perm)] = ()
    rewrites: Annotated[Sequence[Rewrite], Said(Rewrite.summary, each=Rewrite)] = ()
    ignore: Annotated[
        str,
        Said("A regular expression, searched in the path in the image; what matches is left out.", kinds.regex),
    ] = ""
    history: Annotated[str, Said("What the image's history says of the layer.", kinds.line)] = ""
    reproducible: Annotated[
        bool,
        Said("Set to false if what the layer takes differs each time it is made: then its bytes are kept.", kinds.flag),
    ] = True

    def wrongs(self) -> Iterator[Problem]:
        if not self.take:
            yield Problem((), f"takes nothing; give it {', '.join(SOURCES)}")


class Config(Value, frozen=True, kw_only=True):
    """How the image is run."""

    summary = "How the image is run. The names that OCI gives these keys are understood too."

    entrypoint: Annotated[
        Sequence[str] | None,
        Said("The program to run, and its first arguments.", kinds.texts(kinds.text()), also=("Entrypoint",)),
    ] = None
    cmd: Annotated[
        Sequence[str] | None,
        Said("Arguments for it, unless the user gives others.", kinds.texts(kinds.text()), also=("Cmd",)),
    ] = None
    env: Annotated[Mapping[str, str], Said("Environment variables.", names.env, also=("Env",))] = {}
    user: Annotated[
        str, Said('The user, and the group after a colon: `"app"`, `1000`, `"1000:100"`.', names.user, also=("User",))
    ] = ""
    workdir: Annotated[
        str,
        Said("The folder to start in.", kinds.absolute, also=("WorkingDir", "workingDir", "working_dir")),
    ] = ""
    ports: Annotated[
        Sequence[str],
        Said(
            'Ports that the image listens on: `8080`, `"53/udp"`.',
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
        Said('The signal that ends the program: `"SIGINT"`.', names.signal, also=("StopSignal", "stopSignal")),
    ] = ""


class Image(Layered, frozen=True):
    """An image: its layers lowest first, then what it takes besides them, as the layer `app`."""

    spread: ClassVar = SOURCES
    summary = "The image itself. What it takes outside its layers goes into a last one, called `app`."

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
        Said('The platforms to build for, such as `"linux/arm64"`; this machine\'s if none is named.', names.platforms),
    ] = ()
    base: Annotated[
        str,
        Said(
            "The image to build on: `docker://HOST/NAME:TAG`, `oci:FOLDER:TAG`, or an archive; paths start from the "
            "folder of this file.",
            names.base,
        ),
    ] = ""
    created: Annotated[
        str,
        Said(
            'When the image says it was made: a date, `"git"` for that of the last commit, or `"epoch"` for 1970. '
            "A time without a zone is in UTC.",
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
            yield Problem((), 'takes Python packages, and does not say for which Python; add [python] version = "3.12"')
        seen: set[str] = {APP} if self.take else set()
        for i, layer in enumerate(self.layers):
            if layer.name in seen:
                of_app = layer.name == APP and self.take
                why = "is the layer of what stands outside layers" if of_app else "is the name of a layer before it"
                yield Problem(("layer", i, "name"), f'"{layer.name}" {why}; choose another')
            seen.add(layer.name)


@dataclass(frozen=True)
class Spec:
    """An image, the folder that its relative paths start from, and the file it was read from, if any."""

    image: Image
    folder: Path
    file: Path | None = None
