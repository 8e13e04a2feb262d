"""Backups as the cluster is told about them. That they are made and fail in words, and restores, need the engines."""

import configparser
from pathlib import Path
from typing import Any

import pytest

from components import patroni, pgbackrest
from components.backups import SERVER, Backups, BackupsArgs, times
from components.certificates import Authority, AuthorityArgs
from components.postgres import Postgres, PostgresArgs
from tests.unit.parts import namespace, settings
from tests.unit.recording import Made, Recording, record

WEEK = 7 * 24 * 3600
ROLES = Path(patroni.__file__).parent / "files" / "roles.sql"


def built(*, bucket: str | None = None, protect: bool = True, members: int = 3, **changes: Any) -> Recording:
    chosen = settings(postgres={"members": members, "backups": changes}).postgres

    def program() -> None:
        authority = Authority("authority", AuthorityArgs(common_name="here CA"))
        backups = Backups(
            "backups",
            BackupsArgs(
                namespace=namespace("data"),
                settings=chosen,
                image="registry.example/postgres@sha256:0",
                bucket=bucket,
                storage_class="shared",
                storage_access="ReadWriteMany",
                restored_class="fast-ssd",
                authority=authority,
                protect=protect,
            ),
        )
        Postgres(
            "postgres",
            PostgresArgs(
                namespace=namespace("data"),
                settings=chosen,
                image="registry.example/postgres@sha256:0",
                storage_class="fast-ssd",
                authority=authority,
                archive=backups.archive,
                clients=[],
                migrations=[],
                longest_ending=90,
                statement_timeout=30,
                generation=1,
                control_plane=["10.0.0.0/28"],
                protect=protect,
            ),
        )

    return record(program)


@pytest.fixture(scope="module")
def on_volume() -> Recording:
    return built()


@pytest.fixture(scope="module")
def in_bucket() -> Recording:
    return built(bucket="backups")


def options(recording: Recording, name: str, section: str = "global") -> dict[str, str]:
    """A configuration as pgBackRest reads it."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(recording.one("ConfigMap", name).at("data", "pgbackrest.conf"))
    return dict(parser[section])


def jobs(recording: Recording) -> dict[str, Made]:
    found = {one.name.removeprefix(f"{pgbackrest.JOBS}-"): one for one in recording.of("CronJob")}
    return {name: one for name, one in found.items() if not one.at("spec", "suspend")}


def schedule(**changes: Any) -> dict[str, str]:
    return {name: one.at("spec", "schedule") for name, one in jobs(built(**changes)).items()}


def test_a_full_backup_a_day_and_increments_between(on_volume: Recording) -> None:
    """S11.2: 02:00 UTC; service levels: every six hours."""
    assert schedule() == {
        "full": "0 2 * * *",
        "incr": "0 8,14,20 * * *",
        "check": "30 * * * *",
        "verify": "0 3 * * 0",
        "drill": "0 4 * * 0",
    }
    assert {one.at("spec", "timeZone") for one in jobs(on_volume).values()} == {"Etc/UTC"}


def test_the_schedule_is_of_the_settings() -> None:
    assert schedule(full_at="23:45", incremental_hours=12, drill_day="WE") == {
        "full": "45 23 * * *",
        "incr": "45 11 * * *",
        "check": "15 * * * *",
        "verify": "45 0 * * 3",
        "drill": "45 1 * * 3",
    }


@pytest.mark.parametrize(("hours", "interval"), [(6, 12), (12, 24), (1, 2)])
def test_a_job_is_missing_when_it_has_not_gone_well_for_longer_than_between_two_of_its_times(
    hours: int, interval: int
) -> None:
    """The full backup takes the turn of an incremental one, so twice the time lies between two of these then."""
    told = {
        each.what: each.interval
        for each in times(settings(postgres={"backups": {"incremental_hours": hours}}).postgres)
    }
    assert told == {"full": 24 * 3600, "incr": interval * 3600, "check": 3600, "verify": WEEK, "drill": WEEK}


def test_no_two_jobs_of_a_kind_run_at_once(on_volume: Recording) -> None:
    assert {one.at("spec", "concurrencyPolicy") for one in jobs(on_volume).values()} == {"Forbid"}


def test_a_job_that_fails_is_failed_and_its_logs_are_kept(on_volume: Recording) -> None:
    for one in jobs(on_volume).values():
        spec = one.at("spec", "jobTemplate", "spec")
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
        # What was restored once is not restored again to see the same.
        assert spec["backoffLimit"] == (0 if one.name.endswith("drill") else 1)
        assert one.at("spec", "failedJobsHistoryLimit") == 3


def test_the_first_backup_is_not_waited_for(on_volume: Recording) -> None:
    """It takes as long as there is data, and the database it waits for comes later."""
    (begin,) = on_volume.of("Job")
    assert begin.at("metadata", "annotations") == {"pulumi.com/skipAwait": "true"}
    assert begin.at("spec", "template", "spec", "containers")[0]["command"][-1] == "begin"


@pytest.mark.parametrize(("keep_days", "recover_days"), [(32, 30), (9, 7), (2, 1)])
def test_what_is_kept_reaches_back_as_far_as_is_promised(keep_days: int, recover_days: int) -> None:
    """pgBackRest lets a full backup go when another is this many days old, so every second of these can be restored."""
    found = options(built(keep_days=keep_days, recover_days=recover_days), pgbackrest.REPOSITORY)
    assert found["repo1-retention-full-type"] == "time"
    assert recover_days <= int(found["repo1-retention-full"]) < keep_days


def test_what_is_stored_is_encrypted_and_no_member_has_the_key(on_volume: Recording) -> None:
    assert options(on_volume, pgbackrest.REPOSITORY)["repo1-cipher-type"] == "aes-256-cbc"
    keepers = {one.name for one in on_volume.of("Secret") if "passphrase.conf" in one.at("stringData")}
    assert keepers == {pgbackrest.REPOSITORY, pgbackrest.JOBS}
    mounted = {
        source["secret"]["name"]
        for volume in on_volume.one("StatefulSet", "postgres").at("spec", "template", "spec", "volumes")
        for source in volume.get("projected", {}).get("sources", [])
        if "secret" in source
    }
    assert mounted == {"postgres", pgbackrest.MEMBERS}


def test_the_key_goes_only_when_protection_does() -> None:
    for protect in (True, False):
        recording = built(protect=protect)
        assert recording.one("RandomPassword", pgbackrest.REPOSITORY).protect is protect
        assert recording.one("PersistentVolumeClaim", pgbackrest.REPOSITORY).protect is protect


def test_the_repository_is_a_volume_that_the_server_and_the_jobs_share(on_volume: Recording) -> None:
    claim = on_volume.one("PersistentVolumeClaim", pgbackrest.REPOSITORY)
    assert claim.at("spec", "accessModes") == ["ReadWriteMany"]
    assert options(on_volume, pgbackrest.REPOSITORY)["repo1-path"] == pgbackrest.VOLUME
    for one in [on_volume.one("Deployment", pgbackrest.REPOSITORY), *jobs(on_volume).values()]:
        template = one.at("spec", "template") or one.at("spec", "jobTemplate", "spec", "template")
        claims = [
            volume["persistentVolumeClaim"]
            for volume in template["spec"].get("volumes", [])
            if "persistentVolumeClaim" in volume
        ]
        assert {"claimName": pgbackrest.REPOSITORY} in claims


def test_a_bucket_is_reached_by_the_pods_own_identity(in_bucket: Recording) -> None:
    """DECISIONS: no key file is anywhere."""
    found = options(in_bucket, pgbackrest.REPOSITORY)
    assert (found["repo1-type"], found["repo1-gcs-bucket"]) == ("gcs", "backups")
    assert found["repo1-gcs-key-type"] == "auto"
    assert "repo1-gcs-key" not in found
    assert in_bucket.of("PersistentVolumeClaim") == []


def test_only_a_bucket_needs_a_way_out(on_volume: Recording, in_bucket: Recording) -> None:
    for name in (pgbackrest.REPOSITORY, pgbackrest.JOBS):
        (before, after) = (one.one("NetworkPolicy", name) for one in (on_volume, in_bucket))
        assert not [peer for peer in _peers(before) if "ipBlock" in peer]
        assert {peer["ipBlock"]["cidr"] for peer in _peers(after) if "ipBlock" in peer} == {
            "0.0.0.0/0",
            "169.254.169.252/32",
            "169.254.169.254/32",
        }


def _peers(policy: Made) -> list[dict[str, Any]]:
    return [peer for rule in policy.at("spec", "egress") or [] for peer in rule["to"]]


def test_a_primary_that_goes_finds_its_archive_there(on_volume: Recording) -> None:
    """It sends its last WAL, and waits for an answer."""
    members = on_volume.one("StatefulSet", patroni.SCOPE)
    assert on_volume.one("Deployment", pgbackrest.REPOSITORY).urn in members.depends_on


@pytest.mark.parametrize(("servers", "budgets"), [(1, 0), (2, 1)])
def test_wal_has_somewhere_to_go_while_a_node_is_drained(servers: int, budgets: int) -> None:
    found = built(servers=servers)
    assert found.one("Deployment", pgbackrest.REPOSITORY).at("spec", "replicas") == servers
    about = [one for one in found.of("PodDisruptionBudget") if one.name == pgbackrest.REPOSITORY]
    assert len(about) == budgets


@pytest.mark.parametrize("members", [1, 3, 5])
def test_every_member_can_be_asked_for_a_backup(members: int) -> None:
    """Whoever is primary."""
    found = options(built(members=members), pgbackrest.REPOSITORY, patroni.STANZA)
    hosts = [found[f"pg{number}-host"] for number in range(1, members + 1)]
    assert hosts == [f"postgres-{number}.postgres-members.data.svc.cluster.local" for number in range(members)]
    assert f"pg{members + 1}-host" not in found


def test_each_side_takes_only_the_others_certificate(on_volume: Recording) -> None:
    by = {pgbackrest.REPOSITORY: pgbackrest.MEMBERS, pgbackrest.MEMBERS: pgbackrest.JOBS}
    for server, client in by.items():
        assert options(on_volume, server)["tls-server-auth"] == f"{client}={patroni.STANZA}"
    names = {
        one.name: one.inputs["subject"]["commonName"]
        for one in on_volume.of("CertRequest")
        if one.name.startswith("postgres-")
    }
    assert {names[client] for client in by.values()} == set(by.values())


def test_wal_goes_to_the_repository_though_no_segment_is_full() -> None:
    """DECISIONS: recovery."""
    chosen = settings(postgres={"backups": {"archive_timeout": 10, "archive_alert": 20}}).postgres
    assert patroni.archiving(chosen) == {
        "archive_mode": "on",
        "archive_command": 'pgbackrest --stanza=main archive-push "%p"',
        "archive_timeout": "10s",
    }
    assert patroni.archiving(settings(postgres={"backups": {"enabled": False}}).postgres) == {"archive_mode": "off"}


@pytest.mark.parametrize("size", ["1Gi", "50Gi"])
def test_wal_that_waits_leaves_most_of_the_volume_to_the_data(size: str) -> None:
    """A repository that is away for long would stop every write."""
    chosen = settings(postgres={"size": size}).postgres
    assert f"archive-push-queue-max={chosen.waiting_wal}MB\n" in pgbackrest.member(chosen, "repository")


def test_a_renewed_certificate_rolls_no_member(on_volume: Recording) -> None:
    """What serves beside a member reads it again (`files/archiving.sh`)."""
    containers = on_volume.one("StatefulSet", "postgres").at("spec", "template", "spec", "containers")
    (server,) = [one for one in containers if one["name"] == SERVER]
    assert server["command"] == ["sh", f"{pgbackrest.FILES}/archiving.sh"]


def test_a_restore_never_begins_by_itself_and_asks_no_member(on_volume: Recording) -> None:
    (one,) = [one for one in on_volume.of("CronJob") if one.name == f"{pgbackrest.JOBS}-restore"]
    assert one.at("spec", "suspend") is True
    assert "pg1-host" not in on_volume.one("ConfigMap", pgbackrest.REPOSITORY).at("data", "restore.conf")
    volumes = one.at("spec", "jobTemplate", "spec", "template", "spec", "volumes")
    (own,) = [volume["ephemeral"]["volumeClaimTemplate"]["spec"] for volume in volumes if "ephemeral" in volume]
    assert own["resources"]["requests"] == {"storage": "50Gi"}
    assert own["storageClassName"] == "fast-ssd"


def test_what_asks_a_member_begins_backups_and_reads_nothing(on_volume: Recording) -> None:
    """S7.3: a role of its own; `roles.sql` gives it what pgBackRest's manual asks for."""
    assert options(on_volume, pgbackrest.MEMBERS, patroni.STANZA)["pg1-user"] == patroni.BACKUP
    assert patroni.BACKUP in ROLES.read_text()
