"""The storage class whose volumes many pods may mount: Filestore, in the cluster's own network.

GKE brings classes of its own for that, but theirs make instances in the project's network `default`, which no node of
ours is in. An instance has a tebibyte at least, whatever its claim asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import storage

from components.kubernetes import metadata


@dataclass(frozen=True, kw_only=True)
class UploadsArgs:
    """What the class needs.

    class_name: its name. network: of the nodes. retain: keep the volume when its claim goes. labels: for the bill;
    another one makes another class, so they are of what doesn't change.
    """

    class_name: str
    network: Input[str]
    retain: bool
    labels: Mapping[str, str]


class Uploads(ComponentResource):
    """The storage class."""

    class_name: Output[str]

    def __init__(self, name: str, args: UploadsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Uploads", name, None, opts)
        made = storage.v1.StorageClass(
            "uploads",
            metadata=metadata(args.class_name, app="storage"),
            provisioner="filestore.csi.storage.gke.io",
            parameters={
                "tier": "standard",
                "network": args.network,
                "labels": ",".join(f"{key}={value}" for key, value in sorted(args.labels.items())),
            },
            reclaim_policy="Retain" if args.retain else "Delete",
            allow_volume_expansion=True,
            volume_binding_mode="WaitForFirstConsumer",
            opts=ResourceOptions(parent=self),
        )
        self.class_name = made.metadata.name
        self.register_outputs({"class_name": self.class_name})
