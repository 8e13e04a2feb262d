"""pgBackRest's configuration: of the repository and the jobs that work on it, and of each member of PostgreSQL.

The members push their WAL to the repository, and the jobs fetch backups from the members, both by pgBackRest's own
protocol over TLS: each side proves who it is by a certificate of the stack's authority, and takes only the one that it
expects. The repository's passphrase and the way to its bucket are no member's to keep.

Every line here is of pgBackRest 2.45, Debian 12's, and its manual's for that version.
"""

from collections.abc import Iterator, Mapping

from components import patroni
from components.settings import Postgres

# Who is who: the names of their objects, and the common names of their certificates.
REPOSITORY = "postgres-repository"
JOBS = "postgres-backups"
MEMBERS = "postgres-archiving"
PORT = 8432
COMMAND = "pgbackrest"
FILES = "/etc/pgbackrest"
VOLUME = "/var/lib/pgbackrest"
LOCKS = "/tmp/pgbackrest"  # noqa: S108  in the container's own
_TLS = f"{FILES}/tls"
_SOCKETS = "/run/postgresql"
_CIPHER = "aes-256-cbc"

Options = Mapping[str, object]


def repository(settings: Postgres, members: str, bucket: str | None) -> str:
    """What the repository's server and the jobs read.

    members: full name of the members' headless Service. bucket: where it is one, and no volume.
    """
    hosts: dict[str, object] = {}
    for number in range(settings.members):
        hosts |= _member(number + 1, f"{patroni.SCOPE}-{number}.{members}")
    shared = {
        **_store(bucket),
        "repo1-cipher-type": _CIPHER,
        # A full backup goes when a younger one has this age: there is always one before every second of these days.
        "repo1-retention-full-type": "time",
        "repo1-retention-full": settings.backups.keep_days - 1,
        # A backup begins with a checkpoint of its own instead of waiting minutes for the next one.
        "start-fast": "y",
        **_listening(to=MEMBERS),
        **_USUAL,
    }
    return _text({"global": shared, patroni.STANZA: hosts})


def restoring(bucket: str | None) -> str:
    """What a restore reads, which asks no member for anything: bucket as in `repository`."""
    # It looks there for WAL that was fetched ahead, of which there is none; the image's own place isn't writable.
    shared = {**_store(bucket), "repo1-cipher-type": _CIPHER, **_USUAL, "spool-path": f"{LOCKS}/spool"}
    return _text({"global": shared, patroni.STANZA: {"pg1-path": patroni.PGDATA, "pg1-socket-path": _SOCKETS}})


def member(settings: Postgres, repository_host: str) -> str:
    """What a member and the server beside it read."""
    shared = {
        "repo1-host": repository_host,
        **_reaching("repo1"),
        # WAL that can't be archived is dropped before it fills the volume and stops every write. What is after it can't
        # be restored to a point in time until the next backup; jobs fail long before.
        "archive-push-queue-max": f"{settings.waiting_wal}MB",
        **_listening(to=JOBS),
        **_USUAL,
    }
    # A repository that answers nothing must not hold up a primary that hands over: it archives what is left, three
    # times at most. 60 s is pgBackRest's own.
    patience = {"io-timeout": 10}
    own = {"pg1-path": patroni.PGDATA, "pg1-socket-path": _SOCKETS, "pg1-user": patroni.BACKUP}
    return _text({"global": shared, "global:archive-push": patience, patroni.STANZA: own})


def passphrase(text: str) -> str:
    """The file that goes beside the repository's."""
    return _text({"global": {"repo1-cipher-pass": text}})


def _store(bucket: str | None) -> Options:
    if bucket is None:
        return {"repo1-path": VOLUME}
    return {
        "repo1-type": "gcs",
        "repo1-gcs-bucket": bucket,
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
        f"{name}-user": patroni.BACKUP,
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
_USUAL: Options = {
    "compress-type": "zst",
    "log-level-console": "info",
    "log-level-file": "off",
    "lock-path": LOCKS,
}


def _text(sections: Mapping[str, Options]) -> str:
    return "\n".join(_section(name, options) for name, options in sections.items())


def _section(name: str, options: Options) -> str:
    return "".join(_lines(name, options))


def _lines(name: str, options: Options) -> Iterator[str]:
    yield f"[{name}]\n"
    for option, value in options.items():
        yield f"{option}={value}\n"
