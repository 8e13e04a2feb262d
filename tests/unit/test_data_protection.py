"""What `docs/data-protection.md` says of fields, settings and days is so in the program."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.fields import walk
from components.google import backup_copy, backups, log_store, state, uploads
from components.settings import Settings
from operations.cost.report import table
from operations.stacks import settings_of
from tests.unit.recording import CHECKOUT

PAGE = CHECKOUT / "docs" / "data-protection.md"
STACKS = ("staging", "production")


def text() -> str:
    return PAGE.read_text()


def row_of(store: str) -> str:
    (found,) = [line for line in text().splitlines() if line.startswith(f"| {store} |")]
    return found


# --- days


def default(program: str, field: str) -> int:
    """Of a bootstrap program, whose settings can't be loaded without its engine."""
    source = (CHECKOUT / "bootstrap" / program / "__main__.py").read_text()
    (found,) = re.findall(rf"^    {field}: int = Field\(default=(\d+),", source, re.MULTILINE)
    return int(found)


def retention(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """What is kept, the setting that says how long, and how long."""
    postgres, snapshots = settings.postgres.backups, settings.storage.snapshots
    copied = default("backups", "keep_days")
    former_backups = backups._FORMER + backups._DELETED
    former_copies = backup_copy._FORMER + backup_copy._DELETED
    yield "a session that nobody uses", "`app.session_lifetime`", f"{settings.app.session_lifetime} s"
    yield "what is in PostgreSQL and the uploads", "", "until somebody erases it"
    yield "every second of the database can be had back", "`postgres.backups.recover_days`", f"{postgres.recover_days}"
    yield "a backup, and the WAL after it", "`postgres.backups.keep_days`", f"{postgres.keep_days}"
    yield "a backup that went from its bucket", "`components/google/backups.py`", f"{former_backups}"
    if postgres.copied_by is not None:
        yield "a backup's copy", "`keep_days` of `bootstrap/backups`", f"{copied}"
        yield "a copy that went from its bucket", "`components/google/backup_copy.py`", f"{former_copies}"
    yield "a snapshot of volumes", "`storage.snapshots.keep_days`", f"{snapshots.keep_days}"
    yield "a former version of an upload", "`storage.uploads_days`", f"{settings.storage.uploads_days}"
    yield "a version that went from the uploads' bucket", "`components/google/uploads.py`", f"{uploads._DELETED}"
    yield "logs", "`monitoring.logs_days`", f"{settings.monitoring.logs_days}"
    former_lines = log_store._FORMER + log_store._DELETED
    yield "a log line that went from its bucket", "`components/google/log_store.py`", f"{former_lines}"
    yield "metrics", "`monitoring.metrics_days`", f"{settings.monitoring.metrics_days}"
    yield "a former state", "`components/google/state.py`", f"{state.FORMER} + {state.DELETED}"
    yield "evidence, locked", "`evidence_days` of `bootstrap/state`", f"{default('state', 'evidence_days')}"
    last = max(
        postgres.keep_days + former_backups,
        copied + former_copies if postgres.copied_by is not None else 0,
        snapshots.keep_days,
    )
    yield "**in all: a row that was erased**", "", f"**{last}**"
    yield "**in all: an upload that was erased**", "", f"**{settings.storage.uploads_days + uploads._DELETED}**"
    yield "**in all: a log line**", "", f"**{settings.monitoring.logs_days + max(former_lines, snapshots.keep_days)}**"


def days() -> str:
    found = {stack: list(retention(settings_of(CHECKOUT / f"Pulumi.{stack}.yaml"))) for stack in STACKS}
    values = {stack: {what: value for what, _, value in rows} for stack, rows in found.items()}
    rows = [
        (what, setting, *(values[stack].get(what, "none") for stack in STACKS))
        for what, setting, _ in found["production"]
    ]
    return "\n".join([*table(("what", "setting", *(f"`{stack}`" for stack in STACKS)), rows), ""])


def test_the_days_are_the_settings(part_of_page: Callable[[Path, str], None]) -> None:
    part_of_page(PAGE, days())


def test_a_copy_of_a_backup_outlives_the_backup() -> None:
    """Else the sum on the page would be of something else."""
    production = settings_of(CHECKOUT / "Pulumi.production.yaml").postgres.backups
    assert default("backups", "keep_days") > production.keep_days


# --- settings


def test_every_setting_that_the_page_names_is_one() -> None:
    known = {field.path for field in walk()}
    groups = {path.rpartition(".")[0] for path in known} | known
    named = re.findall(r"`([a-z]+(?:\.[a-z_]+)+)(?:: [a-z]+)?`", text())
    wanted = {name for name in named if name.split(".")[0] in Settings.model_fields} - {"uploads.name"}
    assert {"monitoring.client_addresses", "cluster.region", "secrets.generation"} <= wanted
    assert sorted(wanted - groups) == []


def test_whole_addresses_are_a_setting_that_is_off() -> None:
    for stack in STACKS:
        assert settings_of(CHECKOUT / f"Pulumi.{stack}.yaml").monitoring.client_addresses == "truncated"


# --- fields


def columns(name: str) -> list[str]:
    """Of a table, from the migrations."""
    made = "\n".join(file.read_text() for file in sorted((CHECKOUT / "app" / "migrations").glob("*.sql")))
    (body,) = re.findall(rf"CREATE TABLE {name} \((.*?)^\);", made, re.MULTILINE | re.DOTALL)
    return re.findall(r"^    (\w+) ", re.sub(r"^ *--.*$", "", body, flags=re.MULTILINE), re.MULTILINE)


def test_every_field_of_a_member_is_named() -> None:
    # The class of its volumes is named with a dot, so it isn't found.
    assert re.findall(r"`(\w+)`", row_of("PostgreSQL, `users`").partition("members:")[2]) == columns("users")


def test_no_other_table_knows_more_of_its_maker() -> None:
    tables = set(
        re.findall(r"CREATE TABLE (\w+)", "".join(f.read_text() for f in (CHECKOUT / "app/migrations").glob("*.sql")))
    )
    assert tables == {"users", "exhibits", "uploads"}
    for name in ("exhibits", "uploads"):
        assert "created_by" in columns(name)
        assert not {"email", "address", "phone"} & set(columns(name))


def test_every_field_of_a_session_is_named() -> None:
    source = (CHECKOUT / "app" / "src" / "Security" / "Session.php").read_text()
    (fields,) = re.findall(r"return \[(.*?)\];", source)
    assert set(re.findall(r"'(\w+)' =>", fields)) == set(re.findall(r"`(user_id|email|name)`", row_of("Redis")))


def test_the_access_log_has_of_a_visitor_what_is_named_and_no_more() -> None:
    log = (CHECKOUT / "images" / "app" / "nginx" / "log.conf").read_text()
    (line,) = re.findall(r"log_format json escape=json\n(.*?);", log, re.DOTALL)
    personal = {"$logged_address", "$request_path", "$logged_agent"}
    harmless = {
        "$time_iso8601", "$request_number", "$trace_id", "$request_method", "$status", "$body_bytes_sent",
        "$request_time", "$request_completion", "$upstream_status", "$upstream_connect_time", "$upstream_header_time",
        "$upstream_response_time", "$logged_host", "$client_scheme", "$server_protocol",
    }  # fmt: skip
    assert set(re.findall(r"\$\w+", line)) == personal | harmless


def test_the_application_logs_of_a_member_the_id_alone() -> None:
    logged: list[str] = []
    for file in (CHECKOUT / "app" / "src").rglob("*.php"):
        logged += re.findall(r"log->(?:info|warning|error)\((.*?)\);", file.read_text(), re.DOTALL)
    assert any("'user_id'" in call for call in logged)
    assert [call for call in logged if re.search(r"email|->name\b|clientAddress|password", call)] == []


# --- places


def stack_file(stack: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return loaded


def test_everything_that_has_a_region_is_in_the_stack_s(stacks: Any) -> None:
    for stack in STACKS:
        region = stack_file(stack)["vision-week:cluster"]["region"]
        made = [one for one in stacks(stack).made if one.type.startswith("gcp:")]
        places: Sequence[str] = [
            str(place) for one in made for key in ("location", "region") if (place := one.inputs.get(key))
        ]
        assert len(places) > 10
        assert set(places) == {region}
        replicas = [
            one.at("replication", "userManaged", "replicas", 0, "location") for one in stacks(stack).of("Secret")
        ]
        assert {place for place in replicas if place} == {region}
