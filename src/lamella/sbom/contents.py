"""The image, its layers and its packages, as both formats describe them."""

from dataclasses import dataclass
from urllib.parse import quote

from lamella.oci.digest import Digest
from lamella.package import Package


@dataclass(frozen=True)
class Component:
    """A package. `sha256` is the hash of the file it came in; empty if it did not come in one."""

    id: str
    name: str
    version: str
    kind: str
    purl: str
    sha256: str
    licence: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A layer and what is in it; its digest is empty until it is made."""

    name: str
    digest: str
    components: tuple[Component, ...]


@dataclass(frozen=True)
class Contents:
    """An image. `digest` is its config's, or another one that identifies it."""

    name: str
    tag: str
    digest: Digest
    created: str
    layers: tuple[Part, ...]

    @property
    def components(self) -> tuple[Component, ...]:
        """Each package once, in the order of layers."""
        found = {one.id: one for layer in self.layers for one in layer.components}
        return tuple(found.values())


def component(package: Package, sha256: str, licence: str) -> Component:
    """A package under the name and version that its source gives it."""
    name, version, purl = package.name, "", ""
    if package.source == "pypi":
        version = package.id.removeprefix(f"{name}-")
        purl = f"pkg:pypi/{name}@{quote(version)}"
    elif package.source == "deb":
        _, version, architecture = package.id.split("_")
        purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={architecture}"
    elif package.source == "nix":
        base = package.id.rpartition("/")[2]
        hashed, _, rest = base.partition("-")
        name, version = _split(rest)
        purl = f"pkg:nix/{quote(name)}@{quote(version or hashed)}"
    return Component(package.id, name, version, package.source, purl, sha256, licence, package.references)


def _split(name: str) -> tuple[str, str]:
    """A Nix store path's name and version: `hello-2.12.1` are `hello` and `2.12.1`."""
    words = name.split("-")
    cut = next((i for i, word in enumerate(words) if i and word[:1].isdigit()), len(words))
    return "-".join(words[:cut]), "-".join(words[cut:])
