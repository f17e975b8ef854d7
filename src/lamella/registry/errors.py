"""Errors of registries, with all that is needed to fix them: the registry, the request, and its own words."""

import json

from lamella.transport.errors import TransportError

_LONGEST = 300


class RegistryError(TransportError):
    """A registry refuses, or cannot be reached."""

    def __init__(self, message: str, status: int = 0, retry_after: str = "", *, passing: bool = False) -> None:
        super().__init__(message)
        self.status = status
        """The status of the registry's answer; 0 if there was none."""
        self.retry_after = retry_after
        self.passing = passing
        """Whether a retry may help: the connection was lost, or the registry is busy."""

    def about(self, what: str) -> "RegistryError":
        """The same error, prefixed with `what`."""
        return type(self)(f"{what}: {self}", self.status, self.retry_after, passing=self.passing)


class CredentialError(RegistryError):
    """Credentials cannot be determined, or are not accepted."""


class LoginError(CredentialError):
    """A registry rejects the login that was sent to it."""


def own_words(body: bytes) -> str:
    """The registry's explanation in an error's body, on one line: each `code: message`, or the start of the text."""
    try:
        errors = json.loads(body)["errors"]
        said = "; ".join(
            ": ".join(str(part) for part in (error.get("code", ""), error.get("message", "")) if part)
            for error in errors
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        said = body[:_LONGEST].decode(errors="replace")
    said = "".join(sign if sign.isprintable() else " " for sign in said).strip()
    return said if len(said) <= _LONGEST else said[:_LONGEST] + "..."
