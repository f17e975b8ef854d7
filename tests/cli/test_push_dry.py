"""`lamella push --dry-run` foresees what the push would do, and only asks."""

import json
import subprocess
from pathlib import Path

from tests.command import LAMELLA, run
from tests.registry.fake import Fake


def test_a_dry_run_only_asks(hello: Path, fake: Fake) -> None:
    said = run(hello, "push", ".", f"{fake.name}/hello:v1", "--dry-run").stdout
    assert said.count("make and upload") == 4
    run(hello, "push", ".", f"{fake.name}/hello:v1")
    fake.asked.clear()
    assert run(hello, "push", ".", f"{fake.name}/hello:v1", "--dry-run").stdout.count("exists") == 4
    assert {line.partition(" ")[0] for line in fake.asked} <= {"GET", "HEAD"}


def test_a_dry_run_of_bytes_only_asks(hello: Path, fake: Fake) -> None:
    run(hello, "copy", ".", "oci:out")
    assert run(hello, "push", "oci:out", f"{fake.name}/hello:v1", "--dry-run").stdout.count("upload") == 4
    assert fake.manifests == {}


def test_a_dry_run_foresees_each_platform_or_the_chosen_one(both: Path, fake: Fake) -> None:
    run(both, "index", "oci:out:v1", ".")
    for image in (".", "oci:out:v1"):
        dry = ("push", image, f"{fake.name}/hello:v1", "--dry-run")
        rows = json.loads(run(both, *dry, "--json").stdout)
        assert [row["platform"] for row in rows] == ["linux/amd64"] * 4 + ["linux/arm64"] * 4
        assert run(both, *dry).stdout.count("linux/arm64") == 4
        rows = json.loads(run(both, *dry, "--json", "--platform", "linux/arm64").stdout)
        assert [row["platform"] for row in rows] == ["linux/arm64"] * 4


def test_a_dry_run_reads_an_archive_from_stdin(hello: Path, fake: Fake) -> None:
    run(hello, "copy", ".", "oci-archive:out.tar")
    command = [*LAMELLA, "push", "oci-archive:-", f"{fake.name}/hello:v1", "--dry-run"]
    with (hello / "out.tar").open("rb") as data:
        ran = subprocess.run(command, cwd=hello, stdin=data, capture_output=True, text=True, check=False)
    assert (ran.stdout.count("upload"), ran.stderr) == (4, "")


def test_a_dry_run_leaves_store_paths_to_the_host(hello: Path, fake: Fake) -> None:
    path = hello / f"{'a' * 32}-hello-1.0"
    path.mkdir()
    (hello / "graph.json").write_text(json.dumps([{"path": str(path), "references": [], "narSize": 13}]))
    (hello / "nix.toml").write_text('name = "nix"\nnix = [{ graph = "graph.json" }]\n')
    dry = run(hello, "push", "nix.toml", f"{fake.name}/nix:v1", "--dry-run", "--nix-store-paths", "--json")
    assert [row["name"] for row in json.loads(dry.stdout)] == ["nix store"]


def test_a_quiet_dry_run_only_fails_or_not(hello: Path, fake: Fake) -> None:
    ran = run(hello, "push", ".", f"{fake.name}/hello:v1", "--dry-run", "-q")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_dry_run_refuses_what_a_push_refuses(hello: Path, fake: Fake) -> None:
    run(hello, "copy", ".", "oci:out")
    for options in (["--nix-store-paths"], ["--platform", "linux/arm64"]):
        command = ["push", "oci:out", f"{fake.name}/hello:v1", *options]
        dry, real = run(hello, *command, "--dry-run"), run(hello, *command)
        assert real.returncode
        assert (dry.returncode, dry.stderr) == (real.returncode, real.stderr)
