"""The wheel in an empty Python environment: it must start at once, build, ship and serve."""

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.release.checks import WrongError, must, run, uv, variables
from tools.release.packages import Packages

QUICK = 0.1
"""How many seconds the imports of `lamella --help` may take."""
_IMPORTING = "import time; start = time.process_time(); import lamella.cli.main; print(time.process_time() - start)"
_ADDRESS = re.compile(r"serving at (http://\S+?),? ")
_SPEC = 'name = "smoke"\nplatforms = ["linux/amd64"]\nfiles = ["data"]\n'


@dataclass(frozen=True)
class Place:
    """An environment with a Python version, and a folder beside it."""

    bin: Path
    work: Path
    version: str

    def lamella(self, *arguments: object) -> str:
        """Run lamella there, and return its output."""
        return run(self.bin / "lamella", *arguments, at=self.work, LAMELLA_CACHE=str(self.work / "cache"))

    def install(self, wheel: Path, extras: str = "") -> int:
        """Install the wheel, check that all packages are compatible, and return their number."""
        uv("pip", "install", "--quiet", "--python", self.bin / "python", f"{wheel}{extras}")
        uv("pip", "check", "--quiet", "--python", self.bin / "python")
        return len(uv("pip", "freeze", "--python", self.bin / "python").splitlines())


def environment(folder: Path, python: str) -> Place:
    """Create an empty environment with a Python that uv finds or downloads."""
    uv("venv", "--quiet", "--python", python, folder / "environment")
    binaries = folder / "environment" / "bin"
    place = Place(binaries, folder / "work", run(binaries / "python", "--version").strip())
    (place.work / "data").mkdir(parents=True)
    (place.work / "data" / "file").write_text("hello")
    (place.work / "lamella.toml").write_text(_SPEC)
    return place


def by_itself(place: Place, packages: Packages) -> str:
    """Without extras: it prints its version, starts at once, builds, and copies what it built."""
    count = place.install(packages.wheel)
    must(place.lamella("--version") == f"lamella {packages.version}\n", "--version prints something else")
    for verb in re.findall(r"^  ([a-z]+)  ", place.lamella("--help"), re.MULTILINE):
        place.lamella(verb, "--help")
    imported = min(float(run(place.bin / "python", "-c", _IMPORTING)) for _ in range(5))
    must(imported < QUICK, f"importing what `lamella --help` needs took {imported:.3f} s")
    place.lamella("build", ".", "--to", "oci:layout")
    place.lamella("validate", "oci:layout")
    place.lamella("copy", "oci:layout", "oci-archive:image.tar")
    image = json.loads(place.lamella("inspect", "oci-archive:image.tar", "--json"))
    must(image, "inspect prints nothing about the image")
    place.lamella("report", "oci-archive:image.tar", "-o", "report.html")
    must("</html>" in (place.work / "report.html").read_text(), "the report is not a page")
    done = "--version, --help of all, build, validate, copy, inspect, report"
    return f"{count} packages; imports for {imported:.3f} s; {done}"


def with_all(place: Place, packages: Packages) -> str:
    """With all extras: it also locks, and serves what is pushed, and pages that show it."""
    count = place.install(packages.wheel, "[all]")
    (place.work / "lamella.toml").write_text(_SPEC + 'pypi = ["packaging"]\n[python]\nversion = "3.12"\n')
    place.lamella("lock")
    place.lamella("build", ".", "--to", "oci:locked")
    with served(place) as url:
        name = f"{url.removeprefix('http://')}/team/smoke:v1"
        place.lamella("push", ".", name)
        place.lamella("validate", f"docker://{name}")
        page = _read(f"{url}/images")
        must("team/smoke" in page, "the page of images does not show what was pushed")
        must("linux/amd64" in _read(f"{url}/images/team/smoke"), "the page of the image does not show it")
        for asset in re.findall(r'(?:href|src)="(/[^"]+\.(?:css|js|svg)[^"]*)"', page):
            must(_read(url + asset), f"{asset} is empty")
        must("StoreDir" in _read(f"{url}/nix/main/nix-cache-info"), "the binary cache does not say what it is")
    return f"{count} packages; lock, build, serve, push to it, validate there, its pages and assets, its binary cache"


@contextmanager
def served(place: Place) -> Iterator[str]:
    """Run a server that anybody may push to, and give its address."""
    settings = place.work / "server.toml"
    settings.write_text('writable = true\n[access]\nanonymous = ["*"]\n[[nix]]\nname = "main"\n')
    command: list[str | Path] = [place.bin / "lamella", "serve", "--listen", "127.0.0.1:0"]
    command += ["--config", settings, "--bucket", place.work / "bucket"]
    given = variables(LAMELLA_CACHE=str(place.work / "cache"))
    log = place.work / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, stderr=stream, cwd=place.work, env=given)
    try:
        yield _address(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    while not (found := _ADDRESS.search(log.read_text())):
        must(process.poll() is None, f"`lamella serve` ended: {log.read_text()}")
        time.sleep(0.1)
    return found[1]


def _read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read()).decode()
    except OSError as error:
        raise WrongError(f"{url}: {error}") from error
