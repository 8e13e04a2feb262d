"""Binary Authorization: which images the cluster runs at all.

Ours and other people's from this project's registry, and Google's own; everything else is refused by the API server
and the refusal logged, whoever asks. It is one policy for the whole project, so two stacks in one project would
overwrite each other's: each has a project of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Resource, ResourceOptions
from pulumi_gcp import binaryauthorization


@dataclass(frozen=True, kw_only=True)
class AdmissionArgs:
    """project, region: of the registry whose images may run. after: what must be there before."""

    project: str
    region: str
    after: Sequence[Resource]


class Admission(ComponentResource):
    """The project's policy."""

    def __init__(self, name: str, args: AdmissionArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Admission", name, None, opts)
        binaryauthorization.Policy(
            "policy",
            project=args.project,
            description="Images of this project's registry, and Google's own",
            # What GKE itself runs on every node.
            global_policy_evaluation_mode="ENABLE",
            admission_whitelist_patterns=[
                binaryauthorization.PolicyAdmissionWhitelistPatternArgs(
                    name_pattern=f"{args.region}-docker.pkg.dev/{args.project}/**"
                )
            ],
            default_admission_rule=binaryauthorization.PolicyDefaultAdmissionRuleArgs(
                evaluation_mode="ALWAYS_DENY", enforcement_mode="ENFORCED_BLOCK_AND_AUDIT_LOG"
            ),
            opts=ResourceOptions(parent=self, depends_on=args.after),
        )
        self.register_outputs({})
