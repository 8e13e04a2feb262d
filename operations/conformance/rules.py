"""The contract of docs/your-application.md as rules, each tried on a running image.

A rule is a function that looks at the bench and says what it saw. They run in the order in which they stand here, since
the last ones exhaust a limit and stop the containers.
"""

import http.client
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from components import app
from operations.conformance.bench import Bench, BenchError, docker, until

HEADERS: Final = (
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Referrer-Policy",
    "Permissions-Policy",
    "Cross-Origin-Opener-Policy",
    "X-Request-Id",
    "Cache-Control",
)
FIELDS: Final = ("time", "level", "service", "message", "request_id", "trace_id")
METRICS: Final = ("vision_week_http_requests", "vision_week_http_request_duration_seconds")
# Longer than what PHP gives its longest request, less than what the pod is given; the preStop's 5 s are taken off.
GRACE: Final = 70
# A line is written when the answer is; it may come a moment later.
_WRITTEN: Final = 5
# What a write is told that the root, or its folder's owner, doesn't allow.
_REFUSALS: Final = ("Read-only file system", "Permission denied")
_BODY: Final = 11 * 2**20
_SECRET: Final = re.compile(r"(PASSWORD|SECRET|TOKEN|CREDENTIALS|API_KEY)(?!.*_FILE$)")
# A limit of 10 a second with room for 20 more is met long before these.
_MANY: Final = 400


@dataclass(frozen=True)
class Finding:
    """What one rule came to. todo: what to do where it isn't met."""

    rule: str
    met: bool
    seen: str
    todo: str = ""


Rule = Callable[[Bench], Iterator[Finding]]


def check(bench: Bench) -> Iterator[Finding]:
    """Every rule's finding, as soon as it is there. Without containers that answer, the others aren't tried."""
    yield from _image(bench)
    yield from _migrations(bench)
    bench.start()
    started = until(lambda: _status(f"{bench.public}/health") == 200, bench.nginx, bench.php)
    seen = "answers on a read-only root as 1000:1000" if started else _why(bench)
    todo = "start both commands as docs/your-application.md has them; nothing but the places there is writable"
    yield Finding("starts as the platform starts it", started, seen, todo)
    if started:
        for rule in _RULES:
            try:
                yield from rule(bench)
            except (httpx.HTTPError, BenchError, OSError) as error:
                yield Finding(rule.__name__.strip("_").replace("_", " "), False, str(error) or type(error).__name__)


def _why(bench: Bench) -> str:
    for name, container in (("nginx", bench.nginx), ("php", bench.php)):
        if not container.running:
            return f"{name} ended: {container.last_words()}"
    return f"GET :{app.PORT}/health gives {_status(f'{bench.public}/health') or 'no answer'}"


# --- before anything runs


def _image(bench: Bench) -> Iterator[Finding]:
    config = json.loads(docker("image", "inspect", bench.image))[0]["Config"]
    user = config.get("User") or "root"
    todo = "USER 1000:1000 in the last stage of the Dockerfile (S1.2)"
    yield Finding("runs as 1000:1000", user in {"1000", "1000:1000"}, f"the image's user is {user}", todo)
    signal = config.get("StopSignal") or "SIGTERM"
    todo = "STOPSIGNAL SIGQUIT: at SIGTERM nginx and PHP-FPM drop what they have begun"
    yield Finding("stops by SIGQUIT", signal == "SIGQUIT", f"the image's stop signal is {signal}", todo)
    inside = [name for each in config.get("Env") or () if _SECRET.search(name := each.partition("=")[0])]
    seen = f"the image sets {', '.join(inside)}" if inside else "the image sets none"
    yield Finding("holds no secret", not inside, seen, "read secrets from the files that the *_FILE variables name")


def _migrations(bench: Bench) -> Iterator[Finding]:
    for rule, todo in (
        ("migrations succeed", "php /var/www/html/bin/migrate.php must bring an empty database up to date"),
        ("migrations succeed again", "note which ones have run, and leave those out"),
    ):
        done = bench.migrate()
        seen = "exit with 0" if done.exit_code == 0 else f"exit with {done.exit_code}: {done.last_words()}"
        yield Finding(rule, done.exit_code == 0, seen, todo)


# --- routes


def _routes(bench: Bench) -> Iterator[Finding]:
    todos = {
        f"{bench.public}/": "serve index.html from the document root",
        f"{bench.public}/api/health": "answer 200 when database, Redis and storage do, without details",
        f"{bench.public}/config.json": "answer what the front end is told at run time, as JSON",
        f"{bench.internal}/live": "let nginx itself answer 200; a probe asks it",
        f"{bench.internal}/ready": "answer 200 when database, Redis and storage do; without it no pod becomes ready",
        f"{bench.internal}/metrics": "answer in Prometheus' text format",
    }
    for address, todo in todos.items():
        url = httpx.URL(address)
        answer = _get(address)
        kind = answer.headers.get("Content-Type", "no type")
        right = answer.status_code == 200 and (url.path not in {"/config.json", "/api/health"} or "json" in kind)
        yield Finding(f"GET :{url.port}{url.path}", right, f"{answer.status_code}, {kind}", todo)


def _inside_only(bench: Bench) -> Iterator[Finding]:
    statuses = {path: _status(f"{bench.public}{path}") for path in ("/metrics", "/ready", "/live")}
    seen = ", ".join(f"{path} {status}" for path, status in statuses.items())
    todo = f"answer them on {app.INTERNAL_PORT} alone, and 404 on {app.PORT}"
    yield Finding("metrics and details are not public", set(statuses.values()) == {404}, seen, todo)


def _headers(bench: Bench) -> Iterator[Finding]:
    """S3.1: on static files, PHP's answers and errors alike, each once."""
    missing: dict[str, list[str]] = {}
    for path in ("/", "/health", "/api/health", "/config.json", "/not-there", "/api/not-there", "/index.php"):
        counted = Counter(name.lower() for name, _ in _get(f"{bench.public}{path}").headers.multi_items())
        for header in HEADERS:
            if counted[header.lower()] != 1:
                missing.setdefault(header, []).append(f"{path} ({counted[header.lower()]} times)")
    seen = "; ".join(f"{header}: {', '.join(paths)}" for header, paths in missing.items()) or "each once on 7 answers"
    todo = "add_header … always at nginx's top level alone (images/app/nginx/headers.conf)"
    yield Finding("security headers on every answer", not missing, seen, todo)
    header = "Strict-Transport-Security"
    plain = _get(f"{bench.public}/").headers.get(header)
    secure = _get(f"{bench.public}/", headers={"X-Forwarded-Proto": "https"}).headers.get(header)
    seen = f"{secure or 'none'} under TLS, {plain or 'none'} without"
    yield Finding("HSTS under TLS alone", bool(secure) and not plain, seen, "send it when X-Forwarded-Proto is https")


def _request_id(bench: Bench) -> Iterator[Finding]:
    name, ours = "X-Request-Id", "conformance-check-1"
    kept = _get(f"{bench.public}/api/health", headers={name: ours}).headers.get(name)
    forged = _get(f"{bench.public}/api/health", headers={name: 'a" b'}).headers.get(name)
    seen = f"{ours} comes back as {kept or 'nothing'}, a hostile one as {forged or 'nothing'}"
    right = kept == ours and bool(forged) and forged != 'a" b'
    yield Finding("request id", right, seen, "take over what looks harmless, make one else, and send it back")


def _metrics(bench: Bench) -> Iterator[Finding]:
    try:
        found = {family.name for family in text_string_to_metric_families(_get(f"{bench.internal}/metrics").text)}
        missing = [name for name in METRICS if name not in found]
        seen = f"lacks {', '.join(missing)}" if missing else f"{len(found)} metrics"
    except ValueError as error:
        missing, seen = list(METRICS), f"is not Prometheus' text format: {error}"
    todo = "count requests and their duration, by route and status: service levels are counted by them"
    yield Finding("metrics", not missing, seen, todo)


# --- what it needs goes away, or changes


def _database_away(bench: Bench) -> Iterator[Finding]:
    with bench.without_database():
        health, ready = _status(f"{bench.public}/health"), _status(f"{bench.internal}/ready")
    todo = "/health asks nobody (else every pod restarts when the database fails over), /ready and what it names do"
    seen = f"/health {health or 'no answer'}, /ready {ready or 'no answer'}"
    yield Finding("tells alive from ready", (health, ready) == (200, 503), seen, todo)


def _rotation(bench: Bench) -> Iterator[Finding]:
    before = _status(f"{bench.public}/api/health")
    bench.rotate()
    after = _status(f"{bench.public}/api/health")
    todo = "read secret files when they are used, not once at the start"
    seen = f"/api/health {before} before and {after} after Redis' password changed in its file"
    yield Finding("reads secrets from files", (before, after) == (200, 200), seen, todo)


# --- limits


def _limits(bench: Bench) -> Iterator[Finding]:
    """S3.2"""
    for path, method, room in (("/api/not-there", "GET", "10 a second"), ("/login", "POST", "5 a minute")):
        answer = _limited(f"{bench.public}{path}", method)
        if answer is None:
            seen, right = f"{_MANY} requests at once, none refused", False
        else:
            kind, retry = answer.headers.get("Content-Type", "no type"), answer.headers.get("Retry-After")
            seen, right = f"429, {kind}, Retry-After {retry or 'missing'}", "json" in kind and retry is not None
        todo = f"limit each client address to {room}; answer 429 with Retry-After and a JSON body"
        yield Finding(f"limit of {path.rpartition('/')[0] or path}", right, seen, todo)


def _limited(url: str, method: str) -> httpx.Response | None:
    """The first answer that refuses; nobody asks any more then."""
    refused: list[httpx.Response] = []
    with httpx.Client(trust_env=False, timeout=30) as client, ThreadPoolExecutor(8) as pool:

        def ask(_: int) -> None:
            if not refused and (answer := client.request(method, url)).status_code == 429:
                refused.append(answer)

        list(pool.map(ask, range(_MANY)))
    return refused[0] if refused else None


def _body(bench: Bench) -> Iterator[Finding]:
    connection = http.client.HTTPConnection(bench.nginx.address, app.PORT, timeout=_WRITTEN)
    connection.putrequest("POST", "/api/uploads")
    connection.putheader("Content-Length", str(_BODY))
    connection.endheaders()
    try:
        seen = str(connection.getresponse().status)
    except TimeoutError:
        seen = "no answer before it has come"
    finally:
        connection.close()
    seen += f" for one of {_BODY // 2**20} MiB"
    yield Finding("limit of bodies", seen.startswith("413 "), seen, "client_max_body_size 10m")


# --- what it says


def _logs(bench: Bench) -> Iterator[Finding]:
    number = "conformance-check-2"
    _get(f"{bench.public}/api/health", headers={"X-Request-Id": number})
    for name, container in (("nginx", bench.nginx), ("php", bench.php)):

        def lines(container: Any = container, name: str = name) -> list[str]:
            output, error = container.logs()
            # nginx's and PHP-FPM's own few words about themselves go to standard error, and aren't JSON.
            return output if name == "nginx" else [line for line in (*output, *error) if not line.startswith("[")]

        until(lambda lines=lines: any(number in line for line in lines()), container, patience=_WRITTEN)  # type: ignore[misc]
        said = lines()
        plain = [line for line in said if _parsed(line) is None]
        of_it = [line for line in map(_parsed, said) if line and line.get("request_id") == number]
        lacking = sorted({field for line in of_it for field in FIELDS if field not in line})
        if plain:
            seen = f"no JSON: {plain[0][:80]}"
        elif not of_it:
            seen = "no line with the request's number"
        else:
            seen = f"lacks {', '.join(lacking)}" if lacking else f"{len(said)} lines of JSON"
        right = not plain and bool(of_it) and not lacking
        yield Finding(f"log of {name}", right, seen, f"one JSON object a line with {', '.join(FIELDS)}")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _writes(bench: Bench) -> Iterator[Finding]:
    refused = [
        line
        for container in (bench.nginx, bench.php)
        for part in container.logs()
        for line in part
        if any(refusal in line for refusal in _REFUSALS)
    ]
    seen = refused[0][:120] if refused else "nothing was refused"
    yield Finding("writes nowhere else", not refused, seen, "write below /tmp and the uploads' folder alone")


# --- how it ends


def _stop(bench: Bench) -> Iterator[Finding]:
    docker("exec", bench.nginx.id, "sleep", "0")
    for name, container in (("php", bench.php), ("nginx", bench.nginx)):
        with ThreadPoolExecutor(1) as pool, bench.without_database():
            # A request that waits for the database is under way, in nginx and in PHP.
            answer = pool.submit(_status, f"{bench.public}/api/health")
            under_way = until(lambda: _active(bench), bench.nginx)
            started = time.monotonic()
            stopping = subprocess.Popen(["docker", "stop", f"--time={GRACE}", container.id], stdout=subprocess.DEVNULL)
            answered = answer.result()
        stopping.wait()
        seconds = time.monotonic() - started
        right = under_way and answered in {200, 503} and container.exit_code == 0 and seconds < GRACE
        got = f"the request under way got {answered or 'no answer'}" if under_way else "no request was under way"
        seen = f"{got}; ended with {container.exit_code} in {seconds:.0f} s"
        yield Finding(f"{name} ends gracefully", right, seen, f"finish what was begun, then end with 0 in {GRACE} s")
        if name == "php":
            docker("start", container.id)
            until(lambda: _status(f"{bench.public}/api/health") == 200, bench.nginx)


def _active(bench: Bench) -> bool:
    """Whether PHP-FPM works on something."""
    status = _get(f"{bench.internal}/fpm-status?json")
    return status.status_code == 200 and status.json()["active processes"] > 0


def _get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False, timeout=30)


def _status(url: str) -> int:
    """The answer's status, 0 without one."""
    try:
        return _get(url).status_code
    except httpx.TransportError:
        return 0


_RULES: tuple[Rule, ...] = (
    _routes,
    _inside_only,
    _headers,
    _request_id,
    _metrics,
    _database_away,
    _rotation,
    _body,
    _limits,
    _logs,
    _writes,
    _stop,
)
