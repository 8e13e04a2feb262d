"""How spans, the parts of traces, come to where they are kept: the collector on each node takes them in.

Whoever has spans tells them, in OTLP over HTTP, to the collector of its own node: the Service leads to no other, so
they leave the node redacted and under TLS, as lines do (`collector.py`). What waits for a store that is away is in
memory, and what doesn't fit is lost: a trace is there to find out why something took long, and no record of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pulumi import Output, ResourceOptions
from pulumi_kubernetes import core

from components import kubernetes
from components.kubernetes import Endpoint, Namespace, metadata, selector
from components.values import MEBIBYTE

PORT = 4318
# MiB of spans that wait in memory: of the share of requests that is followed, minutes.
_QUEUE = 16
# MiB that one request's spans may have, many times over.
_LARGEST = 1


def endpoint(name: str, namespace: Namespace) -> Endpoint:
    """The collector of one's own node, known before it is there. name: of the collectors."""
    return Endpoint(host=Output.format("{0}.{1}.svc." + kubernetes.DOMAIN, name, namespace.name), port=PORT)


def service(name: str, namespace: Namespace, opts: ResourceOptions) -> core.v1.Service:
    """Leads to the collector of one's own node. Nobody waits for it: without it there are no traces, and all else."""
    return core.v1.Service(
        name,
        metadata=metadata(name, namespace.name, app=name, annotations={"pulumi.com/skipAwait": "true"}),
        spec=core.v1.ServiceSpecArgs(
            selector=selector(name),
            internal_traffic_policy="Local",
            ports=[core.v1.ServicePortArgs(name="spans", port=PORT, target_port="spans")],
        ),
        opts=opts,
    )


def configuration(
    exporter: dict[str, Any] | None,
    statements: Sequence[str],
    *,
    address: str = f"0.0.0.0:{PORT}",
) -> str:
    """What is added to the collector's own configuration. exporter: to a store of our own; None where another
    configuration says where spans go. statements: what is taken out of each."""
    pipeline = {"receivers": ["otlp"], "processors": ["memory_limiter", "transform/traces"]}
    return yaml.safe_dump(
        {
            "receivers": {
                "otlp": {"protocols": {"http": {"endpoint": address, "max_request_body_size": _LARGEST * MEBIBYTE}}}
            },
            "processors": {
                "transform/traces": {
                    "error_mode": "silent",
                    "trace_statements": [{"context": "span", "statements": list(statements)}],
                }
            },
            **({"exporters": {"otlp_http/traces": {**exporter, "sending_queue": dict(QUEUE)}}} if exporter else {}),
            "service": {
                "pipelines": {"traces": {**pipeline, **({"exporters": ["otlp_http/traces"]} if exporter else {})}}
            },
        },
        sort_keys=False,
        width=1000,
    )


QUEUE: Mapping[str, Any] = {
    "sizer": "bytes",
    "queue_size": _QUEUE * MEBIBYTE,
    "num_consumers": 2,
    "batch": {"flush_timeout": "1s", "sizer": "bytes", "min_size": MEBIBYTE // 4, "max_size": 2 * MEBIBYTE},
}
