"""What is beyond the files that a user names: registries and daemons. Nothing is asked before it is needed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.destinations.daemons import Daemons
    from lamella.registry.registries import Registries


@dataclass(frozen=True)
class Outside:
    registries: "Registries"
    daemons: "Daemons"

    def close(self) -> None:
        """Ends connections, and removes what was read out of daemons."""
        self.registries.close()
        self.daemons.close()


def needed(outside: Outside | None, what: str) -> Outside:
    """`outside`, where `what` is; an error if nothing there can be asked."""
    if outside is None:
        raise LamellaError(f"{what} is in a registry or a daemon, and none can be asked here")
    return outside
