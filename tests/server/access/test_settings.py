"""The sections of the settings, and every example of them in the guide."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.server.access.house import sections

from lamella.spec.problems import SpecError

GUIDE = Path(__file__).parents[3] / "docs" / "serving" / "access.md"
SHOWN = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
HEX = "0" * 64


@pytest.mark.parametrize("text", SHOWN)
def test_what_the_guide_shows_can_be_read(text: str) -> None:
    assert sections(text) != sections("")


def test_the_guide_shows_every_section_and_each_way_to_log_in() -> None:
    told = "".join(SHOWN)
    for header in ("[access]", "[[access.user]]", "[[access.token]]", "[[access.oidc]]", "[limits]", "[tls]"):
        assert header in told


def test_a_date_is_its_first_moment_and_an_hour_without_a_zone_is_in_utc() -> None:
    token = f'[[access.token]]\nname = "a"\nrights = []\nsha256 = "{HEX}"\nexpires = '
    for written in ("2031-02-03", '"2031-02-03"', "2031-02-03T00:00:00", "2031-02-03T01:00:00+01:00"):
        assert sections(token + written).access.token[0].expires == datetime(2031, 2, 3, tzinfo=UTC)


def test_networks_of_proxies_are_brought_into_one_form() -> None:
    told = sections('[access]\ntrusted_proxies = ["10.0.0.0/8", "127.0.0.1", "::1"]')
    assert told.access.trusted_proxies == ("10.0.0.0/8", "127.0.0.1/32", "::1/128")


TOKEN = '[[access.token]]\nname = "a"\nrights = ["pull"]\n'
OIDC = '[[access.oidc]]\naudience = "a"\nrights = ["pull"]\n'
WRONG = {
    '[access]\nanonymous = ["pul"]': 'did you mean "pull"?',
    '[access]\nanonymous = "pull"': "must be a list",
    '[access]\nhtpasswd = "users"': "must be absolute",
    '[access]\ntrusted_proxies = ["10.0.0.1/8"]': "not an address or a network",
    '[[access.user]]\nname = "a"\nrights = ["pull"]': "no [[access.user]] has a password",
    TOKEN: 'needs one of "sha256" and "file"',
    f'{TOKEN}sha256 = "{HEX}"\nfile = "/a"': 'needs one of "sha256" and "file"',
    f'{TOKEN}sha256 = "secret"': "64 hexadecimal digits",
    f'{TOKEN}sha256 = "{HEX}"\nexpires = "soon"': "not a date or time",
    f'{TOKEN}sha256 = "{HEX}"\n{TOKEN}sha256 = "{HEX}"': "is also the name of another token",
    f'{OIDC}issuer = "http://ci.example.com"\nclaims = {{ sub = "**" }}': "not the address of an issuer",
    f'{OIDC}issuer = "https://ci.example.com/?a"\nclaims = {{ sub = "**" }}': "not the address of an issuer",
    f'{OIDC}issuer = "ci"\nclaims = {{ sub = "**" }}': "not the address of an issuer",
    f'{OIDC}issuer = "https://ci.example.com"\nclaims = {{}}': "must name at least one",
    f'{OIDC}issuer = "https://ci.example.com"': '"claims" is missing',
    "[limits]\nconnections = 0": "must be from 1",
    '[limits]\nmanifest_size = "big"': "is not a size",
    '[tls]\ncertificate = "/a"': '"key" is missing',
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told_with_its_line(text: str) -> None:
    with pytest.raises(SpecError, match=r"serve\.toml:\d+: ") as refused:
        sections(text)
    assert WRONG[text] in str(refused.value)
