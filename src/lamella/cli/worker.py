"""A process that builds one image for the server, which sends the order, reads the progress, and may stop it.

The order is a line on stdin, which stays open as long as the server lives; the outcome is a line on stdout.
"""

import contextlib
import os
import re
import signal
import sys
import threading
from typing import Any

import click
import msgspec

from lamella.cli.common import cache_folder, connection_options, open_workplace, reach_of, reaching_out
from lamella.cli.progress import Told
from lamella.errors import LamellaError
from lamella.oci.typed import decode_as

_DESERTED = 4
_NEEDED = re.compile(
    r"PATH|HOME|USER|LOGNAME|TZ|TMPDIR|LANG|LC_\w+|LOCALE_ARCHIVE|XDG_\w+|PYTHONPATH|LD_LIBRARY_PATH|"
    r"(?i:(http|https|all|no)_proxy)|SSL_CERT_\w+|NETRC|(UV|GIT|SSH|NIX)_\w+|CONTAINER_HOST|CONTAINERD_ADDRESS|"
    r"AWS_(ROLE_ARN|WEB_IDENTITY_TOKEN_FILE|CONTAINER_CREDENTIALS_\w+_URI)"
)
"""The environment that uv, git and Nix get, and how a machine identifies itself. All else may be secret."""


@click.command()
@connection_options
def main(**how: Any) -> None:
    """Carry out the order, reaching other machines as the server does."""
    from lamella.cache.objects import bucket_at
    from lamella.server.builds.jobs import Outcome
    from lamella.server.builds.orders import Order, carry_out
    from lamella.server.demand.workshop import Workshop
    from lamella.server.settings import parse_settings

    order = decode_as(sys.stdin.buffer.readline(), Order)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    settings = parse_settings(order.settings, "the server's settings")
    try:
        bucket = bucket_at(order.bucket, os.environ, cache_folder())
        with Told(verbose=True) as told, reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place:
            _keep_to_ourselves()
            workshop = Workshop(place, settings.demand, told.doing)
            outcome = carry_out(order, tuple(settings.sources), settings.demand, bucket, workshop)
    except LamellaError as error:
        outcome = Outcome.of(error)
    if outcome.message:
        click.echo(outcome.message, err=True)
    click.echo(msgspec.json.encode(outcome))


def _keep_to_ourselves() -> None:
    """Remove our secrets from the environment: programs that we start may run untrusted code."""
    for name in [name for name in os.environ if not _NEEDED.fullmatch(name)]:
        del os.environ[name]


def _end_with_the_server() -> None:
    """End this process, and all that it has started, when the server is gone."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(_DESERTED)


if __name__ == "__main__":
    main()
