"""Stands between a client and a real API server, and brings bad luck: refusals, lost answers, broken watches.

It speaks plain HTTP on loopback and passes everything on, as the control plane's administrator or with the client's own
token, except for what a test tells it to spoil.
"""

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from localcloud.rehearsal.control_plane import ControlPlane

Fate = Literal["pass", "busy", "lost", "held", "cut"]
_CHUNK = 65536


@dataclass
class Middleman:
    """A running middleman.

    fate: what becomes of a request, by its method and path: passed on; `busy`: refused with 429; `lost`: done, and the
    connection broken before the answer; `held`: done, and not answered while the block lasts; `cut`: the connection
    broken after the first part of the answer, as befalls watches.
    seen: the requests so far.
    """

    address: str
    fate: Callable[[str, str], Fate] = lambda *_: "pass"
    seen: list[tuple[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def kubeconfig(self, user: dict[str, Any] | None = None) -> str:
        """A kubeconfig that leads here."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "it", "cluster": {"server": self.address}}],
                "users": [{"name": "it", "user": user or {}}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "current-context": "it",
            }
        )


@contextmanager
def middleman(plane: ControlPlane) -> Iterator[Middleman]:
    """Stand in the middle while the block lasts."""
    context = ssl.create_default_context(cafile=str(plane.directory / "ca.crt"))
    context.load_cert_chain(plane.directory / "admin.crt", plane.directory / "admin.key")
    anonymous = ssl.create_default_context(cafile=str(plane.directory / "ca.crt"))
    here: Middleman

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            here.seen.append((self.command, self.path))
            fate = here.fate(self.command, self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.close_connection = True
            with suppress(OSError, http.client.HTTPException):
                if fate == "busy":
                    self._refuse()
                else:
                    self._pass_on(fate, body)

        def _refuse(self) -> None:
            self.send_response(429)
            self.send_header("Retry-After", "1")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"too many requests, please try again later")

        def _pass_on(self, fate: Fate, body: bytes) -> None:
            with_token = "Authorization" in self.headers
            server = http.client.HTTPSConnection(
                "127.0.0.1", plane.port, context=anonymous if with_token else context, timeout=400
            )
            kept = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
            server.request(self.command, self.path, body or None, kept)
            answer = server.getresponse()
            if fate in {"lost", "held"}:
                answer.read()
                if fate == "held":
                    here.over.wait()
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                    self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")  # as the API server does: watches are read by the chunk
            self.send_header("Connection", "close")
            self.end_headers()
            while part := answer.read1(_CHUNK):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                if fate == "cut":
                    return
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  the base class's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Middleman(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield here
    finally:
        here.over.set()
        server.shutdown()
