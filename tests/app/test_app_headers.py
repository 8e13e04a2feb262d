"""S3.1: the security headers are on every answer that nginx gives, once each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.servers import Postgres, Redis
from tests.app.site import Site

SECURITY = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# The whole of it, and what a Flutter web build needs each for.
POLICY = {
    "default-src": "'self'",  # manifest, media and whatever has no line of its own
    "script-src": "'self' 'wasm-unsafe-eval'",  # main.dart.js; CanvasKit and skwasm are WebAssembly
    "style-src": "'self' 'unsafe-inline'",  # the engine writes style elements and style attributes
    "img-src": "'self' data: blob:",  # pictures from memory
    "font-src": "'self'",  # built in
    "connect-src": "'self' wss://vision-week.example:8443",  # the API, fonts, WebAssembly; the WebSocket
    "worker-src": "'self' blob:",  # the service worker; skwasm's threads start from a blob
    "object-src": "'none'",
    "base-uri": "'self'",  # <base href>
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}

ANSWERS: dict[str, tuple[int, Callable[[httpx.Client], httpx.Response]]] = {
    "entry page": (200, lambda c: c.get("/")),
    "script": (200, lambda c: c.get("/app.js")),
    "part of a file": (206, lambda c: c.get("/app.js", headers={"Range": "bytes=0-9", "Accept-Encoding": "identity"})),
    "health": (200, lambda c: c.get("/health")),
    "API": (200, lambda c: c.get("/api/exhibits")),
    "HEAD of the API": (200, lambda c: c.head("/api/exhibits")),
    "unchanged file": (304, lambda c: c.get("/app.js", headers={"If-None-Match": c.get("/app.js").headers["ETag"]})),
    "malformed JSON": (400, lambda c: c.post("/login", content="{", headers={"Content-Type": "application/json"})),
    "path traversal": (400, lambda c: c.get("/%2e%2e/%2e%2e/etc/passwd")),
    "without a session": (401, lambda c: c.post("/api/exhibits", json={"title": "x"})),
    "from another site": (403, lambda c: c.post("/logout", headers={"Origin": "https://elsewhere.example"})),
    "no such file": (404, lambda c: c.get("/missing.js")),
    "no such API": (404, lambda c: c.get("/api/missing")),
    "source of PHP": (404, lambda c: c.get("/index.php")),
    "hidden file": (404, lambda c: c.get("/.git/config")),
    "static, wrong method": (405, lambda c: c.post("/index.html")),
    "API, wrong method": (405, lambda c: c.delete("/api/exhibits")),
    "large body, page": (413, lambda c: c.post("/", content=b"x" * 10_485_761)),
    "large body, API": (413, lambda c: c.post("/api/uploads", content=b"x" * 10_485_761)),
    "long address": (414, lambda c: c.get("/" + "x" * 9000)),
    "large header": (400, lambda c: c.get("/", headers={"X-Large": "x" * 9000})),
    "no such WebSocket service": (502, lambda c: c.get("/ws")),
    "wrong type": (415, lambda c: c.post("/login", content="a=b")),
    "wrong fields": (422, lambda c: c.post("/login", json={})),
}


# nginx stops reading at a first line that it can't make sense of: it never learns that TLS was in front.
FIRST_LINE_ONLY = {"path traversal", "long address"}


def check(answer: httpx.Response, *, transport: bool = True) -> None:
    for name, value in SECURITY.items():
        if name == "Strict-Transport-Security" and not transport:
            continue
        assert answer.headers.get_list(name) == [value], name
    assert len(answer.headers.get_list("Content-Security-Policy")) == 1
    assert len(answer.headers.get_list("Cache-Control")) == 1
    assert len(answer.headers.get_list("X-Request-Id")) == 1
    assert answer.headers["Server"] == "nginx"
    assert "X-Powered-By" not in answer.headers


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_carries_the_security_headers_once(client: httpx.Client, name: str) -> None:
    status, ask = ANSWERS[name]
    answer = ask(client)
    assert answer.status_code == status, answer.text
    check(answer, transport=name not in FIRST_LINE_ONLY)


def test_a_redirect_carries_them_and_stays_on_the_host_it_came_to(site: Site, client: httpx.Client) -> None:
    (site.folder / "html/public/folder").mkdir(exist_ok=True)
    answer = client.get("/folder")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/folder/")
    check(answer)


def test_a_limited_request_carries_them(client: httpx.Client) -> None:
    answers = [client.get("/api/session") for _ in range(40)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    check(limited[0])


@pytest.fixture
def without_php(folder: Path, postgres: Postgres, redis: Redis) -> Iterator[Site]:
    site = Site(folder / "lonely", postgres, redis)
    site.start_nginx()
    yield site
    site.nginx.stop()


def test_an_nginx_without_php_carries_them_and_says_so_in_json(without_php: Site) -> None:
    with without_php.client() as client:
        answer = client.get("/api/exhibits")
    assert answer.status_code == 502
    check(answer)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Retry-After"] == "5"


def test_transport_security_is_claimed_only_under_tls(site: Site) -> None:
    with site.client() as client:
        del client.headers["X-Forwarded-Proto"]
        assert "Strict-Transport-Security" not in client.get("/").headers


def test_the_policy_names_this_site_and_its_websocket_and_nobody_else(client: httpx.Client) -> None:
    answer = client.get("/", headers={"Host": "vision-week.example:8443"})
    assert dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")) == POLICY


def test_a_strange_host_does_not_get_into_the_policy(client: httpx.Client) -> None:
    answer = client.get("/", headers={"Host": "a;script-src"})
    assert "script-src 'self' 'wasm-unsafe-eval';" in answer.headers["Content-Security-Policy"]
    assert "wss:" not in answer.headers["Content-Security-Policy"]


def test_errors_are_pages_for_people_and_json_for_programs(client: httpx.Client) -> None:
    page, problem = client.get("/missing"), client.get("/api/%00")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<h1>Not Found</h1>" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert problem.status_code in {400, 404}
    for answer in (client.get("/api/missing"), client.post("/api/uploads", content=b"x" * 10_485_761)):
        assert answer.headers["Content-Type"] == "application/problem+json"
        body = answer.json()
        assert body["status"] == answer.status_code
        assert body["request_id"] == answer.headers["X-Request-Id"]
        assert body["title"]
