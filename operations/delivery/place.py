"""What was restored beside takes the database's place. The database that was there is kept, closed, under another name.

It is copied into the cluster as a database more, and then the two change names: until that moment nothing has changed,
and whoever copies wrong has lost nothing. Replicas follow as they follow everything. A cluster that was lost, and whose
backups are another's, takes over the repository, too.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components import patroni
from components.postgres import DATABASE, OWNER
from operations.delivery.lock import locked
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.restore import NAME, adopt, info, remove, whose
from operations.delivery.target import Target

_COPY: Final = f"{DATABASE}_restored"
_ROLES: Final = "/etc/vision-week/roles.sql"
_CHANGE: Final = Path(__file__).with_name("place.sql")


def in_place(target: Target, say: Callable[[str], None]) -> None:
    """Put what was restored beside in the database's place. Raises `DeliveryError`: then all is as it was."""
    with locked(target):
        _change(target, say)
    remove(target)
    if _told(target, _primary(target), "SELECT system_identifier FROM pg_control_system()") != whose(info(target)):
        adopt(target, say)


def _change(target: Target, say: Callable[[str], None]) -> None:
    primary = _primary(target)
    _has_room(target, primary)
    say("Copying it into the cluster …")
    _told(target, primary, f"DROP DATABASE IF EXISTS {_COPY}")
    _told(target, primary, f"CREATE DATABASE {_COPY} TEMPLATE template0 OWNER {OWNER}")
    namespace = target.namespaces["data"]
    target.piped(
        ["-n", namespace, "exec", f"job/{NAME}", "--", "pg_dump", "--format=custom", DATABASE],
        # As who owns it: what is in it is done with that one's rights.
        [
            *("-n", namespace, "exec", "-i", primary, "-c", "postgres", "--"),
            *("pg_restore", f"--dbname={_COPY}", f"--role={OWNER}", "--no-owner"),
            *("--exit-on-error", "--single-transaction"),
        ],
    )
    former = f"{DATABASE}_until_{datetime.now(UTC):%Y%m%dt%H%M%S}"
    try:
        _psql(target, primary, f"--set=former={former}", "--file=-", stdin=_CHANGE.read_text())
    except (DeliveryError, KeyboardInterrupt) as error:
        # Whichever of them has the name by now: nobody stays shut out.
        _told(target, primary, f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")
        if isinstance(error, DeliveryError):
            raise DeliveryError(f"They could not change names: {error.what}", "try again", Exit.BROKEN) from error
        raise
    say("It is in its place.")
    # Who may connect is the database's, not what is in it.
    roles = ["psql", "--no-psqlrc", "--quiet", "--username=postgres", "--dbname=postgres", f"--file={_ROLES}"]
    try:
        target.kubectl("-n", namespace, "exec", primary, "-c", "roles", "--", *roles)
    except DeliveryError as error:
        by_hand = f"kubectl -n {namespace} exec {primary} -c roles -- {' '.join(roles)}"
        raise DeliveryError(
            f"Its rights could not be put right: {error.what}", f"run {by_hand}", Exit.BROKEN
        ) from error
    say(f"What was there is kept, closed, as {former}; when nobody misses anything:")
    say(f"  kubectl -n {namespace} exec {primary} -c postgres -- psql -c 'DROP DATABASE {former}'")


def _primary(target: Target) -> str:
    found = target.listed("data", "pods", f"{patroni.ROLE}=primary")
    if not found:
        raise DeliveryError("PostgreSQL has no primary.", "see docs/runbooks/DatabaseWithoutPrimary.md")
    name: str = found[0]["metadata"]["name"]
    return name


def _has_room(target: Target, primary: str) -> None:
    """Twice its size: the copy, and the WAL that tells the replicas and the repository of it."""
    namespace = target.namespaces["data"]
    size = f"SELECT pg_database_size('{DATABASE}')"
    asked = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--command={size}", "postgres"]
    needed = 2 * int(target.kubectl("-n", namespace, "exec", f"job/{NAME}", "--", *asked))
    disk = ["df", "--output=avail", "--block-size=1", patroni.DATA]
    free = int(target.kubectl("-n", namespace, "exec", primary, "-c", "postgres", "--", *disk).split()[-1])
    if free < needed:
        raise DeliveryError(
            f"The volume of {primary} has {free / 2**30:.1f} GiB left; the copy and its WAL may take "
            f"{needed / 2**30:.1f} GiB.",
            "let it grow (docs/growing-volumes.md), or drop what an earlier restore has kept",
        )


def _told(target: Target, primary: str, statement: str) -> str:
    return _psql(target, primary, f"--command={statement}").strip()


def _psql(target: Target, primary: str, *words: str, stdin: str | None = None) -> str:
    """As the superuser, in none of the databases that change."""
    return target.kubectl(
        *("-n", target.namespaces["data"], "exec", "-i", primary, "-c", "postgres", "--"),
        *("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname=postgres", *words),
        stdin=stdin,
    )
