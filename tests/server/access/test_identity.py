"""Which credentials are accepted for which users, and which are refused."""

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import bcrypt
import pytest
from tests.server.access.house import door, hashed, written

from lamella.server.access.identity import Door, Identity, SecretFileError
from lamella.server.access.passwords import PasswordFileError
from lamella.server.answers import RefusedError

SECRET = "c0ffee" * 8
TOKEN = f"""
[[access.token]]
name = "deploy"
sha256 = "{hashlib.sha256(SECRET.encode()).hexdigest()}"
rights = ["push:team/*"]
"""


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def who(at: Door, headers: Mapping[str, str], client: str = "192.0.2.1") -> Identity:
    return asyncio.run(at.identify(headers, client))


def refused(at: Door, headers: Mapping[str, str], client: str = "192.0.2.1") -> RefusedError:
    with pytest.raises(RefusedError) as error:
        who(at, headers, client)
    return error.value


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return written(tmp_path / "htpasswd", f"alice:{hashed('wonder')}", "# a comment", "", f"bob:{hashed('builder')}")


@pytest.fixture
def settings(users: Path) -> str:
    return f"""
[access]
anonymous = ["pull:public/*"]
htpasswd = "{users}"
[[access.user]]
name = "*"
rights = ["pull"]
[[access.user]]
name = "alice"
rights = ["push:team/**"]
{TOKEN}"""


def test_only_this_machine_may_pull_and_build_without_settings() -> None:
    here, elsewhere = who(door("", loopback=True), {}), who(door(""), {})
    assert [here.may(action, "a") for action in ("pull", "build", "push", "delete", "admin")] == [
        True,
        True,
        *[False] * 3,
    ]
    assert not any(elsewhere.may(action, "a") for action in ("pull", "build", "push"))


def test_behind_a_proxy_this_machine_is_anybody() -> None:
    assert not who(door('[access]\ntrusted_proxies = ["127.0.0.1"]', loopback=True), {}).may("pull", "a")


def test_what_is_said_of_anonymous_holds_on_this_machine_too() -> None:
    nothing = who(door("[access]\nanonymous = []", loopback=True), {})
    assert not nothing.may("pull", "a")


def test_a_user_may_what_each_entry_says_and_what_everybody_may(settings: str) -> None:
    alice, bob = who(door(settings), basic("alice", "wonder")), who(door(settings), basic("bob", "builder"))
    assert (alice.name, bob.name) == ("alice", "bob")
    assert alice.may("push", "team/app/x")
    assert not bob.may("push", "team/app/x")
    assert bob.may("pull", "secret/x")
    assert not who(door(settings), {}).may("pull", "secret/x")


@pytest.mark.parametrize("headers", [basic("anything", SECRET), basic("", SECRET), bearer(SECRET)])
def test_a_token_comes_in_by_any_door(settings: str, headers: dict[str, str]) -> None:
    somebody = who(door(settings), headers)
    assert somebody.name == "token:deploy"
    assert somebody.may("push", "team/app")
    assert somebody.may("pull", "public/app")
    assert not somebody.may("pull", "team/app")


def test_what_the_token_page_hands_out_is_the_login_itself(settings: str) -> None:
    encoded = basic("alice", "wonder")["Authorization"].split()[1]
    assert who(door(settings), bearer(encoded)).name == "alice"
    assert who(door(settings), bearer("anonymous")).name == ""


def test_podman_without_a_login_sends_an_empty_one(settings: str) -> None:
    assert who(door(settings), basic("", "")).name == ""


WRONG = [
    basic("alice", "Wonder"),
    basic("alice", "wonder\0"),
    basic("alice", ""),
    basic("carol", "wonder"),
    basic("alice", "builder"),
    basic("", "wonder"),
    basic("x", SECRET[:-1]),
    bearer(SECRET.upper()),
    bearer(SECRET + "\xe9"),
    bearer(""),
    bearer("eyJ.eyJ.x"),
    {"Authorization": ""},
    {"Authorization": "Basic"},
    {"Authorization": "Basic !!!"},
    {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
    {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
    {"Authorization": f"Digest {SECRET}"},
    {"Authorization": SECRET},
]


@pytest.mark.parametrize("headers", WRONG, ids=str)
def test_wrong_credentials_are_refused_even_where_none_are_needed(settings: str, headers: dict[str, str]) -> None:
    error = refused(door(settings, loopback=True), headers)
    assert (error.status, error.code) == (401, "UNAUTHORIZED")
    assert SECRET[:8] not in str(error)


@pytest.mark.parametrize("headers", [basic("alice", "wonder"), bearer(SECRET)])
def test_where_nobody_can_log_in_nobody_does(headers: dict[str, str]) -> None:
    assert refused(door("", loopback=True), headers).status == 401


def test_a_token_ends() -> None:
    for moment, good in ((time.time() + 60, True), (time.time() - 1, False)):
        at = door(f"{TOKEN}expires = {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(moment))}")
        if good:
            assert who(at, bearer(SECRET)).name == "token:deploy"
        else:
            assert refused(at, bearer(SECRET)).status == 401


def test_a_token_in_a_file_changes_with_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "token", "first secret")
    at = door(f'[[access.token]]\nname = "a"\nfile = "{file}"\nrights = []')
    assert who(at, bearer("first secret")).name == "token:a"
    written(file, "other secret")
    assert refused(at, bearer("first secret")).status == 401
    assert who(at, bearer("other secret")).name == "token:a"
    file.unlink()
    assert refused(at, bearer("other secret")).status == 401
    assert refused(at, bearer("")).status == 401


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_file_without_a_token_is_told_at_the_start(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SecretFileError, match="token"):
        door(f'[[access.token]]\nname = "a"\nfile = "{file}"\nrights = []')


def test_the_file_of_passwords_is_read_again(settings: str, users: Path) -> None:
    at = door(settings)
    assert who(at, basic("alice", "wonder")).name == "alice"
    written(users, f"alice:{hashed('new')}", f"carol:{hashed('sings')}")
    assert refused(at, basic("alice", "wonder")).status == 401
    assert refused(at, basic("bob", "builder")).status == 401
    assert who(at, basic("alice", "new")).name == "alice"
    assert who(at, basic("carol", "sings")).name == "carol"
    users.unlink()
    assert refused(at, basic("alice", "new")).status == 401


def test_a_file_that_becomes_wrong_in_part_is_right_in_the_rest(settings: str, users: Path) -> None:
    at = door(settings)
    written(users, "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", f"bob:{hashed('builder')}")
    assert refused(at, basic("alice", "password")).status == 401
    assert who(at, basic("bob", "builder")).name == "bob"


@pytest.mark.parametrize(
    "line", ["alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "alice:wonder", "alice", "alice:$2y$99$" + "a" * 53]
)
def test_what_is_no_bcrypt_is_told_at_the_start(tmp_path: Path, line: str) -> None:
    file = written(tmp_path / "htpasswd", f"bob:{hashed('builder')}", line)
    with pytest.raises(PasswordFileError, match=r"htpasswd:2: .*alice.*htpasswd -B"):
        door(f'[access]\nhtpasswd = "{file}"')


def test_no_file_of_passwords_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(PasswordFileError, match="No such file"):
        door(f'[access]\nhtpasswd = "{tmp_path}/none"')


def test_passwords_longer_than_bcrypt_sees_work_as_elsewhere(tmp_path: Path) -> None:
    file = written(tmp_path / "htpasswd", f"alice:{hashed('x' * 72)}")
    assert who(door(f'[access]\nhtpasswd = "{file}"'), basic("alice", "x" * 100)).name == "alice"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Record the passwords that bcrypt checks."""
    asked: list[bytes] = []
    real = bcrypt.checkpw

    def check(password: bytes, known: bytes) -> bool:
        asked.append(password)
        return real(password, known)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    return asked


def test_a_password_costs_once(settings: str, counted: list[bytes]) -> None:
    async def many(at: Door) -> None:
        await asyncio.gather(*(at.identify(basic("alice", "wonder"), str(i)) for i in range(100)))
        await at.identify(basic("alice", "wonder"), "later")

    asyncio.run(many(door(settings)))
    assert counted == [b"wonder"]


def test_an_unknown_user_costs_as_much_as_a_wrong_password(settings: str, counted: list[bytes]) -> None:
    at = door(settings)
    refused(at, basic("carol", "guess"))
    assert counted == [b"guess"]
    refused(at, basic("carol", "wonder"))  # another user's password
    refused(at, basic("carol", "wonder"))
    assert len(counted) == 3


def test_who_guesses_has_to_wait(settings: str, counted: list[bytes]) -> None:
    async def guess(at: Door) -> list[int]:
        await at.identify(basic("bob", "builder"), "guesser")
        guesses = (at.identify(basic("alice", str(i)), "guesser") for i in range(200))
        found = await asyncio.gather(*guesses, return_exceptions=True)
        statuses = [error.status for error in found if isinstance(error, RefusedError)]
        with pytest.raises(RefusedError, match="too many failed logins") as error:
            await at.identify(basic("alice", "wonder"), "guesser")
        assert error.value.headers["Retry-After"] in ("1", "2", "3", "4", "5")
        assert (await at.identify(basic("bob", "builder"), "guesser")).name == "bob"
        assert (await at.identify(bearer(SECRET), "guesser")).name == "token:deploy"
        assert (await at.identify(basic("alice", "wonder"), "another")).name == "alice"
        return statuses

    statuses = asyncio.run(guess(door(settings)))
    assert statuses.count(401) == 20
    assert statuses.count(429) == 180
    assert len(counted) <= 22


def test_guessing_tokens_is_guessing_too(settings: str) -> None:
    at = door(settings)
    statuses = [refused(at, bearer(f"guess{i}"), "guesser").status for i in range(25)]
    assert statuses == [401] * 20 + [429] * 5


def test_who_may_not_is_told_whether_a_login_helps(settings: str) -> None:
    at = door(settings)
    for headers, status, code in (({}, 401, "UNAUTHORIZED"), (basic("bob", "builder"), 403, "DENIED")):
        with pytest.raises(RefusedError) as error:
            who(at, headers).must("delete", "team/app")
        assert (error.value.status, error.value.code) == (status, code)


def test_without_a_name_any_name_will_do(settings: str) -> None:
    token = who(door(settings), bearer(SECRET))
    assert token.may("push", "")
    assert not token.may("delete", "")
    assert not token.may("admin", "")


def test_a_cancelled_request_leaves_the_answer_to_the_others(settings: str, counted: list[bytes]) -> None:
    async def some(at: Door) -> str:
        first = asyncio.ensure_future(at.identify(basic("alice", "wonder"), "a"))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(at.identify(basic("alice", "wonder"), "b"))
        await asyncio.sleep(0)
        first.cancel()
        return (await second).name

    assert asyncio.run(some(door(settings))) == "alice"
    assert counted == [b"wonder"]


def test_a_file_that_is_old_is_not_read_each_time(settings: str, users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(users, (1, 1))
    at = door(settings)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("it was read"))
    assert who(at, basic("alice", "wonder")).name == "alice"
