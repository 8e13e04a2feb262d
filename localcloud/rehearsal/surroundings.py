"""What a rehearsed stack finds around it: an empty project of the simulated Google Cloud, and what that can't simulate.

Its cluster is the local one or one of the rehearsal's own (`clusters.py`), its Artifact Registry the local registry.
All else is in a folder that goes with the rehearsal, Pulumi's state included.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcloud import files, paths, pulumi, toolchain
from localcloud.display import step
from localcloud.images import buildkit, registry
from localcloud.plugins.gcp import cloud
from localcloud.problem import Problem
from localcloud.rehearsal.clusters import Cluster

LOGIN: Final = "gke-gcloud-auth-plugin"
# What a person enables and asks for before the first update (docs/google-cloud.md, docs/state.md).
_FIRST: Final = ("serviceusage", "cloudresourcemanager")
_AGENTS: Final = ("gs-project-accounts",)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Project:
    """A project of Google Cloud."""

    name: str
    number: int


@contextmanager
def surroundings(
    folder: Path, projects: Sequence[Project], cluster: Callable[[Progress], AbstractContextManager[Cluster]]
) -> Iterator[Mapping[str, str]]:
    """Have it all while the block lasts, everything that is kept in this folder; gives pulumi's environment."""
    builds = _of_builds()
    with ExitStack() as here:
        with step("Surroundings") as progress:
            toolchain.build(("buildctl",), progress)
            found = here.enter_context(cluster(progress))
            here.enter_context(state_at(str(folder)))
            environment = _pulumi(progress)
            # Where the simulated Google Cloud looks for its clusters' API server.
            files.write_private(paths.state() / "kubeconfig", found.kubeconfig)
            with cloud.world() as world:
                for project in projects:
                    world.add_project(project.name, project.number, _FIRST, agents=_AGENTS)
            login = _write_login(folder / "bin", found)
            authority = files.write_private(folder / "ca.crt", found.authority)
        yield {
            **environment,
            **builds,
            "XDG_STATE_HOME": str(folder),
            "STORAGE_EMULATOR_HOST": found.buckets,
            # The cluster's DNS name at Google has a certificate that every machine knows.
            "SSL_CERT_FILE": str(authority),
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
def state_at(place: str | None) -> Iterator[None]:
    """What is made meanwhile is apart from the local cloud's own state, as if it were another machine's.

    place: XDG_STATE_HOME; None is where it is without that.
    """
    before = os.environ.get("XDG_STATE_HOME")
    _set_state(place)
    try:
        paths.state().mkdir(parents=True, mode=0o700, exist_ok=True)
        yield
    finally:
        _set_state(before)


def _set_state(place: str | None) -> None:
    if place is None:
        os.environ.pop("XDG_STATE_HOME", None)
    else:
        os.environ["XDG_STATE_HOME"] = place


def _write_login(folder: Path, cluster: Cluster) -> Path:
    """Stand in for Google's plugin that logs in to a cluster: it gives the administrator's certificate."""
    given = {"clientCertificateData": cluster.certificate, "clientKeyData": cluster.key}
    answer = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": given}
    credential = files.write_private(folder / "credential.json", json.dumps(answer))
    login = folder / LOGIN
    files.write(login, f"#!/bin/sh\nexec cat '{credential}'\n", mode=0o755)
    return login
