"""What is kept: the rules, and which tags they keep."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lamella.oci.patterns import matches

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept in some repositories, or Nix caches."""

    name: str
    repositories: str
    keep_last: int = 0
    keep_days: int = 0
    keep_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How long unneeded items are kept, in seconds and days, and the policies for what is needed."""

    grace: float = DAY
    untagged_days: int = 7
    log_days: int = 30
    policies: tuple[Policy, ...] = ()

    def of(self, repository: str) -> tuple[Policy, ...]:
        """The policies for a repository; without any, everything with a name is kept."""
        return tuple(one for one in self.policies if matches(one.repositories, repository))


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as policies see it: when it was written, and when its manifest was last pulled or written."""

    name: str
    written: float
    used: float


def expired(policies: tuple[Policy, ...], tags: list[Tag], now: float) -> Mapping[str, str]:
    """Which tags no policy keeps, and why; a tag is kept if at least one policy keeps it."""
    if not policies:
        return {}
    newest = sorted(tags, key=lambda tag: (-tag.written, tag.name))
    kept = {name for policy in policies for name in _kept(policy, newest, now)}
    reason = "not kept by " + " or ".join(f'policy "{policy.name}" ({_told(policy)})' for policy in policies)
    return {tag.name: reason for tag in tags if tag.name not in kept}


def _kept(policy: Policy, newest: list[Tag], now: float) -> Iterator[str]:
    """The tags that a policy keeps: first those that match a pattern; `keep_last` counts among the rest."""
    rest = []
    for tag in newest:
        if any(matches(pattern, tag.name) for pattern in policy.keep_tags):
            yield tag.name
        else:
            rest.append(tag)
    yield from (tag.name for tag in rest[: policy.keep_last])
    yield from (tag.name for tag in rest if tag.used > now - policy.keep_days * DAY)


def _told(policy: Policy) -> str:
    told = [f"the last {policy.keep_last}"] if policy.keep_last else []
    told += [f"{policy.keep_days} days"] if policy.keep_days else []
    told += [", ".join(policy.keep_tags)] if policy.keep_tags else []
    return "; ".join(told) or "nothing"
