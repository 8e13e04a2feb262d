"""The application through the edge, by TLS, and what it leaves in PostgreSQL, Redis and on the volume."""

import json
import re
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.cluster.database import psql
from tests.cluster.stack import CHECKOUT, HOST, PORT, PREFIX, Stack
from tests.cluster.visitors import open_socket

pytestmark = pytest.mark.cluster


def test_health_says_ok_without_details(client: httpx.Client) -> None:
    """S2.2"""
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/api/health").json() == {"status": "ok"}


def test_metrics_and_readiness_are_not_public(client: httpx.Client) -> None:
    assert client.get("/metrics").status_code == 404
    assert client.get("/ready").status_code == 404


def test_a_page_gets_the_front_end(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]
    assert "<title>" in answer.text


def test_plain_http_and_unknown_authorities_get_nothing(client: httpx.Client) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.Client().get(str(client.base_url.join("/health")), extensions={"sni_hostname": HOST})
    assert httpx.get(f"http://127.0.0.1:{PORT}/health").status_code == 400


def test_an_exhibit_added_through_the_api_is_a_row_in_postgresql(stack: Stack, member: httpx.Client) -> None:
    title = "Comet over the bay"
    added = member.post("/api/exhibits", json={"title": title, "description": "Oil on canvas"})
    assert added.status_code == 201, added.text
    assert psql(stack, f"SELECT title FROM exhibits WHERE id = '{added.json()['id']}'") == title  # noqa: S608


def test_the_second_read_of_an_exhibit_comes_from_redis(member: httpx.Client) -> None:
    added = member.post("/api/exhibits", json={"title": "Tide table", "description": ""}).json()
    path = f"/api/exhibits/{added['id']}"
    assert member.get(path).headers["x-cache"] == "miss"
    again = member.get(path)
    assert again.headers["x-cache"] == "hit"
    assert again.json()["title"] == "Tide table"


def test_who_is_not_logged_in_cannot_write(client: httpx.Client) -> None:
    assert client.post("/api/exhibits", json={"title": "No", "description": ""}).status_code == 401


def test_a_session_lives_in_redis_and_not_in_a_pod(stack: Stack, member: httpx.Client) -> None:
    before = member.get("/api/session").json()["user"]
    assert before is not None
    restart_app(stack)
    assert member.get("/api/session").json()["user"] == before


def test_an_upload_survives_the_pod_that_took_it(stack: Stack, member: httpx.Client) -> None:
    """S2.3"""
    content = b"Two tickets for the evening tour.\n"
    added = member.post("/api/uploads", files={"file": ("tickets.txt", content, "text/plain")})
    assert added.status_code == 201, added.text
    restart_app(stack)
    assert member.get(added.json()["url"]).content == content


def test_uploads_that_were_saved_come_back_by_the_commands_of_the_page(
    stack: Stack, member: httpx.Client, tmp_path: Path
) -> None:
    """S11.2"""
    page = (CHECKOUT / "docs/uploads.md").read_text().replace("vision-week-app", f"{PREFIX}-app")
    save, bring_back = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ kubectl")]
    content = b"The catalogue of the summer.\n"
    url = member.post("/api/uploads", files={"file": ("catalogue.txt", content, "text/plain")}).json()["url"]
    file = psql(stack, f"SELECT file FROM uploads WHERE id = '{url.rpartition('/')[2]}'")  # noqa: S608
    subprocess.run(save, shell=True, cwd=tmp_path, check=True)  # noqa: S602  as a person types it
    stack.kubectl("-n", f"{PREFIX}-app", "exec", "deploy/app", "-c", "php", "--", "rm", f"storage/uploads/{file}")
    assert member.get(url).status_code == 500
    subprocess.run(bring_back, shell=True, cwd=tmp_path, check=True)  # noqa: S602
    assert member.get(url).content == content


def test_an_upload_over_ten_megabytes_is_refused(member: httpx.Client) -> None:
    large = member.post("/api/uploads", files={"file": ("large.txt", b"x" * (10 * 1024**2 + 1), "text/plain")})
    assert large.status_code == 413


def test_clients_on_two_websocket_pods_see_each_other(stack: Stack, trusted: ssl.SSLContext) -> None:
    """S2.1, S3.4"""
    pods = stack.objects("app", "pods", "app.kubernetes.io/name=websocket")
    assert len({pod["metadata"]["name"] for pod in pods}) >= 2
    with open_socket(trusted) as first:
        for _ in range(20):  # the edge takes turns
            with open_socket(trusted) as second:
                if second.instance == first.instance:
                    continue
                first.send(json.dumps({"type": "message", "text": "anyone there?"}))
                assert json.loads(second.recv(timeout=10))["text"] == "anyone there?"
                return
    pytest.fail("twenty connections ended at one and the same pod")


def restart_app(stack: Stack) -> None:
    """Replace every pod of the application and wait until the new ones are ready and the old ones gone."""
    old = [pod["metadata"]["name"] for pod in stack.objects("app", "pods", "app.kubernetes.io/name=app")]
    stack.kubectl("-n", f"{PREFIX}-app", "delete", "pod", *old, "--wait=true")
    stack.kubectl("-n", f"{PREFIX}-app", "rollout", "status", "deploy/app", "--timeout=120s")
    assert not set(old) & {
        pod["metadata"]["name"] for pod in stack.objects("app", "pods", "app.kubernetes.io/name=app")
    }


def test_every_answer_has_a_request_id(client: httpx.Client) -> None:
    first, second = (client.get("/api/health").headers["x-request-id"] for _ in range(2))
    assert re.fullmatch(r"[0-9a-f-]{16,36}", first)
    assert first != second
