"""The images of what keeps logs, for those who want them: Loki and the OpenTelemetry Collector, built from modules.

Not among the stand-ins, which every local cloud has: to compile these two takes longer than all that `make up` does.
They are the programs of the real images, at their places and of the same versions; around them there is nothing.
"""

from collections.abc import Callable

from localcloud import toolchain
from localcloud.images import registry
from localcloud.images.binaries import publish_binary

# The image -> its program, and where that is in it.
IMAGES = {
    "docker.io/grafana/loki:3.7.8": ("loki", "/usr/bin/loki"),
    "docker.io/otel/opentelemetry-collector-contrib:0.149.0": ("otelcol-contrib", "/otelcol-contrib"),
}
_USER = "10001:10001"


def are_there() -> bool:
    """Whether the local registry has both."""
    with registry.connect() as connection:
        return all(connection.digest(registry.mirror(reference)) for reference in IMAGES)


def up(progress: Callable[[str], None]) -> None:
    """Have both in the local registry."""
    programs = toolchain.build([program for program, _ in IMAGES.values()], progress)
    for reference, (program, place) in IMAGES.items():
        publish_binary(reference, {place: programs[program]}, [place], user=_USER)
