"""Says no to fewer members of what loses data by it, unless somebody has seen to it that nobody writes.

Pulumi shows a smaller number as one more field that changes; what goes with the members, it doesn't know. So the API
server refuses it, in a preview already, whoever asks and by whatever way (S5.3).
"""

from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import admissionregistration, meta

from components.kubernetes import Namespace, metadata

# On the namespace, with the workload's name: its members may go.
ALLOWED = "vision-week/fewer-members"


@dataclass(frozen=True, kw_only=True)
class FewerMembersArgs:
    """workload: the StatefulSet's name. reason: why not, and what to do."""

    namespace: Namespace
    workload: str
    reason: Input[str]


class FewerMembers(ComponentResource):
    """A policy of the API server's, and the word that it holds in this namespace."""

    def __init__(self, name: str, args: FewerMembersArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:kubernetes:FewerMembers", name, None, opts)
        child = ResourceOptions(parent=self)
        # Policies are of no namespace, and two stacks in a cluster have one each.
        called = Output.format("{0}-{1}-members", args.namespace.name, args.workload)
        # `kubectl scale` asks without the number where it is 0.
        more = "object.spec.?replicas.orValue(0) >= oldObject.spec.?replicas.orValue(0)"
        annotations = "namespaceObject.metadata.?annotations"
        allowed = f"{annotations}[?'{ALLOWED}'].orValue('') == '{args.workload}'"
        policy = admissionregistration.v1.ValidatingAdmissionPolicy(
            name,
            metadata=metadata(called, app=args.workload),
            spec=admissionregistration.v1.ValidatingAdmissionPolicySpecArgs(
                failure_policy="Fail",
                match_constraints=admissionregistration.v1.MatchResourcesArgs(
                    namespace_selector=meta.v1.LabelSelectorArgs(
                        match_labels={"kubernetes.io/metadata.name": args.namespace.name}
                    ),
                    resource_rules=[
                        admissionregistration.v1.NamedRuleWithOperationsArgs(
                            api_groups=["apps"],
                            api_versions=["v1"],
                            operations=["UPDATE"],
                            resources=["statefulsets", "statefulsets/scale"],
                            resource_names=[args.workload],
                        )
                    ],
                ),
                validations=[
                    admissionregistration.v1.ValidationArgs(expression=f"{more} || {allowed}", message=args.reason)
                ],
            ),
            opts=child,
        )
        admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            name,
            metadata=metadata(called, app=args.workload),
            spec=admissionregistration.v1.ValidatingAdmissionPolicyBindingSpecArgs(
                policy_name=policy.metadata.name, validation_actions=["Deny"]
            ),
            opts=child,
        )
        self.register_outputs({})
