"""The Leases, without a holder, by which monitoring knows of moments that nothing inside of the cluster sees.

When the stack was last delivered to, when somebody looked whether it has drifted, and when nothing had. A time that the
program wrote would make every update a change. So it makes the Leases without one and leaves the field to whoever
delivers or looks, who renews them (`operations/delivery/moments.py`); kube-state-metrics tells the time
(`kube_lease_renew_time`). The right to do so is for these Leases by their names and goes no further.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, ResourceOptions
from pulumi_kubernetes import coordination, rbac

from components.kubernetes import Namespace, metadata
from components.moments import ALL

NAME = "moments"


@dataclass(frozen=True, kw_only=True)
class MomentsArgs:
    """Where they are, and who may renew them besides those who may change everything.

    users: as the API server knows them. Without any the role is there to be given by whoever runs the cluster.
    """

    namespace: Namespace
    users: Sequence[str]


class Moments(ComponentResource):
    """The Leases, and the right to renew them."""

    def __init__(self, name: str, args: MomentsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:Moments", name, None, opts)
        child = ResourceOptions(parent=self)
        for moment in ALL:
            # Without a spec: what the program doesn't write can't be drift.
            coordination.v1.Lease(moment, metadata=metadata(moment, args.namespace.name, app=NAME), opts=child)
        about = metadata(NAME, args.namespace.name, app=NAME)
        role = rbac.v1.Role(
            NAME,
            metadata=about,
            rules=[
                rbac.v1.PolicyRuleArgs(
                    api_groups=["coordination.k8s.io"],
                    resources=["leases"],
                    resource_names=list(ALL),
                    # kubectl looks before it patches.
                    verbs=["get", "patch"],
                )
            ],
            opts=child,
        )
        if args.users:
            rbac.v1.RoleBinding(
                NAME,
                metadata=about,
                role_ref=rbac.v1.RoleRefArgs(
                    api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name
                ),
                subjects=[
                    rbac.v1.SubjectArgs(api_group="rbac.authorization.k8s.io", kind="User", name=user)
                    for user in args.users
                ],
                opts=child,
            )
        self.register_outputs({})
