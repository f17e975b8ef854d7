"""All strategies by name."""

import difflib
from collections.abc import Iterable, Mapping

from lamella.layering.dominators import dominators
from lamella.layering.plain import single, size
from lamella.layering.popularity import popularity
from lamella.layering.steady import steady
from lamella.layering.strategy import LayeringError, Strategy

STRATEGIES: Mapping[str, Strategy] = {
    "dominators": dominators,
    "popularity": popularity,
    "single": single,
    "size": size,
    "steady": steady,
}


def unknown(what: str, name: str, known: Iterable[str]) -> LayeringError:
    """Return the error for a name that is not `known`; it suggests a similar one."""
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    return LayeringError(f"{what} {name!r}; {hint}")
