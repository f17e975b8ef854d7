"""Which packages of Nix caches nothing keeps. What is kept keeps all that it refers to."""

from collections.abc import Iterator

from lamella.cache.policies import DAY
from lamella.cache.publishing import NARINFO, NIX
from lamella.cache.removals import Removal, View, levels, reached
from lamella.cache.survey import Narinfo


def judge(cache: str, packages: dict[str, Narinfo], view: View) -> Iterator[Removal]:
    """What goes of a cache. Only policies that name Nix caches, and say how long, are about them."""
    name = f"{NIX}{cache}"
    policies = [one for one in view.rules.of(name) if one.keep_days and one.repositories.startswith(NIX)]
    if not policies:
        return
    longest = max(policies, key=lambda policy: policy.keep_days)
    period = max(view.rules.grace, longest.keep_days * DAY)
    leads = {hash_part: package.references for hash_part, package in packages.items()}
    roots = (
        hash_part
        for hash_part, package in packages.items()
        if view.used(name, hash_part, package.written) > view.now - period
        or f"{name}/{hash_part}" in view.survey.pins
        or f"{NARINFO}{cache}/{hash_part}" in view.held
    )
    kept = reached(roots, leads)
    level = levels({hash_part: leads[hash_part] for hash_part in packages if hash_part not in kept})
    reason = f'not fetched for {longest.keep_days} days (policy "{longest.name}"), and nothing kept refers to it'
    for hash_part, depth in level.items():
        size = packages[hash_part].size
        yield Removal(f"{NARINFO}{cache}/{hash_part}", "narinfo", size, reason, depth)
