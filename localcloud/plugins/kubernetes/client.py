"""The API server over HTTP: one pool of connections, JSON in and out, patient where patience is right.

Not the `kubernetes` package: importing it alone takes longer than a preview should, and what is needed of it is this.
"""

import json
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from localcloud.plugins.kubernetes.credentials import Credentials, Identity
from localcloud.plugins.kubernetes.errors import ApiError, Unreachable
from localcloud.plugins.kubernetes.kubeconfig import Connection
from localcloud.plugins.quarantine import local

JSON = "application/json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
JSON_PATCH = "application/json-patch+json"

PATIENCE = 30.0  # seconds that an API server gets to come back: one that restarts needs 5 to 15
_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 60.0  # the API server's own limit for a request that isn't a watch
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0
_CONNECTIONS = 64


@dataclass(frozen=True)
class _Request:
    """What is asked: of which path, with which body."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    stream: bool = False


class Client:
    """Requests to one API server. May be used by many threads at once.

    cancelled: ends every pause.
    warn: takes what the API server warns of: deprecated versions, unknown fields, Pod Security.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        cancelled: threading.Event,
        warn: Callable[[str], None] = lambda _: None,
        read_timeout: float | None = None,
    ) -> None:
        self.connection = connection
        self.cancelled = cancelled
        self._warn = warn
        self._read_timeout = read_timeout or _READ_TIMEOUT
        self._credentials = Credentials(connection)
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None
        self._pool_of: tuple[bytes | None, bytes | None] | None = None

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        patience: float = PATIENCE,
    ) -> Any:
        """Ask, and give the answer's JSON; raises `ApiError` or `Unreachable`.

        patience: seconds for a server that doesn't answer. One that answers "later" is asked again in any case.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        response = self._answered(_Request(method, _path(path, query), data, content_type, accept), patience)
        for warning in response.headers.getlist("Warning"):
            self._warn(_warning_text(warning))
        return json.loads(response.data)

    def text(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """Ask for something that isn't JSON: a container's log."""
        answer = self._answered(_Request("GET", _path(path, query), accept="*/*"), patience=0)
        return answer.data.decode(errors="replace")

    def watch(self, path: str, query: Mapping[str, Any]) -> "Stream":
        """Follow changes. The answer comes at once; its events as they happen."""
        response = self._send(_Request("GET", _path(path, {**query, "watch": "true"}), stream=True))
        if response.status >= 400:
            raise _error(response)
        return Stream(response)

    def _answered(self, request: _Request, patience: float) -> urllib3.BaseHTTPResponse:
        begun = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            wait = pause
            try:
                response = self._send(request)
            except Unreachable:
                if time.monotonic() + wait > begun + patience:
                    raise
            else:
                if response.status < 400:
                    return response
                asked = response.headers.get("Retry-After", "")
                again = response.status == 429 or (response.status >= 500 and asked)
                if not again or time.monotonic() > begun + PATIENCE:
                    raise _error(response)
                wait = max(wait, float(asked)) if asked.isdigit() else wait
            if self.cancelled.wait(wait):
                raise Unreachable("cancelled")
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _send(self, request: _Request) -> urllib3.BaseHTTPResponse:
        identity = self._credentials.identity()
        response = self._send_as(identity, request)
        if response.status == 401 and self._credentials.renewable:
            response.drain_conn()
            response = self._send_as(self._credentials.identity(refused=identity), request)
        return response

    def _send_as(self, identity: Identity, request: _Request) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": request.accept, "User-Agent": "vision-week-localcloud", **identity.headers}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        timeout = urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=None if request.stream else self._read_timeout)
        try:
            return self._pool_for(identity).request(
                request.method,
                self.connection.server + request.path,
                body=request.body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=not request.stream,
            )
        except (HTTPError, OSError) as error:
            raise Unreachable(f"no answer from {self.connection.server}: {_cause(error)}") from None

    def _pool_for(self, identity: Identity) -> urllib3.PoolManager:
        wanted = (identity.certificate, identity.key)
        with self._lock:
            if self._pool is None or self._pool_of != wanted:
                self._pool, self._pool_of = _make_pool(self.connection, identity), wanted
            return self._pool


class _Local:
    """A connection that goes nowhere but to this machine, whatever its server's name has come to mean since."""

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]  # urllib3's own hook
        address = str(made.getpeername()[0])
        if not local(address):
            made.close()
            raise OSError(f"{address} is not on this machine")
        return made


class _LocalConnection(_Local, HTTPConnection):
    pass


class _LocalTlsConnection(_Local, HTTPSConnection):
    pass


class _LocalPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _LocalConnection


class _LocalTlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _LocalTlsConnection


class Stream:
    """The events of one watch, as they come."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each event; ends when the server ends the watch or `close` is called."""
        rest = b""
        try:
            for chunk in self._response.stream(amt=None):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line)
        except (HTTPError, OSError, ValueError, AttributeError):
            # Broken off by either side; `close` from another thread tears the connection out of the reader's hands.
            return
        finally:
            self._response.close()

    def close(self) -> None:
        """End the watch, from any thread: the reader wakes."""
        try:
            self._response.shutdown()
        except (ValueError, OSError):  # it has ended already
            return


def _make_pool(connection: Connection, identity: Identity) -> urllib3.PoolManager:
    options: dict[str, Any] = {"num_pools": 2, "maxsize": _CONNECTIONS}
    if connection.server.startswith("https:"):
        options["ssl_context"] = _tls(connection, identity)
        if connection.server_name:
            options["server_hostname"] = options["assert_hostname"] = connection.server_name
    pool = urllib3.PoolManager(**options)
    pool.pool_classes_by_scheme = {"http": _LocalPool, "https": _LocalTlsPool}
    return pool


def _tls(connection: Connection, identity: Identity) -> ssl.SSLContext:
    try:
        if connection.verify:
            text = connection.authority.decode() if connection.authority else None
            context = ssl.create_default_context(cadata=text)
            # Clusters' own authorities are often older than this flag of Python 3.13 and don't satisfy it.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if identity.certificate and identity.key:
            # OpenSSL reads them from files alone; this one is ours, and gone at once.
            with tempfile.NamedTemporaryFile() as pair:
                Path(pair.name).write_bytes(identity.certificate + b"\n" + identity.key)
                context.load_cert_chain(pair.name)
    except (ssl.SSLError, ValueError) as error:
        raise Unreachable(f"the kubeconfig's certificates don't do: {error}") from None
    return context


def _path(path: str, query: Mapping[str, Any] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _error(response: urllib3.BaseHTTPResponse) -> ApiError:
    try:
        body = json.loads(response.data)
    except ValueError:
        body = None
    fallback = f"HTTP {response.status}: {response.data.decode(errors='replace')[:500]}"
    return ApiError.of(response.status, body if isinstance(body, dict) else None, fallback)


def _warning_text(header: str) -> str:
    """The text of a `Warning: 299 - "…"` header."""
    return header.partition(' "')[2].removesuffix('"').replace('\\"', '"') or header


def _cause(error: Exception) -> str:
    """The innermost reason: urllib3 wraps several times, with its objects' addresses in the words."""
    inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
    if isinstance(inner, Exception) and inner is not error:
        return _cause(inner)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
