"""Arguments of `nix run .#image.copyTo...` mean what they mean to skopeo."""

import pytest

from lamella.derivations.skopeo import Copy, SkopeoError, understood

USUAL = "docker://app:v1"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ([], Copy(USUAL, ())),
        (["ghcr.io/me/app:v2"], Copy("docker://ghcr.io/me/app:v2", ())),
        (["docker-daemon:app:v2"], Copy("docker-daemon:app:v2", ())),
        (["--dest-creds", "me:a=b", "docker://h/x"], Copy("docker://h/x", ("--creds", "me:a=b"))),
        (["--dest-creds=me:secret"], Copy(USUAL, ("--creds", "me:secret"))),
        (["--dest-tls-verify=false"], Copy(USUAL, ("--insecure",))),
        (["--dest-tls-verify=true"], Copy(USUAL, ())),
        (["--dest-tls-verify"], Copy(USUAL, ())),
        (["--authfile", "/a.json", "-q"], Copy(USUAL, ("--quiet",), "/a.json")),
        (["--format", "v2s2", "--retry-times=3", "--debug"], Copy(USUAL, ("--format", "v2s2", "--verbose"))),
        (["--src-tls-verify=false", "--src-creds", "x:y", "--src-no-creds", "--all"], Copy(USUAL, ())),
    ],
)
def test_words_mean_the_same(words: list[str], meant: Copy) -> None:
    assert understood([USUAL, *words]) == meant


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([USUAL, "--dest-what"], "--dest-what is not supported"),
        ([USUAL, "--dest-creds"], "--dest-creds needs a value"),
        (["--quiet"], "say where the image goes"),
    ],
)
def test_words_that_mean_nothing(words: list[str], said: str) -> None:
    with pytest.raises(SkopeoError, match=said):
        understood(words)


def test_a_bare_name_stays_where_the_usual_place_is_no_registry() -> None:
    assert understood(["docker-daemon:app:v1", "oci:out"]) == Copy("oci:out", ())
