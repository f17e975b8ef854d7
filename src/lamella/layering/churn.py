"""Learns from the difference between two images which packages change, and which change together.

What is learned is stored in the image itself (`Churn`), so the next build knows it wherever it runs. It is only two
small numbers per name. They are halved from time to time, so old updates count less and less.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from lamella.closure import Closure
from lamella.layering.strategy import Churn, Previous, Seen

SWEEP = 0.75
"""An update that changes more than this share of the packages was a rebuild of everything, and teaches nothing."""

MEMORY = 64
"""The highest number of updates that is remembered; then both numbers are halved."""

_END_OF_WORD = re.compile(r"[-_.]")


def family(name: str) -> str:
    """Return the first word of a package's name: packages that share it are often released together."""
    return _END_OF_WORD.split(name, maxsplit=1)[0]


def families(names: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the families with at least two members."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        found[family(name)].append(name)
    return {first: members for first, members in found.items() if len(members) > 1}


def learn(previous: Previous, closure: Closure) -> Churn:
    """Return the churn up to and including the update from the `previous` image to `closure`.

    A name has changed if it has a content that it did not have before. New names count from the next update, and names
    that are gone are forgotten. The same image again is no update.
    """
    before: defaultdict[str, set[str]] = defaultdict(set)
    for group in previous.layers:
        for package in group:
            before[package.name].add(package.content)
    stayed = {package.name for package in closure.packages if package.name in before}
    changed = {p.name for p in closure.packages if p.name in stayed and p.content not in before[p.name]}
    told = previous.churn
    if {p.content for group in previous.layers for p in group} == {p.content for p in closure.packages}:
        return told
    if len(changed) > SWEEP * len(stayed):
        return Churn(_only(told.names, stayed), _only(told.families, families(stayed)))
    return Churn(
        {name: _counted(told.names.get(name, Seen()), name in changed) for name in sorted(stayed)},
        {
            first: _counted(told.families.get(first, Seen()), not changed.isdisjoint(members))
            for first, members in families(stayed).items()
        },
    )


def _counted(seen: Seen, changed: bool) -> Seen:
    now = Seen(seen.changed + changed, seen.updates + 1)
    return now if now.updates < MEMORY else Seen(now.changed // 2, now.updates // 2)


def _only(told: Mapping[str, Seen], names: Iterable[str]) -> Mapping[str, Seen]:
    return {name: told[name] for name in sorted(names) if name in told}
