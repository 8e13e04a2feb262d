"""pgBackRest keeps backups in a bucket: Debian's own, by the program's own configuration and a pod's own identity."""

import json
import shlex
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from components import patroni, pgbackrest
from localcloud import paths
from localcloud.cluster import layout
from localcloud.images import buildkit, registry, stand_ins_up
from tests.localcloud.google import bucket, grant, quiet, standing_in
from tests.localcloud.pods import Pods

pytestmark = pytest.mark.cluster

BUCKET = "vision-week-test-backups"
IMAGE = f"{registry.ADDRESS}/vision-week/postgres:google"
CONFIG, SOCKETS = "/tmp/pgbackrest.conf", "/run/postgresql"  # noqa: S108  in the container's own
WELL = "command end: completed successfully"
# More than pgBackRest sends at once (4 MiB), whatever the compression makes of it.
FILLED = "CREATE TABLE kept AS SELECT number, md5(number::text) FROM generate_series(1, 300000) AS number;"


def sh(pods: Pods, *commands: str, name: str = "database") -> str:
    """What commands say in a pod that has pgBackRest's configuration; the first that fails is the last."""
    variables = f"PGBACKREST_CONFIG={CONFIG} PGBACKREST_STANZA={patroni.STANZA} PGDATA={patroni.PGDATA}"
    return pods.run(name, "sh", "-c", "\n".join((f"export {variables} PGHOST={SOCKETS}; set -e", *commands)))


def sql(statement: str) -> str:
    return f"psql --no-psqlrc --tuples-only --no-align --dbname=postgres --command={shlex.quote(statement)}"


def start(*options: str) -> str:
    words = " ".join(f"-c {each}" for each in ("listen_addresses=", f"unix_socket_directories={SOCKETS}", *options))
    return f"pg_ctl --wait --log=/tmp/postgres.log --options={shlex.quote(words)} start > /dev/null"


def backups(pods: Pods) -> list[str]:
    """Labels of the backups that there are."""
    (stanza,) = json.loads(sh(pods, "pgbackrest --log-level-console=off --output=json info"))
    return [each["label"] for each in stanza["backup"]]


def names() -> list[str]:
    """Of all that is in the bucket."""
    answer = httpx.get(f"{layout.BUCKETS}/storage/v1/b/{BUCKET}/o", trust_env=False)
    return [each["name"] for each in answer.json()["items"]]


def content(name: str) -> bytes:
    path = f"/download/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}?alt=media"
    return httpx.get(f"{layout.BUCKETS}{path}", trust_env=False).content


@pytest.fixture(scope="module")
def pods_with_bucket(pods: Pods, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """A PostgreSQL that was backed up twice and written to in between and after, and two pods without one."""
    stand_ins_up(quiet)
    buildkit.buildkit_up(quiet)
    file = paths.CHECKOUT / "images/postgres/Dockerfile"
    buildkit.build(buildkit.Build(dockerfile=file, names=[IMAGE]), quiet)
    configuration = pgbackrest.restoring(BUCKET) + pgbackrest.passphrase("of the test's")
    with standing_in(tmp_path_factory.mktemp("cloud")):
        bucket(BUCKET)
        for account in ("backups", "other"):
            pods.account(account)
        grant(BUCKET, "roles/storage.objectUser", pods, "backups")
        for name, account in (("database", "backups"), ("restored", "backups"), ("other", "other")):
            pods.start(name, account=account, image=IMAGE, scratch=("/tmp", patroni.DATA, SOCKETS))  # noqa: S108
            sh(pods, f"printf %s {shlex.quote(configuration)} > {CONFIG}", name=name)
        archive = f"archive_command='pgbackrest --config={CONFIG} --stanza={patroni.STANZA} archive-push %p'"
        said = sh(
            pods,
            "initdb --auth=trust > /dev/null",
            start("archive_mode=on", archive),
            "pgbackrest stanza-create",
            "pgbackrest --type=full backup",
            sql(FILLED),
            "pgbackrest --type=incr backup",
            sql("INSERT INTO kept VALUES (0, 'after the backup')"),
            "pgbackrest check",
        )
        assert said.count(WELL) >= 4, said
        yield pods


def test_what_was_written_after_the_last_backup_is_restored_from_the_bucket(pods_with_bucket: Pods) -> None:
    said = sh(
        pods_with_bucket,
        "pgbackrest restore",
        start("archive_mode=off"),
        f'until [ "$({sql("SELECT pg_is_in_recovery()")})" = f ]; do sleep 0.2; done',
        sql("SELECT count(*), min(number) FROM kept"),
        name="restored",
    )
    assert said.strip().endswith("300001|0"), said


def test_all_of_it_can_be_read_again_and_is_as_it_was_written(pods_with_bucket: Pods) -> None:
    assert WELL in sh(pods_with_bucket, "pgbackrest verify")


def test_what_is_in_the_bucket_is_encrypted_by_pgbackrest_itself(pods_with_bucket: Pods) -> None:
    """Beside what Google does by the bucket's key: whoever can read the bucket reads nothing."""
    assert pods_with_bucket
    begins = {name: content(name)[:8] for name in names()}
    assert begins
    assert set(begins.values()) == {b"Salted__"}, begins


def test_what_expires_leaves_the_bucket(pods_with_bucket: Pods) -> None:
    before = backups(pods_with_bucket)
    keep_one = "--repo1-retention-full-type=count --repo1-retention-full=1"
    said = sh(pods_with_bucket, f"pgbackrest --type=full {keep_one} backup")
    assert WELL in said, said
    (new,) = backups(pods_with_bucket)
    assert new not in before
    assert not [name for name in names() if any(f"/{label}/" in name for label in before)]


def test_a_pod_of_another_account_gets_no_backup(pods_with_bucket: Pods) -> None:
    """Though it has the configuration and the passphrase."""
    said = sh(pods_with_bucket, "pgbackrest repo-ls", name="other")
    assert "403" in said, said
    assert "sa/other does not have storage.objects." in said, said
