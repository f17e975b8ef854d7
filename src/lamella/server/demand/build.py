"""Turns a request and its pin into an image, stored by its digest where images are kept."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from lamella import pipeline
from lamella.destinations.destination import Destination
from lamella.destinations.publish import given
from lamella.images.index import index_of
from lamella.oci.wire import Descriptor
from lamella.pipeline.draft import Draft, Target
from lamella.server.demand import deb, nix, pypi, specs
from lamella.server.demand.errors import MovedError, TooMuchError, explained
from lamella.server.demand.names import Pin, Request
from lamella.server.demand.pins import pin_of
from lamella.server.demand.settings import DEB, NIX, PYPI
from lamella.server.demand.workshop import Workshop
from lamella.spec.model import Spec


def build(request: Request, pin: Pin, workshop: Workshop, destination: Destination) -> Descriptor:
    """Bring what is requested to `destination`: an image, or an index of one for each platform.

    What is remembered there and in the workplace is not made again. Raises a `DemandError` for everything that goes
    wrong, unless the log raises something else.
    """
    with explained(), tempfile.TemporaryDirectory(prefix="lamella-") as name:
        roots = [_bring(spec, workshop, destination) for spec in _specs(request, pin, Path(name), workshop)]
        if request.source.kind in (DEB, PYPI) and not pin.moving and pin_of(request, workshop.place) != pin:
            raise MovedError(f"{request.source.name} changed while {request.name} was built; pull again")
        if len(roots) == 1:
            return roots[0]
        root, data = index_of([(request.name, one) for one in roots], {})
        destination.put(root, given(data))
        return root


def _specs(request: Request, pin: Pin, folder: Path, workshop: Workshop) -> Iterable[Spec]:
    kind = request.source.kind
    if kind == NIX:
        return nix.specs(request, pin, folder, workshop)
    if kind == DEB:
        return deb.specs(request, folder, workshop)
    return pypi.specs(request, folder, workshop) if kind == PYPI else specs.specs(request, pin, workshop)


def _bring(spec: Spec, workshop: Workshop, destination: Destination) -> Descriptor:
    place = workshop.place
    written = spec.file is not None
    draft = pipeline.plan(spec, place, pipeline.last(spec, place) if written else None)
    _check_size(draft, workshop)
    known = sum(planned.record is not None for planned in draft.layers)
    workshop.log(
        f"{len(draft.layers)} layers of {draft.name} for {draft.platform.architecture}, {known} of them made before"
    )
    built = pipeline.build(draft, place, [Target(destination, named=False)])
    if written:
        pipeline.remember(built, place)
    return built.published[0].root


def _check_size(draft: Draft, workshop: Workshop) -> None:
    size = sum(planned.plan.size for planned in draft.layers)
    if size > workshop.limits.bytes:
        raise TooMuchError(f"{draft.name} has {size} bytes; the limit is {workshop.limits.bytes}")
