"""What the cluster needs of this machine's kernel, and what kubelets change in it: remembered, and put back by `down`.

Nodes are containers, so there is one kernel for all, and some of its settings know no containers.
"""

import json
import subprocess
from pathlib import Path

from localcloud.cluster import layout
from localcloud.files import write_private
from localcloud.problem import Problem

SYSTEM = Path("/proc/sys")

# Three nodes' worth of kubelets, run-times and pods watch files; the default of 128 is used up by two.
WATCHERS = "fs/inotify/max_user_instances"
WATCHERS_WANTED = 1024

# Kubelets set these when they start.
KUBELETS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)

# Packets that cross a bridge are shown to the firewall, or Services wouldn't work between pods of one node.
BRIDGE_FILTER = "net/bridge/bridge-nf-call-iptables"


def ensure() -> None:
    """Make the kernel fit for nodes, remembering how it was."""
    if not _record().exists():
        write_private(_record(), json.dumps({name: _read(name) for name in (WATCHERS, *KUBELETS)}))
    if int(_read(WATCHERS)) < WATCHERS_WANTED:
        _write(WATCHERS, str(WATCHERS_WANTED))
    if not (SYSTEM / BRIDGE_FILTER).exists():
        _load("br_netfilter")
        if not (SYSTEM / BRIDGE_FILTER).exists():
            raise Problem(
                "This machine's kernel doesn't show packets of bridges to the firewall: br_netfilter can't be loaded.",
                "Make `modprobe br_netfilter` work (the package linux-image-amd64 has it), then run `make up` again.",
            )


def restore() -> list[str]:
    """Put back what was changed; say what."""
    try:
        before: dict[str, str] = json.loads(_record().read_text())
    except (OSError, ValueError):
        return []
    restored = []
    for name, value in before.items():
        if _read(name) != value:
            _write(name, value)
            restored.append(f"kernel setting {name.replace('/', '.')}, which is {value} again")
    return restored


def _record() -> Path:
    return layout.home() / "kernel.json"


def _read(name: str) -> str:
    return (SYSTEM / name).read_text().strip()


def _write(name: str, value: str) -> None:
    (SYSTEM / name).write_text(f"{value}\n")


def _load(module: str) -> None:
    try:
        subprocess.run(["modprobe", module], capture_output=True, check=False)
    except FileNotFoundError:  # a kernel without modules has it built in, or hasn't it
        return
