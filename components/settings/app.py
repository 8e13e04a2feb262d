"""The application and its real-time service."""

from typing import Literal

from pydantic import Field

from components.settings.capacity import Replicas, Scale
from components.values import AddressAndPort, Resources, Size, Strict, mebibytes

LogLevel = Literal["debug", "info", "warning", "error"]

# What PHP-FPM's pod holds beside its workers: opcache 64 MiB and its strings 8, the counters' 8, the master and the two
# workers for probes (images/app/php, images/app/php-fpm.conf). Measured with ten workers that are full: 703 MiB, all of
# opcache and of the counters in it, of the 736 that this makes (tests/app/test_worker_memory.py).
_PHP_SHARED = 96
_MOST_WORKERS = 200


class Limits(Strict):
    """How much one client address may ask for; more is answered with 429."""

    api_per_second: int = Field(default=10, ge=1, le=1000)
    """Requests a second to the API, 1 to 1000 (S3.2)."""
    login_per_minute: int = Field(default=5, ge=1, le=60)
    """Logins a minute, 1 to 60: more is guessing; counted over all pods (S3.2)."""
    upload: Size = "10M"
    """Largest file that a request may bring, at least 1Mi (service levels: uploads)."""


class App(Strict):
    """The application: nginx and PHP-FPM in one pod."""

    environment: Literal["development", "staging", "production"] = "production"
    """What the application itself is told it runs in (S10)."""
    log_level: LogLevel = "info"
    """The least that it logs; `debug` may hold personal data (S10.1)."""
    replicas: Scale = Replicas(min=3, max=20)
    """Pods (S5.1, S6.1)."""
    uploads: Size = "100Gi"
    """Of the volume that all its pods share, at least 1Mi; it can grow, never shrink; a bucket, where the program makes
    the cluster, has no size (S2.3)."""
    session_lifetime: int = Field(default=3600, ge=60, le=86400)
    """Seconds that a login lasts without use, 60 to 86400: at most a day (service levels: sessions)."""
    workers: int | None = Field(default=None, ge=1, le=_MOST_WORKERS)
    """Requests that one pod's PHP-FPM works on at once, 1 to 200; without it as many as the memory of `php_resources`
    holds when each takes all of `worker_memory` (S6, beyond)."""
    worker_memory: Size = "64Mi"
    """What one request may take in PHP, at least 1Mi (S6, beyond)."""
    nginx_resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="128Mi")
    """Of nginx in each pod (S7 beyond: limits)."""
    exporter_resources: Resources = Resources(cpu="10m", cpu_limit="100m", memory="32Mi")
    """Of what tells Prometheus of nginx in each pod (S8.1)."""
    php_resources: Resources = Resources(cpu="500m", cpu_limit="2", memory="768Mi")
    """Of PHP-FPM in each pod, and of the migrations (S6, beyond)."""
    debugger: AddressAndPort | None = None
    """Where the engineer's editor waits for Xdebug, which connects when a request asks for it by XDEBUG_TRIGGER; needs
    the image's development stage (S10.1)."""
    hot_reload: bool = False
    """Whether `make dev` may send edited files into the running pods; needs the image's development stage
    (S10.1)."""
    migration_timeout: int = Field(default=600, ge=30, le=7200)
    """Seconds that the migrations may take before the update fails, 30 to 7200 (S12.1)."""
    limits: Limits = Limits()
    """For each client address (S3.2)."""

    @property
    def php_workers(self) -> int:
        """Requests that PHP-FPM works on at once."""
        if self.workers is not None:
            return self.workers
        fitting = (mebibytes(self.php_resources.memory) - _PHP_SHARED) // mebibytes(self.worker_memory)
        return min(max(fitting, 1), _MOST_WORKERS)

    @property
    def php_memory(self) -> int:
        """MiB that PHP-FPM takes when every worker takes all that it may."""
        return self.php_workers * mebibytes(self.worker_memory) + _PHP_SHARED


class WebSocket(Strict):
    """The real-time service."""

    log_level: LogLevel = "info"
    """The least that it logs; `debug` may hold personal data (S10.1)."""
    replicas: Scale = Replicas(min=2, max=10)
    """Pods: 2 to 10 in production (S6.1)."""
    resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="128Mi")
    """Of each pod (S7 beyond: limits)."""


class Timeouts(Strict):
    """How long each waits for the next. The one in front waits longer, or its user gets a 504 for an answer that
    comes."""

    edge: int = Field(default=70, ge=5, le=3600)
    """Seconds that the edge waits for nginx, 5 to 3600 (S3)."""
    nginx: int = Field(default=65, ge=4, le=3600)
    """Seconds that nginx waits for PHP-FPM, 4 to 3600 (S3)."""
    php: int = Field(default=60, ge=3, le=3600)
    """Seconds after which PHP-FPM ends a request, 3 to 3600 (S3)."""
    database: int = Field(default=30, ge=1, le=3600)
    """Seconds after which PostgreSQL ends a statement of the application, 1 to 3600 (service levels: API latency)."""
