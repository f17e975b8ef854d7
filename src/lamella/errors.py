"""The base error: every failure that a user can cause or fix is a `LamellaError`.

Specific errors are defined beside the code that raises them, carry their data, and set their own exit code.
The command line prints the message on one line and exits with that code; a traceback is a bug of ours.
"""


class LamellaError(Exception):
    """What happened, to which file or package, and what to do about it."""

    exit_code = 1


def shown(path: bytes) -> str:
    """Return a file's name for a message: on one line, whatever its bytes are."""
    text = path.decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
