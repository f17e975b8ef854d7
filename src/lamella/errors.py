"""The one base error: every failure a person can cause or mend is a `LamellaError`.

Specific errors live beside the code that raises them, carry their data, and name an exit code of their own.
The command line prints the message on one line and exits with that code; a traceback is a bug of ours.
"""


class LamellaError(Exception):
    """What happened, to which file or package, and what to do about it."""

    exit_code = 1


def shown(path: bytes) -> str:
    """A file's name as it may stand in a message: on one line, whatever its bytes are."""
    text = path.decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
