"""Images that are built when they are pulled, by those who pull images for a living, and run."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.debs import Repository
from tests.real.library import Library
from tests.real.nix import DATA
from tests.real.programs import Containerd, Docker, Podman, needs, run
from tests.real.test_demand_nix import text_of
from tests.served import Served, served
from tests.waiting import until

pytestmark = pytest.mark.real

INDEX = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of Debian packages, from where apt on this machine takes them."""
    config = '[[source]]\nname = "deb"\nkind = "deb"\nplatforms = ["linux/amd64"]\n'
    with served(tmp_path_factory.mktemp("server"), config=config) as server:
        yield server


def test_docker(server: Served, docker: Docker) -> None:
    name = f"{server.host}/deb/shell/hello"
    docker("pull", "--quiet", name)
    assert "Hello, world!" in docker("run", "--rm", "--network=none", name, "hello")
    assert "bash" in docker("run", "--rm", "--network=none", name, "bash", "-c", "echo $BASH")
    docker("rmi", name)


def test_podman(server: Served, podman: Podman) -> None:
    name = f"{server.host}/hello"
    podman("pull", "--quiet", "--tls-verify=false", name)
    assert "Hello, world!" in podman("run", "--rm", "--network=none", name, "hello")


def test_containerd(server: Served, containerd: Containerd) -> None:
    name = f"{server.host}/deb/hello:latest"
    containerd("images", "pull", "--plain-http", name)
    assert "Hello, world!" in containerd("run", "--rm", name, "hello-from-a-server", "hello")


def test_nix_packages(nix: Library, docker: Docker, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "default.nix").write_text(text_of(nix, "one"))
    config = f'[[source]]\nname = "nix"\nkind = "nix"\nfrom = "{packages}"\n'
    with served(tmp_path / "server", config=config, environment={"NIX_CONF_DIR": str(DATA)}) as server:
        name = f"{server.host}/shell/hello/nested.x"
        docker("pull", "--quiet", name)
        assert docker("run", "--rm", "--network=none", name, "bash", "-c", "hello -g hi; cat /share/x") == "hi\none\n"
        path = name.partition("/")[2]
        first = pull(server, path)
        (packages / "default.nix").write_text(text_of(nix, "two"))
        until(lambda: pull(server, path) != first, "a folder that changed is read again")
        docker("pull", "--quiet", name)
        assert docker("run", "--rm", "--network=none", name, "cat", "/share/x") == "two\n"
        docker("rmi", name)


def test_skopeo_says_what_is_wrong(server: Served) -> None:
    needs("skopeo")
    ran = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{server.host}/deb/hello/no-such-package"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode
    assert "no-such-package" in ran.stderr


@pytest.fixture
def archive(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "archive")
    for name in ("base-files", "ca-certificates", "netbase"):
        made.add(name)
    made.add("tool", files={"./usr/bin/tool": b"tool"})
    made.write(("amd64", "arm64"))
    return made


def test_a_hundred_pulls_at_two_servers_are_one_build(archive: Repository, tmp_path: Path) -> None:
    needs("skopeo")
    config = f'[[source]]\nname = "deb"\nkind = "deb"\ndebian = {{ archives = ["{archive.line}"] }}\n'
    bucket = tmp_path / "bucket"
    with (
        served(tmp_path / "one", "--bucket", bucket, config=config) as one,
        served(tmp_path / "two", "--bucket", bucket, config=config) as two,
    ):
        with ThreadPoolExecutor(100) as pool:
            found = list(pool.map(lambda n: pull([one, two][n % 2], "deb/tool"), range(100)))
        assert len(set(found)) == 1
        run("skopeo", "inspect", "--tls-verify=false", f"docker://{two.host}/deb/tool")
    assert len(list((bucket / "logs").iterdir())) == 1


def pull(server: Served, name: str) -> str:
    """Pulls an image by hand; gives its digest."""
    ask = urllib.request.Request(f"{server.url}/v2/{name}/manifests/latest", headers={"Accept": INDEX})
    with urllib.request.urlopen(ask) as answer:
        digest = str(answer.headers["Docker-Content-Digest"])
        told = json.load(answer)
    for one in told.get("manifests", [{"digest": digest}]):
        with urllib.request.urlopen(f"{server.url}/v2/{name}/manifests/{one['digest']}") as answer:
            image = json.load(answer)
        for blob in (image["config"], *image["layers"]):
            with urllib.request.urlopen(f"{server.url}/v2/{name}/blobs/{blob['digest']}") as answer:
                assert len(answer.read()) == blob["size"]
    return digest


def test_what_is_pinned_needs_nothing_but_the_bucket(archive: Repository, tmp_path: Path) -> None:
    """The same server, without a cache, an archive, or the right to build: a day that is over is pinned."""
    specs = tmp_path / "images" / "tool"
    specs.mkdir(parents=True)
    (specs / "data").write_text("data")
    (specs / "lamella.toml").write_text('name = "tool"\nfiles = ["data"]\nplatforms = ["linux/amd64", "linux/arm64"]\n')
    config = f'[[source]]\nname = "images"\nkind = "specs"\nfrom = "{tmp_path / "images"}"\n'
    bucket = tmp_path / "bucket"
    with served(tmp_path / "one", "--bucket", bucket, config=config) as one:
        first = pull(one, "images/tool")
    forbidden = '[access]\nanonymous = ["pull"]\n' + config
    with served(tmp_path / "two", "--bucket", bucket, config=forbidden) as two:
        assert pull(two, "images/tool") == first
        (specs / "data").write_text("other data")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            pull(two, "images/tool")


def test_a_server_that_is_killed_leaves_its_builds_to_others(archive: Repository, tmp_path: Path) -> None:
    """Its worker ends with it, and another server does the job when the first is taken to be dead."""
    config = f'[[source]]\nname = "deb"\nkind = "deb"\ndebian = {{ archives = ["{archive.line}"] }}\n'
    bucket = tmp_path / "bucket"
    with (
        served(tmp_path / "one", "--bucket", bucket, config=config, impatient=True) as one,
        ThreadPoolExecutor(1) as pool,
    ):
        lost = pool.submit(pull, one, "deb/tool")
        until(lambda: [*(bucket / "jobs").glob("*")], "the build is claimed")
        one.process.kill()
        with pytest.raises(OSError):
            lost.result()
        with served(tmp_path / "two", "--bucket", bucket, config=config, impatient=True) as two:
            assert pull(two, "deb/tool")
