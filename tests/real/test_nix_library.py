"""The Nix library under a real Nix: images as people write them for nix2container, loaded, run, pushed."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.replay import tar_of
from tests.real.daemons import as_docker, as_podman
from tests.real.library import Library
from tests.real.programs import Docker, Podman, needs, run, skopeo_copy
from tests.real.registries import real_registry

from lamella.sources.nix.graph import paths_in

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).parents[2] / "examples" / "nix"
RUNS = {
    "basic": "Hello, world!\n",
    "layered": "Hello, world!\n",
    "nested": "nested\n",
    "chained": "hello from python\n",
    "uwsgi": "hello from python\n",
    "perms": "400 1000:100 /etc/app/key\n1777 0:0 /var/cache\n",
    "openbar": "777\n",
    "ownership": "7:8\n",
    "metadata": "Hello, world!\n",
    "created": "Hello, world!\n",
    "hello": "Hello, world!\n",
    "nonReproducible": "25 /random\n",
}
"""What containers of the examples print."""

FLAKE = """{
  inputs.nixpkgs.url = "nixpkgs";
  inputs.nix2container.url = "nix2container";
  inputs.nix2container.inputs.nixpkgs.follows = "nixpkgs";
  outputs = { self, nixpkgs, nix2container }: let
    pkgs = import nixpkgs { system = "x86_64-linux"; };
    n2c = nix2container.packages.x86_64-linux.nix2container;
    library = nix2container.legacyPackages.x86_64-linux;
  in { packages.x86_64-linux = rec { IMAGES }; };
}
"""
OTHERS = ("bash", "nginx", "nix", "python3")


@pytest.fixture(scope="module")
def examples(nix: Library) -> Path:
    folder = nix.folder / "examples"
    shutil.copytree(EXAMPLES, folder)
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with real_registry(tmp_path) as name:
        yield name


def layers_of(image: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(image.read_text())["layers"]
    return found


def flake(folder: Path, attributes: str) -> Path:
    """A flake of images that are told as `attributes`."""
    folder.mkdir(exist_ok=True)
    (folder / "flake.nix").write_text(FLAKE.replace("IMAGES", attributes))
    return folder


@pytest.mark.parametrize("name", [*RUNS, *OTHERS])
def test_digests_are_those_of_nix2container(nix: Library, examples: Path, name: str) -> None:
    for layer in layers_of(nix.build(examples, name)):
        if "layer-path" in layer:
            data = Path(layer["layer-path"]).read_bytes()
            told = (hashlib.sha256(data).hexdigest(), len(data))
        else:
            told = tar_of(layer["paths"])
        assert (f"sha256:{told[0]}", told[1]) == (layer["digest"], layer["size"])


@pytest.mark.parametrize("name", RUNS)
def test_docker_runs_it(nix: Library, examples: Path, docker: Docker, name: str) -> None:
    daemon = as_docker(docker)
    nix.run(examples, f"{name}.copyToDockerDaemon", **daemon.environment)
    reference = nix.eval(examples, f"{name}.imageRefUnsafe")
    assert daemon.run(reference) == RUNS[name]


@pytest.mark.parametrize("name", RUNS)
def test_podman_runs_it(nix: Library, examples: Path, podman: Podman, name: str, tmp_path: Path) -> None:
    daemon = as_podman(podman, tmp_path)
    path = f"{daemon.environment['PATH']}:/usr/local/bin"
    nix.run(examples, f"{name}.copyToPodman", PATH=path)
    assert daemon.run(nix.eval(examples, f"{name}.imageRefUnsafe")) == RUNS[name]


def test_a_server_a_shell_and_a_nix_run_too(nix: Library, examples: Path, docker: Docker) -> None:
    environment = as_docker(docker).environment
    for name in ("bash", "nginx", "nix"):
        nix.run(examples, f"{name}.copyToDockerDaemon", **environment)
    server = docker("run", "--detach", "--network=none", nix.eval(examples, "nginx.imageRefUnsafe")).strip()
    try:
        ask = "until exec 3<>/dev/tcp/127.0.0.1/8080; do :; done 2>/dev/null; printf 'GET /\\r\\n\\r\\n' >&3; cat <&3"
        assert "<p>hello</p>" in docker("exec", server, "/bin/bash", "-c", ask)
    finally:
        docker("rm", "--force", server)
    run_once = ("run", "--rm", "--network=none")
    assert docker(*run_once, "bash:v1", "/bin/bash", "-c", "echo $((6 * 7))") == "42\n"
    owner = ("/bin/stat", "-c", "%u:%g", "/nix/var/nix/db/db.sqlite")
    assert docker(*run_once, nix.eval(examples, "nix.imageRefUnsafe"), *owner) == "1000:100\n"


def test_tools_share_what_lies_below(nix: Library, examples: Path) -> None:
    below, own = ([layers_of(nix.build(examples, name))[at] for name in ("hello", "python3")] for at in (0, -1))
    assert below[0] == below[1]
    assert own[0]["digest"] != own[1]["digest"]


def test_a_push_moves_what_changed(nix: Library, examples: Path, registry: str, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(examples, folder)
    words = ["--dest-tls-verify=false", f"{registry}/uwsgi:v1"]
    assert "2 uploaded" in nix.run(folder, "uwsgi.copyToRegistry", *words)
    images = folder / "images.nix"
    images.write_text(images.read_text().replace("hello from python", "changed"))
    assert "1 exists, 1 uploaded" in nix.run(folder, "uwsgi.copyToRegistry", *words)
    told = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{registry}/uwsgi:v1"))
    assert len(told["Layers"]) == 2
    assert nix.run(folder, "uwsgi.copyTo", f"dir:{tmp_path}/out")
    assert (tmp_path / "out" / "manifest.json").exists()
    ran = nix.nix(folder, "run", f"path:{folder}#uwsgi.copyToRegistry", "--", "--dest-what")
    assert (ran.returncode, "--dest-what is not supported" in ran.stderr) == (2, True)


def test_sixty_layers_in_a_chain(nix: Library, tmp_path: Path) -> None:
    """Each stands on all before it; where these are told of by evaluation, their number doubles with each."""
    texts = " ".join(f'(pkgs.writeText "t{number}" "{number}")' for number in range(60))
    folder = flake(
        tmp_path / "chain",
        f"""image = n2c.buildImage {{
          name = "chain"; layers = library.foldImageLayers (map (text: {{ deps = [ text ]; }}) [ {texts} ]);
        }};""",
    )
    layers = layers_of(nix.build(folder, "image"))
    assert [[Path(path["path"]).name[33:] for path in layer["paths"]] for layer in layers] == [
        [f"t{number}"] for number in range(60)
    ]


@pytest.mark.parametrize("how", ["pullImage", "pullImageFromManifest"])
def test_on_top_of_an_image_from_a_registry(
    nix: Library, examples: Path, registry: str, tmp_path: Path, how: str
) -> None:
    needs("skopeo")
    nix.run(examples, "bash.copyToRegistry", "--dest-tls-verify=false", f"{registry}/base:v1")
    skopeo_copy(f"docker://{registry}/base:v1", f"dir:{tmp_path}/base", "--src-tls-verify=false")
    digest = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{registry}/base:v1"))["Digest"]
    pulled = {
        "pullImage": f"""imageName = "{registry}/base"; imageDigest = "{digest}"; tlsVerify = false;
            sha256 = "{run("nix-hash", "--type", "sha256", "--base32", tmp_path / "base").strip()}";""",
        "pullImageFromManifest": f"""imageName = "base"; registryUrl = "{registry}"; tlsVerify = false;
            imageTag = "v1"; imageManifest = ./manifest.json;""",
    }
    folder = flake(
        tmp_path / "top",
        f"""base = n2c.{how} {{ {pulled[how]} }};
        image = n2c.buildImage {{
          name = "top"; fromImage = base; fromImageEnv = true;
          copyToRoot = pkgs.runCommand "own" {{ }} "mkdir -p $out/own; echo ours > $out/own/file";
          config.Cmd = [ "/bin/cat" "/own/file" ];
        }};""",
    )
    if how == "pullImageFromManifest":
        (folder / "manifest.json").write_text("{}")
        manifest = nix.nix(folder, "run", f"path:{folder}#base.getManifest").stdout
        assert manifest == (tmp_path / "base" / "manifest.json").read_text()
        (folder / "manifest.json").write_text(manifest)
    layers = layers_of(nix.build(folder, "image"))
    base = json.loads((tmp_path / "base" / "manifest.json").read_text())["layers"]
    assert [layer["digest"] for layer in layers[:-1]] == [layer["digest"] for layer in base]
    out = tmp_path / "out"
    nix.run(folder, "image.copyTo", f"oci:{out}:v1")
    skopeo_copy(f"oci:{out}:v1", f"dir:{tmp_path}/copied")
    for layer in json.loads((tmp_path / "copied" / "manifest.json").read_text())["layers"]:
        (tmp_path / "root").mkdir(exist_ok=True)
        run("tar", "-xzf", tmp_path / "copied" / layer["digest"][7:], "-C", tmp_path / "root")
    assert (tmp_path / "root" / "own" / "file").read_text() == "ours\n"
    assert (tmp_path / "root" / "bin" / "bash").is_symlink()


def test_nix_in_an_image_knows_what_is_there(nix: Library, examples: Path, tmp_path: Path) -> None:
    image = nix.build(examples, "nix")
    (layer,) = layers_of(image)
    (database,) = [path for path in layer["paths"] if path["path"].endswith("-nix-database")]
    assert database["options"]["perms"] == [{"regex": ".*", "mode": "0755", "uid": 1000, "gid": 100}]
    assert database["options"]["rewrite"]["regex"] == f"^{database['path']}"
    root = tmp_path / "root"
    shutil.copytree(database["path"], root, symlinks=True)
    run("chmod", "-R", "u+w", root)
    inside = {path["path"] for path in layer["paths"] if not path.get("options")}
    words = ["path-info", "--json", "--size"]
    known = run("nix", *words, "--all", "--store", f"local?root={root}", NIX_CONF_DIR=nix.config)
    wanted = run("nix", *words, *inside, NIX_CONF_DIR=nix.config)
    told, there = (
        {one.path: (one.nar_hash, one.size, set(one.references)) for one in paths_in(text.encode(), "nix")}
        for text in (known, wanted)
    )
    assert told == there
    assert set(told) == inside
    run("nix-store", "--store", f"local?root={root}", "--query", "--requisites", *inside, NIX_CONF_DIR=nix.config)


def test_what_is_ours_beside_it(nix: Library, tmp_path: Path) -> None:
    folder = flake(
        tmp_path / "ours",
        """sized = n2c.buildImage { name = "x"; copyToRoot = pkgs.bash; maxLayers = 2; strategy = "size"; };
        cut = n2c.buildImage { name = "x"; copyToRoot = pkgs.python3; maxBytes = 8000000; compression = "zstd"; };
        owned = n2c.buildLayer { deps = [ pkgs.hello ]; owner = { uid = 7; gname = "g"; }; };""",
    )
    largest, rest = layers_of(nix.build(folder, "sized"))
    assert [path["path"][44:] for path in largest["paths"]] == ["glibc-2.36"]
    assert len(rest["paths"]) > 1
    cut = layers_of(nix.build(folder, "cut"))
    assert len(cut) > 2
    assert all(layer["size"] <= 8_000_000 for layer in cut)
    nix.run(folder, "cut.copyTo", f"oci:{tmp_path}/out:v1")
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    manifest = json.loads((tmp_path / "out" / "blobs" / "sha256" / index["manifests"][0]["digest"][7:]).read_text())
    assert {layer["mediaType"].rpartition("+")[2] for layer in manifest["layers"]} == {"zstd"}
    (owned,) = layers_of_layer(nix.build(folder, "owned"))
    assert {path["options"]["perms"][0]["uid"] for path in owned["paths"]} == {7}
    assert (f"sha256:{tar_of(owned['paths'])[0]}") == owned["digest"]


def test_layers_and_modes_that_a_build_has_found_out(nix: Library, tmp_path: Path) -> None:
    folder = flake(
        tmp_path / "files",
        """paths = text: pkgs.runCommand "paths" { } "printf '%s' '${text}' > $out";
        split = n2c.buildLayer {
          deps = [ pkgs.hello ]; layersFile = paths (builtins.toJSON [ [ "${pkgs.hello}" ] [ "${pkgs.glibc}" ] ]);
          permsFile = paths (builtins.toJSON [ { path = "${pkgs.hello}"; regex = "hello$"; mode = "0711"; } ]);
        };
        lost = n2c.buildLayer { deps = [ pkgs.hello ]; layersFile = paths (builtins.toJSON [ [ "${pkgs.hello}" ] ]); };
        """,
    )
    first, second = layers_of_layer(nix.build(folder, "split"))
    assert [layer["paths"][0]["path"][44:] for layer in (first, second)] == ["hello-2.10", "glibc-2.36"]
    assert first["paths"][0]["options"]["perms"][0]["mode"] == "0711"
    assert f"sha256:{tar_of(first['paths'])[0]}" == first["digest"]
    ran = nix.nix(folder, "build", "--no-link", f"path:{folder}#lost")
    assert "must list each path of the closure exactly once" in ran.stderr


def layers_of_layer(output: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((output / "layers.json").read_text())
    return found


STREAM = """
  stream = library.streamLayeredImage {
    name = "stream"; tag = "v1"; contents = [ pkgs.coreutils ]; uid = 5; gid = 6; uname = "five";
    extraCommands = "mkdir -p srv; echo text > srv/file";
    config.Cmd = [ "/bin/stat" "-c" "%u:%g %n" "/srv/file" ];
  };
"""


def test_a_stream_is_a_program_that_writes_an_archive(nix: Library, docker: Docker, tmp_path: Path) -> None:
    folder = flake(tmp_path / "stream", STREAM)
    archive = subprocess.run([nix.build(folder, "stream")], capture_output=True, check=True).stdout
    subprocess.run(["docker", "-H", docker.host, "load"], input=archive, check=True, capture_output=True)
    assert as_docker(docker).run("stream:v1") == "5:6 /srv/file\n"
    (tmp_path / "base.tar").write_bytes(archive)
    shutil.copy(tmp_path / "base.tar", folder)
    flake(
        folder,
        """top = library.streamLayeredImage {
          name = "top"; tag = "v1"; fromImage = ./base.tar; contents = pkgs.hello; config.Cmd = [ "/bin/hello" ];
        };""",
    )
    run("sh", "-c", f"{nix.build(folder, 'top')} | docker -H {docker.host} load")
    assert as_docker(docker).run("top:v1") == "Hello, world!\n"
    base, top = (
        json.loads(docker("image", "inspect", name))[0]["RootFS"]["Layers"] for name in ("stream:v1", "top:v1")
    )
    assert top[: len(base)] == base


def test_a_manifest_of_several_platforms_at_several_registries(nix: Library, registry: str, tmp_path: Path) -> None:
    folder = flake(
        tmp_path / "manifest",
        STREAM
        + f"""
        image = arch: n2c.buildImage {{ name = "app"; inherit arch; copyToRoot = pkgs.hello; }};
        manifest = library.mkDockerManifest {{
          version = "v1.2.3"; branch = "main"; tags = [ "edge" ];
          imageStreams = [ (image "amd64") ]; imageFiles = [ (image "arm64") ];
          annotations.org.opencontainers.image.vendor = "us \\"and\\" them";
          registries."{registry}" = {{ repo = "team/app"; username = "$NAME"; password = "$WORD"; }};
          registries.other = {{ name = "{registry}"; repo = "team/copy"; }};
        }};
        foreign = library.mkDockerManifest {{
          tags = [ "v1" ]; imageStreams = [ (pkgs.writeScript "s" "#!/bin/sh\nexec ${{stream}}") ];
          registries."{registry}".repo = "team/foreign";
        }};
        untagged = library.mkDockerManifest {{ images = [ stream.image ]; registries.r.repo = "x"; }};
        """,
    )
    nix.run(folder, "manifest", "--insecure", NAME="me", WORD="secret")
    tags = ["1", "1.2", "1.2.3", "edge", "latest", "main"]
    for name in ("team/app", "team/copy"):
        told = json.loads(run("skopeo", "list-tags", "--tls-verify=false", f"docker://{registry}/{name}"))
        assert sorted(told["Tags"]) == tags
        index = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry}/{name}:1.2"))
        assert [child["platform"]["architecture"] for child in index["manifests"]] == ["amd64", "arm64"]
        assert index["annotations"]["org.opencontainers.image.vendor"] == 'us "and" them'
        assert index["annotations"]["org.opencontainers.image.version"] == "1.2.3"
        assert "org.opencontainers.image.created" in index["annotations"]
    nix.run(folder, "foreign", "--insecure")
    ran = nix.nix(folder, "build", f"path:{folder}#untagged")
    assert (ran.returncode, "no tag follows" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("copyToRoot = pkgs.hello; contents = pkgs.hello;", "two names for the same option"),
        (
            "copyToRoot = pkgs.hello; contents = pkgs.hello; initializeNixDatabase = true;",
            "two names for the same option",
        ),
        ('copyToRoot = pkgs.hello; perms = [ { path = pkgs.hello; regex = "."; mode = "9"; } ];', "not an octal mode"),
        ('strategy = "popularit";', "popularit"),
        ("layers = [ (n2c.buildLayer { deps = [ pkgs.hello ]; maxLayers = 0; }) ];", "maxLayers"),
    ],
)
def test_what_cannot_be_is_told(nix: Library, tmp_path: Path, arguments: str, said: str) -> None:
    folder = flake(tmp_path / "wrong", f'image = n2c.buildImage {{ name = "wrong"; {arguments} }};')
    ran = nix.nix(folder, "build", "--no-link", f"path:{folder}#image")
    assert ran.returncode
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_old_name_is_warned_of(nix: Library, tmp_path: Path) -> None:
    folder = flake(tmp_path / "old", 'image = n2c.buildImage { name = "OLD"; contents = pkgs.hello; };')
    ran = nix.nix(folder, "eval", "--raw", f"path:{folder}#image.imageRefUnsafe")
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch("old:[0-9a-z]{32}", ran.stdout)
    assert "contents is an old name" in ran.stderr
