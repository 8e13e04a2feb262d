"""PostgreSQL and Redis for the application's tests, set up as the platform sets them up."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.redis import RIGHTS, SECRETS, TLS
from tests.app.processes import Process, answers, as_user, free_port, give, program

OWNER = "vision_week_owner"
APP = "vision_week_app"
DATABASE = "vision_week"
ROLES = Path(__file__).parents[2] / "components" / "files" / "roles.sql"


class Postgres:
    """A database with the two roles of the platform: one owns the schema, the other may read and write rows."""

    user = "postgres"  # initdb wants a user that has a name; Debian's package makes this one

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.data = folder / "postgres"
        self.passwords = {OWNER: secrets.token_hex(16), APP: secrets.token_hex(16)}
        self.data.mkdir()
        give(self.data, self.user)
        subprocess.run(
            [
                program("initdb"),
                "-D",
                self.data,
                "-U",
                "postgres",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--data-checksums",
                "-N",
            ],
            check=True,
            capture_output=True,
            **as_user(self.user),  # type: ignore[call-overload]
        )
        self.start()
        self.run(ROLES)
        for role, password in self.passwords.items():
            self.sql(f"ALTER ROLE {role} LOGIN PASSWORD '{password}'")

    def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.data,
            "fsync": "off",
        }
        command = ["postgres", "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = Process(command, log=self.folder / "postgres.log", environment={}, user=self.user)
        # A socket that answers is not yet a server that does: it may still be starting up.
        self.process.wait_until(self._is_ready, "PostgreSQL starts")

    def _psql(self, database: str) -> list[str]:
        place = [f"--host={self.data}", f"--port={self.port}", "--username=postgres", f"--dbname={database}"]
        return [program("psql"), *place, "-X", "-q", "-A", "-t", "--set=ON_ERROR_STOP=1"]

    def _is_ready(self) -> bool:
        command = [program("pg_isready"), "-h", str(self.data), "-p", str(self.port), "-q"]
        return subprocess.run(command, check=False).returncode == 0

    def sql(self, text: str, database: str = "postgres", **values: str) -> list[list[str]]:
        """Run SQL as the superuser; `:'name'` in it stands for a value. The rows' values as text."""
        done = subprocess.run(
            [*self._psql(database), *(f"--set={name}={value}" for name, value in values.items())],
            input=text,
            text=True,
            capture_output=True,
            check=True,
        )
        return [line.split("|") for line in done.stdout.splitlines()]

    def run(self, file: Path) -> None:
        """Run a file of SQL as the superuser."""
        self.sql(file.read_text())

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Whoever reads or writes the table meanwhile waits."""
        with subprocess.Popen(
            self._psql(DATABASE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as session:
            assert session.stdin
            assert session.stdout
            session.stdin.write(f"BEGIN;\nLOCK TABLE {table};\nSELECT 'locked';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "locked\n"
            try:
                yield
            finally:
                session.stdin.close()

    def stop(self) -> None:
        self.process.stop()


class Authority:
    """Signs a server's certificate, as the stack's own does; both are files of one folder: ca.crt, tls.crt, tls.key."""

    def __init__(self, folder: Path, host: str) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        folder.mkdir()
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        signs = ("-addext", "keyUsage=critical,keyCertSign", "-days", "2")
        self._run("req", "-x509", *key, "-subj", "/CN=authority", *signs, "-keyout", "ca.key", "-out", "ca.crt")
        self._run("req", *key, "-subj", f"/CN={host}", "-keyout", "tls.key", "-out", "tls.csr")
        (folder / "extensions").write_text(
            f"subjectAltName=DNS:{host}\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
        )
        by = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "extensions")
        self._run("x509", "-req", "-in", "tls.csr", *by, "-out", "tls.crt")
        give(folder / "tls.key", 1000)

    def _run(self, *words: str) -> None:
        subprocess.run([program("openssl"), *words], cwd=self.folder, check=True, capture_output=True)


class Redis:
    """A Redis with the users that a member has, and one password for all of them.

    password: another's, where one takes the place of the other. authority: who signed for it, where it speaks TLS as a
    member does.
    """

    def __init__(self, folder: Path, password: str | None = None, authority: Authority | None = None) -> None:
        self.port = free_port()
        self._authority = authority
        self.password = password or secrets.token_hex(16)
        self.folder = folder / "redis"
        self.folder.mkdir()
        give(self.folder, 1000)
        self.start()

    def start(self) -> None:
        # In a file: an argument would show the password to everyone.
        configuration = self.folder / "redis.conf"
        users = "".join(f"user {name} on >{self.password} {rights}\n" for name, rights in RIGHTS.items())
        configuration.write_text(
            f"{self._listening()}\nbind 127.0.0.1\nrequirepass {self.password}\nmasterauth {self.password}\n"
            f"dir {self.folder}\nappendonly yes\n{users}"
        )
        self.process = Process(["redis-server", str(configuration)], log=self.folder / "log", environment={})
        self.process.wait_until(lambda: answers(self.port), "Redis starts")

    def _listening(self) -> str:
        if self._authority is None:
            return f"port {self.port}"
        return f"{TLS.replace(SECRETS, str(self._authority.folder))}tls-port {self.port}"

    def command(self, *words: str) -> str:
        tls = ("--tls", "--cacert", str(self._authority.certificate)) if self._authority else ()
        done = subprocess.run(
            [program("redis-cli"), *tls, "-p", str(self.port), *words],
            env={"REDISCLI_AUTH": self.password},
            text=True,
            capture_output=True,
            check=True,
        )
        return done.stdout.strip()

    def stop(self) -> None:
        self.process.stop()


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
