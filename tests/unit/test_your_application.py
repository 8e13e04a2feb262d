"""docs/your-application.md says what the program, the image and the reference application really have."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from components.configuration import parse
from components.edge import entrance
from components.unbuilt import unbuilt
from operations.conformance import bench, rules
from tests.unit import edges
from tests.unit.parts import LEAST, namespace, settings
from tests.unit.test_app import built, containers
from tests.unit.test_readme import CHECKOUT

PAGE = (CHECKOUT / "docs/your-application.md").read_text()
NGINX = (CHECKOUT / "images/app/nginx.conf").read_text()
HEADERS = (CHECKOUT / "images/app/nginx/headers.conf").read_text()
FPM = (CHECKOUT / "images/app/php-fpm.conf").read_text()
SOURCE = CHECKOUT / "app/src"


def table(first: str) -> list[list[str]]:
    """The rows of every table whose head begins so; cells without their backticks."""
    rows, inside = [], False
    for line in PAGE.splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.startswith(f"| {first} |"):
            inside = True
        elif inside and not line.startswith("|---"):
            rows.append([cell.strip().strip("`") for cell in line.strip("|").split(" | ")])
    assert rows, first
    return rows


@pytest.fixture(scope="module")
def pods() -> dict[str, dict[str, Any]]:
    """The containers of the application's pods and of its Job."""
    app = built()
    (migrations,) = app.one("Job", "migrations").at("spec", "template", "spec", "containers")
    return {**containers(app), "migrations": migrations}


def variables(container: dict[str, Any]) -> set[str]:
    own = {variable["name"] for variable in container.get("env", [])}
    given = built().one("ConfigMap", "app").inputs["data"].keys() if "envFrom" in container else set()
    return own | given


def test_commands(pods: dict[str, dict[str, Any]]) -> None:
    told = dict(table("container | command"))
    shown = {
        name: " ".join(f'"{word}"' if " " in word else word for word in container["command"])
        for name, container in pods.items()
    }
    assert told == shown


def test_writable_places(pods: dict[str, dict[str, Any]]) -> None:
    has = {
        (name, mount["mountPath"])
        for name, container in pods.items()
        for mount in container["volumeMounts"]
        if not mount.get("readOnly")
    }
    assert {(row[0], row[1]) for row in table("container | writable | what it is")} == has


def test_ports(pods: dict[str, dict[str, Any]]) -> None:
    has = {(str(port["containerPort"]), port["name"]) for port in pods["nginx"]["ports"]}
    assert {(row[0], row[1]) for row in table("port | name | who reaches it")} == has
    assert set(re.findall(r"^ +listen (\d+)", NGINX, re.MULTILINE)) == {port for port, _ in has}


def test_routes() -> None:
    told = {(row[0], row[1]) for row in table("port | route | what is expected")}
    assert told - {("8080", "/api/health")} == set(_locations())
    answered = re.findall(r"Route\('GET', '([^']+)'", (SOURCE / "Health/HealthRoutes.php").read_text())
    assert set(answered) <= {route for _, route in told}


def _locations() -> Iterator[tuple[str, str]]:
    """What nginx has a location for, apart from errors and what it hides."""
    port = ""
    for line in NGINX.splitlines():
        if listens := re.match(r" +listen (\d+)", line):
            port = listens[1]
        elif (place := re.match(r" +location (?:= )?(/\S*) {", line)) and not place[1].startswith("/error/"):
            if (port, place[1]) != ("8081", "/"):
                yield port, place[1]
        elif several := re.match(r" +location ~ \^/\((.+)\)\$ {", line):
            yield from ((port, f"/{name}") for name in several[1].split("|"))


def test_the_probes_ask_what_the_page_says(pods: dict[str, dict[str, Any]]) -> None:
    asked = {
        container[probe]["httpGet"]["path"]
        for container in pods.values()
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        if probe in container
    }
    assert asked == {"/health", "/live", "/ready"}
    assert "the platform itself asks `/health`, `/live` and `/ready` (probes)" in " ".join(PAGE.split())


def test_variables(pods: dict[str, dict[str, Any]]) -> None:
    rows = table("variable | `php` | `migrations` | what it is")
    for column, name in ((1, "php"), (2, "migrations")):
        assert {row[0] for row in rows if row[column] == "yes"} == variables(pods[name])
        assert {row[column] for row in rows} <= {"yes", "no"}
    assert variables(pods["nginx"]) == set()


def test_the_reference_application_reads_what_it_is_told() -> None:
    read = set(re.findall(r"self::(?:text|number)\('([A-Z_]+)'", (SOURCE / "Settings.php").read_text()))
    told = {row[0] for row in table("variable | `php` | `migrations` | what it is")}
    assert told - read == {
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_SAMPLER",
        "PGOPTIONS",
        "PHP_BODY_LIMIT",
        "PHP_FPM_WORKERS",
        "PHP_MEMORY_LIMIT",
        "PHP_REQUEST_TIMEOUT",
        "PHP_STOP_TIMEOUT",
    }
    assert read <= told


def test_the_example_of_another_source_tree_is_a_stack_that_the_program_takes() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    given = {key.removeprefix("vision-week:"): value for key, value in yaml.safe_load(example)["config"].items()}
    images = {**LEAST["images"], **given["images"]}
    chosen = parse({**LEAST, **given, "images": images})
    assert chosen.source.location == "https://git.example/app.git#0123456789abcdef0123456789abcdef01234567"
    assert not [fault for fault in unbuilt(chosen) if fault.path.startswith(("source", "images"))]


def test_secret_files(pods: dict[str, dict[str, Any]]) -> None:
    app = built()
    secrets = {"php": "app", "migrations": "migrations"}
    has = {
        (name, f"{mount['mountPath']}/{key}")
        for name, container in pods.items()
        for mount in container["volumeMounts"]
        if mount["name"] == "secrets"
        for key in app.one("Secret", secrets[name]).inputs["stringData"]
    }
    assert {(row[0], row[1]) for row in table("container | secret file")} == has


def test_how_it_ends(pods: dict[str, dict[str, Any]]) -> None:
    """In this order each is longer than what it waits for."""
    seconds = [int(row[1]) for row in table("what | seconds")]
    grace = built().one("Deployment", "app").at("spec", "template", "spec", "terminationGracePeriodSeconds")
    environment = {each["name"]: each.get("value") for each in pods["php"]["env"]}
    for setting, variable in (("request_terminate", "PHP_REQUEST"), ("process_control", "PHP_STOP")):
        assert f"\n{setting}_timeout = ${{{variable}_TIMEOUT}}\n" in FPM
    requests, waits = (int(environment[f"PHP_{name}_TIMEOUT"]) for name in ("REQUEST", "STOP"))
    before = {name: pods[name]["lifecycle"]["preStop"]["exec"]["command"] for name in ("nginx", "php")}
    (pid,) = re.findall(r"^pid (\S+);", NGINX, re.MULTILINE)
    assert before["nginx"] == ["sleep", str(seconds[0])]
    assert before["php"] == ["sh", "-c", f"sleep {seconds[0]}; while [ -e {pid} ]; do sleep 0.2; done"]
    assert seconds == [5, requests, waits, grace]
    assert seconds[0] + seconds[2] <= seconds[3]
    assert "STOPSIGNAL SIGQUIT" in (CHECKOUT / "images/app/Dockerfile").read_text()


def test_how_it_ends_behind_other_edges() -> None:
    told = " ".join(PAGE.split())
    for flavour, words in (("gateway", "Behind a Gateway it is {} s"), ("ingress", "behind an Ingress {} s,")):
        way_in = entrance(settings(edge=edges.FLAVOURS[flavour]).edge, namespace("edge"))
        assert words.format(way_in.notice) in told


def test_fields_of_log_lines() -> None:
    rows = table("field | `nginx` | `app` | what it is")
    nginx = re.findall(r'"([a-z_]+)":', (CHECKOUT / "images/app/nginx/log.conf").read_text())
    app = set(re.findall(r"'([a-z_]+)'(?: =>|\] =)", (SOURCE / "Log.php").read_text())) - {"debug", "info", "warning"}
    assert {row[0] for row in rows} == app - {"error"}
    assert {row[0] for row in rows} <= set(nginx)
    (more,) = re.findall(r"nginx adds (.+?)\. The path", " ".join(PAGE.split()))
    assert re.findall(r"`([a-z_]+)`", more) == [field for field in nginx if field not in {row[0] for row in rows}]


def test_headers() -> None:
    assert [row[0] for row in table("header | when")] == re.findall(r"^add_header (\S+) ", HEADERS, re.MULTILINE)


def test_metrics() -> None:
    code = (SOURCE / "Metrics.php").read_text()
    declared = re.findall(r"'(vision_week_\w+)' => \[\s*'(\w+)'", code)
    written = re.findall(r"# TYPE (vision_week_\w+) (\w+)", code)
    assert [tuple(row) for row in table("metric | type")] == [*declared, *written]


def test_the_check_of_an_image_asks_for_what_the_page_says(pods: dict[str, dict[str, Any]]) -> None:
    """`make check-app`: the same commands, and nothing that the page doesn't have."""
    commands = {"nginx": bench.NGINX, "php": bench.PHP, "migrations": bench.MIGRATE}
    assert {name: list(command) for name, command in commands.items()} == {
        name: container["command"] for name, container in pods.items()
    }
    conditional = {"Strict-Transport-Security", "Retry-After"}
    assert {*rules.HEADERS, *conditional} == {row[0] for row in table("header | when")}
    assert set(rules.FIELDS) == {row[0] for row in table("field | `nginx` | `app` | what it is")}
    told = [row[0].removesuffix("_total") for row in table("metric | type")]
    assert list(rules.METRICS) == told[: len(rules.METRICS)]


def test_the_live_channel_is_the_one_of_the_websocket_service() -> None:
    prefix = re.findall(r"PREFIX = '([^']+)'", (SOURCE / "KeyValue.php").read_text())[0]
    channel = re.findall(r"CHANNEL = KeyValue::PREFIX \. '(\w+)'", (SOURCE / "Live.php").read_text())[0]
    assert f"`{prefix}{channel}`" in PAGE
    assert f'"{prefix}{channel}"' in (CHECKOUT / "images/websocket/vision_week_websocket/bus.py").read_text()
