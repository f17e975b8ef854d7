"""Step 4: distributes the packages of each section over layers, each package once in the whole image."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lamella.closure import Closure, without
from lamella.errors import LamellaError
from lamella.layering import Budget, Previous, strategy
from lamella.layers.split import split
from lamella.package import NO_RULES, Entries, Rules
from lamella.pipeline.gather import Section
from lamella.plan import LayerPlan, Part

USUAL_LAYERS = 100
"""The default limit for layers. More would work, but are left for images that are built on top."""


class BudgetError(LamellaError):
    """An image would have more layers than its limit."""

    exit_code = 3


@dataclass(frozen=True)
class Arrangement:
    """The plans of all layers, lowest first, and the bytes saved because sections do not repeat lower ones."""

    plans: tuple[LayerPlan, ...]
    saved: int


def arrange(sections: Sequence[Section], most: int, previous: Mapping[str, Previous], entries: Entries) -> Arrangement:
    """Return each section's closure, minus the sections before it, in layers by the section's strategy.

    `most` is the limit for all layers. A section may set its own; the last one, the application's, gets what is left.
    `previous` is what the previous image had in the sections of the same name.
    """
    plans: list[LayerPlan] = []
    taken: dict[str, Rules] = {}
    saved = 0
    for position, section in enumerate(sections):
        own = without(section.closure, {p for p in section.closure.by_id if _is_there(section, p, taken)})
        saved += section.closure.size - own.size
        taken.update((package.id, section.rules.get(package.id, NO_RULES)) for package in own.packages)
        left = most - len(plans) - (len(sections) - position - 1)
        plans += _layers(section, own, left, previous.get(section.name, Previous()), entries)
    if len(plans) > most:
        raise BudgetError(f"this makes {len(plans)} layers and max_layers allows {most}; let sections share layers")
    return Arrangement(tuple(plans), saved)


def _is_there(section: Section, package: str, taken: Mapping[str, Rules]) -> bool:
    """Whether a lower layer has the package as this section needs it."""
    if package not in taken:
        return False
    wanted = section.rules.get(package, NO_RULES)
    return wanted == taken[package] or package not in section.closure.roots


def _layers(section: Section, own: Closure, left: int, before: Previous, entries: Entries) -> Iterable[LayerPlan]:
    if not own.packages:
        return
    budget = Budget(max(1, min(left, section.max_layers or left)), section.max_bytes)
    chosen = section.layering or ("popularity" if section.max_layers > 1 else "single")
    groups = strategy(chosen)(own, budget, before)
    whole = section.closure.by_id
    layers = [
        parts
        for group in groups
        for parts in split(
            [Part(whole[p.id], section.rules.get(p.id, NO_RULES)) for p in group], section.max_bytes, entries
        )
    ]
    for parts in layers:
        name = section.name if len(layers) == 1 else f"{section.name}: {title(parts)}"
        yield LayerPlan(name, tuple(parts), section.history or name, section.reproducible, section.name)


def title(parts: Sequence[Part]) -> str:
    """Return a title for a layer: its largest package, and how many more there are."""
    largest = max(parts, key=lambda part: (part.package.size, part.package.id))
    return largest.package.name + (f" +{len(parts) - 1}" if len(parts) > 1 else "")
