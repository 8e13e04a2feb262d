"""The collector of logs as a process, as the platform configures it, over the log files of a node made up here."""

import gzip
import json
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from components.monitoring import answers, cloud, collector, loki, redaction, traces
from localcloud import toolchain
from tests.app.processes import free_port
from tests.waiting import wait_for

NAMESPACES = ("vision-week-app", "vision-week-data")


@dataclass(frozen=True)
class Line:
    """A line that reached the store. where: what its pod is known by. level: in a word."""

    text: str
    level: str
    where: Mapping[str, str]
    trace: str


@dataclass(frozen=True)
class Span:
    """A part of a trace that reached the store. caller: number of the span that it is a part of; '' of none."""

    name: str
    trace: str
    number: str
    caller: str
    seconds: float
    about: Mapping[str, str]
    failed: bool


class Store:
    """Stands in for Loki and for what keeps traces: takes OTLP's JSON, and knows it by heart.

    certificate: the folder with that for TLS; None where it is spoken to in clear.
    """

    def __init__(self, port: int, certificate: Path | None) -> None:
        self.port = port
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
        self._server: ThreadingHTTPServer | None = None
        self.lines: list[Line] = []
        self.spans: list[Span] = []

    def up(self) -> None:
        told = self._told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                told(self.path, json.loads(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        if self._context:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def down(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def _told(self, path: str, body: Mapping[str, Any]) -> None:
        assert path in {"/otlp/v1/logs", "/v1/logs", "/v1/traces"}
        for resource in body.get("resourceLogs", []):
            where = _known(resource["resource"])
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    text, level = record["body"]["stringValue"], record["severityText"]
                    self.lines.append(Line(text, level, where, record.get("traceId", "")))
        for resource in body.get("resourceSpans", []):
            where = _known(resource["resource"])
            for scope in resource["scopeSpans"]:
                self.spans.extend(_span(span, where) for span in scope["spans"])


def _known(of: Mapping[str, Any]) -> dict[str, str]:
    return {each["key"]: next(iter(each["value"].values())) for each in of.get("attributes", [])}


def _span(span: Mapping[str, Any], where: Mapping[str, str]) -> Span:
    return Span(
        name=span["name"],
        trace=span["traceId"],
        number=span["spanId"],
        caller=span.get("parentSpanId", ""),
        seconds=(int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e9,
        about={**where, **_known(span)},
        failed=span["status"].get("code") == 2,  # OTLP's STATUS_CODE_ERROR
    )


class Node:
    """A node's log files, and the collector that reads them. port: where the store is to be."""

    def __init__(
        self, folder: Path, *, truncated: bool = True, encoding: str = "json", google: int | None = None
    ) -> None:
        """encoding: of what is sent; the platform's is `proto`, and the stand-in reads JSON alone. google: the port of
        what stands in for Google's Telemetry API, where it keeps lines and spans."""
        self.folder, self.queue = folder, folder / "queue"
        self.port = free_port()
        self.spans = free_port()
        # Where it says what nginx answered.
        self.answers = free_port()
        # Where the collector brings spans.
        self.traces = self.port
        self._truncated, self._encoding, self._google = truncated, encoding, google
        self._health, self._metrics = free_port(), free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for place in ("queue", "files", "logs"):
            (folder / place).mkdir()
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        name = ["-subj", "/CN=loki", "-addext", "subjectAltName=DNS:loki"]
        files = ["-keyout", str(folder / "files/tls.key"), "-out", str(folder / "files/tls.crt")]
        subprocess.run([*make, *name, *files], check=True, capture_output=True)
        (folder / "files/authority.pem").write_text((folder / "files/tls.crt").read_text())

    def up(self) -> None:
        """Start the collector."""
        text = collector.configuration(
            f"https://127.0.0.1:{self.port}",
            NAMESPACES,
            shown=loki.NAME,
            truncated=self._truncated,
            logs=str(self.folder / "logs"),
            files=str(self.folder / "files"),
            data=str(self.queue),
            health=f"127.0.0.1:{self._health}",
            metrics=("127.0.0.1", self._metrics),
        )
        said = list(redaction.of_spans(truncated=self._truncated))
        store = collector.exporter(f"https://127.0.0.1:{self.traces}", loki.NAME, str(self.folder / "files"))
        parts = [text, answers.configuration(f"127.0.0.1:{self.answers}")]
        parts.append(traces.configuration(None if self._google else store, said, address=f"127.0.0.1:{self.spans}"))
        if self._google:
            parts.append(self._to_google(self._google))
        files = [self._written(number, part) for number, part in enumerate(parts)]
        self.start("otelcol-contrib", *(f"--config={file}" for file in files), *collector.GATES)

        def ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{self._health}/", trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        self.wait("otelcol-contrib", ready)

    def _written(self, number: int, part: str) -> Path:
        configuration = yaml.safe_load(part)
        for name, exporter in configuration.get("exporters", {}).items():
            if name.startswith("otlp_http"):
                exporter["encoding"] = self._encoding
        file = self.folder / f"files/collector-{number}.yaml"
        file.write_text(yaml.safe_dump(configuration, width=1000))
        return file

    def _to_google(self, port: int) -> str:
        """What is added for Google, but for the extension that logs in, which can't be had."""
        there = cloud.Cloud(project="a-project", region="europe-west1", cluster="vision-week")
        part = yaml.safe_load(
            cloud.configuration(there, collector.queue(), traced=True, endpoint=f"http://127.0.0.1:{port}")
        )
        (login,) = part.pop("extensions")
        part["service"]["extensions"].remove(login)
        for exporter in part["exporters"].values():
            assert exporter.pop("auth") == {"authenticator": login}
        return yaml.safe_dump(part)

    def down(self, program: str = "otelcol-contrib", sign: signal.Signals = signal.SIGKILL) -> None:
        """Killed, it has no moment to write anything down."""
        process = self._running.pop(program)
        process.send_signal(sign)
        process.wait(60)

    def stop(self) -> None:
        for program in list(self._running):
            self.down(program)

    def write(
        self,
        lines: Sequence[str],
        pod: str = "app-7c9d8b6f5d-x2k4p",
        container: str = "php",
        part: str = "F",
        age: int = 0,
    ) -> None:
        """As containerd does, into the file of a container. part: `P` where there is more of the line. age: seconds."""
        then = (datetime.now(UTC) - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
        folder = self.folder / "logs" / f"{NAMESPACES[0]}_{pod}_9f0a" / container
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "0.log").open("a") as file:
            for line in lines:
                file.write(f"{then} stderr {part} {line}\n")

    def put_aside(self, pod: str, last: Sequence[str]) -> None:
        """As the kubelet does with a large file, just after these lines."""
        self.write(last, pod)
        (file,) = (self.folder / "logs").glob(f"*_{pod}_*/php/0.log")
        file.rename(file.with_name("0.log.20260101-000000"))

    def number(self, name: str, of: str = "") -> float:
        """One of the collector's own numbers, summed over what it is told apart by. of: a label that it has."""
        told = httpx.get(f"http://127.0.0.1:{self._metrics}/metrics", trust_env=False).text.splitlines()
        lines = [line for line in told if line.startswith((f"{name}{{", f"{name} ")) and of in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def answered(self) -> dict[str, float]:
        """What nginx answered, as Prometheus is told: labels -> how often."""
        told = httpx.get(f"http://127.0.0.1:{self.answers}/metrics", trust_env=False).text.splitlines()
        counted = (line for line in told if line.startswith(answers.COUNTED))
        return {line.partition("{")[2].partition("}")[0]: float(line.rpartition(" ")[2]) for line in counted}

    def running(self, program: str) -> int:
        """Its process."""
        return self._running[program].pid

    def start(self, program: str, *words: str) -> None:
        with (self.folder / f"{program}.log").open("ab") as output:
            self._running[program] = subprocess.Popen(
                [toolchain.binary(program), *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def wait(self, program: str, ready: Callable[[], bool]) -> None:
        def there() -> bool:
            said = (self.folder / f"{program}.log").read_text()[-4000:]
            assert self._running[program].poll() is None, said
            return ready()

        wait_for(there, f"{program} to be ready", every=0.2)


@contextmanager
def collecting(folder: Path, *, truncated: bool = True) -> Iterator[tuple[Node, Store]]:
    """A collector and what stands in for Loki, both running."""
    node = Node(folder, truncated=truncated)
    store = Store(node.port, folder / "files")
    try:
        store.up()
        node.up()
        yield node, store
    finally:
        node.stop()
        store.down()
