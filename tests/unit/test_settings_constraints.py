"""Every constraint of every field, with an example that it refuses and one that it takes.

The tables below say the bounds once more, on purpose: a bound that is moved in the models has to be moved here too. No
field with a constraint may be missing from them.
"""

import json
from typing import Any, Literal, get_origin

import pytest
from pydantic import ValidationError

from components.fields import Field, walk
from components.settings import EdgeBase, GatewayEdge, IngressEdge, Settings
from components.values import WORDS, Format
from components.wording import fault
from tests.unit.faults import GATEWAY, GKE, INGRESS, changed, faults
from tests.unit.parts import LEAST

LATEST = 10**9

# Setting -> the least and the most that it may be.
RANGES: dict[str, tuple[float, float]] = {
    "app.limits.api_per_second": (1, 1000),
    "app.limits.login_per_minute": (1, 60),
    "app.migration_timeout": (30, 7200),
    "app.replicas.cpu_percent": (1, 100),
    "app.replicas.disruptions": (1, 50),
    "app.replicas.max": (1, 100),
    "app.replicas.memory_percent": (1, 100),
    "app.replicas.min": (1, 100),
    "app.session_lifetime": (60, 86400),
    "app.workers": (1, 200),
    "cluster.apps.disk_gib": (30, 2000),
    "cluster.apps.max_nodes": (1, 50),
    "cluster.apps.min_nodes": (1, 50),
    "cluster.key_rotation_days": (1, 365),
    "cluster.project_number": (1, LATEST),
    "postgres.backups.copied_by": (1, LATEST),
    "cluster.maintenance.hours": (4, 24),
    "edge.disruptions": (1, 5),
    "edge.node_port": (30000, 32767),
    "edge.replicas": (1, 10),
    "edge.requests_per_minute": (60, 100000),
    "monitoring.alerts.availability_percent": (90, 99.99),
    "monitoring.alerts.cpu_percent": (1, 100),
    "monitoring.alerts.latency_ms": (50, 60000),
    "monitoring.alerts.memory_percent": (1, 100),
    "monitoring.alerts.server_errors_per_second": (0.01, 100),
    "monitoring.alerts.target_down_minutes": (1, 60),
    "monitoring.logs_days": (1, 3650),
    "monitoring.metrics_days": (1, 400),
    "monitoring.replicas": (1, 3),
    "monitoring.traces.days": (1, 30),
    "monitoring.traces.percent": (0.01, 100),
    "postgres.backups.archive_alert": (10, 60),
    "postgres.backups.archive_timeout": (5, 60),
    "postgres.backups.keep_days": (2, 400),
    "postgres.backups.recover_days": (1, 365),
    "postgres.backups.servers": (1, 3),
    "postgres.disruptions": (1, 2),
    "postgres.max_connections": (20, 2000),
    "redis.disruptions": (1, 2),
    "redis.memory_percent": (10, 80),
    "redis.quorum": (1, 5),
    "redis.replica_lag": (2, 60),
    "rollout_timeout": (30, 540),
    "secrets.generation": (1, LATEST),
    "storage.snapshots.keep_days": (1, 365),
    "storage.uploads_days": (1, 365),
    "tenancy.app.pods": (1, 5000),
    "timeouts.database": (1, 3600),
    "timeouts.edge": (5, 3600),
    "timeouts.nginx": (4, 3600),
    "timeouts.php": (3, 3600),
}

LOG_LEVELS = ("debug", "info", "warning", "error")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

# Setting -> all that it may be.
CHOICES: dict[str, tuple[Any, ...]] = {
    "app.environment": ("development", "staging", "production"),
    "app.log_level": LOG_LEVELS,
    "cluster.apps.disk_type": ("pd-ssd", "pd-balanced", "hyperdisk-balanced"),
    "edge.service": ("LoadBalancer", "NodePort"),
    "images.app_target": ("production", "development"),
    "monitoring.alerts.latency_goal_ms": (50, 100, 250, 500, 1000, 2500, 5000, 10000),
    "monitoring.client_addresses": ("truncated", "full"),
    "postgres.backups.drill_day": DAYS,
    "postgres.backups.incremental_hours": (1, 2, 3, 4, 6, 8, 12),
    "postgres.backups.repository": ("bucket", "volume"),
    "postgres.members": (1, 3, 5),
    "purpose": ("live", "rehearsal", "workbench"),
    "redis.eviction": ("noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu", "volatile-ttl"),
    "redis.members": (1, 3, 5),
    "storage.shared_access": ("ReadWriteMany", "ReadWriteOnce"),
    "storage.snapshots.every_hours": (1, 2, 3, 4, 6, 8, 12, 24),
    "websocket.log_level": LOG_LEVELS,
}

LONG = "a" * 41
NAMES = ["a", "a-1", "a" * 40], ["", "A", "1a", "-a", "a-", "a_b", LONG]
HOSTS = (
    ["a.b", "vision-week.example", "a.b-c.d1"],
    ["a", "A.b", "-a.b", "a..b", "a.b/", "https://a.b", f"{'a' * 64}.b", "*.a.b"],
)
SIZES = (
    ["1Mi", "1.5Gi", "10G", "1T", "2Ti", "2000k"],
    ["0", "1", "1023Ki", "1048575", "1 Gi", "1gi", "-1Gi", "1e9", "x"],
)
TEXTS = ["x"], [""]
PROJECTS = ["abcdef", "a-1-b2", "a" * 30], ["abcde", "a" * 31, "1abcdef", "Abcdef", "abcdef-", "abc_def"]
REGIONS = (
    ["europe-west1", "us-east4", "europe-west12"],
    ["europe", "europe-west", "europe-west123", "Europe-west1", "europe-west1-b"],
)
PREFIXES = (
    ["registry.example/a", "localhost:5005/vision-week", "a.b/c/d.e_f-g"],
    ["registry.example", "https://registry.example/a", "registry.example/A", "registry.example/a:v1", "r.example//a"],
)
TIMES = ["00:00", "09:59", "19:00", "23:59"], ["24:00", "9:00", "12:60", "1200", "12:00:00", "noon"]
NETWORKS = ["10.0.0.0/28", "10.0.0.1"], ["10.0.0.1/28", "10.0.0.0/33", "10.0.0", "::/0", 10, "x"]

# Setting -> texts that it takes, and texts that it refuses.
FORMS: dict[str, tuple[list[Any], list[Any]]] = {
    "app.debugger": (
        ["192.0.2.7:9003", "10.0.0.255:1"],
        ["192.0.2.7", "192.0.2.256:9003", "editor.example:9003", "192.0.2.7:0", "192.0.2.7:9003 log=/tmp/x"],
    ),
    "app.limits.upload": SIZES,
    "app.uploads": SIZES,
    "app.worker_memory": SIZES,
    "cluster.apps.machine": (
        ["n2-standard-4", "e2-medium", "c3-standard-4-lssd", "n2d-highmem-8", "t2d-standard-1"],
        ["n2", "N2-standard-4", "n2-standard", "standard-4", "n2 standard 4", "n2-standard-4-"],
    ),
    "cluster.context": TEXTS,
    "cluster.control_plane": ([[each] for each in NETWORKS[0]], [[each] for each in NETWORKS[1]]),
    "cluster.nodes": ([[each] for each in NETWORKS[0]], [[each] for each in NETWORKS[1]]),
    "cluster.identifier": TEXTS,
    "cluster.kubeconfig": TEXTS,
    "cluster.maintenance.days": ([["MO", "TU", "WE"], list(DAYS)], [[], ["MON"], ["mo"]]),
    "cluster.maintenance.start": TIMES,
    "cluster.network.control_plane": (["192.168.0.0/28"], ["192.168.0.0/27", "192.168.0.0/29", "8.8.8.0/28", "x"]),
    "cluster.network.nodes": (
        ["10.0.0.0/10", "10.10.0.0/24", "192.168.0.0/24"],
        ["0.0.0.0/7", "10.10.0.0/25", "8.8.8.0/24", "x"],
    ),
    "cluster.network.pods": (["10.128.0.0/9", "192.168.0.0/21"], ["0.0.0.0/7", "192.168.0.0/22", "8.8.0.0/16", "x"]),
    "cluster.network.services": (
        ["10.128.0.0/9", "192.168.0.0/24"],
        ["0.0.0.0/7", "192.168.0.0/25", "8.8.8.0/24", "x"],
    ),
    "cluster.project": PROJECTS,
    "cluster.region": REGIONS,
    "edge.address": (["203.0.113.10"], ["203.0.113", "203.0.113.10/32", "203.0.113.256", "x"]),
    "edge.api_host": HOSTS,
    "edge.certificate_map": NAMES,
    "edge.certificate_names": ([["*.a.b"], ["a.b"]], [["*"], ["*.*.a"], ["a.*.b"], ["*a.b"], ["A.b"]]),
    "edge.class_name": TEXTS,
    "edge.controller_namespace": NAMES,
    "edge.dns_zone": HOSTS,
    "edge.security_policy": NAMES,
    "edge.ssl_policy": NAMES,
    "edge.tls_secret": NAMES,
    "edge.trusted_proxies": (
        [["10.0.0.0/8"], ["1.2.3.4"], ["2001:db8::/32"], ["2001:db8::1"]],
        [["0.0.0.0/0"], ["10.0.0.0/8", "0.0.0.0/7"], ["x"], ["2000::/15"], ["2001:db8::1/32"]],
    ),
    "edge.url": (
        ["https://a.example", "https://localhost:8443", "https://a:1"],
        [
            *("http://a.example", "https://a.example/", "https://", "https://A.example", "https://a.example:0"),
            *("a.example", "https://a.example:123456", "https://-a.example", "https://a@b.example"),
        ],
    ),
    "edge.websocket_host": HOSTS,
    "images.allow_unpinned": ([["nginx"], "all", []], [["x"], "x", "nginx"]),
    "images.flutter": (["3.24.5", "3.32.0"], ["3.24", "2.0.0", "v3.24.5", "3.24.5-beta"]),
    "images.php": (["8.2", "8.9"], ["8.1", "8.2.1", "9.0", "7.4"]),
    "images.promoted_from": PREFIXES,
    "images.registry": PREFIXES,
    "monitoring.logs_size": SIZES,
    "monitoring.metrics_size": SIZES,
    "monitoring.traces.size": SIZES,
    "namespace_prefix": NAMES,
    "postgres.backups.full_at": TIMES,
    "postgres.backups.bucket": (
        ["vision-week-backups", "a.b", "0_1", "a" * 63],
        ["ab", "A-bucket", "-bucket", "bucket-", "gs://bucket", "a" * 64],
    ),
    "postgres.backups.volume_size": SIZES,
    "postgres.size": SIZES,
    "redis.backlog": SIZES,
    "redis.size": SIZES,
    "release": (["v1.0.0", "1", "a" * 64, "A_b-c.d"], ["", "-v1", "v1 ", "v/1", "a" * 65, ".1"]),
    "source.document_root": (["public", "_site-1.0"], ["/public", "", " a", "a b", "..", "-a", "web/public"]),
    "source.git": (
        ["https://git.example/app.git"],
        [
            "git@git.example:app.git",
            "http://git.example/a.git",
            "https://me:secret@git.example/a.git",
            "https://",
            "https://git.example/a",
            "https://git.example/a.git#main",
        ],
    ),
    "source.path": TEXTS,
    "source.reference": (["0" * 40, "abcdef0123" * 4], ["main", "0" * 39, "0" * 41, "A" * 40]),
    "storage.class_name": NAMES,
    "storage.provisioner": TEXTS,
    "storage.shared_class": NAMES,
    "websocket.resources.cpu": (["1m", "1", 0.5, 1], ["0", "0m", "-1", "one", 0, "1e3"]),
    "websocket.resources.cpu_limit": (["1000m", "1.5", 2], ["0", "-1", "much", True]),
    "websocket.resources.memory": SIZES,
}

# Items of lists: the list, an item that is right, and for each of its keys what it takes and refuses.
ITEMS: dict[str, tuple[dict[str, Any], dict[str, tuple[list[Any], list[Any]]]]] = {
    "cluster.maintenance.exclusions": (
        {"name": "opening", "first": "2027-05-01", "last": "2027-05-01"},
        {
            "name": NAMES,
            "first": (["2027-04-30"], ["2027-13-01", "2027-02-29", "1.5.2027", "2027-5-1"]),
            "last": (["2027-05-02"], ["2027-13-01", "2027-02-29", "1.5.2027", "2027-5-1"]),
        },
    ),
    "monitoring.receivers": (
        {"name": "on-call", "secret": "alerts"},
        {
            "name": NAMES,
            "secret": NAMES,
            "severities": ([["critical"], ["warning", "heartbeat"]], [[], ["info"], ["critical", "page"]]),
            "teams": ([["application"], ["platform", "application"]], [[], ["on-call"], "platform"]),
            "authority": (["PEM", None], ["", 1]),
        },
    ),
    "policies.exemptions": (
        {"rule": "r", "resource": "x", "reason": "long enough for an auditor", "owner": "o", "expires": "2027-01-31"},
        {
            "rule": TEXTS,
            "resource": TEXTS,
            "reason": (["r" * 20], ["r" * 19, ""]),
            "owner": TEXTS,
            "expires": (
                ["2027-12-31", "2099-01-01"],
                ["2027-13-01", "2027-00-10", "2027-01-32", "2027-01-00", "1999-01-01", "31.1.2027", "2027-1-1"],
            ),
        },
    ),
}

# Fields of models that stand in several places; one of them stands for all.
SAME_AS = {
    "app.exporter_resources": "websocket.resources",
    "app.nginx_resources": "websocket.resources",
    "app.php_resources": "websocket.resources",
    "cluster.data": "cluster.apps",
    "edge.exporter_resources": "websocket.resources",
    "edge.resources": "websocket.resources",
    "postgres.backups.resources": "websocket.resources",
    "postgres.resources": "websocket.resources",
    "redis.resources": "websocket.resources",
    "postgres.roles_resources": "websocket.resources",
    "postgres.pooler_resources": "websocket.resources",
    "postgres.pooler_exporter_resources": "websocket.resources",
    "redis.sentinel_resources": "websocket.resources",
    "redis.haproxy_resources": "websocket.resources",
    "postgres.exporter_resources": "websocket.resources",
    "redis.exporter_resources": "websocket.resources",
    "tenancy.data": "tenancy.app",
    "tenancy.edge": "tenancy.app",
    "monitoring.alertmanager_resources": "websocket.resources",
    "monitoring.grafana_resources": "websocket.resources",
    "monitoring.collector_resources": "websocket.resources",
    "monitoring.kube_state_resources": "websocket.resources",
    "monitoring.loki_resources": "websocket.resources",
    "monitoring.node_exporter_resources": "websocket.resources",
    "monitoring.probes_resources": "websocket.resources",
    "monitoring.prometheus_resources": "websocket.resources",
    "monitoring.traces.resources": "websocket.resources",
    "tenancy.monitoring": "tenancy.app",
    "tenancy.node": "tenancy.app",
    "websocket.replicas": "app.replicas",
}
FORMS["tenancy.app.cpu"] = FORMS["websocket.resources.cpu"]
FORMS["tenancy.app.memory"] = SIZES


def base(path: str) -> dict[str, Any]:
    """Values in which the setting at a path may stand."""
    values = dict(LEAST)
    for prefix in (
        "cluster.context",
        "cluster.kubeconfig",
        "cluster.identifier",
        "cluster.control_plane",
        "cluster.nodes",
    ):
        if path == prefix:
            return {**values, "cluster": {"flavour": "existing", "context": "kind-kind"}}
    if path.startswith("cluster."):
        values["cluster"] = dict(GKE)
        if path.startswith("cluster.apps."):
            values["cluster"] = {**GKE, "apps": {"machine": "n2-standard-4"}}
        if path == "cluster.maintenance.exclusions":
            values["cluster"] = {**GKE, "maintenance": {"days": list(DAYS)}}
    if path.removeprefix("edge.") in GatewayEdge.model_fields.keys() - EdgeBase.model_fields.keys():
        values["edge"] = dict(GATEWAY)
    if path.removeprefix("edge.") in IngressEdge.model_fields.keys() - EdgeBase.model_fields.keys():
        values["edge"] = dict(INGRESS)
    if path.startswith("app.replicas."):
        values["app"] = {"replicas": {"min": 1, "max": 100}}
    if path.startswith("websocket.resources."):
        values["websocket"] = {"resources": {"cpu": "1m", "cpu_limit": "1000", "memory": "1Gi"}}
    if path.startswith("tenancy.app."):
        values["tenancy"] = {"app": {"pods": 100, "cpu": "100", "memory": "100Gi"}}
    return values


def own_faults(path: str, value: Any) -> list[str]:
    """What the models say of the field itself, or of the group that it is in, but for the order of its parts."""
    values = changed(base(path), path, value)
    try:
        Settings.model_validate_json(json.dumps(values))
    except ValidationError as error:
        found = [fault(detail, values) for detail in error.errors()]
        group = path.rpartition(".")[0]
        own = [each for each in found if each.path.startswith(path)]
        return [
            each.reason for each in own or found if own or (each.path == group and ") is less than " not in each.reason)
        ]
    return []


@pytest.mark.parametrize("path", RANGES)
def test_a_number_beyond_its_range_is_refused(path: str) -> None:
    least, most = RANGES[path]
    step = 0.001 if isinstance(least, float) or isinstance(most, float) else 1
    assert own_faults(path, least) == []
    assert own_faults(path, most) == []
    below = 0 if isinstance(least, float) else least - step
    assert len(own_faults(path, below)) == 1
    if most < LATEST:
        assert len(own_faults(path, most + step)) == 1


@pytest.mark.parametrize("path", RANGES)
@pytest.mark.parametrize("value", ["many", "5", None, True, [5], {}], ids=str)
def test_what_is_no_number_is_refused(path: str, value: Any) -> None:
    may_be_left_open = value is None and path in {
        "app.workers",
        "edge.node_port",
        "postgres.backups.copied_by",
        "redis.quorum",
    }
    assert bool(own_faults(path, value)) is not may_be_left_open


@pytest.mark.parametrize("path", CHOICES)
def test_what_is_not_among_the_choices_is_refused(path: str) -> None:
    for choice in CHOICES[path]:
        assert own_faults(path, choice) == []
    others = (0, 7, 101) if isinstance(CHOICES[path][0], int) else ("other", "", CHOICES[path][0].swapcase())
    for other in others:
        (reason,) = own_faults(path, other)
        assert reason == f"must be one of {', '.join(map(str, CHOICES[path]))}"


@pytest.mark.parametrize("path", FORMS)
def test_a_text_of_the_wrong_form_is_refused(path: str) -> None:
    takes, refuses = FORMS[path]
    for value in takes:
        assert own_faults(path, value) == [], value
    for value in refuses:
        assert own_faults(path, value), value


@pytest.mark.parametrize("path", ITEMS)
def test_an_item_of_the_wrong_form_is_refused(path: str) -> None:
    right, keys = ITEMS[path]
    assert faults(changed(base(path), path, [right])) == []
    for key, (takes, refuses) in keys.items():
        for value in takes:
            assert faults(changed(base(path), path, [{**right, key: value}])) == [], value
        for value in refuses:
            found = faults(changed(base(path), path, [{**right, key: value}]))
            assert {each.path.startswith(f"{path}[0].{key}") for each in found} == {True}, value


SWITCHES = [field for field in walk() if field.info.annotation is bool]


@pytest.mark.parametrize("field", SWITCHES, ids=lambda field: field.path)
def test_a_switch_is_true_or_false(field: Field) -> None:
    for right in (True, False):
        assert own_faults(field.path, right) == []
    for wrong in ("true", 1, 0, None, "on"):
        assert own_faults(field.path, wrong) == ["must be true or false"]


# Mapping -> a key that it takes, and a text there.
MAPPINGS = {
    "cluster.labels": ("a", "b"),
    "edge.annotations": ("A", "B"),
    "images.fixed": ("app", f"registry.example/app@sha256:{'0' * 64}"),
    "source.constants": ("A", "B"),
    "source.variables": ("DATABASE_HOST", "B"),
    "storage.parameters": ("A", "B"),
    "webhooks": ("on-call", "https://hooks.example/1"),
}


@pytest.mark.parametrize("path", MAPPINGS)
def test_keys_have_texts(path: str) -> None:
    key, text = MAPPINGS[path]
    assert own_faults(path, {key: text}) == []
    assert own_faults(path, [key])
    assert faults(changed(base(path), f"{path}.{key}", 5))


def test_a_web_hook_is_spoken_to_under_tls() -> None:
    for right in ("https://hooks.example", "https://hooks.example:8443/a?b=c"):
        assert own_faults("webhooks", {"on-call": right}) == []
    for wrong in ("http://hooks.example", "hooks.example", "https://me:word@hooks.example/", "https://", ""):
        assert faults(changed(LEAST, "webhooks", {"on-call": wrong})), wrong


def test_an_image_is_fixed_by_its_digest() -> None:
    digest = f"sha256:{'0' * 64}"
    for name in ("app", "nginx", "postgres", "redis", "websocket"):
        assert own_faults("images.fixed", {name: f"registry.example/any@{digest}"}) == []
    assert faults(changed(LEAST, "images.fixed", {"php": f"registry.example/any@{digest}"}))
    for wrong in ("registry.example/any:v1", f"@{digest}", "registry.example/any@sha256:0", f"a b@{digest}"):
        assert faults(changed(LEAST, "images.fixed", {"app": wrong})), wrong


def test_variables_have_names_that_a_shell_takes() -> None:
    for right in ("A", "_A1"):
        assert own_faults("source.variables", {"DATABASE_HOST": right}) == []
        assert own_faults("source.constants", {right: ""}) == []
    for wrong in ("a", "1A", "A-B", "", "A=B"):
        reason = f"has {wrong!r}, which is no variable's name"
        assert own_faults("source.variables", {"DATABASE_HOST": wrong}) == [reason]
        assert own_faults("source.constants", {wrong: "x"}) == [reason]


def test_a_variable_that_the_platform_does_not_set_has_no_other_name() -> None:
    told = "APP_ENV APP_VERSION LOG_LEVEL REDIS_HOST REDIS_PORT REDIS_PASSWORD REDIS_PASSWORD_FILE SESSION_LIFETIME"
    told += " UPLOADS_PATH WEBSOCKET_PATH " + " ".join(
        f"DATABASE_{part}" for part in ("HOST", "PORT", "NAME", "USER", "PASSWORD", "PASSWORD_FILE")
    )
    for name in told.split():
        assert own_faults("source.variables", {name: "OTHER"}) == []
    assert own_faults("source.variables", {"DB_HOST": "OTHER"}) == ["has DB_HOST, which the platform doesn't set"]


def test_no_field_is_left_out() -> None:
    """Whoever adds a field says here what it refuses."""
    known = {*RANGES, *CHOICES, *FORMS, *MAPPINGS, *(field.path for field in SWITCHES)}
    known |= {f"{path}[].{key}" for path, (_, keys) in ITEMS.items() for key in keys}
    missing = set()
    for field in walk():
        path = field.path
        for place, example in SAME_AS.items():
            path = path.replace(f"{place}.", f"{example}.") if path.startswith(f"{place}.") else path
        if path not in known and field.name != "flavour" and not _is_a_group(field):
            missing.add(path)
    assert missing == set()


def _is_a_group(field: Field) -> bool:
    return any(other.path.startswith((f"{field.path}.", f"{field.path}[]")) for other in walk())


def test_every_field_with_a_form_has_words_for_it() -> None:
    """Nobody is shown a regular expression."""
    for field in walk():
        for each in field.info.metadata:
            pattern = getattr(each, "pattern", None)
            assert pattern is None or isinstance(each, Format) or pattern in WORDS


def test_choices_are_told_in_the_tables() -> None:
    listed = {
        field.path for field in walk() if get_origin(field.info.annotation) is Literal and field.name != "flavour"
    }
    assert listed - {path.replace("cluster.apps", "cluster.data") for path in CHOICES} <= set(CHOICES)
