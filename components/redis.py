"""Redis 7 with Sentinel: one primary, replicas where there is more than one member; beside each a Sentinel and HAProxy.

Members know each other by address, each by a Service of its own: an announced host name would have to be looked up at
the very moment that DNS may be slow, and Sentinel stands still meanwhile. Clients need not know of any of this: the
Service `redis` leads to an HAProxy, whichever, and that to the primary. One member alone is the same, with one of each.
An exporter beside each member tells Prometheus what it counts, whether anybody asks or not.

Nobody speaks in clear: members, Sentinels, HAProxy's checks, the exporter and clients all speak TLS, and check who
signed the other's certificate; those who know a name check that, too. HAProxy passes on what clients say, unread.

Each consumer has a user of its own with the least rights: members know hashes of their passwords alone, and are told of
other ones while they run (`files/redis-users.sh`). The members themselves, Sentinel and who works in their pods are
Redis' `default`.

Data is appended to a file once a second and dumped now and then. Sessions, cache and messages live here, nothing that
PostgreSQL should keep.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi_random as random
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import haproxy, kubernetes
from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.fewer import FewerMembers, FewerMembersArgs
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.logins import SERVING, Login, valid
from components.scaling import disruption_budget
from components.settings import Redis as RedisSettings
from components.values import mebibytes

NAME = "redis"
MEMBER_PORT = 6380
SENTINEL_PORT = 26379
EXPORTER_PORT = 9121
# The name in its certificate.
EXPORTER = f"{NAME}-exporter"
# What is kept of what the exporter tells: not what it tells of itself, of each command, of databases that nobody uses.
COUNTED = (
    "redis_(up|uptime_in_seconds|blocked_clients"
    "|(memory|keyspace|evicted_keys|expired_keys|rejected|connected|commands_processed|net|aof|rdb)_.*)"
)
SECRETS = "/etc/vision-week/secrets"
# Nothing listens in clear. Who connects shows a password, not a certificate; who answers shows one.
TLS = f"""\
port 0
tls-cert-file {SECRETS}/tls.crt
tls-key-file {SECRETS}/tls.key
tls-ca-cert-file {SECRETS}/ca.crt
tls-auth-clients no
tls-replication yes
"""
_EXPORTER = "exporter"
_FILES = Path(__file__).parent / "files"
# What each may do, with which keys and channels. Nothing that stops others or shows what isn't theirs (@dangerous):
# no KEYS, no FLUSHALL, no CONFIG.
_WORK = "+@read +@write +@transaction +@connection +publish -@dangerous"
RIGHTS = {
    "app": f"~vision-week:* &vision-week:* {_WORK} +eval +evalsha +script|load",
    "websocket": f"~vision-week:live:* &vision-week:live {_WORK} +subscribe +unsubscribe",
    # It asks who is primary, and who follows.
    haproxy.USER: "+info",
    # What Redis counts. Not what was slow, either: that shows the words of others.
    _EXPORTER: "+info",
}


@dataclass(frozen=True, kw_only=True)
class RedisArgs:
    """What Redis needs.

    settings: members, sizes, what is evicted. image: of Redis and Sentinel. haproxy_image: of HAProxy.
    exporter_image: of what tells Prometheus of each member. storage_class: of its volumes.
    authority: signs its certificate. clients: pods that may connect.
    longest_ending: seconds that one of them may take to end. generation: of the passwords of those who connect.
    protect: its members are not removed before this is taken away.
    """

    namespace: Namespace
    settings: RedisSettings
    image: Input[str]
    haproxy_image: Input[str]
    exporter_image: Input[str]
    storage_class: Input[str]
    authority: Authority
    clients: Sequence[networking.v1.NetworkPolicyPeerArgs]
    longest_ending: int
    generation: int
    protect: bool


class Redis(ComponentResource):
    """Redis, where it is reached, and what each consumer logs in with."""

    endpoint: Endpoint
    logins: Mapping[str, Login]

    def __init__(self, name: str, args: RedisArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:redis:Redis", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self)
        password = self._password(NAME)
        passwords = {user: self._passwords(user) for user in RIGHTS}
        self.logins = {user: Login(user=user, password=known[-1]) for user, known in passwords.items()}
        members = [f"{NAME}-{number}" for number in range(args.settings.members)]
        own_services = [self._service(member, {_POD_NAME: member, **selector(NAME)}) for member in members]
        service = self._service(NAME, selector(NAME), {NAME: haproxy.PORT})
        self.endpoint = Endpoint(host=kubernetes.host_of(service), port=haproxy.PORT)
        addresses = Output.all(*(service.spec.cluster_ip for service in own_services))
        files: dict[str, Input[str]] = {
            "redis.conf": redis_conf(args.settings),
            "sentinel.conf": _SENTINEL_CONF,
            "members.env": addresses.apply(
                lambda found: _members_env(dict(zip(members, found, strict=True)), args.settings.agreeing)
            ),
            **{
                f"{script}.sh": (_FILES / f"redis-{script}.sh").read_text()
                for script in ("members", "users", "start", "ready", "stop", "sentinel")
            },
        }
        connections = haproxy.connections(mebibytes(args.settings.haproxy_resources.memory))
        # The first name is short, since a common name has room for 64 characters.
        certificate = ServerCertificate(
            NAME,
            ServerCertificateArgs(authority=args.authority, hosts=[NAME, self.endpoint.host, "localhost"]),
            opts=self._child,
        )
        # Of its own: who reads the exporter's key can't answer in the name of a member.
        exporter = ServerCertificate(
            EXPORTER, ServerCertificateArgs(authority=args.authority, hosts=[EXPORTER]), opts=self._child
        )
        at_start: dict[str, Input[str]] = {
            "tls.crt": certificate.certificate,
            "tls.key": certificate.key,
            "ca.crt": args.authority.certificate,
            "redis-password": password,
            "exporter.crt": exporter.certificate,
            "exporter.key": exporter.key,
            "exporter.json": self.logins[_EXPORTER].password.apply(_exporter_passwords),
            "haproxy.cfg": Output.all(addresses, self.logins[haproxy.USER].password).apply(
                lambda known: haproxy.configuration(
                    dict(zip(members, known[0], strict=True)),
                    port=MEMBER_PORT,
                    shown=NAME,
                    password=known[1],
                    connections=connections,
                )
            ),
        }
        config = core.v1.ConfigMap(NAME, metadata=self._metadata(NAME), data=files, opts=self._child)
        known_as = " ".join(str(generation) for generation in valid(args.generation))
        lines = [_user_line(user, known) for user, known in passwords.items()]
        secrets = {**at_start, "users.conf": Output.concat(f"# generations: {known_as}\n", *lines)}
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
                # They find each other by themselves. One after the other, the first would wait for an answer of those
                # that wait for it to be ready.
                pod_management_policy="Parallel",
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [self._redis(), self._sentinel(), self._haproxy(), self._exporter()],
                    volumes=[
                        kubernetes.config_files("config", config.metadata.name),
                        kubernetes.secret_files("secrets", secret.metadata.name),
                        # It comes when the clients are there, and they wait for the members.
                        kubernetes.config_files("serving", SERVING, late=True),
                        kubernetes.scratch("run", "1Mi"),
                    ],
                    service_account=account.metadata.name,
                    # Users are told to the members that run; none is rolled for them.
                    configuration=kubernetes.checksum(files, at_start),
                    # A primary hands over, within 20 s; then what is in memory is written to disk.
                    grace=60,
                    pool=args.namespace.pool,
                ),
                volume_claim_templates=[kubernetes.data_claim(NAME, args.storage_class, args.settings.size)],
            ),
            # Without its policies a member would start too open.
            opts=ResourceOptions(parent=self, protect=args.protect, depends_on=[*args.namespace.guards, policy]),
        )
        FewerMembers(
            "redis-members",
            FewerMembersArgs(
                namespace=args.namespace,
                workload=NAME,
                reason="Redis has fewer members than before: what is written while they go would be lost. "
                "See to it that nobody writes, and say so, as docs/redis.md has it (Another number of members).",
            ),
            opts=self._child,
        )
        if args.settings.members > 1:
            PodDisruptionBudget(
                NAME,
                metadata=self._metadata(NAME),
                spec=disruption_budget(NAME, args.settings.disruptions),
                opts=self._child,
            )
        self.register_outputs({"host": self.endpoint.host})

    def _password(self, name: str, generation: int = 1) -> Output[str]:
        # The first is as it was made before there were others.
        keepers = {"generation": str(generation)} if generation > 1 else None
        return random.RandomPassword(name, length=32, special=False, keepers=keepers, opts=self._child).result

    def _passwords(self, user: str) -> list[Output[str]]:
        """Those that are valid, the latest last. HAProxy and the exporter are no clients: they run beside the members,
        read theirs when they start, and keep it."""
        if user in (haproxy.USER, _EXPORTER):
            return [self._password(f"{NAME}-{user}")]
        turns = {generation: "" if generation % 2 else "-b" for generation in valid(self._args.generation)}
        return [self._password(f"{NAME}-{user}{turn}", generation) for generation, turn in turns.items()]

    def _metadata(self, name: str, annotations: dict[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
        return metadata(name, self._args.namespace.name, app=NAME, annotations=annotations)

    def _service(
        self, name: str, chosen: dict[str, str], ports: dict[str, int] | None = None, *, headless: bool = False
    ) -> core.v1.Service:
        """For clients a Service with the ports that they use; without any it is the members' own."""
        return core.v1.Service(
            name,
            # They come before their pods, whose configuration has their addresses.
            metadata=self._metadata(name, {"pulumi.com/skipAwait": "true"}),
            spec=core.v1.ServiceSpecArgs(
                cluster_ip="None" if headless else None,
                # Members must find each other before they are ready; clients get ready ones.
                publish_not_ready_addresses=None if ports else True,
                selector=chosen,
                ports=[
                    core.v1.ServicePortArgs(name=port, port=number, target_port=number)
                    for port, number in (ports or {"member": MEMBER_PORT, "sentinel": SENTINEL_PORT}).items()
                ],
            ),
            opts=self._child,
        )

    def _connections(self) -> networking.v1.NetworkPolicySpecArgs:
        """Clients to HAProxy; members, their Sentinels and HAProxies to each other's Redis and Sentinel."""
        members = [kubernetes.pods_of(self._args.namespace.name, NAME)]
        return kubernetes.allow(
            NAME,
            ingress=[
                kubernetes.from_(self._args.clients, haproxy.PORT),
                kubernetes.from_(members, MEMBER_PORT, SENTINEL_PORT),
            ],
            egress=[kubernetes.to(members, MEMBER_PORT, SENTINEL_PORT)],
        )

    def _redis(self) -> Container:
        return Container(
            name=NAME,
            image=self._args.image,
            command=["sh", "/etc/redis/start.sh"],
            resources=self._args.settings.resources,
            env={"LONGEST_ENDING": str(self._args.longest_ending)},
            ports={"member": MEMBER_PORT},
            mounts=_MOUNTS,
            # Ready is who is primary or in step with it: a roll-out waits for that before it takes the next one. A
            # fail-over lasts less than this, so that nobody becomes unready by it. Alive is who answers anything.
            readiness=kubernetes.exec_probe(["sh", "/etc/redis/ready.sh"], period=5, failures=3),
            liveness=kubernetes.exec_probe([*_CLI, "-p", str(MEMBER_PORT), "ping"], period=30, failures=2),
            startup=kubernetes.exec_probe(["sh", "-c", _PING], period=2, failures=150),
            pre_stop=["sh", "/etc/redis/stop.sh"],
        )

    def _sentinel(self) -> Container:
        ping = [*_CLI, "-p", str(SENTINEL_PORT), "ping"]
        return Container(
            name="sentinel",
            image=self._args.image,
            command=["sh", "/etc/redis/sentinel.sh"],
            resources=self._args.settings.sentinel_resources,
            ports={"sentinel": SENTINEL_PORT},
            mounts=_MOUNTS,
            liveness=kubernetes.exec_probe(ping, period=30, failures=2),
            # It waits for its member, and is ready when it answers: nobody finds it by that, but a roll-out waits.
            startup=kubernetes.exec_probe(ping, period=2, failures=150),
            # It is asked to choose another primary while its member hands over.
            pre_stop=["sh", "-c", f"while {_CLI_TEXT} -p {MEMBER_PORT} ping > /dev/null 2>&1; do sleep 0.5; done"],
        )

    def _haproxy(self) -> Container:
        return Container(
            name="haproxy",
            image=self._args.haproxy_image,
            command=["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"],
            resources=self._args.settings.haproxy_resources,
            ports={NAME: haproxy.PORT, "health": haproxy.HEALTH_PORT},
            mounts=[
                Mount(volume="secrets", path=f"/etc/haproxy/{file}", file=file, read_only=True)
                for file in ("haproxy.cfg", "ca.crt")
            ],
            # After 10 s without a primary it takes no clients; it takes them again soon after it sees one.
            readiness=kubernetes.http_probe("/ready", "health", period=2, failures=5),
            liveness=kubernetes.http_probe("/live", "health", period=10, failures=3),
            # Until all nodes have heard that this pod is going.
            pre_stop=["sleep", "5"],
        )

    def _exporter(self) -> Container:
        """Tells Prometheus what Redis counts. Without a readiness of its own: numbers that are missing are an alert,
        and take no member out of service."""
        return Container(
            name="exporter",
            image=self._args.exporter_image,
            command=[
                "/redis_exporter",
                f"-redis.addr={_MEMBER}",
                f"-redis.user={_EXPORTER}",
                "-redis.password-file=/etc/redis-exporter/exporter.json",
                "-tls-ca-cert-file=/etc/redis-exporter/ca.crt",
                "-tls-server-cert-file=/etc/redis-exporter/exporter.crt",
                "-tls-server-key-file=/etc/redis-exporter/exporter.key",
                # It may not ask for these, nor give itself a name.
                "-config-command=-",
                "-set-client-name=false",
                f"-web.listen-address=:{EXPORTER_PORT}",
                "-log-format=json",
            ],
            resources=self._args.settings.exporter_resources,
            # Tidies up before the limit rather than being killed at it.
            env={"GOMEMLIMIT": f"{mebibytes(self._args.settings.exporter_resources.memory) * 9 // 10}MiB"},
            ports={"exporter": EXPORTER_PORT},
            mounts=[
                Mount(volume="secrets", path=f"/etc/redis-exporter/{file}", file=file, read_only=True)
                for file in ("exporter.json", "exporter.crt", "exporter.key", "ca.crt")
            ],
            liveness=kubernetes.http_probe("/health", "exporter", period=30, failures=3, scheme="HTTPS"),
        )


_MEMBER = f"rediss://localhost:{MEMBER_PORT}"
_CLI = ("redis-cli", "--tls", "--cacert", f"{SECRETS}/ca.crt")
_CLI_TEXT = " ".join(_CLI)
_POD_NAME = "statefulset.kubernetes.io/pod-name"
_MOUNTS = (
    Mount(volume="config", path="/etc/redis", read_only=True),
    Mount(volume="secrets", path=SECRETS, read_only=True),
    Mount(volume="serving", path="/etc/vision-week/serving", read_only=True),
    Mount(volume="data", path="/data"),
    Mount(volume="run", path="/run/redis"),
)
_PING = f'REDISCLI_AUTH="$(cat {SECRETS}/redis-password)" {_CLI_TEXT} -p {MEMBER_PORT} ping | grep -q PONG'
_SENTINEL_CONF = f"""\
{TLS}tls-port {SENTINEL_PORT}
bind * -::*
dir /run/redis
sentinel resolve-hostnames no
sentinel announce-hostnames no
"""


def _user_line(user: str, passwords: Sequence[Output[str]]) -> Output[str]:
    """A user as Redis' configuration has it. A password has 190 bits, so that its plain hash can't be turned back."""
    hashes = [password.apply(lambda known: f"#{hashlib.sha256(known.encode()).hexdigest()} ") for password in passwords]
    return Output.concat(f"user {user} on ", *hashes, f"{RIGHTS[user]}\n")


def _exporter_passwords(password: str) -> str:
    """By address, as versions until 1.45 look it up, and by user and address, as later ones do."""
    return json.dumps(dict.fromkeys((_MEMBER, _MEMBER.replace("//", f"//{_EXPORTER}@")), password))


def redis_conf(settings: RedisSettings) -> str:
    """What holds for every member."""
    # A primary that has lost its replicas refuses writes, so that a minority can't go on by itself.
    lag = settings.replica_lag
    several = f"min-replicas-to-write 1\nmin-replicas-max-lag {lag}\n" if settings.members > 1 else ""
    return f"""\
{TLS}tls-port {MEMBER_PORT}
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
