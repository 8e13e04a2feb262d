"""The application's objects, and in which order they come."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from pulumi import Output
from pulumi_kubernetes import core

from components.app import MISTAKEN, App, AppArgs, Database, Store, Tracing, Uploads
from components.kubernetes import pods_of
from components.logins import Login
from components.settings import VARIABLES
from components.values import mebibytes
from tests.unit.parts import LEAST, endpoint, namespace, settings
from tests.unit.recording import CHECKOUT, Recording, record

DEVELOPMENT = {**LEAST["images"], "app_target": "development"}


def built(
    *,
    release: str = "v1",
    image: str = "registry.example/app@sha256:0",
    nginx_settings: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    timeouts: Mapping[str, int] | None = None,
    followed: bool = True,
    **changes: Any,
) -> Recording:
    def program() -> None:
        App(
            "app",
            AppArgs(
                namespace=namespace("apps"),
                settings=settings(app=changes, images=DEVELOPMENT).app,
                timeouts=settings(timeouts=timeouts or {}).timeouts,
                names=names or {},
                constants=constants or {},
                image=image,
                exporter_image="registry.example/exporter:1",
                release=release,
                database=Database(
                    endpoint=endpoint("postgres", "data", 6432),
                    primary=endpoint("postgres", "data", 5432),
                    peer=pods_of("data", "postgres"),
                    name="vision_week",
                    owner=Login(user="vision_week_owner_a", password=Output.secret("owner's")),
                    user=Login(user="vision_week_app_a", password=Output.secret("user's")),
                    authority=Output.from_input("authority's"),
                ),
                redis=Store(
                    endpoint=endpoint("redis", "data", 6379),
                    peer=pods_of("data", "redis"),
                    login=Login(user="app", password=Output.secret("redis's")),
                    authority=Output.from_input("authority's"),
                ),
                clients=[pods_of("edge", "edge")],
                websocket="/ws",
                notice=5,
                nginx_settings=nginx_settings or {},
                uploads=Uploads(
                    claim=core.v1.PersistentVolumeClaimSpecArgs(
                        access_modes=["ReadWriteMany"], storage_class_name="shared"
                    )
                ),
                after=[],
                tracing=Tracing(
                    endpoint=endpoint("collector", "node", 4318), peer=pods_of("node", "collector"), percent=25
                )
                if followed
                else None,
                rollout_timeout=300,
                protect=True,
            ),
        )

    return record(program)


def containers(recording: Recording) -> dict[str, dict[str, Any]]:
    found = recording.one("Deployment", "app").at("spec", "template", "spec", "containers")
    return {container["name"]: container for container in found}


def test_migrations_have_run_before_a_pod_of_the_release_starts() -> None:
    app = built()
    assert app.one("Job", "migrations").urn in app.one("Deployment", "app").depends_on


def test_a_file_of_nginx_s_settings_takes_the_place_of_the_image_s_and_rolls_the_pods() -> None:
    plain, changed = built(), built(nginx_settings={"websocket-source.conf": "map …"})
    (mounted,) = [each for each in containers(changed)["nginx"]["volumeMounts"] if "subPath" in each]
    assert (CHECKOUT / "images/app/nginx/settings" / mounted["subPath"]).is_file()
    assert mounted["mountPath"] == f"/etc/vision-week/nginx/settings/{mounted['subPath']}"
    assert changed.one("ConfigMap", "app-nginx").at("data", mounted["subPath"]) == "map …"
    assert not [each for each in containers(plain)["nginx"]["volumeMounts"] if "subPath" in each]
    annotations = [
        one.one("Deployment", "app").at("spec", "template", "metadata", "annotations") for one in (plain, changed)
    ]
    assert annotations[0] != annotations[1]


@pytest.mark.parametrize("workers", [2, 9])
def test_what_may_wait_on_disk_fits_the_pods_scratch(workers: int) -> None:
    """It is ended when that is full. A file that was sent is no larger than a body."""
    app = built(workers=workers)
    (scratch,) = [
        each["emptyDir"]["sizeLimit"]
        for each in app.one("Deployment", "app").at("spec", "template", "spec", "volumes")
        if each["name"] == "tmp"
    ]

    def numbers(pattern: str, file: str) -> list[int]:
        text = (CHECKOUT / "images/app" / file).read_text()
        return [int(number) for number in re.findall(pattern, text, re.MULTILINE)]

    waiting = numbers(r"^limit_conn (?:bodies|files) (\d+);", "nginx/stored.conf")
    (body,) = numbers(r"^client_max_body_size (\d+)m;", "nginx/settings/limits.conf")
    (upload,) = set(numbers(r"^ +(?:ENV )?PHP_BODY_LIMIT=(\d+)M", "Dockerfile"))
    assert len(waiting) == 2
    assert mebibytes(scratch) > sum(waiting) * body + workers * upload


def test_a_migration_runs_as_the_owner_and_the_application_does_not() -> None:
    app = built()
    job = app.one("Job", "migrations")
    (container,) = job.at("spec", "template", "spec", "containers")
    assert {"name": "DATABASE_USER", "value": "vision_week_owner_a"} in container["env"]
    assert container["command"] == ["php", "/var/www/html/bin/migrate.php"]
    assert app.one("Secret", "migrations").inputs["stringData"]["database-password"] == "owner's"
    assert {"name": "DATABASE_USER", "value": "vision_week_app_a"} in containers(app)["php"]["env"]
    assert {"name": "DATABASE_PORT", "value": "5432"} in container["env"]
    assert app.one("ConfigMap", "app").at("data", "DATABASE_PORT") == "6432"
    assert app.one("Secret", "app").inputs["stringData"] == {
        "database-password": "user's",
        "database-ca.crt": "authority's",
        "redis-password": "redis's",
        "redis-ca.crt": "authority's",
    }


def test_a_migration_runs_again_only_for_another_image_or_database() -> None:
    jobs = [built(log_level=level).one("Job", "migrations").inputs for level in ("info", "debug")]
    assert jobs[0] == jobs[1]
    assert built(image="registry.example/app@sha256:1").one("Job", "migrations").inputs != jobs[0]


def test_a_job_gets_its_name_from_the_provider() -> None:
    """A fixed name could not be run again: a Job can't be changed."""
    assert "name" not in built().one("Job", "migrations").metadata


def test_a_pod_keeps_the_name_and_the_password_that_it_was_given() -> None:
    """Both were written in place: pods of before had the next ones' password within a minute, and logged in with it as
    themselves. Nobody let them."""
    app = built()
    assert "DATABASE_USER" not in app.one("ConfigMap", "app").inputs["data"]
    for name in ("app", "migrations"):
        secret = app.one("Secret", name)
        assert secret.inputs["immutable"] is True
        assert "name" not in secret.metadata


def test_a_migration_that_fails_is_not_tried_for_ever() -> None:
    job = built(migration_timeout=60).one("Job", "migrations")
    assert (job.at("spec", "backoffLimit"), job.at("spec", "activeDeadlineSeconds")) == (3, 60)
    assert job.at("spec", "template", "spec", "restartPolicy") == "Never"
    (rule,) = job.at("spec", "podFailurePolicy", "rules")
    assert rule == {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [MISTAKEN]}}


def test_nginx_and_php_are_two_containers_of_one_image() -> None:
    found = containers(built())
    assert set(found) == {"nginx", "php"}
    assert found["nginx"]["image"] == found["php"]["image"]
    shared = [{mount["mountPath"] for mount in container["volumeMounts"]} for container in found.values()]
    assert shared[0] & shared[1] == {"/run/vision-week", "/tmp"}  # noqa: S108


def test_only_php_sees_secrets_and_uploads() -> None:
    found = containers(built())
    assert {mount["name"] for mount in found["nginx"]["volumeMounts"]} == {"run", "tmp"}
    assert "envFrom" not in found["nginx"]


def test_the_public_port_is_the_only_one_published() -> None:
    (port,) = built().one("Service", "app").at("spec", "ports")
    assert (port["port"], port["targetPort"]) == (8080, "http")


def test_the_probes_ask_different_things() -> None:
    nginx = containers(built())["nginx"]
    asked = {probe: nginx[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {"startupProbe": "/health", "readinessProbe": "/ready", "livenessProbe": "/live"}


def test_a_roll_out_adds_a_pod_before_it_takes_one() -> None:
    """S5.1"""
    strategy = built().one("Deployment", "app").at("spec", "strategy")
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_the_autoscaler_owns_the_number_of_replicas() -> None:
    """S6.1"""
    app = built()
    assert app.one("Deployment", "app").at("spec", "replicas") is None
    spec = app.one("HorizontalPodAutoscaler", "app").inputs["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 20)
    aims = {
        metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"] for metric in spec["metrics"]
    }
    assert aims == {"cpu": 70, "memory": 80}
    up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
    assert up["stabilizationWindowSeconds"] == 60
    assert up["policies"] == [{"type": "Percent", "value": 50, "periodSeconds": 60}]
    assert down["stabilizationWindowSeconds"] > up["stabilizationWindowSeconds"]


def test_a_fixed_number_has_no_autoscaler() -> None:
    app = built(replicas=1)
    assert app.one("Deployment", "app").at("spec", "replicas") == 1
    assert not app.of("HorizontalPodAutoscaler")
    assert not app.of("PodDisruptionBudget")


def test_every_pod_mounts_the_same_uploads() -> None:
    """S2.3"""
    claim = built().one("PersistentVolumeClaim", "uploads")
    assert claim.at("spec", "accessModes") == ["ReadWriteMany"]
    assert claim.at("spec", "storageClassName") == "shared"
    assert claim.protect


def test_changed_configuration_or_passwords_roll_the_pods() -> None:
    checksums = [
        recording.one("Deployment", "app").at(
            "spec", "template", "metadata", "annotations", "vision-week/configuration"
        )
        for recording in (built(), built(), built(release="v2"), built(session_lifetime=60))
    ]
    assert checksums[0] == checksums[1]
    assert len(set(checksums)) == 3


def test_an_application_has_its_own_names_for_what_it_is_told() -> None:
    app = built(names={"DATABASE_HOST": "DB_SERVERNAME"}, constants={"FIREBASE_PROJECT_ID": "vision"})
    data = app.one("ConfigMap", "app").inputs["data"]
    assert data["DB_SERVERNAME"] == "postgres.data.svc.cluster.local"
    assert data["FIREBASE_PROJECT_ID"] == "vision"
    assert "DATABASE_HOST" not in data
    (migrations,) = app.one("Job", "migrations").at("spec", "template", "spec", "containers")
    told = {variable["name"]: variable.get("value") for variable in migrations["env"]}
    assert (told["DB_SERVERNAME"], told["FIREBASE_PROJECT_ID"]) == ("postgres.data.svc.cluster.local", "vision")
    assert "DATABASE_HOST" not in told


def test_whatever_the_application_is_told_may_have_another_name() -> None:
    app = built(followed=False)
    named = {each["name"] for each in containers(app)["php"]["env"]}
    users = {"DATABASE_USER", "REDIS_USER"}
    assert set(VARIABLES) - users == app.one("ConfigMap", "app").inputs["data"].keys()
    assert users <= named


def test_a_password_is_a_variable_only_where_somebody_asks_for_it() -> None:
    """From the container's own Secret, never as a value; the migrations have no use for Redis'."""
    app = built(names={"DATABASE_PASSWORD": "DB_PASSWORD", "REDIS_PASSWORD": "CACHE_PASSWORD"})
    (migrations,) = app.one("Job", "migrations").at("spec", "template", "spec", "containers")
    asked = {
        name: {
            variable["name"]: variable["valueFrom"]["secretKeyRef"]
            for variable in container["env"]
            if "valueFrom" in variable
        }
        for name, container in (("php", containers(app)["php"]), ("migrations", migrations))
    }
    assert asked == {
        "php": {
            "DB_PASSWORD": {"name": "app-1234abcd", "key": "database-password"},
            "CACHE_PASSWORD": {"name": "app-1234abcd", "key": "redis-password"},
        },
        "migrations": {"DB_PASSWORD": {"name": "migrations-1234abcd", "key": "database-password"}},
    }
    assert "valueFrom" not in str(containers(built()))


def test_the_debugger_is_told_to_php_alone_and_nothing_but_its_port_is_open() -> None:
    """S10.1, S7 beyond: the narrowest allowance."""
    debugged = built(debugger="192.0.2.7:9003")
    found = containers(debugged)
    assert {"name": "XDEBUG_CONFIG", "value": "client_host=192.0.2.7 client_port=9003"} in found["php"]["env"]
    assert "XDEBUG_CONFIG" not in str(found["nginx"])
    assert "XDEBUG_CONFIG" not in str(containers(built()))

    def ways_out(recording: Recording) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = recording.one("NetworkPolicy", "app").at("spec", "egress")
        return rules

    (added,) = [rule for rule in ways_out(debugged) if rule not in ways_out(built())]
    assert added["to"] == [{"ipBlock": {"cidr": "192.0.2.7/32"}}]
    assert [port["port"] for port in added["ports"]] == [9003]


def test_files_that_can_be_edited_lie_over_the_image_s_and_only_nginx_s_container_can_write_them() -> None:
    """S10.1, S7.2: what runs the code can't change it, and no root file system is writable."""
    app = built(hot_reload=True)
    spec = app.one("Deployment", "app").at("spec", "template", "spec")
    copy, _ = spec["initContainers"]
    assert copy["securityContext"]["readOnlyRootFilesystem"] is True
    (filled,) = copy["volumeMounts"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == filled["name"]]
    assert volume["emptyDir"]["sizeLimit"] == "512Mi"
    places = {
        name: {
            mount["mountPath"]: mount.get("readOnly", False)
            for mount in container["volumeMounts"]
            if mount["name"] == filled["name"]
        }
        for name, container in containers(app).items()
    }
    assert places == {"nginx": {"/var/www/html": False}, "php": {"/var/www/html": True}}


def test_files_of_the_image_run_as_they_are_unless_somebody_asks() -> None:
    spec = built().one("Deployment", "app").at("spec", "template", "spec")
    assert [container["name"] for container in spec["initContainers"]] == ["exporter"]
    assert "/var/www/html" not in {
        mount["mountPath"] for container in spec["containers"] for mount in container["volumeMounts"]
    }


def test_a_stack_that_follows_requests_tells_the_application_where_and_how_many() -> None:
    """S8.3: by OpenTelemetry's own names, and its connections lead there; else by neither."""
    variables = built().one("ConfigMap", "app").at("data")
    assert variables["OTEL_TRACES_SAMPLER_ARG"] == "0.25"
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"].endswith(":4318")
    assert 4318 in ports(built())
    alone = built(followed=False)
    assert not [name for name in alone.one("ConfigMap", "app").at("data") if name.startswith("OTEL_")]
    assert 4318 not in ports(alone)


def ports(recording: Recording) -> set[int]:
    """That the application may connect to."""
    rules = recording.one("NetworkPolicy", "app").at("spec", "egress")
    return {port["port"] for rule in rules for port in rule["ports"]}
