"""Kubernetes understands its files, and they agree with each other, with the settings and with the server."""

import os
import shutil
import subprocess
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from tests.deploy.files import DEPLOY, documents, stop_time
from tests.real.programs import absent
from tests.served import served

from lamella.cli.gc import command as gc
from lamella.server.settings import parse_settings

HERE = DEPLOY / "kubernetes"
KUSTOMIZATION = documents(HERE / "kustomization.yaml")[0]
OBJECTS = [one for name in KUSTOMIZATION["resources"] for one in documents(HERE / name)]
SETTINGS = parse_settings((HERE / "server.toml").read_text(), "server.toml")
Object = dict[str, Any]


def the(kind: str) -> Object:
    """The one object of a kind."""
    [found] = [one for one in OBJECTS if one["kind"] == kind]
    return found


SERVER: Object = the("Deployment")["spec"]["template"]
COLLECTOR: Object = the("CronJob")["spec"]["jobTemplate"]["spec"]["template"]
PODS = pytest.mark.parametrize("pod", [SERVER, COLLECTOR], ids=["server", "gc"])


def container(pod: Object) -> Object:
    [found] = pod["spec"]["containers"]
    return dict(found)


def is_chosen(labels: Object, selector: Object) -> bool:
    return bool(selector) and selector.items() <= labels.items()


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["kind"])
@pytest.mark.parametrize("version", ["1.33", kubernetes_validate.latest_version()])
def test_kubernetes_understands_it(one: Object, version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


def test_all_files_are_in_use() -> None:
    [settings] = KUSTOMIZATION["configMapGenerator"]
    used = {"kustomization.yaml", *KUSTOMIZATION["resources"], *settings["files"]}
    assert used == {file.name for file in HERE.iterdir()}


def test_kustomize_makes_one_of_it() -> None:
    """What `kubectl apply --kustomize` sends; Kubernetes understands that too."""
    kustomize = shutil.which("kustomize", path=f"{os.environ['PATH']}:{Path.home()}/go/bin")
    if kustomize is None:
        absent("kustomize is not installed")
    ran = subprocess.run([kustomize, "build", HERE], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    made = list(yaml.safe_load_all(ran.stdout))
    assert len(made) == len(OBJECTS) + 1  # and the settings
    for one in made:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    assert "image: registry.example.com/lamella:latest" in ran.stdout


def test_who_chooses_pods_finds_them() -> None:
    labels, others = SERVER["metadata"]["labels"], COLLECTOR["metadata"]["labels"]
    assert is_chosen(labels, the("Deployment")["spec"]["selector"]["matchLabels"])
    for selector in (the("Service")["spec"]["selector"], the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]):
        assert is_chosen(labels, selector)
        assert not is_chosen(others, selector)
    policy = the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert is_chosen(labels, policy)
    assert is_chosen(others, policy)
    [spread] = SERVER["spec"]["topologySpreadConstraints"]
    assert is_chosen(labels, spread["labelSelector"]["matchLabels"])


def test_ports_lead_to_the_server() -> None:
    [port] = container(SERVER)["ports"]
    assert port["containerPort"] == SETTINGS.address[1]
    [offered] = the("Service")["spec"]["ports"]
    assert offered["targetPort"] == port["name"]
    [rule] = the("Ingress")["spec"]["rules"]
    service = rule["http"]["paths"][0]["backend"]["service"]
    assert service == {"name": the("Service")["metadata"]["name"], "port": {"name": offered["name"]}}
    assert the("NetworkPolicy")["spec"]["ingress"][0]["ports"] == [{"port": port["name"]}]


def test_probes_are_answered(tmp_path: Path) -> None:
    probes = [container(SERVER)[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["httpGet"]["port"] for probe in probes} == {container(SERVER)["ports"][0]["name"]}
    with served(tmp_path) as server:
        for path in {probe["httpGet"]["path"] for probe in probes}:
            with urllib.request.urlopen(f"{server.url}{path}") as answer:
                assert answer.status == 200


def test_there_is_time_to_stop() -> None:
    before = container(SERVER)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert SERVER["spec"]["terminationGracePeriodSeconds"] > before + stop_time(SETTINGS)


def test_the_ingress_waits_for_builds() -> None:
    told = the("Ingress")["metadata"]["annotations"]
    assert int(told["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > SETTINGS.wait
    assert told["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"


def test_servers_are_there_while_one_is_taken_away() -> None:
    assert the("Deployment")["spec"]["replicas"] > the("PodDisruptionBudget")["spec"]["maxUnavailable"]
    assert SETTINGS.bucket.startswith("s3://")


@PODS
def test_pods_have_no_rights(pod: Object) -> None:
    inside, outside = container(pod)["securityContext"], pod["spec"]["securityContext"]
    assert inside == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert outside["runAsNonRoot"]
    assert outside["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    image = tomllib.loads((DEPLOY / "image" / "lamella.toml").read_text())["config"]
    assert f"{outside['runAsUser']}:{outside['runAsGroup']}" == image["user"]
    mounts = {mount["mountPath"] for mount in container(pod)["volumeMounts"]}
    assert mounts == {"/tmp", "/etc/lamella", *image["volumes"]}


@PODS
def test_what_pods_refer_to_is_there(pod: Object) -> None:
    assert sorted(mount["name"] for mount in container(pod)["volumeMounts"]) == sorted(
        volume["name"] for volume in pod["spec"]["volumes"]
    )
    generated = {one["name"] for one in KUSTOMIZATION["configMapGenerator"]}
    assert {volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume} == generated
    assert [one["secretRef"]["name"] for one in container(pod)["envFrom"]] == [the("Secret")["metadata"]["name"]]
    assert container(pod)["image"] in {one["name"] for one in KUSTOMIZATION["images"]}


def test_garbage_is_collected_as_the_settings_say(tmp_path: Path) -> None:
    verb, *words = container(COLLECTOR)["args"]
    assert verb == "gc"
    here = [word.replace("/etc/lamella", str(HERE)) for word in words]
    ran = CliRunner().invoke(gc, [*here, "--bucket", str(tmp_path / "bucket"), "--dry-run"])
    assert ran.exit_code == 0, ran.output


def test_secrets_are_only_examples() -> None:
    assert set(the("Secret")["stringData"].values()) == {"change-me"}
