"""Who the repository's pipeline is to Google: three accounts, and nobody has a key to any.

A run of the pipeline shows the token that its host signs for it (Workload Identity Federation), and the token says for
which repository and in which protected environment it runs. One environment leads to the account that changes a stack,
another to the one that previews, so what a pull request may run as is decided where its reviewers are named
(DECISIONS: pull requests). The third is for the night, when nobody is there to review: its environment takes the branch
`main` alone, so that no pull request's code runs as the account that reads Secrets and runs commands in pods
(`inspection.py`).
"""

from dataclasses import dataclass

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_gcp import iam, projects, serviceaccount

_ISSUER = "https://token.actions.githubusercontent.com"
# What `pulumi up` needs in the project; docs/google-cloud.md has why.
CHANGES = (
    "artifactregistry.admin",
    "binaryauthorization.policyEditor",
    "certificatemanager.owner",
    "cloudkms.admin",
    "compute.networkAdmin",
    "compute.securityAdmin",
    "container.admin",
    "dns.admin",
    "gkebackup.admin",
    "iam.serviceAccountAdmin",
    "iam.serviceAccountUser",
    "logging.configWriter",
    "pubsub.admin",
    "resourcemanager.projectIamAdmin",
    "secretmanager.admin",
    "serviceusage.serviceUsageAdmin",
    "storage.admin",
)
# What a preview reads; the last, since its questions count on the project's own quota (`provider.py`).
PREVIEWS = ("iam.securityReviewer", "viewer", "serviceusage.serviceUsageConsumer")
# A refresh compares what is put away in Secret Manager, too (`vault.py`).
LOOKS = (*PREVIEWS, "secretmanager.secretAccessor")
_CHANGES_AS, _PREVIEWS_AS, _LOOKS_AS = "pipeline", "preview", "nightly"


@dataclass(frozen=True, kw_only=True)
class PipelineArgs:
    """project: its id. repository: `OWNER/NAME` on GitHub. repository_id: its number there, which no other repository
    gets when this one is renamed or removed. environment: the one that changes the stack; `ENVIRONMENT-preview` says
    what a change would do, `ENVIRONMENT-nightly` looks for drift and tests.
    """

    project: str
    repository: str
    repository_id: int
    environment: str


class Pipeline(ComponentResource):
    """The accounts, as members of an IAM policy, and what the workflows are told.

    changes, previews, looks: `serviceAccount:…`. provider: of Workload Identity Federation.
    """

    changes: Output[str]
    previews: Output[str]
    looks: Output[str]
    provider: Output[str]

    def __init__(self, name: str, args: PipelineArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Pipeline", name, None, opts)
        self._args, self._child = args, ResourceOptions(parent=self)
        pool = iam.WorkloadIdentityPool("pipeline", workload_identity_pool_id="pipeline", opts=self._child)
        provider = iam.WorkloadIdentityPoolProvider(
            "github",
            workload_identity_pool_id=pool.workload_identity_pool_id,
            workload_identity_pool_provider_id="github",
            oidc=iam.WorkloadIdentityPoolProviderOidcArgs(issuer_uri=_ISSUER),
            attribute_mapping={"google.subject": "assertion.sub"},
            # Everybody's runs have tokens of this issuer.
            attribute_condition=f"assertion.repository_id == '{args.repository_id}'",
            opts=self._child,
        )
        self.changes = self._account(_CHANGES_AS, args.environment, CHANGES, pool)
        self.previews = self._account(_PREVIEWS_AS, f"{args.environment}-preview", PREVIEWS, pool)
        self.looks = self._account(_LOOKS_AS, f"{args.environment}-nightly", LOOKS, pool)
        self.provider = provider.name
        self.register_outputs(
            {"changes": self.changes, "previews": self.previews, "looks": self.looks, "provider": self.provider}
        )

    def _account(
        self, name: str, environment: str, roles: tuple[str, ...], pool: iam.WorkloadIdentityPool
    ) -> Output[str]:
        """An account, its rights in the project, and the runs that may be it."""
        args = self._args
        account = serviceaccount.Account(
            name, account_id=name, display_name=f"The pipeline in {environment}", opts=self._child
        )
        subject = f"repo:{args.repository}:environment:{environment}"
        serviceaccount.IAMMember(
            name,
            service_account_id=account.name,
            role="roles/iam.workloadIdentityUser",
            member=Output.format("principal://iam.googleapis.com/{0}/subject/{1}", pool.name, subject),
            opts=self._child,
        )
        for role in roles:
            projects.IAMMember(
                f"{name}-{role.lower()}",
                project=args.project,
                role=f"roles/{role}",
                member=account.member,
                opts=self._child,
            )
        return account.member


def looker(project: str) -> str:
    """Who looks for drift and tests, as a cluster of this project knows the account."""
    return f"{_LOOKS_AS}@{project}.iam.gserviceaccount.com"
