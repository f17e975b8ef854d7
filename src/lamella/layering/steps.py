"""Layerings of several steps, for images that no single strategy fits.

    layering = [
        {split = ["torch*", "nvidia-*"]},       # these below all others
        {subtract = "python3"},                 # python3 and everything it refers to, below what needs it
        {popularity = 30, of = "python3"},      # the group with python3, in at most 30 layers
        {limit = 40},
    ]

All packages start in one group; each step makes new groups from the groups before it, lowest first:

| step | what it does |
| --- | --- |
| `split = PATTERNS` | in each group, matching packages become a group of their own, below the rest |
| `subtract = PATTERNS` | the same for matching packages and everything they refer to |
| `group = PATTERNS` | matching packages of all groups become one group, where the first of them was |
| `popularity`, `dominators`, `size`, `steady` `= N` | each group is divided by that strategy, into at most N groups |
| `limit = N` | the first N - 1 groups stay, the others become one |
| `bytes = N` | larger groups are cut between packages; a spec may say `"1.5 GB"` |

`of = PATTERNS`, in every step but `group` and `limit`, restricts the step to groups in which something matches.
Patterns are shell patterns, one or a list, for a package's whole name or id; a step that matches nothing changes
nothing. The number of layers in the budget applies at the end, as one more `limit`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from re import compile as compiled

from lamella.closure import Closure, reachable, without
from lamella.layering.limits import cap, limit
from lamella.layering.strategy import Budget, Group, LayeringError, Previous, Strategy
from lamella.layering.table import STRATEGIES, unknown
from lamella.package import Package


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step can use besides the groups."""

    closure: Closure
    budget: Budget
    previous: Previous


Cut = Callable[[Group, Scene], Sequence[Group]]
"""What a step does to one group."""

Step = Callable[[Sequence[Group], Scene], Sequence[Group]]
"""What a step does to all of them."""

Matcher = Callable[[Package], bool]


def pipeline(steps: Sequence[Mapping[str, object]]) -> Strategy:
    """Return the strategy that these steps describe; a `LayeringError` names the step that is wrong."""
    if not steps:
        raise LayeringError("a layering in steps needs at least one step")
    ready = [_step(f"layering step {number}", told) for number, told in enumerate(steps, start=1)]

    def run(closure: Closure, budget: Budget, previous: Previous) -> Sequence[Group]:
        whole = tuple(sorted(closure.packages, key=lambda package: package.id))
        groups: Sequence[Group] = [whole] if whole else []
        for step in ready:
            groups = [group for group in step(groups, Scene(closure, budget, previous)) if group]
        return limit(groups, budget.layers)

    return run


def _step(place: str, told: Mapping[str, object]) -> Step:
    names = [name for name in told if name != "of"]
    if len(names) != 1:
        raise LayeringError(f"{place} must have one key besides 'of', not {', '.join(names) or 'none'}")
    name = names[0]
    if name in _CUTS or name in STRATEGIES:
        make = _CUTS.get(name) or _strategy(name)
        of = _patterns(f"{place}, of", told["of"]) if "of" in told else None
        return _each(make(f"{place}, {name}", told[name]), of)
    if name not in _STEPS:
        raise unknown(f"{place}: there is no step", name, [*_CUTS, *_STEPS, *STRATEGIES])
    if "of" in told:
        raise LayeringError(f"{place}: 'of' cannot be used with {name}, which works on all groups together")
    return _STEPS[name](f"{place}, {name}", told[name])


def _each(cut: Cut, of: Matcher | None) -> Step:
    def run(groups: Sequence[Group], scene: Scene) -> Sequence[Group]:
        chosen = [of is None or any(map(of, group)) for group in groups]
        return [
            part for group, yes in zip(groups, chosen, strict=True) for part in (cut(group, scene) if yes else [group])
        ]

    return run


def _split(place: str, value: object) -> Cut:
    matches = _patterns(place, value)
    return lambda group, _: _parted(group, {package.id for package in group if matches(package)})


def _subtract(place: str, value: object) -> Cut:
    matches = _patterns(place, value)
    return lambda group, scene: _parted(
        group, reachable(scene.closure, (package.id for package in group if matches(package)))
    )


def _parted(group: Group, below: set[str]) -> Sequence[Group]:
    return [tuple(p for p in group if p.id in below), tuple(p for p in group if p.id not in below)]


def _strategy(name: str) -> Callable[[str, object], Cut]:
    def make(place: str, value: object) -> Cut:
        layers = _number(place, value)

        def cut(group: Group, scene: Scene) -> Sequence[Group]:
            inside = {package.id for package in group}
            part = without(scene.closure, scene.closure.by_id.keys() - inside)
            originals = scene.closure.by_id
            groups = STRATEGIES[name](part, Budget(layers, scene.budget.bytes), scene.previous)
            return [tuple(originals[package.id] for package in made) for made in groups]

        return cut

    return make


def _bytes(place: str, value: object) -> Cut:
    most = _number(place, value)
    return lambda group, _: cap([group], most)


def _group(place: str, value: object) -> Step:
    matches = _patterns(place, value)

    def run(groups: Sequence[Group], _: Scene) -> Sequence[Group]:
        taken = tuple(package for group in groups for package in group if matches(package))
        first = next((i for i, group in enumerate(groups) if any(map(matches, group))), 0)
        rest = [tuple(package for package in group if not matches(package)) for group in groups]
        return [*rest[:first], taken, *rest[first:]]

    return run


def _limit(place: str, value: object) -> Step:
    most = _number(place, value)
    return lambda groups, _: limit(groups, most)


def _patterns(place: str, value: object) -> Matcher:
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list | tuple) or not patterns or not all(isinstance(p, str) and p for p in patterns):
        raise LayeringError(f'{place} must be a shell pattern such as "python3*", or a list of them, not {value!r}')
    whole = compiled("|".join(translate(pattern) for pattern in patterns))
    return lambda package: bool(whole.match(package.name) or whole.match(package.id))


def _number(place: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise LayeringError(f"{place} must be a whole number of at least 1, not {value!r}")
    return value


_CUTS: Mapping[str, Callable[[str, object], Cut]] = {"split": _split, "subtract": _subtract, "bytes": _bytes}
_STEPS: Mapping[str, Callable[[str, object], Step]] = {"group": _group, "limit": _limit}
