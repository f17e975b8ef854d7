"""What earlier images tell of the next update: how often each package changed."""

from collections import defaultdict

from lamella.closure import Closure
from lamella.layering.strategy import Churn, Previous


def learn(previous: Previous, closure: Closure) -> Churn:
    """The churn up to and including the step from the `previous` image to `closure`.

    A name has changed when one of its contents was not there before. Names that are new have not changed yet, and
    names that are gone are forgotten.
    """
    before: defaultdict[str, set[str]] = defaultdict(set)
    for group in previous.layers:
        for package in group:
            before[package.name].add(package.content)
    if not before:
        return previous.churn
    changes = {p.name: previous.churn.changes.get(p.name, 0) for p in closure.packages}
    changed = {p.name for p in closure.packages if p.name in before and p.content not in before[p.name]}
    for name in changed:
        changes[name] += 1
    return Churn(previous.churn.updates + 1, dict(sorted(changes.items())))
