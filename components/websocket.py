"""The real-time service: pods that hold the users' WebSockets and pass messages to each other through Redis."""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Resource, ResourceOptions
from pulumi_kubernetes import apps, autoscaling, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes
from components.app import REDIS_CA, Store
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.scaling import autoscaler, disruption_budget, fixed_replicas, rolling
from components.settings import WebSocket as WebSocketSettings

NAME = "websocket"
PORT = 8090
METRICS_PORT = 8091
_SECRETS = "/etc/vision-week/secrets"


@dataclass(frozen=True, kw_only=True)
class WebSocketArgs:
    """What the service needs.

    origins: sites whose pages may connect. clients: who may ask it.
    notice: seconds until all of them have heard that a pod is going.
    after: what must be ready before its pods are. rollout_timeout: seconds in which the next new pod must become ready.
    """

    namespace: Namespace
    settings: WebSocketSettings
    image: Input[str]
    redis: Store
    origins: Sequence[str]
    clients: Sequence[networking.v1.NetworkPolicyPeerArgs]
    notice: int
    after: Sequence[Resource]
    rollout_timeout: int


def ending(notice: int) -> int:
    """Seconds that a pod may take to end: until nobody sends anything new, 10 s over which connections are closed, and
    some to spare."""
    return notice + 25


class WebSocket(ComponentResource):
    """The service."""

    endpoint: Endpoint

    def __init__(self, name: str, args: WebSocketArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:websocket:WebSocket", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        environment: dict[str, Input[str]] = {
            "LISTEN_PORT": str(PORT),
            "METRICS_PORT": str(METRICS_PORT),
            "LOG_LEVEL": args.settings.log_level,
            "ALLOWED_ORIGINS": " ".join(args.origins),
            "REDIS_HOST": args.redis.endpoint.host,
            "REDIS_PORT": str(args.redis.endpoint.port),
            "REDIS_PASSWORD_FILE": f"{_SECRETS}/redis-password",
            "REDIS_CA_FILE": f"{_SECRETS}/{REDIS_CA}",
            "DRAIN_SECONDS": "10",
        }
        secrets = {"redis-password": args.redis.login.password, REDIS_CA: args.redis.authority}
        config = core.v1.ConfigMap(NAME, metadata=about, data=environment, opts=child)
        # Changed, it is another one under another name, which only new pods know: as the application's.
        secret = core.v1.Secret(
            NAME,
            metadata=meta.v1.ObjectMetaArgs(namespace=args.namespace.name, labels=kubernetes.labels(NAME)),
            immutable=True,
            string_data=secrets,
            opts=child,
        )
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        policy = networking.v1.NetworkPolicy(
            NAME,
            metadata=about,
            spec=kubernetes.allow(
                NAME,
                ingress=[kubernetes.from_(args.clients, PORT)],
                egress=[kubernetes.to([args.redis.peer], args.redis.endpoint.port)],
            ),
            opts=child,
        )
        container = Container(
            name=NAME,
            image=args.image,
            resources=args.settings.resources,
            env_from=[config.metadata.name],
            # Beside the name of the Secret: a ConfigMap is read again by a container that starts again.
            env={"REDIS_USER": args.redis.login.user},
            ports={"http": PORT, "internal": METRICS_PORT},
            mounts=[Mount(volume="secrets", path=_SECRETS, read_only=True)],
            readiness=kubernetes.http_probe("/ready", "internal", period=5, failures=2),
            liveness=kubernetes.http_probe("/health", "http", period=10, failures=3),
            startup=kubernetes.http_probe("/health", "http", period=1, failures=60),
            # Until the edge has heard that this pod is going.
            pre_stop=["sleep", str(args.notice)],
        )
        replicas = args.settings.replicas
        deployment = apps.v1.Deployment(
            NAME,
            metadata=about,
            spec=apps.v1.DeploymentSpecArgs(
                replicas=fixed_replicas(replicas),
                strategy=rolling(),
                progress_deadline_seconds=args.rollout_timeout,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [container],
                    volumes=[kubernetes.secret_files("secrets", secret.metadata.name)],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(environment, secrets),
                    grace=ending(args.notice),
                ),
            ),
            # Ready means connected to Redis; no pod starts without its policies.
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, *args.after, policy]),
        )
        if replicas.autoscaled:
            autoscaling.v2.HorizontalPodAutoscaler(
                NAME,
                metadata=about,
                spec=autoscaler(NAME, replicas),
                # It may not find the Deployment missing.
                opts=ResourceOptions(parent=self, depends_on=[deployment]),
            )
        if replicas.min > 1:
            PodDisruptionBudget(NAME, metadata=about, spec=disruption_budget(NAME, replicas.disruptions), opts=child)
        service = core.v1.Service(
            NAME,
            metadata=about,
            spec=core.v1.ServiceSpecArgs(
                selector=selector(NAME), ports=[core.v1.ServicePortArgs(name="http", port=PORT, target_port="http")]
            ),
            opts=child,
        )
        self.endpoint = Endpoint(host=kubernetes.host_of(service), port=PORT)
        self.register_outputs({"host": self.endpoint.host})
