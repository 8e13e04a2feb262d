"""Logging in, sessions in Redis, and requests that another site made a browser send."""

import hashlib

import httpx
import pytest

from tests.app.servers import Redis
from tests.app.site import EMAIL, PASSWORD, Site


def login(client: httpx.Client, password: str = PASSWORD, email: str = EMAIL) -> httpx.Response:
    return client.post("/login", json={"email": email, "password": password})


def token(answer: httpx.Response) -> str:
    return answer.headers["Set-Cookie"].split(";")[0].split("=")[1]


def test_logging_in_gives_a_session_that_the_next_request_has(client: httpx.Client) -> None:
    answer = login(client)
    assert answer.status_code == 200
    assert answer.json()["user"]["name"] == "Ada"
    cookie = {"Cookie": f"__Host-session={token(answer)}"}
    assert client.get("/api/session", headers=cookie).json()["user"]["email"] == EMAIL
    client.cookies.clear()
    assert client.get("/api/session").json() == {"user": None}


def test_the_cookie_goes_over_tls_only_and_scripts_cannot_read_it(client: httpx.Client) -> None:
    name, *attributes = login(client).headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-session=")
    assert set(attributes) == {"Path=/", "Max-Age=3600", "Secure", "HttpOnly", "SameSite=Lax"}


def test_redis_holds_the_session_for_as_long_as_it_may_last_and_not_its_token(
    client: httpx.Client, redis: Redis
) -> None:
    secret = token(login(client))
    key = f"vision-week:session:{hashlib.sha256(secret.encode()).hexdigest()}"
    assert 3590 < int(redis.command("TTL", key)) <= 3600
    assert secret not in redis.command("KEYS", "*")
    assert "password" not in redis.command("GET", key)


def test_a_session_that_is_used_lives_on(member: httpx.Client, redis: Redis) -> None:
    secret = member.headers["Cookie"].split("=")[1]
    key = f"vision-week:session:{hashlib.sha256(secret.encode()).hexdigest()}"
    redis.command("EXPIRE", key, "10")
    member.get("/api/session")
    assert int(redis.command("TTL", key)) > 3590


def test_sessions_survive_a_restart_of_php(site: Site) -> None:
    """Any replica serves any visitor: nothing of a session is in the pod."""
    member = site.logged_in()
    site.php.stop()
    site.start_php()
    assert member.get("/api/session").json()["user"]["email"] == EMAIL


def test_after_logging_out_the_cookie_is_worth_nothing(member: httpx.Client) -> None:
    answer = member.post("/logout")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert member.get("/api/session").json() == {"user": None}
    assert member.post("/api/exhibits", json={"title": "x"}).status_code == 401


def test_each_login_has_a_token_of_its_own(client: httpx.Client) -> None:
    old = token(login(client))
    cookie = {"Cookie": f"__Host-session={old}"}
    answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD}, headers=cookie)
    assert token(answer) != old
    client.cookies.clear()
    assert client.get("/api/session", headers=cookie).json() == {"user": None}


def test_a_wrong_password_and_an_unknown_person_get_the_same_answer(client: httpx.Client) -> None:
    wrong, unknown = login(client, "wrong"), login(client, email="nobody@example.org")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["detail"] == unknown.json()["detail"]
    assert "Set-Cookie" not in wrong.headers


def test_the_case_of_an_address_does_not_matter(client: httpx.Client) -> None:
    assert login(client, email=EMAIL.upper()).status_code == 200


@pytest.mark.parametrize("value", ["", "x", "../../etc/passwd", "0" * 64, "0" * 10_000])
def test_a_made_up_cookie_is_nobody(client: httpx.Client, value: str) -> None:
    answer = client.get("/api/session", headers={"Cookie": f"__Host-session={value}"})
    assert answer.status_code in {200, 400}
    assert answer.status_code == 400 or answer.json() == {"user": None}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
def test_what_another_site_makes_a_browser_send_is_refused(member: httpx.Client, headers: dict[str, str]) -> None:
    assert member.post("/api/exhibits", json={"title": "Forged"}, headers=headers).status_code == 403
    assert member.get("/api/exhibits", headers=headers).status_code == 200


def test_the_site_itself_is_not_another_one(site: Site, member: httpx.Client) -> None:
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://127.0.0.1:{site.public}"}):
        assert member.post("/api/exhibits", json={"title": "Ours"}, headers=headers).status_code == 201


def test_a_user_is_made_from_a_file_and_made_again_with_a_new_password(site: Site) -> None:
    arguments = ("--email=grace@example.org", "--password-file=-")
    assert site.run("create-user.php", *arguments, text="the first password\n").returncode == 0
    assert site.run("create-user.php", *arguments, text="the second password").returncode == 0
    with site.client() as client:
        assert login(client, "the first password", "grace@example.org").status_code == 401
        assert login(client, "the second password", "grace@example.org").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "text", "word"),
    [
        (("--email=not-an-address", "--password-file=-"), "long enough it is", "e-mail"),
        (("--email=a@example.org", "--password-file=-"), "short", "12 to 72"),
        (("--email=a@example.org", "--password-file=/does/not/exist"), "", "can't be read"),
        ((), "", "usage"),
    ],
)
def test_a_user_that_cannot_be_made_is_explained(site: Site, arguments: tuple[str, ...], text: str, word: str) -> None:
    done = site.run("create-user.php", *arguments, text=text)
    assert done.returncode != 0
    assert word in done.stderr
