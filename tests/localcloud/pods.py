"""Pods for the tests of the cluster: hardened like everybody's, doing nothing until they are told to."""

from collections.abc import Sequence
from typing import Any

from kubernetes import client
from kubernetes.stream import stream

from tests.waiting import wait_for

IMAGE = "docker.io/library/python:3.11-slim-bookworm"

# Answers with the pod's name, or on /caller with the address of who asks.
SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        answer = self.client_address[0] if self.path == "/caller" else os.environ["HOSTNAME"]
        self.wfile.write(answer.encode())
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


class Pods:
    """The pods of one namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.api = api
        self.core: Any = client.CoreV1Api(api)  # its types would have every body spelt out in classes
        self.namespace = namespace

    def start(
        self,
        name: str,
        *,
        node: str | None = None,
        claim: str | None = None,
        user: int = 1000,
        account: str = "default",
        image: str = IMAGE,
        scratch: Sequence[str] = (),
    ) -> str:
        """Start a pod that serves on 8080, on this node and with this claim at /data; give its address.

        image: any with Python. scratch: where it may write.
        """
        volumes: list[dict[str, Any]] = [{"name": f"scratch-{n}", "emptyDir": {}} for n, _ in enumerate(scratch)]
        mounts = [{"name": f"scratch-{number}", "mountPath": path} for number, path in enumerate(scratch)]
        if claim:
            volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
            mounts.append({"name": "data", "mountPath": "/data"})
        body = {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
                "serviceAccountName": account,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": user,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "main",
                        "image": image,
                        "command": ["python3", "-c", SERVER],
                        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": mounts,
                    }
                ],
                "volumes": volumes,
            },
        }
        wait_for(lambda: account in self._accounts(), f"the service account {account}")
        self.core.create_namespaced_pod(self.namespace, body)
        return wait_for(lambda: self._address_if_ready(name), f"pod {name} ready")

    def run(self, name: str, *command: str) -> str:
        """Run a command in a pod; give what it printed, errors included."""
        return str(
            stream(
                self.core.connect_get_namespaced_pod_exec,
                name,
                self.namespace,
                command=list(command),
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
            )
        )

    def python(self, name: str, program: str) -> str:
        """Run a Python program in a pod; give what it printed."""
        return self.run(name, "python3", "-c", program).strip()

    def fetch(self, name: str, url: str) -> str:
        """What a pod gets from a URL."""
        opened = f"urllib.request.urlopen({url!r}, timeout=5)"
        return self.python(name, f"import urllib.request; print({opened}.read().decode())")

    def account(self, name: str) -> None:
        """Make a service account."""
        self.core.create_namespaced_service_account(self.namespace, {"metadata": {"name": name}})

    def claim(self, name: str, storage_class: str, mode: str) -> None:
        """Claim a volume."""
        self.core.create_namespaced_persistent_volume_claim(
            self.namespace,
            {
                "metadata": {"name": name},
                "spec": {
                    "storageClassName": storage_class,
                    "accessModes": [mode],
                    "resources": {"requests": {"storage": "10Mi"}},
                },
            },
        )

    def volume_of(self, claim: str) -> str:
        """The name of the volume that the claim is bound to, once it is."""

        def bound() -> str | None:
            found = self.core.read_namespaced_persistent_volume_claim(claim, self.namespace)
            return found.spec.volume_name if found.status.phase == "Bound" else None

        return wait_for(bound, f"claim {claim} bound")

    def remove(self, name: str) -> None:
        """Remove a pod and wait until it is gone."""
        self.core.delete_namespaced_pod(name, self.namespace)
        wait_for(lambda: name not in self._names(), f"pod {name} gone")

    def _accounts(self) -> list[str]:
        return [each.metadata.name for each in self.core.list_namespaced_service_account(self.namespace).items]

    def _names(self) -> list[str]:
        return [pod.metadata.name for pod in self.core.list_namespaced_pod(self.namespace).items]

    def _address_if_ready(self, name: str) -> str | None:
        status: Any = self.core.read_namespaced_pod(name, self.namespace).status
        ready = any(condition.type == "Ready" and condition.status == "True" for condition in status.conditions or ())
        return str(status.pod_ip) if ready else None
