"""Backups of PostgreSQL by pgBackRest: a repository that takes every WAL segment, and jobs that fill and check it.

The repository is a server before a volume or a bucket. It and the jobs alone have the way to what is stored, and the
passphrase that it is encrypted with; a member pushes its WAL to the server and is asked by the jobs, never the other
way round. While no server is there, WAL waits with the primary. A backup that fails is a failed Job.
The bucket is not made here (`google/backups.py`). How a restore looks is said here, and begun by `operations`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi_random as random
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, batch, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes, patroni, pgbackrest
from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.kubernetes import Container, Mount, Namespace, metadata, selector
from components.scaling import disruption_budget
from components.settings import Postgres as PostgresSettings

# The container of a member that backups are fetched from.
SERVER = "pgbackrest"
_OURS = Path(__file__).parent / "files"
_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")  # as cron counts them
_HOUR = 3600
_TMP = Mount(volume="archiving-tmp", path="/tmp")  # noqa: S108  pgBackRest's own
# Google's storage, and where a node of GKE tells a pod who it is.
_BUCKET_AND_IDENTITY = (("0.0.0.0/0", 443), ("169.254.169.252/32", 988), ("169.254.169.254/32", 80))


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    """What backups need.

    settings: PostgreSQL's, with those of its backups. image: the members', which has pgBackRest.
    bucket: the repository; without it a volume of storage_class, which the server and the jobs mount by storage_access.
    restored_class: of the volume that a backup is restored to.
    authority: signs everybody's certificate. protect: the volume is not removed before this is taken away.
    """

    namespace: Namespace
    settings: PostgresSettings
    image: Input[str]
    bucket: Input[str] | None
    storage_class: Input[str]
    storage_access: str
    restored_class: Input[str]
    authority: Authority
    protect: bool


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What a member of PostgreSQL takes in, to push its WAL and to be asked for backups.

    volumes: configuration and certificate, mounted by `mount`, and what the server needs besides.
    server: the container that the jobs ask. repository, jobs: the pods on the other side.
    answers: what makes the repository's. A primary that goes sends its last WAL first, and waits for an answer.
    checksum: of the configuration; a certificate is read again as it changes.
    """

    volumes: Sequence[core.v1.VolumeArgs]
    mount: Mount
    server: Container
    repository: networking.v1.NetworkPolicyPeerArgs
    jobs: networking.v1.NetworkPolicyPeerArgs
    answers: apps.v1.Deployment
    checksum: Output[str]


class Backups(ComponentResource):
    """The repository and its jobs, and what the members are given for them.

    jobs: CronJob -> seconds within which it has to go well again. passphrase: of all that is stored.
    """

    archive: Archive
    jobs: Mapping[str, int]
    passphrase: Output[str]

    def __init__(self, name: str, args: BackupsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:backups:Backups", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self)
        self.passphrase = random.RandomPassword(
            pgbackrest.REPOSITORY,
            length=64,
            special=False,
            # Without it nothing that is stored can be read again.
            opts=ResourceOptions(parent=self, protect=args.protect),
        ).result
        service = self._service()
        self._host = kubernetes.host_of(service)
        members = Output.format("{0}-members.{1}.svc.{2}", patroni.SCOPE, args.namespace.name, kubernetes.DOMAIN)
        self._files: dict[str, Input[str]] = {
            "pgbackrest.conf": Output.all(members, args.bucket).apply(
                lambda found: pgbackrest.repository(args.settings, *found)
            ),
            "restore.conf": Output.from_input(args.bucket).apply(pgbackrest.restoring),
            **{name: (_OURS / name).read_text() for name in ("backup.sh", "restore.sh", "drill.sh", "reached.sh")},
        }
        self._config = core.v1.ConfigMap(
            pgbackrest.REPOSITORY,
            metadata=self._metadata(pgbackrest.REPOSITORY),
            data=self._files,
            opts=self._child,
        )
        self._volume = self._claim() if args.bucket is None else None
        repository = self._serve()
        self._schedule()
        self.jobs = {f"{pgbackrest.JOBS}-{each.what}": each.interval for each in times(args.settings)}
        self.archive = self._archive(repository)
        self.register_outputs({"host": self._host})

    def _metadata(self, name: str) -> meta.v1.ObjectMetaArgs:
        return metadata(name, self._args.namespace.name, app=name)

    def _service(self) -> core.v1.Service:
        name = pgbackrest.REPOSITORY
        port = core.v1.ServicePortArgs(name="pgbackrest", port=pgbackrest.PORT, target_port=pgbackrest.PORT)
        return core.v1.Service(
            name,
            metadata=self._metadata(name),
            spec=core.v1.ServiceSpecArgs(selector=selector(name), ports=[port]),
            opts=self._child,
        )

    def _claim(self) -> core.v1.PersistentVolumeClaim:
        args = self._args
        return core.v1.PersistentVolumeClaim(
            pgbackrest.REPOSITORY,
            metadata=self._metadata(pgbackrest.REPOSITORY),
            spec=core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=[args.storage_access],
                storage_class_name=args.storage_class,
                resources=core.v1.VolumeResourceRequirementsArgs(
                    requests={"storage": args.settings.backups.volume_size}
                ),
            ),
            opts=ResourceOptions(parent=self, protect=args.protect),
        )

    def _serve(self) -> apps.v1.Deployment:
        """What members push to. Servers keep nothing, so one is as good as another."""
        name = pgbackrest.REPOSITORY
        secrets = self._secrets(name, [self._host])
        secret = core.v1.Secret(name, metadata=self._metadata(name), string_data=secrets, opts=self._child)
        members = kubernetes.pods_of(self._args.namespace.name, patroni.SCOPE)
        policy = self._policy(name, ingress=[kubernetes.from_([members], pgbackrest.PORT)])
        container = Container(
            name="repository",
            image=self._args.image,
            command=[pgbackrest.COMMAND, "server"],
            resources=self._args.settings.backups.resources,
            ports={"pgbackrest": pgbackrest.PORT},
            mounts=self._mounts(),
            readiness=_ping(period=5),
            liveness=_ping(period=30),
        )
        deployment = apps.v1.Deployment(
            name,
            metadata=self._metadata(name),
            spec=apps.v1.DeploymentSpecArgs(
                replicas=self._args.settings.backups.servers,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(name)),
                template=kubernetes.pod(
                    name,
                    [container],
                    volumes=self._volumes(secret),
                    service_account=self._account(name),
                    configuration=kubernetes.checksum(self._files, secrets),
                    grace=30,
                    pool=self._args.namespace.pool,
                ),
            ),
            opts=ResourceOptions(parent=self, depends_on=[*self._args.namespace.guards, policy]),
        )
        if self._args.settings.backups.servers > 1:
            PodDisruptionBudget(name, metadata=self._metadata(name), spec=disruption_budget(name, 1), opts=self._child)
        return deployment

    def _schedule(self) -> None:
        """The jobs. Each of their pods may do what the server may, and ask the members besides."""
        name = pgbackrest.JOBS
        settings = self._args.settings.backups
        secrets = self._secrets(name, [name])
        secret = core.v1.Secret(name, metadata=self._metadata(name), string_data=secrets, opts=self._child)
        members = kubernetes.pods_of(self._args.namespace.name, patroni.SCOPE)
        policy = self._policy(name, egress=[kubernetes.to([members], pgbackrest.PORT)])
        account = self._account(name)
        ready = ResourceOptions(parent=self, depends_on=[*self._args.namespace.guards, policy])

        def job(
            container: Container, *, tries: int, volumes: Sequence[core.v1.VolumeArgs] = ()
        ) -> batch.v1.JobSpecArgs:
            return batch.v1.JobSpecArgs(
                backoff_limit=tries - 1,
                template=kubernetes.pod(
                    name,
                    [container],
                    volumes=[*self._volumes(secret), *volumes],
                    service_account=account,
                    configuration=kubernetes.checksum(self._files, secrets),
                    grace=30,
                    restart="Never",
                    pool=self._args.namespace.pool,
                ),
            )

        def doing(what: str) -> Container:
            return Container(
                name="pgbackrest",
                image=self._args.image,
                command=["sh", f"{pgbackrest.FILES}/backup.sh", what],
                resources=settings.resources,
                env={"PGBACKREST_STANZA": patroni.STANZA},
                mounts=self._mounts(),
            )

        def scheduled(what: str, when: str, spec: batch.v1.JobSpecArgs, *, suspended: bool | None = None) -> None:
            batch.v1.CronJob(
                f"{name}-{what}",
                metadata=metadata(f"{name}-{what}", self._args.namespace.name, app=name),
                spec=batch.v1.CronJobSpecArgs(
                    schedule=when,
                    time_zone="Etc/UTC",
                    suspend=suspended,
                    concurrency_policy="Forbid",
                    # A cluster that was down at that time catches up, if it isn't too late.
                    starting_deadline_seconds=3600,
                    successful_jobs_history_limit=1,
                    failed_jobs_history_limit=3,
                    job_template=batch.v1.JobTemplateSpecArgs(
                        metadata=meta.v1.ObjectMetaArgs(labels=kubernetes.labels(name)), spec=spec
                    ),
                ),
                opts=ready,
            )

        batch.v1.Job(
            f"{name}-begin",
            # It waits for the database, and a first backup takes as long as there is data: `pulumi up` does not.
            metadata=meta.v1.ObjectMetaArgs(
                namespace=self._args.namespace.name,
                labels=kubernetes.labels(name),
                annotations={"pulumi.com/skipAwait": "true"},
            ),
            # Ten minutes of trying: the pauses between tries double from ten seconds on.
            spec=job(doing("begin"), tries=7),
            opts=ready,
        )
        restored = kubernetes.of_its_own("restored", self._args.restored_class, self._args.settings.size)
        beside = [restored, kubernetes.scratch("run", "16Mi")]
        for each in times(self._args.settings):
            if each.what == "drill":
                scheduled(each.what, each.when, job(self._restoring("drill.sh"), tries=1, volumes=beside))
            else:
                scheduled(each.what, each.when, job(doing(each.what), tries=2))
        # Never by itself: what a Job is made from by whoever restores (operations/delivery/restore.py).
        spec = job(self._restoring("restore.sh"), tries=1, volumes=beside)
        scheduled("restore", "0 0 1 1 *", spec, suspended=True)

    def _restoring(self, script: str) -> Container:
        return Container(
            name="postgres",
            image=self._args.image,
            command=["sh", f"{pgbackrest.FILES}/{script}"],
            resources=self._args.settings.backups.resources,
            env={
                "PGBACKREST_STANZA": patroni.STANZA,
                "PGBACKREST_CONFIG": f"{pgbackrest.FILES}/restore.conf",
                "PGBACKREST_CONFIG_INCLUDE_PATH": f"{pgbackrest.FILES}/conf.d",
            },
            mounts=[
                *self._mounts(),
                Mount(volume="restored", path=patroni.DATA),
                Mount(volume="run", path="/run/postgresql"),
            ],
            readiness=kubernetes.exec_probe(["test", "-e", "/tmp/restored"], period=2, failures=1),  # noqa: S108
        )

    def _archive(self, repository: apps.v1.Deployment) -> Archive:
        """The members' side."""
        name = pgbackrest.MEMBERS
        settings = self._args.settings
        namespace = self._args.namespace.name
        members = Output.format("*.{0}-members.{1}.svc.{2}", patroni.SCOPE, namespace, kubernetes.DOMAIN)
        # The role comes first, by which the repository knows them; a member more needs no other certificate.
        hosts: list[Input[str]] = [name, members]
        secrets = self._certificate(name, hosts)
        files: dict[str, Input[str]] = {
            "pgbackrest.conf": self._host.apply(lambda host: pgbackrest.member(settings, host)),
            "archiving.sh": (_OURS / "archiving.sh").read_text(),
        }
        secret = core.v1.Secret(name, metadata=self._metadata(name), string_data=secrets, opts=self._child)
        config = core.v1.ConfigMap(name, metadata=self._metadata(name), data=files, opts=self._child)
        mount = Mount(volume=name, path=pgbackrest.FILES, read_only=True)
        server = Container(
            name=SERVER,
            image=self._args.image,
            command=["sh", f"{pgbackrest.FILES}/archiving.sh"],
            resources=settings.backups.resources,
            ports={"pgbackrest": pgbackrest.PORT},
            mounts=[
                mount,
                Mount(volume="data", path=patroni.DATA, read_only=True),
                Mount(volume="run", path="/run/postgresql", read_only=True),
                _TMP,
            ],
            liveness=_ping(period=30),
        )
        return Archive(
            volumes=[
                kubernetes.projected(
                    name,
                    config_map=(config.metadata.name, {file: file for file in files}),
                    secret=(secret.metadata.name, _TLS),
                ),
                kubernetes.scratch(_TMP.volume, "1Mi"),
            ],
            mount=mount,
            server=server,
            repository=kubernetes.pods_of(namespace, pgbackrest.REPOSITORY),
            jobs=kubernetes.pods_of(namespace, pgbackrest.JOBS),
            answers=repository,
            checksum=kubernetes.checksum(files),
        )

    def _account(self, name: str) -> Output[str]:
        return core.v1.ServiceAccount(
            name, metadata=self._metadata(name), automount_service_account_token=False, opts=self._child
        ).metadata.name

    def _certificate(self, name: str, hosts: Sequence[Input[str]]) -> dict[str, Input[str]]:
        made = ServerCertificate(
            name,
            ServerCertificateArgs(authority=self._args.authority, hosts=hosts, mutual=True),
            opts=self._child,
        )
        return {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": self._args.authority.certificate}

    def _secrets(self, name: str, hosts: Sequence[Input[str]]) -> dict[str, Input[str]]:
        """Of whoever works on what is stored."""
        return {
            **self._certificate(name, [name, *(host for host in hosts if host != name)]),
            "passphrase.conf": self.passphrase.apply(pgbackrest.passphrase),
        }

    def _policy(
        self,
        name: str,
        *,
        ingress: Sequence[networking.v1.NetworkPolicyIngressRuleArgs] = (),
        egress: Sequence[networking.v1.NetworkPolicyEgressRuleArgs] = (),
    ) -> networking.v1.NetworkPolicy:
        """And the way to a bucket, where there is one; a volume is mounted."""
        stored = (
            []
            if self._volume
            else [kubernetes.to([kubernetes.addresses(network)], port) for network, port in _BUCKET_AND_IDENTITY]
        )
        spec = kubernetes.allow(name, ingress=ingress, egress=[*egress, *stored])
        return networking.v1.NetworkPolicy(name, metadata=self._metadata(name), spec=spec, opts=self._child)

    def _volumes(self, secret: core.v1.Secret) -> list[core.v1.VolumeArgs]:
        files = kubernetes.projected(
            "files",
            config_map=(self._config.metadata.name, {name: name for name in self._files}),
            secret=(secret.metadata.name, {**_TLS, "passphrase.conf": "conf.d/passphrase.conf"}),
        )
        stored = [kubernetes.claimed("repository", self._volume.metadata.name)] if self._volume else []
        return [files, *stored, kubernetes.scratch(_TMP.volume, "16Mi")]

    def _mounts(self) -> list[Mount]:
        stored = [Mount(volume="repository", path=pgbackrest.VOLUME)] if self._volume else []
        return [Mount(volume="files", path=pgbackrest.FILES, read_only=True), *stored, _TMP]


_TLS: Mapping[str, str] = {name: f"tls/{name}" for name in ("tls.crt", "tls.key", "ca.crt")}


def _ping(*, period: int) -> core.v1.ProbeArgs:
    """Asks the server by its own protocol."""
    return kubernetes.exec_probe([pgbackrest.COMMAND, "server-ping"], period=period, failures=3)


@dataclass(frozen=True)
class Time:
    """When something is done, as cron takes it, and how many seconds lie between two times of it at most."""

    what: str
    when: str
    interval: int


def times(settings: PostgresSettings) -> list[Time]:
    """What is done by itself."""
    backups = settings.backups
    minute, hour = (int(part) for part in reversed(backups.full_at.split(":")))
    apart, day = backups.incremental_hours, _DAYS.index(backups.drill_day)
    hours = sorted((hour + after) % 24 for after in range(apart, 24, apart))
    return [
        Time("full", f"{minute} {hour} * * *", 24 * _HOUR),
        # The full backup takes the turn of one.
        Time("incr", f"{minute} {','.join(map(str, hours))} * * *", 2 * apart * _HOUR),
        # Half an hour apart from the backups, at which it would only wait.
        Time("check", f"{(minute + 30) % 60} * * * *", _HOUR),
        # All that is stored is read, and all of the latest restored, so once a week.
        Time("verify", f"{minute} {(hour + 1) % 24} * * {day}", 7 * 24 * _HOUR),
        Time("drill", f"{minute} {(hour + 2) % 24} * * {day}", 7 * 24 * _HOUR),
    ]
