"""The bucket of uploads as a volume that every replica mounts, by GKE's Cloud Storage FUSE.

GKE puts a container of its own into each pod that says so by an annotation; that container talks to Cloud Storage, as
the pod's own service account. A bucket is no disk, and the application doesn't take it for one
(docs/uploads.md). What is asked for here makes the difference small:

- No streaming: a file is staged on the node until `fsync`, which puts it into the bucket and says whether that went
  well. With streaming that would happen at `close`, whose result PHP doesn't tell.
- What a pod hasn't found it asks for again: another pod may have just stored it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import core, networking

from components import bounds, kubernetes
from components.google import network
from components.kubernetes import metadata
from components.settings import App

# A claim and its volume must name a size; a bucket has none.
_SIZE = "1Gi"
# Beyond this the container is not held to what it asked for.
_MEMORY_REQUEST = "64Mi"
_OPTIONS = (
    f"uid={kubernetes.USER}",
    f"gid={kubernetes.USER}",
    "file-mode=640",
    "dir-mode=750",
    "write:enable-streaming-writes:false",
    # On large machines what is known would be known for ever.
    "metadata-cache:ttl-secs:60",
    "metadata-cache:negative-ttl-secs:0",
)


@dataclass(frozen=True, kw_only=True)
class VolumeArgs:
    """What the volume needs.

    name: cluster-wide. bucket: its name. ready: without which nobody can mount it.
    settings: of the application, whose pods do.
    """

    name: str
    bucket: Input[str]
    ready: Sequence[Resource]
    settings: App


class Volume(ComponentResource):
    """The volume.

    claim: that is bound to it and to no other. annotations: of the pods. connections: that mounting it takes.
    """

    claim: core.v1.PersistentVolumeClaimSpecArgs
    annotations: Mapping[str, str]
    connections: Sequence[networking.v1.NetworkPolicyEgressRuleArgs]
    name: Output[str]

    def __init__(self, name: str, args: VolumeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Volume", name, None, opts)
        volume = core.v1.PersistentVolume(
            "uploads",
            metadata=metadata(args.name, app="storage"),
            spec=core.v1.PersistentVolumeSpecArgs(
                access_modes=["ReadWriteMany"],
                capacity={"storage": _SIZE},
                # No such class is there: so no other claim gets this volume, and this claim no other.
                storage_class_name=args.name,
                # The bucket outlives both in any case.
                persistent_volume_reclaim_policy="Retain",
                mount_options=list(_OPTIONS),
                csi=core.v1.CSIPersistentVolumeSourceArgs(
                    driver="gcsfuse.csi.storage.gke.io", volume_handle=args.bucket
                ),
            ),
            opts=ResourceOptions(parent=self, depends_on=args.ready),
        )
        self.name = volume.metadata.name
        self.claim = core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteMany"],
            storage_class_name=args.name,
            volume_name=self.name,
            resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": _SIZE}),
        )
        mounting = bounds.mounting(args.settings)
        self.annotations = {
            "gke-gcsfuse/volumes": "true",
            "gke-gcsfuse/cpu-request": mounting.cpu,
            "gke-gcsfuse/cpu-limit": mounting.cpu_limit,
            # Asked for in full, what it hardly ever takes would hide from the autoscaler what PHP does.
            "gke-gcsfuse/memory-request": _MEMORY_REQUEST,
            "gke-gcsfuse/memory-limit": mounting.memory,
            "gke-gcsfuse/ephemeral-storage-limit": f"{bounds.staged(args.settings)}Mi",
        }
        self.connections = network.to_apis()
        self.register_outputs({"name": self.name})
