"""Finds what a request means at this moment: the pin, by which images are remembered.

| source | pinned | moving |
| --- | --- | --- |
| nix, from a git repository | a commit as the tag | a branch or tag of the repository, `latest` |
| nix, from nixpkgs | a commit instead of a channel | a channel |
| nix, from a flake | a flake that names its commit | any other |
| nix, from a folder | | always |
| deb | always: the hash of the archives' signed indexes | |
| pypi | a day that is over, on archives or a base with a digest | `latest` |
| specs, from a git repository | a commit as the tag | a branch or tag of the repository, `latest` |
| specs, from a folder | what is fully locked | what is not locked, or has a local base |

A branch is built at its current commit, which the pin names, but still counts as moving.
"""

from datetime import UTC, datetime

from lamella.pipeline.workplace import Workplace
from lamella.server.demand import deb, nix, pypi, specs
from lamella.server.demand.errors import explained
from lamella.server.demand.names import Pin, Request
from lamella.server.demand.settings import DEB, NIX, PYPI


def pin_of(request: Request, place: Workplace, now: datetime | None = None) -> Pin:
    """Return what `request` means now. A commit as a tag needs no network; anything else may ask a server."""
    source = request.source
    with explained():
        if source.kind == NIX:
            return nix.pin(request)
        if source.kind == DEB:
            return deb.pin(request, place)
        if source.kind == PYPI:
            return pypi.pin(request, place, now or datetime.now(UTC))
        return specs.pin(request, place)
