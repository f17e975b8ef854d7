"""The daemons of this machine, by name, and reading images out of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lamella.destinations.destination import DestinationError
from lamella.oci.reference import CONTAINERD, DOCKER_DAEMON, PODMAN, Place, PlaceError

if TYPE_CHECKING:
    from lamella.destinations.daemon import Daemon

_NAMES = {"docker": DOCKER_DAEMON, "podman": PODMAN, "containerd": CONTAINERD}


@dataclass(frozen=True)
class Daemons:
    """Daemons as the environment describes them."""

    environment: Mapping[str, str] = field(repr=False)

    def named(self, text: str) -> "list[Daemon]":
        """The daemons that users call `docker`, `podman`, `containerd`, `containerd:NAMESPACE` or `kind:CLUSTER`."""
        name, _, which = text.partition(":")
        if name == "kind":
            return self._nodes(which)
        if name not in _NAMES or (which and name != "containerd"):
            raise PlaceError(
                f"{text!r} is not a daemon; there are {', '.join(_NAMES)}, containerd:NAMESPACE, kind:CLUSTER"
            )
        return [self.at(_NAMES[name], which)]

    def at(self, kind: str, namespace: str = "") -> "Daemon":
        """The daemon for places of this kind; only containerd has namespaces."""
        if kind == PODMAN:
            from lamella.destinations.daemon import Program
            from lamella.destinations.podman import Podman

            return Podman(Program(("podman",)))
        if kind == CONTAINERD:
            from lamella.destinations.containerd import Containerd
            from lamella.destinations.daemon import Program

            return Containerd(Program(("ctr",)), namespace)
        from lamella.destinations.docker import Docker
        from lamella.destinations.docker_api import Engine
        from lamella.destinations.docker_host import docker_host

        return Docker(Engine(docker_host(self.environment)))

    def _nodes(self, cluster: str) -> "list[Daemon]":
        """The nodes of a cluster that `kind` made: containers, each with a containerd inside."""
        from lamella.destinations.containerd import Containerd
        from lamella.destinations.daemon import Program

        found = Program(("kind",))("get", "nodes", "--name", cluster or "kind").split()
        if not found:
            raise DestinationError(f"kind has no cluster {cluster or 'kind'!r}")
        return [Containerd(Program(("docker", "exec", "--interactive", node, "ctr")), "k8s.io") for node in found]

    def save(self, place: Place, file: Path) -> Place:
        """Write the image at `place` to `file`; return the place of that archive."""
        daemon = self.at(place.kind)
        try:
            with file.open("wb") as out:
                daemon.save(place.path, out)
        except DestinationError as error:
            raise DestinationError(f"cannot read {place}: {error}") from error
        return Place(daemon.archive, str(file))
