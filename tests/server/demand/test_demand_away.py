"""Hosts that Nix downloads from and cannot reach: the image may be pulled later. What they lack stays an error."""

import os
from pathlib import Path

import pytest

from lamella.server.demand.errors import DemandError
from lamella.server.demand.nix import find
from lamella.server.demand.workshop import Workshop

DOWN = "unable to download 'http://127.0.0.1:1/x.tar.gz': Couldn't connect to server (7)"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (f"warning: error: {DOWN}; retrying in 9 ms\nerror: {DOWN}", "UNAVAILABLE"),
        (f"error:\n       ... while fetching the input\n\n       error: {DOWN}", "UNAVAILABLE"),
        ("fatal: unable to access 'http://127.0.0.1:1/x.git/': no route\nerror: program 'git' failed", "UNAVAILABLE"),
        ("error: unable to download 'http://127.0.0.1:1/x.tar.gz': HTTP error 404 ('Not Found')", "UNKNOWN"),
        (f"warning: error: {DOWN}; retrying in 9 ms\nerror: undefined variable 'x'", "UNKNOWN"),
    ],
)
def test_what_nix_cannot_download_now(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: str
) -> None:
    program = tmp_path / "bin" / "nix-instantiate"
    program.parent.mkdir()
    (tmp_path / "said").write_text(f"{said}\n")
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(DemandError, match="the packages cannot be evaluated") as caught:
        find(("flake", "nixpkgs"), "x86_64-linux", ["hello"], workshop)
    assert caught.value.code == code
