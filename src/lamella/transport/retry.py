"""Retries: what is worth repeating, how often, and how long to wait in between.

The registry says how long; otherwise each wait is about twice the previous one. Never more than a minute.
"""

import email.utils
import random
import time

TRIES = 6
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be different a little later."""

_LONGEST = 60.0


def wait(told: str, number: int) -> float:
    """How many seconds to wait after try `number`, if the registry `told` this as `Retry-After`."""
    seconds = _told(told.strip())
    if seconds is None:
        seconds = 0.25 * 2.0**number * (0.5 + random.random() / 2)
    return min(max(seconds, 0.0), _LONGEST)


def _told(text: str) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
