"""Refusals because of who sends a request or of how much it asks for, with the error codes of registries."""

import math

from lamella.server.answers import RefusedError

UNAUTHORIZED, DENIED = 401, 403
_SLOW, _LARGE, _MANY, _UNAVAILABLE = 408, 413, 429, 503


def unauthorized(message: str) -> RefusedError:
    """The client has to log in."""
    return RefusedError(UNAUTHORIZED, "UNAUTHORIZED", message)


def denied(message: str) -> RefusedError:
    """The client is known, and may not do this."""
    return RefusedError(DENIED, "DENIED", message)


def too_many(message: str, retry_after: float) -> RefusedError:
    """The client has to wait for `retry_after` seconds. The connection is closed."""
    headers = {**_later(retry_after), "Connection": "close"}
    return RefusedError(_MANY, "TOOMANYREQUESTS", message, headers=headers)


def too_large(limit: int) -> RefusedError:
    """A body is larger than allowed."""
    return RefusedError(_LARGE, "SIZE_INVALID", f"the body is larger than {limit} bytes, which is the limit here")


def too_slow(seconds: float, what: str) -> RefusedError:
    """A body arrives too slowly."""
    return RefusedError(_SLOW, "BLOB_UPLOAD_INVALID", f"{what} within {seconds:g} s", headers={"Connection": "close"})


def unavailable(message: str, retry_after: float) -> RefusedError:
    """It cannot be decided now whether the client may do this."""
    return RefusedError(_UNAVAILABLE, "UNAVAILABLE", message, headers=_later(retry_after))


def _later(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}
