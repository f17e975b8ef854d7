"""Why an image that was asked for by name cannot be given; `code` is what a registry calls that in its answer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lamella.errors import LamellaError


class DemandError(LamellaError):
    """An image that was asked for cannot be built; where a program failed, `log` is what it said last."""

    exit_code = 3
    code = "UNKNOWN"

    def __init__(self, message: str, log: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log = tuple(log)


class WrongNameError(DemandError):
    """The name of an image is not written as names are."""

    exit_code = 2
    code = "NAME_INVALID"


class WrongTagError(DemandError):
    """The tag of an image is not written as tags are."""

    exit_code = 2
    code = "TAG_INVALID"


class UnknownError(DemandError):
    """No source has what the name and the tag of an image ask for."""

    code = "MANIFEST_UNKNOWN"


class TooMuchError(DemandError):
    """An image that was asked for is larger than is allowed."""

    code = "DENIED"


class MovedError(DemandError):
    """A source changed while an image was built from it."""

    code = "UNAVAILABLE"


@contextmanager
def explained() -> Iterator[None]:
    """Turns any error of ours, or of the disk, into one that says how a registry calls it."""
    try:
        yield
    except DemandError:
        raise
    except LamellaError as error:
        raise DemandError(str(error)) from error
    except OSError as error:
        raise DemandError(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}") from error
