"""OpenTelemetry Collector, on every node: brings what the stack's pods write to Loki, and their traces (`traces.py`).

It reads the files that the node keeps of each container, as user 1000 in the group that may read them, and writes
nothing of the node's (DECISIONS: namespaces). What must not be kept is taken out before a line leaves the node, and
before it is queued: passwords, keys and tokens that somebody logged all the same, and the last part of addresses.

Nothing is lost while Loki is away or the collector is started again. A line is in the queue, on the pod's own volume,
before its file is marked as read up to there; a full queue lets the file wait, which the node keeps (50 MiB of each
container, by default). A new pod begins with empty hands and reads all files anew: what is in Loki already is known by
its time and text, and not found twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking

from components import kubernetes
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.levels import KEYS, LEVELS, SEVERITIES, WORDS
from components.monitoring import answers, cloud, containers, redaction, traces
from components.monitoring.cloud import Cloud
from components.monitoring.redaction import literal
from components.settings import Monitoring
from components.values import MEBIBYTE, mebibytes

NAME = "collector"
METRICS_PORT = 8888
# What is taken in of its numbers: what came, what went, and what waits.
COUNTED = "|".join(
    (
        "up",
        "otelcol_exporter_queue_(capacity|size)",
        "otelcol_exporter_(enqueue_failed|send_failed|sent)_(log_records|spans)",
        "otelcol_receiver_(accepted|refused)_(log_records|spans)",
        "process_resident_memory_bytes|otelcol_process_memory_rss",
    )
)
_HEALTH_PORT = 13133
LOGS = "/var/log/pods"
# Of the files there, and of the directory: containerd's and the kubelet's own.
_READERS = 0
_FILES = "/etc/collector"
_DATA = "/var/lib/collector"
# MiB of lines that wait for Loki. A database of its own keeps them, which may take twice that, and more while it is
# tidied up.
QUEUE = 256

# Without it a line is marked as read while it waits for others in memory.
GATES = ("--feature-gates=stanza.synchronousLogEmitter",)

# Kubernetes' names of pods, by who made them: those of a Deployment and of Jobs end with a template's or a moment's
# mark and a random one, which have no vowels but where Pulumi made them; those of a StatefulSet with a number.
_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"
_OF_PODS = (rf"^(.*?)(?:-(?:[0-9]{{8}}|[0-9a-f]{{8}}|{_RANDOM}{{5,10}}))?-{_RANDOM}{{5}}$", r"^(.*)-[0-9]+$")


@dataclass(frozen=True, kw_only=True)
class Store:
    """Where something is brought, under TLS. peer: its pods. shown: the name in its certificate."""

    endpoint: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs
    shown: str


@dataclass(frozen=True, kw_only=True)
class CollectorArgs:
    """What the collectors need.

    namespace: their own. watched: namespaces whose pods they read. prefix: of names in the cluster.
    nodes: addresses of those that they are on; None where policies can't mean nodes by them.
    lines: where lines go. authority: PEM of who signed its certificate.
    settings: what each may use. image: of the collector.
    tellers: pods that tell spans; without any, none are taken in. spans: where those go; None where `cloud` has them.
    cloud: the Google that keeps both, too; None elsewhere. connections: that this takes.
    """

    namespace: Namespace
    watched: Sequence[Namespace]
    prefix: str
    nodes: Sequence[str] | None
    lines: Store
    authority: Input[str]
    settings: Monitoring
    image: Input[str]
    tellers: Sequence[networking.v1.NetworkPolicyPeerArgs] = ()
    spans: Store | None = None
    cloud: Cloud | None = None
    connections: Sequence[networking.v1.NetworkPolicyEgressRuleArgs] = ()


class Collector(ComponentResource):
    """One pod on each node, those that are kept for others' pods too."""

    def __init__(self, name: str, args: CollectorArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:Collector", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        configurations = _configurations(args)
        files = {**configurations, "authority.pem": args.authority}
        config = core.v1.ConfigMap(NAME, metadata=about, data=files, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        rights = containers.rights(f"{args.prefix}-{containers.NAME}", account, child)
        stores = [args.lines, *([args.spans] if args.spans else [])]
        policy = networking.v1.NetworkPolicy(
            NAME,
            metadata=about,
            spec=kubernetes.allow(
                NAME,
                ingress=[kubernetes.from_(args.tellers, traces.PORT)] if args.tellers else [],
                egress=[
                    *(kubernetes.to([store.peer], store.endpoint.port) for store in stores),
                    containers.to_kubelets(args.nodes),
                    *args.connections,
                ],
            ),
            opts=child,
        )
        if args.tellers:
            traces.service(NAME, args.namespace, child)
        apps.v1.DaemonSet(
            NAME,
            metadata=about,
            spec=apps.v1.DaemonSetSpecArgs(
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [_container(args, list(configurations))],
                    volumes=[
                        kubernetes.config_files("config", config.metadata.name),
                        kubernetes.scratch("data", f"{QUEUE * 4 * (2 if args.cloud else 1)}Mi"),
                        core.v1.VolumeArgs(
                            name="logs", host_path=core.v1.HostPathVolumeSourceArgs(path=LOGS, type="Directory")
                        ),
                    ],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files),
                    # To write down how far it came.
                    grace=15,
                    groups=[_READERS],
                    every_node=True,
                    token=True,
                ),
            ),
            # No pod starts without its policies.
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, policy, *rights]),
        )
        self.register_outputs({})


def _configurations(args: CollectorArgs) -> dict[str, Input[str]]:
    """File -> configuration, in the order that the collector puts them together."""
    truncated = args.settings.client_addresses == "truncated"
    made: dict[str, Input[str]] = {
        "collector.yaml": Output.all(args.lines.endpoint.host, *(each.name for each in args.watched)).apply(
            lambda known: configuration(
                f"https://{known[0]}:{args.lines.endpoint.port}",
                known[1:],
                shown=args.lines.shown,
                truncated=truncated,
            )
        ),
        "answers.yaml": answers.configuration(),
        "containers.yaml": Output.all(*(each.name for each in args.watched)).apply(containers.configuration),
    }
    if args.tellers:
        said = list(redaction.of_spans(truncated=truncated))
        made["traces.yaml"] = traces.configuration(None, said)
        if args.spans:
            shown = args.spans.shown
            place = Output.format("https://{0}:{1}", args.spans.endpoint.host, args.spans.endpoint.port)
            made["traces.yaml"] = place.apply(lambda url: traces.configuration(exporter(url, shown), said))
    if args.cloud:
        made["google.yaml"] = cloud.configuration(args.cloud, queue(), traced=bool(args.tellers))
    return made


def _container(args: CollectorArgs, configurations: Sequence[str]) -> Container:
    settings = args.settings
    return Container(
        name=NAME,
        image=args.image,
        command=["/otelcol-contrib", *(f"--config={_FILES}/{name}" for name in configurations), *GATES],
        # Tidies up before the limit rather than being killed at it.
        env={
            "GOMEMLIMIT": f"{mebibytes(settings.collector_resources.memory) * 8 // 10}MiB",
            containers.NODE_ADDRESS: kubernetes.pod_field("status.hostIP"),
        },
        resources=settings.collector_resources,
        ports={
            "health": _HEALTH_PORT,
            "metrics": METRICS_PORT,
            "containers": containers.PORT,
            answers.NAME: answers.PORT,
            **({"spans": traces.PORT} if args.tellers else {}),
        },
        mounts=[
            Mount(volume="config", path=_FILES, read_only=True),
            Mount(volume="data", path=_DATA),
            Mount(volume="logs", path=LOGS, read_only=True),
        ],
        readiness=kubernetes.http_probe("/", "health", period=5, failures=3),
        liveness=kubernetes.http_probe("/", "health", period=10, failures=6),
    )


def configuration(
    store: str,
    namespaces: Sequence[str],
    *,
    shown: str,
    truncated: bool,
    logs: str = LOGS,
    files: str = _FILES,
    data: str = _DATA,
    health: str = f"0.0.0.0:{_HEALTH_PORT}",
    metrics: tuple[str, int] = ("0.0.0.0", METRICS_PORT),  # noqa: S104  the pod's own address, which policies guard
) -> str:
    """The collector's own configuration. truncated: without the last part of clients' addresses."""
    return yaml.safe_dump(
        {
            "extensions": {"health_check": {"endpoint": health}, "file_storage": {"directory": data}},
            "receivers": {
                "file_log": {
                    # Also what the kubelet has put aside since, as `0.log.20260101-000000`, until it is packed.
                    "include": [f"{logs}/{namespace}_*/*/*.log*" for namespace in namespaces],
                    "exclude": [f"{logs}/*/*/*.{packed}" for packed in ("gz", "tmp")],
                    "include_file_path": True,
                    "include_file_name": False,
                    "start_at": "beginning",
                    "storage": "file_storage",
                    # What can't be taken in now stays where it is.
                    "retry_on_failure": {"enabled": True, "max_elapsed_time": "0s"},
                    "operators": list(_operators()),
                }
            },
            "processors": {
                "memory_limiter": {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 20},
                "transform": {"error_mode": "silent", "log_statements": list(_statements(truncated=truncated))},
            },
            "exporters": {"otlp_http": {**exporter(f"{store}/otlp", shown, files), "sending_queue": queue()}},
            "service": {
                "extensions": ["health_check", "file_storage"],
                "pipelines": {
                    "logs": {
                        "receivers": ["file_log"],
                        "processors": ["memory_limiter", "transform"],
                        "exporters": ["otlp_http", answers.COUNTER],
                    }
                },
                "telemetry": {
                    "logs": {"level": "warn", "encoding": "json"},
                    "metrics": {
                        "level": "normal",
                        "readers": [
                            {
                                "pull": {
                                    "exporter": {
                                        "prometheus": {
                                            "host": metrics[0],
                                            "port": metrics[1],
                                            "without_type_suffix": True,
                                            "without_units": True,
                                        }
                                    }
                                }
                            }
                        ],
                    },
                },
            },
        },
        sort_keys=False,
        width=1000,
    )


def exporter(endpoint: str, shown: str, files: str = _FILES) -> dict[str, Any]:
    """To a store of our own, tried until it takes what is brought. shown: the name in its certificate."""
    return {
        "endpoint": endpoint,
        "tls": {"ca_file": f"{files}/authority.pem", "server_name_override": shown},
        "retry_on_failure": {"initial_interval": "1s", "max_interval": "10s", "max_elapsed_time": "0s"},
    }


def queue() -> dict[str, Any]:
    """Of lines, which lose nothing."""
    return {
        "storage": "file_storage",
        "sizer": "bytes",
        "queue_size": QUEUE * MEBIBYTE,
        "num_consumers": 2,
        "block_on_overflow": True,
        "batch": {
            "flush_timeout": "1s",
            "sizer": "bytes",
            "min_size": MEBIBYTE // 4,
            "max_size": 2 * MEBIBYTE,
        },
    }


def _operators() -> Iterator[dict[str, Any]]:
    """What containerd wrote about a line, and where from; a long one is put together again.

    The collector has one operator for all this, which keeps lines in memory for a moment after they count as read.
    """
    path = 'attributes["log.file.path"]'
    yield {
        "type": "regex_parser",
        "regex": "^(?P<time>[^ ]+) (?P<stream>stdout|stderr) (?P<part>[^ ]*) ?(?P<line>.*)$$",
        "timestamp": {
            "parse_from": "attributes.time",
            "layout_type": "gotime",
            "layout": "2006-01-02T15:04:05.999999999Z07:00",
        },
    }
    yield {
        "type": "recombine",
        "combine_field": "attributes.line",
        "combine_with": "",
        "is_last_entry": "attributes.part == 'F'",
        "source_identifier": path,
        "max_log_size": MEBIBYTE,
    }
    yield {"type": "move", "from": "attributes.line", "to": "body"}
    yield {
        "type": "regex_parser",
        "parse_from": path,
        "regex": r"/(?P<namespace>[^/_]+)_(?P<pod>[^/_]+)_[^/_]+/(?P<container>[^/]+)/(?P<start>\d+)\.log[^/]*$$",
        "cache": {"size": 256},
    }
    for here, there in (
        ("namespace", "k8s.namespace.name"),
        ("pod", "k8s.pod.name"),
        ("container", "k8s.container.name"),
        ("start", "k8s.container.restart_count"),
    ):
        yield {"type": "move", "from": f"attributes.{here}", "to": f'resource["{there}"]'}


def _statements(*, truncated: bool) -> Iterator[dict[str, Any]]:
    """What is done with each line, in OpenTelemetry's own language for that."""
    service = 'resource.attributes["service.name"]'
    yield {
        "context": "resource",
        "statements": [
            f'set({service}, resource.attributes["k8s.pod.name"])',
            *(f"replace_pattern({service}, {literal(each)}, {literal('${1}')})" for each in _OF_PODS),
        ],
    }
    yield {
        "context": "log",
        "statements": [
            *redaction.of_lines(truncated=truncated),
            # They say what is known already, and a line that is read again must be the same line.
            'delete_matching_keys(log.attributes, "^(log.file.path|part|time)$$")',
            "set(log.observed_time_unix_nano, 0)",
            f"set(log.severity_number, {SEVERITIES['info']})",
            'set(log.severity_text, "info")',
            r'merge_maps(log.cache, ParseJSON(log.body), "upsert") where IsMatch(log.body, "^\\s*\\{")',
            answers.status_of_line(),
            'set(log.trace_id.string, log.cache["trace_id"]) where IsMatch(log.cache["trace_id"], "^[0-9a-f]{32}$$")',
            *(f'set(log.cache["said"], log.cache["{key}"]) where log.cache["said"] == nil' for key in KEYS),
            *(
                statement
                for level in LEVELS
                for said in [literal(f"(?i)^({'|'.join(_words(level))})$")]
                for statement in (
                    f'set(log.severity_number, {SEVERITIES[level]}) where IsMatch(log.cache["said"], {said})',
                    f'set(log.severity_text, "{level}") where IsMatch(log.cache["said"], {said})',
                )
                if level != "info"
            ),
        ],
    }


def _words(level: str) -> list[str]:
    return [level, *(word for word, same in WORDS.items() if same == level)]
