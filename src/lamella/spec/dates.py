"""Kinds of values that are dates, written as people, TOML and Python write them."""

import re
from datetime import UTC, date, datetime, time

from lamella.spec.kinds import Kind, must_be
from lamella.spec.problems import wrong

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)?)?")


def _read_moment(value: object) -> str:
    if isinstance(value, str):
        if value in ("epoch", "git"):
            return value
        refused = wrong(f'"{value}" is not "epoch", "git" or a date such as 2026-01-31 or 2026-01-31T12:00:00Z')
        if not _MOMENT.fullmatch(value):
            raise refused
        try:
            value = datetime.fromisoformat(value.upper())
        except ValueError:
            raise refused from None
    if not isinstance(value, date):
        raise must_be('"epoch", "git" or a date', value)
    whole_time = value if isinstance(value, datetime) else datetime.combine(value, time())
    try:
        moment = whole_time.astimezone(UTC) if whole_time.tzinfo else whole_time
    except OverflowError:
        raise wrong("is too far in the past or future") from None
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


moment = Kind(
    _read_moment, {"anyOf": [{"enum": ["epoch", "git"]}, {"type": "string", "pattern": f"^{_MOMENT.pattern}$"}]}
)


def _read_day(value: object) -> str:
    if value in ("epoch", "git"):
        raise wrong(f'"{value}" is not a date such as 2026-01-31')
    return _read_moment(value)


day = Kind(_read_day, {"type": "string", "pattern": f"^{_MOMENT.pattern}$"})
