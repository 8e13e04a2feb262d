"""Google as pods see it, for those who want it: a metadata server and Cloud Storage, in one container; and GCS FUSE.

The nodes lead there what pods send to Google's addresses, and DNS gives those addresses for Google's names. A pod gets
from the metadata server a token of its own account's (Workload Identity Federation for GKE), and Cloud Storage lets it
do what the simulated Google Cloud's policies allow. What is in the buckets is fake-gcs-server's and goes with the
container. Nothing here is part of the nodes' containers, so nodes that were started again are led there again (`lead`).
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path
from shutil import rmtree

import httpx
import yaml

from localcloud import toolchain
from localcloud.alone import alone
from localcloud.cluster import addons, containers, gcsfuse, image, layout, pki
from localcloud.cluster.api import Api, connect
from localcloud.cluster.containers import Container
from localcloud.cluster.layout import Node
from localcloud.cluster.settings import write_folder
from localcloud.docker import DockerFailed, docker
from localcloud.files import write_private
from localcloud.paths import LOCKS
from localcloud.problem import Problem
from localcloud.waiting import wait

INSIDE = Path(__file__).parent / "inside"
SETTINGS = "/etc/vision-week"
BUCKETS = layout.BUCKETS
PROGRAM = "google-stand-in"
PROGRAMS = (PROGRAM, "fake-gcs-server")
USER = "vision-week:google"
STORAGE = "storage.googleapis.com"
_CLOUD = "/var/lib/google"
_MANAGER = "localcloud-google"
_DNS = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "coredns", "namespace": "kube-system"}}
_READY = 60  # seconds; on a quiet machine names take 15, a CoreDNS pod after the other
_PORT = 8000  # of fake-gcs-server, inside

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Project:
    """The project whose cluster the local one is, as pods are told."""

    name: str
    number: int
    cluster: str
    location: str


def up(project: Project, cloud: Path, progress: Progress) -> None:
    """Have it answer pods. cloud: the folder of the simulated Google Cloud, whose policies hold."""
    toolchain.build((*PROGRAMS, *gcsfuse.PROGRAMS), progress)
    with _only_one(progress), connect() as api:
        cloud.mkdir(parents=True, exist_ok=True, mode=0o700)
        containers.converge(container(project, cloud, image.ensure(progress)), containers.found(), progress)
        for manifest in yaml.safe_load_all((addons.MANIFESTS / "google.yaml").read_text()):
            api.apply(manifest)
        lead()
        addresses = " ".join(map(str, _apis()))
        _name(api, f"metadata.google.internal {layout.METADATA_SERVER}\n{STORAGE} {addresses}\n", progress)
        if not wait(_answers, _READY):
            raise Problem(
                f"What stands in for Google doesn't answer at {layout.BUCKETS} after {_READY} s.",
                f"Read `docker logs {layout.GOOGLE}`; then run the same command again.",
            )


def down(progress: Progress) -> None:
    """Remove it, with what is in its buckets."""
    with _only_one(progress), connect() as api:
        _name(api, "", progress)
        for node in layout.NODES:
            gcsfuse.stop(node)
            _on(node, _away())
        for manifest in yaml.safe_load_all((addons.MANIFESTS / "google.yaml").read_text()):
            api.remove(manifest)
        containers.remove([layout.GOOGLE])
        rmtree(_settings(), ignore_errors=True)


def lead() -> None:
    """Have the nodes lead there what their pods send to Google, under the pods' own addresses, if it is wanted."""
    if _settings().exists():
        for node in layout.NODES:
            _on(node, _there())
            gcsfuse.start(node)


def container(project: Project, cloud: Path, machine: str) -> Container:
    """The container, its settings written."""
    programs = toolchain.build(PROGRAMS)
    return Container(
        name=layout.GOOGLE,
        image=machine,
        options=(
            f"--network={layout.NETWORK}",
            f"--ip={layout.GOOGLE_ADDRESS}",
            "--hostname=google",
            f"--env=ADDRESSES={' '.join((layout.METADATA_SERVER, *map(str, _apis())))}",
            *(f"--volume={path}:/usr/local/bin/{name}:ro" for name, path in sorted(programs.items())),
            f"--volume={cloud}:{_CLOUD}:ro",
            "--read-only",
            "--tmpfs=/run",
            "--tmpfs=/tmp",
            # Addresses and routes of its own network, until it has them; then ports below 1024 alone.
            "--cap-drop=ALL",
            "--cap-add=NET_ADMIN",
            "--cap-add=SETPCAP",
            "--cap-add=NET_BIND_SERVICE",
            "--security-opt=no-new-privileges",
        ),
        command=("sh", f"{SETTINGS}/google.sh"),
        settings=write_folder(_settings(), _files(project)),
    )


def _files(project: Project) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {name: (INSIDE / name).read_bytes() for name in ("google.sh", "supervise.py")}
    storage = pki.issued(pki.GOOGLE, STORAGE, names=(STORAGE,))
    client = pki.issued("cluster", USER)
    return files | {
        "routes": "".join(f"{node.pods} {node.address}\n" for node in layout.NODES),
        "programs.json": json.dumps(_programs(), indent=1),
        "project.json": json.dumps(asdict(project)),
        "pki/cluster.crt": pki.authority("cluster").certificate,
        "pki/client.crt": client.certificate,
        "pki/client.key": client.key,
        "pki/storage.crt": storage.certificate,
        "pki/storage.key": storage.key,
    }


def _programs() -> dict[str, Sequence[str]]:
    buckets = f"127.0.0.1:{_PORT}"
    return {
        "fake-gcs-server": (
            *("fake-gcs-server", "-scheme=http", "-host=127.0.0.1", f"-port={_PORT}", "-backend=memory"),
            *("-data=/nonexistent", "-log-level=error"),
        ),
        PROGRAM: (
            PROGRAM,
            f"--server={layout.API_INSIDE}",
            f"--settings={SETTINGS}",
            f"--cloud={_CLOUD}/cloud.json",
            f"--buckets=http://{buckets}",
            f"--metadata={layout.METADATA_SERVER}:80",
            f"--storage={','.join(f'{address}:443' for address in _apis())}",
            f"--owner={layout.BUCKETS.removeprefix('http://')}",
            f"--owner-from={layout.HOST}",
        ),
    }


def _apis() -> list[str]:
    return [str(address) for address in IPv4Network(layout.GOOGLE_APIS)]


def _settings() -> Path:
    return layout.home() / "google"


def _there() -> str:
    lines = ["set -e"]
    for network in _networks():
        rule = f"POSTROUTING -s {layout.PODS} -d {network} -j ACCEPT"
        lines += [
            f"ip route replace {network} via {layout.GOOGLE_ADDRESS}",
            # Before the rule that hides pods behind their node.
            f"iptables -w -t nat -C {rule} 2> /dev/null || iptables -w -t nat -I {rule}",
        ]
    return "\n".join(lines)


def _away() -> str:
    lines = ["set -e"]
    for network in _networks():
        rule = f"POSTROUTING -s {layout.PODS} -d {network} -j ACCEPT"
        lines += [
            f"ip route del {network} 2> /dev/null || true",
            f"while iptables -w -t nat -D {rule} 2> /dev/null; do :; done",
        ]
    return "\n".join(lines)


def _networks() -> tuple[str, str]:
    return f"{layout.METADATA_SERVER}/32", layout.GOOGLE_APIS


def _on(node: Node, script: str) -> None:
    try:
        docker("exec", node.container, "sh", "-c", script)
    except DockerFailed as failure:
        raise Problem(
            f"{node.name} can't lead its pods to what stands in for Google: {failure.message}",
            "`make up` brings the node back; then run the same command again.",
        ) from failure


def _name(api: Api, names: str, progress: Progress) -> None:
    """Have DNS give these names at once, one of its pods after the other."""
    if (layout.names().read_text() if layout.names().exists() else "") == names:
        return
    progress("having DNS give Google's names" if names else "having DNS forget Google's names")
    write_private(layout.names(), names)
    for manifest in addons.manifests():
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"] == "coredns":
            api.apply(manifest)
    moment = {"metadata": {"annotations": {"vision-week.localcloud/names": f"{time.time():.0f}"}}}
    api.apply({**_DNS, "spec": {"template": moment}}, manager=_MANAGER)

    def rolled_out() -> bool:
        found = api.get("/apis/apps/v1/namespaces/kube-system/daemonsets/coredns")
        status, generation = found["status"], found["metadata"]["generation"]
        current = status["observedGeneration"] == generation
        return bool(current and status.get("updatedNumberScheduled") == status["numberReady"] == len(layout.NODES))

    if not wait(rolled_out, _READY):
        raise Problem(
            f"DNS isn't ready on every node after {_READY} s.",
            "See why: `kubectl --namespace kube-system get pods`; then run the same command again.",
        )


def _answers() -> bool:
    try:
        return httpx.get(f"{layout.BUCKETS}/storage/v1/b", timeout=3, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _only_one(progress: Progress) -> AbstractContextManager[None]:
    return alone(LOCKS / "cluster", lambda: progress("waiting for another run that changes the cluster"))
