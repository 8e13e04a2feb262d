"""compose.yaml for real on this machine's engine: S2 without Kubernetes."""

import ipaddress
import json
import secrets
import ssl
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from localcloud import compose
from localcloud.docker import docker
from localcloud.problem import Problem
from operations.live import LiveConnection
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

HOST: Final = "vision-week.localhost"
PORT: Final = 8445
PROJECT: Final = "--filter=label=com.docker.compose.project=vision-week"
SERVED: Final = {"app-nginx", "app-php", "nginx-lb", "postgres", "prometheus", "redis", "websocket"}
PUBLISHED: Final = {"nginx-lb": PORT, "prometheus": 9095}
ONCE: Final = {"migrations", "volumes"}


def quiet(_: str) -> None:
    pass


def containers() -> dict[str, dict[str, Any]]:
    """What the engine knows of each container, by service."""
    found = docker("ps", "--all", "--quiet", PROJECT).split()
    described: list[dict[str, Any]] = json.loads(docker("inspect", *found)) if found else []
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in described}


@pytest.fixture(scope="module")
def trusted() -> Iterator[ssl.SSLContext]:
    """All of it up, and gone again; gives who signs its certificate."""
    assert not containers(), "compose.yaml runs already: `make compose-down` first, its data would be lost"
    try:
        assert compose.up(quiet) == f"https://{HOST}:{PORT}"
        yield ssl.create_default_context(cafile=str(compose.authority()))
    finally:
        compose.down(quiet)


@pytest.fixture
def client(trusted: ssl.SSLContext) -> Iterator[httpx.Client]:
    """Comes through the load balancer, by the name that its certificate has, from this machine."""
    with httpx.Client(base_url=f"https://127.0.0.1:{PORT}", verify=trusted, trust_env=False, timeout=30) as session:
        session.headers["Host"] = f"{HOST}:{PORT}"
        session.event_hooks["request"] = [lambda request: request.extensions.update(sni_hostname=HOST)]
        yield session


@pytest.fixture
def member(client: httpx.Client) -> httpx.Client:
    """The same, logged in."""
    name, password = f"{secrets.token_hex(4)}@example.org", secrets.token_hex(16)
    create = ["php", "bin/create-user.php", f"--email={name}", "--password-file=-"]
    docker("exec", "--interactive", containers()["app-php"]["Id"], *create, stdin=password)
    answer = client.post("/login", json={"email": name, "password": password})
    assert answer.status_code == 200, answer.text
    session = answer.headers["set-cookie"].split(";")[0]
    client.headers["Cookie"] = session
    return client


@pytest.mark.usefixtures("trusted")
def test_every_service_is_healthy_and_what_runs_once_went_well() -> None:
    """S2.1, S2.2; Grafana is left out here, as its image can't be had."""
    found = containers()
    assert found.keys() == SERVED | ONCE
    assert {name: found[name]["State"]["Health"]["Status"] for name in SERVED} == dict.fromkeys(SERVED, "healthy")
    assert {name: found[name]["State"]["ExitCode"] for name in ONCE} == dict.fromkeys(ONCE, 0)


def test_the_application_answers_by_tls_and_not_without(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert "text/html" in client.get("/").headers["content-type"]
    assert httpx.get(f"http://127.0.0.1:{PORT}/health", trust_env=False).status_code == 400


def test_what_is_written_through_the_api_is_read_again(member: httpx.Client) -> None:
    added = member.post("/api/exhibits", json={"title": "Lighthouse at noon", "description": ""})
    assert added.status_code == 201, added.text
    assert member.get(f"/api/exhibits/{added.json()['id']}").json()["title"] == "Lighthouse at noon"


def test_clients_hear_each_other_by_websocket(trusted: ssl.SSLContext) -> None:
    with open_socket(trusted) as first, open_socket(trusted) as second:
        first.send(json.dumps({"type": "message", "text": "anyone there?"}))
        assert json.loads(second.recv(timeout=30))["text"] == "anyone there?"


def test_prometheus_finds_what_it_watches(client: httpx.Client) -> None:
    """S8, as far as compose.yaml goes: the application, the WebSocket service and itself."""
    assert client.get("/health").status_code == 200  # all of it is there

    def up() -> set[tuple[str, str]]:
        found = httpx.get("http://127.0.0.1:9095/api/v1/query", params={"query": "up"}, trust_env=False).json()
        return {(each["metric"]["job"], each["value"][1]) for each in found["data"]["result"]}

    wait_for(lambda: up() == {("app", "1"), ("websocket", "1"), ("prometheus", "1")}, "all to be asked", patience=60)


def open_socket(trusted: ssl.SSLContext) -> LiveConnection:
    return LiveConnection(f"{HOST}:{PORT}", ("127.0.0.1", PORT), trusted)


@pytest.mark.usefixtures("trusted")
def test_containers_are_on_the_specified_network_and_published_on_loopback_alone() -> None:
    """S2.4"""
    for name in SERVED:
        networks = containers()[name]["NetworkSettings"]
        (attached,) = networks["Networks"].values()
        assert ipaddress.ip_address(attached["IPAddress"]) in ipaddress.ip_network("172.20.0.0/16")
        published = [port for ports in networks["Ports"].values() for port in ports or ()]
        expected = [{"HostIp": "127.0.0.1", "HostPort": str(PUBLISHED[name])}] if name in PUBLISHED else []
        assert published == expected, name


@pytest.mark.usefixtures("trusted")
def test_no_process_is_roots_and_none_can_write_but_where_it_was_given_room() -> None:
    """S1.2, S7.2: by what the kernel says of each process, not by what was asked for."""
    for name, container in containers().items():
        if name not in SERVED:
            continue
        shown = docker("top", container["Id"], "-eo", "uid,pid").splitlines()[1:]
        assert {line.split()[0] for line in shown} == {"65534" if name == "prometheus" else "1000"}, name
        status = docker("exec", container["Id"], "cat", "/proc/1/status")
        assert "CapBnd:\t0000000000000000" in status, name
        assert "NoNewPrivs:\t1" in status, name
        refused = docker("exec", container["Id"], "sh", "-c", "touch /etc/x /usr/x 2>&1 || true")
        assert refused.count("Read-only file system") == 2, name


@pytest.mark.usefixtures("trusted")
def test_no_secret_is_in_what_the_engine_tells() -> None:
    """S7: environment, arguments and labels are there for everyone who may ask the engine; files are not."""
    told = json.dumps(list(containers().values()))
    passwords = {file: file.read_text() for file in compose.authority().parent.iterdir() if not file.suffix}
    assert len(passwords) == 4
    for file, password in passwords.items():
        assert password not in told, file.name
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_uid == 1000


@pytest.mark.usefixtures("trusted")
def test_the_files_of_postgresql_were_made_whole_and_only_its_two_roles_come_in() -> None:
    postgres = containers()["postgres"]["Id"]
    ask = ("psql", "--dbname=postgres", "--tuples-only", "--no-align")
    assert docker("exec", postgres, *ask, "--command=SHOW data_checksums") == "on"
    assert docker("exec", postgres, "ls", "/var/lib/postgresql/data") == "pgdata"
    refused = (
        "PGCONNECT_TIMEOUT=5 psql --host=127.0.0.1 --no-password --dbname=postgres --command='SELECT 1' 2>&1 || true"
    )
    assert "no pg_hba.conf entry" in docker("exec", postgres, "sh", "-c", refused)


def test_uploads_rows_and_sessions_survive_that_containers_are_made_anew(member: httpx.Client) -> None:
    """S2.3"""
    content = b"Two tickets for the evening tour.\n"
    added = member.post("/api/uploads", files={"file": ("tickets.txt", content, "text/plain")})
    assert added.status_code == 201, added.text
    before = {name: container["Id"] for name, container in containers().items()}
    anew = SERVED - {"nginx-lb"}
    docker("rm", "--force", *(before[name] for name in anew))
    compose.up(quiet)
    after = {name: container["Id"] for name, container in containers().items()}
    assert not {after[name] for name in anew} & set(before.values())
    # It looked its services up when it was started, and finds them still.
    assert after["nginx-lb"] == before["nginx-lb"]
    assert member.get(added.json()["url"]).content == content
    assert member.get("/api/session").json()["user"] is not None


def test_down_leaves_nothing(trusted: ssl.SSLContext) -> None:
    """The last that looks at it: what comes after would find nothing."""
    assert trusted
    compose.down(quiet)
    assert docker("ps", "--all", "--quiet", PROJECT) == ""
    for kind in ("network", "volume"):
        assert docker(kind, "ls", "--quiet", PROJECT) == ""
    assert docker("image", "ls", "--quiet", "--filter=reference=*/vision-week-compose/*") == ""
    assert not compose.authority().parent.exists()


def test_what_somebody_else_started_is_neither_taken_over_nor_removed() -> None:
    """Other secrets: its database would refuse ours, and `make down` would have taken its data."""
    theirs = docker("volume", "create", "--label=com.docker.compose.project=vision-week", "somebody-elses")
    try:
        with pytest.raises(Problem, match="did not make"):
            compose.up(quiet)
        assert compose.down(quiet) == []
        assert docker("volume", "ls", "--quiet", PROJECT) == theirs
    finally:
        docker("volume", "rm", theirs)
