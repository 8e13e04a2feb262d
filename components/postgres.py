"""PostgreSQL 15 under Patroni: one primary, and replicas where there is more than one member.

Patroni keeps its state in Endpoints of the Kubernetes API, and so decides by the same act who is primary and where the
Service `postgres` leads: there is no moment in which the two differ, and no selector that still lists a frozen member.
The Endpoints are made here, so that Patroni needs no right to create any, and may update these four by name only.

It never reads Secrets through the API: passwords are files. Nobody connects as superuser but over the pod's own socket.
There, beside each member, a container keeps the database's roles as the files say (`files/postgres-roles.sh`), a pooler
takes in who comes and goes by the hundred (`pooler.py`), and two tell Prometheus what PostgreSQL and the pooler count.
They are there whether anybody asks or not: who begins to watch, or ends, rolls no database for it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pulumi_random as random
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking, rbac
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes, patroni, pgbackrest, pooler
from components.backups import Archive
from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.logins import SERVING, Consumer, Login, Logins, LoginsArgs
from components.scaling import disruption_budget
from components.settings import Postgres as PostgresSettings
from components.values import mebibytes

NAME = patroni.SCOPE
DATABASE = "vision_week"
OWNER = "vision_week_owner"
APP = "vision_week_app"
EXPORTER_PORT = 9187
# As PgBouncer's exporters have it.
POOLER_EXPORTER_PORT = 9127
# What is kept of what the exporter tells: not what it tells of itself, and of PostgreSQL's 250 settings two bounds.
COUNTED = (
    "pg_(up|archive_waiting_seconds|exporter_last_scrape_error|settings_max_connections|settings_max_slot_wal_keep_size_bytes"
    "|database_size_bytes|locks_count|replication_slots_.*|stat_(activity|archiver|replication)_.*"
    "|stat_database_(numbackends|xact|tup|blks|deadlocks|temp).*)"
)
_DIRECT = {"postgresql": patroni.PORT}
_FILES = "/etc/vision-week"
_OWN_FILES = ("roles.sql", "logins.sql", "postgres-roles.sh", "postgres-exporter.yaml", "pooler-exporter.py")
_QUESTIONS = "/etc/postgres-exporter/questions.yaml"
_POOLER_EXPORTER = "/etc/pooler-exporter/main.py"
# The name in the exporters' certificate; its files lie in the directory, where they are read again as they change.
EXPORTERS = f"{NAME}-exporters"
_EXPORTERS_TLS = "/etc/exporters-tls"
# As Prometheus' own exporters take it.
_EXPORTERS_WEB = json.dumps(
    {"tls_server_config": {"cert_file": f"{_EXPORTERS_TLS}/tls.crt", "key_file": f"{_EXPORTERS_TLS}/tls.key"}}
)


@dataclass(frozen=True, kw_only=True)
class PostgresArgs:
    """What PostgreSQL needs.

    settings: members, sizes. image: of a member. storage_class: of its volumes.
    authority: signs its certificate. archive: where its WAL goes; None without backups.
    clients: pods that may connect; migrations: to the primary alone.
    longest_ending: seconds that one of them may take to end.
    statement_timeout: seconds that a statement of theirs may take, a migration's excepted.
    generation: of the passwords and the certificate. control_plane: addresses of the API server.
    protect: its members are not removed before this is taken away.
    """

    namespace: Namespace
    settings: PostgresSettings
    image: Input[str]
    storage_class: Input[str]
    authority: Authority
    archive: Archive | None
    clients: Sequence[networking.v1.NetworkPolicyPeerArgs]
    migrations: Sequence[networking.v1.NetworkPolicyPeerArgs]
    longest_ending: int
    statement_timeout: int
    generation: int
    control_plane: Sequence[str]
    protect: bool


class Postgres(ComponentResource):
    """The database, its Services and who logs in: `owner` migrates, at the primary; `app` serves, pooled."""

    primary: Endpoint
    pooled: Endpoint
    replicas: Endpoint
    logins: Mapping[str, Login]

    def __init__(self, name: str, args: PostgresArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:postgres:Postgres", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self)
        logins = Logins(
            NAME,
            LoginsArgs(
                consumers={
                    # What a migration makes belongs to the owner, whichever of the two makes it.
                    "owner": Consumer(member_of=OWNER, settings={"role": OWNER}),
                    "app": Consumer(
                        member_of=APP, pooled=True, settings={"statement_timeout": f"{args.statement_timeout}s"}
                    ),
                },
                generation=args.generation,
            ),
            opts=self._child,
        )
        self.logins = logins.of
        primary = self._service(NAME, ports=patroni.PORTS)
        replicas = self._service(f"{NAME}-replicas", {**selector(NAME), patroni.ROLE: "replica"})
        self.primary = Endpoint(host=kubernetes.host_of(primary), port=patroni.PORT)
        self.pooled = Endpoint(host=self.primary.host, port=patroni.POOLED_PORT)
        self.replicas = Endpoint(host=kubernetes.host_of(replicas), port=patroni.PORT)
        at_start = self._passwords()
        secrets = {**at_start, **self._certificate(), "logins.json": logins.file, "users.txt": logins.pooled}
        files = {
            "patroni.yaml": patroni.member(),
            "exporters.json": _EXPORTERS_WEB,
            "pgbouncer.ini": pooler.configuration(DATABASE, args.settings, args.statement_timeout),
            **{name: (Path(__file__).parent / "files" / name).read_text() for name in _OWN_FILES},
        }
        secret = core.v1.Secret(NAME, metadata=self._metadata(NAME), string_data=secrets, opts=self._child)
        config = core.v1.ConfigMap(NAME, metadata=self._metadata(NAME), data=files, opts=self._child)
        archiving = [args.archive.checksum] if args.archive else []
        repository = [args.archive.answers] if args.archive else []
        # Certificates and the clients' passwords are read again as they change; no member is rolled for them.
        checksum = kubernetes.checksum(files, at_start, patroni.starting(args.settings), *archiving)
        account, rights = self._account()
        members = self._service(f"{NAME}-members", selector(NAME), headless=True)
        records = [self._endpoints(NAME, primary), *(self._record(name) for name in patroni.RECORDS)]
        policy = networking.v1.NetworkPolicy(
            NAME, metadata=self._metadata(NAME), spec=self._connections(), opts=self._child
        )
        apps.v1.StatefulSet(
            NAME,
            metadata=self._metadata(NAME),
            spec=apps.v1.StatefulSetSpecArgs(
                replicas=args.settings.members,
                service_name=members.metadata.name,
                # Members find each other by themselves; none waits for another to be ready.
                pod_management_policy="Parallel",
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=self._pod(account, config, secret, checksum),
                volume_claim_templates=[kubernetes.data_claim(NAME, args.storage_class, args.settings.size)],
            ),
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                # A member without its rights or its Endpoints fails; without its policies it would start too open, and
                # without its archive end late.
                depends_on=[*args.namespace.guards, rights, primary, *records, policy, *repository],
            ),
        )
        if args.settings.members > 1:
            PodDisruptionBudget(
                NAME,
                metadata=self._metadata(NAME),
                spec=disruption_budget(NAME, args.settings.disruptions),
                opts=self._child,
            )
        self.register_outputs({"primary": self.primary.host, "replicas": self.replicas.host})

    def _metadata(self, name: str, annotations: dict[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
        return metadata(name, self._args.namespace.name, app=NAME, annotations=annotations)

    def _password(self, role: str) -> Output[str]:
        """No special characters: they would only need quoting, and 32 letters and digits are 190 bits."""
        return random.RandomPassword(f"{NAME}-{role}", length=32, special=False, opts=self._child).result

    def _passwords(self) -> dict[str, Output[str]]:
        """Patroni's own, which it reads when it starts."""
        passwords = {role: self._password(role) for role in ("superuser", "replication", "rewind", "patroni")}
        authentication = {
            "superuser": {"username": "postgres", "password": passwords["superuser"]},
            "replication": {"username": "replicator", "password": passwords["replication"]},
            "rewind": {"username": "rewinder", "password": passwords["rewind"]},
        }
        passwords_file = {
            "restapi": {"authentication": {"username": "patroni", "password": passwords["patroni"]}},
            "postgresql": {"authentication": authentication},
        }
        return {"passwords.yaml": Output.json_dumps(passwords_file)}

    def _certificate(self) -> dict[str, Output[str]]:
        """What clients know the members by, and Prometheus the exporters. The first name is short, since a common name
        has room for 64 characters."""
        hosts: list[Input[str]] = [NAME, self.primary.host, self.replicas.host]
        made = ServerCertificate(
            NAME, ServerCertificateArgs(authority=self._args.authority, hosts=hosts), opts=self._child
        )
        # Of their own: who reads a key of the exporters' can't answer in the database's name.
        exporters = ServerCertificate(
            EXPORTERS, ServerCertificateArgs(authority=self._args.authority, hosts=[EXPORTERS]), opts=self._child
        )
        return {
            "tls.crt": made.certificate,
            "tls.key": made.key,
            "ca.crt": self._args.authority.certificate,
            "exporters.crt": exporters.certificate,
            "exporters.key": exporters.key,
        }

    def _service(
        self,
        name: str,
        chosen: dict[str, str] | None = None,
        *,
        headless: bool = False,
        ports: Mapping[str, int] = _DIRECT,
    ) -> core.v1.Service:
        """A Service; without `chosen` pods it leads where Patroni writes."""
        return core.v1.Service(
            name,
            # Replicas may well be none, and the primary is only there when the members are: nothing to wait for.
            metadata=self._metadata(name, {"pulumi.com/skipAwait": "true"}),
            spec=core.v1.ServiceSpecArgs(
                cluster_ip="None" if headless else None,
                publish_not_ready_addresses=headless or None,
                selector=chosen,
                ports=[
                    core.v1.ServicePortArgs(name=port, port=number, target_port=number)
                    for port, number in ports.items()
                ],
            ),
            opts=self._child,
        )

    def _endpoints(
        self, name: str, service: core.v1.Service, annotations: dict[str, str] | None = None
    ) -> core.v1.Endpoints:
        """Patroni writes the rest: addresses, the primary's lease, who is synchronous.

        Kubernetes removes those that belong to no Service. So they come after it and go before it: a `destroy` that is
        stopped between the two leaves nothing in the state that isn't there, and the next `up` makes what is missing.
        """
        opts = ResourceOptions(parent=self, depends_on=[service])
        return core.v1.Endpoints(name, metadata=self._metadata(name, annotations), opts=opts)

    def _record(self, record: str) -> core.v1.Endpoints:
        """Endpoints that hold a record of Patroni's, and the Service that they need to stay."""
        name = f"{NAME}-{record}"
        service = core.v1.Service(
            name,
            metadata=self._metadata(name),
            spec=core.v1.ServiceSpecArgs(cluster_ip="None"),
            opts=self._child,
        )
        shared = {patroni.CONFIG_ANNOTATION: patroni.shared(self._args.settings)} if record == "config" else None
        return self._endpoints(name, service, shared)

    def _account(self) -> tuple[core.v1.ServiceAccount, rbac.v1.RoleBinding]:
        """Patroni's rights: see pods and Endpoints, update its own by name. No create, nothing about Secrets."""
        account = core.v1.ServiceAccount(
            NAME, metadata=self._metadata(NAME), automount_service_account_token=False, opts=self._child
        )
        members = [f"{NAME}-{number}" for number in range(self._args.settings.members)]
        records = [NAME, *(f"{NAME}-{record}" for record in patroni.RECORDS)]
        role = rbac.v1.Role(
            NAME,
            metadata=self._metadata(NAME),
            rules=[
                _rule(["pods", "endpoints"], ["get", "list", "watch"]),
                _rule(["pods"], ["patch", "update"], members),
                _rule(["endpoints"], ["patch", "update"], records),
            ],
            opts=self._child,
        )
        rights = kubernetes.bound(NAME, self._metadata(NAME), role, account, self._child)
        return account, rights

    def _connections(self) -> networking.v1.NetworkPolicySpecArgs:
        """Clients to the database; members to each other, replication and Patroni; members to the API server."""
        members = [kubernetes.pods_of(self._args.namespace.name, NAME)]
        archive = self._args.archive
        return kubernetes.allow(
            NAME,
            ingress=[
                kubernetes.from_(self._args.clients, *patroni.PORTS.values()),
                kubernetes.from_(self._args.migrations, patroni.PORT),
                kubernetes.from_(members, patroni.PORT, patroni.API_PORT),
                *([kubernetes.from_([archive.jobs], pgbackrest.PORT)] if archive else []),
            ],
            egress=[
                kubernetes.to(members, patroni.PORT, patroni.API_PORT),
                kubernetes.to_api_server(self._args.control_plane),
                *([kubernetes.to([archive.repository], pgbackrest.PORT)] if archive else []),
            ],
        )

    def _pod(
        self,
        account: core.v1.ServiceAccount,
        config: core.v1.ConfigMap,
        secret: core.v1.Secret,
        checksum: Output[str],
    ) -> core.v1.PodTemplateSpecArgs:
        settings, archive = self._args.settings, self._args.archive
        member = Container(
            name=NAME,
            image=self._args.image,
            command=["postgres-entrypoint"],
            resources=settings.resources,
            env={
                "PATRONI_NAME": kubernetes.pod_field("metadata.name"),
                "PATRONI_KUBERNETES_NAMESPACE": kubernetes.pod_field("metadata.namespace"),
                "PATRONI_KUBERNETES_POD_IP": kubernetes.pod_field("status.podIP"),
                "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"$(PATRONI_KUBERNETES_POD_IP):{patroni.PORT}",
                "PATRONI_RESTAPI_CONNECT_ADDRESS": f"$(PATRONI_KUBERNETES_POD_IP):{patroni.API_PORT}",
            },
            ports={"postgresql": patroni.PORT, "patroni": patroni.API_PORT},
            mounts=[
                Mount(volume="data", path=patroni.DATA),
                Mount(volume="patroni", path="/etc/patroni", read_only=True),
                Mount(volume="files", path=_FILES, read_only=True),
                Mount(volume="run", path="/run/postgresql"),
                Mount(volume="tmp", path="/tmp"),  # noqa: S108
                Mount(volume="parallel", path="/dev/shm"),  # noqa: S108
                *([archive.mount] if archive else []),
            ],
            readiness=kubernetes.http_probe("/readiness", "patroni", period=2, failures=3),
            # Patroni's own heartbeat, not PostgreSQL's answers: a database that is busy or copying is left alone.
            liveness=kubernetes.http_probe("/liveness", "patroni", period=10, failures=6),
        )
        roles = Container(
            name="roles",
            image=self._args.image,
            command=["sh", f"{_FILES}/postgres-roles.sh"],
            resources=settings.roles_resources,
            env={"LONGEST_ENDING": str(self._args.longest_ending)},
            mounts=[
                Mount(volume="files", path=_FILES, read_only=True),
                Mount(volume="run", path="/run/postgresql"),
                Mount(volume="roles-tmp", path="/tmp"),  # noqa: S108
            ],
            # Ready: whoever the member lets in is there. Alive: it goes round, every four seconds, whatever happens.
            readiness=kubernetes.exec_probe(_not_older("/tmp/kept", 30), period=5, failures=1),  # noqa: S108
            liveness=kubernetes.exec_probe(_not_older("/tmp/alive", 60), period=30, failures=2),  # noqa: S108
        )
        pooling = Container(
            name="pooler",
            image=self._args.image,
            command=["pgbouncer", f"{_FILES}/pgbouncer.ini"],
            resources=settings.pooler_resources,
            ports={"pooled": patroni.POOLED_PORT},
            mounts=[
                Mount(volume="files", path=_FILES, read_only=True),
                Mount(volume="run", path=pooler.SOCKETS),
            ],
            readiness=kubernetes.tcp_probe("pooled", period=5, failures=2),
            liveness=kubernetes.tcp_probe("pooled", period=20, failures=3),
        )
        return kubernetes.pod(
            NAME,
            [
                member,
                roles,
                pooling,
                _exporter(settings, self._args.image),
                *([archive.server] if archive else []),
            ],
            beside=[_pooler_exporter(settings, self._args.image)],
            volumes=[
                *(archive.volumes if archive else []),
                kubernetes.projected(
                    "patroni",
                    config_map=(config.metadata.name, {"patroni.yaml": "patroni.yaml"}),
                    secret=(secret.metadata.name, {"passwords.yaml": "passwords.yaml"}),
                ),
                kubernetes.projected(
                    "files",
                    config_map=(config.metadata.name, {name: name for name in ("pgbouncer.ini", *_OWN_FILES)}),
                    secret=(
                        secret.metadata.name,
                        {
                            **{name: f"roles/{name}" for name in ("logins.json", "users.txt")},
                            **{name: f"tls/{name}" for name in ("tls.crt", "tls.key", "ca.crt")},
                        },
                    ),
                    # It comes when the clients are there, and they wait for the members.
                    late_config_map=(SERVING, {"generation": "serving/generation"}),
                ),
                kubernetes.projected(
                    "exporters",
                    config_map=(config.metadata.name, {"exporters.json": "web.json"}),
                    secret=(secret.metadata.name, {"exporters.crt": "tls.crt", "exporters.key": "tls.key"}),
                ),
                kubernetes.scratch("run", "16Mi"),
                kubernetes.scratch("tmp", "64Mi"),
                # Where it has no room, a statement fails: "could not resize shared memory segment".
                kubernetes.in_memory("parallel", f"{settings.parallel_memory}Mi"),
                kubernetes.scratch("roles-tmp", "1Mi"),
            ],
            service_account=account.metadata.name,
            configuration=checksum,
            # A primary writes its last checkpoint before it hands over.
            grace=120,
            token=True,
            pool=self._args.namespace.pool,
        )


def _exporter(settings: PostgresSettings, image: Input[str]) -> Container:
    """Tells Prometheus what PostgreSQL counts. Without a readiness of its own: numbers that are missing are an alert,
    and take no member out of service."""
    # Nothing secret: the socket knows whose process it is. A look that hangs ends before the next one.
    source = {
        "host": "/run/postgresql",
        "user": patroni.EXPORTER,
        "application_name": "exporter",
        "sslmode": "disable",
        "statement_timeout": "5000",
    }
    return Container(
        name="exporter",
        image=image,
        command=[
            "prometheus-postgres-exporter",
            f"--web.listen-address=:{EXPORTER_PORT}",
            f"--web.config.file={_EXPORTERS_TLS}/web.json",
            f"--extend.query-path={_QUESTIONS}",
            "--log.format=json",
        ],
        resources=settings.exporter_resources,
        env={
            "DATA_SOURCE_NAME": f"postgresql:///{DATABASE}?{urlencode(source)}",
            # Tidies up before the limit rather than being killed at it.
            "GOMEMLIMIT": f"{mebibytes(settings.exporter_resources.memory) * 9 // 10}MiB",
        },
        ports={"exporter": EXPORTER_PORT},
        mounts=[
            Mount(volume="run", path="/run/postgresql", read_only=True),
            # This one alone: beside it lie keys.
            Mount(volume="files", path=_QUESTIONS, file="postgres-exporter.yaml", read_only=True),
            Mount(volume="exporters", path=_EXPORTERS_TLS, read_only=True),
        ],
        # Its own page, which asks nothing of PostgreSQL.
        liveness=kubernetes.http_probe("/", "exporter", period=30, failures=3, scheme="HTTPS"),
    )


def _pooler_exporter(settings: PostgresSettings, image: Input[str]) -> Container:
    """The same of the pooler, after which it ends."""
    return Container(
        name="pooler-exporter",
        image=image,
        # With Patroni's own library for PostgreSQL.
        command=["/opt/patroni/bin/python", _POOLER_EXPORTER, str(POOLER_EXPORTER_PORT), _EXPORTERS_TLS],
        resources=settings.pooler_exporter_resources,
        ports={"pooler-exporter": POOLER_EXPORTER_PORT},
        mounts=[
            Mount(volume="run", path=pooler.SOCKETS, read_only=True),
            Mount(volume="files", path=_POOLER_EXPORTER, file="pooler-exporter.py", read_only=True),
            Mount(volume="exporters", path=_EXPORTERS_TLS, read_only=True),
        ],
        liveness=kubernetes.http_probe("/", "pooler-exporter", period=30, failures=3, scheme="HTTPS"),
    )


def _not_older(file: str, seconds: int) -> list[str]:
    return ["sh", "-c", f'test -n "$(find {file} -newermt "-{seconds} seconds")"']


def _rule(resources: list[str], verbs: list[str], names: list[str] | None = None) -> rbac.v1.PolicyRuleArgs:
    return rbac.v1.PolicyRuleArgs(api_groups=[""], resources=resources, verbs=verbs, resource_names=names)
