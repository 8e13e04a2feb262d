"""The cluster that the stack runs in, as a provider that every Kubernetes resource of the program inherits.

It does not look for a cluster by itself: the context is named, so that nobody updates the one that `kubectl` happens to
point at. Replacing a Kubernetes provider replaces everything made with it, so only another identifier does: a moved
kubeconfig, new credentials or another address of the same cluster change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_kubernetes as kubernetes
from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """Which cluster.

    context: its name in the kubeconfig.
    kubeconfig: path of the kubeconfig, or all of it; None for KUBECONFIG or ~/.kube/config.
    identifier: what the state knows the cluster by.
    ready: what must be there before anything is made in it.
    """

    context: Input[str]
    kubeconfig: Input[str] | None
    identifier: Input[str]
    ready: Sequence[Resource] = ()


class Cluster(ComponentResource):
    """A cluster that is there, whoever made it."""

    provider: kubernetes.Provider
    identifier: Output[str]

    def __init__(self, name: str, args: ClusterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:cluster:Cluster", name, None, opts)
        self.identifier = Output.from_input(args.identifier)
        self.provider = kubernetes.Provider(
            name,
            context=args.context,
            kubeconfig=args.kubeconfig,
            cluster_identifier=args.identifier,
            # Names are fixed and pods are rolled by a checksum: changed content is written in place. Replacing would
            # take the object away from running pods for a moment.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            # What the program writes is the program's. Otherwise a field that somebody once changed by hand would stop
            # every update after that, instead of being put right by the next one.
            enable_patch_force=True,
            opts=ResourceOptions(parent=self, depends_on=args.ready),
        )
        self.register_outputs({"identifier": self.identifier})
