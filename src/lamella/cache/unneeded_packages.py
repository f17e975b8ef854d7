"""The packages of Nix caches that nothing keeps. A kept package keeps all that it refers to, in other caches too."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from lamella.cache.bucket import SharedBucket
from lamella.cache.narinfos import LOGS, NARS, nar_of, narinfo_item
from lamella.cache.policies import DAY, Policy
from lamella.cache.publishing import NIX
from lamella.cache.removals import Removal, View, levels, reached
from lamella.cache.repositories import note
from lamella.cache.survey import Narinfo, Survey


def judge(bucket: SharedBucket, view: View) -> Iterator[Removal]:
    """Yield what is removed from all caches."""
    leads = _leads(view.survey)
    kept = reached(_roots(view), leads)
    level = levels({name: references for name, references in leads.items() if name not in kept})
    nars = set()
    for cache, hash_part, package in _packages(view.survey):
        name = narinfo_item(cache, hash_part)
        if name in kept:
            nars.add(package.nar)
        else:
            policy = policy_of(cache, view)
            reason = f"not fetched for {policy.keep_days} days, and nothing kept refers to it" if policy else ""
            yield Removal(name, "narinfo", package.size, reason, level[name])
    yield from _nars(bucket, view, nars)
    yield from _logs(bucket, view)


def policy_of(cache: str, view: View) -> Policy | None:
    """The policy that keeps packages longest; only policies that name Nix caches, and a number of days, apply."""
    named = [one for one in view.rules.of(f"{NIX}{cache}") if one.keep_days and one.repositories.startswith(NIX)]
    return max(named, key=lambda policy: policy.keep_days, default=None)


def _packages(survey: Survey) -> Iterator[tuple[str, str, Narinfo]]:
    for cache, packages in survey.caches.items():
        for hash_part, package in packages.items():
            yield cache, hash_part, package


def _leads(survey: Survey) -> Mapping[str, Collection[str]]:
    """The narinfos that each narinfo refers to: in its own cache, or else in whichever caches have them."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for cache, hash_part, _ in _packages(survey):
        places[hash_part].append(cache)
    found = {}
    for cache, hash_part, package in _packages(survey):
        found[narinfo_item(cache, hash_part)] = [
            narinfo_item(place, reference)
            for reference in package.references
            for place in ([cache] if cache in places[reference] else places[reference])
        ]
    return found


def _roots(view: View) -> Iterator[str]:
    policies = {cache: policy_of(cache, view) for cache in view.survey.caches}
    for cache, hash_part, package in _packages(view.survey):
        policy, repository = policies[cache], f"{NIX}{cache}"
        period = max(view.rules.grace, policy.keep_days * DAY) if policy else 0.0
        if (
            policy is None
            or view.used(repository, hash_part, package.written) > view.now - period
            or note(repository, hash_part) in view.survey.pins
            or narinfo_item(cache, hash_part) in view.held
        ):
            yield narinfo_item(cache, hash_part)


def _nars(bucket: SharedBucket, view: View, needed: set[str]) -> Iterator[Removal]:
    """NARs that nothing needs. Facts and listings are listed after their NAR, and stay or go with it."""
    kept = ""
    for item in bucket.list(NARS):
        nar = nar_of(item.name) or item.name
        if nar == kept or nar in needed or view.is_young(item.used) or view.is_counted_on(nar):
            kept = nar
        else:
            yield Removal(item.name, "nar", item.size, "no narinfo names it", level=int(item.name == nar))


def _logs(bucket: SharedBucket, view: View) -> Iterator[Removal]:
    for item in bucket.list(LOGS):
        policy = policy_of(item.name.removeprefix(LOGS).partition("/")[0], view)
        if policy and item.used <= view.now - max(view.rules.grace, policy.keep_days * DAY):
            yield Removal(item.name, "log", item.size, f"older than {policy.keep_days} days")
