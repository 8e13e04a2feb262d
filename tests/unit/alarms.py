"""Numbers for promtool that raise each alert, and numbers near to them that don't.

Series by name, one value a minute, as promtool writes them: `1x5 0x30` is five minutes of ones and thirty of zeros,
`0+6x60` counts up by six.
"""

from dataclasses import dataclass

from components import moments


def waiting(reason: str) -> str:
    """A container that waits for a reason."""
    return f'kube_pod_container_status_waiting_reason{{pod="app-1",container="php",reason="{reason}"}}'


def spans(fate: str) -> str:
    """What became of spans at a collector."""
    return f'otelcol_exporter_{fate}_spans{{instance="10.0.0.1:8888",exporter="otlp_http/traces"}}'


def lines(fate: str) -> str:
    """And of lines."""
    return f'otelcol_exporter_{fate}_log_records{{instance="10.0.0.1:8888",exporter="otlp_http"}}'


def failed(job: str) -> str:
    """Whether a Job has failed."""
    return f'kube_job_failed{{job_name="{job}",condition="true"}}'


def pods_by_load(least: int, most: int, wanted: int, of: str = "app") -> dict[str, str]:
    """What an autoscaler says of itself."""
    labels = f'{{horizontalpodautoscaler="{of}"}}'
    return {
        f"kube_horizontalpodautoscaler_spec_min_replicas{labels}": f"{least}x60",
        f"kube_horizontalpodautoscaler_spec_max_replicas{labels}": f"{most}x60",
        f"kube_horizontalpodautoscaler_status_desired_replicas{labels}": f"{wanted}x60",
    }


def quota(used: int, hard: int, of: str = "pods") -> dict[str, str]:
    """What of a quota is used."""
    return {
        f'kube_resourcequota{{resource="{of}",type="used"}}': f"{used}x60",
        f'kube_resourcequota{{resource="{of}",type="hard"}}': f"{hard}x60",
    }


def container(*, cpu: str = "0x60", memory: str = "0x60") -> dict[str, str]:
    """What a container uses, of half a processor and of 100 bytes."""
    labels = '{pod="app-1",container="php"}'
    return {
        f"container_cpu_usage_seconds_total{labels}": cpu,
        f"container_spec_cpu_quota{labels}": "50000x60",
        f"container_spec_cpu_period{labels}": "100000x60",
        f"container_memory_rss{labels}": memory,
        f"container_spec_memory_limit_bytes{labels}": "100x60",
    }


@dataclass(frozen=True)
class Case:
    """Series that raise an alert, series that don't, and the minute that is looked at."""

    raising: dict[str, str]
    quiet: dict[str, str]
    minute: int = 20


_REQUESTS = "vision_week_http_requests_total"
_BUCKET = "vision_week_http_request_duration_seconds_bucket"
_COUNT = "vision_week_http_request_duration_seconds_count"
_LISTED = '{method="GET",route="/api/exhibits",status='
_PHP = '{pod="app-1",container="php"}'
_PROBED = '{method="GET",route="/ready",status='


def answers(good: str, bad: str, *, probes: str = "0x5000") -> dict[str, str]:
    """What visitors got, and what probes got, which don't count."""
    return {
        f'{_REQUESTS}{_LISTED}"200"}}': good,
        f'{_REQUESTS}{_LISTED}"500"}}': bad,
        f'{_REQUESTS}{_PROBED}"503"}}': probes,
    }


def latency(within: str, slower: str, *, probes: str = "0x5000") -> dict[str, str]:
    """Answers of the API within half a second, and all of them, which came within two and a half."""
    labels = 'route="/api/exhibits"'
    return {
        f'{_BUCKET}{{{labels},le="0.5"}}': within,
        f'{_BUCKET}{{{labels},le="1"}}': within,
        f'{_BUCKET}{{{labels},le="2.5"}}': slower,
        f'{_BUCKET}{{{labels},le="+Inf"}}': slower,
        f"{_COUNT}{{{labels}}}": slower,
        f'{_BUCKET}{{route="/ready",le="0.5"}}': "0x5000",
        f'{_BUCKET}{{route="/ready",le="+Inf"}}': probes,
        f'{_COUNT}{{route="/ready"}}': probes,
    }


def job(name: str, *, begun: int, well: int, running: int = 0, every: int = 3600) -> dict[str, str]:
    """What is told of a scheduled job, in seconds of the test's time."""
    told = {
        "scheduled_timestamp_seconds": begun,
        "succeeded_timestamp_seconds": well,
        "running": running,
        "interval_seconds": every,
    }
    return {f'vision_week_job_{what}{{cronjob="{name}"}}': f"{value}x400" for what, value in told.items()}


def connections(*, app: int, others: int) -> dict[str, str]:
    """Of a hundred that a member takes."""
    return {
        f'pg_stat_database_numbackends{{{_COUNTED},datname="vision_week"}}': f"{app}x60",
        f'pg_stat_database_numbackends{{{_COUNTED},datname="postgres"}}': f"{others}x60",
        f"pg_settings_max_connections{{{_COUNTED}}}": "100x60",
    }


def memory(*, used: int, limit: int) -> dict[str, str]:
    return {
        f"redis_memory_used_bytes{{{_MEMBER}}}": f"{used}x60",
        f"redis_memory_max_bytes{{{_MEMBER}}}": f"{limit}x60",
    }


def waiting_lines(share: int) -> dict[str, str]:
    """Of a hundred that a collector may queue for Loki; spans fill a queue of their own."""
    lines, spans = '{exporter="otlp_http"}', '{exporter="otlp_http/traces"}'
    return {
        f"otelcol_exporter_queue_size{lines}": f"{share}x60",
        f"otelcol_exporter_queue_capacity{lines}": "100x60",
        f"otelcol_exporter_queue_size{spans}": "100x60",
        f"otelcol_exporter_queue_capacity{spans}": "100x60",
    }


def refused(**lines: str) -> dict[str, str]:
    """By Loki, and why."""
    return {f'loki_discarded_samples_total{{reason="{reason}"}}': values for reason, values in lines.items()}


def up(app: str, websocket: str) -> dict[str, str]:
    instances = {
        'up{job="app",service="app",instance="10.0.0.1:8081"}': app,
        'up{job="collector",service="collector",instance="10.0.0.3:8888"}': "1x60",
        'up{job="websocket",service="websocket",instance="10.0.0.2:8091"}': websocket,
    }
    return {series: values for series, values in instances.items() if values}


def disk(left: str) -> dict[str, str]:
    """What is left of a hundred bytes."""
    labels = '{instance="10.0.0.8:9100",mountpoint="/"}'
    return {f"node_filesystem_avail_bytes{labels}": left, f"node_filesystem_size_bytes{labels}": "100x200"}


def claim(left: str, files: str = "100x200") -> dict[str, str]:
    """What is left of a hundred bytes, and of a hundred files."""
    labels = '{namespace="data",persistentvolumeclaim="data-postgres-0"}'
    return {
        f"kubelet_volume_stats_available_bytes{labels}": left,
        f"kubelet_volume_stats_capacity_bytes{labels}": "100x200",
        f"kubelet_volume_stats_inodes_free{labels}": files,
        f"kubelet_volume_stats_inodes{labels}": "100x200",
    }


def moment(name: str) -> str:
    """When it was last, in seconds of the test's time; before its beginning they are negative."""
    return f'kube_lease_renew_time{{namespace="monitoring",lease="{name}"}}'


def node_memory(available: int) -> dict[str, str]:
    """Of a hundred bytes."""
    return {"node_memory_MemAvailable_bytes": f"{available}x60", "node_memory_MemTotal_bytes": "100x60"}


def nginx(*, clients: int, answered: int) -> dict[str, str]:
    """Connections of clients, and how many of those are being answered."""
    return {
        f"nginx_connections_active{{{_NGINX}}}": f"{clients}x60",
        f"nginx_connections_writing{{{_NGINX}}}": f"{answered}x60",
    }


def answered(**statuses: str) -> dict[str, str]:
    """By the load balancer's nginx: `s429` -> how often so far."""
    labels = 'namespace="edge",service="edge",instance="10.0.0.3:8890",status='
    return {f'nginx_answers_total{{{labels}"{status[1:]}"}}': values for status, values in statuses.items()}


def node(name: str) -> str:
    """Whether a node is ready."""
    return f'kube_node_status_condition{{node="{name}",condition="Ready",status="true"}}'


def certificate(days: int) -> dict[str, str]:
    """One that is over after as many days."""
    return {f"probe_ssl_earliest_cert_expiry{{{_PUBLIC}}}": f"{days * 24 * 3600}x60"}


_APP = 'namespace="app"'
# A stack as kube-state-metrics tells of it: a Deployment of two that lacks one, whose container begins again and again.
OBJECTS = {
    node("node-1"): "1x60",
    f'kube_deployment_spec_replicas{{{_APP},deployment="app"}}': "2x60",
    f'kube_deployment_status_replicas_available{{{_APP},deployment="app"}}': "1x60",
    'kube_statefulset_replicas{namespace="data",statefulset="postgres"}': "3x60",
    'kube_statefulset_status_replicas_ready{namespace="data",statefulset="postgres"}': "3x60",
    'kube_daemonset_status_desired_number_scheduled{namespace="node",daemonset="collector"}': "3x60",
    'kube_daemonset_status_number_ready{namespace="node",daemonset="collector"}': "3x60",
    f'kube_pod_status_phase{{{_APP},pod="app-1",phase="Running"}}': "1x60",
    f'kube_pod_status_phase{{{_APP},pod="app-2",phase="Pending"}}': "1x60",
    f'kube_pod_container_status_waiting_reason{{{_APP},pod="app-2",container="php",reason="CrashLoopBackOff"}}': "1x60",
    f'kube_pod_container_status_restarts_total{{{_APP},pod="app-2",container="php"}}': "0+1x60",
    f'kube_job_failed{{{_APP},job_name="migrations-1",condition="true"}}': "0x60",
    'kube_persistentvolumeclaim_status_phase{namespace="data",persistentvolumeclaim="data-0",phase="Pending"}': "0x60",
    'kube_persistentvolumeclaim_resource_requests_storage_bytes{namespace="data",persistentvolumeclaim="a"}': "9x60",
    'kube_poddisruptionbudget_status_pod_disruptions_allowed{namespace="data",poddisruptionbudget="postgres"}': "1x60",
    **pods_by_load(3, 20, 5),
    **quota(5, 10),
    **{moment(name): "0x60" for name in moments.ALL},
}
_NGINX = 'namespace="edge",service="edge",instance="10.0.0.9:9113"'
_PUBLIC = 'url="https://a.example"'
_POD = 'service="postgres",name='
_REDIS = 'haproxy_server_status{service="redis",state="UP",proxy='
_COUNTED = 'namespace="data",service="postgres",instance="10.0.0.5:9187"'
_OPEN = f'pg_stat_activity_max_tx_duration{{{_COUNTED},datname="vision_week",state='
_WAITS = f'pgbouncer_pools_client_maxwait_seconds{{{{{_COUNTED},database="vision_week",user="{{user}}"}}}}'
_SLOT = f'pg_replication_slots_pg_wal_lsn_diff{{{_COUNTED},slot_name="postgres_1"}}'
_SLOT_LIMIT = "pg_settings_max_slot_wal_keep_size_bytes"
_MEMBER = 'namespace="data",service="redis",instance="10.0.0.6:9121"'
_WITHOUT_LIMIT = {'redis_memory_used_bytes{instance="b"}': "91x60", 'redis_memory_max_bytes{instance="b"}': "0x60"}
_TOLD = 'instance="10.0.0.7:9093"'
_MEMBERS = f"alertmanager_cluster_members{{{_TOLD}}}"
# Always raised, whatever the numbers are.
ALWAYS = {"Watchdog"}
CASES = {
    # Of a hundred bytes 91 are taken, and 89; of all the files that there may be, fewer.
    "ClaimFull": Case(claim("9x200"), claim("11x200", "50x200"), minute=60),
    # Twenty minutes after 25 days, and twenty before.
    "DeliveryOverdue": Case({moment(moments.DELIVERED): "-2160000x60"}, {moment(moments.DELIVERED): "-2157600x60"}),
    # The last look but one found nothing, and the last one.
    "DriftFound": Case(
        {moment(moments.CHECKED): "900x60", moment(moments.UNCHANGED): "-85500x60"},
        {moment(moments.CHECKED): "900x60", moment(moments.UNCHANGED): "900x60"},
    ),
    # Twenty minutes after a day and a half, and twenty before.
    "DriftUnchecked": Case({moment(moments.CHECKED): "-129600x60"}, {moment(moments.CHECKED): "-127200x60"}),
    "Watchdog": Case(up("1x60", "1x60"), {}),
    "NotificationsFail": Case(
        {f"alertmanager_notifications_failed_total{{{_TOLD}}}": "0+1x60"},
        {f"alertmanager_notifications_failed_total{{{_TOLD}}}": "7x60"},
    ),
    "AlertmanagersApart": Case(
        {_MEMBERS: "1x60", f'up{{job="alertmanager",{_TOLD}}}': "1x60", 'up{job="alertmanager",instance="b"}': "1x60"},
        {_MEMBERS: "2x60", f'up{{job="alertmanager",{_TOLD}}}': "1x60", 'up{job="alertmanager",instance="b"}': "1x60"},
        minute=30,
    ),
    "TargetDown": Case(up("1x5 0x30", "1x60"), up("1x5 0 1x30", "1x60")),
    "ServiceMissing": Case(up("1x60", ""), up("1x60", "0x60")),
    # Prometheus asks several times a minute, and each of its kind by itself.
    "PublicUrlFails": Case(
        {f"probe_success{{{_PUBLIC}}}": "1x5 0x60"},
        {f"probe_success{{{_PUBLIC}}}": "1x19 0x60", 'probe_success{url="https://b.example"}': "1x5 0x5 1x60"},
    ),
    # Thirteen days before its end, and fifteen.
    "CertificateExpires": Case(certificate(13), certificate(15)),
    "NginxUnseen": Case({f"nginx_up{{{_NGINX}}}": "1x5 0x60"}, {f"nginx_up{{{_NGINX}}}": "1x5 0 1x60"}),
    # Of 4096: 3700, and 3600.
    "NginxConnectionsNearLimit": Case(nginx(clients=2000, answered=1700), nginx(clients=2000, answered=1600)),
    # Hung up on one; and let in all that came, however many.
    "NginxDropsConnections": Case(
        {
            f"nginx_connections_accepted{{{_NGINX}}}": "0+60x60",
            f"nginx_connections_handled{{{_NGINX}}}": "0+60x18 1139+60x60",
        },
        {f"nginx_connections_accepted{{{_NGINX}}}": "0+60x60", f"nginx_connections_handled{{{_NGINX}}}": "0+60x60"},
    ),
    # 0.2 a second, and 0.05 a second; errors that somebody behind made are no answers of nginx.
    "RequestsUnanswered": Case(
        answered(s200="0+600x60", s502="0+6x60", s504="0+6x60"),
        answered(s200="0+600x60", s502="0+3x60", s500="0+60x60"),
    ),
    # A tenth, and a fiftieth, of all that there are.
    "RequestsRefused": Case(
        answered(s200="0+90x60", s429="0+10x60"), answered(s200="0+49x60", s404="0+49x60", s429="0+2x60")
    ),
    # 0.2 a second, and 0.05 a second; what probes get is no visitor's.
    "ServerErrors": Case(answers("0+600x60", "0+12x60"), answers("0+600x60", "0+3x60", probes="0+60x60")),
    "LatencyHigh": Case(latency("0+90x60", "0+100x60"), latency("0+96x60", "0+100x60", probes="0+600x60")),
    # One of 50, and half of what may fail.
    "ErrorBudgetBurns": Case(
        answers("0+98x400", "0+2x400"), answers("0+2000x400", "0+1x400", probes="0+600x400"), minute=35
    ),
    "LatencyBudgetBurns": Case(latency("0+20x400", "0+100x400"), latency("0+97x400", "0+100x400"), minute=35),
    "PhpWorkersBusy": Case({"phpfpm_idle_processes": "0x60"}, {"phpfpm_idle_processes": "0x3 1 0x3 1 0x3 1x60"}),
    "WebSocketWithoutRedis": Case(
        {"vision_week_websocket_redis_connected": "1x5 0x60"}, {"vision_week_websocket_redis_connected": "1x60"}
    ),
    "DatabaseWithoutPrimary": Case(
        {f'patroni_primary{{{_POD}"postgres-0"}}': "1x5 0x60", f'patroni_primary{{{_POD}"postgres-1"}}': "0x60"},
        {f'patroni_primary{{{_POD}"postgres-0"}}': "1x5 0x60", f'patroni_primary{{{_POD}"postgres-1"}}': "0x5 1x60"},
    ),
    # Another timeline, which a member that was away comes back to; and members that begin late or come back to theirs.
    "DatabaseFailedOver": Case(
        {f'patroni_postgres_timeline{{{_POD}"postgres-0"}}': "1x15 0x3 2x60"},
        {
            f'patroni_postgres_timeline{{{_POD}"postgres-0"}}': "0x8 2x60",
            f'patroni_postgres_timeline{{{_POD}"postgres-1"}}': "2x10 0x3 2x60",
            f'patroni_postgres_timeline{{{_POD}"postgres-2"}}': "2x60",
        },
    ),
    "ReplicaBehind": Case(
        {
            f'patroni_xlog_location{{{_POD}"postgres-0"}}': "100000000x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-0"}}': "0x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-1"}}': "80000000x60",
        },
        {
            f'patroni_xlog_location{{{_POD}"postgres-0"}}': "100000000x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-0"}}': "0x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-1"}}': "99000000x60",
        },
    ),
    "DatabaseUnseen": Case(
        {f"pg_up{{{_COUNTED}}}": "1x60", f"pg_exporter_last_scrape_error{{{_COUNTED}}}": "0x5 1x60"},
        {f"pg_up{{{_COUNTED}}}": "1x5 0 1x60", f"pg_exporter_last_scrape_error{{{_COUNTED}}}": "0x5 1 0x60"},
    ),
    # 91 of 100, and 90.
    "ConnectionsNearLimit": Case(connections(app=60, others=31), connections(app=60, others=30)),
    # A second and a half, and a second; and one who waits long once.
    "PoolerClientsWait": Case(
        {_WAITS.format(user="vision_week_app_a"): "1.5x60"},
        {_WAITS.format(user="vision_week_app_a"): "1x60", _WAITS.format(user="vision_week_app_b"): "0x15 9 0x60"},
    ),
    "PoolerUnseen": Case({f"pgbouncer_up{{{_COUNTED}}}": "1x5 0x60"}, {f"pgbouncer_up{{{_COUNTED}}}": "1x5 0 1x60"}),
    "TransactionsIdle": Case(
        {f'{_OPEN}"idle in transaction"}}': "0+60x60", f'{_OPEN}"active"}}': "0x60"},
        # What is at work may take its time, and what begins anew is not idle for long.
        {f'{_OPEN}"active"}}': "0+60x60", f'{_OPEN}"idle in transaction"}}': "0 60 120 0 60 120 0 60x60"},
    ),
    # Nine of sixteen, and half; a bound of -1 is none.
    "ReplicaLogWaits": Case(
        {_SLOT: "9000x60", f"{_SLOT_LIMIT}{{{_COUNTED}}}": "16000x60"},
        {
            _SLOT: "8000x60",
            f"{_SLOT_LIMIT}{{{_COUNTED}}}": "16000x60",
            _SLOT.replace("0.5:", "0.6:"): "9000x60",
            f"{_SLOT_LIMIT}{{{_COUNTED}}}".replace("0.5:", "0.6:"): "-1x60",
        },
    ),
    "ArchivingLate": Case(
        {f"pg_archive_waiting_seconds{{{_COUNTED}}}": "0x19 31x5"},
        {f"pg_archive_waiting_seconds{{{_COUNTED}}}": "30x60"},
    ),
    # Once a minute, as PostgreSQL tries again; and once, when the repository was rolled out.
    "ArchivingFails": Case(
        {f"pg_stat_archiver_failed_count{{{_COUNTED}}}": "0x5 0+1x60"},
        {f"pg_stat_archiver_failed_count{{{_COUNTED}}}": "0x17 3x60"},
    ),
    # Begun in the second minute and not well since; one that is still at it, and one that has gone well.
    "BackupFailed": Case(
        job("full", begun=120, well=60),
        {**job("full", begun=120, well=60, running=1), **job("incr", begun=120, well=180)},
    ),
    # Two hours and an hour, and a second more; with a day there is time.
    "BackupMissing": Case(
        job("check", begun=0, well=59, every=3600), job("full", begun=0, well=59, every=86400), minute=181
    ),
    "RedisWithoutPrimary": Case(
        {f'{_REDIS}"alone",server="redis-0"}}': "1x5 0x60", f'{_REDIS}"alone",server="redis-1"}}': "0x60"},
        {f'{_REDIS}"alone",server="redis-0"}}': "1x5 0x60", f'{_REDIS}"alone",server="redis-1"}}': "0x5 1x60"},
    ),
    "RedisTakesNoWrites": Case(
        {f'{_REDIS}"replicated",server="redis-{number}"}}': "0x60" for number in range(3)},
        # The only member there is has nobody who could follow.
        {f'{_REDIS}"replicated",server="redis-0"}}': "0x60", f'{_REDIS}"alone",server="redis-0"}}': "1x60"},
    ),
    "RedisFailedOver": Case(
        {f'{_REDIS}"alone",server="redis-0"}}': "1x15 0x60", f'{_REDIS}"alone",server="redis-1"}}': "0x15 1x60"},
        {f'{_REDIS}"alone",server="redis-0"}}': "1x15 0 1x60", f'{_REDIS}"alone",server="redis-1"}}': "0x60"},
    ),
    "RedisUnseen": Case({f"redis_up{{{_MEMBER}}}": "1x5 0x60"}, {f"redis_up{{{_MEMBER}}}": "1x5 0 1x60"}),
    "RedisMemoryNearLimit": Case(memory(used=91, limit=100), {**memory(used=90, limit=100), **_WITHOUT_LIMIT}),
    "RedisEvicts": Case(
        {f"redis_evicted_keys_total{{{_MEMBER}}}": "0x15 9x60"}, {f"redis_evicted_keys_total{{{_MEMBER}}}": "9x60"}
    ),
    "RedisRefusesConnections": Case(
        {f"redis_rejected_connections_total{{{_MEMBER}}}": "0x15 1x60"},
        {f"redis_rejected_connections_total{{{_MEMBER}}}": "1x60"},
    ),
    "RedisCantWriteDown": Case(
        {f"redis_aof_last_write_status{{{_MEMBER}}}": "1x5 0x60", f"redis_rdb_last_bgsave_status{{{_MEMBER}}}": "1x60"},
        {
            f"redis_aof_last_write_status{{{_MEMBER}}}": "1x60",
            f"redis_rdb_last_bgsave_status{{{_MEMBER}}}": "1x5 0 1x60",
        },
    ),
    # Away; and away for three minutes, while another one is there.
    "NodeNotReady": Case(
        {node("a"): "1x60", node("b"): "1x5 0x60"}, {node("a"): "1x60", node("b"): "1x5 0x3 1x60"}, minute=15
    ),
    "ContainerDoesNotStart": Case(
        {waiting("CrashLoopBackOff"): "1x60"},
        {waiting("CrashLoopBackOff"): "1x3 0x60", waiting("ContainerCreating"): "1x60"},
    ),
    # 27 of 30 seconds that it may have in a minute, and 23.
    "ContainerCpuBusy": Case(container(cpu="0+27x60"), container(cpu="0+23x60")),
    "ContainerMemoryNearLimit": Case(container(memory="91x60"), container(memory="89x60")),
    # Of a hundred: fourteen, and fifteen.
    "NodeDiskFull": Case(disk("14x60"), disk("15x60")),
    # 91 of a hundred, and 90.
    "NodeMemoryLow": Case(node_memory(9), node_memory(10)),
    "ContainerRestarts": Case(
        {f"kube_pod_container_status_restarts_total{_PHP}": "0x5 1x4 2x4 3x60"},
        {f"kube_pod_container_status_restarts_total{_PHP}": "0x5 1x60"},
    ),
    "ReplicasMissing": Case(
        {
            'kube_statefulset_replicas{statefulset="postgres"}': "3x60",
            'kube_statefulset_status_replicas_ready{statefulset="postgres"}': "2x60",
        },
        {
            'kube_deployment_spec_replicas{deployment="app"}': "2x5 3x60",
            'kube_deployment_status_replicas_available{deployment="app"}': "2x10 3x60",
        },
    ),
    "JobFailed": Case(
        {failed("app-migrations-1a2b3c4d"): "1x60"},
        {failed("postgres-backups-full-29012345"): "1x60", failed("app-migrations-1a2b3c4d"): "0x60"},
    ),
    # One that may not grow is no sign of too much being asked for.
    "AutoscalerAtMaximum": Case(pods_by_load(2, 10, 10), {**pods_by_load(2, 10, 9), **pods_by_load(1, 1, 1, of="b")}),
    "QuotaNearlyUsed": Case(quota(91, 100), {**quota(90, 100), **quota(0, 0, of="services.loadbalancers")}),
    # A queue that is half full may empty itself again.
    "LogsWait": Case(waiting_lines(51), waiting_lines(50)),
    "LogsLost": Case(refused(stream_limit="0+1x60"), refused(stream_limit="7x60", too_far_behind="0+1x60")),
    # Without room; what was lost long ago, and lines.
    "SpansLost": Case(
        {spans("enqueue_failed"): "1+1x60"}, {spans("enqueue_failed"): "7x60", lines("enqueue_failed"): "1+1x60"}
    ),
    "RulesFail": Case(
        {"prometheus_rule_evaluation_failures_total": "0+1x60"}, {"prometheus_rule_evaluation_failures_total": "7x60"}
    ),
    "ScrapeTooLarge": Case(
        {"prometheus_target_scrapes_exceeded_sample_limit_total": "0+1x60"},
        {"prometheus_target_scrapes_exceeded_sample_limit_total": "3x60"},
    ),
    "TooManySeries": Case(
        {"prometheus_tsdb_head_series": "20001x60"}, {"prometheus_tsdb_head_series": "20000x60"}, minute=30
    ),
}
