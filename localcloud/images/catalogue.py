"""Every image that is built on this machine because the real one can't be pulled, with what it is good for.

A stand-in keeps the reference, so that manifests and Dockerfiles are the same everywhere, and honours as much of the
real image's contract as the platform uses. Where it differs, `differs` says so: what is true of it is not thereby true
of the real one. All carry the label `vision-week.stand-in=true`.
"""

from dataclasses import dataclass
from pathlib import Path

from localcloud import paths
from localcloud.images import registry

FOLDER = Path(__file__).parent / "stand-ins"

LABEL = "vision-week.stand-in"
LABEL_FOR = "vision-week.stand-in.for"

# The stages of our Dockerfiles that depend on a distribution which can't be had here; a named context replaces them.
PHP_BASE = "docker.io/library/php:8.2-fpm-alpine"


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """One image and what it takes the place of.

    name: its folder in `stand-ins/`; where `replaces_stage`, also the name of the stage in our Dockerfiles.
    reference: the real image.
    contract: what holds for the stand-in as for the real image.
    differs: what is known not to.
    replaces_stage: it takes the place of a Dockerfile's stage that is built on the real image, not of the image itself.
    content: the folder of this checkout that it copies from; its own if None.
    trusts_google: it trusts the authority of what stands in for Google, which it is given as GOOGLE_AUTHORITY.
    """

    name: str
    reference: str
    contract: str
    differs: str
    replaces_stage: bool = False
    content: Path | None = None
    trusts_google: bool = False

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def stands_in_for(self) -> str:
        return f"stage {self.name} on {self.reference}" if self.replaces_stage else self.reference

    def names(self, key: str) -> tuple[registry.Name, ...]:
        """Where it is in the local registry: first the name that tells its inputs, then the one that others ask for."""
        if self.replaces_stage:
            return (registry.Name(f"stand-in/{self.name}", key),)
        public = registry.mirror(self.reference)
        return (registry.Name(public.repository, f"stand-in-{key}"), public)


# The base first, then what takes longest.
STAND_INS = (
    StandIn(
        name="debian",
        reference="docker.io/library/debian:bookworm-slim",
        contract="a minimal Debian 12 with apt; no documentation, no recommended packages",
        differs="apt and pip use this machine's own sources and certificate authorities",
    ),
    StandIn(
        name="postgres",
        reference="docker.io/library/postgres:15-bookworm",
        contract="PostgreSQL 15 in /usr/lib/postgresql/15/bin on PATH; user postgres (999); PGDATA; /run/postgresql; "
        "locale en_US.utf8",
        differs="Debian's packages instead of the PostgreSQL project's; no docker-entrypoint.sh, no gosu; trusts what "
        "stands in for Google",
        trusts_google=True,
    ),
    StandIn(
        name="php-base",
        reference=PHP_BASE,
        contract="PHP 8.2 with FPM, the extensions and tools that the later stages of images/app/Dockerfile use",
        differs="Debian's PHP and nginx instead of Alpine's",
        replaces_stage=True,
    ),
    StandIn(
        name="composer",
        reference="docker.io/library/composer:2",
        contract="composer 2 and PHP 8.2 on the command line",
        differs="Debian's packages",
    ),
    StandIn(
        name="python",
        reference="docker.io/library/python:3.11-slim-bookworm",
        contract="Python 3.11 and pip under /usr/local, installing into /usr/local/lib/python3.11/site-packages",
        differs="Debian's build: /usr/local is a virtual environment of /usr/bin/python3",
    ),
    StandIn(
        name="redis",
        reference="docker.io/library/redis:7.4-bookworm",
        contract="redis-server, redis-sentinel and redis-cli on PATH; docker-entrypoint.sh; /data; user redis (999) or "
        "any uid",
        differs="Redis 7.0; where the entry point is bypassed, protected-mode is on unless the configuration says no",
    ),
    StandIn(
        name="haproxy",
        reference="docker.io/library/haproxy:3.2-bookworm",
        contract="haproxy on PATH; runs as any uid; ends softly by SIGUSR1, which is the image's stop signal",
        differs="HAProxy 2.6; no docker-entrypoint.sh",
    ),
    StandIn(
        name="redis-exporter",
        reference="docker.io/oliver006/redis_exporter:v1.67.0",
        contract="/redis_exporter; runs as any uid; listens on 9121; the password in a JSON file by address",
        differs="redis_exporter 1.45 instead of 1.67: looks the password up by address alone, without the user's name",
    ),
    StandIn(
        name="nginx-unprivileged",
        reference="docker.io/nginxinc/nginx-unprivileged:1.28-bookworm",
        contract="listens on 8080 as user 101 or any uid; /etc/nginx/conf.d; pid and temporary files under /tmp; logs "
        "on standard output; /docker-entrypoint.d",
        differs="nginx 1.22: HTTP/2 is `listen … ssl http2`, there is no `http2 on`; no templates with envsubst",
    ),
    StandIn(
        name="prometheus",
        reference="docker.io/prom/prometheus:v3.5.0",
        contract="Prometheus and promtool in /bin; user nobody (65534) or any uid; /etc/prometheus; /prometheus",
        differs="Prometheus 2.42 instead of 3.5, without its pages; finds targets by DNS and files alone, not by the "
        "Kubernetes API",
    ),
    StandIn(
        name="alertmanager",
        reference="docker.io/prom/alertmanager:v0.28.1",
        contract="Alertmanager and amtool in /bin; user nobody (65534) or any uid; /etc/alertmanager; /alertmanager",
        differs="Alertmanager 0.25 instead of 0.28, without its pages",
    ),
    StandIn(
        name="blackbox-exporter",
        reference="docker.io/prom/blackbox-exporter:v0.27.0",
        contract="/bin/blackbox_exporter; runs as any uid; listens on 9115; asks over HTTP and TLS",
        differs="blackbox_exporter 0.23 instead of 0.27; may not ping",
    ),
    StandIn(
        name="nginx-exporter",
        reference="docker.io/nginx/nginx-prometheus-exporter:1.4.0",
        contract="/usr/bin/nginx-prometheus-exporter; runs as any uid; listens on 9113; reads nginx's stub_status",
        differs="nginx-prometheus-exporter 0.11 instead of 1.4: ends when nginx doesn't answer it at its start, after "
        "as many tries as NGINX_RETRIES has",
    ),
    StandIn(
        name="node-exporter",
        reference="docker.io/prom/node-exporter:v1.9.1",
        contract="/bin/node_exporter; runs as any uid; listens on 9100",
        differs="node_exporter 1.5 instead of 1.9",
    ),
    StandIn(
        name="flutter-builder",
        reference="ghcr.io/cirruslabs/flutter:3.24.5",
        contract="leaves a web front end where the real stage leaves Flutter's",
        differs="a plain web page, nothing is compiled from Dart",
        replaces_stage=True,
        content=paths.CHECKOUT / "app" / "web",
    ),
    StandIn(
        name="php-base-development",
        reference=PHP_BASE,
        contract="php-base and Xdebug 3",
        differs="Debian's Xdebug instead of one built for Alpine",
        replaces_stage=True,
    ),
)


def by_reference() -> dict[str, StandIn]:
    """What a build on this machine gets for a name in FROM: a public reference, or a replaced stage's name."""
    return {stand_in.name if stand_in.replaces_stage else stand_in.reference: stand_in for stand_in in STAND_INS}
