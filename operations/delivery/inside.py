"""What no visitor sees: whether what is written reaches the replicas, backups are young, and alerts are quiet."""

import re
import time
from datetime import UTC, datetime
from typing import Final

from components import patroni
from operations.delivery import restore
from operations.delivery.target import Target

_PATIENCE: Final = 10  # seconds for a replica to have what was written
# A commit with nothing in it but this message: it waits for who has to confirm it, and nobody ever sees it.
_WRITE: Final = "SELECT pg_logical_emit_message(true, 'vision-week', 'tested')"
_HAVE: Final = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= '{0}'"
_REDIS: Final = ". /etc/redis/members.sh; here info replication"
_LATE: Final = 2  # turns of the incremental backup, after which its alert comes, too (components/backups.py)
_ALWAYS: Final = "Watchdog"  # the alert that says that alerts get through


class FailedError(Exception):
    """What a check has seen instead."""


def wish(fulfilled: bool, otherwise: str) -> None:
    if not fulfilled:
        raise FailedError(otherwise)


def postgres_follows(target: Target) -> None:
    """PostgreSQL's primary takes a write, and every replica has it soon."""
    primaries = target.listed("data", "pods", f"{patroni.ROLE}=primary")
    wish(len(primaries) == 1, f"{len(primaries)} pods are primary")
    primary = str(primaries[0]["metadata"]["name"])
    position = _psql(target, primary, _WRITE)
    wanted = target.settings.postgres.members - 1
    until = time.monotonic() + _PATIENCE
    while (have := int(_psql(target, primary, _HAVE.format(position)))) != wanted:
        wish(time.monotonic() < until, f"{have} of {wanted} replicas have it after {_PATIENCE} s")
        time.sleep(0.2)


def redis_follows(target: Target) -> None:
    """Redis has one primary, and every replica is in step with it."""
    wanted = target.settings.redis.members
    pods = target.listed("data", "pods", "app.kubernetes.io/name=redis")
    wish(len(pods) == wanted, f"{len(pods)} of {wanted} members are there")
    told = [
        _exec(target, "data", pod["metadata"]["name"], "redis", "sh", "-c", _REDIS).replace("\r", "").splitlines()
        for pod in pods
    ]
    primaries = sum("role:master" in lines for lines in told)
    wish(primaries == 1, f"{primaries} members are primary")
    behind = sum("role:master" not in lines and "master_link_status:up" not in lines for lines in told)
    wish(behind == 0, f"{behind} of {wanted - 1} replicas are not in step")


def backed_up(target: Target) -> None:
    """The latest backup is not older than two turns."""
    backups = restore.backups_of(restore.info(target))
    if not backups:
        raise FailedError("there is none yet")
    hours = (datetime.now(UTC) - backups[-1].ended).total_seconds() / 3600
    most = _LATE * target.settings.postgres.backups.incremental_hours
    wish(hours <= most, f"{backups[-1].label} is {hours:.1f} hours old, and {most} are allowed")


def quiet(target: Target) -> None:
    """No critical alert is raised, and Prometheus looks."""
    # Warnings tell of what a release itself may do: that another member is primary now.
    those = 'ALERTS{alertstate="firing",severity=~"critical|heartbeat"}'
    raised = set(re.findall(r'alertname="(\w+)"', target.kubectl(*query(target, those))))
    wish(_ALWAYS in raised, f"{_ALWAYS}, which always is, is not raised")
    others = sorted(raised - {_ALWAYS})
    wish(not others, f"raised: {', '.join(others)}")


def query(target: Target, question: str) -> tuple[str, ...]:
    """What kubectl is told for Prometheus to be asked; promtool prints a series a line."""
    asked = ("promtool", "query", "instant", "http://localhost:9090", question)
    return _words(target, "monitoring", "statefulset/prometheus", "prometheus", *asked)


def _psql(target: Target, pod: str, statement: str) -> str:
    command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", f"--command={statement}", "postgres"]
    return _exec(target, "data", pod, "postgres", *command).strip()


def _exec(target: Target, area: str, pod: str, container: str, *command: str) -> str:
    return target.kubectl(*_words(target, area, pod, container, *command))


def _words(target: Target, area: str, pod: str, container: str, *command: str) -> tuple[str, ...]:
    return ("-n", target.namespaces[area], "exec", pod, "-c", container, "--", *command)
