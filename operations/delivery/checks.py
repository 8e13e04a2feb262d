"""The tests after a deployment: whether what runs is what was deployed, and does what users need.

They read, or write what nobody sees: they may be run on an environment with users in it, as often as one likes.
"""

import ssl
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.exceptions import WebSocketException

from operations.delivery import inside
from operations.delivery.inside import FailedError, wish
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target
from operations.live import LiveConnection

_PATIENCE: Final = 10  # seconds for one answer
_SETTLING: Final = 60  # seconds that a check is tried again for: balancers and probes are behind by some
_HEADERS: Final = {
    "strict-transport-security": "max-age=",
    "content-security-policy": "default-src",
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
    "x-xss-protection": "1",
}

_ADDITIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "/api/exhibits": {"json": {"title": "x"}},
    "/api/uploads": {"files": {"file": b"x"}},
}


@dataclass(frozen=True)
class Site:
    """What is tested. address: host and port of the URL. images: name -> reference, as the stack gave them."""

    target: Target
    client: httpx.Client
    address: httpx.URL
    trusted: ssl.SSLContext
    images: Mapping[str, str]


@dataclass(frozen=True)
class Result:
    """How a check ended. problem: None where all is well."""

    name: str
    seconds: float
    problem: str | None


def run(target: Target, *, thorough: bool, patience: float = _SETTLING) -> list[Result]:
    """All checks. thorough: those, too, that say more of the environment than of a release just brought, and that of
    the rate limit, for which one's own address is refused for a few seconds."""
    with _site(target) as site:
        checks = [partial(check, site) for check in _CHECKS]
        if thorough:
            # The limit comes last: others would be refused by it.
            checks += [*(partial(check, target) for check in _inside(target)), partial(_limited, site)]
        return [_tried(check, patience) for check in checks]


def junit(results: Sequence[Result], stack: str, file: Path) -> None:
    """The report that CI shows."""
    failures = sum(result.problem is not None for result in results)
    suite = ET.Element("testsuite", name=f"deployment of {stack}", tests=str(len(results)), failures=str(failures))
    for result in results:
        case = ET.SubElement(suite, "testcase", name=result.name, classname=stack, time=f"{result.seconds:.3f}")
        if result.problem:
            ET.SubElement(case, "failure", message=result.problem)
    ET.ElementTree(suite).write(file, encoding="unicode", xml_declaration=True)


@contextmanager
def _site(target: Target) -> Iterator[Site]:
    outputs = target.outputs()
    address = httpx.URL(outputs["url"])
    # A name under `localhost` is this machine (RFC 6761), also to resolvers that haven't heard of it.
    here = address.copy_with(host="127.0.0.1") if address.host.endswith(".localhost") else address
    trusted = ssl.create_default_context()
    trusted.load_verify_locations(cadata=outputs["ca_certificate"])

    def name_the_host(request: httpx.Request) -> None:
        request.headers["Host"] = address.netloc.decode()
        request.extensions["sni_hostname"] = address.host

    with httpx.Client(
        base_url=here, verify=trusted, timeout=_PATIENCE, trust_env=False, event_hooks={"request": [name_the_host]}
    ) as client:
        yield Site(target, client, address, trusted, outputs["images"])


def _tried(check: partial[None], patience: float) -> Result:
    name = " ".join((check.func.__doc__ or "").split()).rstrip(".")
    began = time.monotonic()
    while True:
        try:
            check()
            problem = None
        except (FailedError, DeliveryError, httpx.HTTPError, OSError, WebSocketException, ValueError) as error:
            problem = str(error) or type(error).__name__
        if problem is None or time.monotonic() - began > patience:
            return Result(name, time.monotonic() - began, problem)
        time.sleep(1)


# --- the checks


def _pods(site: Site) -> None:
    """All pods that are wanted are ready and of this release."""
    for each in site.target.workloads():
        name, wanted, status = each["metadata"]["name"], each["spec"]["replicas"], each["status"]
        ready, new = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
        wish(ready == wanted == new, f"{name} has {ready} of {wanted} pods ready, {new} of them new")
        for container in each["spec"]["template"]["spec"]["containers"]:
            known = container["image"] in site.images.values()
            wish(known, f"{name} runs {container['image']}, which the stack doesn't name")


def _alive(site: Site) -> None:
    """GET /health answers, by a certificate that the stack's authority or a public one has signed."""
    _ok(site.client.get("/health"))


def _well(site: Site) -> None:
    """GET /api/health finds database, Redis and uploads well."""
    found = _object(site.client.get("/api/health"))
    wish(found.get("status") == "ok", f"it says {found}")


def _release(site: Site) -> None:
    """GET /config.json names the release that was deployed."""
    found = _object(site.client.get("/config.json")).get("version")
    wanted = site.target.settings.release
    wish(found == wanted, f"it says {found}, and {wanted} was deployed")


def _page(site: Site) -> None:
    """GET / is the page, with every security header."""
    answer = _ok(site.client.get("/"))
    kind = answer.headers.get("content-type", "")
    wish(kind.startswith("text/html"), f"it is {kind or 'of no type'}")
    _guarded(answer)


def _read(site: Site) -> None:
    """GET /api/exhibits reads from the database."""
    answer = _ok(site.client.get("/api/exhibits"))
    wish(isinstance(answer.json(), dict | list), f"it says {answer.text[:200]}")
    _guarded(answer)


def _stranger(site: Site) -> None:
    """POST /login refuses whom nobody knows, with every security header."""
    answer = site.client.post("/login", json={"email": "nobody@example.org", "password": "not a password"})
    wish(answer.status_code in {401, 429}, f"it answers {answer.status_code}: {answer.text[:200]}")
    _guarded(answer)


def _anonymous(site: Site) -> None:
    """Who isn't logged in is nobody, and adds neither exhibits nor uploads."""
    user = _object(site.client.get("/api/session")).get("user", "not told")
    wish(user is None, f"GET /api/session says that it is {user}")
    for path, form in _ADDITIONS.items():
        status = site.client.post(path, **form).status_code
        wish(status == 401, f"POST {path} answers {status}")


def _hidden(site: Site) -> None:
    """What is for the inside, /metrics, /ready and the servers' own pages, is a 404 outside."""
    for path in ("/metrics", "/ready", "/fpm-status", "/nginx-status"):
        status = site.client.get(path).status_code
        wish(status == 404, f"{path} answers {status}")


def _unknown(site: Site) -> None:
    """What isn't there is a 404 of application/problem+json below /api, with every security header."""
    answer = site.client.get("/api/there-is-no-such-thing")
    wish(answer.status_code == 404, f"it answers {answer.status_code}")
    kind = answer.headers.get("content-type", "")
    wish(kind.startswith("application/problem+json"), f"it is {kind}")
    _guarded(answer)


def _live(site: Site) -> None:
    """The WebSocket service takes a connection of the site's own page and answers."""
    base, host = site.client.base_url, site.address.netloc.decode()
    with LiveConnection(host, (base.host, base.port or 443), site.trusted) as connection:
        connection.send('{"type": "history"}')
        told = connection.recv(timeout=_PATIENCE)
        wish("messages" in told, f"it says {told[:200]}")


def _limited(site: Site) -> None:
    """A client that asks for too much is told so by 429 with Retry-After."""
    count = 20 * site.target.settings.app.limits.api_per_second
    # One after another they'd be slower than the limit from far away, or on a busy machine.
    with ThreadPoolExecutor(max_workers=16) as clients:
        answers = list(clients.map(lambda _: site.client.get("/api/health"), range(count)))
    refused = next((answer for answer in answers if answer.status_code == 429), None)
    if refused is None:
        raise FailedError(f"{len(answers)} requests, and none was refused")
    wish("retry-after" in refused.headers, "it doesn't say when to come again")


_CHECKS: Final = (_pods, _alive, _well, _release, _page, _read, _stranger, _anonymous, _hidden, _unknown, _live)


def _inside(target: Target) -> Iterator[Callable[[Target], None]]:
    """Of what the environment has."""
    yield from (inside.postgres_follows, inside.redis_follows)
    if target.settings.postgres.backups.enabled:
        yield inside.backed_up
    if target.settings.monitoring.enabled:
        yield inside.quiet


def _ok(answer: httpx.Response) -> httpx.Response:
    wish(answer.status_code == 200, f"it answers {answer.status_code}: {answer.text[:200]}")
    return answer


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    """The JSON object that it answers with."""
    found: Any = _ok(answer).json()
    wish(isinstance(found, dict), f"it says {answer.text[:200]}")
    return dict(found)


def _guarded(answer: httpx.Response) -> None:
    for name, begins in _HEADERS.items():
        found: Any = answer.headers.get(name)
        wish(found is not None and begins in found, f"{name} is {found or 'missing'}")
