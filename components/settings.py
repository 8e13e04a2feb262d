"""Everything that a stack may say about itself, as strict models: the one place of every default.

The defaults are production's. A stack file names what differs, so `Pulumi.production.yaml` is short and
`Pulumi.development.yaml` lists what was made smaller. What environments have in common is not a setting, and no code
asks which stack it is in.
"""

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from components.catalogue import CATALOGUE
from components.values import Cpu, Name, NodePort, Resources, Size, Strict

Members = Literal[1, 3, 5]
Percent = Annotated[int, Field(ge=1, le=100)]
Networks = Annotated[tuple[Annotated[IPv4Network, Field(strict=False)], ...], Field(strict=False)]


class ExistingCluster(Strict):
    """A cluster that is there already: kind, minikube, GKE, the local one.

    context: its name in the kubeconfig.
    kubeconfig: path of the file; None for KUBECONFIG or ~/.kube/config.
    identifier: what the state knows the cluster by; only another identifier replaces its resources. None: the context.
    control_plane: addresses of its API server, for the few pods that may talk to it.
    """

    flavour: Literal["existing"] = "existing"
    context: str = Field(min_length=1)
    kubeconfig: str | None = None
    identifier: str | None = None
    control_plane: Networks = (IPv4Network("0.0.0.0/0"),)


class GoogleCluster(Strict):
    """A GKE cluster that the program makes, with its network, keys and registry.

    project, region: where.
    control_plane: addresses of its API server.
    """

    flavour: Literal["gke"]
    project: str = Field(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")
    region: str = Field(pattern=r"^[a-z]+-[a-z]+\d$")
    control_plane: Networks = (IPv4Network("0.0.0.0/0"),)


def _context(value: Any) -> Any:
    """`vision-week:cluster: kind-kind` is short for the context of an existing cluster."""
    if isinstance(value, str):
        return {"flavour": "existing", "context": value}
    if isinstance(value, dict) and "flavour" not in value:
        return {"flavour": "existing", **value}
    return value


Cluster = Annotated[ExistingCluster | GoogleCluster, Field(discriminator="flavour"), BeforeValidator(_context)]


class Replicas(Strict):
    """How many pods serve; between min and max an autoscaler decides. A plain number is both.

    cpu_percent, memory_percent: of what is requested, the use that the autoscaler aims at (S6.1).
    """

    min: int = Field(ge=1)
    max: int = Field(ge=1)
    cpu_percent: Percent = 70
    memory_percent: Percent = 80

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is less than min ({self.min})")
        return self

    @property
    def autoscaled(self) -> bool:
        return self.max > self.min


def _fixed(value: Any) -> Any:
    return {"min": value, "max": value} if isinstance(value, int) and not isinstance(value, bool) else value


Scale = Annotated[Replicas, BeforeValidator(_fixed)]


class Quota(Strict):
    """What all pods of a namespace together may ask for."""

    pods: int = Field(ge=1)
    cpu: Cpu
    memory: Size


class Tenancy(Strict):
    """The namespaces' quotas: room for the largest scale, one pod of a roll-out, and a job."""

    app: Quota = Quota(pods=48, cpu="24", memory="36Gi")
    data: Quota = Quota(pods=24, cpu="12", memory="32Gi")
    edge: Quota = Quota(pods=12, cpu="4", memory="4Gi")


class Storage(Strict):
    """Where claims get their volumes from.

    class_name: of the class for databases, cluster-wide: two stacks in one cluster need two.
    provisioner, parameters: its CSI driver, and what is passed to that unchanged.
    retain: volumes outlive their claims.
    shared_class: the cluster's own class whose volumes many pods may mount.
    shared_access: how; ReadWriteOnce will do where there is one node, and the class knows no better (kind).
    """

    class_name: Name = "fast-ssd"
    provisioner: str = "pd.csi.storage.gke.io"
    parameters: dict[str, str] = Field(
        default_factory=lambda: {"type": "pd-ssd", "replication-type": "regional-pd"},
    )
    retain: bool = True
    shared_class: str = "standard-rwx"
    shared_access: Literal["ReadWriteMany", "ReadWriteOnce"] = "ReadWriteMany"


def _in_catalogue(name: str) -> str:
    if name not in CATALOGUE:
        raise ValueError(f"the catalogue has no {name!r}, only {', '.join(sorted(CATALOGUE))}")
    return name


def _all(value: Any) -> Any:
    return sorted(CATALOGUE) if value == "all" else value


CatalogueName = Annotated[str, AfterValidator(_in_catalogue)]


class Images(Strict):
    """Where our images go, and what is expected of other people's.

    registry: prefix of our images' names.
    app_target: stage of the application's Dockerfile; `development` has the debugger.
    allow_unpinned: names of the catalogue that may run without a digest, or `all`.
    """

    registry: str = Field(pattern=r"^[a-z0-9][-a-z0-9.]*(:\d+)?(/[a-z0-9][-a-z0-9._]*)+$")
    app_target: Literal["production", "development"] = "production"
    allow_unpinned: Annotated[tuple[CatalogueName, ...], Field(strict=False), BeforeValidator(_all)] = ()


class Postgres(Strict):
    """PostgreSQL. members: one primary, the others its replicas. max_connections: of each member."""

    members: Members = 3
    size: Size = "50Gi"
    max_connections: int = Field(default=200, ge=20, le=2000)
    resources: Resources = Resources(cpu="1", cpu_limit="4", memory="4Gi")


class Redis(Strict):
    """Redis with Sentinel.

    members: one primary, the others its replicas; a Sentinel beside each.
    memory_percent: share of the memory limit that data may fill; the rest is for copies on write and buffers.
    eviction: what goes when that is full.
    """

    members: Members = 3
    size: Size = "10Gi"
    memory_percent: Annotated[int, Field(ge=10, le=80)] = 60
    eviction: Literal["noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu", "volatile-ttl"] = (
        "volatile-lru"
    )
    resources: Resources = Resources(cpu="250m", cpu_limit="2", memory="1Gi")
    sentinel_resources: Resources = Resources(cpu="50m", cpu_limit="500m", memory="64Mi")


class App(Strict):
    """The application: nginx and PHP-FPM in one pod.

    environment: what the application itself is told it runs in (APP_ENV).
    uploads: size of the volume that all its pods share.
    session_lifetime: seconds (3600: service levels).
    """

    environment: Literal["development", "staging", "production"] = "production"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    replicas: Scale = Replicas(min=3, max=20)
    uploads: Size = "100Gi"
    session_lifetime: int = Field(default=3600, ge=60)
    nginx_resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="128Mi")
    php_resources: Resources = Resources(cpu="500m", cpu_limit="2", memory="768Mi")
    migration_timeout: int = Field(default=600, ge=30, description="seconds")


class WebSocket(Strict):
    """The real-time service (2-10 replicas in production: S6.1)."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    replicas: Scale = Replicas(min=2, max=10)
    resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="128Mi")


class _Edge(Strict):
    """url: what users type, without a path; the certificate is for its host."""

    url: Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9]\d{0,4})?$")]

    @property
    def host(self) -> str:
        return self.url.removeprefix("https://").partition(":")[0]


class NginxEdge(_Edge):
    """Our own nginx load balancer, for clusters without a gateway.

    service: how the cluster publishes it. node_port: the port on each node; None lets the cluster choose.
    """

    flavour: Literal["nginx"]
    service: Literal["LoadBalancer", "NodePort"] = "LoadBalancer"
    node_port: NodePort | None = None
    replicas: int = Field(default=2, ge=1)
    resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="128Mi")


class GatewayEdge(_Edge):
    """The Gateway API: `class_name` is the cluster's GatewayClass."""

    flavour: Literal["gateway"]
    class_name: str = "gke-l7-global-external-managed"


class IngressEdge(_Edge):
    """A plain Ingress: `class_name` is the class of a controller that the cluster has."""

    flavour: Literal["ingress"]
    class_name: str = Field(min_length=1)


Edge = Annotated[NginxEdge | GatewayEdge | IngressEdge, Field(discriminator="flavour")]


class Settings(Strict):
    """One stack.

    namespace_prefix: of the namespaces' names; two stacks in one cluster need two.
    release: version of the application; tag of our images.
    protect: stateful resources are only removed by those who first take this away.
    """

    namespace_prefix: Name = "vision-week"
    release: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]{0,63}$")]
    protect: bool = True
    cluster: Cluster
    tenancy: Tenancy = Tenancy()
    storage: Storage = Storage()
    images: Images
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    app: App = App()
    websocket: WebSocket = WebSocket()
    edge: Edge
