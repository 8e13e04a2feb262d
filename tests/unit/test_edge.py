"""The edge: its objects by mocks, its configuration in a real nginx before a service that repeats what it hears."""

import http.client
import os
import re
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.edge import entrance
from components.settings import NGINX_CONNECTIONS, NginxEdge
from tests.app.raw import ask
from tests.unit import edges
from tests.unit.balancer import Echo, Front, port_of, running
from tests.unit.edges import API_HOST, HOST, HOSTS, NGINX, WEBSOCKET_HOST
from tests.unit.parts import namespace, settings
from tests.unit.recording import CHECKOUT, Recording
from tests.waiting import wait_for


def built(**changes: Any) -> Recording:
    return edges.built("nginx", **changes)


def test_a_node_port_is_the_one_of_the_settings() -> None:
    service = built(service="NodePort", node_port=30443).one("Service", "edge")
    assert service.at("spec", "type") == "NodePort"
    ports = {port["name"]: port.get("nodePort") for port in service.inputs["spec"]["ports"]}
    assert ports == {"https": 30443, "http": None}


def test_the_certificate_is_for_the_host_and_signed_by_the_stacks_authority() -> None:
    edge = built()
    assert edge.one("CertRequest", "edge").inputs["dnsNames"] == [HOST]
    signed, authority = edge.one("LocallySignedCert", "edge"), edge.one("SelfSignedCert", "authority")
    assert signed.inputs["caPrivateKeyPem"] == authority.inputs["privateKeyPem"]


def test_the_certificate_is_for_exactly_the_hosts_or_for_the_names_of_the_settings() -> None:
    """S4.1"""
    assert built(**HOSTS).one("CertRequest", "edge").inputs["dnsNames"] == [HOST, API_HOST, WEBSOCKET_HOST]
    names = [HOST, f"*.{HOST}"]
    assert built(**HOSTS, certificate_names=names).one("CertRequest", "edge").inputs["dnsNames"] == names


def test_the_configuration_names_the_services_in_full() -> None:
    site = built().one("ConfigMap", "edge").inputs["data"]["site.conf"]
    assert "server app.apps.svc.cluster.local:8080 " in site
    assert "server websocket.apps.svc.cluster.local:8090 " in site


def test_a_pod_that_goes_may_finish_the_longest_request() -> None:
    """5 s until nobody sends more, then as long as nginx itself waits, and some to spare."""
    for answer in (70, 300):
        edge = built(timeouts={"edge": answer})
        pod = edge.one("Deployment", "edge").at("spec", "template", "spec")
        (container,) = pod["containers"]
        (waits,) = re.findall(r"worker_shutdown_timeout (\d+)s;", container["command"][-1])
        assert f"proxy_read_timeout {answer}s;" in edge.one("ConfigMap", "edge").at("data", "site.conf")
        assert int(waits) > answer
        assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
        assert pod["terminationGracePeriodSeconds"] >= 5 + int(waits) + 5


def test_pages_may_connect_to_a_websocket_host_and_are_told_of_it() -> None:
    """S3.1: the policy of contents names that host, with the port of the site's, and no other."""
    plain = settings(edge=dict(NGINX)).edge
    assert plain.websocket_address == "/ws"
    assert entrance(plain, namespace("edge")).nginx_settings == {}
    named = settings(edge={**NGINX, "url": f"https://{HOST}:8443", **HOSTS}).edge
    assert named.websocket_address == f"wss://{WEBSOCKET_HOST}:8443/ws"
    (text,) = entrance(named, namespace("edge")).nginx_settings.values()
    assert re.findall(r"wss://[^\"]+", text) == [f"wss://{WEBSOCKET_HOST}:8443"]


def test_another_certificate_rolls_the_pods() -> None:
    """nginx reads it when it starts."""
    annotations = [
        built(url=url).one("Deployment", "edge").at("spec", "template", "metadata", "annotations")
        for url in (f"https://{HOST}", "https://other.example")
    ]
    assert annotations[0] != annotations[1]


# --- the real nginx


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running(tmp_path_factory.mktemp("edge"), HOSTS) as front:
        yield front


def test_sockets_go_to_their_service_and_all_else_to_the_application(front: Front) -> None:
    """S3.4"""
    assert front.get("/").json()["port"] == port_of(front.app)
    assert front.get("/wsx").json()["port"] == port_of(front.app)
    assert front.get("/ws").json()["port"] == port_of(front.websocket)


def test_a_request_to_switch_protocols_is_passed_on(front: Front) -> None:
    heard = front.get("/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"}).json()["headers"]
    assert (heard["Upgrade"], heard["Connection"]) == ("websocket", "upgrade")


def test_what_a_client_claims_about_proxies_is_dropped(front: Front) -> None:
    claims = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "203.0.113.7",
        "Forwarded": "for=203.0.113.7",
        "X-Request-Id": "chosen-by-the-client",
    }
    heard = front.get("/", headers=claims).json()["headers"]
    assert heard["X-Forwarded-For"] == "127.0.0.1"
    assert heard["X-Forwarded-Proto"] == "https"
    assert heard["X-Forwarded-Host"] == HOST
    assert not heard.keys() & {"X-Forwarded-Port", "X-Real-IP", "Forwarded"}
    assert heard["X-Request-Id"] != "chosen-by-the-client"


SECURITY = (
    "Strict-Transport-Security",
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "X-Request-Id",
)


def check(answer: httpx.Response) -> None:
    for name in SECURITY:
        assert len(answer.headers.get_list(name)) == 1, (answer.status_code, name)


def test_every_answer_has_each_header_once(front: Front) -> None:
    """S3.1: those of a service stay as they are, missing ones are added."""
    for answer in (
        front.get("/"),
        front.get("/own-header"),
        front.request("POST", "/", content=b"x" * 11 * 2**20),
        front.get("/", host=API_HOST),
        front.get("/", host=WEBSOCKET_HOST),
        front.get("/", headers={"Host": "other.example"}),
        front.get("/gone"),
        front.get("/api/gone"),
        front.get("/", headers={"X-Large": "x" * 9000}),
    ):
        check(answer)
    assert front.get("/own-header").headers["X-Frame-Options"] == "DENY"
    assert front.get("/").headers["X-Frame-Options"] == "SAMEORIGIN"


def test_http_on_the_port_of_https_is_refused_with_the_headers(front: Front) -> None:
    """S3.1; what would hold for HTTPS isn't said without it."""
    said = ask(front.ports["8443"], f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 400 ")
    assert {name: said.count(f"\r\n{name}: ".encode()) for name in SECURITY} == {
        name: 0 if name == "Strict-Transport-Security" else 1 for name in SECURITY
    }


def problem(answer: httpx.Response) -> tuple[int, str | None]:
    """What a program learns of an error: its status, and when to come back."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["title"] == httpx.codes.get_reason_phrase(answer.status_code).replace("Request Entity", "Content")
    assert said["request_id"] == answer.headers["X-Request-Id"]
    assert said["type"] == "about:blank"
    assert said["detail"]
    check(answer)
    return answer.status_code, answer.headers.get("Retry-After")


def test_programs_are_told_of_errors_in_json(front: Front) -> None:
    """RFC 9457, as the application's nginx has it; a service that is away is worth another try in 5 s."""
    large: dict[str, Any] = {"content": b"x" * 11 * 2**20}
    assert problem(front.request("POST", "/api/uploads", **large)) == (413, None)
    assert problem(front.request("POST", "/login", **large)) == (413, None)
    assert problem(front.request("POST", "/api/uploads", host=API_HOST, **large)) == (413, None)
    assert problem(front.get("/api/gone")) == (502, "5")
    assert problem(front.get("/nothing", host=API_HOST)) == (404, None)
    page = front.get("/gone")
    assert (page.status_code, page.headers["Retry-After"]) == (502, "5")
    assert page.headers["Content-Type"] == "text/html"


def test_an_answer_that_takes_too_long_is_a_504_and_a_websocket_has_an_hour(tmp_path: Path) -> None:
    """S3.4"""
    Echo.let_go.clear()
    Echo.heard.clear()
    with running(tmp_path, {"timeouts": {"edge": 5, "nginx": 4, "php": 3, "database": 1}}) as front:
        with ThreadPoolExecutor() as pool:
            socket_ = pool.submit(front.get, "/ws", headers={"X-Held": "yes"})
            wait_for(lambda: "GET /ws" in Echo.heard, "it to wait for its service", patience=20)
            try:
                assert problem(front.request("POST", "/api/x", headers={"X-Held": "yes"})) == (504, "5")
                assert not socket_.done()
            finally:
                Echo.let_go.set()
            assert socket_.result().status_code == 200
        configuration = (tmp_path / "site.conf").read_text()
    (sockets,) = re.findall(r"location = /ws {([^}]+)}", configuration)
    assert "proxy_read_timeout 1h;" in sockets
    assert "proxy_send_timeout 1h;" in sockets


def test_a_reader_that_stops_is_hung_up_on(tmp_path: Path) -> None:
    """In a second instead of a minute."""
    get = f"GET /much HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    with (
        running(tmp_path, instead={"send_timeout 60s": "send_timeout 1s"}) as front,
        front.connected(get, buffer=4096) as connection,
    ):
        ended = select.poll()
        ended.register(connection, select.POLLHUP | select.POLLERR)
        wait_for(lambda: ended.poll(0), "the connection to end", patience=60)


def test_more_than_ten_megabytes_are_refused(front: Front) -> None:
    assert front.request("POST", "/", content=b"x" * 11 * 2**20).status_code == 413
    assert front.request("POST", "/", content=b"x" * 10**7).status_code == 200


def test_a_body_goes_on_as_it_comes_and_waits_on_no_disk(front: Front) -> None:
    """It was stored whole: 26 uploads of 10 MB that never end were more than the pod's /tmp held, which ended it."""

    def body() -> Iterator[bytes]:
        yield b"x" * 200_000
        wait_for(lambda: "POST /slow" in Echo.begun, "the request to reach its service", patience=10)
        yield b"x" * 200_000

    assert front.request("POST", "/slow", content=body(), headers={"Content-Length": "400000"}).status_code == 200


def occupied(stack: ExitStack, front: Front, *more: str) -> Callable[[str], ssl.SSLSocket]:
    """As many requests as one client may have under way; begins another. more: their headers."""

    def begin(path: str, *headers: str) -> ssl.SSLSocket:
        lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", "Content-Length: 9", *(headers or more), "", ""]
        return stack.enter_context(front.connected("\r\n".join(lines).encode()))

    Echo.begun.clear()
    for _ in range(128):
        begin("/waits")
    wait_for(lambda: len(Echo.begun) == 128, "all of them to be under way", patience=60)
    return begin


def test_one_client_has_a_limit_of_requests_at_once(front: Front) -> None:
    """WebSockets, which stay, aren't among them."""
    with ExitStack() as stack:
        begin = occupied(stack, front)
        begin("/ws")
        wait_for(lambda: len(Echo.begun) == 129, "a WebSocket too", patience=20)
        refused = begin("/one-more").recv(4096)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nRetry-After: 1\r\n" in refused
        assert refused.count(b"X-Content-Type-Options") == 1
        assert problem(front.get("/api/one-more")) == (429, "1")


def test_an_address_of_ipv4_that_a_proxy_writes_as_ipv6_is_a_client_of_its_own(proxied: Front) -> None:
    """All of them had one limit together: they were one network of IPv6."""
    with ExitStack() as stack:
        begin = occupied(stack, proxied, "X-Forwarded-For: ::ffff:203.0.113.7")
        assert begin("/same").recv(4096).startswith(b"HTTP/1.1 429 ")
        other = proxied.get("/other", headers={"X-Forwarded-For": "::ffff:203.0.113.8"})
        assert other.status_code == 200
        assert proxied.line_of(other)["client"] == "203.0.113.0"


@pytest.mark.parametrize(
    ("host", "to"),
    [(HOST, HOST), (API_HOST, API_HOST), (f"{WEBSOCKET_HOST}:80", WEBSOCKET_HOST), ("evil.example", HOST)],
)
def test_http_is_sent_to_the_same_host_if_it_is_ours(front: Front, host: str, to: str) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", front.ports["8080"], timeout=10)
    plain.request("GET", "/path?a=b", headers={"Host": host})
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, f"https://{to}/path?a=b")
    for name in ("Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "X-XSS-Protection"):
        assert len(answer.headers.get_all(name) or []) == 1, name
    assert "Strict-Transport-Security" not in answer.headers, "said without TLS it means nothing"


def test_the_api_s_host_has_the_api_s_routes_and_nothing_else(front: Front) -> None:
    """S4.1"""
    for path in ("/api/exhibits", "/login", "/logout", "/health"):
        assert front.get(path, host=API_HOST).json()["port"] == port_of(front.app), path
    for path in ("/", "/ws", "/api", "/apix", "/login/x", "/config.json", "/api/../", "/api/%2e%2e/config.json"):
        answer = front.get(path, host=API_HOST)
        assert (answer.status_code, answer.json()["status"]) == (404, 404), path
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_websocket_s_host_has_nothing_but_the_service(front: Front) -> None:
    """S4.1"""
    assert front.get("/ws", host=WEBSOCKET_HOST).json()["port"] == port_of(front.websocket)
    for path in ("/", "/api/exhibits", "/ws/x", "/health", "/metrics"):
        assert front.get(path, host=WEBSOCKET_HOST).status_code == 404, path


def test_without_those_hosts_nobody_answers_for_them(tmp_path: Path) -> None:
    with running(tmp_path) as front:
        assert front.get("/").status_code == 200
        with pytest.raises(httpx.ConnectError):
            front.get("/api/exhibits", host=API_HOST)


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("203.0.113.7", "203.0.113.7"),
        # Whatever the client put before what the proxies wrote themselves is a claim.
        ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("10.9.9.9, 203.0.113.7", "203.0.113.7"),
        ("nonsense", "127.0.0.1"),
        ("2001:db8:5:6::7", "2001:db8:5:6::7"),
        ("203.0.113.7, 2001:db8:77::1, 10.1.2.3", "203.0.113.7"),
        ("2001:db8:78::1, 2001:db8:5:6::7, 2001:db8:77:ffff::1", "2001:db8:5:6::7"),
        ("2001:db8:5:6::7, 2001:db8:78::1", "2001:db8:78::1"),
    ],
)
def test_proxies_that_the_settings_name_say_who_the_client_is(proxied: Front, said: str, seen: str) -> None:
    """S3.2, beyond: the address that limits count by."""
    assert proxied.get("/", headers={"X-Forwarded-For": said}).json()["headers"]["X-Forwarded-For"] == seen


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running(
        tmp_path_factory.mktemp("proxied"), {"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:77::/48"]}
    ) as front:
        yield front


def test_what_may_not_be_asked_twice_never_is(front: Front) -> None:
    """A pod that goes hangs up: what was sent may have been done."""
    Echo.heard.clear()
    assert front.request("POST", "/gone").status_code == 502
    assert Echo.heard == ["POST /gone"]


def test_what_may_be_asked_twice_is_when_nobody_answered(front: Front) -> None:
    Echo.heard.clear()
    assert front.get("/gone").status_code == 502
    assert len(Echo.heard) > 1


def test_only_what_may_be_asked_twice_goes_over_a_connection_that_is_kept(front: Front) -> None:
    """Whoever keeps one may hang up at the moment that the next request is on its way."""

    def connection(method: str) -> int:
        number: int = front.request(method, "/").json()["connection"]
        return number

    kept = {connection("GET") for _ in range(8)}
    assert len(kept) < 8
    assert not {connection("POST") for _ in range(8)} & kept
    assert len({connection("POST") for _ in range(8)}) == 8


def test_another_host_is_not_answered(front: Front) -> None:
    with pytest.raises(httpx.ConnectError):
        front.get("/", host="other.example")
    assert front.get("/", headers={"Host": "other.example"}).status_code == 421


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_tls_is_refused_and_new_is_spoken(front: Front) -> None:
    """TLS 1.2 and later (service levels)."""
    assert connect(front, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert connect(front, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        connect(front, ssl.TLSVersion.TLSv1_1)


def test_a_client_that_speaks_both_gets_the_newer_tls_and_http(front: Front) -> None:
    """TLS 1.3 is preferred (service levels), and HTTP/2 is there for those who offer it."""
    for offered, chosen in ((["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1")):
        with front.connected(protocols=offered) as connection:
            assert connection.context.minimum_version <= ssl.TLSVersion.TLSv1_2
            assert (connection.version(), connection.selected_alpn_protocol()) == ("TLSv1.3", chosen)


def connect(front: Front, version: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context(cafile=str(front.folder / "tls.crt"))
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # so that it is the server who refuses
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", front.ports["8443"]), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        return secured.version()


def test_a_client_that_begins_tls_and_goes_no_further_takes_what_the_settings_count_with(tmp_path: Path) -> None:
    """S7, beyond: limits. As many as nginx lets in must fit its pod."""
    configuration = (CHECKOUT / "components/files/edge.conf").read_text()
    assert f"worker_connections {NGINX_CONNECTIONS};" in configuration
    with running(tmp_path, HOSTS) as front, ExitStack() as clients:
        clients.enter_context(begun(front))
        before = resident(front.worker())
        for _ in range(500):
            clients.enter_context(begun(front))
        edge = NginxEdge(flavour="nginx", url=f"https://{HOST}")
        each = (resident(front.worker()) - before) / 500
        assert 0 < each * NGINX_CONNECTIONS <= edge.memory * 1024**2


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def begun(front: Front) -> Iterator[None]:
    """A client that has said hello by TLS and heard the answer."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        front.context.wrap_bio(coming, going, server_hostname=HOST).do_handshake()
    with socket.create_connection(("127.0.0.1", front.ports["8443"]), timeout=10) as connection:
        connection.sendall(going.read())
        assert connection.recv(1) != b""
        yield


def test_a_service_that_is_away_is_a_502_with_the_headers(tmp_path: Path) -> None:
    with running(tmp_path) as front:
        front.websocket.shutdown()
        front.websocket.server_close()
        answer = front.get("/ws")
    assert answer.status_code == 502
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_logs_are_json_and_shorten_addresses(front: Front) -> None:
    """The query stays out, and what isn't ASCII: a line with it was no JSON."""
    for path in ("/quoted%22path?token=secret-thing", "/%ff%fe?token=secret-thing", "/api/gone?token=secret-thing"):
        line = front.line_of(front.get(path))
        assert (line["client"], line["path"]) == ("127.0.0.0", path.partition("?")[0])
    for odd in (b'/quoted"path', b"/\xff\xfe"):
        front.ask(b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (odd, HOST.encode()))
    wait_for(lambda: {'/quoted"path', "/"} <= {line["path"] for line in front.lines()}, "the lines, written afterwards")
    assert "secret-thing" not in (front.folder / "access.log").read_text()


def test_addresses_are_logged_whole_where_a_setting_says_so(tmp_path: Path) -> None:
    """DECISIONS: personal data"""
    with running(tmp_path, {"whole_addresses": True}) as front:
        assert front.line_of(front.get("/"))["client"] == "127.0.0.1"


def test_the_log_says_how_far_a_request_came_that_nobody_answered(tmp_path: Path) -> None:
    """nginx's own words about it, which have the client's whole address and the query, aren't written."""
    with running(tmp_path) as front:
        hung_up = front.line_of(front.get("/api/gone?token=secret-thing"))
        front.app.shutdown()
        front.app.server_close()
        refused = front.line_of(front.get("/api/gone?token=secret-thing"))
    assert {hung_up["status"], refused["status"]} == {502}
    assert float(hung_up["connect_seconds"].split(", ")[-1]) >= 0
    assert set(hung_up["header_seconds"].split(", ")) == {"-"}
    assert set(refused["connect_seconds"].split(", ")) == {"-"}
    errors = (tmp_path / "error.log").read_text()
    assert "127.0.0.1" not in errors
    assert "secret-thing" not in errors
