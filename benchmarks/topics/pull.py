"""How long a pull of an image that the server builds waits: until its manifest has come, and the first byte of its largest layer.

The image is `shell/git/htop`, of Debian's packages from where apt takes them; no peer of this kind can be installed
here. Each client knows nothing.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import LAMELLA, Shop, free_host, listens, missing, started
from benchmarks.topics.serving import ask

TITLE = "Pull an image that is built when it is asked for"
NAME, SMALL = "/v2/shell/git/htop", "/v2/libc6"
SETTINGS = '[[source]]\nname = "deb"\nkind = "deb"\nplatforms = ["linux/amd64"]\n'


@contextmanager
def server(shop: Shop, bucket: Path, cache: Path) -> Iterator[str]:
    """A server over that bucket; gives its host."""
    host, config = free_host(), shop.folder / "pull.toml"
    config.write_text(SETTINGS)
    command = [*LAMELLA, "serve", "--config", config, "--listen", host, "--bucket", bucket]
    with started(command, lambda: listens(host), {"LAMELLA_CACHE": str(cache)}):
        yield host


class Puller:
    """Servers one after the other, each asked as it comes."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.shop, self.name = shop, name
        self.packages, self.kept = shop.place("packages"), shop.place("bucket")
        self.running = contextlib.ExitStack()
        self.host = ""

    def start(self, bucket: Path, cache: Path) -> None:
        self.running.close()
        self.host = self.running.enter_context(server(self.shop, bucket, cache))

    def first_byte(self) -> float:
        """Seconds."""
        begun = time.perf_counter()
        manifest = json.loads(ask(self.host, "GET", f"{self.name}/manifests/latest").body)
        largest = max(manifest["layers"], key=lambda layer: int(layer["size"]))
        ask(self.host, "GET", f"{self.name}/blobs/{largest['digest']}", Range="bytes=0-0")
        return time.perf_counter() - begun

    def nothing_there(self) -> None:
        self.start(self.shop.place("bucket"), self.shop.place("packages"))

    def packages_there(self) -> None:
        self.start(self.shop.place("bucket"), self.packages)

    def image_there(self) -> None:
        self.start(self.kept, self.shop.place("packages"))


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    puller = Puller(shop, size.pick(NAME, SMALL))
    absent = missing("apt-get")
    with puller.running:
        if not absent:
            puller.start(puller.kept, puller.packages)
            puller.first_byte()
        befores = {
            "built from nothing": size.pick(puller.nothing_there, puller.packages_there),
            "built again, with the packages at hand": puller.packages_there,
            "from another server, just started, over the same bucket": puller.image_there,
            "once more from there": lambda: None,
        }
        rounds = 0 if absent else size.rounds(3)
        tasks = [race(name, [Way(OURS, puller.first_byte, before, absent)], rounds) for name, before in befores.items()]
    return "the image `shell/git/htop`", tasks
