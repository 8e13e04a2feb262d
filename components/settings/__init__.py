"""Everything that a stack may say about itself, as strict models: the one place of every default.

The defaults are production's. A stack file names what differs, so `Pulumi.production.yaml` is short and
`Pulumi.development.yaml` lists what was made smaller. What environments have in common is not a setting, and no code
asks which stack it is in.

The text below each field is its documentation: what it is, its unit and range, and in brackets what asks for it.
`docs/settings.md`, the editors' schema and the words of an error are made from it.
"""

from typing import Annotated, Literal

from pydantic import Field

from components.settings.app import App, Limits, Timeouts, WebSocket
from components.settings.capacity import Quota, Replicas, Tenancy
from components.settings.cluster import Cluster, ClusterNetwork, ExistingCluster, GoogleCluster, Maintenance, NodePool
from components.settings.data import OTHER_CONNECTIONS, Backups, Postgres, Redis
from components.settings.edge import NGINX_CONNECTIONS, Edge, EdgeBase, GatewayEdge, IngressEdge, NginxEdge
from components.settings.governance import Exemption, Policies, Secrets
from components.settings.monitoring import Alerts, Monitoring, Receiver, Traces
from components.settings.storage import OURS, PASSWORDS, VARIABLES, Images, Snapshots, Source, Storage
from components.values import Name, Strict, WebHook, form

__all__ = [
    "NGINX_CONNECTIONS",
    "OTHER_CONNECTIONS",
    "OURS",
    "PASSWORDS",
    "VARIABLES",
    "Alerts",
    "App",
    "Backups",
    "Cluster",
    "ClusterNetwork",
    "Edge",
    "EdgeBase",
    "Exemption",
    "ExistingCluster",
    "GatewayEdge",
    "GoogleCluster",
    "Images",
    "IngressEdge",
    "Limits",
    "Maintenance",
    "Monitoring",
    "NginxEdge",
    "NodePool",
    "Policies",
    "Postgres",
    "Quota",
    "Receiver",
    "Redis",
    "Replicas",
    "Secrets",
    "Settings",
    "Snapshots",
    "Source",
    "Storage",
    "Tenancy",
    "Timeouts",
    "Traces",
    "WebSocket",
]


class Settings(Strict):
    """One stack."""

    purpose: Literal["live", "rehearsal", "workbench"] = "live"
    """Who relies on the stack: people (`live`), a release about to go live (`rehearsal`), or its engineer
    (`workbench`). The first two demand what such a stack must have (S10)."""
    namespace_prefix: Name = "vision-week"
    """Of the namespaces' names; two stacks in one cluster need two; 40 characters at most (S4.1)."""
    release: Annotated[
        str,
        form(
            r"^[A-Za-z0-9][-A-Za-z0-9._]{0,63}$",
            "a tag of letters, digits, dots, dashes and underscores, 64 at most, a letter or digit first",
        ),
    ]
    """Version of the application, and tag of our images, 64 characters at most (S9.1)."""
    rollout_timeout: int = Field(default=300, ge=30, le=540)
    """Seconds in which the next new pod of a service must become ready, or the update fails while the old pods serve
    on, 30 to 540: after 600 the Kubernetes provider gives up by itself, and knows less of the reason (S12.1)."""
    protect: bool = True
    """Stateful resources are only removed by those who first take this away (DESIGN: stateful things are protected)."""
    cluster: Cluster
    """Where it runs (DESIGN)."""
    tenancy: Tenancy = Tenancy()
    """The namespaces' quotas (service levels: HPA and quota)."""
    vertical_autoscaling: bool = True
    """Have what each container needs recommended from real use, and given where nothing else decides: by the cluster's
    VerticalPodAutoscaler, which GKE has and others must be given (S6.2)."""
    storage: Storage = Storage()
    """Where volumes come from (S11)."""
    images: Images
    """Where images come from (S1)."""
    source: Source = Source()
    """Where the application's code comes from (S1)."""
    postgres: Postgres = Postgres()
    """The database (S5.2)."""
    redis: Redis = Redis()
    """Sessions, cache and messages (S5.3)."""
    app: App = App()
    """The application (S5.1)."""
    websocket: WebSocket = WebSocket()
    """Its real-time service (S6.1)."""
    edge: Edge
    """Where users come in (S2.1, S3)."""
    timeouts: Timeouts = Timeouts()
    """How long each waits for the next (S3)."""
    monitoring: Monitoring = Monitoring()
    """What is watched (S8)."""
    webhooks: dict[Name, WebHook] = Field(default_factory=dict)
    """Name -> address of a web hook, for `monitoring.receivers`. Whoever has it can raise alarms, so each is encrypted:
    `pulumi config set --secret --path vision-week:webhooks.<name>` (S7.3)."""
    secrets: Secrets = Secrets()
    """Rotation (S7.3)."""
    policies: Policies = Policies()
    """Exemptions (S12.2)."""
