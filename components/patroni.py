"""Patroni's configuration: what all members share, and what each reads from its own files.

The shared part lives where Patroni keeps it, in an annotation of its Endpoints. The program owns that annotation, so a
changed setting reaches a running cluster by `pulumi up` and an edit by hand shows as drift. Patroni writes the same
text back when it makes a cluster: it must be JSON as Python prints it without spaces.
"""

import json
from typing import Any

from components.kubernetes import selector
from components.settings import Postgres
from components.values import mebibytes

SCOPE = "postgres"
ROLE = "vision-week/role"
# Begins and ends a backup, and reads nothing of anybody's.
BACKUP = "vision_week_backup"
# Reads what PostgreSQL counts, and no row.
EXPORTER = "vision_week_exporter"
# What the backups call the database.
STANZA = "main"
PORT = 5432
POOLED_PORT = 6432
API_PORT = 8008
DATA = "/var/lib/postgresql/data"
PGDATA = f"{DATA}/pgdata"
TLS = "/etc/vision-week/tls"

# Where the Service `postgres` leads: to the primary itself and to the pooler beside it.
PORTS = {"postgresql": PORT, "pooled": POOLED_PORT}

# Seconds. A frozen primary is replaced after ttl at the latest: 20 is the least that Patroni takes, and no less than
# loop_wait + 2 * retry_timeout. A PostgreSQL that was killed is noticed at the next look, after loop_wait.
_TIMING = {"ttl": 20, "loop_wait": 2, "retry_timeout": 5}

# Patroni's Endpoints beside the primary's own: the configuration, a fail-over that was asked for, who is synchronous.
RECORDS = ("config", "failover", "sync")
CONFIG_ANNOTATION = "config"


def shared(settings: Postgres) -> str:
    """What holds for the cluster as a whole."""
    several = settings.members > 1
    return _json(
        {
            **_TIMING,
            "maximum_lag_on_failover": 1024**2,
            # No acknowledged write is lost when a node dies, where there is a second one to hold it.
            "synchronous_mode": several,
            # The primary goes on while the API server is away, as long as it sees all the others.
            "failsafe_mode": several,
            "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": _parameters(settings)},
        }
    )


def starting(settings: Postgres) -> dict[str, Any]:
    """What of it takes effect only when a member starts; Patroni has the rest read at once."""
    parameters = _parameters(settings)
    return {name: parameters[name] for name in ("max_connections", "shared_buffers", "archive_mode")}


def member() -> str:
    """What each member reads: where it listens, who may connect, how the first one begins."""
    return _json(
        {
            "scope": SCOPE,
            "log": {"type": "json"},
            "restapi": {"listen": f"0.0.0.0:{API_PORT}"},
            "kubernetes": {
                "use_endpoints": True,
                "scope_label": "app.kubernetes.io/name",
                "labels": {key: value for key, value in selector(SCOPE).items() if key != "app.kubernetes.io/name"},
                "role_label": ROLE,
                "ports": [{"name": name, "port": port} for name, port in PORTS.items()],
            },
            "bootstrap": {"initdb": ["data-checksums", {"encoding": "UTF8"}, {"locale": "C.UTF-8"}]},
            "postgresql": {
                "listen": f"*:{PORT}",
                "data_dir": PGDATA,
                "pgpass": "/tmp/pgpass",  # noqa: S108  the pod's own directory in memory of the node's disk
                "use_unix_socket": True,
                "parameters": {
                    "unix_socket_directories": "/run/postgresql",
                    "ssl": "on",
                    "ssl_cert_file": f"{TLS}/tls.crt",
                    "ssl_key_file": f"{TLS}/tls.key",
                },
                "authentication": {"replication": _BETWEEN_MEMBERS, "rewind": _BETWEEN_MEMBERS},
                "pg_hba": _ACCESS,
                "pg_ident": [
                    "reader postgres vision_week_readonly",
                    f"backup postgres {BACKUP}",
                    f"exporter postgres {EXPORTER}",
                    *(f"pooler postgres vision_week_app_{turn}" for turn in "ab"),
                ],
            },
        }
    )


# Members know each other by address, so no name can be checked. What is bound to the connection instead is the proof
# that the other one knows the role's password: nobody with another certificate of ours can come between.
_BETWEEN_MEMBERS = {"sslmode": "verify-ca", "sslrootcert": f"{TLS}/ca.crt", "channel_binding": "require"}

# The superuser over the pod's own socket only, where one may also read as somebody who can do no harm, backups are
# begun, numbers read, and the pooler is its client. Over the network, encrypted or refused, each role's members to
# their own database, the members of the cluster to each other.
_ACCESS = [
    "local all postgres peer",
    "local vision_week vision_week_readonly peer map=reader",
    f"local postgres {BACKUP} peer map=backup",
    f"local vision_week {EXPORTER} peer map=exporter",
    "local vision_week +vision_week_app peer map=pooler",
    "hostssl vision_week +vision_week_owner,+vision_week_app all scram-sha-256",
    "hostssl replication replicator all scram-sha-256",
    "hostssl postgres replicator,rewinder all scram-sha-256",
]


def _parameters(settings: Postgres) -> dict[str, Any]:
    """PostgreSQL's own settings; memory in shares of the container's limit."""
    megabytes = mebibytes(settings.resources.memory)
    return {
        "max_connections": settings.max_connections,
        "shared_buffers": f"{settings.shared_buffers}MB",
        # What the node's page cache of this container can hold beside them; for the planner only.
        "effective_cache_size": f"{megabytes * 6 // 10}MB",
        "maintenance_work_mem": f"{settings.maintenance_memory}MB",
        "max_wal_size": f"{settings.checkpoint_wal}MB",
        # Beyond it the slot is given up, and its replica copied anew: that costs less than a primary without room.
        "max_slot_wal_keep_size": f"{settings.waiting_wal}MB",
        # A replica that answers nothing holds up every commit that waits for it; 60 s is PostgreSQL's own.
        "wal_sender_timeout": "10s",
        **archiving(settings),
        "password_encryption": "scram-sha-256",
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_min_duration_statement": "1s",
    }


def archiving(settings: Postgres) -> dict[str, Any]:
    """Every WAL segment goes to the backups' repository, full or not."""
    if not settings.backups.enabled:
        return {"archive_mode": "off"}
    return {
        "archive_mode": "on",
        "archive_command": f'pgbackrest --stanza={STANZA} archive-push "%p"',
        "archive_timeout": f"{settings.backups.archive_timeout}s",
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
