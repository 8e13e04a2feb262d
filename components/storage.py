"""The class of fast volumes that every claim of a database uses (S11.1).

Volumes bind when their pod is placed: a zonal disk made earlier could land in another zone than the pod. They outlive
their claim where `retain` says so. It does not back up databases: that is `postgres`, whose backups are consistent.
Volumes that many pods mount are not from this class either: no disk can do that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import storage

from components.kubernetes import metadata


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """What the class needs.

    class_name: cluster-wide, so two stacks in one cluster need two.
    provisioner: CSI driver of the cluster, e.g. `pd.csi.storage.gke.io`.
    parameters: passed to the driver unchanged; their keys are the driver's.
    retain: keep the volume when its claim goes.
    """

    class_name: Input[str]
    provisioner: Input[str]
    parameters: Mapping[str, Input[str]]
    retain: bool


class Storage(ComponentResource):
    """The storage class."""

    class_name: Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:storage:Storage", name, None, opts)
        storage_class = storage.v1.StorageClass(
            "fast-ssd",
            metadata=metadata(args.class_name, app="storage"),
            provisioner=args.provisioner,
            parameters=args.parameters or None,
            reclaim_policy="Retain" if args.retain else "Delete",
            allow_volume_expansion=True,
            volume_binding_mode="WaitForFirstConsumer",
            opts=ResourceOptions(parent=self),
        )
        self.class_name = storage_class.metadata.name
        self.register_outputs({"class_name": self.class_name})
