"""Who we are to the API server: certificates, tokens, and programs that make either."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from localcloud.plugins.kubernetes.errors import Unreachable
from localcloud.plugins.kubernetes.kubeconfig import Connection, content_of

_PROGRAM_TIMEOUT = 60.0  # seconds: some ask an identity provider
_EARLY = timedelta(seconds=10)  # renew before the server could see it expire
_TOKEN_FILE_AGE = timedelta(minutes=1)  # tokens in files are rotated in place


@dataclass(frozen=True)
class Identity:
    """What goes with each request, and until when it is good. Certificate and key are PEM."""

    headers: Mapping[str, str]
    certificate: bytes | None = None
    key: bytes | None = None
    expires: datetime | None = None

    @property
    def good(self) -> bool:
        return self.expires is None or datetime.now(UTC) < self.expires


class Credentials:
    """Makes the identity when it is first needed, and anew when it expires or the server refuses it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._identity: Identity | None = None

    @property
    def renewable(self) -> bool:
        """Whether asking again could give something else."""
        return bool(self._connection.user.get("exec") or self._connection.user.get("tokenFile"))

    def identity(self, refused: Identity | None = None) -> Identity:
        """The identity; another one than `refused` if one can be had."""
        with self._lock:
            current = self._identity
            if current is None or not current.good or current is refused:
                self._identity = current = self._make()
            return current

    def _make(self) -> Identity:
        user = self._connection.user
        if user.get("exec"):
            return self._run(user["exec"])
        certificate, key = content_of(user, "client-certificate"), content_of(user, "client-key")
        headers: dict[str, str] = {}
        expires = None
        if path := user.get("tokenFile"):
            try:
                headers = _bearer(Path(path).read_text().strip())
            except OSError as error:
                raise Unreachable(f"the kubeconfig's tokenFile can't be read: {error}") from None
            expires = datetime.now(UTC) + _TOKEN_FILE_AGE
        elif token := user.get("token"):
            headers = _bearer(token)
        elif name := user.get("username"):
            pair = f"{name}:{user.get('password', '')}".encode()
            headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return Identity(headers, certificate, key, expires)

    def _run(self, program: Mapping[str, Any]) -> Identity:
        """Run an exec plugin as kubectl does: it prints an ExecCredential."""
        command = [program["command"], *(program.get("args") or [])]
        spec: dict[str, Any] = {"interactive": False}
        if program.get("provideClusterInfo"):
            spec["cluster"] = {
                "server": self._connection.server,
                "insecure-skip-tls-verify": not self._connection.verify,
                "certificate-authority-data": base64.b64encode(self._connection.authority or b"").decode(),
            }
        request = {"apiVersion": program["apiVersion"], "kind": "ExecCredential", "spec": spec}
        environment = {
            **os.environ,
            **{item["name"]: item["value"] for item in program.get("env") or []},
            "KUBERNETES_EXEC_INFO": json.dumps(request),
        }
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_PROGRAM_TIMEOUT, check=True
            )
            status = json.loads(done.stdout)["status"]
        except FileNotFoundError:
            hint = program.get("installHint") or "install it, or change the kubeconfig"
            raise Unreachable(f"the kubeconfig asks {command[0]} for credentials, which isn't there: {hint}") from None
        except subprocess.CalledProcessError as error:
            raise Unreachable(
                f"{command[0]}, which the kubeconfig asks for credentials, failed: {error.stderr}"
            ) from None
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
            raise Unreachable(f"{command[0]}, which the kubeconfig asks for credentials: {error}") from None
        expires = status.get("expirationTimestamp")
        return Identity(
            _bearer(status["token"]) if status.get("token") else {},
            certificate=_encoded(status.get("clientCertificateData")),
            key=_encoded(status.get("clientKeyData")),
            expires=datetime.fromisoformat(expires) - _EARLY if expires else None,
        )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _encoded(text: str | None) -> bytes | None:
    return text.encode() if text else None
