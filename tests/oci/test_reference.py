"""Places and names are understood as in skopeo; anything else is explained."""

import pytest

from lamella.oci.platforms import PlatformError, matches, parse_platform, spelled
from lamella.oci.reference import (
    DOCKER_ARCHIVE,
    FILE,
    OCI,
    OCI_ARCHIVE,
    Place,
    PlaceError,
    docker_name,
    parse_place,
    parse_reference,
    reference_of,
)
from lamella.oci.wire import Platform

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("oci:out", Place(OCI, "out")),
        ("oci:out:v1", Place(OCI, "out", "v1")),
        ("oci:/a/b:docker.io/library/app:v1", Place(OCI, "/a/b", "docker.io/library/app:v1")),
        (f"oci:out:{DIGEST}", Place(OCI, "out", DIGEST)),
        (f"oci:out@{DIGEST}", Place(OCI, "out", DIGEST)),
        ("oci-archive:a.tar", Place(OCI_ARCHIVE, "a.tar")),
        ("oci-archive:-:v1", Place(OCI_ARCHIVE, "-", "v1")),
        ("docker-archive:a.tar", Place(DOCKER_ARCHIVE, "a.tar")),
        ("docker-archive:a.tar:app", Place(DOCKER_ARCHIVE, "a.tar", "app:latest")),
        ("docker-archive:-:host:5000/a/b_c:1.0", Place(DOCKER_ARCHIVE, "-", "host:5000/a/b_c:1.0")),
        ("image.json", Place(FILE, "image.json")),
        ("./odd:name.json", Place(FILE, "./odd:name.json")),
        ("dir/odd:name", Place(FILE, "dir/odd:name")),
        ("lamella.toml", Place(FILE, "lamella.toml")),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write docker://HOST"),
        ("oci:", "has no path; write oci:FOLDER"),
        ("oci::v1", "has no path"),
        ("docker-archive:", "has no path; write docker-archive:FILE"),
        ("oic:out", "unknown kind of place 'oic'; did you mean oci:out?"),
        ("OCI:out", "did you mean oci:out?"),
        ("docker-arch:x.tar:a:b", "did you mean docker-archive:x.tar:a:b?"),
        ("storage:x", "there are docker:, oci:, oci-archive:, docker-archive:"),
        ("oci:-", "write oci-archive:-"),
        ("oci:out:two words", "'two words' is not a name for an image in a layout"),
        ("oci:out:-v1", "is not a name"),
        ("docker-archive:a.tar:App:1", "'App' is not an image's name .*did you mean 'app'?"),
        ("docker-archive:a.tar:app:", "'' is not a tag"),
        ("docker-archive:a.tar:app:a b", "'a b' is not a tag"),
        ("docker-archive:a.tar:app:" + "a" * 129, "is not a tag"),
        ("docker-archive:a.tar:" + "a" * 256, "is not an image's name"),
        ("docker-archive:a.tar:a//b", "'a//b' is not an image's name"),
    ],
)
def test_what_is_wrong_with_a_place(text: str, message: str) -> None:
    with pytest.raises(PlaceError, match=message):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app", "app:latest"),
        ("a/b:1", "a/b:1"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("Host.example/a__b/c-d:V1", "Host.example/a__b/c-d:V1"),
        ("[::1]:5000/a:x", "[::1]:5000/a:x"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert docker_name(text) == name


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "linux/arm64/v8"])
def test_platforms_are_spelled_as_they_are_read(text: str) -> None:
    assert spelled(parse_platform(text)) == text
    system, architecture, *variant = text.split("/")
    assert parse_platform(text) == Platform(os=system, architecture=architecture, variant="".join(variant))


@pytest.mark.parametrize("text", ["", "amd64", "linux/", "linux/amd64/v1/v2", "Linux/amd64", "linux amd64"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(PlatformError, match="is not a platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "has", "fits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v2", True),
        ("linux/amd64/v1", "linux/amd64", True),
        ("linux/amd64/v2", "linux/amd64", False),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm/v7", "linux/arm", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm/v6", "linux/arm", False),
        ("linux/arm64", "linux/arm", False),
        ("linux/amd64", "windows/amd64", False),
    ],
)
def test_which_platform_serves_whom(wanted: str, has: str, fits: bool) -> None:
    assert matches(parse_platform(wanted), parse_platform(has)) is fits


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("team/app:v1", "docker.io/team/app:v1"),
        ("index.docker.io/team/app", "docker.io/team/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/a/b:x", "localhost:5000/a/b:x"),
        ("host.example.com/app", "host.example.com/app:latest"),
        (f"h.io/app:v1@{DIGEST}", f"h.io/app@{DIGEST}"),
    ],
)
def test_references_are_read_as_docker_reads_them(text: str, told: str) -> None:
    reference = parse_reference(text)
    assert str(reference) == told
    assert reference_of(parse_place(f"docker://{text}")) == reference


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("HOST/app", "not a repository"),
        ("h.io/App", "did you mean"),
        ("h.io/a:b:c", "not an image"),
        ("a@sha256:1", "digest"),
    ],
)
def test_what_is_wrong_with_a_reference(text: str, said: str) -> None:
    with pytest.raises(PlaceError, match=said):
        parse_reference(text)
