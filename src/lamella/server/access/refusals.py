"""What is refused for who asks, or for how much, in the codes that registries know."""

import math

from lamella.server.answers import RefusedError

UNAUTHORIZED, DENIED = 401, 403
_SLOW, _LARGE, _MANY, _UNAVAILABLE = 408, 413, 429, 503


def unauthorized(message: str) -> RefusedError:
    """It is not known who asks."""
    return RefusedError(UNAUTHORIZED, "UNAUTHORIZED", message)


def denied(message: str) -> RefusedError:
    """It is known who asks, and that they may not."""
    return RefusedError(DENIED, "DENIED", message)


def too_many(message: str, retry_after: float) -> RefusedError:
    """It would be too much now, and will not be after `retry_after` seconds. The connection ends."""
    headers = {**_later(retry_after), "Connection": "close"}
    return RefusedError(_MANY, "TOOMANYREQUESTS", message, headers=headers)


def too_large(limit: int) -> RefusedError:
    """A body is longer than those that are taken."""
    return RefusedError(_LARGE, "SIZE_INVALID", f"the body is larger than {limit} bytes, which is the limit here")


def too_slow(seconds: float, what: str) -> RefusedError:
    """A body does not arrive."""
    return RefusedError(_SLOW, "BLOB_UPLOAD_INVALID", f"{what} within {seconds:g} s", headers={"Connection": "close"})


def unavailable(message: str, retry_after: float) -> RefusedError:
    """Whether they may cannot be found out now."""
    return RefusedError(_UNAVAILABLE, "UNAVAILABLE", message, headers=_later(retry_after))


def _later(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}
