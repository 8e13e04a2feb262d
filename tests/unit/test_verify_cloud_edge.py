"""Claims of Google's balancer, looked at on a real nginx that is the balancer here: by real TLS, at the address that is
reserved. Cloud Armor is simulated, and so is what Google's APIs say."""

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from operations.delivery.target import CHECKOUT
from operations.verify_cloud import at_edge
from operations.verify_cloud.report import Verdict
from tests.unit.answering import answering
from tests.unit.balancer import Echo, Front, running, write_certificate
from tests.unit.edges import API_HOST, HOST, HOSTS
from tests.unit.google_api import Answers
from tests.unit.google_reference import faults
from tests.unit.verifying import SITE, Answering, judged, settings

ADDRESS = "203.0.113.7"
# Google's balancer sends people on with 301, our nginx with 308.
LIKE_GOOGLE_S = {"return 308 $site": "return 301 $site"}


class Application(BaseHTTPRequestHandler):
    """An application behind simulated rules of Cloud Armor's."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(403 if "script" in self.path else self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Broken(Application):
    status = 503


class Behind(Answering):
    """A place with a balancer. front: the nginx that is it. authority: whose certificates are trusted."""

    def __init__(self, folder: Path, front: Front, said: Mapping[str, Any] | None = None, **more: Any) -> None:
        super().__init__(settings(folder), said or {}, **more)
        self.target = self
        self.namespaces = {"edge": f"{SITE.name}-edge"}
        self.authority = (front.folder / "tls.crt").read_text()

    @property
    def edge(self) -> Any:
        return self.settings.edge.model_copy(
            update={"url": f"https://{HOST}", "api_host": API_HOST, "address": ADDRESS}
        )

    def outputs(self) -> dict[str, str]:
        return {"ca_certificate": self.authority}


@contextmanager
def balanced(folder: Path, app: type[BaseHTTPRequestHandler], instead: Mapping[str, str]) -> Iterator[Front]:
    """An nginx before such an application, with other words for some of its configuration."""
    with (
        answering(app) as address,
        running(folder, HOSTS, services={"app": int(address.rpartition(":")[2])}, instead=instead) as front,
    ):
        yield front


def other_authority(folder: Path) -> str:
    """The certificate of one who has signed nothing here."""
    other = folder / "other"
    other.mkdir()
    write_certificate(other)
    return (other / "tls.crt").read_text()


def lead(monkeypatch: pytest.MonkeyPatch, front: Front) -> None:
    """Have the address lead to the nginx."""
    connect = socket.create_connection
    there = {443: front.ports["8443"], 80: front.ports["8080"]}

    def connected(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        host, port = address
        return connect(("127.0.0.1", there[port]) if host == ADDRESS else address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", connected)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A balancer as the documents say that it is."""
    with balanced(tmp_path_factory.mktemp("edge"), Application, LIKE_GOOGLE_S) as front:
        yield front


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("The application answers", "200, over HTTP/1.1, by a certificate of the stack's own authority"),
        ("HTTP is sent to HTTPS", f"301 to https://{HOST}/"),
        ("The API's own host", "/api/health is answered, / is not there"),
        ("Cloud Armor refuses", "an attack gets 403, an honest request 200"),
        ("TLS before 1.2", "the balancer refuses it"),
    ],
)
def test_a_balancer_that_is_as_it_should_be_verifies_the_claim(
    good: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, seen: str
) -> None:
    lead(monkeypatch, good)
    assert judged(what, Behind(tmp_path, good)) == (Verdict.VERIFIED, seen)


HEADER = "add_header Strict-Transport-Security $strict_transport_security always;"
ANY_HOST = {f"server_name {API_HOST};": "server_name none.example;", f"server_name {HOST};": "server_name ~.;"}
OLD = {"ssl_protocols TLSv1.2": "ssl_protocols TLSv1 TLSv1.1 TLSv1.2", "ssl_ciphers ": "ssl_ciphers ALL:@SECLEVEL=0:"}


@pytest.mark.parametrize(
    ("what", "balancer", "found"),
    [
        ("The application answers", (Broken, {}), (Verdict.REFUTED, "it answers 503")),
        ("The application answers", (Application, {HEADER: ""}), (Verdict.REFUTED, "no Strict-Transport-Security")),
        ("HTTP is sent to HTTPS", (Application, {"return 308 $site": "return 200 $site"}), (Verdict.REFUTED, "200")),
        (
            "HTTP is sent to HTTPS",
            (Application, {"return 308 $site": "return 301 http://$host"}),
            (Verdict.REFUTED, "it answers 301, http:"),
        ),
        ("The API's own host", (Application, ANY_HOST), (Verdict.REFUTED, "'/': 200")),
        ("The API's own host", (Broken, {}), (Verdict.REFUTED, "'/api/health': 503")),
        # Our nginx has no such rules.
        ("Cloud Armor refuses", (Echo, {}), (Verdict.REFUTED, "an attack is answered with 200")),
        ("Cloud Armor refuses", (Broken, {}), (Verdict.REFUTED, "an honest request is answered with 503")),
        ("TLS before 1.2", (Application, OLD), (Verdict.REFUTED, "the balancer speaks TLSv1.1")),
        # A host that is nobody's is refused whatever is spoken.
        (
            "TLS before 1.2",
            (Application, {**OLD, f"server_name {HOST};": "server_name none.example;"}),
            (Verdict.NO_ANSWER, "It was not the balancer that refused"),
        ),
    ],
)
def test_a_balancer_that_is_otherwise_does_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    balancer: tuple[type[BaseHTTPRequestHandler], Mapping[str, str]],
    found: tuple[Verdict, str],
) -> None:
    with balanced(tmp_path, *balancer) as front:
        lead(monkeypatch, front)
        verdict, seen = judged(what, Behind(tmp_path, front))
    assert verdict == found[0], seen
    assert found[1] in seen


def test_a_certificate_of_another_authority_s_gives_no_answer(
    good: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what somebody else says nothing is made."""
    lead(monkeypatch, good)
    place = Behind(tmp_path, good)
    place.authority = other_authority(tmp_path)
    verdict, seen = judged("The application answers", place)
    assert verdict == Verdict.NO_ANSWER
    assert "CERTIFICATE_VERIFY_FAILED" in seen


GATEWAY = {
    "status": {
        "conditions": [{"type": "Accepted", "status": "True"}, {"type": "Programmed", "status": "True"}],
        "addresses": [{"type": "IPAddress", "value": ADDRESS}],
    }
}


@pytest.mark.parametrize(
    ("status", "verdict", "seen"),
    [
        ({}, Verdict.VERIFIED, f"the reserved one, {ADDRESS}"),
        ({"conditions": [{"type": "Programmed", "status": "False"}]}, Verdict.REFUTED, "is not programmed"),
        ({"conditions": []}, Verdict.REFUTED, "is not programmed"),
        ({"addresses": [{"type": "IPAddress", "value": "203.0.113.8"}]}, Verdict.REFUTED, "203.0.113.8"),
        ({"addresses": []}, Verdict.REFUTED, f"the Gateway has [], not {ADDRESS}"),
    ],
)
def test_a_simulated_gateway_has_the_address_or_not(
    good: Front, tmp_path: Path, status: Mapping[str, Any], verdict: Verdict, seen: str
) -> None:
    gateway = {"status": {**GATEWAY["status"], **status}}
    found = judged("The Gateway has", Behind(tmp_path, good, {"get gateways.gateway": [gateway]}))
    assert found[0] == verdict
    assert seen in found[1]


class Following(Application):
    """An application that tells of each request with a trace. told: (path, its trace)."""

    told: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        if found := re.fullmatch("00-([0-9a-f]{32})-[0-9a-f]{16}-01", self.headers["traceparent"] or ""):
            self.told.append((self.path, found[1]))
        super().do_GET()


class Traces(Answers):
    """Simulates Cloud Trace, which has what it was told after so many questions; it says 404 of what it hasn't."""

    late: ClassVar[int] = 0
    status: ClassVar[int] = 404

    def _usual(self) -> tuple[int, Any]:
        path, _, trace = self.path.rpartition("/")
        assert path == f"/v1/projects/{SITE.project}/traces"
        spans = [
            {"spanId": str(number), "name": name} for number, (name, of) in enumerate(Following.told) if of == trace
        ]
        if not spans or len(self.asked) <= self.late:
            return self.status, {"error": {"message": "no such trace"}}
        return 200, {"projectId": SITE.project, "traceId": trace, "spans": spans}


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Traces]]:
    monkeypatch.setattr(Following, "told", [])
    at_edge._trace.cache_clear()
    yield type("Own", (Traces,), {"asked": [], "instead": {}})
    at_edge._trace.cache_clear()


@pytest.mark.parametrize(
    ("stack", "found"),
    [
        ((Following, 404), (Verdict.VERIFIED, "Cloud Trace has 1 spans of /config.json")),
        # It has told of nothing.
        ((Application, 404), (Verdict.REFUTED, "Cloud Trace has no spans of ")),
        ((Application, 403), (Verdict.NO_ANSWER, "403: no such trace")),
        ((Broken, 404), (Verdict.REFUTED, "/config.json answers 503")),
    ],
)
def test_the_one_trace_that_was_begun_is_looked_for_in_a_simulated_cloud_trace(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    following: type[Traces],
    stack: tuple[type[BaseHTTPRequestHandler], int],
    found: tuple[Verdict, str],
) -> None:
    app, following.status = stack
    with balanced(tmp_path, app, {}) as front, answering(following) as address:
        lead(monkeypatch, front)
        verdict, seen = judged("Traces are", Behind(tmp_path, front, google=address))
    assert verdict == found[0], seen
    assert found[1] in seen


def test_a_trace_that_is_seen_late_is_found_at_a_later_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, following: type[Traces]
) -> None:
    following.late = 2
    with balanced(tmp_path, Following, {}) as front, answering(following) as address:
        lead(monkeypatch, front)
        place = Behind(tmp_path, front, google=address)
        verdicts = [judged("Traces are", place)[0] for _ in range(3)]
    assert verdicts == [Verdict.REFUTED, Verdict.REFUTED, Verdict.VERIFIED]
    assert len({trace for _, trace in Following.told}) == 1


def test_a_simulated_trace_is_as_google_s_reference_has_it() -> None:
    span = {"spanId": "1", "name": "GET /config.json"}
    answer = {"projectId": SITE.project, "traceId": f"{1:032x}", "spans": [span]}
    assert list(faults("cloudtrace", "Trace", answer)) == []


def test_what_is_asked_for_a_trace_is_always_followed() -> None:
    """`/` was asked, which nginx answers from a file: it tells of nothing."""
    php = CHECKOUT / "app/src"
    assert f"new Route('GET', '{at_edge.FOLLOWED}'" in (php / "Health/HealthRoutes.php").read_text()
    (probes,) = re.findall(r"const PROBES = \[(.*)\];", (php / "Trace.php").read_text())
    assert f"'{at_edge.FOLLOWED}'" not in probes.split(", ")
    nginx = (CHECKOUT / "images/app/nginx.conf").read_text()
    (place,) = re.findall(rf"location = {re.escape(at_edge.FOLLOWED)} \{{\n(.*?)\}}", nginx, re.DOTALL)
    assert "fastcgi_pass php;" in place
    assert "fastcgi_cache" not in place
    trace = at_edge._trace("a stack")
    assert re.fullmatch("[0-9a-f]{32}", trace)
    # What `Trace::isChosen` compares with the share that is followed.
    assert int(trace[16:24], 16) == 0
    assert trace != at_edge._trace("another")
