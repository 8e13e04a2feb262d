"""Cloud Storage FUSE on the nodes: gcsfuse, the real one, behind a stand-in for GKE's driver of it.

The driver is a process of the node's, not a pod: it makes devices and mounts, which no pod of this cluster may. Kubelet
finds it by its socket. What it mounts is served from within the pod's network, as the pod's account (`google.py`).
"""

import filecmp
import json
import shutil
from pathlib import Path

from localcloud import toolchain
from localcloud.cluster import layout, nodes, pki
from localcloud.cluster.layout import Node
from localcloud.docker import docker
from localcloud.files import write_private

DRIVER = "gcsfuse.csi.storage.gke.io"
PROGRAMS = ("gcsfuse", "gcsfuse-csi-driver")
_KUBELET = "/var/lib/kubelet"
_PLUGIN = f"plugins/{DRIVER}"
_PROGRAMS = f"{_KUBELET}/{_PLUGIN}/programs.json"


def start(node: Node) -> None:
    """Have the driver run on a node."""
    folder = nodes.disk(node) / "kubelet" / _PLUGIN
    place = Path(_KUBELET) / _PLUGIN
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    for name, program in toolchain.build(PROGRAMS).items():
        _copy(program, folder / name)
    command = (
        str(place / "gcsfuse-csi-driver"),
        f"--node={node.name}",
        f"--kubelet={_KUBELET}",
        f"--gcsfuse={place / 'gcsfuse'}",
        f"--authority={place / 'authority.crt'}",
        f"--resolver={place / 'resolv.conf'}",
    )
    write_private(folder / "authority.crt", pki.authority(pki.GOOGLE).certificate)
    write_private(folder / "resolv.conf", f"nameserver {layout.DNS_SERVICE}\n")
    write_private(folder / "programs.json", json.dumps({"gcsfuse-csi-driver": command}))
    docker("exec", node.container, "sh", "-c", "[ -e /dev/fuse ] || mknod /dev/fuse c 10 229")
    if not _runs(node):
        docker("exec", "--detach", node.container, "python3", f"{nodes.SETTINGS}/supervise.py", _PROGRAMS)


def stop(node: Node) -> None:
    """End the driver; what it has mounted goes with its pods."""
    docker("exec", node.container, "sh", "-c", f"{_search('pkill')} || true")
    kubelet = nodes.disk(node) / "kubelet"
    shutil.rmtree(kubelet / _PLUGIN, ignore_errors=True)
    # A kubelet that starts later would ask there in vain, ever more seldom, and be late for the driver's next start.
    (kubelet / "plugins_registry" / f"{DRIVER}-reg.sock").unlink(missing_ok=True)


def _runs(node: Node) -> bool:
    return bool(docker("exec", node.container, "sh", "-c", f"{_search('pgrep')} || true"))


def _search(command: str) -> str:
    # Not the shell that looks for it: its own words have a bracket.
    return f"{command} -f 'supervise[.]py {_PROGRAMS}'"


def _copy(program: Path, target: Path) -> None:
    """A running program's file can't be written, only replaced."""
    if target.exists() and filecmp.cmp(program, target, shallow=False):
        return
    fresh = target.with_suffix(".new")
    shutil.copy2(program, fresh)
    fresh.replace(target)
