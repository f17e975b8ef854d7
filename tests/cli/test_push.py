"""`lamella push`: what is missing is sent, what is known is not even read, and nothing is sent twice."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.command import run
from tests.registry.fake import Fake, Trouble, serving


def lamella(folder: Path, *args: str, cache: str = "cache") -> subprocess.CompletedProcess[str]:
    return run(folder, *args, LAMELLA_CACHE=str(folder.parent / cache))


def push(folder: Path, *args: str, cache: str = "cache") -> list[list[str]]:
    """What became of the layers, for each place."""
    ran = lamella(folder, "push", *args, "--json", cache=cache)
    assert ran.returncode == 0, ran.stderr
    return [[layer["state"] for layer in place["layers"]] for place in json.loads(ran.stdout)]


def test_what_is_missing_is_sent(hello: Path, fake: Fake) -> None:
    to = f"{fake.name}/team/hello:v1"
    assert push(hello, ".", to) == [["uploaded"] * 4]
    assert push(hello, ".", to) == [["exists"] * 4]
    (hello / "app" / "hello.sh").write_text("echo other\n")
    assert push(hello, ".", to) == [["exists"] * 3 + ["uploaded"]]
    assert "4 layers, 0 problems" in lamella(hello, "validate", f"docker://{to}").stdout


def test_the_digest_alone_is_the_answer_and_the_same_everywhere(hello: Path, fake: Fake) -> None:
    first = lamella(hello, "push", "-q", ".", f"{fake.name}/a:v1").stdout
    assert first.startswith(f"{fake.name}/a@sha256:")
    other = lamella(hello, "push", "-q", ".", f"{fake.name}/a:v2", cache="empty").stdout
    assert other == first
    lamella(hello, "copy", f"docker://{fake.name}/a:v1", "oci:out")
    assert lamella(hello, "push", "-q", "oci:out", f"{fake.name}/a:v3").stdout == first


def test_several_places_share_what_is_sent(hello: Path, fake: Fake) -> None:
    assert push(hello, ".", f"{fake.name}/one:v1") == [["uploaded"] * 4]
    places = push(hello, ".", f"{fake.name}/one:v2", f"{fake.name}/two:v2")
    assert places == [["exists"] * 4, ["mounted"] * 4]
    assert push(hello, ".", f"{fake.name}/three:v1", "--cache-from", f"{fake.name}/two:v2") == [["mounted"] * 4]


def test_a_machine_that_knows_nothing_asks_the_registry(hello: Path, fake: Fake) -> None:
    to = f"{fake.name}/hello:v1"
    push(hello, ".", to)
    fake.asked.clear()
    told = json.loads(lamella(hello, "push", ".", to, "--json", cache="empty").stdout)
    assert [layer["why"] for layer in told[0]["layers"]] == ["unchanged"] * 4
    assert not [line for line in fake.asked if line.startswith("POST")]
    (hello / "app" / "hello.sh").write_text("echo other\n")
    told = json.loads(lamella(hello, "push", ".", to, "--json", cache="other").stdout)
    assert told[0]["layers"][3]["why"] == "app -> /app changed"


def test_notes_that_cannot_be_read_are_none(hello: Path, fake: Fake) -> None:
    push(hello, ".", f"{fake.name}/hello:v1")
    held = fake.manifests["hello"]
    kind, data = held["v1"]
    manifest = json.loads(data)
    manifest["annotations"]["dev.lamella.image"] = "AAAA"
    held["v1"] = (kind, json.dumps(manifest).encode())
    assert push(hello, ".", f"{fake.name}/hello:v1", cache="empty") == [["uploaded"] * 4]


@pytest.mark.parametrize("match", ["^PATCH", "^PUT .*uploads", "^POST"])
def test_uploads_that_fail_at_first_arrive(hello: Path, fake: Fake, match: str) -> None:
    fake.trouble = [Trouble(match, 3, cut=10)]
    push(hello, ".", f"{fake.name}/hello:v1")
    assert "4 layers, 0 problems" in lamella(hello, "validate", f"docker://{fake.name}/hello:v1").stdout


def test_the_name_of_the_spec_says_where_it_goes(hello: Path, fake: Fake) -> None:
    spec = (hello / "lamella.toml").read_text()
    (hello / "lamella.toml").write_text(spec.replace('name = "hello"', f'name = "{fake.name}/team/hello"'))
    push(hello, ".")
    assert "latest" in fake.manifests["team/hello"]


@pytest.mark.parametrize(
    ("args", "said", "code"),
    [
        (["."], "no destination; name one", 2),
        (["localhost:5000/app:v1"], "to push this folder's image there: lamella push . localhost:5000/app:v1", 2),
        ([".", "Host/App:v1"], "did you mean", 2),
        ([".", "127.0.0.1:1/app:v1"], "127.0.0.1:1 cannot be reached", 6),
        (["docker://127.0.0.1:1/app:v1", "127.0.0.1:1/app:v2"], "127.0.0.1:1 cannot be reached", 6),
    ],
)
def test_mistakes_get_one_line(hello: Path, args: list[str], said: str, code: int) -> None:
    ran = lamella(hello, "push", *args)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_who_may_not_is_told_how_to(hello: Path, fake: Fake) -> None:
    fake.user, fake.password = "me", "secret"
    ran = lamella(hello, "push", ".", f"{fake.name}/hello:v1")
    assert ran.returncode == 6
    assert f"docker login {fake.name}" in ran.stderr
    assert push(hello, ".", f"{fake.name}/hello:v1", "--creds", "me:secret") == [["uploaded"] * 4]


def test_one_change_is_one_layer_one_config_and_one_manifest(hello: Path, fake: Fake) -> None:
    push(hello, ".", f"{fake.name}/hello:v1")
    (hello / "app" / "hello.sh").write_text("echo other\n")
    for cache in ("cache", "empty"):
        before = {*fake.blobs["hello"], *fake.manifests["hello"]}
        fake.asked.clear()
        push(hello, ".", f"{fake.name}/hello:{cache}", "--cache-from", f"{fake.name}/hello:v1", cache=cache)
        new = {*fake.blobs["hello"], *fake.manifests["hello"]} - before
        ended = [line for line in fake.asked if line.startswith("PUT") and "/uploads/" in line]
        if cache == "cache":
            assert len(ended) == 2  # the layer and the config
            assert len([name for name in new if name.startswith("sha256:")]) == 3
        else:
            assert len(ended) == 1  # the layer is made again to know it, and found there
            assert new == {cache}


def test_credentials_may_come_from_the_environment(hello: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.user, fake.password = "me", "secret"
    monkeypatch.setenv("LAMELLA_CREDS", "me:secret")
    assert push(hello, ".", f"{fake.name}/hello:v1") == [["uploaded"] * 4]


def test_a_spec_for_several_platforms_becomes_an_index(both: Path, fake: Fake) -> None:
    to = f"{fake.name}/hello:v1"
    told = json.loads(lamella(both, "push", ".", to, "--json").stdout)[0]
    assert fake.manifests["hello"]["v1"] == fake.manifests["hello"][told["digest"]]
    assert [one["platform"] for one in told["platforms"]] == ["linux/amd64", "linux/arm64"]
    (both / "app" / "hello.sh").write_text("echo other\n")
    fake.asked.clear()
    told = json.loads(lamella(both, "push", ".", to, "--json", cache="empty").stdout)[0]
    for one in told["platforms"]:
        assert [layer["why"] for layer in one["layers"]][:3] == ["unchanged"] * 3
    assert len([line for line in fake.asked if line.startswith("PUT") and "/uploads/" in line]) == 3
    assert lamella(both, "push", ".", to, "--platform", "linux/arm64", "-q").stdout.count("sha256:") == 1
    assert json.loads(fake.manifests["hello"]["v1"][1])["config"]
    assert "  linux/arm64\n" in lamella(both, "push", ".", to).stdout


def test_each_layer_is_an_image_too_at_no_extra_bytes(hello: Path, fake: Fake) -> None:
    push(hello, ".", f"{fake.name}/hello:v1")
    fake.asked.clear()
    push(hello, ".", f"{fake.name}/hello:v1", "--layer-images", "hello/layer-")
    assert sorted(fake.manifests) == ["hello", *(f"hello/layer-{name}" for name in ("app", "config", "data", "libs"))]
    sent = [line for line in fake.asked if line.startswith("PUT") and "/uploads/" in line]
    assert len(sent) == 4  # the configs
    for name in ("app", "config", "data", "libs"):
        said = lamella(hello, "inspect", "--json", f"docker://{fake.name}/hello/layer-{name}:v1").stdout
        assert [layer["name"] for layer in json.loads(said)["layers"]] == [name]
    whole = json.loads(lamella(hello, "inspect", "--json", f"docker://{fake.name}/hello:v1").stdout)
    assert [layer["name"] for layer in whole["layers"]] == ["libs", "data", "config", "app"]
    assert all(layer["packages"] for layer in whole["layers"])


def test_a_layer_is_an_image_for_each_platform_that_has_it(both: Path, fake: Fake) -> None:
    told = json.loads(lamella(both, "push", ".", f"{fake.name}/hello:v1", "--layer-images", "layer-", "--json").stdout)
    kind, data = fake.manifests["layer-app"]["v1"]
    children = json.loads(data)["manifests"]
    assert "index" in kind
    assert [child["platform"]["architecture"] for child in children] == ["amd64", "arm64"]
    for child, whole in zip(children, told[0]["platforms"], strict=True):
        layers = json.loads(fake.manifests["layer-app"][child["digest"]][1])["layers"]
        assert [layer["digest"] for layer in layers] == [whole["layers"][-1]["digest"]]


def test_bytes_have_no_layer_images_and_nothing_is_sent(hello: Path, fake: Fake) -> None:
    lamella(hello, "copy", ".", "oci:out")
    wrong = lamella(hello, "push", "oci:out", f"{fake.name}/hello:v1", "--layer-images", "x-")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert fake.asked == []


def test_the_memory_may_be_a_repository_of_its_own(hello: Path, fake: Fake) -> None:
    memory = f"{fake.name}/memory:main"
    assert push(hello, ".", f"{fake.name}/hello:v1", "--cache-to", memory) == [["uploaded"] * 4]
    del fake.manifests["hello"]
    fake.asked.clear()
    assert push(hello, ".", f"{fake.name}/hello:v2", "--cache-from", memory, cache="empty") == [["exists"] * 4]
    assert not [line for line in fake.asked if line.startswith("PATCH")]


def test_what_a_registry_remembers_is_checked(hello: Path, fake: Fake) -> None:
    to = f"{fake.name}/hello:v1"
    push(hello, ".", to)
    assert lamella(hello, "validate", ".", "--remote", to).stdout == "4 layers, 0 problems\n"
    push(hello, ".", f"{fake.name}/hello:forged")
    kind, data = fake.manifests["hello"]["v1"]
    manifest = json.loads(data)
    keys = [layer["annotations"]["dev.lamella.key"] for layer in manifest["layers"]]
    for layer, key in zip(manifest["layers"], [keys[1], keys[0], *keys[2:]], strict=True):
        layer["annotations"]["dev.lamella.key"] = key
    fake.manifests["hello"]["v1"] = (kind, json.dumps(manifest).encode())
    ran = lamella(hello, "validate", ".", "--remote", to, cache="empty")
    assert ran.returncode == 4
    assert ran.stdout.endswith("4 layers, 2 problems\n")


def test_each_registry_has_its_own_credentials(hello: Path, fake: Fake) -> None:
    fake.user, fake.password = "me", "secret"
    with serving(Fake(user="you", password="other")) as second:
        to = [f"{fake.name}/hello:v1", f"{second.name}/hello:v1"]
        creds = ["--creds", f"{fake.name}=me:secret", "--creds", f"{second.name}=you:other"]
        assert push(hello, ".", *to, *creds) == [["uploaded"] * 4] * 2
        told = [header for header in second.told if header]
        ran = lamella(hello, "push", ".", *to, "--creds", "me:secret")
        assert (ran.returncode, f"docker login {second.name}" in ran.stderr) == (6, True)
        assert [header for header in second.told if header] == told


def test_secrets_are_not_said(hello: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if a registry gives them."""
    fake.user, fake.password = "me", "hunter2"
    echo = json.dumps({"errors": [{"code": "DENIED", "message": "hunter2 and bWU6aHVudGVyMg== are wrong"}]}).encode()
    fake.trouble = [Trouble("^POST", 99, 403, body=echo)]
    monkeypatch.setenv("LAMELLA_CREDS", "me:hunter2")
    for args in (["-v"], ["--json"], ["--dry-run"], []):
        ran = lamella(hello, "push", ".", f"{fake.name}/hello:v1", *args)
        assert "hunter2" not in ran.stdout + ran.stderr
        assert "bWU6aHVudGVyMg" not in ran.stdout + ran.stderr
    assert "DENIED: *** and *** are wrong" in lamella(hello, "push", ".", f"{fake.name}/hello:v1").stderr
    for file in (hello.parent / "cache").rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes()
