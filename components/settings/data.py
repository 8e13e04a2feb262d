"""PostgreSQL with its backups, and Redis."""

from typing import Annotated, Literal

from pydantic import Field

from components.values import (
    Bucket,
    Members,
    Resources,
    Size,
    Strict,
    TimeOfDay,
    amount,
    mebibytes,
)

# Patroni on each member, what keeps the roles, the exporter's two, replication, migrations and an engineer: connections
# to PostgreSQL beside the application's.
OTHER_CONNECTIONS = 15


class Backups(Strict):
    """Backups of PostgreSQL: a full one a day, increments between them, and every WAL segment (S11.2)."""

    enabled: bool = True
    """Make them (S5.2)."""
    full_at: TimeOfDay = "02:00"
    """Time of day of the full backup, in UTC (S11.2)."""
    incremental_hours: Literal[1, 2, 3, 4, 6, 8, 12] = 6
    """Hours between incremental backups, a part of the day: 1 to 12 (service levels: backups)."""
    recover_days: int = Field(default=30, ge=1, le=365)
    """Days back to which the database can be restored, to the second, 1 to 365 (service levels: backups)."""
    keep_days: int = Field(default=32, ge=2, le=400)
    """Days that backups are kept, 2 to 400: more than `recover_days`, since a restore begins at a full backup
    (S11.2)."""
    archive_timeout: int = Field(default=30, ge=5, le=60)
    """Seconds after which a WAL segment is archived though it isn't full, 5 to 60 (DECISIONS: recovery)."""
    archive_alert: int = Field(default=60, ge=10, le=60)
    """Seconds of writes that a lost cluster may lose before there is an alert, 10 to 60: what a segment of WAL may hold
    (`archive_timeout`), and what it may wait to be archived (service levels: recovery point)."""
    repository: Literal["bucket", "volume"] = "bucket"
    """`volume` keeps them in the same cluster, and goes with it (DECISIONS: buckets)."""
    bucket: Bucket | None = None
    """Of a bucket of Google's that is there already, and that the pods of the backups may write to; without it the
    program makes one, where it makes the cluster (DECISIONS: buckets)."""
    volume_size: Size = "100Gi"
    """Of the repository, where it is a volume; at least 1Mi (S11.2)."""
    copied_by: Annotated[int, Field(ge=1)] | None = None
    """Number of another Google Cloud project, 1 or more, which may read the bucket and keeps a copy by itself, so that
    who can delete the one can't delete the other (DECISIONS: buckets). `docs/backups.md` says how it is set up."""
    drill_day: Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"] = "SU"
    """Day of the week on which all that is stored is read and checked, and the latest restored beside (S11.2: quick
    restore)."""
    servers: int = Field(default=2, ge=1, le=3)
    """Before the repository, 1 to 3: WAL that is pushed goes to any of them (S5, beyond)."""
    resources: Resources = Resources(cpu="50m", cpu_limit="300m", memory="128Mi")
    """Of each server, of each job, and of the server beside each member (S5.2)."""


class Postgres(Strict):
    """PostgreSQL 15 under Patroni."""

    members: Members = 3
    """One primary, the others its replicas: 1, 3 or 5, since an even number decides no better (S5, beyond)."""
    size: Size = "50Gi"
    """Of each member's volume, at least 1Mi; it can grow, never shrink (S5.2)."""
    max_connections: int = Field(default=300, ge=20, le=2000)
    """Connections that each member takes, 20 to 2000: fewer leave none for replication, more have no memory left (S6,
    beyond)."""
    resources: Resources = Resources(cpu="1", cpu_limit="2", memory="4Gi")
    """Of each member; buffers and connections must fit the memory (S5.2)."""
    roles_resources: Resources = Resources(cpu="10m", cpu_limit="100m", memory="32Mi")
    """Of what keeps the roles of the database, beside each member (S7.3)."""
    exporter_resources: Resources = Resources(cpu="10m", cpu_limit="90m", memory="48Mi")
    """Of what tells Prometheus of each member (S8.1)."""
    pooler_resources: Resources = Resources(cpu="50m", cpu_limit="1", memory="64Mi")
    """Of the pooler that the application connects to, beside each member; it uses one core at most (S6, beyond)."""
    pooler_exporter_resources: Resources = Resources(cpu="10m", cpu_limit="100m", memory="48Mi")
    """Of what tells Prometheus of each pooler (S8.1)."""
    disruptions: int = Field(default=1, ge=1, le=2)
    """Members that a drained node may take away at once, 1 to 2; a majority stays (S5, beyond)."""
    backups: Backups = Backups()
    """Where to, how often, for how long (S5.2, S11.2)."""

    @property
    def pooled_connections(self) -> int:
        """What the pooler may take of them."""
        return self.max_connections - OTHER_CONNECTIONS

    @property
    def shared_buffers(self) -> int:
        """MiB: a quarter of the limit, PostgreSQL's own advice."""
        return mebibytes(self.resources.memory) // 4

    @property
    def maintenance_memory(self) -> int:
        """MiB for each of the three autovacuum workers, and for building an index."""
        return max(mebibytes(self.resources.memory) // 20, 16)

    @property
    def parallel_memory(self) -> int:
        """MiB that the processes of a statement may share besides: a quarter of the limit, and no less than the 64 that
        container runtimes give. VACUUM takes up to `maintenance_memory`, a join twice `work_mem` for each process."""
        return max(mebibytes(self.resources.memory) // 4, 64)

    @property
    def checkpoint_wal(self) -> int:
        """MiB of WAL between two checkpoints: an eighth of the volume; more than 4 GiB only makes a crash take longer
        to recover from."""
        return min(max(mebibytes(self.size) // 8, 64), 4096)

    @property
    def waiting_wal(self) -> int:
        """MiB of WAL that are kept for a replica or a repository that is away: a quarter of the volume, so that it
        never fills."""
        return max(mebibytes(self.size) // 4, 64)


class Redis(Strict):
    """Redis 7 with Sentinel."""

    members: Members = 3
    """One primary, the others its replicas, a Sentinel and HAProxy beside each: 1, 3 or 5, since an even number decides
    no better (S5.3)."""
    quorum: Annotated[int, Field(ge=1, le=5)] | None = None
    """Sentinels that must agree that the primary is gone, 1 to 5; without it the majority (S5.3)."""
    size: Size = "10Gi"
    """Of each member's volume, at least 1Mi; it can grow, never shrink (S5.3)."""
    memory_percent: Annotated[int, Field(ge=10, le=80)] = 60
    """Percent of the memory limit that data may fill, 10 to 80: the rest is for copies on write and buffers (S5.3)."""
    eviction: Literal["noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu", "volatile-ttl"] = (
        "volatile-lru"
    )
    """What goes when that is full (S5.3)."""
    replica_lag: int = Field(default=10, ge=2, le=60)
    """Seconds without a replica after which a primary refuses writes, 2 to 60: less than a hiccup, more than a
    fail-over (DECISIONS: Redis's promise)."""
    backlog: Size = "16Mi"
    """What a primary keeps for replicas that were away for a moment, at least 1Mi (S5.3)."""
    disruptions: int = Field(default=1, ge=1, le=2)
    """Members that a drained node may take away at once, 1 to 2; a quorum stays (S5, beyond)."""
    resources: Resources = Resources(cpu="250m", cpu_limit="2", memory="1Gi")
    """Of each member (S5.3)."""
    sentinel_resources: Resources = Resources(cpu="50m", cpu_limit="500m", memory="64Mi")
    """Of each Sentinel (S5.3)."""
    haproxy_resources: Resources = Resources(cpu="50m", cpu_limit="500m", memory="64Mi")
    """Of the HAProxy beside each member; a connection takes 40 KiB, beyond the first 24 MiB (S5.3)."""
    exporter_resources: Resources = Resources(cpu="10m", cpu_limit="100m", memory="48Mi")
    """Of what tells Prometheus of each member (S8.1)."""

    @property
    def agreeing(self) -> int:
        """Sentinels that must agree."""
        return self.quorum or self.members // 2 + 1

    @property
    def data_bytes(self) -> int:
        """Bytes that data may fill."""
        return int(amount(self.resources.memory)) * self.memory_percent // 100
