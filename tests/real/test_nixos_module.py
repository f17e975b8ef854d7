"""The module of NixOS: what it makes of its options, and that a server understands the settings."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.deploy.files import DEPLOY, stop_time
from tests.deploy.units import section
from tests.real.nix import DATA
from tests.real.programs import needs

from lamella.server.settings import Settings, parse_settings

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
EXAMPLE = """{
  enable = true;
  openFirewall = true;
  environmentFile = "/run/secrets/lamella";
  credentials.htpasswd = "/run/secrets/htpasswd";
  settings = {
    listen = "0.0.0.0:443";
    bucket = "s3://images?region=eu-central-1";
    writable = true;
    access.anonymous = [ "pull" ];
    access.htpasswd = "/run/credentials/lamella.service/htpasswd";
    access.user = [ { name = "*"; rights = [ "build" "push" ]; } ];
    source = [ { name = "nix"; kind = "nix"; from = "nixos-unstable"; } ];
    nix = [ { name = "main"; store = true; } ];
  };
}"""


def evaluated(expression: str) -> Any:
    needs("nix-instantiate")
    command = ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ValueError(ran.stderr)
    return json.loads(ran.stdout)


def system(given: str) -> Any:
    """What is asked of NixOS."""
    return evaluated(f"import {DATA / 'module.nix'} {{ folder = {ROOT}; given = {given}; }}")


def toml(value: Any) -> str:
    """A value as TOML; tables stand in one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml(inner)}' for key, inner in value.items())} }}"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def read(settings: dict[str, Any]) -> Settings:
    """The settings, as a server reads them."""
    return parse_settings("".join(f"{key} = {toml(value)}\n" for key, value in settings.items()), "settings")


def test_the_flake_has_it() -> None:
    place = evaluated(
        f"toString ((import {ROOT / 'flake.nix'}).outputs {{ self = {{ }}; nixpkgs = {{ }}; }}).nixosModules.default"
    )
    assert place == str(ROOT / "nix" / "module.nix")


def test_nothing_is_asked_for_without_it() -> None:
    assert system("{ }") is None


def test_it_needs_no_settings() -> None:
    made = system("{ enable = true; }")
    told = read(made["settings"])
    assert told.loopback
    assert told.bucket.startswith(f"/var/lib/{made['service']['serviceConfig']['StateDirectory']}/")
    assert made["ports"] is None
    assert made["package"] == {"withServer": True}
    assert made["service"]["serviceConfig"]["DynamicUser"] is True


def test_what_is_said_counts() -> None:
    made = system(EXAMPLE)
    told = read(made["settings"])
    assert (told.listen, told.writable, told.sources[0].kind, told.caches[0].name) == (
        "0.0.0.0:443",
        True,
        "nix",
        "main",
    )
    assert told.stop_seconds == Settings().stop_seconds
    assert made["ports"] == [443]
    service = made["service"]["serviceConfig"]
    assert service["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert service["EnvironmentFile"] == "/run/secrets/lamella"
    assert service["LoadCredential"] == ["htpasswd:/run/secrets/htpasswd"]
    assert told.access.htpasswd == "/run/credentials/lamella.service/htpasswd"


def test_it_may_run_as_somebody() -> None:
    service = system('{ enable = true; user = "lamella"; }')["service"]["serviceConfig"]
    assert service["User"] == "lamella"
    assert "DynamicUser" not in service


@pytest.mark.parametrize("seconds", [0, 600])
def test_there_is_time_to_stop(seconds: int) -> None:
    made = system(f"{{ enable = true; settings.stop_seconds = {seconds}; }}")
    assert made["service"]["serviceConfig"]["TimeoutStopSec"] > stop_time(read(made["settings"]))


@pytest.mark.parametrize("given", ["{ enable = 1; }", "{ enable = true; user = 5; }", "{ enabled = true; }"])
def test_what_cannot_be_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"must be|assertion"):
        system(given)


def test_it_is_the_unit_of_others() -> None:
    """Both are kept in as tightly, and are told to stop in the same way."""
    there = section(DEPLOY / "lamella.service", "Service")
    service = system("{ enable = true; }")["service"]["serviceConfig"]
    here = {key: words(value) for key, value in service.items()}
    own = {"ExecStart", "LoadCredential", "Environment", "EnvironmentFile"}
    assert {key: value for key, value in here.items() if key not in own} == {
        key: value for key, value in there.items() if key not in own
    }


def words(value: Any) -> list[str]:
    if isinstance(value, list):
        return [word for one in value for word in words(one)]
    return str(value).lower().split() if isinstance(value, bool) else str(value).split()


def test_the_package_has_what_the_server_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    needed = [*project["dependencies"], *optional["server"], *optional["s3"], *optional["nix"]]
    names = {canonicalize_name(Requirement(one).name) for one in needed}
    packages = " ".join(f'{name} = "{name}";' for name in names)
    expression = f"""(import {ROOT / "nix" / "package.nix"} {{
      lib = import {DATA / "nixpkgs" / "lib.nix"};
      withServer = true;
      python3.pkgs = {{
        {packages} python.version = "3.12"; hatchling = null; buildPythonApplication = given: given.dependencies;
      }};
    }})"""
    assert set(evaluated(expression)) == names
