"""Steps 1 to 3: finds the packages that the layers of a spec name, with everything they refer to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lamella.closure import Closure, merge
from lamella.oci.wire import Platform
from lamella.package import NO_RULES, Rules
from lamella.pipeline.lock.file import LockedPlatform
from lamella.pipeline.packages import linking
from lamella.pipeline.workplace import Workplace
from lamella.sources import files
from lamella.sources.files import Memory
from lamella.spec.derive import left_out, place, rules
from lamella.spec.model import APP, Image, Layer, Layering, Spec
from lamella.spec.wants import DebWant, FilesWant, NixWant, PypiWant, Want


@dataclass(frozen=True)
class Section:
    """One `[[layer]]` of the spec, or what the image lists itself, with the closure of its packages."""

    name: str
    closure: Closure
    rules: Mapping[str, Rules]
    """By package; most packages have none."""
    layering: Layering
    max_layers: int
    max_bytes: int
    history: str = ""
    reproducible: bool = True


def gather(spec: Spec, wanted: Platform, lock: LockedPlatform, place: Workplace) -> list[Section]:
    """Return the sections of `spec`, lowest first. Each source is asked once, for all of them."""
    image = spec.image
    layers = [*image.layers, *([_own(image)] if image.take else [])]
    store: dict[Want, Closure] = {}
    if any(isinstance(want, NixWant) for want in image.all_taken):
        from lamella.pipeline.packages import nix

        store |= nix.closures(spec, wanted, lock.nix, place)
    if any(isinstance(want, PypiWant) for want in image.all_taken):
        from lamella.pipeline.packages import python

        asked = python.asking(spec, wanted)
        store |= python.closures(asked, lock.python, place) if asked else {}
    if any(isinstance(want, DebWant) for want in image.all_taken):
        from lamella.pipeline.packages import debian

        names = debian.asking(spec)
        store |= debian.closures(names, lock.debian) if names else {}
    sections = [_section(layer, spec, store, place.records) for layer in layers]
    return sections if image.base else _linked(sections)


def _linked(sections: list[Section]) -> list[Section]:
    """Add the cache of shared libraries to the last section with debs, if the image has a loader that uses it."""
    cache = linking.cache_of([section.closure for section in sections])
    if cache is None:
        return sections
    last = max(i for i, section in enumerate(sections) if linking.has_debs(section.closure))
    linked = replace(sections[last], closure=linking.with_cache(sections[last].closure, cache))
    return [*sections[:last], linked, *sections[last + 1 :]]


def _own(image: Image) -> Layer:
    """What the image lists itself, as its last layer."""
    return Layer(
        name=APP,
        take=image.take,
        layering=image.layering,
        max_layers=image.max_layers,
        max_bytes=image.max_bytes,
    )


def _section(layer: Layer, spec: Spec, store: Mapping[Want, Closure], memory: Memory) -> Section:
    whole = merge(
        _folder(want, spec.folder, memory) if isinstance(want, FilesWant) else store[want] for want in layer.take
    )
    own = rules(layer)
    return Section(
        layer.name,
        whole,
        {package.id: own for package in whole.packages} if own != NO_RULES else {},
        layer.layering,
        layer.max_layers,
        layer.max_bytes or spec.image.max_bytes,
        layer.history,
        layer.reproducible,
    )


def _folder(want: FilesWant, folder: Path, memory: Memory) -> Closure:
    path = (folder / want.path).absolute()
    whole = path.resolve() if want.path.endswith("/") else path
    package = files.package(want.path, whole, place(want), left_out(want), memory)
    return Closure((package,), (package.id,))
