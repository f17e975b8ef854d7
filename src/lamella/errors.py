"""The one base error: every failure a person can cause or mend is a `LamellaError`.

Specific errors live beside the code that raises them, carry their data, and name an exit code of their own.
The command line prints the message on one line and exits with that code; a traceback is a bug of ours.
"""


class LamellaError(Exception):
    """What happened, to which file or package, and what to do about it."""

    exit_code = 1
