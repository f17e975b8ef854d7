"""What follows from a spec: the engine's values for the user's words.

All functions are pure, except that the time of a commit is asked from git.
"""

import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime

from lamella.oci.wire import EPOCH, RuntimeConfig
from lamella.package import Permission, Rewrite, Rules
from lamella.spec.globs import as_regex
from lamella.spec.model import Config, Layer, Spec
from lamella.spec.problems import Problem, SpecError
from lamella.spec.wants import FilesWant


def runtime_config(config: Config) -> RuntimeConfig:
    """`config` as OCI has it. Variables keep their order; what has no order in OCI is sorted."""
    return RuntimeConfig(
        user=config.user,
        exposed_ports={port: {} for port in sorted(config.ports)},
        env=[f"{name}={value}" for name, value in config.env.items()],
        entrypoint=_listed(config.entrypoint),
        cmd=_listed(config.cmd),
        volumes={volume: {} for volume in sorted(config.volumes)},
        working_dir=config.workdir,
        labels=dict(sorted(config.labels.items())),
        stop_signal=config.stop_signal,
    )


def _listed(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else list(words)


def rules(layer: Layer) -> Rules:
    """What `layer` changes in the entries of its packages."""
    return Rules(
        rewrites=tuple(Rewrite(rewrite.match, rewrite.to) for rewrite in layer.rewrites),
        permissions=tuple(
            Permission(perm.match, perm.mode, 0, perm.uid, perm.gid, perm.uname, perm.gname) for perm in layer.perms
        ),
        ignore=layer.ignore,
    )


def moment(spec: Spec) -> str:
    """The time of creation in the image, in UTC, in the format of RFC 3339."""
    created = spec.image.created
    if created == "epoch":
        return EPOCH
    return _commit_time(spec) if created == "git" else created


def _commit_time(spec: Spec) -> str:
    command = ["git", "-C", str(spec.folder), "log", "-1", "--format=%ct"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        told = (error.stderr or "").strip() if isinstance(error, subprocess.CalledProcessError) else "git is missing"
        message = f'"git" needs a commit ({told}); commit first, or give a date'
        raise SpecError(str(spec.file or spec.folder), [Problem(("created",), message)]) from error
    return datetime.fromtimestamp(int(ran.stdout), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def place(want: FilesWant) -> str:
    """Where in the image `want` goes: a path that starts with `/` and does not end with it, or `/` itself."""
    name = want.path.rpartition("/")[2] if want.to.endswith("/") else ""
    parts = [part for part in f"{want.to}/{name}".split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)


def left_out(want: FilesWant) -> str:
    """The patterns of `want.exclude` as one regular expression, for the bytes of paths in the image."""
    if not want.exclude:
        return ""
    root = re.escape(place(want).rstrip("/"))
    return rf"(?s:^{root}/(?:{'|'.join(as_regex(glob) for glob in want.exclude)})\Z)"
