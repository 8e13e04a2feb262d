"""Redis, by what the HAProxy beside each member finds the members to be, and by what each member counts.

`alone` is HAProxy's list of who says that it is primary, `replicated` that of primaries that replicas follow
(components/haproxy.py).
"""

from collections.abc import Iterator

from components.monitoring.pages import Dashboard, Panel, said_by, said_by_pod
from components.monitoring.rules import NEAR, Alert
from components.monitoring.subjects import claims

_LOGS = said_by("data", "redis")


def alerts() -> Iterator[Alert]:
    """Every alert."""
    primaries = 'haproxy_server_status{service="redis",proxy="alone",state="UP"}'
    replicated = 'haproxy_server_status{service="redis",proxy="replicated",state="UP"}'
    yield Alert(
        name="RedisWithoutPrimary",
        expr=f"max by (namespace) ({primaries}) == 0",
        minutes=1,
        severity="critical",
        team="platform",
        summary="Redis has no primary",
        description="No member says that it is one: nobody can log in, and messages reach nobody.",
    )
    yield Alert(
        name="RedisTakesNoWrites",
        expr=f"max by (namespace) ({replicated}) == 0"
        f" and count by (namespace) (count by (namespace, server) ({replicated})) > 1",
        minutes=2,
        severity="critical",
        team="platform",
        summary="Redis' primary has no replica that follows",
        description="With several members it takes no writes then, so that none is lost.",
    )
    yield Alert(
        name="RedisFailedOver",
        expr=f"count by (namespace) (max by (namespace, server) (max_over_time({primaries}[15m])) > 0) > 1",
        minutes=0,
        severity="warning",
        team="platform",
        summary="Redis has had {{ $value }} primaries within a quarter of an hour",
        description="It went by itself; if nothing was rolled out, somebody should know why.",
    )
    yield Alert(
        name="RedisUnseen",
        expr='redis_up{service="redis"} == 0',
        minutes=2,
        severity="warning",
        team="platform",
        summary="Redis at {{ $labels.instance }} gives no numbers",
        description="The exporter beside it can't log in, or gets no answer; what is concluded from them is blind.",
    )
    yield Alert(
        name="RedisMemoryNearLimit",
        expr=f"redis_memory_used_bytes / (redis_memory_max_bytes > 0) > {NEAR}",
        minutes=5,
        severity="warning",
        team="platform",
        summary="Redis at {{ $labels.instance }} has filled {{ $value | humanizePercentage }} of its memory",
        description="When it is full keys go before their time, and where none may go writes are refused.",
    )
    yield Alert(
        name="RedisEvicts",
        expr="increase(redis_evicted_keys_total[5m]) > 0",
        minutes=0,
        severity="warning",
        team="platform",
        summary="Redis at {{ $labels.instance }} has thrown {{ $value | humanize }} keys out in five minutes",
        description="Its memory is full. Sessions may be among them: who has one that went must log in again.",
    )
    yield Alert(
        name="RedisRefusesConnections",
        expr="increase(redis_rejected_connections_total[5m]) > 0",
        minutes=0,
        severity="critical",
        team="platform",
        summary="Redis at {{ $labels.instance }} has refused {{ $value | humanize }} connections in five minutes",
        description="It has as many as it may have: requests fail.",
    )
    yield Alert(
        name="RedisCantWriteDown",
        expr="redis_aof_last_write_status == 0 or redis_rdb_last_bgsave_status == 0",
        minutes=2,
        severity="critical",
        team="platform",
        summary="Redis at {{ $labels.instance }} can't write to its disk",
        description="It takes no writes until it can, or would lose what it has in memory with its pod.",
    )


def page() -> Dashboard:
    """The page."""

    def found(proxy: str) -> str:
        return f'max by (server) (haproxy_server_status{{service="redis",proxy="{proxy}",state="UP"}})'

    of_member = said_by_pod(_LOGS, "server")
    clients = '{service="redis",proxy="redis"}'
    return Dashboard(
        name="redis",
        title="Redis",
        logs=_LOGS,
        rows={
            "Members": (
                Panel(title="Primary", questions={"{{server}}": found("alone")}, logs=of_member),
                Panel(
                    title="Primary that replicas follow", questions={"{{server}}": found("replicated")}, logs=of_member
                ),
                Panel(
                    title="Time to say what it is",
                    questions={
                        "{{server}}": "max by (server) "
                        '(haproxy_server_check_duration_seconds{service="redis",proxy="alone"})',
                    },
                    unit="s",
                    logs=of_member,
                ),
            ),
            "Clients": (
                Panel(title="Connected", questions={"{{instance}}": f"haproxy_frontend_current_sessions{clients}"}),
                Panel(
                    title="Connecting",
                    questions={
                        "{{instance}}": f"rate(haproxy_frontend_connections_total{clients}[$__rate_interval])",
                    },
                    unit="cps",
                ),
                Panel(
                    title="Traffic",
                    questions={
                        "from clients": f"sum(rate(haproxy_frontend_bytes_in_total{clients}[$__rate_interval]))",
                        "to clients": f"sum(rate(haproxy_frontend_bytes_out_total{clients}[$__rate_interval]))",
                    },
                    unit="Bps",
                ),
            ),
            "Memory": (
                Panel(
                    title="Filled, share of what data may take",
                    questions={"{{instance}}": "redis_memory_used_bytes / (redis_memory_max_bytes > 0)"},
                    unit="percentunit",
                    limit=NEAR,
                ),
                Panel(
                    title="Taken from the machine",
                    questions={"{{instance}}": "redis_memory_used_rss_bytes"},
                    unit="bytes",
                ),
                Panel(
                    title="Keys that went",
                    questions={
                        "their time was over": "sum(rate(redis_expired_keys_total[$__rate_interval]))",
                        "thrown out": "sum(rate(redis_evicted_keys_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
            ),
            claims.ROW: claims.panels("data-redis-.+"),
            "Work": (
                Panel(
                    title="Commands",
                    questions={
                        "{{instance}}": "rate(redis_commands_processed_total[$__rate_interval])",
                    },
                    unit="ops",
                ),
                Panel(
                    title="Reads",
                    questions={
                        "found": "sum(rate(redis_keyspace_hits_total[$__rate_interval]))",
                        "not there": "sum(rate(redis_keyspace_misses_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
                Panel(
                    title="Connections",
                    questions={
                        "{{instance}}": "redis_connected_clients",
                        "refused": "sum(increase(redis_rejected_connections_total[$__rate_interval]))",
                    },
                ),
            ),
        },
    )
