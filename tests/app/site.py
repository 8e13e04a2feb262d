"""The application as its image runs it, without the image: the repository's own nginx, PHP-FPM and PHP configuration.

Paths and ports are the only thing that is changed in them, by plain substitution: /etc/vision-week and the like become
folders of the test, and what another container would be is a process on a loopback port.
"""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.app.processes import USER, Process, answers, as_user, free_port, give, program
from tests.app.servers import APP, DATABASE, OWNER, Postgres, Redis
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]

EMAIL = "ada@example.org"
PASSWORD = "correct horse battery"

_addresses = itertools.count(1)


class Site:
    """nginx and PHP-FPM over a PostgreSQL and a Redis; `public` and `internal` are its two ports."""

    def __init__(
        self,
        folder: Path,
        postgres: Postgres,
        redis: Redis,
        nginx_settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        routes: str = "",
    ) -> None:
        """nginx_settings, environment: what a stack has otherwise, files by name and variables. routes: PHP's, beside
        those of the application."""
        self.folder = folder
        self._changed = environment or {}
        self.postgres = postgres
        self.redis = redis
        self.public = free_port()
        self.internal = free_port()
        self.websocket = free_port()
        self.uploads = folder / "html/storage/uploads"
        self.access_log = folder / "access.log"
        self._lay_out()
        for name, text in (nginx_settings or {}).items():
            (folder / "etc/nginx/settings" / name).write_text(text)
        source = folder / "html/src/Health/HealthRoutes.php"
        source.write_text(source.read_text().replace("        return [\n", f"        return [{routes}\n", 1))

    def _lay_out(self) -> None:
        html, etc = self.folder / "html", self.folder / "etc"
        for name in ("src", "bin", "migrations", "public"):
            shutil.copytree(ROOT / "app" / name, html / name)
        shutil.copytree(ROOT / "app/web", html / "public", dirs_exist_ok=True)
        for name in ("composer.json", "composer.lock"):
            shutil.copy(ROOT / "app" / name, html)
        install = [program("composer"), "install", "--no-dev", "--optimize-autoloader", "--no-interaction", "--quiet"]
        environment = os.environ | {
            "COMPOSER_ALLOW_SUPERUSER": "1",
            "XDEBUG_MODE": "off",
            "COMPOSER_DISABLE_NETWORK": "1",
        }
        subprocess.run(install, cwd=html, env=environment, check=True)

        places = {
            " /tmp": f" {self.folder}/tmp",  # noqa: S108  # first: the others are below /tmp too
            "/etc/vision-week": str(etc),
            "/run/vision-week": str(self.folder / "run"),
            "/var/www/html": str(html),
            "/dev/stdout": str(self.access_log),
            "listen 8080": f"listen 127.0.0.1:{self.public}",
            "listen 8081": f"listen 127.0.0.1:{self.internal}",
            "127.0.0.1:8090": f"127.0.0.1:{self.websocket}",
        }
        source = ROOT / "images/app"
        for file in [
            source / "nginx.conf",
            source / "php-fpm.conf",
            *source.glob("nginx/**/*.conf"),
            *source.glob("php/*.ini"),
        ]:
            text = file.read_text()
            for here, there in places.items():
                text = text.replace(here, there)
            target = etc / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        (etc / "php/zz-development.ini").unlink()

        for writable in (self.uploads, self.folder / "run", self.folder / "tmp", etc / "secrets"):
            writable.mkdir(parents=True)
            give(writable, USER)
        self.access_log.touch()
        give(self.access_log, USER)
        (etc / "secrets/database-password").write_text(self.postgres.passwords[APP] + "\n")
        (etc / "secrets/owner-password").write_text(self.postgres.passwords[OWNER])
        (etc / "secrets/redis-password").write_text(self.redis.password)

    @property
    def environment(self) -> dict[str, str]:
        """What the platform sets on the containers."""
        secrets = self.folder / "etc/secrets"
        return {
            "APP_ENV": "staging",
            "APP_VERSION": "1.2.3",
            "LOG_LEVEL": "info",
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(self.postgres.port),
            "DATABASE_NAME": DATABASE,
            "DATABASE_USER": APP,
            "DATABASE_PASSWORD_FILE": str(secrets / "database-password"),
            "DATABASE_SSLMODE": "disable",
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.redis.port),
            "REDIS_USER": "app",
            "REDIS_PASSWORD_FILE": str(secrets / "redis-password"),
            "UPLOADS_PATH": str(self.uploads),
            "SESSION_LIFETIME": "3600",
            "WEBSOCKET_PATH": "/ws",
            "PHP_INI_SCAN_DIR": f":{self.folder}/etc/php",
            "LOGINS_PER_MINUTE": "5",
            "UPLOAD_LIMIT": "10000000",
            "PHP_BODY_LIMIT": "11M",
            "PHP_FPM_WORKERS": "4",
            "PHP_MEMORY_LIMIT": "64M",
            "PHP_REQUEST_TIMEOUT": "60",
            "PHP_STOP_TIMEOUT": "65",
            "PGOPTIONS": "-c statement_timeout=30s",
            "XDEBUG_MODE": "off",
            **self._changed,
        }

    def start(self) -> None:
        self.start_php()
        self.start_nginx()

    def start_php(self) -> None:
        fpm = ["php-fpm8.2", "--nodaemonize", "--fpm-config", str(self.folder / "etc/php-fpm.conf")]
        self.php = Process(fpm, log=self.folder / "php.log", environment=self.environment)
        socket = self.folder / "run/php-fpm.sock"
        self.php.wait_until(socket.exists, "PHP-FPM starts")

    def start_nginx(self) -> None:
        nginx = ["nginx", "-e", "stderr", "-c", str(self.folder / "etc/nginx.conf"), "-g", "daemon off;"]
        self.nginx = Process(nginx, log=self.folder / "nginx.log", environment={})
        self.nginx.wait_until(lambda: answers(self.public) and answers(self.internal), "nginx starts")

    def configuration_fault(self) -> str:
        """What nginx says about its files; nothing where it would take them."""
        command = [program("nginx"), "-t", "-q", "-e", "stderr", "-c", self.folder / "etc/nginx.conf"]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            text=True,
            capture_output=True,
            check=False,
            **as_user(USER),  # type: ignore[call-overload]
        )
        return done.stderr if done.returncode else ""

    def stop(self) -> None:
        self.nginx.stop()
        self.php.stop()

    @property
    def owner_environment(self) -> dict[str, str]:
        """As the Job of the migrations has it."""
        secret = str(self.folder / "etc/secrets/owner-password")
        return self.environment | {"DATABASE_USER": OWNER, "DATABASE_PASSWORD_FILE": secret}

    def run(
        self, script: str, *arguments: str, owner: bool = False, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run one of app/bin's scripts as a Job or an operator would."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [program("php8.2"), self.folder / "html/bin" / script, *arguments],
            env=self.owner_environment if owner else self.environment,
            input=text,
            text=True,
            capture_output=True,
            check=False,
            **as_user(USER),  # type: ignore[call-overload]
        )
        return done

    def logged(self, field: str, value: str) -> list[dict[str, Any]]:
        """The lines of both logs where the field has the value. PHP-FPM's own few words about itself aren't JSON."""
        lines = self.access_log.read_text().splitlines() + self.php.log.read_text().splitlines()
        parsed: list[dict[str, Any]] = [json.loads(line) for line in lines if not line.startswith("[")]
        return [line for line in parsed if line.get(field) == value]

    def lines_of_nginx(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]

    def logs_of(self, answer: httpx.Response) -> list[dict[str, Any]]:
        """What was logged of a request. nginx writes its line after the answer, so it may come a moment later."""
        number = answer.headers["X-Request-Id"]

        def written() -> bool:
            return any(line["service"] == "nginx" for line in self.logged("request_id", number))

        wait_for(written, f"the access log has {number}")
        return self.logged("request_id", number)

    def client(self, address: str | None = None) -> httpx.Client:
        """A visitor with an address of its own, as nobody shares the limits of another test's visitor."""
        if address is None:
            number = next(_addresses)
            address = f"203.0.{113 + number // 250}.{1 + number % 250}"
        headers = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.public}", headers=headers, timeout=30)

    def inside(self) -> httpx.Client:
        """Somebody on the port that the public can't reach."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.internal}", timeout=30)

    def logged_in(self) -> httpx.Client:
        """A visitor with a session. The cookie is Secure and this is loopback http, so it is carried by hand."""
        client = self.client()
        answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD})
        answer.raise_for_status()
        client.headers["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
        client.cookies.clear()
        return client
