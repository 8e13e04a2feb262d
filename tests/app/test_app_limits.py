"""S3.2: 10 requests a second to the API and 5 logins a minute for each client, whoever it says it is."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components import bounds
from components.settings import Limits, Timeouts
from tests.app.processes import children
from tests.app.servers import Postgres, Redis
from tests.app.site import EMAIL, PASSWORD, Site
from tests.app.test_app_uploads import picture, upload


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_the_api_admits_a_burst_and_then_ten_a_second(client: httpx.Client) -> None:
    start = time.monotonic()
    answers = [client.get("/api/session") for _ in range(60)]
    seconds = time.monotonic() - start
    admitted = statuses(answers)[200]
    # A burst of 20 above the one in progress, and what leaks out of the bucket meanwhile.
    assert 21 <= admitted <= 22 + 10 * seconds
    assert statuses(answers)[429] == 60 - admitted


def test_a_limited_request_says_when_to_come_back(client: httpx.Client) -> None:
    answers = [client.get("/api/session") for _ in range(40)]
    limited = next(answer for answer in answers if answer.status_code == 429)
    assert limited.headers["Retry-After"] == "1"
    assert limited.headers["Content-Type"] == "application/problem+json"
    assert limited.json()["title"] == "Too Many Requests"


def test_one_client_does_not_use_up_another_ones_limit(site: Site) -> None:
    with site.client() as greedy, site.client() as modest:
        assert statuses([greedy.get("/api/session") for _ in range(40)])[429]
        assert modest.get("/api/session").status_code == 200


def test_a_client_cannot_choose_its_own_address(site: Site) -> None:
    """What a client puts into X-Forwarded-For stands left of what the proxy adds."""
    with site.client("198.51.100.7") as client:
        answers = [
            client.get("/api/session", headers={"X-Forwarded-For": f"192.0.2.{number}, 198.51.100.7"})
            for number in range(40)
        ]
    assert statuses(answers)[429]


def test_files_are_not_limited(client: httpx.Client) -> None:
    assert statuses([client.get("/style.css") for _ in range(60)]) == {200: 60}


def test_a_sixth_login_within_a_minute_is_refused(client: httpx.Client) -> None:
    answers = [client.post("/login", json={"email": EMAIL, "password": "wrong"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["Retry-After"]) == 12
    assert answers[-1].headers["Content-Type"] == "application/problem+json"


def test_logins_are_counted_over_all_replicas(site: Site, redis: Redis) -> None:
    """Another replica's nginx has never heard of this client; Redis has."""
    with site.client("198.51.100.77") as client:
        redis.command("SET", "vision-week:logins:198.51.100.77", "5", "EX", "30")
        answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert len(answer.headers.get_list("Retry-After")) == 1


def test_a_client_of_ipv6_is_its_network(site: Site, redis: Redis) -> None:
    """It has a whole /64 to choose addresses from. An IPv4 address that a proxy writes as IPv6 is what it is."""
    network = "2001:db8:77:1"
    with site.client(f"{network}::1") as client:
        answers = [
            client.get("/api/session", headers={"X-Forwarded-For": f"{network}::{number:x}"}) for number in range(1, 41)
        ]
        assert statuses(answers)[429]
        for number in range(1, 6):
            fields = {"email": EMAIL, "password": "wrong"}
            client.post("/login", json=fields, headers={"X-Forwarded-For": f"{network}:{number}::"})
    with site.client("2001:db8:77:2::1") as neighbour:
        assert neighbour.get("/api/session").status_code == 200
    assert redis.command("GET", f"vision-week:logins:{network}::/64") == "5"
    with site.client("::ffff:198.51.100.81") as one, site.client("::ffff:198.51.100.82") as other:
        assert statuses([one.get("/api/session") for _ in range(40)])[429]
        assert other.get("/api/session").status_code == 200
        other.post("/login", json={"email": EMAIL, "password": "wrong"})
    assert redis.command("GET", "vision-week:logins:198.51.100.82") == "1"


def test_health_and_configuration_are_limited_for_visitors_and_never_for_probes(
    client: httpx.Client, site: Site
) -> None:
    """A flood of them from outside took the two workers that answer probes, and the pods were restarted for it."""
    for path in ("/health", "/config.json"):
        with site.client() as visitor:
            answers = [visitor.get(path) for _ in range(120)]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert limited, path
        assert limited[0].headers["Content-Type"] == "application/problem+json"
        assert limited[0].headers["Retry-After"] == "1"
    del client.headers["X-Forwarded-For"]
    assert statuses([client.get("/health") for _ in range(120)]) == {200: 120}


def test_the_zones_have_the_size_of_the_specification(site: Site) -> None:
    """S3.2: 10 MB each for `api` and `login`, as nginx shares them with its workers."""
    worker, *_ = children(site.nginx.pid)
    sizes = Counter(
        int(end, 16) - int(start, 16)
        for line in Path(f"/proc/{worker}/maps").read_text().splitlines()
        if line.endswith("/dev/zero (deleted)")
        for start, end in [line.split()[0].split("-")]
    )
    assert sizes[10 * 2**20] == 2


def test_two_replicas_count_the_logins_of_a_client_together(
    site: Site, folder: Path, postgres: Postgres, redis: Redis
) -> None:
    """Each has an nginx and a PHP-FPM of its own, which have heard of three attempts."""
    replica = Site(folder / "replica", postgres, redis)
    replica.start()
    try:
        with site.client("198.51.100.79") as here, replica.client("198.51.100.79") as there:
            fields = {"email": EMAIL, "password": "wrong"}
            answers = [client.post("/login", json=fields) for client in (here, there) * 3]
    finally:
        replica.stop()
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].json()["status"] == 429


def test_the_count_of_logins_expires(site: Site, redis: Redis) -> None:
    with site.client("198.51.100.78") as client:
        client.post("/login", json={"email": EMAIL, "password": "wrong"})
    assert 0 < int(redis.command("TTL", "vision-week:logins:198.51.100.78")) <= 60


def test_asking_for_the_login_path_costs_no_attempt(client: httpx.Client) -> None:
    assert statuses([client.get("/login") for _ in range(10)]) == {405: 10}
    assert client.post("/login", json={"email": EMAIL, "password": PASSWORD}).status_code == 200


# --- other limits than the image's


@pytest.fixture(scope="module")
def bounded(folder: Path, postgres: Postgres, redis: Redis, site: Site) -> Iterator[Site]:
    """As a stack has it that asks for these limits."""
    assert site.environment["APP_ENV"]  # it made the schema and the user
    limits = Limits(api_per_second=2, login_per_minute=2, upload="2Mi")
    environment = {"LOGINS_PER_MINUTE": "2", "UPLOAD_LIMIT": str(bounds.upload(limits))}
    environment["PHP_BODY_LIMIT"] = f"{bounds.php_body(limits)}M"
    other = Site(folder / "bounded", postgres, redis, bounds.nginx_settings(limits, Timeouts()), environment)
    other.start()
    yield other
    other.stop()


def test_a_stack_has_its_own_limits(bounded: Site) -> None:
    with bounded.client() as client:
        answers = [client.get("/api/session") for _ in range(10)]
        assert 5 <= statuses(answers)[200] <= 7
        assert answers[-1].headers["Retry-After"] == "1"
        answers = [client.post("/login", json={"email": EMAIL, "password": "wrong"}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert answers[-1].headers["Retry-After"] == "30"


def test_a_stack_has_its_own_limit_of_uploads(bounded: Site) -> None:
    """The file is the application's to refuse, the body nginx'."""
    member = bounded.logged_in()
    assert upload(member, picture(2 * 2**20)).status_code == 201
    file, body = upload(member, picture(2 * 2**20 + 1)), upload(member, picture(3 * 2**20))
    member.close()
    assert (file.status_code, body.status_code) == (413, 413)
    assert file.json()["detail"] == "A file may have 2097152 bytes at most."
    assert body.json()["detail"] == "A request may have 2 MB at most."


def test_one_login_a_minute_can_be_said(bounded: Site) -> None:
    """nginx takes no burst of 0."""
    file = bounded.folder / "etc/nginx/settings/limits.conf"
    before = file.read_text()
    file.write_text(bounds.limits_file(Limits(login_per_minute=1)))
    try:
        assert bounded.configuration_fault() == ""
    finally:
        file.write_text(before)
