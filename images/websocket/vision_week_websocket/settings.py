"""What the platform tells the service, read once from the environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The service's configuration.

    allowed_origins: the sites whose pages may connect; none named means the site that the request's Host names.
    drain_seconds: over how long the connections are closed after SIGTERM, so that clients don't all come back at once.
    redis_user: whom it logs in as.
    redis_password_file: read at every connection, so that a rotated password needs no restart; none means no password.
    redis_ca_file: the certificate of who signed its own; none where it speaks in clear, as beside a developer.
    """

    listen_port: int = 8090
    metrics_port: int = 8091
    listen_address: str = "0.0.0.0"  # noqa: S104 - a pod's own network; policies decide who gets there
    redis_host: str = "127.0.0.1"
    redis_port: int = 6379
    redis_user: str = "default"
    redis_password_file: Path | None = None
    redis_ca_file: Path | None = None
    allowed_origins: frozenset[str] = frozenset()
    log_level: str = "INFO"
    drain_seconds: float = 10
    max_connections: int = 2000
    instance: str = "local"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Empty counts as not set."""
        given = {name: value for name, value in environment.items() if value}

        def number(name: str, default: int) -> int:
            try:
                return int(given.get(name, default))
            except ValueError:
                raise SystemExit(f"{name} must be a whole number, not {given[name]!r}") from None

        origins = given.get("ALLOWED_ORIGINS", "").replace(",", " ").split()
        password_file = given.get("REDIS_PASSWORD_FILE")
        ca_file = given.get("REDIS_CA_FILE")
        return cls(
            listen_port=number("LISTEN_PORT", cls.listen_port),
            metrics_port=number("METRICS_PORT", cls.metrics_port),
            listen_address=given.get("LISTEN_ADDRESS", cls.listen_address),
            redis_host=given.get("REDIS_HOST", cls.redis_host),
            redis_port=number("REDIS_PORT", cls.redis_port),
            redis_user=given.get("REDIS_USER", cls.redis_user),
            redis_password_file=Path(password_file) if password_file else None,
            redis_ca_file=Path(ca_file) if ca_file else None,
            allowed_origins=frozenset(origin.rstrip("/").lower() for origin in origins),
            log_level=given.get("LOG_LEVEL", cls.log_level).upper(),
            drain_seconds=number("DRAIN_SECONDS", int(cls.drain_seconds)),
            max_connections=number("MAX_CONNECTIONS", cls.max_connections),
            instance=given.get("HOSTNAME", socket.gethostname()),
        )
