"""The edge: its objects by mocks, its configuration in a real nginx before a service that repeats what it hears."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer
from typing import Any, ClassVar, cast

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from components.edge import entrance
from components.settings import NGINX_CONNECTIONS, NginxEdge
from tests.unit import edges
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


class Echo(BaseHTTPRequestHandler):
    """Says which service it is, which headers reached it and over which connection; with one of S3.1's own on
    `/own-header`. On `/gone` it hangs up instead of answering."""

    protocol_version = "HTTP/1.1"
    begun: ClassVar[list[str]] = []
    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.begun.append(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length", 0))
        if len(self.rfile.read(length)) < length:
            self.close_connection = True
            return
        self.heard.append(f"{self.command} {self.path}")
        if self.path == "/gone":
            self.close_connection = True
            return
        connection = self.client_address[1]
        body = json.dumps(
            {"port": port_of(self.server), "connection": connection, "headers": dict(self.headers)}
        ).encode()
        self.send_response(200)
        if self.path == "/own-header":
            self.send_header("X-Frame-Options", "DENY")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def port_of(server: BaseServer) -> int:
    _, port = cast("tuple[str, int]", server.server_address)
    return port


class Front:
    """A running edge and where its ports are."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = settings
        self.ports = {name: free_port() for name in ("8080", "8081", "8443")}
        self.app = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.websocket = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.context = ssl.create_default_context(cafile=str(folder / "tls.crt"))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def request(self, method: str, path: str, *, host: str = HOST, **more: Any) -> httpx.Response:
        headers = {"Host": host, **more.pop("headers", {})}
        extensions = {"sni_hostname": host}
        with httpx.Client(verify=self.context, timeout=10) as client:
            url = f"https://127.0.0.1:{self.ports['8443']}{path}"
            return client.request(method, url, headers=headers, extensions=extensions, **more)

    def configuration(self) -> str:
        """The component's files, on free ports of this machine."""
        files = built(**self.settings).one("ConfigMap", "edge").inputs["data"]
        site = files["site.conf"]
        for service, server in (("app", self.app), ("websocket", self.websocket)):
            address = f"127.0.0.1:{port_of(server)}"
            site = site.replace(f"{service}.apps.svc.cluster.local:{8080 if service == 'app' else 8090}", address)
        (self.folder / "site.conf").write_text(self._here(site))
        main = self.folder / "nginx.conf"
        main.write_text(self._here(files["nginx.conf"]))
        return str(main)

    def _here(self, text: str) -> str:
        for port, own in self.ports.items():
            text = text.replace(f"listen {port}", f"listen 127.0.0.1:{own}")
        text = re.sub(r"(?<!\S)(/tmp|/etc/vision-week|/etc/vision-week-tls)/", f"{self.folder}/", text)
        return text.replace("/dev/stdout", f"{self.folder}/access.log")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in (HOST, API_HOST, WEBSOCKET_HOST)]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(private)


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Front]:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        pytest.skip("nginx isn't installed; `make test` installs it")
    write_certificate(folder)
    front = Front(folder, **settings)
    for server in (front.app, front.websocket):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    configuration = front.configuration()
    subprocess.run([nginx, "-t", "-q", "-c", configuration], check=True)
    process = subprocess.Popen([nginx, "-c", configuration, "-g", "daemon off; user root;"])
    try:
        wait_until_open(front.ports["8443"], process)
        yield front
    finally:
        process.terminate()
        process.wait(timeout=10)
        for server in (front.app, front.websocket):
            server.shutdown()
            server.server_close()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running(tmp_path_factory.mktemp("edge"), **HOSTS) as front:
        yield front


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket() as one:
            one.settimeout(0.1)
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.fail(f"nginx ended with {process.returncode}")


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


def test_every_answer_has_each_header_once(front: Front) -> None:
    """S3.1: those of a service stay as they are, missing ones are added."""
    for answer in (
        front.get("/"),
        front.get("/own-header"),
        front.request("POST", "/", content=b"x" * 11 * 2**20),
        front.get("/", host=API_HOST),
        front.get("/", host=WEBSOCKET_HOST),
    ):
        for name in (
            "Strict-Transport-Security",
            "Content-Security-Policy",
            "X-Frame-Options",
            "X-Content-Type-Options",
            "X-XSS-Protection",
            "X-Request-Id",
        ):
            assert len(answer.headers.get_list(name)) == 1, (answer.status_code, name)
    assert front.get("/own-header").headers["X-Frame-Options"] == "DENY"
    assert front.get("/").headers["X-Frame-Options"] == "SAMEORIGIN"


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


def test_one_client_has_a_limit_of_requests_at_once(front: Front) -> None:
    """WebSockets, which stay, aren't among them."""
    with contextlib.ExitStack() as stack:

        def begin(path: str) -> ssl.SSLSocket:
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", front.ports["8443"]), timeout=10))
            secured = stack.enter_context(front.context.wrap_socket(plain, server_hostname=HOST))
            secured.sendall(f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\n".encode())
            return secured

        Echo.begun.clear()
        for _ in range(128):
            begin("/waits")
        wait_for(lambda: len(Echo.begun) == 128, "all of them to be under way", patience=20)
        begin("/ws")
        wait_for(lambda: len(Echo.begun) == 129, "a WebSocket too", patience=20)
        answer = begin("/one-more").recv(4096)
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert answer.count(b"X-Content-Type-Options") == 1


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
    ],
)
def test_proxies_that_the_settings_name_say_who_the_client_is(proxied: Front, said: str, seen: str) -> None:
    """S3.2, beyond: the address that limits count by."""
    assert proxied.get("/", headers={"X-Forwarded-For": said}).json()["headers"]["X-Forwarded-For"] == seen


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running(tmp_path_factory.mktemp("proxied"), trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"]) as front:
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
    with running(tmp_path, **HOSTS) as front, ExitStack() as clients:
        clients.enter_context(begun(front))
        before = memory_of_the_worker(tmp_path)
        for _ in range(500):
            clients.enter_context(begun(front))
        edge = NginxEdge(flavour="nginx", url=f"https://{HOST}")
        each = (memory_of_the_worker(tmp_path) - before) / 500
        assert 0 < each * NGINX_CONNECTIONS <= edge.memory * 1024**2


def memory_of_the_worker(folder: Path) -> int:
    """Bytes."""
    (children,) = Path(f"/proc/{(folder / 'nginx.pid').read_text().strip()}/task").glob("*/children")
    pages = Path(f"/proc/{children.read_text().strip()}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


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
    front.get('/quoted"path')

    def entries() -> list[Any]:
        return [json.loads(line) for line in (front.folder / "access.log").read_text().splitlines()]

    wait_for(lambda: any(entry["path"] == '/quoted"path' for entry in entries()), "the entry, written after the answer")
    assert {entry["client"] for entry in entries()} == {"127.0.0.0"}
