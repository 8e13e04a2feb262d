"""Somebody who is told of alerts: a pod outside of the platform's namespaces that writes down what it hears, by TLS."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import wait_for

PORT = 9443
_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
_PROGRAM = f"""
import http.server, ssl

class Told(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(self.path, body, flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("", {PORT}), Told)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/etc/receiver/tls.crt", "/etc/receiver/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@dataclass(frozen=True)
class Receiver:
    """Where it is told, and whom it is signed by: itself."""

    namespace: str
    path: str
    certificate: str

    @property
    def address(self) -> str:
        return f"https://{_host(self.namespace)}:{PORT}{self.path}"

    def heard(self) -> list[dict[str, Any]]:
        """Each alert that it was told of, with its labels and status, the first one first."""
        lines = _kubectl("-n", self.namespace, "logs", "pod/receiver").splitlines()
        messages = [json.loads(body) for path, _, body in (line.partition(" ") for line in lines) if path == self.path]
        return [alert for message in messages for alert in message["alerts"]]


@contextmanager
def receiver(folder: Path) -> Iterator[Receiver]:
    """The pod, ready. folder: for its key."""
    namespace = f"receiver-{secrets.token_hex(4)}"
    key, certificate = folder / "tls.key", folder / "tls.crt"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=receiver", "-addext", f"subjectAltName=DNS:{_host(namespace)}"]
    subprocess.run([*made, *named, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    pair = {"tls.crt": certificate.read_text(), "tls.key": key.read_text()}
    objects = json.dumps(_objects(namespace, pair))
    try:
        # The first to speak to a cluster that somebody else has just left: it may be busy for a moment.
        wait_for(lambda: _kubectl("apply", "-f", "-", stdin=objects, check=False), "the receiver to be made")
        _kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/receiver", "--timeout=180s")
        yield Receiver(namespace, f"/{secrets.token_hex(16)}", certificate.read_text())
    finally:
        _kubectl("delete", "namespace", namespace, "--wait=false")


def _host(namespace: str) -> str:
    return f"receiver.{namespace}.svc.cluster.local"


def _objects(namespace: str, pair: dict[str, str]) -> dict[str, Any]:
    labels = {"app": "receiver"}
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    container = {
        "name": "main",
        "image": _IMAGE,
        "command": ["python", "-c", _PROGRAM],
        "securityContext": security,
        "volumeMounts": [{"name": "certificate", "mountPath": "/etc/receiver"}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "certificate", "secret": {"secretName": "receiver"}}],
    }
    service = {"clusterIP": "None", "selector": labels, "ports": [{"port": PORT}]}
    meta = {"name": "receiver", "namespace": namespace, "labels": labels}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "stringData": pair},
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _kubectl(*words: str, stdin: str | None = None, check: bool = True) -> str:
    """What it printed; nothing where it failed and may."""
    done = subprocess.run(["kubectl", *words], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    assert not check, f"kubectl {words}: {done.stderr}"
    print(done.stderr)  # noqa: T201  pytest shows it if the wait is in vain
    return ""
