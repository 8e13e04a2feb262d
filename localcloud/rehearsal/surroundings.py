"""What a rehearsed stack finds around it: an empty project of the simulated Google Cloud, and what that can't simulate.

Its cluster's API server is a real one of the rehearsal's own, its buckets fake-gcs-server's, its Artifact Registry the
local registry. All but the registry is in a folder that goes with the rehearsal, Pulumi's state included.
"""

import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from localcloud import files, paths, pulumi, toolchain
from localcloud.cluster import definitions, gateway_api, vertical_autoscaling
from localcloud.cluster.api import Api
from localcloud.display import step
from localcloud.images import buildkit, registry
from localcloud.plugins.gcp import cloud
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.kubeconfig import connect, load
from localcloud.problem import Problem
from localcloud.rehearsal.control_plane import ControlPlane, control_plane
from localcloud.rehearsal.pods import played
from localcloud.waiting import wait

LOGIN: Final = "gke-gcloud-auth-plugin"
# Plural -> kind of GKE's own that the edge makes. Nobody but Google has their definitions.
_OF_GKE: Final[Mapping[str, str]] = {
    "gcpbackendpolicies": "GCPBackendPolicy",
    "gcpgatewaypolicies": "GCPGatewayPolicy",
    "healthcheckpolicies": "HealthCheckPolicy",
}
# What a person enables and asks for before the first update (docs/google-cloud.md, docs/state.md).
_FIRST: Final = ("serviceusage", "cloudresourcemanager")
_AGENTS: Final = ("gs-project-accounts",)
_START_TIME: Final = 30  # seconds; it takes one
_PROGRAMS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "fake-gcs-server", "buildctl")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Project:
    """A project of Google Cloud."""

    name: str
    number: int


@contextmanager
def surroundings(folder: Path, projects: Sequence[Project]) -> Iterator[Mapping[str, str]]:
    """Have it all while the block lasts, everything that is kept in this folder; gives pulumi's environment."""
    builds = _of_builds()
    with ExitStack() as here:
        with step("Surroundings") as progress:
            toolchain.build(_PROGRAMS, progress)
            here.enter_context(_state_in(folder))
            environment = _pulumi(progress)
            progress("starting a control plane")
            (folder / "plane").mkdir()
            plane = here.enter_context(control_plane(folder / "plane"))
            _teach(plane)
            here.enter_context(played(Client(connect(load(str(plane.kubeconfig))), cancelled=threading.Event())))
            # Where the simulated Google Cloud looks for its clusters' API server.
            paths.state().joinpath("kubeconfig").write_text(plane.kubeconfig.read_text())
            progress("starting the server of buckets")
            buckets = here.enter_context(_buckets(folder / "buckets"))
            with cloud.world() as world:
                for project in projects:
                    world.add_project(project.name, project.number, _FIRST, agents=_AGENTS)
            login = _write_login(folder / "bin", plane)
        yield {
            **environment,
            **builds,
            "XDG_STATE_HOME": str(folder),
            "STORAGE_EMULATOR_HOST": buckets,
            # The cluster's DNS name at Google has a certificate that every machine knows.
            "SSL_CERT_FILE": str(plane.directory / "ca.crt"),
            "PATH": os.pathsep.join([str(login.parent), str(toolchain.binary("buildctl").parent), environment["PATH"]]),
        }


def _of_builds() -> Mapping[str, str]:
    """The local cloud's builder and registry, which are not the rehearsal's own."""
    contexts = paths.state() / "build-contexts.json"
    if not contexts.exists():
        raise Problem("The local cloud is not there, which builds images and keeps them.", "Run `make up` first.")
    return {
        **buildkit.environment(),
        "LOCALCLOUD_BUILD_CONTEXTS": contexts.read_text(),
        "LOCALCLOUD_ARTIFACT_REGISTRY": f"{registry.ADDRESS}/mirror",
    }


def _pulumi(progress: Progress) -> Mapping[str, str]:
    """The local cloud's pulumi with its plugins, and no other."""
    pulumi.install(progress)
    environment = pulumi.environment()
    if "PULUMI_HOME" not in environment:
        raise Problem(
            "There is an official pulumi on PATH, whose plugins would speak to the real Google Cloud.",
            "Take it off PATH for this command: a rehearsal runs on the local plugins alone.",
        )
    return environment


@contextmanager
def _state_in(folder: Path) -> Iterator[None]:
    """What is made meanwhile is apart from the local cloud's own state, as if it were another machine's."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder)
    try:
        paths.state().mkdir(parents=True, mode=0o700)
        yield
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before


def _teach(plane: ControlPlane) -> None:
    """Have the kinds that GKE brings: the Gateway API's and the vertical autoscaler's own, GKE's own in name alone."""
    context = ssl.create_default_context(cafile=str(plane.directory / "ca.crt"))
    context.load_cert_chain(plane.directory / "admin.crt", plane.directory / "admin.key")
    with httpx.Client(
        base_url=f"https://127.0.0.1:{plane.port}", verify=context, timeout=30, trust_env=False
    ) as client:
        api = Api(client)
        definitions.apply(api, gateway_api.ensure())
        definitions.apply(api, vertical_autoscaling.kinds())
        for plural, kind in _OF_GKE.items():
            api.apply(_definition(plural, kind))


def _definition(plural: str, kind: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.networking.gke.io"},
        "spec": {
            "group": "networking.gke.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }


def _write_login(folder: Path, plane: ControlPlane) -> Path:
    """Stand in for Google's plugin that logs in to a cluster: it gives the administrator's certificate."""
    given = {
        "clientCertificateData": (plane.directory / "admin.crt").read_text(),
        "clientKeyData": (plane.directory / "admin.key").read_text(),
    }
    answer = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": given}
    credential = files.write_private(folder / "credential.json", json.dumps(answer))
    login = folder / LOGIN
    files.write(login, f"#!/bin/sh\nexec cat '{credential}'\n", mode=0o755)
    return login


@contextmanager
def _buckets(folder: Path) -> Iterator[str]:
    """A server of Cloud Storage's protocol, for what is in the buckets; gives its address."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory", "-log-level", "error"]
    with subprocess.Popen(
        # It goes with this process, however that ends.
        ["setpriv", "--pdeathsig", "KILL", str(toolchain.binary("fake-gcs-server")), *words, "-data", str(folder)],
        env={name: value for name, value in os.environ.items() if name != "STORAGE_EMULATOR_HOST"},
    ) as process:
        try:
            if not wait(lambda: _listens(port), _START_TIME, lambda: process.poll() is not None):
                raise Problem("The server of buckets doesn't start.", "Run the same command again.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
