"""A Kubernetes control plane of a test's own: etcd, API server and controllers, real ones, without nodes.

Everything that the API decides is therefore real: validation, defaults, field managers, garbage collection, roll-outs.
Nothing runs: where a test needs pods to become ready or to fail, it plays the kubelet and says so (`kubelet.py`).
"""

import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud import toolchain
from localcloud.cluster import audit

_READY = 60.0  # seconds: the API server takes about five on a quiet machine


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane; `kubeconfig` is that of its administrator. Its audit log is in `audit`."""

    directory: Path
    port: int
    kubeconfig: Path
    server: "Program"

    @property
    def audit(self) -> Path:
        return self.directory / "audit"

    @property
    def config(self) -> dict[str, Any]:
        """The kubeconfig's content."""
        loaded: dict[str, Any] = yaml.safe_load(self.kubeconfig.read_text())
        return loaded

    def await_ready(self) -> None:
        """Return as soon as the API server is ready, after a restart for one."""
        _await_ready(self.directory, self.port)


@contextmanager
def control_plane(directory: Path) -> Iterator[ControlPlane]:
    """Run a control plane whose files are in `directory`; it is gone when the block is left."""
    authority, key = _authority()
    _write(directory, "ca", authority, key)
    _write(directory, "server", *_signed(authority, key, "kube-apiserver", server=True))
    _write(directory, "admin", *_signed(authority, key, "admin", organization="system:masters"))
    _write(directory, "accounts", *_signed(authority, key, "accounts"))
    etcd, peer, port, manager = _free_ports(4)
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(directory, port)))
    (directory / "audit.json").write_text(json.dumps(audit.policy()))
    server = Program(directory, "kube-apiserver", _apiserver(directory, etcd, port))
    with ExitStack() as running:
        running.enter_context(Program(directory, "etcd", _etcd(directory, etcd, peer)))
        running.enter_context(server)
        _await_ready(directory, port)
        running.enter_context(Program(directory, "kube-controller-manager", _manager(directory, manager)))
        yield ControlPlane(directory, port, kubeconfig, server)


def _etcd(directory: Path, port: int, peer: int) -> list[str]:
    return [
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{port}",
        f"--advertise-client-urls=http://127.0.0.1:{port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
    ]


def _apiserver(directory: Path, etcd: int, port: int) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={directory / 'server.crt'}",
        f"--tls-private-key-file={directory / 'server.key'}",
        f"--client-ca-file={directory / 'ca.crt'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={directory / 'accounts.crt'}",
        f"--service-account-signing-key-file={directory / 'accounts.key'}",
        "--watch-cache=true",
        *audit.options(str(directory), str(directory / "audit")),
    ]


def _manager(directory: Path, port: int) -> list[str]:
    return [
        f"--kubeconfig={directory / 'kubeconfig'}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
        "--kube-api-qps=200",  # by default 20: deletions wait for the garbage collector
        "--kube-api-burst=400",
        f"--root-ca-file={directory / 'ca.crt'}",
        f"--service-account-private-key-file={directory / 'accounts.key'}",
        f"--cert-dir={directory / 'manager'}",
    ]


class Program:
    """A program of the control plane; it runs while its block lasts, and may be killed and started again meanwhile."""

    def __init__(self, directory: Path, name: str, arguments: list[str]) -> None:
        self._log = directory / f"{name}.log"
        # It goes with the test run, however that ends.
        self._command = ["setpriv", "--pdeathsig", "KILL", str(toolchain.binary(name)), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Program":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it at once, as a failing machine would."""
        if self._process:
            self._process.kill()
            self._process.wait()


def _await_ready(directory: Path, port: int) -> None:
    context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    context.load_cert_chain(directory / "admin.crt", directory / "admin.key")
    deadline = time.monotonic() + _READY
    while True:
        try:
            connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            log = (directory / "kube-apiserver.log").read_text()
            raise TimeoutError(f"the API server is not ready after {_READY:.0f} s:\n{log[-3000:]}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports that are free now: all held at once, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _kubeconfig(directory: Path, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "test",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(directory / "ca.crt")},
            }
        ],
        "users": [
            {
                "name": "admin",
                "user": {
                    "client-certificate": str(directory / "admin.crt"),
                    "client-key": str(directory / "admin.key"),
                },
            }
        ],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }


def certificate_authority() -> bytes:
    """The certificate of an authority that nobody knows."""
    return _authority()[0].public_bytes(serialization.Encoding.PEM)


def _authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test control plane")])
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def _signed(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    common_name: str,
    *,
    organization: str = "",
    server: bool = False,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(x509.Name(attributes), authority.subject, key).add_extension(
        x509.ExtendedKeyUsage([usage]), critical=False
    )
    if server:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(authority_key, hashes.SHA256()), key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _write(directory: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
