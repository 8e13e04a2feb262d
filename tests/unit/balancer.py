"""Our own load balancer as its pod has it: the component's configuration in a real nginx, on free ports of this
machine, before services that repeat what they hear or before whatever a test leads it to."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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

from tests.app.processes import free_port
from tests.app.raw import answer
from tests.unit import edges
from tests.unit.edges import API_HOST, HOST, WEBSOCKET_HOST
from tests.waiting import wait_for


class Echo(BaseHTTPRequestHandler):
    """Says which service it is, which headers reached it and over which connection; with one of S3.1's own on
    `/own-header`, and much more than that on `/much`. On a path that ends in `gone` it hangs up instead of answering,
    a request with `X-Held` it answers when `let_go` is set."""

    protocol_version = "HTTP/1.1"
    begun: ClassVar[list[str]] = []
    heard: ClassVar[list[str]] = []
    let_go: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.begun.append(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length", 0))
        if len(self.rfile.read(length)) < length:
            self.close_connection = True
            return
        self.heard.append(f"{self.command} {self.path}")
        if self.path.partition("?")[0].endswith("gone"):
            self.close_connection = True
            return
        if "X-Held" in self.headers:
            self.let_go.wait()
        connection = self.client_address[1]
        body = json.dumps(
            {"port": port_of(self.server), "connection": connection, "headers": dict(self.headers)}
        ).encode()
        if self.path == "/much":
            body = bytes(32 * 2**20)
        self.send_response(200)
        if self.path == "/own-header":
            self.send_header("X-Frame-Options", "DENY")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # Who asked may be gone.
        with suppress(ConnectionError):
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

    def __init__(
        self, folder: Path, services: Mapping[str, int], instead: Mapping[str, str], settings: Mapping[str, Any]
    ) -> None:
        self.folder = folder
        self.settings = settings
        self._instead = instead
        self.ports = {name: free_port() for name in ("8080", "8081", "8443")}
        self.app = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.websocket = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self._services = {"app": port_of(self.app), "websocket": port_of(self.websocket), **services}
        self.context = ssl.create_default_context(cafile=str(folder / "tls.crt"))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def request(self, method: str, path: str, *, host: str = HOST, **more: Any) -> httpx.Response:
        headers = {"Host": host, **more.pop("headers", {})}
        extensions = {"sni_hostname": host}
        with httpx.Client(verify=self.context, timeout=30) as client:
            url = f"https://127.0.0.1:{self.ports['8443']}{path}"
            return client.request(method, url, headers=headers, extensions=extensions, **more)

    def configuration(self) -> str:
        """The component's files, on free ports of this machine."""
        files = edges.built("nginx", **self.settings).one("ConfigMap", "edge").inputs["data"]
        site = files["site.conf"]
        for service, own in (("app", 8080), ("websocket", 8090)):
            address = f"127.0.0.1:{self._services[service]}"
            site = site.replace(f"{service}.apps.svc.cluster.local:{own}", address)
        (self.folder / "site.conf").write_text(self._here(site))
        main = self.folder / "nginx.conf"
        main.write_text(self._here(files["nginx.conf"]))
        return str(main)

    def _here(self, text: str) -> str:
        for ours, other in self._instead.items():
            text = text.replace(ours, other)
        for port, own in self.ports.items():
            text = text.replace(f"listen {port}", f"listen 127.0.0.1:{own}")
        text = re.sub(r"(?<!\S)(/tmp|/etc/vision-week|/etc/vision-week-tls)/", f"{self.folder}/", text)
        return text.replace("/dev/stdout", f"{self.folder}/access.log")

    @contextmanager
    def connected(
        self, sent: bytes = b"", *, host: str = HOST, buffer: int | None = None, protocols: Sequence[str] = ()
    ) -> Iterator[ssl.SSLSocket]:
        """A connection by TLS on which something was said. buffer: bytes that it takes in before somebody reads.
        protocols: what it offers to speak."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        if protocols:
            context.set_alpn_protocols(protocols)
        with socket.socket() as plain:
            if buffer is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            plain.settimeout(30)
            plain.connect(("127.0.0.1", self.ports["8443"]))
            with context.wrap_socket(plain, server_hostname=host) as secured:
                secured.sendall(sent)
                yield secured

    def ask(self, sent: bytes, *, host: str = HOST) -> bytes:
        """What is said until the other side hangs up."""
        with self.connected(sent, host=host) as connection:
            return answer(connection)

    def lines(self) -> list[dict[str, Any]]:
        """Of the access log."""
        return [json.loads(line) for line in (self.folder / "access.log").read_bytes().splitlines()]

    def line_of(self, answer: httpx.Response) -> dict[str, Any]:
        """The line of a request; nginx writes it after the answer."""
        number = answer.headers["X-Request-Id"]
        return wait_for(
            lambda: next((line for line in self.lines() if line["request_id"] == number), None), "the line in the log"
        )

    def worker(self) -> int:
        """The process that serves."""
        (children,) = Path(f"/proc/{(self.folder / 'nginx.pid').read_text().strip()}/task").glob("*/children")
        return int(wait_for(children.read_text, "the worker to start"))


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
def running(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    services: Mapping[str, int] | None = None,
    instead: Mapping[str, str] | None = None,
) -> Iterator[Front]:
    """An edge with these settings. services: ports of the real ones, by name, where a test has them. instead: other
    words for some of its configuration."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        pytest.skip("nginx isn't installed; `make test` installs it")
    write_certificate(folder)
    front = Front(folder, services or {}, instead or {}, settings or {})
    for server in (front.app, front.websocket):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    configuration = front.configuration()
    subprocess.run([nginx, "-t", "-q", "-c", configuration], check=True)
    command = [nginx, "-e", "stderr", "-c", configuration, "-g", "daemon off; user root;"]
    with (folder / "error.log").open("wb") as errors:
        process = subprocess.Popen(command, stderr=errors)
    try:
        wait_until_open(front.ports["8443"], process)
        yield front
    finally:
        process.terminate()
        process.wait(timeout=10)
        for server in (front.app, front.websocket):
            server.shutdown()
            server.server_close()


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket() as one:
            one.settimeout(0.1)
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.fail(f"nginx ended with {process.returncode}")
