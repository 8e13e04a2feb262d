"""Machines and the disks that they take."""

from collections.abc import Iterator

from components.checks.fault import Fault
from components.settings import GoogleCluster, Settings

_PD = "pd.csi.storage.gke.io"
# Google's machine families and the disks that they take: "Machine series support" and "Regional Persistent Disk" in
# Compute Engine's documentation. A family that is not here is not refused, for there will be others.
_NO_REGIONAL_PD = frozenset({"c2", "c2d", "c3", "c3d", "t2a", "t2d", "m1", "m2", "m3"})
_HYPERDISK_ONLY = frozenset({"c4", "c4a", "c4d", "n4", "n4a", "n4d"})
_NO_BALANCED_HYPERDISK = frozenset({"e2", "n1", "n2", "n2d", "c2", "c2d", "t2a", "t2d", "m2"})
_REGIONAL_HYPERDISK = "hyperdisk-balanced-high-availability"


def disks_go_with_machines(settings: Settings) -> Iterator[Fault]:
    """A claim whose disk the node can't attach is pending for ever (DECISIONS: fast-ssd)."""
    cluster, storage = settings.cluster, settings.storage
    if not isinstance(cluster, GoogleCluster):
        return
    for name, pool in (("apps", cluster.apps), ("data", cluster.data)):
        if reason := _refused(pool.disk_type, pool.family, regional=False):
            yield Fault(f"cluster.{name}.disk_type", reason[0], reason[1])
    if storage.provisioner == _PD:
        disk = storage.parameters.get("type", "pd-standard")
        regional = storage.parameters.get("replication-type") == "regional-pd"
        if reason := _refused(disk, cluster.data.family, regional=regional):
            yield Fault("storage.parameters.type", f"{reason[0]} (cluster.data.machine)", reason[1])


def _refused(disk: str, family: str, *, regional: bool) -> tuple[str, str] | None:
    """Why machines of a family don't take a disk, and what to do."""
    if disk.startswith("pd-"):
        if family in _HYPERDISK_ONLY:
            instead = _REGIONAL_HYPERDISK if regional else "hyperdisk-balanced"
            return f"{disk} can't be attached to {family} machines", f"use {instead}, or n2 machines"
        if regional and family in _NO_REGIONAL_PD:
            return (
                f"a regional {disk} can't be attached to {family} machines",
                f"use n2 machines, or {_REGIONAL_HYPERDISK}",
            )
    elif disk.startswith("hyperdisk-balanced"):
        if family in _NO_BALANCED_HYPERDISK:
            return f"{disk} can't be attached to {family} machines", "use pd-ssd, or n4 machines"
        if regional:
            return f"{disk} is not replicated by replication-type", f"leave that out and use {_REGIONAL_HYPERDISK}"
    return None
