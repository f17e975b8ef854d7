"""Errors for images that are requested by name; `code` is the error code in a registry's answer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lamella.errors import LamellaError
from lamella.staging import StorageError
from lamella.transport.errors import GoneError, TransportError


class DemandError(LamellaError):
    """A requested image cannot be built; if a program failed, `log` is the end of its output.

    `fault` is what only the server's own log says.
    """

    exit_code = 3
    code = "UNKNOWN"

    def __init__(self, message: str, log: Sequence[str] = (), fault: str = "") -> None:
        super().__init__(message)
        self.log = tuple(log)
        self.fault = fault


class WrongNameError(DemandError):
    """The name of a requested image is not valid."""

    exit_code = 2
    code = "NAME_INVALID"


class WrongTagError(DemandError):
    """The tag of a requested image is not valid."""

    exit_code = 2
    code = "TAG_INVALID"


class UnknownError(DemandError):
    """No source has what the name and tag of a requested image describe."""

    code = "MANIFEST_UNKNOWN"


class TooMuchError(DemandError):
    """A requested image is larger than allowed."""

    code = "DENIED"


class MovedError(DemandError):
    """A source changed while an image was built from it."""

    code = "UNAVAILABLE"


class UnavailableError(DemandError):
    """A server or bucket that is needed cannot be reached now."""

    code = "UNAVAILABLE"


def public(error: LamellaError) -> str:
    """Return what clients may know of an error: never where the bucket or a file of the server is."""
    return "the storage of this server failed; see its log" if isinstance(error, StorageError) else str(error)


@contextmanager
def explained() -> Iterator[None]:
    """Turn any error of ours, or of the disk, into a `DemandError` whose message clients may see."""
    try:
        yield
    except DemandError:
        raise
    except GoneError as error:
        raise DemandError(str(error)) from error
    except StorageError as error:
        raise UnavailableError(public(error), fault=str(error)) from error
    except TransportError as error:
        raise UnavailableError(str(error)) from error
    except LamellaError as error:
        raise DemandError(str(error)) from error
    except OSError as error:
        fault = f"cannot use {error.filename or 'a file'}: {error.strerror or error}"
        raise DemandError("this server cannot use one of its files; see its log", fault=fault) from error
