"""The images of what keeps logs and traces, for those who want them: Loki, the OpenTelemetry Collector, Jaeger.

Built from modules, and not among the stand-ins, which every local cloud has: to compile these takes longer than all
that `make up` does.
They are the programs of the real images, at their places and of the same versions; around them there is nothing.
"""

from collections.abc import Callable

from localcloud import toolchain
from localcloud.images.binaries import publish_binary

# The image -> its program, and where that is in it.
IMAGES = {
    "docker.io/grafana/loki:3.7.8": ("loki", "/usr/bin/loki"),
    "docker.io/otel/opentelemetry-collector-contrib:0.149.0": ("otelcol-contrib", "/otelcol-contrib"),
}
# What traces take besides.
TRACES = {"docker.io/jaegertracing/jaeger:2.13.0": ("jaeger", "/cmd/jaeger/jaeger-linux")}
_USER = "10001:10001"


def up(progress: Callable[[str], None], *, traces: bool = False) -> None:
    """Have them in the local registry. traces: what keeps those, too."""
    images = {**IMAGES, **(TRACES if traces else {})}
    programs = toolchain.build([program for program, _ in images.values()], progress)
    for reference, (program, place) in images.items():
        publish_binary(reference, {place: programs[program]}, [place], user=_USER)
