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
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.exceptions import WebSocketException

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


class FailedError(Exception):
    """What a check has seen instead."""


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


def run(target: Target, *, limits: bool, patience: float = _SETTLING) -> list[Result]:
    """All checks. limits: that of the rate limit, too, for which one's own address is refused for a few seconds."""
    checks = [*_CHECKS, *([_limited] if limits else [])]
    with _site(target) as site:
        return [_tried(check, site, patience) for check in checks]


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


def _tried(check: Callable[[Site], None], site: Site, patience: float) -> Result:
    name = " ".join((check.__doc__ or "").split()).rstrip(".")
    began = time.monotonic()
    while True:
        try:
            check(site)
            problem = None
        except (FailedError, httpx.HTTPError, OSError, WebSocketException, ValueError) as error:
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
        _wish(ready == wanted == new, f"{name} has {ready} of {wanted} pods ready, {new} of them new")
        for container in each["spec"]["template"]["spec"]["containers"]:
            known = container["image"] in site.images.values()
            _wish(known, f"{name} runs {container['image']}, which the stack doesn't name")


def _alive(site: Site) -> None:
    """GET /health answers, by a certificate that the stack's authority or a public one has signed."""
    _ok(site.client.get("/health"))


def _well(site: Site) -> None:
    """GET /api/health finds database, Redis and uploads well."""
    answer = _ok(site.client.get("/api/health"))
    _wish(answer.json().get("status") == "ok", f"it says {answer.text[:200]}")


def _release(site: Site) -> None:
    """GET /config.json names the release that was deployed."""
    found = _ok(site.client.get("/config.json")).json().get("version")
    wanted = site.target.settings.release
    _wish(found == wanted, f"it says {found}, and {wanted} was deployed")


def _page(site: Site) -> None:
    """GET / is the page, with every security header."""
    answer = _ok(site.client.get("/"))
    _wish(answer.headers["content-type"].startswith("text/html"), f"it is {answer.headers['content-type']}")
    _guarded(answer)


def _read(site: Site) -> None:
    """GET /api/exhibits reads from the database."""
    answer = _ok(site.client.get("/api/exhibits"))
    _wish(isinstance(answer.json(), dict | list), f"it says {answer.text[:200]}")
    _guarded(answer)


def _stranger(site: Site) -> None:
    """POST /login refuses whom nobody knows, with every security header."""
    answer = site.client.post("/login", json={"email": "nobody@example.org", "password": "not a password"})
    _wish(answer.status_code in {401, 429}, f"it answers {answer.status_code}: {answer.text[:200]}")
    _guarded(answer)


def _unknown(site: Site) -> None:
    """What isn't there is a 404 of application/problem+json below /api, with every security header."""
    answer = site.client.get("/api/there-is-no-such-thing")
    _wish(answer.status_code == 404, f"it answers {answer.status_code}")
    kind = answer.headers.get("content-type", "")
    _wish(kind.startswith("application/problem+json"), f"it is {kind}")
    _guarded(answer)


def _live(site: Site) -> None:
    """The WebSocket service takes a connection of the site's own page and answers."""
    base, host = site.client.base_url, site.address.netloc.decode()
    with LiveConnection(host, (base.host, base.port or 443), site.trusted) as connection:
        connection.send('{"type": "history"}')
        told = connection.recv(timeout=_PATIENCE)
        _wish("messages" in told, f"it says {told[:200]}")


def _limited(site: Site) -> None:
    """A client that asks for too much is told so by 429 with Retry-After."""
    count = 20 * site.target.settings.app.limits.api_per_second
    # One after another they'd be slower than the limit from far away, or on a busy machine.
    with ThreadPoolExecutor(max_workers=16) as clients:
        answers = list(clients.map(lambda _: site.client.get("/api/health"), range(count)))
    refused = next((answer for answer in answers if answer.status_code == 429), None)
    if refused is None:
        raise FailedError(f"{len(answers)} requests, and none was refused")
    _wish("retry-after" in refused.headers, "it doesn't say when to come again")


_CHECKS: Final = (_pods, _alive, _well, _release, _page, _read, _stranger, _unknown, _live)


def _ok(answer: httpx.Response) -> httpx.Response:
    _wish(answer.status_code == 200, f"it answers {answer.status_code}: {answer.text[:200]}")
    return answer


def _guarded(answer: httpx.Response) -> None:
    for name, begins in _HEADERS.items():
        found: Any = answer.headers.get(name)
        _wish(found is not None and begins in found, f"{name} is {found or 'missing'}")


def _wish(fulfilled: bool, otherwise: str) -> None:
    if not fulfilled:
        raise FailedError(otherwise)
