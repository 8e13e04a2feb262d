"""The application: migrations first, then pods of nginx and PHP-FPM that share one volume of uploads.

The Job runs to its end before the Deployment changes, as the role that owns the schema; the application's own role
can't change it. A migration that fails stops the update while the old release goes on serving.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import apps, autoscaling, batch, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import bounds, hot_reload, kubernetes, nginx_exporter
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.logins import Login
from components.scaling import autoscaler, disruption_budget, fixed_replicas, rolling
from components.settings import PASSWORDS, Timeouts
from components.settings import App as AppSettings

NAME = "app"
MIGRATIONS = "migrations"
MISTAKEN = 65  # a migration's exit code when it would fail again: EX_DATAERR of sysexits.h
PORT = 8080
INTERNAL_PORT = 8081
_SECRETS = "/etc/vision-week/secrets"
_DATABASE_CA = "database-ca.crt"  # no secret, but it changes with what is one
REDIS_CA = "redis-ca.crt"
_SETTINGS_VOLUME = "nginx-settings"
_NGINX_SETTINGS = "/etc/vision-week/nginx/settings"
_NGINX_PID = "/tmp/nginx.pid"  # noqa: S108  as nginx.conf has it; gone when nginx is
_UPLOADS = "/var/www/html/storage/uploads"


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database and who uses it.

    endpoint: for who serves. primary: for who migrates, in sessions of its own. peer: the pods of both.
    owner, user: the role that migrates, the role that serves.
    authority: PEM of the certificate that its own is signed with.
    """

    endpoint: Endpoint
    primary: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs
    name: str
    owner: Login
    user: Login
    authority: Output[str]


@dataclass(frozen=True, kw_only=True)
class Store:
    """Redis: where it is, its pods, what its consumer logs in with, who signed its certificate."""

    endpoint: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs
    login: Login
    authority: Output[str]


@dataclass(frozen=True, kw_only=True)
class Uploads:
    """The volume that all its pods mount, each reading what another has written.

    claim: what is asked for. annotations: of the pods, for whoever mounts it. connections: that mounting it takes.
    """

    claim: core.v1.PersistentVolumeClaimSpecArgs
    annotations: Mapping[str, str] = field(default_factory=dict)
    connections: Sequence[networking.v1.NetworkPolicyEgressRuleArgs] = ()


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """Where it tells what requests did, in OTLP over HTTP, and of how many. peer: the pods there. percent: of all."""

    endpoint: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs
    percent: float


@dataclass(frozen=True, kw_only=True)
class AppArgs:
    """What the application needs.

    image, release: what runs. exporter_image: of what tells Prometheus of its nginx.
    settings: how much of it. timeouts: how long each waits for the next.
    names: our name of a variable -> the application's, where it has another; a password's own name makes it a
        variable. constants: variables besides.
    clients: who may ask it.
    websocket: where its pages find the WebSocket service, a path or an address.
    notice: seconds until all clients have heard that a pod is going.
    nginx_settings: files of `images/app/nginx/settings` that the edge makes otherwise, by name.
    after: what must be ready before the migrations run.
    tracing: of requests; None without any.
    rollout_timeout: seconds in which the next new pod must become ready.
    protect: the uploads are not removed before this is taken away.
    """

    namespace: Namespace
    settings: AppSettings
    timeouts: Timeouts
    names: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    image: Input[str]
    exporter_image: Input[str]
    release: str
    database: Database
    redis: Store
    clients: Sequence[networking.v1.NetworkPolicyPeerArgs]
    websocket: str
    notice: int
    nginx_settings: Mapping[str, str]
    uploads: Uploads
    after: Sequence[Resource]
    tracing: Tracing | None = None
    rollout_timeout: int
    protect: bool


def ending(notice: int, timeouts: Timeouts) -> int:
    """Seconds that a pod may take to end: until nobody sends anything new, what PHP-FPM gives its longest request, and
    some to spare."""
    return notice + bounds.ending(timeouts) + 5


class App(ComponentResource):
    """The application and its Service."""

    endpoint: Endpoint

    def __init__(self, name: str, args: AppArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:app:App", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self)
        self._nginx_files = {**args.nginx_settings, **bounds.nginx_settings(args.settings.limits, args.timeouts)}
        environment = self._environment()
        config = core.v1.ConfigMap(NAME, metadata=self._metadata(NAME), data=environment, opts=self._child)
        nginx_settings = self._nginx_settings()
        migrations = self._migrations()
        secrets = {
            "database-password": args.database.user.password,
            _DATABASE_CA: args.database.authority,
            "redis-password": args.redis.login.password,
            REDIS_CA: args.redis.authority,
        }
        secret = self._secret(NAME, secrets)
        account = self._account(NAME)
        uploads = core.v1.PersistentVolumeClaim(
            "uploads",
            metadata=self._metadata("uploads"),
            spec=args.uploads.claim,
            opts=ResourceOptions(parent=self, protect=args.protect),
        )
        policy = networking.v1.NetworkPolicy(
            NAME, metadata=self._metadata(NAME), spec=self._connections(), opts=self._child
        )
        replicas = args.settings.replicas
        deployment = apps.v1.Deployment(
            NAME,
            metadata=self._metadata(NAME),
            spec=apps.v1.DeploymentSpecArgs(
                replicas=fixed_replicas(replicas),
                strategy=rolling(),
                progress_deadline_seconds=args.rollout_timeout,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [self._nginx(), self._php(config.metadata.name, secret.metadata.name)],
                    volumes=[
                        kubernetes.secret_files("secrets", secret.metadata.name),
                        kubernetes.claimed("uploads", uploads.metadata.name),
                        kubernetes.scratch("run", "16Mi"),
                        kubernetes.scratch("tmp", f"{bounds.on_disk(args.settings)}Mi"),
                        *nginx_settings,
                        *([hot_reload.directory()] if args.settings.hot_reload else []),
                    ],
                    before=[hot_reload.filler(args.image, args.settings.nginx_resources)]
                    if args.settings.hot_reload
                    else [],
                    beside=[nginx_exporter.container(args.exporter_image, args.settings.exporter_resources)],
                    service_account=account,
                    annotations=args.uploads.annotations,
                    configuration=kubernetes.checksum(environment, self._nginx_files, secrets),
                    grace=ending(args.notice, args.timeouts),
                ),
            ),
            opts=ResourceOptions(
                parent=self,
                # The schema is the new one before the first new pod; no pod starts without its policies.
                depends_on=[*args.namespace.guards, policy, migrations],
            ),
        )
        if replicas.autoscaled:
            autoscaling.v2.HorizontalPodAutoscaler(
                NAME,
                metadata=self._metadata(NAME),
                spec=autoscaler(NAME, replicas),
                # It may not find the Deployment missing.
                opts=ResourceOptions(parent=self, depends_on=[deployment]),
            )
        if replicas.min > 1:
            PodDisruptionBudget(
                NAME,
                metadata=self._metadata(NAME),
                spec=disruption_budget(NAME, replicas.disruptions),
                opts=self._child,
            )
        service = core.v1.Service(
            NAME,
            metadata=self._metadata(NAME),
            spec=core.v1.ServiceSpecArgs(
                selector=selector(NAME), ports=[core.v1.ServicePortArgs(name="http", port=PORT, target_port="http")]
            ),
            opts=self._child,
        )
        self.endpoint = Endpoint(host=kubernetes.host_of(service), port=PORT)
        self.register_outputs({"host": self.endpoint.host})

    def _metadata(self, name: str, *, app: str = NAME) -> meta.v1.ObjectMetaArgs:
        return metadata(name, self._args.namespace.name, app=app)

    def _secret(self, name: str, secrets: Mapping[str, Input[str]]) -> core.v1.Secret:
        """Passwords and what goes with them. Changed, it is another Secret under another name, which only new pods
        know: written in place, it would reach pods of before, who log in as somebody else."""
        return core.v1.Secret(
            name,
            metadata=meta.v1.ObjectMetaArgs(namespace=self._args.namespace.name, labels=kubernetes.labels(name)),
            immutable=True,
            string_data=secrets,
            opts=self._child,
        )

    def _account(self, name: str) -> Output[str]:
        """An identity of its own, without rights in the cluster and without a token."""
        account = core.v1.ServiceAccount(
            name,
            metadata=self._metadata(name, app=name),
            automount_service_account_token=False,
            opts=self._child,
        )
        return account.metadata.name

    def _environment(self) -> dict[str, Input[str]]:
        settings, redis = self._args.settings, self._args.redis
        variables: dict[str, Input[str]] = {
            "APP_VERSION": self._args.release,
            "LOG_LEVEL": settings.log_level,
            "REDIS_HOST": redis.endpoint.host,
            "REDIS_PORT": str(redis.endpoint.port),
            "REDIS_PASSWORD_FILE": f"{_SECRETS}/redis-password",
            "REDIS_CA_FILE": f"{_SECRETS}/{REDIS_CA}",
            "UPLOADS_PATH": _UPLOADS,
            "SESSION_LIFETIME": str(settings.session_lifetime),
            "LOGINS_PER_MINUTE": str(settings.limits.login_per_minute),
            "UPLOAD_LIMIT": str(bounds.upload(settings.limits)),
            "WEBSOCKET_PATH": self._args.websocket,
        }
        return {**self._database(self._args.database.endpoint), **self._named(variables), **self._tracing()}

    def _tracing(self) -> dict[str, Input[str]]:
        """OpenTelemetry's own variables, which every library for it reads."""
        tracing = self._args.tracing
        if tracing is None:
            return {}
        there = tracing.endpoint
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": Output.format("http://{0}:{1}", there.host, there.port),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_SERVICE_NAME": NAME,
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": f"{tracing.percent / 100:g}",
        }

    def _database(self, endpoint: Endpoint) -> dict[str, Input[str]]:
        database = self._args.database
        variables: dict[str, Input[str]] = {
            "APP_ENV": self._args.settings.environment,
            "DATABASE_HOST": endpoint.host,
            "DATABASE_PORT": str(endpoint.port),
            "DATABASE_NAME": database.name,
            "DATABASE_PASSWORD_FILE": f"{_SECRETS}/database-password",
            # Nobody listens, and nobody answers in its place.
            "DATABASE_SSLMODE": "verify-full",
            "DATABASE_CA_FILE": f"{_SECRETS}/{_DATABASE_CA}",
        }
        return {**self._args.constants, **self._named(variables)}

    def _user(self, login: Login) -> dict[str, Input[str]]:
        """Who logs in: in the pod itself, beside the name of the Secret that has the password. A container that starts
        again reads a ConfigMap again, which may be the next pods'."""
        return self._named({"DATABASE_USER": login.user})

    def _named(self, variables: Mapping[str, Input[str]]) -> dict[str, Input[str]]:
        """The variables under the names that the application reads."""
        return {self._args.names.get(name, name): value for name, value in variables.items()}

    def _passwords(self, secret: Input[str], *keys: str) -> dict[str, core.v1.EnvVarSourceArgs]:
        """Passwords as variables, from the container's own Secret: only those that somebody asked for."""
        return {
            self._args.names[name]: core.v1.EnvVarSourceArgs(
                secret_key_ref=core.v1.SecretKeySelectorArgs(name=secret, key=key)
            )
            for name, key in PASSWORDS.items()
            if name in self._args.names and key in keys
        }

    def _connections(self) -> networking.v1.NetworkPolicySpecArgs:
        """The edge to nginx; PHP to its database, to Redis, to the collector of traces and to the one debugger that is
        named; its uploads' mount to where they are."""
        database, redis, tracing = self._args.database, self._args.redis, self._args.tracing
        return kubernetes.allow(
            NAME,
            ingress=[kubernetes.from_(self._args.clients, PORT)],
            egress=[
                # Pods of a release before the pooler are there until they are replaced, and go straight to the primary.
                kubernetes.to([database.peer], database.endpoint.port, database.primary.port),
                kubernetes.to([redis.peer], redis.endpoint.port),
                *self._args.uploads.connections,
                *self._to_debugger(),
                *([kubernetes.to([tracing.peer], tracing.endpoint.port)] if tracing else []),
            ],
        )

    def _to_debugger(self) -> list[networking.v1.NetworkPolicyEgressRuleArgs]:
        if self._args.settings.debugger is None:
            return []
        host, port = self._args.settings.debugger.split(":")
        return [kubernetes.to([kubernetes.addresses(f"{host}/32")], int(port))]

    def _debugging(self) -> dict[str, Input[str]]:
        """Where Xdebug connects to: nowhere by itself, and never to an address that a request names."""
        if self._args.settings.debugger is None:
            return {}
        host, port = self._args.settings.debugger.split(":")
        return {"XDEBUG_CONFIG": f"client_host={host} client_port={port}"}

    def _nginx_settings(self) -> list[core.v1.VolumeArgs]:
        """The volume of the files that replace the image's, where there are any."""
        if not self._nginx_files:
            return []
        name = f"{NAME}-nginx"
        config = core.v1.ConfigMap(name, metadata=self._metadata(name), data=self._nginx_files, opts=self._child)
        return [kubernetes.config_files(_SETTINGS_VOLUME, config.metadata.name)]

    def _tree(self, container: str) -> Sequence[Mount]:
        """The application's files, where they aren't the image's."""
        return hot_reload.mounts(container) if self._args.settings.hot_reload else []

    def _nginx(self) -> Container:
        return Container(
            name="nginx",
            image=self._args.image,
            command=["nginx", "-c", "/etc/vision-week/nginx.conf", "-g", "daemon off;"],
            resources=self._args.settings.nginx_resources,
            ports={"http": PORT, "internal": INTERNAL_PORT},
            mounts=[
                Mount(volume="run", path="/run/vision-week"),
                _TMP,
                *(
                    Mount(volume=_SETTINGS_VOLUME, path=f"{_NGINX_SETTINGS}/{file}", read_only=True, file=file)
                    for file in sorted(self._nginx_files)
                ),
                *self._tree("nginx"),
            ],
            # Ready: PHP and what it depends on answer. Alive: this nginx answers.
            readiness=kubernetes.http_probe("/ready", "internal", period=5, failures=2),
            liveness=kubernetes.http_probe("/live", "internal", period=10, failures=3),
            startup=kubernetes.http_probe("/health", "http", period=1, failures=60),
            # A pod that goes answers on until the edge has heard of it.
            pre_stop=["sleep", str(self._args.notice)],
        )

    def _php(self, config: Input[str], secret: Input[str]) -> Container:
        settings = self._args.settings
        return Container(
            name="php",
            image=self._args.image,
            command=["php-fpm", "--nodaemonize", "--fpm-config", "/etc/vision-week/php-fpm.conf"],
            resources=settings.php_resources,
            env={
                **bounds.php_variables(settings, self._args.timeouts),
                **self._user(self._args.database.user),
                **self._named({"REDIS_USER": self._args.redis.login.user}),
                **self._passwords(secret, *PASSWORDS.values()),
                **self._debugging(),
            },
            env_from=[config],
            mounts=[
                Mount(volume="run", path="/run/vision-week"),
                Mount(volume="secrets", path=_SECRETS, read_only=True),
                Mount(volume="uploads", path=_UPLOADS),
                _TMP,
                *self._tree("php"),
            ],
            # Through nginx to the two workers that are kept for it: alive as long as one of them answers.
            liveness=kubernetes.http_probe("/health", PORT, period=10, failures=6),
            startup=kubernetes.http_probe("/health", PORT, period=1, failures=60),
            # The last request that nginx took, perhaps slowly, finds PHP here: PHP goes when nginx has gone.
            pre_stop=["sh", "-c", f"sleep {self._args.notice}; while [ -e {_NGINX_PID} ]; do sleep 0.2; done"],
        )

    def _migrations(self) -> batch.v1.Job:
        """Brings the schema up to date. Any change of what it runs makes a new Job under a new name."""
        args = self._args
        secrets = {"database-password": args.database.owner.password, _DATABASE_CA: args.database.authority}
        environment = {**self._database(args.database.primary), **self._user(args.database.owner)}
        secret = self._secret(MIGRATIONS, secrets)
        account = self._account(MIGRATIONS)
        policy = networking.v1.NetworkPolicy(
            MIGRATIONS,
            metadata=self._metadata(MIGRATIONS, app=MIGRATIONS),
            spec=kubernetes.allow(MIGRATIONS, egress=[kubernetes.to([args.database.peer], args.database.primary.port)]),
            opts=self._child,
        )
        container = Container(
            name=MIGRATIONS,
            image=args.image,
            command=["php", "/var/www/html/bin/migrate.php"],
            resources=args.settings.php_resources,
            env={**environment, **self._passwords(secret.metadata.name, "database-password")},
            mounts=[Mount(volume="secrets", path=_SECRETS, read_only=True), _TMP],
        )
        return batch.v1.Job(
            MIGRATIONS,
            metadata=meta.v1.ObjectMetaArgs(namespace=args.namespace.name, labels=kubernetes.labels(MIGRATIONS)),
            spec=batch.v1.JobSpecArgs(
                backoff_limit=3,
                # What would fail again is not tried again: the update says so at once, not after three pauses.
                pod_failure_policy=batch.v1.PodFailurePolicyArgs(
                    rules=[
                        batch.v1.PodFailurePolicyRuleArgs(
                            action="FailJob",
                            on_exit_codes=batch.v1.PodFailurePolicyOnExitCodesRequirementArgs(
                                operator="In", values=[MISTAKEN]
                            ),
                        )
                    ]
                ),
                active_deadline_seconds=args.settings.migration_timeout,
                template=kubernetes.pod(
                    MIGRATIONS,
                    [container],
                    volumes=[
                        kubernetes.secret_files("secrets", secret.metadata.name),
                        kubernetes.scratch("tmp", "64Mi"),
                    ],
                    service_account=account,
                    configuration=kubernetes.checksum(environment, secrets),
                    grace=30,
                    restart="Never",
                ),
            ),
            # It needs the database, and may not run before its policies stand.
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, *args.after, policy]),
        )


_TMP = Mount(volume="tmp", path="/tmp")  # noqa: S108  the pod's own
