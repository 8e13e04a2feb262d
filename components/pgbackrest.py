"""pgBackRest's configuration: of the repository and the jobs that work on it, and of each member of PostgreSQL.

The members push their WAL to the repository, and the jobs fetch backups from the members, both by pgBackRest's own
protocol over TLS: each side proves who it is by a certificate of the stack's authority, and takes only the one that it
expects. The repository's passphrase and the way to its bucket are no member's to keep.
"""

from collections.abc import Iterator, Mapping

from components import patroni
from components.settings import Backups, Postgres

# Who is who: the names of their objects, and the common names of their certificates.
REPOSITORY = "postgres-repository"
JOBS = "postgres-backups"
MEMBERS = "postgres-archiving"
PORT = 8432
COMMAND = "pgbackrest"
FILES = "/etc/pgbackrest"
VOLUME = "/var/lib/pgbackrest"
_TLS = f"{FILES}/tls"
_SOCKETS = "/run/postgresql"

Options = Mapping[str, object]


def repository(settings: Postgres, members: str) -> str:
    """What the repository's server and the jobs read. members: full name of the members' headless Service."""
    hosts: dict[str, object] = {}
    for number in range(settings.members):
        hosts |= _member(number + 1, f"{patroni.SCOPE}-{number}.{members}")
    shared = {
        **_store(settings.backups),
        "repo1-cipher-type": "aes-256-cbc",
        # A full backup goes when a younger one has this age: there is always one before every second of these days.
        "repo1-retention-full-type": "time",
        "repo1-retention-full": settings.backups.keep_days - 1,
        "compress-type": "zst",
        # A backup begins with a checkpoint of its own instead of waiting minutes for the next one.
        "start-fast": "y",
        **_listening(to=MEMBERS),
        **_USUAL,
    }
    return _text({"global": shared, patroni.STANZA: hosts})


def member(settings: Postgres, repository_host: str) -> str:
    """What a member and the server beside it read."""
    shared = {
        "repo1-host": repository_host,
        **_reaching("repo1"),
        # WAL that can't be archived is dropped before it fills the volume and stops every write. What was written since
        # then is safe after the next backup, and a job that fails says so long before.
        "archive-push-queue-max": f"{settings.archive_wal}MB",
        **_listening(to=JOBS),
        **_USUAL,
    }
    # A repository that answers nothing must not hold up a primary that hands over: it archives what is left, three
    # times at most. 60 s is pgBackRest's own.
    patience = {"io-timeout": 10}
    own = {"pg1-path": patroni.PGDATA, "pg1-socket-path": _SOCKETS}
    return _text({"global": shared, "global:archive-push": patience, patroni.STANZA: own})


def passphrase(text: str) -> str:
    """The file that goes beside the repository's."""
    return _text({"global": {"repo1-cipher-pass": text}})


def _store(backups: Backups) -> Options:
    if backups.repository == "volume":
        return {"repo1-path": VOLUME}
    return {
        "repo1-type": "gcs",
        "repo1-gcs-bucket": backups.bucket,
        # By the pod's own identity: there is no key to lose.
        "repo1-gcs-key-type": "auto",
        "repo1-path": "/postgres",
    }


def _member(number: int, host: str) -> Options:
    name = f"pg{number}"
    return {
        f"{name}-host": host,
        **_reaching(name),
        f"{name}-path": patroni.PGDATA,
        f"{name}-socket-path": _SOCKETS,
    }


def _reaching(other: str) -> Options:
    """How the other side is connected to, and which certificate is shown to it."""
    return {
        f"{other}-host-type": "tls",
        f"{other}-host-port": PORT,
        f"{other}-host-ca-file": f"{_TLS}/ca.crt",
        f"{other}-host-cert-file": f"{_TLS}/tls.crt",
        f"{other}-host-key-file": f"{_TLS}/tls.key",
    }


def _listening(*, to: str) -> Options:
    """What a server shows, and whom alone it answers."""
    return {
        "tls-server-address": "*",
        "tls-server-port": PORT,
        "tls-server-ca-file": f"{_TLS}/ca.crt",
        "tls-server-cert-file": f"{_TLS}/tls.crt",
        "tls-server-key-file": f"{_TLS}/tls.key",
        "tls-server-auth": f"{to}={patroni.STANZA}",
    }


# Logs belong to the pod's; what is locked is locked on the member, which every backup goes through.
_USUAL: Options = {"log-level-console": "info", "log-level-file": "off", "lock-path": "/tmp/pgbackrest"}  # noqa: S108


def _text(sections: Mapping[str, Options]) -> str:
    return "\n".join(_section(name, options) for name, options in sections.items())


def _section(name: str, options: Options) -> str:
    return "".join(_lines(name, options))


def _lines(name: str, options: Options) -> Iterator[str]:
    yield f"[{name}]\n"
    for option, value in options.items():
        yield f"{option}={value}\n"
