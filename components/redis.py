"""Redis 7 with Sentinel: one primary, replicas where there is more than one member, a Sentinel beside each.

Members know each other by address, each by a Service of its own: an announced host name would have to be looked up at
the very moment that DNS may be slow, and Sentinel stands still meanwhile. Data is appended to a file once a second and
dumped now and then. Sessions, cache and messages live here, nothing that PostgreSQL should keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi_random as random
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.scaling import disruption_budget
from components.settings import Redis as RedisSettings
from components.values import mebibytes

NAME = "redis"
PORT = 6379
SENTINEL_PORT = 26379
_FILES = Path(__file__).parent / "files"


@dataclass(frozen=True, kw_only=True)
class RedisArgs:
    """What Redis needs.

    settings: members, sizes, what is evicted. image: of Redis and Sentinel. storage_class: of its volumes.
    clients: pods that may connect. protect: its members are not removed before this is taken away.
    """

    namespace: Namespace
    settings: RedisSettings
    image: Input[str]
    storage_class: Input[str]
    clients: Sequence[networking.v1.NetworkPolicyPeerArgs]
    protect: bool


class Redis(ComponentResource):
    """Redis, where it is reached, and its password."""

    endpoint: Endpoint
    password: Output[str]

    def __init__(self, name: str, args: RedisArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:redis:Redis", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self)
        self.password = random.RandomPassword(NAME, length=32, special=False, opts=self._child).result
        members = [f"{NAME}-{number}" for number in range(args.settings.members)]
        own_services = [self._service(member, {_POD_NAME: member, **selector(NAME)}) for member in members]
        addresses = Output.all(*(service.spec.cluster_ip for service in own_services))
        files: dict[str, Input[str]] = {
            "redis.conf": _redis_conf(args.settings),
            "sentinel.conf": _SENTINEL_CONF,
            "members.env": addresses.apply(
                lambda found: _members_env(dict(zip(members, found, strict=True)), args.settings.agreeing)
            ),
            "members.sh": (_FILES / "redis-members.sh").read_text(),
            "start.sh": (_FILES / "redis-start.sh").read_text(),
            "sentinel.sh": (_FILES / "redis-sentinel.sh").read_text(),
        }
        secrets = {"redis-password": self.password}
        config = core.v1.ConfigMap(NAME, metadata=self._metadata(NAME), data=files, opts=self._child)
        secret = core.v1.Secret(NAME, metadata=self._metadata(NAME), string_data=secrets, opts=self._child)
        account = core.v1.ServiceAccount(
            NAME, metadata=self._metadata(NAME), automount_service_account_token=False, opts=self._child
        )
        together = self._service(f"{NAME}-members", selector(NAME), headless=True)
        policy = networking.v1.NetworkPolicy(
            NAME, metadata=self._metadata(NAME), spec=self._connections(), opts=self._child
        )
        apps.v1.StatefulSet(
            NAME,
            metadata=self._metadata(NAME),
            spec=apps.v1.StatefulSetSpecArgs(
                replicas=args.settings.members,
                service_name=together.metadata.name,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [self._redis(), self._sentinel()],
                    volumes=[
                        kubernetes.config_files("config", config.metadata.name),
                        kubernetes.secret_files("secrets", secret.metadata.name),
                        kubernetes.scratch("run", "1Mi"),
                    ],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files, secrets),
                    # To write what is in memory to disk.
                    grace=60,
                    pool=args.namespace.pool,
                ),
                volume_claim_templates=[kubernetes.data_claim(NAME, args.storage_class, args.settings.size)],
            ),
            # Without its policies a member would start too open.
            opts=ResourceOptions(parent=self, protect=args.protect, depends_on=[*args.namespace.guards, policy]),
        )
        if args.settings.members > 1:
            PodDisruptionBudget(
                NAME,
                metadata=self._metadata(NAME),
                spec=disruption_budget(NAME, args.settings.disruptions),
                opts=self._child,
            )
        service = self._service(NAME, selector(NAME), sentinel=False)
        self.endpoint = Endpoint(host=kubernetes.host_of(service), port=PORT)
        self.register_outputs({"host": self.endpoint.host})

    def _metadata(self, name: str, annotations: dict[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
        return metadata(name, self._args.namespace.name, app=NAME, annotations=annotations)

    def _service(
        self, name: str, chosen: dict[str, str], *, headless: bool = False, sentinel: bool = True
    ) -> core.v1.Service:
        ports = {"redis": PORT, **({"sentinel": SENTINEL_PORT} if sentinel else {})}
        return core.v1.Service(
            name,
            # They come before their pods, whose configuration has their addresses.
            metadata=self._metadata(name, {"pulumi.com/skipAwait": "true"}),
            spec=core.v1.ServiceSpecArgs(
                cluster_ip="None" if headless else None,
                # Members must find each other before they are ready; clients get ready ones.
                publish_not_ready_addresses=sentinel or None,
                selector=chosen,
                ports=[
                    core.v1.ServicePortArgs(name=port, port=number, target_port=number)
                    for port, number in ports.items()
                ],
            ),
            opts=self._child,
        )

    def _connections(self) -> networking.v1.NetworkPolicySpecArgs:
        """Clients to Redis; members and their Sentinels to each other."""
        members = [kubernetes.pods_of(self._args.namespace.name, NAME)]
        return kubernetes.allow(
            NAME,
            ingress=[kubernetes.from_(self._args.clients, PORT), kubernetes.from_(members, PORT, SENTINEL_PORT)],
            egress=[kubernetes.to(members, PORT, SENTINEL_PORT)],
        )

    def _redis(self) -> Container:
        return Container(
            name=NAME,
            image=self._args.image,
            command=["sh", "/etc/redis/start.sh"],
            resources=self._args.settings.resources,
            ports={"redis": PORT},
            mounts=_MOUNTS,
            # Ready is who knows the password and answers; alive is who answers anything.
            readiness=kubernetes.exec_probe(["sh", "-c", _PING], period=5, failures=2),
            liveness=kubernetes.exec_probe(["redis-cli", "ping"], period=10, failures=6),
            startup=kubernetes.exec_probe(["sh", "-c", _PING], period=2, failures=150),
        )

    def _sentinel(self) -> Container:
        ping = ["redis-cli", "-p", str(SENTINEL_PORT), "ping"]
        return Container(
            name="sentinel",
            image=self._args.image,
            command=["sh", "/etc/redis/sentinel.sh"],
            resources=self._args.settings.sentinel_resources,
            ports={"sentinel": SENTINEL_PORT},
            mounts=_MOUNTS,
            readiness=kubernetes.exec_probe(ping, period=5, failures=3),
            liveness=kubernetes.exec_probe(ping, period=10, failures=6),
        )


_POD_NAME = "statefulset.kubernetes.io/pod-name"
_MOUNTS = (
    Mount(volume="config", path="/etc/redis", read_only=True),
    Mount(volume="secrets", path="/etc/vision-week/secrets", read_only=True),
    Mount(volume="data", path="/data"),
    Mount(volume="run", path="/run/redis"),
)
_PING = 'REDISCLI_AUTH="$(cat /etc/vision-week/secrets/redis-password)" redis-cli ping | grep -q PONG'
_SENTINEL_CONF = f"""\
port {SENTINEL_PORT}
bind * -::*
dir /run/redis
sentinel resolve-hostnames no
sentinel announce-hostnames no
"""


def _redis_conf(settings: RedisSettings) -> str:
    # A primary that has lost its replicas refuses writes, so that a minority can't go on by itself.
    lag = settings.replica_lag
    several = f"min-replicas-to-write 1\nmin-replicas-max-lag {lag}\n" if settings.members > 1 else ""
    return f"""\
port {PORT}
bind * -::*
protected-mode no
dir /data
# At most the last second is lost when a member dies (S5.3); the dump makes a restart quick.
appendonly yes
appendfsync everysec
aof-use-rdb-preamble yes
save 3600 1 300 100 60 10000
maxmemory {settings.data_bytes}
maxmemory-policy {settings.eviction}
# Freed in the background: a large key that goes doesn't stop everybody else.
lazyfree-lazy-eviction yes
lazyfree-lazy-expire yes
lazyfree-lazy-server-del yes
# A replica that was away for a minute catches up without a full copy.
repl-backlog-size {mebibytes(settings.backlog)}mb
repl-diskless-sync-delay 0
tcp-keepalive 60
{several}"""


def _members_env(addresses: dict[str, str], quorum: int) -> str:
    listed = " ".join(f"{member}={address}" for member, address in addresses.items())
    return f'addresses="{listed}"\nquorum={quorum}\n'
