"""The APIs of the project that the other components use: an empty project has next to none enabled.

They stay enabled when the stack goes: another stack or a person may use them, and switching one off deletes what it
manages. What needs an API depends on its resource here, so that the first update doesn't race it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Resource, ResourceOptions
from pulumi_gcp import projects

from components.google import identity

# Service agents that Google makes when they are asked for: what they may do must be granted before they do it.
_AGENTS = ("artifactregistry", "container", "secretmanager")
APIS = (
    "artifactregistry",
    "binaryauthorization",
    "certificatemanager",
    "cloudkms",
    "cloudresourcemanager",
    "cloudtrace",
    "compute",
    "container",
    "containersecurity",
    "containerscanning",
    "dns",
    "gkebackup",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "pubsub",
    "secretmanager",
    "serviceusage",
    "storage",
    "telemetry",
)


@dataclass(frozen=True, kw_only=True)
class ServicesArgs:
    """project: its id. number: its number, which the names of Google's service agents have in them."""

    project: str
    number: int


class Services(ComponentResource):
    """The project, ready to be used.

    ready: what everything else depends on. agents: the services' own accounts, by what they are for.
    """

    ready: Sequence[Resource]
    agents: Mapping[str, str]

    def __init__(self, name: str, args: ServicesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Services", name, None, opts)
        enabled = [
            projects.Service(
                api,
                project=args.project,
                service=f"{api}.googleapis.com",
                disable_on_destroy=False,
                opts=ResourceOptions(parent=self),
            )
            for api in APIS
        ]
        agents = [
            projects.ServiceIdentity(
                agent,
                project=args.project,
                service=f"{agent}.googleapis.com",
                opts=ResourceOptions(parent=self, depends_on=enabled),
            )
            for agent in _AGENTS
        ]
        self.ready = [*enabled, *agents]
        self.agents = {
            "backups": identity.of_storage(args.number),
            "cluster": identity.of_service(args.number, "container-engine-robot"),
            "disks": identity.of_service(args.number, "compute-system"),
            "logs": identity.of_storage(args.number),
            "registry": identity.of_service(args.number, "gcp-sa-artifactregistry"),
            "uploads": identity.of_storage(args.number),
            "vault": identity.of_service(args.number, "gcp-sa-secretmanager"),
        }
        self.register_outputs({})
