"""What somebody who looks for drift and tests may do in a stack's cluster, beside seeing what isn't secret.

A refresh reads Secrets, and tests run commands in pods of the databases and of Prometheus
(`operations/delivery/inside.py`). Google's role `viewer` and Kubernetes' `view` allow neither. Whoever runs commands
in a database's pods may do with it what its superuser may: these rights are for people and for runs of what was
reviewed, and never for an account of a pod or a pull request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, ResourceOptions
from pulumi_kubernetes import rbac

from components.kubernetes import Namespace, metadata
from components.tenancy import NODE

NAME = "inspection"
# Areas in whose pods tests run commands.
COMMANDS = ("data", "monitoring")
_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, kw_only=True)
class InspectionArgs:
    """namespaces: the stack's, by area. users: as the API server knows them."""

    namespaces: Mapping[str, Namespace]
    users: Sequence[str]


class Inspection(ComponentResource):
    """A role in each namespace, and who has it."""

    def __init__(self, name: str, args: InspectionArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:inspection:Inspection", name, None, opts)
        for area, namespace in args.namespaces.items():
            # The stack has no Secret there.
            if area != NODE:
                self._may(area, namespace, args.users)
        self.register_outputs({})

    def _may(self, area: str, namespace: Namespace, users: Sequence[str]) -> None:
        child = ResourceOptions(parent=self)
        about = metadata(NAME, namespace.name, app=NAME)
        # By name, as a state has it: nobody needs a list of them.
        rules = [rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["secrets"], verbs=["get"])]
        if area in COMMANDS:
            # kubectl asks by GET first, which is what a WebSocket begins with; since Kubernetes 1.35 that takes both.
            rules.append(rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["pods/exec"], verbs=["create", "get"]))
        role = rbac.v1.Role(f"{NAME}-{area}", metadata=about, rules=rules, opts=child)
        rbac.v1.RoleBinding(
            f"{NAME}-{area}",
            metadata=about,
            role_ref=rbac.v1.RoleRefArgs(api_group=_GROUP, kind="Role", name=role.metadata.name),
            subjects=[rbac.v1.SubjectArgs(api_group=_GROUP, kind="User", name=user) for user in users],
            opts=child,
        )
